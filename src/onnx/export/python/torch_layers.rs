//! Each layer as a submodule of PyTorch and a call.

use super::Placed;
use super::settings::{Settings, pair};
use super::torch_module::{Part, Torch, called};
use super::torch_plain;
use crate::error::{Error, Result};
use crate::ops::conv2d::Conv2d;

/// Adds a layer that reads variables, and gives the expression of what it makes.
///
/// Fails where PyTorch has nothing for it.
pub fn layer(torch: &mut Torch, placed: &Placed, inputs: &[String]) -> Result<String> {
    let s = Settings(placed.layer.layer.to_table());
    let (name, x, from) = (placed.layer.name.as_str(), inputs[0].as_str(), &placed.inputs[0]);
    let rank = from.len();
    let kind = placed.layer.layer.kind();
    Ok(match kind {
        "Conv2D" => conv2d(torch, name, x, from, &s, [s.count("filters"), s.count("groups")]),
        "DepthwiseConv2D" => conv2d(torch, name, x, from, &s, [placed.output[1], from[1]]),
        "SeparableConv2D" => separable(torch, name, x, from, &s),
        "Conv1D" => conv1d(torch, name, x, from, &s)?,
        "MaxPooling2D" | "AveragePooling2D" => pool2d(torch, x, from, &s, kind == "MaxPooling2D"),
        "MaxPooling1D" | "AveragePooling1D" => pool1d(torch, x, from, &s, kind == "MaxPooling1D")?,
        "GlobalAveragePooling2D" => format!("{x}.mean(dim=(2, 3))"),
        "GlobalAveragePooling1D" | "GlobalMaxPooling1D" => global_pool(torch, x, kind == "GlobalMaxPooling1D"),
        "Flatten" => {
            torch.lengths = false;
            format!("{x}.flatten(1)")
        }
        "Patches" => {
            torch.lengths = false;
            format!("{x}.flatten(2).transpose(1, 2)")
        }
        "Reshape" => {
            let shape = &placed.output[1..];
            torch.lengths &= shape.first() == from.get(1);
            let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("{x}.reshape({x}.shape[0], {})", shape.join(", "))
        }
        "Permute" => {
            let dims = s.list("dims");
            torch.lengths &= dims.first() == Some(&1);
            let dims: Vec<String> = dims.iter().map(usize::to_string).collect();
            format!("{x}.permute(0, {})", dims.join(", "))
        }
        "Dense" => {
            let (features, units) = (from[rank - 1], placed.output[rank - 1]);
            let made = format!("nn.Linear({features}, {units}{})", no_bias(&s));
            let dense = torch.module(name, made);
            activated(s.text("activation"), format!("{dense}({x})"))
        }
        "TiedDense" => format!("F.linear({x}, {}.weight)", called(s.text("to"))),
        "Activation" => activated(s.text("activation"), x.into()),
        "Dropout" => {
            let dropout = torch.module(name, format!("nn.Dropout({})", real(s.real("rate"))));
            format!("{dropout}({x})")
        }
        "BatchNormalization" if s.axis(rank) != 1 || s.flag("center") != s.flag("scale") => {
            return Err(Error::model(
                "a batch norm over another axis, or with one of scale and center, is none of PyTorch",
            ));
        }
        "BatchNormalization" => {
            let of = if rank == 4 { "BatchNorm2d" } else { "BatchNorm1d" };
            let (eps, momentum) = (s.real("epsilon"), 1.0 - s.real("momentum"));
            let mut more = if eps == 1e-5 { String::new() } else { format!(", eps={}", real(eps)) };
            if (momentum - 0.1).abs() > 1e-9 {
                more += &format!(", momentum={}", real(momentum));
            }
            if !s.flag("scale") {
                more += ", affine=False";
            }
            let norm = torch.module(name, format!("nn.{of}({}{more})", from[1]));
            format!("{norm}({x})")
        }
        "LayerNormalization" | "RMSNormalization" => {
            let of = if kind == "LayerNormalization" { "LayerNorm" } else { "RMSNorm" };
            let norm = torch.module(name, format!("nn.{of}({}, eps={})", from[rank - 1], real(s.real("epsilon"))));
            format!("{norm}({x})")
        }
        "Embedding" => {
            let rows = torch_rows(placed, &s)?;
            let mut more = String::new();
            if s.flag("mask_zero") {
                torch.needs.insert(Part::Lengths);
                torch.line(format!("lengths = lengths_of({x})"));
                torch.lengths = true;
                more += ", padding_idx=0";
            }
            let table = torch.module(name, format!("nn.Embedding({rows}, {}{more})", s.count("output_dim")));
            format!("{table}({x})")
        }
        "PositionalEmbedding" => {
            let (positions, width) = (from[1], from[2]);
            if s.text("kind") == "sinusoidal" {
                torch.needs.insert(Part::Sinusoids);
                let made = format!("sinusoids({positions}, {width})");
                let buffer = super::names::variable(name);
                torch.init.push(format!("self.register_buffer(\"{buffer}\", {made}, persistent=False)"));
                return Ok(format!("{x} + self.{buffer}[: {x}.shape[1]]"));
            }
            let rows = Some(s.count("positions")).filter(|n| *n > 0).unwrap_or(positions);
            let table = torch.module(name, format!("nn.Embedding({rows}, {width})"));
            format!("{x} + {table}.weight[: {x}.shape[1]]")
        }
        "MultiHeadAttention" if inputs.len() == 2 => across(torch, name, inputs, placed, &s)?,
        "MultiHeadAttention" => attention(torch, name, x, from, &s),
        "TransformerBlock" => block(torch, name, x, from, &s),
        "SimpleRNN" | "LSTM" | "GRU" => recurrent(torch, name, x, from, &s, kind)?,
        "Concatenate" => {
            torch.lengths &= s.axis(rank) != 1;
            format!("torch.cat([{}], dim={})", inputs.join(", "), s.axis(rank))
        }
        _ => {
            if let Some(made) = torch_plain::layer(torch, placed, inputs, &s)? {
                return Ok(activated(s.text("activation"), made));
            }
            return Err(Error::model(
                "PyTorch's module of it is not known; expected built-in layers: export as ONNX, which takes any layer made \
                 of the graph's ops",
            ));
        }
    })
}

