//! Attention, and turns by the position.

use super::rows::at_most;
use crate::error::{Error, Result};
use crate::onnx::export::emit::Emitter;
use crate::onnx::export::probe::{Length, fixed, op_of};
use crate::onnx::export::writer::{float, int};
use crate::onnx::proto::tensor_proto::DataType;
use crate::ops::attention::Attend;
use crate::ops::attention::sizes::Sizes;
use crate::tensor::Spec;

/// The first version that has attention as an op.
const NATIVE: i64 = 23;

/// Writes the node if it is attention.
pub fn write(cx: &mut Emitter, at: usize) -> Result<bool> {
    let node = cx.at(at);
    let Some(op) = op_of::<Attend>(node) else { return Ok(false) };
    if op.drops() {
        return Err(Error::model("its dropout is on; expected a graph for predictions"));
    }
    // Readers want a scale above zero.
    let is_native = cx.opset >= NATIVE && !op.mask && op.options.scale.is_none_or(|s| s > 0.0);
    let made = if is_native { native(cx, at, op)? } else { plain(cx, at, op)? };
    cx.done(at, made);
    Ok(true)
}

/// The sizes that do not depend on the input.
fn sizes(cx: &Emitter, at: usize, op: &Attend) -> Result<Sizes> {
    let graph = cx.graph();
    let specs: Vec<Spec> = cx.at(at).inputs.iter().map(|&t| graph.spec(t).clone()).collect();
    Sizes::new(op, &specs)
}

/// Keys that a sample has: bool `[B, 1, 1, T]`.
fn visible(cx: &mut Emitter, at: usize, op: &Attend, keys: &Length) -> Result<Option<String>> {
    let Some(slot) = op.lengths_at() else { return Ok(None) };
    let lengths = cx.input(at, slot)?;
    let valid = cx.valid(&lengths, keys)?;
    Ok(Some(cx.once(&format!("visible {valid}"), |cx| Ok(cx.unsqueeze(&valid, &[1, 2])))?))
}

/// The positions of queries and of keys.
fn positions(cx: &Emitter, at: usize, op: &Attend) -> [Length; 2] {
    let [q, k, _] = op.operands();
    let axis = if op.packed.is_some() { 1 } else { 2 };
    [q, k].map(|slot| cx.probes.input_lengths(at, slot)[axis].clone())
}

/// q, k and v of a packed tensor, side by side: `[B, T, heads D]`.
fn parts(cx: &mut Emitter, at: usize, z: &Sizes) -> Result<Vec<String>> {
    let qkv = cx.input(at, 0)?;
    let widths = [z.hq * z.d, z.hkv * z.d, z.hkv * z.dv].map(|n| n as i64);
    let widths = cx.out.list(&widths);
    Ok(cx.out.many("Split", &[&qkv, &widths], vec![int("axis", -1)], 3))
}

/// The op `Attention`.
fn native(cx: &mut Emitter, at: usize, op: &Attend) -> Result<String> {
    let z = sizes(cx, at, op)?;
    let [queries, keys] = positions(cx, at, op);
    let mask = match visible(cx, at, op, &keys)? {
        None => String::new(),
        Some(visible) => {
            // Readers want a row for each query.
            let batch = cx.probes.input_lengths(at, 0)[0].clone();
            let shape = cx.shape_of(&[batch, vec![1; queries.len()], queries, keys])?;
            cx.once(&format!("mask {visible} {shape}"), |cx| Ok(cx.node("Expand", &[&visible, &shape], vec![])))?
        }
    };
    let mut attributes = vec![float("scale", op.scale(z.d) as f32)];
    if op.options.causal {
        attributes.push(int("is_causal", 1));
    }
    let operands = match op.packed {
        Some(_) => {
            attributes.push(int("q_num_heads", z.hq as i64));
            attributes.push(int("kv_num_heads", z.hkv as i64));
            parts(cx, at, &z)?
        }
        None => {
            let mut all = vec![];
            for slot in 0..3 {
                all.push(cx.input(at, slot)?);
            }
            all
        }
    };
    let o = cx.node("Attention", &[&operands[0], &operands[1], &operands[2], &mask], attributes);
    let Some(slot) = op.lengths_at() else { return Ok(o) };
    // A sample without a key gives zeros, where readers give what they like.
    let lengths = cx.input(at, slot)?;
    let zero = cx.out.integers(&[], &[0]);
    let some = cx.node("Greater", &[&lengths, &zero], vec![]);
    let some = cx.unsqueeze(&some, if op.packed.is_some() { &[1, 2] } else { &[1, 2, 3] });
    let zero = cx.out.scalar(0.0);
    Ok(cx.node("Where", &[&some, &o, &zero], vec![]))
}

