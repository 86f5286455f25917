//! Names of any kind. Those on disk that are not UTF-8 are shown as well as can be,
//! and refused where a file would have to hold them; long ones, those with dashes
//! and blanks, and those of any script are taken.

use super::ask;
use super::make::{file, png, table};
use libtest_mimic::{Failed, Trial};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// `x\xff` and what follows it.
#[cfg(unix)]
fn odd(start: &str, end: &str) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec([start.as_bytes(), b"\xff", end.as_bytes()].concat())
}

#[cfg(not(unix))]
fn odd(start: &str, end: &str) -> OsString {
    format!("{start}{end}").into()
}

pub fn trials() -> Vec<Trial> {
    // macOS makes no such files.
    if !cfg!(target_os = "linux") {
        return vec![];
    }
    type Named = (&'static str, fn(&Path));
    let all: [Named; 9] = [
        ("odd_names_of_runs", runs),
        ("odd_names_of_data", data),
        ("odd_names_of_classes", classes),
        ("odd_names_of_pictures", pictures),
        ("odd_names_of_what_is_written", outputs),
        ("odd_names_of_texts", texts),
        ("names_of_models_are_names_of_folders", models),
        ("names_that_begin_with_a_dash", dashes),
        ("names_of_any_width_stand_in_columns", columns),
    ];
    let trial = |(name, test): (&str, fn(&Path))| {
        Trial::test(name, move || {
            let folder = tempfile::tempdir()?;
            test(folder.path());
            Ok::<(), Failed>(())
        })
    };
    all.into_iter().map(trial).collect()
}

/// Runs the program; it must end with this code and say these words.
#[track_caller]
fn says(at: &Path, words: &[&OsStr], code: i32, parts: &[&str]) -> String {
    let (found, said, _) = ask(at, words);
    assert!(!said.contains("internal error") && !said.contains("panicked"), "it broke:\n{said}");
    assert_eq!(found, Some(code), "{said}");
    parts.iter().for_each(|part| assert!(said.contains(part), "{part:?} is missing in\n{said}"));
    said
}

fn words<'a>(start: &'a str, more: &'a [&'a OsStr]) -> Vec<&'a OsStr> {
    start.split(' ').map(OsStr::new).chain(more.iter().copied()).collect()
}

/// A run whose folder has such a name is made, gone on with and used.
fn runs(at: &Path) {
    file(&at.join("t.csv"), table());
    let out = odd("run", "");
    let train = "train --device cpu --data t.csv --epochs 1 --json --out";
    says(at, &words(train, &[&out]), 0, &["\"run\":\"run\u{fffd}\""]);
    let folder = at.join(&out);
    assert!(folder.join("checkpoints/last/model.safetensors").is_file() && folder.join("report.html").is_file());
    // The words are kept as far as JSON holds them.
    assert!(std::fs::read_to_string(folder.join("run.json")).expect("kept").contains("run\u{fffd}"));
    says(at, &words("train --device cpu --epochs 2 --json --resume --out", &[&out]), 0, &["resuming after"]);
    says(at, &words(train, &[&out]), 0, &["held a run already"]);
    assert!(at.join(odd("run", "-001")).is_dir());
    says(at, &words("eval --device cpu --data t.csv --json", &[&out]), 0, &["\"status\":\"ok\""]);
    says(at, &words("report --json", &[&out]), 0, &["\"report\":\"run\u{fffd}/report.html\""]);
    says(at, &words("report --json", &[&out, &odd("run", "-001")]), 0, &["\"folder\":\"run\u{fffd}\""]);
    says(at, &words("watch --once", &[&out]), 0, &["run\u{fffd}"]);
    says(at, &words("predict --device cpu --json", &[&out, OsStr::new("t.csv")]), 0, &["\"predictions\""]);
    says(
        at,
        &words("train --device cpu --data t.csv --epochs 2 --folds 2 --json --out", &[&odd("f", "")]),
        0,
        &["\"folds\""],
    );
    let search = "data.source = \"t.csv\"\ntrain.epochs = 1\n[search]\nmethod = \"grid\"\n[search.space]\n\"optimizer.lr\" = [0.1]\n";
    file(&at.join(odd("s", ".toml")), search);
    says(at, &words("search --device cpu --json", &[&odd("s", ".toml")]), 0, &["\"best\""]);
    says(at, &words("search --device cpu --json --out", &[&odd("o", ""), &odd("s", ".toml")]), 0, &["\"best\""]);
}

