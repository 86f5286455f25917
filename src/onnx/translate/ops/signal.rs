//! Fourier transforms, as products with matrices of cosines and sines.

use super::super::node::{Node, elem_of};
use super::cast::converted;
use super::index::{concat, count, permute, reshape, slice};
use super::quantize::in_doubles;
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::onnx::element::Elem;
use crate::onnx::tensor::Tensor;
use crate::onnx::value::Value;
use std::f64::consts::PI;

pub const OPS: &[Translation] = &[op("DFT", dft), op("STFT", stft)];

/// Along an axis of a tensor whose last axis holds the real part, or real and imaginary part.
fn dft(cx: &mut Node) -> Result<Vec<Value>> {
    let length = if cx.has(1) { Some(cx.int_in(1)?) } else { None };
    let axis = match cx.version {
        ..20 => cx.int("axis", 1)?,
        _ if cx.has(2) => cx.int_in(2)?,
        _ => -2,
    };
    let shape = cx.shape(0)?;
    let axis = cx.axis(axis, shape.len())?;
    let (inverse, one_sided) = (cx.flag("inverse", false)?, cx.flag("onesided", false)?);
    // What is known is computed in doubles: sums of a whole signal lose digits.
    if let (Value::Host(t), true) = (cx.value(0)?.clone(), cx.walk.trace.runs()) {
        let wide = Tensor::of_f64(Elem::Double, t.shape.clone(), t.to_f64()?)?;
        let y = in_doubles(cx, vec![wide], &|cx| {
            let value = cx.value(0)?.clone();
            transformed(cx, &value, axis, length, inverse, one_sided)
        })?;
        return Ok(vec![Value::host(converted(&y, t.elem, true)?)]);
    }
    let value = cx.value(0)?.clone();
    Ok(vec![transformed(cx, &value, axis, length, inverse, one_sided)?])
}

fn transformed(
    cx: &mut Node,
    value: &Value,
    axis: usize,
    length: Option<i64>,
    inverse: bool,
    one_sided: bool,
) -> Result<Value> {
    let elem = elem_of(value)?;
    let shape = cx.shape_of(value)?;
    let rank = shape.len();
    if axis + 1 >= rank || !(1..=2).contains(&shape[rank - 1]) {
        return Err(Error::model(format!(
            "a transform along axis {axis} of the shape {shape:?}; its last axis is 1 or 2"
        )));
    }
    let (len, parts) = (shape[axis], shape[rank - 1]);
    let to_real = inverse && one_sided;
    let n = match length {
        Some(n) => {
            usize::try_from(n).ok().filter(|&n| n > 0).ok_or_else(|| Error::model(format!("a length of {n}")))?
        }
        None if to_real => 2 * len.saturating_sub(1).max(1),
        None => len,
    };
    // What is read: as many elements as count, zeros behind them.
    let given = len.min(if to_real { n / 2 + 1 } else { n });
    let outputs = if one_sided && !inverse { n / 2 + 1 } else { n };
    let out_parts = if to_real { 1 } else { 2 };
    let sign = if inverse { 1.0 } else { -1.0 };
    let scale = if inverse { 1.0 / n as f64 } else { 1.0 };
    super::index::check_count(&[given * parts, outputs * out_parts])?;
    // One matrix from (element, part) to (frequency, part).
    let mut matrix = vec![0.0; given * parts * outputs * out_parts];
    for t in 0..given {
        // The half that a one-sided spectrum leaves out is the conjugate of the other.
        let twice = if to_real && t > 0 && !(n % 2 == 0 && t == n / 2) { 2.0 } else { 1.0 };
        for f in 0..outputs {
            let angle = sign * 2.0 * PI * ((t * f) % n) as f64 / n as f64;
            let (cos, sin) = (angle.cos() * scale * twice, angle.sin() * scale * twice);
            for (p, line) in [[cos, sin], [-sin, cos]].iter().enumerate().take(parts) {
                for (q, v) in line.iter().enumerate().take(out_parts) {
                    matrix[((t * parts + p) * outputs + f) * out_parts + q] = *v;
                }
            }
        }
    }
    let value = slice(cx, value, axis, 0, 1, given)?;
    let mut order: Vec<usize> = (0..rank).filter(|&k| k != axis && k != rank - 1).collect();
    order.extend([axis, rank - 1]);
    let value = permute(cx, &value, &order)?;
    let lead: Vec<usize> = order[..rank - 2].iter().map(|&k| shape[k]).collect();
    let x = cx.in_graph(&value)?;
    let matrix = cx.numbers([given * parts, outputs * out_parts], matrix)?;
    let x = cx.g().reshape(x, [count(&lead), given * parts])?;
    let y = cx.g().matmul(x, matrix)?;
    let mut to = lead;
    to.extend([outputs, out_parts]);
    let y = Value::Graph(elem, cx.g().reshape(y, to)?);
    let mut back: Vec<usize> = (0..rank - 2).collect();
    back.insert(axis, rank - 2);
    back.push(rank - 1);
    permute(cx, &y, &back)
}

/// The transforms of frames that a window slides over.
fn stft(cx: &mut Node) -> Result<Vec<Value>> {
    let step = cx.int_in(1)?;
    let given = if cx.has(3) { Some(cx.int_in(3)?) } else { None };
    let shape = cx.shape(0)?;
    let ([_, len, _], true) = (&shape[..], step > 0) else {
        return Err(Error::model(format!("a signal of shape {shape:?} in steps of {step}")));
    };
    let window = if cx.has(2) { Some(cx.shape(2)?[0]) } else { None };
    let frame = given.map(|n| n.max(1) as usize).or(window).unwrap_or(*len);
    let step = step as usize;
    if frame > *len || window.is_some_and(|w| w > frame) {
        return Err(Error::model(format!("frames of {frame} elements of a signal of {len}")));
    }
    let one_sided = cx.flag("onesided", true)?;
    let value = cx.value(0)?.clone();
    let mut frames = vec![];
    for i in 0..=(len - frame) / step {
        let part = slice(cx, &value, 1, i * step, 1, frame)?;
        frames.push(reshape(cx, &part, vec![shape[0], 1, frame, shape[2]])?);
    }
    let mut all = concat(cx, &frames, 1)?;
    if cx.has(2) {
        let elem = elem_of(&all)?;
        let w = cx.value(2)?.clone();
        let n = window.unwrap_or(frame);
        all = slice(cx, &all, 2, 0, 1, n)?;
        let w = reshape(cx, &w, vec![n, 1])?;
        let (x, w) = (cx.in_graph(&all)?, cx.in_graph(&w)?);
        all = Value::Graph(elem, cx.g().mul(x, w)?);
    }
    Ok(vec![transformed(cx, &all, 2, Some(frame as i64), false, one_sided)?])
}
