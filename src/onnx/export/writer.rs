//! The graph of a file as it grows: nodes with their names, initialisers, attributes.

use crate::onnx::model::Axis;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use crate::onnx::proto::{
    AttributeProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};
use std::collections::{BTreeSet, HashMap};

/// The domain of the ops for classical machine learning.
pub const ML: &str = "ai.onnx.ml";

/// An attribute `name` of a node, a whole number.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeType::Int) }
}

/// A list of whole numbers.
pub fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto { ints: values.iter().map(|&v| v as i64).collect(), ..attribute(name, AttributeType::Ints) }
}

/// A list of whole numbers below zero, too.
pub fn signed(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto { ints: values, ..attribute(name, AttributeType::Ints) }
}

/// A number.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, AttributeType::Float) }
}

/// A word.
pub fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.as_bytes().to_vec()), ..attribute(name, AttributeType::String) }
}

/// A list of words.
pub fn texts<T: AsRef<str>>(name: &str, values: &[T]) -> AttributeProto {
    let strings = values.iter().map(|v| v.as_ref().as_bytes().to_vec()).collect();
    AttributeProto { strings, ..attribute(name, AttributeType::Strings) }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.into()), r#type: Some(kind as i32), ..AttributeProto::default() }
}

/// A tensor of a shape with these bytes, little-endian.
pub fn tensor(name: &str, kind: DataType, shape: &[usize], bytes: Vec<u8>) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        data_type: Some(kind as i32),
        dims: shape.iter().map(|&d| d as i64).collect(),
        raw_data: Some(bytes),
        ..TensorProto::default()
    }
}

