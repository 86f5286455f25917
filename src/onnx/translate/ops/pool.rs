//! Poolings in one, two and three dimensions, and over whole planes.

use super::super::node::Node;
use super::super::tensor;
use super::index::count;
use super::windows::{Windows, spatial};
use super::{Translation, exact, op};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::onnx::element::Elem;
use crate::onnx::tensor::Tensor;
use crate::onnx::value::Value;
use crate::ops::avg_pool2d::AvgPool2d;
use crate::ops::max_pool2d::MaxPool2d;
use crate::ops::scatter_rows::Scatter;
use crate::ops::unary::Function;

pub const OPS: &[Translation] = &[
    op("AveragePool", average),
    op("GlobalAveragePool", |cx| global(cx, |cx, x, axes| cx.g().mean(x, axes, true))),
    op("GlobalLpPool", |cx| {
        let p = cx.int("p", 2)? as f64;
        global(cx, move |cx, x, axes| {
            let power = powered(cx, x, p)?;
            let sum = cx.g().sum(power, axes, true)?;
            rooted(cx, sum, p)
        })
    }),
    op("GlobalMaxPool", |cx| global(cx, |cx, x, axes| cx.g().max(x, axes, true))),
    op("LpPool", lp),
    exact("MaxPool", max),
    op("MaxUnpool", unpool),
];

/// One value for each plane.
fn global(cx: &mut Node, f: impl Fn(&mut Node, TensorId, &[usize]) -> Result<TensorId>) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    spatial(&shape)?;
    let x = cx.x(0)?;
    let y = f(cx, x, &(2..shape.len()).collect::<Vec<_>>())?;
    cx.like(y)
}

fn kernel(cx: &Node) -> Result<Vec<usize>> {
    cx.sizes("kernel_shape")?.ok_or_else(|| Error::model("kernel_shape is missing"))
}

/// Applies a pooling of planes along all axes of the windows, the last two first.
fn along(
    cx: &mut Node,
    x: TensorId,
    windows: &Windows,
    pool: &dyn Fn(&mut Node, TensorId, &Windows) -> Result<TensorId>,
) -> Result<TensorId> {
    let s = cx.g().shape(x).to_vec();
    match s.len() - 2 {
        1 => {
            let flat = cx.g().reshape(x, [s[0], s[1], 1, s[2]])?;
            let y = pool(cx, flat, &windows.widened())?;
            let out = cx.g().shape(y)[3];
            cx.g().reshape(y, [s[0], s[1], out])
        }
        2 => pool(cx, x, windows),
        3 => {
            let flat = cx.g().reshape(x, [s[0], s[1] * s[2], s[3], s[4]])?;
            let y = pool(cx, flat, &windows.planes())?;
            let (h, w) = (cx.g().shape(y)[2], cx.g().shape(y)[3]);
            let flat = cx.g().reshape(y, [s[0], s[1], s[2], h * w])?;
            let y = pool(cx, flat, &windows.deep())?;
            let d = cx.g().shape(y)[2];
            cx.g().reshape(y, [s[0], s[1], d, h, w])
        }
        n => Err(Error::model(format!("a pooling in {n} dimensions; expected 1, 2 or 3"))),
    }
}

fn max(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    spatial(&shape)?;
    let windows = Windows::read(cx, &shape[2..], &kernel(cx)?)?;
    let by_column = cx.flag("storage_order", false)?;
    let x = cx.x(0)?;
    if cx.wants(1) {
        return max_and_index(cx, x, &shape, &windows, by_column);
    }
    let y = along(cx, x, &windows, &|cx, x, w| cx.g().max_pool2d(x, max_pool(w)))?;
    cx.like(y)
}

fn max_pool(w: &Windows) -> MaxPool2d {
    let [a, b] = [w.axis(0), w.axis(1)];
    MaxPool2d {
        kernel: [a.kernel, b.kernel],
        stride: [a.stride, b.stride],
        padding: [a.whole(), b.whole()],
        dilation: a_and_b(w),
        ceil_mode: false,
    }
}

fn a_and_b(w: &Windows) -> [usize; 2] {
    [w.axis(0).dilation, w.axis(1).dilation]
}

/// The maxima, and where each stands in the whole input.
fn max_and_index(
    cx: &mut Node,
    x: TensorId,
    shape: &[usize],
    windows: &Windows,
    by_column: bool,
) -> Result<Vec<Value>> {
    let (h, w, windows) = match shape.len() {
        3 => (1, shape[2], windows.widened()),
        4 => (shape[2], shape[3], windows.clone()),
        _ => return Err(Error::model("the positions of maxima in three dimensions")),
    };
    let x = cx.g().reshape(x, [shape[0], shape[1], h, w])?;
    let both = cx.g().push(max_pool(&windows), &[x])?;
    let out = cx.g().shape(both[0]).to_vec();
    let mut full = shape[..2].to_vec();
    full.extend(&out[4 - (shape.len() - 2)..]);
    let y = cx.g().reshape(both[0], full.clone())?;
    let at = cx.g().index_to_float(both[1])?;
    let mut values = vec![Value::Graph(cx.elem(0)?, y), Value::Graph(Elem::Int64, at)];
    // Positions are counted in integers, once they are known.
    cx.walk.flush(&mut values)?;
    let planes = tensor(&values[1])?.to_ints()?;
    let each = out[2] * out[3];
    let position = |(i, &at): (usize, &i64)| {
        let (r, c) = (at / w as i64, at % w as i64);
        let at = if by_column { c * h as i64 + r } else { at };
        (i / each * h * w) as i64 + at
    };
    let index = planes.iter().enumerate().map(position).collect();
    values[1] = Value::host(Tensor::ints(full, index));
    Ok(values)
}

