//! One process at a time works in a folder: the second is turned away before it
//! touches anything, and what it would have done to the first's run is not done.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wgrad::train::checkpoint;

/// A folder with a table of two classes.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let row = |i: usize| format!("{},{},{}\n", (i % 7) as f64 * 0.37, (i % 5) as f64 * 1.1, ["a", "b"][i % 2]);
    let text = "x,y,class\n".to_string() + &(0..40).map(row).collect::<String>();
    std::fs::write(folder.path().join("t.csv"), text).expect("written");
    let search = "data.source = \"t.csv\"\ntrain.epochs = 2\n[search]\nmethod = \"grid\"\n[search.space]\n\
                  \"optimizer.lr\" = [0.1, 0.01]\n";
    std::fs::write(folder.path().join("s.toml"), search).expect("written");
    folder
}

fn wgrad(at: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(words.split(' ')).current_dir(at).env("WGRAD_DEVICE", "cpu").stdin(Stdio::null());
    command
}

fn output(at: &Path, words: &str) -> Output {
    wgrad(at, words).output().expect("the program starts")
}

fn start(at: &Path, words: &str) -> Child {
    wgrad(at, words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until a training has written something.
fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.is_file() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{} did not appear", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

const LONG: &str = "train --data t.csv --batch-size 4 --epochs 1000000";

#[test]
fn a_folder_in_use_is_refused_and_left_alone() {
    let folder = folder();
    let at = folder.path();
    let mut first = start(at, &format!("{LONG} --seed 5 --out run"));
    wait_for(&at.join("run/checkpoints/last/model.safetensors"));
    let config = std::fs::read(at.join("run/config.toml")).expect("written");
    let who = format!(" is in use by process {} on ", first.id());
    for words in [
        "train --data t.csv --epochs 1 --out run",
        "train --data t.csv --epochs 1 --out run/",
        "train --data t.csv --epochs 1 --resume --out run",
        "train --data t.csv --epochs 1 --folds 2 --out ./run",
        "search s.toml --out run",
    ] {
        let second = output(at, words);
        assert_eq!(second.status.code(), Some(1), "{words}: {}", said(&second));
        for part in [who.as_str(), "since ", "wait until that has ended or stop it, or name another folder"] {
            assert!(said(&second).contains(part), "{words}: {part:?} is missing in {}", said(&second));
        }
    }
    // What only reads does not mind.
    for words in ["watch run --once", "eval run --data t.csv", "predict run t.csv"] {
        let reader = output(at, words);
        assert!(reader.status.success(), "{words}: {}", said(&reader));
    }
    assert_eq!(std::fs::read(at.join("run/config.toml")).expect("still there"), config);
    assert!(first.try_wait().expect("a child").is_none(), "the first was disturbed");
    assert_eq!(runs(at, "run"), [at.join("run")]);
    // A lock goes with its process, however that ends.
    first.kill().and_then(|()| first.wait()).expect("a child");
    let next = output(at, "train --data t.csv --epochs 1 --out run");
    assert!(next.status.success(), "{}", said(&next));
    assert!(said(&next).contains("it is now run-001"), "{}", said(&next));
    let resumed = output(at, "train --data t.csv --max-time 1 --resume --out run-001");
    assert!(resumed.status.success(), "{}", said(&resumed));
}

#[test]
fn two_searches_do_not_share_a_folder() {
    let folder = folder();
    let at = folder.path();
    let mut first = start(at, "search s.toml --epochs 1000000 --out s");
    wait_for(&at.join("s/trial-001/checkpoints/last/model.safetensors"));
    for words in ["search s.toml --epochs 1000000 --out s", "train --data t.csv --epochs 1 --out s/trial-001"] {
        let second = output(at, words);
        assert_eq!(second.status.code(), Some(1), "{words}: {}", said(&second));
        assert!(said(&second).contains(&format!("is in use by process {}", first.id())), "{}", said(&second));
    }
    first.kill().and_then(|()| first.wait()).expect("a child");
    // Both at once, from the start: one is refused, or finds all done.
    let both = [0, 1].map(|_| start(at, "search s.toml --out fresh"));
    let ended = both.map(|child| child.wait_with_output().expect("a child"));
    assert!(ended.iter().any(|o| o.status.success()));
    for o in ended.iter().filter(|o| !o.status.success()) {
        assert!(said(o).contains("is in use by") || said(o).contains("was made by another search"), "{}", said(o));
    }
    let book = std::fs::read_to_string(at.join("fresh/trials.jsonl")).expect("a book");
    assert_eq!(book.lines().count(), 2, "{book}");
}

/// The folders that are called so, with a number or without.
fn runs(at: &Path, name: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(at).expect("a folder").flatten().map(|f| f.path()).collect();
    all.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(name)));
    all.sort();
    all
}

