//! A model's graph for several sizes of its input. What differs between them is symbolic in
//! the file: the batch, and for sequences the positions.

use crate::cpu::Cpu;
use crate::error::{Error, Result};
use crate::graph::{Graph, Home, Node, TensorId};
use crate::keys::Keys;
use crate::nn::{Mode, Model, Weights, layers};
use crate::ops::rearrange::Rearrange;
use crate::ops::reshape::Reshape;
use crate::plan::{Executor, Plan, Target};
use crate::tensor::{HostTensor, Shape};
use std::any::Any;
use std::collections::HashMap;

/// Batches that are tried.
const BATCHES: [usize; 3] = [2, 3, 5];
/// Positions below the longest that are tried: windows with steps differ within as many.
const SHORTER: [usize; 7] = [1, 2, 3, 4, 5, 6, 9];

/// An axis length in each of the graphs.
pub type Length = Vec<usize>;

/// The number that a length is in all graphs.
pub fn fixed(length: &Length) -> Option<usize> {
    length.iter().all(|n| *n == length[0]).then(|| length[0])
}

/// The graphs of a model for several sizes.
pub struct Probes {
    graphs: Vec<Graph>,
    /// The batch of each.
    pub batch: Length,
    /// The positions of each, where they may vary.
    pub sequence: Option<Length>,
    /// The graph for as many positions as the model was trained on.
    full: Option<Graph>,
    /// The model's input in the first graph, or the first of a graph's.
    pub input: TensorId,
    /// The outputs in the first graph; a model has one.
    pub outputs: Vec<TensorId>,
    /// The most positions, where they may vary.
    pub longest: usize,
    output_of: Vec<TensorId>,
    makers: HashMap<TensorId, usize>,
}

/// What is built of a model.
struct One {
    graph: Graph,
    output: TensorId,
}

impl Probes {
    /// Builds the graphs; `sequences` asks for symbolic positions where the model allows it.
    ///
    /// Fails when the weights are not those of the model, and when its graph depends on the
    /// batch.
    pub fn new(model: &Model, weights: &Weights, sequences: bool) -> Result<Probes> {
        let first = one(model, weights, BATCHES[0], None)?;
        let mut batches = vec![];
        for batch in &BATCHES[1..] {
            batches.push(one(model, weights, *batch, None)?);
        }
        let all: Vec<One> = [first].into_iter().chain(batches).collect();
        if sequences && let Some(found) = with_sequences(model, weights) {
            return Ok(found);
        }
        let batch = BATCHES.to_vec();
        alike(&all).map_err(|what| {
            Error::model(format!(
                "model \"{}\": {what} depends on the batch in a way that a file cannot say; expected the same ops for \
                 every batch",
                model.description.name
            ))
        })?;
        Ok(Probes::of(all, batch, None, None, 0))
    }

    fn of(all: Vec<One>, batch: Length, sequence: Option<Length>, full: Option<Graph>, longest: usize) -> Probes {
        let output_of: Vec<TensorId> = all.iter().map(|o| o.output).collect();
        let graphs: Vec<Graph> = all.into_iter().map(|o| o.graph).collect();
        let input = graphs[0].find(INPUT).expect("every graph has its input");
        Probes { longest, sequence, full, output_of, ..Probes::of_graphs(graphs, batch, input, vec![]) }.answering()
    }

    /// A graph of fixed sizes.
    pub fn of_graph(graph: Graph, inputs: &[TensorId], outputs: &[TensorId]) -> Probes {
        let input = inputs.first().copied().unwrap_or(TensorId(0));
        Probes::of_graphs(vec![graph], vec![1], input, outputs.to_vec())
    }

    fn answering(mut self) -> Probes {
        self.outputs = self.output_of[..1].to_vec();
        self
    }

    fn of_graphs(graphs: Vec<Graph>, batch: Length, input: TensorId, outputs: Vec<TensorId>) -> Probes {
        let made = graphs[0].nodes().iter().enumerate();
        let makers = made.flat_map(|(at, node)| node.outputs.iter().map(move |&t| (t, at))).collect();
        let (sequence, full, output_of) = (None, None, vec![]);
        Probes { input, outputs, longest: 0, graphs, batch, sequence, full, output_of, makers }
    }

    /// The node of the first graph that makes a tensor.
    pub fn maker(&self, t: TensorId) -> Option<usize> {
        self.makers.get(&t).copied()
    }

    /// How many inputs of nodes are that tensor.
    pub fn readers(&self, t: TensorId) -> usize {
        self.graph().nodes().iter().flat_map(|n| &n.inputs).filter(|&&i| i == t).count()
    }

