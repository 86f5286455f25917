//! Data is the same by what it holds, wherever it lies: runs and searches go on
//! with data that was moved, and not with other data of the same shape.

#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use place::{Place, ran, said, works};
use std::path::Path;

fn refused(at: &Path, args: &str, parts: &[&str]) {
    let output = ran(at, args);
    let said = said(&output);
    assert!(!output.status.success(), "{args} is not refused: {said}");
    assert!(parts.iter().all(|p| said.contains(p)), "{args}: {parts:?} is missing in\n{said}");
}

/// 48 rows of numbers with a class.
fn table() -> Vec<String> {
    let row = |i: usize| format!("{},{},{}", i % 7, (i * i) % 11, if i % 7 > 3 { "high" } else { "low" });
    (0..48).map(row).collect()
}

fn csv(rows: &[String]) -> String {
    format!("a,b,kind\n{}\n", rows.join("\n"))
}

/// 60 images of 4 by 4 pixels with a label each.
fn images(place: &Place, folder: &str, pixel: impl Fn(usize) -> u8, label: impl Fn(usize) -> u8) {
    let header = |dims: &[u32]| -> Vec<u8> {
        [vec![0, 0, 8, dims.len() as u8], dims.iter().flat_map(|d| d.to_be_bytes()).collect()].concat()
    };
    let pixels = (0..60 * 16).map(pixel).collect();
    place.write(&format!("{folder}/train-images-idx3-ubyte"), [header(&[60, 4, 4]), pixels].concat());
    place.write(&format!("{folder}/train-labels-idx1-ubyte"), [header(&[60]), (0..60).map(label).collect()].concat());
}

fn plain_pixel(i: usize) -> u8 {
    ((i * 37) % 251) as u8
}

fn plain_label(i: usize) -> u8 {
    (i % 3) as u8
}

const CUT: &str = "--epochs 4 --max-steps 5 --batch-size 16";
const REST: &str = "--set train.max_steps=0";

/// What a run that was never disturbed has in common with one that went on.
fn same(place: &Place, a: &str, b: &str) {
    for name in ["last/model", "last/training", "best/model", "best/training"] {
        let read =
            |run: &str| std::fs::read(place.path(&format!("{run}/checkpoints/{name}.safetensors"))).expect("there");
        assert!(read(a) == read(b), "{name} of {a} and {b} differs");
    }
    let lines = |run: &str, file: &str, but: &str| -> Vec<String> {
        let text = place.read(&format!("{run}/{file}"));
        text.lines().map(|l| l.split(but).next().unwrap_or_default().to_string()).collect()
    };
    assert_eq!(lines(a, "metrics.jsonl", ",\"seconds\""), lines(b, "metrics.jsonl", ",\"seconds\""));
    // The configuration says where the data lies by now, and is else the same.
    assert_eq!(lines(a, "config.toml", "source = "), lines(b, "config.toml", "source = "));
}

#[test]
fn a_run_goes_on_with_its_data_wherever_it_lies() {
    let place = Place::new();
    let at = place.root();
    place.write("t.csv", csv(&table()));
    let elsewhere = at.join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("made");
    works(at, "train --data t.csv --epochs 4 --batch-size 16 --out straight");
    for run in ["home", "away", "shadowed", "absolute", "moved"] {
        works(at, &format!("train --data t.csv {CUT} --out {run}"));
    }
    works(at, &format!("train --resume {REST} --out home"));
    same(&place, "straight", "home");
    // From another folder, where nothing, and then something else, has that name.
    let found = works(&elsewhere, &format!("train --resume {REST} --out ../away"));
    assert!(found.contains("note: t.csv is read from ") && found.contains("where ../away found it"), "{found}");
    same(&place, "straight", "away");
    place.write("elsewhere/t.csv", "x\n1\n");
    works(&elsewhere, &format!("train --resume {REST} --out ../shadowed"));
    same(&place, "straight", "shadowed");
    works(at, &format!("train --resume {REST} --data {} --out absolute", place.path("t.csv")));
    same(&place, "straight", "absolute");
    std::fs::rename(at.join("t.csv"), at.join("u.csv")).expect("moved");
    refused(at, &format!("train --resume {REST} --out moved"), &["t.csv", "--data names where it is now"]);
    works(at, &format!("train --resume {REST} --data u.csv --out moved"));
    same(&place, "straight", "moved");
    assert!(place.read("moved/config.toml").contains("source = \"u.csv\""));
    // It is found there again.
    works(at, "train --resume --out moved");
}

