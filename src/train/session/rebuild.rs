//! A session whose device has failed: everything of the dead device is dropped, and a new one
//! gets what the host holds.

use super::Session;
use super::state::State;
use crate::data::Dataset;
use crate::device::Device;
use crate::error::{Error, Fault, Kind, Result, caught};
use crate::train::LR_FACTOR;
use std::sync::Arc;
use std::time::Duration;

/// How often what follows a training is done anew on a device that fails meanwhile.
const MOST: usize = 3;

/// Pauses before a device is opened once more, while it does not open: a driver that resets it
/// takes some seconds.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// The device opened anew.
pub(in crate::train) fn opened(dead: &Device) -> Result<Device> {
    let mut device = dead.reopen();
    for pause in PAUSES {
        if device.is_ok() {
            break;
        }
        std::thread::sleep(pause);
        device = dead.reopen();
    }
    device
}

impl Session {
    /// What has made the device unreliable, if that is why an error came about. On a device
    /// that is lost, any error may be a consequence.
    pub(in crate::train) fn fault(&self, why: &Error) -> Option<Fault> {
        if !self.can_be_lost() {
            return None;
        }
        match (why.fault_of_device(), why.kind()) {
            (Some(fault), _) => Some(fault),
            (None, Kind::Interrupted) => None,
            (None, _) => self.device.check().err().and_then(|e| e.fault_of_device()),
        }
    }

    /// Whether its device can be lost and opened anew: one rank of several cannot go back alone.
    pub(in crate::train) fn can_be_lost(&self) -> bool {
        !matches!(self.device, Device::Cpu) && !self.is_ranked()
    }

    /// Drops everything that is on the device. The weights are those of `state` from here on,
    /// in host memory.
    pub(in crate::train) fn close(&mut self, state: &State, fault: Fault) {
        let weights = self.weights_of(state, "params");
        if fault == Fault::Unresponsive {
            self.device.abandon();
        }
        (self.train, self.held, self.plan) = (None, None, None);
        self.answerers.clear();
        // An empty one on the same device: whatever is asked of it fails with what has happened.
        let dead = std::mem::replace(&mut self.executor, self.device.executor());
        // A driver that has failed may fail in this as well.
        caught(move || drop(dead));
        for (name, value) in weights.iter() {
            self.weights.set(name, (**value).clone());
        }
    }

    /// Loads the training anew on another device, after [`Session::close`]. Its state is that
    /// of a training that begins.
    pub(in crate::train) fn rebuild(&mut self, device: Device, train: &Dataset) -> Result<()> {
        self.executor = device.executor();
        self.at_once = device.steps_at_once();
        self.device = device;
        let s = self.prepared.clone().expect("training was prepared");
        self.prepare_training(train, &s)
    }

    /// Whether the host may change the learning rate on the way.
    pub(in crate::train) fn takes_lr_factor(&self) -> bool {
        self.executor.holds(LR_FACTOR)
    }

    /// Notes the state with which training has ended, for [`Session::surviving`].
    pub(in crate::train) fn ends(&mut self, state: Option<Arc<State>>) {
        self.ended = state;
    }

    /// Does something with the weights of a training that has ended, which changes none; once
    /// more, where the device fails meanwhile, after it was opened anew. `lost` is told.
    pub fn surviving<T>(
        &mut self,
        train: &Dataset,
        lost: &mut dyn FnMut(&Error) -> Result<()>,
        mut run: impl FnMut(&mut Session) -> Result<T>,
    ) -> Result<T> {
        let mut done = run(self);
        for _ in 0..MOST {
            let (Err(why), Some(state)) = (&done, self.ended.clone()) else { break };
            let Some(fault) = self.fault(why) else { break };
            lost(why)?;
            self.close(&state, fault);
            done = opened(&self.device).and_then(|device| {
                self.rebuild(device, train)?;
                state.iter().try_for_each(|(name, value)| self.executor.write(name, value))?;
                run(self)
            });
        }
        self.ended = None;
        done
    }
}
