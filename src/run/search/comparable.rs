//! Which figures of two trials may be compared. A loss is in units of its own: it
//! means something else under another loss, another scale of the targets or other
//! tokens. Figures in the unit of the target outlive that, those without a unit
//! outlive other targets, too; no figure outlives other validation rows.

use super::Planned;
use super::metric::Metric;
use super::settings::SearchSettings;
use super::trial::{TrialRunner, data_key};
use crate::data::fingerprint::places;
use crate::data::{Interface, Task};
use crate::error::{Context, Error, Result};
use crate::eval::metrics::known;
use crate::train::{LossName, Prepared, Settings};
use std::collections::HashMap;
use std::rc::Rc;

/// The settings that decide which rows there are, and which of them are scored.
const ROWS: &[&str] = &["data", "clean", "model"];
/// Those that decide what a figure means.
const MEANING: &[&str] = &["data", "clean", "model", "loss", "train.seed"];

/// What a trial is scored on, and in which units.
#[derive(Debug)]
pub struct Scored {
    /// The fingerprint of its data.
    pub data: String,
    seed: u32,
    task: Task,
    /// Which rows of the source are scored.
    rows: String,
    /// What is predicted of each: classes, targets, rows ahead.
    outputs: Vec<String>,
    /// Of two classes the positive one.
    positive: Option<usize>,
    /// What a text is cut into.
    tokens: String,
    /// What the loss is, and in which scale of the targets.
    loss: String,
    is_series: bool,
}

impl Scored {
    fn of(s: &Settings, p: &Prepared) -> Result<Scored> {
        let interface = &p.interface;
        let is_text = interface.task == Task::Language;
        let of_classes = interface.task != Task::Regression;
        let loss = match s.loss.resolve(of_classes) {
            LossName::Huber => format!("huber {}", s.loss.huber_delta),
            LossName::Bce => format!("bce {}", s.loss.pos_weight),
            name => format!("{name:?}"),
        };
        let difference =
            interface.series().map_or(String::new(), |series| format!("{:?} {:?}", series.kind(), series.lag));
        Ok(Scored {
            data: p.fingerprint()?,
            seed: s.seed,
            task: interface.task,
            // A text is held out by its share, whatever it is cut into.
            rows: match (&p.val, is_text) {
                (Some(val), false) => format!("{:016x}", places(val)),
                _ => s.data.val_split.to_string(),
            },
            outputs: if is_text { vec![] } else { interface.outputs.clone() },
            positive: interface.positive_class(),
            tokens: if is_text { json(&interface.vocabulary()) } else { String::new() },
            loss: format!("{loss} {} {} {difference}", json(&interface.target), interface.sigmoid),
            is_series: interface.series().is_some(),
        })
    }
}

/// Plain data as text, to be compared.
fn json(part: &impl serde::Serialize) -> String {
    serde_json::to_string(part).expect("plain data prints")
}

/// Prepares the data of every trial, and says what each is scored on.
///
/// Fails with the first trial whose data cannot be prepared.
pub fn scored(runner: &mut TrialRunner, plan: &[Planned]) -> Result<Vec<Rc<Scored>>> {
    let mut known: HashMap<String, Rc<Scored>> = HashMap::new();
    let mut one = |p: &Planned| {
        let key = data_key(&p.settings);
        if let Some(found) = known.get(&key) {
            return Ok(found.clone());
        }
        let found = Rc::new(Scored::of(&p.settings, runner.prepare(&p.settings)?)?);
        known.insert(key, found.clone());
        Ok(found)
    };
    plan.iter()
        .map(|p| one(p).context(|| format!("trial {} ({})", p.number, super::record::values(&p.values))))
        .collect()
}

/// What the figures of all trials have in common.
struct Common<'a> {
    plan: &'a [Planned],
    scored: &'a [Rc<Scored>],
}

impl Common<'_> {
    /// The keys in which two trials differ whose scores differ in something;
    /// `None` where no two do. Trials of different seeds are repetitions, each
    /// seed with a split of its own.
    fn differing(&self, sections: &[&str], same: impl Fn(&Scored, &Scored) -> bool) -> Option<String> {
        let mut first: HashMap<u32, usize> = HashMap::new();
        let mut fewest: Option<Vec<&str>> = None;
        for (i, scored) in self.scored.iter().enumerate() {
            let j = *first.entry(scored.seed).or_insert(i);
            if !same(&self.scored[j], scored) {
                let keys = self.keys(j, i, sections);
                if fewest.as_ref().is_none_or(|f| keys.len() < f.len()) {
                    fewest = Some(keys);
                }
            }
        }
        fewest.map(|keys| keys.iter().map(|k| format!("\"{k}\"")).collect::<Vec<_>>().join(" or "))
    }

    /// The keys of some sections that have other values in two trials; all such
    /// keys where there are none.
    fn keys(&self, a: usize, b: usize, sections: &[&str]) -> Vec<&str> {
        let [a, b] = [a, b].map(|i| &self.plan[i].values);
        let differing: Vec<&str> = a.keys().filter(|k| a[*k] != b[*k]).map(String::as_str).collect();
        let is_in = |key: &str, section: &&str| key == *section || key.starts_with(&format!("{section}."));
        let within: Vec<&str> =
            differing.iter().copied().filter(|key| sections.iter().any(|s| is_in(key, s))).collect();
        if within.is_empty() { differing } else { within }
    }
}

