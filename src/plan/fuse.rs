//! Fusion: elementwise nodes move into the node that makes their operand, which
//! then stores what they compute, and what lies between never goes to memory.
//!
//! A node joins the latest of the nodes that its operands come from: whatever
//! else it reads is there by then, so the order of the others stays as it was.
//! Only what somebody outside reads is written.

use super::target::{Target, context_of};
use crate::graph::{Arg, Fused, Graph, Home, Node, Stage, Tail, TensorId};
use crate::kernel::MOST_TENSORS;
use std::collections::HashMap;
use std::sync::Arc;

/// Nodes behind one host, at most: a pipeline takes time to compile.
const MOST_STAGES: usize = 8;

/// What fusion has saved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saved {
    /// Nodes that are no longer steps of their own.
    pub nodes: usize,
    /// Bytes that no longer go to memory and back in a step.
    pub bytes: u64,
}

/// A host and the nodes that have joined it, all by their place in `live`.
#[derive(Clone)]
struct Group {
    host: usize,
    members: Vec<(usize, Vec<Arg>)>,
    /// Tensors read besides the host's.
    inputs: Vec<TensorId>,
}

struct Fusion<'a> {
    graph: &'a Graph,
    /// The nodes that run, in order.
    nodes: Vec<&'a Node>,
    fetch: &'a [TensorId],
    target: &'a Target,
    groups: Vec<Group>,
    /// By whole tensor: the group that makes it and which of its values it is.
    values: HashMap<TensorId, (usize, Arg)>,
    /// By owner of elements: the host's place that makes it.
    made_at: HashMap<TensorId, usize>,
    /// By owner of elements: the places of its readers.
    readers: HashMap<TensorId, Vec<usize>>,
}

/// The graph of the live nodes with what can be fused fused, and what that
/// saves.
pub(super) fn fuse(graph: &Graph, live: &[usize], fetch: &[TensorId], target: &Target) -> (Graph, Saved) {
    let nodes: Vec<&Node> = live.iter().map(|&n| &graph.nodes()[n]).collect();
    let mut readers: HashMap<TensorId, Vec<usize>> = HashMap::new();
    for (at, node) in nodes.iter().enumerate().filter(|(_, n)| !n.op.alias()) {
        for &t in node.inputs.iter().chain(&node.updates) {
            readers.entry(graph.root(t).0).or_default().push(at);
        }
    }
    let mut fusion = Fusion {
        graph,
        nodes,
        fetch,
        target,
        groups: vec![],
        values: HashMap::new(),
        made_at: HashMap::new(),
        readers,
    };
    for at in 0..fusion.nodes.len() {
        if !fusion.join(at) {
            fusion.stand_alone(at);
        }
    }
    fusion.rewritten()
}

