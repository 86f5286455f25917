//! Activations with numbers of their own: `LeakyReLU`, `ELU`, `PReLU`; and `Softmax` along any
//! axis.

use super::Layer;
use super::activations::ActivationLayer;
use super::conv::read_initializer;
use super::inputs::{axis_of, mixes, read_axis, single};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Activation, Build, Initializer, Keys, Mode};
use crate::ops::unary::Function;
use crate::tensor::Shape;
use std::sync::Arc;
use toml::{Table, Value};

/// The largest slope or alpha.
const MOST: f64 = 1e6;

/// `x` above zero, `negative_slope x` below.
#[derive(Debug, Clone)]
pub struct LeakyReLU {
    /// The slope below zero.
    pub negative_slope: f64,
}

impl LeakyReLU {
    pub(super) fn read(keys: &mut Keys) -> Result<LeakyReLU> {
        Ok(LeakyReLU { negative_slope: keys.real("negative_slope", 0.0, MOST, Some(0.3))? })
    }
}

impl Layer for LeakyReLU {
    fn kind(&self) -> &'static str {
        "LeakyReLU"
    }

    fn short(&self) -> &'static str {
        "leaky"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        cx.g.unary(Function::LeakyRelu(self.negative_slope as f32), single(inputs)?)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        Ok(())
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("negative_slope".to_string(), self.negative_slope.into())])
    }
}

/// `x` above zero, `alpha (e^x - 1)` below.
#[derive(Debug, Clone)]
pub struct ELU {
    /// What it falls to is `-alpha`.
    pub alpha: f64,
}

impl ELU {
    pub(super) fn read(keys: &mut Keys) -> Result<ELU> {
        Ok(ELU { alpha: keys.real("alpha", 0.0, MOST, Some(1.0))? })
    }
}

impl Layer for ELU {
    fn kind(&self) -> &'static str {
        "ELU"
    }

    fn short(&self) -> &'static str {
        "elu"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        cx.g.unary(Function::Elu(self.alpha as f32), single(inputs)?)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        Ok(())
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("alpha".to_string(), self.alpha.into())])
    }
}

/// `x` above zero, `weight x` below, with a slope that is learned for each element of a sample,
/// or one for all along the axes that share it. Parameter: `weight`, of the shape of a sample
/// with 1 for shared axes; where all axes behind the channels are shared, `[C]`, as of PyTorch's
/// `PReLU(C)`.
///
/// Source: He et al., arXiv:1502.01852.
#[derive(Debug, Clone)]
pub struct PReLU {
    /// Axes along which the slope is the same, batch first.
    pub shared_axes: Vec<usize>,
    /// How the slopes start.
    pub alpha_initializer: Initializer,
}

impl PReLU {
    pub(super) fn read(keys: &mut Keys) -> Result<PReLU> {
        // A list without any is what Keras calls none.
        let empty = keys.peek("shared_axes").and_then(Value::as_array).is_some_and(Vec::is_empty);
        let shared_axes = if empty { keys.take("shared_axes").map(|_| vec![]) } else { keys.list("shared_axes")? };
        let alpha_initializer = read_initializer(keys, "alpha_initializer", Initializer::Zeros)?;
        Ok(PReLU { shared_axes: shared_axes.unwrap_or_default(), alpha_initializer })
    }
}

impl Layer for PReLU {
    fn kind(&self) -> &'static str {
        "PReLU"
    }

    fn short(&self) -> &'static str {
        "prelu"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let shape = cx.g.shape(x).to_vec();
        if shape.len() < 2 || self.shared_axes.iter().any(|a| !(1..shape.len()).contains(a)) {
            return Err(Error::model(format!(
                "shared_axes = {:?}, and its input has shape {shape:?}; expected axes behind the batch",
                self.shared_axes
            )));
        }
        let own = |axis: usize, n: usize| if self.shared_axes.contains(&axis) { 1 } else { n };
        let mut line: Vec<usize> = (1..shape.len()).map(|axis| own(axis, shape[axis])).collect();
        let mut kept = line.clone();
        if (2..shape.len()).all(|axis| self.shared_axes.contains(&axis)) {
            kept.truncate(1);
        }
        // One token at a time, axis 1 is one position of many.
        let here = match cx.mode {
            Mode::Decode { position, context, .. } if !self.shared_axes.contains(&1) => {
                (kept[0], line[0]) = (context, 1);
                Some(position)
            }
            _ => None,
        };
        let mut slope = cx.param("weight", kept, self.alpha_initializer, (1, 1))?;
        if let Some(position) = here {
            slope = cx.g.gather_rows(slope, position)?;
        }
        let slope = cx.g.reshape(slope, line)?;
        let above = cx.g.relu(x)?;
        let below = cx.g.affine(x, -1.0, 0.0)?;
        let below = cx.g.relu(below)?;
        let below = cx.g.mul(below, slope)?;
        cx.g.sub(above, below)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        Ok(())
    }

    fn to_table(&self) -> Table {
        let axes = self.shared_axes.iter().map(|&a| Value::Integer(a as i64)).collect();
        let mut t = Table::from_iter([("shared_axes".to_string(), Value::Array(axes))]);
        t.insert("alpha_initializer".into(), self.alpha_initializer.name().into());
        t
    }
}

/// Softmax along an axis.
#[derive(Debug, Clone)]
pub struct Softmax {
    /// The axis, batch first; from the end where negative.
    pub axis: i64,
}

impl Softmax {
    pub(super) fn read(keys: &mut Keys) -> Result<Softmax> {
        Ok(Softmax { axis: read_axis(keys, -1)? })
    }
}

impl Layer for Softmax {
    fn kind(&self) -> &'static str {
        "Softmax"
    }

    fn short(&self) -> &'static str {
        "softmax"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let axis = axis_of(self.axis, cx.g.shape(x).len())?;
        cx.g.softmax(x, axis)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        match axis_of(self.axis, inputs.first().map_or(0, |s| s.rank()))? {
            1 => mixes(&format!("axis = {} is that of the positions", self.axis)),
            _ => Ok(()),
        }
    }

    fn last_activation(&self) -> Option<(Activation, Arc<dyn Layer>)> {
        let plain = || Arc::new(ActivationLayer(Activation::Linear)) as Arc<dyn Layer>;
        (self.axis == -1).then(|| (Activation::Softmax, plain()))
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("axis".to_string(), self.axis.into())])
    }
}
