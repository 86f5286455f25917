//! A model of ONNX as one that is evaluated, predicts and goes on learning here.

use super::element::Elem;
use super::hollow;
use super::layer::Onnx;
use super::model::{Axis, Model, domain};
use super::proto::{NodeProto, TensorProto, ValueInfoProto};
use super::tensor::{Data, Tensor};
use super::trace::Trace;
use super::translate::Interpreter;
use super::value::Value;
use crate::data::{Interface, Normal, TargetScale, Task, ValueScale};
use crate::error::{Context, Error, Result};
use crate::graph::Graph;
use crate::nn::layers::{ActivationLayer, Dense, Units};
use crate::nn::{Description, LayerDescription, Reads, Weights};
use crate::tensor::{HostTensor, Spec};
use crate::train::Settings;
use crate::train::checkpoint::About;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use toml::Value as Toml;

/// The layer that the body of a model becomes.
pub const BODY: &str = "body";

/// What a file does not say of a model.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Lengths of axes that the file leaves open, by name.
    pub axes: BTreeMap<String, usize>,
    /// The names of the classes.
    pub classes: Option<Vec<String>>,
    /// What the outputs are, where it is not to be found out.
    pub task: Option<Task>,
    /// Mean and deviation of each channel of pictures, for pixels between 0 and 1.
    pub channels: Option<Vec<(f32, f32)>>,
}

/// What an import gives.
#[derive(Debug)]
pub struct Import {
    /// Weights by name, running statistics among them.
    pub weights: Weights,
    /// Description and interface, as a checkpoint states them.
    pub about: About,
    /// What was assumed, and which flag decides otherwise.
    pub notes: Vec<String>,
}

/// What ends a model: the layers that stand here for its last nodes.
struct Head {
    dense: Option<(LayerDescription, Vec<(String, HostTensor)>)>,
    activation: Option<LayerDescription>,
}

/// Reads a model as one that learns. Its body becomes a layer `Onnx`, whose weights have the
/// names of the file behind `body.`; a last product with a matrix becomes a `Dense`, so that
/// other classes are a new head, and a last softmax or sigmoid an `Activation`.
///
/// Fails for a model with several inputs, with doubles, or whose steps depend on values.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Import> {
    super::layer::register()?;
    let model = Model::open(path)?;
    imported(model, path, options).context(|| path.display().to_string())
}

fn imported(model: Model, path: &Path, options: &ImportOptions) -> Result<Import> {
    let mut notes = vec![];
    if model.has_doubles() {
        return Err(Error::model("it computes in doubles, in which nothing is trained here; `wgrad run` runs it"));
    }
    let ports = model.inputs();
    let [port] = &ports[..] else {
        let names: Vec<&str> = ports.iter().map(|p| &p.name[..]).collect();
        return Err(Error::model(format!(
            "it has {} inputs ({}); a model that is trained has one; `wgrad run` runs it",
            ports.len(),
            names.join(", ")
        )));
    };
    let sample = sample_shape(port.shape.as_deref(), options)?;
    let mut file = model.file.clone();
    let graph = file.proto.graph.as_mut().expect("it has a graph");
    if graph.output.len() > 1 {
        let rest: Vec<&str> = graph.output[1..].iter().map(|o| o.name()).collect();
        notes.push(format!("the outputs {} are left out: a model that is trained has one", rest.join(", ")));
        graph.output.truncate(1);
    }
    let head = take_head(graph, &model, options)?;
    keep_needed(graph);
    let (body, weights) = body(file, &model, port.elem, &sample)?;
    let mut values = Weights::new(0);
    weights.into_iter().for_each(|(name, value)| values.set(format!("{BODY}.{name}"), value));
    let mut layers = vec![LayerDescription { name: BODY.into(), inputs: None, layer: Arc::new(body) }];
    let mut outputs = None;
    if let Some((dense, weights)) = head.dense {
        outputs = weights.first().map(|(_, w)| w.shape[0]);
        weights.into_iter().for_each(|(name, value)| values.set(format!("{}.{name}", dense.name), value));
        layers.push(dense);
    }
    let softmax = head.activation.is_some();
    layers.extend(head.activation);
    let name = path.file_stem().map_or("model".into(), |s| s.to_string_lossy().into_owned());
    let mut description = Description { name, reads: Reads::Samples, input: Some(sample.clone().into()), layers };
    if description.takes_tokens() {
        description.reads = Reads::Text;
    }
    let built = crate::nn::Model::new(description.clone(), Some(sample.clone().into()), outputs)?;
    let (g, built) = built.inspect(1, &mut values.clone())?;
    let shape = g.shape(built.output).to_vec();
    let interface = {
        let is_index = port.elem.is_some_and(Elem::is_int);
        interface(&model, &shape, softmax, &sample, is_index, options, &mut notes)?
    };
    let mut config = toml::Table::new();
    config.insert("model".into(), Toml::Table(description.to_table()));
    if let [_, h, w] = sample[..] {
        let size = [h as i64, w as i64].map(Toml::from).to_vec();
        config.insert("data".into(), Toml::Table([("size".to_string(), Toml::Array(size))].into_iter().collect()));
    }
    let config = toml::to_string(&Settings::read(config)?.to_table()).expect("a table of plain values prints");
    let text = toml::to_string(&description.to_table()).expect("a table of plain values prints");
    let about = About { model: text, input: sample, interface, config, progress: None, moment: None };
    Ok(Import { weights: values, about, notes })
}