/// The metric that a search asks for; where it asks for none, the validation loss
/// if that means the same in all trials, else a figure that does. Says so.
///
/// Fails where no figure means the same, or the one asked for does not: with the
/// key that is why, and a metric that works.
pub fn metric(
    search: &SearchSettings,
    plan: &[Planned],
    scored: &[Rc<Scored>],
    interface: &Interface,
) -> Result<(Metric, Option<String>)> {
    let common = Common { plan, scored };
    let refuse = |keys: &str, why: &str| {
        Err(Error::model(format!("[search.space]: {keys} {why}; expected the same for all trials")))
    };
    if let Some(keys) = common.differing(MEANING, |a, b| a.task == b.task) {
        return refuse(&keys, "makes trials solve other tasks, whose figures do not compare");
    }
    if let Some(keys) = common.differing(ROWS, |a, b| a.rows == b.rows) {
        return refuse(
            &keys,
            "has trials scored on other validation rows, on which no figure compares (to see how much a result owes to \
             the split, vary \"train.seed\", which repeats all other values with each seed)",
        );
    }
    let outputs = common.differing(MEANING, |a, b| a.outputs == b.outputs);
    let tokens = common.differing(MEANING, |a, b| a.tokens == b.tokens);
    let loss = common.differing(MEANING, |a, b| a.loss == b.loss);
    let task = interface.task;
    // What still means the same, and what to ask for where that is another question.
    let (unitless, usual) = match (task, scored[0].is_series) {
        (Task::Language, _) => ("bits_per_byte", "bits_per_byte"),
        (Task::Classification, _) => ("accuracy", "accuracy"),
        (Task::Regression, true) => ("skill", "rmse"),
        (Task::Regression, false) => ("r2", "rmse"),
    };
    let why = [(&outputs, "what is predicted"), (&tokens, "what a token is"), (&loss, "what the loss is")];
    let found = why.iter().find_map(|(keys, what)| Some((keys.as_deref()?, *what)));
    let works = if outputs.is_some() { unitless } else { usual };
    let Some(name) = &search.metric else {
        return Ok(match (found, outputs.is_some() && !scored[0].is_series) {
            (None, _) => (Metric::named("val_loss", search, interface)?, None),
            (Some((keys, what)), true) => {
                return Err(Error::model(format!(
                    "[search.space]: {keys} changes {what}, so that trials have no unit in common; a metric without one \
                     compares them all the same: metric = \"{works}\""
                )));
            }
            (Some((keys, what)), false) => {
                let note = format!("trials are compared by {works}: {keys} changes {what}");
                (Metric::named(works, search, interface)?, Some(note))
            }
        });
    };
    let metric = Metric::named(name, search, interface)?;
    let key = metric.key();
    if let Some(keys) =
        common.differing(MEANING, |a, b| a.positive == b.positive).filter(|_| known::is_of_positive(key))
    {
        return refuse(&keys, &format!("has trials with other positive classes, whose {key} does not compare"));
    }
    let breaks = match (found, task) {
        (Some(_), Task::Language) if tokens.is_some() => key != "bits_per_byte",
        (Some(_), _) if outputs.is_some() => !has_no_unit(key),
        (Some(_), _) => key == "loss" || task == Task::Language && matches!(key, "nats_per_token" | "perplexity"),
        (None, _) => false,
    };
    match found.filter(|_| breaks) {
        None => Ok((metric, None)),
        Some((keys, what)) => Err(Error::model(format!(
            "[search]: metric = \"{name}\" does not compare these trials: {keys} changes {what}; one that does is \
             metric = \"{works}\""
        ))),
    }
}

/// Whether a figure is a share, or relative to the targets' own spread: it has a
/// meaning whatever is predicted.
fn has_no_unit(key: &str) -> bool {
    let of_values = ["r2", "explained_variance", "mape", "skill", "mase"];
    let of_classes = ["loss", "log_loss", "brier"];
    let with_unit = ["rmse", "mae", "median_ae", "max_error", "bias"];
    of_values.contains(&key) || !of_classes.contains(&key) && !with_unit.contains(&key)
}
