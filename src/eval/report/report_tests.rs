use super::*;
use crate::eval::forecast::{Forecast, Forecaster, Plotted};
use crate::eval::history::{EpochRecord, EpochScores};
use crate::eval::metrics::{Classification, Language, Metrics, Regression, Sampled};
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
            ..EpochRecord::default()
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
        custom: Default::default(),
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
        for part in ["Confusion matrix", "Reliability", "95 % intervals of a bootstrap", "iVBORw0KGgo=", "Diagnosis"] {
            assert!(html.contains(part), "{part} is missing");
        }
        assert_eq!(html.contains("Choosing a threshold"), classes == 2);
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

/// A run of the settings that `wgrad train` writes for a small network.
fn run_of_layers(folder: &Path, filters: usize, extra: &str, parameters: u64) {
    std::fs::create_dir_all(folder).unwrap();
    let conv = |i: usize, n: usize| format!("[[model.layer]]\nname = \"conv{i}\"\ntype = \"Conv2D\"\nfilters = {n}\n");
    let layers: String = (1..=20).map(|i| conv(i, if i == 9 { filters } else { 32 })).collect();
    let config = format!("[model]\nname = \"net\"\n{layers}{extra}[[groups]]\nlr = 0.{filters}\nweights = \"*\"\n");
    std::fs::write(folder.join("config.toml"), config).unwrap();
    RunInfo { parameters, ..RunInfo::default() }.write(folder).unwrap();
    epochs(folder, 3, 1.0);
}

#[test]
fn models_are_compared_in_a_few_words() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|n| dir.path().join(n));
    run_of_layers(&a, 32, "", 1234);
    run_of_layers(&b, 64, "[[model.layer]]\nname = \"flat\"\ntype = \"Flatten\"\n", 5678);
    let both = comparison(&[a.clone(), b]).unwrap();
    let setting = |run: usize, key: &str| both.runs[run].settings[key].clone().unwrap();
    assert_eq!(setting(0, "model.layer"), "20 layers, 1,234 parameters: conv9 Conv2D filters=32");
    assert_eq!(setting(1, "model.layer"), "21 layers, 5,678 parameters: conv9 Conv2D filters=64 | flat Flatten");
    assert_eq!((setting(0, "groups.1.lr"), setting(1, "groups.1.lr")), ("0.32".into(), "0.64".into()));
    let (text, page) = (both.text(), both.page());
    assert!(text.contains("20 layers, 1,234 parameters") && text.lines().all(|l| l.len() < 300), "{text}");
    assert!(page.contains("Layers that differ") && page.contains("<mark>conv9 Conv2D filters=64</mark>"), "{page}");
    assert!(page.contains("… 6 equal layers …") && page.contains("… 9 equal layers …"), "{page}");
    assert!(!page.contains("type = "), "a list of layers is dumped");
    // The same model twice.
    let c = dir.path().join("c");
    run_of_layers(&c, 32, "", 1234);
    let page = compare(&[a, c]).unwrap();
    assert!(!page.contains("Layers that differ") && !page.contains("model.layer"), "{page}");
}

#[test]
fn every_class_has_a_colour_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    for classes in [3, 10] {
        hostile_run(dir.path(), classes);
        let html = std::fs::read_to_string(write(dir.path()).unwrap()).unwrap();
        let roc = html.split("<svg").find(|svg| svg.contains("aria-label=\"ROC")).expect("a plot");
        let strokes = roc.lines().filter(|l| l.starts_with("<polyline") && l.contains("stroke=\"var(--s"));
        let color = |l: &str| l.split("stroke=\"").nth(1).and_then(|l| l.split('"').next()).map(String::from);
        let colors: std::collections::BTreeSet<String> = strokes.filter_map(color).collect();
        assert_eq!(colors.len(), classes, "{colors:?}");
        assert_eq!(roc.contains("stroke-dasharray=\"9 3\""), classes > 4);
        // Each is defined, in light and in dark.
        for color in colors {
            let name = color.trim_start_matches("var(").trim_end_matches(')');
            assert_eq!(html.matches(&format!("{name}: #")).count(), 2, "{name}");
        }
    }
}

#[test]
fn tables_break_no_words_and_show_where_they_are_cut() {
    let css = include_str!("../../../assets/report/report.css");
    let rule = |of: &str| css.split(&format!("\n{of} {{")).nth(1).and_then(|r| r.split('}').next()).expect("a rule");
    // `anywhere` lets a column shrink to a letter: "Con v2D".
    assert!(rule("td").contains("overflow-wrap: break-word"), "{}", rule("td"));
    assert!(rule(".scroll").contains("no-repeat local") && rule(".scroll").contains("var(--shade)"));
    assert_eq!(css.matches("--shade: ").count(), 2, "in light and in dark");
}

#[test]
fn titles_are_written_as_people_write_them() {
    let dir = tempfile::tempdir().unwrap();
    let train = ["mae", "rmse", "r2", "f1_macro", "roc_auc", "top_5_accuracy"];
    let train = train.iter().fold(EpochScores::new(1.0), |scores, name| scores.with(name, 0.5));
    EpochRecord { epoch: 1, train, ..EpochRecord::default() }.append(dir.path()).unwrap();
    let html = std::fs::read_to_string(write(dir.path()).unwrap()).unwrap();
    for title in ["MAE", "RMSE", "R²", "F1 macro", "ROC AUC", "Top 5 accuracy"] {
        assert!(html.contains(&format!("aria-label=\"{title}\"")), "{title}");
    }
    assert!(html.contains(">MAE on training data") && html.contains(">R² on training data"), "{html}");
    assert!(!html.contains("Mae") && !html.contains("Rmse"), "{html}");
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
    let evaluation = Evaluation {
        split: "test".into(),
        task: Task::Regression,
        metrics,
        custom: Default::default(),
        mistakes: vec![],
        forecast: None,
    };
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

#[test]
fn what_is_long_is_cut_and_that_shows() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|n| dir.path().join(n));
    let long = "n".repeat(400);
    for (folder, source) in [(&a, "short"), (&b, &long)] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("config.toml"), format!("[data]\nsource = \"{source}\"\n")).unwrap();
        epochs(folder, 3, 1.0);
    }
    // A line has no room for it, a page has.
    let both = comparison(&[a.clone(), b]).unwrap();
    let (text, page) = (both.text(), both.page());
    assert!(text.contains("data.source=short\n") && text.contains("nnn…\n") && !text.contains(&long), "{text}");
    assert!(page.contains(&long), "{page}");
    let mut metrics = Language::of(1.0, 0.5, 1, 4, None);
    metrics.sampled.push(Sampled { prompt: "once ".into(), text: "upon ".repeat(1000), temperature: 1.0 });
    let text = Some("a word ".repeat(100));
    let cells = vec![("x".repeat(100), Some("y".repeat(100)))];
    let mistakes = vec![Mistake { label: "is".into(), predicted: "was".into(), text, cells, ..Mistake::default() }];
    let metrics = Metrics::Language(Box::new(metrics));
    Evaluation {
        split: "test".into(),
        task: Task::Language,
        metrics,
        custom: Default::default(),
        mistakes,
        forecast: None,
    }
    .write(&a)
    .unwrap();
    let page = std::fs::read_to_string(write(&a).unwrap()).unwrap();
    for part in ["<b>once </b>upon upon", "upon …</pre>", "a word a…</p>", "xx…</i>", "yy…</span>"] {
        assert!(page.contains(part), "{part} is missing in\n{page}");
    }
}
