//! Operators on strings, on the host.

use super::super::node::Node;
use super::index::{broadcast, count, stretched};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::onnx::element::Elem;
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;

pub const OPS: &[Translation] =
    &[op("StringConcat", join), op("StringNormalizer", normalize), op("StringSplit", split)];

/// The texts of input `i`, with their shape.
pub fn texts(cx: &mut Node, i: usize) -> Result<(Vec<String>, Vec<usize>)> {
    let t = cx.host(i)?;
    match &t.data {
        Data::Text(v) => Ok((v.clone(), t.shape.clone())),
        _ => Err(Error::model(format!("input {i} holds {}; expected strings", t.elem))),
    }
}

fn made(shape: Vec<usize>, v: Vec<String>) -> Value {
    Value::host(Tensor::new(Elem::String, shape, Data::Text(v)))
}

fn join(cx: &mut Node) -> Result<Vec<Value>> {
    let ((a, sa), (b, sb)) = (texts(cx, 0)?, texts(cx, 1)?);
    let shape = broadcast(&[&sa, &sb])?;
    let pairs = stretched(&sa, &shape).into_iter().zip(stretched(&sb, &shape));
    Ok(vec![made(shape, pairs.map(|(i, j)| format!("{}{}", a[i], b[j])).collect())])
}

/// Changes case, and leaves stop words out.
fn normalize(cx: &mut Node) -> Result<Vec<Value>> {
    let stop = cx.texts("stopwords")?.unwrap_or_default();
    let sensitive = cx.flag("is_case_sensitive", false)?;
    let change = cx.text("case_change_action", "NONE")?;
    let (v, shape) = texts(cx, 0)?;
    let same = |a: &str, b: &str| if sensitive { a == b } else { a.to_lowercase() == b.to_lowercase() };
    let kept = v.iter().filter(|s| !stop.iter().any(|w| same(s, w)));
    let changed = |s: &String| match &change[..] {
        "LOWER" => Ok(s.to_lowercase()),
        "UPPER" => Ok(s.to_uppercase()),
        "NONE" => Ok(s.clone()),
        other => Err(Error::model(format!("case_change_action is \"{other}\"; expected LOWER, UPPER or NONE"))),
    };
    let mut kept: Vec<String> = kept.map(changed).collect::<Result<_>>()?;
    if kept.is_empty() {
        kept.push(String::new());
    }
    let shape = if shape.len() == 2 { vec![1, kept.len()] } else { vec![kept.len()] };
    Ok(vec![made(shape, kept)])
}

/// The parts of each text in a new axis, as long as the most parts; and how many there are.
fn split(cx: &mut Node) -> Result<Vec<Value>> {
    let delimiter = cx.text("delimiter", "")?;
    let most = cx.int_opt("maxsplit")?.map(|n| n.max(0) as usize);
    let (v, shape) = texts(cx, 0)?;
    let parts: Vec<Vec<String>> = v.iter().map(|s| cut(s, &delimiter, most)).collect();
    let width = parts.iter().map(Vec::len).max().unwrap_or(0);
    let counts = parts.iter().map(|p| p.len() as i64).collect();
    let mut all = Vec::with_capacity(count(&shape) * width);
    for mut p in parts {
        p.resize(width, String::new());
        all.extend(p);
    }
    let mut wide = shape.clone();
    wide.push(width);
    Ok(vec![made(wide, all), Value::host(Tensor::ints(shape, counts))])
}

fn cut(s: &str, delimiter: &str, most: Option<usize>) -> Vec<String> {
    let limit = most.map_or(usize::MAX, |n| n.saturating_add(1));
    if !delimiter.is_empty() {
        return s.splitn(limit, delimiter).map(String::from).collect();
    }
    // Blanks of any number; what is left after the last cut keeps those at its end.
    let (mut parts, mut rest) = (vec![], s.trim_start());
    while !rest.is_empty() {
        if parts.len() + 1 == limit {
            parts.push(rest.to_string());
            break;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        parts.push(rest[..end].to_string());
        rest = rest[end..].trim_start();
    }
    parts
}
