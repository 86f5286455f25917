//! A step of a program, op by op beside the judge: each op runs on the device, and its CPU
//! reference in f64 computes the same from the very numbers that the device's kernel read.
//! So errors of earlier ops do not add up, the first tensor that disagrees is the one whose
//! kernel is wrong, and the tolerance is that of one op (`graph::tolerance`).
//!
//! The kernels are those that training runs: the same program, fused, tuned and in its own
//! buffers. Owns no policy about when to do so, and changes nothing but what the step does.

pub mod case;
mod compare;
pub mod distinct;
pub mod guards;

use crate::error::Result;
use crate::graph::{Io, Node, TensorId, View, ViewMut};
use crate::plan::{Executor, Place, Plan, Program};
use crate::tensor::{DType, Data, HostTensor, parallel};
use compare::{Allowed, worst};
use serde::Serialize;
use std::fmt;

/// What stands for an op where a step in one go is not what the same step is op by op.
pub const WHOLE_STEP: &str = "the whole step in one go";

/// The first tensor that is not what the judge says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Disagreement {
    /// The op: `conv2d`, or `conv2d + relu` where more is fused behind it.
    pub op: String,
    /// What its kernels are called where they are judged ([`kernel_name`]); empty of the whole step.
    #[serde(skip)]
    pub kernel: String,
    /// The layer, empty outside of any.
    pub layer: String,
    /// The op's variant, empty where there is only one.
    pub variant: String,
    /// The tensor: an output's number, or the name of what is changed in place.
    pub tensor: String,
    /// The element.
    pub element: usize,
    /// What the device has computed.
    pub found: f64,
    /// What the judge says.
    pub judge: f64,
    /// The error, relative to the judge's value and the tensor's size.
    pub error: f64,
    /// The largest error that passes.
    pub tolerance: f64,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Disagreement { op, layer, variant, tensor, element, found, judge, error, tolerance, .. } = self;
        let at = if layer.is_empty() { String::new() } else { format!(" @ {layer}") };
        let variant = if variant.is_empty() { String::new() } else { format!(" [{variant}]") };
        let ratio = error / tolerance;
        write!(
            f,
            "{tensor} of {op}{at}{variant}, element {element}: found {found}, the judge says {judge}; error {error:.1e}, \
             tolerance {tolerance:.1e}, ratio {ratio:.1}"
        )
    }
}

/// What was compared without finding anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Verified {
    /// Ops.
    pub ops: usize,
    /// Elements of their results.
    pub elements: usize,
    /// The largest error as a share of its tolerance, and whose it is.
    pub worst: (f64, String),
}

/// Runs one step of a program whose plan this is, and compares every op; ends at the first
/// one that disagrees, where the rest of the step is not run.
///
/// Fails where the device does.
pub fn step(
    executor: &mut dyn Executor,
    program: &Program,
    plan: &Plan,
) -> Result<std::result::Result<Verified, Disagreement>> {
    let mut verified = Verified::default();
    for (number, step) in plan.steps.iter().enumerate() {
        let node = &plan.graph.nodes()[step.node];
        let inputs = read(executor, program, &node.inputs, &step.inputs)?;
        let before = read(executor, program, &node.updates, &step.updates)?;
        executor.run_step(program, number)?;
        let mut found = read(executor, program, &node.updates, &step.updates)?;
        found.extend(read(executor, program, &node.outputs, &step.outputs)?);
        let written: Vec<&Place> = step.updates.iter().chain(&step.outputs).collect();
        let judged = judge(node, &inputs, &step.inputs, &before, &written);
        let allowed = Allowed::of(plan, node, step);
        let mut noise = None;
        for (i, (found, judged)) in found.iter().zip(&judged).enumerate() {
            verified.elements += found.len();
            let half = written[i].spec.dtype == DType::F16;
            let mut bad = worst(found, judged, allowed.relative(half), None);
            if bad.share > 1.0 && !found.real.is_empty() {
                // What the judge itself would say of inputs that differ in their last bit.
                let noise = noise.get_or_insert_with(|| {
                    let nudged = |list: &[Numbers]| list.iter().map(Numbers::nudged).collect::<Vec<_>>();
                    judge(node, &nudged(&inputs), &step.inputs, &nudged(&before), &written)
                });
                let noise = compare::median_difference(&judged.real, &noise[i].real);
                bad = worst(found, judged, allowed.relative(half), Some(noise * allowed.growth()));
            }
            if bad.share > 1.0 {
                return Ok(Err(Disagreement {
                    kernel: kernel_name(node),
                    op: plain_label(node),
                    layer: node.scope.clone(),
                    variant: step.variant.into(),
                    tensor: name_of(plan, node, i),
                    element: bad.element,
                    found: found.at(bad.element),
                    judge: judged.at(bad.element),
                    error: if bad.share.is_finite() { bad.share * bad.tolerance } else { f64::INFINITY },
                    tolerance: bad.tolerance,
                }));
            }
            if bad.share > verified.worst.0 {
                verified.worst = (bad.share, format!("{} of {}", name_of(plan, node, i), node.label()));
            }
        }
        verified.ops += 1;
    }
    Ok(Ok(verified))
}

