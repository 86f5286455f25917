//! Reductions over axes, positions of extremes, running sums, softmax.

use super::super::node::Node;
use super::bfloat;
use super::index::{count, empty, reshape};
use super::{Translation, exact, op};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::onnx::element::Elem;
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;
use crate::ops::unary::Function;

pub const OPS: &[Translation] = &[
    exact("ArgMax", |cx| arg(cx, true)),
    exact("ArgMin", |cx| arg(cx, false)),
    exact("CumProd", |cx| cumulative(cx, false)),
    exact("CumSum", |cx| cumulative(cx, true)),
    op("Hardmax", hardmax),
    op("LogSoftmax", |cx| softmax(cx, true)),
    exact("ReduceL1", |cx| reduce(cx, Kind::L1)),
    op("ReduceL2", |cx| reduce(cx, Kind::L2)),
    op("ReduceLogSum", |cx| reduce(cx, Kind::LogSum)),
    op("ReduceLogSumExp", |cx| reduce(cx, Kind::LogSumExp)),
    exact("ReduceMax", |cx| reduce(cx, Kind::Max)),
    exact("ReduceMean", |cx| reduce(cx, Kind::Mean)),
    exact("ReduceMin", |cx| reduce(cx, Kind::Min)),
    exact("ReduceProd", |cx| reduce(cx, Kind::Prod)),
    exact("ReduceSum", |cx| reduce(cx, Kind::Sum)),
    exact("ReduceSumSquare", |cx| reduce(cx, Kind::SumSquare)),
    op("Softmax", |cx| softmax(cx, false)),
    op("TopK", top_k),
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    L1,
    L2,
    LogSum,
    LogSumExp,
    Max,
    Mean,
    Min,
    Prod,
    Sum,
    SumSquare,
}

impl Kind {
    /// The reduction of no elements.
    fn of_nothing(self, elem: Elem) -> f64 {
        let ends = elem.range().map(|(a, b)| (a as f64, b as f64));
        let (least, most) = ends.unwrap_or(match elem {
            Elem::Bool => (0.0, 1.0),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        });
        match self {
            Kind::L1 | Kind::L2 | Kind::Sum | Kind::SumSquare => 0.0,
            Kind::LogSum | Kind::LogSumExp => f64::NEG_INFINITY,
            Kind::Max => least,
            Kind::Min => most,
            Kind::Mean => f64::NAN,
            Kind::Prod => 1.0,
        }
    }
}

/// The axes, once an attribute and now an input. No axes are all axes, unless
/// `noop_with_empty_axes` says that they are none.
fn reduced_axes(cx: &mut Node, rank: usize) -> Result<Vec<usize>> {
    let keeps_all = cx.flag("noop_with_empty_axes", false)?;
    let given = match cx.int_list("axes")? {
        Some(axes) => axes,
        None if cx.has(1) => cx.ints(1)?,
        None => vec![],
    };
    let mut axes = cx.axes(&given, rank)?;
    axes.sort_unstable();
    axes.dedup();
    if given.is_empty() && !keeps_all {
        axes = (0..rank).collect();
    }
    Ok(axes)
}

