//! Kernels as a driver's compiler makes them: its figures, and the instruction mix where its machine code is read.

use super::isa;
use crate::device::choice::{Listed, choose};
use crate::error::{Error, Result};
use crate::gpu::{Adapter, Compiler, Executable, Family, adapters};
use crate::kernel::{Class, Kernel, assemble};
use crate::plan::{Plan, Target};
use rayon::prelude::*;
use std::collections::HashMap;

/// An adapter whose driver is asked what it compiles.
pub struct Offline {
    adapter: Adapter,
    compiler: Compiler,
}

/// A kernel as the driver has compiled it.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// What the driver tells.
    pub executable: Executable,
    /// Its instruction mix; `None` for machine code other than AMD's.
    pub code: Option<isa::Code>,
}

impl Offline {
    /// The driver of a device, by its number or part of its name; `auto` takes the first GPU, else the first adapter.
    ///
    /// Fails where there is no such adapter, or its driver tells nothing.
    pub fn of_device(wanted: &str) -> Result<Offline> {
        let found = adapters();
        let listed: Vec<Listed> = found.iter().map(|a| Listed { name: &a.name, class: a.class }).collect();
        let is_auto = wanted.trim().is_empty() || wanted.trim() == "auto";
        let gpu = (0..found.len()).min_by_key(|&i| match found[i].class {
            Class::Discrete => 0,
            Class::Integrated => 1,
            Class::Cpu => 2,
        });
        let chosen = if is_auto { gpu } else { choose(wanted, &listed)?.adapter };
        let Some(i) = chosen else {
            return Err(Error::device(match is_auto {
                true => "there is no Vulkan driver whose compiler could be asked; `wgrad devices` lists the adapters",
                false => {
                    "the CPU executor compiles no kernels: name an adapter with --device, or a family with --family"
                }
            }));
        };
        Offline::of(found[i].clone())
    }

    /// RADV's null device of a family; the process must run in its environment ([`Family::is_forced`]).
    pub fn of_family(family: &Family) -> Result<Offline> {
        Offline::of(family.null_device()?)
    }

    fn of(adapter: Adapter) -> Result<Offline> {
        let compiler = Compiler::open(&adapter)?;
        Ok(Offline { adapter, compiler })
    }

    /// The driver's name of the device, and the driver.
    pub fn names(&self) -> [&str; 2] {
        [&self.adapter.name, &self.adapter.driver]
    }

    /// What plans for it must fit.
    pub fn target(&self) -> Target {
        Target::Gpu(self.adapter.caps())
    }

    /// Compiles kernels, on all threads.
    pub fn compile(&self, kernels: &[&Kernel]) -> Result<Vec<Compiled>> {
        let one = |kernel: &&Kernel| {
            let executable = self.compiler.compile(kernel)?;
            let code = executable.assembly().and_then(isa::read);
            Ok(Compiled { executable, code })
        };
        kernels.par_iter().map(one).collect()
    }
}

impl Compiled {
    /// The share of multiply-adds among the vector instructions of the hottest loop.
    pub fn fma_share(&self) -> Option<f64> {
        self.code?.hot.map(|hot| hot.share())
    }
}

/// A kernel of a plan, and where it is dispatched.
#[derive(Debug)]
pub struct Planned<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The label of its first dispatch: `conv2d.forward @ conv1`.
    pub label: &'a str,
    /// How many dispatches it has.
    pub count: usize,
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Bytes of workgroup memory that the shader declares.
    pub workgroup_bytes: u32,
}

/// Each kernel of a plan once, in the order of the plan.
pub fn kernels_of(plan: &Plan) -> Result<Vec<Planned<'_>>> {
    let mut numbers: HashMap<(&str, String, String), usize> = HashMap::new();
    let mut found: Vec<Planned> = vec![];
    for launch in plan.steps.iter().flat_map(|s| &s.launches) {
        let (kernel, entry) = (&launch.kernel, &launch.entry);
        let key = (kernel.entry, format!("{:?}", kernel.overrides), assemble(kernel)?);
        let number = *numbers.entry(key).or_insert(found.len());
        if let Some(planned) = found.get_mut(number) {
            planned.count += 1;
            continue;
        }
        found.push(Planned {
            kernel,
            label: &launch.label,
            count: 1,
            workgroup: entry.workgroup_size.iter().product(),
            workgroup_bytes: entry.workgroup_bytes,
        });
    }
    Ok(found)
}
