//! Runs a step op by op on the CPU and finds the first number that is not finite.

use crate::cpu::{Cpu, CpuReal};
use crate::error::{Error, Result};
use crate::graph::{Home, Node, TensorId};
use crate::plan::{Executor, Plan, Program, Step};
use crate::tensor::{DType, HostTensor};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Which part of a step an op belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pass {
    /// Data, model and loss.
    Forward,
    /// Gradients.
    Backward,
    /// From the gradient's norm to the new weights.
    Update,
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pass::Forward => "forward pass",
            Pass::Backward => "backward pass",
            Pass::Update => "update",
        })
    }
}

/// The first number of a step that is not finite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Culprit {
    /// The layer, empty outside of any.
    pub layer: String,
    /// The op that made the number, or was the first to read it.
    pub op: String,
    /// The part of the step.
    pub pass: Pass,
    /// The tensor.
    pub tensor: String,
    /// The element's place in it.
    pub place: Vec<usize>,
    /// `NaN`, `inf`, `-inf`, or a number beyond f32.
    pub value: String,
    /// Elements of the tensor that are not finite, and all.
    pub of: [usize; 2],
    /// Whether it was so before the step.
    pub before: bool,
    /// What the op read: each tensor with its largest magnitude.
    pub read: Vec<(String, f64)>,
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.layer.is_empty() { String::new() } else { format!(" @ {}", self.layer) };
        let Culprit { op, pass, tensor, place, value, of: [bad, all], .. } = self;
        write!(f, "{value} in {tensor}{place:?} ({bad} of {all} elements), ")?;
        match self.before {
            true => write!(f, "which {op}{at} reads in the {pass}; it was there before the step"),
            false => {
                let read = self.read.iter().map(|(name, most)| format!("{name} up to {most:.3e}"));
                write!(f, "made by {op}{at} in the {pass} of {}", read.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// What came of running a step again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replayed {
    /// What it was found in: f64, or f32 where f64 has room for every number.
    pub precision: &'static str,
    /// The first number that is not finite; `None`: the CPU finds all of them finite.
    pub culprit: Option<Culprit>,
    /// Ops that were run.
    pub ops: usize,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.culprit {
            Some(culprit) => write!(f, "{culprit} (replayed in {})", self.precision),
            None => write!(
                f,
                "replayed on the CPU in f64 and in f32 every number is finite: the device computes otherwise (`wgrad doctor` \
                 finds the kernel)"
            ),
        }
    }
}

/// Runs the step of a plan for the CPU from named buffers, in f64 and, where that finds
/// nothing, in f32.
pub(super) fn run(plan: &Plan, tensors: &BTreeMap<String, HostTensor>) -> Result<Replayed> {
    let (culprit, ops) = walk::<f64>(plan, tensors)?;
    if culprit.is_some() {
        return Ok(Replayed { precision: "f64", culprit, ops });
    }
    let (culprit, ops) = walk::<f32>(plan, tensors)?;
    Ok(Replayed { precision: "f32", culprit, ops })
}

fn walk<T: CpuReal>(plan: &Plan, tensors: &BTreeMap<String, HostTensor>) -> Result<(Option<Culprit>, usize)> {
    let mut given = vec![];
    // Before there is memory for any of them.
    for (buffer, name) in plan.buffers.iter().filter_map(|b| Some((b, b.name.as_deref()?))) {
        if is_constant(name) {
            continue;
        }
        let value = tensors.get(name).ok_or_else(|| Error::data(format!("the replay file lacks \"{name}\"")))?;
        let held = value.spec().elements();
        if held != buffer.elements {
            return Err(Error::data(format!(
                "\"{name}\" holds {held} numbers in the replay file; its model and settings need {}",
                buffer.elements
            )));
        }
        given.push((name, value));
    }
    let mut cpu = Cpu::<T>::new();
    let program = cpu.load(plan.clone())?;
    given.into_iter().try_for_each(|(name, value)| cpu.write(name, value))?;
    let mut found = Walk { plan, cpu, program, seen: BTreeSet::new() };
    for (number, step) in plan.steps.iter().enumerate() {
        let node = &plan.graph.nodes()[step.node];
        let inputs = node.inputs.iter().chain(&node.updates).copied();
        let named: Vec<TensorId> = inputs.filter(|&t| found.is_named(t)).collect();
        for t in named {
            if found.seen.insert(t)
                && let Some(culprit) = found.look(step, t, true)?
            {
                return Ok((Some(culprit), number));
            }
        }
        found.cpu.run_step(&found.program, number)?;
        // What is counted is no part of what is computed.
        let written = if node.outputs.is_empty() && found.learns(node) { &node.updates } else { &node.outputs };
        for &t in written {
            found.seen.insert(t);
            if let Some(culprit) = found.look(step, t, false)? {
                return Ok((Some(culprit), number + 1));
            }
        }
    }
    Ok((None, plan.steps.len()))
}

/// Whether a buffer holds what the graph itself says.
pub(in crate::train) fn is_constant(name: &str) -> bool {
    name.starts_with("const.")
}

struct Walk<'a, T: CpuReal> {
    plan: &'a Plan,
    cpu: Cpu<T>,
    program: Program,
    /// Named tensors that were looked at, and those that the step has written.
    seen: BTreeSet<TensorId>,
}

