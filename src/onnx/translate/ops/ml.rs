//! The domain `ai.onnx.ml`: what tables are prepared with.

use super::super::node::Node;
use super::gather::array_feature_extractor;
use super::norm::{Norm, over_norm};
use super::text::texts;
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::onnx::element::Elem;
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;
use std::collections::HashMap;

pub const OPS: &[Translation] = &[
    op("ArrayFeatureExtractor", array_feature_extractor),
    op("Binarizer", binarize),
    op("FeatureVectorizer", joined),
    op("Imputer", impute),
    op("LabelEncoder", encode),
    op("Normalizer", normalize),
    op("OneHotEncoder", one_hot),
    op("Scaler", scale),
];

fn binarize(cx: &mut Node) -> Result<Vec<Value>> {
    let threshold = cx.number(f64::from(cx.float("threshold", 0.0)?))?;
    let x = cx.x(0)?;
    let y = cx.g().less(threshold, x)?;
    cx.like(y)
}

/// `(x - offset) scale`, for each column.
fn scale(cx: &mut Node) -> Result<Vec<Value>> {
    let columns = cx.shape(0)?.last().copied().unwrap_or(1);
    let mut list = |name: &str, default: f32| -> Result<_> {
        let v = cx.float_list(name)?.unwrap_or(vec![default]);
        if v.len() != 1 && v.len() != columns {
            return Err(Error::model(format!("{} values of {name} for {columns} columns", v.len())));
        }
        cx.numbers([v.len()], v.into_iter().map(f64::from).collect())
    };
    let (offset, factor) = (list("offset", 0.0)?, list("scale", 1.0)?);
    let x = cx.x(0)?;
    let y = cx.g().sub(x, offset)?;
    let y = cx.g().mul(y, factor)?;
    Ok(vec![Value::Graph(Elem::Float, y)])
}

/// A value for those that are missing: NaN, or another that stands for it.
fn impute(cx: &mut Node) -> Result<Vec<Value>> {
    let columns = cx.shape(0)?.last().copied().unwrap_or(1);
    let t = cx.host(0)?;
    let (values, missing): (Vec<f64>, f64) = match t.elem.is_int() {
        true => (
            cx.int_list("imputed_value_int64s")?.unwrap_or_default().into_iter().map(|v| v as f64).collect(),
            cx.int("replaced_value_int64", 0)? as f64,
        ),
        false => (
            cx.float_list("imputed_value_floats")?.unwrap_or_default().into_iter().map(f64::from).collect(),
            f64::from(cx.float("replaced_value_float", 0.0)?),
        ),
    };
    if values.len() != 1 && values.len() != columns {
        return Err(Error::model(format!("{} imputed values for {columns} columns", values.len())));
    }
    let is_missing = |v: f64| if missing.is_nan() { v.is_nan() } else { v == missing };
    let filled = t.to_f64()?.into_iter().enumerate().map(|(i, v)| match is_missing(v) {
        true => values[if values.len() == 1 { 0 } else { i % columns }],
        false => v,
    });
    Ok(vec![Value::host(Tensor::of_f64(t.elem, t.shape.clone(), filled.collect())?)])
}

/// A number for each of known categories: 1 where the value is one of them.
fn one_hot(cx: &mut Node) -> Result<Vec<Value>> {
    let zeros = cx.flag("zeros", true)?;
    let t = cx.host(0)?;
    let at: Vec<Option<usize>> = match &t.data {
        Data::Text(v) => {
            let known = cx.texts("cats_strings")?.unwrap_or_default();
            v.iter().map(|s| known.iter().position(|k| k == s)).chain([Some(known.len())]).collect()
        }
        _ => {
            let known = cx.int_list("cats_int64s")?.unwrap_or_default();
            let place = |&v: &f64| known.iter().position(|&k| k as f64 == v);
            t.to_f64()?.iter().map(place).chain([Some(known.len())]).collect()
        }
    };
    let (n, at) = (at[at.len() - 1].unwrap_or(0), &at[..at.len() - 1]);
    if !zeros && at.contains(&None) {
        return Err(Error::model("a value that is none of the categories, and zeros is 0"));
    }
    let mut out = vec![0.0; at.len() * n];
    at.iter().enumerate().for_each(|(i, a)| {
        if let Some(a) = a {
            out[i * n + a] = 1.0;
        }
    });
    let mut shape = t.shape.clone();
    shape.push(n);
    Ok(vec![Value::host(Tensor::floats(shape, out))])
}

