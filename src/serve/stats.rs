//! What a model has done since it is served: counts and times, as Triton counts them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often something was done, and how long it took in all.
#[derive(Debug, Default)]
pub struct Timer {
    count: AtomicU64,
    ns: AtomicU64,
}

impl Timer {
    /// Counts something that took so long.
    pub fn add(&self, took: Duration) {
        self.count.fetch_add(1, Relaxed);
        self.ns.fetch_add(took.as_nanos() as u64, Relaxed);
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// How long, in nanoseconds.
    pub fn ns(&self) -> u64 {
        self.ns.load(Relaxed)
    }
}

/// What was done for batches of one size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Batches {
    /// How many.
    pub count: u64,
    /// Nanoseconds on the device, in all.
    pub ns: u64,
}

/// What a version of a model has done.
#[derive(Debug, Default)]
pub struct Stats {
    /// Requests that were answered, from the first byte of the body to the answer.
    pub success: Timer,
    /// Requests that were not, whose fault it was aside.
    pub failure: Timer,
    /// Requests that were turned away because the queue was full.
    pub rejected: AtomicU64,
    /// Waiting for the device.
    pub queue: Timer,
    /// Making samples of what was asked.
    pub input: Timer,
    /// On the device.
    pub infer: Timer,
    /// Making an answer of the numbers.
    pub output: Timer,
    /// Samples.
    pub inferences: AtomicU64,
    /// Runs of the device.
    pub executions: AtomicU64,
    /// Requests that are being answered.
    pub open: AtomicUsize,
    /// How often newer weights were taken.
    pub reloads: AtomicU64,
    /// How often newer weights could not be taken.
    pub failed_reloads: AtomicU64,
    /// The time of the latest inference, in milliseconds since 1970.
    pub last: AtomicU64,
    batches: Mutex<BTreeMap<usize, Batches>>,
}

impl Stats {
    /// Counts a run of the device.
    pub fn ran(&self, samples: usize, took: Duration) {
        self.inferences.fetch_add(samples as u64, Relaxed);
        self.executions.fetch_add(1, Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_millis() as u64);
        self.last.store(now, Relaxed);
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let of_size = batches.entry(samples).or_default();
        of_size.count += 1;
        of_size.ns += took.as_nanos() as u64;
    }

    /// Batches by their size.
    pub fn batches(&self) -> BTreeMap<usize, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts a request as open until it is dropped.
pub struct Open(Arc<Stats>);

impl Open {
    /// Counts one.
    pub fn new(stats: &Arc<Stats>) -> Open {
        stats.open.fetch_add(1, Relaxed);
        Open(stats.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}
