//! The training loop: epochs of steps, scores after each, checkpoints, early
//! stopping, limits. Where it stands is a [`Progressed`], which a checkpoint
//! holds; a loop that starts from one does what the first would have done.

mod asked;
mod incident;
mod keep;
mod marks;
mod moment;
mod survive;
mod together;
mod watched;

use self::asked::Asked;
use self::incident::Incidents;
use self::marks::Marks;
use self::moment::Moments;
use self::together::Agreed;
use self::watched::Watched;
use super::checkpoint::Progressed;
use super::curve::{At, Curve};
use super::monitor::check_monitors;
use super::rating::Held;
use super::session::State;
use super::stream::Stream;
use super::{Epoch, Plateau, Progress, Scores, Session, Settings};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::nn::Weights;
use crate::ops::pace::Steps;
use std::time::{Duration, Instant};

/// What a whole run gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The epochs of this call; the last may have been cut short by a limit.
    pub epochs: Vec<Epoch>,
    /// Steps done since training began, updates of the weights.
    pub steps: usize,
    /// Training steps per second: no compilation, no evaluation.
    pub steps_per_second: f64,
    /// Training samples per second, likewise.
    pub samples_per_second: f64,
    /// Where training stands.
    pub at: Progressed,
    /// How often the device has failed.
    pub lost: usize,
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
    go_on(session, train, val.map(Held::from), s, Start::default(), watch)
}

/// [`fit`] from where an earlier one stopped. The session holds the weights and
/// the state of that moment.
pub fn go_on(
    session: &mut Session,
    train: &Dataset,
    val: Option<Held>,
    s: &Settings,
    start: Start,
    watch: &mut dyn Progress,
) -> Result<Outcome> {
    let done = go(session, train, val, s, start, watch);
    together::tell(done, session)
}

fn go(
    session: &mut Session,
    train: &Dataset,
    val: Option<Held>,
    s: &Settings,
    start: Start,
    watch: &mut dyn Progress,
) -> Result<Outcome> {
    check_monitors(s, &session.interface, val.is_some())?;
    if !session.is_prepared() {
        session.prepare_training(train, s)?;
    }
    session.device().set_patience(s.recovery.timeout);
    let (mut begins, batches) = (start.at.step == 0, session.batches());
    let is_watched = val.is_some();
    let keeps = together::keeps(watch.keeps(), &**session.collective())?;
    std::thread::scope(|scope| {
        let mut run = Run {
            s,
            watch,
            stream: Stream::default(),
            train,
            batches,
            kept: (start.at.step > 0).then(|| session.counts().done(start.at.step)),
            counts: session.counts(),
            at: Progressed { samples: train.len(), ..start.at },
            best: start.best,
            is_watched,
            keeps,
            agreed: Agreed::default(),
            clock: StepClock::default(),
            curve: Curve::default(),
            begun: Instant::now(),
            incidents: Incidents::default(),
            marks: Marks::default(),
            moments: Moments::default(),
            asked: Asked::default(),
            lost: 0,
            epochs: vec![],
            session,
        };
        run.begin().or_else(|why| run.recover(why))?;
        loop {
            let ended = run.watched(val, std::mem::take(&mut begins)).and_then(|watched| {
                let order = s.shuffle.then_some(s.seed);
                let (at, set) = (&run.at, &run.session.trained().set);
                // An epoch whose steps are all done goes on with the next one's data.
                let from = if at.batch >= batches { (at.epoch + 1, 0) } else { (at.epoch, at.batch) };
                run.stream = Stream::start(scope, set, train, &run.session.interface, order, from, s.epochs)?;
                run.epochs(watched.as_ref())
            });
            match ended {
                Ok(outcome) => return Ok(outcome),
                Err(why) => run.recover(why)?,
            }
        }
    })
}

struct Run<'a, 'b> {
    session: &'a mut Session,
    s: &'a Settings,
    watch: &'b mut dyn Progress,
    stream: Stream,
    train: &'a Dataset,
    batches: usize,
    counts: Steps,
    at: Progressed,
    best: Option<Weights>,
    clock: StepClock,
    curve: Curve,
    begun: Instant,
    incidents: Incidents,
    marks: Marks,
    moments: Moments,
    /// What whoever watches has asked for since the latest moment.
    asked: Asked,
    /// How often the device has failed.
    lost: usize,
    epochs: Vec<Epoch>,
    /// The step of the latest checkpoint.
    kept: Option<usize>,
    /// Whether there is a validation set.
    is_watched: bool,
    /// Whether checkpoints are wanted at all.
    keeps: bool,
    agreed: Agreed,
}

