//! The curves of training by step: how their points come back from the device without
//! being waited for. Where they lie: `points`.
//!
//! The step itself sums what lies between two points (`ops::tally`), so a point is
//! a mean over all its steps; where they lie is a function of the settings, and
//! the sums are part of a checkpoint. So a run that goes on gives the points of
//! one that was never stopped.

use super::points::{METRICS, NORMS};
use super::step::METRICS as SUMS;
use super::{Scores, Session};
use crate::data::Task;
use crate::error::Result;
use crate::eval::Point;
use crate::plan::Ticket;
use crate::tensor::HostTensor;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often the scores are read between points, for whoever watches.
const IN_PASSING: Duration = Duration::from_millis(100);

/// When a reading was asked for.
pub(super) struct At {
    /// Batches done.
    pub batches: usize,
    /// The learning rate of the last of them.
    pub lr: f64,
}

/// A reading under way.
struct Asked {
    at: At,
    tickets: Vec<Ticket>,
    arrived: Vec<HostTensor>,
}

/// What was read in passing.
pub(super) struct Passing {
    /// Means of the epoch so far.
    pub epoch: Scores,
    /// Means since the latest point.
    pub point: Point,
}

/// The readings under way.
#[derive(Default)]
pub(super) struct Curve {
    points: VecDeque<Asked>,
    passing: Option<Asked>,
    looked: Option<Instant>,
}

impl Curve {
    /// Asks for a point, if this is where one lies.
    pub fn ask(&mut self, session: &mut Session, at: At) -> Result<()> {
        if session.points.lies_after(at.batches) {
            self.points.push_back(Asked::new(session, at, &[METRICS, NORMS])?);
        }
        Ok(())
    }

    /// The points that have arrived, in order.
    pub fn arrived(&mut self, session: &mut Session) -> Result<Vec<Point>> {
        let mut points = vec![];
        while let Some(first) = self.points.front_mut() {
            if !first.has_arrived(session)? {
                break;
            }
            points.extend(self.points.pop_front().map(|a| point(&a.at, &a.arrived, session)));
        }
        Ok(points)
    }

    /// Whether every point up to so many batches has arrived.
    pub fn is_settled(&self, batches: usize) -> bool {
        self.points.front().is_none_or(|first| first.at.batches > batches)
    }

    /// All points that were asked for. Waits for the steps.
    pub fn all(&mut self, session: &mut Session) -> Result<Vec<Point>> {
        if !self.points.is_empty() {
            session.wait()?;
        }
        self.arrived(session)
    }

    /// What was last asked for in passing, once it has arrived; asks again after a
    /// while.
    pub fn in_passing(&mut self, session: &mut Session, at: At) -> Result<Option<Passing>> {
        let mut found = None;
        if let Some(asked) = &mut self.passing
            && asked.has_arrived(session)?
        {
            let [epoch, since @ ..] = &asked.arrived[..] else { unreachable!("three were asked for") };
            let epoch = Scores::of(epoch.as_f32(), session.interface.task);
            found = Some(Passing { epoch, point: point(&asked.at, since, session) });
            self.passing = None;
        }
        if self.passing.is_none() && self.looked.is_none_or(|t| t.elapsed() >= IN_PASSING) {
            self.passing = Some(Asked::new(session, at, &[SUMS, METRICS, NORMS])?);
            self.looked = Some(Instant::now());
        }
        Ok(found)
    }
}

impl Asked {
    fn new(session: &mut Session, at: At, names: &[&str]) -> Result<Asked> {
        let tickets = names.iter().map(|name| session.executor.request(name)).collect::<Result<_>>()?;
        Ok(Asked { at, tickets, arrived: vec![] })
    }

    fn has_arrived(&mut self, session: &mut Session) -> Result<bool> {
        while let Some(ticket) = self.tickets.get(self.arrived.len()) {
            match session.executor.collect(ticket)? {
                Some(value) => self.arrived.push(value),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// A point of the sums of metrics and of norms.
fn point(at: &At, sums: &[HostTensor], session: &Session) -> Point {
    let scores = Scores::of(sums[0].as_f32(), session.interface.task);
    let steps = session.points.steps;
    Point {
        step: steps.done(at.batches) as u64,
        epoch: at.batches as f64 / steps.batches as f64,
        loss: Some(scores.loss),
        perplexity: scores.perplexity,
        accuracy: scores.accuracy,
        lr: Some(at.lr),
        grad_norm: Some(Scores::of(sums[1].as_f32(), Task::Regression).loss),
    }
}
