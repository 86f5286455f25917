//! A session: the only place that holds model, plans and executor together.
//!
//! The data sets lie on the device, or pass through it in windows. A training
//! step is one program: pick the batch, forward, loss, backward, gradient norm,
//! clip, optimiser, metrics, clock. It reads nothing from the host and returns
//! nothing to it.

mod file;
mod fingerprint;
mod flight;
mod predict;
mod ranked;
mod rebuild;
mod scoring;
mod state;

pub(in crate::train) use fingerprint::Fingerprinter;
pub(in crate::train) use rebuild::opened;
pub use scoring::Scorer;
pub(in crate::train) use state::State;

use super::loss::answering;
use super::needs::Needs;
use super::resident::{self, Resident};
use super::scores::Scores;
use super::step::{self, Builder, METRICS, Step};
use super::{EMA, LOSS_SCALE, LOSS_SCALE_COUNTS, LR_FACTOR, Loss, Settings, points};
use crate::data::{Dataset, Interface, Task};
use crate::device::Device;
use crate::error::{Context, Error, Result};
use crate::graph::TensorId;
use crate::nn::{Model, Weights};
use crate::ops::loss_scale::LEFT_OUT;
use crate::ops::pace::Steps;
use crate::ops::tally::{self, Points};
use crate::plan::{Executor, Options, Plan, Program};
use crate::ranks::World;
use crate::tensor::{HostTensor, Shape, Spec};
use predict::Asked;
use ranked::Ranked;
use std::collections::HashMap;
use std::sync::Arc;

/// A loaded program over one data set.
#[derive(Clone)]
pub struct Pass {
    pub(in crate::train) program: Program,
    pub(in crate::train) set: Resident,
    pub(in crate::train) name: String,
    pub(in crate::train) output: TensorId,
}

/// A model in training on a device.
pub struct Session {
    /// The model.
    pub model: Model,
    /// What its inputs and outputs mean.
    pub interface: Interface,
    pub(in crate::train) executor: Box<dyn Executor>,
    device: Device,
    /// The weights until a device has them; their names and shapes then.
    weights: Weights,
    /// Names the weights on the device, so that they stay while other programs come
    /// and go.
    held: Option<Program>,
    /// Parameter names and shapes with their offsets in the flat buffer.
    params: Vec<(String, Spec, usize)>,
    states: Vec<String>,
    train: Option<Pass>,
    collective: World,
    /// What a step of several micro-batches needs besides.
    ranked: Option<Ranked>,
    /// The plan of the training step, without initial values.
    plan: Option<Arc<Plan>>,
    /// The settings that training was prepared with.
    prepared: Option<Settings>,
    /// The state at the end of a training on a device that may be lost.
    ended: Option<Arc<State>>,
    /// The weights of classes in the training's loss.
    class_weights: Option<Vec<f32>>,
    /// The sums of the training's metrics, before anything is added.
    no_sums: HostTensor,
    /// The programs that answer.
    answerers: HashMap<Asked, Pass>,
    /// Named buffers that the training step changes.
    changing: Vec<String>,
    passes: usize,
    memory: [usize; 4],
    /// Batches that training hands over at once.
    pub(in crate::train) at_once: usize,
    /// Where the points of the curves lie.
    pub(in crate::train) points: Points,
    /// What scores are of.
    pub loss: Loss,
}

impl Session {
    /// A session for a model whose weights are given or drawn from the seed. What
    /// makes probabilities of its outputs is the loss's and `predict`'s; a model
    /// that ends in it leaves it to them.
    ///
    /// Fails when the model does not answer as the interface says, and when a
    /// language model sees the tokens that it is to foretell.
    pub fn new(device: Device, model: Model, interface: Interface, weights: Weights) -> Result<Session> {
        let device = device.current();
        let (executor, at_once) = (device.executor(), device.steps_at_once());
        let model = model.without(answering(&interface));
        let mut session = Session {
            model,
            interface,
            executor,
            device,
            weights,
            held: None,
            params: vec![],
            states: vec![],
            train: None,
            collective: World::default(),
            ranked: None,
            plan: None,
            prepared: None,
            ended: None,
            class_weights: None,
            no_sums: HostTensor::zeros(&tally::spec(false)),
            answerers: HashMap::new(),
            changing: vec![],
            passes: 0,
            memory: [0; 4],
            at_once,
            points: Points { every: 1, steps: Steps { batches: 1, accumulate: 1 } },
            loss: Loss::default(),
        };
        session.note_weights()?;
        Ok(session)
    }

