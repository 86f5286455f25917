//! Recomputation: what a layer makes in the forward pass for itself alone is
//! forgotten and made again when the backward pass comes to the layer.
//!
//! A layer is all forward nodes of one outermost scope (`block1`). What other
//! layers read stays, so a layer can be computed again from what is there. The
//! same ops on the same operands give the same bits; random numbers are drawn
//! from the clock, and state is not touched a second time ([`Op::again`]).
//!
//! Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost",
//! arXiv:1604.06174.

use crate::graph::{Graph, Home, Node, Op, TensorId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A layer that can be computed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    /// Its scope.
    pub name: String,
    /// Tensors that need not be kept until the backward pass.
    dropped: Vec<TensorId>,
    /// Forward nodes that make them, in order.
    nodes: Vec<usize>,
    /// Bytes of what need not be kept.
    pub bytes: usize,
}

/// The layers of a graph that keep something for their own backward pass.
pub(super) fn layers(graph: &Graph, live: &[usize], fetch: &[TensorId]) -> Vec<Layer> {
    let Some(backward) = graph.first_backward() else { return vec![] };
    let pass = Pass::new(graph, live, backward, fetch);
    let mut names: Vec<&str> = vec![];
    for &n in live.iter().filter(|&&n| n < backward) {
        let name = outermost(&graph.nodes()[n]);
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| pass.layer(name)).filter(|l| l.bytes > 0).collect()
}

fn outermost(node: &Node) -> &str {
    node.scope.split('.').next().unwrap_or_default()
}

/// A forward pass and who reads what of it.
struct Pass<'a> {
    graph: &'a Graph,
    forward: Vec<usize>,
    /// By owner of elements: the scopes of forward readers, and whether the
    /// backward pass reads it.
    readers: HashMap<TensorId, (HashSet<&'a str>, bool)>,
    fetched: HashSet<TensorId>,
    /// Owners of elements that the forward pass changes.
    changed: HashSet<TensorId>,
}

