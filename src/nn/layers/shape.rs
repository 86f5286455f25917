//! Layers that only change the shape.

use super::Layer;
use super::inputs::{image, mixes, single};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Build, Keys, Mode};
use crate::tensor::Shape;
use toml::{Table, Value};

/// One row per sample, channels first: PyTorch's order.
#[derive(Debug, Clone)]
pub struct Flatten;

impl Layer for Flatten {
    fn kind(&self) -> &'static str {
        "Flatten"
    }

    fn short(&self) -> &'static str {
        "flatten"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        cx.lengths = None;
        cx.g.flatten(single(inputs)?)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        mixes("it makes one row of all positions")
    }

    fn to_table(&self) -> Table {
        Table::new()
    }
}

/// The pixels of an image `[C, H, W]` as a sequence `[H W, C]`, line by line: the
/// patches that a convolution has made of an image, for attention.
#[derive(Debug, Clone)]
pub struct Patches;

impl Layer for Patches {
    fn kind(&self) -> &'static str {
        "Patches"
    }

    fn short(&self) -> &'static str {
        "patches"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [c, h, w] = image(cx, x)?;
        cx.lengths = None;
        let n = cx.g.shape(x)[0];
        let x = cx.g.reshape(x, [n, c, h * w])?;
        cx.g.permute(x, &[0, 2, 1])
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        mixes("it makes features of the positions")
    }

    fn to_table(&self) -> Table {
        Table::new()
    }
}

/// Another shape for each sample.
#[derive(Debug, Clone)]
pub struct Reshape {
    /// The shape of one sample.
    pub target_shape: Vec<usize>,
}

impl Reshape {
    pub(super) fn read(keys: &mut Keys) -> Result<Reshape> {
        let shape = keys.list("target_shape")?;
        let missing = || Error::model(format!("{}: the key \"target_shape\" is missing", keys.place()));
        Ok(Reshape { target_shape: shape.ok_or_else(missing)? })
    }
}

impl Layer for Reshape {
    fn kind(&self) -> &'static str {
        "Reshape"
    }

    fn short(&self) -> &'static str {
        "reshape"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let from = cx.g.shape(x).to_vec();
        let mut shape: Vec<usize> = from[..1].iter().chain(&self.target_shape).copied().collect();
        if let (Mode::Decode { context, .. }, Some(positions)) = (cx.mode, shape.get_mut(1)) {
            // One of as many positions as the model was made for.
            *positions = if *positions == context { 1 } else { *positions };
        } else if shape.get(1) != from.get(1) {
            // What stands where positions stood has no such lengths.
            cx.lengths = None;
        }
        cx.g.reshape(x, shape)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        match (&self.target_shape[..], inputs) {
            ([first, ..], [from]) if from.get(1) == Some(first) => Ok(()),
            _ => Err(Error::model(format!(
                "target_shape = {:?} cuts positions apart or joins them, of shapes {inputs:?}; expected the number of \
                 positions first",
                self.target_shape
            ))),
        }
    }

    fn to_table(&self) -> Table {
        let list = self.target_shape.iter().map(|&n| Value::Integer(n as i64)).collect();
        Table::from_iter([("target_shape".to_string(), Value::Array(list))])
    }
}
