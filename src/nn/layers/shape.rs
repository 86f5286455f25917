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
    /// The shape of one sample; -1, once, for what is left.
    pub target_shape: Vec<i64>,
}

impl Reshape {
    pub(super) fn read(keys: &mut Keys) -> Result<Reshape> {
        let shape = keys.sizes("target_shape")?;
        let missing = || Error::model(format!("{}: the key \"target_shape\" is missing", keys.place()));
        Ok(Reshape { target_shape: shape.ok_or_else(missing)? })
    }
}

/// The shape of a sample of so many elements.
fn resolved(target: &[i64], elements: usize) -> Result<Vec<usize>> {
    let known: usize = target.iter().filter(|&&n| n > 0).map(|&n| n as usize).product();
    if target.contains(&-1) && (known == 0 || !elements.is_multiple_of(known)) {
        return Err(Error::model(format!(
            "target_shape = {target:?}, and a sample has {elements} elements; expected a multiple of {known}"
        )));
    }
    Ok(target.iter().map(|&n| if n > 0 { n as usize } else { elements / known }).collect())
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
        let mut sample = self.target_shape.clone();
        if let (Mode::Decode { context, .. }, Some(positions)) = (cx.mode, sample.first_mut()) {
            // One of as many positions as the model was made for.
            *positions = if *positions == context as i64 { 1 } else { *positions };
        }
        let sample = resolved(&sample, from[1..].iter().product())?;
        if sample.first() != from.get(1) {
            // What stands where positions stood has no such lengths.
            cx.lengths = None;
        }
        let shape: Vec<usize> = from[..1].iter().chain(&sample).copied().collect();
        cx.g.reshape(x, shape)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        let [from] = inputs else { return mixes("it takes one input") };
        match resolved(&self.target_shape, from[1..].iter().product())?.first() {
            first if from.get(1) == first => Ok(()),
            _ => Err(Error::model(format!(
                "target_shape = {:?} cuts positions apart or joins them, of shapes {inputs:?}; expected the number of \
                 positions first",
                self.target_shape
            ))),
        }
    }

    fn to_table(&self) -> Table {
        let list = self.target_shape.iter().map(|&n| Value::Integer(n)).collect();
        Table::from_iter([("target_shape".to_string(), Value::Array(list))])
    }
}
