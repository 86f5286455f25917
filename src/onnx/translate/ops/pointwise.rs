//! Functions of single elements.

use super::super::node::Node;
use super::index::{count, empty};
use super::{Translation, op};
use crate::error::Result;
use crate::onnx::element::Elem;
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;
use crate::ops::unary::Function;

pub const OPS: &[Translation] = &[
    op("Abs", |cx| signed(cx, Function::Abs, i64::wrapping_abs)),
    op("Acos", |cx| apply(cx, Function::Acos)),
    op("Acosh", |cx| apply(cx, Function::Acosh)),
    op("Asin", |cx| apply(cx, Function::Asin)),
    op("Asinh", |cx| apply(cx, Function::Asinh)),
    op("Atan", |cx| apply(cx, Function::Atan)),
    op("Atanh", |cx| apply(cx, Function::Atanh)),
    op("BitwiseNot", bitwise_not),
    op("Ceil", |cx| apply(cx, Function::Ceil)),
    op("Celu", |cx| with(cx, |cx| Ok(Function::Celu(cx.float("alpha", 1.0)?)))),
    op("Clip", clip),
    op("Cos", |cx| apply(cx, Function::Cos)),
    op("Cosh", |cx| apply(cx, Function::Cosh)),
    op("Dropout", dropout),
    op("Elu", |cx| with(cx, |cx| Ok(Function::Elu(cx.float("alpha", 1.0)?)))),
    op("Erf", |cx| apply(cx, Function::Erf)),
    op("Exp", |cx| apply(cx, Function::Exp)),
    op("Floor", |cx| apply(cx, Function::Floor)),
    op("Gelu", |cx| {
        with(cx, |cx| Ok(if cx.text("approximate", "none")? == "tanh" { Function::GeluTanh } else { Function::Gelu }))
    }),
    op("HardSigmoid", |cx| with(cx, |cx| Ok(Function::HardSigmoid(cx.float("alpha", 0.2)?, cx.float("beta", 0.5)?)))),
    op("HardSwish", |cx| apply(cx, Function::HardSwish)),
    op("Identity", identity),
    op("IsInf", |cx| {
        let function =
            |cx: &Node| Ok(Function::IsInf(cx.flag("detect_negative", true)?, cx.flag("detect_positive", true)?));
        let values = with(cx, function)?;
        Ok(values.into_iter().map(boolean).collect())
    }),
    op("IsNaN", |cx| Ok(apply(cx, Function::IsNan)?.into_iter().map(boolean).collect())),
    op("LeakyRelu", |cx| with(cx, |cx| Ok(Function::LeakyRelu(cx.float("alpha", 0.01)?)))),
    op("Log", |cx| apply(cx, Function::Ln)),
    op("Mish", |cx| apply(cx, Function::Mish)),
    op("Neg", |cx| signed(cx, Function::Affine(-1.0, 0.0), i64::wrapping_neg)),
    op("Not", not),
    op("Reciprocal", |cx| apply(cx, Function::Reciprocal)),
    op("Relu", |cx| signed(cx, Function::Relu, |v| v.max(0))),
    op("Round", |cx| apply(cx, Function::Round)),
    op("Selu", selu),
    op("Shrink", |cx| with(cx, |cx| Ok(Function::Shrink(cx.float("lambd", 0.5)?, cx.float("bias", 0.0)?)))),
    op("Sigmoid", |cx| apply(cx, Function::Sigmoid)),
    op("Sign", |cx| signed(cx, Function::Sign, i64::signum)),
    op("Sin", |cx| apply(cx, Function::Sin)),
    op("Sinh", |cx| apply(cx, Function::Sinh)),
    op("Softplus", |cx| apply(cx, Function::Softplus)),
    op("Softsign", |cx| apply(cx, Function::Softsign)),
    op("Sqrt", |cx| apply(cx, Function::Sqrt)),
    op("Swish", swish),
    op("Tan", |cx| apply(cx, Function::Tan)),
    op("Tanh", |cx| apply(cx, Function::Tanh)),
    op("ThresholdedRelu", |cx| with(cx, |cx| Ok(Function::ThresholdedRelu(cx.float("alpha", 1.0)?)))),
];

/// A function of input 0, in the graph.
fn apply(cx: &mut Node, function: Function) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    if count(&shape) == 0 {
        return Ok(vec![empty(cx.elem(0)?, shape)?]);
    }
    let x = cx.x(0)?;
    let y = cx.g().unary(function, x)?;
    cx.like(y)
}

/// A function with settings.
fn with(cx: &mut Node, function: impl Fn(&Node) -> Result<Function>) -> Result<Vec<Value>> {
    let function = function(cx)?;
    apply(cx, function)
}

/// A function that integers have, too.
fn signed(cx: &mut Node, function: Function, of_int: fn(i64) -> i64) -> Result<Vec<Value>> {
    match cx.value(0)? {
        Value::Host(t) if t.elem.is_int() => {
            let elem = t.elem;
            let values = t.to_ints()?.into_iter().map(|v| elem.wrap(of_int(v))).collect();
            Ok(vec![Value::host(Tensor::new(elem, t.shape.clone(), Data::Int(values)))])
        }
        _ => apply(cx, function),
    }
}

/// What is 0 or 1 is a boolean.
fn boolean(value: Value) -> Value {
    match value {
        Value::Graph(_, id) => Value::Graph(Elem::Bool, id),
        Value::Host(t) if t.is_empty() => Value::host(Tensor::new(Elem::Bool, t.shape.clone(), Data::Int(vec![]))),
        other => other,
    }
}

