//! Passes on what happens in a training: to the run's folder and to whoever watches.

use super::folder::RunFolder;
use super::observer::Observer;
use crate::error::Result;
use crate::eval::{Fingerprint, Live, LostDevice, Point};
use crate::train::checkpoint::Progressed;
use crate::train::{Control, Epoch, Kept, Progress, Scores, Settings};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often the folder says where the run stands.
const LIVE: Duration = Duration::from_secs(1);

/// Writes the folder's files and tells an observer.
pub struct Watch<'a> {
    observer: &'a mut dyn Observer,
    folder: Option<&'a RunFolder>,
    remaining: Remaining,
    batch_size: usize,
    epoch: usize,
    written: Option<Instant>,
}

/// How much of a run is left.
struct Remaining {
    max_seconds: Option<f64>,
    /// Steps of the whole run.
    planned: usize,
    /// When this began, after so many steps.
    begun: Option<(Instant, usize)>,
}

impl Remaining {
    /// Seconds until the last step; not known after the first one yet.
    fn seconds(&self, step: usize) -> Option<f64> {
        let (begun, from) = self.begun?;
        let (seconds, done) = (begun.elapsed().as_secs_f64(), step.checked_sub(from).filter(|&n| n > 0)?);
        let left = seconds / done as f64 * self.planned.saturating_sub(step) as f64;
        Some(self.max_seconds.map_or(left, |most| left.min((most - seconds).max(0.0))))
    }
}

impl<'a> Watch<'a> {
    /// Watches a training on so many samples in so many steps.
    pub fn new(
        observer: &'a mut dyn Observer,
        folder: Option<&'a RunFolder>,
        s: &Settings,
        samples: usize,
        planned: usize,
    ) -> Watch<'a> {
        let remaining = Remaining { max_seconds: s.max_seconds, planned, begun: None };
        Watch { observer, folder, remaining, batch_size: s.batch_size.min(samples), epoch: 0, written: None }
    }
}

impl Progress for Watch<'_> {
    fn begin(&mut self, epoch: usize, epochs: usize, batches: usize) {
        self.epoch = epoch;
        self.observer.begin(epoch, epochs, batches, self.batch_size);
    }

    fn step(&mut self, done: usize, scores: Option<Scores>) {
        self.observer.step(done, scores);
    }

    fn point(&mut self, point: &Point) -> Result<()> {
        self.folder.map_or(Ok(()), |f| f.point(point))
    }

    fn fingerprint(&mut self, of: &Fingerprint) -> Result<()> {
        self.folder.map_or(Ok(()), |f| f.fingerprint(of))
    }

    fn live(&mut self, point: &Point) {
        let step = point.step as usize;
        self.remaining.begun.get_or_insert_with(|| (Instant::now(), step));
        let Some(folder) = self.folder.filter(|_| self.written.is_none_or(|t| t.elapsed() >= LIVE)) else { return };
        self.written = Some(Instant::now());
        let seconds_left = self.remaining.seconds(step);
        folder.live(&Live { epoch: self.epoch, step, point: Some(point.clone()), seconds_left, ..Live::default() });
    }

    fn end(&mut self, epoch: &Epoch) -> Result<()> {
        self.observer.end(epoch);
        self.folder.map_or(Ok(()), |f| f.log(epoch))
    }

    fn control(&mut self) -> Control {
        self.observer.control()
    }

    fn keeps(&self) -> bool {
        self.folder.is_some()
    }

    fn keep(&mut self, checkpoint: &Kept) -> Result<()> {
        self.folder.map_or(Ok(()), |f| f.keep(checkpoint))
    }

    fn warn(&mut self, text: &str) {
        self.observer.warn(text);
    }

    fn replay(&mut self, step: usize, file: &[u8]) -> Result<Option<PathBuf>> {
        self.folder.map(|f| f.replay(step, file)).transpose()
    }

    fn went_back(&mut self, at: &Progressed, step: usize) -> Result<()> {
        self.folder.map_or(Ok(()), |f| f.go_back(at, step))
    }

    fn lost(&mut self, lost: &LostDevice) -> Result<()> {
        self.folder.map_or(Ok(()), |f| f.lost(lost))
    }

    fn interrupted(&self) -> bool {
        self.observer.interrupted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_the_rate() {
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        let remaining = |planned, max_seconds, begun| Remaining { max_seconds, planned, begun };
        let near = |left: Option<f64>, seconds: f64| left.is_some_and(|l| (l - seconds).abs() < 1.0);
        // A run that went on from step 100 and did 100 steps in 10 seconds.
        let begun = Some((ago(10), 100));
        assert!(near(remaining(1000, None, begun).seconds(200), 80.0));
        assert!(near(remaining(500, None, begun).seconds(200), 30.0));
        assert!(near(remaining(1000, Some(15.0), begun).seconds(200), 5.0));
        assert_eq!(remaining(1000, None, begun).seconds(100), None);
        assert_eq!(remaining(1000, None, None).seconds(100), None);
    }
}