    /// Draws what weights are not given, and notes names and places.
    fn note_weights(&mut self) -> Result<()> {
        let given: Vec<String> = self.weights.names().map(String::from).collect();
        let (mut g, built) = self.model.inspect(1, &mut self.weights)?;
        // Weights are given or drawn: half a model is nobody's wish.
        let drawn = self.weights.names().find(|n| !given.is_empty() && !given.iter().any(|g| g == n));
        if let Some(name) = drawn {
            return Err(Error::model(format!("the weights lack \"{name}\": this is not a whole model")));
        }
        self.check_outputs(g.shape(built.output))?;
        if self.interface.task == Task::Language {
            self.model.check_causal(&built)?;
        }
        let params = g.params().to_vec();
        let (_, offsets) = g.flatten_params("params");
        let name = |t: TensorId| g.tensors()[t.index()].label.clone();
        self.params = params.iter().zip(offsets).map(|(&t, o)| (name(t), g.spec(t).clone(), o)).collect();
        let built_of: Vec<String> = g.tensors().iter().map(|t| t.label.clone()).collect();
        let trained: Vec<&str> = self.params.iter().map(|p| p.0.as_str()).collect();
        let others = self.weights.names().map(String::from);
        self.states = others.filter(|n| !trained.contains(&n.as_str()) && built_of.contains(n)).collect();
        Ok(())
    }

    /// Checks that the model answers with a number per class or target.
    fn check_outputs(&self, shape: &[usize]) -> Result<()> {
        let (name, wanted) = (&self.model.description.name, self.interface.outputs.len());
        let what = if self.interface.task == Task::Classification { "classes" } else { "targets" };
        if self.interface.task == Task::Language {
            return match (shape, &self.model.input[..]) {
                ([_, positions, outputs], [context]) if positions == context && *outputs == wanted => Ok(()),
                _ => Err(Error::model(format!(
                    "model \"{name}\" gives a shape of {} for a text of {} tokens; a language model gives [{}, {wanted}], a \
                     score for each of the {wanted} tokens that may follow, at each position",
                    Shape::from(shape[1..].to_vec()),
                    self.model.input,
                    self.model.input
                ))),
            };
        }
        match shape {
            [_, outputs] if *outputs == wanted => Ok(()),
            [_, outputs] => Err(Error::model(format!(
                "model \"{name}\" gives {outputs} outputs and the data has {wanted} {what}; set units = \"classes\" in \
                 its last layer"
            ))),
            shape => Err(Error::model(format!(
                "model \"{name}\" ends in a shape of {} per sample; expected {wanted}, the number of {what}: end it with \
                 a Flatten and a Dense layer of units = \"classes\"",
                Shape::from(shape[1..].to_vec())
            ))),
        }
    }

    /// The number of trainable parameters.
    pub fn parameters(&self) -> usize {
        self.params.iter().map(|(_, spec, _)| spec.elements()).sum()
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The flat buffer that answers come from: the averaged parameters where
    /// there are such.
    pub(in crate::train) fn answering(&self) -> &'static str {
        if self.changing.iter().any(|n| n == EMA) { EMA } else { "params" }
    }

