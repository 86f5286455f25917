//! The graphs of a step: training, scoring, predicting. All begin the same way:
//! the clock picks a batch out of the data set that lies on the device.

use super::groups::Groups;
use super::loss::{BatchLoss, answering};
use super::resident::Resident;
use super::update::{gradients, update};
use super::{Augment, Loss, OnNan, Settings, UpdateSettings, points};
use crate::data::{Elements, IGNORED, Interface, Task};
use crate::error::{Error, Result};
use crate::graph::{Graph, Home, Init, TensorId};
use crate::nn::{Mode, Model, Weights};
use crate::ops::clock;
use crate::ops::cross_entropy::CrossEntropy;
use crate::ops::select_rows::Order;
use crate::ops::tally::{self, Window};
use crate::tensor::{HostTensor, Shape, Spec};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The name of the sums of an epoch's losses.
pub const METRICS: &str = "train.metrics";

/// The name of the sums of one micro-batch's losses.
pub const MICRO: &str = "micro.metrics";

/// A step's graph, and how to run it over its data set.
pub struct Step {
    /// The graph.
    pub graph: Graph,
    /// The name of its buffers: `NAME.clock`, `NAME.metrics`.
    pub name: String,
    /// What it computes, where that is to be fetched.
    pub output: TensorId,
}

/// The tensors of a batch.
struct Feed {
    x: TensorId,
    targets: TensorId,
    rows: TensorId,
}

/// A batch with the outputs of the model for it.
struct Batch {
    clock: TensorId,
    feed: Feed,
    output: TensorId,
    loss: BatchLoss,
}

/// What the graphs are built for.
pub struct Builder<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its weights, drawn when a layer first asks.
    pub weights: &'a mut Weights,
    /// What its inputs and outputs mean.
    pub interface: &'a Interface,
    /// The flat buffer that parameters are read from: `params`, or `ema`.
    pub params: &'a str,
}

