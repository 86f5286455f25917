//! Recurrent layers: `RNN`, `LSTM` and `GRU`, with the gates in the order of ONNX.

use super::attention::sequence_lengths;
use super::rows::fill;
use crate::error::{Error, Result};
use crate::graph::{Node, TensorId};
use crate::onnx::export::emit::{Emitter, Value};
use crate::onnx::export::probe::{Probes, op_of};
use crate::onnx::export::writer::{int, text, texts};
use crate::ops::binary::{Arithmetic, Binary};
use crate::ops::matmul::Matmul;
use crate::ops::recurrence::{Cell, Recurrence};
use crate::ops::reshape::Reshape;

/// The product in front of a walk, which the op of ONNX makes itself.
pub struct Product {
    /// The node and the slot that read the sequence.
    pub x: (usize, usize),
    /// The weight of the inputs.
    pub w_ih: TensorId,
    /// The biases outside of the walk: of the inputs, and of the state.
    pub biases: Vec<TensorId>,
}

/// The product in front of a node, if it is a walk behind one of weights.
pub fn product(probes: &Probes, at: usize) -> Option<Product> {
    let graph = probes.graph();
    let node = &graph.nodes()[at];
    op_of::<Recurrence>(node)?;
    let after = probes.maker(node.inputs[0])?;
    op_of::<Reshape>(&graph.nodes()[after])?;
    let product = probes.maker(graph.nodes()[after].inputs[0])?;
    let m = &graph.nodes()[product];
    op_of::<Matmul>(m).filter(|op| op.transpose_b && !op.transpose_a)?;
    let before = probes.maker(m.inputs[0])?;
    op_of::<Reshape>(&graph.nodes()[before])?;
    let x = graph.nodes()[before].inputs[0];
    // `[B T, I]` of `[B, T, I]`.
    let (from, gates) = (graph.shape(x), graph.shape(node.inputs[0]));
    if from.len() != 3
        || from[..2] != gates[..2]
        || !probes.is_known(m.inputs[1])
        || probes.readers(node.inputs[0]) != 1
    {
        return None;
    }
    let biases = match m.inputs.get(2) {
        None => vec![],
        Some(&b) => match probes.maker(b).map(|at| &graph.nodes()[at]) {
            Some(sum) if op_of::<Binary>(sum).is_some_and(|op| op.op == Arithmetic::Add) => sum.inputs.clone(),
            _ => vec![b],
        },
    };
    let known = biases.iter().all(|&b| probes.is_known(b));
    known.then_some(Product { x: (before, 0), w_ih: m.inputs[1], biases })
}

/// What a walk reads beside the sequence and the weights, whose values are written: the initial state, the lengths.
pub fn others(node: &Node) -> impl Iterator<Item = usize> {
    let [_, initial, lengths] = op_of::<Recurrence>(node).map_or([None; 3], Recurrence::optional);
    initial.into_iter().chain(lengths)
}

