//! The training loop.

use super::session::Scorer;
use super::{Scores, Session, Settings};
use crate::data::Images;
use crate::error::{Error, Result};
use std::time::{Duration, Instant};

/// What happened in an epoch.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Averages over the training samples, each with the weights of its step.
    pub train: Scores,
    /// Scores on the validation set after the epoch, if there is one.
    pub val: Option<Scores>,
    /// Time of the training steps.
    pub seconds: f64,
}

/// What a whole run gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The epochs.
    pub epochs: Vec<Epoch>,
    /// Training steps per second: no compilation, no evaluation.
    pub steps_per_second: f64,
    /// Training samples per second, likewise.
    pub samples_per_second: f64,
}

/// Whoever wants to watch.
pub trait Progress {
    /// An epoch of so many steps begins.
    fn begin(&mut self, epoch: usize, epochs: usize, steps: usize);
    /// So many of its steps are under way; the scores are those of an earlier
    /// one.
    fn step(&mut self, done: usize, scores: Option<Scores>);
    /// The epoch has ended. May keep files, for which it has the session.
    fn end(&mut self, epoch: &Epoch, session: &mut Session) -> Result<()>;
}

/// A line per epoch on stderr and nothing else.
pub struct Lines;

impl Progress for Lines {
    fn begin(&mut self, _epoch: usize, _epochs: usize, _steps: usize) {}

    fn step(&mut self, _done: usize, _scores: Option<Scores>) {}

    fn end(&mut self, epoch: &Epoch, _session: &mut Session) -> Result<()> {
        eprintln!("{epoch}");
        Ok(())
    }
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.train.samples as f64 / self.seconds.max(1e-9);
        let (n, t, seconds) = (self.epoch, self.train, self.seconds);
        write!(f, "epoch {n}  {seconds:.1}s  {rate:.0} samples/s  loss {:.4} accuracy {:.4}", t.loss, t.accuracy)?;
        match &self.val {
            Some(v) => write!(f, "  val_loss {:.4} val_accuracy {:.4}", v.loss, v.accuracy),
            None => Ok(()),
        }
    }
}

/// Trains for the epochs that the settings ask for; prepares the session for it
/// unless that is done.
pub fn fit(
    session: &mut Session,
    train: &Images,
    val: Option<&Images>,
    s: &Settings,
    watch: &mut dyn Progress,
) -> Result<Outcome> {
    if !session.is_prepared() {
        session.prepare_training(train, s)?;
    }
    let scorer = match val {
        Some(images) => Some(session.scorer("val", images, s.batch_size)?),
        None => None,
    };
    let batches = session.batches();
    let mut clock = StepClock::default();
    let mut epochs = vec![];
    for number in 1..=s.epochs {
        watch.begin(number, s.epochs, batches);
        session.reset_metrics()?;
        let begun = Instant::now();
        let scores = run_epoch(session, batches, number == 1, &mut clock, watch)?;
        let seconds = begun.elapsed().as_secs_f64();
        if !scores.finite || !scores.loss.is_finite() {
            return Err(Error::model(format!(
                "the loss stopped being a finite number in epoch {number}; try a lower learning rate \
                 (now {}) or clip the gradient (--set train.clip_norm=1.0)",
                s.lr
            )));
        }
        let val = score(session, scorer.as_ref())?;
        let epoch = Epoch { epoch: number, train: scores, val, seconds };
        watch.end(&epoch, session)?;
        epochs.push(epoch);
    }
    let steps_per_second = clock.steps as f64 / clock.time.as_secs_f64().max(1e-9);
    let samples_per_second = steps_per_second * train.len() as f64 / batches as f64;
    Ok(Outcome { epochs, steps_per_second, samples_per_second })
}

fn score(session: &mut Session, scorer: Option<&Scorer>) -> Result<Option<Scores>> {
    scorer.map(|s| session.score(s)).transpose()
}

/// Time spent in training steps alone.
#[derive(Default)]
struct StepClock {
    steps: usize,
    time: Duration,
}

/// Runs the steps of an epoch and returns its scores. The very first step of a
/// run, in which a driver compiles, is waited for and left out of the clock,
/// unless it is the only one.
fn run_epoch(
    session: &mut Session,
    batches: usize,
    first: bool,
    clock: &mut StepClock,
    watch: &mut dyn Progress,
) -> Result<Scores> {
    let mut done = 0;
    if first && batches > 1 {
        session.steps(1)?;
        session.wait()?;
        done = 1;
    }
    let (begun, counted) = (Instant::now(), batches - done);
    let at_once = session.device().steps_at_once();
    let mut asked = None;
    while done < batches {
        let n = at_once.min(batches - done);
        session.steps(n)?;
        done += n;
        if let Some(ticket) = asked {
            if let Some(scores) = session.collect_scores(ticket)? {
                watch.step(done, Some(scores));
                asked = None;
            } else {
                watch.step(done, None);
            }
        }
        if asked.is_none() && done < batches {
            asked = Some(session.request_scores()?);
        }
    }
    let scores = session.scores()?;
    clock.steps += counted;
    clock.time += begun.elapsed();
    Ok(scores)
}
