//! Layers that are a call or two of PyTorch: sizes, borders, joins, slopes, norms, and
//! transposed convolutions.

use super::Placed;
use super::settings::{Settings, pair};
use super::torch_module::Torch;
use crate::error::{Error, Result};
use crate::nn::layers::transposed_places;

/// The expression of what a layer makes before its activation; `None` of any other layer.
///
/// Fails where PyTorch has nothing for it.
pub fn layer(torch: &mut Torch, placed: &Placed, inputs: &[String], s: &Settings) -> Result<Option<String>> {
    let (name, x, from) = (placed.layer.name.as_str(), inputs[0].as_str(), &placed.inputs[0]);
    let (kind, out) = (placed.layer.layer.kind(), &placed.output);
    let real = |key: &str| format!("{:?}", s.real(key));
    Ok(Some(match kind {
        "GlobalMaxPooling2D" => format!("{x}.amax(dim=(2, 3))"),
        "LeakyReLU" => format!("F.leaky_relu({x}, {})", real("negative_slope")),
        "ELU" => format!("F.elu({x}, {})", real("alpha")),
        "Softmax" => format!("F.softmax({x}, dim={})", s.axis(from.len())),
        "PReLU" => {
            let slopes = (2..from.len()).all(|a| s.list("shared_axes").contains(&a));
            let count = if s.list("shared_axes").contains(&1) { 1 } else { from[1] };
            if !slopes {
                return Err(refused("slopes that differ along axes behind the channels"));
            }
            let module = torch.module(name, format!("nn.PReLU({count})"));
            format!("{module}({x})")
        }
        "SpatialDropout2D" => {
            let module = torch.module(name, format!("nn.Dropout2d({})", real("rate")));
            format!("{module}({x})")
        }
        "UpSampling2D" | "Resizing" => {
            let mode = match (s.text("interpolation"), kind) {
                ("bilinear", _) => "\"bilinear\", align_corners=False",
                (_, "Resizing") => "\"nearest-exact\"",
                _ => "\"nearest\"",
            };
            format!("F.interpolate({x}, size=({}, {}), mode={mode})", out[2], out[3])
        }
        "ZeroPadding2D" => {
            let [[top, bottom], [left, right]] = s.sides("padding");
            format!("F.pad({x}, ({left}, {right}, {top}, {bottom}))")
        }
        "Cropping2D" => {
            let [[top, _], [left, _]] = s.sides("cropping");
            format!("{x}[:, :, {top}:{}, {left}:{}]", top + out[2], left + out[3])
        }
        "ZeroPadding1D" | "Cropping1D" | "UpSampling1D" if torch.lengths => {
            return Err(refused("samples of several lengths (mask_zero)"));
        }
        "ZeroPadding1D" => {
            let [before, after] = s.pair("padding");
            format!("F.pad({x}, (0, 0, {before}, {after}))")
        }
        "Cropping1D" => {
            let before = s.pair("cropping")[0];
            format!("{x}[:, {before}:{}]", before + out[1])
        }
        "UpSampling1D" => format!("{x}.repeat_interleave({}, dim=1)", s.count("size")),
        "Add" | "Multiply" | "Subtract" | "Maximum" | "Minimum" | "Average" => join(kind, placed, inputs)?,
        "GroupNormalization" | "InstanceNormalization" => {
            if s.axis(from.len()) != 1 || !s.flag("center") || !s.flag("scale") {
                return Err(refused("a norm over another axis, or without scale or center"));
            }
            let groups = match s.0.get("groups").and_then(toml::Value::as_integer) {
                Some(n) if n > 0 => n as usize,
                _ => from[1],
            };
            let module = torch.module(name, format!("nn.GroupNorm({groups}, {}, eps={})", from[1], real("epsilon")));
            format!("{module}({x})")
        }
        "Conv2DTranspose" | "Conv1DTranspose" => transposed(torch, placed, x, s)?,
        _ => return Ok(None),
    }))
}

fn refused(what: &str) -> Error {
    Error::model(format!("{what}: no module of PyTorch has that; export as ONNX"))
}

/// Element by element.
fn join(kind: &str, placed: &Placed, inputs: &[String]) -> Result<String> {
    if placed.inputs.iter().any(|s| s.len() != placed.inputs[0].len()) {
        return Err(refused("inputs with different numbers of axes"));
    }
    let nested = |f: &str| inputs[1..].iter().fold(inputs[0].clone(), |y, x| format!("torch.{f}({y}, {x})"));
    Ok(match kind {
        "Add" => inputs.join(" + "),
        "Multiply" => inputs.join(" * "),
        "Subtract" => inputs.join(" - "),
        "Maximum" => nested("maximum"),
        "Minimum" => nested("minimum"),
        _ => format!("({}) / {}", inputs.join(" + "), inputs.len()),
    })
}

/// The whole way back, of which the border is cut off.
fn transposed(torch: &mut Torch, placed: &Placed, x: &str, s: &Settings) -> Result<String> {
    let (name, from, out) = (placed.layer.name.as_str(), &placed.inputs[0], &placed.output);
    let flat = placed.layer.layer.kind() == "Conv1DTranspose";
    if flat && torch.lengths {
        return Err(refused("a transposed convolution of samples of several lengths (mask_zero)"));
    }
    let sizes = if flat { [1, from[1]] } else { [from[2], from[3]] };
    let places = transposed_places(&s.0, flat, sizes)?;
    let bias = if s.flag("use_bias") { "" } else { ", bias=False" };
    let whole = |i: usize, kernel: usize, stride: usize, dilation: usize| {
        // What lies behind the last window.
        (places[i].0 + places[i].1[0] + places[i].1[1]) - (dilation * (kernel - 1) + 1 + (sizes[i] - 1) * stride)
    };
    let y = if flat {
        let (k, stride, dilation) = (s.count("kernel_size"), s.count("strides"), s.count("dilation_rate"));
        let more = whole(1, k, stride, dilation);
        let made = format!(
            "nn.ConvTranspose1d({}, {}, kernel_size={k}, stride={stride}, output_padding={more}, dilation={dilation}{bias})",
            from[2], out[2]
        );
        let first = places[1].1[0];
        let conv = torch.module(name, made);
        format!("{conv}({x}.transpose(1, 2))[:, :, {first}:{}].transpose(1, 2)", first + out[1])
    } else {
        let (k, stride, dilation) = (s.pair("kernel_size"), s.pair("strides"), s.pair("dilation_rate"));
        let more = [0, 1].map(|i| whole(i, k[i], stride[i], dilation[i]));
        let made = format!(
            "nn.ConvTranspose2d({}, {}, kernel_size={}, stride={}, output_padding={}, dilation={}{bias})",
            from[1],
            out[1],
            pair(k),
            pair(stride),
            pair(more),
            pair(dilation)
        );
        let [top, left] = [places[0].1[0], places[1].1[0]];
        let conv = torch.module(name, made);
        format!("{conv}({x})[:, :, {top}:{}, {left}:{}]", top + out[2], left + out[3])
    };
    Ok(y)
}
