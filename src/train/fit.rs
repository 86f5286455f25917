//! The training loop: epochs of steps, scores after each, checkpoints, early
//! stopping, limits. Where it stands is a [`Progressed`], which a checkpoint
//! holds; a loop that starts from one does what the first would have done.

use super::checkpoint::{self, Progressed};
use super::curve::{self, At, Curve};
use super::early_stopping::check_monitor;
use super::session::Scorer;
use super::stream::Stream;
use super::{Epoch, Plateau, Progress, Scores, Session, Settings};
use crate::data::{Dataset, Task};
use crate::error::{Error, Result};
use crate::nn::Weights;
use crate::tensor::HostTensor;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a whole run gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The epochs of this call; the last may have been cut short by a limit.
    pub epochs: Vec<Epoch>,
    /// Training steps per second: no compilation, no evaluation.
    pub steps_per_second: f64,
    /// Training samples per second, likewise.
    pub samples_per_second: f64,
    /// Where training stands.
    pub at: Progressed,
}

/// A checkpoint on its way to where it is kept.
pub struct Kept<'a> {
    /// The file's bytes.
    pub bytes: &'a [u8],
    /// Steps done.
    pub step: usize,
    /// Whether these are the best weights so far.
    pub best: bool,
}

/// Where a training goes on.
#[derive(Default)]
pub struct Start {
    /// Its progress.
    pub at: Progressed,
    /// The best weights so far, if they are to be restored at the end.
    pub best: Option<Weights>,
}

/// Trains for the epochs that the settings ask for; prepares the session for it
/// unless that is done.
pub fn fit(
    session: &mut Session,
    train: &Dataset,
    val: Option<&Dataset>,
    s: &Settings,
    watch: &mut dyn Progress,
) -> Result<Outcome> {
    go_on(session, train, val, s, Start::default(), watch)
}

/// [`fit`] from where an earlier one stopped. The session holds the weights and
/// the state of that moment.
pub fn go_on(
    session: &mut Session,
    train: &Dataset,
    val: Option<&Dataset>,
    s: &Settings,
    start: Start,
    watch: &mut dyn Progress,
) -> Result<Outcome> {
    check_monitors(s, session.interface.task, val.is_some())?;
    if !session.is_prepared() {
        session.prepare_training(train, s)?;
    }
    let scorer = match val {
        Some(set) => Some(session.scorer("val", set, s.batch_size)?),
        None => None,
    };
    let pass = session.trained().clone();
    let interface = session.interface.clone();
    std::thread::scope(|scope| {
        let order = s.shuffle.then_some(s.seed);
        // An epoch whose steps are all done goes on with the next one's data.
        let done = start.at.batch >= pass.set.batches();
        let from = if done { (start.at.epoch + 1, 0) } else { (start.at.epoch, start.at.batch) };
        let stream = Stream::start(scope, &pass.set, train, &interface, order, from);
        let mut run = Run {
            session,
            s,
            watch,
            stream,
            samples: train.len(),
            batches: pass.set.batches(),
            kept: (start.at.step > 0).then_some(start.at.step),
            at: Progressed { samples: train.len(), ..start.at },
            best: start.best,
            clock: StepClock::default(),
            curve: Curve::default(),
            begun: Instant::now(),
        };
        run.epochs(scorer.as_ref())
    })
}

/// Checks that the scores that decide something exist.
pub fn check_monitors(s: &Settings, task: Task, held_out: bool) -> Result<()> {
    check_monitor("[early_stopping]", &s.early_stopping.monitor, task, held_out)?;
    match &s.update.schedule.plateau {
        Some(rule) if rule.monitor != "auto" => check_monitor("[schedule]", &rule.monitor, task, held_out),
        _ => Ok(()),
    }
}

struct Run<'a, 'b> {
    session: &'a mut Session,
    s: &'a Settings,
    watch: &'b mut dyn Progress,
    stream: Stream,
    samples: usize,
    batches: usize,
    at: Progressed,
    best: Option<Weights>,
    clock: StepClock,
    curve: Curve,
    begun: Instant,
    /// The step of the latest checkpoint.
    kept: Option<usize>,
}

/// Time spent in training steps alone.
#[derive(Default)]
struct StepClock {
    steps: usize,
    time: Duration,
    warm: bool,
}

