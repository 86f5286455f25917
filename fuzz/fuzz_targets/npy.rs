//! Single arrays of NumPy: as samples, and as inputs of a model of ONNX.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::data::npy::{open_samples, read_npy};
use wgrad::onnx::npy;
use wgrad_fuzz::{Place, begin};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let file = PLACE.put("a.npy", bytes);
    let _ = (read_npy(&file), open_samples(&file, &[2]));
    if let Ok(tensor) = npy::of_npy(bytes) {
        let _ = npy::to_npy(&tensor);
    }
    let _ = npy::read(&PLACE.put("a.pb", bytes));
});
