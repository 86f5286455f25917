//! Numbers kept as small integers or floats with a scale. Products of quantised numbers are
//! exact: they are computed in doubles.

use super::super::node::Node;
use super::super::{apart, tensor};
use super::cast::converted;
use super::conv::convolve;
use super::index::{each_coordinate, strides};
use super::matmul::of_inputs;
use super::windows::{Windows, spatial};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::onnx::element::Elem;
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;
use std::sync::Arc;

pub const OPS: &[Translation] = &[
    op("ConvInteger", conv_integer),
    op("DequantizeLinear", dequantize),
    op("DynamicQuantizeLinear", dynamic),
    op("MatMulInteger", matmul_integer),
    op("QLinearConv", linear_conv),
    op("QLinearMatMul", linear_matmul),
    op("QuantizeLinear", quantize),
];

/// For each element of a shape the position of its scale: one for all, one for each slice of
/// an axis, or one for each block of an axis.
fn scales_at(cx: &Node, shape: &[usize], scale: &[usize]) -> Result<Vec<usize>> {
    let n: usize = scale.iter().product();
    let (axis, block) = (cx.int("axis", 1)?, cx.int("block_size", 0)?);
    if n == 1 && scale.len() <= 1 {
        return Ok(vec![0; shape.iter().product()]);
    }
    let axis = cx.axis(axis, shape.len())?;
    let block = usize::try_from(block).unwrap_or(0);
    let own = strides(scale);
    let mut at = vec![];
    if scale.len() == 1 && n == shape[axis] {
        each_coordinate(shape, |c| at.push(c[axis]));
        return Ok(at);
    }
    let blocks = shape.len() == scale.len()
        && block > 0
        && (0..shape.len())
            .all(|k| if k == axis { shape[k].div_ceil(block) == scale[k] } else { scale[k] == shape[k] });
    if !blocks {
        return Err(Error::model(format!("scales of shape {scale:?} for a tensor of shape {shape:?}")));
    }
    each_coordinate(shape, |c| {
        at.push((0..c.len()).map(|k| own[k] * if k == axis { c[k] / block } else { c[k] }).sum())
    });
    Ok(at)
}

fn quantize(cx: &mut Node) -> Result<Vec<Value>> {
    let (x, scale) = (cx.host(0)?, cx.host(1)?);
    let zero = if cx.has(2) { Some(cx.host(2)?) } else { None };
    let wanted = cx.int("output_dtype", 0)?;
    let to = match (&zero, wanted) {
        (Some(z), _) => z.elem,
        (None, 0) => Elem::Uint8,
        (None, code) => Elem::of_code(code as i32)?,
    };
    let saturate = cx.flag("saturate", true)?;
    let precision = match cx.int("precision", 0)? {
        0 => {
            if x.elem == Elem::Double {
                Elem::Double
            } else if x.elem.is_float() {
                x.elem
            } else {
                Elem::Float
            }
        }
        code => Elem::of_code(code as i32)?,
    };
    let at = scales_at(cx, &x.shape, &scale.shape)?;
    let (values, scales) = (x.to_f64()?, scale.to_f64()?);
    let zeros = zero.as_ref().map(|z| z.to_f64()).transpose()?;
    let zero_of = |i: usize| zeros.as_ref().map_or(0.0, |z| z[if z.len() == 1 { 0 } else { at[i] }]);
    let divided =
        |i: usize| precision.round(precision.round(values[i], false) / precision.round(scales[at[i]], false), false);
    let data = match to.range() {
        Some((least, most)) => {
            let one = |i: usize| (divided(i).round_ties_even() + zero_of(i)).clamp(least as f64, most as f64) as i64;
            Data::Int((0..values.len()).map(one).collect())
        }
        None => {
            let one = |i: usize| {
                to.round(divided(i) + if to == Elem::Float4E2M1 { zero_of(i) } else { 0.0 }, saturate) as f32
            };
            Data::F32((0..values.len()).map(one).collect())
        }
    };
    Ok(vec![Value::host(Tensor::new(to, x.shape.clone(), data))])
}

