//! Operators that only move elements or tell shapes: any element type, no arithmetic.

use super::super::node::{Node, elem_of};
use super::index::{self, check_count, count, each_coordinate, empty, expand, permute, pick, reshape, slice, strides};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::onnx::element::Elem;
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;

pub const OPS: &[Translation] = &[
    op("CenterCropPad", center_crop_pad),
    op("Concat", concat),
    op("DepthToSpace", depth_to_space),
    op("Expand", expand_to),
    op("Flatten", flatten),
    op("Reshape", reshape_to),
    op("ReverseSequence", reverse_sequence),
    op("Shape", shape),
    op("Size", size),
    op("Slice", slices),
    op("SpaceToDepth", space_to_depth),
    op("Split", split),
    op("Squeeze", squeeze),
    op("Tile", tile),
    op("Transpose", transpose),
    op("Trilu", trilu),
    op("Unsqueeze", unsqueeze),
];

fn concat(cx: &mut Node) -> Result<Vec<Value>> {
    let rank = cx.shape(0)?.len();
    let axis = if cx.version < 4 { cx.int("axis", 1)? } else { cx.int("axis", 0)? };
    let axis = cx.axis(axis, rank)?;
    let values = cx.inputs.clone();
    Ok(vec![index::concat(cx, &values, axis)?])
}

/// A list that was an attribute once and is an input since.
fn list(cx: &mut Node, name: &str, input: usize) -> Result<Option<Vec<i64>>> {
    if let Some(given) = cx.int_list(name)? {
        return Ok(Some(given));
    }
    if cx.has(input) { cx.ints(input).map(Some) } else { Ok(None) }
}

fn transpose(cx: &mut Node) -> Result<Vec<Value>> {
    let rank = cx.shape(0)?.len();
    let order = cx.sizes("perm")?.unwrap_or((0..rank).rev().collect());
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(Error::model(format!("perm is {order:?}; expected an order of {rank} axes")));
    }
    let value = cx.value(0)?.clone();
    Ok(vec![permute(cx, &value, &order)?])
}

fn reshape_to(cx: &mut Node) -> Result<Vec<Value>> {
    let wanted = list(cx, "shape", 1)?.ok_or_else(|| Error::model("no shape is given"))?;
    let from = cx.shape(0)?;
    let keeps_zero = cx.flag("allowzero", false)?;
    let mut shape = vec![];
    for (k, &d) in wanted.iter().enumerate() {
        shape.push(match d {
            0 if !keeps_zero => *from.get(k).ok_or_else(|| {
                Error::model(format!("shape {wanted:?} copies axis {k} of the shape {from:?}, which has fewer axes"))
            })?,
            -1 => usize::MAX,
            d => usize::try_from(d).map_err(|_| Error::model(format!("an axis of {d} elements in {wanted:?}")))?,
        });
    }
    let free: Vec<usize> = (0..shape.len()).filter(|&k| shape[k] == usize::MAX).collect();
    if let [k] = free[..] {
        let rest = shape.iter().filter(|&&d| d != usize::MAX).fold(1usize, |n, &d| n.saturating_mul(d));
        shape[k] = count(&from).checked_div(rest).unwrap_or(0);
    }
    if free.len() > 1 || count(&shape) != count(&from) {
        return Err(Error::model(format!(
            "shape {from:?} does not become {wanted:?}: other than {} elements",
            count(&from)
        )));
    }
    let value = cx.value(0)?.clone();
    Ok(vec![reshape(cx, &value, shape)?])
}

fn flatten(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let axis = cx.int("axis", 1)?;
    let axis = if axis == from.len() as i64 { from.len() } else { cx.axis(axis, from.len())? };
    let value = cx.value(0)?.clone();
    Ok(vec![reshape(cx, &value, vec![count(&from[..axis]), count(&from[axis..])])?])
}

