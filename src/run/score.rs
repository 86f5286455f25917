//! Scores of a set, and everything that is said about a model's answers for it.

use super::mistakes::{worst_classes, worst_values};
use crate::data::{Targets, Task};
use crate::error::Result;
use crate::eval::Evaluation;
use crate::eval::metrics::Detail;
use crate::train::{Held, Rated, Scores, Session};
use serde_json::{Map, Value};

/// Scores of a set.
pub struct Scored {
    /// The loss and what the device counts.
    pub scores: Scores,
    /// Everything else, made of the answers.
    pub evaluation: Evaluation,
}

/// Scores a set with a session's weights as they are, and beside a model of a
/// series the forecasts that need none.
pub fn score(session: &mut Session, held: Held, split: &str, batch: usize) -> Result<Scored> {
    // Answers at every position of a text would not fit, nor tell anybody more.
    let (scores, answers) = match session.interface.task {
        Task::Language => {
            let scorer = session.scorer(split, held.set, batch)?;
            (session.score(&scorer)?, vec![])
        }
        _ => session.evaluate(split, held.set, batch)?,
    };
    let Rated { set, answers, centres, metrics, custom, forecast } =
        session.rate_answers(held, &scores, answers, Detail::Everything)?;
    let mut mistakes = match &set.targets {
        Targets::Sequence { .. } => vec![],
        Targets::Classes { labels, .. } => worst_classes(session, &set, &answers, labels),
        Targets::Values { values, .. } => worst_values(session, &set, &answers, values, &centres),
    };
    if let Some(naive) = held.naive {
        let from = |row: usize| naive.labels.get(row).map(|label| format!("from {label} on"));
        mistakes.iter_mut().for_each(|m| m.text = from(m.sample));
    }
    let task = session.interface.task;
    Ok(Scored { scores, evaluation: Evaluation { split: split.into(), task, metrics, custom, mistakes, forecast } })
}

impl Scored {
    /// As JSON, flat: loss and accuracy (or errors), then every figure by its
    /// key, and `precision`, `recall` and `f1` as scikit-learn gives them: of the
    /// `positive_class` of two, as macro averages of more.
    pub fn json(&self) -> Value {
        let mut all = match serde_json::to_value(&self.scores).expect("plain data prints") {
            Value::Object(all) => all,
            _ => Map::new(),
        };
        for (key, value) in self.evaluation.by_key() {
            all.entry(key).or_insert(value.into());
        }
        if let Some(name) = self.evaluation.metrics.positive_class() {
            all.insert("positive_class".into(), name.into());
        }
        if let Some(f) = &self.evaluation.forecast {
            all.insert("baselines".into(), f.json());
        }
        Value::Object(all)
    }

    /// The main figures in a line.
    pub fn line(&self) -> String {
        let all = self.evaluation.by_key();
        let figure = |key: &str| all.get(key).map(|v| format!("{key} {v:.4}"));
        let keys: &[&str] = match self.evaluation.task {
            Task::Classification => &["precision", "recall", "f1"],
            Task::Regression => &["r2"],
            Task::Language => &["bits_per_token"],
        };
        let more: Vec<String> = keys.iter().filter_map(|k| figure(k)).collect();
        let of = self.evaluation.metrics.positive_class().map_or(String::new(), |name| format!(" (of \"{name}\")"));
        format!("{} {}{of}", self.scores, more.join(" "))
    }
}
