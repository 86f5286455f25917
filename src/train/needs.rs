//! What a training takes of memory, to the byte, and whether there is so much: found out before its
//! first step, for a GPU by what its driver leaves to this process, else by making buffers of that size and
//! freeing them again.

use super::optimizer::MOMENTS;
use super::update::EMA;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::files::memory::{self, size};
use crate::kernel::Class;
use crate::plan::Plan;

/// What the training step of a plan takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Needs {
    /// Parameters and running statistics.
    pub weights: u64,
    /// Their gradients.
    pub gradients: u64,
    /// The optimiser's moments and averaged weights.
    pub moments: u64,
    /// Activations, their gradients and workspace of kernels, in shared buffers.
    pub activations: u64,
    /// Samples and targets, as far as they lie on the device at once.
    pub data: u64,
    /// Everything else that has a name: sums, clock, constants.
    pub other: u64,
    /// The buffer through which the largest of these comes back.
    pub readback: u64,
    /// On the host, while a checkpoint is written: what it holds, as numbers and as a file.
    pub checkpoint: u64,
}

impl Needs {
    /// The needs of a plan of a training step, whose sets lie in `train.samples` and
    /// `train.targets`.
    pub fn of(plan: &Plan) -> Needs {
        let [weights, gradients, moments, activations] = memory_of(plan).map(|n| n as u64);
        let data = named(plan, |n| n == "train.samples" || n == "train.targets").sum::<usize>() as u64;
        let kept = |n: &str| n == "params" || n == EMA || MOMENTS.contains(&n);
        let readback = named(plan, kept).max().unwrap_or(0) as u64;
        let other = (plan.bytes() as u64).saturating_sub(weights + gradients + moments + activations + data);
        Needs { weights, gradients, moments, activations, data, other, readback, checkpoint: 2 * (weights + moments) }
    }

    /// What all buffers of a device take.
    pub fn buffers(&self) -> u64 {
        self.weights + self.gradients + self.moments + self.activations + self.data + self.other + self.readback
    }

    /// The parts with their names, in the order of a step.
    pub fn parts(&self) -> [(&'static str, u64); 8] {
        [
            ("weights", self.weights),
            ("gradients", self.gradients),
            ("moments", self.moments),
            ("activations and workspace", self.activations),
            ("data", self.data),
            ("other", self.other),
            ("readback", self.readback),
            ("checkpoint, on the host", self.checkpoint),
        ]
    }

    /// A table for people: a part and its size per line.
    pub fn table(&self) -> String {
        let row = |(name, bytes): (&str, u64)| format!("{name:<28}{:>12}", size(bytes));
        self.parts().map(row).join("\n")
    }

    /// Fails where a device, or the host, has less than this.
    pub fn check(&self, device: &Device) -> Result<()> {
        let (on_device, on_host) = match device {
            // The executor reads a data set where it lies, and nothing comes back.
            Device::Cpu => (0, self.buffers() - self.data - self.readback + self.checkpoint),
            Device::Gpu(gpu) => match gpu.adapter.class {
                Class::Cpu | Class::Integrated => (self.buffers(), self.buffers() + self.checkpoint),
                Class::Discrete => (self.buffers(), self.checkpoint),
            },
        };
        let free = memory::free();
        if free.is_some_and(|free| on_host > free) {
            let free = free.map_or_else(String::new, size);
            return Err(self.refused(&format!("{} of the host's memory, of which {free} are free", size(on_host))));
        }
        let Device::Gpu(gpu) = device else { return Ok(()) };
        let name = &gpu.adapter.name;
        match gpu.memory_left() {
            Some(left) => self.within(left, name),
            // Where the memory is the host's, it was looked at above.
            None if gpu.adapter.class == Class::Discrete && !gpu.has_room(on_device) => {
                Err(self.refused(&format!("{} of {name}'s memory, which does not have so much now", size(on_device))))
            }
            None => Ok(()),
        }
    }

    /// Fails where a driver leaves less of its device's memory to this process.
    fn within(&self, left: u64, device: &str) -> Result<()> {
        match self.buffers() <= left {
            true => Ok(()),
            false => Err(self.refused(&format!(
                "{} of {device}'s memory, of which the driver leaves {} to this process (VK_EXT_memory_budget)",
                size(self.buffers()),
                size(left)
            ))),
        }
    }

    fn refused(&self, what: &str) -> Error {
        let parts: Vec<String> =
            self.parts().iter().filter(|p| p.1 > 0).map(|(name, bytes)| format!("{name} {}", size(*bytes))).collect();
        Error::device(format!(
            "the training needs {what}: {}; take a smaller --batch-size (auto finds the largest that fits), --recompute \
             layers, --precision f16, or less data on the device (data.device_mb)",
            parts.join(", ")
        ))
    }
}

/// Bytes that a training plan takes: weights, gradients, optimiser, activations.
pub(super) fn memory_of(plan: &Plan) -> [usize; 4] {
    let state = |n: &str| n == "params" || n.ends_with("running_mean") || n.ends_with("running_var");
    [
        named(plan, state).sum(),
        named(plan, |n| n.starts_with("grads") || n.starts_with("accumulate.")).sum(),
        named(plan, |n| n == EMA || MOMENTS.contains(&n)).sum(),
        plan.transient_bytes(),
    ]
}

/// The sizes of the buffers whose names are picked.
fn named(plan: &Plan, pick: impl Fn(&str) -> bool) -> impl Iterator<Item = usize> {
    plan.buffers.iter().filter(move |b| b.name.as_deref().is_some_and(&pick)).map(|b| b.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: Needs = Needs {
        weights: 10,
        gradients: 10,
        moments: 20,
        activations: 1 << 20,
        data: 5,
        other: 3,
        readback: 10,
        checkpoint: 60,
    };

    #[test]
    fn what_fits_is_let_through_and_what_does_not_is_named() {
        NEEDS.check(&Device::Cpu).unwrap();
        assert_eq!(NEEDS.buffers(), (1 << 20) + 58);
        let large = Needs { activations: 1 << 60, ..NEEDS };
        if cfg!(target_os = "linux") {
            let said = large.check(&Device::Cpu).unwrap_err().to_string();
            for part in ["of the host's memory", "activations and workspace 1073741824.0 GiB", "--batch-size"] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
        assert_eq!(large.table().lines().count(), 8);
    }

    #[test]
    fn a_budget_of_the_driver_is_kept_to_the_byte() {
        let needs = NEEDS.buffers();
        NEEDS.within(needs, "adapter").unwrap();
        let said = NEEDS.within(needs - 1, "adapter").unwrap_err().to_string();
        for part in ["the training needs 1.0 MiB", "of adapter's memory", "the driver leaves", "--batch-size"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
