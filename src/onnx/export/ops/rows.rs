//! Tokens, and sequences of several lengths: embedding, lengths, masks, means of what is
//! valid.

use crate::error::Result;
use crate::onnx::export::emit::Emitter;
use crate::onnx::export::probe::{Length, op_of};
use crate::onnx::export::writer::int;
use crate::onnx::proto::tensor_proto::DataType;
use crate::ops::embedding::Embedding;
use crate::ops::gather_rows::GatherRows;
use crate::ops::mask_rows::MaskRows;
use crate::ops::mean_rows::MeanRows;
use crate::ops::row_lengths::RowLengths;
use crate::ops::take_row::TakeRow;
use crate::tensor::DType;

/// Writes the node if it is one of these.
pub fn write(cx: &mut Emitter, at: usize) -> Result<bool> {
    let node = cx.at(at);
    let made = if op_of::<Embedding>(node).is_some() {
        let (table, index) = (cx.input(at, 0)?, cx.input(at, 1)?);
        cx.node("Gather", &[&table, &index], vec![int("axis", 0)])
    } else if op_of::<GatherRows>(node).is_some() {
        gather_rows(cx, at)?
    } else if let Some(op) = op_of::<RowLengths>(node) {
        let tokens = cx.input(at, 0)?;
        let positions = cx.probes.input_lengths(at, 0)[1].clone();
        row_lengths(cx, &tokens, op.pad, &positions)?
    } else if let Some(op) = op_of::<MaskRows>(node) {
        let (x, lengths) = (cx.input(at, 0)?, cx.input(at, 1)?);
        let from = cx.probes.input_lengths(at, 0);
        fill(cx, &x, &lengths, &from, op.fill)?
    } else if op_of::<MeanRows>(node).is_some() {
        let (x, lengths) = (cx.input(at, 0)?, cx.input(at, 1)?);
        let from = cx.probes.input_lengths(at, 0);
        let valid = fill(cx, &x, &lengths, &from, 0.0)?;
        let positions = cx.out.list(&[1]);
        let sum = cx.node("ReduceSum", &[&valid, &positions], vec![int("keepdims", 0)]);
        let count = at_most(cx, &lengths, &from[1])?;
        let one = cx.out.list(&[1]);
        let count = cx.node("Max", &[&count, &one], vec![]);
        let count = cx.cast(&count, DataType::Float);
        let count = cx.unsqueeze(&count, &[1]);
        cx.node("Div", &[&sum, &count], vec![])
    } else if op_of::<TakeRow>(node).is_some() {
        let (x, lengths) = (cx.input(at, 0)?, cx.input(at, 1)?);
        let from = cx.probes.input_lengths(at, 0);
        let last = at_most(cx, &lengths, &from[1])?;
        let one = cx.out.list(&[1]);
        let last = cx.node("Sub", &[&last, &one], vec![]);
        let last = cx.unsqueeze(&last, &[1]);
        let all = cx.range(&from[1])?;
        let is_last = cx.node("Equal", &[&all, &last], vec![]);
        let is_last = cx.unsqueeze(&is_last, &[2]);
        let zero = cx.out.scalar(0.0);
        let row = cx.node("Where", &[&is_last, &x, &zero], vec![]);
        let positions = cx.out.list(&[1]);
        cx.node("ReduceSum", &[&row, &positions], vec![int("keepdims", 0)])
    } else {
        return Ok(false);
    };
    cx.done(at, made);
    Ok(true)
}

/// The place behind the last token that is not the padding.
fn row_lengths(cx: &mut Emitter, tokens: &str, pad: u32, positions: &Length) -> Result<String> {
    let pad = cx.out.integers(&[], &[pad.into()]);
    let is_pad = cx.node("Equal", &[tokens, &pad], vec![]);
    let all = cx.range(positions)?;
    let one = cx.out.list(&[1]);
    let ends = cx.node("Add", &[&all, &one], vec![]);
    let zero = cx.out.integers(&[], &[0]);
    let ends = cx.node("Where", &[&is_pad, &zero, &ends], vec![]);
    let axis = cx.out.list(&[1]);
    Ok(cx.node("ReduceMax", &[&ends, &axis], vec![int("keepdims", 0)]))
}

/// `x` with a number behind the ends of its samples.
pub fn fill(cx: &mut Emitter, x: &str, lengths: &str, from: &[Length], number: f32) -> Result<String> {
    let mut valid = cx.valid(lengths, &from[1])?;
    if from.len() > 2 {
        let axes: Vec<i64> = (2..from.len() as i64).collect();
        valid = cx.unsqueeze(&valid, &axes);
    }
    let number = cx.out.scalar(number);
    Ok(cx.node("Where", &[&valid, x, &number], vec![]))
}

/// Lengths that are no more than there are positions.
pub fn at_most(cx: &mut Emitter, lengths: &str, positions: &Length) -> Result<String> {
    let most = cx.length(positions)?;
    Ok(cx.node("Min", &[lengths, &most], vec![]))
}

/// Rows of a table by number, zeros where there is none.
fn gather_rows(cx: &mut Emitter, at: usize) -> Result<String> {
    let (table, index) = (cx.input(at, 0)?, cx.input(at, 1)?);
    let (from, to) = (cx.probes.input_lengths(at, 0), cx.probes.output_lengths(at, 0));
    let rows = cx.length(&from[0])?;
    let is_row = cx.node("Less", &[&index, &rows], vec![]);
    let zero = cx.out.integers(&[], &[0]);
    let index = cx.node("Where", &[&is_row, &index, &zero], vec![]);
    let found = cx.node("Gather", &[&table, &index], vec![int("axis", 0)]);
    let is_row = match to.len() {
        1 => is_row,
        rank => {
            let axes: Vec<i64> = (1..rank as i64).collect();
            cx.unsqueeze(&is_row, &axes)
        }
    };
    let node = cx.at(at);
    let none = match cx.graph().spec(node.outputs[0]).dtype {
        DType::U32 => zero,
        _ => cx.out.scalar(0.0),
    };
    Ok(cx.node("Where", &[&is_row, &found, &none], vec![]))
}
