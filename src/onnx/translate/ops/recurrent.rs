//! RNN, LSTM and GRU. The usual ones are the engine's recurrence, with gates in its order;
//! with peepholes, bounds or other activations they are unrolled step by step.

use super::super::node::Node;
use super::index::{concat, permute, reshape, slice};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::onnx::value::Value;
use crate::ops::recurrence::{Cell, Direction, RecurrentWeights, State};
use crate::ops::unary::Function;

pub const OPS: &[Translation] =
    &[op("GRU", |cx| walk(cx, Kind::Gru)), op("LSTM", |cx| walk(cx, Kind::Lstm)), op("RNN", |cx| walk(cx, Kind::Rnn))];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rnn,
    Lstm,
    Gru,
}

impl Kind {
    fn gates(self) -> usize {
        match self {
            Kind::Rnn => 1,
            Kind::Lstm => 4,
            Kind::Gru => 3,
        }
    }

    /// Where the engine's gates stand among ONNX's: i, o, f, c and z, r, h there.
    fn order(self) -> &'static [usize] {
        match self {
            Kind::Rnn => &[0],
            Kind::Lstm => &[0, 2, 3, 1],
            Kind::Gru => &[1, 0, 2],
        }
    }

    fn activations(self) -> &'static [&'static str] {
        match self {
            Kind::Rnn => &["Tanh"],
            Kind::Lstm => &["Sigmoid", "Tanh", "Tanh"],
            Kind::Gru => &["Sigmoid", "Tanh"],
        }
    }
}

/// Functions with a first constant, and with a second.
const ALPHA: &[&str] = &["affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu"];
const BETA: &[&str] = &["affine", "scaledtanh", "hardsigmoid"];

/// An activation of a gate.
#[derive(Clone, Debug, PartialEq)]
enum Gate {
    Plain(Function),
    /// `a tanh(b x)`.
    ScaledTanh(f32, f32),
}

impl Gate {
    fn named(name: &str, a: Option<f32>, b: Option<f32>) -> Result<Gate> {
        Ok(Gate::Plain(match &name.to_lowercase()[..] {
            "relu" => Function::Relu,
            "tanh" => Function::Tanh,
            "sigmoid" => Function::Sigmoid,
            "softsign" => Function::Softsign,
            "softplus" => Function::Softplus,
            "affine" => Function::Affine(a.unwrap_or(1.0), b.unwrap_or(0.0)),
            "leakyrelu" => Function::LeakyRelu(a.unwrap_or(0.01)),
            "thresholdedrelu" => Function::ThresholdedRelu(a.unwrap_or(1.0)),
            "hardsigmoid" => Function::HardSigmoid(a.unwrap_or(0.2), b.unwrap_or(0.5)),
            "elu" => Function::Elu(a.unwrap_or(1.0)),
            "scaledtanh" => return Ok(Gate::ScaledTanh(a.unwrap_or(1.0), b.unwrap_or(1.0))),
            _ => return Err(Error::model(format!("activation \"{name}\" is none of a recurrent cell's"))),
        }))
    }

    fn apply(&self, cx: &mut Node, x: TensorId) -> Result<TensorId> {
        match *self {
            Gate::Plain(f) => cx.g().unary(f, x),
            Gate::ScaledTanh(a, b) => {
                let x = cx.g().affine(x, b, 0.0)?;
                let x = cx.g().unary(Function::Tanh, x)?;
                cx.g().affine(x, a, 0.0)
            }
        }
    }
}

/// What all directions share.
struct How {
    kind: Kind,
    hidden: usize,
    clip: Option<f32>,
    linear_before_reset: bool,
    input_forget: bool,
    lengths: Option<Vec<i64>>,
    /// Whether the engine's recurrence is not enough.
    unusual: bool,
}

/// What one direction gives: `[B, T, H]` and the last states.
type Walked = (TensorId, TensorId, Option<TensorId>);

