//! Metrics of predictions, with scikit-learn's conventions: what is divided by
//! zero is 0 and noted, what is undefined (an AUC of one class) is `None` and
//! noted. Everything is summed in f64 in a fixed order.
//!
//! Intervals are 95 % intervals of a bootstrap over samples: how
//! much the figure would move with another test set of the same size. They say
//! nothing about another training run.

mod bootstrap;
mod built_in;
mod calibration;
mod classification;
pub mod custom;
pub mod known;
mod language;
mod ranking;
mod regression;
mod tally;
mod threshold;

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use built_in::Known;
pub use calibration::Bin;
pub use classification::{Averages, ClassScores, Classification, Curve, Detail, TopK};
pub use language::{AttentionMap, Language, Sampled};
pub use regression::{Regression, TargetScores};
pub use threshold::{Choice, ThresholdPoint, Thresholds};

/// 95 % intervals by the metric's key.
pub type Intervals = BTreeMap<String, [f64; 2]>;

/// The metrics of one split, of whichever task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Metrics {
    /// Of class probabilities.
    Classification(Box<Classification>),
    /// Of numbers.
    Regression(Box<Regression>),
    /// Of a text.
    Language(Box<Language>),
}

/// One figure as tables and headers show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Its key in [`Intervals`] and in JSON: `f1_macro`.
    pub key: String,
    /// Its name for people: `F1, macro`.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its 95 % interval, where one was made.
    pub interval: Option<[f64; 2]>,
    /// Whether more is better; `None` where nearer to zero is.
    pub more_is_better: Option<bool>,
    /// Whether it is a share, to be shown in percent.
    pub share: bool,
}

impl Metrics {
    /// The figures, most telling first.
    pub fn figures(&self) -> Vec<Figure> {
        match self {
            Metrics::Classification(c) => c.figures(),
            Metrics::Regression(r) => r.figures(),
            Metrics::Language(l) => l.figures(),
        }
    }

    /// Every figure by its key; `precision`, `recall` and `f1` are those of the positive
    /// class of two, and the macro averages of more.
    pub fn by_key(&self) -> BTreeMap<String, f64> {
        let mut all: BTreeMap<String, f64> = self.figures().into_iter().map(|f| (f.key, f.value)).collect();
        if let Metrics::Classification(c) = self {
            let Averages { precision, recall, f1 } = c.macro_average;
            for (key, value) in [("precision", precision), ("recall", recall), ("f1", f1)] {
                all.entry(key.into()).or_insert(value);
            }
        }
        all
    }

    /// The class that precision, recall and F1 are of, where there are two.
    pub fn positive_class(&self) -> Option<&str> {
        match self {
            Metrics::Classification(c) => c.positive().map(|class| class.name.as_str()),
            Metrics::Regression(_) | Metrics::Language(_) => None,
        }
    }

    /// Checks that lists which belong together are as long as each other: those
    /// of a file may not be.
    ///
    /// Fails with the list that is not, and how long it should be.
    pub fn check(&self) -> Result<()> {
        match self {
            Metrics::Classification(c) => {
                let n = c.classes.len();
                let square = c.confusion.len() == n && c.confusion.iter().all(|row| row.len() == n);
                if c.confusion.is_empty() || square {
                    return Ok(());
                }
                let rows: Vec<usize> = c.confusion.iter().map(Vec::len).take(4).collect();
                Err(Error::data(format!(
                    "confusion: {} rows, the first of {rows:?} numbers, for {n} classes; expected as many of all",
                    c.confusion.len()
                )))
            }
            Metrics::Language(l) => l.attention.iter().try_for_each(|map| {
                let (n, found) = (map.tokens.len(), map.weights.len());
                match n.checked_mul(n) == Some(found) {
                    true => Ok(()),
                    false => Err(Error::data(format!(
                        "attention: {found} weights of head {} of {} for {n} tokens; expected a weight for each pair of \
                         tokens",
                        map.head, map.layer
                    ))),
                }
            }),
            Metrics::Regression(_) => Ok(()),
        }
    }

    /// What there is to know about how they came about.
    pub fn notes(&self) -> &[String] {
        match self {
            Metrics::Classification(c) => &c.notes,
            Metrics::Regression(r) => &r.notes,
            Metrics::Language(l) => &l.notes,
        }
    }
}

/// Collects figures, leaving out those that are undefined.
struct Figures<'a> {
    intervals: &'a Intervals,
    list: Vec<Figure>,
}

impl Figures<'_> {
    fn add(&mut self, key: &str, value: Option<f64>) {
        self.add_of(key, None, value);
    }

    /// Adds a figure of one class.
    fn add_of(&mut self, key: &str, class: Option<&str>, value: Option<f64>) {
        let Some(value) = value else { return };
        let known = known::of(key).unwrap_or_else(|| panic!("the figure {key} is not among the known ones"));
        let interval = self.intervals.get(key).copied();
        self.list.push(Figure { interval, ..Figure::of(known, class, value) });
    }
}

impl Figure {
    /// A known figure, of a class where one is given, without an interval.
    pub fn of(known: &Known, class: Option<&str>, value: f64) -> Figure {
        let name = class.map_or(known.name.to_string(), |class| format!("{} of {class}", known.name));
        let Known { more_is_better, share, .. } = *known;
        Figure { key: known.key.into(), name, value, interval: None, more_is_better, share }
    }
}

/// The key of a score as a heading: `MAE`, `ROC AUC`, `Top 5 accuracy`.
pub fn title(key: &str) -> String {
    let word = |(i, word): (usize, &str)| -> String {
        let mut letters = word.chars();
        match word {
            "mae" | "mse" | "rmse" | "rmsle" | "mape" | "smape" | "mase" | "roc" | "pr" | "auc" | "ece" | "mcc" => {
                word.to_uppercase()
            }
            "r2" => "R²".into(),
            "f1" => "F1".into(),
            _ if i > 0 => word.into(),
            _ => letters.next().map_or(String::new(), |c| c.to_uppercase().collect::<String>() + letters.as_str()),
        }
    };
    key.split('_').enumerate().map(word).collect::<Vec<_>>().join(" ")
}

/// [`title`], with the positive class where the score is one of it.
pub fn title_of(key: &str, positive: Option<&str>) -> String {
    match positive.filter(|_| known::is_of_positive(key)) {
        Some(class) => format!("{} of {class}", title(key)),
        None => title(key),
    }
}

/// `a / b`, or 0 where there is nothing to divide by.
fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

/// Rows of `columns` values each; refuses an empty set, a ragged one and
/// numbers that are not finite.
fn rows(what: &str, values: &[f32], samples: usize, columns: usize) -> Result<()> {
    if samples == 0 {
        return Err(Error::data(format!("{what}: there is no sample to score; expected at least 1")));
    }
    let found = values.len();
    if samples.checked_mul(columns) != Some(found) {
        return Err(Error::data(format!(
            "{what}: {found} values for {samples} samples; expected {columns} values per sample"
        )));
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(Error::data(format!(
            "{what}: row {} holds {}; expected finite numbers (a model that gives none has diverged: \
             train it with a lower learning rate)",
            i / columns,
            values[i]
        ))),
        None => Ok(()),
    }
}

/// At most `most` of the points, evenly by index, the first and the last among
/// them.
fn thin<T: Copy>(points: &[T], most: usize) -> Vec<T> {
    let n = points.len();
    if n <= most {
        return points.to_vec();
    }
    (0..most).map(|i| points[i * (n - 1) / (most - 1)]).collect()
}