/// The number of tokens of an embedding: of the layer, or of the data.
fn torch_rows(placed: &Placed, s: &Settings) -> Result<usize> {
    match (s.count("input_dim"), placed.rows) {
        (0, Some(rows)) => Ok(rows),
        (0, None) => Err(Error::model("how many tokens it takes is not known here; expected input_dim in the model")),
        (rows, _) => Ok(rows),
    }
}

fn no_bias(s: &Settings) -> &'static str {
    if s.flag("use_bias") { "" } else { ", bias=False" }
}

/// A number of double precision as Python writes it.
pub fn real(x: f64) -> String {
    format!("{x:?}")
}

/// What an activation makes of an expression.
pub fn activated(activation: &str, x: String) -> String {
    match activation {
        "" | "linear" => x,
        "relu" => format!("F.relu({x})"),
        "leaky_relu" => format!("F.leaky_relu({x}, 0.2)"),
        "elu" => format!("F.elu({x})"),
        "gelu" => format!("F.gelu({x})"),
        "gelu_tanh" => format!("F.gelu({x}, approximate=\"tanh\")"),
        "silu" | "swish" => format!("F.silu({x})"),
        "softplus" => format!("F.softplus({x})"),
        "hard_swish" => format!("F.hardswish({x})"),
        "exponential" => format!("torch.exp({x})"),
        "relu6" | "selu" | "celu" | "mish" | "softsign" => format!("F.{activation}({x})"),
        "hard_sigmoid" | "hard_tanh" | "hard_shrink" | "soft_shrink" | "log_sigmoid" => {
            format!("F.{}({x})", activation.replace('_', ""))
        }
        "softmax" => format!("F.softmax({x}, dim=-1)"),
        "log_softmax" => format!("F.log_softmax({x}, dim=-1)"),
        other => format!("torch.{other}({x})"),
    }
}

/// Zeros before and after each axis of a window.
fn padding(
    s: &Settings,
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
) -> [[usize; 2]; 2] {
    match s.text("padding") {
        "valid" => [[0, 0]; 2],
        "same" => Conv2d::same_padding(input, kernel, stride, dilation),
        _ => s.pair("padding").map(|n| [n, n]),
    }
}

/// The padding that a module takes itself, and the expression of what is padded before where
/// the sides differ.
fn padded(x: &str, pads: [[usize; 2]; 2], fill: &str) -> ([usize; 2], String) {
    let [down, across] = pads;
    if down[0] == down[1] && across[0] == across[1] {
        return ([down[0], across[0]], x.into());
    }
    ([0, 0], format!("F.pad({x}, ({}, {}, {}, {}){fill})", across[0], across[1], down[0], down[1]))
}

