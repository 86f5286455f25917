//! Convolution and pooling along a sequence `[N, T, W]`: positions down,
//! features across, as in Keras. What fills samples up to a common length is left
//! out: a convolution sees zeros there, as beyond the end, and pooling nothing.

use super::Layer;
use super::conv::{read_activation, read_initializer};
use super::inputs::{along_positions, sequence, single};
use super::windows::{Ends, Window, as_image, as_sequence, fill, ones};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Activation, Build, Initializer, Keys, Mode};
use crate::ops::avg_pool2d::AvgPool2d;
use crate::ops::conv2d::Conv2d;
use crate::ops::max_pool2d::MaxPool2d;
use crate::ops::reduce::Fold;
use crate::tensor::Shape;
use std::sync::Arc;
use toml::{Table, Value};

/// Convolution along the positions. Parameters: `weight [filters, W / groups,
/// kernel_size]`, `bias [filters]`.
#[derive(Debug, Clone)]
pub struct Conv1D {
    /// Output features.
    pub filters: usize,
    /// Positions of the window.
    pub kernel_size: usize,
    /// Step.
    pub strides: usize,
    ends: Ends,
    /// Step inside the window.
    pub dilation_rate: usize,
    /// Groups of features.
    pub groups: usize,
    /// Whether to add a bias.
    pub use_bias: bool,
    /// Applied to the output.
    pub activation: Activation,
    /// How the weights start.
    pub kernel_initializer: Initializer,
}

impl Conv1D {
    pub(super) fn read(keys: &mut Keys) -> Result<Conv1D> {
        Ok(Conv1D {
            filters: keys.count("filters", 1, None)?,
            kernel_size: keys.count("kernel_size", 1, None)?,
            strides: keys.count("strides", 1, Some(1))?,
            ends: Ends::read(keys)?,
            dilation_rate: keys.count("dilation_rate", 1, Some(1))?,
            groups: keys.count("groups", 1, Some(1))?,
            use_bias: keys.flag("use_bias", true)?,
            activation: read_activation(keys)?,
            kernel_initializer: read_initializer(keys, "kernel_initializer", Initializer::GlorotUniform)?,
        })
    }

    fn window(&self) -> Window {
        Window { size: self.kernel_size, stride: self.strides, dilation: self.dilation_rate, ends: self.ends }
    }
}

impl Layer for Conv1D {
    fn kind(&self) -> &'static str {
        "Conv1D"
    }

    fn short(&self) -> &'static str {
        "conv"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [_, t, w] = sequence(cx, x)?;
        let (k, groups) = (self.kernel_size, self.groups);
        if !w.is_multiple_of(groups) || !self.filters.is_multiple_of(groups) {
            let filters = self.filters;
            return Err(Error::model(format!(
                "groups = {groups} divides neither its {w} features nor {filters} filters"
            )));
        }
        let fans = (w / groups * k, self.filters / groups * k);
        let weight = cx.param("weight", [self.filters, w / groups, k], self.kernel_initializer, fans)?;
        let bias = match self.use_bias {
            true => Some(cx.param("bias", [self.filters], Initializer::Zeros, fans)?),
            false => None,
        };
        let weight = cx.g.reshape(weight, [self.filters, w / groups, 1, k])?;
        let window = self.window();
        let (x, ends) = match cx.mode {
            Mode::Decode { .. } => (window.decode(cx, x, 0.0)?, [0, 0]),
            _ => (fill(cx, x, 0.0)?, window.padding(t)),
        };
        let image = as_image(cx, x)?;
        let (stride, dilation) = ([1, self.strides], [1, self.dilation_rate]);
        let op = Conv2d { stride, padding: [[0, 0], ends], dilation, groups };
        let y = cx.g.conv2d(image, weight, bias, op)?;
        let y = as_sequence(cx, y)?;
        window.shorten(cx, t)?;
        self.activation.apply(cx.g, y)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        along_positions(inputs)?;
        self.window().expect_causal(inputs[0][1])
    }

    fn last_activation(&self) -> Option<(Activation, Arc<dyn Layer>)> {
        Some((self.activation, Arc::new(Conv1D { activation: Activation::Linear, ..self.clone() })))
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        let mut put = |key: &str, n: usize| t.insert(key.into(), (n as i64).into());
        put("filters", self.filters);
        put("kernel_size", self.kernel_size);
        put("strides", self.strides);
        put("dilation_rate", self.dilation_rate);
        put("groups", self.groups);
        t.insert("padding".into(), self.ends.value());
        t.insert("use_bias".into(), self.use_bias.into());
        t.insert("activation".into(), self.activation.name().into());
        t.insert("kernel_initializer".into(), self.kernel_initializer.name().into());
        t
    }
}

/// What is taken of a window of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The largest element.
    Max,
    /// The mean; padding does not count.
    Mean,
}

/// The largest element, or the mean, of each window of positions.
#[derive(Debug, Clone)]
pub struct Pooling1D {
    pick: Pick,
    pool_size: usize,
    strides: usize,
    ends: Ends,
}

impl Pooling1D {
    pub(super) fn read(keys: &mut Keys, pick: Pick) -> Result<Pooling1D> {
        let pool_size = keys.count("pool_size", 1, Some(2))?;
        Ok(Pooling1D { pick, pool_size, strides: keys.count("strides", 1, Some(pool_size))?, ends: Ends::read(keys)? })
    }

    fn window(&self) -> Window {
        Window { size: self.pool_size, stride: self.strides, dilation: 1, ends: self.ends }
    }