fn walk(cx: &mut Node, kind: Kind) -> Result<Vec<Value>> {
    let elem = cx.elem(0)?;
    let first_batch = cx.flag("layout", false)?;
    let lengths = if cx.has(4) { Some(cx.ints(4)?) } else { None };
    let directions: &[bool] = match &cx.text("direction", "forward")?.to_lowercase()[..] {
        "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => return Err(Error::model(format!("direction is \"{other}\""))),
    };
    let w = cx.shape(1)?;
    let r = cx.shape(2)?;
    let hidden = *r.last().unwrap_or(&0);
    if w.len() != 3 || r.len() != 3 || w[0] != directions.len() || w[1] != kind.gates() * hidden || hidden == 0 {
        return Err(Error::model(format!("weights of shapes {w:?} and {r:?} for {} directions", directions.len())));
    }
    let (rows, n) = (2 * kind.gates() * hidden, directions.len());
    for (i, expected) in [(3, vec![n, rows]), (7, vec![n, 3 * hidden])] {
        if cx.has(i) && cx.shape(i)? != expected {
            let found = cx.shape(i)?;
            return Err(Error::model(format!("input {i} has shape {found:?}; expected {expected:?}")));
        }
    }
    if cx.int("hidden_size", hidden as i64)? != hidden as i64 {
        return Err(Error::model(format!("hidden_size is other than that of the weights, {hidden}")));
    }
    // Versions before 7 said here whether all steps are given; they always are.
    cx.int("output_sequence", 0)?;
    let names = cx.texts("activations")?;
    let list = |name: &str| Ok(cx.float_list(name)?.unwrap_or_default().into_iter());
    let (mut alphas, mut betas) = (list("activation_alpha")?, list("activation_beta")?);
    let usual = kind.activations();
    let mut gates = vec![];
    for i in 0..usual.len() * directions.len() {
        let name = names.as_ref().and_then(|n| n.get(i)).map_or(usual[i % usual.len()], String::as_str);
        // Each function takes those that it has, in order.
        let lower = name.to_lowercase();
        let [takes_alpha, takes_beta] = [ALPHA, BETA].map(|names| names.contains(&&lower[..]));
        let alpha = if takes_alpha { alphas.next() } else { None };
        let beta = if takes_beta { betas.next() } else { None };
        gates.push(Gate::named(name, alpha, beta)?);
    }
    let usual_gates: Vec<Gate> = usual.iter().map(|n| Gate::named(n, None, None)).collect::<Result<_>>()?;
    let relu = [Gate::Plain(Function::Relu)];
    let known = |g: &[Gate]| g == usual_gates || kind == Kind::Rnn && g == relu;
    let how = How {
        kind,
        hidden,
        clip: cx.float_opt("clip")?,
        linear_before_reset: cx.flag("linear_before_reset", false)?,
        input_forget: cx.flag("input_forget", false)?,
        lengths,
        unusual: cx.has(7) || !gates.chunks(usual.len()).all(known),
    };
    let x = cx.value(0)?.clone();
    let x = if first_batch { x } else { permute(cx, &x, &[1, 0, 2])? };
    let [mut ys, mut hs, mut cs] = [vec![], vec![], vec![]];
    for (d, &reverse) in directions.iter().enumerate() {
        let mut part = |i: usize| -> Result<Option<Value>> {
            if !cx.has(i) {
                return Ok(None);
            }
            let value = cx.value(i)?.clone();
            // Initial states have the directions in the second axis where batches come first.
            let axis = usize::from(first_batch && (i == 5 || i == 6));
            let mut shape = cx.shape_of(&value)?;
            let value = slice(cx, &value, axis, d, 1, 1)?;
            shape.remove(axis);
            reshape(cx, &value, shape).map(Some)
        };
        let inputs = Inputs { w: part(1)?, r: part(2)?, b: part(3)?, h: part(5)?, c: part(6)?, p: part(7)? };
        let gates = &gates[d * usual.len()..(d + 1) * usual.len()];
        let xt = cx.in_graph(&x)?;
        let bounded = how.unusual || how.clip.is_some() || how.input_forget;
        let (y, h, c) = match bounded {
            false => engine(cx, &how, xt, inputs, reverse, gates == relu)?,
            true => unrolled(cx, &how, xt, inputs, reverse, gates)?,
        };
        ys.push(y);
        hs.push(h);
        cs.extend(c);
    }
    let stacked = |cx: &mut Node, all: Vec<TensorId>, axis: usize| -> Result<Value> {
        let mut parts = vec![];
        for t in all {
            let mut shape = cx.g().shape(t).to_vec();
            shape.insert(axis, 1);
            parts.push(Value::Graph(elem, cx.g().reshape(t, shape)?));
        }
        concat(cx, &parts, axis)
    };
    // `[B, T, D, H]`; ONNX has `[T, D, B, H]` where batches come second.
    let y = stacked(cx, ys, 2)?;
    let y = if first_batch { y } else { permute(cx, &y, &[1, 2, 0, 3])? };
    let state_axis = usize::from(first_batch);
    let mut values = vec![y, stacked(cx, hs, state_axis)?];
    if kind == Kind::Lstm {
        values.push(stacked(cx, cs, state_axis)?);
    }
    Ok(values)
}