fn conv2d(
    torch: &mut Torch,
    name: &str,
    x: &str,
    from: &[usize],
    s: &Settings,
    [filters, groups]: [usize; 2],
) -> String {
    let (kernel, stride, dilation) = (s.pair("kernel_size"), s.pair("strides"), s.pair("dilation_rate"));
    let pads = padding(s, [from[2], from[3]], kernel, stride, dilation);
    let (own, x) = padded(x, pads, "");
    let mut made = format!("nn.Conv2d({}, {filters}, kernel_size={}", from[1], pair(kernel));
    for (key, value, usual) in [("stride", stride, [1; 2]), ("padding", own, [0; 2]), ("dilation", dilation, [1; 2])] {
        if value != usual {
            made += &format!(", {key}={}", pair(value));
        }
    }
    if groups > 1 {
        made += &format!(", groups={groups}");
    }
    made += no_bias(s);
    let conv = torch.module(name, made + ")");
    activated(s.text("activation"), format!("{conv}({x})"))
}

fn separable(torch: &mut Torch, name: &str, x: &str, from: &[usize], s: &Settings) -> String {
    let (channels, mut own) = (from[1] * s.count("depth_multiplier"), Settings(s.0.clone()));
    own.0.insert("activation".into(), "linear".into());
    own.0.insert("use_bias".into(), false.into());
    let y = conv2d(torch, &format!("{name}.depthwise"), x, from, &own, [channels, from[1]]);
    let made = format!("nn.Conv2d({channels}, {}, kernel_size=1{})", s.count("filters"), no_bias(s));
    let conv = torch.module(&format!("{name}.pointwise"), made);
    activated(s.text("activation"), format!("{conv}({y})"))
}

/// Positions before and after a sequence of a window along it.
fn ends(s: &Settings, positions: usize, size: usize, stride: usize, dilation: usize) -> [usize; 2] {
    match s.text("padding") {
        "causal" => [(size - 1) * dilation, 0],
        _ => padding(s, [1, positions], [1, size], [1, stride], [1, dilation])[1],
    }
}

pub fn no_lengths(torch: &Torch) -> Result<()> {
    match torch.lengths {
        false => Ok(()),
        true => Err(Error::model(
            "windows along samples of several lengths (mask_zero) have no module of PyTorch that leaves the filling out; \
             export as ONNX",
        )),
    }
}

fn conv1d(torch: &mut Torch, name: &str, x: &str, from: &[usize], s: &Settings) -> Result<String> {
    no_lengths(torch)?;
    let (size, stride, dilation) = (s.count("kernel_size"), s.count("strides"), s.count("dilation_rate"));
    let pads = ends(s, from[1], size, stride, dilation);
    let mut made = format!("nn.Conv1d({}, {}, kernel_size={size}", from[2], s.count("filters"));
    let own = if pads[0] == pads[1] { pads[0] } else { 0 };
    for (key, value, usual) in [("stride", stride, 1), ("padding", own, 0), ("dilation", dilation, 1)] {
        if value != usual {
            made += &format!(", {key}={value}");
        }
    }
    if s.count("groups") > 1 {
        made += &format!(", groups={}", s.count("groups"));
    }
    made += no_bias(s);
    let conv = torch.module(name, made + ")");
    let mut turned = format!("{x}.transpose(1, 2)");
    if pads[0] != pads[1] {
        turned = format!("F.pad({turned}, ({}, {}))", pads[0], pads[1]);
    }
    Ok(activated(s.text("activation"), format!("{conv}({turned}).transpose(1, 2)")))
}

fn pool2d(torch: &mut Torch, x: &str, from: &[usize], s: &Settings, max: bool) -> String {
    let (kernel, stride) = (s.pair("pool_size"), s.pair("strides"));
    let pads = padding(s, [from[2], from[3]], kernel, stride, [1; 2]);
    let mut more = pair(kernel);
    if stride != kernel {
        more += &format!(", stride={}", pair(stride));
    }
    if max {
        let (own, x) = padded(x, pads, ", value=float(\"-inf\")");
        let own = if own == [0; 2] { String::new() } else { format!(", padding={}", pair(own)) };
        return format!("F.max_pool2d({x}, {more}{own})");
    }
    let (own, whole) = padded(x, pads, "");
    if pads.iter().all(|p| p[0] == p[1]) {
        let own =
            if own == [0; 2] { String::new() } else { format!(", padding={}, count_include_pad=False", pair(own)) };
        return format!("F.avg_pool2d({x}, {more}{own})");
    }
    // The share of each window that is no padding.
    let (_, ones) = padded(&format!("torch.ones_like({x})"), pads, "");
    torch.line(format!("share = F.avg_pool2d({ones}, {more})"));
    format!("F.avg_pool2d({whole}, {more}) / share")
}

