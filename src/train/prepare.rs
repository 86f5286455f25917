//! From a data source to what a session needs: the sets, split, and what was
//! learned on the training rows alone.

use super::settings::{DataSettings, SplitBy};
use crate::data::dataset::{self, Split};
use crate::data::{Dataset, Interface, Normal, Targets};
use crate::error::Result;

/// The sets of a run.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What is trained on.
    pub train: Dataset,
    /// What decides between epochs.
    pub val: Option<Dataset>,
    /// What is scored at the end.
    pub test: Option<Dataset>,
    /// What was learned on the training rows.
    pub interface: Interface,
    /// What a user should know of the data.
    pub notes: Vec<String>,
}

/// A data source, read and not yet split.
pub struct Source {
    /// Training samples.
    pub train: Dataset,
    /// Test samples, where the source has such.
    pub test: Option<Dataset>,
}

impl Source {
    /// What a split keeps even: classes, or nothing.
    fn strata(&self, by: SplitBy) -> Vec<u32> {
        match (&self.train.targets, by) {
            (Targets::Classes { labels, .. }, SplitBy::Auto | SplitBy::Stratified) => labels.clone(),
            (targets, _) => vec![0; targets.len()],
        }
    }

    /// The sets of a run without folds.
    pub fn prepare(&self, s: &DataSettings, seed: u32) -> Result<Prepared> {
        let all: Vec<usize> = (0..self.train.len()).collect();
        self.prepare_rows(&all, None, s, seed)
    }

    /// The sets of each of `k` folds; what a fold holds out is its test set.
    pub fn folds(&self, k: usize, s: &DataSettings, seed: u32) -> Result<Vec<Split>> {
        dataset::folds(&self.train.name, &self.strata(s.split), k, seed)
    }

    /// The sets of a run on some rows; `held` is the test set in place of the
    /// source's own.
    pub fn prepare_rows(
        &self,
        rows: &[usize],
        held: Option<&[usize]>,
        s: &DataSettings,
        seed: u32,
    ) -> Result<Prepared> {
        let strata = self.strata(s.split);
        let mine: Vec<u32> = rows.iter().map(|&i| strata[i]).collect();
        let split = match (s.val_split, s.split) {
            (0.0, _) => Split { kept: (0..rows.len()).collect(), held: vec![] },
            (share, SplitBy::Time) => dataset::by_time(&self.train.name, rows.len(), share)?,
            (share, _) => dataset::stratified(&self.train.name, &mine, share, seed)?,
        };
        let pick = |part: &[usize]| part.iter().map(|&i| rows[i]).collect::<Vec<_>>();
        let train = self.train.select(&pick(&split.kept));
        let part = |rows: &[usize], what: &str| {
            let mut set = self.train.select(rows);
            set.name = format!("{} ({what})", self.train.name);
            set
        };
        let val = (!split.held.is_empty()).then(|| part(&pick(&split.held), "held out"));
        let test = match held {
            Some(rows) => Some(part(rows, "fold")),
            None => self.test.clone(),
        };
        let interface = Interface::of(&train, Normal::learn(&train, s.normalize));
        Ok(Prepared { train, val, test, interface, notes: vec![] })
    }
}
