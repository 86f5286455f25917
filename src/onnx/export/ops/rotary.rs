//! Turns of pairs of elements by their position.

use crate::error::{Error, Result};
use crate::onnx::export::emit::Emitter;
use crate::onnx::export::probe::{Length, fixed, op_of};
use crate::onnx::export::writer::int;
use crate::ops::rotary::Rotary;
use std::f64::consts::TAU;

/// The first version that has the turn as an op.
const NATIVE: i64 = 23;

/// Writes the node if it is one.
pub fn write(cx: &mut Emitter, at: usize) -> Result<bool> {
    let node = cx.at(at);
    let Some(op) = op_of::<Rotary>(node) else { return Ok(false) };
    if node.inputs.len() > 2 {
        return Err(Error::model("its first position is an input; expected positions from 0 on"));
    }
    let x = cx.input(at, 0)?;
    let lengths = cx.probes.input_lengths(at, 0);
    let rank = lengths.len();
    let [cos, sin] = tables(cx, at, op, &lengths[rank - 2])?;
    let made = match (cx.opset >= NATIVE && rank == 4, op.interleaved) {
        (true, interleaved) => {
            // A table for each sample.
            let half = fixed(&lengths[3]).unwrap_or(0) / 2;
            let target = [lengths[0].clone(), lengths[2].clone(), vec![half; lengths[0].len()]];
            let target = cx.shape_of(&target)?;
            let cos = cx.once(&format!("cos {cos}"), |cx| Ok(cx.node("Expand", &[&cos, &target], vec![])))?;
            let sin = cx.once(&format!("sin {sin}"), |cx| Ok(cx.node("Expand", &[&sin, &target], vec![])))?;
            cx.node("RotaryEmbedding", &[&x, &cos, &sin], vec![int("interleaved", interleaved.into())])
        }
        (false, false) => {
            let halves = cx.out.many("Split", &[&x], vec![int("axis", -1), int("num_outputs", 2)], 2);
            let turned = turned(cx, &halves[0], &halves[1], &cos, &sin);
            cx.node("Concat", &[&turned[0], &turned[1]], vec![int("axis", -1)])
        }
        (false, true) => {
            let every_second = |cx: &mut Emitter, first: i64| {
                let (start, end) = (cx.out.list(&[first]), cx.out.list(&[i64::MAX]));
                let (axis, step) = (cx.out.list(&[-1]), cx.out.list(&[2]));
                cx.node("Slice", &[&x, &start, &end, &axis, &step], vec![])
            };
            let (a, b) = (every_second(cx, 0), every_second(cx, 1));
            let both = turned(cx, &a, &b, &cos, &sin);
            let both = both.map(|y| cx.unsqueeze(&y, &[-1]));
            let y = cx.node("Concat", &[&both[0], &both[1]], vec![int("axis", -1)]);
            let half = fixed(&lengths[rank - 1]).unwrap_or(0) / 2;
            let of = |n: usize| vec![n; lengths[0].len()];
            let from = [&lengths[..rank - 1], &[of(half), of(2)]].concat();
            cx.reshape(&y, &from, &lengths)?
        }
    };
    cx.done(at, made);
    Ok(true)
}

/// `a cos - b sin` and `a sin + b cos`.
fn turned(cx: &mut Emitter, a: &str, b: &str, cos: &str, sin: &str) -> [String; 2] {
    let mut mul = |x: &str, y: &str| cx.node("Mul", &[x, y], vec![]);
    let [ac, bs, as_, bc] = [mul(a, cos), mul(b, sin), mul(a, sin), mul(b, cos)];
    [cx.node("Sub", &[&ac, &bs], vec![]), cx.node("Add", &[&as_, &bc], vec![])]
}

/// Cosines and sines `[T, D / 2]` of all positions.
fn tables(cx: &mut Emitter, at: usize, op: &Rotary, positions: &Length) -> Result<[String; 2]> {
    let words = cx.probes.value(&cx.probes.inputs(at, 1)).remove(0);
    let words = words.as_u32();
    let rows = fixed(positions).unwrap_or(cx.probes.longest);
    let angle = |i: usize| {
        let (row, pair) = (i / (words.len() / 2), i % (words.len() / 2));
        let frequency = u64::from(words[2 * pair]) << 32 | u64::from(words[2 * pair + 1]);
        (row as u64).wrapping_mul(frequency) as i64 as f64 * (TAU / 2f64.powi(64))
    };
    let n = rows * words.len() / 2;
    let sign = if op.inverse { -1.0 } else { 1.0 };
    let tables: [Vec<f32>; 2] =
        [(0..n).map(|i| angle(i).cos() as f32).collect(), (0..n).map(|i| (sign * angle(i).sin()) as f32).collect()];
    let shape = [rows, words.len() / 2];
    let [cos, sin] = tables.map(|t| cx.out.numbers(&shape, &t));
    if fixed(positions).is_some() {
        return Ok([cos, sin]);
    }
    let mut first = |table: &str| {
        let positions = positions.clone();
        cx.once(&format!("turns {table}"), |cx| cx.first_rows(table, &positions))
    };
    Ok([first(&cos)?, first(&sin)?])
}