fn pool1d(torch: &mut Torch, x: &str, from: &[usize], s: &Settings, max: bool) -> Result<String> {
    no_lengths(torch)?;
    let (size, stride) = (s.count("pool_size"), s.count("strides"));
    let pads = ends(s, from[1], size, stride, 1);
    let turned = format!("{x}.transpose(1, 2)");
    let pad = |x: &str, fill: &str| match pads {
        [0, 0] => x.to_string(),
        [a, b] => format!("F.pad({x}, ({a}, {b}){fill})"),
    };
    if max {
        let turned = pad(&turned, ", value=float(\"-inf\")");
        return Ok(format!("F.max_pool1d({turned}, {size}, stride={stride}).transpose(1, 2)"));
    }
    if pads == [0, 0] {
        return Ok(format!("F.avg_pool1d({turned}, {size}, stride={stride}).transpose(1, 2)"));
    }
    let ones = pad(&format!("torch.ones_like({turned})"), "");
    torch.line(format!("share = F.avg_pool1d({ones}, {size}, stride={stride})"));
    Ok(format!("(F.avg_pool1d({}, {size}, stride={stride}) / share).transpose(1, 2)", pad(&turned, "")))
}

fn global_pool(torch: &mut Torch, x: &str, max: bool) -> String {
    let known = std::mem::replace(&mut torch.lengths, false);
    match (known, max) {
        (false, true) => format!("{x}.amax(dim=1)"),
        (false, false) => format!("{x}.mean(dim=1)"),
        (true, true) => format!("max_of_valid({x}, lengths)"),
        (true, false) => format!("mean_of_valid({x}, lengths)"),
    }
}

/// Whether PyTorch's own attention is the same.
fn is_plain(s: &Settings, width: usize) -> bool {
    let heads = s.count("heads");
    let own = [
        s.count("key_dim") == 0 || s.count("key_dim") * heads == width,
        matches!(s.count("kv_heads"), 0) || s.count("kv_heads") == heads,
    ];
    own.iter().all(|same| *same) && !s.flag("rotary")
}

/// What attention leaves out, as arguments.
fn masks(torch: &mut Torch, x: &str, s: &Settings, [causal, padding]: [&str; 2]) -> String {
    let mut more = String::new();
    if s.flag("causal") {
        torch.line(format!(
            "future = torch.ones({x}.shape[1], {x}.shape[1], dtype=torch.bool, device={x}.device).triu(1)"
        ));
        more += &format!(", {causal}=future");
    }
    if torch.lengths {
        more += &format!(", {padding}=~valid({x}, lengths)");
    }
    more
}

/// The arguments of an attention of our own.
fn own_attention(s: &Settings, width: usize) -> String {
    let heads = s.count("heads");
    let kv = Some(s.count("kv_heads")).filter(|n| *n > 0).unwrap_or(heads);
    let d = Some(s.count("key_dim")).filter(|n| *n > 0).unwrap_or(width / heads);
    let mut more = format!("{width}, heads={heads}, kv_heads={kv}, key_dim={d}");
    for (key, on) in [("causal", s.flag("causal")), ("rotary", s.flag("rotary"))] {
        if on {
            more += &format!(", {key}=True");
        }
    }
    if s.real("dropout") > 0.0 {
        more += &format!(", dropout={}", real(s.real("dropout")));
    }
    more + no_bias(s)
}

/// Attention over a second input.
fn across(torch: &mut Torch, name: &str, inputs: &[String], placed: &Placed, s: &Settings) -> Result<String> {
    let (width, from) = (placed.inputs[0][2], placed.inputs[1][2]);
    if torch.lengths || !is_plain(s, width) {
        return Err(Error::model(
            "attention over a second input, with samples of several lengths, kv_heads or rotary, is none of PyTorch; export \
             as ONNX",
        ));
    }
    let mut made = format!("nn.MultiheadAttention({width}, {}", s.count("heads"));
    if from != width {
        made += &format!(", kdim={from}, vdim={from}");
    }
    if s.real("dropout") > 0.0 {
        made += &format!(", dropout={}", real(s.real("dropout")));
    }
    let attention = torch.module(name, format!("{made}{}, batch_first=True)", no_bias(s)));
    let (x, memory) = (&inputs[0], &inputs[1]);
    let more = masks(torch, x, s, ["attn_mask", "key_padding_mask"]);
    Ok(format!("{attention}({x}, {memory}, {memory}{more}, need_weights=False)[0]"))
}

