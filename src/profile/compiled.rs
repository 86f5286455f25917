//! Kernels as a driver's compiler makes them: its figures, and the instruction mix where its machine code is read.

use super::isa;
use crate::device::choice::{Listed, choose, is_cpu};
use crate::error::{Error, Result};
use crate::gpu::{Adapter, Compiler, Executable, Family, adapters};
use crate::kernel::{Kernel, assemble};
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
        let i = match choose(wanted, &listed)?.adapter {
            Some(i) => i,
            None if is_cpu(wanted) => {
                return Err(Error::device(
                    "the CPU executor compiles no kernels: name an adapter with --device, or a family with --family",
                ));
            }
            // There are software adapters alone, whose drivers have compilers, too.
            None if !found.is_empty() => 0,
            None => {
                return Err(Error::device(
                    "there is no Vulkan driver whose compiler could be asked; `wgrad devices` lists the adapters",
                ));
            }
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

/// A kernel that is to be compiled, and how often it is used.
#[derive(Debug)]
pub struct Planned<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The label of its first dispatch, `conv2d.forward @ conv1`; of a shader its number and entry point.
    pub label: String,
    /// How many dispatches, or cases of a shader, it has.
    pub count: usize,
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Bytes of workgroup memory that the shader declares.
    pub workgroup_bytes: u32,
}

/// Each kernel of a plan once, in the order of the plan, and for each of the plan's launches the number of
/// its kernel.
pub fn kernels_of(plan: &Plan) -> Result<(Vec<Planned<'_>>, Vec<usize>)> {
    let mut numbers: HashMap<(&str, String, String), usize> = HashMap::new();
    let (mut found, mut launches): (Vec<Planned>, Vec<usize>) = Default::default();
    for launch in plan.steps.iter().flat_map(|s| &s.launches) {
        let (kernel, entry) = (&launch.kernel, &launch.entry);
        let key = (kernel.entry, format!("{:?}", kernel.overrides), assemble(kernel)?);
        let number = *numbers.entry(key).or_insert(found.len());
        launches.push(number);
        if let Some(planned) = found.get_mut(number) {
            planned.count += 1;
            continue;
        }
        found.push(Planned {
            kernel,
            label: launch.label.clone(),
            count: 1,
            workgroup: entry.workgroup_size.iter().product(),
            workgroup_bytes: entry.workgroup_bytes,
        });
    }
    Ok((found, launches))
}
