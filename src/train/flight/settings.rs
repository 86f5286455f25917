//! What is done about steps whose numbers are not finite, and how often steps are verified.

use crate::error::{Result, unknown};
use crate::keys::Keys;
use crate::ops::guard::Guard;
use crate::ops::pace::Steps;
use toml::{Table, Value};

/// What is done when a loss or a gradient is no finite number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnNan {
    /// The training ends with an error.
    #[default]
    Stop,
    /// The update is left out.
    Skip,
    /// Training goes back to the latest epoch and on at half the learning rate.
    Rollback,
}

const NAMES: &[(&str, OnNan)] = &[("stop", OnNan::Stop), ("skip", OnNan::Skip), ("rollback", OnNan::Rollback)];

impl OnNan {
    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, n)| *n == self).expect("every one has a name").0
    }
}

/// The most standard deviations that a spike may be asked to lie above the mean.
const MOST: f64 = 1e6;

/// The keys of `[train]` about numbers that are not finite or not right.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FlightSettings {
    /// What is done about numbers that are not finite.
    pub on_nan: OnNan,
    /// Standard deviations above the mean of the latest 128 losses from which on a batch's
    /// update is left out; 0 for never.
    pub skip_spikes: f64,
    /// Steps between those that are compared with the judge, op by op.
    pub verify_every: Option<usize>,
    /// Steps between fingerprints of the weights in the run's log.
    pub fingerprint_every: Option<usize>,
}

impl FlightSettings {
    /// Reads them from `[train]`.
    pub fn read(train: &mut Keys) -> Result<FlightSettings> {
        let name = train.text("on_nan")?.unwrap_or_else(|| OnNan::default().name().into());
        let on_nan = NAMES.iter().find(|(n, _)| *n == name).map(|(_, n)| *n);
        let mut every = |key: &'static str| Ok(Some(train.count(key, 0, Some(0))?).filter(|n| *n > 0));
        let [verify_every, fingerprint_every] = [every("verify_every")?, every("fingerprint_every")?];
        Ok(FlightSettings {
            on_nan: on_nan.ok_or_else(|| unknown("on_nan", &name, NAMES.iter().map(|(n, _)| *n)))?,
            skip_spikes: train.real("skip_spikes", 0.0, MOST, Some(0.0))?,
            verify_every,
            fingerprint_every,
        })
    }

    /// Adds them to a configuration's `[train]`.
    pub fn write(&self, train: &mut Table) {
        train.insert("on_nan".into(), self.on_nan.name().into());
        train.insert("skip_spikes".into(), self.skip_spikes.into());
        for (key, every) in [("verify_every", self.verify_every), ("fingerprint_every", self.fingerprint_every)] {
            train.insert(key.into(), Value::Integer(every.unwrap_or(0) as i64));
        }
    }

    /// Which updates a training of such steps leaves out.
    pub fn guard(&self, steps: Steps) -> Guard {
        Guard { holds: self.on_nan != OnNan::Skip, spike: self.skip_spikes as f32, steps }
    }
}
