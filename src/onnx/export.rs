//! Models as files of ONNX.
//!
//! The graph of the model is built for several sizes of its input ([`probe`]); what differs
//! between them is symbolic in the file. Each node becomes ops of ONNX (`ops`), so whatever is
//! made of the graph's methods can be written, layers of other crates too.
//!
//! Habits are PyTorch's: weights are initialisers under the names of the parameters, only what
//! a user gives is an input of the graph, the first axis is `batch`, and the answers are
//! logits unless preprocessing is asked for.

mod about;
mod emit;
mod file;
mod format;
mod front;
mod ops;
mod probe;
mod python;
mod raw;
mod walk;
mod writer;

pub use file::{LARGE, Written, written};
pub use format::Format;
pub use raw::outputs;

use crate::data::Task;
use crate::deploy::web;
use crate::error::{Error, Result};
use crate::files;
use crate::graph::{Graph, TensorId};
use crate::nn::Model;
use crate::onnx::model::Axis;
use crate::onnx::proto::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, ValueInfoProto};
use crate::train::answering;
use crate::train::checkpoint::{Loaded, encode_model};
use emit::{Emitter, kind_of};
use front::Front;
use probe::{Length, Probes, fixed};
use std::path::{Path, PathBuf};
use writer::{ML, Writer, value_info};

/// The versions of the ops that can be asked for.
pub const OPSETS: std::ops::RangeInclusive<i64> = 18..=23;
/// The version of the format itself.
const IR_VERSION: i64 = 10;
/// The version of the ops of `ai.onnx.ml`.
const ML_VERSION: i64 = 3;
/// The names of the graph's input and output.
const INPUT: &str = "input";
const OUTPUT: &str = "output";

/// How a model is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// The version of the ops, of [`OPSETS`]. From 20 on GELU is one op, from 23 on attention,
    /// RMS norm and rotary embedding are.
    pub opset: i64,
    /// Whether what stands around the model is in the graph too: pictures of any size, or the
    /// columns of a table, go in, and probabilities and classes, or values in the units of the
    /// target, come out.
    pub preprocessing: bool,
    /// What goes into a web page.
    pub web: web::Options,
    /// Bytes of weights above which they get a file of their own.
    pub large: u64,
}

impl Default for Options {
    /// Opset 18, which most readers take.
    fn default() -> Options {
        Options { opset: *OPSETS.start(), preprocessing: false, web: web::Options::default(), large: LARGE }
    }
}

/// A model with its weights as a message of ONNX.
///
/// Fails when the version is none of [`OPSETS`], and with the layer and the op that ONNX has
/// nothing for.
pub fn onnx(model: &Model, loaded: &Loaded, options: &Options) -> Result<ModelProto> {
    check(options.opset)?;
    let interface = &loaded.about.interface;
    let model = model.clone().without(answering(interface));
    // A normalisation of each element knows all positions.
    let sequences = !options.preprocessing || interface.vocabulary().is_some();
    let probes = Probes::new(&model, &loaded.weights, sequences)?;
    let (order, read) = walk::needed(&probes);
    let mut out = Writer::default();
    let (input_axes, answer_axes) = (axes(&probes, &probes.input_shape()), axes(&probes, &probes.answer_lengths()));
    let front = match options.preprocessing {
        false => {
            [INPUT, OUTPUT].iter().for_each(|name| out.reserve(name));
            let kind = kind_of(probes.graph().spec(probes.input).dtype);
            Front::none(value_info(INPUT, kind, &input_axes), INPUT)
        }
        true => {
            [front::PROBABILITIES, front::LABEL, front::VALUES].iter().for_each(|name| out.reserve(name));
            front::write(&mut out, &model, &loaded.about, options.opset, &input_axes)?
        }
    };
    let mut cx = Emitter::new(&probes, out, options.opset, &[(probes.input, &front.x)], read);
    walk::write(&mut cx, &order)?;
    let answer = cx.tensor(probes.answer())?;
    let mut out = cx.out;
    let said = match (answering(interface), options.preprocessing) {
        (None, _) => "values",
        (Some(_), false) => "logits",
        (Some(_), true) if interface.task == Task::Regression => "values",
        (Some(_), true) => "probabilities",
    };
    let outputs = match options.preprocessing {
        false => {
            out.rename(&answer, OUTPUT);
            vec![value_info(OUTPUT, kind_of(probes.graph().spec(probes.outputs[0]).dtype), &answer_axes)]
        }
        true => front::answers(&mut out, interface, &answer, &front, &answer_axes),
    };
    let said = about::properties(&model, interface, said, front.about.as_ref());
    Ok(message(&model.description.name, out, front.inputs, outputs, options.opset, said))
}

