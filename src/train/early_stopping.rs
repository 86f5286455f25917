//! Early stopping with Keras' arguments, and which epoch was the best.

use super::Epoch;
use crate::data::Task;
use crate::error::{Error, Result, unknown};
use crate::keys::Keys;
use serde::{Deserialize, Serialize};
use toml::Table;

/// When a run ends before its last epoch, and what counts as better.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlyStopping {
    /// What is watched: `val_loss`, `val_accuracy`, `loss`, `accuracy`,
    /// `val_rmse`, `val_mae`.
    pub monitor: String,
    /// Smaller changes do not count as better.
    pub min_delta: f64,
    /// Epochs without a better one until the run ends; `None` never ends it.
    pub patience: Option<usize>,
    /// Whether more is better; `None` finds it in the name.
    pub more_is_better: Option<bool>,
    /// Epochs before this one are not watched; counted from 0, as Keras does.
    pub start_from_epoch: usize,
    /// A value that must be beaten within `patience` epochs.
    pub baseline: Option<f64>,
    /// Ends with the weights of the best epoch.
    pub restore_best_weights: bool,
}

impl Default for EarlyStopping {
    fn default() -> EarlyStopping {
        EarlyStopping {
            monitor: "val_loss".into(),
            min_delta: 0.0,
            patience: None,
            more_is_better: None,
            start_from_epoch: 0,
            baseline: None,
            restore_best_weights: false,
        }
    }
}

const MONITORS: &[&str] = &["val_loss", "val_accuracy", "val_rmse", "val_mae", "loss", "accuracy"];
const MODES: &[(&str, Option<bool>)] = &[("auto", None), ("min", Some(false)), ("max", Some(true))];

/// Checks that a score exists: for this task, and with or without a validation
/// set.
pub(super) fn check_monitor(place: &str, monitor: &str, task: Task, held_out: bool) -> Result<()> {
    let there = match monitor.trim_start_matches("val_") {
        "accuracy" => task != Task::Regression,
        "rmse" | "mae" => task == Task::Regression && monitor.starts_with("val_") && held_out,
        _ => true,
    };
    if there {
        return Ok(());
    }
    let (what, instead) = match task {
        Task::Classification => ("a classification", "val_loss or val_accuracy"),
        Task::Language => ("a language model", "val_loss or val_accuracy"),
        Task::Regression if held_out => ("a regression", "val_loss, val_rmse or val_mae"),
        Task::Regression => ("a regression without a validation set", "loss"),
    };
    Err(Error::model(format!("{place}: monitor = \"{monitor}\", which {what} does not have; expected {instead}")))
}

/// What early stopping remembers between epochs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Watched {
    /// The best value that counts for patience.
    pub best: Option<f64>,
    /// Epochs since.
    pub wait: usize,
    /// The epoch whose weights are the best, counted from 1, and its value.
    pub best_epoch: Option<(usize, f64)>,
}

/// What an epoch means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Its weights are the best so far.
    pub best: bool,
    /// Patience has run out.
    pub stop: bool,
}

impl EarlyStopping {
    /// Reads the keys of `[early_stopping]`. Saying anything there asks for it;
    /// `patience` is then 5 unless given.
    pub fn read(keys: &mut Keys, asked: bool) -> Result<EarlyStopping> {
        let default = EarlyStopping::default();
        let monitor = keys.text("monitor")?.unwrap_or(default.monitor);
        if !MONITORS.contains(&monitor.as_str()) {
            return Err(unknown("monitor", &monitor, MONITORS.iter().copied()));
        }
        let mode = keys.text("mode")?.unwrap_or_else(|| "auto".into());
        let found = MODES.iter().find(|(n, _)| *n == mode).map(|(_, m)| *m);
        let more_is_better = found.ok_or_else(|| unknown("mode", &mode, MODES.iter().map(|(n, _)| *n)))?;
        let patience = match keys.take("patience") {
            Some(toml::Value::String(s)) if s == "never" => None,
            None => asked.then_some(5),
            Some(v) => {
                let mut one = Keys::new(Table::from_iter([("patience".to_string(), v)]), keys.place());
                Some(one.count("patience", 0, None)?)
            }
        };
        Ok(EarlyStopping {
            monitor,
            min_delta: keys.real("min_delta", 0.0, 1e9, Some(0.0))?,
            patience,
            more_is_better,
            start_from_epoch: keys.count("start_from_epoch", 0, Some(0))?,
            baseline: match keys.take("baseline") {
                None => None,
                Some(v) => {
                    let mut one = Keys::new(Table::from_iter([("baseline".to_string(), v)]), keys.place());
                    Some(one.real("baseline", -1e30, 1e30, None)?)
                }
            },
            restore_best_weights: keys.flag("restore_best_weights", false)?,
        })
    }

