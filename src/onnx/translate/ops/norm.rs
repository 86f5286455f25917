//! Normalisations.

use super::super::node::Node;
use super::index::count;
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::onnx::element::Elem;
use crate::onnx::value::Value;
use crate::ops::avg_pool2d::AvgPool2d;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::unary::Function;

pub const OPS: &[Translation] = &[
    op("BatchNormalization", batch),
    op("GroupNormalization", group),
    op("InstanceNormalization", instance),
    op("LayerNormalization", layer),
    op("LpNormalization", lp),
    op("LRN", local_response),
    op("MeanVarianceNormalization", mean_variance),
    op("RMSNormalization", rms),
];

/// A value per channel, for an input whose channels are axis 1.
fn per_channel(cx: &mut Node, i: usize, rank: usize) -> Result<TensorId> {
    let t = cx.x(i)?;
    let n = count(&cx.shape(i)?);
    let mut shape = vec![1; rank];
    shape[1.min(rank - 1)] = n;
    cx.g().reshape(t, shape)
}

fn batch(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let eps = cx.float("epsilon", 1e-5)?;
    let momentum = f64::from(cx.float("momentum", 0.9)?);
    let uses_batch = cx.flag("training_mode", false)?;
    if !cx.flag("spatial", true)? {
        return Err(Error::model("spatial is 0: statistics for each element; expected one for each channel"));
    }
    let [.., _] = shape[..] else { return Err(Error::model("a scalar has no channels")) };
    let elem = cx.elem(0)?;
    if cx.walk.trace.trains() {
        return trained(cx, eps);
    }
    let (scale, bias) = (per_channel(cx, 1, shape.len())?, per_channel(cx, 2, shape.len())?);
    let x = cx.x(0)?;
    // A graph that is built says by itself whether it learns.
    if !uses_batch || !cx.walk.trace.runs() {
        let single = [1, 2, 3, 4].iter().map(|&i| cx.x(i)).collect::<Result<Vec<_>>>()?;
        if shape.len() >= 2 && !cx.walk.trace.doubles() {
            let y = cx.g().batch_norm_eval(x, single[0], single[1], single[2], single[3], eps)?;
            return cx.like(y);
        }
        let (mean, var) = (per_channel(cx, 3, shape.len())?, per_channel(cx, 4, shape.len())?);
        let y = scaled(cx, x, mean, var, eps, Some(scale), Some(bias))?;
        return cx.like(y);
    }
    let axes: Vec<usize> = (0..shape.len()).filter(|&k| k != 1).collect();
    let (mean, var) = moments(cx, x, &axes)?;
    let y = scaled(cx, x, mean, var, eps, Some(scale), Some(bias))?;
    let mut moved = |i: usize, new: TensorId| -> Result<TensorId> {
        let old = cx.x(i)?;
        let n = count(&cx.shape(i)?);
        let (keep, take) = (cx.number(momentum)?, cx.number(1.0 - momentum)?);
        let g = cx.g();
        let new = g.reshape(new, [n])?;
        let (old, new) = (g.mul(old, keep)?, g.mul(new, take)?);
        g.add(old, new)
    };
    let (mean, var) = (moved(3, mean)?, moved(4, var)?);
    Ok(vec![Value::Graph(elem, y), Value::Graph(elem, mean), Value::Graph(elem, var)])
}

/// In a graph that learns: statistics of the batch, and running ones that move towards them.
fn trained(cx: &mut Node, eps: f32) -> Result<Vec<Value>> {
    let momentum = 1.0 - cx.float("momentum", 0.9)?;
    let [x, scale, bias] = [cx.x(0)?, cx.x(1)?, cx.x(2)?];
    let (mean, var) = (cx.walk.trace.state(&cx.inputs[3])?, cx.walk.trace.state(&cx.inputs[4])?);
    let rows = cx.walk.trace.training().map(|t| t.rows);
    let options = BatchNorm { eps, momentum };
    let y = cx.g().batch_norm(x, scale, bias, mean, var, rows, options)?;
    cx.like(y)
}

/// Mean and variance over axes, which stay with length 1.
fn moments(cx: &mut Node, x: TensorId, axes: &[usize]) -> Result<(TensorId, TensorId)> {
    let g = cx.g();
    let mean = g.mean(x, axes, true)?;
    let centred = g.sub(x, mean)?;
    let square = g.unary(Function::Square, centred)?;
    Ok((mean, g.mean(square, axes, true)?))
}

