//! Whether a variant's result is right: the CPU reference on the same numbers,
//! within the tolerance of the tests (`graph::tolerance`).

use crate::cpu::Cpu;
use crate::error::Result;
use crate::graph::{Cost, Graph, Lower, Node, TensorId};
use crate::plan::{Executor, Plan, Target};
use serde::{Deserialize, Serialize};

/// Who judges, at the shapes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judge {
    /// The reference in f64.
    F64,
    /// The reference in f32, where f64 would take long.
    F32,
}

/// Operations up to which the reference runs in f64: a tenth of a second or so.
const IN_F64: u64 = 4_000_000_000;

/// Operations up to which it runs in f32: seconds.
const IN_F32: u64 = 400_000_000_000;

impl Judge {
    /// The judge of an op that costs so much; `None` where none would be done
    /// in reasonable time.
    pub fn of(cost: &Cost) -> Option<Judge> {
        match cost.flops {
            n if n <= IN_F64 => Some(Judge::F64),
            n if n <= IN_F32 => Some(Judge::F32),
            _ => None,
        }
    }
}

/// What the reference gives.
pub(super) struct Expected {
    values: Vec<Vec<f64>>,
    judge: Judge,
    /// The length of the sums behind the outputs.
    reduction: f64,
}

impl Expected {
    /// Runs the reference.
    pub fn of(graph: &Graph, outputs: &[TensorId], judge: Judge, node: &Node, cx: &Lower) -> Result<Expected> {
        let plan = Plan::build(graph, outputs, Target::Cpu)?;
        let values = match judge {
            Judge::F64 => {
                let mut cpu = Cpu::<f64>::new();
                let program = cpu.load(plan)?;
                cpu.run(&program, 1)?;
                outputs.iter().map(|&y| cpu.values(&program, y)).collect::<Result<_>>()?
            }
            Judge::F32 => {
                let mut cpu = Cpu::<f32>::new();
                let program = cpu.load(plan)?;
                cpu.run(&program, 1)?;
                let real = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
                outputs.iter().map(|&y| Ok(real(cpu.fetch(&program, y)?.as_f32()))).collect::<Result<_>>()?
            }
        };
        let elements: usize = cx.outputs.iter().map(|s| s.elements()).sum();
        let reduction = node.op.cost(cx).flops as f64 / (2 * elements.max(1)) as f64;
        Ok(Expected { values, judge, reduction: reduction.max(1.0) })
    }

    /// Compares output `i`; `half`: its factors were rounded to f16.
    pub fn compare(&self, i: usize, found: &[f32], half: bool) -> Result<(), String> {
        let expected = &self.values[i];
        if found.len() != expected.len() {
            return Err(format!("output {i} has {} elements, expected {}", found.len(), expected.len()));
        }
        let allowed = self.tolerance(half);
        let rms = (expected.iter().map(|v| v * v).sum::<f64>() / expected.len().max(1) as f64).sqrt();
        let error = |(&f, &e): (&f32, &f64)| (f64::from(f) - e).abs() / (e.abs() + rms).max(f64::MIN_POSITIVE);
        let off = |e: &f64| e.is_nan() || *e > allowed;
        let errors = found.iter().zip(expected).map(error).enumerate();
        match errors.filter(|(_, e)| off(e)).max_by(|a, b| a.1.total_cmp(&b.1)) {
            None => Ok(()),
            Some((at, e)) => Err(format!(
                "output {i}, element {at}: found {}, the reference says {}, relative error {e:.1e}, {allowed:.1e} allowed",
                found[at], expected[at]
            )),
        }
    }

    /// A sum of k terms carries an error that grows like the square root of k;
    /// the f32 judge's own is as large. Two factors rounded to f16 leave an
    /// error of that size in each term, which does not grow with k relative to
    /// the sum.
    fn tolerance(&self, half: bool) -> f64 {
        let sum = 8.0 * f64::from(f32::EPSILON) * self.reduction.sqrt();
        let judged = if self.judge == Judge::F32 { 2.0 * sum } else { sum };
        if half { judged + 8.0 * 2f64.powi(-11) } else { judged.min(1e-3) }
    }
}
