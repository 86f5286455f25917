//! Files of weights: as a checkpoint, and as weights that a model starts from.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::nn::{Description, Model};
use wgrad::train::checkpoint::{NameMap, initial, load, load_model};
use wgrad_fuzz::{Place, begin};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let text = "[[layer]]\ntype = \"Dense\"\nunits = 2\n";
    Model::new(Description::parse(text).expect("a description"), Some([3].into()), Some(2)).expect("a model")
});

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let file = PLACE.put("model.safetensors", bytes);
    let _ = (load_model(&file), load(&file));
    if let Ok(found) = initial(&MODEL, &file, &NameMap::default(), 0) {
        let _ = found.matches.to_string();
    }
});