    /// The model's output in each of the graphs.
    pub fn answer(&self) -> &[TensorId] {
        &self.output_of
    }

    /// The first graph: what is written is its nodes.
    pub fn graph(&self) -> &Graph {
        &self.graphs[0]
    }

    /// What a node of the first graph reads, in each of the graphs.
    pub fn inputs(&self, node: usize, slot: usize) -> Vec<TensorId> {
        self.graphs.iter().map(|g| g.nodes()[node].inputs[slot]).collect()
    }

    /// The axis lengths of what a node reads.
    pub fn input_lengths(&self, node: usize, slot: usize) -> Vec<Length> {
        self.lengths(&self.inputs(node, slot))
    }

    /// The axis lengths of what a node makes.
    pub fn output_lengths(&self, node: usize, slot: usize) -> Vec<Length> {
        let ids: Vec<TensorId> = self.graphs.iter().map(|g| g.nodes()[node].outputs[slot]).collect();
        self.lengths(&ids)
    }

    /// The axis lengths of the model's input.
    pub fn input_shape(&self) -> Vec<Length> {
        let ids: Vec<TensorId> =
            self.graphs.iter().map(|g| g.find(INPUT).expect("every graph has its input")).collect();
        self.lengths(&ids)
    }

    /// The axis lengths of the model's output.
    pub fn answer_lengths(&self) -> Vec<Length> {
        self.lengths(&self.output_of)
    }

    fn lengths(&self, ids: &[TensorId]) -> Vec<Length> {
        let shapes: Vec<&[usize]> = self.graphs.iter().zip(ids).map(|(g, &t)| g.shape(t)).collect();
        (0..shapes[0].len()).map(|axis| shapes.iter().map(|s| s[axis]).collect()).collect()
    }

    /// Whether a tensor is a weight, a constant, or computed of such alone.
    pub fn is_known(&self, t: TensorId) -> bool {
        let (graph, t) = (self.graph(), self.graph().root(t).0);
        match self.maker(t).map(|at| &graph.nodes()[at]) {
            Some(node) => node.updates.is_empty() && node.inputs.iter().all(|&input| self.is_known(input)),
            None => t != self.input && matches!(graph.tensors()[t.index()].home, Home::Persistent { .. }),
        }
    }

    /// The elements of a tensor of the first graph that is known: computed, where a node makes it.
    ///
    /// Fails when its step cannot be planned.
    pub fn known(&self, t: TensorId) -> Result<HostTensor> {
        if self.maker(t).is_none() {
            return Ok(value(self.graph(), t));
        }
        let mut cpu = Cpu::<f32>::new();
        let program = cpu.load(Plan::build(self.graph(), &[t], Target::Cpu)?)?;
        cpu.run(&program, 1)?;
        cpu.fetch(&program, t)
    }

    /// The elements of a tensor that no node makes.
    pub fn value(&self, ids: &[TensorId]) -> Vec<HostTensor> {
        self.graphs.iter().zip(ids).map(|(g, &t)| value(g, t)).collect()
    }

    /// The rows of the constant that a shorter graph has the first of.
    pub fn whole(&self, part: &HostTensor) -> Option<HostTensor> {
        let full = self.full.as_ref()?;
        let is_constant = |t: &TensorId| matches!(&full.tensors()[t.index()].home, Home::Persistent { .. });
        let all = (0..full.tensors().len() as u32).map(TensorId).filter(is_constant);
        let longer = all.filter(|&t| {
            let shape = full.shape(t);
            shape.len() == part.shape.rank()
                && !shape.is_empty()
                && shape[1..] == part.shape[1..]
                && shape[0] > part.shape[0]
        });
        longer.map(|t| value(full, t)).find(|v| begins_with(v, part))
    }
}

/// A node's op, if it is an `O`.
pub fn op_of<O: Any>(node: &Node) -> Option<&O> {
    let op: &dyn Any = &*node.op;
    op.downcast_ref()
}

/// The name of the graphs' input.
const INPUT: &str = "input";

fn value(g: &Graph, t: TensorId) -> HostTensor {
    let Home::Persistent { init, .. } = &g.tensors()[t.index()].home else {
        panic!("{} is computed", g.tensors()[t.index()].label)
    };
    (*init.value(g.spec(t))).clone()
}

/// Whether the elements of `all` begin with those of `part`.
pub fn begins_with(all: &HostTensor, part: &HostTensor) -> bool {
    all.spec().dtype == part.spec().dtype && all.bytes().starts_with(part.bytes())
}

