//! What a person sees while training: a bar on a terminal, a line per epoch
//! everywhere.

use super::run_folder::RunFolder;
use crate::error::Result;
use crate::train::checkpoint::write_atomically;
use crate::train::{Epoch, Progress, Scores, Session};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Draws on stderr and keeps the run folder's files.
pub struct Terminal<'a> {
    bar: ProgressBar,
    folder: &'a RunFolder,
    best: Option<f64>,
}

impl<'a> Terminal<'a> {
    /// Reports steps of `batch` samples.
    pub fn new(folder: &'a RunFolder, batch: usize) -> Terminal<'a> {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template(
            "{prefix} {bar:28} {pos}/{len} steps  {msg}  {per_sec} elapsed {elapsed} left {eta}",
        );
        let samples = move |state: &indicatif::ProgressState, w: &mut dyn std::fmt::Write| {
            // Nothing can be done about a bar that does not print.
            let _ = write!(w, "{:.0} samples/s", state.per_sec() * batch as f64);
        };
        bar.set_style(style.expect("the template is valid").with_key("per_sec", samples));
        Terminal { bar, folder, best: None }
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
            self.bar.set_message(format!("loss {:.4} accuracy {:.4}", s.loss, s.accuracy));
        }
    }

    fn end(&mut self, epoch: &Epoch, session: &mut Session) -> Result<()> {
        self.bar.finish_and_clear();
        eprintln!("{epoch}");
        self.folder.log(epoch)?;
        // Read from the device once, for both files.
        let checkpoint = session.checkpoint()?;
        write_atomically(&self.folder.last(), &checkpoint)?;
        let loss = epoch.val.map_or(epoch.train.loss, |v| v.loss);
        if self.best.is_none_or(|best| loss < best) {
            self.best = Some(loss);
            write_atomically(&self.folder.best(), &checkpoint)?;
        }
        Ok(())
    }
}
