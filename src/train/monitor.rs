//! What epochs are compared by, and trials: any figure of a report, by its key.
//! `val_` stands before those of the validation set; without it they are the training's.

use super::figure::{OF_TRAINING, more_is_better};
use super::rating::{Held, Rated};
use super::{Scores, Session, Settings};
use crate::data::{Interface, Task};
use crate::error::{Error, Result};
use crate::eval::metrics::Detail;
use crate::eval::metrics::known;
use crate::eval::{Classification, Forecast, Language, Metrics, Regression};
use std::collections::BTreeMap;

/// The keys of the figures that a task has. They are those of a made-up evaluation.
pub fn figures(interface: &Interface) -> Result<Vec<String>> {
    let names = &interface.outputs[..interface.outputs.len().min(6)];
    let (n, ids) = (names.len(), 0..names.len() as u32);
    let (metrics, counted): (_, &[&str]) = match interface.task {
        Task::Classification => {
            let even = vec![1.0 / n as f32; n * n];
            let of = Classification::about(&even, &ids.collect::<Vec<_>>(), names, 1, Detail::Figures)?;
            (Metrics::Classification(Box::new(of)), &["loss"])
        }
        Task::Language => (Metrics::Language(Box::new(Language::of(1.0, 0.0, 1, 1, Some(1)))), &["loss"]),
        Task::Regression => {
            let values: Vec<f32> = (0..2 * n).map(|i| i as f32).collect();
            let of = Regression::about(&values, &values, names, &vec![0.0; n], Detail::Figures)?;
            let of_series: &[&str] = &["loss", "skill", "mase"];
            (Metrics::Regression(Box::new(of)), &of_series[..if interface.series().is_some() { 3 } else { 1 }])
        }
    };
    let found = metrics.by_key();
    let built_in = |key: &str| known::KNOWN.iter().any(|k| k.key == key);
    // Those of answers at every position of a text are not measured.
    let custom = |key: &str| !built_in(key) && interface.task != Task::Language;
    let has = |key: &str| counted.contains(&key) || found.contains_key(key) || custom(key);
    Ok(known::all().iter().map(|k| k.key).filter(|key| has(key)).map(String::from).collect())
}

/// A figure that decides something: where it stands, its name, and whether it is said
/// which way is better.
struct Monitor<'a> {
    place: &'static str,
    name: &'a str,
    has_mode: bool,
}

fn monitors(s: &Settings) -> Vec<Monitor<'_>> {
    let stopping = &s.early_stopping;
    let first =
        Monitor { place: "[early_stopping]", name: &stopping.monitor, has_mode: stopping.more_is_better.is_some() };
    let plateau = s.update.schedule.plateau.as_ref().map(|rule| Monitor {
        place: "[schedule]",
        name: if rule.monitor == "auto" { &stopping.monitor } else { &rule.monitor },
        has_mode: rule.mode != super::Mode::Auto,
    });
    [first].into_iter().chain(plateau).collect()
}

/// Checks that the figures which decide something exist: for this task, and with or
/// without a validation set.
pub fn check_monitors(s: &Settings, interface: &Interface, held_out: bool) -> Result<()> {
    let of_training = |key: &&str| match *key {
        "accuracy" => interface.task != Task::Regression,
        "perplexity" => interface.task == Task::Language,
        _ => true,
    };
    let of_training: Vec<&str> = OF_TRAINING.into_iter().filter(of_training).collect();
    let of_validation = match held_out {
        true => figures(interface)?,
        // Where nothing is held out, the training set stands in.
        false => of_training.iter().map(|key| key.to_string()).collect(),
    };
    for m in monitors(s) {
        let there = match m.name.strip_prefix("val_") {
            Some(key) => of_validation.iter().any(|k| k == key),
            None => of_training.contains(&m.name),
        };
        if !there {
            let what = match interface.task {
                Task::Classification => "a classification",
                Task::Regression => "a regression",
                Task::Language => "a language model",
            };
            let without = if held_out { "" } else { " without a validation set" };
            let held = of_validation.iter().map(|key| format!("val_{key}"));
            let all: Vec<String> = held.chain(of_training.iter().map(|key| key.to_string())).collect();
            return Err(Error::model(format!(
                "{}: monitor = \"{}\", which {what}{without} does not have; expected one of {}",
                m.place,
                m.name,
                all.join(", ")
            )));
        }
        if !m.has_mode && more_is_better(m.name).is_none() {
            return Err(Error::model(format!(
                "{}: monitor = \"{}\": expected also mode = \"min\" or \"max\", for neither is always better",
                m.place, m.name
            )));
        }
    }
    Ok(())
}

/// The keys of the figures that decide something and need the answers for the
/// validation set, which the device does not count.
pub(super) fn from_answers(s: &Settings) -> Vec<&str> {
    let counted = Scores::KEYS;
    let keys = monitors(s).into_iter().filter_map(|m| m.name.strip_prefix("val_"));
    let mut keys: Vec<&str> = keys.filter(|key| !counted.contains(key)).collect();
    keys.dedup();
    keys
}

/// These figures of a set with the weights as they are.
///
/// Fails where one is undefined.
pub(super) fn measure(
    session: &mut Session,
    held: Held,
    scores: &Scores,
    keys: &[&str],
) -> Result<BTreeMap<String, f64>> {
    pick(&session.rate(held, scores, Detail::Figures)?, keys)
}

/// These figures of a set that is rated.
///
/// Fails where one is undefined.
pub(super) fn pick(rated: &Rated, keys: &[&str]) -> Result<BTreeMap<String, f64>> {
    let mut all = rated.metrics.by_key();
    all.extend(rated.custom.clone());
    all.extend(rated.forecast.iter().flat_map(Forecast::figures).map(|f| (f.key, f.value)));
    let one = |key: &&str| match all.get(*key) {
        Some(value) => Ok((key.to_string(), *value)),
        None => {
            let notes = rated.metrics.notes().join(" ");
            let why = if notes.is_empty() { String::new() } else { format!(" ({notes})") };
            Err(Error::data(format!(
                "monitor = \"val_{key}\": it is undefined on the validation set {}{why}; monitor another figure, such as \
                 val_loss, or hold out more rows (val_split)",
                rated.set.name
            )))
        }
    };
    keys.iter().map(one).collect()
}

#[cfg(test)]
#[path = "monitor_tests.rs"]
mod tests;
