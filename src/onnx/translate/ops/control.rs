//! Control flow, sequences and optional values. Loops are unrolled: their iterations are known
//! when the model is run.

use super::super::node::Node;
use super::index::{concat, reshape, slice};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::onnx::element::Elem;
use crate::onnx::model::{Axis, port};
use crate::onnx::tensor::Tensor;
use crate::onnx::value::Value;

pub const OPS: &[Translation] = &[
    op("ConcatFromSequence", concat_from_sequence),
    op("If", branch),
    op("Loop", repeat),
    op("Optional", |cx| Ok(vec![cx.inputs.first().cloned().unwrap_or(Value::Nothing)])),
    op("OptionalGetElement", |cx| Ok(vec![cx.value(0)?.clone()])),
    op("OptionalHasElement", |cx| {
        let has = i64::from(cx.has(0));
        Ok(vec![Value::host(Tensor::of_f64(Elem::Bool, [], vec![has as f64])?)])
    }),
    op("Scan", scan),
    op("SequenceAt", |cx| {
        let at = cx.int_in(1)?;
        let all = list(cx, 0)?;
        Ok(vec![all[place(at, all.len(), false)?].clone()])
    }),
    op("SequenceConstruct", |cx| Ok(vec![Value::List(cx.inputs.clone())])),
    op("SequenceEmpty", |_| Ok(vec![Value::List(vec![])])),
    op("SequenceErase", |cx| {
        let at = if cx.has(1) { cx.int_in(1)? } else { -1 };
        let mut all = list(cx, 0)?;
        all.remove(place(at, all.len(), false)?);
        Ok(vec![Value::List(all)])
    }),
    op("SequenceInsert", |cx| {
        let at = if cx.has(2) { Some(cx.int_in(2)?) } else { None };
        let (mut all, new) = (list(cx, 0)?, cx.value(1)?.clone());
        let at = at.map_or(Ok(all.len()), |at| place(at, all.len(), true))?;
        all.insert(at, new);
        Ok(vec![Value::List(all)])
    }),
    op("SequenceLength", |cx| {
        let n = list(cx, 0)?.len() as i64;
        Ok(vec![Value::host(Tensor::ints([], vec![n]))])
    }),
    op("SequenceMap", map),
    op("SplitToSequence", split_to_sequence),
];

/// The elements of a sequence.
fn list(cx: &Node, i: usize) -> Result<Vec<Value>> {
    match cx.value(i)? {
        Value::List(all) => Ok(all.clone()),
        other => Err(Error::model(format!("input {i} is {}; expected a sequence", other.kind()))),
    }
}

/// A position in a sequence, counted from its end where it is negative.
fn place(at: i64, n: usize, end: bool) -> Result<usize> {
    let len = n as i64;
    let found = if at < 0 { at + len } else { at };
    match (0..len + i64::from(end)).contains(&found) {
        true => Ok(found as usize),
        false => Err(Error::model(format!("position {at} of a sequence of {n}"))),
    }
}

fn branch(cx: &mut Node) -> Result<Vec<Value>> {
    let taken = if cx.int_in(0)? != 0 { "then_branch" } else { "else_branch" };
    let graph = cx.graph(taken)?;
    cx.walk.graph(&graph, vec![])
}

fn repeat(cx: &mut Node) -> Result<Vec<Value>> {
    let body = cx.graph("body")?;
    let trips = if cx.has(0) { cx.int_in(0)? } else { i64::MAX };
    let mut goes_on = if cx.has(1) { cx.int_in(1)? != 0 } else { true };
    let mut carried = cx.inputs.split_off(2.min(cx.inputs.len()));
    let n = carried.len();
    let stacked = body.output.len().checked_sub(1 + n);
    let stacked = stacked.ok_or_else(|| Error::model("its body gives fewer values than it carries"))?;
    let base = cx.walk.held.len();
    let mut i = 0;
    while i < trips && goes_on {
        cx.walk.count_iteration()?;
        let number = Value::host(Tensor::ints([], vec![i]));
        let condition = Value::host(Tensor::of_f64(Elem::Bool, [], vec![1.0])?);
        let inputs = [number, condition].into_iter().chain(std::mem::take(&mut carried)).collect();
        let outputs = cx.walk.graph(&body, inputs)?;
        // What was given is held where it is found if everything is computed.
        cx.walk.held.extend(outputs);
        let first = cx.walk.held.len() - 1 - n - stacked;
        if !matches!(cx.walk.held[first], Value::Host(_)) {
            cx.walk.flush(&mut [])?;
        }
        goes_on = super::super::tensor(&cx.walk.held[first])?.to_ints()?.first() == Some(&1);
        let rest: Vec<Value> = cx.walk.held.drain(first + 1 + n..).collect();
        carried = cx.walk.held.drain(first + 1..).collect();
        cx.walk.held.truncate(first);
        cx.walk.held.extend(rest);
        i += 1;
    }
    let rows = cx.walk.held.split_off(base);
    let mut values = carried;
    for k in 0..stacked {
        let all: Vec<Value> = rows.iter().skip(k).step_by(stacked).cloned().collect();
        values.push(stack(cx, all, 0, body.output.get(1 + n + k))?);
    }
    Ok(values)
}

