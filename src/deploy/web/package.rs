//! A package: everything that a player needs, in one compressed file.

use super::Computer;
use super::input::input;
use super::program::{Shared, program};
use crate::data::text::Vocabulary;
use crate::data::{Elements, Interface, OpenOptions, Task};
use crate::deploy::generate::{Decoding, LENGTH, POSITION, TOKEN};
use crate::error::{Context, Error, Result};
use crate::graph::TensorId;
use crate::kernel::{Caps, Class};
use crate::nn::{KEPT, Model, Weights};
use crate::plan::{Choices, Plan, Precision, Recompute, Target};
use crate::train::checkpoint::{About, Loaded};
use crate::train::{Planned, Schedule, Settings, answering, elements_of};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};
use std::io::Write;

/// The version of the format.
pub const VERSION: u32 = 1;

/// What begins a package once it is unpacked.
const MARK: &[u8; 8] = b"wgradweb";

/// Samples per step of a training in a page, at most: visitors have few.
const BATCH: usize = 32;

/// The share of the run's learning rate at which weights that are trained are trained on.
const ONWARD: f64 = 0.1;

/// What goes into a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether visitors can train the model further.
    pub train: bool,
    /// Whether the parameters are kept in 16 bits.
    pub half: bool,
}

/// Adapters that a page may meet: a plan for each. Integrated and discrete ones have the
/// same within the smallest limits.
const ADAPTERS: [(&str, Class); 2] = [("gpu", Class::Discrete), ("software", Class::Cpu)];

/// A trained model as a package: `wgradweb`, the length of a header of JSON as u32 in
/// little-endian order, the header, and at the next multiple of 16 the contents of
/// buffers; all of it compressed by gzip.
///
/// Fails where WebGPU's smallest limits, or the player, do not suffice for the model.
pub fn package(model: &Model, loaded: &Loaded, options: &Options) -> Result<Vec<u8>> {
    let (interface, weights) = (&loaded.about.interface, &loaded.weights);
    if options.train && interface.task != Task::Classification {
        return Err(Error::usage("--train: visitors give examples of classes, and this model has none; leave it out"));
    }
    let mut header = about(model, loaded, Computer::Page)?;
    let mut shared = Shared::new(options.half);
    let mut programs = Map::new();
    match interface.task {
        Task::Language => {
            programs.insert("decode".into(), decoding(model, weights, &mut shared)?);
        }
        Task::Classification | Task::Regression => {
            let plan = |class| Planned::predicting(model, interface, weights, 1, target(class));
            programs.insert("predict".into(), of_samples("predict", plan, 1, &mut shared)?);
        }
    }
    if options.train {
        let s = training_settings(&loaded.about)?;
        let plan = |class| Planned::training(model, interface, weights, &s, target(class));
        programs.insert("train".into(), of_samples("train", plan, s.batch_size, &mut shared)?);
        header["weights"] = weights_of(model, interface, weights)?;
    }
    header["programs"] = programs.into();
    header["modules"] = json!(shared.modules);
    header["contents"] = json!(shared.contents);
    pack(&header.to_string(), &shared.blob)
}

/// What a page says and asks of a model: the header of its package without programs.
///
/// Fails where the page has no way to ask for the model's input.
pub fn about(model: &Model, loaded: &Loaded, computer: Computer) -> Result<Value> {
    let interface = &loaded.about.interface;
    let images = settings(&loaded.about)?.data.images;
    let images = OpenOptions { levels: images.levels.or(interface.levels), ..images };
    let elements = elements_of(model, interface);
    let is_language = interface.task == Task::Language;
    let names = if is_language { &[] } else { &interface.outputs[..] };
    Ok(json!({
        "format": "wgrad-web",
        "version": VERSION,
        "made_by": concat!("wgrad ", env!("CARGO_PKG_VERSION")),
        "name": model.description.name,
        "task": interface.task,
        "outputs": names,
        "target": { "scale": interface.target.scale, "shift": interface.target.shift, "centre": centres(interface) },
        "sample": { "shape": model.input.to_vec(), "elements": elements_name(elements) },
        "beginning": interface.vocabulary().filter(|_| is_language).and_then(Vocabulary::beginning),
        "input": input(model, interface, elements, &images, computer)?,
        "weights": [],
    }))
}

/// What a checkpoint says that it was trained with.
fn settings(about: &About) -> Result<Settings> {
    let place = || "the settings in the checkpoint";
    let table = about.config.parse().map_err(|e| Error::data(format!("{}: {e}", place())))?;
    Settings::read(table).context(place)
}

