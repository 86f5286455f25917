//! The flags about a device that fails while it trains.

use crate::error::Result;
use crate::train::{count, set};
use clap::Args;
use toml::{Table, Value};

/// What becomes of a training whose device fails.
#[derive(Debug, Args)]
pub struct RecoveryFlags {
    /// Keep the state in host memory every STEPS steps, besides epochs and checkpoints: after the
    /// device has failed, training goes on from the latest (docs/recovery.md).
    #[arg(long, value_name = "STEPS")]
    pub recovery_every: Option<usize>,
    /// How often the device is opened anew after it has failed; then the run ends with a checkpoint.
    #[arg(long, value_name = "N")]
    pub recovery_losses: Option<usize>,
    /// Go on on the CPU path where the device has failed more often than that or is gone.
    #[arg(long)]
    pub recovery_cpu: bool,
}

impl RecoveryFlags {
    /// Writes them over a configuration.
    pub fn apply(&self, table: &mut Table) -> Result<()> {
        let mut put = |key: &str, value: Option<Value>| value.map_or(Ok(()), |v| set(table, key, v));
        put("recovery.every", self.recovery_every.map(count))?;
        put("recovery.losses", self.recovery_losses.map(count))?;
        put("recovery.cpu", self.recovery_cpu.then_some(true.into()))
    }
}