/// `(x - mean) / sqrt(var + eps) scale + bias`.
fn scaled(
    cx: &mut Node,
    x: TensorId,
    mean: TensorId,
    var: TensorId,
    eps: f32,
    scale: Option<TensorId>,
    bias: Option<TensorId>,
) -> Result<TensorId> {
    let eps = cx.number(f64::from(eps))?;
    let g = cx.g();
    let centred = g.sub(x, mean)?;
    let var = g.add(var, eps)?;
    let deviation = g.unary(Function::Sqrt, var)?;
    let mut y = g.div(centred, deviation)?;
    if let Some(scale) = scale {
        y = g.mul(y, scale)?;
    }
    if let Some(bias) = bias {
        y = g.add(y, bias)?;
    }
    Ok(y)
}

fn instance(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let eps = cx.float("epsilon", 1e-5)?;
    let x = cx.x(0)?;
    let (scale, bias) = (per_channel(cx, 1, shape.len())?, per_channel(cx, 2, shape.len())?);
    let (mean, var) = moments(cx, x, &(2..shape.len()).collect::<Vec<_>>())?;
    let y = scaled(cx, x, mean, var, eps, Some(scale), Some(bias))?;
    cx.like(y)
}

fn group(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let eps = cx.float("epsilon", 1e-5)?;
    let groups = usize::try_from(cx.int("num_groups", 0)?).unwrap_or(0);
    stash(cx)?;
    if shape.len() < 2 || groups == 0 || shape[1] % groups != 0 {
        return Err(Error::model(format!("{groups} groups of the channels of the shape {shape:?}")));
    }
    let x = cx.x(0)?;
    let rows = count(&shape[2..]) * shape[1] / groups;
    let grouped = cx.g().reshape(x, [shape[0], groups, rows])?;
    let (mean, var) = moments(cx, grouped, &[2])?;
    let y = scaled(cx, grouped, mean, var, eps, None, None)?;
    // Version 18 had a scale per group, 21 has one per channel.
    let per_group = count(&cx.shape(1)?) == groups && groups != shape[1];
    let y = if per_group {
        let [scale, bias] = [cx.x(1)?, cx.x(2)?];
        let g = cx.g();
        let (scale, bias) = (g.reshape(scale, [groups, 1])?, g.reshape(bias, [groups, 1])?);
        let y = g.mul(y, scale)?;
        let y = g.add(y, bias)?;
        g.reshape(y, shape)?
    } else {
        let y = cx.g().reshape(y, shape.clone())?;
        let (scale, bias) = (per_channel(cx, 1, shape.len())?, per_channel(cx, 2, shape.len())?);
        let y = cx.g().mul(y, scale)?;
        cx.g().add(y, bias)?
    };
    cx.like(y)
}

/// The axes from one on, as the last axis of two.
fn rows_from(cx: &mut Node) -> Result<(Vec<usize>, usize, [usize; 2])> {
    let shape = cx.shape(0)?;
    let axis = cx.axis(cx.int("axis", -1)?, shape.len())?;
    let rows = [count(&shape[..axis]), count(&shape[axis..])];
    Ok((shape, axis, rows))
}

/// The type of statistics that are given out. Those that are only used are f32 or wider.
fn stash(cx: &Node) -> Result<bool> {
    Ok(cx.int("stash_type", 1)? == 1)
}

fn layer(cx: &mut Node) -> Result<Vec<Value>> {
    let (shape, axis, rows) = rows_from(cx)?;
    let stashes_floats = stash(cx)?;
    let eps = cx.float("epsilon", 1e-5)?;
    let elem = cx.elem(0)?;
    let x = cx.x(0)?;
    let flat = cx.g().reshape(x, rows)?;
    let whole = |s: &[usize]| s == &shape[axis..];
    let (scale_shape, bias_shape) = (cx.shape(1)?, if cx.has(2) { cx.shape(2)? } else { shape[axis..].to_vec() });
    let y = if whole(&scale_shape) && whole(&bias_shape) && !cx.walk.trace.doubles() {
        let (scale, bias) = (cx.x(1)?, cx.x_opt(2)?);
        let g = cx.g();
        let scale = g.reshape(scale, [rows[1]])?;
        let bias = bias.map(|b| g.reshape(b, [rows[1]])).transpose()?;
        let y = g.layer_norm(flat, Some(scale), bias, eps)?;
        g.reshape(y, shape.clone())?
    } else {
        let (mean, var) = moments(cx, flat, &[1])?;
        let y = scaled(cx, flat, mean, var, eps, None, None)?;
        let y = cx.g().reshape(y, shape.clone())?;
        let (scale, bias) = (cx.x(1)?, cx.x_opt(2)?);
        let y = cx.g().mul(y, scale)?;
        if let Some(bias) = bias { cx.g().add(y, bias)? } else { y }
    };
    let mut values = vec![Value::Graph(elem, y)];
    if cx.wants(1) || cx.wants(2) {
        let (mean, var) = moments(cx, flat, &[1])?;
        let eps = cx.number(f64::from(eps))?;
        let mut kept = shape[..axis].to_vec();
        kept.resize(shape.len(), 1);
        let g = cx.g();
        let var = g.add(var, eps)?;
        let deviation = g.unary(Function::Sqrt, var)?;
        let inverse = g.unary(Function::Reciprocal, deviation)?;
        let (mean, inverse) = (g.reshape(mean, kept.clone())?, g.reshape(inverse, kept)?);
        let stash = if stashes_floats { Elem::Float } else { elem };
        values.extend([Value::Graph(stash, mean), Value::Graph(stash, inverse)]);
    }
    Ok(values)
}

