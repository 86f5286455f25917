//! The device's record of steps whose numbers are not finite, as the host reads it.

use crate::ops::guard;
use crate::ops::pace::Steps;

/// The name of the record on the device.
pub const RECORD: &str = "train.flight";

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noted {
    /// Whether the loss of the latest such batch was not finite.
    pub loss: bool,
    /// Whether the norm of its gradient was not finite.
    pub norm: bool,
    /// Batches done before it.
    pub step: usize,
    /// Batches done of its epoch.
    pub batch: usize,
    /// Whole epochs before it.
    pub epoch: usize,
    /// Updates left out since training began.
    pub left_out: usize,
    /// Updates left out because their loss was far above those before.
    pub spikes: usize,
    /// Batches done before the latest of these.
    pub spike_at: usize,
}

impl Noted {
    /// Reads the words of a record.
    pub fn of(words: &[u32]) -> Noted {
        let at = |i: usize| words[i] as usize;
        let what = words[guard::WHAT];
        Noted {
            loss: what & guard::LOSS != 0,
            norm: what & guard::NORM != 0,
            step: at(guard::STEP),
            batch: at(guard::BATCH),
            epoch: at(guard::EPOCH),
            left_out: at(guard::LEFT_OUT),
            spikes: at(guard::SPIKES),
            spike_at: at(guard::SPIKE_AT),
        }
    }

    /// A record that counts steps as if each were a batch, in the batches of which they are made.
    pub fn in_batches(self, steps: Steps) -> Noted {
        let spike_at = steps.batches(self.spike_at);
        Noted { step: steps.batches(self.step), batch: self.batch * steps.accumulate, spike_at, ..self }
    }

    /// Whether anything was not finite.
    pub fn any(&self) -> bool {
        self.loss || self.norm
    }

    /// What was not finite.
    pub fn what(&self) -> &'static str {
        if self.loss { "loss" } else { "norm of the gradient" }
    }
}
