//! Pad, in every mode. Negative widths cut.

use super::super::node::{Node, elem_of};
use super::index::{check_count, count, each_coordinate, pick, slice, strides};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::onnx::tensor::Tensor;
use crate::onnx::value::Value;

pub const OPS: &[Translation] = &[op("Pad", pad)];

fn pad(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let rank = shape.len();
    let named = if cx.version < 2 { "paddings" } else { "pads" };
    let pads = match cx.int_list(named)? {
        Some(pads) => pads,
        None => cx.ints(1)?,
    };
    let axes = if cx.has(3) { cx.ints(3)? } else { (0..rank as i64).collect() };
    let axes = cx.axes(&axes, rank)?;
    if pads.len() != 2 * axes.len() || pads.iter().any(|p| p.abs() > u32::MAX.into()) {
        return Err(Error::model(format!("pads are {pads:?}; expected two for each of {} axes", axes.len())));
    }
    let mut widths = vec![[0; 2]; rank];
    for (i, &k) in axes.iter().enumerate() {
        widths[k] = [pads[i], pads[axes.len() + i]];
    }
    let value = cx.value(0)?.clone();
    let elem = elem_of(&value)?;
    let fill = match cx.has(2) {
        true => (*cx.host(2)?).clone(),
        false => Tensor::of_f64(elem, [], vec![f64::from(cx.float("value", 0.0)?)])?,
    };
    let value = if cx.has(2) { cx.value(0)?.clone() } else { value };
    Ok(vec![match &cx.text("mode", "constant")?[..] {
        "constant" => constant(cx, &value, &widths, &fill)?,
        "edge" => mapped(cx, &value, &widths, |i, n| i.clamp(0, n - 1))?,
        "reflect" => mapped(cx, &value, &widths, reflect)?,
        "wrap" => mapped(cx, &value, &widths, i64::rem_euclid)?,
        other => {
            return Err(Error::model(format!("mode is \"{other}\"; expected constant, edge, reflect or wrap")));
        }
    }])
}

/// Mirrored at the first and last element, which are not repeated.
fn reflect(i: i64, n: i64) -> i64 {
    if n == 1 {
        return 0;
    }
    let period = 2 * (n - 1);
    let at = i.rem_euclid(period);
    if at < n { at } else { period - at }
}

/// Adds elements of a value, and cuts where widths are negative.
pub fn constant(cx: &mut Node, value: &Value, widths: &[[i64; 2]], fill: &Tensor) -> Result<Value> {
    let from = cx.shape_of(value)?;
    let to = padded(&from, widths)?;
    if let Value::Host(t) = value {
        let all = Tensor::joined(&[t, &fill.reshaped([1])])?;
        let own = strides(&from);
        let mut at = Vec::with_capacity(count(&to));
        each_coordinate(&to, |c| {
            let mut position = Some(0);
            for k in 0..from.len() {
                let i = c[k] as i64 - widths[k][0];
                position = position.filter(|_| (0..from[k] as i64).contains(&i)).map(|p| p + i as usize * own[k]);
            }
            at.push(position.unwrap_or(t.len()));
        });
        return pick(cx, &Value::host(all), to, at);
    }
    let mut value = value.clone();
    for (k, w) in widths.iter().enumerate() {
        let [cut_a, cut_b] = w.map(|w| (-w).max(0) as usize);
        if cut_a + cut_b > 0 {
            value = slice(cx, &value, k, cut_a, 1, from[k] - cut_a - cut_b)?;
        }
    }
    if widths.iter().flatten().all(|&w| w <= 0) {
        return Ok(value);
    }
    let (elem, x) = (elem_of(&value)?, cx.in_graph(&value)?);
    let widths: Vec<(usize, usize)> = widths.iter().map(|w| (w[0].max(0) as usize, w[1].max(0) as usize)).collect();
    let fill = fill.to_f64()?[0] as f32;
    Ok(Value::Graph(elem, cx.g().pad(x, &widths, fill)?))
}

fn padded(from: &[usize], widths: &[[i64; 2]]) -> Result<Vec<usize>> {
    let len = |(&n, w): (&usize, &[i64; 2])| {
        let [a, b] = *w;
        usize::try_from(n as i64 + a + b).ok().filter(|_| -a <= n as i64 && -b <= n as i64)
    };
    let to: Option<Vec<usize>> = from.iter().zip(widths).map(len).collect();
    let to = to.ok_or_else(|| Error::model(format!("pads {widths:?} cut more than the shape {from:?} has")))?;
    check_count(&to)?;
    Ok(to)
}

/// Elements of the value itself, where `source` says: a position of an axis that may lie
/// outside becomes one inside.
fn mapped(cx: &mut Node, value: &Value, widths: &[[i64; 2]], source: fn(i64, i64) -> i64) -> Result<Value> {
    let from = cx.shape_of(value)?;
    let to = padded(&from, widths)?;
    if count(&from) == 0 {
        return Err(Error::model(format!("shape {from:?} has no element to repeat")));
    }
    let own = strides(&from);
    let lines: Vec<Vec<usize>> = (0..from.len())
        .map(|k| (0..to[k]).map(|c| source(c as i64 - widths[k][0], from[k] as i64) as usize * own[k]).collect())
        .collect();
    let mut at = Vec::with_capacity(count(&to));
    each_coordinate(&to, |c| at.push(c.iter().zip(&lines).map(|(&c, line)| line[c]).sum()));
    pick(cx, value, to, at)
}
