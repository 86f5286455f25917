//! One training of many, for whoever watches: what it says, and not a line per epoch.

use super::observer::{Level, Observer, OnReading, Working};
use crate::error::Result;
use crate::train::{Control, Epoch, Scores};
use std::path::Path;

/// An observer that is told of everything but the ends of epochs.
pub struct OneOfMany<'a>(pub &'a mut dyn Observer);

impl Observer for OneOfMany<'_> {
    fn say(&mut self, level: Level, text: &str) {
        self.0.say(level, text);
    }

    fn reading(&mut self) -> OnReading {
        self.0.reading()
    }

    fn working(&mut self, what: &str) -> Working {
        self.0.working(what)
    }

    fn starting(&mut self) -> Result<()> {
        self.0.starting()
    }

    fn opened(&mut self, folder: &Path) -> Result<()> {
        self.0.opened(folder)
    }

    fn begin(&mut self, epoch: usize, epochs: usize, batches: usize, batch_size: usize) {
        self.0.begin(epoch, epochs, batches, batch_size);
    }

    fn step(&mut self, batches: usize, scores: Option<Scores>) {
        self.0.step(batches, scores);
    }

    fn end(&mut self, _: &Epoch) {
        self.0.passed();
    }

    fn passed(&mut self) {
        self.0.passed();
    }

    fn control(&mut self) -> Control {
        self.0.control()
    }

    fn changes_lr(&self) -> bool {
        self.0.changes_lr()
    }

    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard(Vec<&'static str>);

    impl Observer for Heard {
        fn say(&mut self, _: Level, _: &str) {
            self.0.push("said");
        }

        fn end(&mut self, _: &Epoch) {
            self.0.push("end");
        }

        fn passed(&mut self) {
            self.0.push("passed");
        }
    }

    #[test]
    fn epochs_pass_without_a_word() {
        let mut heard = Heard::default();
        let mut one = OneOfMany(&mut heard);
        one.say(Level::Note, "a note");
        one.end(&Epoch::default());
        assert_eq!(heard.0, ["said", "passed"]);
    }
}
