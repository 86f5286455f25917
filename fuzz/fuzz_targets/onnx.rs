//! Models of ONNX: read, looked through and imported.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::onnx::{ImportOptions, Model, describe, import};
use wgrad_fuzz::{Place, begin};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let file = PLACE.put("model.onnx", bytes);
    let Ok(model) = Model::open(&file) else { return };
    for port in model.inputs().iter().chain(&model.outputs()) {
        let _ = describe(port);
    }
    let _ = import(&file, &ImportOptions::default());
});
