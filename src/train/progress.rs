//! What happens in an epoch, and whoever wants to watch.

use super::Scores;
use super::fit::Kept;
use crate::error::Result;
use crate::eval::Point;

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

/// What whoever watches may ask of a training under way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Control {
    /// Why it is to stop, after the step under way; its outcome is kept.
    pub stop: Option<String>,
    /// What the learning rates of the schedule are multiplied by from now on.
    pub lr_factor: Option<f32>,
}

impl Control {
    /// Stops the training after the step under way.
    pub fn stop(&mut self, why: impl Into<String>) {
        self.stop = Some(why.into());
    }

    /// Multiplies the learning rates of the schedule from now on; a second call takes the
    /// place of the first.
    pub fn scale_lr(&mut self, factor: f32) {
        self.lr_factor = Some(factor);
    }
}

/// Whoever wants to watch.
pub trait Progress {
    /// An epoch of so many batches begins, or goes on.
    fn begin(&mut self, epoch: usize, epochs: usize, batches: usize);
    /// So many of its batches are under way; the scores are those of an earlier
    /// one.
    fn step(&mut self, done: usize, scores: Option<Scores>);
    /// A point of the curves: about 200 in a run, each once and in order.
    fn point(&mut self, _point: &Point) -> Result<()> {
        Ok(())
    }
    /// What the next point would be by now, read in passing.
    fn live(&mut self, _point: &Point) {}
    /// The epoch has ended, or a limit has ended the run within it.
    fn end(&mut self, epoch: &Epoch) -> Result<()>;
    /// What is asked of the training: looked at after each of [`Progress::step`] and
    /// [`Progress::end`].
    fn control(&mut self) -> Control {
        Control::default()
    }
    /// Whether checkpoints are wanted at all.
    fn keeps(&self) -> bool {
        false
    }
    /// Keeps a checkpoint.
    fn keep(&mut self, _checkpoint: &Kept) -> Result<()> {
        Ok(())
    }
    /// Whether somebody asked to stop.
    fn interrupted(&self) -> bool {
        false
    }
}
