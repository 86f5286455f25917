//! Operators that read and write elements at positions that other tensors hold.

use super::super::node::{Node, elem_of};
use super::index::{self, check_count, count, each_coordinate, permute, pick, reshape, strides};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;
use crate::ops::scatter_rows::Scatter;

pub const OPS: &[Translation] = &[
    op("Compress", compress),
    op("Gather", gather),
    op("GatherElements", gather_elements),
    op("GatherND", gather_nd),
    op("Scatter", scatter_elements),
    op("ScatterElements", scatter_elements),
    op("ScatterND", scatter_nd),
    op("TensorScatter", tensor_scatter),
];

/// Positions on an axis, counted from its end where they are negative.
fn positions(index: &[i64], len: usize) -> Result<Vec<usize>> {
    let n = len as i64;
    let position = |&i: &i64| match (-n..n).contains(&i) {
        true => Ok(i.rem_euclid(n) as usize),
        false => Err(Error::model(format!("index {i} of an axis of {len} elements"))),
    };
    index.iter().map(position).collect()
}

/// Slices of an axis.
fn gather(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let axis = cx.axis(cx.int("axis", 0)?, from.len())?;
    if let Value::Index(_, id) | Value::Graph(_, id) = *cx.value(1)?
        && !cx.walk.trace.runs()
    {
        return embedded(cx, axis, id);
    }
    let (index, index_shape) = (cx.ints(1)?, cx.shape(1)?);
    let index = positions(&index, from[axis])?;
    let mut shape = from[..axis].to_vec();
    shape.extend(&index_shape);
    shape.extend(&from[axis + 1..]);
    check_count(&shape)?;
    let value = cx.value(0)?.clone();
    // In the graph it is a slice where the indices have one distance, else rows: neither names elements, whose
    // positions depend on the batch.
    if !index::is_known(&value) && count(&shape) > 0 {
        if let Some(step) = distance(&index) {
            let part = index::slice(cx, &value, axis, index[0], step as i64, index.len())?;
            return Ok(vec![reshape(cx, &part, shape)?]);
        }
        let rows = cx.walk.trace.indices(&index_shape, index.iter().map(|&i| i as u32).collect());
        return of_rows(cx, axis, rows);
    }
    let (outer, inner) = (count(&from[..axis]), count(&from[axis + 1..]));
    let mut at = Vec::with_capacity(count(&shape));
    for o in 0..outer {
        for &i in &index {
            let start = (o * from[axis] + i) * inner;
            at.extend(start..start + inner);
        }
    }
    Ok(vec![pick(cx, &value, shape, at)?])
}

/// The distance of indices that ascend evenly; 1 of a single one.
fn distance(index: &[usize]) -> Option<usize> {
    let step = index.get(1).map_or(Some(1), |second| second.checked_sub(index[0]))?;
    let even = step > 0 && index.windows(2).all(|pair| pair[0] + step == pair[1]);
    even.then_some(step)
}

/// Slices by indices that differ from batch to batch.
fn embedded(cx: &mut Node, axis: usize, index: TensorId) -> Result<Vec<Value>> {
    let index = match cx.value(1)? {
        Value::Index(..) => index,
        _ => cx.g().float_to_index(index)?,
    };
    of_rows(cx, axis, index)
}

/// Slices by indices in the graph: rows of the value with the axis in front.
fn of_rows(cx: &mut Node, axis: usize, index: TensorId) -> Result<Vec<Value>> {
    let value = cx.value(0)?.clone();
    let from = cx.shape_of(&value)?;
    let elem = elem_of(&value)?;
    let index_shape = cx.g().shape(index).to_vec();
    let mut order: Vec<usize> = vec![axis];
    order.extend((0..from.len()).filter(|&k| k != axis));
    let table = permute(cx, &value, &order)?;
    let rest: Vec<usize> = order[1..].iter().map(|&k| from[k]).collect();
    let table = cx.in_graph(&table)?;
    let table = cx.g().reshape(table, [from[axis], count(&rest)])?;
    let flat = cx.g().reshape(index, [count(&index_shape)])?;
    let rows = cx.g().embedding(table, flat, None)?;
    let mut shape = index_shape.clone();
    shape.extend(&rest);
    let y = Value::Graph(elem, cx.g().reshape(rows, shape)?);
    // The axes of the index go to where the axis was.
    let n = index_shape.len();
    let order: Vec<usize> = (n..n + axis).chain(0..n).chain(n + axis..n + rest.len()).collect();
    Ok(vec![permute(cx, &y, &order)?])
}

fn gather_elements(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let axis = cx.axis(cx.int("axis", 0)?, from.len())?;
    let (index, shape) = (cx.ints(1)?, cx.shape(1)?);
    let at = element_positions(&from, axis, &positions(&index, from[axis])?, &shape)?;
    let value = cx.value(0)?.clone();
    Ok(vec![pick(cx, &value, shape, at)?])
}

