//! What the translation of an op sees of its node: inputs, attributes, the graph.

use super::{Interpreter, tensor};
use crate::error::{Context, Error, Result};
use crate::graph::{Graph, TensorId};
use crate::onnx::element::Elem;
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto, attribute_proto::AttributeType};
use crate::onnx::tensor::Tensor;
use crate::onnx::value::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A node whose inputs are given.
pub struct Node<'n, 'm, 't> {
    /// The walk that has come to it.
    pub walk: &'n mut Interpreter<'m, 't>,
    /// What the file says of it.
    pub proto: &'n NodeProto,
    /// Its inputs; `Nothing` where one is left out.
    pub inputs: Vec<Value>,
    /// The version of its domain's operators.
    pub version: i64,
    /// The integers that doubles stand for here.
    pub stands_for: Option<Elem>,
    /// Attributes that its translation has asked for.
    pub asked: RefCell<BTreeSet<String>>,
}

/// Attributes that change no value here: what random numbers begin with; what files of early
/// versions have; types that values have anyway; and of attributes that exist for each type those
/// of the others.
const WITHOUT_MEANING: &[&str] = &[
    "seed",
    "consumed_inputs",
    "is_test",
    "chunk_size",
    "locale",
    "type",
    "dtype",
    "default_string",
    "default_int64",
    "default_float",
    "default_tensor",
    "imputed_value_floats",
    "imputed_value_int64s",
    "replaced_value_float",
    "replaced_value_int64",
    "cats_strings",
    "cats_int64s",
];

