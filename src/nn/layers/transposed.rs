//! `Conv2DTranspose` and `Conv1DTranspose`: the way back through a convolution, as a layer.

use super::conv::{Padding, read_activation, read_initializer};
use super::inputs::{along_positions, image, mixes, sequence, single};
use super::windows::{as_image, as_sequence, fill, lengths_become};
use super::{Layer, pair_value};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Activation, Build, Initializer, Keys};
use crate::ops::conv2d::{Conv2d, Conv2dGradX};
use crate::tensor::Shape;
use std::sync::Arc;
use toml::{Table, Value};

/// One axis of a transposed convolution.
#[derive(Clone, Copy)]
struct Axis {
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: Side,
    extra: Option<usize>,
}

/// The border along one axis.
#[derive(Clone, Copy)]
enum Side {
    Valid,
    Same,
    Cut(usize),
}

impl Axis {
    /// The length that `input` elements become, and what the convolution on the way back pads
    /// before and after. As in Keras; with a number for its padding as in PyTorch.
    fn place(self, input: usize) -> Result<(usize, [usize; 2])> {
        let (s, k) = (self.stride, self.dilation * (self.kernel - 1) + 1);
        if let Some(extra) = self.extra.filter(|&extra| extra >= s) {
            return Err(Error::model(format!(
                "output_padding = {extra} and strides = {s}; expected less than the strides"
            )));
        }
        // Zeros around the spread input: `left` before it and `right` behind it.
        let (left, right) = match self.padding {
            Side::Valid => (k - 1, k - 1 + self.extra.unwrap_or(k.max(s) - k)),
            Side::Same => {
                let all = self.extra.map_or(s + k - 2, |extra| (k + k % 2 + extra).saturating_sub(2));
                let left = all.div_ceil(2).min(k - 1);
                (left, all - left)
            }
            Side::Cut(n) if n < k => (k - 1 - n, k - 1 - n + self.extra.unwrap_or(0)),
            Side::Cut(n) => {
                return Err(Error::model(format!("padding = {n}, and its window spans {k}; expected less than that")));
            }
        };
        let out = ((input - 1) * s + left + right + 2).checked_sub(k).filter(|&n| n > 0);
        let out = out.ok_or_else(|| Error::model(format!("its padding leaves nothing of {input} elements")))?;
        Ok((out, [k - 1 - left, (k - 1).saturating_sub(right)]))
    }
}

/// `output_padding`: a number or two, or `"auto"`.
fn read_extra(keys: &mut Keys) -> Result<Option<[usize; 2]>> {
    if keys.peek("output_padding") == Some(&Value::String("auto".into())) {
        keys.take("output_padding");
        return Ok(None);
    }
    match keys.has("output_padding") {
        true => keys.pair("output_padding", 0, None).map(Some),
        false => Ok(None),
    }
}

/// Transposed convolution: `[N, C, H, W]` to `[N, filters, ..]`, as large as the input times
/// the stride with `same` padding. Parameters, as of PyTorch's `ConvTranspose2d`: `weight
/// [C, filters, kh, kw]`, `bias [filters]`.
#[derive(Debug, Clone)]
pub struct Conv2DTranspose {
    /// Output channels.
    pub filters: usize,
    /// Window, down and across.
    pub kernel_size: [usize; 2],
    /// Step of the output.
    pub strides: [usize; 2],
    /// Border of the output; numbers cut off as many elements on each side, as in PyTorch.
    pub padding: Padding,
    /// Elements more at the end; `None` for Keras' choice by padding and strides.
    pub output_padding: Option<[usize; 2]>,
    /// Step inside the window.
    pub dilation_rate: [usize; 2],
    /// Whether to add a bias.
    pub use_bias: bool,
    /// Applied to the output.
    pub activation: Activation,
    /// How the weights start.
    pub kernel_initializer: Initializer,
    /// How the bias starts.
    pub bias_initializer: Initializer,
}

impl Conv2DTranspose {
    /// `filters` square windows, with Keras' defaults.
    pub fn new(filters: usize, kernel_size: usize) -> Conv2DTranspose {
        Conv2DTranspose {
            filters,
            kernel_size: [kernel_size; 2],
            strides: [1, 1],
            padding: Padding::Valid,
            output_padding: None,
            dilation_rate: [1, 1],
            use_bias: true,
            activation: Activation::Linear,
            kernel_initializer: Initializer::GlorotUniform,
            bias_initializer: Initializer::Zeros,
        }
    }