fn reduce(cx: &mut Node, kind: Kind) -> Result<Vec<Value>> {
    let elem = cx.elem(0)?;
    let from = cx.shape(0)?;
    let axes = reduced_axes(cx, from.len())?;
    let keep = cx.flag("keepdims", true)?;
    let from = cx.shape(0)?;
    let length = |k: usize| if axes.contains(&k) { 1 } else { from[k] };
    let kept: Vec<usize> = (0..from.len()).filter(|k| keep || !axes.contains(k)).map(length).collect();
    if count(&from) == 0 {
        let nothing =
            Tensor::of_f64(elem, kept.clone(), vec![kind.of_nothing(cx.stands_for.unwrap_or(elem)); count(&kept)])?;
        return Ok(vec![Value::host(nothing)]);
    }
    let x = cx.x(0)?;
    let whole = cx.stands_for.is_some();
    let g = cx.g();
    let y = match kind {
        Kind::Sum => g.sum(x, &axes, keep)?,
        Kind::Mean => {
            let y = g.mean(x, &axes, keep)?;
            // Of integers what is whole of it.
            if whole { g.unary(Function::Trunc, y)? } else { y }
        }
        Kind::Max => g.max(x, &axes, keep)?,
        Kind::Min => g.min(x, &axes, keep)?,
        Kind::Prod => g.prod(x, &axes, keep)?,
        Kind::L1 => {
            let size = g.unary(Function::Abs, x)?;
            g.sum(size, &axes, keep)?
        }
        Kind::SumSquare | Kind::L2 => {
            let square = g.unary(Function::Square, x)?;
            let sum = g.sum(square, &axes, keep)?;
            if kind == Kind::L2 { g.unary(Function::Sqrt, sum)? } else { sum }
        }
        Kind::LogSum => {
            let sum = g.sum(x, &axes, keep)?;
            g.unary(Function::Ln, sum)?
        }
        Kind::LogSumExp => {
            // Moved by the maximum; where that is infinite, by nothing that would make NaN.
            let most = g.max(x, &axes, true)?;
            let finite = g.unary(Function::Clip(f32::MIN, f32::MAX), most)?;
            let moved = g.sub(x, finite)?;
            let power = g.unary(Function::Exp, moved)?;
            let sum = g.sum(power, &axes, true)?;
            let log = g.unary(Function::Ln, sum)?;
            let y = g.add(log, finite)?;
            g.reshape(y, kept)?
        }
    };
    cx.like(y)
}

/// Softmax over an axis; before version 13 over all axes from one on.
fn softmax(cx: &mut Node, log: bool) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    if count(&from) == 0 {
        return Ok(vec![empty(cx.elem(0)?, from)?]);
    }
    if !log && cx.elem(0)? == Elem::BFloat16 && cx.version >= 13 && cx.walk.trace.runs() && !from.is_empty() {
        let axis = cx.axis(cx.int("axis", -1)?, from.len())?;
        let mut all = cx.floats(0)?;
        bfloat::softmax(&mut all, from[axis], count(&from[axis + 1..]));
        return Ok(vec![Value::host(Tensor::of_f64(Elem::BFloat16, from, all)?)]);
    }
    let (x, axis) = flattened(cx, &from)?;
    let y = if log { cx.g().log_softmax(x, axis)? } else { cx.g().softmax(x, axis)? };
    let y = cx.g().reshape(y, from)?;
    cx.like(y)
}

/// Input 0 and the axis that softmax goes over.
fn flattened(cx: &mut Node, from: &[usize]) -> Result<(TensorId, usize)> {
    let old = cx.version < 13;
    let axis = cx.axis(cx.int("axis", if old { 1 } else { -1 })?, from.len().max(1))?;
    let x = cx.x(0)?;
    Ok(match old {
        true => (cx.g().reshape(x, [count(&from[..axis]), count(&from[axis..])])?, 1),
        false if from.is_empty() => (cx.g().reshape(x, [1])?, 0),
        false => (x, axis),
    })
}

/// 1 at the first maximum, 0 elsewhere.
fn hardmax(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let (x, axis) = flattened(cx, &from)?;
    let shape = cx.g().shape(x).to_vec();
    let n = shape[axis];
    let g = cx.g();
    let at = g.arg_max(x, axis, true, false)?;
    let at = g.index_to_float(at)?;
    let mut one = shape.clone();
    one[axis] = 1;
    let at = g.reshape(at, one)?;
    let mut line = vec![1; shape.len()];
    line[axis] = n;
    let numbers = cx.numbers(line, (0..n).map(|i| i as f64).collect())?;
    let y = cx.g().equal(numbers, at)?;
    let y = cx.g().reshape(y, from)?;
    cx.like(y)
}

