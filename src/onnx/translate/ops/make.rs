//! Operators that make tensors out of attributes and sizes, and windows for signals.

use super::super::node::Node;
use super::index::{check_count, count, strides};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::onnx::element::Elem;
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;
use std::f64::consts::PI;

pub const OPS: &[Translation] = &[
    op("BlackmanWindow", |cx| window(cx, |x| 0.42 - 0.5 * (2.0 * PI * x).cos() + 0.08 * (4.0 * PI * x).cos())),
    op("Constant", constant),
    op("ConstantOfShape", constant_of_shape),
    op("EyeLike", eye_like),
    op("HammingWindow", |cx| window(cx, |x| 25.0 / 46.0 - 21.0 / 46.0 * (2.0 * PI * x).cos())),
    op("HannWindow", |cx| window(cx, |x| (PI * x).sin().powi(2))),
    op("MelWeightMatrix", mel_weights),
    op("OneHot", one_hot),
    op("Range", range),
];

fn constant(cx: &mut Node) -> Result<Vec<Value>> {
    if let Some(t) = cx.tensor("value")? {
        return Ok(vec![Value::host(t)]);
    }
    let t = if let Some(v) = cx.float_opt("value_float")? {
        Tensor::floats([], vec![v])
    } else if let Some(v) = cx.float_list("value_floats")? {
        Tensor::floats([v.len()], v)
    } else if let Some(v) = cx.int_opt("value_int")? {
        Tensor::ints([], vec![v])
    } else if let Some(v) = cx.int_list("value_ints")? {
        Tensor::list(v)
    } else if let Some(v) = cx.texts("value_strings")? {
        Tensor::new(Elem::String, [v.len()], Data::Text(v))
    } else {
        let text = cx.text("value_string", "\0")?;
        if text == "\0" {
            return Err(Error::model("it has none of the attributes value, value_float, value_int, .."));
        }
        Tensor::new(Elem::String, [], Data::Text(vec![text]))
    };
    Ok(vec![Value::host(t)])
}

fn sizes(values: &[i64]) -> Result<Vec<usize>> {
    let size = |&d: &i64| usize::try_from(d).map_err(|_| Error::model(format!("an axis of {d} elements")));
    let shape = values.iter().map(size).collect::<Result<Vec<_>>>()?;
    check_count(&shape)?;
    Ok(shape)
}

fn constant_of_shape(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = sizes(&cx.ints(0)?)?;
    let value = cx.tensor("value")?.unwrap_or(Tensor::floats([1], vec![0.0]));
    let n = count(&shape);
    Ok(vec![Value::host(value.pick(shape, &vec![0; n]))])
}

fn range(cx: &mut Node) -> Result<Vec<Value>> {
    let elem = cx.elem(0)?;
    if elem.is_int() {
        let [start, limit, step] = [cx.int_in(0)?, cx.int_in(1)?, cx.int_in(2)?];
        if step == 0 {
            return Err(Error::model("a range in steps of 0"));
        }
        let span = i128::from(limit) - i128::from(start);
        let n = (span * i128::from(step.signum())).max(0) as u128;
        let n = n.div_ceil(u128::from(step.unsigned_abs())) as usize;
        check_count(&[n])?;
        let values = (0..n as i64).map(|i| elem.wrap(start + i * step)).collect();
        return Ok(vec![Value::host(Tensor::new(elem, [n], Data::Int(values)))]);
    }
    let [start, limit, step] = [cx.float_in(0)?, cx.float_in(1)?, cx.float_in(2)?];
    let n = ((limit - start) / step).ceil().max(0.0);
    if !n.is_finite() || n > f64::from(u32::MAX) {
        return Err(Error::model(format!("a range from {start} to {limit} in steps of {step}")));
    }
    let values: Vec<f64> = (0..n as usize).map(|i| start + i as f64 * step).collect();
    Ok(vec![Value::host(Tensor::of_f64(elem, [values.len()], values)?)])
}

