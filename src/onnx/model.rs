//! A model that is read and looked through: what it is made of, and whether all of it is
//! supported, before anything of it runs.

use super::element::Elem;
use super::file::ModelFile;
use super::proto::{
    AttributeProto, FunctionProto, GraphProto, NodeProto, OperatorSetIdProto, ValueInfoProto, type_proto,
};
use super::tensor::Tensor;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A model of ONNX.
#[derive(Debug, Clone)]
pub struct Model {
    pub(super) file: ModelFile,
    opsets: HashMap<String, i64>,
    /// The initialisers of the main graph, read once.
    pub(super) weights: HashMap<String, Arc<Tensor>>,
}

/// An input or output as the model declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The element type, if it is a tensor whose type is stated.
    pub elem: Option<Elem>,
    /// Axis lengths, where they are stated; `None` inside for one that is free or has a name.
    pub shape: Option<Vec<Axis>>,
    /// Whether it is a sequence.
    pub is_list: bool,
}

/// The length of an axis as a model declares it.
#[derive(Debug, Clone, PartialEq)]
pub enum Axis {
    /// So long.
    Fixed(usize),
    /// As long as all others of this name.
    Named(String),
    /// Of any length.
    Free,
}

impl Model {
    /// A model of messages; `known` says which operators of which domain are supported.
    pub(super) fn looked_through(file: ModelFile, known: &dyn Fn(&str, &str) -> bool) -> Result<Model> {
        let opsets = opsets(&file.proto.opset_import);
        let mut model = Model { file, opsets, weights: HashMap::new() };
        let graph = model.graph();
        if !graph.sparse_initializer.is_empty() {
            return Err(Error::model("sparse initialisers are not supported"));
        }
        model.check_supported(known)?;
        let read = |t| Ok((super::proto::TensorProto::name(t).to_string(), Arc::new(model.file.tensor(t)?)));
        model.weights = model.graph().initializer.iter().map(read).collect::<Result<_>>()?;
        Ok(model)
    }

    /// The main graph.
    pub fn graph(&self) -> &GraphProto {
        self.file.proto.graph.as_ref().expect("a model file has a graph")
    }

    /// What it must be given: inputs that no initialiser fills.
    pub fn inputs(&self) -> Vec<Port> {
        self.graph().input.iter().filter(|i| !self.weights.contains_key(i.name())).map(port).collect()
    }

    /// What it gives.
    pub fn outputs(&self) -> Vec<Port> {
        self.graph().output.iter().map(port).collect()
    }

    /// The version of a domain's operators that it is written for.
    pub(super) fn opset(&self, domain: &str) -> i64 {
        self.opsets.get(domain).copied().unwrap_or(1)
    }

    /// A function that the model brings.
    pub(super) fn function(&self, domain: &str, name: &str) -> Option<&FunctionProto> {
        self.file.proto.functions.iter().find(|f| f.name() == name && self::domain(f.domain()) == domain)
    }

    fn check_supported(&self, known: &dyn Fn(&str, &str) -> bool) -> Result<()> {
        let mut missing: BTreeMap<String, String> = BTreeMap::new();
        self.look(&self.graph().node, known, &mut missing, 0)?;
        for function in self.file.proto.functions.iter() {
            self.look(&function.node, known, &mut missing, 0)?;
        }
        self.check_functions()?;
        if missing.is_empty() {
            return Ok(());
        }
        let all: Vec<String> = missing.iter().map(|(op, node)| format!("{op} (node {node})")).collect();
        Err(Error::model(format!("it has operators that are not supported: {}", all.join(", "))))
    }