impl Run<'_, '_> {
    fn epochs(&mut self, scorer: Option<&Scorer>) -> Result<Outcome> {
        let mut epochs = vec![];
        self.at.stopped = None;
        while self.at.epoch < self.s.epochs && self.limit().is_none() {
            self.watch.begin(self.at.epoch + 1, self.s.epochs, self.batches);
            if self.at.batch == 0 {
                self.session.reset_metrics()?;
            }
            let begun = Instant::now();
            let train = self.steps()?;
            let seconds = begun.elapsed().as_secs_f64();
            self.check_finite("loss", &train)?;
            let whole = self.at.batch == self.batches;
            if whole {
                (self.at.epoch, self.at.batch) = (self.at.epoch + 1, 0);
            }
            let val = scorer.map(|s| self.session.score(s)).transpose()?;
            val.iter().try_for_each(|v| self.check_finite("validation loss", v))?;
            let number = if whole { self.at.epoch } else { self.at.epoch + 1 };
            let grad_norm = self.session.grad_norm()?;
            let epoch = Epoch { epoch: number, step: self.at.step, train, val, lr: self.lr(), grad_norm, seconds };
            self.watch.end(&epoch)?;
            epochs.push(epoch);
            if whole {
                self.judge(&epoch)?;
            }
            if self.at.stopped.is_some() {
                break;
            }
        }
        self.at.stopped = self.at.stopped.take().or_else(|| self.limit());
        self.finish()?;
        let steps_per_second = self.clock.steps as f64 / self.clock.time.as_secs_f64().max(1e-9);
        let samples_per_second = steps_per_second * self.samples as f64 / self.batches as f64;
        Ok(Outcome { epochs, steps_per_second, samples_per_second, at: self.at.clone() })
    }

    /// The learning rate of the latest step.
    fn lr(&self) -> f64 {
        let rate = self.s.update.lr_at(self.at.step.max(1) - 1, self.s.epochs * self.batches, self.batches);
        self.at.plateau.as_ref().map_or(rate, |p| rate * f64::from(p.factor()))
    }

    fn check_finite(&self, what: &str, scores: &Scores) -> Result<()> {
        match scores.finite && scores.loss.is_finite() {
            true => Ok(()),
            false => Err(self.diverged(&format!("the {what} stopped being a finite number"))),
        }
    }

    fn diverged(&self, what: &str) -> Error {
        let kept = match (self.watch.keeps(), self.kept) {
            (true, Some(step)) => format!("; the checkpoint before that, of step {step}, is kept"),
            (true, None) => "; there is no checkpoint yet".into(),
            (false, _) => String::new(),
        };
        // At the end of an epoch the next one has not begun.
        let epoch = self.at.epoch + usize::from(self.at.batch > 0 || self.at.step == 0);
        Error::diverged(format!(
            "{what} in epoch {epoch}, by step {}; try a lower learning rate (now {}) or clip the gradient (--set \
             train.clip_norm=1.0){kept}",
            self.at.step,
            self.lr() as f32
        ))
    }

    /// The limit that has been reached, if one has.
    fn limit(&self) -> Option<String> {
        if let Some(n) = self.s.max_steps.filter(|&n| self.at.step >= n) {
            return Some(format!("max_steps: {n}"));
        }
        let time = self.s.max_seconds.filter(|&t| self.begun.elapsed().as_secs_f64() >= t);
        time.map(|t| format!("max_time: {t} seconds"))
    }

    /// Runs the rest of the epoch, or as much of it as limits allow, and
    /// returns the scores of the whole of it. The very first step of a run, in
    /// which a driver compiles, is waited for and left out of the clock, unless
    /// it is the only one.
    fn steps(&mut self) -> Result<Scores> {
        if !self.clock.warm && self.batches - self.at.batch > 1 {
            self.advance(1)?;
            self.session.wait()?;
        }
        self.clock.warm = true;
        let (begun, first) = (Instant::now(), self.at.step);
        let at_once = self.session.device().steps_at_once();
        while self.at.batch < self.batches && self.limit().is_none() {
            self.stop_if_asked()?;
            self.advance(at_once)?;
            self.look()?;
        }
        let scores = self.session.scores()?;
        self.settle()?;
        self.clock.steps += self.at.step - first;
        self.clock.time += begun.elapsed();
        Ok(scores)
    }

    /// Where the curves stand.
    fn stand(&self) -> At {
        At { step: self.at.step, batches: self.batches, lr: self.lr() }
    }

    /// Shows what has come back from the device, without waiting for more.
    fn look(&mut self) -> Result<()> {
        let points = self.curve.arrived(self.session)?;
        points.iter().try_for_each(|p| self.watch.point(p))?;
        let at = self.stand();
        // What was asked for in an epoch before is of no interest any more.
        let begun = (self.at.step - self.at.batch) as u64;
        let passing = self.curve.in_passing(self.session, at)?.filter(|p| p.point.step > begun);
        self.watch.step(self.at.batch, passing.as_ref().map(|p| p.epoch));
        passing.iter().for_each(|p| self.watch.live(&p.point));
        Ok(())
    }

    /// Notes the points so far, before an epoch's record or a checkpoint says that
    /// what lies before it is done. Waits for the steps.
    fn settle(&mut self) -> Result<()> {
        let points = self.curve.all(self.session)?;
        points.iter().try_for_each(|p| self.watch.point(p))
    }