/// The flat positions of elements whose coordinate along `axis` is `index`, and which stand
/// elsewhere where the index stands.
fn element_positions(from: &[usize], axis: usize, index: &[usize], shape: &[usize]) -> Result<Vec<usize>> {
    if shape.len() != from.len() || (0..from.len()).any(|k| k != axis && shape[k] > from[k]) {
        return Err(Error::model(format!("indices of shape {shape:?} into a tensor of shape {from:?}")));
    }
    let own = strides(from);
    let mut at = Vec::with_capacity(index.len());
    each_coordinate(shape, |c| {
        let i = index[at.len()];
        at.push((0..c.len()).map(|k| own[k] * if k == axis { i } else { c[k] }).sum());
    });
    Ok(at)
}

fn gather_nd(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let batch = usize::try_from(cx.int("batch_dims", 0)?).unwrap_or(usize::MAX);
    let (index, index_shape) = (cx.ints(1)?, cx.shape(1)?);
    let (starts, inner, mut shape) = slice_starts(&from, &index, &index_shape, batch)?;
    shape.extend(&from[from.len() - inner..]);
    let width = count(&from[from.len() - inner..]);
    let at = starts.into_iter().flat_map(|s| s..s + width).collect();
    let value = cx.value(0)?.clone();
    Ok(vec![pick(cx, &value, shape, at)?])
}

/// Where the slices begin that tuples in the last axis of `index` name; how many axes a slice
/// has, and the axes of the tuples.
fn slice_starts(
    from: &[usize],
    index: &[i64],
    index_shape: &[usize],
    batch: usize,
) -> Result<(Vec<usize>, usize, Vec<usize>)> {
    let bad = || Error::model(format!("indices of shape {index_shape:?} into a tensor of shape {from:?}"));
    let (&width, tuples) = index_shape.split_last().ok_or_else(bad)?;
    let batched = batch <= tuples.len() && batch + width <= from.len() && tuples[..batch] == from[..batch];
    if !batched {
        return Err(bad());
    }
    let own = strides(from);
    let per_batch = count(&tuples[batch..]).max(1);
    let batch_step = if batch == 0 { 0 } else { own[batch - 1] };
    let n = count(tuples);
    let mut starts = Vec::with_capacity(n);
    for t in 0..n {
        let mut start = t / per_batch * batch_step;
        for (j, &i) in index[t * width..(t + 1) * width].iter().enumerate() {
            start += positions(&[i], from[batch + j])?[0] * own[batch + j];
        }
        starts.push(start);
    }
    Ok((starts, from.len() - batch - width, tuples.to_vec()))
}

/// What becomes of an element that is written more than once.
fn reduction(cx: &Node) -> Result<Scatter> {
    match &cx.text("reduction", "none")?[..] {
        "none" => Ok(Scatter::Replace),
        "add" => Ok(Scatter::Add),
        "mul" => Ok(Scatter::Mul),
        "max" => Ok(Scatter::Max),
        "min" => Ok(Scatter::Min),
        other => Err(Error::model(format!("reduction is \"{other}\"; expected none, add, mul, max or min"))),
    }
}

fn scatter_elements(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let axis = cx.axis(cx.int("axis", 0)?, from.len())?;
    let (index, shape) = (cx.ints(1)?, cx.shape(1)?);
    let at = element_positions(&from, axis, &positions(&index, from[axis])?, &shape)?;
    let mode = reduction(cx)?;
    scatter(cx, &at, 1, mode)
}

fn scatter_nd(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let (index, index_shape) = (cx.ints(1)?, cx.shape(1)?);
    let (starts, inner, _) = slice_starts(&from, &index, &index_shape, 0)?;
    let width = count(&from[from.len() - inner..]).max(1);
    let rows: Vec<usize> = starts.into_iter().map(|s| s / width).collect();
    let mode = reduction(cx)?;
    scatter(cx, &rows, width, mode)
}

