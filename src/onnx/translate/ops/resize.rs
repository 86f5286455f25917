//! Resize and Upsample: along each axis, an output is a weighted sum of inputs, with weights
//! that depend on its coordinate alone. So each axis is one product with a matrix of weights,
//! or, for the nearest element, a choice of elements.

use super::super::node::{Node, elem_of};
use super::index::{check_count, count, each_coordinate, permute, pick, strides};
use super::{Translation, exact, op};
use crate::error::{Error, Result};
use crate::onnx::value::Value;

pub const OPS: &[Translation] = &[exact("Resize", resize), op("Upsample", upsample)];

/// How an axis is resized.
struct Axis {
    len: usize,
    out: usize,
    scale: f64,
    /// The part of the input that is looked at, for `tf_crop_and_resize`.
    roi: [f64; 2],
}

/// What all axes share.
struct Way {
    mode: Mode,
    coordinate: String,
    nearest: String,
    a: f64,
    antialias: bool,
    exclude_outside: bool,
    extrapolation: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Nearest,
    Linear,
    Cubic,
}

impl Mode {
    fn named(name: &str) -> Result<Mode> {
        match name {
            "nearest" => Ok(Mode::Nearest),
            "linear" | "bilinear" | "trilinear" => Ok(Mode::Linear),
            "cubic" => Ok(Mode::Cubic),
            other => Err(Error::model(format!("mode is \"{other}\"; expected nearest, linear or cubic"))),
        }
    }
}

fn upsample(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let scales: Vec<f64> = match cx.float_list("scales")? {
        Some(scales) => scales.into_iter().map(f64::from).collect(),
        None => cx.floats(1)?,
    };
    let mode = Mode::named(&cx.text("mode", "nearest")?)?;
    let way = Way {
        mode,
        coordinate: "asymmetric".into(),
        nearest: "floor".into(),
        a: -0.75,
        antialias: false,
        exclude_outside: false,
        extrapolation: 0.0,
    };
    let all: Vec<usize> = (0..shape.len()).collect();
    let axes = by_scale(&shape, &scales, &all, &[])?;
    resized(cx, &shape, axes, &way)
}

fn resize(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    let rank = shape.len();
    let listed = cx.int_list("axes")?.unwrap_or((0..rank as i64).collect());
    let listed = cx.axes(&listed, rank)?;
    // Version 10 had the scales where the region of interest stands now.
    let (roi_at, scales_at) = if cx.version < 11 { (usize::MAX, 1) } else { (1, 2) };
    let way = Way {
        mode: Mode::named(&cx.text("mode", "nearest")?)?,
        coordinate: cx
            .text("coordinate_transformation_mode", if cx.version < 11 { "asymmetric" } else { "half_pixel" })?,
        nearest: cx.text("nearest_mode", if cx.version < 11 { "floor" } else { "round_prefer_floor" })?,
        a: f64::from(cx.float("cubic_coeff_a", -0.75)?),
        antialias: cx.flag("antialias", false)?,
        exclude_outside: cx.flag("exclude_outside", false)?,
        extrapolation: f64::from(cx.float("extrapolation_value", 0.0)?),
    };
    let crops = way.coordinate == "tf_crop_and_resize";
    let policy = cx.text("keep_aspect_ratio_policy", "stretch")?;
    let roi = if crops && roi_at < 9 && cx.has(roi_at) { cx.floats(roi_at)? } else { vec![] };
    let scales = if cx.has(scales_at) { cx.floats(scales_at)? } else { vec![] };
    let axes = if !scales.is_empty() {
        by_scale(&shape, &scales, &listed, &roi)?
    } else if cx.has(3) {
        let sizes = cx.ints(3)?;
        by_size(&shape, &sizes, &listed, &roi, &policy)?
    } else {
        return Err(Error::model("neither scales nor sizes are given"));
    };
    resized(cx, &shape, axes, &way)
}

fn kept(shape: &[usize]) -> Vec<Axis> {
    shape.iter().map(|&len| Axis { len, out: len, scale: 1.0, roi: [0.0, 1.0] }).collect()
}

fn with_roi(axes: &mut [Axis], listed: &[usize], roi: &[f64]) {
    if roi.len() == 2 * listed.len() {
        for (i, &k) in listed.iter().enumerate() {
            axes[k].roi = [roi[i], roi[listed.len() + i]];
        }
    }
}

