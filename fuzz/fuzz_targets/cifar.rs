//! Batches of CIFAR.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::data::read_cifar;
use wgrad_fuzz::{Place, begin, learn::learn};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let file = PLACE.put("data_batch_1.bin", bytes);
    let _ = read_cifar("set", &[file.clone()]);
    learn(&file, "");
});