/// A graph of fixed sizes as a message of ONNX: its inputs are called `x0`, `x1`, .., its
/// outputs `y0`, `y1`, ..; whole numbers have 64 bits.
///
/// Fails as [`onnx`] does.
pub fn graph(g: &Graph, inputs: &[TensorId], outputs: &[TensorId], opset: i64) -> Result<ModelProto> {
    check(opset)?;
    let probes = Probes::of_graph(g.clone(), inputs, outputs);
    let (order, read) = walk::needed(&probes);
    let mut out = Writer::default();
    let named = |letter: &str, n: usize| (0..n).map(|i| format!("{letter}{i}")).collect::<Vec<_>>();
    let names = [named("x", inputs.len()), named("y", outputs.len())];
    names.iter().flatten().for_each(|name| out.reserve(name));
    let given: Vec<(TensorId, &str)> = inputs.iter().copied().zip(names[0].iter().map(String::as_str)).collect();
    let mut cx = Emitter::new(&probes, out, opset, &given, read);
    walk::write(&mut cx, &order)?;
    let mut infos = [vec![], vec![]];
    for (side, all) in [inputs, outputs].into_iter().enumerate() {
        for (&t, name) in all.iter().zip(&names[side]) {
            let axes: Vec<Axis> = g.shape(t).iter().map(|&n| Axis::Fixed(n)).collect();
            infos[side].push(value_info(name, kind_of(g.spec(t).dtype), &axes));
        }
    }
    for (&t, name) in outputs.iter().zip(&names[1]) {
        // A tensor may be an output twice, or an input.
        let value = cx.tensor(&[t])?;
        let copy = cx.node("Identity", &[&value], vec![]);
        cx.out.rename(&copy, name);
    }
    let [inputs, outputs] = infos;
    Ok(message("graph", cx.out, inputs, outputs, opset, vec![]))
}

/// Fails with a version that files are not written in.
fn check(opset: i64) -> Result<()> {
    if OPSETS.contains(&opset) {
        return Ok(());
    }
    let (first, last) = (OPSETS.start(), OPSETS.end());
    Err(Error::usage(format!(
        "opset {opset}: expected {first} to {last}; {first} is read by most programs, {last} has attention as an op"
    )))
}

fn message(
    name: &str,
    out: Writer,
    input: Vec<ValueInfoProto>,
    output: Vec<ValueInfoProto>,
    opset: i64,
    metadata_props: Vec<StringStringEntryProto>,
) -> ModelProto {
    let is_ml = out.nodes.iter().any(|n| n.domain.as_deref() == Some(ML));
    let version = |domain: &str, version| OperatorSetIdProto { domain: Some(domain.into()), version: Some(version) };
    let mut opset_import = vec![version("", opset)];
    opset_import.extend(is_ml.then(|| version(ML, ML_VERSION)));
    let name = Some(name.to_string());
    let graph =
        GraphProto { name, node: out.nodes, initializer: out.initializers, input, output, ..Default::default() };
    ModelProto {
        ir_version: Some(IR_VERSION),
        opset_import,
        producer_name: Some("wgrad".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(graph),
        metadata_props,
        ..ModelProto::default()
    }
}

/// Writes a model with its weights to a file of ONNX, and returns the files: a second one has
/// the weights where they are too many for the first.
pub fn write(path: &Path, model: &Model, loaded: &Loaded, options: &Options) -> Result<Vec<PathBuf>> {
    file::write(path, onnx(model, loaded, options)?, options.large)
}

/// Writes a model in a format, and returns the files.
///
/// Fails as the format's own function does.
pub fn write_as(
    format: Format,
    path: &Path,
    model: &Model,
    loaded: &Loaded,
    options: &Options,
) -> Result<Vec<PathBuf>> {
    match format {
        Format::Onnx => write(path, model, loaded, options),
        Format::Safetensors => {
            python::check_place(path)?;
            files::write(path, &encode_model(&loaded.weights, &loaded.about)?)?;
            Ok(vec![path.to_path_buf()])
        }
        Format::Pytorch => python::write_torch(path, model, loaded),
        Format::Keras => python::write_keras(path, model, loaded),
        Format::Web => web::write(path, model, loaded, &options.web),
    }
}

/// Axes by their lengths: what varies has a name if it is the batch or the positions.
fn axes(probes: &Probes, lengths: &[Length]) -> Vec<Axis> {
    let axis = |length: &Length| match fixed(length) {
        Some(n) => Axis::Fixed(n),
        None if *length == probes.batch => Axis::Named("batch".into()),
        None if Some(length) == probes.sequence.as_ref() => Axis::Named("sequence".into()),
        None => Axis::Free,
    };
    lengths.iter().map(axis).collect()
}
