//! Transposed convolutions in one, two and three dimensions: the gradient of a convolution with
//! respect to its input, as an op of its own.

use super::super::node::Node;
use super::windows::spatial;
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::graph::{Graph, TensorId};
use crate::onnx::value::Value;
use crate::ops::conv2d::{Conv2d, Conv2dGradX};
use crate::ops::rearrange::{Axis, Rearrange};

pub const OPS: &[Translation] = &[op("ConvTranspose", conv_transpose)];

fn conv_transpose(cx: &mut Node) -> Result<Vec<Value>> {
    let (xs, ws) = (cx.shape(0)?, cx.shape(1)?);
    let rank = spatial(&xs)?;
    if ws.len() != xs.len() || rank > 3 {
        return Err(Error::model(format!(
            "a transposed convolution of {xs:?} with {ws:?}; expected 1, 2 or 3 dimensions"
        )));
    }
    let kernel = ws[2..].to_vec();
    if cx.sizes("kernel_shape")?.is_some_and(|k| k != kernel) {
        return Err(Error::model(format!("kernel_shape is other than that of the weights, {ws:?}")));
    }
    let stride = cx.sizes("strides")?.unwrap_or(vec![1; rank]);
    let dilation = cx.sizes("dilations")?.unwrap_or(vec![1; rank]);
    let extra = cx.sizes("output_padding")?.unwrap_or(vec![0; rank]);
    let pads = cx.sizes("pads")?.unwrap_or(vec![0; 2 * rank]);
    let groups = cx.int("group", 1)?.max(1) as usize;
    if [stride.len(), dilation.len(), extra.len(), pads.len() / 2].iter().any(|&n| n != rank) {
        return Err(Error::model("strides, dilations, pads or output_padding have other than the kernel's axes"));
    }
    if (0..rank).any(|k| extra[k] >= stride[k].max(dilation[k]).max(1)) {
        return Err(Error::model(format!("output_padding is {extra:?}; expected less than strides or dilations")));
    }
    let auto = cx.text("auto_pad", "NOTSET")?;
    let wanted = cx.sizes("output_shape")?;
    let mut out = vec![];
    let mut pad = vec![];
    for k in 0..rank {
        let full = stride[k] * (xs[2 + k].max(1) - 1) + extra[k] + (kernel[k].max(1) - 1) * dilation[k] + 1;
        let given = wanted.as_ref().map(|w| w[w.len() - rank + k]);
        let same = matches!(&auto[..], "SAME_UPPER" | "SAME_LOWER");
        let target = given.or(same.then_some(xs[2 + k] * stride[k]));
        let [before, after] = match target {
            None => [pads[k], pads[rank + k]],
            Some(target) => {
                let total = full.saturating_sub(target);
                let half = total / 2;
                // The specification gives SAME_UPPER the smaller half before.
                if auto == "SAME_UPPER" { [half, total - half] } else { [total - half, half] }
            }
        };
        let len = full.checked_sub(before + after).filter(|&n| n > 0);
        let len = len.ok_or_else(|| Error::model(format!("pads {pads:?} leave nothing of {full} elements")))?;
        out.push(target.unwrap_or(len).max(len));
        pad.push([before, after]);
    }
    let (x, w, bias) = (cx.x(0)?, cx.x(1)?, cx.x_opt(2)?);
    let channels = ws[1] * groups;
    let two = |v: &[usize], fill: usize| if rank == 1 { [fill, v[0]] } else { [v[rank - 2], v[rank - 1]] };
    let op = Conv2d {
        stride: two(&stride, 1),
        padding: if rank == 1 { [[0, 0], pad[0]] } else { [pad[rank - 2], pad[rank - 1]] },
        dilation: two(&dilation, 1),
        groups,
    };
    let plane = two(&out, 1);
    let mut shape = vec![xs[0], channels];
    shape.extend(&out);
    let g = cx.g();
    let mut y = if rank == 3 {
        let depth = Depth { stride: stride[0], dilation: dilation[0], pad: pad[0][0], out: out[0], plane };
        deep(g, x, w, op, &depth)?
    } else {
        let planes = |s: &[usize]| if rank == 1 { vec![s[0], s[1], 1, s[2]] } else { s.to_vec() };
        let (x, w) = (g.reshape(x, planes(&xs))?, g.reshape(w, planes(&ws))?);
        g.push1(Conv2dGradX { op, input: plane }, &[w, x])?
    };
    y = g.reshape(y, shape)?;
    if let Some(bias) = bias {
        let mut line = vec![channels];
        line.resize(1 + rank, 1);
        let bias = g.reshape(bias, line)?;
        y = g.add(y, bias)?;
    }
    cx.like(y)
}

/// The first of three axes.
struct Depth {
    stride: usize,
    dilation: usize,
    pad: usize,
    out: usize,
    plane: [usize; 2],
}

/// A sum of transposed convolutions of planes, one for each plane of the kernel, each spread
/// along the first axis.
fn deep(g: &mut Graph, x: TensorId, w: TensorId, op: Conv2d, depth: &Depth) -> Result<TensorId> {
    let (xs, ws) = (g.shape(x).to_vec(), g.shape(w).to_vec());
    let x = g.permute(x, &[0, 2, 1, 3, 4])?;
    let planes = g.reshape(x, [xs[0] * xs[2], xs[1], xs[3], xs[4]])?;
    let mut sum: Option<TensorId> = None;
    for k in 0..ws[2] {
        let part = g.slice(w, 2, k, k + 1, 1)?;
        let part = g.reshape(part, [ws[0], ws[1], ws[3], ws[4]])?;
        let y = g.push1(Conv2dGradX { op, input: depth.plane }, &[part, planes])?;
        let s = g.shape(y).to_vec();
        let y = g.reshape(y, [xs[0], xs[2], s[1], s[2], s[3]])?;
        let plain = |source: usize, len| Axis { len, source: Some(source), step: 1, start: 0, divide: 1 };
        // Output plane o is input plane (o + pad - k dilation) / stride, if that is one.
        let start = depth.pad as i32 - (k * depth.dilation) as i32;
        let spread = Axis { start, divide: depth.stride as i32, ..plain(1, depth.out) };
        let axes = vec![plain(0, xs[0]), plain(2, s[1]), spread, plain(3, s[2]), plain(4, s[3])];
        let y = g.push1(Rearrange { axes, fill: 0.0 }, &[y])?;
        sum = Some(match sum {
            None => y,
            Some(sum) => g.add(sum, y)?,
        });
    }
    sum.ok_or_else(|| Error::model("a kernel without planes"))
}
