//! What is watched and what is reported: every figure of a report, epoch by epoch, and
//! of two classes always that of the class which is named.

#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use place::{Place, said};
use serde_json::Value;
use std::process::{Command, Output};

fn wgrad(place: &Place, args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(args.split_whitespace()).arg("--json").env("WGRAD_DEVICE", "cpu").current_dir(place.root());
    command.output().expect("the program starts")
}

fn json(place: &Place, args: &str) -> Value {
    let output = wgrad(place, args);
    assert!(output.status.success(), "{args}: {}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

fn refused(place: &Place, args: &str, parts: &[&str]) {
    let output = wgrad(place, args);
    let said = said(&output) + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{args}");
    // In JSON quotes are escaped.
    let said = said.replace("\\\"", "\"");
    assert!(parts.iter().all(|p| said.contains(p)), "{args}: {parts:?} is missing in\n{said}");
}

/// Numbers between -1 and 1 that are the same every time.
fn noise(i: usize) -> f64 {
    ((i as f64 * 12.9898).sin() * 43758.5453).fract()
}

const STOPPING: &str = "[optimizer]\nname = \"adam\"\nlr = 0.02\n[early_stopping]\n";
const LINEAR: &str =
    "[model]\nname = \"linear\"\nlayer = [{ type = \"Flatten\" }, { type = \"Dense\", units = \"classes\" }]\n";

/// A folder with payments, one in six a fraud, numbers and a series.
fn folder() -> Place {
    let place = Place::new();
    let (mut payments, mut values) = ("amount,hour,label\n".to_string(), "a,b,y\n".to_string());
    let mut series = "date,level\n".to_string();
    for i in 0..240 {
        let fraud = i % 6 == 0;
        let amount = noise(i) + if fraud { 1.6 } else { 0.0 };
        payments += &format!("{amount:.3},{:.3},{}\n", noise(i + 500), if fraud { "fraud" } else { "ok" });
        values += &format!("{:.3},{:.3},{:.3}\n", noise(i), noise(i + 500), noise(i) + 0.3 * noise(i + 900) + 3.0);
        let level = 20.0 + (i as f64 / 7.0 * std::f64::consts::TAU).sin() + 0.2 * noise(i + 77);
        series += &format!("2020-{:02}-{:02},{level:.4}\n", 1 + i / 28, 1 + i % 28);
    }
    place.write("payments.csv", payments);
    place.write("values.csv", values);
    place.write("series.csv", series);
    place
}

/// Precision, recall and F1 of a class among the predictions of a run.
fn counted(place: &Place, run: &str, class: &str) -> [f64; 3] {
    let answers = json(place, &format!("predict {run} payments.csv"));
    let predicted =
        answers["predictions"].as_array().expect("a list").iter().map(|p| p["class"].as_str() == Some(class));
    let is = (0..240).map(|i| (i % 6 == 0) == (class == "fraud"));
    let (mut hits, mut found, mut all) = (0.0, 0.0, 0.0);
    for (predicted, is) in predicted.zip(is) {
        hits += f64::from(predicted && is);
        found += f64::from(predicted);
        all += f64::from(is);
    }
    [hits / f64::max(found, 1.0), hits / all, 2.0 * hits / (found + all)]
}

#[test]
fn precision_and_recall_are_of_the_class_that_is_named() {
    let place = folder();
    let train = "train --data payments.csv --epochs 12 --lr 0.05 --set data.val_split=0.25";
    for (asked, run, class) in [("", "rare", "fraud"), (" --positive ok", "asked", "ok")] {
        let output = wgrad(&place, &format!("{train} --out {run}{asked}"));
        assert!(output.status.success(), "{}", said(&output));
        let said = said(&output);
        assert!(said.contains(&format!("(of \"{class}\")")), "{said}");
        assert_eq!(said.contains("the positive class is \"fraud\" (the rarer one, 40 of 240 rows)"), asked.is_empty());
        let scored = json(&place, &format!("eval {run} --data payments.csv"));
        assert_eq!(scored["test"]["positive_class"], class);
        let part = scored["parts"].as_array().expect("a list").iter().find(|p| p["name"] == class).expect("a class");
        for (key, counted) in ["precision", "recall", "f1"].into_iter().zip(counted(&place, run, class)) {
            let found = scored["test"][key].as_f64().expect("a number");
            assert!(
                (found - counted).abs() < 1e-9 && part[key] == scored["test"][key],
                "{key} of {class}: {found}, {counted}"
            );
        }
        let read = |name: &str| std::fs::read_to_string(place.root().join(run).join(name)).expect("a file");
        for (name, part) in [
            ("evaluation.json", format!("\"positive_class\":\"{class}\"")),
            ("run.json", format!("\"positive_class\": \"{class}\"")),
            ("report.html", format!("F1 of {class}")),
            ("report.html", format!("Precision of {class}")),
        ] {
            assert!(read(name).contains(&part), "{name}: {part}");
        }
    }
    let other = json(&place, "eval rare --data payments.csv --positive ok");
    assert_eq!(other["test"]["positive_class"], "ok");
    let part = other["parts"].as_array().expect("a list").iter().find(|p| p["name"] == "ok").expect("a class");
    assert_eq!(part["f1"], other["test"]["f1"]);
    for command in [format!("{train} --out no --positive frod"), "eval rare --data payments.csv --positive frod".into()]
    {
        refused(&place, &command, &["no such class", "did you mean \"fraud\"?", "\"fraud\", \"ok\""]);
    }
    assert!(!place.root().join("no").exists());
    refused(&place, "train --data values.csv --epochs 1 --positive ok", &["the targets are no classes"]);
    // Folds and searches have one for all.
    let folds = json(&place, "train --data payments.csv --epochs 1 --folds 3 --out folds");
    assert_eq!(folds["positive_class"], "fraud");
    assert!(folds["folds"].as_array().expect("a list").iter().all(|f| f["positive_class"] == "fraud"), "{folds}");
    let folds = json(&place, "train --data payments.csv --epochs 1 --folds 3 --positive ok --out other");
    assert!(folds["folds"].as_array().expect("a list").iter().all(|f| f["positive_class"] == "ok"), "{folds}");
    let search = "[data]\nsource = \"payments.csv\"\n[train]\nepochs = 2\n[search]\nmethod = \"grid\"\nmetric = \"val_f1\"\n\
                  [search.space]\n\"optimizer.lr\" = [0.01, 0.1]\n";
    place.write("search.toml", search);
    let found = json(&place, "search search.toml --positive ok --out searched");
    assert_eq!(
        (&found["positive_class"], &found["best"]["validation"]["positive_class"]),
        (&"ok".into(), &"ok".into())
    );
    place.write("mixed.toml", search.to_string() + "\"data.positive\" = [\"ok\", \"fraud\"]\n");
    refused(&place, "search mixed.toml --out mixed", &["data.positive", "positive classes", "f1"]);
}

#[test]
fn epochs_are_watched_by_the_figures_of_the_report() {
    let place = folder();
    for (data, more, keys) in [
        ("payments.csv", "", &["f1", "precision", "recall", "roc_auc", "pr_auc", "mcc", "log_loss", "accuracy"][..]),
        ("values.csv", "", &["r2", "mae", "rmse", "mape", "median_ae", "explained_variance"]),
        ("series.csv", "window = 7\nhorizon = 2\ntest_split = 0.0\ntarget = \"level\"\n", &["skill", "mase", "mae"]),
    ] {
        for (i, key) in keys.iter().enumerate() {
            let text = format!(
                "[data]\nsource = \"{data}\"\nval_split = 0.3\n{more}[train]\nepochs = 3\n{LINEAR}{STOPPING}monitor = \
                 \"val_{key}\"\n"
            );
            place.write("run.toml", text);
            let done = json(&place, &format!("train run.toml --out {data}-{i}"));
            let epochs = done["epochs"].as_array().expect("a list");
            let last = epochs.last().expect("an epoch")["val"][key].as_f64();
            assert!(last.is_some(), "{key}: {done}");
            assert_eq!(last, done["validation"][key].as_f64(), "{data}, {key}: the epoch's and the report's");
        }
    }
}

#[test]
fn the_best_epoch_is_that_of_the_best_figure() {
    let place = folder();
    let text = |monitor: &str| {
        format!(
            "[data]\nsource = \"payments.csv\"\nval_split = 0.3\n[train]\nepochs = 60\n{LINEAR}{STOPPING}monitor = \
             \"{monitor}\"\npatience = 5\n"
        )
    };
    place.write("run.toml", text("val_f1"));
    let done = json(&place, "train run.toml --out run");
    let epochs = done["epochs"].as_array().expect("a list");
    let seen: Vec<f64> = epochs.iter().map(|e| e["val"]["f1"].as_f64().expect("a number")).collect();
    let most = seen.iter().copied().fold(0.0, f64::max);
    let best = seen.iter().position(|f| *f == most).expect("one is") + 1;
    assert_eq!(done["best_epoch"].as_u64(), Some(best as u64), "{seen:?}");
    assert!(epochs.len() < 60 && epochs.len() == best + 5, "{seen:?}");
    assert!(done["stopped"].as_str().expect("a reason").contains("val_f1 was best"), "{done}");
    assert_eq!(epochs[0]["positive_class"], "fraud");
    let lines = std::fs::read_to_string(place.root().join("run/metrics.jsonl")).expect("a file");
    assert!(lines.contains("\"positive_class\":\"fraud\"") && lines.contains("\"f1\":"), "{lines}");
    place.write("run.toml", text("val_f2"));
    refused(&place, "train run.toml --out no", &["unknown monitor \"val_f2\"", "val_roc_auc", "val_f1_macro"]);
    place.write("run.toml", text("val_r2"));
    refused(&place, "train run.toml --out no", &["which a classification does not have", "val_balanced_accuracy"]);
    assert!(!place.root().join("no").exists());
}

#[test]
fn what_gives_the_target_away_is_said_before_training() {
    let place = Place::new();
    let mut text = "age,boat,saved\n".to_string();
    for i in 0..200 {
        let saved = i % 5 < 2;
        let boat = if saved != (i < 4) { (i % 13).to_string() } else { String::new() };
        text += &format!("{:.2},{boat},{}\n", 30.0 + 10.0 * noise(i), if saved { "yes" } else { "no" });
    }
    place.write("saved.csv", text);
    let output = wgrad(&place, "train --data saved.csv --epochs 1 --out run");
    let finding = "that \"boat\" has a value or none tells the target of 98.0 % of the rows";
    assert!(said(&output).contains(finding), "{}", said(&output));
    let seen = json(&place, "data saved.csv");
    assert_eq!((&seen["leaks"][0]["by"], &seen["leaks"][0]["columns"][0]), (&"presence".into(), &"boat".into()));
    let output = wgrad(&place, "train --data saved.csv --epochs 1 --out without --set clean.drop=[\"boat\"]");
    assert!(output.status.success() && !said(&output).contains("has a value or none"), "{}", said(&output));
}
