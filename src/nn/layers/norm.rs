//! Normalisation layers.

use super::{Layer, single};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Build, Initializer, Keys, Mode};
use crate::ops::batch_norm::BatchNorm;
use toml::Table;

/// Normalises each channel over the batch. Parameters `weight` and `bias`,
/// state `running_mean` and `running_var`, as PyTorch names them. `momentum` is
/// Keras': the share of the running statistics that stays in a step.
#[derive(Debug, Clone)]
pub struct BatchNormalization {
    /// Share of the running statistics kept per step.
    pub momentum: f64,
    /// Added to the variance.
    pub epsilon: f64,
}

impl Default for BatchNormalization {
    fn default() -> BatchNormalization {
        BatchNormalization { momentum: 0.9, epsilon: 1e-5 }
    }
}

impl BatchNormalization {
    pub(super) fn read(keys: &mut Keys) -> Result<BatchNormalization> {
        let d = BatchNormalization::default();
        Ok(BatchNormalization {
            momentum: keys.real("momentum", 0.0, 1.0, Some(d.momentum))?,
            epsilon: keys.real("epsilon", 1e-12, 1.0, Some(d.epsilon))?,
        })
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
        let shape = cx.g.shape(x).to_vec();
        let [_, channels, ..] = shape[..] else {
            return Err(Error::model(format!("its input has shape {shape:?}; expected [batch, channels, ..]")));
        };
        let gamma = cx.param("weight", [channels], Initializer::Ones, (1, 1))?;
        let beta = cx.param("bias", [channels], Initializer::Zeros, (1, 1))?;
        let mean = cx.state("running_mean", [channels], 0.0)?;
        let var = cx.state("running_var", [channels], 1.0)?;
        match cx.mode {
            Mode::Train { rows, .. } => {
                let op = BatchNorm { eps: self.epsilon as f32, momentum: 1.0 - self.momentum as f32 };
                cx.g.batch_norm(x, gamma, beta, mean, var, Some(rows), op)
            }
            Mode::Eval | Mode::Decode { .. } => cx.g.batch_norm_eval(x, gamma, beta, mean, var, self.epsilon as f32),
        }
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("momentum".into(), self.momentum.into());
        t.insert("epsilon".into(), self.epsilon.into());
        t
    }
}
