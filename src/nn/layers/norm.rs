//! Normalisation over the last axis: `LayerNormalization` and `RMSNormalization`.

use super::Layer;
use super::inputs::{along_features, single};
use crate::error::{Error, Result, unknown};
use crate::graph::TensorId;
use crate::nn::{Build, Initializer, Keys};
use crate::tensor::Shape;
use toml::Table;

/// A norm over the last axis of each position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// Divides by the root of the mean square alone, without mean and bias.
    pub rms: bool,
    /// Added to the variance, or to the mean square.
    pub epsilon: f64,
}

impl Norm {
    /// Layer norm with PyTorch's epsilon.
    pub const LAYER: Norm = Norm { rms: false, epsilon: 1e-5 };

    /// Reads `norm` and `epsilon`, for layers that have one inside.
    pub(super) fn read(keys: &mut Keys) -> Result<Norm> {
        let name = keys.text("norm")?.unwrap_or_else(|| "layer".into());
        if name != "layer" && name != "rms" {
            return Err(unknown("norm", &name, ["layer", "rms"]));
        }
        Norm::of(keys, name == "rms")
    }

    fn of(keys: &mut Keys, rms: bool) -> Result<Norm> {
        Ok(Norm { rms, epsilon: keys.real("epsilon", 1e-12, 1.0, Some(Norm::LAYER.epsilon))? })
    }

    pub(super) fn to_table(self) -> Table {
        let mut t = Table::new();
        t.insert("norm".into(), if self.rms { "rms" } else { "layer" }.into());
        t.insert("epsilon".into(), self.epsilon.into());
        t
    }

    /// The norm of `x`, whose parameters are `PREFIXweight` and `PREFIXbias`.
    pub(super) fn apply(self, cx: &mut Build, x: TensorId, prefix: &str) -> Result<TensorId> {
        let shape = cx.g.shape(x);
        let [_, .., width] = *shape else {
            return Err(Error::model(format!("its input has shape {shape:?}; expected [batch, .., features]")));
        };
        let eps = self.epsilon as f32;
        let weight = cx.param(&format!("{prefix}weight"), [width], Initializer::Ones, (1, 1))?;
        if self.rms {
            return cx.g.rms_norm(x, Some(weight), eps);
        }
        let bias = cx.param(&format!("{prefix}bias"), [width], Initializer::Zeros, (1, 1))?;
        cx.g.layer_norm(x, Some(weight), Some(bias), eps)
    }
}

/// Mean 0 and variance 1 over the last axis. Parameters: `weight`, `bias`.
///
/// Source: Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450.
#[derive(Debug, Clone)]
pub struct LayerNormalization {
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNormalization {
    pub(super) fn read(keys: &mut Keys) -> Result<LayerNormalization> {
        Norm::of(keys, false).map(|n| LayerNormalization { epsilon: n.epsilon })
    }
}

impl Layer for LayerNormalization {
    fn kind(&self) -> &'static str {
        "LayerNormalization"
    }

    fn short(&self) -> &'static str {
        "ln"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        Norm { rms: false, epsilon: self.epsilon }.apply(cx, single(inputs)?, "")
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        along_features(inputs)
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("epsilon".to_string(), self.epsilon.into())])
    }
}

/// Mean square 1 over the last axis. Parameter: `weight`.
///
/// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization",
/// arXiv:1910.07467.
#[derive(Debug, Clone)]
pub struct RMSNormalization {
    /// Added to the mean square.
    pub epsilon: f64,
}

impl RMSNormalization {
    pub(super) fn read(keys: &mut Keys) -> Result<RMSNormalization> {
        Norm::of(keys, true).map(|n| RMSNormalization { epsilon: n.epsilon })
    }
}

impl Layer for RMSNormalization {
    fn kind(&self) -> &'static str {
        "RMSNormalization"
    }

    fn short(&self) -> &'static str {
        "rms"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        Norm { rms: true, epsilon: self.epsilon }.apply(cx, single(inputs)?, "")
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        along_features(inputs)
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("epsilon".to_string(), self.epsilon.into())])
    }
}
