//! Whether a model that foretells tokens sees what it is to foretell.

use super::{Built, Model};
use crate::error::{Error, Result};
use crate::tensor::Shape;
use std::collections::BTreeMap;

impl Model {
    /// Fails if a layer shows a position those behind it: a language model then
    /// learns to copy the next token instead of foretelling it, and cannot be
    /// asked for one token after the other. `built` is this model, over all of its
    /// positions.
    pub fn check_causal(&self, built: &Built) -> Result<()> {
        let input = self.batch_spec(1).shape;
        let mut outputs: BTreeMap<&str, &Shape> = BTreeMap::from([("input", &input)]);
        let mut last = &input;
        for (index, (layer, info)) in self.description.layers.iter().zip(&built.layers).enumerate() {
            let inputs: Vec<&Shape> = match &layer.inputs {
                Some(names) => names.iter().map(|n| outputs[n.as_str()]).collect(),
                None => vec![last],
            };
            layer.layer.causal(&inputs).map_err(|e| {
                Error::model(format!(
                    "model \"{}\" would see the tokens that it is to foretell: layer {} ({} \"{}\"): {e}",
                    self.description.name,
                    index + 1,
                    info.kind,
                    info.name
                ))
            })?;
            last = &info.output;
            outputs.insert(&info.name, last);
        }
        Ok(())
    }
}
