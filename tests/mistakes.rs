//! The worst mistakes of a run are those of the file: one sample of each source
//! has the wrong label, and the report must say which, wherever splits, folds,
//! cleaning and shuffling have taken it.

#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use place::Place;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn wgrad(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_wgrad")).args(args).env("WGRAD_DEVICE", "cpu").output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn train(run: &str, data: &str, more: &[&str]) {
    wgrad(&[&["train", "--data", data, "--out", run, "--batch-size", "16"], more].concat());
}

/// The mistakes in a run's `evaluation.json`.
fn mistakes(run: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{run}/evaluation.json")).expect("an evaluation");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    found["mistakes"].as_array().expect("a list").clone()
}

fn page(run: &str) -> String {
    std::fs::read_to_string(format!("{run}/report.html")).expect("a report")
}

/// Rows of the table, of which one is wrong.
const ROWS: usize = 160;
const WRONG: usize = 149;

/// A table whose `kind` follows from `a`, but for one row. Some cells hold line
/// breaks, some lines are empty, and some rows repeat an earlier one. Returns the
/// line in which the wrong row starts.
fn table(path: &str, ends: &str) -> usize {
    let mut text = format!("note,a,b,kind{ends}{ends}");
    let mut line = 3;
    let mut found = 0;
    for i in 0..ROWS {
        // Every eighth row is the one before it once more.
        let i_as = if i % 8 == 7 && i != WRONG { i - 1 } else { i };
        let a = (i_as * 37 % 101) as f64 / 10.0 - 5.0;
        let (a, kind) = match i == WRONG {
            true => (4.875, "low"),
            false => (if a.abs() < 0.5 { 2.0 } else { a }, if a > 0.0 || a.abs() < 0.5 { "high" } else { "low" }),
        };
        let note = if i_as % 5 == 3 { format!("\"said \"\"no\"\",{ends}then left\"") } else { "quiet".into() };
        found = if i == WRONG { line } else { found };
        line += if i_as % 5 == 3 { 2 } else { 1 };
        text += &format!("{note},{a:.4},{}.50,{kind}{ends}", i_as % 3);
        if i % 40 == 20 {
            text += ends;
            line += 1;
        }
    }
    std::fs::write(path, text).expect("written");
    found
}

/// Checks that the worst of some mistakes is the wrong row, as the file has it.
fn is_the_row(found: &[Value], line: usize) {
    let worst = found.first().expect("a mistake");
    assert_eq!(worst["place"], json!({ "row": WRONG + 1, "line": line }), "{worst}");
    assert_eq!((&worst["label"], &worst["predicted"]), (&"low".into(), &"high".into()), "{worst}");
    let cells = &worst["cells"];
    assert_eq!(cells[1], json!(["a", "4.8750"]), "{cells}");
    assert_eq!(cells[2][1].as_str(), Some(&*format!("{}.50", WRONG % 3)), "{cells}");
    assert_eq!(cells.as_array().map(Vec::len), Some(4), "{cells}");
}

#[test]
fn a_row_of_a_table_is_found_in_its_file() {
    for (name, ends) in [("unix", "\n"), ("dos", "\r\n")] {
        let place = Place::new();
        let (data, run) = (place.path(&format!("{name}.csv")), place.path("run"));
        let line = table(&data, ends);
        let clean = ["--set", "clean.drop=[\"b\"]", "--set", "clean.drop_duplicates=true"];
        let args = [&["--val-split", "0.25", "--set", "data.split=time", "--epochs", "25"][..], &clean].concat();
        train(&run, &data, &args);
        is_the_row(&mistakes(&run), line);
        let html = page(&run);
        assert!(html.contains(&format!("row {}, line {line}", WRONG + 1)), "the report names another row");
        assert!(html.contains("4.8750") && html.contains("without the header"), "the report shows no cells");

        // The same table for the run as it is; and another file, in which the row
        // stands elsewhere.
        let scored = |file: &str| -> Value {
            let output = wgrad(&["eval", &run, "--data", file, "--json"]);
            let text = String::from_utf8(output.stdout).expect("UTF-8");
            serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
        };
        is_the_row(scored(&data)["mistakes"].as_array().expect("a list"), line);
        let other = place.path("other.csv");
        let text = format!("note,a,b,kind{ends}\"x{ends}y\",4.5,1.5,high{ends},4.9900,NA,low{ends}");
        std::fs::write(&other, text).expect("written");
        let answer = scored(&other);
        let worst = &answer["mistakes"][0];
        assert_eq!(worst["place"], json!({ "row": 2, "line": 4 }), "{worst}");
        assert_eq!(worst["cells"], json!([["note", null], ["a", "4.9900"], ["b", null], ["kind", "low"]]));
        let told = String::from_utf8(wgrad(&["eval", &run, "--data", &other]).stdout).expect("UTF-8");
        assert!(told.contains("row 2, line 4: low is predicted as high"), "{told}");
    }
}

