//! What a file of weights says of its model: description, interface, settings. A model with such an
//! interface is asked for answers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use std::sync::LazyLock;
use wgrad::nn::Description;
use wgrad::run::inputs::Inputs;
use wgrad::train::checkpoint::load_model;
use wgrad::train::model_for;
use wgrad_fuzz::{Place, begin};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

/// A file of one weight that says so of itself.
fn weights(about: &str) -> Vec<u8> {
    let metadata = Map::from_iter([("wgrad".to_string(), Value::from(about))]);
    let weight = serde_json::json!({ "dtype": "F32", "shape": [1], "data_offsets": [0, 4] });
    let header = serde_json::json!({ "__metadata__": metadata, "w": weight }).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &1f32.to_le_bytes()].concat()
}

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let Ok(about) = std::str::from_utf8(bytes) else { return };
    let Ok(loaded) = load_model(&PLACE.put("model.safetensors", &weights(about))) else { return };
    let about = loaded.about;
    let description = Description::parse(&about.model).expect("it was read before");
    let Ok(model) = model_for(description, &about.input, &about.interface) else { return };
    let Ok(inputs) = Inputs::new(&model, &about) else { return };
    let (interface, width) = (inputs.interface(), inputs.shape().iter().product::<usize>());
    let _ = (interface.centres(), interface.positive_class(), inputs.columns(), inputs.elements());
    let questions = [
        inputs.csv(b"size,district,seen\n31.5,north,2024-01-03\n?,\"\",x\n"),
        inputs.texts(&["it was good".into(), String::new()]),
        inputs.pixels(vec![7; width.min(1 << 16)]),
        inputs.tensors(vec![0.5; width.min(1 << 16)]),
        inputs.images(&[image::DynamicImage::new_rgb8(3, 5)]),
    ];
    for question in questions.into_iter().flatten() {
        // More than a sample or two need not be answered for.
        let numbers = question.samples.len().saturating_mul(interface.outputs.len().max(1));
        if numbers < 1 << 16 {
            let _ = inputs.answers(&question, &vec![0.25; numbers]);
        }
    }
    if let Ok(fitted) = inputs.series() {
        let text = b"month,value\n2001-01-01,1\n2001-02-01,2\n2001-03-01,3\n2001-04-01,4\n2001-05-01,5\n2001-06-01,6\n";
        let table = wgrad::data::table::Table::parse("series", text, &fitted.read_options());
        let _ = table.and_then(|table| inputs.ahead(&table, false));
    }
});
