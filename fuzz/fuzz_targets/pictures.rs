//! Pictures in a folder of classes, and alone.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::data::{OpenOptions, picture};
use wgrad_fuzz::{Place, begin, learn::learn};

/// Bytes that a picture may unfold to.
const MOST: u64 = 64 << 20;

/// A folder with a whole picture of another class.
static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let place = Place::new();
    place.put("set/b/1.png", include_bytes!("../seeds/pictures/grey.png"));
    place
});

fuzz_target!(init: begin(), |bytes: &[u8]| {
    if let Ok(picture) = picture::decode_bytes_within(bytes, MOST) {
        let _ = picture::prepare(&picture, 3, [4, 5], &OpenOptions::default());
    }
    PLACE.put("set/a/1.png", bytes);
    learn(&PLACE.path().join("set"), "");
});
