//! The tools around training as a user meets them: `search`, `lr-find`, and
//! `eval` and `predict` on tables and pictures.

#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use place::Place;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(args).env("WGRAD_DEVICE", "cpu");
    command
}

fn wgrad(args: &[&str]) -> Output {
    command(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The JSON object in the last line of stdout.
fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_str(text(&output.stdout).lines().last().expect("a line")).expect("the last line is JSON")
}

fn refused(args: &[&str], code: i32, parts: &[&str]) {
    let output = wgrad(args);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    assert!(parts.iter().all(|p| message.contains(p)), "{args:?}: {parts:?} is missing in\n{message}");
    assert!(!message.contains("internal error"), "{message}");
}

/// Numbers between -1 and 1 that are the same every time.
fn noise(i: usize) -> f64 {
    ((i as f64 * 12.9898).sin() * 43758.5453).fract()
}

/// Rows that two numbers and a word tell apart, with a gap and noise.
fn rows(from: usize, to: usize) -> String {
    let mut all = "size,weight,colour,kind,price\n".to_string();
    for i in from..to {
        let (a, b) = (noise(i), noise(i + 10_000));
        let colour = ["red", "green", "blue"][i % 3];
        let kind = if a + 0.5 * b + if colour == "red" { 0.4 } else { 0.0 } > 0.1 { "big" } else { "small" };
        let size = if i % 17 == 5 { String::new() } else { format!("{:.4}", 10.0 + 3.0 * a) };
        all += &format!("{size},{:.4},{colour},{kind},{:.3}\n", 5.0 * b, 40.0 + 9.0 * a - 4.0 * b);
    }
    all
}

/// A folder with tables in it.
fn with_tables() -> Place {
    let place = Place::new();
    place.write("rows.csv", rows(0, 160));
    place.write("held.csv", rows(120, 160));
    place
}

impl Place {
    /// A configuration of a search over the table.
    fn config(&self, name: &str, search: &str, epochs: usize) -> String {
        let data = self.path("rows.csv");
        let text = format!(
            "model = \"mlp\"\n[data]\nsource = \"{data}\"\ntarget = \"kind\"\nval_split = 0.25\n[clean]\ndrop = \
             [\"price\"]\n[train]\nepochs = {epochs}\nbatch_size = 16\n[search]\n{search}\n"
        );
        self.write(name, &text);
        self.path(name)
    }
}

#[test]
fn a_grid_finds_the_better_rate_and_survives_a_bad_one() {
    let place = with_tables();
    let search = "method = \"grid\"\nmetric = \"accuracy\"\n[search.space]\n\"optimizer.lr\" = [1e-6, 0.01, 1e3]\n\
                  \"optimizer.name\" = [\"sgd\"]";
    let (config, out) = (place.config("grid.toml", search, 12), place.path("out"));
    let found = json(&wgrad(&["search", &config, "--out", &out, "--json"]));
    assert_eq!((&found["metric"], &found["mode"]), (&"accuracy".into(), &"max".into()));
    let trials = found["trials"].as_array().expect("a list");
    let numbers: Vec<u64> = trials.iter().filter_map(|t| t["trial"].as_u64()).collect();
    assert_eq!(numbers, [2, 1, 3], "best first, failed last: {found}");
    assert_eq!(found["best"]["values"]["optimizer.lr"], 0.01);
    assert!(trials[2]["failed"].as_str().is_some_and(|f| f.contains("finite")), "{}", trials[2]);
    assert_eq!(place.read("out/trials.jsonl").lines().count(), 3);
    assert!(place.read("out/trials.svg").starts_with("<svg xmlns="));
    assert!(Path::new(&place.path("out/trial-002/metrics.jsonl")).is_file());
    // The best configuration gives the score of its trial again.
    let again = json(&wgrad(&["train", &place.path("out/best.toml"), "--out", &place.path("again"), "--json"]));
    assert_eq!(again["validation"], found["best"]["validation"]);
    // The table says the same to a person, and nothing is trained twice.
    let told = wgrad(&["search", &config, "--out", &out]);
    let (table, log) = (text(&told.stdout), text(&told.stderr));
    assert!(table.lines().next().is_some_and(|l| l.contains("accuracy") && l.contains("optimizer.lr")), "{table}");
    assert!(table.contains("failed: ") && table.contains("best: trial 2"), "{table}");
    assert!(!log.contains("trial 1 of"), "{log}");
}

/// What a search has told of its trials, whatever the folder is called.
fn told(place: &Place, out: &str) -> String {
    place.read(&format!("{out}/trials.jsonl"))
}

fn wait_for(child: &mut Child, what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() && child.try_wait().expect("asked").is_none() && begun.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_search_that_was_killed_goes_on_to_the_same_table() {
    let place = with_tables();
    let search = "trials = 5\nseed = 3\n[search.space]\n\"optimizer.lr\" = { log = [1e-4, 0.1] }\n\
                  \"train.batch_size\" = { int = [8, 32] }\n[early_stopping]\npatience = 3\nrestore_best_weights = true";
    let config = place.config("random.toml", search, 30);
    let whole = wgrad(&["search", &config, "--out", &place.path("whole")]);
    assert!(whole.status.success(), "{}", text(&whole.stderr));
    // Stopped by a limit, then killed within a trial that has a checkpoint.
    let out = place.path("parts");
    json(&wgrad(&["search", &config, "--out", &out, "--max-trials", "1", "--json"]));
    assert_eq!(told(&place, "parts").lines().count(), 1);
    let mut child = command(&["search", &config, "--out", &out]);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    let last = place.path("parts/trial-002/checkpoints/last/model.safetensors");
    wait_for(&mut child, || Path::new(&last).is_file());
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(Path::new(&last).is_file(), "the second trial was begun");
    assert!(told(&place, "parts").lines().count() < 5, "it was killed before its end");
    let rest = wgrad(&["search", &config, "--out", &out]);
    assert!(rest.status.success(), "{}", text(&rest.stderr));
    assert!(!text(&rest.stderr).contains("trial 1 of 5"), "{}", text(&rest.stderr));
    assert_eq!(told(&place, "parts"), told(&place, "whole"));
    let without_folder = |o: &Output, name: &str| text(&o.stdout).replace(name, "");
    assert_eq!(without_folder(&rest, "parts"), without_folder(&whole, "whole"));
    // Another search does not fit into its folder.
    refused(&["search", &config, "--out", &out, "--epochs", "9"], 2, &["other settings"]);
}

#[test]
fn halving_goes_on_from_checkpoints() {
    let place = with_tables();
    let search = "method = \"halving\"\ntrials = 6\nmin_epochs = 2\nfactor = 3\n[search.space]\n\
                  \"optimizer.lr\" = { log = [1e-5, 0.1] }";
    let config = place.config("halving.toml", search, 8);
    let run = |out: &str, more: &[&str]| {
        let out = place.path(out);
        wgrad(&[&["search", &config, "--out", &out, "--json"], more].concat())
    };
    let whole = run("whole", &[]);
    let found = json(&whole);
    let records: Vec<Value> =
        told(&place, "whole").lines().map(|l| serde_json::from_str(l).expect("a record")).collect();
    let rungs: Vec<(u64, u64)> =
        records.iter().filter_map(|r| Some((r["rung"].as_u64()?, r["epochs"].as_u64()?))).collect();
    // Six to epoch 2, two to epoch 4, the best of them to the end.
    assert_eq!(rungs, [vec![(1, 2); 6], vec![(2, 4); 2], vec![(3, 8)]].concat(), "{rungs:?}");
    let best = found["best"]["trial"].as_u64().expect("a number");
    let of_best: Vec<&Value> = records.iter().filter(|r| r["trial"].as_u64() == Some(best)).collect();
    assert_eq!(of_best.len(), 3);
    // Each epoch was trained once: the log of the trial has no gap and no repeat.
    let log = place.read(&format!("whole/trial-{best:03}/metrics.jsonl"));
    let epochs: Vec<u64> =
        log.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()?["epoch"].as_u64()).collect();
    assert_eq!(epochs, (1..=8).collect::<Vec<_>>());
    assert!(text(&whole.stderr).matches("epoch 1 ").count() == 6, "{}", text(&whole.stderr));
    // What came through is what a plain training would have been.
    let again = json(&wgrad(&["train", &place.path("whole/best.toml"), "--out", &place.path("again"), "--json"]));
    assert_eq!(again["validation"], found["best"]["validation"]);
    // In parts it is the same.
    for _ in 0..3 {
        json(&run("parts", &["--max-trials", "3"]));
    }
    assert_eq!(told(&place, "parts"), told(&place, "whole"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_search_cleanly() {
    let place = with_tables();
    let search = "trials = 3\n[search.space]\n\"optimizer.lr\" = { log = [1e-4, 0.1] }";
    let config = place.config("long.toml", search, 4000);
    let mut child = command(&["search", &config, "--out", &place.path("out")]);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    wait_for(&mut child, || Path::new(&place.path("out/trial-001/checkpoints/last/model.safetensors")).is_file());
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    assert!(asked.success());
    let ended = child.wait_with_output().expect("ended");
    assert_eq!(ended.status.code(), Some(130), "{}", text(&ended.stderr));
    assert!(text(&ended.stderr).contains("the same command goes on from there"), "{}", text(&ended.stderr));
}

#[test]
fn wrong_searches_are_refused_before_the_first_trial() {
    let place = with_tables();
    let out = place.path("out");
    let cases: [(&str, i32, &[&str]); 4] = [
        ("[search.space]\n\"optimizer.lrr\" = [1, 2]", 1, &["unknown key \"lrr\"", "did you mean \"lr\""]),
        ("metric = \"rmse\"\n[search.space]\n\"optimizer.lr\" = [0.1]", 1, &["unknown metric \"rmse\"", "accuracy"]),
        ("[search.space]\n\"data.val_split\" = [0.0]", 2, &["val_split above 0"]),
        ("method = \"grid\"\n[search.space]\n\"optimizer.lr\" = { log = [0.1, 1] }", 1, &["steps = N"]),
    ];
    for (search, code, parts) in &cases {
        let config = place.config("wrong.toml", search, 2);
        refused(&["search", &config, "--out", &out], *code, parts);
        assert!(!Path::new(&out).exists(), "{search} left {out} behind");
    }
    refused(&["search", &place.path("rows.csv"), "--out", &out], 1, &["not valid TOML"]);
}

#[test]
fn lr_find_suggests_a_sane_rate() {
    let place = with_tables();
    let plot = place.path("sweep.svg");
    let found = json(&wgrad(&["lr-find", "--data", "digits", "--model", "mlp", "--out", &plot, "--json"]));
    let lr = found["lr"].as_f64().expect("a rate");
    assert!((1e-4..=5e-3).contains(&lr), "Adam on the digits: {lr}");
    let steepest = found["steepest"].as_f64().expect("a rate");
    assert!((1e-4..=1e-2).contains(&steepest), "beyond it training diverges: {steepest}");
    assert!(found["minimum_by_ten"].as_f64().is_some_and(|m| (1e-4..=0.3).contains(&m)), "{found}");
    let steps = found["steps"].as_u64().expect("a number") as usize;
    assert!((50..=100).contains(&steps), "{steps}");
    let lrs = found["lrs"].as_array().expect("a list");
    assert!((lrs[0].as_f64().expect("a rate") / 1e-7 - 1.0).abs() < 1e-6 && lrs.len() == steps);
    assert!(std::fs::read_to_string(&plot).expect("a plot").starts_with("<svg"));
    // A table, in fewer rows than the sweep has batches, and a picture of it.
    let (data, plot) = (place.path("rows.csv"), place.path("sweep.png"));
    let args = ["lr-find", "--data", &data, "--target", "price", "--steps", "60", "--out", &plot];
    let told = command(&args).current_dir(place.root()).output().expect("the program starts");
    assert!(told.status.success(), "{}", text(&told.stderr));
    let told = text(&told.stdout);
    assert!(told.contains("try --lr"), "{told}");
    let axis = told.lines().find(|l| l.contains("1e-6")).unwrap_or_else(|| panic!("no rates below the curve:\n{told}"));
    assert!(["1e-5", "1e-4", "1e-3"].iter().all(|rate| axis.contains(rate)), "{axis}");
    // Rates at which nothing is learned.
    let args = ["lr-find", "--data", "digits", "--model", "mlp", "--min-lr", "1e-12", "--max-lr", "1e-10"];
    let none = json(&wgrad(&[&args[..], &["--out", &place.path("none.svg"), "--json"]].concat()));
    assert_eq!(none["lr"], Value::Null, "{none}");
    assert!(std::fs::read(&plot).expect("a plot").starts_with(b"\x89PNG"));
    assert!(!place.root().join("runs").exists(), "a run was left behind");
    refused(&["lr-find", "--out", "sweep.pdf"], 2, &["ends with .svg or .png"]);
    refused(&["lr-find", "--min-lr", "1", "--max-lr", "0.1"], 2, &["below the second"]);
}

/// Trains on the first rows, so that the last are the validation set.
fn trained(place: &Place, target: &str, drop: &str) -> (String, Value) {
    let (data, run) = (place.path("rows.csv"), place.path(target));
    let drop = format!("clean.drop=[\"{drop}\"]");
    let args = ["train", "--data", &data, "--target", target, "--epochs", "12", "--val-split", "0.25", "--set"];
    let done = json(&wgrad(&[&args[..], &["data.split=time", "--set", &drop, "--out", &run, "--json"]].concat()));
    (run, done)
}

#[test]
fn eval_and_predict_on_a_table_agree_with_train() {
    let place = with_tables();
    let held = place.path("held.csv");
    let (run, trained_on) = trained(&place, "kind", "price");
    let scored = json(&wgrad(&["eval", &run, "--data", &held, "--json"]));
    assert_eq!(scored["test"], trained_on["validation"], "the same rows, scored by train and by eval");
    assert_eq!((scored["samples"].as_u64(), scored["dropped"].as_u64()), (Some(40), Some(0)));
    let told = text(&wgrad(&["eval", &run, "--data", &held]).stdout);
    assert!(told.contains("precision") && told.contains("big") && told.contains("small"), "{told}");

    let table = text(&wgrad(&["predict", &run, &held]).stdout);
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    assert_eq!(reader.headers().expect("a header"), vec!["row", "prediction", "p_big", "p_small"]);
    let truth: Vec<String> =
        place.read("held.csv").lines().skip(1).filter_map(|l| Some(l.split(',').nth(3)?.to_string())).collect();
    let said: Vec<csv::StringRecord> = reader.records().map(|r| r.expect("a row")).collect();
    assert_eq!(said.len(), 40);
    for (i, row) in said.iter().enumerate() {
        assert_eq!(row[0], (i + 1).to_string());
        let p = [2, 3].map(|c| row[c].parse::<f64>().expect("a probability"));
        assert!((p[0] + p[1] - 1.0).abs() < 1e-5 && (&row[1] == "big") == (p[0] >= p[1]), "{row:?}");
    }
    let right = said.iter().zip(&truth).filter(|(row, t)| row[1] == ***t).count();
    assert_eq!(Some(right as f64 / 40.0), scored["test"]["accuracy"].as_f64());

    let (run, trained_on) = trained(&place, "price", "kind");
    let scored = json(&wgrad(&["eval", &run, "--data", &held, "--json"]));
    assert_eq!(scored["test"], trained_on["validation"]);
    let told = text(&wgrad(&["eval", &run, "--data", &held]).stdout);
    assert!(told.contains("rmse") && told.contains("price"), "{told}");
    let seen = json(&wgrad(&["predict", &run, &held, "--json"]));
    let values = seen["predictions"].as_array().expect("a list").iter();
    let truth = place.read("held.csv");
    let truth = truth.lines().skip(1).filter_map(|l| l.split(',').nth(4)?.parse::<f64>().ok());
    let errors: Vec<f64> =
        values.zip(truth).map(|(p, t)| (p["values"]["price"].as_f64().expect("a value") - t).abs()).collect();
    let mae = errors.iter().sum::<f64>() / errors.len() as f64;
    assert!((mae - scored["test"]["mae"].as_f64().expect("an error")).abs() < 1e-4 * mae.max(1.0), "{mae}");
}

/// 32 bits have no digits for half a unit at five million.
#[test]
fn targets_far_from_zero_are_learned_as_those_near_it() {
    let place = Place::new();
    let mut scored = vec![];
    for (name, offset) in [("near", 0.0), ("far", 5_200_000.0)] {
        let row = |i: usize| {
            let (a, b) = ((i * 37 % 101) as f64 / 50.0 - 1.0, (i * 53 % 97) as f64 / 48.0 - 1.0);
            format!("{a:.3},{b:.3},{:.6}\n", offset + 0.4 * a + 0.25 * b)
        };
        let data = place.write(&format!("{name}.csv"), "a,b,y\n".to_string() + &(0..300).map(row).collect::<String>());
        let run = place.path(name);
        let trained =
            json(&wgrad(&["train", "--data", &data, "--epochs", "30", "--seed", "1", "--out", &run, "--json"]));
        let told = wgrad(&["predict", &run, &data, "--device", "cpu"]);
        let answers: Vec<f64> = text(&told.stdout)
            .lines()
            .skip(1)
            .map(|l| l.split(',').nth(1).expect("an answer").parse().expect("a number"))
            .collect();
        let page: Value = serde_json::from_str(&place.read(&format!("{name}/evaluation.json"))).expect("JSON");
        let worst: f64 = page["mistakes"][0]["label"].as_str().expect("a label").parse().expect("a number");
        assert!((worst - offset).abs() < 2.0, "{worst}");
        scored.push((trained["validation"]["r2"].as_f64().expect("a score"), answers));
    }
    let [(near, at_zero), (far, away)] = &scored[..] else { unreachable!("two runs") };
    assert!(*near > 0.9 && (near - far).abs() < 0.01, "{near} near zero, {far} far from it");
    assert_eq!((at_zero.len(), away.len()), (300, 300));
    for (a, b) in at_zero.iter().zip(away) {
        assert!((b - 5_200_000.0 - a).abs() < 0.05, "{a} and {b}");
    }
}

#[test]
fn series_far_from_zero_are_forecast_as_those_near_it() {
    let place = Place::new();
    for difference in ["false", "true"] {
        let mut found = vec![];
        for (name, offset) in [("near", 0.0), ("far", 16_000_000.0)] {
            let row = |i: usize| {
                let v = offset + 0.8 * (i as f64 / 24.0 * std::f64::consts::TAU).sin() + 0.1 * noise(i);
                format!("2020-{:02}-{:02} {:02}:00,{v:.4}\n", 1 + i / 24 / 28, 1 + i / 24 % 28, i % 24)
            };
            let data = place
                .write(&format!("{name}.csv"), "time,reading\n".to_string() + &(0..600).map(row).collect::<String>());
            let run = place.path(&format!("{name}-{difference}"));
            let difference = format!("data.difference={difference}");
            let args =
                ["train", "--data", &data, "--window", "24", "--epochs", "5", "--seed", "2", "--set", &difference];
            let trained = json(&wgrad(&[&args[..], &["--out", &run, "--json"]].concat()));
            let mae = |v: &Value| v["mae"].as_f64().expect("a score");
            let scored = &trained["test"];
            let told = json(&wgrad(&["predict", &run, &data, "--device", "cpu", "--json"]));
            let next = told["predictions"][0]["values"]["reading"].as_f64().expect("a forecast") - offset;
            let page: Value = serde_json::from_str(&place.read(&format!("{run}/evaluation.json"))).expect("JSON");
            let actual = page["forecast"]["plotted"][0]["actual"][0].as_f64().expect("a point") - offset;
            let [truth, answer] = [0, 1].map(|i| page["metrics"]["regression"]["pairs"][0][0][i].as_f64());
            assert!(
                truth.zip(answer).is_none_or(|(t, a)| (t - offset).abs() < 3.0 && (a - offset).abs() < 9.0),
                "{page}"
            );
            found.push([mae(scored), mae(&scored["baselines"]["persistence"]), next, actual]);
        }
        for (near, far) in found[0].iter().zip(&found[1]) {
            assert!((near - far).abs() < 0.01, "{difference}: {found:?}");
        }
    }
}

#[test]
fn rows_that_cannot_be_used_are_named_and_left_empty() {
    let place = with_tables();
    let (data, run) = (place.path("rows.csv"), place.path("run"));
    let rules = ["--set", "clean.drop=[\"price\"]", "--set", "clean.missing=drop"];
    let args = ["train", "--data", &data, "--target", "kind", "--epochs", "3", "--out", &run, "--json"];
    json(&wgrad(&[&args[..], &rules].concat()));
    // Other columns, another order, no target, and a gap where none may be.
    place.write("new.tsv", "colour\tsize\textra\tweight\nred\t12\tx\t1\nblue\t\ty\t2\ngreen\t9\tz\t-1\n");
    let (rows, out) = (place.path("new.tsv"), place.path("answers.csv"));
    let output = wgrad(&["predict", &run, &rows, "--out", &out]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let message = text(&output.stderr);
    assert!(message.contains("1 row dropped (line 3)") && message.contains("size"), "{message}");
    let written = place.read("answers.csv");
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!((lines.len(), lines[2]), (4, "2,,,"), "{written}");
    assert!(lines[1].starts_with("1,") && lines[3].starts_with("3,"), "{written}");
    let seen = json(&wgrad(&["predict", &run, &rows, "--json"]));
    assert_eq!(seen["predictions"][1], serde_json::json!({ "file": rows, "row": 2, "line": 3, "class": null }));
    assert!(seen["predictions"][2]["probabilities"]["big"].is_f64(), "{seen}");
    place.write("short.csv", "size,colour\n1,red\n");
    refused(&["predict", &run, &place.path("short.csv")], 1, &["short.csv", "weight"]);
    refused(&["predict", &run, &place.path("none.csv")], 1, &["none.csv"]);
    refused(&["eval", &run, "--data", &rows], 1, &["kind"]);
}

#[test]
fn pictures_and_tables_are_not_taken_for_each_other() {
    let place = with_tables();
    let held = place.path("held.csv");
    let (run, _) = trained(&place, "kind", "price");
    let picture = place.path("dot.png");
    image::GrayImage::from_pixel(28, 28, image::Luma([9])).save(&picture).expect("written");
    refused(&["predict", &run, &picture], 1, &["dot.png is not a table", "size, weight, colour"]);
    refused(&["eval", &run, "--data", "digits"], 1, &["digits is not a table", "rows.csv"]);
    let images = place.path("images");
    let args = ["train", "--data", "digits", "--model", "mlp", "--epochs", "1", "--out", &images, "--json"];
    let trained_on = json(&wgrad(&[&args[..], &["--seed", "5"]].concat()));
    refused(&["predict", &images, &held], 1, &["held.csv is a table", "1x28x28"]);
    refused(&["eval", &images, "--data", &held], 1, &["held.csv is a table", "1x28x28"]);
    // The seed of the digits is that of the training, unless it is given.
    let scored = json(&wgrad(&["eval", &images, "--data", "digits", "--json"]));
    assert_eq!(scored["test"], trained_on["test"]);
    let answers = place.path("pictures.csv");
    assert!(wgrad(&["predict", &images, &picture, "--out", &answers]).status.success());
    let written = place.read("pictures.csv");
    assert!(written.starts_with("file,prediction,p_0,p_1,") && written.lines().count() == 2, "{written}");
}

#[test]
fn image_folders_are_matched_by_class_and_brought_to_size() {
    let place = with_tables();
    const CLASSES: [&str; 3] = ["bottom", "middle", "top"];
    let save = |folder: &str, side: u32, i: usize| {
        let class = CLASSES[i % 3];
        let file = place.root().join(folder).join(class).join(format!("{i}.png"));
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        let is_lit = |y: u32| class == "middle" || (y < side / 2) == (class == "top");
        let light = |y: u32| if is_lit(y) { 200 + (i * 7 % 40) as u8 } else { (i * 5 % 30) as u8 };
        image::GrayImage::from_fn(side, side, |_, y| image::Luma([light(y)])).save(file).expect("written");
    };
    for i in 0..24 {
        save("pictures/train", 12, i);
        save("pictures/test", 12, i + 51);
        // Another size, without the first class.
        if i % 3 > 0 {
            save("others", 20, i);
        }
    }
    let (data, run) = (place.path("pictures"), place.path("run"));
    let args = ["train", "--data", &data, "--model", "mlp", "--epochs", "8", "--batch-size", "8", "--lr", "0.01"];
    let trained_on = json(&wgrad(&[&args[..], &["--set", "data.filter=nearest", "--out", &run, "--json"]].concat()));
    let scored = json(&wgrad(&["eval", &run, "--data", &data, "--json"]));
    assert_eq!(scored["test"], trained_on["test"]);
    let others = json(&wgrad(&["eval", &run, "--data", &place.path("others"), "--json"]));
    assert_eq!((others["samples"].as_u64(), others["test"]["accuracy"].as_f64()), (Some(16), Some(1.0)));
    assert_eq!(others["parts"][2]["name"], "top");
}
