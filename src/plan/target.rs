//! What a plan is for: the kind of executor, and what its device may do.

use crate::graph::{Graph, Lower, Node, TensorId};
use crate::kernel::{Caps, Class, Slot, Store};

/// What a plan is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// The CPU executor: no dispatches, no limits.
    Cpu,
    /// A GPU with these capabilities.
    Gpu(Caps),
}

/// The specs of a node's tensors, as lowering and costing see them.
pub(super) fn context_of(graph: &Graph, node: &Node, target: &Target) -> Lower {
    let specs = |ids: &[TensorId]| ids.iter().map(|&t| graph.spec(t).clone()).collect();
    let caps = match target {
        Target::Gpu(caps) => caps.clone(),
        Target::Cpu => Caps::floor(Class::Cpu),
    };
    Lower {
        inputs: specs(&node.inputs),
        updates: specs(&node.updates),
        outputs: specs(&node.outputs),
        caps,
        variant: "",
        store: Store::plain(Slot::Output(0)),
    }
}
