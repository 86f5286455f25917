//! How many dispatches go into one submit. A command buffer that runs for seconds is
//! ended by the watchdog of a driver or of the system, so a submit ends after a number
//! of dispatches, and after the work of about a tenth of a second, in the middle of a
//! step too. What a dispatch takes is estimated from what its op costs, and corrected
//! by how long the submits of the program have taken.

use crate::graph::Cost;
use std::time::Duration;

/// Dispatches per submit: enough that a submit's cost vanishes, few enough that the
/// GPU starts early.
const DISPATCHES: usize = 256;

/// Seconds per submit. Watchdogs wait for two seconds and more.
const BUDGET: f64 = 0.1;

/// What a slow device does in a second, and seconds that any dispatch takes: the first
/// submits go by these.
const FLOPS: f64 = 10e9;
const BYTES: f64 = 5e9;
const LEAST: f64 = 10e-6;

/// Seconds that each dispatch of an op is expected to take on a slow device.
pub(super) fn work(cost: Cost, dispatches: usize) -> f64 {
    let seconds = (cost.flops as f64 / FLOPS).max(cost.bytes as f64 / BYTES);
    LEAST + seconds / dispatches.max(1) as f64
}

/// The seconds of a device for each second that was expected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace(f64);

impl Default for Pace {
    fn default() -> Self {
        Pace(1.0)
    }
}

impl Pace {
    /// How many of the next dispatches make a submit, and their work: one at least.
    pub fn cut(self, next: impl Iterator<Item = f64>) -> (usize, f64) {
        let (mut n, mut all) = (0, 0.0);
        for work in next.take(DISPATCHES) {
            if n > 0 && (all + work) * self.0 > BUDGET {
                break;
            }
            (n, all) = (n + 1, all + work);
        }
        (n, all)
    }

    /// Learns from a submit that took at least `low` and at most `high`.
    pub fn learn(&mut self, work: f64, low: Duration, high: Duration) {
        let [low, high] = [low, high].map(|d| d.as_secs_f64() / work.max(LEAST));
        if self.0 < low {
            self.0 = low;
        } else if self.0 > high {
            // One that was short says less than one that was long.
            self.0 = (self.0 + high) / 2.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the submits of `n` equal dispatches.
    fn sizes(pace: Pace, work: f64, n: usize) -> Vec<usize> {
        let mut sizes = vec![];
        while sizes.iter().sum::<usize>() < n {
            let left = n - sizes.iter().sum::<usize>();
            sizes.push(pace.cut(std::iter::repeat_n(work, left)).0);
        }
        sizes
    }

    #[test]
    fn submits_end_by_number_and_by_time() {
        assert_eq!(sizes(Pace::default(), LEAST, 600), [256, 256, 88]);
        assert_eq!(sizes(Pace::default(), 0.04, 5), [2, 2, 1]);
        // What takes longer than the budget goes alone.
        assert_eq!(sizes(Pace::default(), 3.0, 2), [1, 1]);
        // 100 GFLOP are ten seconds of a slow device.
        assert!(work(Cost { flops: 100_000_000_000, bytes: 0 }, 1) > 9.0);
        assert!(work(Cost { flops: 0, bytes: 10_000_000_000 }, 2) > 0.9);
    }

    #[test]
    fn a_fast_device_gets_more_and_a_slow_one_less() {
        let seconds = |s: f64| Duration::from_secs_f64(s);
        let mut pace = Pace::default();
        // What takes 0.04 seconds by estimate takes 4.
        pace.learn(0.04, seconds(4.0), seconds(5.0));
        assert_eq!(sizes(pace, 0.04, 2), [1, 1]);
        assert_eq!(sizes(pace, 0.000_4, 5), [2, 2, 1]);
        // Between the bounds nothing is learned.
        let before = pace.0;
        pace.learn(0.04, seconds(3.0), seconds(4.5));
        assert_eq!(pace.0, before);
        for _ in 0..20 {
            pace.learn(0.04, seconds(0.0), seconds(0.000_4));
        }
        let fast = sizes(pace, 0.04, 500);
        assert!((240..=250).contains(&fast[0]), "{fast:?}");
    }
}