    /// Runs up to `n` steps: not beyond the epoch, a limit, a checkpoint, a point of
    /// the curves or the window of a streamed set.
    fn advance(&mut self, n: usize) -> Result<()> {
        let mut n = n.min(self.batches - self.at.batch);
        let mut not_beyond = |every: usize, at: usize| n = n.min(every - at % every);
        if let Some(every) = self.s.checkpoint_every {
            not_beyond(every, self.at.step);
        }
        if let Some(max) = self.s.max_steps {
            not_beyond(max, self.at.step.min(max - 1));
        }
        if let Some(window) = self.stream.window() {
            not_beyond(window, self.at.batch);
        }
        let n = n.min(curve::steps_to_next(self.at.step, self.session.point_every));
        self.stream.supply(&mut *self.session.executor, self.at.epoch, self.at.batch)?;
        self.session.steps(n)?;
        self.at.step += n;
        self.at.batch += n;
        let at = self.stand();
        self.curve.ask(self.session, at)?;
        if self.s.checkpoint_every.is_some_and(|every| self.at.step.is_multiple_of(every)) && self.watch.keeps() {
            self.keep(None, false)?;
        }
        Ok(())
    }

    /// Writes a checkpoint. `state` is given where the weights are not those
    /// that training goes on with. A model that has diverged is not worth one.
    fn keep(&mut self, state: Option<BTreeMap<String, HostTensor>>, best: bool) -> Result<()> {
        let scores = self.session.scores()?;
        self.settle()?;
        self.check_finite("loss", &scores)?;
        let state = match state {
            Some(state) => state,
            None => self.session.state()?,
        };
        let weights = self.session.weights()?;
        let finite = weights.iter().all(|(_, w)| checkpoint::is_finite(w));
        if !finite || state.get("params").is_some_and(|p| !checkpoint::is_finite(p)) {
            return Err(self.diverged("the weights stopped being finite numbers"));
        }
        let about =
            checkpoint::About { config: self.s.deciding(), progress: Some(self.at.clone()), ..self.session.about() };
        let bytes = checkpoint::encode(&weights, &state, &about)?;
        self.watch.keep(&Kept { bytes: &bytes, step: self.at.step, best })?;
        self.kept = Some(self.at.step);
        Ok(())
    }

    fn stop_if_asked(&mut self) -> Result<()> {
        if !self.watch.interrupted() {
            return Ok(());
        }
        let step = self.at.step;
        if !self.watch.keeps() {
            return Err(Error::interrupted(format!("interrupted after {step} steps")));
        }
        self.keep(None, false)?;
        Err(Error::interrupted(format!("interrupted after {step} steps; --resume goes on from there")))
    }

    /// What a whole epoch means: best weights, patience, checkpoints.
    fn judge(&mut self, epoch: &Epoch) -> Result<()> {
        let stopping = &self.s.early_stopping;
        let verdict = stopping.observe(&mut self.at.watched, epoch);
        if verdict.best && stopping.restore_best_weights {
            self.best = Some(self.session.weights()?);
        }
        self.lower_rate(epoch)?;
        if verdict.stop {
            let (best, value) = self.at.watched.best_epoch.unwrap_or((epoch.epoch, f64::NAN));
            self.at.stopped = Some(format!(
                "early stopping in epoch {}: {} was best in epoch {best} ({value:.4})",
                epoch.epoch, stopping.monitor
            ));
        }
        if self.watch.keeps() {
            self.keep(None, verdict.best)?;
        }
        self.stop_if_asked()
    }

    /// Lowers the learning rate where scores have stopped to improve.
    fn lower_rate(&mut self, epoch: &Epoch) -> Result<()> {
        let Some(rule) = &self.s.update.schedule.plateau else { return Ok(()) };
        let monitor = if rule.monitor == "auto" { &self.s.early_stopping.monitor } else { &rule.monitor };
        let lr = self.s.update.lr;
        let plateau = self.at.plateau.get_or_insert_with(|| Plateau::new(rule.clone(), monitor, lr));
        let value = epoch.monitored(monitor).ok_or_else(|| {
            Error::model(format!("[schedule]: monitor = \"{monitor}\", which this task does not have"))
        })?;
        match plateau.observe(value) {
            Some(factor) => self.session.set_lr_factor(factor),
            None => Ok(()),
        }
    }

    /// The end: the best weights take the place of the last, if that is asked.
    fn finish(&mut self) -> Result<()> {
        let mut raw = None;
        if let Some(best) = self.best.take() {
            raw = Some(self.session.raw_state()?);
            self.session.set_weights(&best)?;
        }
        if self.watch.keeps() {
            self.keep(raw, false)?;
        }
        Ok(())
    }
}
