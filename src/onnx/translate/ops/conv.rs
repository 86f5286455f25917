//! Convolutions in one, two and three dimensions, and their transposes.

use super::super::node::Node;
use crate::onnx::value::Value;

use super::index::empty;
use super::windows::{Windows, spatial};
use super::{Translation, exact, op};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::ops::conv2d::Conv2d;

pub const OPS: &[Translation] = &[op("CausalConvWithState", causal), exact("Conv", conv)];

fn conv(cx: &mut Node) -> Result<Vec<Value>> {
    let (x_shape, w_shape) = (cx.shape(0)?, cx.shape(1)?);
    spatial(&x_shape)?;
    if w_shape.len() != x_shape.len() {
        return Err(Error::model(format!("a kernel of shape {w_shape:?} for an input of shape {x_shape:?}")));
    }
    let kernel = cx.sizes("kernel_shape")?.unwrap_or(w_shape[2..].to_vec());
    if kernel != w_shape[2..] {
        return Err(Error::model(format!("kernel_shape is {kernel:?}, the weights have shape {w_shape:?}")));
    }
    let windows = Windows::read(cx, &x_shape[2..], &kernel)?;
    let groups = cx.int("group", 1)?.max(0) as usize;
    let (x, w, bias) = (cx.x(0)?, cx.x(1)?, cx.x_opt(2)?);
    let y = convolve(cx, x, w, bias, &windows, groups)?;
    cx.like(y)
}

/// A convolution in one, two or three dimensions.
pub fn convolve(
    cx: &mut Node,
    x: TensorId,
    w: TensorId,
    bias: Option<TensorId>,
    windows: &Windows,
    groups: usize,
) -> Result<TensorId> {
    let (xs, ws) = (cx.g().shape(x).to_vec(), cx.g().shape(w).to_vec());
    match xs.len() - 2 {
        1 => {
            let g = cx.g();
            let flat = g.reshape(x, [xs[0], xs[1], 1, xs[2]])?;
            let w = g.reshape(w, [ws[0], ws[1], 1, ws[2]])?;
            let y = g.conv2d(flat, w, bias, windows.widened().conv2d(groups))?;
            let s = g.shape(y).to_vec();
            g.reshape(y, [s[0], s[1], s[3]])
        }
        2 => cx.g().conv2d(x, w, bias, windows.conv2d(groups)),
        3 => {
            // A sum of two-dimensional convolutions, one for each plane of the kernel.
            let depth = windows.axis(0);
            let out = depth.out;
            let plane = windows.planes().conv2d(groups);
            let g = cx.g();
            let x = g.pad(x, &[(0, 0), (0, 0), (depth.pad[0], depth.pad[1]), (0, 0), (0, 0)], 0.0)?;
            let x = g.permute(x, &[0, 2, 1, 3, 4])?;
            let mut sum: Option<TensorId> = None;
            for k in 0..ws[2] {
                let first = k * depth.dilation;
                let slice = g.slice(x, 1, first, first + (out - 1) * depth.stride + 1, depth.stride)?;
                let slice = g.reshape(slice, [xs[0] * out, xs[1], xs[3], xs[4]])?;
                let part = g.slice(w, 2, k, k + 1, 1)?;
                let part = g.reshape(part, [ws[0], ws[1], ws[3], ws[4]])?;
                let y = g.conv2d(slice, part, if k == 0 { bias } else { None }, plane)?;
                sum = Some(match sum {
                    None => y,
                    Some(s) => g.add(s, y)?,
                });
            }
            let y = sum.ok_or_else(|| Error::model("a kernel without planes"))?;
            let s = g.shape(y).to_vec();
            let y = g.reshape(y, [xs[0], out, s[1], s[2], s[3]])?;
            g.permute(y, &[0, 2, 1, 3, 4])
        }
        n => Err(Error::model(format!("a convolution in {n} dimensions; expected 1, 2 or 3"))),
    }
}

/// A depthwise convolution over time that sees the past alone, continued from a state.
fn causal(cx: &mut Node) -> Result<Vec<Value>> {
    let (xs, ws) = (cx.shape(0)?, cx.shape(1)?);
    let ([n, c, t], [o, _, k]) = (&xs[..], &ws[..]) else {
        return Err(Error::model(format!(
            "an input of shape {xs:?} with a kernel of shape {ws:?}; expected 3 axes each"
        )));
    };
    let (n, c, t, o, k) = (*n, *c, *t, *o, *k);
    let activation = cx.text("activation", "none")?;
    let (x, w, bias) = (cx.x(0)?, cx.x(1)?, cx.x_opt(2)?);
    let past = match cx.has(3) && k > 1 {
        true => Some(cx.x(3)?),
        false if k > 1 => Some(cx.numbers([n, c, k - 1], vec![0.0; n * c * (k - 1)])?),
        false => None,
    };
    let g = cx.g();
    let whole = past.map_or(Ok(x), |past| g.concat(&[past, x], 2))?;
    let flat = g.reshape(whole, [n, c, 1, t + k - 1])?;
    let w = g.reshape(w, [o, ws[1], 1, k])?;
    let y = g.conv2d(flat, w, bias, Conv2d { groups: c / ws[1].max(1), ..Conv2d::default() })?;
    let mut y = g.reshape(y, [n, o, t])?;
    match &activation[..] {
        "none" => {}
        "silu" | "swish" => y = g.unary(crate::ops::unary::Function::Silu, y)?,
        other => return Err(Error::model(format!("activation is \"{other}\"; expected none, silu or swish"))),
    }
    let state = (k > 1).then(|| g.slice(whole, 2, t, t + k - 1, 1)).transpose()?;
    let elem = cx.elem(0)?;
    let state = state.map_or(empty(elem, vec![n, c, 0]), |s| Ok(Value::Graph(elem, s)))?;
    Ok(vec![Value::Graph(elem, y), state])
}
