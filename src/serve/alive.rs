//! Whether the device of a model still works. The model's thread notices where it does not, and requests are
//! turned away until the model was loaded anew.

use super::problem::{Answered, Problem};
use crate::device::Device;
use crate::error::{Error, Fault, Result, caught};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What clients are told meanwhile.
const MEANWHILE: &str = "the device has failed and is opened anew; try again in a moment";

/// The device of a model, as its thread and those who ask the model know it.
#[derive(Clone)]
pub struct Alive {
    device: Device,
    failed: Arc<AtomicBool>,
}

impl Alive {
    /// On a device that works.
    pub fn on(device: Device) -> Alive {
        Alive { device, failed: Arc::default() }
    }

    /// Fails when a request has found that the device does not work any more.
    pub fn check(&self) -> Answered<()> {
        if self.failed.load(Relaxed) { Err(Problem::busy(MEANWHILE)) } else { Ok(()) }
    }

    /// Whether a request has found that.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// Whether the device has failed, whoever noticed.
    pub fn is_lost(&self) -> bool {
        self.has_failed() || self.device.check().is_err()
    }

    /// Runs the model; a panic is a mistake of ours, and the next request is answered all the same.
    pub fn run<T>(&self, model: impl FnOnce() -> Result<T>) -> Answered<T> {
        let failed = || Err(Error::device("the model failed; this is a bug, please report it"));
        caught(model).unwrap_or_else(failed).map_err(|e| self.problem(&e))
    }

    /// What a client is told of an error of the model; the device may be why.
    fn problem(&self, e: &Error) -> Problem {
        let told = || self.device.check().err().and_then(|e| e.fault_of_device());
        let Some(fault) = e.fault_of_device().or_else(told) else { return Problem::internal(e.to_string()) };
        if !self.failed.swap(true, Relaxed) && fault == Fault::Unresponsive {
            // To free what is on it would mean to wait for it.
            self.device.abandon();
        }
        Problem::busy(format!("{MEANWHILE}: {e}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_turns_requests_away_and_a_mistake_does_not() {
        let alive = Alive::on(Device::Cpu);
        assert_eq!(alive.problem(&Error::device("too small")).status, 500);
        assert!(alive.check().is_ok() && !alive.is_lost());
        let told = alive.problem(&Error::fault(Fault::OutOfMemory, "x is full"));
        assert_eq!(told.status, 503);
        assert!(told.message.contains("x is full"), "{}", told.message);
        assert!(alive.clone().check().is_err() && alive.is_lost());
    }
}
