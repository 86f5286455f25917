//! What whoever watches asks of a training under way. It is noted with the batch after which
//! it was asked, so that a training that goes back does the same again there.

use super::{CALLBACK, Run};
use crate::error::{Error, Result};
use crate::train::Control;
use std::collections::VecDeque;

/// What was asked for since the latest moment that is kept.
#[derive(Default)]
pub(super) struct Asked {
    /// With the batches that were done.
    noted: Vec<(usize, Control)>,
    /// What is to be done again.
    again: VecDeque<(usize, Control)>,
}

impl Asked {
    /// Batches until something is to be done again.
    pub fn to_next(&self, batches: usize) -> usize {
        self.again.front().map_or(usize::MAX, |(at, _)| at.saturating_sub(batches).max(1))
    }

    /// How much has been noted.
    pub fn len(&self) -> usize {
        self.noted.len()
    }

    /// Forgets the first of what was noted: a moment that is kept knows of it.
    pub fn forget(&mut self, n: usize) {
        self.noted.drain(..n.min(self.noted.len()));
    }

    /// Training goes back to that moment.
    pub fn rewind(&mut self) {
        let noted = std::mem::take(&mut self.noted);
        noted.into_iter().rev().for_each(|entry| self.again.push_front(entry));
    }
}

impl Run<'_, '_> {
    /// Does what whoever watches asks for, and what was asked for at this point before.
    pub(super) fn obey(&mut self) -> Result<()> {
        self.obey_again()?;
        let control = self.asked()?;
        match control == Control::default() {
            true => Ok(()),
            false => self.heed_control(self.at.step, control),
        }
    }

    /// Does what was asked for at this point before training went back.
    pub(super) fn obey_again(&mut self) -> Result<()> {
        while self.asked.again.front().is_some_and(|(at, _)| *at <= self.at.step) {
            let Some((at, control)) = self.asked.again.pop_front() else { break };
            self.heed_control(at, control)?;
        }
        Ok(())
    }

    fn heed_control(&mut self, at: usize, control: Control) -> Result<()> {
        self.asked.noted.push((at, control.clone()));
        let Control { stop, lr_factor } = control;
        if let Some(factor) = lr_factor {
            if !(factor.is_finite() && factor >= 0.0) {
                return Err(Error::usage(format!(
                    "a callback scales the learning rate by {factor}; expected at least 0"
                )));
            }
            self.at.lr_factor = Some(factor);
            self.session.set_lr_factor(self.factor())?;
        }
        if let Some(why) = stop {
            self.at.stopped = Some(format!("{CALLBACK}: {why}"));
        }
        Ok(())
    }
}
