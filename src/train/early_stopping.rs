//! Early stopping with Keras' arguments, and which epoch was the best.

use super::epoch::Epoch;
use super::figure::{check_name, more_is_better};
use crate::error::{Context, Result, unknown};
use crate::keys::Keys;
use serde::{Deserialize, Serialize};
use toml::Table;

/// When a run ends before its last epoch, and what counts as better.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlyStopping {
    /// What is watched: `loss`, `accuracy`, or any figure of the validation set, such
    /// as `val_loss` and `val_f1`.
    pub monitor: String,
    /// Smaller changes do not count as better.
    pub min_delta: f64,
    /// Epochs without a better one until the run ends; `None` never ends it.
    pub patience: Option<usize>,
    /// Whether patience, and which epoch is kept, are decided with the epochs, by
    /// [`Settings::settle`](super::Settings::settle). Until then nothing ends a run.
    pub is_auto: bool,
    /// Whether more is better; `None` finds it in the name.
    pub more_is_better: Option<bool>,
    /// Epochs before this one are not watched and cannot be the best; counted from 0,
    /// as Keras does.
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
            is_auto: false,
            more_is_better: None,
            start_from_epoch: 0,
            baseline: None,
            restore_best_weights: false,
        }
    }
}

const MODES: &[(&str, Option<bool>)] = &[("auto", None), ("min", Some(false)), ("max", Some(true))];