/// Time spent in training alone.
#[derive(Default)]
struct StepClock {
    batches: usize,
    time: Duration,
    warm: bool,
}

impl Run<'_, '_> {
    fn epochs(&mut self, watched: Option<&Watched>) -> Result<Outcome> {
        // What has stopped stays so, unless patience was raised since.
        let stopping = &self.s.early_stopping;
        self.at.stopped = self.at.stopped.take().filter(|why| is_early(why) && stopping.is_out(&self.at.watched));
        while self.at.stopped.is_none() && self.at.epoch < self.s.epochs && self.limit().is_none() {
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
            let val = self.score(watched)?;
            let positive_class = watched.and_then(|w| w.positive_class(self.session));
            val.iter().try_for_each(|v| self.check_finite("validation loss", v))?;
            let number = if whole { self.at.epoch } else { self.at.epoch + 1 };
            let grad_norm = self.session.grad_norm()?;
            let (step, lr) = (self.done(), self.lr());
            let epoch = Epoch { epoch: number, step, train, val, positive_class, lr, grad_norm, seconds };
            // From here on the device is asked for nothing until the epoch is noted and kept, so
            // that no epoch is noted twice.
            let state = self.state_to_keep()?;
            self.watch.end(&epoch)?;
            self.obey()?;
            self.epochs.push(epoch.clone());
            match whole {
                true => self.judge(&epoch, state)?,
                false => self.judge_cut(&epoch, state)?,
            }
        }
        self.at.stopped = self.at.stopped.take().or_else(|| self.limit());
        self.finish()?;
        let epochs_per_second =
            self.clock.batches as f64 / self.batches as f64 / self.clock.time.as_secs_f64().max(1e-9);
        Ok(Outcome {
            epochs: std::mem::take(&mut self.epochs),
            steps: self.done(),
            steps_per_second: epochs_per_second * self.counts.per_epoch() as f64,
            samples_per_second: epochs_per_second * self.train.len() as f64,
            at: self.at.clone(),
            lost: self.lost,
        })
    }

