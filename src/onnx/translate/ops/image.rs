//! Sampling of images at given places, and images from their columns.

use super::super::node::Node;
use super::index::{check_count, count, each_coordinate, strides};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::onnx::tensor::Tensor;
use crate::onnx::value::Value;
use crate::ops::scatter_rows::Scatter;

pub const OPS: &[Translation] =
    &[op("AffineGrid", affine_grid), op("Col2Im", col2im), op("GridSample", grid_sample), op("RoiAlign", roi_align)];

/// Where an affine map sends each element of a grid over [-1, 1].
fn affine_grid(cx: &mut Node) -> Result<Vec<Value>> {
    let size: Vec<usize> = cx.ints(1)?.iter().map(|&n| n.max(0) as usize).collect();
    let corners = cx.flag("align_corners", false)?;
    let theta = cx.shape(0)?;
    let dims = size.len().saturating_sub(2);
    if !(2..=3).contains(&dims) || theta != [size[0], dims, dims + 1] {
        return Err(Error::model(format!("maps of shape {theta:?} for images of {size:?}")));
    }
    let plane = &size[2..];
    let at = |i: usize, n: usize| match (corners, n) {
        (true, 1) => 0.0,
        (true, _) => -1.0 + 2.0 * i as f64 / (n - 1) as f64,
        (false, _) => (2 * i + 1) as f64 / n as f64 - 1.0,
    };
    // x, y, (z,) 1 of each element, the last axis of the image first.
    let mut points = vec![];
    each_coordinate(plane, |c| {
        points.extend((0..dims).rev().map(|k| at(c[k], plane[k])));
        points.push(1.0);
    });
    let rows = count(plane);
    let points = cx.numbers([1, rows, dims + 1], points)?;
    let theta = cx.x(0)?;
    let g = cx.g();
    let points = g.expand(points, [size[0], rows, dims + 1])?;
    let y = g.matmul_t(points, theta, None)?;
    let mut shape = vec![size[0]];
    shape.extend(plane);
    shape.push(dims);
    let y = g.reshape(y, shape)?;
    cx.like(y)
}

/// Planes at the places that a grid names.
fn grid_sample(cx: &mut Node) -> Result<Vec<Value>> {
    use crate::ops::grid_sample::{Mode, Padding};
    let mode = match &cx.text("mode", "linear")?[..] {
        "linear" | "bilinear" => Mode::Bilinear,
        "nearest" => Mode::Nearest,
        "cubic" | "bicubic" => Mode::Bicubic,
        other => return Err(Error::model(format!("mode is \"{other}\"; expected linear, nearest or cubic"))),
    };
    let padding = match &cx.text("padding_mode", "zeros")?[..] {
        "zeros" => Padding::Zeros,
        "border" => Padding::Border,
        "reflection" => Padding::Reflection,
        other => return Err(Error::model(format!("padding_mode is \"{other}\""))),
    };
    let corners = cx.flag("align_corners", false)?;
    let shape = cx.shape(0)?;
    if shape.len() != 4 {
        return Err(Error::model(format!("an input of shape {shape:?}; volumes are not sampled, only planes")));
    }
    let (x, grid) = (cx.x(0)?, cx.x(1)?);
    let y = cx.g().grid_sample(x, grid, mode, padding, corners)?;
    cx.like(y)
}

/// Adds up blocks where they overlap: the transpose of taking them.
fn col2im(cx: &mut Node) -> Result<Vec<Value>> {
    let to_sizes = |v: Vec<i64>| v.into_iter().map(|n| n.max(0) as usize).collect::<Vec<usize>>();
    let (image, block) = (to_sizes(cx.ints(1)?), to_sizes(cx.ints(2)?));
    let n = image.len();
    let shape = cx.shape(0)?;
    let stride = cx.sizes("strides")?.unwrap_or(vec![1; n]);
    let dilation = cx.sizes("dilations")?.unwrap_or(vec![1; n]);
    let pads = cx.sizes("pads")?.unwrap_or(vec![0; 2 * n]);
    let ([batch, rows, places], each) = (&shape[..], count(&block)) else {
        return Err(Error::model(format!("columns of shape {shape:?}; expected 3 axes")));
    };
    let fits = block.len() == n && stride.len() == n && dilation.len() == n && pads.len() == 2 * n;
    if !fits || each == 0 || rows % each != 0 || stride.contains(&0) || block.contains(&0) {
        return Err(Error::model(format!("{rows} rows of columns for blocks of {block:?}")));
    }
    let channels = rows / each;
    let out = |k: usize| {
        let room = (image[k] + pads[k] + pads[n + k]).checked_sub(dilation[k] * (block[k] - 1) + 1);
        room.map(|r| r / stride[k] + 1)
    };
    let walked: Option<Vec<usize>> = (0..n).map(out).collect();
    let walked = walked.filter(|w| count(w) == *places);
    let walked = walked.ok_or_else(|| Error::model(format!("{places} blocks do not cover images of {image:?}")))?;
    let plane = count(&image);
    check_count(&[*batch, channels, plane])?;
    let own = strides(&image);
    let mut at = Vec::with_capacity(batch * rows * places);
    for bc in 0..batch * channels {
        each_coordinate(&block, |b| {
            each_coordinate(&walked, |w| {
                let mut position = Some(0);
                for k in 0..n {
                    let i = (w[k] * stride[k] + b[k] * dilation[k]) as i64 - pads[k] as i64;
                    position = position.filter(|_| (0..image[k] as i64).contains(&i)).map(|p| p + i as usize * own[k]);
                }
                // What lies in the padding goes nowhere.
                at.push(position.map_or(u32::MAX, |p| (bc * plane + p) as u32));
            });
        });
    }
    let x = cx.x(0)?;
    let total = batch * channels * plane;
    let zeros = cx.numbers([total, 1], vec![0.0; total])?;
    let m = at.len();
    let index = cx.walk.trace.indices(&[m], at);
    let g = cx.g();
    let x = g.reshape(x, [m, 1])?;
    let y = g.scatter_rows(zeros, index, x, Scatter::Add)?;
    let mut to = vec![*batch, channels];
    to.extend(&image);
    let y = g.reshape(y, to)?;
    cx.like(y)
}