/// The shape of a sample: the input's without its first axis.
fn sample_shape(shape: Option<&[Axis]>, options: &ImportOptions) -> Result<Vec<usize>> {
    let shape = shape.ok_or_else(|| Error::model("its input has no shape; a model that is trained needs one"))?;
    let open = |axis: &Axis| match axis {
        Axis::Fixed(n) => Ok(*n),
        Axis::Named(name) if options.axes.contains_key(name) => Ok(options.axes[name]),
        Axis::Named(name) => {
            Err(Error::usage(format!("the axis \"{name}\" of its input has any length; say which: --axis {name}=N")))
        }
        Axis::Free => Err(Error::usage("an axis of its input has any length and no name; export it with a fixed one")),
    };
    match shape {
        [_, rest @ ..] if !rest.is_empty() => rest.iter().map(open).collect(),
        _ => Err(Error::model("its input has no axis for a batch and none for a sample")),
    }
}

/// The node that gives a value.
fn giver<'g>(nodes: &'g [NodeProto], name: &str) -> Option<(usize, &'g NodeProto)> {
    nodes.iter().enumerate().find(|(_, n)| n.output.iter().any(|o| o == name))
}

/// Takes the last nodes off a graph that layers stand for.
fn take_head(graph: &mut super::proto::GraphProto, model: &Model, options: &ImportOptions) -> Result<Head> {
    let mut head = Head { dense: None, activation: None };
    let output = graph.output.first().map(|o| o.name().to_string()).unwrap_or_default();
    let mut end = output;
    if let Some((_, node)) = giver(&graph.node, &end)
        && domain(node.domain()).is_empty()
    {
        let axis = node.attribute.iter().find(|a| a.name() == "axis").map_or(-1, |a| a.i());
        let by = match node.op_type() {
            // Over the classes, which are the last axis of two.
            "Softmax" if axis == -1 || axis == 1 => Some("softmax"),
            "Sigmoid" => Some("sigmoid"),
            _ => None,
        };
        if let (Some(by), Some(input)) = (by, node.input.first()) {
            let layer = Arc::new(ActivationLayer::new(by));
            head.activation = Some(LayerDescription { name: "answers".into(), inputs: None, layer });
            end = input.clone();
        }
    }
    if let Some((name, weight, bias, before)) = last_product(graph, model, &end)? {
        let units = weight.shape[0];
        let regression = options.task == Some(Task::Regression);
        let units = if regression { Units::Number(units) } else { Units::Classes };
        let dense = Dense { units, use_bias: bias.is_some(), ..Dense::classes() };
        let weights = [("weight".to_string(), weight)].into_iter().chain(bias.map(|b| ("bias".to_string(), b)));
        let layer = LayerDescription { name, inputs: None, layer: Arc::new(dense) };
        head.dense = Some((layer, weights.collect()));
        end = before;
    }
    graph.output = vec![ValueInfoProto { name: Some(end), ..ValueInfoProto::default() }];
    Ok(head)
}

