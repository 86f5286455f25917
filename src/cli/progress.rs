//! What a person sees while training: a bar on a terminal, a line per epoch
//! everywhere. What programs see: the records in the run's folder.

use super::interrupt;
use super::run_folder::RunFolder;
use crate::error::Result;
use crate::eval::{Live, Point};
use crate::train::{Epoch, Kept, Progress, Scores, Settings};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// How often the folder says where the run stands.
const LIVE: Duration = Duration::from_secs(1);

/// Draws on stderr and keeps the run folder's files.
pub struct Terminal<'a> {
    bar: ProgressBar,
    folder: Option<&'a RunFolder>,
    pace: Pace,
    epoch: usize,
    said: Option<Instant>,
}

/// How fast the run goes, and how far.
struct Pace {
    max_seconds: Option<f64>,
    /// Steps of the whole run.
    planned: usize,
    /// When this began, after so many steps.
    begun: Option<(Instant, usize)>,
}

impl Pace {
    /// Seconds until the last step; not known after the first one yet.
    fn left(&self, step: usize) -> Option<f64> {
        let (begun, from) = self.begun?;
        let (seconds, done) = (begun.elapsed().as_secs_f64(), step.checked_sub(from).filter(|&n| n > 0)?);
        let left = seconds / done as f64 * self.planned.saturating_sub(step) as f64;
        Some(self.max_seconds.map_or(left, |most| left.min((most - seconds).max(0.0))))
    }
}

impl<'a> Terminal<'a> {
    /// Reports a training on so many samples in so many steps.
    pub fn new(folder: Option<&'a RunFolder>, s: &Settings, samples: usize, planned: usize) -> Terminal<'a> {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template(
            "{prefix} {bar:28} {pos}/{len} batches  {msg}  {per_sec} elapsed {elapsed} left {eta}",
        );
        let batch = s.batch_size.min(samples);
        let samples = move |state: &indicatif::ProgressState, w: &mut dyn std::fmt::Write| {
            // Nothing can be done about a bar that does not print.
            let _ = write!(w, "{:.0} samples/s", state.per_sec() * batch as f64);
        };
        bar.set_style(style.expect("the template is valid").with_key("per_sec", samples));
        let pace = Pace { max_seconds: s.max_seconds, planned, begun: None };
        Terminal { bar, folder, pace, epoch: 0, said: None }
    }
}

impl Progress for Terminal<'_> {
    fn begin(&mut self, epoch: usize, epochs: usize, batches: usize) {
        self.epoch = epoch;
        self.bar.reset();
        self.bar.set_length(batches as u64);
        self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
        self.bar.set_message("");
    }

    fn step(&mut self, done: usize, scores: Option<Scores>) {
        self.bar.set_position(done as u64);
        if let Some(s) = scores {
            self.bar.set_message(s.to_string());
        }
    }

    fn point(&mut self, point: &Point) -> Result<()> {
        self.folder.map_or(Ok(()), |f| f.point(point))
    }

    fn live(&mut self, point: &Point) {
        let step = point.step as usize;
        self.pace.begun.get_or_insert_with(|| (Instant::now(), step));
        let Some(folder) = self.folder.filter(|_| self.said.is_none_or(|t| t.elapsed() >= LIVE)) else { return };
        self.said = Some(Instant::now());
        let seconds_left = self.pace.left(step);
        folder.live(&Live { epoch: self.epoch, step, point: Some(point.clone()), seconds_left, ..Live::default() });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_the_rate() {
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        let pace = |planned, max_seconds, begun| Pace { max_seconds, planned, begun };
        let near = |left: Option<f64>, seconds: f64| left.is_some_and(|l| (l - seconds).abs() < 1.0);
        // A run that went on from step 100 and did 100 steps in 10 seconds.
        let begun = Some((ago(10), 100));
        assert!(near(pace(1000, None, begun).left(200), 80.0));
        assert!(near(pace(500, None, begun).left(200), 30.0));
        assert!(near(pace(1000, Some(15.0), begun).left(200), 5.0));
        assert_eq!(pace(1000, None, begun).left(100), None);
        assert_eq!(pace(1000, None, None).left(100), None);
    }
}
