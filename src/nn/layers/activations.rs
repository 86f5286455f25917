//! Layers without parameters that act element by element.

use super::Layer;
use super::inputs::{along_features, single};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Activation, Build, Keys};
use crate::tensor::Shape;
use std::sync::Arc;
use toml::Table;

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
}

impl Dropout {
    /// Drops a share `rate`.
    pub fn new(rate: f64) -> Dropout {
        Dropout { rate }
    }

    pub(super) fn read(keys: &mut Keys) -> Result<Dropout> {
        Ok(Dropout { rate: keys.real("rate", 0.0, 0.999_999, None)? })
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

    fn to_table(&self) -> Table {
        Table::from_iter([("rate".to_string(), self.rate.into())])
    }
}
