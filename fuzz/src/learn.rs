//! What `wgrad data`, `wgrad train` and `wgrad predict` do with a file of data, up to the first
//! step.

use std::path::Path;
use wgrad::nn::{Description, Table};
use wgrad::run::config::{self, Configured};
use wgrad::run::inputs::Inputs;
use wgrad::run::kinds::{self, Trained};
use wgrad::run::observer::Quiet;
use wgrad::train::checkpoint::About;
use wgrad::train::{Prepared, model_for, set};

/// Audits a file, learns what a training learns of it before its first step, and reads the file
/// once more as one that a trained model answers for. `settings` is TOML.
pub fn learn(source: &Path, settings: &str) {
    let Some(Configured { settings, found }) = configured(source, settings) else { return };
    if let Ok(audit) = kinds::audit(&found, &settings, &mut Quiet) {
        let _ = (audit.findings.to_text(), audit.findings.to_html());
    }
    let Ok(opened) = kinds::open(&found, &settings, &mut Quiet) else { return };
    let Ok(prepared) = opened.source.prepare(&settings) else { return };
    let _ = prepared.fingerprint();
    let Prepared { train, interface, .. } = prepared;
    let description = &settings.model;
    let model = toml::to_string(&description.to_table()).expect("a description prints");
    let config = toml::to_string(&settings.to_table()).expect("settings print");
    let description = Description::parse(&model).expect("what was printed reads");
    let Ok(model_of_it) = model_for(description, &train.shape, &interface) else { return };
    let about = About { model, input: train.shape.clone(), interface, config, progress: None, moment: None };
    about.interface.check(&about.input).expect("what was learned is sound");
    let trained = Trained { model: &model_of_it, about: &about, settings: &settings, seed: 0, stride: None };
    let _ = kinds::to_predict(source, &trained);
    let _ = kinds::to_score(&found, &trained, &mut Quiet);
    let _ = Inputs::new(&model_of_it, &about).expect("settings that were printed read");
}

/// Settings over data in a file, completed as `wgrad train` does.
fn configured(source: &Path, settings: &str) -> Option<Configured> {
    let mut table: Table = settings.parse().expect("a target's settings are valid");
    let source = source.to_str().expect("UTF-8").to_string();
    set(&mut table, "data.source", source.into()).expect("a table");
    config::settle(table, &mut Quiet).ok()
}
