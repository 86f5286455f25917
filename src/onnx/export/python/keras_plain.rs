//! Layers that are one call of Keras, and the arguments that many calls share.

use super::settings::{Settings, pair};
use super::{Placed, quoted};
use crate::error::{Error, Result};

/// What Keras has nothing for.
pub fn refused(what: &str) -> Error {
    Error::model(format!("{what}; export as ONNX or PyTorch"))
}

/// The argument for strides.
pub fn strided(s: &Settings) -> String {
    if s.pair("strides") == [1, 1] { String::new() } else { format!(", strides={}", pair(s.pair("strides"))) }
}

/// The arguments for bias and activation.
pub fn ends(s: &Settings) -> String {
    let bias = if s.flag("use_bias") { "" } else { ", use_bias=False" };
    match s.text("activation") {
        "" | "linear" => bias.into(),
        name => format!("{bias}, activation={}", activation(name)),
    }
}

/// The arguments of a norm for its parameters.
pub fn scaled(s: &Settings) -> String {
    let without = |key: &str| if s.flag(key) { String::new() } else { format!(", {key}=False") };
    without("center") + &without("scale")
}

/// The axis of a layer where channels are last.
pub fn channels_last(s: &Settings, rank: usize) -> i64 {
    match (rank, s.axis(rank)) {
        (4, 1) => -1,
        (4, axis) => axis as i64 - 1,
        (_, axis) if axis + 1 == rank => -1,
        (_, axis) => axis as i64,
    }
}

/// An activation as Keras calls it.
pub fn activation(name: &str) -> String {
    match name {
        "gelu_tanh" => "lambda x: keras.activations.gelu(x, approximate=True)".into(),
        "swish" => quoted("silu"),
        name => quoted(name),
    }
}

/// `((1, 0), (2, 1))`.
fn nested([[a, b], [c, d]]: [[usize; 2]; 2]) -> String {
    format!("(({a}, {b}), ({c}, {d}))")
}

/// The call of a layer; `None` of any other layer.
///
/// Fails where Keras has nothing for it.
pub fn layer(placed: &Placed, inputs: &[String], s: &Settings, named: &str) -> Result<Option<String>> {
    let (kind, x, rank) = (placed.layer.layer.kind(), inputs[0].as_str(), placed.inputs[0].len());
    let sides = |key: &str| format!("layers.{kind}({}, {named})({x})", nested(s.sides(key)));
    let ends_of = |key: &str| {
        let [before, after] = s.pair(key);
        format!("layers.{kind}(({before}, {after}), {named})({x})")
    };
    let padding = || match s.text("padding") {
        "valid" => Ok(""),
        "same" => Ok(", padding=\"same\""),
        _ => Err(refused("a convolution with numbers for its padding is none of Keras")),
    };
    let windows = |flat: bool| {
        let of = |key: &str| if flat { s.count(key).to_string() } else { pair(s.pair(key)) };
        format!("{}, strides={}, dilation_rate={}", of("kernel_size"), of("strides"), of("dilation_rate"))
    };
    Ok(Some(match kind {
        "LeakyReLU" => format!("layers.LeakyReLU({:?}, {named})({x})", s.real("negative_slope")),
        "ELU" => format!("layers.ELU({:?}, {named})({x})", s.real("alpha")),
        "Softmax" => format!("layers.Softmax({}, {named})({x})", channels_last(s, rank)),
        "SpatialDropout2D" => format!("layers.SpatialDropout2D({:?}, {named})({x})", s.real("rate")),
        "PReLU" => {
            let shared = s.list("shared_axes");
            // Axes 1, 2, 3 are channels, rows, columns here, and last, 1 and 2 in Keras.
            let place = |a: usize| if rank == 4 { [0, 3, 1, 2][a] } else { a };
            let shared: Vec<String> = shared.into_iter().map(|a| place(a).to_string()).collect();
            format!("layers.PReLU(shared_axes=[{}], {named})({x})", shared.join(", "))
        }
        "UpSampling2D" => {
            let how = quoted(s.text("interpolation"));
            format!("layers.UpSampling2D({}, interpolation={how}, {named})({x})", pair(s.pair("size")))
        }
        "Resizing" => {
            let (h, w, how) = (s.count("height"), s.count("width"), quoted(s.text("interpolation")));
            format!("layers.Resizing({h}, {w}, interpolation={how}, {named})({x})")
        }
        "ZeroPadding2D" => sides("padding"),
        "Cropping2D" => sides("cropping"),
        "ZeroPadding1D" => ends_of("padding"),
        "Cropping1D" => ends_of("cropping"),
        "UpSampling1D" => format!("layers.UpSampling1D({}, {named})({x})", s.count("size")),
        "Add" | "Multiply" | "Subtract" | "Maximum" | "Minimum" | "Average" => {
            if placed.inputs.iter().any(|i| i.len() != rank) {
                return Err(refused("inputs with different numbers of axes"));
            }
            format!("layers.{kind}({named})([{}])", inputs.join(", "))
        }
        "GroupNormalization" | "InstanceNormalization" => {
            let groups = s.0.get("groups").and_then(toml::Value::as_integer).unwrap_or(-1);
            let (axis, eps, parts) = (channels_last(s, rank), s.real("epsilon"), scaled(s));
            format!("layers.GroupNormalization({groups}, axis={axis}, epsilon={eps:?}{parts}, {named})({x})")
        }
        "DepthwiseConv2D" => {
            let more = format!("{}{}, depth_multiplier={}", windows(false), padding()?, s.count("depth_multiplier"));
            format!("layers.DepthwiseConv2D({more}{}, {named})({x})", ends(s))
        }
        "SeparableConv2D" => {
            let more = format!("{}{}, depth_multiplier={}", windows(false), padding()?, s.count("depth_multiplier"));
            format!("layers.SeparableConv2D({}, {more}{}, {named})({x})", s.count("filters"), ends(s))
        }
        "Conv2DTranspose" | "Conv1DTranspose" => {
            let flat = kind == "Conv1DTranspose";
            let extra = match s.0.get("output_padding") {
                Some(toml::Value::String(_)) | None => String::new(),
                Some(_) if flat => format!(", output_padding={}", s.pair("output_padding")[1]),
                Some(_) => format!(", output_padding={}", pair(s.pair("output_padding"))),
            };
            let more = format!("{}{}{extra}", windows(flat), padding()?);
            format!("layers.{kind}({}, {more}{}, {named})({x})", s.count("filters"), ends(s))
        }
        _ => return Ok(None),
    }))
}
