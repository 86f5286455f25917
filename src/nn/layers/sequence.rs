//! Convolution and pooling along a sequence `[N, T, W]`: positions down,
//! features across, as in Keras.

use super::conv::{Padding, read_activation, read_initializer};
use super::{Layer, sequence, single};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Activation, Build, Initializer, Keys};
use crate::ops::avg_pool2d::AvgPool2d;
use crate::ops::conv2d::Conv2d;
use crate::ops::max_pool2d::MaxPool2d;
use crate::ops::reduce::Fold;
use toml::{Table, Value};

/// How the ends of a sequence are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// As the border of an image.
    Both(Padding),
    /// Zeros before the first position only: no position sees a later one.
    Causal,
}

impl Ends {
    fn read(keys: &mut Keys) -> Result<Ends> {
        if keys.peek("padding") == Some(&Value::String("causal".into())) {
            keys.take("padding");
            return Ok(Ends::Causal);
        }
        match Padding::read(keys)? {
            Padding::Explicit([a, b]) if a != b => Err(Error::model(format!(
                "{}: padding = [{a}, {b}]; expected \"valid\", \"same\", \"causal\" or a number",
                keys.place()
            ))),
            padding => Ok(Ends::Both(padding)),
        }
    }

    fn value(self) -> Value {
        match self {
            Ends::Both(padding) => padding.value(),
            Ends::Causal => "causal".into(),
        }
    }

    /// Positions to add before and after.
    fn resolve(self, t: usize, kernel: usize, stride: usize, dilation: usize) -> [usize; 2] {
        match self {
            Ends::Causal => [dilation * (kernel - 1), 0],
            Ends::Both(padding) => padding.resolve([1, t], [1, kernel], [1, stride], [1, dilation])[1],
        }
    }
}

/// `[N, T, W]` as an image of one row, `[N, W, 1, T]`.
fn as_image(cx: &mut Build, x: TensorId) -> Result<TensorId> {
    let [n, t, w] = sequence(cx, x)?;
    let x = cx.g.permute(x, &[0, 2, 1])?;
    cx.g.reshape(x, [n, w, 1, t])
}

/// The way back.
fn as_sequence(cx: &mut Build, x: TensorId) -> Result<TensorId> {
    let &[n, w, _, t] = cx.g.shape(x) else { unreachable!("as_image made four axes") };
    let x = cx.g.reshape(x, [n, w, t])?;
    cx.g.permute(x, &[0, 2, 1])
}

/// Adds positions at the ends, where padding is not the same on both sides.
fn pad(cx: &mut Build, x: TensorId, ends: [usize; 2], fill: f32) -> Result<(TensorId, usize)> {
    if ends[0] == ends[1] {
        return Ok((x, ends[0]));
    }
    Ok((cx.g.pad(x, &[(0, 0), (0, 0), (0, 0), (ends[0], ends[1])], fill)?, 0))
}

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
        let image = as_image(cx, x)?;
        let ends = self.ends.resolve(t, k, self.strides, self.dilation_rate);
        let (stride, dilation) = ([1, self.strides], [1, self.dilation_rate]);
        let op = Conv2d { stride, padding: [[0, 0], ends], dilation, groups };
        let y = cx.g.conv2d(image, weight, bias, op)?;
        let y = as_sequence(cx, y)?;
        cx.lengths = None;
        self.activation.apply(cx.g, y)
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
        let image = as_image(cx, x)?;
        let ends = self.ends.resolve(t, self.pool_size, self.strides, 1);
        let (kernel, stride) = ([1, self.pool_size], [1, self.strides]);
        let y = match self.pick {
            Pick::Max => {
                let (image, both) = pad(cx, image, ends, f32::MIN)?;
                cx.g.max_pool2d(image, MaxPool2d { kernel, stride, padding: [0, both], ..MaxPool2d::new(kernel) })?
            }
            Pick::Mean if ends[0] != ends[1] => {
                return Err(Error::model(format!(
                    "padding of {} positions before and {} after; a mean leaves padding out only where both are equal",
                    ends[0], ends[1]
                )));
            }
            Pick::Mean => {
                let padding = [0, ends[0]];
                let op = AvgPool2d { kernel, stride, padding, count_include_pad: false, ceil_mode: false };
                cx.g.avg_pool2d(image, op)?
            }
        };
        cx.lengths = None;
        as_sequence(cx, y)
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("pool_size".into(), (self.pool_size as i64).into());
        t.insert("strides".into(), (self.strides as i64).into());
        t.insert("padding".into(), self.ends.value());
        t
    }
}

/// The largest element, or the mean, over all positions: `[N, W]`. The mean
/// leaves out padding where the lengths of the samples are known.
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
        sequence(cx, x)?;
        let lengths = cx.lengths.take();
        match (self.pick, lengths) {
            (Pick::Mean, Some(lengths)) => cx.g.mean_rows(x, lengths),
            (Pick::Mean, None) => cx.g.reduce(Fold::Mean, x, &[1], false),
            (Pick::Max, _) => cx.g.reduce(Fold::Max, x, &[1], false),
        }
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
        cx.g.permute(single(inputs)?, &order)
    }

    fn to_table(&self) -> Table {
        let dims = self.dims.iter().map(|&d| Value::Integer(d as i64)).collect();
        Table::from_iter([("dims".to_string(), Value::Array(dims))])
    }
}
