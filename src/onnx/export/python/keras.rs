//! A model of Keras: its layers as calls, channels last as is usual there, and what puts the
//! weights beside it into them.

use super::keras_plain::{self, activation, channels_last, ends, refused, scaled, strided};
use super::keras_weights::put;
use super::names::{class, variable};
use super::settings::{Settings, pair};
use super::{Placed, constants, quoted};
use crate::data::Interface;
use crate::error::{Context, Error, Result};
use crate::nn::Model;
use std::collections::BTreeSet;
use std::fmt::Write;

/// A model as it is being written.
#[derive(Default)]
struct Keras {
    lines: Vec<String>,
    weights: Vec<String>,
    needs: BTreeSet<Part>,
    /// Whether the samples' lengths are known at this layer, which Keras calls a mask.
    masked: bool,
}

/// Parts of a file that some layers need, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Positions,
    Tied,
    Block,
}

impl Part {
    fn text(self) -> &'static str {
        match self {
            Part::Positions => include_str!("../../../../assets/python/keras_positions.py"),
            Part::Tied => include_str!("../../../../assets/python/keras_tied.py"),
            Part::Block => include_str!("../../../../assets/python/keras_block.py"),
        }
    }
}

/// The text of a module whose weights are in a file.
///
/// Fails with a layer that Keras has nothing for.
pub fn module(model: &Model, layers: &[Placed], interface: &Interface, weights: &str) -> Result<String> {
    let mut keras = Keras::default();
    let tokens = model.description.takes_tokens();
    let mut shape = model.input.to_vec();
    if shape.len() == 3 && !tokens {
        shape.rotate_left(1);
    }
    let shown: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let dtype = if tokens { ", dtype=\"int32\"" } else { "" };
    let read_later =
        |name: &str| layers.iter().any(|l| l.layer.inputs.as_ref().is_some_and(|all| all.iter().any(|n| n == name)));
    keras.lines.push(format!("start = x = keras.Input(({}{comma}){dtype})", shown.join(", ")));
    let mut last = "x".to_string();
    for placed in layers {
        let l = placed.layer;
        let of = |name: &String| if name == "input" { "start".into() } else { format!("{}_y", variable(name)) };
        let inputs: Vec<String> = match &l.inputs {
            Some(all) => all.iter().map(of).collect(),
            None => vec![last.clone()],
        };
        if l.name.contains('/') || l.name.contains('"') {
            return Err(Error::model(format!("layer {:?}: a layer of Keras has no / in its name; rename it", l.name)));
        }
        let made = keras.layer(placed, &inputs).context(|| format!("layer \"{}\" ({})", l.name, l.layer.kind()))?;
        last = if read_later(&l.name) { format!("{}_y", variable(&l.name)) } else { "x".into() };
        if made != last {
            keras.lines.push(format!("{last} = {made}"));
        }
    }
    keras.lines.push(format!("return keras.Model(start, {last}, name={})", quoted(&class(&model.description.name))));
    Ok(text(model, &keras, interface, weights, &shown))
}

fn text(model: &Model, keras: &Keras, interface: &Interface, weights: &str, shape: &[String]) -> String {
    let tokens = model.description.takes_tokens();
    let holds = if tokens { "int32, tokens of the vocabulary" } else { "float32, normalised as below" };
    let body = |lines: &[String]| lines.iter().map(|l| format!("    {l}\n")).collect::<String>();
    let mut out = format!(
        "\"\"\"{}, a model trained and exported by wgrad {}.\n\n    model = load()\n    y = model.predict(x)  # x [batch, {}], \
         {holds}\n\nPictures are channels last. The answers are what the last layer gives: logits of classes, or scaled \
         values.\n\"\"\"\n\n",
        model.description.name.replace('"', "'"),
        env!("CARGO_PKG_VERSION"),
        shape.join(", ")
    );
    out += "from pathlib import Path\n\nimport keras\nimport numpy as np\nfrom keras import layers, ops\nfrom safetensors.numpy import \
            load_file\n";
    let said = constants(interface);
    if !said.is_empty() {
        let _ = write!(out, "\n{said}");
    }
    for part in &keras.needs {
        let _ = write!(out, "\n\n{}", part.text());
    }
    let _ = write!(out, "\n\ndef build() -> keras.Model:\n{}", body(&keras.lines));
    let helpers = [
        ("gates(", include_str!("../../../../assets/python/keras_gates.py")),
        ("attention(t", include_str!("../../../../assets/python/keras_put.py")),
        ("put_block(", include_str!("../../../../assets/python/keras_put_block.py")),
    ];
    let uses = |word: &str| keras.weights.iter().any(|line| line.contains(word));
    for (word, helper) in helpers {
        if uses(word) || word == "attention(t" && uses("put_block(") {
            let _ = write!(out, "\n\n{helper}");
        }
    }
    let _ = write!(
        out,
        "\n\ndef load(weights: Path = Path(__file__).with_name({})) -> keras.Model:\n    model, t = build(), load_file(weights)\n{}    \
         return model\n",
        quoted(weights),
        body(&keras.weights)
    );
    if !out.contains("ops.") {
        out = out.replace("from keras import layers, ops\n", "from keras import layers\n");
    }
    if !out.contains("np.") {
        out = out.replace("import numpy as np\n", "");
    }
    out
}

