//! The graphs of a step: training, scoring, predicting. All begin the same way:
//! the clock picks a batch out of the data set that lies on the device.

use super::update::{UpdateSettings, update};
use super::{Regularize, Settings};
use crate::data::Images;
use crate::error::{Error, Result};
use crate::graph::{Graph, Init, TensorId};
use crate::nn::{Mode, Model, Weights};
use crate::ops::clock;
use crate::ops::cross_entropy::CrossEntropy;
use crate::ops::gather_images::pack_bytes;
use crate::tensor::{HostTensor, Spec};
use std::sync::Arc;

/// A set of labelled images as it lies on a device.
pub struct DataSet {
    samples: usize,
    shape: [usize; 3],
    words: Spec,
    images: Init,
    labels: Init,
}

impl DataSet {
    /// The images, packed.
    pub fn of(images: &Images) -> DataSet {
        let words = pack_bytes(&images.pixels);
        let words = HostTensor::u32([words.len()], words);
        let labels = HostTensor::u32([images.len()], images.labels.clone());
        DataSet {
            samples: images.len(),
            shape: [images.channels, images.height, images.width],
            words: words.spec(),
            images: Init::Data(Arc::new(words)),
            labels: Init::Data(Arc::new(labels)),
        }
    }

    /// Black images of class 0: enough to plan with.
    pub fn blank(samples: usize, shape: [usize; 3]) -> DataSet {
        let words = (samples * shape.iter().product::<usize>()).div_ceil(4);
        DataSet { samples, shape, words: Spec::u32([words]), images: Init::Zeros, labels: Init::Zeros }
    }
}

/// A step's graph, and how to run it over its data set.
pub struct Step {
    /// The graph.
    pub graph: Graph,
    /// Steps per pass.
    pub batches: usize,
    /// The name of the sums that `tally` keeps.
    pub metrics: String,
}

/// The tensors of a batch.
struct Feed {
    x: TensorId,
    labels: TensorId,
    rows: TensorId,
}

/// A whole training step: pick, forward, loss, backward, gradient norm, clip,
/// update, metrics, clock.
pub fn training(
    model: &Model,
    weights: &mut Weights,
    set: &DataSet,
    normal: &[(f32, f32)],
    s: &Settings,
) -> Result<Step> {
    let batch = s.batch_size.min(set.samples);
    let batches = set.samples.div_ceil(batch);
    let mut g = Graph::new();
    let start = HostTensor::u32([4], vec![0, 0, 0, s.seed]);
    let clock = g.persistent("clock", clock::spec(), Init::Data(Arc::new(start)));
    let feed = feed(&mut g, "train", model, set, normal, clock, batch, s.shuffle)?;
    let built = model.build(&mut g, feed.x, Mode::Train { clock, rows: feed.rows }, weights)?;
    let options = CrossEntropy { label_smoothing: s.label_smoothing, ..CrossEntropy::default() };
    let loss = g.cross_entropy(built.output, feed.labels, Some(feed.rows), options)?;
    let settings = UpdateSettings {
        optimizer: s.optimizer,
        lr: s.lr,
        schedule: s.schedule.clone(),
        regularize: Regularize { clip_norm: s.clip_norm, ..Regularize::default() },
        ..UpdateSettings::default()
    };
    update(&mut g, loss, clock, Some(feed.rows), &settings, s.epochs * batches, batches)?;
    let metrics = metrics(&mut g, "train", built.output, loss, &feed)?;
    g.tick(clock, batches)?;
    Ok(Step { graph: g, batches, metrics })
}

/// A pass over a data set in order that changes no weights: pick and forward.
struct Forward {
    graph: Graph,
    clock: TensorId,
    feed: Feed,
    output: TensorId,
    batches: usize,
}

/// Begins such a pass; `name` keeps its buffers apart from others.
fn forward(
    model: &Model,
    weights: &mut Weights,
    set: &DataSet,
    normal: &[(f32, f32)],
    name: &str,
    batch: usize,
) -> Result<Forward> {
    let batch = batch.min(set.samples).max(1);
    let mut graph = Graph::new();
    let clock = graph.persistent(&format!("{name}.clock"), clock::spec(), Init::Zeros);
    let feed = feed(&mut graph, name, model, set, normal, clock, batch, false)?;
    let output = model.build(&mut graph, feed.x, Mode::Eval, weights)?.output;
    graph.flatten_params("params");
    Ok(Forward { graph, clock, feed, output, batches: set.samples.div_ceil(batch) })
}

/// Forward, loss and metrics; `name` keeps its buffers apart from others.
pub fn scoring(
    model: &Model,
    weights: &mut Weights,
    set: &DataSet,
    normal: &[(f32, f32)],
    name: &str,
    batch: usize,
) -> Result<Step> {
    let Forward { graph: mut g, clock, feed, output, batches } = forward(model, weights, set, normal, name, batch)?;
    let loss = g.cross_entropy(output, feed.labels, Some(feed.rows), CrossEntropy::default())?;
    let metrics = metrics(&mut g, name, output, loss, &feed)?;
    g.tick(clock, batches)?;
    Ok(Step { graph: g, batches, metrics })
}

/// Samples per step when predicting.
const PREDICTED_AT_ONCE: usize = 64;

/// Forward and softmax; returns the probabilities' tensor too.
pub fn predicting(
    model: &Model,
    weights: &mut Weights,
    set: &DataSet,
    normal: &[(f32, f32)],
) -> Result<(Step, TensorId)> {
    let pass = forward(model, weights, set, normal, "predict", PREDICTED_AT_ONCE)?;
    let Forward { graph: mut g, clock, output, batches, .. } = pass;
    let last = g.shape(output).len() - 1;
    let p = g.softmax(output, last)?;
    g.tick(clock, batches)?;
    Ok((Step { graph: g, batches, metrics: String::new() }, p))
}

/// Puts a data set on the device and picks a batch of it by the clock.
fn feed(
    g: &mut Graph,
    name: &str,
    model: &Model,
    set: &DataSet,
    normal: &[(f32, f32)],
    clock: TensorId,
    batch: usize,
    shuffle: bool,
) -> Result<Feed> {
    if *model.input != set.shape[..] {
        return Err(Error::data(format!(
            "the {name} images have shape {:?}; the model takes {}",
            set.shape, model.input
        )));
    }
    let data = g.persistent(&format!("{name}.images"), set.words.clone(), set.images.clone());
    let labels = g.persistent(&format!("{name}.labels"), Spec::u32([set.samples]), set.labels.clone());
    let (index, rows) = g.select_rows(clock, set.samples, batch, shuffle)?;
    let per_channel = |f: &dyn Fn(f32, f32) -> f32| normal.iter().map(|&(mean, std)| f(mean, std)).collect();
    let scale = g.constant(HostTensor::f32([normal.len()], per_channel(&|_, std| 1.0 / (255.0 * std))));
    let shift = g.constant(HostTensor::f32([normal.len()], per_channel(&|mean, std| -mean / std)));
    let x = g.gather_images(data, index, scale, shift, set.samples, set.shape)?;
    let labels = g.gather_rows(labels, index)?;
    Ok(Feed { x, labels, rows })
}

/// Counts loss and hits into `NAME.metrics`.
fn metrics(g: &mut Graph, name: &str, logits: TensorId, loss: TensorId, feed: &Feed) -> Result<String> {
    let correct = g.correct(logits, feed.labels, Some(feed.rows))?;
    let name = format!("{name}.metrics");
    let sums = g.persistent(&name, Spec::f32([4]), Init::Zeros);
    g.tally(sums, loss, Some(correct), feed.rows)?;
    Ok(name)
}
