//! Callbacks of a program beside whoever else watches a run.

use super::observer::{Level, Observer, OnReading, Quiet, Working};
use crate::error::Result;
use crate::train::{Control, Epoch, Scores};
use std::path::Path;

/// Called after an epoch.
pub(super) type OnEpoch = Box<dyn FnMut(&Epoch, &mut Control)>;
/// Called while an epoch is under way.
pub(super) type OnStep = Box<dyn FnMut(usize, Option<&Scores>, &mut Control)>;

/// An observer that calls functions too.
pub(super) struct Callbacks {
    pub inner: Box<dyn Observer>,
    pub on_epoch: Vec<OnEpoch>,
    pub on_step: Vec<OnStep>,
    /// What they have asked for and training has not seen.
    pub asked: Control,
}

impl Default for Callbacks {
    fn default() -> Callbacks {
        Callbacks { inner: Box::new(Quiet), on_epoch: vec![], on_step: vec![], asked: Control::default() }
    }
}

impl Observer for Callbacks {
    fn say(&mut self, level: Level, text: &str) {
        self.inner.say(level, text);
    }

    fn reading(&mut self) -> OnReading {
        self.inner.reading()
    }

    fn working(&mut self, what: &str) -> Working {
        self.inner.working(what)
    }

    fn starting(&mut self) -> Result<()> {
        self.inner.starting()
    }

    fn opened(&mut self, folder: &Path) -> Result<()> {
        self.inner.opened(folder)
    }

    fn begin(&mut self, epoch: usize, epochs: usize, batches: usize, batch_size: usize) {
        self.inner.begin(epoch, epochs, batches, batch_size);
    }

    fn step(&mut self, batches: usize, scores: Option<Scores>) {
        self.on_step.iter_mut().for_each(|call| call(batches, scores.as_ref(), &mut self.asked));
        self.inner.step(batches, scores);
    }

    fn end(&mut self, epoch: &Epoch) {
        self.on_epoch.iter_mut().for_each(|call| call(epoch, &mut self.asked));
        self.inner.end(epoch);
    }

    fn passed(&mut self) {
        self.inner.passed();
    }

    fn control(&mut self) -> Control {
        let (asked, inner) = (std::mem::take(&mut self.asked), self.inner.control());
        Control { stop: asked.stop.or(inner.stop), lr_factor: asked.lr_factor.or(inner.lr_factor) }
    }

    fn changes_lr(&self) -> bool {
        !self.on_epoch.is_empty() || !self.on_step.is_empty() || self.inner.changes_lr()
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted()
    }
}
