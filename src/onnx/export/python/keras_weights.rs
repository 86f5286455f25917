//! How the weights of a layer become those of Keras: other axes, other orders of gates.

use super::settings::Settings;
use super::{Placed, quoted};
use crate::error::Result;

/// Lines that put the weights of a layer in their place; `t` has them by name.
pub fn put(placed: &Placed, s: &Settings) -> Result<Vec<String>> {
    let name = placed.layer.name.as_str();
    let t = |what: &str| format!("t[{}]", quoted(&format!("{name}.{what}")));
    let set =
        |layer: &str, all: &[String]| format!("model.get_layer({}).set_weights([{}])", quoted(layer), all.join(", "));
    let with_bias = |weight: String, bias: String| if s.flag("use_bias") { vec![weight, bias] } else { vec![weight] };
    Ok(match placed.layer.layer.kind() {
        "Conv2D" => vec![set(name, &with_bias(format!("{}.transpose(2, 3, 1, 0)", t("weight")), t("bias")))],
        "DepthwiseConv2D" => vec![set(name, &with_bias(depthwise(placed, t("weight")), t("bias")))],
        "SeparableConv2D" => {
            let mut all = vec![depthwise(placed, t("depthwise.weight"))];
            all.extend(with_bias(format!("{}.transpose(2, 3, 1, 0)", t("pointwise.weight")), t("pointwise.bias")));
            vec![set(name, &all)]
        }
        "Conv2DTranspose" => {
            vec![set(name, &with_bias(format!("{}.transpose(2, 3, 1, 0)", t("weight")), t("bias")))]
        }
        "Conv1DTranspose" => vec![set(name, &with_bias(format!("{}.transpose(2, 1, 0)", t("weight")), t("bias")))],
        "GroupNormalization" | "InstanceNormalization" => match norm(s, &t) {
            all if all.is_empty() => vec![],
            all => vec![set(name, &all)],
        },
        "PReLU" => vec![set(name, &[slopes(placed, s, t("weight"))])],
        "Conv1D" => vec![set(name, &with_bias(format!("{}.transpose(2, 1, 0)", t("weight")), t("bias")))],
        "Dense" => vec![set(name, &with_bias(format!("{}.T", t("weight")), t("bias")))],
        "BatchNormalization" => {
            let mut all = norm(s, &t);
            all.extend(["running_mean", "running_var"].map(t));
            vec![set(name, &all)]
        }
        "LayerNormalization" => vec![set(name, &["weight", "bias"].map(t))],
        "RMSNormalization" | "Embedding" => vec![set(name, &[t("weight")])],
        "PositionalEmbedding" if s.text("kind") == "learned" => vec![set(name, &[t("weight")])],
        "PositionalEmbedding" => {
            vec![set(name, &[format!("sinusoids({}, {})", placed.inputs[0][1], placed.inputs[0][2])])]
        }
        "MultiHeadAttention" => {
            let ([q, kv], name) = (heads(s), quoted(name));
            vec![format!("model.get_layer({name}).set_weights(attention(t, {name}, heads={q}, kv_heads={kv}))")]
        }
        "TransformerBlock" => {
            let [q, kv] = heads(s);
            vec![format!("put_block(model, t, {}, heads={q}, kv_heads={kv})", quoted(name))]
        }
        "SimpleRNN" | "LSTM" | "GRU" => recurrent(name, s, placed.layer.layer.kind()),
        _ => vec![],
    })
}

/// The windows of channels, `[C multiplier, 1, kh, kw]` here and `[kh, kw, C, multiplier]` there.
fn depthwise(placed: &Placed, weight: String) -> String {
    let channels = placed.inputs[0][1];
    format!("{weight}.reshape({channels}, -1, *{weight}.shape[2:]).transpose(2, 3, 0, 1)")
}

/// The parameters that a norm has.
fn norm(s: &Settings, t: &impl Fn(&str) -> String) -> Vec<String> {
    let all = [("scale", "weight"), ("center", "bias")];
    all.iter().filter(|(key, _)| s.flag(key)).map(|(_, name)| t(name)).collect()
}

/// Slopes of the shape of a sample, channels last.
fn slopes(placed: &Placed, s: &Settings, weight: String) -> String {
    let (shape, shared) = (&placed.inputs[0], s.list("shared_axes"));
    let line: Vec<String> =
        (1..shape.len()).map(|a| if shared.contains(&a) { "1".into() } else { shape[a].to_string() }).collect();
    let turned = if shape.len() == 4 { ".transpose(1, 2, 0)" } else { "" };
    format!("{weight}.reshape({}){turned}", line.join(", "))
}

/// Heads of queries and of keys.
fn heads(s: &Settings) -> [usize; 2] {
    let heads = s.count("heads");
    [heads, Some(s.count("kv_heads")).filter(|n| *n > 0).unwrap_or(heads)]
}

fn recurrent(name: &str, s: &Settings, kind: &str) -> Vec<String> {
    let count = s.count("layers");
    let directions: &[&str] = if s.flag("bidirectional") { &["", "_reverse"] } else { &[""] };
    let of_layer = |layer: usize| {
        let own = if count == 1 { name.to_string() } else { format!("{name}.l{layer}") };
        let mut all = vec![];
        for direction in directions {
            let t = |what: &str| format!("t[{}]", quoted(&format!("{name}.{what}_l{layer}{direction}")));
            // Keras has z before r.
            let ordered = |x: String| if kind == "GRU" { format!("gates({x})") } else { x };
            all.push(format!("{}.T", ordered(t("weight_ih"))));
            all.push(format!("{}.T", ordered(t("weight_hh"))));
            match (s.flag("use_bias"), kind) {
                (false, _) => {}
                (true, "GRU") if s.flag("reset_after") => {
                    all.push(format!("np.stack([gates({}), gates({})])", t("bias_ih"), t("bias_hh")));
                }
                (true, "GRU") => all.push(ordered(t("bias_ih"))),
                (true, _) => all.push(format!("{} + {}", t("bias_ih"), t("bias_hh"))),
            }
        }
        format!("model.get_layer({}).set_weights([{}])", quoted(&own), all.join(", "))
    };
    (0..count).map(of_layer).collect()
}
