//! `wgrad eval`

use super::{flags, open_device, out, run_folder};
use crate::data;
use crate::error::{Error, Result};
use crate::train::Session;

pub fn run(f: &flags::Eval) -> Result<()> {
    if f.batch_size == 0 {
        return Err(Error::usage("--batch-size 0: expected at least 1"));
    }
    let (model, loaded) = run_folder::load(&f.run)?;
    let (device, info) = open_device(&f.device)?;
    let set: data::Dataset = data::open_test(&f.data, f.seed)?.into();
    let interface = loaded.about.interface;
    if set.targets.width() > interface.outputs.len() {
        return Err(Error::data(format!(
            "{} has {} classes; the model knows {}",
            f.data,
            set.targets.width(),
            interface.outputs.len()
        )));
    }
    let mut session = Session::new(device, model, interface, loaded.weights)?;
    let scorer = session.scorer("test", &set, f.batch_size)?;
    let scores = session.score(&scorer)?;
    if f.json {
        return out::json(&serde_json::json!({
            "status": "ok",
            "device": info,
            "model": session.model.description.name,
            "samples": scores.samples,
            "test": scores,
        }));
    }
    out::line(format!("{} samples: {scores}", scores.samples))
}
