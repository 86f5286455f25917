//! The curves of training by step: lines of `metrics.jsonl` between those of the
//! epochs.

use serde::{Deserialize, Serialize};

/// A point of the curves: means over the training steps since the point before.
/// In `metrics.jsonl` a line of its own, which has a `loss` and no `train`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps since the run began.
    pub step: u64,
    /// The same in epochs: 2.5 in the middle of the third.
    pub epoch: f64,
    /// Mean loss, if it was a finite number.
    pub loss: Option<f64>,
    /// e to the loss, of a language model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perplexity: Option<f64>,
    /// Share of samples classified right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Learning rate of the last step.
    #[serde(default)]
    pub lr: Option<f64>,
    /// Mean norm of the gradient, before clipping.
    #[serde(default)]
    pub grad_norm: Option<f64>,
}

impl Point {
    /// A number by name: a score, `lr` or `grad_norm`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.numbers().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// The numbers that there are, with their names.
    pub fn numbers(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let others = [("lr", self.lr), ("grad_norm", self.grad_norm)];
        self.scores().chain(others.into_iter().filter_map(|(name, value)| Some((name, value?))))
    }

    /// The scores that there are, with their names.
    pub fn scores(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let scores = [("loss", self.loss), ("perplexity", self.perplexity), ("accuracy", self.accuracy)];
        scores.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}
