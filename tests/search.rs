//! What a search compares: figures that mean the same in all trials, on the same
//! validation rows.

#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use place::{Place, said};
use serde_json::Value;
use std::process::{Command, Output};

fn search(place: &Place, config: &str, more: &[&str]) -> Output {
    place.write("s.toml", config);
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(["search", "s.toml", "--json"]).args(more).env("WGRAD_DEVICE", "cpu").current_dir(place.root());
    command.output().expect("the program starts")
}

fn found(place: &Place, config: &str, out: &str) -> (Value, String) {
    let output = search(place, config, &["--out", out]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (serde_json::from_str(text.lines().last().expect("a line")).expect("JSON"), said(&output))
}

fn refused(place: &Place, config: &str, parts: &[&str]) {
    let output = search(place, config, &["--out", "refused"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(parts.iter().all(|p| said.contains(p)), "{parts:?} is missing in\n{said}");
    assert!(!place.root().join("refused").exists(), "a folder was left behind");
}

/// Numbers between -1 and 1 that are the same every time.
fn noise(i: usize) -> f64 {
    ((i as f64 * 12.9898).sin() * 43758.5453).fract()
}

/// A folder with a table of numbers, one of classes, a series and a text.
fn place() -> Place {
    let place = Place::new();
    let (mut values, mut classes, mut series) =
        ("a,b,c,y\n".to_string(), "a,b,k\n".to_string(), "date,temp\n".to_string());
    let mut level = 20.0;
    for i in 0..200 {
        let (a, b) = (noise(i), noise(i + 1000));
        let c = if i % 9 == 4 { String::new() } else { format!("{:.3}", noise(i + 2000)) };
        values += &format!("{a:.4},{b:.4},{c},{:.4}\n", 300.0 + 90.0 * a - 40.0 * b);
        classes += &format!("{a:.4},{b:.4},{}\n", if a + 0.3 * b > 0.0 { "up" } else { "down" });
        level += noise(i + 3000);
        series += &format!("2020-{:02}-{:02},{level:.4}\n", 1 + i / 28, 1 + i % 28);
    }
    place.write("values.csv", values);
    place.write("classes.csv", classes);
    place.write("series.csv", series);
    place.write("text.txt", "the rain in spain stays mainly in the plain and the train is late again.\n".repeat(60));
    place
}

fn config(data: &str, head: &str, space: &str) -> String {
    format!(
        "[data]\nsource = \"{data}\"\nval_split = 0.25\n[train]\nepochs = 6\nbatch_size = 32\n[search]\nmethod = \
         \"grid\"\n{head}\n[search.space]\n{space}\n"
    )
}

/// The figures of the best trial, and all of them under one key.
fn of_trials(found: &Value, key: &str) -> (f64, Vec<f64>) {
    let figure = |t: &Value| t["validation"][key].as_f64().unwrap_or_else(|| panic!("{key} is missing in {t}"));
    (figure(&found["best"]), found["trials"].as_array().expect("a list").iter().map(figure).collect())
}

#[test]
fn losses_are_not_compared_with_other_losses() {
    let place = place();
    for (i, space) in [
        "\"loss.name\" = [\"mse\", \"huber\", \"mae\"]",
        "\"loss.name\" = [\"huber\"]\n\"loss.huber_delta\" = [1.0, 0.001]",
    ]
    .iter()
    .enumerate()
    {
        let (found, said) = found(&place, &config("values.csv", "", space), &format!("out{i}"));
        assert_eq!((&found["metric"], &found["mode"]), (&"rmse".into(), &"min".into()));
        let (best, all) = of_trials(&found, "rmse");
        assert_eq!(best, all.iter().copied().fold(f64::INFINITY, f64::min), "{found}");
        assert!(said.contains("trials are compared by rmse: \"loss."), "{said}");
    }
    let space = "\"loss.huber_delta\" = [1.0, 0.01]\n\"loss.name\" = [\"huber\"]";
    for metric in ["val_loss", "loss"] {
        let asked = config("values.csv", &format!("metric = \"{metric}\""), space);
        refused(&place, &asked, &["\"loss.huber_delta\"", metric, "metric = \"rmse\""]);
    }
    // A delta that no loss reads changes nothing; nor does what shapes training alone.
    let (one, _) = found(&place, &config("values.csv", "", "\"loss.huber_delta\" = [1.0, 0.01]"), "same");
    assert_eq!(one["metric"], "val_loss");
    let (one, _) = found(&place, &config("classes.csv", "", "\"loss.label_smoothing\" = [0.0, 0.2]"), "smooth");
    assert_eq!(one["metric"], "val_loss");
    let (one, _) = found(&place, &config("classes.csv", "", "\"loss.name\" = [\"cross_entropy\", \"bce\"]"), "bce");
    assert!(one["metric"] == "accuracy" && one["mode"] == "max", "{one}");
}

#[test]
fn series_are_compared_in_the_unit_of_their_values() {
    let place = place();
    let space = "\"data.difference\" = [true, false]";
    let (found_, _) = found(&place, &config("series.csv", "", space), "difference");
    assert_eq!(found_["metric"], "rmse");
    let (best, all) = of_trials(&found_, "skill");
    assert_eq!(best, all.iter().copied().fold(f64::NEG_INFINITY, f64::max), "{found_}");
    refused(&place, &config("series.csv", "metric = \"val_loss\"", space), &["\"data.difference\"", "\"rmse\""]);
    let ahead = "\"data.horizon\" = [1, 3]";
    refused(&place, &config("series.csv", "metric = \"mae\"", ahead), &["\"data.horizon\""]);
}

#[test]
fn other_validation_rows_are_refused_with_their_key() {
    let place = place();
    for (data, space, key) in [
        ("values.csv", "\"data.val_split\" = [0.1, 0.3]", "\"data.val_split\""),
        ("values.csv", "\"data.split\" = [\"random\", \"time\"]\n\"optimizer.lr\" = [0.01, 0.1]", "\"data.split\""),
        ("values.csv", "\"clean.missing\" = [\"drop\", \"auto\"]", "\"clean.missing\""),
        ("text.txt", "\"data.val_split\" = [0.1, 0.3]", "\"data.val_split\""),
        ("series.csv", "\"data.test_split\" = [0.1, 0.3]", "\"data.test_split\""),
    ] {
        for head in ["", "metric = \"val_loss\""] {
            refused(&place, &config(data, head, space), &[key, "validation rows"]);
        }
    }
}

#[test]
fn other_targets_ask_for_a_metric_without_a_unit() {
    let place = place();
    let space = "\"data.target\" = [\"a\", \"y\"]";
    for head in ["", "metric = \"rmse\""] {
        refused(&place, &config("values.csv", head, space), &["\"data.target\"", "metric = \"r2\""]);
    }
    let (one, _) = found(&place, &config("values.csv", "metric = \"r2\"", space), "r2");
    assert_eq!(one["best"]["values"]["data.target"], "y");
    refused(
        &place,
        &config("values.csv", "", "\"data.target\" = [\"y\"]\n\"data.task\" = [\"regression\", \"classification\"]"),
        &["trial 2"],
    );
}

#[test]
fn texts_are_compared_by_byte_whatever_a_token_is() {
    let place = place();
    let space = "\"data.tokenizer\" = [\"bpe\"]\n\"data.vocabulary_size\" = [270, 300]";
    let head = "[model]\nname = \"m\"\nreads = \"text\"\nlayer = [{ type = \"Embedding\", output_dim = 8 }, { type = \
                \"Dense\", units = \"classes\" }]\n";
    let with_model = |metric: &str| {
        head.to_string() + &config("text.txt", metric, space).replace("val_split", "context = 16\nval_split")
    };
    let (one, said) = found(&place, &with_model(""), "bytes");
    assert_eq!(one["metric"], "bits_per_byte", "{said}");
    let (best, all) = of_trials(&one, "bits_per_byte");
    assert_eq!(best, all.iter().copied().fold(f64::INFINITY, f64::min));
    for metric in ["val_loss", "perplexity", "accuracy"] {
        let asked = with_model(&format!("metric = \"{metric}\""));
        refused(&place, &asked, &["\"data.vocabulary_size\"", metric, "metric = \"bits_per_byte\""]);
    }
}

#[test]
fn seeds_repeat_all_settings_and_means_are_compared() {
    let place = place();
    let space = "\"optimizer.lr\" = [0.0001, 0.01]\n\"train.seed\" = [1, 2, 3]";
    let (one, _) = found(&place, &config("values.csv", "", space), "seeds");
    let means = one["means"].as_array().expect("a list");
    assert_eq!((means.len(), one["planned"].as_u64()), (2, Some(6)));
    for of in means {
        let trials: Vec<f64> = one["trials"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|t| t["values"]["optimizer.lr"] == of["values"]["optimizer.lr"])
            .map(|t| t["metric"].as_f64().expect("a number"))
            .collect();
        let mean = trials.iter().sum::<f64>() / 3.0;
        assert!(trials.len() == 3 && (of["mean"].as_f64().expect("a number") - mean).abs() < 1e-12, "{of}");
    }
    assert_eq!(one["best"]["values"]["optimizer.lr"], means[0]["values"]["optimizer.lr"]);
    assert!(means[0]["mean"].as_f64() < means[1]["mean"].as_f64(), "{one}");
    // Draws and rungs are of settings; each has every seed.
    let random = "\"optimizer.lr\" = { log = [1e-4, 0.1] }\n\"train.seed\" = [1, 2]";
    for (i, method) in ["random\"\ntrials = 3", "halving\"\ntrials = 3\nmin_epochs = 2\nfactor = 3"].iter().enumerate()
    {
        let text = config("values.csv", "", random).replace("grid\"", method);
        let (one, _) = found(&place, &text, &format!("drawn{i}"));
        let trials = one["trials"].as_array().expect("a list");
        assert_eq!(trials.len(), 6);
        let furthest: Vec<&Value> = trials.iter().filter(|t| t["epochs"] == 6).collect();
        assert_eq!(furthest.len(), if i == 0 { 6 } else { 2 });
        assert_eq!(furthest[0]["values"]["optimizer.lr"], furthest[1]["values"]["optimizer.lr"]);
    }
    // A setting with some of its seeds is not compared.
    let output = search(&place, &config("values.csv", "", space), &["--out", "part", "--max-trials", "4"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let part: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    let scores = part["means"].as_array().expect("a list").iter().map(|m| m["mean"].is_null()).collect::<Vec<_>>();
    assert_eq!(scores, [false, true], "{part}");
}