    /// Loads the validation set, if there is one.
    fn watched<'v>(&mut self, val: Option<Held<'v>>, begins: bool) -> Result<Option<Watched<'v>>>
    where
        Self: 'v,
    {
        let leads = self.session.collective().leads();
        val.filter(|_| leads).map(|held| Watched::new(self.session, held, self.s, begins)).transpose()
    }

    /// Whole steps done.
    fn done(&self) -> usize {
        self.counts.done(self.at.step)
    }

    /// The learning rate of the latest batch.
    fn lr(&self) -> f64 {
        self.lr_of(self.at.step.max(1) - 1)
    }

    /// The learning rate of a batch.
    fn lr_of(&self, batch: usize) -> f64 {
        self.s.update.lr_at(batch, self.s.epochs, self.batches) * f64::from(self.factor())
    }

    /// What the rates of the schedule are multiplied by.
    fn factor(&self) -> f32 {
        self.at.plateau.as_ref().map_or(1.0, Plateau::factor) * self.at.lr_factor.unwrap_or(1.0)
    }

    fn check_finite(&self, what: &str, scores: &Scores) -> Result<()> {
        // Batches that were left out are not counted. Where a limit has come first, there was none yet.
        let counted = scores.samples > 0 || self.at.batch == 0;
        match scores.finite && scores.loss.is_finite() && counted {
            true => Ok(()),
            false => Err(self.diverged(&format!("the {what} stopped being a finite number"))),
        }
    }

    /// The limit that has been reached, if one has.
    fn limit(&self) -> Option<String> {
        if let Some(n) = self.s.max_steps.filter(|&n| self.done() >= n) {
            return Some(format!("{MAX_STEPS}: {n}"));
        }
        let time = self.s.max_seconds.filter(|_| self.is_late());
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
        let (begun, first, counted) = (Instant::now(), self.at.step, self.counted());
        let at_once = self.session.at_once;
        while self.at.batch < self.batches && self.limit().is_none() && self.at.stopped.is_none() {
            self.stop_if_asked()?;
            self.advance(at_once)?;
            self.look()?;
            self.obey()?;
        }
        self.check_learned(counted)?;
        let scores = self.session.scores()?;
        self.settle()?;
        self.clock.batches += self.at.step - first;
        self.clock.time += begun.elapsed();
        Ok(scores)
    }

    /// Where the curves stand.
    fn stand(&self) -> At {
        At { batches: self.at.step, lr: self.lr() }
    }

    /// Shows what has come back from the device, without waiting for more.
    fn look(&mut self) -> Result<()> {
        self.listen()?;
        self.note_marks()?;
        let points = self.curve.arrived(self.session)?;
        points.iter().try_for_each(|p| self.watch.point(p))?;
        self.moment_arrived()?;
        let at = self.stand();
        // What was asked for in an epoch before is of no interest any more.
        let passing = self.curve.in_passing(self.session, at)?.filter(|p| p.point.epoch > self.at.epoch as f64);
        self.watch.step(self.at.batch, passing.as_ref().map(|p| p.epoch.clone()));
        passing.iter().for_each(|p| self.watch.live(&p.point));
        Ok(())
    }

    /// Notes the points so far, before an epoch's record or a checkpoint says that
    /// what lies before it is done. Waits for the steps.
    fn settle(&mut self) -> Result<()> {
        let points = self.curve.all(self.session)?;
        points.iter().try_for_each(|p| self.watch.point(p))?;
        self.settle_marks()
    }

    /// Trains on up to `n` batches: not beyond the epoch, a limit, a checkpoint, a
    /// point of the curves or the window of a streamed set.
    fn advance(&mut self, n: usize) -> Result<()> {
        let (at, done, counts) = (self.at.step, self.done(), self.counts);
        let to_step = |step: usize| counts.batches(step).saturating_sub(at).max(1);
        let mut n = n.min(self.batches - self.at.batch).min(self.session.points.to_next(at));
        n = n.min(self.asked.to_next(at));
        let flight = &self.s.flight;
        let often = [self.s.checkpoint_every, flight.verify_every, flight.fingerprint_every, self.keeps_every()];
        for every in often.into_iter().flatten() {
            n = n.min(to_step((done / every + 1) * every));
        }
        if let Some(max) = self.s.max_steps {
            n = n.min(to_step(max));
        }
        if let Some(window) = self.stream.window() {
            n = n.min(window - self.at.batch % window);
        }
        let n = match self.session.is_ranked() {
            true => self.together()?,
            false => {
                self.stream.supply(&mut *self.session.executor, self.at.epoch, self.at.batch)?;
                self.take(n)?
            }
        };
        self.at.step += n;
        self.at.batch += n;
        let at = self.stand();
        self.curve.ask(self.session, at)?;
        self.mark()?;
        if self.is_due(self.s.checkpoint_every) && self.keeps {
            self.keep(None, false)?;
        } else if self.is_due(self.keeps_every()) {
            self.ask_for_moment()?;
        }
        Ok(())
    }

    /// Whether what is done every so many steps is due after those so far.
    fn is_due(&self, every: Option<usize>) -> bool {
        every.is_some_and(|n| self.counts.is_whole(self.at.step) && self.done().is_multiple_of(n))
    }

    /// What a whole epoch means: best weights, patience, checkpoints.
    fn judge(&mut self, epoch: &Epoch, state: Option<State>) -> Result<()> {
        let stopping = &self.s.early_stopping;
        let verdict = stopping.observe(&mut self.at.watched, epoch);
        if verdict.best && stopping.restore_best_weights {
            self.best = state.as_ref().map(|state| self.session.answering_weights_of(state));
        }
        self.lower_rate(epoch)?;
        if verdict.stop {
            let (best, value) = self.at.watched.best_epoch.unwrap_or((epoch.epoch, f64::NAN));
            self.at.stopped = Some(format!(
                "{EARLY_STOPPING} in epoch {}: {} was best in epoch {best} ({value:.4})",
                epoch.epoch, stopping.monitor
            ));
        }
        if let Some(state) = state {
            self.keep_epoch(state, verdict.best)?;
        }
        self.stop_if_asked()
    }

    /// What an epoch means that a limit has cut: its weights may be the best. It counts
    /// for nothing else, because it is not over.
    fn judge_cut(&mut self, epoch: &Epoch, state: Option<State>) -> Result<()> {
        let stopping = &self.s.early_stopping;
        if !stopping.observe_cut(&mut self.at.watched, epoch) {
            return Ok(());
        }
        if stopping.restore_best_weights {
            self.best = state.as_ref().map(|state| self.session.answering_weights_of(state));
        }
        state.map_or(Ok(()), |state| self.keep_epoch(state, true))
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
            Some(_) => self.session.set_lr_factor(self.factor()),
            None => Ok(()),
        }
    }
}

/// How a run begins to say that a callback has stopped it.
pub const CALLBACK: &str = "stopped by a callback";
/// How it begins to say that patience has run out.
pub const EARLY_STOPPING: &str = "early stopping";
/// How it begins to say that it has done its steps.
pub const MAX_STEPS: &str = "max_steps";

/// Whether a run was stopped by early stopping.
fn is_early(why: &str) -> bool {
    why.starts_with(EARLY_STOPPING)
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