#[test]
fn a_row_is_found_in_every_fold_and_on_what_was_trained_on() {
    let place = Place::new();
    let data = place.path("t.csv");
    let line = table(&data, "\n");
    let run = place.path("folds");
    train(&run, &data, &["--folds", "4", "--epochs", "20", "--seed", "3", "--set", "clean.drop_duplicates=true"]);
    let all: Vec<Vec<Value>> = (1..=4).map(|i| mistakes(&format!("{run}/fold-{i}"))).collect();
    let wanted = json!({ "row": WRONG + 1, "line": line });
    let with = all.iter().filter(|found| found.iter().any(|m| m["place"] == wanted)).collect::<Vec<_>>();
    assert_eq!(with.len(), 1, "each row is held out once");
    is_the_row(with[0], line);
    // On the training rows themselves, in any order.
    let run = place.path("overfit");
    train(&run, &data, &["--overfit-batches", "10", "--epochs", "12"]);
    is_the_row(&mistakes(&run), line);
}

#[test]
fn numbers_that_are_far_off_are_found_too() {
    let place = Place::new();
    let (data, run) = (place.path("t.csv"), place.path("run"));
    let mut text = "a,y\n".to_string();
    for i in 0..120 {
        let a = (i * 37 % 101) as f64 / 10.0;
        text += &if i == 113 { format!("\"{a}\",500\n") } else { format!("{a},{}\n", 3.0 * a) };
    }
    std::fs::write(&data, text).expect("written");
    train(&run, &data, &["--target", "y", "--val-split", "0.2", "--set", "data.split=time", "--epochs", "3"]);
    assert_eq!(mistakes(&run)[0]["place"], json!({ "row": 114, "line": 115 }));
    assert_eq!(mistakes(&run)[0]["cells"][1], json!(["y", "500"]));
}

/// A picture of a class: bright above or bright below.
fn picture(path: &Path, above: bool, seed: u32) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let pixel = |x: u32, y: u32| if (y < 4) == above { 200 + (seed * 7 + x) as u8 % 40 } else { (seed + y) as u8 % 30 };
    image::GrayImage::from_fn(8, 8, |x, y| image::Luma([pixel(x, y)])).save(path).expect("written");
}

#[test]
fn a_picture_is_found_by_its_name() {
    let place = Place::new();
    let (data, run) = (place.path("set"), place.path("run"));
    for i in 0..40u32 {
        for (class, above) in [("up", true), ("down", false)] {
            picture(&Path::new(&data).join(format!("train/{class}/{i:02}.png")), above, i);
        }
        let above = |class: &str| (class == "up") != (i == 23 && class == "up");
        for class in ["up", "down"] {
            picture(&Path::new(&data).join(format!("test/{class}/shot-{i:02}.png")), above(class), i);
        }
    }
    std::fs::write(Path::new(&data).join("test/down/shot-05.png"), "no picture").expect("written");
    train(&run, &data, &["--model", "mlp", "--epochs", "6"]);
    let worst = &mistakes(&run)[0];
    assert_eq!(worst["place"], json!({ "file": "test/up/shot-23.png" }), "{}", worst["place"]);
    assert!(page(&run).contains("test/up/shot-23.png"));
}

