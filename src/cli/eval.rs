//! `wgrad eval`

use super::{flags, open_device, out, run_folder};
use crate::data;
use crate::error::{Error, Result};
use crate::train::Session;

pub fn run(f: &flags::Eval) -> Result<()> {
    if f.batch_size == 0 {
        return Err(Error::usage("--batch-size 0: expected at least 1"));
    }
    let (model, weights, about) = run_folder::load(&f.run)?;
    let (device, info) = open_device(&f.device)?;
    let images = data::open_test(&f.data, f.seed)?;
    if images.classes.len() > about.classes.len() {
        return Err(Error::data(format!(
            "{} has {} classes; the model knows {}",
            f.data,
            images.classes.len(),
            about.classes.len()
        )));
    }
    let mut session = Session::new(device, model, about.classes, about.normal, weights)?;
    let scorer = session.scorer("test", &images, f.batch_size)?;
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
    out::line(format!("{} samples: loss {:.4}, accuracy {:.4}", scores.samples, scores.loss, scores.accuracy))
}
