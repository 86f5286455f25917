//! `BatchNormalization`.

use super::Layer;
use super::inputs::{axis_of, channels_of, mixes, read_axis, single, to_second};
use crate::error::Result;
use crate::graph::TensorId;
use crate::nn::{Build, Initializer, Keys, Mode};
use crate::ops::batch_norm::BatchNorm;
use crate::tensor::{HostTensor, Shape};
use toml::Table;

/// Normalises each channel over the batch. Parameters `weight` (if `scale`) and `bias` (if
/// `center`), state `running_mean` and `running_var`, as PyTorch names them. `momentum` is
/// Keras': the share of the running statistics that stays in a step. Where all its
/// parameters are frozen it normalises by its running statistics in training
/// too, and leaves them as they are.
#[derive(Debug, Clone)]
pub struct BatchNormalization {
    /// The axis of the channels, batch first; from the end where negative.
    pub axis: i64,
    /// Share of the running statistics kept per step.
    pub momentum: f64,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether to add a `bias`.
    pub center: bool,
    /// Whether to multiply by a `weight`.
    pub scale: bool,
}

impl Default for BatchNormalization {
    fn default() -> BatchNormalization {
        BatchNormalization { axis: 1, momentum: 0.9, epsilon: 1e-5, center: true, scale: true }
    }
}

impl BatchNormalization {
    pub(super) fn read(keys: &mut Keys) -> Result<BatchNormalization> {
        let d = BatchNormalization::default();
        Ok(BatchNormalization {
            axis: read_axis(keys, d.axis)?,
            momentum: keys.real("momentum", 0.0, 1.0, Some(d.momentum))?,
            epsilon: keys.real("epsilon", 1e-12, 1.0, Some(d.epsilon))?,
            center: keys.flag("center", d.center)?,
            scale: keys.flag("scale", d.scale)?,
        })
    }

    /// Whether its parameters are there and do not learn.
    fn is_frozen(&self, cx: &Build) -> bool {
        (self.scale || self.center) && (!self.scale || cx.is_frozen("weight")) && (!self.center || cx.is_frozen("bias"))
    }
}

/// A parameter of a norm, or what it would be where there is none.
fn param(cx: &mut Build, name: &str, on: bool, channels: usize, start: Initializer) -> Result<TensorId> {
    match on {
        true => cx.param(name, [channels], start, (1, 1)),
        false => {
            let value = if start == Initializer::Ones { 1.0 } else { 0.0 };
            Ok(cx.g.constant(HostTensor::f32([channels], vec![value; channels])))
        }
    }
}

impl Layer for BatchNormalization {
    fn kind(&self) -> &'static str {
        "BatchNormalization"
    }

    fn short(&self) -> &'static str {
        "bn"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let (axis, channels, here) = channels_of(cx, x, self.axis)?;
        let gamma = param(cx, "weight", self.scale, channels, Initializer::Ones)?;
        let beta = param(cx, "bias", self.center, channels, Initializer::Zeros)?;
        let mean = cx.state("running_mean", [channels], 0.0)?;
        let var = cx.state("running_var", [channels], 1.0)?;
        let eps = self.epsilon as f32;
        let (x, back) = to_second(cx, x, axis)?;
        let y = match (cx.mode, here) {
            // What does not learn keeps its statistics and goes by them, as in Keras.
            (Mode::Train { rows, .. }, _) if !self.is_frozen(cx) => {
                let op = BatchNorm { eps, momentum: 1.0 - self.momentum as f32 };
                cx.g.batch_norm(x, gamma, beta, mean, var, Some(rows), op)?
            }
            (_, Some(position)) => {
                let mut at = |all| cx.g.gather_rows(all, position);
                let (gamma, beta, mean, var) = (at(gamma)?, at(beta)?, at(mean)?, at(var)?);
                cx.g.batch_norm_eval(x, gamma, beta, mean, var, eps)?
            }
            _ => cx.g.batch_norm_eval(x, gamma, beta, mean, var, eps)?,
        };
        back.map_or(Ok(y), |order| cx.g.permute(y, &order))
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        match inputs {
            // Axis 1, the positions, is what it takes one by one.
            [shape] if axis_of(self.axis, shape.rank())? == 1 => Ok(()),
            _ => mixes(&format!("with axis = {} it takes the mean over positions in training", self.axis)),
        }
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("axis".into(), self.axis.into());
        t.insert("momentum".into(), self.momentum.into());
        t.insert("epsilon".into(), self.epsilon.into());
        t.insert("center".into(), self.center.into());
        t.insert("scale".into(), self.scale.into());
        t
    }
}