fn squeeze(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let axes = match list(cx, "axes", 1)? {
        Some(axes) => cx.axes(&axes, from.len())?,
        None => (0..from.len()).filter(|&k| from[k] == 1).collect(),
    };
    if let Some(&k) = axes.iter().find(|&&k| from[k] != 1) {
        return Err(Error::model(format!("axis {k} of the shape {from:?} is not 1")));
    }
    let kept = (0..from.len()).filter(|k| !axes.contains(k)).map(|k| from[k]).collect();
    let value = cx.value(0)?.clone();
    Ok(vec![reshape(cx, &value, kept)?])
}

fn unsqueeze(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let axes = list(cx, "axes", 1)?.ok_or_else(|| Error::model("no axes are given"))?;
    let rank = from.len() + axes.len();
    let axes = cx.axes(&axes, rank)?;
    let mut rest = from.iter();
    let mut shape = vec![];
    for k in 0..rank {
        let next = if axes.contains(&k) { Some(&1) } else { rest.next() };
        shape.push(*next.ok_or_else(|| Error::model(format!("axes {axes:?} name one twice")))?);
    }
    let value = cx.value(0)?.clone();
    Ok(vec![reshape(cx, &value, shape)?])
}

fn expand_to(cx: &mut Node) -> Result<Vec<Value>> {
    let wanted: Vec<usize> = cx.ints(1)?.iter().map(|&d| usize::try_from(d).unwrap_or(usize::MAX)).collect();
    let from = cx.shape(0)?;
    let shape = index::broadcast(&[&from, &wanted])?;
    let value = cx.value(0)?.clone();
    Ok(vec![expand(cx, &value, &shape)?])
}

fn tile(cx: &mut Node) -> Result<Vec<Value>> {
    let mut from = cx.shape(0)?;
    let repeats = cx.ints(1)?;
    if cx.version < 6 {
        return Err(Error::model("Tile of version 1 is not supported; convert the model to a newer version"));
    }
    if repeats.len() != from.len() || repeats.iter().any(|&r| r < 0) {
        return Err(Error::model(format!("repeats are {repeats:?}; expected {} numbers from 0 on", from.len())));
    }
    // Each axis is stretched before itself, and joined with what stands there.
    let mut value = cx.value(0)?.clone();
    for k in 0..from.len() {
        let r = repeats[k] as usize;
        if r == 1 {
            continue;
        }
        let mut split = from.clone();
        split.insert(k, 1);
        value = reshape(cx, &value, split.clone())?;
        split[k] = r;
        check_count(&split)?;
        value = match count(&split) {
            0 => empty(elem_of(&value)?, split)?,
            _ => expand(cx, &value, &split)?,
        };
        from[k] *= r;
        value = reshape(cx, &value, from.clone())?;
    }
    Ok(vec![value])
}

fn shape(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let rank = shape.len() as i64;
    let at = |v: i64| (if v < 0 { v + rank } else { v }).clamp(0, rank) as usize;
    let (start, end) = (at(cx.int("start", 0)?), at(cx.int_opt("end")?.unwrap_or(rank)));
    Ok(vec![Value::host(Tensor::list(shape.get(start..end).unwrap_or(&[]).iter().map(|&d| d as i64).collect()))])
}

fn size(cx: &mut Node) -> Result<Vec<Value>> {
    let n = count(&cx.shape(0)?) as i64;
    Ok(vec![Value::host(Tensor::ints([], vec![n]))])
}

fn slices(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let [starts, ends] = [list(cx, "starts", 1)?, list(cx, "ends", 2)?];
    let (Some(starts), Some(ends)) = (starts, ends) else { return Err(Error::model("no starts or ends are given")) };
    let axes = list(cx, "axes", 3)?.unwrap_or((0..starts.len() as i64).collect());
    let steps = if cx.has(4) { cx.ints(4)? } else { vec![1; starts.len()] };
    let axes = cx.axes(&axes, from.len())?;
    if [ends.len(), axes.len(), steps.len()].iter().any(|&n| n != starts.len()) {
        return Err(Error::model("starts, ends, axes and steps are not as many"));
    }
    let mut value = cx.value(0)?.clone();
    for (k, axis) in axes.into_iter().enumerate() {
        let (len, step) = (from[axis] as i64, steps[k]);
        if step == 0 {
            return Err(Error::model("a step of 0"));
        }
        let counted = |v: i64| if v < 0 { v.saturating_add(len) } else { v };
        let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
        let start = counted(starts[k]).clamp(low.max(0), high.max(0));
        let end = counted(ends[k]).clamp(low, high);
        let room = if step > 0 { end - start } else { start - end };
        let n = if len == 0 { 0 } else { (room.max(0) as u64).div_ceil(step.unsigned_abs()) as usize };
        value = slice(cx, &value, axis, start as usize, step, n)?;
    }
    Ok(vec![value])
}