/// What tensors hold now.
fn read(executor: &mut dyn Executor, program: &Program, ids: &[TensorId], places: &[Place]) -> Result<Vec<Numbers>> {
    let pairs = ids.iter().zip(places);
    pairs.map(|(&t, place)| Ok(Numbers::of(executor.fetch(program, t)?, place))).collect()
}

/// What the kernels of a node are called where they are judged: the op, and of elementwise functions that run alone
/// the function, because each is an op of its own.
pub fn kernel_name(node: &Node) -> String {
    match node.op.pointwise().is_some() && node.op.followers().is_empty() {
        true => format!("{:?}", node.op),
        false => node.op.name().into(),
    }
}

/// The label of a node without its layer.
fn plain_label(node: &Node) -> String {
    node.label().split(" @ ").next().unwrap_or_default().to_string()
}

/// The name of what a node writes: those in place first.
fn name_of(plan: &Plan, node: &Node, i: usize) -> String {
    match i.checked_sub(node.updates.len()) {
        None => plan.graph.tensors()[node.updates[i].index()].label.clone(),
        Some(output) => format!("output {output}"),
    }
}

/// Elements, as the judge takes them.
#[derive(Debug, Clone)]
struct Numbers {
    real: Vec<f64>,
    index: Vec<u32>,
}

impl Numbers {
    fn of(value: HostTensor, place: &Place) -> Numbers {
        debug_assert_eq!(value.shape.elements(), place.spec.elements());
        match value.data {
            Data::F32(v) => Numbers { real: v.into_iter().map(f64::from).collect(), index: vec![] },
            Data::U32(v) => Numbers { real: vec![], index: v },
        }
    }

    /// Nothing yet: an op that leaves an element unwritten is found out.
    fn blank(place: &Place) -> Numbers {
        let n = place.spec.elements();
        match place.spec.dtype {
            DType::U32 => Numbers { real: vec![], index: vec![u32::MAX; n] },
            DType::F32 | DType::F16 => Numbers { real: vec![f64::NAN; n], index: vec![] },
        }
    }

    fn len(&self) -> usize {
        self.real.len() + self.index.len()
    }

    fn at(&self, i: usize) -> f64 {
        self.real.get(i).copied().unwrap_or_else(|| self.index.get(i).copied().map_or(f64::NAN, f64::from))
    }

    /// Every float moved by up to an epsilon of f32, up or down as its place says.
    fn nudged(&self) -> Numbers {
        let nudge = |(i, x): (usize, &f64)| {
            let mixed = (i as u32).wrapping_mul(2_654_435_761) ^ ((i as u32) >> 7).wrapping_mul(0x85eb_ca6b);
            let share = f64::from(mixed >> 8) / f64::from(1u32 << 23) - 1.0;
            x * (1.0 + share * f64::from(f32::EPSILON))
        };
        Numbers { real: self.real.iter().enumerate().map(nudge).collect(), index: self.index.clone() }
    }
}

/// What the reference makes of inputs and of tensors that are changed in place.
fn judge(node: &Node, inputs: &[Numbers], read: &[Place], before: &[Numbers], written: &[&Place]) -> Vec<Numbers> {
    let blanks = written[before.len()..].iter().map(|place| Numbers::blank(place));
    let mut results: Vec<Numbers> = before.iter().cloned().chain(blanks).collect();
    let inputs: Vec<View<f64>> =
        inputs.iter().zip(read).map(|(x, place)| View { real: &x.real, index: &x.index, spec: &place.spec }).collect();
    let mut views: Vec<ViewMut<f64>> = results
        .iter_mut()
        .zip(written)
        .map(|(x, place)| ViewMut { real: &mut x.real, index: &mut x.index, spec: &place.spec })
        .collect();
    let outputs = views.split_off(before.len());
    let mut io = Io { inputs, updates: views, outputs };
    parallel::on_pool(|| node.op.compute_f64(&mut io));
    drop(io);
    results
}