impl Keras {
    fn layer(&mut self, placed: &Placed, inputs: &[String]) -> Result<String> {
        let s = Settings(placed.layer.layer.to_table());
        let (name, x, from) = (placed.layer.name.as_str(), inputs[0].as_str(), &placed.inputs[0]);
        let (rank, kind) = (from.len(), placed.layer.layer.kind());
        let image = rank == 4;
        let last_axis = ["Dense", "LayerNormalization", "RMSNormalization"].contains(&kind)
            || kind == "Activation" && s.text("activation").ends_with("softmax");
        if image && last_axis {
            return Err(refused("it acts on the columns of pictures, which Keras has channels in the place of"));
        }
        let moves = ["Flatten", "Reshape", "Permute", "Concatenate", "Conv1D", "MaxPooling1D", "AveragePooling1D"];
        let more = ["GlobalMaxPooling1D", "Conv1DTranspose", "UpSampling1D", "ZeroPadding1D", "Cropping1D"];
        if self.masked && (moves.contains(&kind) || more.contains(&kind)) {
            return Err(refused(
                "it reads what stands behind the ends of samples (mask_zero), which Keras leaves undefined",
            ));
        }
        let named = format!("name={}", quoted(name));
        self.weights.extend(put(placed, &s)?);
        Ok(match kind {
            "Conv2D" => {
                let (x, padding) = self.padded(x, &s)?;
                let mut more = strided(&s);
                if s.pair("dilation_rate") != [1, 1] {
                    more += &format!(", dilation_rate={}", pair(s.pair("dilation_rate")));
                }
                if s.count("groups") > 1 {
                    more += &format!(", groups={}", s.count("groups"));
                }
                let (filters, kernel) = (s.count("filters"), pair(s.pair("kernel_size")));
                format!("layers.Conv2D({filters}, {kernel}{more}{padding}{}, {named})({x})", ends(&s))
            }
            "MaxPooling2D" | "AveragePooling2D" => {
                let padding = match s.text("padding") {
                    "same" => ", padding=\"same\"",
                    "valid" => "",
                    _ if s.pair("padding") == [0, 0] => "",
                    _ => return Err(refused("a pooling with numbers for its padding is none of Keras")),
                };
                let (size, stride) = (s.pair("pool_size"), s.pair("strides"));
                let more = if size == stride { String::new() } else { format!(", strides={}", pair(stride)) };
                format!("layers.{kind}({}{more}{padding}, {named})({x})", pair(size))
            }
            "GlobalAveragePooling2D" | "GlobalMaxPooling2D" | "GlobalAveragePooling1D" | "GlobalMaxPooling1D" => {
                self.masked = false;
                format!("layers.{kind}({named})({x})")
            }
            "Flatten" if image => {
                self.lines.push(format!("x = layers.Permute((3, 1, 2))({x})  # as the weights behind it count"));
                format!("layers.Flatten({named})(x)")
            }
            "Flatten" => format!("layers.Flatten({named})({x})"),
            "Patches" => format!("layers.Reshape(({}, {}), {named})({x})", from[2] * from[3], from[1]),
            "Reshape" | "Permute" => {
                let (list, what) = match kind {
                    "Reshape" => (placed.output[1..].to_vec(), "Reshape"),
                    _ => (s.list("dims"), "Permute"),
                };
                let first = if image { format!("layers.Permute((3, 1, 2))({x})") } else { x.into() };
                let made = format!("layers.{what}({}, {named})({first})", tuple(&list));
                if placed.output.len() == 4 { format!("layers.Permute((2, 3, 1))({made})") } else { made }
            }
            "Dense" => format!("layers.Dense({}{}, {named})({x})", placed.output[rank - 1], ends(&s)),
            "TiedDense" => {
                self.needs.insert(Part::Tied);
                format!("Tied({}_layer, {named})({x})", variable(s.text("to")))
            }
            "Activation" => match s.text("activation") {
                "linear" => x.into(),
                _ => format!("layers.Activation({}, {named})({x})", activation(s.text("activation"))),
            },
            "Dropout" => format!("layers.Dropout({}, {named})({x})", s.real("rate")),
            "BatchNormalization" => {
                let axis = match channels_last(&s, rank) {
                    -1 => String::new(),
                    axis => format!("axis={axis}, "),
                };
                let (momentum, eps, parts) = (s.real("momentum"), s.real("epsilon"), scaled(&s));
                format!("layers.{kind}({axis}momentum={momentum:?}, epsilon={eps:?}{parts}, {named})({x})")
            }
            "LayerNormalization" | "RMSNormalization" => {
                format!("layers.{kind}(epsilon={:?}, {named})({x})", s.real("epsilon"))
            }
            "Embedding" => {
                self.masked = s.flag("mask_zero");
                let rows = Some(s.count("input_dim")).filter(|n| *n > 0).or(placed.rows);
                let rows = rows.ok_or_else(|| Error::model("how many tokens it takes is not known here"))?;
                let mask = if self.masked { ", mask_zero=True" } else { "" };
                let variable = format!("{}_layer", variable(name));
                self.lines
                    .push(format!("{variable} = layers.Embedding({rows}, {}{mask}, {named})", s.count("output_dim")));
                format!("{variable}({x})")
            }
            "PositionalEmbedding" => {
                self.needs.insert(Part::Positions);
                let learned = s.text("kind") == "learned";
                let rows = Some(s.count("positions")).filter(|n| *n > 0 && learned).unwrap_or(from[1]);
                let more = if learned { "" } else { ", trainable=False" };
                format!("Positions({rows}, {}{more}, {named})({x})", from[2])
            }
            "MultiHeadAttention" if inputs.len() == 2 => self.across(placed, inputs, &s)?,
            "MultiHeadAttention" => self.attention(name, x, from[2], &s)?,
            "TransformerBlock" => self.block(name, x, from[2], &s)?,
            "SimpleRNN" | "LSTM" | "GRU" => self.recurrent(name, x, from, &s, kind),
            "Conv1D" => {
                let padding = match s.text("padding") {
                    "valid" => String::new(),
                    word @ ("same" | "causal") => format!(", padding={}", quoted(word)),
                    _ => return Err(refused("a convolution with numbers for its padding is none of Keras")),
                };
                let mut more = String::new();
                for (key, usual) in [("strides", 1), ("dilation_rate", 1), ("groups", 1)] {
                    if s.count(key) != usual {
                        more += &format!(", {key}={}", s.count(key));
                    }
                }
                let (filters, size) = (s.count("filters"), s.count("kernel_size"));
                format!("layers.Conv1D({filters}, {size}{more}{padding}{}, {named})({x})", ends(&s))
            }
            "MaxPooling1D" | "AveragePooling1D" => {
                let padding = match s.text("padding") {
                    "valid" => "",
                    "same" => ", padding=\"same\"",
                    _ => return Err(refused("a pooling with such a padding is none of Keras")),
                };
                let (size, stride) = (s.count("pool_size"), s.count("strides"));
                format!("layers.{kind}({size}, strides={stride}{padding}, {named})({x})")
            }
            "Concatenate" => {
                format!("layers.Concatenate(axis={}, {named})([{}])", channels_last(&s, rank), inputs.join(", "))
            }
            _ => match keras_plain::layer(placed, inputs, &s, &named)? {
                Some(made) => made,
                None => return Err(refused("no layer of Keras is known for it")),
            },
        })
    }