    /// As TOML.
    pub fn to_table(&self) -> Table {
        let mode = MODES.iter().find(|(_, m)| *m == self.more_is_better).expect("every mode has a name").0;
        let mut table = Table::new();
        table.insert("monitor".into(), self.monitor.clone().into());
        table.insert("min_delta".into(), self.min_delta.into());
        table.insert("patience".into(), self.patience.map_or("never".into(), |n| (n as i64).into()));
        table.insert("mode".into(), mode.into());
        table.insert("start_from_epoch".into(), (self.start_from_epoch as i64).into());
        table.extend(self.baseline.map(|b| ("baseline".to_string(), b.into())));
        table.insert("restore_best_weights".into(), self.restore_best_weights.into());
        table
    }

    /// Whether more of the monitored value is better.
    fn more(&self) -> bool {
        self.more_is_better.unwrap_or(self.monitor.ends_with("accuracy"))
    }

    /// Takes note of an epoch.
    pub fn observe(&self, state: &mut Watched, epoch: &Epoch) -> Verdict {
        let Some(value) = epoch.monitored(&self.monitor) else { return Verdict { best: false, stop: false } };
        let better = |than: f64, by: f64| if self.more() { value - by > than } else { value + by < than };
        let best = state.best_epoch.is_none_or(|(_, b)| better(b, self.min_delta));
        if best {
            state.best_epoch = Some((epoch.epoch, value));
        }
        if epoch.epoch <= self.start_from_epoch {
            return Verdict { best, stop: false };
        }
        state.wait += 1;
        if state.best.is_none_or(|b| better(b, self.min_delta)) {
            state.best = Some(value);
            // As Keras does: beating oneself is not enough where a baseline is to be beaten.
            if self.baseline.is_none_or(|b| better(b, 0.0)) {
                state.wait = 0;
            }
        }
        Verdict { best, stop: self.patience.is_some_and(|p| state.wait > 0 && state.wait >= p) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Scores;

    fn run(stopping: &EarlyStopping, values: &[f64]) -> (Vec<bool>, Option<usize>) {
        let (mut state, mut best) = (Watched::default(), vec![]);
        for (i, &loss) in values.iter().enumerate() {
            let scores = Scores { loss, accuracy: Some(loss), ..Scores::default() };
            let epoch = Epoch { epoch: i + 1, train: scores, val: Some(scores), ..Epoch::default() };
            let verdict = stopping.observe(&mut state, &epoch);
            best.push(verdict.best);
            if verdict.stop {
                return (best, Some(i + 1));
            }
        }
        (best, None)
    }

    #[test]
    fn patience_counts_epochs_without_a_better_one() {
        let s = EarlyStopping { patience: Some(2), ..EarlyStopping::default() };
        let (best, stop) = run(&s, &[1.0, 0.8, 0.9, 0.7, 0.7, 0.75, 0.1]);
        assert_eq!((best, stop), (vec![true, true, false, true, false, false], Some(6)));
        assert_eq!(run(&EarlyStopping { min_delta: 0.3, ..s.clone() }, &[1.0, 0.8, 0.75, 0.1]).1, Some(3));
        assert_eq!(
            run(&EarlyStopping { start_from_epoch: 3, ..s.clone() }, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).1,
            Some(6)
        );
        let accuracy = EarlyStopping { monitor: "val_accuracy".into(), ..s.clone() };
        assert_eq!(run(&accuracy, &[0.5, 0.6, 0.6, 0.6]).1, Some(4));
        assert_eq!(run(&EarlyStopping { baseline: Some(0.5), ..s.clone() }, &[1.0, 0.9, 0.8]).1, Some(2));
        assert_eq!(run(&EarlyStopping { patience: Some(0), ..s }, &[1.0, 0.9, 0.95]).1, Some(3));
    }

    #[test]
    fn settings_survive_toml() {
        let full = EarlyStopping {
            monitor: "val_rmse".into(),
            min_delta: 0.5,
            patience: Some(3),
            more_is_better: Some(false),
            start_from_epoch: 2,
            baseline: Some(1.5),
            restore_best_weights: true,
        };
        for s in [full, EarlyStopping::default()] {
            let mut keys = Keys::new(s.to_table(), "[early_stopping]");
            assert_eq!(EarlyStopping::read(&mut keys, true).unwrap(), s);
            keys.finish().unwrap();
        }
    }
}
