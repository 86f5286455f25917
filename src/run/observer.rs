//! Whoever watches a run: a terminal, a log, a page, or nobody.

use crate::error::Result;
use crate::train::{Control, Epoch, Scores};
use std::path::Path;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What is being done.
    Info,
    /// What was assumed or left out of the data, and what decides otherwise.
    Note,
    /// What was asked for and is not done.
    Warning,
}

/// Is told how many pictures have been read, of how many. Called from many threads.
pub type OnReading = Box<dyn Fn(usize, usize) + Sync>;

/// Some work, until it is dropped.
pub type Working = Box<dyn std::any::Any>;

/// Is told what a run does. Every method has a default that does nothing.
pub trait Observer {
    /// A message for the user.
    fn say(&mut self, _level: Level, _text: &str) {}

    /// Pictures are about to be read.
    fn reading(&mut self) -> OnReading {
        Box::new(|_, _| {})
    }

    /// Work begins that may take a while, such as "reading data.csv"; it lasts as long as what
    /// is returned.
    fn working(&mut self, _what: &str) -> Working {
        Box::new(())
    }

    /// Training is about to begin: from here on it can be interrupted and leaves a
    /// checkpoint.
    fn starting(&mut self) -> Result<()> {
        Ok(())
    }

    /// The files of the training that begins lie in this folder.
    fn opened(&mut self, _folder: &Path) -> Result<()> {
        Ok(())
    }

    /// An epoch begins, or is continued: its number from 1, of how many, in so many
    /// batches of so many samples.
    fn begin(&mut self, _epoch: usize, _epochs: usize, _batches: usize, _batch_size: usize) {}

    /// So many batches of the epoch are under way; the scores are those of an earlier
    /// moment.
    fn step(&mut self, _batches: usize, _scores: Option<Scores>) {}

    /// An epoch has ended.
    fn end(&mut self, _epoch: &Epoch) {}

    /// An epoch of one of many trainings has ended, of which nothing is to be said.
    fn passed(&mut self) {}

    /// What is asked of the training: looked at after each of [`Observer::step`] and
    /// [`Observer::end`].
    fn control(&mut self) -> Control {
        Control::default()
    }

    /// Whether [`Observer::control`] may scale the learning rate. The step is then planned
    /// for that.
    fn changes_lr(&self) -> bool {
        false
    }

    /// Whether training is to stop after the step under way and to write a checkpoint.
    fn interrupted(&self) -> bool {
        false
    }
}

impl dyn Observer + '_ {
    /// Says what is being done.
    pub fn info(&mut self, text: &str) {
        self.say(Level::Info, text);
    }

    /// Says what was assumed.
    pub fn note(&mut self, text: &str) {
        self.say(Level::Note, text);
    }

    /// Says what is not done.
    pub fn warn(&mut self, text: &str) {
        self.say(Level::Warning, text);
    }
}

/// Nobody watches.
pub struct Quiet;

impl Observer for Quiet {}
