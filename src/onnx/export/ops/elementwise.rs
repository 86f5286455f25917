//! Elementwise functions and arithmetic, and softmax.

use crate::error::Result;
use crate::onnx::export::emit::Emitter;
use crate::onnx::export::probe::op_of;
use crate::onnx::export::writer::{float, int, text};
use crate::onnx::proto::tensor_proto::DataType;
use crate::ops::binary::{Arithmetic, Binary};
use crate::ops::softmax::Softmax;
use crate::ops::unary::{Function, Unary};

/// Writes the node if it is one of these.
pub fn write(cx: &mut Emitter, at: usize) -> Result<bool> {
    let node = cx.at(at);
    let made = if let Some(op) = op_of::<Unary>(node) {
        let x = cx.input(at, 0)?;
        unary(cx, op.function, &x)
    } else if let Some(op) = op_of::<Binary>(node) {
        let (a, b) = (cx.input(at, 0)?, cx.input(at, 1)?);
        let name = match op.op {
            Arithmetic::Add => "Add",
            Arithmetic::Sub => "Sub",
            Arithmetic::Mul => "Mul",
            Arithmetic::Div => "Div",
            Arithmetic::Equal => "Equal",
        };
        let y = cx.node(name, &[&a, &b], vec![]);
        if op.op == Arithmetic::Equal { cx.cast(&y, DataType::Float) } else { y }
    } else if let Some(op) = op_of::<Softmax>(node) {
        let mut x = cx.input(at, 0)?;
        let is_scalar = cx.probes.input_lengths(at, 0).is_empty();
        if is_scalar {
            x = cx.unsqueeze(&x, &[0]);
        }
        let y = cx.node(if op.log { "LogSoftmax" } else { "Softmax" }, &[&x], vec![int("axis", -1)]);
        if is_scalar { cx.squeeze(&y, &[0]) } else { y }
    } else {
        return Ok(false);
    };
    cx.done(at, made);
    Ok(true)
}

/// A function of each element.
pub fn unary(cx: &mut Emitter, function: Function, x: &str) -> String {
    let plain = |cx: &mut Emitter, op: &str| cx.node(op, &[x], vec![]);
    match function {
        Function::Relu => plain(cx, "Relu"),
        Function::Sigmoid => plain(cx, "Sigmoid"),
        Function::Tanh => plain(cx, "Tanh"),
        Function::Softplus => plain(cx, "Softplus"),
        Function::HardSwish => plain(cx, "HardSwish"),
        Function::Exp => plain(cx, "Exp"),
        Function::Ln => plain(cx, "Log"),
        Function::Sqrt => plain(cx, "Sqrt"),
        Function::Abs => plain(cx, "Abs"),
        Function::LeakyRelu(slope) => cx.node("LeakyRelu", &[x], vec![float("alpha", slope)]),
        Function::Elu(alpha) => cx.node("Elu", &[x], vec![float("alpha", alpha)]),
        Function::Square => cx.node("Mul", &[x, x], vec![]),
        Function::Silu => {
            let gate = plain(cx, "Sigmoid");
            cx.node("Mul", &[x, &gate], vec![])
        }
        Function::Affine(a, b) => {
            let y = if a == 1.0 { x.to_string() } else { cx.with_number("Mul", x, a) };
            if b == 0.0 { y } else { cx.with_number("Add", &y, b) }
        }
        Function::Gelu if cx.opset >= 20 => cx.node("Gelu", &[x], vec![]),
        Function::GeluTanh if cx.opset >= 20 => cx.node("Gelu", &[x], vec![text("approximate", "tanh")]),
        Function::Gelu => {
            let inner = cx.with_number("Div", x, std::f32::consts::SQRT_2);
            let inner = cx.node("Erf", &[&inner], vec![]);
            half_of(cx, x, &inner)
        }
        Function::GeluTanh => {
            let cube = cx.node("Mul", &[x, x], vec![]);
            let cube = cx.node("Mul", &[&cube, x], vec![]);
            let cube = cx.with_number("Mul", &cube, 0.044_715);
            let inner = cx.node("Add", &[x, &cube], vec![]);
            let inner = cx.with_number("Mul", &inner, (2.0 / std::f32::consts::PI).sqrt());
            let inner = cx.node("Tanh", &[&inner], vec![]);
            half_of(cx, x, &inner)
        }
    }
}

/// `x/2 (1 + inner)`.
fn half_of(cx: &mut Emitter, x: &str, inner: &str) -> String {
    let inner = cx.with_number("Add", inner, 1.0);
    let y = cx.node("Mul", &[x, &inner], vec![]);
    cx.with_number("Mul", &y, 0.5)
}