    /// Down and across, of images of `input`: the length of the output, and how many elements of
    /// the whole way back are cut off before and after it.
    pub fn place(&self, input: [usize; 2]) -> Result<[(usize, [usize; 2]); 2]> {
        Ok([self.axis(0).place(input[0])?, self.axis(1).place(input[1])?])
    }

    pub(super) fn read(keys: &mut Keys) -> Result<Conv2DTranspose> {
        Ok(Conv2DTranspose {
            filters: keys.count("filters", 1, None)?,
            kernel_size: keys.pair("kernel_size", 1, None)?,
            strides: keys.pair("strides", 1, Some([1, 1]))?,
            padding: Padding::read(keys)?,
            output_padding: read_extra(keys)?,
            dilation_rate: keys.pair("dilation_rate", 1, Some([1, 1]))?,
            use_bias: keys.flag("use_bias", true)?,
            activation: read_activation(keys)?,
            kernel_initializer: read_initializer(keys, "kernel_initializer", Initializer::GlorotUniform)?,
            bias_initializer: read_initializer(keys, "bias_initializer", Initializer::Zeros)?,
        })
    }

    fn axis(&self, i: usize) -> Axis {
        let padding = match self.padding {
            Padding::Valid => Side::Valid,
            Padding::Same => Side::Same,
            Padding::Explicit(n) => Side::Cut(n[i]),
        };
        let extra = self.output_padding.map(|n| n[i]);
        let (kernel, stride, dilation) = (self.kernel_size[i], self.strides[i], self.dilation_rate[i]);
        Axis { kernel, stride, dilation, padding, extra }
    }
}

/// [`Conv2DTranspose::place`] of a layer by its keys, which moves along sequences if it is `flat`.
pub(crate) fn transposed_places(keys: &Table, flat: bool, input: [usize; 2]) -> Result<[(usize, [usize; 2]); 2]> {
    let mut keys = Keys::new(keys.clone(), "layer");
    let layer = if flat { Conv1DTranspose::read(&mut keys)?.0 } else { Conv2DTranspose::read(&mut keys)? };
    layer.place(input)
}

impl Layer for Conv2DTranspose {
    fn kind(&self) -> &'static str {
        "Conv2DTranspose"
    }

    fn short(&self) -> &'static str {
        "deconv"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [channels, height, width] = image(cx, x)?;
        cx.lengths = None;
        let [(down, top), (across, side)] = self.place([height, width])?;
        let [kh, kw] = self.kernel_size;
        // The kernel's inputs are its outputs on the way back, as in Keras.
        let fans = (self.filters * kh * kw, channels * kh * kw);
        let w = cx.param("weight", [channels, self.filters, kh, kw], self.kernel_initializer, fans)?;
        let op = Conv2d { stride: self.strides, padding: [top, side], dilation: self.dilation_rate, groups: 1 };
        let mut y = cx.g.push1(Conv2dGradX { op, input: [down, across] }, &[w, x])?;
        if self.use_bias {
            let bias = cx.param("bias", [self.filters], self.bias_initializer, fans)?;
            let bias = cx.g.reshape(bias, [self.filters, 1, 1])?;
            y = cx.g.add(y, bias)?;
        }
        self.activation.apply(cx.g, y)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        mixes("it takes positions for channels and sums over them")
    }

    fn last_activation(&self) -> Option<(Activation, Arc<dyn Layer>)> {
        Some((self.activation, Arc::new(Conv2DTranspose { activation: Activation::Linear, ..self.clone() })))
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("filters".into(), (self.filters as i64).into());
        t.insert("kernel_size".into(), pair_value(self.kernel_size));
        t.insert("strides".into(), pair_value(self.strides));
        t.insert("padding".into(), self.padding.value());
        t.insert("output_padding".into(), self.output_padding.map_or("auto".into(), pair_value));
        t.insert("dilation_rate".into(), pair_value(self.dilation_rate));
        t.insert("use_bias".into(), self.use_bias.into());
        t.insert("activation".into(), self.activation.name().into());
        t.insert("kernel_initializer".into(), self.kernel_initializer.name().into());
        t.insert("bias_initializer".into(), self.bias_initializer.name().into());
        t
    }
}

/// Transposed convolution along the positions: `[N, T, W]` to `[N, .., filters]`. Parameters,
/// as of PyTorch's `ConvTranspose1d`: `weight [W, filters, kernel_size]`, `bias [filters]`.
#[derive(Debug, Clone)]
pub struct Conv1DTranspose(Conv2DTranspose);