/// Products, masks and a softmax.
fn plain(cx: &mut Emitter, at: usize, op: &Attend) -> Result<String> {
    let z = sizes(cx, at, op)?;
    let [queries, keys] = positions(cx, at, op);
    let (q, k, v) = match op.packed {
        Some(_) => {
            let all = parts(cx, at, &z)?;
            // `[B, T, heads D]` as `[B, heads, T, D]`, of keys as `[B, heads, D, T]`.
            let mut apart = |x: &str, heads: usize, d: usize, order: &[usize]| {
                let shape = cx.out.list(&[0, 0, heads as i64, d as i64]);
                let x = cx.node("Reshape", &[x, &shape], vec![]);
                cx.transpose(&x, order)
            };
            let q = apart(&all[0], z.hq, z.d, &[0, 2, 1, 3]);
            let k = apart(&all[1], z.hkv, z.d, &[0, 2, 3, 1]);
            (q, k, apart(&all[2], z.hkv, z.dv, &[0, 2, 1, 3]))
        }
        None => {
            let (q, k, v) = (cx.input(at, 0)?, cx.input(at, 1)?, cx.input(at, 2)?);
            let k = cx.transpose(&k, &[0, 1, 3, 2]);
            (q, k, v)
        }
    };
    // Heads of queries that share keys stand along an axis of their own.
    let group = z.group();
    let grouped = |cx: &mut Emitter, x: String, shape: [i64; 5]| {
        let shape = cx.out.list(&shape);
        cx.node("Reshape", &[&x, &shape], vec![])
    };
    let (q, k, v) = match group {
        1 => (q, k, v),
        _ => {
            let q = grouped(cx, q, [0, z.hkv as i64, group as i64, -1, z.d as i64]);
            (q, cx.unsqueeze(&k, &[2]), cx.unsqueeze(&v, &[2]))
        }
    };
    let scores = cx.node("MatMul", &[&q, &k], vec![]);
    let scores = cx.with_number("Mul", &scores, op.scale(z.d) as f32);
    let mut seen = visible(cx, at, op, &keys)?;
    if op.options.causal {
        let causal = causal(cx, &queries, &keys)?;
        seen = Some(match seen {
            None => causal,
            Some(seen) => cx.node("And", &[&seen, &causal], vec![]),
        });
    }
    let seen = match (seen, group) {
        (Some(seen), 2..) if op.lengths => Some(cx.unsqueeze(&seen, &[2])),
        (seen, _) => seen,
    };
    let p = match op.mask_at() {
        None => softmax(cx, &scores, seen.as_deref()),
        Some(slot) => {
            let mask = cx.input(at, slot)?;
            let per_head = cx.probes.input_lengths(at, slot).len() == 4;
            let mask = match (per_head, group) {
                (false, _) | (_, 1) => mask,
                _ if fixed(&cx.probes.input_lengths(at, slot)[1]) == Some(1) => cx.unsqueeze(&mask, &[2]),
                _ => {
                    let from = cx.probes.input_lengths(at, slot);
                    let heads = [z.hkv, group].map(|n| vec![n; queries.len()]);
                    let to = [&from[..1], &heads, &from[2..]].concat();
                    cx.reshape(&mask, &from, &to)?
                }
            };
            let scores = cx.node("Add", &[&scores, &mask], vec![]);
            softmax_of_any(cx, &scores, seen.as_deref())
        }
    };
    let mut o = cx.node("MatMul", &[&p, &v], vec![]);
    if group > 1 {
        let shape = cx.out.list(&[0, z.hq as i64, -1, z.dv as i64]);
        o = cx.node("Reshape", &[&o, &shape], vec![]);
    }
    if op.packed.is_none() {
        return Ok(o);
    }
    let o = cx.transpose(&o, &[0, 2, 1, 3]);
    let shape = cx.out.list(&[0, 0, (z.hq * z.dv) as i64]);
    Ok(cx.node("Reshape", &[&o, &shape], vec![]))
}

/// Whether a query sees a key, by their places: bool `[Tq, Tk]`.
fn causal(cx: &mut Emitter, queries: &Length, keys: &Length) -> Result<String> {
    if let (Some(q), Some(k)) = (fixed(queries), fixed(keys)) {
        let all: Vec<bool> = (0..q * k).map(|i| i % k <= i / k).collect();
        return Ok(cx.out.booleans(&[q, k], &all));
    }
    let (q, k) = (cx.range(queries)?, cx.range(keys)?);
    cx.once(&format!("causal {q} {k}"), |cx| {
        let q = cx.unsqueeze(&q, &[1]);
        Ok(cx.node("LessOrEqual", &[&k, &q], vec![]))
    })
}

/// Softmax over the keys that are seen; zeros in a row of which none is.
fn softmax(cx: &mut Emitter, scores: &str, seen: Option<&str>) -> String {
    let Some(seen) = seen else { return cx.node("Softmax", &[scores], vec![int("axis", -1)]) };
    let (least, zero) = (cx.out.scalar(f32::MIN), cx.out.scalar(0.0));
    let scores = cx.node("Where", &[seen, scores, &least], vec![]);
    let p = cx.node("Softmax", &[&scores], vec![int("axis", -1)]);
    cx.node("Where", &[seen, &p, &zero], vec![])
}

/// The same of scores that may be minus infinity.
fn softmax_of_any(cx: &mut Emitter, scores: &str, seen: Option<&str>) -> String {
    let scores = match seen {
        None => scores.to_string(),
        Some(seen) => {
            let never = cx.out.scalar(f32::NEG_INFINITY);
            cx.node("Where", &[seen, scores, &never], vec![])
        }
    };
    let last = cx.out.list(&[-1]);
    let most = cx.node("ReduceMax", &[&scores, &last], vec![int("keepdims", 1)]);
    let most = cx.with_number("Max", &most, f32::MIN);
    let from_most = cx.node("Sub", &[&scores, &most], vec![]);
    let e = cx.node("Exp", &[&from_most], vec![]);
    let sum = cx.node("ReduceSum", &[&e, &last], vec![int("keepdims", 1)]);
    // The largest summand is 1, unless there is none.
    let sum = cx.with_number("Max", &sum, f32::MIN_POSITIVE);
    cx.node("Div", &[&e, &sum], vec![])
}

/// Lengths as readers take them for sequences: int32, no more than there are positions.
pub fn sequence_lengths(cx: &mut Emitter, lengths: &str, positions: &Length) -> Result<String> {
    let lengths = lengths.to_string();
    let positions = positions.clone();
    cx.once(&format!("sequence_lens {lengths} {positions:?}"), |cx| {
        let lengths = at_most(cx, &lengths, &positions)?;
        Ok(cx.cast(&lengths, DataType::Int32))
    })
}
