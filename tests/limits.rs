//! How runs end and go on: by early stopping, by limits that are raised, and what is
//! the best of them. Steps are updates of the weights everywhere.

#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use place::{Place, ran, said, works};
use serde_json::Value;
use wgrad::tensor::HostTensor;
use wgrad::train::checkpoint::{self, Progressed};

/// A folder with a table of noise: what is learned of it does not hold for other rows,
/// so the validation loss soon rises.
fn with_noise() -> Place {
    let place = Place::new();
    let mut state = 7u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let row =
        |_| format!("{},{},{},{}\n", draw() % 1000, draw() % 1000, draw() % 1000, ["a", "b"][(draw() % 2) as usize]);
    place.write("rows.csv", "x,y,z,class\n".to_string() + &(0..120).map(row).collect::<String>());
    place
}

/// Trains on the table; 96 rows in batches of 8.
fn train(place: &Place, words: &str) -> String {
    works(place.root(), &format!("train --data rows.csv --batch-size 8 --val-split 0.2 --lr 0.02 {words}"))
}

fn resume(place: &Place, words: &str) -> String {
    works(place.root(), &format!("train --resume --out run {words}"))
}

fn bytes(place: &Place, name: &str) -> Vec<u8> {
    std::fs::read(place.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

const LAST: &str = "run/checkpoints/last/model.safetensors";
const BEST: &str = "run/checkpoints/best/model.safetensors";
/// All files of both checkpoints.
const FILES: [&str; 4] = [
    "checkpoints/last/model.safetensors",
    "checkpoints/last/training.safetensors",
    "checkpoints/best/model.safetensors",
    "checkpoints/best/training.safetensors",
];

fn stands(place: &Place, name: &str) -> Progressed {
    let loaded = checkpoint::load(place.path(name).as_ref()).expect("a checkpoint");
    loaded.about.progress.expect("of a training")
}

fn weights(place: &Place, name: &str) -> Vec<HostTensor> {
    let loaded = checkpoint::load(place.path(name).as_ref()).expect("a checkpoint");
    loaded.weights.iter().map(|(_, w)| (**w).clone()).collect()
}

fn config(place: &Place) -> toml::Table {
    place.read("run/config.toml").parse().expect("TOML")
}

/// The records of epochs.
fn epochs(place: &Place, run: &str) -> Vec<Value> {
    let all = place.read(&format!("{run}/metrics.jsonl"));
    let all = all.lines().map(|l| serde_json::from_str::<Value>(l).expect("JSON"));
    all.filter(|r| r.get("train").is_some()).collect()
}

fn losses(place: &Place, run: &str) -> Vec<f64> {
    epochs(place, run).iter().map(|r| r["val"]["loss"].as_f64().expect("a number")).collect()
}

#[test]
fn what_has_stopped_stays_so() {
    let place = with_noise();
    train(&place, "--epochs 60 --patience 3 --set early_stopping.restore_best_weights=true --out run");
    let stopped = stands(&place, LAST).epoch;
    assert!(stopped < 40, "it never stopped");
    let before = [LAST, BEST, "run/metrics.jsonl", "run/config.toml"].map(|name| bytes(&place, name));
    for _ in 0..2 {
        let said = resume(&place, "");
        assert!(said.contains("nothing was left to train") && said.contains("stopped: early stopping"), "{said}");
        assert!([LAST, BEST, "run/metrics.jsonl", "run/config.toml"].map(|name| bytes(&place, name)) == before);
    }
    let run: Value = serde_json::from_str(&place.read("run/run.json")).expect("JSON");
    assert_eq!(run["state"], "stopped", "{run}");
}

#[test]
fn patience_is_a_limit_that_can_be_raised() {
    let place = with_noise();
    let often = "--set early_stopping.restore_best_weights=true --set train.checkpoint_every=5";
    train(&place, &format!("--epochs 40 --patience 2 {often} --out run"));
    let stopped = stands(&place, LAST).epoch;
    resume(&place, "--patience 6");
    let further = stands(&place, LAST).epoch;
    assert!(further > stopped, "stopped in epoch {stopped}, then in {further}");
    assert_eq!(config(&place)["early_stopping"]["patience"].as_integer(), Some(6));
    // As if it had been so patient from the beginning.
    train(&place, &format!("--epochs 40 --patience 6 {often} --out straight"));
    for name in FILES {
        assert!(bytes(&place, &format!("run/{name}")) == bytes(&place, &format!("straight/{name}")), "{name}");
    }
    assert_eq!(losses(&place, "run"), losses(&place, "straight"));
    // A rule that was not there is none that had ended it.
    resume(&place, "--set early_stopping.patience=never");
    assert_eq!(stands(&place, LAST).epoch, 40);
}

#[test]
fn settings_never_claim_less_than_was_trained() {
    let place = with_noise();
    train(&place, "--epochs 3 --out run");
    let before = bytes(&place, "run/config.toml");
    let output = ran(place.root(), "train --resume --out run --epochs 2");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("epochs = 2, and 3 have been trained already"), "{}", said(&output));
    assert!(bytes(&place, "run/config.toml") == before);
    for (words, part) in [
        ("--patience 3", "patience = 3, and it was never so far"),
        ("--max-steps 7", "max_steps = 7, and 36 have been trained"),
    ] {
        let output = ran(place.root(), &format!("train --resume --out run {words}"));
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(part), "{}", said(&output));
        assert!(bytes(&place, "run/config.toml") == before);
    }
    resume(&place, "--epochs 5");
    assert_eq!((config(&place)["train"]["epochs"].as_integer(), epochs(&place, "run").len()), (Some(5), 5));
}

