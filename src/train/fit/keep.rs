//! Checkpoints of a training under way.

use super::Run;
use crate::error::{Error, Result};
use crate::tensor::HostTensor;
use crate::train::LR_FACTOR;
use crate::train::checkpoint::{self, Progressed};
use crate::train::progress::Kept;
use crate::train::session::State;
use std::sync::Arc;

impl Run<'_, '_> {
    /// Keeps a checkpoint of this moment, and gives the state that was read for it. `raw` is given
    /// where the weights are not those that training goes on with: its state is what it does. A model
    /// that has diverged is not worth one.
    pub(super) fn keep(&mut self, raw: Option<State>, best: bool) -> Result<Arc<State>> {
        self.inspect()?;
        let scores = self.session.scores()?;
        self.settle()?;
        self.check_finite("loss", &scores)?;
        let state = Arc::new(self.session.everything()?);
        self.write(&state, raw.as_ref(), &self.at.clone(), best)?;
        if raw.is_none() {
            self.remember(state.clone(), false);
        }
        Ok(state)
    }

    /// Keeps what an epoch has ended with: on disk where anything is, and in host memory.
    pub(super) fn keep_epoch(&mut self, mut state: State, best: bool) -> Result<()> {
        // What was decided about the rate since the state was read.
        if let Some(factor) = state.get_mut(LR_FACTOR) {
            *factor = HostTensor::f32([1], vec![self.factor()]);
        }
        if self.keeps {
            self.write(&state, None, &self.at.clone(), best)?;
        }
        self.remember(Arc::new(state), true);
        Ok(())
    }

    /// Writes a checkpoint of a state that the host holds, in which training stood at `at`.
    pub(super) fn write(&mut self, state: &State, raw: Option<&State>, at: &Progressed, best: bool) -> Result<()> {
        let besides: Vec<(&str, &HostTensor)> = match raw {
            Some(raw) => raw.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            None => self.session.state_of(state),
        };
        let weights = self.session.answering_weights_of(state);
        let finite = weights.iter().all(|(_, w)| checkpoint::is_finite(w));
        let params = besides.iter().find(|(name, _)| *name == "params");
        if !finite || params.is_some_and(|(_, p)| !checkpoint::is_finite(p)) {
            return Err(self.diverged("the weights stopped being finite numbers"));
        }
        let about = checkpoint::About { config: self.s.deciding(), progress: Some(at.clone()), ..self.session.about() };
        let step = self.counts.done(at.step);
        if self.session.collective().leads() {
            let files = checkpoint::encode_parts(&weights, besides.iter().copied(), &about)?;
            self.watch.keep(&Kept { files: &files, step, best })?;
        }
        self.kept = Some(step);
        Ok(())
    }

    /// Ends the training with a checkpoint, if that is asked for.
    pub(super) fn stop_if_asked(&mut self) -> Result<()> {
        if !self.interrupted() {
            return Ok(());
        }
        let step = self.done();
        if !self.keeps {
            return Err(Error::interrupted(format!("interrupted after {step} steps")));
        }
        self.keep(None, false)?;
        Err(Error::interrupted(format!("interrupted after {step} steps; --resume goes on from there")))
    }

    /// The end: the best weights take the place of the last, if that is asked.
    pub(super) fn finish(&mut self) -> Result<()> {
        let mut raw = None;
        if let Some(best) = self.best.clone() {
            raw = Some(self.session.raw_state()?);
            self.session.set_weights(&best)?;
        }
        let kept = match self.keeps {
            // Where no epoch was watched, the last weights are the best that there are.
            true => Some(self.keep(raw, self.at.watched.best_epoch.is_none())?),
            false => None,
        };
        // What follows may lose the device as well.
        let state = match (self.session.can_be_lost(), kept) {
            (false, _) => None,
            (true, Some(state)) => Some(state),
            (true, None) => Some(Arc::new(self.session.everything()?)),
        };
        self.session.ends(state);
        Ok(())
    }
}
