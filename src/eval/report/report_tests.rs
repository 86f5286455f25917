use super::*;
use crate::eval::forecast::{Forecast, Forecaster, Plotted};
use crate::eval::history::{EpochRecord, EpochScores};
use crate::eval::metrics::{Classification, Metrics, Regression};
use crate::eval::run::{Evaluation, LayerInfo, Mistake, Place, RunInfo, Task, write_json};

const HOSTILE: &str = "</title></td></svg><script>alert(1)</script>\" onload=\"x";

fn epochs(folder: &Path, n: usize, rate: f64) {
    for epoch in 1..=n {
        let loss = 2.0 / (1.0 + rate * epoch as f64);
        let record = EpochRecord {
            epoch,
            step: 10 * epoch as u64,
            train: EpochScores::new(loss).with("accuracy", 1.0 - loss / 3.0).with(HOSTILE, 1.0),
            val: Some(EpochScores::new(loss * 1.1).with("accuracy", 0.9 - loss / 3.0)),
            lr: Some(0.01),
            grad_norm: Some(loss),
            seconds: 1.0,
        };
        record.append(folder).unwrap();
    }
}

fn hostile_run(folder: &Path, classes: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let names: Vec<String> = (0..classes).map(|i| format!("{HOSTILE}{i}")).collect();
    let labels: Vec<u32> = (0..60).map(|i| i % classes as u32).collect();
    let row = |i: usize| {
        let mut row = vec![0.3 / (classes - 1) as f32; classes];
        row[if i.is_multiple_of(4) { (i + 1) % classes } else { i % classes }] = 0.7;
        row
    };
    let probabilities: Vec<f32> = (0..60).flat_map(row).collect();
    let metrics = Classification::of(&probabilities, &labels, &names).unwrap();
    let mistake = Mistake {
        sample: 3,
        place: Some(Place::File { file: HOSTILE.into() }),
        label: HOSTILE.into(),
        predicted: HOSTILE.into(),
        probability: Some(0.7),
        picture: Some(format!("data:image/png;base64,{HOSTILE}")),
        text: Some(HOSTILE.into()),
        cells: vec![(HOSTILE.into(), Some(HOSTILE.into())), ("gap".into(), None)],
    };
    let good = Mistake { picture: Some("data:image/png;base64,iVBORw0KGgo=".into()), ..mistake.clone() };
    let evaluation = Evaluation {
        split: HOSTILE.into(),
        task: Task::Classification,
        metrics: Metrics::Classification(Box::new(metrics)),
        mistakes: vec![mistake, good],
        forecast: Some(hostile_forecast()),
    };
    evaluation.write(folder).unwrap();
    let info = RunInfo {
        command: vec!["wgrad".into(), HOSTILE.into()],
        model: HOSTILE.into(),
        data: HOSTILE.into(),
        classes: names,
        layers: vec![LayerInfo { name: HOSTILE.into(), kind: HOSTILE.into(), ..LayerInfo::default() }],
        stopped: Some(HOSTILE.into()),
        notes: vec![HOSTILE.into()],
        ..RunInfo::default()
    };
    info.write(folder).unwrap();
    write_json(folder, "audit.json", &serde_json::json!({ HOSTILE: HOSTILE })).unwrap();
    let config = format!("model = {}\n[optimizer]\nlr = 0.{classes}\n", toml::Value::from(HOSTILE));
    std::fs::write(folder.join("config.toml"), config).unwrap();
    epochs(folder, 12, 1.0 / classes as f64);
}

/// A forecast whose names and lengths nobody has checked.
fn hostile_forecast() -> Forecast {
    let way =
        Forecaster { name: HOSTILE.into(), mae: f64::MAX, by_step: vec![vec![1.0, 2.0]], ..Forecaster::default() };
    let (labels, actual) = (vec![HOSTILE.into(); 3], vec![1.0, f64::MIN]);
    Forecast {
        horizon: 2,
        forecasts: vec![way.clone(), way],
        plotted: vec![Plotted { target: HOSTILE.into(), labels, actual, ..Plotted::default() }, Plotted::default()],
        notes: vec![HOSTILE.into()],
        ..Forecast::default()
    }
}

/// Every quote, bracket and ampersand of a hostile name must have been
/// escaped: then no element, no attribute and no resource is theirs.
fn is_safe(html: &str) {
    assert!(!html.contains("<script") && !html.contains("\" onload"), "a name became markup");
    assert_eq!(html.matches("</title>").count() - html.matches("<title>").count(), 0);
    let outside = ["src=\"http", "href=", "url(", "@import", "<link", "<iframe"];
    assert!(outside.iter().all(|o| !html.contains(o)), "the page asks for something from elsewhere");
}

#[test]
fn hostile_names_stay_names() {
    let dir = tempfile::tempdir().unwrap();
    for classes in [2, 3, 30] {
        let folder = dir.path().join(classes.to_string());
        hostile_run(&folder, classes);
        let html = std::fs::read_to_string(write(&folder).unwrap()).unwrap();
        is_safe(&html);
        for part in ["Confusion matrix", "Reliability", "95 % percentile", "iVBORw0KGgo=", "What the curves say"] {
            assert!(html.contains(part), "{part} is missing");
        }
        assert_eq!(html.contains("Where to cut"), classes == 2);
        for plot in ["loss", "accuracy", "learning_rate", "gradient_norm", "confusion", "reliability"] {
            let png = std::fs::read(folder.join(format!("plots/{plot}.png"))).unwrap();
            assert!(png.starts_with(b"\x89PNG"), "{plot}");
        }
        // A name of a score chose a file's name, but not its folder.
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 8, "files in {}", folder.display());
    }
    let page = compare(&[dir.path().join("2"), dir.path().join("3"), dir.path().join("30")]).unwrap();
    is_safe(&page);
    for part in ["optimizer.lr", "0.30", "class=\"best\"", "Validation loss", "F1, macro"] {
        assert!(page.contains(part), "{part} is missing");
    }
}

#[test]
fn equal_files_give_equal_reports() {
    let dir = tempfile::tempdir().unwrap();
    hostile_run(dir.path(), 3);
    let read = || std::fs::read(write(dir.path()).unwrap()).unwrap();
    assert!(read() == read());
}

#[test]
fn a_regression_has_its_own_plots() {
    let dir = tempfile::tempdir().unwrap();
    let target: Vec<f32> = (0..100).map(|i| i as f32).collect();
    let predicted: Vec<f32> = target.iter().map(|t| t * 0.9 + 3.0).collect();
    let names = ["price".to_string(), "size".to_string()];
    let metrics = Metrics::Regression(Box::new(Regression::of(&predicted, &target, &names).unwrap()));
    let evaluation =
        Evaluation { split: "test".into(), task: Task::Regression, metrics, mistakes: vec![], forecast: None };
    evaluation.write(dir.path()).unwrap();
    let html = std::fs::read_to_string(write(dir.path()).unwrap()).unwrap();
    for part in ["Residuals: price", "Predicted and true: size", "R²", "Mean absolute error"] {
        assert!(html.contains(part), "{part} is missing");
    }
    assert!(dir.path().join("plots/residuals_2.png").exists());
}

#[test]
fn a_run_under_way_has_a_report() {
    let dir = tempfile::tempdir().unwrap();
    epochs(dir.path(), 1, 1.0);
    let html = std::fs::read_to_string(write(dir.path()).unwrap()).unwrap();
    assert!(html.contains("too few to judge") && html.contains("still running, or cut off"));
    assert!(write(&dir.path().join("none")).unwrap_err().to_string().contains("holds no run"));
    assert!(compare(&[dir.path().to_path_buf()]).is_err());
}
