//! What trials are compared by: a figure of the validation set.

use super::settings::SearchSettings;
use crate::data::Interface;
use crate::error::{Error, Result, unknown};
use crate::eval::metrics::known;
use crate::train::monitor;
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
        let known = monitor::figures(interface)?;
        let key = name.strip_prefix("val_").unwrap_or(name);
        let Some(figure) = known.iter().find(|k| *k == key).and_then(|k| known::of(k)) else {
            let wrong = unknown("metric", name, known.iter().map(String::as_str));
            return Err(wrong.context("[search]"));
        };
        let more_is_better = s.more_is_better.or(figure.more_is_better).ok_or_else(|| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Task;

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
