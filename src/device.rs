//! Which device does the work, chosen by the user or by us.

pub(crate) mod choice;

use self::choice::{Choice, Listed};
use crate::cpu::Cpu;
use crate::error::Result;
pub use crate::gpu::Gpu;
use crate::gpu::{Adapter, Checks, GpuExecutor, adapters};
use crate::graph::{Graph, TensorId};
use crate::kernel::Class;
use crate::plan::{Choices, Executor, Options, Plan, Target};
use crate::ranks::launch;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Once};
use std::time::Duration;

/// The CPU executor or an opened GPU. Clones share the opened GPU, its compiled
/// pipelines and its choice of variants: a second session on a device opens and compiles
/// nothing again.
#[derive(Clone)]
pub enum Device {
    /// The CPU executor, in f32 on all threads.
    Cpu,
    /// A GPU.
    Gpu(Arc<Gpu>),
}

/// What a device is, for people and for `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// `NVIDIA H200`, `llvmpipe (..)`, `CPU`.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, or `cpu` for the CPU executor.
    pub backend: String,
    /// `discrete`, `integrated`, `software` or `cpu`.
    pub kind: String,
    /// The driver and its version; the number of threads for the CPU.
    pub driver: String,
}

impl DeviceInfo {
    /// In a line: `device: NVIDIA H200 (vulkan, discrete)`.
    pub fn line(&self) -> String {
        format!("device: {} ({}, {})", self.name, self.backend, self.kind)
    }
}

impl Device {
    /// Opens a device: `cpu`; the number of an adapter as `wgrad devices`
    /// counts; an adapter's name or part of it, such as `4090`; or `auto`, as which
    /// an empty name counts: a discrete GPU, else an integrated one, else the CPU
    /// executor. A software adapter is slower than the CPU executor, so it is taken
    /// only by name or number. Where a name fits several adapters, the first is
    /// taken, and that is said on stderr. Of several ranks on a machine (`ranks::launch`) each
    /// takes the next adapter of the kind that `auto` means.
    ///
    /// Fails when there is no such device, or it cannot be opened.
    pub fn open(wanted: &str) -> Result<Device> {
        Device::open_with(wanted, false)
    }

    /// [`Device::open`]; `half`: a GPU is opened as [`Gpu::open_with`] says.
    pub fn open_with(wanted: &str, half: bool) -> Result<Device> {
        // The CPU needs no driver that is asked for its adapters.
        if choice::is_cpu(wanted) {
            return Ok(Device::Cpu);
        }
        let found = adapters();
        let listed: Vec<Listed> = found.iter().map(|a| Listed { name: &a.name, class: a.class }).collect();
        let Choice { adapter, others } = choice::choose(wanted, &listed)?;
        if !others.is_empty() {
            // Trials and folds open their device again.
            static SAID: Once = Once::new();
            SAID.call_once(|| eprintln!("note: {}", choice::said(wanted, &listed, adapter, &others)));
        }
        let adapter = adapter.map(|i| choice::of_rank(wanted, &listed, i, launch::local_rank()));
        adapter.map_or(Ok(Device::Cpu), |i| Device::gpu(&found[i], half))
    }

    fn gpu(adapter: &Adapter, half: bool) -> Result<Device> {
        let gpu = Gpu::open_with(adapter, Checks::Off, half)?;
        static SAID: Once = Once::new();
        if let [first, others @ ..] = gpu.caps.refused.all() {
            let file = adapter.refused_file().map_or_else(String::new, |f| f.display().to_string());
            let variant = if first.variant.is_empty() { String::new() } else { format!(" [{}]", first.variant) };
            let more = if others.is_empty() { String::new() } else { format!(" and {} more kernels", others.len()) };
            SAID.call_once(|| {
                eprintln!(
                    "warning: {} computes {}{variant}{more} wrongly, which is not used there ({}); `wgrad doctor` examines it \
                     anew, after an update of the driver for example; {file} has the list",
                    adapter.name, first.op, first.why
                );
            });
        }
        Ok(Device::Gpu(Arc::new(gpu)))
    }

