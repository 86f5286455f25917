//! `Graph`, its nodes, and `trait Op`: what every op must say about itself, and
//! nothing else. A graph is nodes, a node is an op applied to tensors, and an op
//! writes its gradient into a graph.

use super::context::{Backward, Cost, Infer, Lower};
use super::init::Init;
use super::pointwise::Pointwise;
use super::reference::Compute;
use super::tensor::{Home, TensorId, TensorInfo};
use crate::error::{Context, Error, Result};
use crate::kernel::{Lowered, Variant};
use crate::tensor::{HostTensor, Shape, Spec};
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// An op: a shape rule, a gradient rule, a CPU reference and GPU kernels.
/// Implemented in `crate::ops`, one room per op.
pub trait Op: Compute + Any + Debug + Send + Sync {
    /// The op's name in profiles and messages; of an op that has a room to itself, the
    /// room's.
    fn name(&self) -> &'static str;

    /// The outputs' shapes, or an error that names the tensor and the shapes.
    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>>;

    /// The gradients of the inputs, as graph nodes, one entry per input.
    /// `None` says that an input gets no gradient; where one was needed, that
    /// is an error in the caller, never a silent stop.
    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>>;

    /// Whether the gradient of an output can reach the inputs. `false` for an op
    /// whose result says something about its inputs and does not move with them,
    /// such as a comparison: a backward pass does not go behind it.
    fn differentiable(&self) -> bool {
        true
    }

    /// The dispatches that compute the op on a device with these capabilities,
    /// in the way that [`Lower::variant`] names.
    fn lower(&self, cx: &Lower) -> Result<Lowered>;

    /// The ways to compute these shapes, the likeliest to be fast first; empty
    /// where there is only one. Which of them a device can run, and which of
    /// those is taken, the plan decides.
    fn variants(&self, _cx: &Lower) -> Vec<Variant> {
        vec![]
    }

    /// Work and traffic, for the roofline.
    fn cost(&self, cx: &Lower) -> Cost;

    /// True when the op is only another view of elements that are already in
    /// place (its output, if any, is the first input under another shape): the
    /// plan makes no step of it.
    fn alias(&self) -> bool {
        false
    }

    /// The op as an elementwise one, if it is: a plan may do its work where its
    /// operand is made.
    fn pointwise(&self) -> Option<&dyn Pointwise> {
        None
    }

    /// Whether `lower` stores the elements of output 0 through
    /// [`Lower::store`], each once, so that `work` can be done on them first.
    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        false
    }

    /// Whether output `i` may be kept in half precision: activations and their
    /// gradients, of which training bears a relative error of 2^-11. Not what
    /// gradients are worked out from with cancellation, such as a softmax's
    /// logarithm, nor losses, statistics, positions or coefficients.
    fn bears_half(&self, _output: usize) -> bool {
        false
    }

    /// For an op that changes state in place: the op that makes the same outputs
    /// from the same inputs and leaves the state alone, if there is one.
    fn again(&self) -> Option<Arc<dyn Op>> {
        None
    }

    /// What a plan has fused behind the op, in order.
    fn followers(&self) -> Vec<String> {
        vec![]
    }
}

/// An op applied to tensors.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is computed.
    pub op: Arc<dyn Op>,
    /// Tensors read.
    pub inputs: Vec<TensorId>,
    /// Tensors read and written in place (state: moments, running statistics).
    pub updates: Vec<TensorId>,
    /// Tensors written whole.
    pub outputs: Vec<TensorId>,
    /// The layer that asked for it, for labels: `conv1`.
    pub scope: String,
    /// Computed a second time, because what it made the first time was not kept.
    pub again: bool,
}

impl Node {
    /// `op @ scope`, or the op alone outside any scope; `op + relu` where more
    /// is fused behind it.
    pub fn label(&self) -> String {
        let mut label = self.op.name().to_string();
        for follower in self.op.followers() {
            label = format!("{label} + {follower}");
        }
        if self.scope.is_empty() { label } else { format!("{label} @ {}", self.scope) }
    }
}

/// Tensors and the nodes that compute them, in execution order.
#[derive(Clone, Default)]
pub struct Graph {
    pub(crate) tensors: Vec<TensorInfo>,
    pub(crate) nodes: Vec<Node>,
    params: Vec<TensorId>,
    scope: Vec<String>,
    first_backward: Option<usize>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Graph {
        Graph::default()
    }

