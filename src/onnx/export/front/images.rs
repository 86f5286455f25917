//! Pictures of any size: stretched as ours, by the same weights, and normalised.

use super::{Front, normalised};
use crate::data::{Filter, OpenOptions};
use crate::error::{Error, Result};
use crate::nn::Model;
use crate::onnx::export::writer::{Writer, int, value_info};
use crate::onnx::model::Axis;
use crate::onnx::proto::tensor_proto::DataType;
use crate::train::Settings;
use crate::train::checkpoint::About;
use std::f32::consts::PI;

/// Writes a graph's input of pictures and what makes the model's input of them.
pub fn write(out: &mut Writer, model: &Model, about: &About) -> Result<Front> {
    let [channels, height, width] = [0, 1, 2].map(|i| model.input[i]);
    let filter = options(about)?.filter;
    let name = out.fresh("image");
    let named = |axis: &str| Axis::Named(axis.into());
    let axes = [named("batch"), Axis::Fixed(channels), named("height"), named("width")];
    let inputs = vec![value_info(&name, DataType::Uint8, &axes)];
    let x = out.node("Cast", &[&name], vec![int("to", DataType::Float as i64)]);
    // Down, then across, with no rounding between.
    let x = match filter {
        Filter::Nearest => {
            let x = nearest(out, &name, &x, 2, height);
            nearest(out, &name, &x, 3, width)
        }
        _ => {
            let down = weights(out, &name, 2, height, filter);
            let x = out.node("MatMul", &[&down, &x], vec![]);
            let across = weights(out, &name, 3, width, filter);
            let across = out.node("Transpose", &[&across], vec![]);
            let x = out.node("MatMul", &[&x, &across], vec![]);
            let (low, high) = (out.scalar(0.0), out.scalar(255.0));
            let x = out.node("Clip", &[&x, &low, &high], vec![]);
            // Halves go up.
            let half = out.scalar(0.5);
            let x = out.node("Add", &[&x, &half], vec![]);
            out.node("Floor", &[&x], vec![])
        }
    };
    let normal = about.interface.normal.scale.len();
    let shape = if normal == channels { vec![channels, 1, 1] } else { model.input.to_vec() };
    let x = normalised(out, &x, &shape, &about.interface);
    let colours = if channels == 1 { "grey" } else { "red, green, blue" };
    let about = serde_json::json!([{
        "name": name,
        "holds": format!("pictures [batch, {channels}, height, width], 0 to 255, {colours}"),
        "resized_to": [height, width],
        "filter": filter.name(),
    }]);
    Ok(Front { inputs, x, usable: None, about: Some(about) })
}

/// How the training pictures became images.
fn options(about: &About) -> Result<OpenOptions> {
    let table = about.config.parse().map_err(|e| Error::data(format!("the settings in the checkpoint: {e}")))?;
    let settings = Settings::read(table).map_err(|e| e.context("the settings in the checkpoint"))?;
    Ok(settings.data.images.clone())
}

/// The length of an axis of the picture, int64 without axes.
fn length(out: &mut Writer, image: &str, axis: i64) -> String {
    let n = out.node("Shape", &[image], vec![int("start", axis), int("end", axis + 1)]);
    let first = out.list(&[0]);
    out.node("Squeeze", &[&n, &first], vec![])
}

/// The centres of the new pixels among the old ones, `[new, 1]`, and old pixels per new one.
fn centres(out: &mut Writer, length: &str, new: usize) -> (String, String) {
    let old = out.node("Cast", &[length], vec![int("to", DataType::Float as i64)]);
    let count = out.scalar(new as f32);
    let ratio = out.node("Div", &[&old, &count], vec![]);
    let middles: Vec<f32> = (0..new).map(|i| i as f32 + 0.5).collect();
    let middles = out.numbers(&[new, 1], &middles);
    (out.node("Mul", &[&middles, &ratio], vec![]), ratio)
}