/// Values as slices of a new axis.
fn stack(
    cx: &mut Node,
    all: Vec<Value>,
    axis: usize,
    declared: Option<&crate::onnx::proto::ValueInfoProto>,
) -> Result<Value> {
    if all.is_empty() {
        // No slices of the shape that the body declares.
        let declared = declared.map(port);
        let elem = declared.as_ref().and_then(|p| p.elem);
        let length = |axis: &Axis| if let Axis::Fixed(n) = axis { *n } else { 0 };
        let axes = declared.and_then(|p| p.shape).unwrap_or_default();
        let mut shape: Vec<usize> = axes.iter().map(length).collect();
        shape.insert(axis.min(shape.len()), 0);
        return super::index::empty(elem.unwrap_or(Elem::Float), shape);
    }
    let mut parts = vec![];
    for value in &all {
        let mut shape = cx.shape_of(value)?;
        if axis > shape.len() {
            return Err(Error::model(format!("a new axis {axis} for the shape {shape:?}")));
        }
        shape.insert(axis, 1);
        parts.push(reshape(cx, value, shape)?);
    }
    concat(cx, &parts, axis)
}

fn scan(cx: &mut Node) -> Result<Vec<Value>> {
    if cx.version < 9 {
        return batched_scan(cx);
    }
    let body = cx.graph("body")?;
    let scanned = usize::try_from(cx.int("num_scan_inputs", 1)?).unwrap_or(0);
    let states = cx.inputs.len().checked_sub(scanned);
    let states = states.ok_or_else(|| Error::model("num_scan_inputs is more than there are inputs"))?;
    let given = cx.inputs.clone();
    let directions = cx.int_list("scan_input_directions")?.unwrap_or(vec![0; scanned]);
    let out_directions = cx.int_list("scan_output_directions")?;
    let axes = cx.int_list("scan_input_axes")?.unwrap_or(vec![0; scanned]);
    let out_axes = cx.int_list("scan_output_axes")?;
    let (values, rows) = scan_rows(cx, &body, given, states, &directions, &axes)?;
    finish_scan(cx, values, rows, &body, states, out_directions, out_axes)
}

/// Walks the body over the slices of inputs; gives the last states and each row of outputs.
fn scan_rows(
    cx: &mut Node,
    body: &crate::onnx::proto::GraphProto,
    given: Vec<Value>,
    states: usize,
    directions: &[i64],
    axes: &[i64],
) -> Result<(Vec<Value>, Vec<Value>)> {
    let mut carried = given[..states].to_vec();
    let inputs = &given[states..];
    let base = cx.walk.held.len();
    cx.walk.held.extend(inputs.iter().cloned());
    let k0 = inputs.len();
    let mut steps = None;
    for (k, value) in inputs.iter().enumerate() {
        let shape = cx.shape_of(value)?;
        let axis = cx.axis(*axes.get(k).unwrap_or(&0), shape.len())?;
        match steps {
            None => steps = Some(shape[axis]),
            Some(n) if n == shape[axis] => {}
            Some(n) => return Err(Error::model(format!("scanned inputs of {n} and {} slices", shape[axis]))),
        }
    }
    for t in 0..steps.unwrap_or(0) {
        cx.walk.count_iteration()?;
        let mut slices = vec![];
        for k in 0..k0 {
            let value = cx.walk.held[base + k].clone();
            let mut shape = cx.shape_of(&value)?;
            let axis = cx.axis(*axes.get(k).unwrap_or(&0), shape.len())?;
            let at = if directions.get(k) == Some(&1) { shape[axis] - 1 - t } else { t };
            let row = slice(cx, &value, axis, at, 1, 1)?;
            shape.remove(axis);
            slices.push(reshape(cx, &row, shape)?);
        }
        let inputs = std::mem::take(&mut carried).into_iter().chain(slices).collect();
        let outputs = cx.walk.graph(body, inputs)?;
        let mut outputs = outputs.into_iter();
        carried = outputs.by_ref().take(states).collect();
        cx.walk.held.extend(outputs);
    }
    let mut rows = cx.walk.held.split_off(base);
    rows.drain(..k0);
    Ok((carried, rows))
}

fn finish_scan(
    cx: &mut Node,
    mut values: Vec<Value>,
    rows: Vec<Value>,
    body: &crate::onnx::proto::GraphProto,
    states: usize,
    directions: Option<Vec<i64>>,
    axes: Option<Vec<i64>>,
) -> Result<Vec<Value>> {
    let stacked = body.output.len().checked_sub(states);
    let stacked = stacked.ok_or_else(|| Error::model("its body gives fewer values than it has states"))?;
    for k in 0..stacked {
        let mut all: Vec<Value> = rows.iter().skip(k).step_by(stacked).cloned().collect();
        if directions.as_ref().and_then(|d| d.get(k)) == Some(&1) {
            all.reverse();
        }
        let rank = match all.first() {
            Some(v) => cx.shape_of(v)?.len() + 1,
            None => 1,
        };
        let axis = cx.axis(axes.as_ref().and_then(|a| a.get(k)).copied().unwrap_or(0), rank)?;
        values.push(stack(cx, all, axis, body.output.get(states + k))?);
    }
    Ok(values)
}