/// An input or output of the graph.
pub fn value_info(name: &str, kind: DataType, axes: &[Axis]) -> ValueInfoProto {
    let dim = |axis: &Axis| Dimension {
        value: match axis {
            Axis::Fixed(n) => Some(dimension::Value::DimValue(*n as i64)),
            Axis::Named(name) => Some(dimension::Value::DimParam(name.clone())),
            Axis::Free => None,
        },
        ..Dimension::default()
    };
    let shape = TensorShapeProto { dim: axes.iter().map(dim).collect() };
    let of = type_proto::Tensor { elem_type: Some(kind as i32), shape: Some(shape) };
    let of = TypeProto { value: Some(type_proto::Value::TensorType(of)), ..TypeProto::default() };
    ValueInfoProto { name: Some(name.into()), r#type: Some(of), ..ValueInfoProto::default() }
}

/// The nodes and initialisers of a graph.
#[derive(Debug, Default)]
pub struct Writer {
    /// In execution order.
    pub nodes: Vec<NodeProto>,
    /// Weights and constants.
    pub initializers: Vec<TensorProto>,
    /// The layer whose nodes are being added: `/block1/conv1/`.
    prefix: String,
    names: BTreeSet<String>,
    constants: HashMap<(i32, Vec<usize>, Vec<u8>), String>,
}

impl Writer {
    /// Files the nodes to come under a layer: `block1.conv1`.
    pub fn set_scope(&mut self, scope: &str) {
        self.prefix = match scope.is_empty() {
            true => "/".into(),
            false => format!("/{}/", scope.replace('.', "/")),
        };
    }

    /// Keeps a name for a value that is not made by a node.
    pub fn reserve(&mut self, name: &str) {
        self.names.insert(name.into());
    }

    /// Adds a node with one output, and gives the output's name. An optional input that is
    /// left out is an empty name.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        self.nodes_of(op, "", inputs, attributes, 1).remove(0)
    }

    /// [`Writer::node`] for an op of [`ML`].
    pub fn ml_node(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
        outputs: usize,
    ) -> Vec<String> {
        self.nodes_of(op, ML, inputs, attributes, outputs)
    }

    /// Adds a node with so many outputs.
    pub fn many(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>, outputs: usize) -> Vec<String> {
        self.nodes_of(op, "", inputs, attributes, outputs)
    }

    fn nodes_of(
        &mut self,
        op: &str,
        domain: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
        outputs: usize,
    ) -> Vec<String> {
        let name = self.fresh(&format!("{}{op}", self.prefix));
        let output: Vec<String> = (0..outputs).map(|i| format!("{name}_output_{i}")).collect();
        self.names.extend(output.iter().cloned());
        // Optional inputs at the end are left out.
        let given = inputs.iter().rposition(|i| !i.is_empty()).map_or(0, |last| last + 1);
        self.nodes.push(NodeProto {
            name: Some(name),
            op_type: Some(op.into()),
            domain: (!domain.is_empty()).then(|| domain.into()),
            input: inputs[..given].iter().map(|i| i.to_string()).collect(),
            output: output.clone(),
            attribute,
            ..NodeProto::default()
        });
        output
    }

    /// A name that nothing has yet: `base`, `base_1`, ..
    pub fn fresh(&mut self, base: &str) -> String {
        let mut name = base.to_string();
        for n in 1.. {
            if self.names.insert(name.clone()) {
                break;
            }
            name = format!("{base}_{n}");
        }
        name
    }

    /// An initialiser of floats under a name of its own.
    pub fn weight(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let name = self.fresh(name);
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializers.push(tensor(&name, DataType::Float, shape, bytes));
        name
    }

    /// Whole numbers; equal constants are one.
    pub fn integers(&mut self, shape: &[usize], values: &[i64]) -> String {
        self.constant(DataType::Int64, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// A list of whole numbers.
    pub fn list(&mut self, values: &[i64]) -> String {
        self.integers(&[values.len()], values)
    }

    /// A number without axes.
    pub fn scalar(&mut self, value: f32) -> String {
        self.numbers(&[], &[value])
    }

    /// Floats; equal constants are one.
    pub fn numbers(&mut self, shape: &[usize], values: &[f32]) -> String {
        self.constant(DataType::Float, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// Floats in double precision.
    pub fn doubles(&mut self, shape: &[usize], values: &[f64]) -> String {
        self.constant(DataType::Double, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// Yes or no.
    pub fn booleans(&mut self, shape: &[usize], values: &[bool]) -> String {
        self.constant(DataType::Bool, shape, values.iter().map(|&v| u8::from(v)).collect())
    }

    /// A list of texts.
    pub fn strings<T: AsRef<str>>(&mut self, values: &[T]) -> String {
        let name = self.fresh("strings");
        self.initializers.push(TensorProto {
            name: Some(name.clone()),
            data_type: Some(DataType::String as i32),
            dims: vec![values.len() as i64],
            string_data: values.iter().map(|v| v.as_ref().as_bytes().to_vec()).collect(),
            ..TensorProto::default()
        });
        name
    }

    fn constant(&mut self, kind: DataType, shape: &[usize], bytes: Vec<u8>) -> String {
        let key = (kind as i32, shape.to_vec(), bytes);
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = self.fresh("constant");
        self.initializers.push(tensor(&name, kind, shape, key.2.clone()));
        self.constants.insert(key, name.clone());
        name
    }

    /// Gives the value `from`, which a node makes, the name of an output of the graph; what
    /// no node makes is copied.
    pub fn rename(&mut self, from: &str, to: &str) {
        let made = self.nodes.iter_mut().flat_map(|n| n.output.iter_mut()).find(|o| *o == from);
        match made {
            Some(output) => {
                *output = to.into();
                let readers = self.nodes.iter_mut().flat_map(|n| n.input.iter_mut()).filter(|i| *i == from);
                readers.for_each(|i| *i = to.into());
            }
            None => {
                self.prefix = "/".into();
                let name = self.fresh("/Identity");
                self.nodes.push(NodeProto {
                    name: Some(name),
                    op_type: Some("Identity".into()),
                    input: vec![from.into()],
                    output: vec![to.into()],
                    ..NodeProto::default()
                });
            }
        }
        self.names.insert(to.into());
    }
}
