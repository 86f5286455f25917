//! What becomes of a training whose device fails: the keys of `[recovery]`.

use crate::error::Result;
use crate::keys::Keys;
use std::time::Duration;
use toml::{Table, Value};

/// Seconds that a device may take for a submit.
const TIMEOUT: f64 = 600.0;

/// How often a training survives the failure of its device, unless somebody says otherwise.
const LOSSES: usize = 5;

/// The keys of `[recovery]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoverySettings {
    /// Steps between the states that are kept in host memory, besides those of epochs and
    /// checkpoints.
    pub every: Option<usize>,
    /// How often the device is opened anew in a run.
    pub losses: usize,
    /// Whether training goes on on the CPU path after that.
    pub cpu: bool,
    /// How long the device may take for a submit before it counts as one that does not answer.
    pub timeout: Duration,
}

impl Default for RecoverySettings {
    fn default() -> RecoverySettings {
        RecoverySettings { every: None, losses: LOSSES, cpu: false, timeout: Duration::from_secs_f64(TIMEOUT) }
    }
}

impl RecoverySettings {
    /// Reads them from `[recovery]`.
    pub fn read(keys: &mut Keys) -> Result<RecoverySettings> {
        let every = keys.count("every", 0, Some(0))?;
        Ok(RecoverySettings {
            every: (every > 0).then_some(every),
            losses: keys.count("losses", 0, Some(LOSSES))?,
            cpu: keys.flag("cpu", false)?,
            timeout: Duration::from_secs_f64(keys.real("timeout", 1.0, 1e6, Some(TIMEOUT))?),
        })
    }

    /// As TOML.
    pub fn to_table(&self) -> Table {
        let all: [(&str, Value); 4] = [
            ("every", (self.every.unwrap_or(0) as i64).into()),
            ("losses", (self.losses as i64).into()),
            ("cpu", self.cpu.into()),
            ("timeout", self.timeout.as_secs_f64().into()),
        ];
        Table::from_iter(all.map(|(k, v)| (k.to_string(), v)))
    }
}
