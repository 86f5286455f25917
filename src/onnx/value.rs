//! What a name of an ONNX graph stands for while its nodes are walked.

use super::element::Elem;
use super::tensor::Tensor;
use crate::graph::TensorId;
use std::sync::Arc;

/// A value of the model: known on the host, or to be computed by the graph that is built.
#[derive(Debug, Clone)]
pub enum Value {
    /// Known now.
    Host(Arc<Tensor>),
    /// A weight that learns: known now, and a parameter of the graph by this name.
    Weight(Arc<str>, Arc<Tensor>),
    /// To be computed: floats and booleans, in f32 or f64.
    Graph(Elem, TensorId),
    /// An input of integers that differ from batch to batch: u32 in the graph.
    Index(Elem, TensorId),
    /// A sequence.
    List(Vec<Value>),
    /// An optional value that is absent.
    Nothing,
}

impl Value {
    /// A tensor that is known.
    pub fn host(tensor: Tensor) -> Value {
        Value::Host(Arc::new(tensor))
    }

    /// What messages call its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Host(_) | Value::Weight(..) => "a tensor",
            Value::Graph(..) | Value::Index(..) => "a tensor that is computed",
            Value::List(_) => "a sequence",
            Value::Nothing => "an absent optional",
        }
    }
}
