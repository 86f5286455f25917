//! Metrics of other crates, known by key to reports, monitors and searches.

use super::built_in::{KNOWN, Known};
use crate::data::Targets;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// A model's answers for a set, with what they should have been.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    /// `[samples, outputs]`: probabilities of the classes, or values in the units of the
    /// targets less their centres.
    pub answers: &'a [f32],
    /// The targets; values less their centres.
    pub targets: &'a Targets,
    /// What is to be added to answers and values, one for each output; 0 unless targets lie
    /// far from zero.
    pub centres: &'a [f64],
}

/// Measures answers; `None` where the metric is undefined for them.
pub type Measure = fn(&Answers) -> Option<f64>;

/// The registered metrics.
static CUSTOM: RwLock<Vec<(&'static Known, Measure)>> = RwLock::new(vec![]);

/// Makes a metric known by its key: it is measured with all others on every set that is
/// scored, reported, and may be monitored (`val_KEY`) and searched by. `more_is_better`:
/// `None` where neither is always better.
///
/// Fails when another metric has that key.
pub fn register_metric(
    key: &'static str,
    name: &'static str,
    more_is_better: Option<bool>,
    measure: Measure,
) -> Result<()> {
    let taken = |by: &str| Err(Error::model(format!("a metric \"{key}\" is {by}; expected another key")));
    if KNOWN.iter().any(|k| k.key == key) {
        return taken("built in");
    }
    let mut all = CUSTOM.write().unwrap_or_else(PoisonError::into_inner);
    match all.iter().find(|(k, _)| k.key == key) {
        Some((_, earlier)) if std::ptr::fn_addr_eq(*earlier, measure) => Ok(()),
        Some(_) => taken("registered already"),
        None => {
            // Figures name it for as long as the program runs.
            let known = Box::leak(Box::new(Known { key, name, more_is_better, share: false }));
            all.push((known, measure));
            Ok(())
        }
    }
}

/// The registered metrics.
pub(super) fn all() -> Vec<&'static Known> {
    CUSTOM.read().unwrap_or_else(PoisonError::into_inner).iter().map(|(known, _)| *known).collect()
}

/// What the registered metrics say of some answers, by key.
pub fn measure(answers: &Answers) -> BTreeMap<String, f64> {
    let all = CUSTOM.read().unwrap_or_else(PoisonError::into_inner).clone();
    all.iter().filter_map(|(known, measure)| Some((known.key.to_string(), measure(answers)?))).collect()
}