fn attention(torch: &mut Torch, name: &str, x: &str, from: &[usize], s: &Settings) -> String {
    let width = from[2];
    let lengths = if torch.lengths { ", lengths" } else { "" };
    if !is_plain(s, width) {
        torch.needs.insert(Part::Attention);
        let attention = torch.module(name, format!("Attention({})", own_attention(s, width)));
        return format!("{attention}({x}{lengths})");
    }
    let mut made = format!("nn.MultiheadAttention({width}, {}", s.count("heads"));
    if s.real("dropout") > 0.0 {
        made += &format!(", dropout={}", real(s.real("dropout")));
    }
    let attention = torch.module(name, format!("{made}{}, batch_first=True)", no_bias(s)));
    let more = masks(torch, x, s, ["attn_mask", "key_padding_mask"]);
    format!("{attention}({x}, {x}, {x}{more}, need_weights=False)[0]")
}

fn block(torch: &mut Torch, name: &str, x: &str, from: &[usize], s: &Settings) -> String {
    let width = from[2];
    let gated = s.text("feed_forward") == "gated";
    let usual = if gated { (8 * width / 3).next_multiple_of(8) } else { 4 * width };
    let hidden = Some(s.count("hidden")).filter(|n| *n > 0).unwrap_or(usual);
    let activation = s.text("activation");
    let own = matches!(activation, "gelu" | "relu");
    let dropout = real(s.real("dropout"));
    if is_plain(s, width) && !gated && own && s.text("norm") == "layer" && s.flag("use_bias") {
        let made = format!(
            "nn.TransformerEncoderLayer({width}, {}, {hidden}, dropout={dropout}, activation=\"{activation}\", \
             layer_norm_eps={}, batch_first=True, norm_first=True)",
            s.count("heads"),
            real(s.real("epsilon"))
        );
        let block = torch.module(name, made);
        let more = masks(torch, x, s, ["src_mask", "src_key_padding_mask"]);
        return format!("{block}({x}{more})");
    }
    torch.needs.extend([Part::Attention, Part::Block]);
    let mut made = format!("Block(Attention({}), {width}, {hidden}", own_attention(s, width));
    made += &format!(", activation=lambda x: {}", activated(activation, "x".into()));
    if gated {
        made += ", gated=True";
    }
    if s.text("norm") == "rms" {
        made += ", norm=nn.RMSNorm";
    }
    made += &format!(", eps={}", real(s.real("epsilon")));
    if s.real("dropout") > 0.0 {
        made += &format!(", dropout={dropout}");
    }
    let block = torch.module(name, made + no_bias(s) + ")");
    let lengths = if torch.lengths { ", lengths" } else { "" };
    format!("{block}({x}{lengths})")
}

fn recurrent(torch: &mut Torch, name: &str, x: &str, from: &[usize], s: &Settings, kind: &str) -> Result<String> {
    if kind == "GRU" && !s.flag("reset_after") {
        return Err(Error::model("reset_after = false is no GRU that PyTorch has; export as ONNX, or as Keras"));
    }
    let (mut x, width) = (x.to_string(), from[from.len() - 1]);
    if from.len() == 4 {
        x = format!("{x}.squeeze(1)");
    }
    let of = if kind == "SimpleRNN" { "RNN" } else { kind };
    let mut made = format!("nn.{of}({width}, {}", s.count("units"));
    if s.count("layers") > 1 {
        made += &format!(", num_layers={}", s.count("layers"));
    }
    if s.text("activation") == "relu" {
        made += ", nonlinearity=\"relu\"";
    }
    made += no_bias(s);
    made += ", batch_first=True";
    if s.real("dropout") > 0.0 {
        made += &format!(", dropout={}", real(s.real("dropout")));
    }
    let both = s.flag("bidirectional");
    if both {
        made += ", bidirectional=True";
    }
    let module = torch.module(name, made + ")");
    let all = s.flag("return_sequences");
    let call = match torch.lengths {
        false => format!("{module}({x})"),
        true => {
            torch.needs.insert(Part::Walk);
            format!("walk({module}, {x}, lengths)")
        }
    };
    if all {
        return Ok(format!("{call}[0]"));
    }
    torch.lengths = false;
    torch.line(format!("{} = {call}", if kind == "LSTM" { "_, (h, _)" } else { "_, h" }));
    Ok(if both { "torch.cat([h[-2], h[-1]], dim=1)".into() } else { "h[-1]".into() })
}
