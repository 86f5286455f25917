//! Descriptions of models in TOML, up to their graphs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wgrad::nn::{Description, Model, Weights};
use wgrad_fuzz::begin;

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(description) = Description::parse(text) else { return };
    let printed = toml::to_string(&description.to_table()).expect("a description prints");
    Description::parse(&printed).expect("what was printed reads");
    for input in [vec![3, 12, 12], vec![8, 4], vec![6]] {
        let Ok(model) = Model::new(description.clone(), Some(input.into()), Some(3)) else { continue };
        let _ = model.with_vocabulary(Some(11)).inspect(2, &mut Weights::new(0));
    }
});