    fn look(
        &self,
        nodes: &[NodeProto],
        known: &dyn Fn(&str, &str) -> bool,
        missing: &mut BTreeMap<String, String>,
        depth: usize,
    ) -> Result<()> {
        if depth > 64 {
            return Err(Error::model("graphs within graphs, more than 64 deep"));
        }
        for (i, node) in nodes.iter().enumerate() {
            let (domain, op) = (domain(node.domain()), node.op_type());
            if !known(&domain, op) && self.function(&domain, op).is_none() {
                let full = if domain.is_empty() { op.to_string() } else { format!("{domain}.{op}") };
                missing.entry(full).or_insert_with(|| label(node, i));
            }
            for graph in node.attribute.iter().flat_map(graphs) {
                self.look(&graph.node, known, missing, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Refuses functions that call themselves.
    fn check_functions(&self) -> Result<()> {
        fn calls<'m>(model: &'m Model, f: &'m FunctionProto, open: &mut Vec<(String, String)>) -> Result<()> {
            let key = (domain(f.domain()), f.name().to_string());
            if open.contains(&key) || open.len() > 64 {
                return Err(Error::model(format!("function {} calls itself", f.name())));
            }
            open.push(key);
            for node in &f.node {
                if let Some(inner) = model.function(&domain(node.domain()), node.op_type()) {
                    calls(model, inner, open)?;
                }
            }
            open.pop();
            Ok(())
        }
        self.file.proto.functions.iter().try_for_each(|f| calls(self, f, &mut vec![]))
    }
}

/// The versions that a list of imports names.
pub(super) fn opsets(imports: &[OperatorSetIdProto]) -> HashMap<String, i64> {
    imports.iter().map(|o| (domain(o.domain()), o.version())).collect()
}

/// A domain without its two spellings of ONNX's own.
pub(super) fn domain(name: &str) -> String {
    if name == "ai.onnx" { String::new() } else { name.to_string() }
}

/// A node for messages: its name, or its number.
pub(super) fn label(node: &NodeProto, i: usize) -> String {
    if node.name().is_empty() { format!("{i}") } else { format!("\"{}\"", node.name()) }
}

/// The graphs of an attribute.
pub(super) fn graphs(a: &AttributeProto) -> impl Iterator<Item = &GraphProto> {
    a.g.iter().chain(&a.graphs)
}

/// The names that a graph reads from around it.
pub(super) fn captured(graph: &GraphProto, into: &mut HashSet<String>) {
    let own = graph.input.iter().map(|i| i.name());
    let own = own.chain(graph.initializer.iter().map(super::proto::TensorProto::name));
    let mut own: HashSet<&str> = own.collect();
    for node in &graph.node {
        into.extend(node.input.iter().filter(|n| !n.is_empty() && !own.contains(n.as_str())).cloned());
        for inner in node.attribute.iter().flat_map(graphs) {
            let mut of_inner = HashSet::new();
            captured(inner, &mut of_inner);
            into.extend(of_inner.into_iter().filter(|n| !own.contains(n.as_str())));
        }
        own.extend(node.output.iter().map(String::as_str));
    }
    into.extend(graph.output.iter().map(|o| o.name().to_string()).filter(|n| !own.contains(n.as_str())));
}

/// What a declaration says.
pub(super) fn port(info: &ValueInfoProto) -> Port {
    use super::proto::tensor_shape_proto::dimension::Value as Dim;
    let mut kind = info.r#type.as_ref().and_then(|t| t.value.as_ref());
    if let Some(type_proto::Value::OptionalType(inner)) = kind {
        kind = inner.elem_type.as_ref().and_then(|t| t.value.as_ref());
    }
    let is_list = matches!(kind, Some(type_proto::Value::SequenceType(_)));
    let tensor = kind.and_then(|kind| match kind {
        type_proto::Value::TensorType(t) => Some(t),
        _ => None,
    });
    let axis = |d: &super::proto::tensor_shape_proto::Dimension| match &d.value {
        Some(Dim::DimValue(n)) if *n >= 0 => Axis::Fixed(*n as usize),
        Some(Dim::DimParam(name)) if !name.is_empty() => Axis::Named(name.clone()),
        _ => Axis::Free,
    };
    Port {
        name: info.name().to_string(),
        elem: tensor.and_then(|t| Elem::of_code(t.elem_type()).ok()),
        shape: tensor.and_then(|t| t.shape.as_ref()).map(|s| s.dim.iter().map(axis).collect()),
        is_list,
    }
}
