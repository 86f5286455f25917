//! Fingerprints of the weights on their way into the run's log. They are asked for between two
//! steps and come back while later ones run.

use super::Run;
use crate::error::Result;
use crate::plan::Ticket;
use crate::train::session::Fingerprinter;
use std::collections::VecDeque;

/// The fingerprints under way.
#[derive(Default)]
pub(super) struct Marks {
    program: Option<Fingerprinter>,
    asked: VecDeque<(usize, Ticket)>,
}

impl Marks {
    /// Whether every fingerprint up to a step has arrived.
    pub(super) fn is_settled(&self, step: usize) -> bool {
        self.asked.front().is_none_or(|(first, _)| *first > step)
    }
}

impl Run<'_, '_> {
    /// Asks for the fingerprint of the weights, if one is due after the steps so far.
    pub(super) fn mark(&mut self) -> Result<()> {
        let step = self.done();
        if !self.is_due(self.s.flight.fingerprint_every) {
            return Ok(());
        }
        if self.marks.program.is_none() {
            self.marks.program = Some(self.session.fingerprinter()?);
        }
        let program = self.marks.program.as_ref().expect("it was loaded");
        let ticket = self.session.ask_fingerprint(program)?;
        self.marks.asked.push_back((step, ticket));
        Ok(())
    }

    /// Notes the fingerprints that have arrived, in order.
    pub(super) fn note_marks(&mut self) -> Result<()> {
        while let Some((step, ticket)) = self.marks.asked.front() {
            let Some(sums) = self.session.executor.collect(ticket)? else { return Ok(()) };
            let program = self.marks.program.as_ref().expect("it was loaded");
            self.watch.fingerprint(&program.read(*step, &sums))?;
            self.marks.asked.pop_front();
        }
        Ok(())
    }

    /// Notes all fingerprints that were asked for. Waits for the steps.
    pub(super) fn settle_marks(&mut self) -> Result<()> {
        if !self.marks.asked.is_empty() {
            self.session.wait()?;
        }
        self.note_marks()
    }
}
