//! `DepthwiseConv2D` and `SeparableConv2D`: a window for each channel by itself.

use super::conv::{Padding, read_activation, read_initializer};
use super::inputs::{image, mixes, single};
use super::{Layer, pair_value};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Activation, Build, Initializer, Keys, Mode};
use crate::ops::conv2d::Conv2d;
use crate::tensor::Shape;
use std::sync::Arc;
use toml::Table;

/// Convolution of each channel by itself: `[N, C, H, W]` to `[N, C depth_multiplier, ..]`.
/// Parameters, as of PyTorch's `Conv2d` with as many groups as channels: `weight
/// [C depth_multiplier, 1, kh, kw]`, `bias [C depth_multiplier]`.
#[derive(Debug, Clone)]
pub struct DepthwiseConv2D {
    /// Window, down and across.
    pub kernel_size: [usize; 2],
    /// Step.
    pub strides: [usize; 2],
    /// Border.
    pub padding: Padding,
    /// Output channels of each input channel.
    pub depth_multiplier: usize,
    /// Step inside the window.
    pub dilation_rate: [usize; 2],
    /// Whether to add a bias.
    pub use_bias: bool,
    /// Applied to the output.
    pub activation: Activation,
    /// How the weights start.
    pub depthwise_initializer: Initializer,
    /// How the bias starts.
    pub bias_initializer: Initializer,
}

impl DepthwiseConv2D {
    /// Square windows, with Keras' defaults.
    pub fn new(kernel_size: usize) -> DepthwiseConv2D {
        DepthwiseConv2D {
            kernel_size: [kernel_size; 2],
            strides: [1, 1],
            padding: Padding::Valid,
            depth_multiplier: 1,
            dilation_rate: [1, 1],
            use_bias: true,
            activation: Activation::Linear,
            depthwise_initializer: Initializer::GlorotUniform,
            bias_initializer: Initializer::Zeros,
        }
    }

    pub(super) fn read(keys: &mut Keys) -> Result<DepthwiseConv2D> {
        Ok(DepthwiseConv2D {
            kernel_size: keys.pair("kernel_size", 1, None)?,
            strides: keys.pair("strides", 1, Some([1, 1]))?,
            padding: Padding::read(keys)?,
            depth_multiplier: keys.count("depth_multiplier", 1, Some(1))?,
            dilation_rate: keys.pair("dilation_rate", 1, Some([1, 1]))?,
            use_bias: keys.flag("use_bias", true)?,
            activation: read_activation(keys)?,
            depthwise_initializer: read_initializer(keys, "depthwise_initializer", Initializer::GlorotUniform)?,
            bias_initializer: read_initializer(keys, "bias_initializer", Initializer::Zeros)?,
        })
    }

    /// The convolution alone; its parameters are `PREFIXweight` and, if `bias`, `PREFIXbias`.
    fn convolve(&self, cx: &mut Build, x: TensorId, prefix: &str, bias: bool) -> Result<TensorId> {
        let [channels, height, width] = image(cx, x)?;
        cx.lengths = None;
        let [kh, kw] = self.kernel_size;
        // One token at a time, the only channel is one position of many.
        let (all, here) = match cx.mode {
            Mode::Decode { position, context, .. } => (context, Some(position)),
            _ => (channels, None),
        };
        let outputs = all * self.depth_multiplier;
        // What Keras counts for such a kernel.
        let fans = (all * kh * kw, self.depth_multiplier * kh * kw);
        let mut w = cx.param(&format!("{prefix}weight"), [outputs, 1, kh, kw], self.depthwise_initializer, fans)?;
        let mut bias = match bias {
            true => Some(cx.param(&format!("{prefix}bias"), [outputs], self.bias_initializer, fans)?),
            false => None,
        };
        if let Some(position) = here {
            w = cx.g.gather_rows(w, position)?;
            bias = bias.map(|bias| cx.g.gather_rows(bias, position)).transpose()?;
        }
        let padding = self.padding.resolve([height, width], self.kernel_size, self.strides, self.dilation_rate);
        let op = Conv2d { stride: self.strides, padding, dilation: self.dilation_rate, groups: channels };
        cx.g.conv2d(x, w, bias, op)
    }
}