impl Conv1DTranspose {
    /// `filters` windows of `kernel_size` positions, with Keras' defaults.
    pub fn new(filters: usize, kernel_size: usize) -> Conv1DTranspose {
        Conv1DTranspose(Conv2DTranspose { kernel_size: [1, kernel_size], ..Conv2DTranspose::new(filters, 1) })
    }

    /// With a step.
    pub fn strides(mut self, n: usize) -> Conv1DTranspose {
        self.0.strides = [1, n];
        self
    }

    /// With `same` padding.
    pub fn same(mut self) -> Conv1DTranspose {
        self.0.padding = Padding::Same;
        self
    }

    pub(super) fn read(keys: &mut Keys) -> Result<Conv1DTranspose> {
        let filters = keys.count("filters", 1, None)?;
        let kernel_size = [1, keys.count("kernel_size", 1, None)?];
        let strides = [1, keys.count("strides", 1, Some(1))?];
        let padding = match Padding::read(keys)? {
            Padding::Explicit([a, b]) if a != b => {
                let place = keys.place();
                return Err(Error::model(format!(
                    "{place}: padding = [{a}, {b}]; expected \"valid\", \"same\" or a number"
                )));
            }
            padding => padding,
        };
        let output_padding = match read_extra(keys)? {
            Some([a, b]) if a != b => {
                let place = keys.place();
                return Err(Error::model(format!(
                    "{place}: output_padding = [{a}, {b}]; expected \"auto\" or a number"
                )));
            }
            extra => extra,
        };
        Ok(Conv1DTranspose(Conv2DTranspose {
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            dilation_rate: [1, keys.count("dilation_rate", 1, Some(1))?],
            use_bias: keys.flag("use_bias", true)?,
            activation: read_activation(keys)?,
            kernel_initializer: read_initializer(keys, "kernel_initializer", Initializer::GlorotUniform)?,
            bias_initializer: read_initializer(keys, "bias_initializer", Initializer::Zeros)?,
        }))
    }
}

impl Layer for Conv1DTranspose {
    fn kind(&self) -> &'static str {
        "Conv1DTranspose"
    }

    fn short(&self) -> &'static str {
        "deconv"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [_, t, features] = sequence(cx, x)?;
        let (of, k) = (&self.0, self.0.kernel_size[1]);
        let axis = of.axis(1);
        let (out, pad) = axis.place(t)?;
        let fans = (of.filters * k, features * k);
        let w = cx.param("weight", [features, of.filters, k], of.kernel_initializer, fans)?;
        let bias = match of.use_bias {
            true => Some(cx.param("bias", [of.filters], of.bias_initializer, fans)?),
            false => None,
        };
        let w = cx.g.reshape(w, [features, of.filters, 1, k])?;
        let x = fill(cx, x, 0.0)?;
        let x = as_image(cx, x)?;
        let op = Conv2d { stride: of.strides, padding: [[0, 0], pad], dilation: of.dilation_rate, groups: 1 };
        let y = cx.g.push1(Conv2dGradX { op, input: [1, out] }, &[w, x])?;
        let mut y = as_sequence(cx, y)?;
        lengths_become(cx, t, |n| axis.place(n).map_or(0, |(out, _)| out))?;
        if let Some(bias) = bias {
            y = cx.g.add(y, bias)?;
        }
        of.activation.apply(cx.g, y)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        along_positions(inputs)?;
        match (self.0.kernel_size[1], self.0.strides[1], self.0.axis(1).place(inputs[0][1])?.0) {
            (1, 1, out) if out == inputs[0][1] => Ok(()),
            (k, s, _) => Err(Error::model(format!(
                "its windows of {k} positions, {s} apart, answer at other positions than they see; take a Conv1D with padding \
                 = \"causal\""
            ))),
        }
    }

    fn last_activation(&self) -> Option<(Activation, Arc<dyn Layer>)> {
        let plain = Conv2DTranspose { activation: Activation::Linear, ..self.0.clone() };
        Some((self.0.activation, Arc::new(Conv1DTranspose(plain))))
    }

    fn to_table(&self) -> Table {
        let mut t = self.0.to_table();
        for (key, n) in
            [("kernel_size", self.0.kernel_size), ("strides", self.0.strides), ("dilation_rate", self.0.dilation_rate)]
        {
            t.insert(key.into(), (n[1] as i64).into());
        }
        t
    }
}