    /// All tensors, by [`TensorId::index`].
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// All nodes, in execution order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The trainable parameters, in the order they were declared.
    pub fn params(&self) -> &[TensorId] {
        &self.params
    }

    /// The node that begins the first backward pass, if there is one.
    pub fn first_backward(&self) -> Option<usize> {
        self.first_backward
    }

    pub(super) fn begin_backward(&mut self) {
        self.first_backward.get_or_insert(self.nodes.len());
    }

    /// Shape and element type of a tensor.
    pub fn spec(&self, t: TensorId) -> &Spec {
        &self.tensors[t.index()].spec
    }

    /// The shape of a tensor, as a plain list of axis lengths.
    pub fn shape(&self, t: TensorId) -> &[usize] {
        &self.spec(t).shape
    }

    /// Runs `build` with `name` added to the scope that labels carry.
    pub fn scoped<T>(&mut self, name: &str, build: impl FnOnce(&mut Graph) -> T) -> T {
        self.enter(name);
        let result = build(self);
        self.leave();
        result
    }

    /// Adds `name` to the scope until [`Graph::leave`].
    pub fn enter(&mut self, name: &str) {
        self.scope.push(name.to_string());
    }

    /// Takes the innermost name off the scope.
    pub fn leave(&mut self) {
        self.scope.pop();
    }

    /// Runs `build` with the scope replaced by `scope`: a backward pass files
    /// its nodes under the layer they belong to.
    pub(crate) fn scoped_as<T>(&mut self, scope: &str, build: impl FnOnce(&mut Graph) -> T) -> T {
        let outer = std::mem::take(&mut self.scope);
        self.scope.extend((!scope.is_empty()).then(|| scope.to_string()));
        let result = build(self);
        self.scope = outer;
        result
    }

    /// The scope in force: `block1.conv1`.
    pub fn scope(&self) -> String {
        self.scope.join(".")
    }

    pub(crate) fn tensor(&mut self, spec: Spec, home: Home, label: String) -> TensorId {
        self.tensors.push(TensorInfo { spec, home, label });
        TensorId(self.tensors.len() as u32 - 1)
    }

    /// A named tensor that outlives the step: an input to be fed, state to be
    /// kept. Programs that name the same one share it.
    pub fn persistent(&mut self, name: &str, spec: Spec, init: Init) -> TensorId {
        if let Some(found) = self.find(name) {
            assert_eq!(self.spec(found), &spec, "persistent tensor {name} declared twice with different shapes");
            return found;
        }
        self.tensor(spec, Home::Persistent { name: name.into(), init }, name.into())
    }

    /// The persistent tensor of that name, if the graph has one.
    pub fn find(&self, name: &str) -> Option<TensorId> {
        let named = |t: &TensorInfo| matches!(&t.home, Home::Persistent { name: n, .. } if n == name);
        self.tensors.iter().position(named).map(|i| TensorId(i as u32))
    }

    /// The largest tensor, in words: `f32[60000, 60000] of dense2.weight`. Flat buffers say nothing and are
    /// left out; of several the first, a weight and not its gradient. `None` of an empty graph.
    pub(crate) fn largest(&self) -> Option<String> {
        let single = self.tensors.iter().filter(|t| !matches!(t.home, Home::Persistent { .. }));
        let largest = single.rev().max_by_key(|t| t.spec.elements());
        largest.map(|t| format!("{} of {}", t.spec, t.label))
    }

    /// Drops what persistent tensors hold before the first step, once an executor has
    /// it: data and weights are not to be held twice.
    pub(crate) fn drop_inits(&mut self) {
        for tensor in &mut self.tensors {
            if let Home::Persistent { init, .. } = &mut tensor.home {
                *init = Init::Zeros;
            }
        }
    }

    /// A tensor to be written by the host before a step.
    pub fn input(&mut self, name: &str, spec: Spec) -> TensorId {
        self.persistent(name, spec, Init::Zeros)
    }

    /// Elements known while the graph is built. Equal constants are one tensor.
    pub fn constant(&mut self, value: HostTensor) -> TensorId {
        for (i, t) in self.tensors.iter().enumerate() {
            if let Home::Persistent { name, init: Init::Data(d) } = &t.home
                && name.starts_with("const.")
                && **d == value
            {
                return TensorId(i as u32);
            }
        }
        let name = format!("const.{}", content_hash(&value));
        self.persistent(&name, value.spec(), Init::Data(Arc::new(value)))
    }

