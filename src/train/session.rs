//! A session: the only place that holds model, plans and executor together.
//!
//! The data sets lie on the device from the start. A training step is one
//! program: pick the batch, forward, loss, backward, gradient norm, clip,
//! optimiser, metrics, clock. It reads nothing from the host and returns
//! nothing to it.

use super::{Settings, checkpoint, step};
use crate::data::Images;
use crate::device::Device;
use crate::error::{Context, Error, Result};
use crate::graph::TensorId;
use crate::nn::{Model, Weights};
use crate::plan::{Executor, Plan, ProgramId, Target, Ticket};
use crate::tensor::{HostTensor, Spec};

/// Averages over the samples of a pass.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Scores {
    /// Mean loss.
    pub loss: f64,
    /// Share of samples classified right.
    pub accuracy: f64,
    /// Samples seen.
    #[serde(skip)]
    pub samples: usize,
    /// Whether every loss was a finite number.
    #[serde(skip)]
    pub finite: bool,
}

impl Scores {
    /// From the sums that the device keeps: loss, correct, rows, not-finite.
    fn of(sums: &[f32]) -> Scores {
        let rows = f64::from(sums[2]).max(1.0);
        Scores {
            loss: f64::from(sums[0]) / rows,
            accuracy: f64::from(sums[1]) / rows,
            samples: sums[2] as usize,
            finite: sums[3] == 0.0,
        }
    }
}

/// A loaded program over one data set.
#[derive(Debug, Clone)]
struct Pass {
    program: ProgramId,
    batches: usize,
    metrics: String,
}

/// A model in training on a device.
pub struct Session {
    /// The model.
    pub model: Model,
    /// The class names.
    pub classes: Vec<String>,
    /// Mean and deviation per channel that inputs are normalised with, of
    /// pixels scaled to 0..1.
    pub normal: Vec<(f32, f32)>,
    executor: Box<dyn Executor>,
    device: Device,
    weights: Weights,
    /// Parameter names and shapes with their offsets in the flat buffer.
    params: Vec<(String, Spec, usize)>,
    states: Vec<String>,
    train: Option<Pass>,
}

impl Session {
    /// A session for a model whose weights are given or drawn from the seed.
    pub fn new(
        device: Device,
        model: Model,
        classes: Vec<String>,
        normal: Vec<(f32, f32)>,
        weights: Weights,
    ) -> Result<Session> {
        let executor = device.executor();
        let mut session =
            Session { model, classes, normal, executor, device, weights, params: vec![], states: vec![], train: None };
        session.note_weights()?;
        Ok(session)
    }

    /// Draws what weights are not given, and notes names and places.
    fn note_weights(&mut self) -> Result<()> {
        let (mut g, built) = self.model.inspect(1, &mut self.weights)?;
        if let (Some(classes), [.., outputs]) = (self.model.classes, g.shape(built.output))
            && *outputs != classes
        {
            return Err(Error::model(format!(
                "model \"{}\" gives {outputs} outputs and the data has {classes} classes; \
                 set units = \"classes\" in its last layer",
                self.model.description.name
            )));
        }
        let params = g.params().to_vec();
        let (_, offsets) = g.flatten_params("params");
        let name = |t: TensorId| g.tensors()[t.index()].label.clone();
        self.params = params.iter().zip(offsets).map(|(&t, o)| (name(t), g.spec(t).clone(), o)).collect();
        let trained: Vec<&str> = self.params.iter().map(|p| p.0.as_str()).collect();
        self.states =
            self.weights.iter().map(|(n, _)| n.to_string()).filter(|n| !trained.contains(&n.as_str())).collect();
        Ok(())
    }

