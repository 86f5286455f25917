//! The validation set in training.

use crate::error::Result;
use crate::eval::metrics::{Detail, known};
use crate::train::monitor;
use crate::train::rating::Held;
use crate::train::session::Scorer;
use crate::train::{Scores, Session, Settings};

/// The validation set in training.
pub(super) struct Watched<'a> {
    scorer: Scorer<'a>,
    held: Held<'a>,
    /// The figures that decide something and are made of the answers.
    keys: Vec<&'a str>,
}

impl<'a> Watched<'a> {
    /// Loads the scorer. Of a run that begins it is found out before its first epoch
    /// whether what decides is defined on these samples.
    pub fn new(session: &mut Session, held: Held<'a>, s: &'a Settings, begins: bool) -> Result<Watched<'a>> {
        let watched =
            Watched { scorer: session.scorer("val", held.set, s.batch_size)?, held, keys: monitor::from_answers(s) };
        if begins && !watched.keys.is_empty() {
            let scores = session.score(&watched.scorer)?;
            // What a model without training answers may be no numbers; that is found out later.
            if let Ok(rated) = session.rate(held, &scores, Detail::Figures) {
                monitor::pick(&rated, &watched.keys)?;
            }
        }
        Ok(watched)
    }

    pub fn score(&self, session: &mut Session) -> Result<Scores> {
        let mut scores = session.score(&self.scorer)?;
        // Answers that are no numbers are reported by the loss.
        if !self.keys.is_empty() && scores.finite && scores.loss.is_finite() {
            scores.figures = monitor::measure(session, self.held, &scores, &self.keys)?;
        }
        Ok(scores)
    }

    /// The class that what is watched is of.
    pub fn positive_class(&self, session: &Session) -> Option<String> {
        let interface = &session.interface;
        let class = interface.positive_class().filter(|_| self.keys.iter().any(|key| known::is_of_positive(key)));
        class.map(|class| interface.outputs[class].clone())
    }
}