    /// A trainable parameter, f32. Its elements move into the flat parameter buffer
    /// when [`Graph::flatten_params`] runs; until then it stands alone.
    pub fn param(&mut self, name: &str, shape: impl Into<Shape>, init: Init) -> TensorId {
        let t = self.persistent(name, Spec::f32(shape), init);
        if !self.params.contains(&t) {
            self.params.push(t);
        }
        t
    }

    /// The tensor that owns the elements of `t`, and where `t` starts in it.
    pub fn root(&self, t: TensorId) -> (TensorId, usize) {
        match self.tensors[t.index()].home {
            Home::View { base, offset } => {
                let (root, more) = self.root(base);
                (root, offset + more)
            }
            _ => (t, 0),
        }
    }

    /// The op that computes `t`, if it is an `O`, with its inputs: for rewrites
    /// that a constructor makes.
    pub fn made_by<O: Op>(&self, t: TensorId) -> Option<(&O, &[TensorId])> {
        let node = self.nodes.iter().rev().find(|n| n.outputs.contains(&t))?;
        let op: &dyn std::any::Any = &*node.op;
        Some((op.downcast_ref()?, &node.inputs))
    }

    /// Adds an op, checks shapes at once, and returns its outputs.
    pub fn push(&mut self, op: impl Op, inputs: &[TensorId]) -> Result<Vec<TensorId>> {
        self.push_with(op, inputs, &[])
    }

    /// Adds the op of another graph's node, whose outputs are known, on tensors
    /// like those that it reads there.
    pub fn push_again(&mut self, node: &Node, outputs: &[Spec], inputs: &[TensorId]) -> Vec<TensorId> {
        let label = node.label();
        let outputs: Vec<TensorId> =
            outputs.iter().map(|spec| self.tensor(spec.clone(), Home::Transient, label.clone())).collect();
        let (op, scope) = (node.op.clone(), node.scope.clone());
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            updates: vec![],
            outputs: outputs.clone(),
            scope,
            again: false,
        });
        outputs
    }

    /// Adds an op with one output.
    pub fn push1(&mut self, op: impl Op, inputs: &[TensorId]) -> Result<TensorId> {
        Ok(self.push(op, inputs)?[0])
    }

    /// Adds an op that also writes `updates` in place.
    pub fn push_with(&mut self, op: impl Op, inputs: &[TensorId], updates: &[TensorId]) -> Result<Vec<TensorId>> {
        self.add_node(Arc::new(op), inputs, updates)
    }

    /// [`Graph::push_with`], compiled once and not for each op.
    fn add_node(&mut self, op: Arc<dyn Op>, inputs: &[TensorId], updates: &[TensorId]) -> Result<Vec<TensorId>> {
        let specs = |ids: &[TensorId]| ids.iter().map(|&t| self.spec(t).clone()).collect::<Vec<_>>();
        let scope = self.scope();
        let at = || if scope.is_empty() { op.name().to_string() } else { format!("{} @ {scope}", op.name()) };
        let outputs = op.infer(&Infer { inputs: specs(inputs), updates: specs(updates) }).context(at)?;
        if let Some(spec) = outputs.iter().find(|s| !s.shape.is_countable()) {
            let shape = &spec.shape;
            let large = Error::model(format!("its output has shape {shape}: more than {} elements", u32::MAX));
            return Err(large.context(at()));
        }
        let label = at();
        let outputs: Vec<TensorId> = match op.alias() {
            true => vec![self.tensor(outputs[0].clone(), Home::View { base: inputs[0], offset: 0 }, label)],
            false => outputs.into_iter().map(|spec| self.tensor(spec, Home::Transient, label.clone())).collect(),
        };
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            updates: updates.to_vec(),
            outputs: outputs.clone(),
            scope,
            again: false,
        });
        Ok(outputs)
    }
}

/// FNV-1a over shape and bytes: names constants by content.
fn content_hash(value: &HostTensor) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let shape: Vec<u8> = value.shape.iter().flat_map(|d| d.to_le_bytes()).collect();
    for &byte in shape.iter().chain(value.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{}.{hash:016x}", value.spec())
}
