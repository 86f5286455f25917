//! Checkpoints of a training under way.

use super::Run;
use crate::error::{Error, Result};
use crate::nn::Weights;
use crate::tensor::HostTensor;
use crate::train::LR_FACTOR;
use crate::train::checkpoint::{self, Progressed};
use crate::train::progress::Kept;
use crate::train::session::State;
use std::sync::Arc;

/// A checkpoint that is to be written.
struct Draft<'a> {
    weights: Weights,
    /// What training needs besides.
    state: Vec<(&'a str, &'a HostTensor)>,
    at: &'a Progressed,
    best: bool,
}

impl Run<'_, '_> {
    /// Keeps a checkpoint of this moment. `raw` is given where the weights are not those that
    /// training goes on with: its state is what it does. A model that has diverged is not
    /// worth one.
    pub(super) fn keep(&mut self, raw: Option<State>, best: bool) -> Result<()> {
        self.inspect()?;
        let scores = self.session.scores()?;
        self.settle()?;
        self.check_finite("loss", &scores)?;
        let state = self.session.everything()?;
        match raw {
            Some(raw) => self.write(&state, Some(&raw), best)?,
            None => {
                self.write(&state, None, best)?;
                self.remember(Arc::new(state), false);
            }
        }
        Ok(())
    }

    /// Keeps what an epoch has ended with: on disk where anything is, and in host memory.
    pub(super) fn keep_epoch(&mut self, mut state: State, best: bool) -> Result<()> {
        // What was decided about the rate since the state was read.
        if let Some(factor) = state.get_mut(LR_FACTOR) {
            *factor = HostTensor::f32([1], vec![self.factor()]);
        }
        if self.keeps {
            self.write(&state, None, best)?;
        }
        self.remember(Arc::new(state), true);
        Ok(())
    }

    /// Writes a checkpoint of a state that the host holds.
    fn write(&mut self, state: &State, raw: Option<&State>, best: bool) -> Result<()> {
        let besides = match raw {
            Some(raw) => raw.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            None => self.session.state_of(state),
        };
        let (weights, at) = (self.session.answering_weights_of(state), self.at.clone());
        self.write_draft(Draft { weights, state: besides, at: &at, best })
    }

    /// Writes the checkpoint of a moment that was kept in host memory.
    pub(super) fn write_moment(&mut self, state: &State, at: &Progressed) -> Result<()> {
        let weights = self.session.answering_weights_of(state);
        self.write_draft(Draft { weights, state: self.session.state_of(state), at, best: false })
    }

    fn write_draft(&mut self, draft: Draft) -> Result<()> {
        let Draft { weights, state, at, best } = draft;
        let finite = weights.iter().all(|(_, w)| checkpoint::is_finite(w));
        let params = state.iter().find(|(name, _)| *name == "params");
        if !finite || params.is_some_and(|(_, p)| !checkpoint::is_finite(p)) {
            return Err(self.diverged("the weights stopped being finite numbers"));
        }
        let about = checkpoint::About { config: self.s.deciding(), progress: Some(at.clone()), ..self.session.about() };
        let step = self.counts.done(at.step);
        if self.session.collective().leads() {
            let files = checkpoint::encode_parts(&weights, state.iter().copied(), &about)?;
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
        if self.keeps {
            // Where no epoch was watched, the last weights are the best that there are.
            self.keep(raw, self.at.watched.best_epoch.is_none())?;
        }
        // What follows may lose the device as well.
        let state = if self.session.can_be_lost() { Some(Arc::new(self.session.everything()?)) } else { None };
        self.session.ends(state);
        Ok(())
    }
}
