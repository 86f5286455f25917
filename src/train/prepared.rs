//! The sets of a run, with what was learned of the data.

use crate::data::fingerprint::fingerprint;
use crate::data::series::NaiveSets;
use crate::data::{Dataset, Interface};
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
    /// Forecasts without a model, of a series.
    pub naive: NaiveSets,
    /// What a user should know of the data.
    pub notes: Vec<String>,
}

impl Prepared {
    /// The fingerprint of what decides a training: the samples that are trained
    /// on and those held out to watch it.
    ///
    /// Fails when samples that are read when they are needed cannot be read.
    pub fn fingerprint(&self) -> Result<String> {
        fingerprint([&self.train].into_iter().chain(&self.val))
    }
}
