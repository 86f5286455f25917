//! Which updates are left out: those whose loss or gradient is no finite number, and
//! where that is asked for, those whose loss is far above the ones before it. The kernel
//! that works out the gradient's norm decides it (`grad_norm`), on bits, and says so by a
//! clip factor that is no number, at which optimisers write nothing. It costs no dispatch
//! and no readback; what happened is kept on the device in a record.
//!
//! A record, u32 `[RECORD]`: [`WHAT`] (bits [`LOSS`] and [`NORM`]), the clock of the batch
//! ([`STEP`], [`BATCH`], [`EPOCH`]), the bits of its loss ([`VALUE`]), what was wrong since
//! the last update ([`PENDING`]), updates left out ([`LEFT_OUT`], [`SPIKES`]), the step of
//! the latest spike ([`SPIKE_AT`]), losses seen ([`SEEN`]), and from [`LOSSES`] on the bits
//! of the latest of them.
//!
//! A guard that `holds` leaves out every update from the first that is not finite on, so
//! that the weights stay those that it was worked out from, however late the host looks.
//!
//! A spike is a loss `x > mean` with `(x - mean)^2 > z^2 var`, mean and variance of the
//! [`WINDOW`] losses before it, as in `llm.c`, whose window is as long.

use crate::ops::pace::Steps;

/// Losses that a spike is compared with.
pub const WINDOW: usize = 128;
/// What was not finite: [`LOSS`], [`NORM`]; 0 for nothing.
pub const WHAT: usize = 0;
/// The clock's step at that batch.
pub const STEP: usize = 1;
/// Its batch.
pub const BATCH: usize = 2;
/// Its epoch.
pub const EPOCH: usize = 3;
/// The bits of its loss.
pub const VALUE: usize = 4;
/// What was wrong with batches since the last update.
pub const PENDING: usize = 5;
/// Updates left out because something was not finite.
pub const LEFT_OUT: usize = 6;
/// Updates left out because of a spike.
pub const SPIKES: usize = 7;
/// The clock's step at the latest spike.
pub const SPIKE_AT: usize = 8;
/// Losses seen.
pub const SEEN: usize = 9;
/// Where the latest losses begin.
pub const LOSSES: usize = 10;
/// Elements of a record.
pub const RECORD: usize = LOSSES + WINDOW;

/// The loss is no finite number.
pub const LOSS: u32 = 1;
/// The gradient's norm is no finite number.
pub const NORM: u32 = 2;
/// The loss is far above those before it.
pub const SPIKE: u32 = 4;

/// When updates are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guard {
    /// Whether all updates are left out from the first on that is not finite.
    pub holds: bool,
    /// Standard deviations above the mean from which a loss is a spike; 0 for no spikes.
    pub spike: f32,
    /// How batches make updates.
    pub steps: Steps,
}

impl Guard {
    /// Whether the update of a batch is to be left out; notes it in the record.
    pub(super) fn leaves_out(&self, loss: f64, norm_is_finite: bool, clock: &[u32], record: &mut [u32]) -> bool {
        if self.holds && record[WHAT] != 0 {
            return true;
        }
        let x = loss as f32;
        let mut wrong = (u32::from(!loss.is_finite()) * LOSS) | (u32::from(!norm_is_finite) * NORM);
        if wrong != 0 {
            let [step, batch, epoch] = [0, 1, 2].map(|i| clock[i]);
            record[..=VALUE].copy_from_slice(&[wrong, step, batch, epoch, x.to_bits()]);
        } else if self.spike > 0.0 {
            if self.is_spike(x, record) {
                wrong = SPIKE;
                record[SPIKE_AT] = clock[0];
            }
            record[LOSSES + record[SEEN] as usize % WINDOW] = x.to_bits();
            record[SEEN] += 1;
        }
        record[PENDING] |= wrong;
        let all = record[PENDING];
        let batch = clock[1] as usize + 1;
        if batch.is_multiple_of(self.steps.accumulate) || batch >= self.steps.batches {
            record[PENDING] = 0;
            record[LEFT_OUT] += u32::from(all & (LOSS | NORM) != 0);
            record[SPIKES] += u32::from(all == SPIKE);
        }
        all != 0
    }

    fn is_spike(&self, x: f32, record: &[u32]) -> bool {
        if (record[SEEN] as usize) < WINDOW {
            return false;
        }
        let losses = || record[LOSSES..].iter().map(|&bits| f32::from_bits(bits));
        let mean = losses().sum::<f32>() / WINDOW as f32;
        let squares = losses().map(|x| (x - mean) * (x - mean)).sum::<f32>();
        let above = x - mean;
        above > 0.0 && above * above > self.spike * self.spike * (squares / WINDOW as f32)
    }
}