    /// What is convolved, and the argument of its padding.
    fn padded(&self, x: &str, s: &Settings) -> Result<(String, &'static str)> {
        Ok(match s.text("padding") {
            "valid" => (x.into(), ""),
            // Keras and we put an odd zero at the end.
            "same" => (x.into(), ", padding=\"same\""),
            _ => {
                let [down, across] = s.pair("padding");
                (format!("layers.ZeroPadding2D(({down}, {across}))({x})"), "")
            }
        })
    }

    fn attention(&self, name: &str, x: &str, width: usize, s: &Settings) -> Result<String> {
        let made = own_attention(name, width, s)?;
        let causal = if s.flag("causal") { ", use_causal_mask=True" } else { "" };
        Ok(format!("{made}({x}, {x}{causal})"))
    }

    /// Attention over a second input.
    fn across(&self, placed: &Placed, inputs: &[String], s: &Settings) -> Result<String> {
        let (width, from) = (placed.inputs[0][2], placed.inputs[1][2]);
        if self.masked || width != from || grouped(s) {
            return Err(refused("attention over a second input of another width, with kv_heads or with mask_zero"));
        }
        let made = own_attention(&placed.layer.name, width, s)?;
        let causal = if s.flag("causal") { ", use_causal_mask=True" } else { "" };
        Ok(format!("{made}({}, {}{causal})", inputs[0], inputs[1]))
    }