/// Columns side by side.
fn joined(cx: &mut Node) -> Result<Vec<Value>> {
    let mut parts = vec![];
    for i in 0..cx.inputs.len() {
        let shape = cx.shape(i)?;
        let rows = if shape.len() > 1 { shape[0] } else { 1 };
        let x = cx.x(i)?;
        let width = shape.iter().product::<usize>() / rows.max(1);
        parts.push(Value::Graph(Elem::Float, cx.g().reshape(x, [rows, width])?));
    }
    Ok(vec![super::index::concat(cx, &parts, 1)?])
}

/// Rows over their largest value, their sum, or their length.
fn normalize(cx: &mut Node) -> Result<Vec<Value>> {
    let norm = match &cx.text("norm", "MAX")?[..] {
        "MAX" => Norm::Max,
        "L1" => Norm::Sum,
        "L2" => Norm::Length,
        other => return Err(Error::model(format!("norm is \"{other}\"; expected MAX, L1 or L2"))),
    };
    let axis = cx.shape(0)?.len().saturating_sub(1);
    let x = cx.x(0)?;
    Ok(vec![Value::Graph(Elem::Float, over_norm(cx, x, axis, norm)?)])
}

/// What keys and values are in the attributes.
fn listed(cx: &Node, stem: &str) -> Result<Option<Tensor>> {
    if let Some(t) = cx.tensor(&format!("{stem}_tensor"))? {
        return Ok(Some(t));
    }
    if let Some(v) = cx.texts(&format!("{stem}_strings"))? {
        return Ok(Some(Tensor::new(Elem::String, [v.len()], Data::Text(v))));
    }
    if let Some(v) = cx.int_list(&format!("{stem}_int64s"))? {
        return Ok(Some(Tensor::list(v)));
    }
    Ok(cx.float_list(&format!("{stem}_floats"))?.map(|v| Tensor::floats([v.len()], v)))
}

/// What each key becomes; a default where it is none.
fn encode(cx: &mut Node) -> Result<Vec<Value>> {
    if let Some(classes) = cx.texts("classes_strings")? {
        return old_encode(cx, classes);
    }
    let missing = |what: &str| Error::model(format!("it has no {what}"));
    let keys = listed(cx, "keys")?.ok_or_else(|| missing("keys"))?;
    let values = listed(cx, "values")?.ok_or_else(|| missing("values"))?;
    let default = match cx.tensor("default_tensor")? {
        Some(t) => t,
        None => match values.elem {
            Elem::String => Tensor::new(Elem::String, [], Data::Text(vec![cx.text("default_string", "_Unused")?])),
            e if e.is_int() => Tensor::ints([], vec![cx.int("default_int64", -1)?]),
            _ => Tensor::floats([], vec![cx.float("default_float", -0.0)?]),
        },
    };
    if keys.len() != values.len() || default.len() != 1 {
        return Err(Error::model(format!("{} keys for {} values", keys.len(), values.len())));
    }
    let names: HashMap<String, usize> = named(&keys).into_iter().enumerate().rev().map(|(i, k)| (k, i)).collect();
    let t = cx.host(0)?;
    let all = Tensor::joined(&[&values, &default])?;
    let at: Vec<usize> = named(&t).iter().map(|k| names.get(k).copied().unwrap_or(values.len())).collect();
    Ok(vec![Value::host(all.pick(t.shape.clone(), &at))])
}

/// Elements as texts that are equal where the elements are; every NaN is.
fn named(t: &Tensor) -> Vec<String> {
    match &t.data {
        Data::Text(v) => v.clone(),
        Data::Int(v) => v.iter().map(i64::to_string).collect(),
        Data::F32(v) => v.iter().map(|v| if v.is_nan() { "NaN".into() } else { (v + 0.0).to_string() }).collect(),
        Data::F64(v) => v.iter().map(|v| if v.is_nan() { "NaN".into() } else { (v + 0.0).to_string() }).collect(),
    }
}

/// Version 1: strings and their numbers in a list.
fn old_encode(cx: &mut Node, classes: Vec<String>) -> Result<Vec<Value>> {
    if cx.elem(0)? == Elem::String {
        let default = cx.int("default_int64", -1)?;
        let (v, shape) = texts(cx, 0)?;
        let place = |s: &String| classes.iter().position(|c| c == s).map_or(default, |p| p as i64);
        return Ok(vec![Value::host(Tensor::ints(shape, v.iter().map(place).collect()))]);
    }
    let default = cx.text("default_string", "_Unused")?;
    let (v, shape) = (cx.ints(0)?, cx.shape(0)?);
    let name = |&i: &i64| usize::try_from(i).ok().and_then(|i| classes.get(i)).unwrap_or(&default).clone();
    Ok(vec![Value::host(Tensor::new(Elem::String, shape, Data::Text(v.iter().map(name).collect())))])
}