fn dequantize(cx: &mut Node) -> Result<Vec<Value>> {
    let (x, scale) = (cx.host(0)?, cx.host(1)?);
    let zero = if cx.has(2) { Some(cx.host(2)?.to_f64()?) } else { None };
    let to = match cx.int("output_dtype", 0)? {
        0 => scale.elem,
        code => Elem::of_code(code as i32)?,
    };
    let at = scales_at(cx, &x.shape, &scale.shape)?;
    let (values, scales) = (x.to_f64()?, scale.to_f64()?);
    let zero_of = |i: usize| zero.as_ref().map_or(0.0, |z| z[if z.len() == 1 { 0 } else { at[i] }]);
    let all = (0..values.len()).map(|i| (values[i] - zero_of(i)) * scales[at[i]]).collect();
    Ok(vec![Value::host(Tensor::of_f64(to, x.shape.clone(), all)?)])
}

fn dynamic(cx: &mut Node) -> Result<Vec<Value>> {
    let x = cx.host(0)?;
    let Data::F32(v) = &x.data else { return Err(Error::model(format!("input 0 is {}; expected float", x.elem))) };
    let high = v.iter().copied().fold(0f32, f32::max);
    let low = v.iter().copied().fold(0f32, f32::min);
    let scale = (if high == low { 1.0 } else { high - low }) / 255.0;
    let zero = (0.0 - low / scale).clamp(0.0, 255.0).round_ties_even();
    let one = |&v: &f32| ((v / scale).round_ties_even() + zero).clamp(0.0, 255.0) as i64;
    let y = Tensor::new(Elem::Uint8, x.shape.clone(), Data::Int(v.iter().map(one).collect()));
    let zero = Tensor::new(Elem::Uint8, [], Data::Int(vec![zero as i64]));
    Ok(vec![Value::host(y), Value::host(Tensor::floats([], vec![scale])), Value::host(zero)])
}

/// Numbers without their zero point, as doubles; the zero point may stand for each slice of an
/// axis.
fn centred(t: &Tensor, zero: Option<Arc<Tensor>>, axis: usize) -> Result<Tensor> {
    let mut values = t.to_f64()?;
    if let Some(zero) = zero {
        let z = zero.to_f64()?;
        let step = strides(&t.shape).get(axis).copied().unwrap_or(1);
        let len = t.shape.get(axis).copied().unwrap_or(1);
        if z.len() != 1 && z.len() != len {
            return Err(Error::model(format!("{} zero points for an axis of {len} elements", z.len())));
        }
        values.iter_mut().enumerate().for_each(|(i, v)| *v -= z[if z.len() == 1 { 0 } else { i / step % len }]);
    }
    Tensor::of_f64(Elem::Double, t.shape.clone(), values)
}

/// One tensor, computed in doubles from others that are the node's inputs meanwhile.
pub fn in_doubles(cx: &mut Node, inputs: Vec<Tensor>, f: &dyn Fn(&mut Node) -> Result<Value>) -> Result<Arc<Tensor>> {
    let inputs = inputs.into_iter().map(Value::host).collect();
    let values = apart(cx, inputs, None, &|cx| Ok(vec![f(cx)?]))?;
    tensor(&values[0])
}

fn zero_point(cx: &mut Node, i: usize) -> Result<Option<Arc<Tensor>>> {
    if cx.has(i) { cx.host(i).map(Some) } else { Ok(None) }
}

fn matmul_integer(cx: &mut Node) -> Result<Vec<Value>> {
    let (a, b) = (cx.host(0)?, cx.host(1)?);
    let rows = a.shape.len().saturating_sub(2);
    let a = centred(&a, zero_point(cx, 2)?, rows)?;
    let b = centred(&b, zero_point(cx, 3)?, b.shape.len().saturating_sub(1))?;
    let y = in_doubles(cx, vec![a, b], &of_inputs)?;
    Ok(vec![Value::host(converted(&y, Elem::Int32, true)?)])
}

