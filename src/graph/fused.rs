//! An op with elementwise work behind it: what a plan makes of several nodes so
//! that what lies between them never goes to memory.
//!
//! On a GPU the host stores through the tail's `put`. On the CPU an elementwise
//! host and its tail run stretch by stretch in a core's cache; behind any other
//! host the tail runs over stretches of what the host has made, which gains
//! nothing, so that plans for the CPU do not ask for it.

use super::context::{Backward, Cost, Infer, Lower};
use super::graph::{Graph, Op};
use super::pointwise::Stretch;
use super::reference::{Compute, Io, View, ViewMut};
use super::tail::{Arg, Tail, Walk};
use super::tensor::TensorId;
use crate::error::{Error, Result};
use crate::kernel::{Lowered, Variant};
use crate::tensor::{DType, Real, Spec};
use rayon::prelude::*;
use std::sync::Arc;

/// Elements that are taken through a tail at once: a few operands of them fit
/// into a core's first cache.
const STRETCH: usize = 2 * 1024;

/// Stretches per task.
const STRETCHES: usize = 4;

/// A host and its tail.
#[derive(Debug, Clone)]
pub(crate) struct Fused {
    pub host: Arc<dyn Op>,
    pub tail: Tail,
    /// The host's own inputs come first, those of the tail behind them.
    pub host_inputs: usize,
    /// What the host would write alone.
    pub host_outputs: Vec<Spec>,
}

/// A float type that ops compute in.
trait Float: Real {
    fn compute(op: &dyn Op, io: &mut Io<Self>);
    fn stretch(op: &dyn Op, at: &Stretch<Self>, y: &mut [Self]);
}

impl Float for f32 {
    fn compute(op: &dyn Op, io: &mut Io<f32>) {
        op.compute_f32(io);
    }
    fn stretch(op: &dyn Op, at: &Stretch<f32>, y: &mut [f32]) {
        op.pointwise().expect("it is one").stretch_f32(at, y);
    }
}

impl Float for f64 {
    fn compute(op: &dyn Op, io: &mut Io<f64>) {
        op.compute_f64(io);
    }
    fn stretch(op: &dyn Op, at: &Stretch<f64>, y: &mut [f64]) {
        op.pointwise().expect("it is one").stretch_f64(at, y);
    }
}

/// An operand of a step on the CPU.
enum Operand<'a, T> {
    /// A value made before in the same stretch.
    Value(usize),
    Float(&'a [T], Walk),
    Table(&'a [u32]),
}

/// A tensor as an operand of an op with this output.
fn operand<'a, T: Real>(x: &View<'a, T>, to: &Spec) -> Operand<'a, T> {
    match x.spec.dtype {
        DType::U32 => Operand::Table(x.index),
        DType::F32 | DType::F16 => Operand::Float(x.real, Walk::new(&x.spec.shape, &to.shape)),
    }
}

/// An elementwise op with operands; its value has the step's number.
struct Work<'a, T> {
    /// `None`: the value is what the host has made.
    op: Option<&'a dyn Op>,
    operands: Vec<Operand<'a, T>>,
}

impl Fused {
    /// The host's outputs, and what the tail writes besides.
    fn split<'b, T: Real>(&self, io: &'b mut Io<'_, T>) -> (Vec<ViewMut<'b, T>>, Vec<ViewMut<'b, T>>) {
        let mut all: Vec<ViewMut<'b, T>> = io.outputs.iter_mut().map(reborrow).collect();
        let extra = all.split_off(self.host_outputs.len());
        (all, extra)
    }

    fn run<T: Float>(&self, io: &mut Io<T>) {
        let inputs = io.inputs.clone();
        let elementwise = self.host.pointwise().is_some();
        if !elementwise {
            let mut updates = std::mem::take(&mut io.updates);
            let (mut outputs, _) = self.split(io);
            outputs.iter_mut().zip(&self.host_outputs).for_each(|(y, spec)| y.spec = spec);
            let updates = updates.iter_mut().map(reborrow).collect();
            T::compute(&*self.host, &mut Io { inputs: inputs[..self.host_inputs].to_vec(), updates, outputs });
        }
        let mut work: Vec<Work<T>> = vec![];
        work.push(match elementwise {
            true => Work {
                op: Some(&*self.host),
                operands: inputs[..self.host_inputs].iter().map(|x| operand(x, &self.host_outputs[0])).collect(),
            },
            false => Work { op: None, operands: vec![] },
        });
        for stage in &self.tail.stages {
            let operands = stage.args.iter().map(|arg| match *arg {
                Arg::Head => Operand::Value(0),
                Arg::Stage(i) => Operand::Value(i + 1),
                Arg::Input(i) => operand(&inputs[self.host_inputs + i], &stage.spec),
            });
            work.push(Work { op: Some(&*stage.op), operands: operands.collect() });
        }
        let written: Vec<usize> =
            self.tail.outputs.iter().map(|o| if let Arg::Stage(i) = o { i + 1 } else { 0 }).collect();
        let (mut first, extra) = self.split(io);
        let outputs = vec![first.swap_remove(0)].into_iter().chain(extra).map(|y| y.real).collect();
        by_stretches(&work, &written, outputs);
    }
}

fn reborrow<'b, T>(y: &'b mut ViewMut<'_, T>) -> ViewMut<'b, T> {
    ViewMut { real: &mut *y.real, index: &mut *y.index, spec: y.spec }
}