/// Settings are text: a source that they cannot hold is refused, not stored as
/// another one.
fn data(at: &Path) {
    let name = odd("t", ".csv");
    file(&at.join(&name), table());
    for start in ["train --device cpu --data", "data", "lr-find --data"] {
        let said = says(at, &words(start, &[&name]), 2, &["t\\xFF.csv", "is not UTF-8", "rename it"]);
        assert!(!said.contains('\u{fffd}') || said.contains("\\xFF"), "{said}");
    }
    assert!(!at.join("runs").exists());
    // As a configuration, where the name is not kept, it is fine.
    file(&at.join("t.csv"), table());
    file(&at.join(odd("c", ".toml")), "data.source = \"t.csv\"\ntrain.epochs = 1\n");
    says(at, &words("train --device cpu --out out", &[&odd("c", ".toml")]), 0, &["saved in out"]);
    says(at, &words("eval out --device cpu --data", &[&name]), 2, &["is not UTF-8"]);
    // What is to be predicted is not kept either.
    says(at, &words("predict out --device cpu --json", &[&name]), 0, &["\"file\":\"t\u{fffd}.csv\""]);
    says(at, &words("predict out --device cpu", &[&name, OsStr::new("t.csv")]), 0, &["t\u{fffd}.csv,1,"]);
    says(at, &words("predict out --device cpu", &[&odd("none", ".csv")]), 1, &["none\u{fffd}.csv"]);
}

/// Two classes that would look alike are not made one.
fn classes(at: &Path) {
    for (i, class) in [odd("", ""), odd("a", "")].iter().enumerate() {
        (0..4).for_each(|n| file(&at.join("pics").join(class).join(format!("{n}.png")), png(n + 9 * i as u8)));
        let text = |n: usize| file(&at.join("texts").join(class).join(format!("{n}.txt")), "to be or not");
        (0..4).for_each(text);
    }
    for folder in ["pics", "texts"] {
        let start = format!("train --device cpu --data {folder}");
        says(at, &words(&start, &[]), 1, &["has a name that is not UTF-8", "rename it"]);
    }
}

/// Pictures may be called anything.
fn pictures(at: &Path) {
    for i in 0..12u8 {
        file(&at.join("pics").join(["cat", "dog"][usize::from(i % 2)]).join(odd(&i.to_string(), ".png")), png(i));
    }
    file(&at.join("pics/cat").join(odd("broken", ".png")), "no picture");
    let train = "train --device cpu --data pics --model mlp --epochs 1 --out out";
    says(at, &words(train, &[]), 0, &["saved in out"]);
    says(at, &words("data pics --json", &[]), 0, &["broken\u{fffd}.png"]);
    says(at, &words("eval out --device cpu --data pics --json", &[]), 0, &["\"status\":\"ok\""]);
    let picture = Path::new("pics/cat").join(odd("0", ".png"));
    says(at, &words("predict out --device cpu", &[picture.as_os_str()]), 0, &["pics/cat/0\u{fffd}.png: "]);
    says(at, &words("predict out --device cpu --json", &[picture.as_os_str()]), 0, &["0\u{fffd}.png"]);
}

/// Whatever is written may be called anything.
fn outputs(at: &Path) {
    file(&at.join("t.csv"), table());
    says(at, &words("train --device cpu --data t.csv --epochs 1 --out out", &[]), 0, &["saved in out"]);
    let (csv, svg, html, png) = (odd("o", ".csv"), odd("o", ".svg"), odd("o", ".html"), odd("o", ".png"));
    says(at, &words("predict out t.csv --device cpu --json --out", &[&csv]), 0, &["\"out\":\"o\u{fffd}.csv\""]);
    says(at, &words("lr-find --device cpu --data t.csv --json --out", &[&svg]), 0, &["\"plot\":\"o\u{fffd}.svg\""]);
    says(at, &words("data t.csv --json --html", &[&html]), 0, &["\"rows\""]);
    says(at, &words("data digits --json --sheet", &[&png]), 0, &["{"]);
    says(at, &words("report out out --json --out", &[&html]), 0, &["\"report\":\"o\u{fffd}.html\""]);
    for name in [csv, svg, html, png] {
        assert!(at.join(&name).metadata().is_ok_and(|m| m.len() > 0), "{name:?} was not written");
    }
}

/// Texts and vocabularies may be called anything.
fn texts(at: &Path) {
    let (text, json) = (odd("t", ".txt"), odd("v", ".json"));
    file(&at.join(&text), "to be or not to be, that is the question\n".repeat(20));
    let made =
        says(at, &words("tokenizer --json --kind char --out", &[&json, &text]), 0, &["\"out\":\"v\u{fffd}.json\""]);
    assert!(made.contains("\"size\""), "{made}");
    says(at, &words("tokenizer --json --show", &[&json]), 0, &["{"]);
}