fn conv_integer(cx: &mut Node) -> Result<Vec<Value>> {
    let y = convolution(cx, 0, 1, [2, 3], None)?;
    Ok(vec![Value::host(converted(&y, Elem::Int32, true)?)])
}

/// The convolution of numbers without their zero points.
fn convolution(cx: &mut Node, x: usize, w: usize, zeros: [usize; 2], bias: Option<usize>) -> Result<Arc<Tensor>> {
    let (xt, wt) = (cx.host(x)?, cx.host(w)?);
    spatial(&xt.shape)?;
    let kernel = wt.shape.get(2..).unwrap_or(&[]).to_vec();
    if cx.sizes("kernel_shape")?.is_some_and(|k| k != kernel) {
        return Err(Error::model(format!("kernel_shape is other than that of the weights, {:?}", wt.shape)));
    }
    let windows = Windows::read(cx, &xt.shape[2..], &kernel)?;
    let groups = cx.int("group", 1)?.max(1) as usize;
    let mut inputs =
        vec![centred(&xt, zero_point(cx, zeros[0])?, usize::MAX)?, centred(&wt, zero_point(cx, zeros[1])?, 0)?];
    if let Some(bias) = bias.filter(|&b| cx.has(b)) {
        let b = cx.host(bias)?;
        inputs.push(Tensor::of_f64(Elem::Double, b.shape.clone(), b.to_f64()?)?);
    }
    in_doubles(cx, inputs, &|cx| {
        let (x, w, b) = (cx.x(0)?, cx.x(1)?, cx.x_opt(2)?);
        Ok(Value::Graph(Elem::Double, convolve(cx, x, w, b, &windows, groups)?))
    })
}

/// Exact sums under a new scale, rounded and cut to the range of the zero point's type.
fn rescaled(y: &Tensor, factor: impl Fn(usize) -> f64, zero: &Tensor) -> Result<Vec<Value>> {
    let to = zero.elem;
    let (least, most) = to.range().ok_or_else(|| Error::model(format!("a zero point of {to}; expected an integer")))?;
    let z = zero.to_f64()?.first().copied().unwrap_or(0.0);
    let one = |(i, v): (usize, f64)| (v * factor(i) + z).round_ties_even().clamp(least as f64, most as f64) as i64;
    let values = y.to_f64()?.into_iter().enumerate().map(one).collect();
    Ok(vec![Value::host(Tensor::new(to, y.shape.clone(), Data::Int(values)))])
}

fn linear_matmul(cx: &mut Node) -> Result<Vec<Value>> {
    let (a, b) = (cx.host(0)?, cx.host(3)?);
    let rows = a.shape.len().saturating_sub(2);
    let (sa, sb, sy) = (cx.floats(1)?, cx.floats(4)?, cx.float_in(6)?);
    if sa.len() != 1 || sb.len() != 1 {
        return Err(Error::model("a scale for each row or column; expected one for all"));
    }
    let a = centred(&a, zero_point(cx, 2)?, rows)?;
    let b = centred(&b, zero_point(cx, 5)?, b.shape.len().saturating_sub(1))?;
    let y = in_doubles(cx, vec![a, b], &of_inputs)?;
    let zero = cx.host(7)?;
    rescaled(&y, |_| sa[0] * sb[0] / sy, &zero)
}

fn linear_conv(cx: &mut Node) -> Result<Vec<Value>> {
    let y = convolution(cx, 0, 3, [2, 5], Some(8))?;
    let (sx, sw, sy) = (cx.float_in(1)?, cx.floats(4)?, cx.float_in(6)?);
    let zero = cx.host(7)?;
    let (step, channels) = (strides(&y.shape)[1], y.shape[1]);
    if sw.len() != 1 && sw.len() != channels {
        return Err(Error::model(format!("{} scales for {channels} channels", sw.len())));
    }
    rescaled(&y, |i| sx * sw[if sw.len() == 1 { 0 } else { i / step % channels }] / sy, &zero)
}
