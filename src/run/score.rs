//! Scores of a set, and everything that is said about a model's answers for it.

use super::mistakes::{worst_classes, worst_values};
use crate::data::series::Naive;
use crate::data::{Dataset, IGNORED, Samples, Targets, Task};
use crate::error::Result;
use crate::eval::{Classification, Evaluation, Forecast, Language, Metrics, Regression};
use crate::train::{Scores, Session};
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
pub fn score(session: &mut Session, set: &Dataset, naive: Option<&Naive>, split: &str, batch: usize) -> Result<Scored> {
    let scorer = session.scorer(split, set, batch)?;
    let scores = session.score(&scorer)?;
    // Answers at every position of a text would not fit, nor tell anybody more.
    let mut answers = if session.interface.task == Task::Language { vec![] } else { session.predict(set)? };
    let Some(naive) = naive else {
        // Changes that nobody made values of are what they are.
        let changes = session.interface.series.as_ref().is_some_and(|s| s.difference);
        let centres = if changes { vec![0.0; session.interface.outputs.len()] } else { session.interface.centres() };
        return rate(session, set, scores, &answers, split, &centres);
    };
    let naive = naive.first(set.len());
    naive.restore(&mut answers);
    let mut scored = rate(session, &naive.with_truth(set), scores, &answers, split, &session.interface.centres())?;
    scored.evaluation.forecast = Some(Forecast::of(&answers, &naive)?);
    let from = |row: usize| naive.labels.get(row).map(|label| format!("from {label} on"));
    scored.evaluation.mistakes.iter_mut().for_each(|m| m.text = from(m.sample));
    Ok(scored)
}

/// Everything that is said about the answers for a set.
fn rate(
    session: &Session,
    set: &Dataset,
    scores: Scores,
    answers: &[f32],
    split: &str,
    centres: &[f64],
) -> Result<Scored> {
    let names = &session.interface.outputs;
    let (metrics, mistakes) = match &set.targets {
        Targets::Sequence { labels, .. } => {
            let accuracy = scores.accuracy.unwrap_or_default();
            let scored: Vec<u32> = labels.iter().copied().filter(|&l| l != IGNORED).collect();
            let first = if let Samples::Tokens(read) = &set.samples { read.first().copied() } else { None };
            let bytes = session.interface.vocabulary.as_ref().map(|v| v.bytes_behind(first.as_slice(), &scored));
            let language = Language::of(scores.loss, accuracy, set.len(), scored.len(), bytes);
            (Metrics::Language(Box::new(language)), vec![])
        }
        Targets::Classes { labels, .. } => (
            Metrics::Classification(Box::new(Classification::of(answers, labels, names)?)),
            worst_classes(session, set, answers, labels),
        ),
        Targets::Values { values, .. } => (
            Metrics::Regression(Box::new(Regression::about(answers, values, names, centres)?)),
            worst_values(session, set, answers, values, centres),
        ),
    };
    let task = session.interface.task;
    let evaluation = Evaluation { split: split.into(), task, metrics, mistakes, forecast: None };
    Ok(Scored { scores, evaluation })
}

impl Scored {
    /// As JSON, flat: loss and accuracy (or errors), then every figure by its
    /// key, and `precision`, `recall` and `f1` as scikit-learn gives them by
    /// default for two classes (of the second, the `positive_class`), as their macro
    /// averages for more.
    pub fn json(&self) -> Value {
        let mut all = match serde_json::to_value(self.scores).expect("plain data prints") {
            Value::Object(all) => all,
            _ => Map::new(),
        };
        let mut put = |key: &str, value: f64| {
            all.entry(key).or_insert(value.into());
        };
        if let Metrics::Classification(c) = &self.evaluation.metrics {
            let of = match &c.classes[..] {
                [_, positive] => [positive.precision, positive.recall, positive.f1],
                _ => [c.macro_average.precision, c.macro_average.recall, c.macro_average.f1],
            };
            ["precision", "recall", "f1"].iter().zip(of).for_each(|(key, value)| put(key, value));
        }
        self.evaluation.figures().iter().for_each(|f| put(&f.key, f.value));
        if let Some(name) = self.positive_class() {
            all.insert("positive_class".into(), name.into());
        }
        if let Some(f) = &self.evaluation.forecast {
            all.insert("baselines".into(), f.json());
        }
        Value::Object(all)
    }

    /// The class that precision, recall and F1 are of, where there are two.
    fn positive_class(&self) -> Option<&str> {
        match &self.evaluation.metrics {
            Metrics::Classification(c) => match &c.classes[..] {
                [_, positive] => Some(&positive.name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The main figures in a line.
    pub fn line(&self) -> String {
        let json = self.json();
        let figure = |key: &str| json.get(key).and_then(Value::as_f64).map(|v| format!("{key} {v:.4}"));
        let keys: &[&str] = match self.evaluation.task {
            Task::Classification => &["precision", "recall", "f1"],
            Task::Regression => &["r2"],
            Task::Language => &["bits_per_token"],
        };
        let more: Vec<String> = keys.iter().filter_map(|k| figure(k)).collect();
        let of = self.positive_class().map_or(String::new(), |name| format!(" (of \"{name}\")"));
        format!("{} {}{of}", self.scores, more.join(" "))
    }
}