/// A run that was killed before its first checkpoint begins anew as it was begun.
#[test]
fn without_a_checkpoint_a_run_begins_anew_with_its_own_settings() {
    let place = with_noise();
    train(&place, "--epochs 2 --seed 5 --out run");
    let before = weights(&place, LAST);
    std::fs::remove_dir_all(place.path("run/checkpoints")).expect("removed");
    let told = resume(&place, "");
    assert!(told.contains("starting anew"), "{told}");
    assert_eq!(weights(&place, LAST), before);
    std::fs::remove_dir_all(place.path("run/checkpoints")).expect("removed");
    let output = ran(place.root(), "train --resume --out run --seed 6");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn the_best_is_the_best_of_what_is_watched() {
    let place = with_noise();
    train(&place, "--epochs 12 --set early_stopping.patience=never --set early_stopping.start_from_epoch=7 --out run");
    let losses = losses(&place, "run");
    let best_of = |from: usize| (from..12).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).expect("one") + 1;
    assert!(best_of(0) <= 7, "the table is no good for this test: {losses:?}");
    let run: Value = serde_json::from_str(&place.read("run/run.json")).expect("JSON");
    assert_eq!(run["best_epoch"], best_of(7));
    assert_eq!(stands(&place, BEST).epoch, best_of(7));
    // Nothing was watched: the last weights are the best that there are.
    train(&place, "--epochs 3 --set early_stopping.start_from_epoch=7 --out unwatched");
    let of = |name: &str| weights(&place, &format!("unwatched/checkpoints/{name}/model.safetensors"));
    assert_eq!(of("best"), of("last"));
}

#[test]
fn an_epoch_that_a_limit_cut_may_be_the_best() {
    let place = with_noise();
    // Fewer steps than an epoch.
    train(&place, "--epochs 2 --max-steps 5 --out run");
    assert_eq!(weights(&place, BEST), weights(&place, LAST));
    let run: Value = serde_json::from_str(&place.read("run/run.json")).expect("JSON");
    assert_eq!((&run["best_epoch"], stands(&place, BEST).step), (&1.into(), 5));
    // It improves at first, so the part of the second epoch beats the first.
    train(
        &place,
        "--epochs 2 --max-steps 13 --set optimizer.lr=0.0001 --set early_stopping.restore_best_weights=true --out run",
    );
    let losses = losses(&place, "run");
    assert!(losses.len() == 2 && losses[1] < losses[0], "{losses:?}");
    assert_eq!(stands(&place, BEST).step, 13);
    let run: Value = serde_json::from_str(&place.read("run/run.json")).expect("JSON");
    assert_eq!(run["best_epoch"], 2);
}

#[test]
fn steps_are_updates_everywhere() {
    let place = with_noise();
    let often = "--set train.accumulate=5 --set train.checkpoint_every=2 --set train.keep_last=9";
    let told = train(&place, &format!("--epochs 3 --max-steps 7 {often} --out run"));
    assert!(told.contains("stopped: max_steps: 7"), "{told}");
    // 12 batches make 3 updates; the seventh ends after 29 batches.
    let at = stands(&place, LAST);
    assert_eq!((at.step, at.epoch, at.batch), (29, 2, 5));
    let steps: Vec<u64> = epochs(&place, "run").iter().map(|r| r["step"].as_u64().expect("a number")).collect();
    assert_eq!(steps, [3, 6, 7]);
    let all = place.read("run/metrics.jsonl");
    let points = all.lines().map(|l| serde_json::from_str::<Value>(l).expect("JSON"));
    let points: Vec<u64> = points.filter(|r| r.get("train").is_none()).map(|r| r["step"].as_u64().unwrap()).collect();
    assert_eq!(points, [1, 2, 3, 4, 5, 6, 7]);
    let mut kept: Vec<String> = std::fs::read_dir(place.path("run/checkpoints"))
        .expect("a folder")
        .flatten()
        .map(|f| f.file_name().into_string().expect("utf-8"))
        .filter(|n| n.starts_with("step-"))
        .collect();
    kept.sort();
    let name = |n: usize| format!("step-{n:08}");
    assert_eq!(kept, [2, 3, 4, 6, 7].map(name));
    let run: Value = serde_json::from_str(&place.read("run/run.json")).expect("JSON");
    assert_eq!((&run["steps_per_epoch"], &run["steps"]), (&3.into(), &7.into()));
    let told = resume(&place, "--max-steps 9");
    assert!(told.contains("resuming after 7 steps (2 whole epochs)"), "{told}");
    assert_eq!(stands(&place, LAST).step, 36);
}