fn split(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let axis = cx.axis(cx.int("axis", 0)?, from.len())?;
    let len = from[axis];
    let outputs = cx.proto.output.len().max(1);
    if cx.int("num_outputs", outputs as i64)? != outputs as i64 {
        return Err(Error::model(format!("num_outputs is other than the {outputs} outputs that the node has")));
    }
    let parts = match list(cx, "split", 1)? {
        Some(sizes) => sizes.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect(),
        None => {
            // The last one is smaller where the axis does not divide.
            let each = len.div_ceil(outputs);
            (0..outputs).map(|i| each.min(len.saturating_sub(i * each))).collect::<Vec<_>>()
        }
    };
    if parts.iter().fold(0usize, |n, &p| n.saturating_add(p)) != len {
        return Err(Error::model(format!("split is {parts:?}; axis {axis} has {len} elements")));
    }
    let value = cx.value(0)?.clone();
    let mut start = 0;
    let mut values = vec![];
    for n in parts {
        values.push(slice(cx, &value, axis, start.min(len.saturating_sub(1)), 1, n)?);
        start += n;
    }
    Ok(values)
}

fn depth_to_space(cx: &mut Node) -> Result<Vec<Value>> {
    let [n, c, h, w] = four(cx)?;
    let b = block(cx)?;
    if c % (b * b) != 0 {
        return Err(Error::model(format!("{c} channels do not make blocks of {b} by {b}")));
    }
    let inner = c / (b * b);
    let (split, order) = match &cx.text("mode", "DCR")?[..] {
        "DCR" => (vec![n, b, b, inner, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => (vec![n, inner, b, b, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(Error::model(format!("mode is \"{other}\"; expected DCR or CRD"))),
    };
    let value = cx.value(0)?.clone();
    let value = reshape(cx, &value, split)?;
    let value = permute(cx, &value, &order)?;
    Ok(vec![reshape(cx, &value, vec![n, inner, h * b, w * b])?])
}

fn space_to_depth(cx: &mut Node) -> Result<Vec<Value>> {
    let [n, c, h, w] = four(cx)?;
    let b = block(cx)?;
    if h % b != 0 || w % b != 0 {
        return Err(Error::model(format!("{h} by {w} does not divide into blocks of {b} by {b}")));
    }
    let value = cx.value(0)?.clone();
    let value = reshape(cx, &value, vec![n, c, h / b, b, w / b, b])?;
    let order = match &cx.text("mode", "DCR")?[..] {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return Err(Error::model(format!("mode is \"{other}\"; expected DCR or CRD"))),
    };
    let value = permute(cx, &value, &order)?;
    Ok(vec![reshape(cx, &value, vec![n, c * b * b, h / b, w / b])?])
}

fn block(cx: &Node) -> Result<usize> {
    let b = usize::try_from(cx.int("blocksize", 0)?).unwrap_or(0);
    if (1..1 << 16).contains(&b) { Ok(b) } else { Err(Error::model("blocksize is missing or out of range")) }
}

fn four(cx: &mut Node) -> Result<[usize; 4]> {
    let shape = cx.shape(0)?;
    shape[..].try_into().map_err(|_| Error::model(format!("input 0 has shape {shape:?}; expected 4 axes")))
}

/// Zeros below or above a diagonal.
fn trilu(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let [.., rows, cols] = shape[..] else {
        return Err(Error::model(format!("input 0 has shape {shape:?}; expected 2 axes or more")));
    };
    let k = if cx.has(1) { cx.int_in(1)? } else { 0 };
    let upper = cx.flag("upper", true)?;
    let keeps = |r: usize, c: usize| match upper {
        true => c as i64 >= (r as i64).saturating_add(k),
        false => c as i64 <= (r as i64).saturating_add(k),
    };
    if let Value::Host(t) = cx.value(0)? {
        let t = t.clone();
        let mut mask = Vec::with_capacity(rows * cols);
        each_coordinate(&[rows, cols], |at| mask.push(keeps(at[0], at[1])));
        let data = match &t.data {
            Data::F32(v) => {
                Data::F32(v.iter().enumerate().map(|(i, &v)| if mask[i % mask.len()] { v } else { 0.0 }).collect())
            }
            Data::F64(v) => {
                Data::F64(v.iter().enumerate().map(|(i, &v)| if mask[i % mask.len()] { v } else { 0.0 }).collect())
            }
            Data::Int(v) => {
                Data::Int(v.iter().enumerate().map(|(i, &v)| if mask[i % mask.len()] { v } else { 0 }).collect())
            }
            Data::Text(_) => return Err(Error::model("strings have no zero")),
        };
        return Ok(vec![Value::host(Tensor::new(t.elem, shape, data))]);
    }
    let mut mask = vec![];
    each_coordinate(&[rows, cols], |at| mask.push(f64::from(keeps(at[0], at[1]))));
    let (x, mask, zero) = (cx.x(0)?, cx.numbers([rows, cols], mask)?, cx.number(0.0)?);
    let y = cx.g().select(mask, x, zero)?;
    cx.like(y)
}

/// The first elements of each sample, as many as its length says, in reverse.
fn reverse_sequence(cx: &mut Node) -> Result<Vec<Value>> {
    let (shape, lengths) = (cx.shape(0)?, cx.ints(1)?);
    let rank = shape.len();
    let (batch, time) = (cx.axis(cx.int("batch_axis", 1)?, rank)?, cx.axis(cx.int("time_axis", 0)?, rank)?);
    if lengths.len() != shape[batch] || lengths.iter().any(|&n| n < 0 || n as usize > shape[time]) || batch == time {
        return Err(Error::model(format!("lengths are {lengths:?} for the shape {shape:?}")));
    }
    let own = strides(&shape);
    let mut at = Vec::with_capacity(count(&shape));
    each_coordinate(&shape, |c| {
        let n = lengths[c[batch]] as usize;
        let t = if c[time] < n { n - 1 - c[time] } else { c[time] };
        at.push((0..rank).map(|k| own[k] * if k == time { t } else { c[k] }).sum());
    });
    let value = cx.value(0)?.clone();
    Ok(vec![pick(cx, &value, shape, at)?])
}

/// The middle of longer axes; shorter ones get zeros on both sides.
fn center_crop_pad(cx: &mut Node) -> Result<Vec<Value>> {
    let (from, wanted) = (cx.shape(0)?, cx.ints(1)?);
    let axes = cx.int_list("axes")?.unwrap_or((0..from.len() as i64).collect());
    let axes = cx.axes(&axes, from.len())?;
    if axes.len() != wanted.len() || wanted.iter().any(|&n| n < 0) {
        return Err(Error::model(format!("sizes {wanted:?} for axes {axes:?}")));
    }
    let mut value = cx.value(0)?.clone();
    let mut widths = vec![[0i64; 2]; from.len()];
    for (&k, &n) in axes.iter().zip(&wanted) {
        let (len, n) = (from[k], n as usize);
        if n < len {
            value = slice(cx, &value, k, (len - n) / 2, 1, n)?;
        } else {
            widths[k] = [((n - len) / 2) as i64, (n - len - (n - len) / 2) as i64];
        }
    }
    let zero = match elem_of(&value)? {
        Elem::String => return Err(Error::model("strings have no zero")),
        elem => Tensor::of_f64(elem, [], vec![0.0])?,
    };
    Ok(vec![super::pad::constant(cx, &value, &widths, &zero)?])
}
