//! How each operator of ONNX is translated: into nodes of a graph, or, where its inputs are
//! known and are no floats, into a value. Formulas: ONNX 1.23's `Operators.md`.

mod arithmetic;
mod attention;
mod bfloat;
mod cast;
mod control;
mod conv;
mod conv_transpose;
mod gather;
mod image;
mod index;
mod loss;
mod make;
mod matmul;
mod ml;
mod norm;
mod pad;
mod pointwise;
mod pool;
mod quantize;
mod recurrent;
mod reduce;
mod resize;
mod sets;
mod shape;
mod signal;
mod text;
mod windows;

use super::node::Node;
use crate::error::Result;
use crate::onnx::value::Value;

/// The translation of an operator.
pub struct Translation {
    name: &'static str,
    /// Translates a node.
    pub translate: fn(&mut Node) -> Result<Vec<Value>>,
    /// Whether integers are computed as doubles, exactly or not at all.
    pub exact_in_doubles: bool,
}

/// One that takes every element type by itself, or floats alone.
const fn op(name: &'static str, translate: fn(&mut Node) -> Result<Vec<Value>>) -> Translation {
    Translation { name, translate, exact_in_doubles: false }
}

/// One that is computed in doubles where it gets integers.
const fn exact(name: &'static str, translate: fn(&mut Node) -> Result<Vec<Value>>) -> Translation {
    Translation { name, translate, exact_in_doubles: true }
}

/// All of ONNX's own domain.
const STANDARD: &[&[Translation]] = &[
    arithmetic::OPS,
    attention::OPS,
    cast::OPS,
    control::OPS,
    conv::OPS,
    conv_transpose::OPS,
    gather::OPS,
    image::OPS,
    loss::OPS,
    make::OPS,
    matmul::OPS,
    norm::OPS,
    pad::OPS,
    pointwise::OPS,
    pool::OPS,
    quantize::OPS,
    recurrent::OPS,
    reduce::OPS,
    resize::OPS,
    sets::OPS,
    shape::OPS,
    signal::OPS,
    text::OPS,
];

/// Operators of the domain for tables.
const ML: &[&[Translation]] = &[ml::OPS];

/// Operators of the domain for training.
const TRAINING: &[&[Translation]] = &[loss::TRAINING];

/// The translation of an operator, if it is supported.
pub fn find(domain: &str, name: &str) -> Option<&'static Translation> {
    let groups = match domain {
        "" => STANDARD,
        "ai.onnx.ml" => ML,
        "ai.onnx.preview.training" => TRAINING,
        _ => &[],
    };
    groups.iter().flat_map(|g| g.iter()).find(|t| t.name == name)
}

/// The names of all operators that are supported, by domain.
pub fn names() -> Vec<(&'static str, &'static str)> {
    let of = |domain, groups: &'static [&'static [Translation]]| {
        groups.iter().flat_map(|g| g.iter()).map(move |t| (domain, t.name))
    };
    of("", STANDARD).chain(of("ai.onnx.ml", ML)).chain(of("ai.onnx.preview.training", TRAINING)).collect()
}
