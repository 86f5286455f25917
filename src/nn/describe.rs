//! Models described in TOML or built in Rust.
//!
//! ```toml
//! name = "keras-cnn"
//! input = [1, 28, 28]          # one sample; left out, it is the data's
//!
//! [[layer]]
//! type = "Conv2D"
//! filters = 32
//! kernel_size = 3
//! activation = "relu"
//!
//! [[layer]]
//! type = "Dense"
//! units = "classes"            # as many as the data has
//! ```
//!
//! `repeat = 4` in a layer stands for four such layers, one after the other.
//! `reads = "text"` or `"series"` says that the model is for such data: see
//! [`Reads`].
//!
//! A layer reads the one before it, or those that `inputs = ["a", "b"]` names;
//! `"input"` names the model's input.

use super::Activation;
use super::layers::{self, Layer};
use super::presets;
use crate::error::{Context, Error, Result, unknown};
use crate::files;
use crate::keys::{self, Keys};
use crate::tensor::Shape;
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::{Table, Value};

/// One layer of a description.
#[derive(Debug, Clone)]
pub struct LayerDescription {
    /// Its name; unique in the model.
    pub name: String,
    /// The layers it reads; `None` for the one before.
    pub inputs: Option<Vec<String>>,
    /// What it does.
    pub layer: Arc<dyn Layer>,
}

/// What a model is made for, where it matters how data is read: a table may be
/// rows or a series in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// One sample after another: images, rows of a table.
    Samples,
    /// Tokens.
    Text,
    /// Rows in the order of time.
    Series,
}

const READS: [(&str, Reads); 3] = [("samples", Reads::Samples), ("text", Reads::Text), ("series", Reads::Series)];

/// A model's layers.
#[derive(Debug, Clone)]
pub struct Description {
    /// The model's name.
    pub name: String,
    /// What it is made for.
    pub reads: Reads,
    /// The shape of one sample, if the description says it.
    pub input: Option<Shape>,
    /// The layers, in order.
    pub layers: Vec<LayerDescription>,
}

impl Description {
    /// A preset by name, or a description in a TOML file. A file that is one
    /// comes before a preset that is called like it.
    pub fn named(name: &str) -> Result<Description> {
        let path = std::path::Path::new(name);
        if !Description::is_file(name) {
            return preset(name).context(|| "a preset or a .toml file is expected");
        }
        let text = files::settings(path).map_err(|e| Error::io(format!("reading model {name}"), e))?;
        Description::parse(&text).context(|| format!("model {name}"))
    }

    /// Whether a name is that of a file to read, and of no preset: it ends in
    /// `.toml`, or such a file is there; where a preset is called so, a file in
    /// TOML.
    pub fn is_file(name: &str) -> bool {
        let path = std::path::Path::new(name);
        let in_toml = || files::settings(path).is_ok_and(|text| keys::parse(&text).is_ok());
        path.extension().is_some_and(|e| e == "toml") || path.is_file() && (preset(name).is_err() || in_toml())
    }

    /// Reads a description from TOML text.
    pub fn parse(text: &str) -> Result<Description> {
        Description::from_table(keys::parse(text)?)
    }

    /// Reads a description from a TOML table.
    pub fn from_table(table: Table) -> Result<Description> {
        let mut keys = Keys::new(table, "model");
        let name = keys.text("name")?.unwrap_or_else(|| "model".into());
        let input = keys.list("input")?.map(Shape::from);
        let reads = match keys.text("reads")? {
            Some(name) => {
                let found = READS.iter().find(|(n, _)| *n == name).map(|(_, r)| *r);
                Some(found.ok_or_else(|| unknown("reads", &name, READS.iter().map(|(n, _)| *n)))?)
            }
            None => None,
        };
        let list = match keys.take("layer") {
            Some(Value::Array(list)) if !list.is_empty() => list,
            Some(_) | None => {
                return Err(Error::model(format!("model \"{name}\" has no [[layer]]; expected at least one")));
            }
        };
        keys.finish()?;
        let mut layers: Vec<LayerDescription> = vec![];
        let mut counts = BTreeMap::new();
        for (i, value) in list.into_iter().enumerate() {
            let Value::Table(table) = value else {
                return Err(Error::model(format!("layer {}: expected a table, found {value}", i + 1)));
            };
            for layer in read_layer(table, i + 1, &mut counts)? {
                if layer.name == "input" || layers.iter().any(|l| l.name == layer.name) {
                    return Err(Error::model(format!("layer {}: the name \"{}\" is taken", i + 1, layer.name)));
                }
                layers.push(layer);
            }
        }
        Ok(Description::of(name, input, layers, reads))
    }

    /// These layers. What the model reads is found from them, if it is not said.
    fn of(name: String, input: Option<Shape>, layers: Vec<LayerDescription>, reads: Option<Reads>) -> Description {
        let mut description = Description { name, reads: Reads::Samples, input, layers };
        let found = if description.takes_tokens() { Reads::Text } else { Reads::Samples };
        description.reads = reads.unwrap_or(found);
        description
    }

    /// Whether the model's input is tokens: whether a layer that reads it takes
    /// them.
    pub fn takes_tokens(&self) -> bool {
        let reads_input = |i: usize, l: &LayerDescription| match &l.inputs {
            None => i == 0,
            Some(names) => names.iter().any(|n| n == "input"),
        };
        self.layers.iter().enumerate().any(|(i, l)| reads_input(i, l) && l.layer.takes_tokens())
    }

    /// Whether a layer drops elements in training.
    pub fn drops(&self) -> bool {
        self.layers.iter().any(|l| ["Dropout", "SpatialDropout2D"].contains(&l.layer.kind()))
    }