fn target(class: Class) -> Target {
    Target::Gpu(Caps::floor(class))
}

/// The settings of a training that goes on, and whose end nobody knows: those that the weights
/// were trained with, at a tenth of their rate, which stays, without averages and without what
/// needs several batches.
///
/// Fails where a checkpoint holds settings that cannot be read.
pub fn training_settings(about: &About) -> Result<Settings> {
    let mut s = settings(about)?;
    s.batch_size = s.batch_size.min(BATCH);
    s.epochs = 1_000_000;
    s.update.lr *= ONWARD;
    s.update.schedule = Schedule::default();
    (s.update.ema, s.update.accumulate) = (None, 1);
    s.plan.precision = Precision::F32;
    s.plan.recompute = Recompute::None;
    s.plan.choices = Choices::default();
    Ok(s)
}

fn centres(interface: &Interface) -> Vec<f64> {
    if interface.task == Task::Regression { interface.centres() } else { vec![] }
}

fn elements_name(elements: Elements) -> &'static str {
    match elements {
        Elements::Bytes => "bytes",
        Elements::Floats => "floats",
        Elements::Tokens => "tokens",
    }
}

/// A program for each adapter, that is asked by samples.
fn of_samples(name: &str, plan: impl Fn(Class) -> Result<Planned>, batch: usize, shared: &mut Shared) -> Result<Value> {
    let mut all = Map::new();
    for (adapter, class) in ADAPTERS {
        let planned = plan(class).context(|| format!("planning the page's {name} program"))?;
        let of = program(&planned.plan, planned.output, shared)?;
        all.insert("batch".into(), batch.into());
        all.insert("samples".into(), planned.samples.into());
        all.insert("clock".into(), planned.clock.into());
        if name == "train" {
            all.insert("targets".into(), planned.targets.into());
        }
        all.insert(adapter.into(), of);
    }
    Ok(all.into())
}

/// The program that reads a token and scores those that may follow.
fn decoding(model: &Model, weights: &Weights, shared: &mut Shared) -> Result<Value> {
    let decoding = Decoding::of(model, weights)?;
    let mut all = Map::new();
    for (adapter, class) in ADAPTERS {
        let plan = Plan::build(&decoding.graph, &[decoding.scores], target(class));
        let plan = plan.context(|| "planning the page's decode program")?;
        all.insert(adapter.into(), program(&plan, decoding.scores, shared)?);
    }
    all.insert("token".into(), TOKEN.into());
    all.insert("position".into(), POSITION.into());
    all.insert("length".into(), LENGTH.into());
    all.insert("kept".into(), KEPT.into());
    all.insert("room".into(), json!(decoding.room));
    all.insert("tokens".into(), decoding.tokens.into());
    Ok(all.into())
}

/// Where each weight lies, by name: what a page can be asked for after a training.
fn weights_of(model: &Model, interface: &Interface, weights: &Weights) -> Result<Value> {
    let model = model.clone().without(answering(interface));
    let (mut g, _) = model.inspect(1, &mut weights.clone())?;
    let params = g.params().to_vec();
    let (_, offsets) = g.flatten_params("params");
    let named = |&t: &TensorId| (g.tensors()[t.index()].label.clone(), g.spec(t).shape.to_vec());
    let trained: Vec<(String, Vec<usize>)> = params.iter().map(named).collect();
    let mut all: Vec<Value> = trained
        .iter()
        .zip(&offsets)
        .map(|((name, shape), at)| json!({ "name": name, "shape": shape, "buffer": "params", "offset": at }))
        .collect();
    let states = weights.names().filter(|n| !trained.iter().any(|(t, _)| t == n) && g.find(n).is_some());
    for name in states {
        let shape = weights.shape(name).map(|s| s.to_vec()).unwrap_or_default();
        all.push(json!({ "name": name, "shape": shape, "buffer": name, "offset": 0 }));
    }
    Ok(all.into())
}

fn pack(header: &str, blob: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(header.len()).map_err(|_| Error::model("the plan is larger than 4 GiB"))?;
    let mut head = [MARK, &length.to_le_bytes()[..], header.as_bytes()].concat();
    head.resize(head.len().next_multiple_of(16), 0);
    let mut encoder = GzEncoder::new(vec![], Compression::best());
    let packed = encoder.write_all(&head).and_then(|()| encoder.write_all(blob)).and_then(|()| encoder.finish());
    packed.map_err(|e| Error::io("compressing the page", e))
}
