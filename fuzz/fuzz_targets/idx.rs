//! IDX files of images, and of labels.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::data::idx::{read_idx, read_idx_images, read_idx_labels};
use wgrad_fuzz::{Place, begin, learn::learn};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(init: begin(), |bytes: &[u8]| {
    // The first byte says how many of the others are labels.
    let [labels, rest @ ..] = bytes else { return };
    let (labels, images) = rest.split_at(usize::from(*labels).min(rest.len()));
    let labels = PLACE.put("set/train-labels-idx1-ubyte", labels);
    let images = PLACE.put("set/train-images-idx3-ubyte", images);
    let _ = (read_idx_images(&images), read_idx_labels(&labels), read_idx("set", &images, &labels));
    learn(&PLACE.path().join("set"), "");
});
