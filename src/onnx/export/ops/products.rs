//! Matrix products, sums and means, and norms.

use crate::error::Result;
use crate::onnx::export::emit::Emitter;
use crate::onnx::export::probe::{fixed, op_of};
use crate::onnx::export::writer::{float, int};
use crate::ops::batch_norm::BatchNormEval;
use crate::ops::layer_norm::LayerNorm;
use crate::ops::matmul::Matmul;
use crate::ops::reduce::{Fold, Reduce};

/// Writes the node if it is one of these.
pub fn write(cx: &mut Emitter, at: usize) -> Result<bool> {
    let node = cx.at(at);
    let made = if let Some(op) = op_of::<Matmul>(node) {
        let (a, b) = (cx.input(at, 0)?, cx.input(at, 1)?);
        let bias = if node.inputs.len() > 2 { Some(cx.input(at, 2)?) } else { None };
        let ranks = [0, 1].map(|slot| cx.probes.input_lengths(at, slot).len());
        product(cx, *op, [&a, &b], ranks, bias.as_deref())
    } else if let Some(op) = op_of::<Reduce>(node) {
        reduce(cx, at, op)?
    } else if let Some(op) = op_of::<LayerNorm>(node) {
        norm(cx, at, op)?
    } else if let Some(op) = op_of::<BatchNormEval>(node) {
        let mut inputs = vec![];
        for slot in 0..5 {
            inputs.push(cx.input(at, slot)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        cx.node("BatchNormalization", &inputs, vec![float("epsilon", op.eps)])
    } else {
        return Ok(false);
    };
    cx.done(at, made);
    Ok(true)
}

fn product(cx: &mut Emitter, op: Matmul, [a, b]: [&str; 2], ranks: [usize; 2], bias: Option<&str>) -> String {
    if ranks == [2, 2] && (bias.is_some() || op.transpose_a || op.transpose_b) {
        let flags = [("transA", op.transpose_a), ("transB", op.transpose_b)];
        let flags = flags.iter().filter(|(_, on)| *on).map(|(name, _)| int(name, 1)).collect();
        return cx.node("Gemm", &[a, b, bias.unwrap_or("")], flags);
    }
    let turned = |cx: &mut Emitter, x: &str, rank: usize, on: bool| {
        let mut order: Vec<usize> = (0..rank).collect();
        order[rank - 2..].reverse();
        if on { cx.transpose(x, &order) } else { x.to_string() }
    };
    let a = turned(cx, a, ranks[0], op.transpose_a);
    let b = turned(cx, b, ranks[1], op.transpose_b);
    let y = cx.node("MatMul", &[&a, &b], vec![]);
    bias.map_or(y.clone(), |bias| cx.node("Add", &[&y, bias], vec![]))
}

fn reduce(cx: &mut Emitter, at: usize, op: &Reduce) -> Result<String> {
    let x = cx.input(at, 0)?;
    let rank = cx.probes.input_lengths(at, 0).len();
    if op.axes.is_empty() {
        return Ok(x);
    }
    let is_spatial = rank == 4 && op.axes == [2, 3];
    let name = match op.fold {
        Fold::Mean if is_spatial => return Ok(cx.node("GlobalAveragePool", &[&x], vec![])),
        Fold::Max if is_spatial => return Ok(cx.node("GlobalMaxPool", &[&x], vec![])),
        Fold::Sum => "ReduceSum",
        Fold::Mean => "ReduceMean",
        Fold::Max => "ReduceMax",
        Fold::Min => "ReduceMin",
        Fold::Prod => "ReduceProd",
    };
    let axes: Vec<i64> = op.axes.iter().map(|&a| a as i64).collect();
    let axes = cx.out.list(&axes);
    Ok(cx.node(name, &[&x, &axes], vec![int("keepdims", 1)]))
}

fn norm(cx: &mut Emitter, at: usize, op: &LayerNorm) -> Result<String> {
    let x = cx.input(at, 0)?;
    let width = cx.probes.input_lengths(at, 0).last().and_then(fixed).unwrap_or(1);
    let weight = if op.weight { cx.input(at, 1)? } else { cx.out.numbers(&[width], &vec![1.0; width]) };
    if op.center {
        let bias = if op.bias { cx.input(at, 1 + usize::from(op.weight))? } else { String::new() };
        let attributes = vec![int("axis", -1), float("epsilon", op.eps)];
        return Ok(cx.node("LayerNormalization", &[&x, &weight, &bias], attributes));
    }
    if cx.opset >= 23 {
        let attributes = vec![int("axis", -1), float("epsilon", op.eps)];
        let y = cx.node("RMSNormalization", &[&x, &weight], attributes);
        return shifted(cx, at, op, y);
    }
    let square = cx.node("Mul", &[&x, &x], vec![]);
    let last = cx.out.list(&[-1]);
    let mean = cx.node("ReduceMean", &[&square, &last], vec![int("keepdims", 1)]);
    let mean = cx.with_number("Add", &mean, op.eps);
    let root = cx.node("Sqrt", &[&mean], vec![]);
    let y = cx.node("Div", &[&x, &root], vec![]);
    let y = if op.weight { cx.node("Mul", &[&y, &weight], vec![]) } else { y };
    shifted(cx, at, op, y)
}

/// Adds the bias, if there is one.
fn shifted(cx: &mut Emitter, at: usize, op: &LayerNorm, y: String) -> Result<String> {
    match op.bias {
        false => Ok(y),
        true => {
            let bias = cx.input(at, 1 + usize::from(op.weight))?;
            Ok(cx.node("Add", &[&y, &bias], vec![]))
        }
    }
}