/// Regions of images as small images: means of samples between elements, or, as the
/// specification has it, maxima of their weighted corners.
fn roi_align(cx: &mut Node) -> Result<Vec<Value>> {
    let (shape, rois, batches) = (cx.shape(0)?, cx.floats(1)?, cx.ints(2)?);
    let [n, c, h, w] = shape[..] else { return Err(Error::model(format!("images of shape {shape:?}"))) };
    let roi_shape = cx.shape(1)?;
    if roi_shape != [batches.len(), 4] || batches.iter().any(|&b| !(0..n as i64).contains(&b)) {
        return Err(Error::model(format!("regions of shape {roi_shape:?} for images {batches:?}")));
    }
    let [oh, ow] = [cx.int("output_height", 1)?, cx.int("output_width", 1)?].map(|v| v.max(1) as usize);
    let ratio = cx.int("sampling_ratio", 0)?.max(0) as usize;
    let scale = f64::from(cx.float("spatial_scale", 1.0)?);
    let usual = if cx.version < 16 { "output_half_pixel" } else { "half_pixel" };
    let shift = if cx.text("coordinate_transformation_mode", usual)? == "half_pixel" { 0.5 } else { 0.0 };
    let takes_max = match &cx.text("mode", "avg")?[..] {
        "avg" => false,
        "max" => true,
        other => return Err(Error::model(format!("mode is \"{other}\"; expected avg or max"))),
    };
    let t = cx.host(0)?;
    let x = t.to_f64()?;
    check_count(&[batches.len(), c, oh, ow])?;
    let mut out = Vec::with_capacity(batches.len() * c * oh * ow);
    for (roi, &b) in rois.chunks(4).zip(&batches) {
        let [x0, y0, x1, y1] = [0, 1, 2, 3].map(|k| roi[k] * scale - shift);
        let (mut rw, mut rh) = (x1 - x0, y1 - y0);
        if shift == 0.0 {
            (rw, rh) = (rw.max(1.0), rh.max(1.0));
        }
        let (bw, bh) = (rw / ow as f64, rh / oh as f64);
        let samples = |ratio: usize, size: f64| if ratio > 0 { ratio } else { size.ceil().max(1.0) as usize };
        let (sy, sx) = (samples(ratio, bh), samples(ratio, bw));
        for ch in 0..c {
            let plane = &x[(b as usize * c + ch) * h * w..][..h * w];
            for p in 0..oh {
                for q in 0..ow {
                    let (mut sum, mut most) = (0.0, None::<f64>);
                    for i in 0..sy {
                        for j in 0..sx {
                            let y = y0 + p as f64 * bh + (i as f64 + 0.5) * bh / sy as f64;
                            let x = x0 + q as f64 * bw + (j as f64 + 0.5) * bw / sx as f64;
                            let corners = corners(plane, h, w, y, x);
                            sum += corners.iter().sum::<f64>();
                            let largest = corners.into_iter().fold(f64::NEG_INFINITY, f64::max);
                            most = Some(most.map_or(largest, |m| m.max(largest)));
                        }
                    }
                    out.push(if takes_max { most.unwrap_or(0.0) } else { sum / (sy * sx) as f64 });
                }
            }
        }
    }
    Ok(vec![Value::host(Tensor::of_f64(t.elem, [batches.len(), c, oh, ow], out)?)])
}

/// The four elements around a point, each times its weight.
fn corners(plane: &[f64], h: usize, w: usize, y: f64, x: f64) -> [f64; 4] {
    if y < -1.0 || y > h as f64 || x < -1.0 || x > w as f64 {
        return [0.0; 4];
    }
    let along = |v: f64, n: usize| {
        let v = v.max(0.0);
        let low = v.floor() as usize;
        match low + 1 >= n {
            true => (n - 1, n - 1, 0.0),
            false => (low, low + 1, v - low as f64),
        }
    };
    let ((y0, y1, fy), (x0, x1, fx)) = (along(y, h), along(x, w));
    let at = |y: usize, x: usize| plane[y * w + x];
    [
        at(y0, x0) * (1.0 - fy) * (1.0 - fx),
        at(y0, x1) * (1.0 - fy) * fx,
        at(y1, x0) * fy * (1.0 - fx),
        at(y1, x1) * fy * fx,
    ]
}