    /// The largest of each window.
    fn max(&self, cx: &mut Build, x: TensorId, t: usize) -> Result<TensorId> {
        let window = self.window();
        let (x, ends) = match cx.mode {
            Mode::Decode { .. } => (window.decode(cx, x, f32::MIN)?, [0, 0]),
            _ => (fill(cx, x, f32::MIN)?, window.padding(t)),
        };
        let image = as_image(cx, x)?;
        let (kernel, stride) = ([1, self.pool_size], [1, self.strides]);
        let y = cx.g.max_pool2d(image, MaxPool2d { stride, padding: [[0, 0], ends], ..MaxPool2d::new(kernel) })?;
        let y = as_sequence(cx, y)?;
        window.shorten(cx, t)?;
        // A window of nothing but filling has no largest element.
        fill(cx, y, 0.0)
    }

    /// The mean of each window.
    fn mean(&self, cx: &mut Build, x: TensorId, t: usize) -> Result<TensorId> {
        let window = self.window();
        let op = AvgPool2d {
            stride: [1, self.strides],
            padding: [[0, 0], window.padding(t)],
            count_include_pad: false,
            ..AvgPool2d::new([1, self.pool_size])
        };
        let [n, ..] = sequence(cx, x)?;
        let pool = |cx: &mut Build, x: TensorId| {
            let image = as_image(cx, x)?;
            let y = cx.g.avg_pool2d(image, op)?;
            as_sequence(cx, y)
        };
        let x = fill(cx, x, 0.0)?;
        let (y, counted) = (pool(cx, x)?, ones(cx, n, t)?);
        let Some(counted) = counted else { return Ok(y) };
        // The mean of zeros and ones is the share of a window that is no filling.
        let share = pool(cx, counted)?;
        window.shorten(cx, t)?;
        // Windows behind the end are divided by one.
        let share = fill(cx, share, 1.0)?;
        let y = cx.g.div(y, share)?;
        fill(cx, y, 0.0)
    }
}

impl Layer for Pooling1D {
    fn kind(&self) -> &'static str {
        if self.pick == Pick::Max { "MaxPooling1D" } else { "AveragePooling1D" }
    }

    fn short(&self) -> &'static str {
        if self.pick == Pick::Max { "maxpool" } else { "avgpool" }
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [_, t, _] = sequence(cx, x)?;
        match self.pick {
            Pick::Max => self.max(cx, x, t),
            Pick::Mean => self.mean(cx, x, t),
        }
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        along_positions(inputs)?;
        // A mean over earlier positions alone divides by how many there are, which decoding does not count.
        if matches!(self.pick, Pick::Mean) && self.pool_size > 1 {
            return Err(Error::model(format!(
                "its mean of {} positions reaches beyond the position that it answers for; leave it out, or take \
                 MaxPooling1D with strides = 1 and padding = \"causal\"",
                self.pool_size
            )));
        }
        self.window().expect_causal(inputs[0][1])
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("pool_size".into(), (self.pool_size as i64).into());
        t.insert("strides".into(), (self.strides as i64).into());
        t.insert("padding".into(), self.ends.value());
        t
    }
}

/// The largest element, or the mean, over all positions: `[N, W]`; zeros for a
/// sample that has none but filling.
#[derive(Debug, Clone)]
pub struct GlobalPooling1D {
    pub(super) pick: Pick,
}

impl Layer for GlobalPooling1D {
    fn kind(&self) -> &'static str {
        if self.pick == Pick::Max { "GlobalMaxPooling1D" } else { "GlobalAveragePooling1D" }
    }

    fn short(&self) -> &'static str {
        "pool"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [n, _, w] = sequence(cx, x)?;
        match (self.pick, cx.lengths) {
            (Pick::Mean, Some(lengths)) => {
                cx.lengths = None;
                cx.g.mean_rows(x, lengths)
            }
            (Pick::Mean, None) => cx.g.reduce(Fold::Mean, x, &[1], false),
            (Pick::Max, None) => cx.g.reduce(Fold::Max, x, &[1], false),
            (Pick::Max, Some(_)) => {
                let x = fill(cx, x, f32::MIN)?;
                let y = cx.g.reduce(Fold::Max, x, &[1], true)?;
                // What has no position has no largest element.
                let y = fill(cx, y, 0.0)?;
                cx.lengths = None;
                cx.g.reshape(y, [n, w])
            }
        }
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        Err(Error::model("it makes one vector of all positions; leave it out"))
    }

    fn to_table(&self) -> Table {
        Table::new()
    }
}

/// The axes of a sample in another order, counted from 1 as in Keras.
#[derive(Debug, Clone)]
pub struct Permute {
    /// The old number of each new axis.
    pub dims: Vec<usize>,
}

impl Permute {
    pub(super) fn read(keys: &mut Keys) -> Result<Permute> {
        let dims = keys.list("dims")?;
        let missing =
            || Error::model(format!("{}: the key \"dims\" is missing; expected such as [2, 1]", keys.place()));
        Ok(Permute { dims: dims.ok_or_else(missing)? })
    }
}

impl Layer for Permute {
    fn kind(&self) -> &'static str {
        "Permute"
    }

    fn short(&self) -> &'static str {
        "permute"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let order: Vec<usize> = [0].into_iter().chain(self.dims.iter().copied()).collect();
        if self.dims.first() != Some(&1) {
            // What stands where positions stood has no such lengths.
            cx.lengths = None;
        }
        cx.g.permute(single(inputs)?, &order)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        match self.dims.first() {
            Some(1) => Ok(()),
            _ => Err(Error::model(format!(
                "dims = {:?} puts something else where the positions are; expected [1, ..]",
                self.dims
            ))),
        }
    }

    fn to_table(&self) -> Table {
        let dims = self.dims.iter().map(|&d| Value::Integer(d as i64)).collect();
        Table::from_iter([("dims".to_string(), Value::Array(dims))])
    }
}
