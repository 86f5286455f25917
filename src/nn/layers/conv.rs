//! `Conv2D`.

use super::inputs::{image, mixes, single};
use super::{Layer, pair_value};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::keys::as_pair;
use crate::nn::{Activation, Build, Initializer, Keys};
use crate::ops::conv2d;
use crate::tensor::Shape;
use std::sync::Arc;
use toml::{Table, Value};

/// How the border of an image is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// No padding.
    Valid,
    /// As much as makes the output as large as the input divided by the stride.
    Same,
    /// This many zeros on each side, down and across.
    Explicit([usize; 2]),
}

impl Padding {
    /// Reads `padding`; `"valid"` if it is not there.
    pub(crate) fn read(keys: &mut Keys) -> Result<Padding> {
        match keys.take("padding") {
            None => Ok(Padding::Valid),
            Some(Value::String(s)) if s == "valid" => Ok(Padding::Valid),
            Some(Value::String(s)) if s == "same" => Ok(Padding::Same),
            Some(v) => as_pair(&v, 0).map(Padding::Explicit).ok_or_else(|| {
                let place = keys.place();
                Error::model(format!("{place}: padding = {v}; expected \"valid\", \"same\", a number or two of them"))
            }),
        }
    }

    pub(crate) fn value(self) -> Value {
        match self {
            Padding::Valid => "valid".into(),
            Padding::Same => "same".into(),
            Padding::Explicit(p) => pair_value(p),
        }
    }

    /// Zeros before and after, down and across.
    pub(crate) fn resolve(
        self,
        input: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
    ) -> [[usize; 2]; 2] {
        match self {
            Padding::Valid => [[0, 0]; 2],
            Padding::Explicit(p) => p.map(|n| [n, n]),
            Padding::Same => conv2d::Conv2d::same_padding(input, kernel, stride, dilation),
        }
    }
}

/// Convolution with optional bias and activation. Parameters: `weight
/// [filters, channels/groups, kh, kw]`, `bias [filters]`.
#[derive(Debug, Clone)]
pub struct Conv2D {
    /// Output channels.
    pub filters: usize,
    /// Window, down and across.
    pub kernel_size: [usize; 2],
    /// Step.
    pub strides: [usize; 2],
    /// Border.
    pub padding: Padding,
    /// Step inside the window.
    pub dilation_rate: [usize; 2],
    /// Groups of channels; as many as input channels for a depthwise one.
    pub groups: usize,
    /// Whether to add a bias.
    pub use_bias: bool,
    /// Applied to the output.
    pub activation: Activation,
    /// How the weights start.
    pub kernel_initializer: Initializer,
    /// How the bias starts.
    pub bias_initializer: Initializer,
}

impl Conv2D {
    /// `filters` square windows, with Keras' defaults.
    pub fn new(filters: usize, kernel_size: usize) -> Conv2D {
        Conv2D {
            filters,
            kernel_size: [kernel_size; 2],
            strides: [1, 1],
            padding: Padding::Valid,
            dilation_rate: [1, 1],
            groups: 1,
            use_bias: true,
            activation: Activation::Linear,
            kernel_initializer: Initializer::GlorotUniform,
            bias_initializer: Initializer::Zeros,
        }
    }

    /// With an activation by name. Panics on an unknown one.
    pub fn activation(mut self, name: &str) -> Conv2D {
        self.activation = Activation::named(name).unwrap_or_else(|e| panic!("{e}"));
        self
    }

    /// With `same` padding.
    pub fn same(mut self) -> Conv2D {
        self.padding = Padding::Same;
        self
    }

    /// With a step.
    pub fn strides(mut self, n: usize) -> Conv2D {
        self.strides = [n; 2];
        self
    }

    /// Without a bias.
    pub fn no_bias(mut self) -> Conv2D {
        self.use_bias = false;
        self
    }

    pub(super) fn read(keys: &mut Keys) -> Result<Conv2D> {
        Ok(Conv2D {
            filters: keys.count("filters", 1, None)?,
            kernel_size: keys.pair("kernel_size", 1, None)?,
            strides: keys.pair("strides", 1, Some([1, 1]))?,
            padding: Padding::read(keys)?,
            dilation_rate: keys.pair("dilation_rate", 1, Some([1, 1]))?,
            groups: keys.count("groups", 1, Some(1))?,
            use_bias: keys.flag("use_bias", true)?,
            activation: read_activation(keys)?,
            kernel_initializer: read_initializer(keys, "kernel_initializer", Initializer::GlorotUniform)?,
            bias_initializer: read_initializer(keys, "bias_initializer", Initializer::Zeros)?,
        })
    }
}

/// The key `activation`.
pub(super) fn read_activation(keys: &mut Keys) -> Result<Activation> {
    keys.text("activation")?.map_or(Ok(Activation::Linear), |name| Activation::named(&name))
}

/// A key that names an initialiser.
pub(super) fn read_initializer(keys: &mut Keys, key: &'static str, default: Initializer) -> Result<Initializer> {
    keys.text(key)?.map_or(Ok(default), |name| Initializer::named(&name))
}

impl Layer for Conv2D {
    fn kind(&self) -> &'static str {
        "Conv2D"
    }

    fn short(&self) -> &'static str {
        "conv"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [channels, height, width] = image(cx, x)?;
        cx.lengths = None;
        if !channels.is_multiple_of(self.groups) {
            return Err(Error::model(format!("{channels} input channels do not divide into {} groups", self.groups)));
        }
        let [kh, kw] = self.kernel_size;
        let seen = channels / self.groups;
        let fans = (seen * kh * kw, self.filters * kh * kw / self.groups);
        let w = cx.param("weight", [self.filters, seen, kh, kw], self.kernel_initializer, fans)?;
        let bias = match self.use_bias {
            true => Some(cx.param("bias", [self.filters], self.bias_initializer, fans)?),
            false => None,
        };
        let padding = self.padding.resolve([height, width], self.kernel_size, self.strides, self.dilation_rate);
        let op = conv2d::Conv2d { stride: self.strides, padding, dilation: self.dilation_rate, groups: self.groups };
        let y = cx.g.conv2d(x, w, bias, op)?;
        self.activation.apply(cx.g, y)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        mixes("it takes positions for channels and sums over them")
    }

    fn last_activation(&self) -> Option<(Activation, Arc<dyn Layer>)> {
        Some((self.activation, Arc::new(Conv2D { activation: Activation::Linear, ..self.clone() })))
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("filters".into(), (self.filters as i64).into());
        t.insert("kernel_size".into(), pair_value(self.kernel_size));
        t.insert("strides".into(), pair_value(self.strides));
        t.insert("padding".into(), self.padding.value());
        t.insert("dilation_rate".into(), pair_value(self.dilation_rate));
        t.insert("groups".into(), (self.groups as i64).into());
        t.insert("use_bias".into(), self.use_bias.into());
        t.insert("activation".into(), self.activation.name().into());
        t.insert("kernel_initializer".into(), self.kernel_initializer.name().into());
        t.insert("bias_initializer".into(), self.bias_initializer.name().into());
        t
    }
}