    /// What it is.
    pub fn info(&self) -> DeviceInfo {
        match self {
            Device::Cpu => cpu_info(),
            Device::Gpu(gpu) => adapter_info(&gpu.adapter),
        }
    }

    /// The error that the device has reported since it was opened, if any: a lost one
    /// has to be opened again ([`Device::reopen`]).
    pub fn check(&self) -> Result<()> {
        match self {
            Device::Cpu => Ok(()),
            Device::Gpu(gpu) => gpu.probe(),
        }
    }

    /// The device itself, or what was opened in its place once it had failed.
    pub fn current(&self) -> Device {
        match self {
            Device::Cpu => Device::Cpu,
            Device::Gpu(gpu) => Device::Gpu(gpu.successor().unwrap_or_else(|| gpu.clone())),
        }
    }

    /// Opens the same adapter once more, with the same capabilities and choices, so that plans
    /// for it are the same: see [`Gpu::reopen`]. Clones of this device find it by
    /// [`Device::current`].
    ///
    /// Fails when the adapter is gone or does not open.
    pub fn reopen(&self) -> Result<Device> {
        match self {
            Device::Cpu => Ok(Device::Cpu),
            Device::Gpu(gpu) => gpu.reopen().map(Device::Gpu),
        }
    }

    /// Lets go of a device that does not answer. To free what is on it would mean to wait for
    /// it, so that stays until the program ends.
    pub(crate) fn abandon(&self) {
        std::mem::forget(self.clone());
    }

    /// How long a submit may take before the device counts as one that does not answer.
    pub fn set_patience(&self, patience: Duration) {
        if let Device::Gpu(gpu) = self {
            gpu.set_patience(patience);
        }
    }

    /// What plans for it must fit.
    pub fn target(&self) -> Target {
        match self {
            Device::Cpu => Target::Cpu,
            Device::Gpu(gpu) => Target::Gpu(gpu.caps.clone()),
        }
    }

    /// The variants that were chosen for it.
    pub fn choices(&self) -> Choices {
        match self {
            Device::Cpu => Choices::default(),
            Device::Gpu(gpu) => gpu.choices(),
        }
    }

    /// A plan for it, with the variants that were chosen for it.
    pub fn plan(&self, graph: &Graph, fetch: &[TensorId]) -> Result<Plan> {
        self.plan_with(graph, fetch, &Options::default())
    }

    /// [`Device::plan`] with what it may do to the graph.
    pub fn plan_with(&self, graph: &Graph, fetch: &[TensorId], options: &Options) -> Result<Plan> {
        Plan::with(graph, fetch, self.target(), &Options { choices: self.choices(), ..options.clone() })
    }

    /// A fresh executor.
    pub fn executor(&self) -> Box<dyn Executor> {
        match self {
            Device::Cpu => Box::new(Cpu::<f32>::new()),
            Device::Gpu(gpu) => Box::new(GpuExecutor::new(gpu.clone())),
        }
    }

    /// Steps to hand over at once: one where the host computes them itself,
    /// several where a GPU must be kept busy.
    pub fn steps_at_once(&self) -> usize {
        match self {
            Device::Gpu(gpu) if gpu.adapter.class != Class::Cpu => 8,
            _ => 1,
        }
    }
}

/// Every device there is: the adapters in order, then the CPU executor.
pub fn list() -> Vec<DeviceInfo> {
    adapters().iter().map(adapter_info).chain([cpu_info()]).collect()
}

fn adapter_info(adapter: &Adapter) -> DeviceInfo {
    let kind = match adapter.class {
        Class::Discrete => "discrete",
        Class::Integrated => "integrated",
        Class::Cpu => "software",
    };
    let (name, backend) = (adapter.name.clone(), adapter.backend.clone());
    DeviceInfo { name, backend, kind: kind.into(), driver: adapter.driver.clone() }
}

fn cpu_info() -> DeviceInfo {
    let driver = format!("{} threads", rayon::current_num_threads());
    DeviceInfo { name: "CPU".into(), backend: "cpu".into(), kind: "cpu".into(), driver }
}
