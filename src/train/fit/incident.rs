//! What a training does about steps whose numbers are not finite, not likely or not right:
//! it looks at the device's record now and then without waiting, and before anything that
//! was computed is scored or kept.

use super::Run;
use crate::error::{Error, Result};
use crate::plan::Ticket;
use crate::train::OnNan;
use crate::train::flight::record::{Noted, RECORD};
use crate::train::flight::replay::Moment;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the record is asked for.
const LOOKS: Duration = Duration::from_millis(100);

/// Updates that are left out and explained; those after them are counted.
const EXPLAINED: usize = 3;

/// How often a training goes back before it gives up.
const MOST_BACK: usize = 5;

/// What is known of such steps.
#[derive(Default)]
pub(super) struct Incidents {
    asked: Option<Ticket>,
    looked: Option<Instant>,
    noted: Noted,
    explained: usize,
    /// Whether training is to go back now, and how often it has.
    goes_back: bool,
    back: usize,
}

impl Incidents {
    /// Training has gone back to a moment with this record.
    pub fn returned(&mut self, noted: Noted) {
        self.noted = noted;
    }

    /// Drops the readback under way.
    pub fn drop_request(&mut self) {
        self.asked = None;
    }
}

impl Run<'_, '_> {
    /// Trains on up to `n` batches, and says on how many: on one where that is compared with
    /// the judge.
    pub(super) fn take(&mut self, n: usize) -> Result<usize> {
        let done = self.done();
        if !self.is_due(self.s.flight.verify_every) {
            return self.session.steps(n).map(|()| n);
        }
        match self.session.verified_step()? {
            Ok(_) => Ok(1),
            Err(wrong) => Err(Error::device(format!(
                "step {} is not what the judge computes from the same numbers: {wrong}. The weights are wrong from this step \
                 on; `wgrad doctor` examines the device, and --device cpu trains without it",
                done + 1
            ))),
        }
    }

    /// Heeds the record as it has arrived, without waiting for more.
    pub(super) fn listen(&mut self) -> Result<()> {
        // Ranks have to look at the same time.
        if self.session.is_ranked() {
            return self.inspect();
        }
        if let Some(ticket) = &self.incidents.asked
            && let Some(record) = self.session.executor.collect(ticket)?
        {
            self.incidents.asked = None;
            self.heed(Noted::of(record.as_u32()))?;
        }
        if self.incidents.asked.is_none() && self.incidents.looked.is_none_or(|t| t.elapsed() >= LOOKS) {
            self.incidents.asked = Some(self.session.executor.request(RECORD)?);
            self.incidents.looked = Some(Instant::now());
        }
        Ok(())
    }

    /// Heeds the record of all steps so far. Waits for them.
    pub(super) fn inspect(&mut self) -> Result<()> {
        // One that was asked for before is older, and would be heeded after this one.
        self.incidents.asked = None;
        let noted = self.session.noted()?;
        self.heed(noted)
    }

