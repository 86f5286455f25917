//! Walks the nodes of a model in order, and translates each where its inputs are what they
//! are: into nodes of a graph, or into values that are known.

mod node;
pub mod ops;

use self::node::Node;
use super::element::Elem;
use super::file::ModelFile;
use super::model::{Model, captured, domain, graphs, label, opsets};
use super::proto::{FunctionProto, GraphProto, NodeProto, TensorProto};
use super::tensor::Tensor;
use super::trace::{Engine, Trace};
use super::value::Value;
use crate::error::{Context, Error, Result};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

impl Model {
    /// Reads a model and checks that all of its operators are supported.
    ///
    /// Fails with every operator that is not, and a node that has it.
    pub fn open(path: &Path) -> Result<Model> {
        ModelFile::read(path).and_then(Model::of_file).map_err(|e| e.context(path.display()))
    }

    /// A model from memory.
    pub fn of_bytes(bytes: &[u8]) -> Result<Model> {
        ModelFile::of_bytes(bytes).and_then(Model::of_file)
    }

    /// A model of messages that are read.
    pub(super) fn of_file(file: ModelFile) -> Result<Model> {
        Model::looked_through(file, &|domain, op| ops::find(domain, op).is_some())
    }
}

type Scope = HashMap<String, Value>;

/// A walk over a model.
pub struct Interpreter<'m, 't> {
    /// The model.
    pub model: &'m Model,
    /// Where the graph grows.
    pub trace: Trace<'t>,
    /// Names and what they stand for, of the main graph first, then of graphs within graphs.
    scopes: Vec<Scope>,
    /// Where a function begins, only its own names are seen.
    floor: usize,
    /// The versions of operators in force.
    versions: Vec<HashMap<String, i64>>,
    /// Values that an op holds while graphs within it are walked.
    pub held: Vec<Value>,
    /// Iterations of loops so far.
    iterations: usize,
}

/// Iterations that all loops of a run may have together: one that does not end is an error.
const MOST_ITERATIONS: usize = 1 << 20;

/// Graphs within graphs that are walked at a time.
const DEEPEST: usize = 64;

impl<'m, 't> Interpreter<'m, 't> {
    /// A walk that has not begun.
    pub fn new(model: &'m Model, trace: Trace<'t>) -> Interpreter<'m, 't> {
        Interpreter { model, trace, scopes: vec![], floor: 0, versions: vec![], held: vec![], iterations: 0 }
    }

    /// The version of a domain's operators.
    pub fn opset(&self, domain: &str) -> i64 {
        let own = self.versions.last().and_then(|v| v.get(domain)).copied();
        own.unwrap_or_else(|| self.model.opset(domain))
    }

