//! What trials are compared by: a figure of the validation set.

use super::settings::SearchSettings;
use crate::data::{Interface, Task};
use crate::error::{Error, Result, unknown};
use crate::eval::{Classification, Evaluation, Language, Metrics, Regression};
use crate::run::score::Scored;
use crate::train::Scores;
use serde_json::{Map, Value};

/// A figure by its key, and which way is better.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The key as the user wrote it.
    pub name: String,
    key: String,
    more_is_better: bool,
}

impl Metric {
    /// A figure that a task has. `val_` may stand before its key.
    pub fn named(name: &str, s: &SearchSettings, interface: &Interface) -> Result<Metric> {
        let known = known(interface)?;
        let key = name.strip_prefix("val_").unwrap_or(name);
        let Some((_, better)) = known.iter().find(|(k, _)| k == key) else {
            let wrong = unknown("metric", name, known.iter().map(|(k, _)| k.as_str()));
            return Err(wrong.context("[search]"));
        };
        let more_is_better = s.more_is_better.or(*better).ok_or_else(|| {
            Error::model(format!("[search]: metric = \"{name}\": expected also mode = \"min\" or \"max\""))
        })?;
        Ok(Metric { name: name.into(), key: key.into(), more_is_better })
    }

    /// Its key among the figures of a trial.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The figure among those of a trial, if it is a number.
    pub fn of(&self, figures: &Map<String, Value>) -> Option<f64> {
        figures.get(&self.key).and_then(Value::as_f64).filter(|v| v.is_finite())
    }

    /// `min` or `max`.
    pub fn mode(&self) -> &'static str {
        if self.more_is_better { "max" } else { "min" }
    }

    /// Which of two comes first: the better; what has none comes last.
    pub fn order(&self, a: Option<f64>, b: Option<f64>) -> std::cmp::Ordering {
        let cost = |v: Option<f64>| v.map_or(f64::INFINITY, |v| if self.more_is_better { -v } else { v });
        cost(a).total_cmp(&cost(b))
    }
}

/// The keys that the scores of a task have, and whether more is better. They
/// are those of a made-up evaluation.
fn known(interface: &Interface) -> Result<Vec<(String, Option<bool>)>> {
    let names = &interface.outputs[..interface.outputs.len().min(6)];
    let (n, ids) = (names.len(), 0..names.len() as u32);
    let (metrics, scores) = match interface.task {
        Task::Classification => {
            let even = vec![1.0 / n as f32; n * n];
            let of = Classification::of(&even, &ids.collect::<Vec<_>>(), names)?;
            (Metrics::Classification(Box::new(of)), Scores { accuracy: Some(0.0), ..Scores::default() })
        }
        Task::Language => {
            let of = Language::of(1.0, 0.0, 1, 1, Some(1));
            let scores = Scores { perplexity: Some(0.0), accuracy: Some(0.0), ..Scores::default() };
            (Metrics::Language(Box::new(of)), scores)
        }
        Task::Regression => {
            let values: Vec<f32> = (0..2 * n).map(|i| i as f32).collect();
            let of = Regression::of(&values, &values, names)?;
            (Metrics::Regression(Box::new(of)), Scores { rmse: Some(0.0), mae: Some(0.0), ..Scores::default() })
        }
    };
    let figures = metrics.figures();
    let evaluation =
        Evaluation { split: String::new(), task: interface.task, metrics, mistakes: vec![], forecast: None };
    let Value::Object(all) = (Scored { scores, evaluation }).json() else { return Ok(vec![]) };
    let better = |key: &str| match (figures.iter().find(|f| f.key == key), key) {
        (Some(figure), _) => figure.more_is_better,
        (None, "precision" | "recall" | "f1") => Some(true),
        (None, _) => Some(false),
    };
    let of_series = [("skill".to_string(), Some(true)), ("mase".to_string(), Some(false))];
    let more = of_series.into_iter().filter(|_| interface.series.is_some());
    Ok(all.keys().map(|k| (k.clone(), better(k))).chain(more).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, interface: &Interface) -> Result<Metric> {
        Metric::named(name, &SearchSettings::default(), interface)
    }

    #[test]
    fn metrics_are_those_of_the_task() {
        let classes = Interface::of_images(vec!["a".into(), "b".into(), "c".into()], &[]);
        for (name, mode) in [("val_loss", "min"), ("accuracy", "max"), ("val_f1", "max"), ("log_loss", "min")] {
            assert_eq!(metric(name, &classes).unwrap().mode(), mode, "{name}");
        }
        let message = metric("acuracy", &classes).unwrap_err().to_string();
        assert!(message.contains("did you mean \"accuracy\""), "{message}");
        let values = Interface { task: Task::Regression, ..classes };
        for (name, mode) in [("val_rmse", "min"), ("mae", "min"), ("r2", "max"), ("loss", "min")] {
            assert_eq!(metric(name, &values).unwrap().mode(), mode, "{name}");
        }
        assert!(metric("accuracy", &values).is_err());
        assert!(metric("bias", &values).unwrap_err().to_string().contains("mode = \"min\" or \"max\""));
    }

    #[test]
    fn the_better_comes_first_and_nothing_last() {
        let m = Metric { name: "f1".into(), key: "f1".into(), more_is_better: true };
        let mut all = [Some(0.1), None, Some(0.9)];
        all.sort_by(|a, b| m.order(*a, *b));
        assert_eq!(all, [Some(0.9), Some(0.1), None]);
        assert_eq!(m.of(&Map::from_iter([("f1".to_string(), Value::Null)])), None);
    }
}
