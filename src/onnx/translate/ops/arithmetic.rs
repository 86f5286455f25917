//! Arithmetic, comparisons and logic of two or more tensors that broadcast. Floats are
//! computed in the graph; integers, which are known, on the host: exactly, modulo their size.

use super::super::node::Node;
use super::index::{broadcast, count, empty, pick, reshape, stretched};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::graph::{Graph, TensorId};
use crate::onnx::element::Elem;
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;
use crate::ops::unary::Function;

pub const OPS: &[Translation] = &[
    op("Add", |cx| fold(cx, Graph::add, |_, a, b| Ok(a.wrapping_add(b)))),
    op("And", |cx| logic(cx, Graph::mul, |a, b| a && b)),
    op("BitShift", bit_shift),
    op("BitwiseAnd", |cx| bits(cx, |a, b| a & b)),
    op("BitwiseOr", |cx| bits(cx, |a, b| a | b)),
    op("BitwiseXor", |cx| bits(cx, |a, b| a ^ b)),
    op("Div", |cx| fold(cx, Graph::div, int_divide)),
    op("Equal", equal),
    op("Greater", |cx| compare(cx, |g, a, b| g.less(b, a), |a, b| a > b)),
    op("GreaterOrEqual", |cx| compare(cx, |g, a, b| g.less_equal(b, a), |a, b| a >= b)),
    op("Less", |cx| compare(cx, Graph::less, |a, b| a < b)),
    op("LessOrEqual", |cx| compare(cx, Graph::less_equal, |a, b| a <= b)),
    op("Max", |cx| fold(cx, Graph::maximum, |_, a, b| Ok(a.max(b)))),
    op("Mean", mean),
    op("Min", |cx| fold(cx, Graph::minimum, |_, a, b| Ok(a.min(b)))),
    op("Mod", modulo),
    op("Mul", |cx| fold(cx, Graph::mul, |_, a, b| Ok(a.wrapping_mul(b)))),
    op("Or", |cx| logic(cx, Graph::maximum, |a, b| a || b)),
    op("Pow", pow),
    op("PRelu", prelu),
    op("Sub", |cx| fold(cx, Graph::sub, |_, a, b| Ok(a.wrapping_sub(b)))),
    op("Sum", |cx| fold(cx, Graph::add, |_, a, b| Ok(a.wrapping_add(b)))),
    op("Where", select),
    op("Xor", |cx| logic(cx, differ, |a, b| a != b)),
];

type OfFloats = fn(&mut Graph, TensorId, TensorId) -> Result<TensorId>;
type OfInts = fn(Elem, i64, i64) -> Result<i64>;

/// Whether all inputs are known and hold no floats.
fn known_integers(cx: &Node) -> bool {
    cx.inputs.iter().all(|v| matches!(v, Value::Host(t) if !t.elem.is_float()))
}

/// Before version 7, the second operand was stretched from an axis on where `broadcast` said
/// so.
fn align(cx: &mut Node) -> Result<()> {
    let broadcast = cx.version < 7 && cx.flag("broadcast", false)?;
    if cx.version >= 7 {
        return Ok(());
    }
    let (true, Some(axis)) = (cx.inputs.len() == 2, cx.int_opt("axis")?) else { return Ok(()) };
    if !broadcast {
        return Ok(());
    }
    let (a, mut b) = (cx.shape(0)?, cx.shape(1)?);
    let axis = cx.axis(axis, a.len())?;
    if axis + b.len() > a.len() {
        return Err(Error::model(format!("shape {b:?} does not fit into {a:?} from axis {axis} on")));
    }
    b.resize(a.len() - axis, 1);
    let value = cx.inputs[1].clone();
    cx.inputs[1] = reshape(cx, &value, b)?;
    Ok(())
}

