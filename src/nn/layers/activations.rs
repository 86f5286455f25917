//! `Activation`.

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
            Activation::Linear | Activation::Elementwise(_) | Activation::Selu | Activation::LogSigmoid => Ok(()),
        }
    }

    fn last_activation(&self) -> Option<(Activation, Arc<dyn Layer>)> {
        Some((self.0, Arc::new(ActivationLayer(Activation::Linear))))
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("activation".to_string(), self.0.name().into())])
    }
}
