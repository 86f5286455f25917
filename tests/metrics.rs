//! Metrics against scikit-learn: `assets/goldens/make_metrics.py` made the
//! predictions and says what it says of them.

use serde_json::Value;
use wgrad::eval::metrics::{Classification, Metrics, Regression};

/// How far a figure may be from scikit-learn's, relative to it or to 1.
const TOLERANCE: f64 = 1e-12;

fn goldens(group: &str) -> Vec<Value> {
    let text = include_str!("../assets/goldens/metrics.json");
    let all: Value = serde_json::from_str(text).expect("valid JSON");
    all[group].as_array().expect("a list").clone()
}

fn floats(v: &Value) -> Vec<f32> {
    v.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number") as f32).collect()
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("c{i}")).collect()
}

/// Compares whatever `expected` holds with the same keys of `found`.
fn compare(place: &str, found: &Value, expected: &Value) {
    match expected {
        Value::Object(map) => map.iter().for_each(|(k, v)| compare(&format!("{place}.{k}"), &found[k], v)),
        Value::Array(list) => {
            let got = found.as_array().unwrap_or_else(|| panic!("{place}: {found}"));
            assert_eq!(got.len(), list.len(), "{place}: {found} instead of {expected}");
            got.iter().zip(list).enumerate().for_each(|(i, (f, e))| compare(&format!("{place}[{i}]"), f, e));
        }
        Value::Null => assert!(found.is_null(), "{place}: {found}; scikit-learn says it is undefined"),
        number => {
            let (f, e) = (found.as_f64(), number.as_f64().expect("a number"));
            let near = f.is_some_and(|f| (f - e).abs() <= TOLERANCE * e.abs().max(1.0));
            assert!(near, "{place}: {found}; scikit-learn says {e}");
        }
    }
}

#[test]
fn classification_as_scikit_learn() {
    let cases = goldens("classification");
    assert!(cases.len() >= 15);
    for case in cases {
        let labels: Vec<u32> = floats(&case["labels"]).iter().map(|&l| l as u32).collect();
        let classes = case["classes"].as_u64().expect("a count") as usize;
        let scored = Classification::of(&floats(&case["probabilities"]), &labels, &names(classes)).expect("scored");
        let mut found = serde_json::to_value(&scored).expect("plain data");
        // What the program keeps in structures, as the script names it.
        let column = |list: &Value, key: &str| -> Value {
            list.as_array().into_iter().flatten().map(|b| b[key].clone()).collect()
        };
        for key in ["count", "confidence", "accuracy"] {
            found[format!("bin_{key}")] = column(&found["reliability"], key);
        }
        found["top_k"] = column(&found["top_k"], "accuracy");
        if let Some(curve) = scored.curves.first().filter(|_| classes == 2) {
            found["roc"] = serde_json::json!(curve.roc);
            found["pr"] = serde_json::json!(curve.pr);
        }
        if let Some(t) = &scored.thresholds {
            found["thresholds"] = Value::Object(Default::default());
            for c in &t.choices {
                let value = [("f1", c.point.f1), ("youden", c.point.youden), ("accuracy", c.point.accuracy)];
                let value = value.iter().find(|v| v.0 == c.best).expect("one of the three").1;
                found["thresholds"][&c.best] = serde_json::json!([c.point.threshold, value]);
            }
        }
        let name = case["name"].as_str().expect("a name");
        compare(name, &found, &case["expected"]);
        for (key, [low, high]) in &scored.intervals {
            assert!(low <= high, "{name}: the interval of {key} is {low} to {high}");
        }
    }
}

#[test]
fn regression_as_scikit_learn() {
    let cases = goldens("regression");
    assert!(cases.len() >= 10);
    for case in cases {
        let columns = case["columns"].as_u64().expect("a count") as usize;
        let (predicted, target) = (floats(&case["predicted"]), floats(&case["target"]));
        let scored = Regression::of(&predicted, &target, &names(columns)).expect("scored");
        let found = serde_json::to_value(&scored).expect("plain data");
        let name = case["name"].as_str().expect("a name");
        compare(name, &found, &case["expected"]);
        compare(&format!("{name}, targets"), &found["targets"], &case["targets"]);
    }
}