impl<'a> Pass<'a> {
    fn new(graph: &'a Graph, live: &[usize], backward: usize, fetch: &[TensorId]) -> Pass<'a> {
        let root = |t: &TensorId| graph.root(*t).0;
        let mut readers: HashMap<TensorId, (HashSet<&str>, bool)> = HashMap::new();
        let mut changed = HashSet::new();
        for &n in live {
            let node = &graph.nodes()[n];
            if n < backward {
                changed.extend(node.updates.iter().map(root));
            }
            if node.op.alias() {
                continue;
            }
            for t in node.inputs.iter().chain(&node.updates) {
                let (scopes, later) = readers.entry(root(t)).or_default();
                if n < backward {
                    scopes.insert(outermost(node));
                } else {
                    *later = true;
                }
            }
        }
        let forward = live.iter().copied().filter(|&n| n < backward).collect();
        Pass { graph, forward, readers, fetched: fetch.iter().map(root).collect(), changed }
    }

    fn transient(&self, t: TensorId) -> bool {
        self.graph.tensors()[t.index()].home == Home::Transient
    }

    /// Whether a node can run a second time with the same outcome: weights and
    /// the clock change after the backward pass alone, other state sooner.
    fn repeatable(&self, node: &Node) -> bool {
        let owner = |t: &TensorId| self.graph.root(*t).0;
        let same = !node.inputs.iter().any(|t| self.changed.contains(&owner(t)));
        let free = node.op.alias() || node.outputs.iter().all(|&y| self.transient(y));
        same && free && (node.updates.is_empty() || node.op.again().is_some())
    }

    fn layer(&self, name: &str) -> Layer {
        let nodes = self.forward.iter().copied().filter(|&n| outermost(&self.graph.nodes()[n]) == name);
        let mut nodes: Vec<usize> = nodes.filter(|&n| self.repeatable(&self.graph.nodes()[n])).collect();
        let own = |t: TensorId| {
            let alone = self.readers.get(&t).is_none_or(|(scopes, _)| scopes.iter().all(|s| *s == name));
            alone && self.transient(t) && !self.fetched.contains(&t)
        };
        let made = nodes.iter().flat_map(|&n| &self.graph.nodes()[n].outputs).copied();
        let later = |t: &TensorId| self.readers.get(t).is_some_and(|(_, later)| *later);
        let dropped: Vec<TensorId> = made.filter(|&t| own(t) && later(&t)).collect();
        // Backwards from what is dropped to what the layer is given.
        let mut needed: HashSet<TensorId> = dropped.iter().copied().collect();
        nodes.reverse();
        nodes.retain(|&n| {
            let node = &self.graph.nodes()[n];
            let wanted = node.outputs.iter().any(|&y| match node.op.alias() {
                true => needed.contains(&y) || dropped.contains(&self.graph.root(y).0),
                false => needed.contains(&y) && own(y),
            });
            if wanted {
                needed.extend(node.inputs.iter().flat_map(|&t| [t, self.graph.root(t).0]));
            }
            wanted
        });
        nodes.reverse();
        let bytes = dropped.iter().map(|&t| self.graph.spec(t).bytes()).sum();
        Layer { name: name.into(), dropped, nodes, bytes }
    }
}

/// The live graph with these layers computed again before their backward pass.
pub(super) fn recompute(graph: &Graph, live: &[usize], layers: &[Layer]) -> Graph {
    let backward = graph.first_backward().unwrap_or(graph.nodes().len());
    let mut out = graph.clone();
    out.nodes = live.iter().filter(|&&n| n < backward).map(|&n| graph.nodes()[n].clone()).collect();
    // What the backward pass reads instead of what was dropped.
    let mut instead: BTreeMap<TensorId, TensorId> = BTreeMap::new();
    let mut waiting: Vec<&Layer> = layers.iter().collect();
    for &n in live.iter().filter(|&&n| n >= backward) {
        let mut node = graph.nodes()[n].clone();
        let reads = |l: &&Layer| node.inputs.iter().any(|&t| l.dropped.contains(&graph.root(t).0));
        while let Some(at) = waiting.iter().position(reads) {
            repeat(&mut out, graph, waiting.remove(at), &mut instead);
        }
        for t in &mut node.inputs {
            *t = instead.get(t).copied().unwrap_or(*t);
        }
        if node.op.alias() {
            for y in &node.outputs {
                if let Home::View { base, .. } = &mut out.tensors[y.index()].home {
                    *base = instead.get(base).copied().unwrap_or(*base);
                }
            }
        }
        out.nodes.push(node);
    }
    out
}

/// Adds a layer's nodes once more, with outputs of their own.
fn repeat(out: &mut Graph, graph: &Graph, layer: &Layer, instead: &mut BTreeMap<TensorId, TensorId>) {
    let mut copies: HashMap<TensorId, TensorId> = HashMap::new();
    for &n in &layer.nodes {
        let node = &graph.nodes()[n];
        let inputs: Vec<TensorId> = node.inputs.iter().map(|t| copies.get(t).copied().unwrap_or(*t)).collect();
        let mut outputs = vec![];
        for &y in &node.outputs {
            let info = &graph.tensors()[y.index()];
            let home = match info.home {
                Home::View { base, offset } => Home::View { base: copies.get(&base).copied().unwrap_or(base), offset },
                _ => Home::Transient,
            };
            let copy = out.tensor(info.spec.clone(), home, info.label.clone());
            let dropped = layer.dropped.contains(&graph.root(y).0);
            copies.insert(y, copy);
            if dropped {
                instead.insert(y, copy);
            }
            outputs.push(copy);
        }
        let op: Arc<dyn Op> =
            if node.updates.is_empty() { node.op.clone() } else { node.op.again().expect("it was repeatable") };
        let scope = node.scope.clone();
        out.nodes.push(Node { op, inputs, updates: vec![], outputs, scope, again: true });
    }
}