    /// The number of trainable parameters.
    pub fn parameters(&self) -> usize {
        self.params.iter().map(|(_, spec, _)| spec.elements()).sum()
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Loads the training program. The step runs over `images` in batches.
    pub fn prepare_training(&mut self, images: &Images, s: &Settings) -> Result<()> {
        let set = step::DataSet::of(images);
        let step = step::training(&self.model, &mut self.weights, &set, &self.normal, s)?;
        let plan = Plan::build(&step.graph, &[], self.device.target()).context(|| "planning the training step")?;
        let program = self.executor.load(plan)?;
        self.train = Some(Pass { program, batches: step.batches, metrics: step.metrics });
        Ok(())
    }

    /// The plan of a training step on any device, without data.
    pub fn training_plan(model: &Model, s: &Settings, target: Target) -> Result<Plan> {
        let [c, h, w] = model.input[..] else {
            return Err(Error::model(format!("the model takes samples of shape {}; expected images", model.input)));
        };
        let set = step::DataSet::blank(s.batch_size, [c, h, w]);
        let step = step::training(model, &mut Weights::new(0), &set, &vec![(0.0, 1.0); c], s)?;
        Plan::build(&step.graph, &[], target)
    }

    /// Bytes that training takes: weights, gradients, optimiser, activations.
    pub fn memory(model: &Model, s: &Settings, target: Target) -> Result<[usize; 4]> {
        let plan = Session::training_plan(model, s, target)?;
        let named = |pick: &dyn Fn(&str) -> bool| -> usize {
            let of = plan.buffers.iter().filter(|b| b.name.as_deref().is_some_and(pick));
            of.map(|b| b.elements * crate::tensor::DType::BYTES).sum()
        };
        let moments = ["adam.", "sgd.", "rmsprop."];
        let state = |n: &str| n == "params" || n.ends_with("running_mean") || n.ends_with("running_var");
        Ok([
            named(&state),
            named(&|n| n == "grads"),
            named(&|n| moments.iter().any(|m| n.starts_with(m))),
            plan.transient_bytes(),
        ])
    }

    /// Loads a program that scores `images`; `name` keeps its buffers apart.
    fn prepare_scoring(&mut self, name: &str, images: &Images, batch: usize) -> Result<Pass> {
        let set = step::DataSet::of(images);
        let step = step::scoring(&self.model, &mut self.weights, &set, &self.normal, name, batch)?;
        let plan =
            Plan::build(&step.graph, &[], self.device.target()).context(|| format!("planning the {name} pass"))?;
        let program = self.executor.load(plan)?;
        Ok(Pass { program, batches: step.batches, metrics: step.metrics })
    }
    /// Steps per epoch.
    pub fn batches(&self) -> usize {
        self.trained().batches
    }

    /// Whether [`Session::prepare_training`] has run.
    pub fn is_prepared(&self) -> bool {
        self.train.is_some()
    }

    fn trained(&self) -> &Pass {
        self.train.as_ref().expect("training was prepared")
    }

    /// Runs training steps. Does not wait for a GPU.
    pub fn steps(&mut self, n: usize) -> Result<()> {
        let program = self.trained().program;
        self.executor.run(program, n)
    }

    /// Sets the sums of the training metrics to zero.
    pub fn reset_metrics(&mut self) -> Result<()> {
        let name = self.trained().metrics.clone();
        self.executor.write(&name, &HostTensor::f32([4], vec![0.0; 4]))
    }

    /// The training scores since the last reset. Waits for the steps.
    pub fn scores(&mut self) -> Result<Scores> {
        let name = self.trained().metrics.clone();
        Ok(Scores::of(self.executor.read(&name)?.as_f32()))
    }

    /// Asks for the training scores without waiting.
    pub fn request_scores(&mut self) -> Result<Ticket> {
        let name = self.trained().metrics.clone();
        self.executor.request(&name)
    }

    /// The scores asked for, once they have arrived.
    pub fn collect_scores(&mut self, ticket: Ticket) -> Result<Option<Scores>> {
        Ok(self.executor.collect(ticket)?.map(|v| Scores::of(v.as_f32())))
    }

    /// Waits until all steps are done.
    pub fn wait(&mut self) -> Result<()> {
        self.executor.wait()
    }

    /// Loads a scorer for a data set, to be run as often as needed.
    pub fn scorer(&mut self, name: &str, images: &Images, batch: usize) -> Result<Scorer> {
        if images.is_empty() {
            return Err(Error::data(format!("the {name} set is empty")));
        }
        Ok(Scorer(self.prepare_scoring(name, images, batch)?))
    }

    /// Scores the whole data set of a scorer with the weights as they are.
    pub fn score(&mut self, scorer: &Scorer) -> Result<Scores> {
        let pass = &scorer.0;
        self.executor.write(&pass.metrics, &HostTensor::f32([4], vec![0.0; 4]))?;
        self.executor.run(pass.program, pass.batches)?;
        Ok(Scores::of(self.executor.read(&pass.metrics)?.as_f32()))
    }

    /// Class probabilities of each image, row by row.
    pub fn probabilities(&mut self, images: &Images) -> Result<Vec<Vec<f32>>> {
        let set = step::DataSet::of(images);
        let (step, p) = step::predicting(&self.model, &mut self.weights, &set, &self.normal)?;
        let program = self.executor.load(Plan::build(&step.graph, &[p], self.device.target())?)?;
        let mut rows = vec![];
        for _ in 0..step.batches {
            self.executor.run(program, 1)?;
            let values = self.executor.fetch(program, p)?;
            let width = values.shape[values.shape.rank() - 1];
            rows.extend(values.as_f32().chunks(width).map(<[f32]>::to_vec));
        }
        rows.truncate(images.len());
        Ok(rows)
    }

    /// All parameters and state by name, as they are on the device now.
    pub fn weights(&mut self) -> Result<Weights> {
        let mut weights = Weights::new(self.weights.seed);
        if !self.executor.holds("params") {
            return Ok(self.weights.clone());
        }
        let flat = self.executor.read("params")?;
        for (name, spec, offset) in &self.params {
            let values = flat.as_f32()[*offset..][..spec.elements()].to_vec();
            weights.set(name, HostTensor::f32(spec.shape.clone(), values));
        }
        for name in self.states.clone() {
            let shape = self.weights.get(&name).expect("noted when it was drawn").shape.clone();
            let mut value = self.executor.read(&name)?;
            value.shape = shape;
            weights.set(name, value);
        }
        Ok(weights)
    }

    /// A checkpoint: the weights as they are on the device now, and what is
    /// needed to use them.
    pub fn checkpoint(&mut self) -> Result<Vec<u8>> {
        let weights = self.weights()?;
        let about = checkpoint::About {
            model: toml::to_string(&self.model.description.to_table()).expect("a table of plain values prints"),
            input: self.model.input.to_vec(),
            classes: self.classes.clone(),
            normal: self.normal.clone(),
        };
        checkpoint::encode(&weights, &about)
    }

    /// Saves a checkpoint.
    pub fn save(&mut self, path: &std::path::Path) -> Result<()> {
        checkpoint::write_atomically(path, &self.checkpoint()?)
    }
}

/// A program that scores one data set.
pub struct Scorer(Pass);