impl Builder<'_> {
    /// A whole training step: pick, forward, loss, backward, gradient norm,
    /// clip, update, metrics, clock.
    pub fn training(mut self, set: &Resident, s: &Settings, class_weights: Option<&[f32]>) -> Result<Step> {
        let batches = set.batches();
        let points = points::points(s, batches);
        let mut g = Graph::new();
        let Batch { clock, feed, output, loss } = self.batch(&mut g, set, s, class_weights)?;
        let weighs = loss.weight.unwrap_or(feed.rows);
        let guard = Some(s.flight.guard(s.update.steps(batches)));
        let how = UpdateSettings { guard, ..s.update.clone() };
        let updated = update(&mut g, loss.mean, clock, Some(weighs), &how, s.epochs, batches)?;
        // The mean norm of an epoch, weighted as the mean loss is.
        let window = |g: &mut Graph, name: &str, weighted: bool| {
            let sums = g.persistent(name, tally::spec(weighted), Init::Zeros);
            Some(Window { sums, clock, points, leaves_out: s.flight.on_nan == OnNan::Skip })
        };
        let norm = BatchLoss { mean: updated.grad_norm, weight: None };
        let of_norms = window(&mut g, points::NORMS, false);
        tally(&mut g, "train.norms", norm, None, &feed, of_norms)?;
        let correct = correct(&mut g, self.interface.task, output, &feed)?;
        let of_metrics = window(&mut g, points::METRICS, loss.weight.is_some());
        tally(&mut g, METRICS, loss, correct, &feed, of_metrics)?;
        g.tick(clock, batches)?;
        Ok(Step { graph: g, name: "train".into(), output: loss.mean })
    }

    /// The part of a training step that is computed for each micro-batch: pick, forward, loss,
    /// backward. Its gradients are in the buffer whose name it gives, and its sums, of
    /// this micro-batch alone, are added to [`MICRO`].
    pub fn micro_batch(
        mut self,
        set: &Resident,
        s: &Settings,
        class_weights: Option<&[f32]>,
    ) -> Result<(Step, String)> {
        let mut g = Graph::new();
        let Batch { clock, feed, output, loss } = self.batch(&mut g, set, s, class_weights)?;
        let flat = gradients(&mut g, loss.mean, &s.update)?.flat;
        let correct = correct(&mut g, self.interface.task, output, &feed)?;
        tally(&mut g, MICRO, loss, correct, &feed, None)?;
        g.tick(clock, set.batches())?;
        let name = g.tensors()[flat.index()].label.clone();
        Ok((Step { graph: g, name: "train".into(), output: loss.mean }, name))
    }

    /// Picks a batch, and computes the model's outputs for it and their loss.
    fn batch(&mut self, g: &mut Graph, set: &Resident, s: &Settings, class_weights: Option<&[f32]>) -> Result<Batch> {
        let batches = set.batches();
        let start = HostTensor::u32([4], vec![0, 0, 0, s.seed]);
        let clock = g.persistent("clock", clock::spec(), Init::Data(Arc::new(start)));
        let order = Order::shuffled(s.shuffle);
        let of_classes = self.interface.task != Task::Regression;
        let classes = (self.interface.task == Task::Classification).then_some(self.interface.outputs.len());
        s.augment.check(&set.shape, classes)?;
        let feed = self.feed(g, "train", set, clock, order, &s.augment)?;
        let (x, targets) = match classes.filter(|_| s.augment.mixes()) {
            Some(classes) => s.augment.mix(g, feed.x, feed.targets, feed.rows, clock, classes)?,
            None => (feed.x, feed.targets),
        };
        let frozen = self.frozen(&s.update.groups)?;
        let model = self.model.clone().with_frozen(frozen);
        let built = model.build(g, x, Mode::Train { clock, rows: feed.rows }, self.weights)?;
        let loss = s.loss.build(g, built.output, targets, Some(feed.rows), of_classes, class_weights)?;
        if s.epochs.checked_mul(batches).is_none_or(|n| u32::try_from(n).is_err()) {
            return Err(Error::model(format!(
                "[train]: epochs = {} of {batches} batches; expected at most {} batches in all",
                s.epochs,
                u32::MAX
            )));
        }
        Ok(Batch { clock, feed, output: built.output, loss })
    }

    /// The parameters that do not learn.
    fn frozen(&mut self, groups: &Groups) -> Result<BTreeSet<String>> {
        if *groups == Groups::default() {
            return Ok(BTreeSet::new());
        }
        let (g, _) = self.model.inspect(1, self.weights)?;
        let named = |&t: &TensorId| (g.tensors()[t.index()].label.clone(), g.spec(t).clone());
        let params: Vec<(String, Spec)> = g.params().iter().map(named).collect();
        let rules = groups.rules(&params)?;
        Ok(params.into_iter().zip(rules).filter(|(_, r)| r.frozen).map(|((name, _), _)| name).collect())
    }

    /// A pass over a data set in order that changes no weights: pick and
    /// forward; `name` keeps its buffers apart from others.
    fn forward(self, g: &mut Graph, set: &Resident, name: &str) -> Result<(Feed, TensorId, TensorId)> {
        let clock = g.persistent(&format!("{name}.clock"), clock::spec(), Init::Zeros);
        let feed = self.feed(g, name, set, clock, Order::Same, &Augment::default())?;
        let output = self.model.build(g, feed.x, Mode::Eval, self.weights)?.output;
        g.flatten_params(self.params);
        Ok((feed, output, clock))
    }

    /// Forward, loss and metrics.
    pub fn scoring(self, set: &Resident, name: &str, loss: &Loss) -> Result<Step> {
        let mut g = Graph::new();
        let interface = self.interface;
        let (feed, output, clock) = self.forward(&mut g, set, name)?;
        let metrics = |part: &str| format!("{name}.{part}");
        let of_classes = interface.task != Task::Regression;
        let loss = match set.ignores {
            true => scored_positions(&mut g, output, &feed)?,
            false => loss.for_scoring().build(&mut g, output, feed.targets, Some(feed.rows), of_classes, None)?,
        };
        let correct = correct(&mut g, interface.task, output, &feed)?;
        tally(&mut g, &metrics("metrics"), loss, correct, &feed, None)?;
        // Nobody works it out where nobody asks for it.
        let answer = answer(&mut g, interface, output)?;
        if interface.task == Task::Regression {
            // The same in the units of the source.
            let scale = &interface.target.scale;
            let scale = g.constant(HostTensor::f32([scale.len()], scale.clone()));
            let (found, wanted) = (g.mul(answer, scale)?, g.mul(feed.targets, scale)?);
            let squared = BatchLoss { mean: g.mse(found, wanted, Some(feed.rows))?, weight: None };
            tally(&mut g, &metrics("squared"), squared, None, &feed, None)?;
            let absolute = BatchLoss { mean: g.mae(found, wanted, Some(feed.rows))?, weight: None };
            tally(&mut g, &metrics("absolute"), absolute, None, &feed, None)?;
        }
        g.tick(clock, set.batches())?;
        Ok(Step { graph: g, name: name.into(), output: answer })
    }

    /// Forward, and what makes answers of the outputs.
    pub fn predicting(self, set: &Resident, name: &str) -> Result<Step> {
        let mut g = Graph::new();
        let interface = self.interface;
        let (_, output, clock) = self.forward(&mut g, set, name)?;
        let output = answer(&mut g, interface, output)?;
        g.tick(clock, set.batches())?;
        Ok(Step { graph: g, name: name.into(), output })
    }

    /// Puts a data set on the device and picks a batch of it by the clock.
    fn feed(
        &self,
        g: &mut Graph,
        name: &str,
        set: &Resident,
        clock: TensorId,
        order: Order,
        augment: &Augment,
    ) -> Result<Feed> {
        if *self.model.input != set.shape[..] {
            let (found, expected) = (&set.shape, &self.model.input);
            return Err(Error::data(format!("the {name} samples have shape {found:?}; the model takes {expected}")));
        }
        let (data, targets) = set.declare(g, name);
        let order = set.window.map_or(order, Order::Window);
        let (index, rows) = g.select_rows(clock, set.samples, set.batch, order)?;
        if set.elements == Elements::Tokens && *augment != Augment::default() {
            return Err(Error::model("[augment]: these samples are tokens, which are not augmented; leave it out"));
        }
        let normal = &self.interface.normal;
        let factors = |g: &mut Graph| {
            let mut list = |v: &Vec<f32>| g.constant(HostTensor::f32([v.len()], v.clone()));
            (list(&normal.scale), list(&normal.shift))
        };
        let x = match (set.elements, &set.shape[..]) {
            (Elements::Bytes, &[c, h, w]) => {
                let (scale, shift) = factors(g);
                augment.gather(g, data, index, clock, scale, shift, set.rows_held(), [c, h, w])?
            }
            (Elements::Bytes, shape) => {
                return Err(Error::data(format!("samples of bytes have shape {shape:?}; expected images")));
            }
            (Elements::Floats, shape) => {
                let (scale, shift) = factors(g);
                g.gather_floats(data, index, scale, shift, shape)?
            }
            (Elements::Tokens, shape) => {
                let rows = g.gather_rows(data, index)?;
                match shape {
                    [_] => rows,
                    _ => g.reshape(rows, [set.batch].into_iter().chain(shape.iter().copied()).collect::<Shape>())?,
                }
            }
        };
        let targets = g.gather_rows(targets, index)?;
        Ok(Feed { x, targets, rows })
    }
}