impl Layer for DepthwiseConv2D {
    fn kind(&self) -> &'static str {
        "DepthwiseConv2D"
    }

    fn short(&self) -> &'static str {
        "depthwise"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let y = self.convolve(cx, single(inputs)?, "", self.use_bias)?;
        self.activation.apply(cx.g, y)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        // Positions stand where channels do, and each has windows of its own.
        match (self.depth_multiplier, inputs) {
            (1, [shape]) if shape.rank() == 4 => Ok(()),
            (n, _) => Err(Error::model(format!(
                "depth_multiplier = {n} makes {n} channels of each position, of shapes {inputs:?}; expected 1, and images"
            ))),
        }
    }

    fn last_activation(&self) -> Option<(Activation, Arc<dyn Layer>)> {
        Some((self.activation, Arc::new(DepthwiseConv2D { activation: Activation::Linear, ..self.clone() })))
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("kernel_size".into(), pair_value(self.kernel_size));
        t.insert("strides".into(), pair_value(self.strides));
        t.insert("padding".into(), self.padding.value());
        t.insert("depth_multiplier".into(), (self.depth_multiplier as i64).into());
        t.insert("dilation_rate".into(), pair_value(self.dilation_rate));
        t.insert("use_bias".into(), self.use_bias.into());
        t.insert("activation".into(), self.activation.name().into());
        t.insert("depthwise_initializer".into(), self.depthwise_initializer.name().into());
        t.insert("bias_initializer".into(), self.bias_initializer.name().into());
        t
    }
}

/// A depthwise convolution, and a convolution of single pixels that mixes its channels.
/// Parameters: `depthwise.weight [C depth_multiplier, 1, kh, kw]`, `pointwise.weight
/// [filters, C depth_multiplier, 1, 1]`, `pointwise.bias [filters]`.
///
/// Source: Chollet, "Xception", arXiv:1610.02357.
#[derive(Debug, Clone)]
pub struct SeparableConv2D {
    /// Output channels.
    pub filters: usize,
    /// The windows, and the bias and activation of the whole.
    pub depthwise: DepthwiseConv2D,
    /// How the weights of single pixels start.
    pub pointwise_initializer: Initializer,
}

impl SeparableConv2D {
    /// `filters` channels of square windows, with Keras' defaults.
    pub fn new(filters: usize, kernel_size: usize) -> SeparableConv2D {
        let depthwise = DepthwiseConv2D::new(kernel_size);
        SeparableConv2D { filters, depthwise, pointwise_initializer: Initializer::GlorotUniform }
    }

    pub(super) fn read(keys: &mut Keys) -> Result<SeparableConv2D> {
        Ok(SeparableConv2D {
            filters: keys.count("filters", 1, None)?,
            depthwise: DepthwiseConv2D::read(keys)?,
            pointwise_initializer: read_initializer(keys, "pointwise_initializer", Initializer::GlorotUniform)?,
        })
    }
}

impl Layer for SeparableConv2D {
    fn kind(&self) -> &'static str {
        "SeparableConv2D"
    }

    fn short(&self) -> &'static str {
        "separable"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let y = self.depthwise.convolve(cx, single(inputs)?, "depthwise.", false)?;
        let [channels, ..] = image(cx, y)?;
        let fans = (channels, self.filters);
        let w = cx.param("pointwise.weight", [self.filters, channels, 1, 1], self.pointwise_initializer, fans)?;
        let bias = match self.depthwise.use_bias {
            true => Some(cx.param("pointwise.bias", [self.filters], self.depthwise.bias_initializer, fans)?),
            false => None,
        };
        let y = cx.g.conv2d(y, w, bias, Conv2d::default())?;
        self.depthwise.activation.apply(cx.g, y)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        mixes("it takes positions for channels and sums over them")
    }

    fn last_activation(&self) -> Option<(Activation, Arc<dyn Layer>)> {
        let plain = DepthwiseConv2D { activation: Activation::Linear, ..self.depthwise.clone() };
        Some((self.depthwise.activation, Arc::new(SeparableConv2D { depthwise: plain, ..self.clone() })))
    }

    fn to_table(&self) -> Table {
        let mut t = Table::from_iter([("filters".to_string(), (self.filters as i64).into())]);
        t.extend(self.depthwise.to_table());
        t.insert("pointwise_initializer".into(), self.pointwise_initializer.name().into());
        t
    }
}