fn one(model: &Model, weights: &Weights, batch: usize, positions: Option<usize>) -> Result<One> {
    let mut model = model.clone();
    if let Some(t) = positions {
        let shape: Vec<usize> = [t].into_iter().chain(model.input[1..].iter().copied()).collect();
        model.input = Shape::from(shape);
    }
    let mut graph = Graph::new();
    let x = graph.input(INPUT, model.batch_spec(batch));
    let mut held = weights.clone();
    let output = model.build(&mut graph, x, Mode::Eval, &mut held)?.output;
    let new: Vec<&str> = held.names().filter(|n| weights.shape(n).is_none()).collect();
    if let Some(name) = new.first() {
        return Err(Error::model(format!("the weights lack \"{name}\": this is not a whole model")));
    }
    Ok(One { graph, output })
}

/// The graphs of a model whose positions may vary.
fn with_sequences(model: &Model, weights: &Weights) -> Option<Probes> {
    let is_sequence = match model.input.len() {
        1 => model.description.takes_tokens(),
        n => n == 2,
    };
    let longest = *model.input.first()?;
    let shorter: Vec<usize> = SHORTER.iter().filter_map(|n| longest.checked_sub(*n)).filter(|n| *n > 1).collect();
    if !is_sequence || shorter.len() < 3 {
        return None;
    }
    let model = with_positions(model, longest)?;
    let mut all = vec![];
    let (mut batch, mut sequence) = (vec![], vec![]);
    let sizes = BATCHES.iter().map(|b| (*b, shorter[0])).chain(shorter[1..].iter().map(|t| (BATCHES[0], *t)));
    for (b, t) in sizes {
        all.push(one(&model, weights, b, Some(t)).ok()?);
        batch.push(b);
        sequence.push(t);
    }
    alike(&all).ok()?;
    let full = one(&model, weights, BATCHES[0], None).ok()?;
    Some(Probes::of(all, batch, Some(sequence), Some(full.graph), longest))
}

/// The model with vectors for so many positions, where it takes as many as its input has: of
/// a shorter input it takes the first.
fn with_positions(model: &Model, longest: usize) -> Option<Model> {
    let mut model = model.clone();
    for layer in &mut model.description.layers {
        if layer.layer.kind() != "PositionalEmbedding" {
            continue;
        }
        let mut table = layer.layer.to_table();
        if table.get("positions").and_then(|v| v.as_integer()) == Some(0) {
            table.insert("positions".into(), (longest as i64).into());
            layer.layer = layers::read("PositionalEmbedding", &mut Keys::new(table, "positions")).ok()?;
        }
    }
    Some(model)
}

/// Fails with the node in which graphs differ in more than lengths.
fn alike(all: &[One]) -> std::result::Result<(), String> {
    let (first, rest) = all.split_first().expect("at least one graph");
    for other in rest {
        let (a, b) = (first.graph.nodes(), other.graph.nodes());
        if a.len() != b.len() {
            return Err("the number of its ops".into());
        }
        // What is computed is the same tensor in both; constants may be shared in one alone.
        let mut pairs: HashMap<TensorId, TensorId> = HashMap::new();
        for (x, y) in a.iter().zip(b) {
            let same = same_op(x, y)
                && x.inputs.len() == y.inputs.len()
                && x.outputs.len() == y.outputs.len()
                && x.inputs.iter().zip(&y.inputs).all(|(i, j)| pairs.get(i).is_none_or(|k| k == j));
            if !same {
                return Err(x.label());
            }
            pairs.extend(x.outputs.iter().copied().zip(y.outputs.iter().copied()));
        }
        if pairs.get(&first.output).is_some_and(|t| *t != other.output) {
            return Err("its output".into());
        }
    }
    Ok(())
}

/// Whether two nodes do the same, whatever the lengths.
fn same_op(a: &Node, b: &Node) -> bool {
    if let (Some(x), Some(y)) = (op_of::<Rearrange>(a), op_of::<Rearrange>(b)) {
        let axis = |r: &Rearrange| r.axes.iter().map(|a| (a.source, a.step, a.start, a.divide)).collect::<Vec<_>>();
        return axis(x) == axis(y) && x.fill.to_bits() == y.fill.to_bits();
    }
    if op_of::<Reshape>(a).is_some() && op_of::<Reshape>(b).is_some() {
        return true;
    }
    format!("{:?}", a.op) == format!("{:?}", b.op)
}
