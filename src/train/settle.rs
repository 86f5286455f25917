//! What a configuration leaves to the data, decided once the training samples are there: how
//! many epochs make enough steps, how much weights decay in each, and what a model leaves to the size
//! of the set. What was
//! decided is then part of the settings, so that a run that goes on decides nothing anew.

use super::Settings;
use crate::data::Task;

/// The share of the epochs that passes without a better one until a run ends whose epochs
/// were raised, and the fewest epochs of patience.
const PATIENCE: (usize, usize) = (4, 5);
/// What the decays of all steps add up to, each the rate of the schedule's start times the weight decay; and the most
/// weight decay. The same share of a weight is left however long a training is: more decay in each of many steps
/// costs large sets accuracy, less in each of few makes small ones too sure of themselves.
const DECAY: (f64, f64) = (6.0, 1.0);
/// Validation samples below which their loss does not tell one epoch from another.
const FEW: usize = 5;

impl Settings {
    /// Decides what is left to the data, for so many training samples and `val` that are held
    /// out to watch it. What was decided, for the user, each with the setting that decides
    /// otherwise.
    pub fn settle(&mut self, samples: usize, val: usize, task: Task) -> Vec<String> {
        let left = std::mem::take(&mut self.early_stopping.is_auto);
        let best = self.early_stopping.restore_best_weights;
        let mut notes: Vec<String> = self.settle_epochs(samples, left && !best).into_iter().collect();
        // The loss of values falls on where that of classes grows too sure, and the noise of a
        // small validation set then picks an epoch too early.
        let of_rows = task == Task::Regression && self.data.series.is_none();
        if left && best && of_rows {
            self.early_stopping.restore_best_weights = false;
        } else if left && best && (1..FEW).contains(&val) {
            self.early_stopping.restore_best_weights = false;
            notes.push(format!(
                "the last epoch is kept, not the best: {val} validation samples are too few to tell them apart; \
                 early_stopping.restore_best_weights decides otherwise"
            ));
        }
        notes.extend(self.settle_decay(samples));
        for (layer, rate) in self.model.settle(samples, task == Task::Regression) {
            notes.push(format!(
                "dropout: layer \"{layer}\" of model \"{}\" drops {} % in training, for {samples} training samples; a \
                 model description with a rate of its own (--model) decides otherwise",
                self.model.name,
                (100.0 * rate).round()
            ));
        }
        notes
    }

    /// Decides the weight decay by the number of steps.
    fn settle_decay(&mut self, samples: usize) -> Option<String> {
        if !std::mem::take(&mut self.update.auto_decay) {
            return None;
        }
        let per_epoch = self.update.steps(samples.div_ceil(self.batch_size).max(1)).per_epoch();
        let steps = self.epochs.saturating_mul(per_epoch);
        let (total, most) = DECAY;
        let decay = (total / (self.update.lr * steps.max(1) as f64)).min(most);
        // Few digits: it is to be read.
        let decay = if decay.is_finite() { (decay * 1e4).round() / 1e4 } else { 0.0 };
        self.update
            .optimizer
            .decay(decay)
            .then(|| format!("weight decay: {decay}, for {steps} steps; optimizer.weight_decay decides otherwise"))
    }