/// Puts values back to where they were the maxima.
fn unpool(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let rank = spatial(&shape)?;
    let index = cx.ints(1)?;
    let kernel = kernel(cx)?;
    let strides = cx.sizes("strides")?.unwrap_or(vec![1; rank]);
    let pads = cx.sizes("pads")?.unwrap_or(vec![0; 2 * rank]);
    let mut own = shape[..2].to_vec();
    for k in 0..rank {
        own.push(((shape[2 + k] - 1) * strides[k] + kernel[k]).saturating_sub(pads[k] + pads[rank + k]));
    }
    let given = if cx.has(2) { cx.ints(2)?.iter().map(|&n| n.max(0) as usize).collect() } else { own.clone() };
    // Positions are those of the shape that follows from the windows.
    let place = |&at: &i64| {
        let (mut rest, mut to, mut stride) = (usize::try_from(at).ok()?, 0, 1);
        for k in (0..own.len()).rev() {
            to += rest % own[k] * stride;
            rest /= own[k];
            stride *= given.get(k)?;
        }
        (to < count(&given)).then_some(to as u32)
    };
    let at: Option<Vec<u32>> = index.iter().map(place).collect();
    let at = at.ok_or_else(|| Error::model(format!("a position outside the shape {given:?}")))?;
    let x = cx.x(0)?;
    let n = at.len();
    let zeros = cx.numbers([count(&given), 1], vec![0.0; count(&given)])?;
    let at = cx.walk.trace.indices(&[n], at);
    let x = cx.g().reshape(x, [n, 1])?;
    let y = cx.g().scatter_rows(zeros, at, x, Scatter::Replace)?;
    let y = cx.g().reshape(y, given)?;
    cx.like(y)
}

fn average(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    spatial(&shape)?;
    let windows = Windows::read(cx, &shape[2..], &kernel(cx)?)?;
    let (with_pads, ceil) = (cx.flag("count_include_pad", false)?, cx.flag("ceil_mode", false)?);
    let x = cx.x(0)?;
    let y = along(cx, x, &windows, &|cx, x, w| {
        let [a, b] = [w.axis(0), w.axis(1)];
        cx.g().avg_pool2d(
            x,
            AvgPool2d {
                kernel: [a.kernel, b.kernel],
                stride: [a.stride, b.stride],
                padding: [a.pad, b.pad],
                dilation: [a.dilation, b.dilation],
                count_include_pad: with_pads,
                ceil_mode: ceil,
            },
        )
    })?;
    cx.like(y)
}

/// The root of the sum of powers: a mean over windows that count what is padded, times the
/// size of a window.
fn lp(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    spatial(&shape)?;
    let kernel = kernel(cx)?;
    let windows = Windows::read(cx, &shape[2..], &kernel)?;
    let p = cx.int("p", 2)? as f64;
    let x = cx.x(0)?;
    let power = powered(cx, x, p)?;
    let mean = along(cx, power, &windows, &|cx, x, w| {
        let [a, b] = [w.axis(0), w.axis(1)];
        // Zeros around it count as elements of a window, also those that the last one reaches.
        let [pa, pb] = [a.whole(), b.whole()];
        let x = cx.g().pad(x, &[(0, 0), (0, 0), (pa[0], pa[1]), (pb[0], pb[1])], 0.0)?;
        let pool = AvgPool2d {
            kernel: [a.kernel, b.kernel],
            stride: [a.stride, b.stride],
            padding: [[0; 2]; 2],
            dilation: [a.dilation, b.dilation],
            count_include_pad: true,
            ceil_mode: false,
        };
        cx.g().avg_pool2d(x, pool)
    })?;
    let size = cx.number(count(&kernel) as f64)?;
    let sum = cx.g().mul(mean, size)?;
    let y = rooted(cx, sum, p)?;
    cx.like(y)
}

/// `|x|^p`.
fn powered(cx: &mut Node, x: TensorId, p: f64) -> Result<TensorId> {
    if p == 2.0 {
        return cx.g().unary(Function::Square, x);
    }
    let size = cx.g().unary(Function::Abs, x)?;
    if p == 1.0 {
        return Ok(size);
    }
    let p = cx.number(p)?;
    cx.g().power(size, p)
}

/// `x^(1 / p)`.
fn rooted(cx: &mut Node, x: TensorId, p: f64) -> Result<TensorId> {
    match p {
        1.0 => Ok(x),
        2.0 => cx.g().unary(Function::Sqrt, x),
        _ => {
            let p = cx.number(1.0 / p)?;
            cx.g().power(x, p)
        }
    }
}