fn rms(cx: &mut Node) -> Result<Vec<Value>> {
    let (shape, _, rows) = rows_from(cx)?;
    stash(cx)?;
    let eps = cx.float("epsilon", 1e-5)?;
    let x = cx.x(0)?;
    let flat = cx.g().reshape(x, rows)?;
    let y = if cx.walk.trace.doubles() {
        let square = cx.g().unary(Function::Square, flat)?;
        let mean = cx.g().mean(square, &[1], true)?;
        let eps = cx.number(f64::from(eps))?;
        let g = cx.g();
        let sum = g.add(mean, eps)?;
        let root = g.unary(Function::Sqrt, sum)?;
        g.div(flat, root)?
    } else {
        cx.g().rms_norm(flat, None, eps)?
    };
    let y = cx.g().reshape(y, shape)?;
    let scale = cx.x(1)?;
    let y = cx.g().mul(y, scale)?;
    cx.like(y)
}

/// Divided by the norm along an axis; a zero norm gives zeros.
fn lp(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let axis = cx.axis(cx.int("axis", -1)?, shape.len())?;
    let p = cx.int("p", 2)?;
    let norm = match p {
        1 => Norm::Sum,
        2 => Norm::Length,
        _ => return Err(Error::model(format!("p is {p}; expected 1 or 2"))),
    };
    let x = cx.x(0)?;
    let y = over_norm(cx, x, axis, norm)?;
    cx.like(y)
}

/// What elements along an axis are divided by.
pub enum Norm {
    /// The largest.
    Max,
    /// The sum of sizes.
    Sum,
    /// The root of the sum of squares.
    Length,
}

/// `x` divided by a norm along an axis; a norm of zero counts as one.
pub fn over_norm(cx: &mut Node, x: TensorId, axis: usize, norm: Norm) -> Result<TensorId> {
    let g = cx.g();
    let size = match norm {
        Norm::Max => g.max(x, &[axis], true)?,
        Norm::Sum => {
            let size = g.unary(Function::Abs, x)?;
            g.sum(size, &[axis], true)?
        }
        Norm::Length => {
            let square = g.unary(Function::Square, x)?;
            let sum = g.sum(square, &[axis], true)?;
            g.unary(Function::Sqrt, sum)?
        }
    };
    let zero = g.unary(Function::Not, size)?;
    let safe = g.add(size, zero)?;
    g.div(x, safe)
}

/// `x / (bias + alpha mean(x^2))^beta`, the mean over neighbouring channels.
fn local_response(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let size = usize::try_from(cx.int("size", 0)?).unwrap_or(0);
    if shape.len() < 2 || size == 0 {
        return Err(Error::model(format!("size is {size} for an input of shape {shape:?}")));
    }
    let [alpha, beta, bias] =
        [cx.float("alpha", 1e-4)?, cx.float("beta", 0.75)?, cx.float("bias", 1.0)?].map(f64::from);
    let x = cx.x(0)?;
    let rest = count(&shape[2..]);
    let [alpha, beta, bias] = [cx.number(alpha)?, cx.number(beta)?, cx.number(bias)?];
    let g = cx.g();
    let square = g.unary(Function::Square, x)?;
    let square = g.reshape(square, [shape[0], 1, shape[1], rest])?;
    let before = (size - 1) / 2;
    let square = g.pad(square, &[(0, 0), (0, 0), (before, size - 1 - before), (0, 0)], 0.0)?;
    let mean = g.avg_pool2d(square, AvgPool2d { stride: [1, 1], ..AvgPool2d::new([size, 1]) })?;
    let mean = g.reshape(mean, shape)?;
    let scaled = g.mul(mean, alpha)?;
    let sum = g.add(scaled, bias)?;
    let power = g.power(sum, beta)?;
    let y = g.div(x, power)?;
    cx.like(y)
}

fn mean_variance(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let axes = cx.int_list("axes")?.unwrap_or(vec![0, 2, 3]);
    let axes = cx.axes(&axes, shape.len())?;
    let x = cx.x(0)?;
    let (mean, var) = moments(cx, x, &axes)?;
    let y = scaled(cx, x, mean, var, 1e-9, None, None)?;
    cx.like(y)
}