    pub(in crate::train) fn builder(&mut self) -> Builder<'_> {
        let params = self.answering();
        Builder { model: &self.model, weights: &mut self.weights, interface: &self.interface, params }
    }

    pub(in crate::train) fn load(&mut self, step: Step, set: Resident, fetch: bool, options: &Options) -> Result<Pass> {
        let Step { graph, name, output } = step;
        let fetched: Vec<TensorId> = fetch.then_some(output).into_iter().collect();
        let plan = self.device.plan_with(&graph, &fetched, options);
        let plan = plan.context(|| format!("planning the {name} pass"))?;
        // The plan alone has the initial values now, and the executor drops them as it goes.
        let set = set.placed();
        drop(graph);
        if name == "train" {
            let largest = || format!("its largest tensor is {}", plan.graph.largest().unwrap_or_default());
            Needs::of(&plan).check(&self.device).context(largest)?;
            self.memory = Session::memory_of(&plan);
            self.plan = Some(Arc::new(plan.outline()));
        }
        let program = self.executor.load(plan)?;
        self.hold_weights()?;
        Ok(Pass { program, set, name, output })
    }

    /// Keeps the weights on the device as long as the session lives, and drops those
    /// of the host.
    fn hold_weights(&mut self) -> Result<()> {
        if self.held.is_some() {
            return Ok(());
        }
        let (mut g, _) = self.model.inspect(1, &mut self.weights)?;
        let states = self.states.iter().filter_map(|name| g.find(name));
        let mut named: Vec<TensorId> = states.collect();
        named.push(g.flatten_params("params").0);
        // Without a node to run it is nothing but the names.
        self.held = Some(self.executor.load(self.device.plan(&g, &named)?)?);
        self.weights.drop_values();
        Ok(())
    }

    /// A set on the device.
    ///
    /// Fails when the parts of the set do not fit together.
    pub(in crate::train) fn resident(&self, set: &Dataset, batch: usize, s: Option<&Settings>) -> Result<Resident> {
        set.check()?;
        let budget = resident::budget(&self.device.target(), s.and_then(|s| s.data.device_bytes));
        Resident::of(set, &self.interface, batch, budget)
    }

    /// Loads the training program. The step runs over `set` in batches.
    pub fn prepare_training(&mut self, set: &Dataset, s: &Settings) -> Result<()> {
        if self.params.is_empty() {
            return Err(Error::model(format!(
                "model \"{}\" has no parameters, so there is nothing to learn; add a layer that has, such as Dense",
                self.model.description.name
            )));
        }
        s.check_decided()?;
        let target = self.device.target();
        let several = s.update.micro_batches > 1 || self.collective.ranks() > 1;
        let s = &if several { ranked::settings(s, &target)? } else { s.on(&target) };
        // With what this device has decided: another in its place has the same state.
        self.prepared = Some(s.clone());
        let (g, built) = self.model.inspect(1, &mut self.weights)?;
        s.loss.check_logits(&g, built.output, self.interface.task != Task::Regression)?;
        let resident = self.resident(set, s.batch_size, Some(s))?;
        if resident.ignores {
            return Err(Error::data(format!(
                "{}: some positions have no target (IGNORED); expected a target at each to train on, for they are left \
                 out of scores only",
                set.name
            )));
        }
        let weights = match set.labels() {
            Some(labels) => s.loss.class_weights.resolve(&self.interface.outputs, labels)?.map(|r| r.weights),
            None => None,
        };
        self.loss = s.loss.clone();
        self.class_weights = weights.clone();
        self.points = points::points(s, resident.batches());
        self.ranked = None;
        if several {
            self.prepare_ranked(resident, s, weights.as_deref())?;
            let answering = self.answering();
            self.answerers.retain(|asked, _| asked.params == answering);
            return Ok(());
        }
        let step = Builder { params: "params", ..self.builder() }.training(&resident, s, weights.as_deref())?;
        let sums = step.graph.find(METRICS).expect("a training step has its metrics");
        self.no_sums = HostTensor::zeros(step.graph.spec(sums));
        self.changing = step::state(&step.graph);
        self.changing.extend(step.graph.find(LR_FACTOR).map(|_| LR_FACTOR.to_string()));
        let (trained, averaged) = (self.held.is_some(), self.executor.holds(EMA));
        self.train = Some(self.load(step, resident, false, &s.plan)?);
        if trained && !averaged && self.executor.holds(EMA) {
            // An average begins as the weights are now.
            let now = self.executor.read("params")?;
            self.executor.write(EMA, &now)?;
        }
        let answering = self.answering();
        self.answerers.retain(|asked, _| asked.params == answering);
        Ok(())
    }

    /// Bytes that this training takes, as [`Session::memory_of`] gives them.
    pub fn memory_used(&self) -> [usize; 4] {
        self.memory
    }

    /// Bytes of the device's memory that the session holds now. A data set that the CPU
    /// executor reads where it lies is not counted.
    pub fn bytes(&self) -> usize {
        self.executor.bytes()
    }

    /// How batches make steps, once training is prepared.
    pub fn counts(&self) -> Steps {
        self.points.steps
    }

    /// Batches per epoch.
    pub fn batches(&self) -> usize {
        self.trained().set.batches()
    }

    /// Whether [`Session::prepare_training`] has run.
    pub fn is_prepared(&self) -> bool {
        self.train.is_some()
    }

    pub(in crate::train) fn trained(&self) -> &Pass {
        self.train.as_ref().expect("training was prepared")
    }

    /// Trains on so many batches. Does not wait for a GPU. A streamed set's window
    /// must be in place: see `stream`.
    ///
    /// Fails where a step has several micro-batches, which only a whole training does
    /// ([`fit`](crate::train::fit)).
    pub fn steps(&mut self, n: usize) -> Result<()> {
        if self.is_ranked() {
            return Err(Error::usage(
                "train.micro_batches: a step of several micro-batches is part of a whole training; expected 1 here",
            ));
        }
        let program = self.trained().program.clone();
        self.executor.run(&program, n)
    }

    /// Sets the sums of the training metrics to zero.
    pub fn reset_metrics(&mut self) -> Result<()> {
        self.executor.write("train.norms", &HostTensor::zeros(&tally::spec(false)))?;
        self.executor.write(METRICS, &self.no_sums)
    }

    /// The mean norm of the gradient since the last reset. Waits for the steps.
    pub fn grad_norm(&mut self) -> Result<f64> {
        Ok(Scores::of(self.executor.read("train.norms")?.as_f32(), Task::Regression).loss)
    }

    /// Multiplies the learning rates of the steps to come.
    ///
    /// Fails where the step was planned for a rate that the host does not change.
    pub fn set_lr_factor(&mut self, factor: f32) -> Result<()> {
        if !self.executor.holds(LR_FACTOR) {
            return Err(Error::usage(
                "the learning rate of this training cannot be changed on the way; expected update.controlled in its \
                 settings, which a Trainer's callbacks and Observer::changes_lr set",
            ));
        }
        self.executor.write(LR_FACTOR, &HostTensor::f32([1], vec![factor]))
    }

    /// The scale of the loss and the updates that were left out because gradients
    /// overflowed; `None` without mixed precision. Waits for the steps.
    pub fn loss_scale(&mut self) -> Result<Option<(f32, u32)>> {
        if !self.executor.holds(LOSS_SCALE) {
            return Ok(None);
        }
        let scale = self.executor.read(LOSS_SCALE)?.as_f32()[0];
        Ok(Some((scale, self.executor.read(LOSS_SCALE_COUNTS)?.as_u32()[LEFT_OUT])))
    }

    /// The training scores since the last reset. Waits for the steps.
    pub fn scores(&mut self) -> Result<Scores> {
        let sums = self.executor.read(METRICS)?;
        Ok(Scores::of(sums.as_f32(), self.interface.task))
    }

    /// Waits until all steps are done.
    pub fn wait(&mut self) -> Result<()> {
        self.executor.wait()
    }

    /// A name for the buffers of a pass that no other pass has.
    pub(in crate::train) fn pass_name(&mut self, name: &str) -> String {
        self.passes += 1;
        format!("{name}{}", self.passes)
    }
}

#[cfg(test)]
mod tests;
