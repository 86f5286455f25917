//! Files from which one step of a training runs again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::train::Replay;
use wgrad_fuzz::{Place, begin};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(init: begin(), |bytes: &[u8]| {
    if let Ok(replay) = Replay::load(&PLACE.put("replay.safetensors", bytes)) {
        let _ = replay.run();
    }
});
