//! What a person sees while training: a bar on a terminal, a line per epoch
//! everywhere.

use super::interrupt;
use super::run_folder::RunFolder;
use crate::error::Result;
use crate::train::{Epoch, Kept, Progress, Scores};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Draws on stderr and keeps the run folder's files.
pub struct Terminal<'a> {
    bar: ProgressBar,
    folder: Option<&'a RunFolder>,
}

impl<'a> Terminal<'a> {
    /// Reports steps of `batch` samples.
    pub fn new(folder: Option<&'a RunFolder>, batch: usize) -> Terminal<'a> {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template(
            "{prefix} {bar:28} {pos}/{len} steps  {msg}  {per_sec} elapsed {elapsed} left {eta}",
        );
        let samples = move |state: &indicatif::ProgressState, w: &mut dyn std::fmt::Write| {
            // Nothing can be done about a bar that does not print.
            let _ = write!(w, "{:.0} samples/s", state.per_sec() * batch as f64);
        };
        bar.set_style(style.expect("the template is valid").with_key("per_sec", samples));
        Terminal { bar, folder }
    }
}

impl Progress for Terminal<'_> {
    fn begin(&mut self, epoch: usize, epochs: usize, steps: usize) {
        self.bar.reset();
        self.bar.set_length(steps as u64);
        self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
        self.bar.set_message("");
    }

    fn step(&mut self, done: usize, scores: Option<Scores>) {
        self.bar.set_position(done as u64);
        if let Some(s) = scores {
            self.bar.set_message(s.to_string());
        }
    }

    fn end(&mut self, epoch: &Epoch) -> Result<()> {
        self.bar.finish_and_clear();
        eprintln!("{epoch}");
        self.folder.map_or(Ok(()), |f| f.log(epoch))
    }

    fn keeps(&self) -> bool {
        self.folder.is_some()
    }

    fn keep(&mut self, checkpoint: &Kept) -> Result<()> {
        self.folder.map_or(Ok(()), |f| f.keep(checkpoint))
    }

    fn interrupted(&self) -> bool {
        interrupt::asked()
    }
}