/// The seed that a run's settings name, which its weights must have been drawn
/// with: a whole run, of one process.
fn seed(run: &Path) -> i64 {
    let config: toml::Table =
        std::fs::read_to_string(run.join("config.toml")).expect("settings").parse().expect("TOML");
    let loaded = checkpoint::load(&run.join("checkpoints/last/model.safetensors")).expect("a checkpoint");
    let trained: toml::Table = loaded.about.config.parse().expect("TOML");
    let seed = |t: &toml::Table| t["train"]["seed"].as_integer().expect("a seed");
    assert_eq!(seed(&config), seed(&trained), "{} holds one run's settings and another's weights", run.display());
    let info: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.join("run.json")).expect("run.json")).expect("JSON");
    assert_eq!((info["seed"].as_i64(), info["stopped"].as_str()), (Some(seed(&config)), Some("finished")));
    seed(&config)
}

#[test]
fn runs_without_a_name_get_one_each() {
    let folder = folder();
    let at = folder.path();
    let all: Vec<Child> = (0..200).map(|i| start(at, &format!("train --data t.csv --epochs 2 --seed {i}"))).collect();
    for child in all {
        let ended = child.wait_with_output().expect("a child");
        assert!(ended.status.success(), "{}", said(&ended));
        assert!(!said(&ended).contains("held a run already"), "{}", said(&ended));
    }
    let mut seeds: Vec<i64> = runs(&at.join("runs"), "tabular").iter().map(|run| seed(run)).collect();
    seeds.sort_unstable();
    assert_eq!(seeds, (0..200).collect::<Vec<i64>>());
}

#[test]
fn runs_that_begin_at_once_in_one_folder_do_not_mix() {
    let folder = folder();
    let at = folder.path();
    for round in 0..6 {
        let name = format!("r{round}-");
        let all: Vec<Child> =
            (0..4).map(|i| start(at, &format!("train --data t.csv --epochs 2 --seed {i} --out {name}"))).collect();
        let ended: Vec<Output> = all.into_iter().map(|c| c.wait_with_output().expect("a child")).collect();
        for o in ended.iter().filter(|o| !o.status.success()) {
            assert_eq!(o.status.code(), Some(1), "{}", said(o));
            assert!(said(o).contains("is in use by"), "{}", said(o));
        }
        let mut kept: Vec<i64> = runs(at, &name).iter().map(|run| seed(run)).collect();
        kept.sort_unstable();
        let mut done: Vec<i64> = (0..4).filter(|&i| ended[i as usize].status.success()).collect();
        done.sort_unstable();
        assert!(!done.is_empty(), "nobody got the folder");
        assert_eq!(kept, done, "the folders hold other runs than those that ended well");
    }
}

/// Moving a run aside would take along what is being trained in a folder below it.
#[test]
fn a_run_is_not_moved_while_somebody_works_below_it() {
    let folder = folder();
    let at = folder.path();
    assert!(output(at, "train --data t.csv --epochs 1 --out n").status.success());
    let mut below = start(at, &format!("{LONG} --seed 7 --out n/a"));
    wait_for(&at.join("n/a/checkpoints/last/model.safetensors"));
    let refused = output(at, "train --data t.csv --epochs 1 --out n");
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains(&format!("is in use by process {} on ", below.id())), "{}", said(&refused));
    assert!(!at.join("n-001").exists());
    below.kill().expect("it runs");
    below.wait().expect("it ends");
    assert!(output(at, "train --data t.csv --epochs 1 --out n").status.success());
    assert!(at.join("n-001/a/config.toml").is_file());
}

/// `--resume` without the data of a run that has no checkpoint would train something else in its place.
#[test]
fn a_run_of_other_data_without_a_checkpoint_is_not_begun_anew() {
    let folder = folder();
    let at = folder.path();
    assert!(output(at, "train --data t.csv --epochs 1 --folds 2 --out f").status.success());
    let config = std::fs::read(at.join("f/config.toml")).expect("written");
    std::fs::write(at.join("u.csv"), "a,b,y\n".to_string() + &"1,2,x\n3,5,z\n".repeat(20)).expect("written");
    // Whether the first fold has a checkpoint or not.
    let refused = output(at, "train --resume --data u.csv --out f");
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("is not the data that this run was trained on"), "{}", said(&refused));
    std::fs::remove_dir_all(at.join("f/fold-1/checkpoints")).expect("removed");
    let refused = output(at, "train --resume --data u.csv --out f");
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    for word in ["was begun on t.csv", "about u.csv", "wgrad train f/config.toml --out f"] {
        assert!(said(&refused).contains(word), "{word}: {}", said(&refused));
    }
    assert_eq!(std::fs::read(at.join("f/config.toml")).expect("it stays"), config);
}
