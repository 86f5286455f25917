//! Names from data, files and run folders, tokens, and what models write never
//! reach a terminal with their escape sequences, whatever the subcommand.

#![cfg(unix)]

#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use place::Place;
use std::path::Path;
use std::process::{Command, Output};

/// Sets a terminal's title, clears its screen, and in C1 changes its colours.
const HOSTILE: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}31m";

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(args).env("WGRAD_DEVICE", "cpu").output().expect("the program starts")
}

/// What would steer a terminal, but for line breaks and tabs.
fn steers(bytes: &[u8]) -> bool {
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Runs the program, which must name what is hostile, on stdout or stderr, and
/// escape it.
fn names(args: &[&str]) -> Output {
    let output = run(args);
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).escape_debug().to_string();
    assert!(!steers(&output.stdout), "{args:?}: stdout steers the terminal: {}", shown(&output.stdout));
    assert!(!steers(&output.stderr), "{args:?}: stderr steers the terminal: {}", shown(&output.stderr));
    let all = [&output.stdout[..], &output.stderr].concat();
    let all = String::from_utf8_lossy(&all);
    assert!(all.contains("0;pwned"), "{args:?} does not name what is hostile, so it tests nothing:\n{all}");
    output
}

/// The same, and it succeeds.
fn told(args: &[&str]) -> String {
    let output = names(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn tables() {
    let place = Place::new();
    let mut text = format!("\"a{HOSTILE}\",\"b\",\"kind{HOSTILE}\"\n");
    for i in 0..60 {
        let cell = if i % 9 == 4 { format!("x{HOSTILE}") } else { format!("{}", i % 7) };
        text += &format!("{cell},{},\"{}{HOSTILE}\"\n", i * 13 % 17, ["yes", "no"][i % 2]);
    }
    let data = place.write(&format!("t{HOSTILE}.csv"), &text);
    let runs = place.path(&format!("run{HOSTILE}"));
    let target = format!("kind{HOSTILE}");
    let train = ["train", "--data", &data, "--target", &target, "--epochs", "1", "--out", &runs];
    names(&train);
    names(&[&train[..], &["--json"]].concat());
    names(&[&train[..], &["--folds", "2"]].concat());
    names(&["train", "--data", &data, "--target", &format!("knid{HOSTILE}")]);
    names(&["train", "--data", &data, "--set", &format!("data.tar{HOSTILE}=1")]);
    names(&train);
    let folder = runs.clone();
    told(&["eval", &folder, "--data", &data]);
    told(&["eval", &folder, "--data", &data, "--json"]);
    told(&["predict", &folder, &data, "--json"]);
    // CSV for another program is what the data says; beside it nothing is.
    let output = run(&["predict", &folder, &data]);
    assert!(!steers(&output.stderr) && steers(&output.stdout));
    told(&["data", &data, "--target", &target]);
    told(&["data", &data, "--target", &target, "--json"]);
    told(&["report", &folder]);
    told(&["watch", &folder, "--once"]);
    told(&["report", &folder, &runs, "--out", &place.path(&format!("both{HOSTILE}.html"))]);
    let plot = place.path(&format!("sweep{HOSTILE}.svg"));
    names(&["lr-find", "--data", &data, "--target", &target, "--steps", "10", "--out", &plot]);
    let config = place.write(
        "search.toml",
        format!(
            "model = \"tabular\"\n[data]\nsource = {}\ntarget = {}\n[train]\nepochs = 1\n[search]\nmethod = \"grid\"\n\
             [search.space]\n\"train.batch_size\" = [16, 32]\n",
            toml::Value::from(data.clone()),
            toml::Value::from(target.clone())
        ),
    );
    names(&["search", &config, "--out", &place.path(&format!("search{HOSTILE}"))]);
    // Errors: of a file, and of a folder that is no run.
    names(&["eval", &folder, "--data", &place.write(&format!("other{HOSTILE}.csv"), "q\n1\n")]);
    names(&["predict", &folder, &place.path(&format!("none{HOSTILE}.csv"))]);
    names(&["report", &place.path(&format!("none{HOSTILE}"))]);
    names(&["watch", &place.path(&format!("none{HOSTILE}"))]);
    // What a run's files say, which somebody else may have written.
    place.write(
        "foreign/run.json",
        serde_json::json!({ "model": HOSTILE, "data": HOSTILE, "stopped": HOSTILE }).to_string(),
    );
    let record = serde_json::json!({ "epoch": 1, "train": { "loss": 1.0, (HOSTILE): 2.0 } });
    place.write("foreign/metrics.jsonl", format!("{record}\n"));
    place.write("foreign/config.toml", format!("model = {}\n", toml::Value::from(HOSTILE)));
    place.write("others/config.toml", format!("x{} = 1\n", toml::Value::from(HOSTILE)));
    let foreign = place.path("foreign");
    names(&["watch", &foreign]);
    names(&["watch", &foreign, "--once"]);
    names(&["report", &foreign, &folder, "--out", &place.path("c.html")]);
    names(&["report", &place.path("others")]);
}

#[test]
fn pictures() {
    let place = Place::new();
    let set = place.path("set");
    for i in 0..8u32 {
        for (class, above) in [("up", true), ("down", false)] {
            let file = format!("{set}/{class}{HOSTILE}/{i}{HOSTILE}.png");
            std::fs::create_dir_all(Path::new(&file).parent().expect("a folder")).expect("made");
            let pixel = |_, y| image::Luma([if (y < 4) == above { 200 } else { 10 + i as u8 }]);
            image::GrayImage::from_fn(8, 8, pixel).save(file).expect("written");
        }
    }
    place.write(&format!("set/up{HOSTILE}/broken{HOSTILE}.png"), "no picture");
    let run = place.path("run");
    names(&["train", "--data", &set, "--model", "mlp", "--epochs", "1", "--val-split", "0.25", "--out", &run]);
    told(&["eval", &run, "--data", &set]);
    let file = format!("{set}/up{HOSTILE}/3{HOSTILE}.png");
    told(&["predict", &run, &file]);
    told(&["predict", &run, &file, "--json"]);
    told(&["predict", &run, &file, "--out", &place.path(&format!("out{HOSTILE}.csv"))]);
    told(&["data", &set]);
    told(&["data", &set, "--json"]);
}

#[test]
fn texts_and_models() {
    let place = Place::new();
    let corpus = place.write(&format!("c{HOSTILE}.txt"), format!("a{HOSTILE}").repeat(60));
    let run = place.path("run");
    let args = ["train", "--data", &corpus, "--model", "char-lstm", "--context", "16", "--epochs", "1", "--out", &run];
    names(&args);
    let prompt = format!("a{HOSTILE}a{HOSTILE}");
    let written = told(&["generate", &run, "--prompt", &prompt, "--length", "40", "--temperature", "0"]);
    assert!(written.contains("\\u{1b}]0;pwned\\u{7}"), "{written}");
    let json = told(&["generate", &run, "--prompt", &prompt, "--length", "5", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(json.trim()).expect("JSON");
    assert_eq!(answer["prompt"], *prompt, "JSON says what it was");
    names(&["data", &corpus]);
    let vocabulary = place.path(&format!("v{HOSTILE}.json"));
    told(&["tokenizer", &corpus, "--kind", "char", "--out", &vocabulary]);
    told(&["tokenizer", "--show", &vocabulary]);
    told(&["tokenizer", "--show", &vocabulary, "--encode", &prompt]);
    let model = format!(
        "name = {0}\ninput = [4]\n[[layer]]\ntype = \"Dense\"\nname = {0}\nunits = \"classes\"\n",
        toml::Value::from(format!("m{HOSTILE}"))
    );
    let model = place.write(&format!("m{HOSTILE}.toml"), &model);
    told(&["summary", &model]);
    told(&["plan", &model, "--explain"]);
    names(&["gradcheck", &model]);
    names(&["profile", &model]);
    names(&["summary", &place.write("bad.toml", format!("[[layer]]\ntype = {}\n", toml::Value::from(HOSTILE)))]);
    names(&["shaders", &format!("x{HOSTILE}")]);
}

#[test]
fn arguments_that_there_are_not() {
    // clap leaves out what it can of them.
    for args in
        [["train", "--data", "x", &format!("--targ{HOSTILE}")], ["devices", "--json", &format!("--x{HOSTILE}"), "y"]]
    {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!steers(&output.stderr) && said.contains("unexpected argument") && said.contains("31m"), "{said}");
    }
}

#[test]
fn cells_that_begin_as_formulas_are_made_text_where_asked_for() {
    let place = Place::new();
    let mut text = "a,kind\n".to_string();
    (0..40).for_each(|i| text += &format!("{},\"{}\"\n", i % 2 * 5, ["=HYPERLINK(\"\"http://x\"\")", "-3"][i % 2]));
    let (data, run_folder) = (place.write("t.csv", &text), place.path("run"));
    let trained =
        run(&["train", "--data", &data, "--epochs", "8", "--set", "data.task=classification", "--out", &run_folder]);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let csv = |more: &[&str]| -> Vec<Vec<String>> {
        let output = run(&[&["predict", &run_folder, &data], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let rows = csv::ReaderBuilder::new().has_headers(false).from_reader(&output.stdout[..]).into_records();
        rows.map(|r| r.expect("CSV").iter().map(String::from).collect()).collect()
    };
    let (plain, safe) = (csv(&[]), csv(&["--safe-csv"]));
    assert_eq!(plain[1][1], "=HYPERLINK(\"http://x\")");
    assert_eq!(safe[1][1], "'=HYPERLINK(\"http://x\")");
    // -3 is a number, and no formula.
    assert_eq!((&plain[2], &safe[2][1][..]), (&safe[2], "-3"));
    let out = place.path("out.csv");
    assert!(csv(&["--safe-csv", "--out", &out]).is_empty());
    assert!(std::fs::read_to_string(&out).expect("written").contains("'=HYPERLINK"));
    let refused = run(&["predict", &run_folder, &data, "--safe-csv", "--json"]);
    assert_eq!(refused.status.code(), Some(2));
}
