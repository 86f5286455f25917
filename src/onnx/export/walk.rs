//! The nodes that the model's answer needs, in order, written one by one.

use super::emit::Emitter;
use super::ops::{self, recurrence};
use super::probe::Probes;
use crate::error::{Context, Error, Result};
use crate::graph::TensorId;
use std::collections::HashSet;

/// The nodes that the answer needs, in order, and the tensors that these read.
pub fn needed(probes: &Probes) -> (Vec<usize>, HashSet<TensorId>) {
    let (nodes, root) = (probes.graph().nodes(), |t: TensorId| probes.graph().root(t).0);
    let mut read: HashSet<TensorId> = probes.outputs.iter().copied().collect();
    let mut order = vec![];
    for (at, node) in nodes.iter().enumerate().rev() {
        // What changes a tensor that is read belongs to the answer too, and cannot be written.
        let changes = node.updates.iter().any(|&t| read.iter().any(|&r| root(r) == root(t)));
        if !changes && !node.outputs.iter().any(|t| read.contains(t)) {
            continue;
        }
        order.push(at);
        match recurrence::product(probes, at) {
            Some(product) => {
                let before = &nodes[product.x.0];
                read.insert(before.inputs[product.x.1]);
                read.extend(recurrence::others(node).map(|slot| node.inputs[slot]));
            }
            None => read.extend(node.inputs.iter().copied()),
        }
    }
    order.reverse();
    (order, read)
}

/// Writes the nodes.
///
/// Fails with the op and the layer that cannot be written.
pub fn write(cx: &mut Emitter, order: &[usize]) -> Result<()> {
    for &at in order {
        let node = cx.at(at);
        cx.out.set_scope(&node.scope);
        let place = || match node.scope.is_empty() {
            true => format!("op \"{}\"", node.op.name()),
            false => format!("layer \"{}\", op \"{}\"", node.scope, node.op.name()),
        };
        if !node.updates.is_empty() {
            return Err(Error::model("it changes state, which a file of a model has none of").context(place()));
        }
        let written = ops::write(cx, at).context(place)?;
        if !written {
            return Err(Error::model(
                "no op of ONNX is known for it; expected ops that a built-in layer makes: build the layer of those, or \
                 leave it out",
            )
            .context(place()));
        }
    }
    Ok(())
}