/// The product with a matrix that gives a value: a name, the weight `[out, in]`, the bias, and
/// what is multiplied.
#[allow(clippy::type_complexity)]
fn last_product(
    graph: &super::proto::GraphProto,
    model: &Model,
    end: &str,
) -> Result<Option<(String, HostTensor, Option<HostTensor>, String)>> {
    let weight = |name: &str| model.weights.get(name).filter(|t| t.elem == Elem::Float);
    let floats = |t: &Tensor| match &t.data {
        Data::F32(v) => v.clone(),
        _ => vec![],
    };
    let Some((_, node)) = giver(&graph.node, end) else { return Ok(None) };
    let attribute = |key: &str| node.attribute.iter().find(|a| a.name() == key);
    let (product, bias) = match node.op_type() {
        "Gemm" => (node, node.input.get(2).filter(|n| !n.is_empty()).cloned()),
        "Add" => {
            let [a, b] = &node.input[..] else { return Ok(None) };
            let (x, b) = if weight(b).is_some() { (a, b) } else { (b, a) };
            match giver(&graph.node, x) {
                Some((_, product)) if product.op_type() == "MatMul" => (product, Some(b.clone())),
                _ => return Ok(None),
            }
        }
        "MatMul" => (node, None),
        _ => return Ok(None),
    };
    let plain = ["alpha", "beta"].iter().all(|k| attribute(k).is_none_or(|a| a.f() == 1.0));
    if !plain || attribute("transA").is_some_and(|a| a.i() != 0) {
        return Ok(None);
    }
    let [x, w, ..] = &product.input[..] else { return Ok(None) };
    let Some(matrix) = weight(w).filter(|t| t.shape.len() == 2) else { return Ok(None) };
    let is_turned = product.op_type() == "Gemm" && attribute("transB").is_some_and(|a| a.i() != 0);
    let (rows, cols) = (matrix.shape[0], matrix.shape[1]);
    let values = floats(matrix);
    let weight_value = match is_turned {
        true => HostTensor::f32([rows, cols], values),
        false => {
            let turned = (0..rows * cols).map(|i| values[i % rows * cols + i / rows]).collect();
            HostTensor::f32([cols, rows], turned)
        }
    };
    let units = weight_value.shape[0];
    let bias = match bias {
        None => None,
        Some(name) => match weight(&name).filter(|t| t.shape == [units]) {
            Some(t) => Some(HostTensor::f32([units], floats(t))),
            None => return Ok(None),
        },
    };
    // Only a matrix that nobody else reads is a head.
    let uses = graph.node.iter().flat_map(|n| &n.input).filter(|n| *n == w).count();
    if uses != 1 || units == 0 {
        return Ok(None);
    }
    let stem = w.strip_suffix(".weight").filter(|s| !s.is_empty() && *s != BODY && *s != "input");
    let plain = stem.filter(|s| s.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.'));
    Ok(Some((plain.unwrap_or("head").to_string(), weight_value, bias, x.clone())))
}

/// Leaves out nodes and initialisers that the output does not need.
fn keep_needed(graph: &mut super::proto::GraphProto) {
    let mut needed: HashSet<String> = graph.output.iter().map(|o| o.name().to_string()).collect();
    let mut kept = vec![];
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if !node.output.iter().any(|o| needed.contains(o)) {
            continue;
        }
        needed.extend(node.input.iter().cloned());
        for inner in node.attribute.iter().flat_map(super::model::graphs) {
            super::model::captured(inner, &mut needed);
        }
        kept.push(node);
    }
    kept.reverse();
    graph.node = kept;
    graph.initializer.retain(|t| needed.contains(TensorProto::name(t)));
    // What is known of values in between may not hold for another batch.
    graph.value_info.clear();
}

/// The body as a layer, and the weights in it that learn: those that the graph computes with,
/// found by building it once.
fn body(
    mut file: super::file::ModelFile,
    model: &Model,
    elem: Option<Elem>,
    sample: &[usize],
) -> Result<(Onnx, Vec<(String, HostTensor)>)> {
    let graph = file.proto.graph.as_ref().expect("it has a graph");
    let floats = |name: &str| model.weights.get(name).filter(|t| t.elem == Elem::Float && t.len() > 1);
    let names: Vec<String> = graph.initializer.iter().map(|t| TensorProto::name(t).to_string()).collect();
    let mut g = Graph::new();
    let mut shape = vec![2];
    shape.extend(sample);
    let is_index = elem.is_some_and(Elem::is_int);
    let x = g.input("x", if is_index { Spec::u32(shape) } else { Spec::f32(shape) });
    let trial = Model::of_file(file.clone())?;
    let port = trial.inputs().first().map(|p| p.name.clone()).ok_or_else(|| Error::model("its input is not used"))?;
    let x = if is_index { Value::Index(elem.unwrap_or(Elem::Int64), x) } else { Value::Graph(Elem::Float, x) };
    let mut given = HashMap::from([(port, x)]);
    for name in &names {
        if let Some(t) = floats(name) {
            given.insert(name.clone(), Value::Weight(name.as_str().into(), t.clone()));
        }
    }
    let mut walk = Interpreter::new(&trial, Trace::build(&mut g, None));
    walk.main(given)?;
    let used = walk.trace.weights_used();
    drop(walk);
    let mut weights = vec![];
    let graph = file.proto.graph.as_mut().expect("it has a graph");
    for t in &mut graph.initializer {
        let name = TensorProto::name(t).to_string();
        let Some(tensor) = floats(&name).filter(|_| used.contains(&name)) else { continue };
        if let Data::F32(v) = &tensor.data {
            weights.push((name, HostTensor::f32(tensor.shape.clone(), v.clone())));
            hollow::empty(t);
        }
    }
    // What is kept of other weights is in the file itself from now on.
    for t in graph.initializer.iter_mut().filter(|t| !hollow::is_hollow(t)) {
        let name = TensorProto::name(t).to_string();
        *t = model.weights[&name].to_proto(&name);
    }
    Ok((Onnx::new(&file)?, weights))
}