    /// Raises the epochs until there are enough steps; `stops`: with early stopping, which
    /// was left open.
    fn settle_epochs(&mut self, samples: usize, stops: bool) -> Option<String> {
        let least = std::mem::take(&mut self.min_steps);
        let per_epoch = self.update.steps(samples.div_ceil(self.batch_size).max(1)).per_epoch().max(1);
        let (before, needed) = (self.epochs, least.div_ceil(per_epoch));
        if needed <= before {
            return None;
        }
        self.epochs = needed;
        let mut how = "train.epochs or train.min_steps decides otherwise".to_string();
        if stops {
            let patience = (needed / PATIENCE.0).max(PATIENCE.1);
            self.early_stopping.patience = Some(patience);
            self.early_stopping.restore_best_weights = true;
            how = format!(
                "the best is kept, and {patience} without a better one end the run ({how}, and [early_stopping])"
            );
        }
        Some(format!(
            "{needed} epochs: {before} of {samples} training samples would be {} steps, which is too few; {how}",
            before * per_epoch
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::defaults::ROWS;
    use crate::train::set;
    use toml::Table;

    fn settings(pairs: &[(&str, toml::Value)]) -> Settings {
        let mut table = Table::new();
        pairs.iter().for_each(|(key, value)| set(&mut table, key, value.clone()).unwrap());
        Settings::read(table).unwrap()
    }

    #[test]
    fn few_samples_get_enough_steps_and_the_best_of_them() {
        let mut s = settings(&[]);
        let said = s.settle(432, 50, Task::Classification);
        // Four steps to an epoch.
        assert_eq!((s.epochs, s.early_stopping.patience, s.early_stopping.restore_best_weights), (75, Some(18), true));
        assert!(said[0].contains("75 epochs") && said[0].contains("12 steps"), "{said:?}");
        // What was decided is written down, and is not decided again for other data.
        let mut again = Settings::read(s.to_table()).unwrap();
        assert_eq!(again.settle(10, 50, Task::Classification), Vec::<String>::new());
        assert_eq!((again.epochs, again.to_table()), (75, s.to_table()));
    }

    #[test]
    fn many_samples_and_what_is_said_stay_as_they_are() {
        let mut s = settings(&[]);
        assert_eq!(s.settle(60_000, 50, Task::Classification), Vec::<String>::new());
        assert_eq!((s.epochs, s.early_stopping.patience, s.early_stopping.restore_best_weights), (3, None, false));
        let mut s = settings(&[("train.epochs", 2.into())]);
        assert!(s.settle(100, 50, Task::Classification).is_empty() && s.epochs == 2);
        // What is said of early stopping counts, though epochs are raised.
        let mut s = settings(&[("early_stopping.patience", 2.into())]);
        s.settle(100, 50, Task::Classification);
        assert_eq!((s.epochs, s.early_stopping.patience, s.early_stopping.restore_best_weights), (300, Some(2), false));
        let mut s = settings(&[("early_stopping.patience", "never".into())]);
        s.settle(100, 50, Task::Classification);
        assert_eq!(s.early_stopping.patience, None);
    }

    #[test]
    fn weights_decay_less_in_each_of_many_steps() {
        let decay = |samples: usize| {
            let mut table = Table::new();
            ROWS.fill_in(&mut table).unwrap();
            let mut s = Settings::read(table).unwrap();
            let said = s.settle(samples, 50, Task::Classification);
            assert!(said.iter().any(|note| note.contains("optimizer.weight_decay decides")), "{said:?}");
            let again = Settings::read(s.to_table()).unwrap();
            assert_eq!((again.update.auto_decay, again.update.optimizer), (false, s.update.optimizer));
            s.to_table()["optimizer"]["weight_decay"].as_float().unwrap()
        };
        // 500, 14,100 and 125,000 steps.
        assert_eq!([decay(150), decay(4500), decay(40_000)], [1.0, 0.1418, 0.016]);
        let asked = |name: &str| {
            let mut table = Table::new();
            set(&mut table, "optimizer.name", name.into()).unwrap();
            set(&mut table, "optimizer.weight_decay", "auto".into()).unwrap();
            Settings::read(table)
        };
        assert!(asked("sgdw").is_ok());
        let refused = asked("adam").expect_err("coupled").to_string();
        assert!(refused.contains("adamw and sgdw"), "{refused}");
    }

    #[test]
    fn tables_keep_the_best_epoch_of_all() {
        let read = |mut table: Table| {
            ROWS.fill_in(&mut table).unwrap();
            Settings::read(table).unwrap()
        };
        let s = read(Table::new());
        assert_eq!((s.early_stopping.patience, s.early_stopping.restore_best_weights), (None, true));
        let mut asked = Table::new();
        set(&mut asked, "early_stopping.patience", 3.into()).unwrap();
        assert!(read(asked.clone()).early_stopping.restore_best_weights);
        set(&mut asked, "early_stopping.restore_best_weights", false.into()).unwrap();
        let s = read(asked);
        assert_eq!((s.early_stopping.patience, s.early_stopping.restore_best_weights), (Some(3), false));
    }

    #[test]
    fn the_best_epoch_is_kept_of_classes_and_series_where_it_can_be_told() {
        let of = |pairs: &[(&str, toml::Value)], val: usize, task: Task| {
            let mut table = Table::new();
            pairs.iter().for_each(|(key, value)| set(&mut table, key, value.clone()).unwrap());
            ROWS.fill_in(&mut table).unwrap();
            let mut s = Settings::read(table).unwrap();
            let said = s.settle(30, val, task);
            (
                s.early_stopping.restore_best_weights,
                s.early_stopping.patience,
                said.concat().contains("too few to tell"),
            )
        };
        assert_eq!(of(&[], 2, Task::Classification), (false, None, true));
        assert_eq!(of(&[], 5, Task::Classification), (true, None, false));
        // Values of a table end with the last epoch, those of a series with the best.
        assert_eq!(of(&[], 50, Task::Regression), (false, None, false));
        assert_eq!(of(&[("data.window", 5.into())], 50, Task::Regression), (true, None, false));
        let asked = [("early_stopping.restore_best_weights", true.into()), ("early_stopping.patience", "never".into())];
        assert_eq!(of(&asked, 2, Task::Regression), (true, None, false));
    }

    #[test]
    fn dropout_follows_the_size_of_a_regression() {
        let of = |samples: usize, task: Task| {
            let mut s = settings(&[("model", "tabular".into())]);
            let said = s.settle(samples, 50, task);
            let rate = s.model.to_table()["layer"][2]["rate"].as_float().expect("a number");
            assert!(said.iter().any(|n| n.contains("\"drop1\"") && n.contains(&samples.to_string())), "{said:?}");
            rate
        };
        assert_eq!(of(100, Task::Regression), of(100, Task::Classification));
        assert!(of(50_000, Task::Regression) < of(5_000, Task::Regression));
        assert_eq!(of(50_000, Task::Regression), 0.0);
        // A rate that is stated stays.
        let mut s = settings(&[("model", "tabular".into())]);
        s.settle(100, 50, Task::Regression);
        assert!(s.settle(50_000, 50, Task::Regression).is_empty());
    }
}