/// Whatever a model is called, its run has a folder.
fn models(at: &Path) {
    file(&at.join("t.csv"), table());
    let long = "模".repeat(300);
    let names = [
        (&*long, format!("runs/{}-001", "模".repeat(33))),
        ("日本 語/é", "runs/日本-語-é-001".into()),
        ("...", "runs/model-001".into()),
        ("   ", "runs/model-002".into()),
        ("a. ", "runs/a-001".into()),
        ("-x", "runs/x-001".into()),
        ("NUL", "runs/_NUL-001".into()),
        ("é", "runs/é-001".into()),
    ];
    for (name, folder) in names {
        let text = format!("name = {name:?}\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"");
        file(&at.join("m.toml"), text);
        let train = words("train --device cpu --data t.csv --model m.toml --epochs 1", &[]);
        says(at, &train, 0, &[&format!("saved in {folder}")]);
        let run = std::fs::read_to_string(at.join(&folder).join("run.json")).expect("a run");
        let run: serde_json::Value = serde_json::from_str(&run).expect("JSON");
        assert_eq!(run["model"], name, "the name itself is kept whole");
        says(at, &words("report", &[OsStr::new(&folder)]), 0, &["report.html"]);
    }
    // A name that is as long as can be has room for a number.
    for name in ["x".repeat(255), "日".repeat(85), "a  b".into(), " ".to_string() + &"é".repeat(127)] {
        let out = [OsStr::new(&name)];
        let train = words("train --device cpu --data t.csv --epochs 1 --out", &out);
        says(at, &train, 0, &["saved in"]);
        says(at, &train, 0, &["held a run already"]);
        assert!(at.join(&name).join("report.html").is_file());
    }
    let search = "data.source = \"t.csv\"\ntrain.epochs = 1\n[search]\nmethod = \"grid\"\n[search.space]\n\"optimizer.lr\" = [0.1]\n";
    let config = format!("{}.toml", "日".repeat(83));
    file(&at.join(&config), search);
    says(at, &words("search --device cpu --json", &[OsStr::new(&config)]), 0, &["\"best\""]);
}

/// A dash in front makes no flag of a name, and a flag is no name.
fn dashes(at: &Path) {
    file(&at.join("-t.csv"), table().replace("x,y,class", "-x,日本 語,-class"));
    let train = "train --device cpu --data -t.csv --target -class --epochs 1 --out -x";
    says(at, &words(train, &[]), 0, &["saved in -x"]);
    says(at, &words(train, &[]), 0, &["-x held a run already; it is now -x-001"]);
    says(at, &words("eval --device cpu --data -t.csv ./-x", &[]), 0, &["40 samples"]);
    says(at, &words("eval --device cpu --data -t.csv -- -x", &[]), 0, &["40 samples"]);
    says(
        at,
        &words("predict ./-x ./-t.csv --device cpu --json --out -answers.csv", &[]),
        0,
        &["\"out\":\"-answers.csv\""],
    );
    let answers = std::fs::read_to_string(at.join("-answers.csv")).expect("written");
    assert!(answers.lines().count() == 41, "{answers}");
    for (end, what) in [("--out --json", "--json"), ("--data --json", "--json"), ("--target --json", "--json")] {
        let said = says(at, &words(&format!("train --device cpu --epochs 1 {end}"), &[]), 2, &["it looks like a flag"]);
        assert!(said.contains(what), "{said}");
    }
    for blank in ["", "  "] {
        let out = [OsStr::new(blank)];
        let train = words("train --device cpu --data -t.csv --epochs 1 --out", &out);
        says(at, &train, 2, &["it is empty; expected a name"]);
    }
    assert!(!at.join("runs").exists() && !at.join("checkpoints").exists());
    // No device is any device, and the variable counts where the flag says nothing.
    for device in ["", " "] {
        let train =
            ["train", "--data", "-t.csv", "--target", "last", "--epochs", "1", "--out", "d", "--device", device];
        says(at, &train.map(OsStr::new), 0, &["saved in d"]);
    }
}

/// Names are measured as a terminal shows them.
fn columns(at: &Path) {
    let classes = ["日本語", "größe", "x", "e\u{301}"];
    let rows: String = (0..80).map(|i| format!("{},{},{}\n", i % 4, i % 7, classes[i % 4])).collect();
    file(&at.join("t.csv"), format!("a,b,class\n{rows}"));
    says(at, &words("train --device cpu --data t.csv --target class --epochs 1 --out out", &[]), 0, &["saved in out"]);
    let said = says(at, &words("eval out --device cpu --data t.csv", &[]), 0, &["precision"]);
    let table: Vec<&str> = said.lines().skip_while(|l| !l.starts_with("class")).take(1 + classes.len()).collect();
    let widths: Vec<usize> = table.iter().map(|l| console::measure_text_width(l)).collect();
    assert!(table.len() == 5 && widths.iter().all(|w| *w == widths[0]), "{widths:?}\n{said}");
    // A layer's name, too.
    let model = "name = \"m\"\n[[layer]]\ntype = \"Dense\"\nunits = 3\nname = \"第一層\"\n[[layer]]\ntype = \"Dense\"\nunits = 2\n";
    file(&at.join("m.toml"), model);
    let said = says(at, &words("summary m.toml --input 4", &[]), 0, &["第一層 (Dense)"]);
    let at_shape = |l: &&str| l.split_once('[').map(|(front, _)| console::measure_text_width(front));
    let layers: Vec<usize> = said.lines().filter(|l| l.contains("(Dense)")).filter_map(|l| at_shape(&l)).collect();
    assert!(layers.len() == 2 && layers[0] == layers[1], "{said}");
}
