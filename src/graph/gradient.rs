//! Reverse-mode gradient as a walk from graph to graph: the backward pass is
//! made of the same nodes as the forward pass, so one planner and two
//! executors serve both.
//!
//! Source: Linnainmaa 1976; Griewank and Walther, "Evaluating Derivatives",
//! 2nd edition, chapter 3 (the adjoint of a program).

use super::{Backward, Graph, TensorId};
use crate::error::{Context, Error, Result};
use crate::tensor::DType;
use std::collections::HashMap;

/// Where a backward pass starts: a tensor and the gradient it receives.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// A tensor computed by the graph.
    pub tensor: TensorId,
    /// Its gradient; same shape.
    pub gradient: TensorId,
}

/// Adds the backward pass from `seeds` and returns the gradient of each tensor
/// in `wrt`, in order. A tensor that nothing depends on is an error: a
/// parameter that cannot learn is a mistake in the model.
pub fn gradient(g: &mut Graph, seeds: &[Seed], wrt: &[TensorId]) -> Result<Vec<TensorId>> {
    let needs = needs_gradient(g, wrt);
    g.begin_backward();
    let mut d: HashMap<TensorId, Vec<TensorId>> = HashMap::new();
    for seed in seeds {
        if g.spec(seed.tensor) != g.spec(seed.gradient) {
            let (t, s) = (g.spec(seed.tensor), g.spec(seed.gradient));
            return Err(Error::model(format!("the gradient given for a tensor {t} is {s}; they must be alike")));
        }
        d.entry(seed.tensor).or_default().push(seed.gradient);
    }
    for i in (0..g.nodes.len()).rev() {
        let node = g.nodes[i].clone();
        if !node.inputs.iter().any(|t| needs[t.index()]) {
            continue;
        }
        let d_outputs = node.outputs.iter().map(|y| total(g, &mut d, *y)).collect::<Result<Vec<_>>>()?;
        if d_outputs.iter().all(Option::is_none) {
            continue;
        }
        let needed: Vec<bool> = node.inputs.iter().map(|t| needs[t.index()]).collect();
        let at = Backward { inputs: &node.inputs, outputs: &node.outputs, d_outputs: &d_outputs, needs: &needed };
        let d_inputs = g
            .scoped_as(&node.scope, |g| node.op.gradient(g, &at))
            .context(|| format!("gradient of {}", node.label()))?;
        assert_eq!(d_inputs.len(), node.inputs.len(), "{} must return one gradient per input", node.op.name());
        for (slot, (x, d_x)) in node.inputs.iter().zip(d_inputs).enumerate() {
            match d_x {
                Some(d_x) if needed[slot] => {
                    assert_eq!(g.spec(d_x), g.spec(*x), "gradient of input {slot} of {}", node.label());
                    d.entry(*x).or_default().push(d_x);
                }
                None if needed[slot] => {
                    let label = node.label();
                    return Err(Error::model(format!(
                        "input {slot} of {label} needs a gradient and has no rule for it"
                    )));
                }
                _ => {}
            }
        }
    }
    wrt.iter()
        .map(|&t| {
            total(g, &mut d, t)?.ok_or_else(|| {
                Error::model(format!(
                    "\"{}\" does not influence the loss, so it cannot learn",
                    g.tensors[t.index()].label
                ))
            })
        })
        .collect()
}

/// Which tensors lie between `wrt` and anything computed from it.
fn needs_gradient(g: &Graph, wrt: &[TensorId]) -> Vec<bool> {
    let mut needs = vec![false; g.tensors.len()];
    for t in wrt {
        needs[t.index()] = true;
    }
    for node in &g.nodes {
        if node.op.differentiable() && node.inputs.iter().any(|t| needs[t.index()]) {
            for y in &node.outputs {
                needs[y.index()] |= g.spec(*y).dtype == DType::F32;
            }
        }
    }
    needs
}

/// The sum of all contributions to the gradient of `t`, taken in the order in
/// which the walk found them, so that the sum is the same in every run.
fn total(g: &mut Graph, d: &mut HashMap<TensorId, Vec<TensorId>>, t: TensorId) -> Result<Option<TensorId>> {
    let Some(parts) = d.get(&t).cloned() else { return Ok(None) };
    let mut sum = parts[0];
    for &part in &parts[1..] {
        sum = g.add(sum, part)?;
    }
    d.insert(t, vec![sum]);
    Ok(Some(sum))
}
