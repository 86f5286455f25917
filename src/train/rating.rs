//! What a model's answers for a set are worth: the figures of reports, of monitors
//! and of searches, by one code.

use super::{Scores, Session};
use crate::data::series::Naive;
use crate::data::{Dataset, IGNORED, Samples, Targets, Task};
use crate::error::Result;
use crate::eval::metrics::Detail;
use crate::eval::metrics::custom::{self, Answers};
use crate::eval::{Classification, Forecast, Language, Metrics, Regression};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A set that is scored; of a series with the forecasts that need no model.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// The samples.
    pub set: &'a Dataset,
    /// Forecasts without a model, of a series.
    pub naive: Option<&'a Naive>,
}

impl<'a> From<&'a Dataset> for Held<'a> {
    fn from(set: &'a Dataset) -> Held<'a> {
        Held { set, naive: None }
    }
}

/// A set with a model's answers, and what they are worth.
pub struct Rated<'a> {
    /// The set; of a series with the values themselves as targets.
    pub set: Cow<'a, Dataset>,
    /// The answers, row by row, in the units of the targets. None of a text: those of
    /// every position would not fit, nor tell anybody more.
    pub answers: Vec<f32>,
    /// What is to be added to targets and answers.
    pub centres: Vec<f64>,
    /// The metrics.
    pub metrics: Metrics,
    /// What registered metrics say, by key.
    pub custom: BTreeMap<String, f64>,
    /// The model beside forecasts that need none.
    pub forecast: Option<Forecast>,
}

impl Session {
    /// Rates the answers for a set with the weights as they are; `scores` are those that
    /// the device has counted on it.
    pub fn rate<'a>(&mut self, held: Held<'a>, scores: &Scores, detail: Detail) -> Result<Rated<'a>> {
        let answers = if self.interface.task == Task::Language { vec![] } else { self.predict(held.set)? };
        self.rate_answers(held, scores, answers, detail)
    }

    /// [`Session::rate`] of answers that are known.
    pub fn rate_answers<'a>(
        &self,
        held: Held<'a>,
        scores: &Scores,
        mut answers: Vec<f32>,
        detail: Detail,
    ) -> Result<Rated<'a>> {
        let naive = held.naive.map(|naive| naive.first(held.set.len()));
        if let Some(naive) = &naive {
            naive.restore(&mut answers);
        }
        // Changes that nobody made values of are what they are.
        let changes = naive.is_none() && self.interface.series().is_some_and(|s| s.is_change());
        let centres = if changes { vec![0.0; self.interface.outputs.len()] } else { self.interface.centres() };
        let set = naive.as_ref().map_or(Cow::Borrowed(held.set), |naive| Cow::Owned(naive.with_truth(held.set)));
        let metrics = self.metrics(&set, scores, &answers, &centres, detail)?;
        let forecast = naive.map(|naive| Forecast::of(&answers, &naive)).transpose()?;
        let custom = match self.interface.task {
            Task::Language => BTreeMap::new(),
            _ => custom::measure(&Answers { answers: &answers, targets: &set.targets, centres: &centres }),
        };
        Ok(Rated { set, answers, centres, metrics, custom, forecast })
    }

    fn metrics(
        &self,
        set: &Dataset,
        scores: &Scores,
        answers: &[f32],
        centres: &[f64],
        detail: Detail,
    ) -> Result<Metrics> {
        let names = &self.interface.outputs;
        Ok(match &set.targets {
            Targets::Sequence { labels, .. } => {
                let accuracy = scores.accuracy.unwrap_or_default();
                let some: &[usize] = if set.is_empty() { &[] } else { &[0] };
                let mut before = match set.samples.select(set.width(), some).loaded()? {
                    Samples::Tokens(read) => read.first().copied(),
                    _ => None,
                };
                let mut bytes = self.interface.vocabulary().map(|_| 0);
                labels.visit(&mut |piece| {
                    let scored: Vec<u32> = piece.iter().copied().filter(|&l| l != IGNORED).collect();
                    if let (Some(bytes), Some(v)) = (&mut bytes, self.interface.vocabulary()) {
                        *bytes += v.bytes_behind(before.as_slice(), &scored);
                    }
                    before = scored.last().copied().or(before);
                    Ok(())
                })?;
                Metrics::Language(Box::new(Language::of(scores.loss, accuracy, set.len(), labels.scored(), bytes)))
            }
            Targets::Classes { labels, .. } => {
                let positive = self.interface.positive_class().unwrap_or(1);
                Metrics::Classification(Box::new(Classification::about(answers, labels, names, positive, detail)?))
            }
            Targets::Values { values, .. } => {
                Metrics::Regression(Box::new(Regression::about(answers, values, names, centres, detail)?))
            }
        })
    }
}
