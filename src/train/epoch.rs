//! What happened in an epoch.

use super::Scores;

/// What happened in an epoch.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Steps done since training began, updates of the weights.
    pub step: usize,
    /// Averages over the training samples, each with the weights of its step.
    pub train: Scores,
    /// Scores on the validation set after the epoch, if there is one.
    pub val: Option<Scores>,
    /// The class that precision, recall and F1 are of, where one of them is watched.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub positive_class: Option<String>,
    /// The learning rate of the last step.
    pub lr: f64,
    /// The mean global norm of the gradient, before clipping.
    pub grad_norm: f64,
    /// Time of the training steps.
    pub seconds: f64,
}

impl Epoch {
    /// The score of a name: `loss`, `accuracy`, `rmse`, .., of the validation set
    /// with `val_` in front. Without a validation set, the training set's.
    pub fn monitored(&self, name: &str) -> Option<f64> {
        match name.strip_prefix("val_") {
            Some(key) => self.val.as_ref().unwrap_or(&self.train).get(key),
            None => self.train.get(name),
        }
    }
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.train.samples as f64 / self.seconds.max(1e-9);
        write!(f, "epoch {}  {:.1}s  {rate:.0} samples/s  {}", self.epoch, self.seconds, self.train)?;
        let Some(v) = &self.val else { return Ok(()) };
        // The perplexity is the loss in other words.
        for (key, value) in v.all().filter(|(key, _)| *key != "perplexity") {
            let gap = if key == "loss" { "  " } else { " " };
            write!(f, "{gap}val_{key} {value:.4}")?;
        }
        self.positive_class.iter().try_for_each(|class| write!(f, " (of \"{class}\")"))
    }
}
