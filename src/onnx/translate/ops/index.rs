//! Shapes, broadcasting and positions: what operators share that move elements.

use super::super::node::{Node, elem_of};
use crate::error::{Error, Result};
use crate::files::memory;
use crate::graph::TensorId;
use crate::onnx::element::Elem;
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;
use crate::tensor::Shape;

/// Row-major strides.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    Shape::from(shape).strides()
}

/// The number of elements.
pub fn count(shape: &[usize]) -> usize {
    shape.iter().fold(1, |n, &d| n.saturating_mul(d))
}

/// Refuses shapes that kernels cannot count or that take more than the memory budget, before
/// anything of that size is made.
pub fn check_count(shape: &[usize]) -> Result<usize> {
    let n = count(shape);
    if n > u32::MAX as usize {
        return Err(Error::model(format!("shape {shape:?} has more than {} elements", u32::MAX)));
    }
    // Values and their positions.
    memory::judge_named(&format!("a tensor of shape {shape:?}"), n as u64 * 16, memory::budget())?;
    Ok(n)
}

/// The shape that several broadcast to.
pub fn broadcast(shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let joined = |to: Shape, shape: &&[usize]| to.broadcast(&Shape::from(*shape));
    let to = shapes.iter().try_fold(Shape::default(), joined)?.to_vec();
    check_count(&to)?;
    Ok(to)
}

/// Calls `f` with each coordinate of a shape, in order.
pub fn each_coordinate(shape: &[usize], mut f: impl FnMut(&[usize])) {
    if shape.contains(&0) {
        return;
    }
    let mut at = vec![0; shape.len()];
    loop {
        f(&at);
        let Some(k) = (0..shape.len()).rev().find(|&k| at[k] + 1 < shape[k]) else { return };
        at[k] += 1;
        at[k + 1..].fill(0);
    }
}

/// For each element of `to` the position of the one that it repeats of `from`.
pub fn stretched(from: &[usize], to: &[usize]) -> Vec<usize> {
    let step = Shape::from(from).broadcast_strides(&Shape::from(to));
    let mut all = Vec::with_capacity(count(to));
    each_coordinate(to, |at| all.push(at.iter().zip(&step).map(|(a, s)| a * s).sum()));
    all
}

/// A known tensor of a type with nothing in it.
pub fn empty(elem: Elem, shape: Vec<usize>) -> Result<Value> {
    Ok(Value::host(Tensor::of_f64(elem, shape.clone(), vec![]).or_else(|e| match elem {
        Elem::String => Ok(Tensor::new(elem, shape, Data::Text(vec![]))),
        _ => Err(e),
    })?))
}

/// Whether a value is a tensor whose elements are moved on the host: those that are known and
/// do not learn.
pub fn is_known(value: &Value) -> bool {
    matches!(value, Value::Host(_))
}

/// Elements of a value by their positions, in a new shape.
pub fn pick(cx: &mut Node, value: &Value, shape: Vec<usize>, at: Vec<usize>) -> Result<Value> {
    check_count(&shape)?;
    let elem = elem_of(value)?;
    if let Value::Host(t) = value {
        return Ok(Value::host(t.pick(shape, &at)));
    }
    if at.is_empty() {
        return empty(elem, shape);
    }
    let x = cx.in_graph(value)?;
    let y = gather_flat(cx, x, &at)?;
    Ok(Value::Graph(elem, cx.g().reshape(y, shape)?))
}

/// Elements of a tensor of the graph by their positions: `[at.len(), 1]`.
pub fn gather_flat(cx: &mut Node, x: TensorId, at: &[usize]) -> Result<TensorId> {
    let n = count(cx.g().shape(x));
    let table = cx.g().reshape(x, [n, 1])?;
    let index = cx.walk.trace.indices(&[at.len()], at.iter().map(|&i| i as u32).collect());
    cx.g().embedding(table, index, None)
}

/// A value under another shape of as many elements.
pub fn reshape(cx: &mut Node, value: &Value, shape: Vec<usize>) -> Result<Value> {
    let from = cx.shape_of(value)?;
    if count(&from) != count(&shape) {
        return Err(Error::model(format!("shape {from:?} has other than the {} elements of {shape:?}", count(&shape))));
    }
    Ok(match value {
        Value::Host(t) => Value::host(t.reshaped(shape)),
        Value::Index(elem, id) => Value::Index(*elem, cx.g().reshape(*id, shape)?),
        other => {
            let (elem, x) = (elem_of(other)?, cx.in_graph(other)?);
            Value::Graph(elem, cx.g().reshape(x, shape)?)
        }
    })
}

