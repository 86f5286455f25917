//! Devices that failed during a run: lines of `metrics.jsonl`.

use serde::{Deserialize, Serialize};

/// A device that failed while a run used it. In `metrics.jsonl` a line of its own, which has
/// `device_lost`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LostDevice {
    /// What happened.
    pub device_lost: String,
    /// Steps that had been handed to it.
    pub step: u64,
    /// Steps of the state that training has gone on from.
    pub back_to: u64,
    /// The device that it has gone on on; none where it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
}

impl std::fmt::Display for LostDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "by step {}: {}; ", self.step, self.device_lost)?;
        match &self.on {
            Some(on) => write!(f, "training went on from step {} on {on}", self.back_to),
            None => write!(f, "training ended, with the state of step {}", self.back_to),
        }
    }
}
