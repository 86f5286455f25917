//! Elementwise functions and arithmetic, and softmax.

use crate::error::Result;
use crate::onnx::export::emit::Emitter;
use crate::onnx::export::probe::op_of;
use crate::onnx::export::writer::{float, int, text};
use crate::onnx::proto::tensor_proto::DataType;
use crate::ops::binary::{Arithmetic, Binary};
use crate::ops::select::Select;
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
        arithmetic(cx, op.op, &a, &b)
    } else if op_of::<Select>(node).is_some() {
        let (c, a, b) = (cx.input(at, 0)?, cx.input(at, 1)?, cx.input(at, 2)?);
        let c = cx.cast(&c, DataType::Bool);
        cx.node("Where", &[&c, &a, &b], vec![])
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

fn arithmetic(cx: &mut Emitter, op: Arithmetic, a: &str, b: &str) -> String {
    let (name, attributes, is_truth) = match op {
        Arithmetic::Add => ("Add", vec![], false),
        Arithmetic::Sub => ("Sub", vec![], false),
        Arithmetic::Mul => ("Mul", vec![], false),
        Arithmetic::Div => ("Div", vec![], false),
        Arithmetic::Maximum => ("Max", vec![], false),
        Arithmetic::Minimum => ("Min", vec![], false),
        Arithmetic::Power => ("Pow", vec![], false),
        Arithmetic::Fmod => ("Mod", vec![int("fmod", 1)], false),
        // Mod of floats is C's; this is Python's.
        Arithmetic::Modulo => {
            let ratio = cx.node("Div", &[a, b], vec![]);
            let whole = cx.node("Floor", &[&ratio], vec![]);
            let part = cx.node("Mul", &[&whole, b], vec![]);
            return cx.node("Sub", &[a, &part], vec![]);
        }
        Arithmetic::Equal => ("Equal", vec![], true),
        Arithmetic::Less => ("Less", vec![], true),
        Arithmetic::LessEqual => ("LessOrEqual", vec![], true),
        // Half of b <= a and half of b < a.
        Arithmetic::Share => {
            let more = arithmetic(cx, Arithmetic::Less, b, a);
            let as_much = arithmetic(cx, Arithmetic::LessEqual, b, a);
            let sum = cx.node("Add", &[&more, &as_much], vec![]);
            return cx.with_number("Mul", &sum, 0.5);
        }
    };
    let y = cx.node(name, &[a, b], attributes);
    if is_truth { cx.cast(&y, DataType::Float) } else { y }
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
        Function::Reciprocal => plain(cx, "Reciprocal"),
        Function::Sin => plain(cx, "Sin"),
        Function::Cos => plain(cx, "Cos"),
        Function::Tan => plain(cx, "Tan"),
        Function::Asin => plain(cx, "Asin"),
        Function::Acos => plain(cx, "Acos"),
        Function::Atan => plain(cx, "Atan"),
        Function::Sinh => plain(cx, "Sinh"),
        Function::Cosh => plain(cx, "Cosh"),
        Function::Asinh => plain(cx, "Asinh"),
        Function::Acosh => plain(cx, "Acosh"),
        Function::Atanh => plain(cx, "Atanh"),
        Function::Erf => plain(cx, "Erf"),
        Function::Ceil => plain(cx, "Ceil"),
        Function::Floor => plain(cx, "Floor"),
        Function::Round => plain(cx, "Round"),
        Function::Trunc => {
            let size = plain(cx, "Abs");
            let whole = cx.node("Floor", &[&size], vec![]);
            let sign = plain(cx, "Sign");
            cx.node("Mul", &[&whole, &sign], vec![])
        }
        Function::Sign => plain(cx, "Sign"),
        Function::HardSigmoid(a, b) => cx.node("HardSigmoid", &[x], vec![float("alpha", a), float("beta", b)]),
        Function::Softsign => plain(cx, "Softsign"),
        Function::Mish => plain(cx, "Mish"),
        Function::Celu(alpha) => cx.node("Celu", &[x], vec![float("alpha", alpha)]),
        Function::ThresholdedRelu(alpha) => cx.node("ThresholdedRelu", &[x], vec![float("alpha", alpha)]),
        Function::Clip(low, high) => {
            let mut bound = |v: f32| if v.is_finite() { cx.out.scalar(v) } else { String::new() };
            let (low, high) = (bound(low), bound(high));
            cx.node("Clip", &[x, &low, &high], vec![])
        }
        Function::Shrink(lambd, bias) => cx.node("Shrink", &[x], vec![float("lambd", lambd), float("bias", bias)]),
        Function::IsNan => {
            let y = plain(cx, "IsNaN");
            cx.cast(&y, DataType::Float)
        }
        Function::IsInf(negative, positive) => {
            let which = vec![int("detect_negative", negative.into()), int("detect_positive", positive.into())];
            let y = cx.node("IsInf", &[x], which);
            cx.cast(&y, DataType::Float)
        }
        Function::Not => {
            let truth = cx.cast(x, DataType::Bool);
            let y = cx.node("Not", &[&truth], vec![]);
            cx.cast(&y, DataType::Float)
        }
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