/// Writes the node if it is a walk.
pub fn write(cx: &mut Emitter, at: usize) -> Result<bool> {
    let node = cx.at(at);
    let Some(op) = op_of::<Recurrence>(node) else { return Ok(false) };
    let product = product(cx.probes, at);
    let graph = cx.graph();
    let w_hh = weight(cx, node.inputs[1], op)?;
    let (gates, hidden) = (op.cell.gates(), graph.shape(node.inputs[1])[1]);
    let [bias, initial, lengths] = op.optional();
    let (x, positions, w_ih, features) = match &product {
        Some(p) => {
            let x = cx.input(p.x.0, p.x.1)?;
            let positions = cx.probes.input_lengths(p.x.0, p.x.1)[1].clone();
            (x, positions, weight(cx, p.w_ih, op)?, graph.shape(p.w_ih)[1])
        }
        // What the inputs add to the gates is there already.
        None => {
            let (x, width) = (cx.input(at, 0)?, gates * hidden);
            let positions = cx.probes.input_lengths(at, 0)[1].clone();
            let one = (0..width * width).map(|i| if i / width == i % width { 1.0 } else { 0.0 }).collect();
            (x, positions, one, width)
        }
    };
    let order = order(op.cell);
    let named = |what: &str| named(&graph.tensors()[node.inputs[1].index()].label, what, op.cell);
    let w = cx.out.weight(&named("weight_ih"), &[1, gates * hidden, features], &reordered(&w_ih, order, hidden));
    let r = cx.out.weight(&named("weight_hh"), &[1, gates * hidden, hidden], &reordered(&w_hh, order, hidden));
    let biases = product.as_ref().map_or(&[][..], |p| &p.biases);
    let inside = bias.map(|slot| node.inputs[slot]);
    let b = match (biases, inside) {
        ([], None) => String::new(),
        (outside, inside) => {
            let of = |b: Option<TensorId>| match b {
                Some(b) => Ok(reordered(&weight(cx, b, op)?, order, hidden)),
                None => Ok(vec![0.0; gates * hidden]),
            };
            let both = [of(outside.first().copied())?, of(inside.or(outside.get(1).copied()))?].concat();
            cx.out.weight(&named("bias"), &[1, 2 * gates * hidden], &both)
        }
    };
    let lengths = lengths.map(|slot| cx.input(at, slot)).transpose()?;
    let limits = match &lengths {
        Some(lengths) => sequence_lengths(cx, lengths, &positions)?,
        None => String::new(),
    };
    let states = match initial {
        None => [String::new(), String::new()],
        Some(slot) => states(cx, at, slot, op)?,
    };
    let x = cx.transpose(&x, &[1, 0, 2]);
    let (name, mut attributes) = match op.cell {
        Cell::RnnTanh => ("RNN", vec![]),
        Cell::RnnRelu => ("RNN", vec![texts("activations", &["Relu"])]),
        Cell::Lstm => ("LSTM", vec![]),
        Cell::Gru { reset_after } => ("GRU", vec![int("linear_before_reset", reset_after.into())]),
    };
    attributes.push(int("hidden_size", hidden as i64));
    if op.reverse {
        attributes.push(text("direction", "reverse"));
    }
    let inputs = [&x[..], &w, &r, &b, &limits, &states[0], &states[1]];
    let made = cx.out.many(name, &inputs, attributes, 1 + op.cell.states());
    if cx.is_read(node.outputs[0]) {
        let y = cx.squeeze(&made[0], &[1]);
        let mut y = cx.transpose(&y, &[1, 0, 2]);
        if let Some(lengths) = &lengths {
            let shape = cx.probes.output_lengths(at, 0);
            y = fill(cx, &y, lengths, &shape, 0.0)?;
        }
        cx.done(at, y);
    } else if let Some(walk) = cx.out.nodes.last_mut() {
        walk.output[0].clear();
    }
    let mut made = made;
    if let Some(lengths) = &lengths {
        // A sample without a position keeps its state, where readers give what they like.
        let zero = cx.out.integers(&[], &[0]);
        let some = cx.node("Greater", &[lengths, &zero], vec![]);
        let some = cx.unsqueeze(&some, &[0, 2]);
        for (last, state) in made[1..].iter_mut().zip(&states) {
            let state = if state.is_empty() { cx.out.scalar(0.0) } else { state.clone() };
            *last = cx.node("Where", &[&some, last, &state], vec![]);
        }
    }
    cx.set(at, 1, if made.len() > 2 { Value::Stacked(made[1..].to_vec()) } else { Value::One(made[1].clone()) });
    Ok(true)
}

/// The values of a weight, which the file holds in another order.
fn weight(cx: &Emitter, t: TensorId, op: &Recurrence) -> Result<Vec<f32>> {
    match cx.probes.is_known(t) {
        true => Ok(cx.probes.known(t)?.as_f32().to_vec()),
        false => Err(Error::model(format!(
            "a weight of {} depends on the input (\"{}\"); expected a parameter, which a file can hold",
            op.cell.name(),
            cx.graph().tensors()[t.index()].label
        ))),
    }
}

/// Our gates in the order of ONNX: i, o, f, c of an LSTM; z, r, h of a GRU.
fn order(cell: Cell) -> &'static [usize] {
    match cell {
        Cell::RnnTanh | Cell::RnnRelu => &[0],
        Cell::Lstm => &[0, 3, 1, 2],
        Cell::Gru { .. } => &[1, 0, 2],
    }
}

/// Rows of gates in another order.
fn reordered(values: &[f32], order: &[usize], hidden: usize) -> Vec<f32> {
    let each = values.len() / order.len();
    debug_assert!(each.is_multiple_of(hidden));
    order.iter().flat_map(|&gate| &values[gate * each..(gate + 1) * each]).copied().collect()
}

/// `lstm1.weight_ih_l0_iofc`: the parameter's name and the order of its gates.
fn named(w_hh: &str, what: &str, cell: Cell) -> String {
    let gates = match cell {
        Cell::RnnTanh | Cell::RnnRelu => "i",
        Cell::Lstm => "iofc",
        Cell::Gru { .. } => "zrh",
    };
    format!("{}_{gates}", w_hh.replace("weight_hh", what))
}

/// The initial states, h and c.
fn states(cx: &mut Emitter, at: usize, slot: usize, op: &Recurrence) -> Result<[String; 2]> {
    let all = cx.input(at, slot)?;
    if op.cell.states() == 1 {
        return Ok([all, String::new()]);
    }
    let axis = cx.out.list(&[0]);
    Ok([0, 1].map(|i| {
        let (first, end) = (cx.out.list(&[i]), cx.out.list(&[i + 1]));
        cx.node("Slice", &[&all, &first, &end, &axis], vec![])
    }))
}
