//! The log of a run, `metrics.jsonl`, and the report of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::eval::{RunFiles, advise, history, report};
use wgrad_fuzz::{Place, begin};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(init: begin(), |bytes: &[u8]| {
    PLACE.put("metrics.jsonl", bytes);
    let _ = history::write_csv(PLACE.path());
    let Ok(run) = RunFiles::load(PLACE.path()) else { return };
    let _ = (run.best(), advise(&run.epochs));
    let _ = report::write(PLACE.path());
});
