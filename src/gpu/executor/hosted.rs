//! Steps that the CPU computes between two submits, because the device computes their op
//! wrongly: what they read comes back, and what they make goes there. Slow, and right.

use super::GpuExecutor;
use crate::error::Result;
use crate::graph::{Io, Node, View, ViewMut};
use crate::plan::{Place, Plan, Program, packed};
use crate::tensor::{DType, Data, HostTensor, parallel};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// A step with the buffers that it touches.
struct Hosted {
    node: Node,
    inputs: Vec<(wgpu::Buffer, Place)>,
    /// Tensors that are changed in place, then those that are made.
    written: Vec<(wgpu::Buffer, Place)>,
    updates: usize,
}

/// Floats or integers of a tensor.
fn parts(value: HostTensor) -> (Vec<f32>, Vec<u32>) {
    match value.data {
        Data::F32(v) => (v, vec![]),
        Data::U32(v) => (vec![], v),
    }
}

/// What was said of ops that the CPU computes: each is said once.
static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Says which ops of a plan the CPU computes.
pub(super) fn say(plan: &Plan, adapter: &str) {
    for step in plan.on_host() {
        let op = plan.graph.nodes()[plan.steps[step].node].op.name();
        if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(format!("{op} on {adapter}")) {
            eprintln!(
                "warning: {adapter} computes {op} wrongly in every way that there is, so the CPU does it between two submits: \
                 slow, and right (wgrad doctor; docs/doctor.md)"
            );
        }
    }
}

impl GpuExecutor {
    /// Runs a program that has such steps once.
    pub(super) fn run_with_host(&mut self, program: &Program, hosted: &[usize]) -> Result<()> {
        let (steps, commands) = {
            let content = self.store.lock();
            let loaded = content.program(program)?;
            (loaded.steps.clone(), loaded.commands.len())
        };
        let mut first = 0;
        for &step in hosted {
            self.hand_over(program, first..steps[step].start)?;
            self.run_on_host(program, step)?;
            first = steps[step].start;
        }
        self.hand_over(program, first..commands)
    }

    /// Computes one step on the CPU, after all that was handed over.
    pub(super) fn run_on_host(&mut self, program: &Program, step: usize) -> Result<()> {
        let hosted = self.hosted(program, step)?;
        let read = |e: &mut GpuExecutor, (buffer, place): &(wgpu::Buffer, Place)| {
            e.read_now(buffer, (place.offset * place.spec.dtype.bytes()) as u64, &place.spec).map(parts)
        };
        let inputs = hosted.inputs.iter().map(|at| read(self, at)).collect::<Result<Vec<_>>>()?;
        let mut written = vec![];
        for (i, at) in hosted.written.iter().enumerate() {
            written.push(match (i < hosted.updates, at.1.spec.dtype) {
                (true, _) => read(self, at)?,
                (false, DType::U32) => (vec![], vec![0; at.1.spec.elements()]),
                (false, _) => (vec![0.0; at.1.spec.elements()], vec![]),
            });
        }
        let views = inputs.iter().zip(&hosted.inputs);
        let inputs = views.map(|((real, index), (_, place))| View { real, index, spec: &place.spec }).collect();
        let views = written.iter_mut().zip(&hosted.written);
        let mut updates: Vec<ViewMut<f32>> =
            views.map(|((real, index), (_, place))| ViewMut { real, index, spec: &place.spec }).collect();
        let outputs = updates.split_off(hosted.updates);
        let mut io = Io { inputs, updates, outputs };
        parallel::on_pool(|| hosted.node.op.compute_f32(&mut io));
        drop(io);
        for ((real, index), (buffer, place)) in written.into_iter().zip(&hosted.written) {
            let shape = place.spec.shape.clone();
            let value = if real.is_empty() { HostTensor::u32(shape, index) } else { HostTensor::f32(shape, real) };
            let at = (place.offset * place.spec.dtype.bytes()) as u64;
            self.gpu.queue.write_buffer(buffer, at, &packed(place.spec.dtype, &value));
        }
        Ok(())
    }

    fn hosted(&self, program: &Program, step: usize) -> Result<Hosted> {
        let content = self.store.lock();
        let loaded = content.program(program)?;
        let s = &loaded.plan.steps[step];
        let at = |place: &Place| (loaded.buffers[place.buffer].clone(), place.clone());
        Ok(Hosted {
            node: loaded.plan.graph.nodes()[s.node].clone(),
            inputs: s.inputs.iter().map(at).collect(),
            written: s.updates.iter().chain(&s.outputs).map(at).collect(),
            updates: s.updates.len(),
        })
    }
}