#[test]
fn metrics_survive_json() {
    let case = &goldens("classification")[1];
    let labels: Vec<u32> = floats(&case["labels"]).iter().map(|&l| l as u32).collect();
    let scored = Classification::of(&floats(&case["probabilities"]), &labels, &names(2)).expect("scored");
    let metrics = Metrics::Classification(Box::new(scored));
    let text = serde_json::to_string(&metrics).expect("plain data");
    assert_eq!(serde_json::from_str::<Metrics>(&text).expect("read back"), metrics);
    let scored = Regression::of(&[1.0, 2.5], &[1.0, 2.0], &names(1)).expect("scored");
    let metrics = Metrics::Regression(Box::new(scored));
    let text = serde_json::to_string(&metrics).expect("plain data");
    assert_eq!(serde_json::from_str::<Metrics>(&text).expect("read back"), metrics);
}

#[test]
fn intervals_hold_the_figure_and_narrow_with_samples() {
    let width = |n: u32| {
        let labels: Vec<u32> = (0..n).map(|i| i % 2).collect();
        // Right in four of five, with scores that overlap.
        let right = |i: u32| !i.is_multiple_of(5);
        let p = |i: u32| if (labels[i as usize] == 1) == right(i) { 0.7 + (i % 16) as f32 / 64.0 } else { 0.25 };
        let probabilities: Vec<f32> = (0..n).flat_map(|i| [1.0 - p(i), p(i)]).collect();
        let scored = Classification::of(&probabilities, &labels, &names(2)).expect("scored");
        for figure in scored.figures() {
            let Some([low, high]) = figure.interval else {
                assert_eq!(figure.key, "ece", "no interval");
                continue;
            };
            assert!((low..=high).contains(&figure.value), "{}: {} in {low} to {high}", figure.key, figure.value);
        }
        let [low, high] = scored.intervals["accuracy"];
        high - low
    };
    let (few, many) = (width(200), width(3200));
    assert!((3.0..5.0).contains(&(few / many)), "{few} with 200 samples, {many} with 3200");
}

#[test]
fn ten_thousand_samples_are_scored_quickly() {
    let (n, classes) = (10_000u32, 10u32);
    let labels: Vec<u32> = (0..n).map(|i| i * 7 % classes).collect();
    let mut random = wgrad::tensor::random::Random::new(1, wgrad::tensor::random::stream::CASES);
    let mut probabilities = vec![];
    for label in &labels {
        let row: Vec<f32> =
            (0..classes).map(|c| (random.normal() + if c == *label { 2.0 } else { 0.0 }).exp()).collect();
        let sum: f32 = row.iter().sum();
        probabilities.extend(row.iter().map(|v| v / sum));
    }
    let begun = std::time::Instant::now();
    let scored = Classification::of(&probabilities, &labels, &names(10)).expect("scored");
    let took = begun.elapsed();
    eprintln!("10,000 samples of 10 classes: {took:?}");
    assert!(scored.accuracy > 0.4 && scored.intervals.contains_key("roc_auc"));
    assert!(took.as_secs() < 20, "{took:?}");
}

#[test]
fn what_cannot_be_scored_says_why() {
    let two = names(2);
    type Case<'a> = (&'a [f32], &'a [u32], &'a [String], &'a str);
    let cases: [Case; 7] = [
        (&[], &[], &two, "there is no sample"),
        (&[0.5, f32::NAN], &[0], &two, "row 0 holds NaN"),
        (&[0.5, 0.5, f32::INFINITY, 0.0], &[0, 1], &two, "row 1 holds inf"),
        (&[0.5, 0.5], &[2], &two, "row 0 has label 2; expected 0 to 1"),
        (&[0.5, 0.5, 0.5], &[1], &two, "3 values for 1 samples; expected 2 values per sample"),
        (&[2.0, 1.5], &[1], &two, "apply softmax"),
        (&[1.0], &[0], &two[..1], "expected at least 2"),
    ];
    for (p, l, n, part) in cases {
        let message = Classification::of(p, l, n).expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    }
    assert!(Classification::of(&[1.5, -0.5], &[1], &two).is_err());
    let one = names(1);
    for (p, t, part) in [
        (&[][..], &[][..], "there is no sample"),
        (&[1.0, 2.0], &[1.0], "2 values for 1 samples"),
        (&[f32::NAN], &[1.0], "predictions: row 0 holds NaN"),
        (&[1.0], &[f32::NEG_INFINITY], "targets: row 0 holds -inf"),
    ] {
        let message = Regression::of(p, t, &one).expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    }
    assert!(Regression::of(&[1.0], &[1.0], &[]).is_err());
}
