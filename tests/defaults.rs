//! What a user gets where nothing is said but the data: enough steps for few samples, the best
//! epoch of a table, changes of a series that leaves its range; what was decided is said, is in
//! `config.toml`, and a run that goes on does not decide it anew.

#[path = "support/noise.rs"]
mod noise;
#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use noise::noise;
use place::{Place, ran, said, works};
use serde_json::Value;
use std::io::Write;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn config(place: &Place, run: &str) -> toml::Table {
    place.read(&format!("{run}/config.toml")).parse().expect("TOML")
}

fn read_json(place: &Place, file: &str) -> Value {
    serde_json::from_str(&place.read(file)).expect("JSON")
}

/// Rows of two classes that overlap, and a number that goes with them.
fn rows(n: usize) -> String {
    let row = |i: usize| {
        let (a, b) = (noise(3 * i), noise(3 * i + 1));
        let class = if a + 0.8 * noise(3 * i + 2) > 0.0 { "yes" } else { "no" };
        format!("{a:.4},{b:.4},{:.4},{class}\n", 3.0 * a - b)
    };
    (0..n).fold("a,b,value,class\n".into(), |text, i| text + &row(i))
}

/// Months with a trend that leaves the range of training.
fn growing(n: usize) -> String {
    let row = |i: usize| format!("{}-{:02},{:.4}\n", 1980 + i / 12, 1 + i % 12, 5.0 * i as f64 + noise(i));
    (0..n).fold("month,sales\n".into(), |text, i| text + &row(i))
}

/// An array in the layout of `.npy`.
fn npy(kind: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let mut head = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    head += &" ".repeat(63 - (10 + head.len()) % 64);
    head.push('\n');
    [b"\x93NUMPY\x01\x00", &(head.len() as u16).to_le_bytes()[..], head.as_bytes(), bytes].concat()
}

/// Samples of six numbers in two classes, as an archive.
fn archive(place: &Place, name: &str, n: usize) {
    let label = |i: usize| i64::from(i.is_multiple_of(2));
    let value = |i: usize| (noise(i) + (label(i / 6) * 2 - 1) as f64 * 0.8) as f32;
    let x: Vec<u8> = (0..6 * n).flat_map(|i| value(i).to_le_bytes()).collect();
    let y: Vec<u8> = (0..n).flat_map(|i| label(i).to_le_bytes()).collect();
    let mut zip = ZipWriter::new(std::fs::File::create(place.path(name)).expect("made"));
    for (name, content) in
        [("x.npy", npy("<f4", &format!("({n}, 6)"), &x)), ("y.npy", npy("<i8", &format!("({n},)"), &y))]
    {
        zip.start_file(name, SimpleFileOptions::default()).expect("begun");
        zip.write_all(&content).expect("written");
    }
    zip.finish().expect("finished");
}

#[test]
fn few_arrays_get_enough_steps_and_end_with_the_best() {
    let place = Place::new();
    archive(&place, "few.npz", 60);
    let told = works(place.root(), "train --data few.npz --out run");
    // 54 samples are one step an epoch.
    assert!(
        told.contains("300 epochs: 10 of 54 training samples would be 10 steps") && told.contains("train.min_steps")
    );
    let table = config(&place, "run");
    assert_eq!((table["train"]["epochs"].as_integer(), table["train"]["min_steps"].as_integer()), (Some(300), Some(0)));
    assert_eq!(table["early_stopping"]["patience"].as_integer(), Some(75));
    assert_eq!(table["early_stopping"]["restore_best_weights"].as_bool(), Some(true));
    // What is said is done, and nothing is said of it.
    let told = works(place.root(), "train --data few.npz --epochs 2 --out said");
    assert!(!told.contains("min_steps"), "{told}");
    let table = config(&place, "said");
    assert_eq!(table["train"]["epochs"].as_integer(), Some(2));
    // A run that is stopped and goes on ends where one that was not does.
    works(place.root(), "train --data few.npz --out parts --max-steps 4");
    works(place.root(), "train --resume --out parts --max-steps 1000000");
    let weights = |run: &str| std::fs::read(place.path(&format!("{run}/checkpoints/last/model.safetensors"))).unwrap();
    assert_eq!(weights("parts"), weights("run"));
}

#[test]
fn a_table_keeps_the_epoch_with_the_lowest_validation_loss() {
    let place = Place::new();
    place.write("t.csv", rows(160));
    let args = "train --data t.csv --target class --set clean.drop=[\"value\"] --set optimizer.name=adamw --lr 0.03";
    works(place.root(), &format!("{args} --out run --epochs 40"));
    let metrics = place.read("run/metrics.jsonl");
    let epochs = metrics.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()).filter(|l| l["val"].is_object());
    let losses: Vec<f64> = epochs.map(|l| l["val"]["loss"].as_f64().expect("a loss")).collect();
    assert_eq!(losses.len(), 40, "all epochs are trained");
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let found = read_json(&place, "run/evaluation.json").to_string();
    let scored = ran(place.root(), "eval run --data t.csv --json");
    assert!(scored.status.success(), "{}", said(&scored));
    let info = read_json(&place, "run/run.json");
    let best = info["best_epoch"].as_u64().expect("a best epoch") as usize;
    assert!(best < 40 && (losses[best - 1] - least).abs() < 1e-12, "{best} {losses:?}");
    let loss = info["figures"].to_string() + &found;
    assert!(loss.contains(&format!("{least}")[..6]), "{least}: {loss}");
    // A run of before says that it keeps the last, and does.
    let told = works(place.root(), "train run/config.toml --set early_stopping.restore_best_weights=false --out last");
    assert!(told.contains("saved in last"));
    let weights = |run: &str| std::fs::read(place.path(&format!("{run}/checkpoints/last/model.safetensors"))).unwrap();
    assert_ne!(weights("last"), weights("run"));
}

