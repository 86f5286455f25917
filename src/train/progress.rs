//! Whoever wants to watch a training, and may ask something of it.

use super::epoch::Epoch;
use super::{Scores, checkpoint};
use crate::error::Result;
use crate::eval::{Fingerprint, LostDevice, Point};
use std::path::PathBuf;

/// A checkpoint on its way to where it is kept.
pub struct Kept<'a> {
    /// Its two files.
    pub files: &'a checkpoint::Files,
    /// Steps done, updates of the weights.
    pub step: usize,
    /// Whether these are the best weights so far.
    pub best: bool,
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
    /// The fingerprint of the weights after a step, where such are asked for: each once and in
    /// order.
    fn fingerprint(&mut self, _of: &Fingerprint) -> Result<()> {
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
    /// Says what is not as it should be.
    fn warn(&mut self, _text: &str) {}
    /// Keeps the file from which a step runs again, if anything is kept; says where.
    fn replay(&mut self, _step: usize, _file: &[u8]) -> Result<Option<PathBuf>> {
        Ok(None)
    }
    /// Training has gone back to an earlier moment, after so many steps.
    fn went_back(&mut self, _at: &checkpoint::Progressed, _step: usize) -> Result<()> {
        Ok(())
    }
    /// The device has failed; [`Progress::went_back`] follows where training goes on.
    fn lost(&mut self, _lost: &LostDevice) -> Result<()> {
        Ok(())
    }
    /// Whether somebody asked to stop.
    fn interrupted(&self) -> bool {
        false
    }
}