    /// Decides what layers leave to the training set; which do, and what share each drops.
    pub fn settle(&mut self, samples: usize, values: bool) -> Vec<(String, f64)> {
        let mut decided = vec![];
        for l in &mut self.layers {
            if let Some((rate, layer)) = l.layer.settled(samples, values) {
                decided.push((l.name.clone(), rate));
                l.layer = layer;
            }
        }
        decided
    }

    /// The name of the last layer, if its output has gone through this activation.
    pub fn ends_in(&self, activation: Activation) -> Option<&str> {
        let last = self.layers.last()?;
        (last.layer.last_activation()?.0 == activation).then_some(&last.name)
    }

    /// The description as TOML, complete enough to be read back.
    pub fn to_table(&self) -> Table {
        let mut table = Table::new();
        table.insert("name".into(), self.name.clone().into());
        let reads = READS.iter().find(|(_, r)| *r == self.reads).expect("everything has a name").0;
        table.insert("reads".into(), reads.into());
        if let Some(input) = &self.input {
            table.insert("input".into(), Value::Array(input.iter().map(|&n| Value::Integer(n as i64)).collect()));
        }
        let layer = |l: &LayerDescription| {
            let mut t = Table::new();
            t.insert("type".into(), l.layer.kind().into());
            t.insert("name".into(), l.name.clone().into());
            if let Some(inputs) = &l.inputs {
                t.insert("inputs".into(), Value::Array(inputs.iter().map(|s| s.clone().into()).collect()));
            }
            t.extend(l.layer.to_table());
            Value::Table(t)
        };
        table.insert("layer".into(), Value::Array(self.layers.iter().map(layer).collect()));
        table
    }
}

/// The preset of that name.
pub fn preset(name: &str) -> Result<Description> {
    Description::parse(presets::text(name)?)
}

/// The most that `repeat` may say.
const REPEATED: usize = 4096;

/// A layer, or as many as `repeat` says.
fn read_layer(
    table: Table,
    number: usize,
    counts: &mut BTreeMap<&'static str, usize>,
) -> Result<Vec<LayerDescription>> {
    let mut keys = Keys::new(table, format!("layer {number}"));
    let kind = keys.text("type")?.ok_or_else(|| {
        Error::model(format!("layer {number}: the key \"type\" is missing; one of {}", layers::kinds().join(", ")))
    })?;
    let name = keys.text("name")?;
    let inputs = keys.strings("inputs")?;
    let repeat = keys.count("repeat", 1, Some(1))?;
    let layer = layers::read(&kind, &mut keys)?;
    keys.finish()?;
    if repeat > REPEATED {
        return Err(Error::model(format!("layer {number}: repeat = {repeat}; expected at most {REPEATED}")));
    }
    if repeat > 1 && inputs.is_some() {
        return Err(Error::model(format!(
            "layer {number}: repeat = {repeat} and inputs; a repeated layer reads the one before"
        )));
    }
    let mut one = |i: usize| {
        let name = match &name {
            Some(name) if repeat > 1 => format!("{name}{}", i + 1),
            Some(name) => name.clone(),
            None => default_name(&*layer, counts),
        };
        LayerDescription { name, inputs: inputs.clone(), layer: layer.clone() }
    };
    Ok((0..repeat).map(&mut one).collect())
}

/// `conv1`, `conv2`, `dense1`: the short name of the type, counted.
fn default_name(layer: &dyn Layer, counts: &mut BTreeMap<&'static str, usize>) -> String {
    let short = layer.short();
    let count = counts.entry(short).or_default();
    *count += 1;
    format!("{short}{count}")
}

/// Builds a [`Description`] in Rust, layer by layer.
#[derive(Debug, Default)]
pub struct Sequential {
    layers: Vec<LayerDescription>,
    counts: BTreeMap<&'static str, usize>,
}

impl Sequential {
    /// No layers yet.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// Adds a layer that reads the one before. (Named as in Keras.)
    #[allow(clippy::should_implement_trait)]
    pub fn add(mut self, layer: impl Layer) -> Sequential {
        let name = default_name(&layer, &mut self.counts);
        self.layers.push(LayerDescription { name, inputs: None, layer: Arc::new(layer) });
        self
    }

    /// Adds a named layer that reads the layers named in `inputs` (none: the
    /// one before).
    pub fn add_named(mut self, name: &str, inputs: &[&str], layer: impl Layer) -> Sequential {
        let inputs = (!inputs.is_empty()).then(|| inputs.iter().map(|s| s.to_string()).collect());
        self.layers.push(LayerDescription { name: name.into(), inputs, layer: Arc::new(layer) });
        self
    }

    /// The description.
    pub fn describe(self, name: &str) -> Description {
        Description::of(name.into(), None, self.layers, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::PRESETS;

    #[test]
    fn what_a_description_prints_it_reads_back() {
        for (name, text) in PRESETS {
            let read = Description::parse(text).expect("presets are valid");
            assert_eq!(read.name, *name);
            let printed = toml::to_string(&read.to_table()).expect("a table of plain values prints");
            let again = Description::parse(&printed).unwrap_or_else(|e| panic!("{name}: {e}\n{printed}"));
            assert_eq!(again.to_table(), read.to_table(), "{name}");
        }
    }

    #[test]
    fn layers_are_numbered_by_their_kind() {
        let model = Description::named("lenet").expect("a preset");
        let names: Vec<&str> = model.layers.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["conv1", "avgpool1", "conv2", "avgpool2", "flatten1", "dense1", "dense2", "dense3"]);
    }
}