/// What early stopping remembers between epochs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Watched {
    /// The best value that counts for patience.
    pub best: Option<f64>,
    /// Epochs since.
    pub wait: usize,
    /// Whether the latest epoch was better than those before it.
    #[serde(default)]
    pub improved: bool,
    /// The epoch whose weights are the best, counted from 1, and its value. It may be
    /// one that a limit cut.
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
        check_name(&monitor).context(|| keys.place().to_string())?;
        let mode = keys.text("mode")?.unwrap_or_else(|| "auto".into());
        let found = MODES.iter().find(|(n, _)| *n == mode).map(|(_, m)| *m);
        let more_is_better = found.ok_or_else(|| unknown("mode", &mode, MODES.iter().map(|(n, _)| *n)))?;
        let mut is_auto = false;
        let patience = match keys.take("patience") {
            Some(toml::Value::String(s)) if s == "never" => None,
            Some(toml::Value::String(s)) if s == "auto" => {
                is_auto = true;
                None
            }
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
            is_auto,
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
        let never = if self.is_auto { "auto" } else { "never" };
        table.insert("patience".into(), self.patience.map_or(never.into(), |n| (n as i64).into()));
        table.insert("mode".into(), mode.into());
        table.insert("start_from_epoch".into(), (self.start_from_epoch as i64).into());
        table.extend(self.baseline.map(|b| ("baseline".to_string(), b.into())));
        table.insert("restore_best_weights".into(), self.restore_best_weights.into());
        table
    }

    /// Whether more of the monitored value is better.
    fn more(&self) -> bool {
        self.more_is_better.or(more_is_better(&self.monitor)).unwrap_or(false)
    }

    /// The value of an epoch that is watched.
    fn watched(&self, epoch: &Epoch) -> Option<f64> {
        epoch.monitored(&self.monitor).filter(|_| epoch.epoch > self.start_from_epoch)
    }

    /// Whether a value is better than another.
    fn is_better(&self, value: f64, than: f64) -> bool {
        if self.more() { value - self.min_delta > than } else { value + self.min_delta < than }
    }

    /// Takes note of an epoch. The rule is that of Keras' `EarlyStopping`.
    pub fn observe(&self, state: &mut Watched, epoch: &Epoch) -> Verdict {
        let Some(value) = self.watched(epoch) else { return Verdict { best: false, stop: false } };
        let best = self.observe_cut(state, epoch);
        state.wait += 1;
        // What a cut epoch gave does not count for patience.
        state.improved = state.best.is_none_or(|b| self.is_better(value, b));
        if state.improved {
            state.best = Some(value);
            // Beating oneself is not enough where a baseline is to be beaten.
            if self.baseline.is_none_or(|b| self.is_better(value, b)) {
                state.wait = 0;
            }
        }
        Verdict { best, stop: self.is_out(state) }
    }

    /// Takes note of an epoch that a limit has cut: whether its weights are the best so
    /// far.
    pub fn observe_cut(&self, state: &mut Watched, epoch: &Epoch) -> bool {
        let Some(value) = self.watched(epoch) else { return false };
        let best = state.best_epoch.is_none_or(|(_, b)| self.is_better(value, b));
        if best {
            state.best_epoch = Some((epoch.epoch, value));
        }
        best
    }

    /// Whether patience has run out. An epoch that beat those before it never ends a
    /// run.
    pub fn is_out(&self, state: &Watched) -> bool {
        !state.improved && self.patience.is_some_and(|p| state.wait > 0 && state.wait >= p)
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
            let epoch = Epoch { epoch: i + 1, train: scores.clone(), val: Some(scores), ..Epoch::default() };
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
        let baseline = EarlyStopping { baseline: Some(0.5), ..s.clone() };
        assert_eq!(run(&baseline, &[1.0, 0.9, 0.8]).1, None);
        assert_eq!(run(&baseline, &[1.0, 0.9, 0.9]).1, Some(3));
        assert_eq!(run(&EarlyStopping { patience: Some(0), ..s }, &[1.0, 0.9, 0.95]).1, Some(3));
    }

    /// What Keras' own callback did (assets/goldens/make_early_stopping.py).
    #[test]
    fn random_curves_end_as_with_keras() {
        #[derive(Deserialize)]
        struct Golden {
            mode: String,
            patience: usize,
            min_delta: f64,
            start_from_epoch: usize,
            baseline: Option<f64>,
        }
        #[derive(Deserialize)]
        struct Case {
            settings: Golden,
            values: Vec<f64>,
            stopped: Option<usize>,
            restored: Option<usize>,
            best: Vec<usize>,
        }
        #[derive(Deserialize)]
        struct File {
            cases: Vec<Case>,
        }
        let file: File = serde_json::from_str(include_str!("../../assets/goldens/early_stopping.json")).unwrap();
        assert_eq!(file.cases.len(), 400);
        for (i, case) in file.cases.iter().enumerate() {
            let s = EarlyStopping {
                patience: Some(case.settings.patience),
                min_delta: case.settings.min_delta,
                start_from_epoch: case.settings.start_from_epoch,
                baseline: case.settings.baseline,
                more_is_better: Some(case.settings.mode == "max"),
                ..EarlyStopping::default()
            };
            let (best, stopped) = run(&s, &case.values);
            let best: Vec<usize> = (1..).zip(best).filter(|(_, best)| *best).map(|(epoch, _)| epoch).collect();
            assert_eq!((stopped, &best), (case.stopped, &case.best), "case {i}");
            assert_eq!(best.last().copied(), case.restored, "case {i}");
        }
    }

    #[test]
    fn what_a_limit_cut_counts_for_the_best_alone() {
        let s = EarlyStopping { patience: Some(1), ..EarlyStopping::default() };
        let epoch = |epoch, loss| Epoch { epoch, train: Scores { loss, ..Scores::default() }, ..Epoch::default() };
        let mut state = Watched::default();
        s.observe(&mut state, &epoch(1, 1.0));
        let whole = state.clone();
        assert!(!s.observe_cut(&mut state, &epoch(2, 1.5)));
        assert_eq!(state, whole);
        assert!(s.observe_cut(&mut state, &epoch(2, 0.5)));
        assert_eq!(state, Watched { best_epoch: Some((2, 0.5)), ..whole });
        // Once it is whole it is better than the first, and not than its own part.
        let verdict = s.observe(&mut state, &epoch(2, 0.75));
        assert_eq!((verdict, state.best_epoch), (Verdict { best: false, stop: false }, Some((2, 0.5))));
    }

    #[test]
    fn settings_survive_toml() {
        let full = EarlyStopping {
            monitor: "val_rmse".into(),
            min_delta: 0.5,
            patience: Some(3),
            is_auto: false,
            more_is_better: Some(false),
            start_from_epoch: 2,
            baseline: Some(1.5),
            restore_best_weights: true,
        };
        let auto = EarlyStopping { is_auto: true, ..EarlyStopping::default() };
        for s in [full, auto, EarlyStopping::default()] {
            let mut keys = Keys::new(s.to_table(), "[early_stopping]");
            assert_eq!(EarlyStopping::read(&mut keys, true).unwrap(), s);
            keys.finish().unwrap();
        }
    }
}
