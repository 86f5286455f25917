//! The cases of ops on a GPU beside the judge, with everything that a faulty kernel may do:
//! transient buffers are poisoned, what lies behind the end of each is guarded, and a second
//! run gives the same bits.

use super::guards;
use crate::cpu::Cpu;
use crate::error::Result;
use crate::gpu::{Gpu, GpuExecutor};
use crate::graph::tolerance::{compare, relative};
use crate::graph::{Built, Case, TensorId};
use crate::plan::{Buffer, Executor, Options, Plan, Program, Target};
use crate::tensor::{DType, Data, HostTensor, Spec};
use std::sync::Arc;

/// What the judge says of a tensor.
pub enum Values {
    /// Of floats.
    Real(Vec<f64>),
    /// Of integers.
    Index(Vec<u32>),
}

/// The judge's values of everything a case looks at.
///
/// Fails when the case cannot be planned.
pub fn judge(built: &Built) -> Result<Vec<Values>> {
    let mut cpu = Cpu::<f64>::new();
    let fetches = built.fetches();
    // The judge runs every op for itself.
    let apart = Options { fuse: false, ..Options::default() };
    let program = cpu.load(Plan::with(&built.graph, &fetches, Target::Cpu, &apart)?)?;
    cpu.poison(&program);
    cpu.run(&program, 1)?;
    let value = |&t| -> Result<Values> {
        Ok(match built.graph.spec(t).dtype {
            DType::F32 | DType::F16 => Values::Real(cpu.values(&program, t)?),
            DType::U32 => Values::Index(cpu.fetch(&program, t)?.as_u32().to_vec()),
        })
    };
    fetches.iter().map(value).collect()
}

/// Compares what a device found with what the judge says, within the case's tolerance.
///
/// Fails with the first tensor that differs.
pub fn check(case: &Case, built: &Built, found: &[HostTensor], judged: &[Values]) -> Result<(), String> {
    for (((name, _), found), judge) in built.looked_at().iter().zip(found).zip(judged) {
        match (&found.data, judge) {
            (Data::F32(f), Values::Real(j)) => compare(name, f, j, relative(case))?,
            (Data::U32(f), Values::Index(j)) if f == j => {}
            (Data::U32(f), Values::Index(j)) => {
                let at = f.iter().zip(j).position(|(a, b)| a != b).unwrap_or(0);
                return Err(format!("{name}[{at}]: found {}, judge {}", f[at], j[at]));
            }
            _ => return Err(format!("{name}: element types differ")),
        }
    }
    Ok(())
}

/// Fetches tensors after a run.
pub fn fetch_all(e: &mut dyn Executor, program: &Program, ids: &[TensorId]) -> Result<Vec<HostTensor>> {
    ids.iter().map(|&t| e.fetch(program, t)).collect()
}

/// What a plan computes, which has to be the same bits each time, with nothing written
/// out of bounds.
///
/// Fails with what is wrong: a guard was written, the bits differ, the device refuses.
pub fn run_twice(built: &Built, gpu: &Arc<Gpu>, plan: Plan) -> Result<Vec<HostTensor>, String> {
    run_guarded(built, gpu, plan).unwrap_or_else(|e| Err(e.to_string()))
}

fn run_guarded(built: &Built, gpu: &Arc<Gpu>, mut plan: Plan) -> Result<Result<Vec<HostTensor>, String>> {
    let mut e = GpuExecutor::new(gpu.clone());
    let guards = guards::guard(&mut plan);
    let initial = initial_state(&plan);
    let program = e.load(plan)?;
    let mut runs = vec![];
    for _ in 0..2 {
        // Ops that update state would otherwise take a second step.
        for (name, value) in &initial {
            e.write(name, value)?;
        }
        e.poison(&program);
        e.run(&program, 1)?;
        runs.push(fetch_all(&mut e, &program, &built.fetches())?);
        if let Err(why) = guards.check(&mut e, &program) {
            return Ok(Err(why));
        }
    }
    if runs[0].iter().zip(&runs[1]).any(|(a, b)| a.bytes() != b.bytes()) {
        return Ok(Err("two runs gave different bits".into()));
    }
    Ok(Ok(runs.swap_remove(0)))
}

/// What each persistent buffer of a guarded plan holds before the first step.
fn initial_state(plan: &Plan) -> Vec<(String, HostTensor)> {
    let content = |b: &Buffer| {
        let spec = Spec { shape: [b.elements].into(), dtype: b.dtype };
        let mut all = HostTensor::zeros(&spec);
        b.init.each(&mut |first, part| match (&mut all.data, &part.data) {
            (Data::F32(all), Data::F32(part)) => all[first..first + part.len()].copy_from_slice(part),
            (Data::U32(all), Data::U32(part)) => all[first..first + part.len()].copy_from_slice(part),
            _ => panic!("a buffer of {spec} begins with elements of another type"),
        });
        guards::arm(&mut all);
        all
    };
    plan.buffers.iter().filter_map(|b| Some((b.name.clone()?, content(b)))).collect()
}