    /// What a name stands for.
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.scopes[self.floor..].iter().rev().find_map(|s| s.get(name))
    }

    /// Counts an iteration of a loop.
    ///
    /// Fails when there are too many.
    pub fn count_iteration(&mut self) -> Result<()> {
        self.iterations += 1;
        match self.iterations <= MOST_ITERATIONS {
            true => Ok(()),
            false => Err(Error::model(format!("its loops have more than {MOST_ITERATIONS} iterations"))),
        }
    }

    /// Walks a graph within the model with these inputs; gives its outputs.
    ///
    /// Fails for a name that nothing has given before it is read, as in a graph with a circle.
    pub fn graph(&mut self, graph: &GraphProto, inputs: Vec<Value>) -> Result<Vec<Value>> {
        let read = |t: &TensorProto| Ok((t.name().to_string(), Value::host(self.model.file.tensor(t)?)));
        let mut scope: Scope = graph.initializer.iter().map(read).collect::<Result<_>>()?;
        for (info, value) in graph.input.iter().zip(inputs) {
            scope.insert(info.name().to_string(), value);
        }
        let outputs: Vec<&str> = graph.output.iter().map(|o| o.name()).collect();
        self.walk(&graph.node, scope, &outputs)
    }

    /// Walks the main graph with inputs by name, and weights that learn.
    pub fn main(&mut self, inputs: HashMap<String, Value>) -> Result<Vec<Value>> {
        let graph = self.model.graph();
        let mut scope: Scope = self.model.weights.iter().map(|(n, t)| (n.clone(), Value::Host(t.clone()))).collect();
        scope.extend(inputs);
        let outputs: Vec<&str> = graph.output.iter().map(|o| o.name()).collect();
        self.walk(&graph.node, scope, &outputs)
    }

    /// Walks the nodes of a function.
    fn function(&mut self, f: &FunctionProto, node: &NodeProto, inputs: Vec<Value>) -> Result<Vec<Value>> {
        let mut attributes: HashMap<&str, _> = f.attribute_proto.iter().map(|a| (a.name(), a)).collect();
        attributes.extend(node.attribute.iter().map(|a| (a.name(), a)));
        let mut nodes = f.node.clone();
        for inner in &mut nodes {
            inner.attribute.retain_mut(|a| {
                let Some(wanted) = a.ref_attr_name.take().filter(|n| !n.is_empty()) else { return true };
                let Some(given) = attributes.get(wanted.as_str()) else { return false };
                let name = a.name.take();
                *a = (*given).clone();
                a.name = name;
                true
            });
        }
        let scope = f.input.iter().cloned().zip(inputs).collect();
        let outputs: Vec<&str> = f.output.iter().map(String::as_str).collect();
        let floor = std::mem::replace(&mut self.floor, self.scopes.len());
        self.versions.push(opsets(&f.opset_import));
        let result = self.walk(&nodes, scope, &outputs);
        self.versions.pop();
        self.floor = floor;
        result
    }

    fn walk(&mut self, nodes: &[NodeProto], scope: Scope, outputs: &[&str]) -> Result<Vec<Value>> {
        if self.scopes.len() >= DEEPEST {
            return Err(Error::model(format!("graphs within graphs, more than {DEEPEST} deep")));
        }
        let last = last_uses(nodes, outputs);
        self.scopes.push(scope);
        let result = self.walk_nodes(nodes, &last);
        let own = self.scopes.len() - 1;
        let found = result.and_then(|()| {
            let value = |name: &&str| {
                let missing = || Error::model(format!("nothing gives the output \"{name}\""));
                self.find(name).cloned().ok_or_else(missing)
            };
            outputs.iter().map(value).collect()
        });
        self.scopes.truncate(own);
        found
    }

    fn walk_nodes(&mut self, nodes: &[NodeProto], last: &HashMap<String, usize>) -> Result<()> {
        for (i, node) in nodes.iter().enumerate() {
            let place = || format!("node {} ({})", label(node, i), node.op_type());
            let values = self.node(node).context(place)?;
            let scope = self.scopes.last_mut().expect("a scope is open");
            for (name, value) in node.output.iter().zip(values) {
                if !name.is_empty() {
                    scope.insert(name.clone(), value);
                }
            }
            // What nobody reads any more is not computed, nor kept.
            scope.retain(|name, _| last.get(name).is_some_and(|&l| l > i));
        }
        Ok(())
    }

    fn node(&mut self, node: &NodeProto) -> Result<Vec<Value>> {
        let input = |name: &String| match name.is_empty() {
            true => Ok(Value::Nothing),
            false => self.find(name).cloned().ok_or_else(|| {
                Error::model(format!("it reads \"{name}\", which no node before it gives, nor an input of the graph"))
            }),
        };
        let inputs: Vec<Value> = node.input.iter().map(input).collect::<Result<_>>()?;
        let domain = domain(node.domain());
        if let Some(f) = self.model.function(&domain, node.op_type()) {
            return self.function(f, node, inputs);
        }
        let op = ops::find(&domain, node.op_type())
            .ok_or_else(|| Error::model(format!("operator {} is not supported", node.op_type())))?;
        let version = self.opset(&domain);
        let name = if node.name().is_empty() { node.op_type() } else { node.name() }.replace('/', ".");
        let name = name.trim_matches('.').to_string();
        self.trace.g().enter(&name);
        let mut cx = Node { walk: self, proto: node, inputs, version, stands_for: None, asked: RefCell::default() };
        let values = match op.exact_in_doubles && is_known_integers(&cx.inputs) {
            true => in_doubles(&mut cx, op),
            false => (op.translate)(&mut cx),
        };
        let values = values.and_then(|values| cx.check_all_asked().map(|()| values));
        self.trace.g().leave();
        let mut values = values?;
        // Three digits leave no room for a difference: what a node gives is rounded at once.
        let is_bfloat = |v: &Value| matches!(v, Value::Graph(Elem::BFloat16, _));
        if self.trace.runs() && values.iter().any(is_bfloat) {
            self.flush(&mut values)?;
        }
        Ok(values)
    }

    /// Makes everything known that is still to be computed: the names in force, what is held,
    /// and `inputs`.
    pub fn flush(&mut self, inputs: &mut [Value]) -> Result<()> {
        let scopes = self.scopes.iter_mut().flat_map(|s| s.values_mut());
        let mut all: Vec<&mut Value> = scopes.chain(&mut self.held).chain(inputs).collect();
        self.trace.flush(&mut all)
    }
}

