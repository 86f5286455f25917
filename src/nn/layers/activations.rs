//! Layers without parameters that act element by element.

use super::Layer;
use super::inputs::{along_features, single};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Activation, Build, Keys};
use crate::tensor::Shape;
use std::sync::Arc;
use toml::{Table, Value};

/// An activation as a layer of its own.
#[derive(Debug, Clone)]
pub struct ActivationLayer(pub Activation);

impl ActivationLayer {
    /// By name. Panics on an unknown one.
    pub fn new(name: &str) -> ActivationLayer {
        ActivationLayer(Activation::named(name).unwrap_or_else(|e| panic!("{e}")))
    }

    pub(super) fn read(keys: &mut Keys) -> Result<ActivationLayer> {
        let name = keys.text("activation")?;
        let name = name.ok_or_else(|| Error::model(format!("{}: the key \"activation\" is missing", keys.place())))?;
        Activation::named(&name).map(ActivationLayer)
    }
}

impl Layer for ActivationLayer {
    fn kind(&self) -> &'static str {
        "Activation"
    }

    fn short(&self) -> &'static str {
        "act"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        self.0.apply(cx.g, single(inputs)?)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        match self.0 {
            Activation::Softmax | Activation::LogSoftmax => along_features(inputs),
            Activation::Linear | Activation::Elementwise(_) => Ok(()),
        }
    }

    fn last_activation(&self) -> Option<(Activation, Arc<dyn Layer>)> {
        Some((self.0, Arc::new(ActivationLayer(Activation::Linear))))
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("activation".to_string(), self.0.name().into())])
    }
}

/// Drops elements while training and scales the others up.
#[derive(Debug, Clone)]
pub struct Dropout {
    /// The share dropped.
    pub rate: f64,
    /// Whether the share is decided by the training set, once that is there.
    pub is_auto: bool,
}

/// The share that is dropped where nothing is known of the set, and of small sets.
const USUAL: f64 = 0.3;
/// Training samples of a regression up to which so much is dropped. A layer that drops
/// shifts what the next ones see, most where few units are at work, and values, unlike
/// classes, take over the shift; what is left without dropping follows from the samples.
const BY_SAMPLES: [(usize, f64); 2] = [(2_000, USUAL), (10_000, 0.1)];

impl Dropout {
    /// Drops a share `rate`.
    pub fn new(rate: f64) -> Dropout {
        Dropout { rate, is_auto: false }
    }

    pub(super) fn read(keys: &mut Keys) -> Result<Dropout> {
        match keys.take("rate") {
            Some(Value::String(word)) if word == "auto" => Ok(Dropout { rate: USUAL, is_auto: true }),
            Some(value) => {
                let mut one = Keys::new(Table::from_iter([("rate".to_string(), value)]), keys.place());
                Ok(Dropout::new(one.real("rate", 0.0, 0.999_999, None)?))
            }
            None => keys.real("rate", 0.0, 0.999_999, None).map(Dropout::new),
        }
    }
}

impl Layer for Dropout {
    fn kind(&self) -> &'static str {
        "Dropout"
    }

    fn short(&self) -> &'static str {
        "drop"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        cx.dropout(x, self.rate, 0)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        Ok(())
    }

    fn settled(&self, samples: usize, values: bool) -> Option<(f64, Arc<dyn Layer>)> {
        let by_samples = || BY_SAMPLES.iter().find(|(most, _)| samples <= *most).map_or(0.0, |(_, rate)| *rate);
        let rate = if values { by_samples() } else { USUAL };
        self.is_auto.then(|| (rate, Arc::new(Dropout::new(rate)) as Arc<dyn Layer>))
    }

    fn to_table(&self) -> Table {
        let rate = if self.is_auto { "auto".into() } else { self.rate.into() };
        Table::from_iter([("rate".to_string(), rate)])
    }
}