/// Input 0 in rows of `width`, with the rows `at` from input 2.
fn scatter(cx: &mut Node, at: &[usize], width: usize, mode: Scatter) -> Result<Vec<Value>> {
    let (from, updates) = (cx.shape(0)?, cx.shape(2)?);
    if count(&updates) != at.len() * width {
        return Err(Error::model(format!(
            "updates of shape {updates:?} for {} positions of {width} elements",
            at.len()
        )));
    }
    if at.is_empty() || width == 0 {
        return Ok(vec![cx.value(0)?.clone()]);
    }
    if mode == Scatter::Replace && index::is_known(cx.value(0)?) && index::is_known(cx.value(2)?) {
        let (x, u) = (cx.host(0)?, cx.host(2)?);
        let all = Tensor::joined(&[&x, &u])?;
        let mut from_at: Vec<usize> = (0..x.len()).collect();
        for (j, &row) in at.iter().enumerate() {
            for w in 0..width {
                from_at[row * width + w] = x.len() + j * width + w;
            }
        }
        return Ok(vec![Value::host(all.pick(from, &from_at))]);
    }
    if let (Value::Host(x), Value::Host(u)) = (cx.value(0)?.clone(), cx.value(2)?.clone())
        && x.elem.is_int()
    {
        let (mut values, new) = (x.to_ints()?, u.to_ints()?);
        for (i, &v) in new.iter().enumerate() {
            let to = &mut values[at[i / width] * width + i % width];
            *to = x.elem.wrap(match mode {
                Scatter::Replace => v,
                Scatter::Add => to.wrapping_add(v),
                Scatter::Mul => to.wrapping_mul(v),
                Scatter::Max => (*to).max(v),
                Scatter::Min => (*to).min(v),
            });
        }
        return Ok(vec![Value::host(Tensor::new(x.elem, from, Data::Int(values)))]);
    }
    let (x, u) = (cx.x(0)?, cx.x(2)?);
    let rows = count(&from) / width;
    let x = cx.g().reshape(x, [rows, width])?;
    let u = cx.g().reshape(u, [at.len(), width])?;
    let index = cx.walk.trace.indices(&[at.len()], at.iter().map(|&i| i as u32).collect());
    let y = cx.g().scatter_rows(x, index, u, mode)?;
    let y = cx.g().reshape(y, from)?;
    cx.like(y)
}

/// Writes a stretch of a cache, from a position per sample on.
fn tensor_scatter(cx: &mut Node) -> Result<Vec<Value>> {
    let (cache, update) = (cx.shape(0)?, cx.shape(1)?);
    let axis = cx.axis(cx.int("axis", -2)?, cache.len())?;
    let circular = match &cx.text("mode", "linear")?[..] {
        "linear" => false,
        "circular" => true,
        other => return Err(Error::model(format!("mode is \"{other}\"; expected linear or circular"))),
    };
    let starts = if cx.has(2) { cx.ints(2)? } else { vec![0; cache[0]] };
    let own = strides(&cache);
    let mut at = Vec::with_capacity(count(&update));
    let mut outside = None;
    each_coordinate(&update, |c| {
        let mut t = starts.get(c[0]).copied().unwrap_or(0) + c[axis] as i64;
        if circular {
            t = t.rem_euclid(cache[axis] as i64);
        }
        if !(0..cache[axis] as i64).contains(&t) {
            outside = Some(t);
        }
        at.push((0..c.len()).map(|k| own[k] * if k == axis { t.max(0) as usize } else { c[k] }).sum());
    });
    if let Some(t) = outside {
        return Err(Error::model(format!("position {t} of an axis of {} elements is written", cache[axis])));
    }
    let updates = cx.value(1)?.clone();
    cx.inputs.truncate(1);
    cx.inputs.extend([Value::Nothing, updates]);
    scatter(cx, &at, 1, Scatter::Replace)
}

/// Slices of an axis, or elements, where a condition holds.
fn compress(cx: &mut Node) -> Result<Vec<Value>> {
    let condition = cx.ints(1)?;
    let kept: Vec<usize> = (0..condition.len()).filter(|&i| condition[i] != 0).collect();
    let mut value = cx.value(0)?.clone();
    let mut from = cx.shape(0)?;
    let axis = match cx.int_opt("axis")? {
        Some(axis) => cx.axis(axis, from.len())?,
        None => {
            from = vec![count(&from)];
            value = reshape(cx, &value, from.clone())?;
            0
        }
    };
    let mut at = vec![];
    let (outer, inner) = (count(&from[..axis]), count(&from[axis + 1..]));
    for o in 0..outer {
        for &i in kept.iter().filter(|&&i| i < from[axis]) {
            let start = (o * from[axis] + i) * inner;
            at.extend(start..start + inner);
        }
    }
    from[axis] = kept.iter().filter(|&&i| i < from[axis]).count();
    Ok(vec![pick(cx, &value, from, at)?])
}

/// Columns of the last axis.
pub fn array_feature_extractor(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let Some((&width, outer)) = from.split_last() else { return Err(Error::model("a scalar has no columns")) };
    let columns = positions(&cx.ints(1)?, width)?;
    let rows = count(outer);
    let at = (0..rows).flat_map(|r| columns.iter().map(move |c| r * width + c).collect::<Vec<_>>()).collect();
    let value = cx.value(0)?.clone();
    let mut shape = if outer.is_empty() { vec![1] } else { outer.to_vec() };
    shape.push(columns.len());
    Ok(vec![pick(cx, &value, shape, at)?])
}