#[test]
fn a_run_does_not_go_on_with_other_data_of_the_same_shape() {
    let place = Place::new();
    let at = place.root();
    images(&place, "set", plain_pixel, plain_label);
    works(at, &format!("train --data set --model mlp {CUT} --out run"));
    // Averages of all pixels and the counts of classes stay as they are.
    let swapped = |i: usize| plain_pixel(i ^ 1);
    images(&place, "pixels", swapped, plain_label);
    images(&place, "labels", plain_pixel, |i| plain_label(i ^ 1));
    images(&place, "copy", plain_pixel, plain_label);
    for other in ["pixels", "labels"] {
        refused(
            at,
            &format!("train --resume {REST} --data {other} --out run"),
            &[other, "is not the data that this run was trained on", "--init"],
        );
    }
    works(at, &format!("train --resume {REST} --data copy --out run"));
    // Rows of a table with their targets exchanged.
    place.write("t.csv", csv(&table()));
    works(at, &format!("train --data t.csv {CUT} --out rows"));
    let mut rows = table();
    rows.swap(0, 1);
    place.write("t.csv", csv(&rows));
    refused(at, &format!("train --resume {REST} --out rows"), &["is not the data that this run was trained on"]);
}

#[test]
fn a_run_without_a_checkpoint_is_begun_anew_on_its_own_data_only() {
    let place = Place::new();
    let at = place.root();
    place.write("t.csv", csv(&table()));
    works(at, &format!("train --data t.csv {CUT} --out run"));
    std::fs::remove_dir_all(at.join("run/checkpoints")).expect("there");
    let mut rows = table();
    rows.reverse();
    place.write("other.csv", csv(&rows));
    refused(at, "train --resume --data other.csv --epochs 1 --out run", &["was begun on t.csv", "other.csv"]);
    std::fs::rename(at.join("t.csv"), at.join("u.csv")).expect("moved");
    let said = works(at, "train --resume --data u.csv --epochs 1 --out run");
    assert!(said.contains("starting anew"), "{said}");
}

#[test]
fn a_search_goes_on_with_the_same_data_only() {
    let place = Place::new();
    let at = place.root();
    place.write("t.csv", csv(&table()));
    let search = "data.source = \"t.csv\"\ndata.val_split = 0.25\ntrain.epochs = 2\n[search]\nmethod = \"grid\"\n\
                  [search.space]\n\"optimizer.lr\" = [0.001, 0.01, 0.1]\n";
    place.write("s.toml", search);
    works(at, "search s.toml --out found --max-trials 1");
    let mut rows = table();
    rows.swap(0, 1);
    place.write("t.csv", csv(&rows));
    let trials = place.read("found/trials.jsonl");
    refused(at, "search s.toml --out found", &["trial 1 of found was trained on other data", "--data", "--out"]);
    assert_eq!(place.read("found/trials.jsonl"), trials, "nothing was trained");
    place.write("moved.csv", csv(&table()));
    works(at, "search s.toml --out found --data moved.csv");
    assert_eq!(place.read("found/trials.jsonl").lines().count(), 3);
    // From another folder it is found where the trials found it.
    place.write("t.csv", csv(&table()));
    works(at, "search s.toml --out again --max-trials 1");
    std::fs::create_dir(at.join("elsewhere")).expect("made");
    works(&at.join("elsewhere"), "search ../s.toml --out ../again");
    assert_eq!(place.read("again/trials.jsonl").lines().count(), 3);
}