impl Fusion<'_> {
    fn transient(&self, t: TensorId) -> bool {
        self.graph.tensors()[t.index()].home == Home::Transient
    }

    /// The tensor whose elements `t` has, all of them in order.
    fn whole(&self, t: TensorId) -> Option<TensorId> {
        let (root, offset) = self.graph.root(t);
        let same = offset == 0 && self.graph.spec(root).elements() == self.graph.spec(t).elements();
        (same && self.transient(root)).then_some(root)
    }

    fn stand_alone(&mut self, at: usize) {
        let node = self.nodes[at];
        if node.op.alias() {
            return;
        }
        let group = self.groups.len();
        self.groups.push(Group { host: at, members: vec![], inputs: vec![] });
        for (i, &y) in node.outputs.iter().enumerate() {
            self.made_at.insert(self.graph.root(y).0, at);
            if i == 0 && self.transient(y) {
                self.values.insert(y, (group, Arg::Head));
            }
        }
    }

    /// Lets a node join the group that makes its latest operand, if both can.
    fn join(&mut self, at: usize) -> bool {
        let node = self.nodes[at];
        let elementwise = node.op.pointwise().is_some() && node.updates.is_empty() && self.transient(node.outputs[0]);
        let Some(group) = elementwise.then(|| self.latest(node)).flatten() else { return false };
        let Some(joined) = self.joined(group, at) else { return false };
        let y = node.outputs[0];
        self.values.insert(y, (group, Arg::Stage(joined.members.len() - 1)));
        self.made_at.insert(y, joined.host);
        self.groups[group] = joined;
        true
    }

    /// The group that makes the operand which is there last.
    fn latest(&self, node: &Node) -> Option<usize> {
        let made = |t: &TensorId| self.made_at.get(&self.graph.root(*t).0).copied();
        let last = node.inputs.iter().filter_map(made).max()?;
        let values = node.inputs.iter().filter_map(|&t| self.values.get(&self.whole(t)?));
        values.map(|&(group, _)| group).find(|&group| self.groups[group].host == last)
    }

    /// The group with one more member, or nothing where that cannot be.
    fn joined(&self, group: usize, at: usize) -> Option<Group> {
        let node = self.nodes[at];
        let mut joined = self.groups[group].clone();
        let host = self.nodes[joined.host];
        let elements = |t: TensorId| self.graph.spec(t).elements();
        let work = node.op.pointwise()?;
        let fits = elements(host.outputs[0]) == elements(node.outputs[0])
            && joined.members.len() < MOST_STAGES
            // What is computed again belongs where it is used, not where it was first.
            && (host.again || !node.again)
            // On the CPU a tail behind anything else is a pass over memory of its own.
            && (*self.target != Target::Cpu || host.op.pointwise().is_some())
            && host.op.hosts(&context_of(self.graph, host, self.target), work);
        if !fits {
            return None;
        }
        let mut args = vec![];
        for &t in &node.inputs {
            let value = self.whole(t).and_then(|t| self.values.get(&t)).filter(|(g, _)| *g == group);
            args.push(match value {
                Some(&(_, arg)) => arg,
                None => Arg::Input(self.input(&mut joined, t, at)?),
            });
        }
        joined.members.push((at, args));
        self.bindable(&joined).then_some(joined)
    }

    /// The number of a tensor among those that a group reads, if it is there
    /// when the host runs and still the same when the node would have run.
    fn input(&self, group: &mut Group, t: TensorId, at: usize) -> Option<usize> {
        let root = self.graph.root(t).0;
        let late = self.made_at.get(&root).is_some_and(|&made| made >= group.host);
        let writes = |n: &&Node| n.updates.iter().chain(&n.outputs).any(|&y| self.graph.root(y).0 == root);
        if late || self.nodes[group.host..at].iter().any(writes) {
            return None;
        }
        let found = group.inputs.iter().position(|&known| known == t);
        Some(found.unwrap_or_else(|| {
            group.inputs.push(t);
            group.inputs.len() - 1
        }))
    }

    /// Whether the device can bind all that the group's dispatches need.
    fn bindable(&self, group: &Group) -> bool {
        if group.inputs.len().max(self.written(group).len()) > MOST_TENSORS {
            return false;
        }
        let Target::Gpu(caps) = self.target else { return true };
        let node = self.node(group);
        let lowered = node.op.lower(&context_of(self.graph, &node, self.target));
        lowered.is_ok_and(|l| l.dispatches.iter().all(|d| d.binds.len() <= caps.storage_buffers as usize))
    }

    /// The values that somebody outside the group reads, the host's first.
    fn written(&self, group: &Group) -> Vec<(TensorId, Arg)> {
        let inside = |at: &usize| group.members.iter().any(|(m, _)| m == at);
        let needed = |y: TensorId| {
            let read = self.readers.get(&y).is_some_and(|all| all.iter().any(|at| !inside(at)));
            read || self.fetch.iter().any(|&t| self.graph.root(t).0 == y)
        };
        let head = (self.nodes[group.host].outputs[0], Arg::Head);
        let stages = group.members.iter().enumerate().map(|(i, (at, _))| (self.nodes[*at].outputs[0], Arg::Stage(i)));
        std::iter::once(head).chain(stages).filter(|(y, _)| needed(*y)).collect()
    }

    fn node(&self, group: &Group) -> Node {
        let host = self.nodes[group.host];
        if group.members.is_empty() {
            return host.clone();
        }
        let written = self.written(group);
        let spec = |&t: &TensorId| self.graph.spec(t).clone();
        let stage = |(at, args): &(usize, Vec<Arg>)| Stage {
            op: self.nodes[*at].op.clone(),
            args: args.clone(),
            spec: spec(&self.nodes[*at].outputs[0]),
        };
        let tail = Tail {
            stages: group.members.iter().map(stage).collect(),
            inputs: group.inputs.iter().map(spec).collect(),
            outputs: written.iter().map(|w| w.1).collect(),
        };
        let mut outputs: Vec<TensorId> = vec![written[0].0];
        outputs.extend(&host.outputs[1..]);
        outputs.extend(written[1..].iter().map(|w| w.0));
        let fused = Fused {
            host: host.op.clone(),
            tail,
            host_inputs: host.inputs.len(),
            host_outputs: host.outputs.iter().map(spec).collect(),
        };
        Node {
            op: Arc::new(fused),
            inputs: host.inputs.iter().chain(&group.inputs).copied().collect(),
            outputs,
            ..host.clone()
        }
    }

    fn rewritten(self) -> (Graph, Saved) {
        let mut saved = Saved::default();
        let bytes = |node: &Node| node.op.cost(&context_of(self.graph, node, self.target)).bytes;
        let mut nodes: Vec<Option<Node>> = self.nodes.iter().map(|n| n.op.alias().then(|| (*n).clone())).collect();
        for group in &self.groups {
            let node = self.node(group);
            if !group.members.is_empty() {
                let apart = bytes(self.nodes[group.host])
                    + group.members.iter().map(|(m, _)| bytes(self.nodes[*m])).sum::<u64>();
                saved.nodes += group.members.len();
                saved.bytes += apart.saturating_sub(bytes(&node));
            }
            nodes[group.host] = Some(node);
        }
        let mut graph = self.graph.clone();
        graph.nodes = nodes.into_iter().flatten().collect();
        (graph, saved)
    }
}
