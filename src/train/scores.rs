//! Averages over the samples of a pass.

use crate::data::Task;
use std::collections::BTreeMap;

/// Averages over the samples of a pass. What the task does not have is absent.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scores {
    /// Mean loss.
    pub loss: f64,
    /// e to the loss: among how many tokens a language model is undecided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub perplexity: Option<f64>,
    /// Share of samples classified right; in a text, of positions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy: Option<f64>,
    /// Root of the mean squared error, in the units of the target.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rmse: Option<f64>,
    /// Mean absolute error, in the units of the target.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mae: Option<f64>,
    /// Figures of the answers by key, where something is decided by them.
    #[serde(flatten)]
    pub figures: BTreeMap<String, f64>,
    /// Samples seen.
    #[serde(skip)]
    pub samples: usize,
    /// Whether every loss was a finite number.
    #[serde(skip)]
    pub finite: bool,
}

impl Scores {
    /// From the sums that the device keeps: loss, correct, rows, not-finite, and
    /// the weights of the loss where these are not the rows.
    pub(super) fn of(sums: &[f32], task: Task) -> Scores {
        let rows = f64::from(sums[2]).max(1.0);
        let weight = sums.get(4).map_or(rows, |&w| if w > 0.0 { w.into() } else { 1.0 });
        let loss = f64::from(sums[0]) / weight;
        Scores {
            loss,
            perplexity: (task == Task::Language).then(|| loss.exp()),
            accuracy: (task != Task::Regression).then_some(f64::from(sums[1]) / rows),
            rmse: None,
            mae: None,
            figures: BTreeMap::new(),
            samples: sums[2] as usize,
            finite: sums[3] == 0.0,
        }
    }

    /// What the device counts.
    pub(super) const KEYS: [&str; 5] = ["loss", "perplexity", "accuracy", "rmse", "mae"];

    /// A score by its key.
    pub fn get(&self, key: &str) -> Option<f64> {
        match key {
            "loss" => Some(self.loss),
            "perplexity" => self.perplexity,
            "accuracy" => self.accuracy,
            "rmse" => self.rmse,
            "mae" => self.mae,
            _ => self.figures.get(key).copied(),
        }
    }

    /// All scores, the loss first.
    pub fn all(&self) -> impl Iterator<Item = (&str, f64)> {
        let counted = Scores::KEYS.into_iter().filter_map(|key| Some((key, self.get(key)?)));
        counted.chain(self.figures.iter().map(|(key, value)| (key.as_str(), *value)))
    }
}

impl std::fmt::Display for Scores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.all().enumerate().try_for_each(|(i, (key, value))| {
            let gap = if i > 0 { " " } else { "" };
            write!(f, "{gap}{key} {value:.4}")
        })
    }
}