/// A value with its axes in another order.
pub fn permute(cx: &mut Node, value: &Value, order: &[usize]) -> Result<Value> {
    let from = cx.shape_of(value)?;
    if order.iter().copied().eq(0..from.len()) {
        return Ok(value.clone());
    }
    let shape: Vec<usize> = order.iter().map(|&k| from[k]).collect();
    if let Value::Host(_) = value {
        let own = strides(&from);
        let mut at = Vec::with_capacity(count(&shape));
        each_coordinate(&shape, |c| at.push(c.iter().zip(order).map(|(c, &k)| c * own[k]).sum()));
        return pick(cx, value, shape, at);
    }
    let (elem, x) = (elem_of(value)?, cx.in_graph(value)?);
    Ok(Value::Graph(elem, cx.g().permute(x, order)?))
}

/// A value stretched to a shape.
pub fn expand(cx: &mut Node, value: &Value, shape: &[usize]) -> Result<Value> {
    let from = cx.shape_of(value)?;
    if from == shape {
        return Ok(value.clone());
    }
    if let Value::Host(_) = value {
        return pick(cx, value, shape.to_vec(), stretched(&from, shape));
    }
    if count(shape) == 0 {
        return empty(elem_of(value)?, shape.to_vec());
    }
    let (elem, x) = (elem_of(value)?, cx.in_graph(value)?);
    Ok(Value::Graph(elem, cx.g().expand(x, shape.to_vec())?))
}

/// Elements `start, start + step, ..` of an axis, `len` of them; the step may be negative.
pub fn slice(cx: &mut Node, value: &Value, axis: usize, start: usize, step: i64, len: usize) -> Result<Value> {
    let from = cx.shape_of(value)?;
    let mut shape = from.clone();
    shape[axis] = len;
    if start == 0 && step == 1 && len == from[axis] {
        return Ok(value.clone());
    }
    if is_known(value) || len == 0 {
        let own = strides(&from);
        let mut at = Vec::with_capacity(count(&shape));
        each_coordinate(&shape, |c| {
            let here = |(k, c): (usize, &usize)| match k == axis {
                true => (start as i64 + *c as i64 * step) as usize * own[k],
                false => c * own[k],
            };
            at.push(c.iter().enumerate().map(here).sum());
        });
        return pick(cx, value, shape, at);
    }
    let (elem, mut x) = (elem_of(value)?, cx.in_graph(value)?);
    let stride = step.unsigned_abs() as usize;
    let mut first = start;
    if step < 0 {
        x = cx.g().flip(x, axis)?;
        first = from[axis] - 1 - start;
    }
    Ok(Value::Graph(elem, cx.g().slice(x, axis, first, first + (len - 1) * stride + 1, stride)?))
}

/// Values one after the other along an axis.
pub fn concat(cx: &mut Node, values: &[Value], axis: usize) -> Result<Value> {
    let shapes: Vec<Vec<usize>> = values.iter().map(|v| cx.shape_of(v)).collect::<Result<_>>()?;
    let first = shapes.first().ok_or_else(|| Error::model("nothing to concatenate"))?;
    for (i, s) in shapes.iter().enumerate() {
        let alike = s.len() == first.len() && (0..s.len()).all(|k| k == axis || s[k] == first[k]);
        if !alike || axis >= s.len() {
            return Err(Error::model(format!(
                "input {i} has shape {s:?}, input 0 {first:?}: only axis {axis} may differ"
            )));
        }
    }
    let elem = elem_of(&values[0])?;
    let mut shape = first.clone();
    shape[axis] = shapes.iter().map(|s| s[axis]).sum();
    check_count(&shape)?;
    if values.iter().all(is_known) {
        let tensors: Vec<&Tensor> =
            values.iter().filter_map(|v| if let Value::Host(t) = v { Some(&**t) } else { None }).collect();
        let all = Tensor::joined(&tensors)?;
        let (outer, inner) = (count(&shape[..axis]), count(&shape[axis + 1..]));
        let mut starts = vec![0];
        tensors.iter().for_each(|t| starts.push(starts[starts.len() - 1] + t.len()));
        let mut at = Vec::with_capacity(all.len());
        for o in 0..outer {
            for (s, start) in shapes.iter().zip(&starts) {
                let line = s[axis] * inner;
                at.extend((0..line).map(|i| start + o * line + i));
            }
        }
        return Ok(Value::host(all.pick(shape, &at)));
    }
    let parts: Vec<&Value> = values.iter().zip(&shapes).filter(|(_, s)| s[axis] > 0).map(|(v, _)| v).collect();
    if count(&shape) == 0 {
        return empty(elem, shape);
    }
    let parts: Vec<TensorId> = parts.into_iter().map(|v| cx.in_graph(v)).collect::<Result<_>>()?;
    if parts.len() == 1 {
        return Ok(Value::Graph(elem, parts[0]));
    }
    Ok(Value::Graph(elem, cx.g().concat(&parts, axis)?))
}