/// What the outputs mean, and how inputs are normalised.
fn interface(
    model: &Model,
    shape: &[usize],
    softmax: bool,
    sample: &[usize],
    is_index: bool,
    options: &ImportOptions,
    notes: &mut Vec<String>,
) -> Result<Interface> {
    let n = shape.get(1).copied().unwrap_or(1);
    if shape.len() > 2 {
        return Err(Error::model(format!(
            "its output has shape {shape:?}; expected a score for each class or a value for each target, [batch, n]"
        )));
    }
    let said = Said::of(model);
    if said.property("preprocessing").as_deref() == Some("included") {
        return Err(Error::model(
            "its preprocessing is in the graph, which takes raw data; a model that is trained is exported without \
             --with-preprocessing, and `wgrad run` runs this one",
        ));
    }
    let stated = options.task.or(said.task());
    let task = stated.unwrap_or(if n > 1 || softmax { Task::Classification } else { Task::Regression });
    if stated.is_none() {
        let what = if task == Task::Classification { "classes" } else { "values" };
        notes.push(format!("its {n} outputs are taken for {what}; --task decides otherwise"));
    }
    let outputs = match options.classes.clone().or(said.list("classes")).or(said.list("targets")) {
        Some(names) if names.len() == n => names,
        Some(names) => {
            return Err(Error::usage(format!("{} names for {n} outputs", names.len())));
        }
        None => (0..n).map(|i| i.to_string()).collect(),
    };
    let pictures = matches!(sample, [1 | 3, _, _]);
    let normal = match &options.channels {
        Some(channels) if channels.len() == sample[0] => Normal::of_channels(channels),
        Some(channels) => {
            let (found, expected) = (channels.len(), sample[0]);
            return Err(Error::usage(format!("--mean and --std for {found} channels; the input has {expected}")));
        }
        None => match said.scale("normalization") {
            Some((scale, shift)) => Normal { scale, shift },
            None if pictures => {
                notes.push("pixels go in as numbers from 0 to 1; --mean and --std say how they are normalised".into());
                Normal::of_channels(&vec![(0.0, 1.0); sample[0]])
            }
            // Tokens are names, not sizes.
            None if is_index => Normal::default(),
            None => Normal { scale: vec![1.0; sample[0]], shift: vec![0.0; sample[0]] },
        },
    };
    let target = match (task, said.scale("target_scale")) {
        (Task::Regression, Some((scale, shift))) => TargetScale { scale, shift },
        (Task::Regression, None) => TargetScale { scale: vec![1.0; n], shift: vec![0.0; n] },
        _ => TargetScale::default(),
    };
    Ok(Interface {
        task,
        outputs,
        normal,
        target,
        input: Default::default(),
        sigmoid: false,
        values: pictures.then_some(ValueScale::Pixels),
        levels: None,
        positive: None,
    })
}

/// What a file says of its model besides the graph, as `wgrad export` writes it.
struct Said<'m>(&'m Model);

impl Said<'_> {
    fn of(model: &Model) -> Said<'_> {
        Said(model)
    }

    fn property(&self, key: &str) -> Option<String> {
        let all = &self.0.file.proto.metadata_props;
        all.iter().find(|p| p.key() == key).map(|p| p.value().to_string())
    }

    fn list(&self, key: &str) -> Option<Vec<String>> {
        serde_json::from_str(&self.property(key)?).ok()
    }

    fn task(&self) -> Option<Task> {
        match &self.property("task")?[..] {
            "classification" => Some(Task::Classification),
            "regression" => Some(Task::Regression),
            _ => None,
        }
    }

    /// Factors and offsets.
    fn scale(&self, key: &str) -> Option<(Vec<f32>, Vec<f32>)> {
        let all: serde_json::Value = serde_json::from_str(&self.property(key)?).ok()?;
        let list = |name: &str| serde_json::from_value::<Vec<f32>>(all.get(name)?.clone()).ok();
        Some((list("scale")?, list("shift")?))
    }
}
