//! Archives of NumPy arrays as a data set.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad_fuzz::{Place, begin, learn::learn};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(init: begin(), |bytes: &[u8]| {
    learn(&PLACE.put("t.npz", bytes), "");
});
