//! What a layer expects of its inputs: how many there are, their shapes, and what these
//! say of the positions that it sees.

use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Build, Keys, Mode};
use crate::tensor::Shape;

/// The only input of a layer that takes one.
pub(crate) fn single(inputs: &[TensorId]) -> Result<TensorId> {
    match inputs {
        [x] => Ok(*x),
        _ => Err(Error::model(format!("takes one input; inputs names {}", inputs.len()))),
    }
}

/// `[C, H, W]` of an image input, or an error that says what it is instead.
pub(crate) fn image(cx: &Build, x: TensorId) -> Result<[usize; 3]> {
    let shape = cx.g.shape(x);
    match shape {
        [_, c, h, w] => Ok([*c, *h, *w]),
        _ => Err(Error::model(format!(
            "its input has shape {shape:?}; expected images [batch, channels, height, width]"
        ))),
    }
}

/// `[N, T, W]` of a sequence, or an error that says what it is instead.
pub(crate) fn sequence(cx: &Build, x: TensorId) -> Result<[usize; 3]> {
    let shape = cx.g.shape(x);
    match shape {
        [n, t, w] => Ok([*n, *t, *w]),
        _ => Err(Error::model(format!(
            "its input has shape {shape:?}; expected a sequence [batch, positions, features]"
        ))),
    }
}

/// [`Layer::causal`](super::Layer::causal) of what acts on the last axis of each position.
pub(crate) fn along_features(inputs: &[&Shape]) -> Result<()> {
    match inputs.iter().find(|s| s.rank() < 3) {
        None => Ok(()),
        Some(shape) => Err(Error::model(format!(
            "its input has shape {shape}, whose last axis is that of the positions; expected features behind it"
        ))),
    }
}

/// [`Layer::causal`](super::Layer::causal) of what moves along the positions of `[N, T, W]`, as far as
/// shapes say.
pub(crate) fn along_positions(inputs: &[&Shape]) -> Result<()> {
    match inputs {
        [shape] if shape.rank() == 3 => Ok(()),
        _ => Err(Error::model(format!(
            "its inputs have shapes {inputs:?}; expected one sequence [batch, positions, features]"
        ))),
    }
}

/// [`Layer::causal`](super::Layer::causal) of what takes axis 1 for channels, or does away with it.
pub(crate) fn mixes(what: &str) -> Result<()> {
    Err(Error::model(format!("{what}, which shows each position all the others; leave it out")))
}

/// The key `axis`: batch first, and from the end where negative.
pub(super) fn read_axis(keys: &mut Keys, default: i64) -> Result<i64> {
    let expected = "a whole number: 1 for the axis behind the batch, -1 for the last";
    keys.integer("axis", |n| n != 0, expected, Some(default))
}

/// The number of an axis of a tensor of so many, batch first.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let found = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(found) {
        Ok(n) if (1..rank).contains(&n) => Ok(n),
        _ => Err(Error::model(format!(
            "axis = {axis}, and its input has {rank} axes with the batch; expected one behind the batch"
        ))),
    }
}

/// Along which axis a norm's input `x` has its channels, how many they are, and, where one token
/// is decoded at a time and axis 1 is one position of many, which of them is here.
pub(super) fn channels_of(cx: &Build, x: TensorId, axis: i64) -> Result<(usize, usize, Option<TensorId>)> {
    let shape = cx.g.shape(x);
    if shape.len() < 2 {
        return Err(Error::model(format!("its input has shape {shape:?}; expected [batch, channels, ..]")));
    }
    let axis = axis_of(axis, shape.len())?;
    Ok(match cx.mode {
        Mode::Decode { position, context, .. } if axis == 1 => (axis, context, Some(position)),
        _ => (axis, shape[axis], None),
    })
}

/// `x` with an axis brought to place 1, and the order of axes of the way back, if it was not there.
pub(super) fn to_second(cx: &mut Build, x: TensorId, axis: usize) -> Result<(TensorId, Option<Vec<usize>>)> {
    if axis == 1 {
        return Ok((x, None));
    }
    let rank = cx.g.shape(x).len();
    let order: Vec<usize> = [0, axis].into_iter().chain((1..rank).filter(|&k| k != axis)).collect();
    let back = (0..rank).map(|k| order.iter().position(|&o| o == k).expect("an order has every axis")).collect();
    Ok((cx.g.permute(x, &order)?, Some(back)))
}