/// The answers that a model's outputs stand for.
fn answer(g: &mut Graph, interface: &Interface, output: TensorId) -> Result<TensorId> {
    answering(interface).map_or(Ok(output), |activation| activation.apply(g, output))
}

/// How many answers of a batch are right; in a text, the share of its positions.
fn correct(g: &mut Graph, task: Task, output: TensorId, feed: &Feed) -> Result<Option<TensorId>> {
    let count = |g: &mut Graph| g.correct(output, feed.targets, Some(feed.rows));
    Ok(match task {
        Task::Regression => None,
        Task::Classification => Some(count(g)?),
        Task::Language => {
            let positions: usize = g.shape(feed.targets)[1..].iter().product();
            let share = g.constant(HostTensor::f32(vec![], vec![1.0 / positions as f32]));
            let count = count(g)?;
            Some(g.mul(count, share)?)
        }
    })
}

/// The cross-entropy of the positions that are not ignored. Batches weigh by how
/// many they have of these.
fn scored_positions(g: &mut Graph, output: TensorId, feed: &Feed) -> Result<BatchLoss> {
    let options = CrossEntropy { ignore_index: Some(IGNORED), ..CrossEntropy::default() };
    let (mean, weight) = g.cross_entropy_with_weight(output, feed.targets, Some(feed.rows), options)?;
    Ok(BatchLoss { mean, weight: Some(weight) })
}

/// Sums a batch into a buffer of metrics, and into that of a window.
fn tally(
    g: &mut Graph,
    name: &str,
    loss: BatchLoss,
    correct: Option<TensorId>,
    feed: &Feed,
    window: Option<Window>,
) -> Result<()> {
    let sums = g.persistent(name, tally::spec(loss.weight.is_some()), Init::Zeros);
    g.tally(sums, loss.mean, correct, feed.rows, loss.weight, window)
}

/// The named buffers that a graph's nodes change from step to step, except
/// those that every step writes whole before it reads them: tensors that are packed.
pub fn state(g: &Graph) -> Vec<String> {
    let mut names = vec![];
    for node in g.nodes().iter().filter(|n| !n.op.alias()) {
        for &t in &node.updates {
            if let Home::Persistent { name, .. } = &g.tensors()[g.root(t).0.index()].home
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
    }
    names.sort();
    names
}
