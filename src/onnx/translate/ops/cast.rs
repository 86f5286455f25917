//! Conversions of element types.

use super::super::node::Node;
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::onnx::element::Elem;
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;
use crate::ops::unary::Function;

pub const OPS: &[Translation] = &[
    op("BitCast", bit_cast),
    op("Cast", |cx| {
        let to = cx.int("to", 0)?;
        let to = if cx.version < 6 { named(&cx.text("to", "")?) } else { i32::try_from(to).ok() };
        let to = Elem::of_code(to.unwrap_or(0))?;
        cast(cx, to)
    }),
    op("CastLike", |cx| {
        let to = cx.elem(1)?;
        cast(cx, to)
    }),
];

/// Types were named before version 6.
fn named(name: &str) -> Option<i32> {
    use crate::onnx::proto::tensor_proto::DataType;
    DataType::from_str_name(name).map(|d| d as i32)
}

fn cast(cx: &mut Node, to: Elem) -> Result<Vec<Value>> {
    let from = cx.elem(0)?;
    let (saturate, mode) = (cx.flag("saturate", true)?, cx.text("round_mode", "up")?);
    if from == to {
        return Ok(vec![cx.value(0)?.clone()]);
    }
    let runs = cx.walk.trace.runs();
    match (cx.value(0)?.clone(), to) {
        // A truth value is 0 or 1 in the graph, and so is whatever it becomes there.
        (Value::Graph(Elem::Bool, id), Elem::Float | Elem::Double) => return Ok(vec![Value::Graph(to, id)]),
        (Value::Graph(_, id), Elem::Bool) => {
            let no = cx.g().unary(Function::Not, id)?;
            return Ok(vec![Value::Graph(to, cx.g().unary(Function::Not, no)?)]);
        }
        // Wider types hold all that narrower ones do.
        (Value::Graph(from, id), Elem::Float) if from.is_narrow_float() || from.is_int() => {
            return Ok(vec![Value::Graph(to, id)]);
        }
        (Value::Graph(_, id), Elem::Double) => return Ok(vec![Value::Graph(to, id)]),
        (Value::Graph(from, id), _) if !runs => {
            return match to {
                _ if to.is_int() && from.is_float() => Ok(vec![Value::Graph(to, cx.g().unary(Function::Trunc, id)?)]),
                _ if to.is_int() || to.is_float() => Ok(vec![Value::Graph(to, id)]),
                _ => Err(Error::model(format!("{from} is cast to {to} in a model that learns"))),
            };
        }
        (Value::Index(_, id), _) if !runs && to.is_int() => return Ok(vec![Value::Index(to, id)]),
        (value @ Value::Index(..), _) if !runs && to.is_float() => {
            return Ok(vec![Value::Graph(to, cx.in_graph(&value)?)]);
        }
        _ => {}
    }
    let mut t = (*cx.host(0)?).clone();
    if to == Elem::Float8E8M0 && t.elem.is_float() {
        t = Tensor::of_f64(Elem::Float, t.shape.clone(), t.to_f64()?.into_iter().map(|v| power(v, &mode)).collect())?;
    }
    Ok(vec![Value::host(converted(&t, to, saturate)?)])
}

/// The power of two that a positive number is rounded to.
fn power(v: f64, mode: &str) -> f64 {
    if !v.is_finite() || v <= 0.0 {
        return v;
    }
    let down = 2f64.powi(v.log2().floor() as i32);
    match mode {
        _ if v == down => v,
        "down" => down,
        "nearest" if v < 1.5 * down => down,
        _ => 2.0 * down,
    }
}

/// The elements of a tensor in another type, as C and NumPy convert.
pub fn converted(t: &Tensor, to: Elem, saturate: bool) -> Result<Tensor> {
    let shape = t.shape.clone();
    if to == Elem::String {
        return Ok(Tensor::new(to, shape, Data::Text(texts(t))));
    }
    if let Data::Text(v) = &t.data {
        let parse = |s: &String| {
            let number = s.trim().parse::<f64>();
            number.map_err(|_| Error::model(format!("\"{s}\" is cast to {to}; expected a number")))
        };
        let values: Vec<f64> = v.iter().map(parse).collect::<Result<_>>()?;
        if to.is_int() {
            let ints = v.iter().zip(&values).map(|(s, &f)| s.trim().parse().unwrap_or(f as i64)).collect();
            return Ok(Tensor::new(to, shape, Data::Int(ints)));
        }
        return Tensor::of_f64(to, shape, values);
    }
    match (&t.data, to.is_int() || to == Elem::Bool) {
        (Data::Int(v), true) => Ok(Tensor::new(to, shape, Data::Int(v.iter().map(|&v| to.wrap(v)).collect()))),
        (Data::Int(v), false) => {
            let value = |v: &i64| if t.elem == Elem::Uint64 { *v as u64 as f64 } else { *v as f64 };
            rounded(to, shape, v.iter().map(value).collect(), saturate)
        }
        (_, true) if to == Elem::Bool => {
            let truth = |v: &f64| i64::from(*v != 0.0);
            Ok(Tensor::new(to, shape, Data::Int(t.to_f64()?.iter().map(truth).collect())))
        }
        // What an integer cannot hold is undefined; it wraps here, by way of 64 bits.
        (_, true) => Ok(Tensor::new(to, shape, Data::Int(t.to_f64()?.iter().map(|&v| to.wrap(v as i64)).collect()))),
        (_, false) => rounded(to, shape, t.to_f64()?, saturate),
    }
}

fn rounded(to: Elem, shape: Vec<usize>, values: Vec<f64>, saturate: bool) -> Result<Tensor> {
    let data = match to {
        Elem::Double => Data::F64(values),
        _ => Data::F32(values.into_iter().map(|v| to.round(v, saturate) as f32).collect()),
    };
    Ok(Tensor::new(to, shape, data))
}

/// Numbers as NumPy writes them.
fn texts(t: &Tensor) -> Vec<String> {
    let float = |v: &dyn std::fmt::Display, nan: bool, infinite: Option<bool>| match infinite {
        _ if nan => "NaN".to_string(),
        Some(true) => "INF".to_string(),
        Some(false) => "-INF".to_string(),
        None => v.to_string(),
    };
    match &t.data {
        Data::F32(v) => v.iter().map(|v| float(v, v.is_nan(), v.is_infinite().then_some(*v > 0.0))).collect(),
        Data::F64(v) => v.iter().map(|v| float(v, v.is_nan(), v.is_infinite().then_some(*v > 0.0))).collect(),
        Data::Int(v) if t.elem == Elem::Uint64 => v.iter().map(|v| (*v as u64).to_string()).collect(),
        Data::Int(v) => v.iter().map(i64::to_string).collect(),
        Data::Text(v) => v.clone(),
    }
}

/// The same bits as another type of as many.
fn bit_cast(cx: &mut Node) -> Result<Vec<Value>> {
    let to = Elem::of_code(i32::try_from(cx.int("to", 0)?).unwrap_or(0))?;
    let t = cx.host(0)?;
    if t.elem.bits() != to.bits() {
        let (a, b) = (t.elem.bits(), to.bits());
        return Err(Error::model(format!("{} of {a} bits is cast to {to} of {b}", t.elem)));
    }
    let mut proto = t.to_proto("");
    proto.data_type = Some(to.code());
    let inside = &mut |_: &[_], _: usize| Err(Error::model("its data is inside"));
    Ok(vec![Value::host(Tensor::of_proto(&proto, inside)?)])
}
