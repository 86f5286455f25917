//! Moments of a training in host memory, to which it can go back: after an epoch or a
//! checkpoint, when the host reads the state anyway, and every so many steps, if that is asked
//! for, without waiting for the device.

use super::Run;
use crate::error::Result;
use crate::nn::Weights;
use crate::plan::Ticket;
use crate::tensor::HostTensor;
use crate::train::OnNan;
use crate::train::checkpoint::Progressed;
use crate::train::session::State;
use std::sync::Arc;

/// A moment of a training.
#[derive(Clone)]
pub(super) struct Moment {
    pub at: Progressed,
    pub state: Arc<State>,
    /// The best weights by then.
    best: Option<Weights>,
    /// The epochs done by then.
    epochs: usize,
}

/// A moment whose state is on its way from the device.
struct Asked {
    moment: Moment,
    /// What had been asked of the training by then.
    controls: usize,
    tickets: Vec<(String, Ticket)>,
    arrived: Vec<HostTensor>,
}

/// The moments that are kept.
#[derive(Default)]
pub(super) struct Moments {
    /// The latest.
    pub latest: Option<Moment>,
    /// The latest at the end of an epoch, where numbers that are not finite lead back to it.
    pub epoch: Option<Moment>,
    asked: Option<Asked>,
}

impl Run<'_, '_> {
    /// Steps between moments that are asked for in passing.
    pub(super) fn keeps_every(&self) -> Option<usize> {
        self.s.recovery.every.filter(|_| self.session.can_be_lost())
    }

    /// The state at the end of an epoch, where anybody wants it.
    pub(super) fn state_to_keep(&mut self) -> Result<Option<State>> {
        let rolls_back = self.s.flight.on_nan == OnNan::Rollback;
        let wanted = self.keeps || self.s.early_stopping.restore_best_weights || rolls_back;
        match wanted || self.session.can_be_lost() {
            true => self.session.everything().map(Some),
            false => Ok(None),
        }
    }

    /// This moment with its state.
    fn moment(&self, state: Arc<State>) -> Moment {
        Moment { at: self.at.clone(), state, best: self.best.clone(), epochs: self.epochs.len() }
    }

    /// Keeps this moment, whose state the host has read.
    pub(super) fn remember(&mut self, state: Arc<State>, is_epoch: bool) {
        let rolls_back = is_epoch && self.s.flight.on_nan == OnNan::Rollback;
        if !rolls_back && !self.session.can_be_lost() {
            return;
        }
        let moment = self.moment(state);
        if rolls_back {
            self.moments.epoch = Some(moment.clone());
        }
        self.moments.latest = Some(moment);
        // One that is under way is older.
        self.moments.asked = None;
        self.asked.forget(self.asked.len());
    }

    /// Asks for this moment without waiting, unless one is under way.
    pub(super) fn ask_for_moment(&mut self) -> Result<()> {
        if self.moments.asked.is_none() {
            self.moments.asked = Some(Asked {
                moment: self.moment(Arc::default()),
                controls: self.asked.len(),
                tickets: self.session.request_everything()?,
                arrived: vec![],
            });
        }
        Ok(())
    }

    /// Keeps the moment that was asked for, once it has arrived. What the curves and the
    /// fingerprints have up to there must be noted by then: it is not said again.
    pub(super) fn moment_arrived(&mut self) -> Result<()> {
        let Some(asked) = &mut self.moments.asked else { return Ok(()) };
        while let Some((_, ticket)) = asked.tickets.get(asked.arrived.len()) {
            match self.session.executor.collect(ticket)? {
                Some(value) => asked.arrived.push(value),
                None => return Ok(()),
            }
        }
        let step = asked.moment.at.step;
        if !self.curve.is_settled(step) || !self.marks.is_settled(self.counts.done(step)) {
            return Ok(());
        }
        let Some(Asked { moment, controls, tickets, arrived }) = self.moments.asked.take() else {
            return Ok(());
        };
        let names = tickets.into_iter().map(|(name, _)| name);
        let state = Arc::new(names.zip(arrived).collect());
        self.moments.latest = Some(Moment { state, ..moment });
        self.asked.forget(controls);
        Ok(())
    }

    /// Puts training back to a moment on the device that the session has now. What was asked of
    /// the device before is of no interest any more.
    pub(super) fn return_to(&mut self, moment: &Moment) -> Result<()> {
        self.drop_requests();
        self.session.set_state(&moment.state, &moment.at)?;
        (self.at, self.best) = (moment.at.clone(), moment.best.clone());
        self.epochs.truncate(moment.epochs);
        if self.session.takes_lr_factor() {
            self.session.set_lr_factor(self.factor())?;
        }
        self.incidents.returned(self.session.noted()?);
        let step = self.done();
        self.watch.went_back(&self.at, step)
    }

    /// Drops the readbacks under way.
    pub(super) fn drop_requests(&mut self) {
        (self.curve, self.marks) = Default::default();
        self.moments.asked = None;
        self.incidents.drop_request();
    }
}