    /// Begins, or goes on from a checkpoint.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.incidents.noted = self.session.clear_noted()?;
        if self.s.flight.on_nan == OnNan::Rollback || self.session.can_be_lost() {
            let state = self.session.everything()?;
            self.remember(Arc::new(state), true);
        }
        Ok(())
    }

    /// Updates left out so far, as far as is known, and steps done.
    pub(super) fn counted(&self) -> [usize; 2] {
        [self.incidents.noted.left_out, self.done()]
    }

    /// Fails when every update since a count was left out.
    pub(super) fn check_learned(&mut self, [left_out, done]: [usize; 2]) -> Result<()> {
        self.inspect()?;
        let noted = self.incidents.noted;
        let steps = self.done() - done;
        match self.s.flight.on_nan == OnNan::Skip && steps > 0 && noted.left_out - left_out >= steps {
            false => Ok(()),
            true => Err(self.diverged_at("every loss or gradient", &noted, "")),
        }
    }

    /// The error of a batch whose numbers are not finite.
    fn diverged_at(&self, what: &str, at: &Noted, why: &str) -> Error {
        let step = self.counts.done(at.step) + 1;
        let what = format!("{what} stopped being a finite number in epoch {}, at step {step}{why}", at.epoch + 1);
        self.diverging(&what, at.step)
    }

    pub(super) fn diverged(&self, what: &str) -> Error {
        // At the end of an epoch the next one has not begun.
        let epoch = self.at.epoch + usize::from(self.at.batch > 0 || self.at.step == 0);
        self.diverging(&format!("{what} in epoch {epoch}, by step {}", self.done()), self.at.step.max(1) - 1)
    }

    fn diverging(&self, what: &str, batch: usize) -> Error {
        let kept = match (self.keeps, self.kept) {
            (true, Some(step)) => format!("; the checkpoint before that, of step {step}, is kept"),
            (true, None) => "; there is no checkpoint yet".into(),
            (false, _) => String::new(),
        };
        Error::diverged(format!(
            "{what}; try a lower learning rate (now {}) or clip the gradient (--set train.clip_norm=1.0){kept}",
            self.lr_of(batch) as f32
        ))
    }

    fn heed(&mut self, noted: Noted) -> Result<()> {
        let before = std::mem::replace(&mut self.incidents.noted, noted);
        if noted.spikes > before.spikes {
            let step = self.counts.done(noted.spike_at) + 1;
            self.watch.warn(&format!(
                "step {step}: the loss is more than {} standard deviations above the 128 before it; its update is left out \
                 ({} so far)",
                self.s.flight.skip_spikes, noted.spikes
            ));
        }
        if !noted.any() {
            return Ok(());
        }
        let what = format!("the {}", noted.what());
        match self.s.flight.on_nan {
            OnNan::Stop => {
                let why = self.explain(&noted);
                Err(self.diverged_at(&what, &noted, &why))
            }
            OnNan::Rollback if self.moments.epoch.is_some() && self.incidents.back < MOST_BACK => {
                let why = self.explain(&noted);
                self.watch.warn(&format!("{what} is not finite at step {}{why}", self.counts.done(noted.step) + 1));
                self.incidents.goes_back = true;
                Err(self.diverged_at(&what, &noted, ""))
            }
            OnNan::Rollback => {
                let why = self.explain(&noted);
                let back = format!("; training went back {} times{why}", self.incidents.back);
                Err(self.diverged_at(&what, &noted, &back))
            }
            OnNan::Skip if noted.left_out > before.left_out => {
                self.incidents.explained += 1;
                let why = if self.incidents.explained <= EXPLAINED { self.explain(&noted) } else { String::new() };
                let step = self.counts.done(noted.step) + 1;
                self.watch.warn(&format!(
                    "step {step}: {what} is not finite; its update is left out ({} so far){why}",
                    noted.left_out
                ));
                Ok(())
            }
            OnNan::Skip => Ok(()),
        }
    }

    /// The first tensor that was not finite, and the file of the step, as far as they can be
    /// had: what went wrong is reported whatever comes of this.
    fn explain(&mut self, noted: &Noted) -> String {
        let step = self.counts.done(noted.step);
        let exact = self.s.flight.on_nan != OnNan::Skip;
        let moment = Moment { noted: *noted, step, exact };
        let replay = match self.session.replay(self.train, self.s, &moment) {
            Ok(replay) => replay,
            Err(e) => return format!("; the step cannot be replayed: {e}"),
        };
        let found = match replay.run() {
            Ok(found) if exact || found.culprit.is_some() => format!(": {found}"),
            Ok(_) => "; replayed with the weights of a later step every number is finite".into(),
            Err(e) => format!("; the step cannot be replayed: {e}"),
        };
        match replay.encode().and_then(|bytes| self.watch.replay(step + 1, &bytes)) {
            Ok(Some(path)) => format!("{found}; `wgrad replay {}` runs the step again", path.display()),
            Ok(None) => found,
            Err(e) => format!("{found}; its replay file cannot be written: {e}"),
        }
    }

    /// Goes back to the end of the latest epoch, if that is due: whether it was.
    pub(super) fn go_back(&mut self) -> Result<bool> {
        if !std::mem::take(&mut self.incidents.goes_back) {
            return Ok(false);
        }
        let mut moment = self.moments.epoch.clone().expect("there is where to go");
        moment.at.lr_factor = Some(moment.at.lr_factor.unwrap_or(1.0) / 2.0);
        self.moments.epoch = Some(moment.clone());
        // Whatever comes of this, the rate is what it is from now on.
        self.moments.latest = Some(moment.clone());
        self.asked.forget(self.asked.len());
        self.incidents.back += 1;
        self.return_to(&moment)?;
        self.watch.warn(&format!(
            "training goes back to step {} and on at half the learning rate ({} of at most {MOST_BACK} times)",
            self.done(),
            self.incidents.back
        ));
        Ok(true)
    }
}