/// Computes all values, stretch by stretch, and keeps those numbered `written`
/// in the outputs. Where the first value is the host's it lies in output 0.
fn by_stretches<T: Float>(work: &[Work<T>], written: &[usize], outputs: Vec<&mut [T]>) {
    let n = outputs[0].len();
    let task = STRETCH * STRETCHES;
    let mut tasks: Vec<(usize, Vec<&mut [T]>)> = (0..n.div_ceil(task)).map(|i| (i * task, vec![])).collect();
    for y in outputs {
        y.chunks_mut(task).zip(&mut tasks).for_each(|(chunk, (_, all))| all.push(chunk));
    }
    let scratch = || vec![T::ZERO; STRETCH * (work.len() + 3)];
    let run = |scratch: &mut Vec<T>, (start, mut outputs): (usize, Vec<&mut [T]>)| {
        for from in (0..outputs[0].len()).step_by(STRETCH) {
            let to = (from + STRETCH).min(outputs[0].len());
            let outputs: Vec<&mut [T]> = outputs.iter_mut().map(|y| &mut y[from..to]).collect();
            stretch(work, written, start + from, outputs, scratch);
        }
    };
    if n <= task {
        tasks.into_iter().for_each(|t| run(&mut scratch(), t));
    } else {
        tasks.into_par_iter().for_each_init(scratch, run);
    }
}

fn stretch<T: Float>(work: &[Work<T>], written: &[usize], start: usize, outputs: Vec<&mut [T]>, scratch: &mut [T]) {
    let n = outputs[0].len();
    let mut rooms = scratch.chunks_mut(STRETCH);
    let mut room = || &mut rooms.next().expect("a room per value, and three for operands")[..n];
    let mut values: Vec<Option<&mut [T]>> = work.iter().map(|_| None).collect();
    for (&value, y) in written.iter().zip(outputs) {
        // The host's value gives way to the one that takes its place.
        if work[0].op.is_none() && values[0].is_none() && value != 0 {
            let head = room();
            head.copy_from_slice(y);
            values[0] = Some(head);
        }
        values[value] = Some(y);
    }
    for value in &mut values {
        value.get_or_insert_with(&mut room);
    }
    let mut stretched: [&mut [T]; 3] = [room(), room(), room()];
    for (i, step) in work.iter().enumerate() {
        let Some(op) = step.op else { continue };
        let y = values[i].take().expect("each value is made once");
        let mut at = Stretch { start, x: vec![], tables: vec![] };
        let mut free = stretched.iter_mut();
        for operand in &step.operands {
            match operand {
                Operand::Value(k) => at.x.push(values[*k].as_deref().expect("made before")),
                Operand::Table(x) => at.tables.push(x),
                Operand::Float(x, walk) if walk.straight() => at.x.push(&x[start..start + n]),
                Operand::Float(x, walk) => {
                    let room = free.next().expect("no op has more than three operands");
                    walk.copy(x, start, room);
                    at.x.push(room);
                }
            }
        }
        T::stretch(op, &at, y);
        values[i] = Some(y);
    }
}

impl Compute for Fused {
    fn compute_f32(&self, io: &mut Io<f32>) {
        self.run(io);
    }
    fn compute_f64(&self, io: &mut Io<f64>) {
        self.run(io);
    }
}

impl Op for Fused {
    fn name(&self) -> &'static str {
        self.host.name()
    }

    fn infer(&self, _cx: &Infer) -> Result<Vec<Spec>> {
        let mut specs = self.host_outputs.clone();
        let written = self.tail.outputs.iter().map(|&o| self.tail.spec(o, &self.host_outputs[0]).clone());
        let mut written: Vec<Spec> = written.collect();
        specs.extend(written.split_off(1));
        specs[0] = written.remove(0);
        Ok(specs)
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Err(Error::model("a fused op has no gradient: gradients come before fusion"))
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        self.host.lower(&self.host_context(cx))
    }

    fn variants(&self, cx: &Lower) -> Vec<Variant> {
        self.host.variants(&self.host_context(cx))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let host = self.host.cost(&self.host_context(cx));
        let n = self.host_outputs[0].elements() as u64;
        let extra = |specs: &[Spec]| specs.iter().map(|s| s.bytes() as u64).sum::<u64>();
        let bytes = extra(&cx.inputs[self.host_inputs..]) + extra(&cx.outputs[self.host_outputs.len()..]);
        Cost { flops: host.flops + n * self.tail.stages.len() as u64, bytes: host.bytes + bytes }
    }

    fn bears_half(&self, output: usize) -> bool {
        let of = |arg: &Arg| match *arg {
            Arg::Stage(i) => self.tail.stages[i].op.bears_half(0),
            _ => self.host.bears_half(0),
        };
        match output {
            0 => of(&self.tail.outputs[0]),
            i if i < self.host_outputs.len() => self.host.bears_half(i),
            i => of(&self.tail.outputs[i + 1 - self.host_outputs.len()]),
        }
    }

    fn followers(&self) -> Vec<String> {
        self.tail.stages.iter().map(|s| s.pointwise().label()).collect()
    }
}

impl Fused {
    fn host_context(&self, cx: &Lower) -> Lower {
        let alone = self.host_outputs.iter().zip(&cx.outputs);
        let outputs = alone.map(|(spec, kept)| Spec { dtype: kept.dtype, ..spec.clone() }).collect();
        Lower {
            inputs: cx.inputs[..self.host_inputs].to_vec(),
            updates: cx.updates.clone(),
            outputs,
            caps: cx.caps.clone(),
            variant: cx.variant,
            store: self.tail.store(self.host_inputs, self.host_outputs.len()),
        }
    }
}