/// The tensors of one direction.
struct Inputs {
    w: Option<Value>,
    r: Option<Value>,
    b: Option<Value>,
    h: Option<Value>,
    c: Option<Value>,
    p: Option<Value>,
}

impl Inputs {
    fn given(v: &Option<Value>) -> Result<Value> {
        v.clone().ok_or_else(|| Error::model("weights are missing"))
    }
}

/// The gates of a weight in the engine's order.
fn reordered(cx: &mut Node, value: &Value, kind: Kind, hidden: usize) -> Result<TensorId> {
    let mut parts = vec![];
    for &gate in kind.order() {
        parts.push(slice(cx, value, 0, gate * hidden, 1, hidden)?);
    }
    let all = concat(cx, &parts, 0)?;
    cx.in_graph(&all)
}

fn engine(cx: &mut Node, how: &How, x: TensorId, inputs: Inputs, reverse: bool, relu: bool) -> Result<Walked> {
    let cell = match how.kind {
        Kind::Rnn if relu => Cell::RnnRelu,
        Kind::Rnn => Cell::RnnTanh,
        Kind::Lstm => Cell::Lstm,
        Kind::Gru => Cell::Gru { reset_after: how.linear_before_reset },
    };
    let rows = how.kind.gates() * how.hidden;
    let (w, r) = (Inputs::given(&inputs.w)?, Inputs::given(&inputs.r)?);
    let (w_ih, w_hh) = (reordered(cx, &w, how.kind, how.hidden)?, reordered(cx, &r, how.kind, how.hidden)?);
    let mut bias = |from: usize| -> Result<Option<TensorId>> {
        let Some(b) = &inputs.b else { return Ok(None) };
        let half = slice(cx, b, 0, from, 1, rows)?;
        reordered(cx, &half, how.kind, how.hidden).map(Some)
    };
    let (b_ih, b_hh) = (bias(0)?, bias(rows)?);
    let batch = cx.g().shape(x)[0];
    let initial = match (&inputs.h, &inputs.c) {
        (None, None) => None,
        (h, c) => {
            let mut state = |v: &Option<Value>| match v {
                Some(v) => cx.in_graph(v),
                None => cx.numbers([batch, how.hidden], vec![0.0; batch * how.hidden]),
            };
            let h = state(h)?;
            Some(State { h, c: if how.kind == Kind::Lstm { Some(state(c)?) } else { None } })
        }
    };
    let lengths = how.lengths.as_ref().map(|l| l.iter().map(|&n| n.max(0) as u32).collect::<Vec<u32>>());
    let lengths = lengths.map(|l| cx.walk.trace.indices(&[batch], l));
    let weights = RecurrentWeights { w_ih, w_hh, b_ih, b_hh };
    let walked = cx.g().recurrent_layer(cell, x, &weights, Direction { reverse, lengths, initial })?;
    Ok((walked.y, walked.last.h, walked.last.c))
}