/// A NumPy array of format 1.
fn npy(path: &str, dtype: &str, shape: &str, data: &[u8]) {
    let mut head = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({shape}), }}");
    head += &" ".repeat(63 - (10 + head.len()) % 64);
    head.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((head.len() as u16).to_le_bytes());
    bytes.extend(head.as_bytes());
    bytes.extend(data);
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn a_sample_of_an_array_is_found_by_its_index() {
    let place = Place::new();
    let (x, y, run) = (place.path("d.npy"), place.path("d_y.npy"), place.path("run"));
    let value = |i: usize| if i == 117 { 4.5 } else { [-3.0, 3.0][i % 2] + (i % 7) as f32 * 0.1 };
    let samples: Vec<u8> = (0..120).flat_map(|i| [value(i), 1.0]).flat_map(f32::to_le_bytes).collect();
    let labels: Vec<u8> = (0..120i64).map(|i| if i == 117 { 0 } else { i % 2 }).flat_map(i64::to_le_bytes).collect();
    npy(&x, "<f4", "120, 2", &samples);
    npy(&y, "<i8", "120,", &labels);
    train(&run, &x, &["--model", "mlp", "--val-split", "0.2", "--set", "data.split=time", "--epochs", "20"]);
    let place = &mistakes(&run)[0]["place"];
    assert_eq!(place, &json!({ "index": 117, "of": format!("{x} train") }));
}

/// A model of which characters there are.
const BAG: &str = r#"
[[layer]]
type = "Embedding"
output_dim = 16
mask_zero = true
[[layer]]
type = "GlobalAveragePooling1D"
[[layer]]
type = "Dense"
units = "classes"
"#;

#[test]
fn a_text_is_found_by_its_row_or_its_file() {
    let place = Place::new();
    let (data, run) = (place.path("t.csv"), place.path("run"));
    let mut text = "text,mood\n".to_string();
    for i in 0..120 {
        let (words, mood) = if i % 2 == 0 { ("good fine great", "glad") } else { ("bad poor awful", "sad") };
        let mood = if i == 110 { "sad" } else { mood };
        text += &format!("\"{words},\nnumber {i}\",{mood}\n");
        // A row without a class is left out.
        text += if i == 50 { "nothing,\n" } else { "" };
    }
    std::fs::write(&data, text).expect("written");
    let model = place.path("bag.toml");
    std::fs::write(&model, BAG).expect("written");
    let args = ["--model", &model, "--lr", "0.03", "--epochs", "15"];
    train(&run, &data, &[&args[..], &["--val-split", "0.2", "--set", "data.split=time"]].concat());
    let worst = &mistakes(&run)[0];
    assert_eq!(worst["place"], json!({ "row": 112, "line": 1 + 2 * 110 + 1 + 1 }), "{}", worst["place"]);
    assert!(worst["text"].as_str().is_some_and(|t| t.contains("great,\nnumber 110")), "{}", worst["text"]);
    // A file per text.
    let folder = Path::new(&place.path("texts")).to_path_buf();
    for i in 0..60 {
        for (class, words) in [("glad", "good fine great"), ("sad", "bad poor awful")] {
            let words = if i == 41 && class == "sad" { "good fine great" } else { words };
            for split in ["train", "test"] {
                let file = folder.join(format!("{split}/{class}/{i}.txt"));
                std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
                let words = if split == "train" && class == "sad" { "bad poor awful" } else { words };
                std::fs::write(file, format!("{words} {i}")).expect("written");
            }
        }
    }
    let run = place.path("files");
    train(&run, folder.to_str().expect("utf-8"), &args);
    assert_eq!(mistakes(&run)[0]["place"], json!({ "file": "test/sad/41.txt" }));
}

#[test]
fn a_window_of_a_series_is_found_by_its_row() {
    let place = Place::new();
    let (data, run) = (place.path("t.csv"), place.path("run"));
    // The rows stand in the file from the last day to the first.
    let value = |i: usize| if i == 119 { 900.0 } else { (i as f64 / 3.0).sin() * 5.0 };
    let day = |i: usize| format!("2024-{:02}-{:02}", 1 + i / 28, 1 + i % 28);
    let rows: String = (0..120).rev().map(|i| format!("{},{:.3}\n", day(i), value(i))).collect();
    std::fs::write(&data, format!("day,y\n\n{rows}")).expect("written");
    let args = ["--target", "y", "--window", "8", "--horizon", "1", "--epochs", "2", "--val-split", "0.2"];
    train(&run, &data, &args);
    let worst = mistakes(&run)[0].clone();
    // The last day is the first row, below the header and an empty line.
    assert_eq!(worst["place"], json!({ "row": 1, "line": 3 }), "{worst}");
}