impl<T: CpuReal> Walk<'_, T> {
    /// The name of the buffer that a tensor lies in.
    fn buffer(&self, t: TensorId) -> Option<&str> {
        match &self.plan.graph.tensors()[self.plan.graph.root(t).0.index()].home {
            Home::Persistent { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether a tensor holds something before the step: a weight, a moment, a sample.
    fn is_named(&self, t: TensorId) -> bool {
        let counts = |name: &str| name.starts_with("train.") && !matches!(name, "train.samples" | "train.targets");
        let made = |name: &str| name.starts_with("grads") || name.starts_with("accumulate.");
        self.buffer(t).is_some_and(|name| !is_constant(name) && !counts(name) && !made(name))
    }

    /// Whether an op changes weights or what belongs to them.
    fn learns(&self, node: &Node) -> bool {
        node.updates.iter().all(|&t| self.is_named(t))
    }

    /// The first element of a tensor that is not finite.
    fn look(&self, step: &Step, t: TensorId, before: bool) -> Result<Option<Culprit>> {
        let spec = self.plan.graph.spec(t);
        if spec.dtype == DType::U32 {
            return Ok(None);
        }
        let values = self.cpu.values(&self.program, t)?;
        // Beyond f32 a device has infinity.
        let is_bad = |x: &T| x.f64().is_nan() || x.f64().abs() > f64::from(f32::MAX);
        let Some(first) = values.iter().position(is_bad) else { return Ok(None) };
        let node = &self.plan.graph.nodes()[step.node];
        let (tensor, within, shape) = self.named(t, first);
        let mut read = vec![];
        for &x in node.inputs.iter().filter(|_| !before) {
            if self.plan.graph.spec(x).dtype != DType::U32 {
                let most = self.cpu.values(&self.program, x)?.iter().map(|v| v.f64().abs()).fold(0.0, f64::max);
                read.push((self.named(x, 0).0, most));
            }
        }
        let backward = self.plan.graph.first_backward().is_some_and(|first| step.node >= first);
        Ok(Some(Culprit {
            layer: node.scope.clone(),
            op: node.op.name().into(),
            pass: match (backward, node.scope.is_empty() && !node.updates.is_empty()) {
                (false, _) => Pass::Forward,
                (true, true) => Pass::Update,
                (true, false) => Pass::Backward,
            },
            tensor,
            place: place(within, &shape),
            value: format!("{}", values[first].f64()),
            of: [values.iter().filter(|&x| is_bad(x)).count(), values.len()],
            before,
            read,
        }))
    }

    /// What a tensor is called, with an element's place in it: of a flat buffer the part that
    /// belongs to a parameter.
    fn named(&self, t: TensorId, element: usize) -> (String, usize, Vec<usize>) {
        let graph = &self.plan.graph;
        let (root, offset) = graph.root(t);
        let own = (graph.tensors()[t.index()].label.clone(), element, graph.shape(t).to_vec());
        let Some(buffer) = self.buffer(t) else { return (format!("the result of {}", own.0), own.1, own.2) };
        if graph.params().contains(&t) || !self.is_flat(root) {
            return own;
        }
        let at = offset + element;
        let holds = |p: &&TensorId| {
            let (_, first) = graph.root(**p);
            (first..first + graph.spec(**p).elements()).contains(&at)
        };
        let Some(&param) = graph.params().iter().find(holds) else { return own };
        let label = &graph.tensors()[param.index()].label;
        let name = match buffer {
            "params" => label.clone(),
            _ if buffer.starts_with("grads") => format!("the gradient of {label}"),
            _ => format!("{buffer} of {label}"),
        };
        (name, at - graph.root(param).1, graph.shape(param).to_vec())
    }

    /// Whether a buffer is laid out as the parameters are.
    fn is_flat(&self, root: TensorId) -> bool {
        let graph = &self.plan.graph;
        let params = graph.params().first().map(|&p| graph.root(p).0);
        params.is_some_and(|params| graph.spec(params) == graph.spec(root))
    }
}

/// An element's place along each axis.
fn place(element: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = element;
    let mut found: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&n| {
            let at = rest % n.max(1);
            rest /= n.max(1);
            at
        })
        .collect();
    found.reverse();
    found
}
