//! Texts with classes, in the columns of a table.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad_fuzz::{Place, begin, learn::learn};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(init: begin(), |bytes: &[u8]| {
    learn(&PLACE.put("t.csv", bytes), "model = \"text-transformer\"");
});
