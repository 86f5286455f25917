//! The state of a training beside the weights of a checkpoint.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::LazyLock;
use wgrad::train::checkpoint::{TRAINING, load};
use wgrad_fuzz::{Place, begin, runs};

/// The weights of a small run.
static MODEL: LazyLock<PathBuf> = LazyLock::new(|| {
    let place = Place::new();
    runs::flats(place.path()).join("checkpoints/last/model.safetensors")
});

/// What names the moment of the weights, as a file of training states does.
static MOMENT: LazyLock<String> = LazyLock::new(|| {
    let moment = wgrad::train::checkpoint::load_model(&MODEL).expect("a checkpoint").about.moment;
    moment.expect("it is of a moment")
});

fuzz_target!(init: begin(), |bytes: &[u8]| {
    // A word of an input stands for the moment, which no input can guess.
    let moment = MOMENT.as_bytes();
    let mut bytes = bytes.to_vec();
    let word = b"0123456789abcdef";
    while let Some(at) = bytes.windows(word.len()).position(|w| w == word) {
        bytes[at..at + word.len()].copy_from_slice(moment);
    }
    std::fs::write(MODEL.with_file_name(TRAINING), bytes).expect("room for a passing file");
    let _ = load(&MODEL);
});