fn not(cx: &mut Node) -> Result<Vec<Value>> {
    if let Value::Host(t) = cx.value(0)? {
        let values = t.to_ints()?.into_iter().map(|v| i64::from(v == 0)).collect();
        return Ok(vec![Value::host(Tensor::new(Elem::Bool, t.shape.clone(), Data::Int(values)))]);
    }
    apply(cx, Function::Not)
}

fn bitwise_not(cx: &mut Node) -> Result<Vec<Value>> {
    let t = cx.host(0)?;
    let values = t.to_ints()?.into_iter().map(|v| t.elem.wrap(!v)).collect();
    Ok(vec![Value::host(Tensor::new(t.elem, t.shape.clone(), Data::Int(values)))])
}

fn identity(cx: &mut Node) -> Result<Vec<Value>> {
    Ok(vec![cx.inputs.first().cloned().unwrap_or(Value::Nothing)])
}

/// `gamma * elu(x, alpha)`.
fn selu(cx: &mut Node) -> Result<Vec<Value>> {
    // Before version 6 the constants had fewer digits.
    let (alpha, gamma) = match cx.version {
        ..6 => (1.6732, 1.0507),
        _ => (1.673_263_2, 1.050_701),
    };
    let (alpha, gamma) = (cx.float("alpha", alpha)?, cx.float("gamma", gamma)?);
    let x = cx.x(0)?;
    let y = cx.g().unary(Function::Elu(alpha), x)?;
    let y = cx.g().affine(y, gamma, 0.0)?;
    cx.like(y)
}

/// `x * sigmoid(alpha x)`.
fn swish(cx: &mut Node) -> Result<Vec<Value>> {
    let alpha = cx.float("alpha", 1.0)?;
    let x = cx.x(0)?;
    if alpha == 1.0 {
        return apply(cx, Function::Silu);
    }
    let g = cx.g();
    let scaled = g.affine(x, alpha, 0.0)?;
    let gate = g.unary(Function::Sigmoid, scaled)?;
    let y = g.mul(x, gate)?;
    cx.like(y)
}

/// Bounds are inputs since version 11; attributes before.
fn clip(cx: &mut Node) -> Result<Vec<Value>> {
    let shape = cx.shape(0)?;
    if count(&shape) == 0 {
        return Ok(vec![cx.value(0)?.clone()]);
    }
    if let Value::Host(t) = cx.value(0)?
        && t.elem.is_int()
    {
        let t = t.clone();
        let low = if cx.has(1) { cx.int_in(1)? } else { i64::MIN };
        let high = if cx.has(2) { cx.int_in(2)? } else { i64::MAX };
        let values = t.to_ints()?.into_iter().map(|v| v.max(low).min(high)).collect();
        return Ok(vec![Value::host(Tensor::new(t.elem, shape, Data::Int(values)))]);
    }
    let fixed = |cx: &mut Node, i: usize| matches!(cx.inputs.get(i), None | Some(Value::Nothing | Value::Host(_)));
    if fixed(cx, 1) && fixed(cx, 2) && !cx.walk.trace.doubles() {
        let (mut low, mut high) = (f32::NEG_INFINITY, f32::INFINITY);
        if cx.version < 11 {
            (low, high) = (cx.float("min", f32::MIN)?, cx.float("max", f32::MAX)?);
        }
        low = if cx.has(1) { cx.float_in(1)? as f32 } else { low };
        high = if cx.has(2) { cx.float_in(2)? as f32 } else { high };
        return apply(cx, Function::Clip(low, high));
    }
    let mut x = cx.x(0)?;
    if let Some(low) = cx.x_opt(1)? {
        x = cx.g().maximum(x, low)?;
    }
    if let Some(high) = cx.x_opt(2)? {
        x = cx.g().minimum(x, high)?;
    }
    cx.like(x)
}

/// Nothing is dropped unless `training_mode` is set, and then the random numbers are those of
/// whoever runs the model: only a share of 0 can be compared, and is supported.
fn dropout(cx: &mut Node) -> Result<Vec<Value>> {
    let share = match (cx.version >= 12, cx.has(1)) {
        (true, true) => cx.float_in(1)?,
        (true, false) => 0.5,
        _ => f64::from(cx.float("ratio", 0.5)?),
    };
    if share > 0.0
        && let Some(training) = cx.walk.trace.training()
    {
        let clock = training.clock;
        let stream = training.streams.pop();
        let stream = stream.ok_or_else(|| crate::Error::model("more dropouts than a layer has random streams"))?;
        let x = cx.x(0)?;
        let y = cx.g().dropout(x, share as f32, clock, stream)?;
        return cx.like(y);
    }
    let training = cx.walk.trace.runs() && cx.version >= 12 && cx.has(2) && cx.int_in(2)? != 0;
    if training && share > 0.0 {
        return Err(crate::Error::model(
            "training_mode is set: dropout draws at random, which a model that is run does not do; unset it",
        ));
    }
    let shape = cx.shape(0)?;
    let elem = if cx.version < 10 { cx.elem(0)? } else { Elem::Bool };
    let mask = Tensor::of_f64(elem, shape.clone(), vec![1.0; count(&shape)])?;
    Ok(vec![cx.value(0)?.clone(), Value::host(mask)])
}