/// The shape that all inputs broadcast to.
fn shape_of_all(cx: &mut Node) -> Result<Vec<usize>> {
    let shapes: Vec<Vec<usize>> = (0..cx.inputs.len()).map(|i| cx.shape(i)).collect::<Result<_>>()?;
    broadcast(&shapes.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Two or more operands, from the left.
fn fold(cx: &mut Node, of_floats: OfFloats, of_ints: OfInts) -> Result<Vec<Value>> {
    align(cx)?;
    let (shape, elem) = (shape_of_all(cx)?, cx.elem(0)?);
    if count(&shape) == 0 {
        return Ok(vec![empty(elem, shape)?]);
    }
    if known_integers(cx) {
        let mut result = stretched_ints(cx, 0, &shape)?;
        for i in 1..cx.inputs.len() {
            for (a, b) in result.iter_mut().zip(stretched_ints(cx, i, &shape)?) {
                *a = elem.wrap(of_ints(elem, *a, b)?);
            }
        }
        return Ok(vec![Value::host(Tensor::new(elem, shape, Data::Int(result)))]);
    }
    let mut result = cx.x(0)?;
    for i in 1..cx.inputs.len() {
        let b = cx.x(i)?;
        result = of_floats(cx.g(), result, b)?;
    }
    if elem.is_int() {
        // Integers of the graph are whole floats.
        result = cx.g().unary(Function::Trunc, result)?;
    }
    cx.like(result)
}

/// The integers of input `i`, stretched to a shape.
fn stretched_ints(cx: &mut Node, i: usize, shape: &[usize]) -> Result<Vec<i64>> {
    let t = cx.host(i)?;
    let values = t.to_ints()?;
    if t.elem == Elem::Uint64 && values.iter().any(|&v| v < 0) {
        return Err(Error::model("numbers of 2^63 and more are not computed with"));
    }
    Ok(stretched(&t.shape, shape).into_iter().map(|at| values[at]).collect())
}

/// Towards zero, as C.
fn int_divide(_: Elem, a: i64, b: i64) -> Result<i64> {
    match b {
        0 => Err(Error::model(format!("{a} is divided by 0"))),
        _ => Ok(a.wrapping_div(b)),
    }
}

fn differ(g: &mut Graph, a: TensorId, b: TensorId) -> Result<TensorId> {
    let same = g.equal(a, b)?;
    g.unary(Function::Not, same)
}

fn modulo(cx: &mut Node) -> Result<Vec<Value>> {
    if cx.flag("fmod", false)? {
        return fold(cx, Graph::fmod, |_, a, b| a.checked_rem(b).ok_or_else(|| Error::model("division by 0")));
    }
    fold(cx, Graph::modulo, |_, a, b| match b {
        0 => Err(Error::model(format!("{a} is divided by 0"))),
        _ => {
            let rest = a.wrapping_rem(b);
            Ok(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
        }
    })
}

/// The type is that of the base; the exponent may have another.
fn pow(cx: &mut Node) -> Result<Vec<Value>> {
    let elem = cx.elem(0)?;
    if !elem.is_int() {
        return fold(cx, Graph::power, |_, _, _| unreachable!("the base is a float"));
    }
    if known_integers(cx) {
        return fold(cx, Graph::power, |_, a, b| match u32::try_from(b) {
            Ok(b) => Ok(a.wrapping_pow(b)),
            Err(_) => Err(Error::model(format!("{a} to the power of {b} is no integer"))),
        });
    }
    // An integer to the power of a float: what is left of the fraction is cut off.
    let (shape, a, b) = (shape_of_all(cx)?, cx.floats(0)?, cx.floats(1)?);
    let (from_a, from_b) = (cx.shape(0)?, cx.shape(1)?);
    let values = stretched(&from_a, &shape).into_iter().zip(stretched(&from_b, &shape));
    let values = values.map(|(i, j)| a[i].powf(b[j]).trunc()).collect();
    Ok(vec![Value::host(Tensor::of_f64(elem, shape, values)?)])
}

fn mean(cx: &mut Node) -> Result<Vec<Value>> {
    let n = cx.inputs.len();
    let sum = fold(cx, Graph::add, |_, _, _| Err(Error::model("the mean of integers")))?;
    match &sum[0] {
        Value::Graph(elem, x) => {
            let n = cx.number(n as f64)?;
            Ok(vec![Value::Graph(*elem, cx.g().div(*x, n)?)])
        }
        _ => Ok(sum),
    }
}

/// `x` above zero, `slope x` below; the slope stretches one way.
fn prelu(cx: &mut Node) -> Result<Vec<Value>> {
    let (x_shape, mut slope_shape) = (cx.shape(0)?, cx.shape(1)?);
    // Before version 7 a slope per channel had one axis.
    if cx.version < 7 && slope_shape.len() == 1 && x_shape.len() > 1 && slope_shape[0] != 1 {
        slope_shape.resize(x_shape.len() - 1, 1);
        let value = cx.inputs[1].clone();
        cx.inputs[1] = reshape(cx, &value, slope_shape)?;
    }
    let (x, slope) = (cx.x(0)?, cx.x(1)?);
    let g = cx.g();
    let below = g.mul(x, slope)?;
    let above = g.unary(Function::Sign, x)?;
    let above = g.unary(Function::Relu, above)?;
    let y = g.select(above, x, below)?;
    cx.like(y)
}

fn compare(cx: &mut Node, of_floats: OfFloats, of_ints: fn(i64, i64) -> bool) -> Result<Vec<Value>> {
    align(cx)?;
    let shape = shape_of_all(cx)?;
    if count(&shape) == 0 {
        return Ok(vec![empty(Elem::Bool, shape)?]);
    }
    if known_integers(cx) {
        let (a, b) = (stretched_ints(cx, 0, &shape)?, stretched_ints(cx, 1, &shape)?);
        let values = a.into_iter().zip(b).map(|(a, b)| i64::from(of_ints(a, b))).collect();
        return Ok(vec![Value::host(Tensor::new(Elem::Bool, shape, Data::Int(values)))]);
    }
    let (a, b) = (cx.x(0)?, cx.x(1)?);
    Ok(vec![Value::Graph(Elem::Bool, of_floats(cx.g(), a, b)?)])
}

fn equal(cx: &mut Node) -> Result<Vec<Value>> {
    if cx.elem(0)? != Elem::String {
        return compare(cx, Graph::equal, |a, b| a == b);
    }
    let (a, b, shape) = (cx.host(0)?, cx.host(1)?, shape_of_all(cx)?);
    let (Data::Text(x), Data::Text(y)) = (&a.data, &b.data) else {
        return Err(Error::model(format!("{} and {} are compared", a.elem, b.elem)));
    };
    let pairs = stretched(&a.shape, &shape).into_iter().zip(stretched(&b.shape, &shape));
    let values = pairs.map(|(i, j)| i64::from(x[i] == y[j])).collect();
    Ok(vec![Value::host(Tensor::new(Elem::Bool, shape, Data::Int(values)))])
}

fn logic(cx: &mut Node, of_floats: OfFloats, of_bools: fn(bool, bool) -> bool) -> Result<Vec<Value>> {
    align(cx)?;
    let shape = shape_of_all(cx)?;
    if known_integers(cx) {
        let (a, b) = (stretched_ints(cx, 0, &shape)?, stretched_ints(cx, 1, &shape)?);
        let values = a.into_iter().zip(b).map(|(a, b)| i64::from(of_bools(a != 0, b != 0))).collect();
        return Ok(vec![Value::host(Tensor::new(Elem::Bool, shape, Data::Int(values)))]);
    }
    let (a, b) = (cx.x(0)?, cx.x(1)?);
    Ok(vec![Value::Graph(Elem::Bool, of_floats(cx.g(), a, b)?)])
}

/// Bits of known integers; uint64 keeps all of its.
fn bits(cx: &mut Node, f: fn(i64, i64) -> i64) -> Result<Vec<Value>> {
    let (a, b, shape) = (cx.host(0)?, cx.host(1)?, shape_of_all(cx)?);
    let (x, y) = (a.to_ints()?, b.to_ints()?);
    let pairs = stretched(&a.shape, &shape).into_iter().zip(stretched(&b.shape, &shape));
    let values = pairs.map(|(i, j)| a.elem.wrap(f(x[i], y[j]))).collect();
    Ok(vec![Value::host(Tensor::new(a.elem, shape, Data::Int(values)))])
}

fn bit_shift(cx: &mut Node) -> Result<Vec<Value>> {
    let elem = cx.elem(0)?;
    let width = elem.bits() as i64;
    let (a, b, shape) = (cx.host(0)?, cx.host(1)?, shape_of_all(cx)?);
    let (x, y) = (a.to_ints()?, b.to_ints()?);
    let left = match &cx.text("direction", "")?[..] {
        "LEFT" => true,
        "RIGHT" => false,
        other => return Err(Error::model(format!("direction is \"{other}\"; expected LEFT or RIGHT"))),
    };
    let signed = elem.range().is_some_and(|(least, _)| least < 0);
    let shift = |v: i64, by: i64| match (left, by < 0 || by >= width) {
        (true, true) => 0,
        (true, false) => elem.wrap(v << by),
        (false, true) => {
            if signed && v < 0 {
                -1
            } else {
                0
            }
        }
        (false, false) if signed => v >> by,
        (false, false) => elem.wrap(((v as u64) >> by) as i64),
    };
    let pairs = stretched(&a.shape, &shape).into_iter().zip(stretched(&b.shape, &shape));
    let values = pairs.map(|(i, j)| shift(x[i], y[j])).collect();
    Ok(vec![Value::host(Tensor::new(elem, shape, Data::Int(values)))])
}

/// `a` where the condition holds, else `b`.
fn select(cx: &mut Node) -> Result<Vec<Value>> {
    let (shape, elem) = (shape_of_all(cx)?, cx.elem(1)?);
    let known = cx.inputs.iter().all(|v| matches!(v, Value::Host(_)));
    if known || count(&shape) == 0 {
        let [c, a, b] = [cx.host(0)?, cx.host(1)?, cx.host(2)?];
        let condition = c.to_ints()?;
        let all = Value::host(Tensor::joined(&[&a, &b])?);
        let [at_c, at_a, at_b] = [&c, &a, &b].map(|t| stretched(&t.shape, &shape));
        let at = (0..at_c.len()).map(|i| if condition[at_c[i]] != 0 { at_a[i] } else { a.len() + at_b[i] }).collect();
        return Ok(vec![pick(cx, &all, shape, at)?]);
    }
    let [c, a, b] = [cx.x(0)?, cx.x(1)?, cx.x(2)?];
    Ok(vec![Value::Graph(elem, cx.g().select(c, a, b)?)])
}
