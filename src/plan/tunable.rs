//! The steps of a plan that can be computed in several ways.

use super::choice::{eligible, key};
use super::plan::Plan;
use crate::graph::Node;
use crate::kernel::Variant;

/// A step that can be computed in several ways.
#[derive(Debug, Clone)]
pub struct Tunable {
    /// The node's number in the graph.
    pub node: usize,
    /// What a choice for it is kept under.
    pub key: String,
    /// The ways that the device can run.
    pub variants: Vec<Variant>,
    /// The one that the plan runs.
    pub runs: &'static str,
}

impl Plan {
    /// The steps that can be computed in several ways, each kind once.
    pub fn tunables(&self) -> Vec<Tunable> {
        let mut found: Vec<Tunable> = vec![];
        for step in self.steps.iter().filter(|s| !s.variant.is_empty()) {
            let node: &Node = &self.graph.nodes()[step.node];
            let cx = self.lower_context(node);
            let (key, variants) = (key(&*node.op, &cx), eligible(&*node.op, &cx));
            if variants.len() > 1 && !found.iter().any(|t| t.key == key) {
                found.push(Tunable { node: step.node, key, variants, runs: step.variant });
            }
        }
        found
    }
}