fn arg(cx: &mut Node, largest: bool) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let axis = cx.axis(cx.int("axis", 0)?, from.len())?;
    let (keep, last) = (cx.flag("keepdims", true)?, cx.flag("select_last_index", false)?);
    if count(&from) == 0 {
        return Err(Error::model(format!("shape {from:?} has no largest element")));
    }
    let mut kept = from.clone();
    if keep {
        kept[axis] = 1;
    } else {
        kept.remove(axis);
    }
    let x = cx.x(0)?;
    let at = cx.g().arg_max(x, axis, largest, last)?;
    let at = cx.g().index_to_float(at)?;
    Ok(vec![Value::Graph(Elem::Int64, cx.g().reshape(at, kept)?)])
}

/// The largest or smallest elements of an axis, sorted, and where they stand.
fn top_k(cx: &mut Node) -> Result<Vec<Value>> {
    let from = cx.shape(0)?;
    let axis = cx.axis(cx.int("axis", -1)?, from.len())?;
    let k = if cx.version < 10 { cx.int("k", 0)? } else { cx.int_in(1)? };
    let k = usize::try_from(k).ok().filter(|&k| k <= from[axis]);
    let k = k.ok_or_else(|| Error::model(format!("k is not between 0 and the {} elements of the axis", from[axis])))?;
    let largest = cx.flag("largest", true)?;
    // In any order is sorted, too.
    cx.flag("sorted", true)?;
    let mut shape = from.clone();
    shape[axis] = k;
    if count(&shape) == 0 {
        return Ok(vec![empty(cx.elem(0)?, shape.clone())?, empty(Elem::Int64, shape)?]);
    }
    if let Value::Host(t) = cx.value(0)?
        && let Data::Int(v) = &t.data
    {
        return Ok(top_ints(t, v, &from, axis, k, largest));
    }
    let elem = cx.elem(0)?;
    let x = cx.x(0)?;
    let (values, index) = cx.g().top_k(x, k, axis, largest)?;
    let index = cx.g().index_to_float(index)?;
    Ok(vec![Value::Graph(elem, values), Value::Graph(Elem::Int64, index)])
}

fn top_ints(t: &Tensor, v: &[i64], from: &[usize], axis: usize, k: usize, largest: bool) -> Vec<Value> {
    let (outer, n, inner) = (count(&from[..axis]), from[axis], count(&from[axis + 1..]));
    let mut shape = from.to_vec();
    shape[axis] = k;
    let (mut values, mut index) = (vec![0; outer * k * inner], vec![0; outer * k * inner]);
    let key = |v: i64| if t.elem == Elem::Uint64 { i128::from(v as u64) } else { i128::from(v) };
    for o in 0..outer {
        for i in 0..inner {
            let mut order: Vec<usize> = (0..n).collect();
            let at = |j: usize| (o * n + j) * inner + i;
            order.sort_by_key(|&j| if largest { -key(v[at(j)]) } else { key(v[at(j)]) });
            for (r, &j) in order[..k].iter().enumerate() {
                values[(o * k + r) * inner + i] = v[at(j)];
                index[(o * k + r) * inner + i] = j as i64;
            }
        }
    }
    vec![Value::host(Tensor::new(t.elem, shape.clone(), Data::Int(values))), Value::host(Tensor::ints(shape, index))]
}

fn cumulative(cx: &mut Node, sum: bool) -> Result<Vec<Value>> {
    let axis = cx.int_in(1)?;
    let from = cx.shape(0)?;
    let axis = cx.axis(axis, from.len())?;
    let (exclusive, reverse) = (cx.flag("exclusive", false)?, cx.flag("reverse", false)?);
    if count(&from) == 0 {
        return Ok(vec![cx.value(0)?.clone()]);
    }
    let x = cx.x(0)?;
    let y = match sum {
        true => cx.g().cumsum(x, axis, exclusive, reverse)?,
        false => cx.g().cumprod(x, axis, exclusive, reverse)?,
    };
    let y = Value::Graph(cx.elem(0)?, y);
    Ok(vec![reshape(cx, &y, from)?])
}