/// Version 8 scans each sample of a batch by itself.
fn batched_scan(cx: &mut Node) -> Result<Vec<Value>> {
    let body = cx.graph("body")?;
    let scanned = usize::try_from(cx.int("num_scan_inputs", 1)?).unwrap_or(0);
    if cx.has(0) {
        return Err(Error::model(
            "sequence_lens of Scan in version 8 are not supported; convert the model to version 9",
        ));
    }
    if cx.inputs.is_empty() {
        return Err(Error::model("no inputs"));
    }
    let given = cx.inputs.split_off(1);
    let states = given.len().checked_sub(scanned).ok_or_else(|| Error::model("num_scan_inputs is too large"))?;
    let directions = cx.int_list("directions")?.unwrap_or(vec![0; scanned]);
    let first = cx.shape_of(given.first().ok_or_else(|| Error::model("no inputs"))?)?;
    let batch = *first.first().ok_or_else(|| Error::model("an input without an axis for a batch"))?;
    let base = cx.walk.held.len();
    cx.walk.held.extend(given);
    let n = cx.walk.held.len() - base;
    for b in 0..batch {
        let mut one = vec![];
        for k in 0..n {
            let value = cx.walk.held[base + k].clone();
            let shape = cx.shape_of(&value)?;
            let sample = slice(cx, &value, 0, b, 1, 1)?;
            one.push(reshape(cx, &sample, shape[1..].to_vec())?);
        }
        let (values, rows) = scan_rows(cx, &body, one, states, &directions, &[])?;
        let values = finish_scan(cx, values, rows, &body, states, None, None)?;
        cx.walk.held.extend(values);
    }
    let mut all = cx.walk.held.split_off(base);
    all.drain(..n);
    let outputs = body.output.len();
    (0..outputs)
        .map(|k| {
            let part = all.iter().skip(k).step_by(outputs).cloned().collect();
            stack(cx, part, 0, body.output.get(k))
        })
        .collect()
}

/// A body for each element of a sequence; inputs that are no sequences are given to each.
fn map(cx: &mut Node) -> Result<Vec<Value>> {
    let body = cx.graph("body")?;
    let n = list(cx, 0)?.len();
    let base = cx.walk.held.len();
    let inputs = std::mem::take(&mut cx.inputs);
    let m = inputs.len();
    cx.walk.held.extend(inputs);
    for i in 0..n {
        let one = |v: &Value| match v {
            Value::List(all) => all.get(i).cloned().ok_or_else(|| Error::model("sequences of unequal lengths")),
            other => Ok(other.clone()),
        };
        let inputs = cx.walk.held[base..base + m].iter().map(one).collect::<Result<_>>()?;
        let outputs = cx.walk.graph(&body, inputs)?;
        cx.walk.held.extend(outputs);
    }
    let mut all = cx.walk.held.split_off(base);
    all.drain(..m);
    let outputs = body.output.len();
    Ok((0..outputs).map(|k| Value::List(all.iter().skip(k).step_by(outputs).cloned().collect())).collect())
}

fn concat_from_sequence(cx: &mut Node) -> Result<Vec<Value>> {
    let all = list(cx, 0)?;
    let first = all.first().ok_or_else(|| Error::model("an empty sequence is concatenated"))?;
    let new = cx.flag("new_axis", false)?;
    let rank = cx.shape_of(first)?.len() + usize::from(new);
    let axis = cx.axis(cx.int("axis", 0)?, rank)?;
    Ok(vec![if new { stack(cx, all, axis, None)? } else { concat(cx, &all, axis)? }])
}

fn split_to_sequence(cx: &mut Node) -> Result<Vec<Value>> {
    let sizes = if cx.has(1) { Some((cx.ints(1)?, cx.shape(1)?)) } else { None };
    let from = cx.shape(0)?;
    let axis = cx.axis(cx.int("axis", 0)?, from.len())?;
    let keeps = cx.flag("keepdims", true)?;
    let len = from[axis];
    let mut drops = false;
    let parts: Vec<usize> = match sizes {
        None => {
            drops = !keeps;
            vec![1; len]
        }
        Some((sizes, shape)) if shape.is_empty() => {
            let n = sizes[0].max(1) as usize;
            (0..len.div_ceil(n)).map(|i| n.min(len - i * n)).collect()
        }
        Some((sizes, _)) => sizes.iter().map(|&n| n.max(0) as usize).collect(),
    };
    if parts.iter().fold(0usize, |n, &p| n.saturating_add(p)) != len {
        return Err(Error::model(format!("split is {parts:?}; axis {axis} has {len} elements")));
    }
    let value = cx.value(0)?.clone();
    let (mut all, mut start) = (vec![], 0);
    for n in parts {
        let mut part = slice(cx, &value, axis, start, 1, n)?;
        if drops {
            let mut shape = from.clone();
            shape.remove(axis);
            part = reshape(cx, &part, shape)?;
        }
        all.push(part);
        start += n;
    }
    Ok(vec![Value::List(all)])
}