/// Step by step, in ONNX's own order of gates.
fn unrolled(cx: &mut Node, how: &How, x: TensorId, inputs: Inputs, reverse: bool, gates: &[Gate]) -> Result<Walked> {
    let s = cx.g().shape(x).to_vec();
    let (batch, steps, n) = (s[0], s[1], how.hidden);
    let rows = how.kind.gates() * n;
    let (w, r) = (Inputs::given(&inputs.w)?, Inputs::given(&inputs.r)?);
    let (w, r) = (cx.in_graph(&w)?, cx.in_graph(&r)?);
    let zeros = cx.numbers([batch, n], vec![0.0; batch * n])?;
    let mut state = |v: &Option<Value>| v.as_ref().map_or(Ok(zeros), |v| cx.in_graph(v));
    let (mut h, mut c) = (state(&inputs.h)?, state(&inputs.c)?);
    let (wb, rb) = match &inputs.b {
        None => (None, None),
        Some(b) => {
            let (wb, rb) = (slice(cx, b, 0, 0, 1, rows)?, slice(cx, b, 0, rows, 1, rows)?);
            (Some(cx.in_graph(&wb)?), Some(cx.in_graph(&rb)?))
        }
    };
    let peepholes = match &inputs.p {
        None => None,
        Some(p) => {
            let p = cx.in_graph(p)?;
            Some([0, 1, 2].map(|k| cx.g().slice(p, 0, k * n, (k + 1) * n, 1)))
        }
    };
    let peepholes = match peepholes {
        None => None,
        Some([i, o, f]) => Some([i?, o?, f?]),
    };
    let bound = |cx: &mut Node, x: TensorId| match how.clip {
        Some(clip) => cx.g().unary(Function::Clip(-clip, clip), x),
        None => Ok(x),
    };
    let mut ys = vec![None; steps];
    let order: Vec<usize> = if reverse { (0..steps).rev().collect() } else { (0..steps).collect() };
    for t in order {
        let g = cx.g();
        let xt = g.slice(x, 1, t, t + 1, 1)?;
        let xt = g.reshape(xt, [batch, s[2]])?;
        let gx = g.matmul_t(xt, w, wb)?;
        let part = |cx: &mut Node, t: TensorId, k: usize| cx.g().slice(t, 1, k * n, (k + 1) * n, 1);
        let (next_h, next_c) = match how.kind {
            Kind::Rnn => {
                let gh = g.matmul_t(h, r, rb)?;
                let a = g.add(gx, gh)?;
                let a = bound(cx, a)?;
                (gates[0].apply(cx, a)?, c)
            }
            Kind::Lstm => {
                let gh = g.matmul_t(h, r, rb)?;
                let a = g.add(gx, gh)?;
                let peep = |cx: &mut Node, a: TensorId, k: usize, c: TensorId| match peepholes {
                    None => Ok(a),
                    Some(p) => {
                        let more = cx.g().mul(p[k], c)?;
                        cx.g().add(a, more)
                    }
                };
                let gate =
                    |cx: &mut Node, k: usize, peephole: Option<(usize, TensorId)>, f: usize| -> Result<TensorId> {
                        let mut a = part(cx, a, k)?;
                        if let Some((p, c)) = peephole {
                            a = peep(cx, a, p, c)?;
                        }
                        let a = bound(cx, a)?;
                        gates[f].apply(cx, a)
                    };
                let i = gate(cx, 0, Some((0, c)), 0)?;
                let f = match how.input_forget {
                    true => cx.g().affine(i, -1.0, 1.0)?,
                    false => gate(cx, 2, Some((2, c)), 0)?,
                };
                let new = gate(cx, 3, None, 1)?;
                let g = cx.g();
                let (kept, added) = (g.mul(f, c)?, g.mul(i, new)?);
                let c = g.add(kept, added)?;
                let o = gate(cx, 1, Some((1, c)), 0)?;
                let c_out = gates[2].apply(cx, c)?;
                (cx.g().mul(o, c_out)?, c)
            }
            Kind::Gru => {
                let product = |cx: &mut Node, h: TensorId, k: usize| -> Result<TensorId> {
                    let g = cx.g();
                    let r = g.slice(r, 0, k * n, (k + 1) * n, 1)?;
                    let b = rb.map(|b| g.slice(b, 0, k * n, (k + 1) * n, 1)).transpose()?;
                    g.matmul_t(h, r, b)
                };
                let gate = |cx: &mut Node, k: usize| -> Result<TensorId> {
                    let (a, b) = (part(cx, gx, k)?, product(cx, h, k)?);
                    let a = cx.g().add(a, b)?;
                    let a = bound(cx, a)?;
                    gates[0].apply(cx, a)
                };
                let (z, reset) = (gate(cx, 0)?, gate(cx, 1)?);
                let inner = match how.linear_before_reset {
                    true => {
                        let b = product(cx, h, 2)?;
                        cx.g().mul(reset, b)?
                    }
                    false => {
                        let kept = cx.g().mul(reset, h)?;
                        product(cx, kept, 2)?
                    }
                };
                let a = part(cx, gx, 2)?;
                let a = cx.g().add(a, inner)?;
                let a = bound(cx, a)?;
                let new = gates[1].apply(cx, a)?;
                let g = cx.g();
                let rest = g.affine(z, -1.0, 1.0)?;
                let (new, kept) = (g.mul(rest, new)?, g.mul(z, h)?);
                (g.add(new, kept)?, c)
            }
        };
        let mut y = next_h;
        match &how.lengths {
            None => (h, c) = (next_h, next_c),
            Some(lengths) => {
                let valid = lengths.iter().map(|&l| f64::from((t as i64) < l)).collect();
                let valid = cx.numbers([batch, 1], valid)?;
                let g = cx.g();
                (h, c) = (g.select(valid, next_h, h)?, g.select(valid, next_c, c)?);
                y = g.mul(y, valid)?;
            }
        }
        ys[t] = Some(cx.g().reshape(y, [batch, 1, n])?);
    }
    let ys: Vec<TensorId> = ys.into_iter().flatten().collect();
    let y = if ys.len() == 1 { ys[0] } else { cx.g().concat(&ys, 1)? };
    Ok((y, h, Some(c)))
}