fn by_scale(shape: &[usize], scales: &[f64], listed: &[usize], roi: &[f64]) -> Result<Vec<Axis>> {
    if scales.len() != listed.len() || scales.iter().any(|&s| s.is_nan() || s <= 0.0 || s > 1e6) {
        return Err(Error::model(format!("scales are {scales:?} for {} axes", listed.len())));
    }
    let mut axes = kept(shape);
    with_roi(&mut axes, listed, roi);
    for (&k, &scale) in listed.iter().zip(scales) {
        // Scales are floats of 32 bits: 0.6 times 10 is 6.
        let range = axes[k].roi[1] - axes[k].roi[0];
        let range = if roi.len() == 2 * listed.len() { range } else { 1.0 };
        axes[k].out = (shape[k] as f64 * range * scale + 1e-6).floor().max(0.0) as usize;
        axes[k].scale = scale;
    }
    Ok(axes)
}

fn by_size(shape: &[usize], sizes: &[i64], listed: &[usize], roi: &[f64], policy: &str) -> Result<Vec<Axis>> {
    if sizes.len() != listed.len() || sizes.iter().any(|&s| !(0..=u32::MAX.into()).contains(&s)) {
        return Err(Error::model(format!("sizes are {sizes:?} for {} axes", listed.len())));
    }
    let mut axes = kept(shape);
    with_roi(&mut axes, listed, roi);
    let ratio = |(&k, &s): (&usize, &i64)| s as f64 / shape[k] as f64;
    let ratios: Vec<f64> = listed.iter().zip(sizes).map(ratio).collect();
    let one = match policy {
        "stretch" => None,
        "not_larger" => ratios.iter().copied().reduce(f64::min),
        "not_smaller" => ratios.iter().copied().reduce(f64::max),
        other => {
            return Err(Error::model(format!(
                "keep_aspect_ratio_policy is \"{other}\"; expected stretch, not_larger or not_smaller"
            )));
        }
    };
    for (i, &k) in listed.iter().enumerate() {
        axes[k].scale = one.unwrap_or(ratios[i]);
        axes[k].out = one.map_or(sizes[i] as usize, |s| (shape[k] as f64 * s + 0.5).floor() as usize);
    }
    Ok(axes)
}

fn resized(cx: &mut Node, shape: &[usize], axes: Vec<Axis>, way: &Way) -> Result<Vec<Value>> {
    let out: Vec<usize> = axes.iter().map(|a| a.out).collect();
    check_count(&out)?;
    if count(&out) == 0 || count(shape) == 0 {
        return Err(Error::model(format!("shape {shape:?} is resized to {out:?}")));
    }
    let weights: Vec<Vec<Sample>> = axes.iter().map(|a| way.samples(a)).collect::<Result<_>>()?;
    let value = cx.value(0)?.clone();
    let crops = way.coordinate == "tf_crop_and_resize";
    if way.mode == Mode::Nearest && !way.antialias && !crops {
        let own = strides(shape);
        let lines: Vec<Vec<usize>> =
            weights.iter().zip(&own).map(|(w, s)| w.iter().map(|w| w.parts[0].0 * s).collect()).collect();
        let mut at = Vec::with_capacity(count(&out));
        each_coordinate(&out, |c| at.push(c.iter().zip(&lines).map(|(&c, l)| l[c]).sum()));
        return Ok(vec![pick(cx, &value, out, at)?]);
    }
    let elem = elem_of(&value)?;
    let mut value = Value::Graph(elem, cx.in_graph(&value)?);
    let mut now = shape.to_vec();
    for (k, (axis, samples)) in axes.iter().zip(&weights).enumerate() {
        let same = axis.len == axis.out && axis.scale == 1.0 && (!crops || axis.roi == [0.0, 1.0]);
        if same {
            continue;
        }
        let mut matrix = vec![0.0; axis.out * axis.len];
        for (o, sample) in samples.iter().enumerate() {
            sample.parts.iter().for_each(|&(i, w)| matrix[o * axis.len + i] += w);
        }
        let matrix = cx.numbers([axis.out, axis.len], matrix)?;
        // The axis goes to the end, is multiplied, and goes back.
        let mut order: Vec<usize> = (0..now.len()).filter(|&j| j != k).collect();
        order.push(k);
        let turned = permute(cx, &value, &order)?;
        let x = cx.in_graph(&turned)?;
        let rows = count(&now) / axis.len;
        let x = cx.g().reshape(x, [rows, axis.len])?;
        let y = cx.g().matmul_t(x, matrix, None)?;
        now[k] = axis.out;
        let turned: Vec<usize> = order.iter().map(|&j| now[j]).collect();
        let y = cx.g().reshape(y, turned)?;
        let mut back: Vec<usize> = (0..k).collect();
        back.push(now.len() - 1);
        back.extend(k..now.len() - 1);
        value = permute(cx, &Value::Graph(elem, y), &back)?;
    }
    if !crops || weights.iter().flatten().all(|s| s.inside) {
        return Ok(vec![value]);
    }
    let mut mask = vec![];
    each_coordinate(&out, |c| mask.push(f64::from(c.iter().zip(&weights).all(|(&c, w)| w[c].inside))));
    let (mask, outside) = (cx.numbers(out, mask)?, cx.number(way.extrapolation)?);
    let x = cx.in_graph(&value)?;
    Ok(vec![Value::Graph(elem, cx.g().select(mask, x, outside)?)])
}

