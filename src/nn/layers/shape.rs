//! Layers that only change the shape.

use super::{Layer, image, single};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Build, Keys};
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
        cx.g.flatten(single(inputs)?)
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
        let n = cx.g.shape(x)[0];
        let x = cx.g.reshape(x, [n, c, h * w])?;
        cx.g.permute(x, &[0, 2, 1])
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
        let batch = cx.g.shape(x)[0];
        let shape: Vec<usize> = [batch].into_iter().chain(self.target_shape.iter().copied()).collect();
        cx.g.reshape(x, shape)
    }

    fn to_table(&self) -> Table {
        let list = self.target_shape.iter().map(|&n| Value::Integer(n as i64)).collect();
        Table::from_iter([("target_shape".to_string(), Value::Array(list))])
    }
}