/// The share of each old pixel in each new one, `[new, old]`.
fn weights(out: &mut Writer, image: &str, axis: i64, new: usize, filter: Filter) -> String {
    let old = length(out, image, axis);
    let (centre, ratio) = centres(out, &old, new);
    let (half, one) = (out.scalar(0.5), out.scalar(1.0));
    let centre = out.node("Sub", &[&centre, &half], vec![]);
    // Where a picture shrinks a pixel takes all that it covers.
    let reach = out.node("Max", &[&ratio, &one], vec![]);
    let (zero, step) = (out.integers(&[], &[0]), out.integers(&[], &[1]));
    let pixels = out.node("Range", &[&zero, &old, &step], vec![]);
    let pixels = out.node("Cast", &[&pixels], vec![int("to", DataType::Float as i64)]);
    let far = out.node("Sub", &[&pixels, &centre], vec![]);
    let far = out.node("Div", &[&far, &reach], vec![]);
    let far = out.node("Abs", &[&far], vec![]);
    let share = match filter {
        Filter::CatmullRom => cubic(out, &far),
        Filter::Lanczos3 => lanczos(out, &far),
        Filter::Triangle | Filter::Nearest => {
            let near = out.node("Sub", &[&one, &far], vec![]);
            out.node("Relu", &[&near], vec![])
        }
    };
    let last = out.list(&[-1]);
    let sum = out.node("ReduceSum", &[&share, &last], vec![int("keepdims", 1)]);
    out.node("Div", &[&share, &sum], vec![])
}

/// The cubic of Catmull and Rom: `1.5 a^3 - 2.5 a^2 + 1` below 1, `-0.5 a^3 + 2.5 a^2 - 4 a + 2`
/// below 2.
fn cubic(out: &mut Writer, a: &str) -> String {
    let mut polynomial = |factors: [f32; 4]| {
        let mut y = out.scalar(factors[0]);
        for factor in &factors[1..] {
            let factor = out.scalar(*factor);
            y = out.node("Mul", &[&y, a], vec![]);
            y = out.node("Add", &[&y, &factor], vec![]);
        }
        y
    };
    let (near, far) = (polynomial([1.5, -2.5, 0.0, 1.0]), polynomial([-0.5, 2.5, -4.0, 2.0]));
    let (one, two, zero) = (out.scalar(1.0), out.scalar(2.0), out.scalar(0.0));
    let is_near = out.node("Less", &[a, &one], vec![]);
    let is_far = out.node("Less", &[a, &two], vec![]);
    let far = out.node("Where", &[&is_far, &far, &zero], vec![]);
    out.node("Where", &[&is_near, &near, &far], vec![])
}

/// `sinc(a) sinc(a / 3)` below 3.
fn lanczos(out: &mut Writer, a: &str) -> String {
    let (zero, one, three) = (out.scalar(0.0), out.scalar(1.0), out.scalar(3.0));
    let is_zero = out.node("Equal", &[a, &zero], vec![]);
    // Nothing is divided by zero.
    let some = out.node("Where", &[&is_zero, &one, a], vec![]);
    let mut sinc = |factor: f32| {
        let factor = out.scalar(factor);
        let angle = out.node("Mul", &[&some, &factor], vec![]);
        let sine = out.node("Sin", &[&angle], vec![]);
        out.node("Div", &[&sine, &angle], vec![])
    };
    let (wave, window) = (sinc(PI), sinc(PI / 3.0));
    let y = out.node("Mul", &[&wave, &window], vec![]);
    let y = out.node("Where", &[&is_zero, &one, &y], vec![]);
    let inside = out.node("Less", &[a, &three], vec![]);
    out.node("Where", &[&inside, &y, &zero], vec![])
}

/// The old pixel in the middle of each new one.
fn nearest(out: &mut Writer, image: &str, x: &str, axis: i64, new: usize) -> String {
    let old = length(out, image, axis);
    let (centre, _) = centres(out, &old, new);
    let place = out.node("Floor", &[&centre], vec![]);
    let place = out.node("Cast", &[&place], vec![int("to", DataType::Int64 as i64)]);
    let one = out.integers(&[], &[1]);
    let most = out.node("Sub", &[&old, &one], vec![]);
    let place = out.node("Min", &[&place, &most], vec![]);
    let second = out.list(&[1]);
    let place = out.node("Squeeze", &[&place, &second], vec![]);
    out.node("Gather", &[x, &place], vec![int("axis", axis)])
}