/// Whether the first value is one of integers or booleans, and all are known.
fn is_known_integers(inputs: &[Value]) -> bool {
    let integers = |v: &Value| matches!(v, Value::Host(t) if t.elem.is_int() || t.elem == Elem::Bool);
    inputs.iter().all(|v| matches!(v, Value::Host(_) | Value::Nothing)) && inputs.first().is_some_and(integers)
}

/// Integers, computed in f64 as the floats are, with a check that none loses its value.
fn in_doubles(cx: &mut Node, op: &ops::Translation) -> Result<Vec<Value>> {
    let elem = cx.elem(0)?;
    let converted = |from: Elem, to: Elem, v: &Value| match v {
        Value::Host(t) if t.elem == from => Ok(Value::host(Tensor::of_f64(to, t.shape.clone(), t.to_f64()?)?)),
        other => Ok(other.clone()),
    };
    let inputs = cx.inputs.iter().map(|v| converted(elem, Elem::Double, v)).collect::<Result<_>>()?;
    let values = apart(cx, inputs, Some(elem), &op.translate)?;
    values.iter().map(|v| converted(Elem::Double, elem, v)).collect()
}

/// Computes with these inputs of a node in doubles, apart from everything else: `f` sees the node
/// with them, and what it gives is known. `stands_for` are the integers that the doubles are.
pub fn apart(
    cx: &mut Node,
    inputs: Vec<Value>,
    stands_for: Option<Elem>,
    f: &dyn Fn(&mut Node) -> Result<Vec<Value>>,
) -> Result<Vec<Value>> {
    let mut walk = Interpreter::new(cx.walk.model, Trace::run(Engine::Double));
    walk.versions.push(cx.walk.versions.last().cloned().unwrap_or_default());
    let (proto, version, asked) = (cx.proto, cx.version, RefCell::default());
    let mut inner = Node { walk: &mut walk, proto, inputs, version, stands_for, asked };
    let mut values = f(&mut inner)?;
    cx.asked.borrow_mut().extend(inner.asked.take());
    walk.flush(&mut values)?;
    Ok(values)
}

/// The last node that reads each name, also within its graphs; outputs are read at the end.
fn last_uses(nodes: &[NodeProto], outputs: &[&str]) -> HashMap<String, usize> {
    let mut last = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        let mut names: HashSet<String> = node.input.iter().cloned().collect();
        for graph in node.attribute.iter().flat_map(graphs) {
            captured(graph, &mut names);
        }
        last.extend(names.into_iter().map(|n| (n, i)));
    }
    last.extend(outputs.iter().map(|o| (o.to_string(), usize::MAX)));
    last
}

/// A value that a walk gives, known.
pub fn tensor(value: &Value) -> Result<Arc<Tensor>> {
    match value {
        Value::Host(t) | Value::Weight(_, t) => Ok(t.clone()),
        other => Err(Error::model(format!("expected a tensor, found {}", other.kind()))),
    }
}