/// The inputs that an output of an axis is made of, with their weights.
struct Sample {
    parts: Vec<(usize, f64)>,
    inside: bool,
}

impl Way {
    fn samples(&self, axis: &Axis) -> Result<Vec<Sample>> {
        (0..axis.out).map(|o| self.sample(axis, o as f64)).collect()
    }

    /// The coordinate in the input of output `o`.
    fn source(&self, axis: &Axis, o: f64) -> Result<f64> {
        let (len, scale) = (axis.len as f64, axis.scale);
        let width = scale * len;
        Ok(match &self.coordinate[..] {
            "half_pixel" => (o + 0.5) / scale - 0.5,
            "pytorch_half_pixel" if width == 1.0 => -0.5,
            "pytorch_half_pixel" => (o + 0.5) / scale - 0.5,
            "asymmetric" => o / scale,
            "align_corners" if width == 1.0 => 0.0,
            "align_corners" => o * (len - 1.0) / (width - 1.0),
            "half_pixel_symmetric" => {
                let adjustment = axis.out as f64 / width;
                len / 2.0 * (1.0 - adjustment) + (o + 0.5) / scale - 0.5
            }
            "tf_crop_and_resize" => {
                let [start, end] = axis.roi;
                let span = (end - start) * (len - 1.0);
                start * (len - 1.0) + if width == 1.0 { span / 2.0 } else { o * span / (width - 1.0) }
            }
            other => {
                return Err(Error::model(format!("coordinate_transformation_mode is \"{other}\", which is none")));
            }
        })
    }

    fn sample(&self, axis: &Axis, o: f64) -> Result<Sample> {
        let x = self.source(axis, o)?;
        let inside = x >= 0.0 && x <= (axis.len - 1) as f64;
        // The left neighbour of a whole coordinate counts as one before it.
        let left = if x.fract() == 0.0 { x - 1.0 } else { x.floor() };
        let ratio = x - left;
        let (first, mut weights) = self.weights(ratio, axis.scale, x)?;
        let start = left as i64 + first;
        let last = axis.len as i64 - 1;
        if self.exclude_outside {
            for (i, w) in weights.iter_mut().enumerate() {
                if !(0..=last).contains(&(start + i as i64)) {
                    *w = 0.0;
                }
            }
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|w| *w /= sum);
        }
        let part = |(i, &w): (usize, &f64)| ((start + i as i64).clamp(0, last) as usize, w);
        let mut parts: Vec<(usize, f64)> = weights.iter().enumerate().map(part).collect();
        if self.mode == Mode::Nearest {
            parts.retain(|&(_, w)| w != 0.0);
        }
        Ok(Sample { parts, inside })
    }

    /// Weights of neighbours, and where the first of them stands from the left one.
    fn weights(&self, ratio: f64, scale: f64, x: f64) -> Result<(i64, Vec<f64>)> {
        let scale = scale.min(1.0);
        let normal = |w: Vec<f64>| {
            let sum: f64 = w.iter().sum();
            w.into_iter().map(|w| w / sum).collect::<Vec<f64>>()
        };
        Ok(match (self.mode, self.antialias) {
            (Mode::Nearest, _) => {
                let right = match &self.nearest[..] {
                    _ if x.fract() == 0.0 => true,
                    "round_prefer_floor" => ratio > 0.5,
                    "round_prefer_ceil" => ratio >= 0.5,
                    "floor" => false,
                    "ceil" => true,
                    other => return Err(Error::model(format!("nearest_mode is \"{other}\", which is none"))),
                };
                (0, vec![f64::from(!right), f64::from(right)])
            }
            (Mode::Linear, false) => (0, vec![1.0 - ratio, ratio]),
            (Mode::Linear, true) => {
                let start = (-1.0 / scale).floor() as i64 + 1;
                let weight = |i: i64| (1.0 - ((i as f64 - ratio) * scale).abs()).clamp(0.0, 1.0);
                (start, normal((start..2 - start).map(weight).collect()))
            }
            (Mode::Cubic, false) => (-1, (-1..3).map(|i| self.cubic((i as f64 - ratio).abs())).collect()),
            (Mode::Cubic, true) => {
                let start = (-2.0 / scale).floor() as i64 + 1;
                (start, normal((start..2 - start).map(|i| self.cubic((scale * (i as f64 - ratio)).abs())).collect()))
            }
        })
    }

    /// Keys' kernel.
    fn cubic(&self, x: f64) -> f64 {
        let a = self.a;
        match x {
            _ if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            _ if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            _ => 0.0,
        }
    }
}