#[test]
fn dropout_of_a_regression_is_said_and_written_down() {
    let place = Place::new();
    place.write("t.csv", rows(2_600));
    let told = works(place.root(), "train --data t.csv --target value --epochs 1 --out run");
    assert!(
        told.contains("layer \"drop1\" of model \"tabular\" drops 10 % in training, for 2340 training samples"),
        "{told}"
    );
    let rate = |run: &str| config(&place, run)["model"]["layer"][2]["rate"].as_float();
    assert_eq!(rate("run"), Some(0.1));
    works(place.root(), "train --data t.csv --target class --epochs 1 --out classes");
    assert_eq!(rate("classes"), Some(0.3));
}

#[test]
fn a_series_that_leaves_its_range_is_followed_and_the_choice_is_said() {
    let place = Place::new();
    place.write("sales.csv", growing(120));
    let told = works(place.root(), "train --data sales.csv --model lstm-forecast --window 6 --season none --out run");
    assert!(
        told.contains("difference = true was chosen on the training rows") && told.contains("data.difference"),
        "{told}"
    );
    assert!(told.contains("better than persistence") && told.contains("training samples would be 60 steps"), "{told}");
    assert_eq!(config(&place, "run")["data"]["difference"].as_bool(), Some(true));
    // Values are out of reach, and a model of them is told what to do.
    let args = "train --data sales.csv --model lstm-forecast --window 6 --season none --difference=false --epochs 5";
    let told = works(place.root(), &format!("{args} --out values"));
    assert!(told.contains("worse than persistence: try --difference,"), "{told}");
    assert!(told.contains("advice: The forecast is worse than drift"), "{told}");
    assert!(!told.contains("no use"), "{told}");
    let evaluation = read_json(&place, "values/evaluation.json");
    let plotted = &evaluation["forecast"]["plotted"][0];
    assert_eq!((plotted["naive_name"].as_str(), plotted["naive"].as_array().map(Vec::len)), (Some("drift"), Some(24)));
    assert!(place.read("values/report.html").contains(">drift<"));
}

#[test]
fn folds_that_are_kept_answer_together() {
    let place = Place::new();
    place.write("t.csv", rows(120));
    works(place.root(), "train --data t.csv --target class --epochs 3 --folds 2 --keep-folds --out cv");
    let first = |run: &str| -> Vec<f64> {
        let output = ran(place.root(), &format!("predict {run} t.csv --json"));
        assert!(output.status.success(), "{}", said(&output));
        let json: serde_json::Value = serde_json::from_slice(output.stdout.trim_ascii()).expect("JSON");
        let of_classes = json["predictions"][0]["probabilities"].as_object().expect("classes").values();
        of_classes.filter_map(serde_json::Value::as_f64).collect()
    };
    let [both, one, two] = ["cv", "cv/fold-1", "cv/fold-2"].map(first);
    assert!(both.len() > 1 && both.iter().enumerate().all(|(i, p)| (p - (one[i] + two[i]) / 2.0).abs() < 1e-6));
    let told = said(&ran(place.root(), "predict cv t.csv"));
    assert!(told.contains("the mean of the probabilities of 2 models, one per fold"), "{told}");
    std::fs::remove_dir_all(place.path("cv/fold-2")).expect("removed");
    assert!(said(&ran(place.root(), "predict cv t.csv")).contains("cv/fold-2 is not there"));
    let told = said(&ran(place.root(), "train --data t.csv --target class --keep-folds"));
    assert!(told.contains("expected --folds N with it"), "{told}");
}

#[test]
fn folds_are_a_line_each_and_predict_says_what_to_do() {
    let place = Place::new();
    place.write("t.csv", rows(120));
    let told = works(place.root(), "train --data t.csv --target class --epochs 12 --folds 3 --out cv");
    assert_eq!(told.lines().filter(|l| l.starts_with("fold ") && l.contains(" of 3: loss")).count(), 3, "{told}");
    assert!(told.contains("best epoch ") && !told.lines().any(|l| l.starts_with("epoch ")), "{told}");
    let output = ran(place.root(), "predict cv t.csv");
    let told = said(&output);
    assert!(!output.status.success());
    assert!(
        ["is a cross-validation", "cv/fold-1", "wgrad train cv/config.toml --folds 0"].iter().all(|p| told.contains(p)),
        "{told}"
    );
    assert!(ran(place.root(), "predict cv/fold-1 t.csv").status.success());
    works(place.root(), "train cv/config.toml --folds 0 --out all");
    assert!(ran(place.root(), "predict all t.csv").status.success());
}
