//! The other files of a run's folder. The first byte of an input says which one it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::eval::{Live, RunFiles, report};
use wgrad::run::observer::Quiet;
use wgrad::run::tuning::Tuning;
use wgrad::run::{config, diff, folder};
use wgrad::train::Settings;
use wgrad_fuzz::{Place, begin};

/// The files, by the first byte of an input.
const FILES: [&str; 8] = [
    "run.json",
    "evaluation.json",
    "audit.json",
    "advice.json",
    "config.toml",
    "tuning.json",
    "live.json",
    "folds.json",
];

/// A folder with a log that is whole.
static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let place = Place::new();
    place.put("metrics.jsonl", b"{\"epoch\":1,\"train\":{\"loss\":2}}\n");
    place
});

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let [which, bytes @ ..] = bytes else { return };
    let name = FILES[usize::from(*which) % FILES.len()];
    let file = PLACE.put(name, bytes);
    let at = PLACE.path();
    if let Ok(run) = RunFiles::load(at) {
        let _ = (run.name(), run.info.state());
        if let Some(evaluation) = &run.evaluation {
            let _ = (evaluation.by_key(), evaluation.key_figures());
        }
        let _ = report::write(at);
    }
    let _ = (diff::compare(at, at), Live::read(at).map(|live| live.age()), folder::kept_folds(at));
    let _ = (Tuning::of_run(at).is_ok(), config::read(&at.join("config.toml"), &mut Quiet).and_then(Settings::read));
    std::fs::remove_file(file).expect("it was put there");
});