impl Node<'_, '_, '_> {
    /// The graph that grows.
    pub fn g(&mut self) -> &mut Graph {
        self.walk.trace.g()
    }

    /// Whether input `i` is given.
    pub fn has(&self, i: usize) -> bool {
        !matches!(self.inputs.get(i), None | Some(Value::Nothing))
    }

    /// Whether somebody reads output `i`.
    pub fn wants(&self, i: usize) -> bool {
        self.proto.output.get(i).is_some_and(|n| !n.is_empty())
    }

    /// Input `i`.
    pub fn value(&self, i: usize) -> Result<&Value> {
        let given = self.inputs.get(i).filter(|v| !matches!(v, Value::Nothing));
        given.ok_or_else(|| Error::model(format!("input {i} is missing")))
    }

    /// The element type of input `i`.
    pub fn elem(&self, i: usize) -> Result<Elem> {
        elem_of(self.value(i)?)
    }

    /// Axis lengths of input `i`.
    pub fn shape(&mut self, i: usize) -> Result<Vec<usize>> {
        let value = self.value(i)?.clone();
        self.shape_of(&value)
    }

    /// Axis lengths of a value.
    pub fn shape_of(&mut self, value: &Value) -> Result<Vec<usize>> {
        match value {
            Value::Host(t) | Value::Weight(_, t) => Ok(t.shape.clone()),
            Value::Graph(_, id) | Value::Index(_, id) => Ok(self.g().shape(*id).to_vec()),
            other => Err(Error::model(format!("expected a tensor, found {}", other.kind()))),
        }
    }

    /// Input `i` known: if need be everything is computed that it depends on. To be called
    /// before anything is added to the graph.
    pub fn host(&mut self, i: usize) -> Result<Arc<Tensor>> {
        if matches!(self.value(i)?, Value::Graph(..) | Value::Index(..) | Value::List(_)) {
            self.walk.flush(&mut self.inputs).context(|| format!("input {i}"))?;
        }
        tensor(&self.inputs[i])
    }

    /// The integers of input `i`, known.
    pub fn ints(&mut self, i: usize) -> Result<Vec<i64>> {
        self.host(i)?.to_ints().context(|| format!("input {i}"))
    }

    /// The one integer of input `i`, known.
    pub fn int_in(&mut self, i: usize) -> Result<i64> {
        single(i, &self.ints(i)?)
    }

    /// The floats of input `i`, known.
    pub fn floats(&mut self, i: usize) -> Result<Vec<f64>> {
        self.host(i)?.to_f64().context(|| format!("input {i}"))
    }

    /// The one number of input `i`, known.
    pub fn float_in(&mut self, i: usize) -> Result<f64> {
        single(i, &self.floats(i)?)
    }

    /// Input `i` in the graph, as floats.
    pub fn x(&mut self, i: usize) -> Result<TensorId> {
        let value = self.value(i)?.clone();
        self.in_graph(&value).context(|| format!("input {i}"))
    }

    /// Input `i` in the graph, if it is given.
    pub fn x_opt(&mut self, i: usize) -> Result<Option<TensorId>> {
        if self.has(i) { self.x(i).map(Some) } else { Ok(None) }
    }

    /// A value in the graph, as floats.
    pub fn in_graph(&mut self, value: &Value) -> Result<TensorId> {
        match value {
            Value::Host(t) => self.walk.trace.constant(t),
            Value::Weight(name, t) => self.walk.trace.weight(name, t),
            Value::Graph(_, id) => Ok(*id),
            Value::Index(_, id) => self.g().index_to_float(*id),
            other => Err(Error::model(format!("expected a tensor, found {}", other.kind()))),
        }
    }

    /// A number in the graph.
    pub fn number(&mut self, v: f64) -> Result<TensorId> {
        let elem = if self.walk.trace.doubles() { Elem::Double } else { Elem::Float };
        self.walk.trace.constant(&Arc::new(Tensor::of_f64(elem, [], vec![v])?))
    }

    /// Numbers in the graph.
    pub fn numbers(&mut self, shape: impl Into<Vec<usize>>, v: Vec<f64>) -> Result<TensorId> {
        let elem = if self.walk.trace.doubles() { Elem::Double } else { Elem::Float };
        self.walk.trace.constant(&Arc::new(Tensor::of_f64(elem, shape, v)?))
    }

    /// A result with the element type of input 0.
    pub fn like(&self, id: TensorId) -> Result<Vec<Value>> {
        Ok(vec![Value::Graph(self.elem(0)?, id)])
    }

    /// An axis, counted from the last where it is negative.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        let r = rank as i64;
        match (-r..r).contains(&axis) {
            true => Ok(axis.rem_euclid(r) as usize),
            false => Err(Error::model(format!("axis {axis} of a tensor with {rank} axes"))),
        }
    }

    /// Axes, counted from the last where they are negative.
    pub fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>> {
        axes.iter().map(|&a| self.axis(a, rank)).collect()
    }

    /// Refuses attributes that the translation has not asked for: what they say would be ignored.
    pub fn check_all_asked(&self) -> Result<()> {
        let asked = self.asked.borrow();
        let ignored = self.proto.attribute.iter().find(|a| {
            let is_graph = a.g.is_some() || !a.graphs.is_empty();
            !is_graph && !asked.contains(a.name()) && !WITHOUT_MEANING.contains(&a.name())
        });
        match ignored {
            None => Ok(()),
            Some(a) => Err(Error::model(format!(
                "its attribute \"{}\" is not supported in version {} of the operator",
                a.name(),
                self.version
            ))),
        }
    }

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.asked.borrow_mut().insert(name.to_string());
        self.proto.attribute.iter().find(|a| a.name() == name)
    }

    fn typed(&self, name: &str, wanted: AttributeType) -> Result<Option<&AttributeProto>> {
        let Some(a) = self.attribute(name) else { return Ok(None) };
        let found = a.r#type.unwrap_or(0);
        if found != 0 && found != wanted as i32 {
            return Err(Error::model(format!("attribute {name} has type {found}; expected {}", wanted.as_str_name())));
        }
        Ok(Some(a))
    }

    /// An attribute that is an integer.
    pub fn int(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.typed(name, AttributeType::Int)?.map_or(default, |a| a.i()))
    }

    /// An attribute that is an integer, if it is given.
    pub fn int_opt(&self, name: &str) -> Result<Option<i64>> {
        Ok(self.typed(name, AttributeType::Int)?.map(|a| a.i()))
    }

    /// An attribute that is 0 or 1.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    /// An attribute that is a float.
    pub fn float(&self, name: &str, default: f32) -> Result<f32> {
        Ok(self.typed(name, AttributeType::Float)?.map_or(default, |a| a.f()))
    }

    /// An attribute that is a float, if it is given.
    pub fn float_opt(&self, name: &str) -> Result<Option<f32>> {
        Ok(self.typed(name, AttributeType::Float)?.map(|a| a.f()))
    }

    /// An attribute that is a text.
    pub fn text(&self, name: &str, default: &str) -> Result<String> {
        let a = self.typed(name, AttributeType::String)?;
        Ok(a.map_or(default.to_string(), |a| String::from_utf8_lossy(a.s()).into_owned()))
    }

    /// An attribute that is a list of texts.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>> {
        let a = self.typed(name, AttributeType::Strings)?;
        Ok(a.map(|a| a.strings.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect()))
    }

    /// An attribute that is a list of integers.
    pub fn int_list(&self, name: &str) -> Result<Option<Vec<i64>>> {
        Ok(self.typed(name, AttributeType::Ints)?.map(|a| a.ints.clone()))
    }

    /// An attribute that is a list of floats.
    pub fn float_list(&self, name: &str) -> Result<Option<Vec<f32>>> {
        Ok(self.typed(name, AttributeType::Floats)?.map(|a| a.floats.clone()))
    }

    /// An attribute that is a list of sizes.
    pub fn sizes(&self, name: &str) -> Result<Option<Vec<usize>>> {
        let size = |&v: &i64| {
            let fits = usize::try_from(v).ok().filter(|&v| v <= u32::MAX as usize);
            fits.ok_or_else(|| Error::model(format!("attribute {name} holds {v}; expected 0 or more")))
        };
        self.int_list(name)?.map(|v| v.iter().map(size).collect()).transpose()
    }

    /// An attribute that is a tensor.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        let Some(a) = self.typed(name, AttributeType::Tensor)? else { return Ok(None) };
        let proto = a.t.as_ref().ok_or_else(|| Error::model(format!("attribute {name} holds no tensor")))?;
        self.walk.model.file.tensor(proto).map(Some)
    }

    /// An attribute that is a graph.
    pub fn graph(&self, name: &str) -> Result<GraphProto> {
        let a = self.typed(name, AttributeType::Graph)?;
        a.and_then(|a| a.g.clone()).ok_or_else(|| Error::model(format!("attribute {name}, a graph, is missing")))
    }
}

/// The one element of input `i`.
fn single<T: Copy>(i: usize, all: &[T]) -> Result<T> {
    match all {
        [one] => Ok(*one),
        _ => Err(Error::model(format!("input {i} has {} elements; expected one", all.len()))),
    }
}

/// The element type of a value.
pub fn elem_of(value: &Value) -> Result<Elem> {
    match value {
        Value::Host(t) | Value::Weight(_, t) => Ok(t.elem),
        Value::Graph(elem, _) | Value::Index(elem, _) => Ok(*elem),
        Value::List(all) => all.first().map_or(Ok(Elem::Float), elem_of),
        Value::Nothing => Err(Error::model("an optional value is absent")),
    }
}