    fn block(&mut self, name: &str, x: &str, width: usize, s: &Settings) -> Result<String> {
        self.needs.insert(Part::Block);
        let attention = own_attention(&format!("{name}.self_attn"), width, s)?;
        let gated = s.text("feed_forward") == "gated";
        let usual = if gated { (8 * width / 3).next_multiple_of(8) } else { 4 * width };
        let hidden = Some(s.count("hidden")).filter(|n| *n > 0).unwrap_or(usual);
        let norm = if s.text("norm") == "rms" { "RMSNormalization" } else { "LayerNormalization" };
        let mut more = String::new();
        for (key, on) in [("gated", gated), ("causal", s.flag("causal"))] {
            if on {
                more += &format!(", {key}=True");
            }
        }
        if s.real("dropout") > 0.0 {
            more += &format!(", dropout={:?}", s.real("dropout"));
        }
        if !s.flag("use_bias") {
            more += ", use_bias=False";
        }
        Ok(format!(
            "block({x}, {}, {attention}, {hidden}, activation={}, norm=layers.{norm}, epsilon={:?}{more})",
            quoted(name),
            activation(s.text("activation")),
            s.real("epsilon")
        ))
    }

    fn recurrent(&mut self, name: &str, x: &str, from: &[usize], s: &Settings, kind: &str) -> String {
        let (all, both, count) = (s.flag("return_sequences"), s.flag("bidirectional"), s.count("layers"));
        let mut x = x.to_string();
        if from.len() == 4 {
            x = format!("layers.Reshape(({}, {}))({x})", from[2], from[3]);
        }
        for layer in 0..count {
            let mut more = String::new();
            if all || layer + 1 < count {
                more += ", return_sequences=True";
                more += if self.masked && !both { ", zero_output_for_mask=True" } else { "" };
            }
            if s.text("activation") == "relu" {
                more += ", activation=\"relu\"";
            }
            if kind == "GRU" && !s.flag("reset_after") {
                more += ", reset_after=False";
            }
            if !s.flag("use_bias") {
                more += ", use_bias=False";
            }
            let own = if count == 1 { name.to_string() } else { format!("{name}.l{layer}") };
            if layer > 0 && s.real("dropout") > 0.0 {
                self.lines.push(format!("x = layers.Dropout({:?})({x})", s.real("dropout")));
                x = "x".into();
            }
            let made = match both {
                true => {
                    format!("layers.Bidirectional(layers.{kind}({}{more}), name={})", s.count("units"), quoted(&own))
                }
                false => format!("layers.{kind}({}{more}, name={})", s.count("units"), quoted(&own)),
            };
            if layer + 1 == count {
                self.masked &= all;
                return format!("{made}({x})");
            }
            self.lines.push(format!("x = {made}({x})"));
            x = "x".into();
        }
        x
    }
}

/// Whether heads of keys are fewer than those of queries.
fn grouped(s: &Settings) -> bool {
    s.count("kv_heads") != 0 && s.count("kv_heads") != s.count("heads")
}

fn own_attention(name: &str, width: usize, s: &Settings) -> Result<String> {
    if s.flag("rotary") {
        return Err(refused("rotary positions are none of Keras' attention"));
    }
    let heads = s.count("heads");
    let d = Some(s.count("key_dim")).filter(|n| *n > 0).unwrap_or(width / heads);
    let mut more = String::new();
    if s.real("dropout") > 0.0 {
        more += &format!(", dropout={:?}", s.real("dropout"));
    }
    if !s.flag("use_bias") {
        more += ", use_bias=False";
    }
    Ok(match grouped(s) {
        true => {
            format!("layers.GroupQueryAttention({d}, {heads}, {}{more}, name={})", s.count("kv_heads"), quoted(name))
        }
        false => format!("layers.MultiHeadAttention({heads}, {d}{more}, name={})", quoted(name)),
    })
}

/// `(3, 4)`, or `(3,)`.
fn tuple(all: &[usize]) -> String {
    let text: Vec<String> = all.iter().map(usize::to_string).collect();
    format!("({}{})", text.join(", "), if all.len() == 1 { "," } else { "" })
}