fn typed(cx: &Node, name: &str, default: Elem) -> Result<Elem> {
    match cx.int_opt(name)? {
        Some(code) => Elem::of_code(i32::try_from(code).unwrap_or(0)),
        None => Ok(default),
    }
}

fn eye_like(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let [rows, cols] = shape[..] else { return Err(Error::model(format!("shape {shape:?}; expected a matrix"))) };
    let elem = typed(cx, "dtype", cx.elem(0)?)?;
    let k = cx.int("k", 0)?;
    let at = |i: usize| f64::from((i % cols) as i64 == ((i / cols) as i64).saturating_add(k));
    Ok(vec![Value::host(Tensor::of_f64(elem, shape.clone(), (0..rows * cols).map(at).collect())?)])
}

/// The off value everywhere but where the indices stand.
fn one_hot(cx: &mut Node) -> Result<Vec<Value>> {
    let depth = cx.int_in(1)?;
    let (index, values) = (cx.ints(0)?, cx.host(2)?);
    let mut shape = cx.shape(0)?;
    let axis = cx.axis(cx.int("axis", -1)?, shape.len() + 1)?;
    let n =
        usize::try_from(depth).ok().filter(|&n| n > 0).ok_or_else(|| Error::model(format!("a depth of {depth}")))?;
    shape.insert(axis, n);
    check_count(&shape)?;
    if values.len() != 2 {
        return Err(Error::model(format!("{} values; expected two: off and on", values.len())));
    }
    let inner = strides(&shape)[axis];
    let mut at = vec![0; count(&shape)];
    for (i, &v) in index.iter().enumerate() {
        if (-depth..depth).contains(&v) {
            at[i / inner * inner * n + v.rem_euclid(depth) as usize * inner + i % inner] = 1;
        }
    }
    Ok(vec![Value::host(values.pick(shape, &at))])
}

fn window(cx: &mut Node, f: fn(f64) -> f64) -> Result<Vec<Value>> {
    let n = cx.int_in(0)?;
    let size = sizes(&[n])?[0];
    let elem = typed(cx, "output_datatype", Elem::Float)?;
    let last = if cx.flag("periodic", true)? { n } else { n - 1 };
    let values = (0..size).map(|i| f(i as f64 / last.max(1) as f64)).collect();
    Ok(vec![Value::host(Tensor::of_f64(elem, [size], values)?)])
}

/// Triangles on the mel scale, for a spectrum.
fn mel_weights(cx: &mut Node) -> Result<Vec<Value>> {
    let [bins, length, rate] = [cx.int_in(0)?, cx.int_in(1)?, cx.int_in(2)?];
    let (low, high) = (cx.float_in(3)?, cx.float_in(4)?);
    let elem = typed(cx, "output_datatype", Elem::Float)?;
    let shape = sizes(&[length / 2 + 1, bins])?;
    let (rows, cols) = (shape[0], shape[1]);
    let mel = |hz: f64| 2595.0 * (1.0 + hz / 700.0).log10();
    let (low, high) = (mel(low), mel(high));
    let step = (high - low) / (cols + 2) as f64;
    let bin = |i: usize| {
        let hz = 700.0 * (10f64.powf((i as f64 * step + low) / 2595.0) - 1.0);
        ((length + 1) as f64 * hz / rate as f64).floor() as i64
    };
    let mut out = vec![0.0; rows * cols];
    for c in 0..cols {
        let [from, centre, to] = [bin(c), bin(c + 1), bin(c + 2)];
        let mut put = |r: i64, v: f64| {
            if (0..rows as i64).contains(&r) {
                out[r as usize * cols + c] = v;
            }
        };
        if centre == from {
            put(centre, 1.0);
        } else {
            (from..=centre).for_each(|r| put(r, (r - from) as f64 / (centre - from) as f64));
        }
        if to > centre {
            (centre..to).for_each(|r| put(r, (to - r) as f64 / (to - centre) as f64));
        }
    }
    Ok(vec![Value::host(Tensor::of_f64(elem, shape, out)?)])
}
