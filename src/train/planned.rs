//! The plan of a training step without data: what `plan`, `summary` and the
//! tuner look at before anything is trained, and what `profile` runs on made-up
//! samples.

use super::loss::answering;
use super::needs::memory_of;
use super::resident::{Resident, TargetKind};
use super::step::Builder;
use super::{Session, Settings};
use crate::data::{Elements, Interface, Task, ValueScale};
use crate::error::Result;
use crate::graph::TensorId;
use crate::nn::{Model, Weights};
use crate::plan::{Choices, Options, Plan, Target};
use crate::tensor::random::{Random, stream};
use crate::tensor::{DType, HostTensor};

/// A plan for a device that need not be there, with what is asked of it.
pub struct Planned {
    /// The plan, with the weights as initial values.
    pub plan: Plan,
    /// The answers of a batch, or its mean loss.
    pub output: TensorId,
    /// The named buffers of its samples and of their targets, which hold one batch.
    pub samples: &'static str,
    /// See `samples`.
    pub targets: &'static str,
    /// The named buffer of the clock that picks the batch: zeros before each prediction.
    pub clock: &'static str,
}

impl Planned {
    /// The plan that answers for `batch` samples of a model with these weights.
    ///
    /// Fails when the model, the interface and the device do not fit together.
    pub fn predicting(
        model: &Model,
        interface: &Interface,
        weights: &Weights,
        batch: usize,
        device: Target,
    ) -> Result<Planned> {
        let (model, weights) = (&model.clone().without(answering(interface)), &mut weights.clone());
        let elements = elements_of(model, interface);
        let set = Resident::blank(batch, &model.input, elements, TargetKind::Class, batch);
        let step = Builder { model, weights, interface, params: "params" }.predicting(&set, "predict")?;
        let plan = Plan::build(&step.graph, &[step.output], device)?;
        let [samples, targets, clock] = ["predict.samples", "predict.targets", "predict.clock"];
        Ok(Planned { plan, output: step.output, samples, targets, clock })
    }

    /// The plan of a training step on a batch of `s.batch_size` samples that is written
    /// anew before each step; it begins with these weights. What concerns a whole training
    /// set does not come into it: neither class weights nor a schedule over its epochs.
    ///
    /// Fails when the model, the interface, the settings and the device do not fit together.
    pub fn training(
        model: &Model,
        interface: &Interface,
        weights: &Weights,
        s: &Settings,
        device: Target,
    ) -> Result<Planned> {
        let s = &s.on(&device);
        let (model, weights) = (&model.clone().without(answering(interface)), &mut weights.clone());
        let elements = elements_of(model, interface);
        let target = target_of(model, interface, weights)?;
        let set = Resident::blank(s.batch_size, &model.input, elements, target, s.batch_size);
        let step = Builder { model, weights, interface, params: "params" }.training(&set, s, None)?;
        let plan = Plan::with(&step.graph, &[step.output], device, &s.plan)?;
        let [samples, targets, clock] = ["train.samples", "train.targets", "clock"];
        Ok(Planned { plan, output: step.output, samples, targets, clock })
    }
}

/// What the targets of a model are made of.
fn target_of(model: &Model, interface: &Interface, weights: &mut Weights) -> Result<TargetKind> {
    let (g, built) = model.inspect(1, weights)?;
    Ok(match (interface.task, g.shape(built.output)) {
        (Task::Regression, _) => TargetKind::Values(interface.outputs.len()),
        (_, [_, positions, _]) => TargetKind::Sequence(*positions),
        _ => TargetKind::Class,
    })
}

impl Session {
    /// The plan of a training step on any device, without data.
    pub fn training_plan(model: &Model, s: &Settings, device: Target) -> Result<Plan> {
        Session::tuned_plan(model, s, device, &s.plan.choices)
    }

    /// [`Session::training_plan`] with variants chosen for some of the ops.
    pub fn tuned_plan(model: &Model, s: &Settings, device: Target, choices: &Choices) -> Result<Plan> {
        let channels = if elements(model, None) == Elements::Bytes { model.input[0] } else { model.input.elements() };
        // Shapes are judged before anything is made in their number.
        let (g, built) = model.inspect(1, &mut Weights::new(0))?;
        let outputs = (0..model.classes.unwrap_or(1)).map(|i| i.to_string()).collect();
        let mut interface = Interface::of_images(outputs, &vec![(0.0, 1.0); channels]);
        if g.shape(built.output).len() == 3 {
            interface.task = Task::Language;
        }
        Session::plan_for(model, &interface, s, device, choices)
    }

    /// The same for inputs and outputs of a known meaning.
    pub fn plan_for(
        model: &Model,
        interface: &Interface,
        s: &Settings,
        device: Target,
        choices: &Choices,
    ) -> Result<Plan> {
        let s = &s.on(&device);
        let weights = &mut Weights::new(0);
        let model = &model.clone().without(answering(interface));
        let target = target_of(model, interface, weights)?;
        let elements = elements(model, Some(interface));
        let set = Resident::blank(s.batch_size, &model.input, elements, target, s.batch_size);
        let step = Builder { model, weights, interface, params: "params" }.training(&set, s, None)?;
        Plan::with(&step.graph, &[], device, &Options { choices: choices.clone(), ..s.plan.clone() })
    }

    /// Bytes that a training plan takes: weights, gradients, optimiser,
    /// activations.
    pub fn memory_of(plan: &Plan) -> [usize; 4] {
        memory_of(plan)
    }
}

/// What the samples of a model are made of.
pub fn elements_of(model: &Model, interface: &Interface) -> Elements {
    match interface.values {
        Some(ValueScale::Pixels) | None => elements(model, Some(interface)),
        Some(_) => Elements::Floats,
    }
}

fn elements(model: &Model, interface: Option<&Interface>) -> Elements {
    let per_channel = |i: &Interface| i.normal.scale.len() == model.input[0];
    match model.input.len() {
        _ if model.description.takes_tokens() => Elements::Tokens,
        3 if interface.is_none_or(per_channel) => Elements::Bytes,
        _ => Elements::Floats,
    }
}

/// Made-up samples and targets for the buffers of such a plan, by name: pixels
/// or tokens of all values, numbers about zero, classes of every kind.
pub fn made_up(plan: &Plan, model: &Model, classes: usize) -> Vec<(String, HostTensor)> {
    let mut r = Random::new(1, stream::CASES);
    let mut content = |name: &str, n: usize, dtype: DType| match (name, dtype) {
        (_, DType::F32 | DType::F16) => HostTensor::f32([n], (0..n).map(|_| r.normal()).collect()),
        ("train.samples", DType::U32) => {
            let bound = if model.description.takes_tokens() { model.vocabulary.unwrap_or(1) as u32 } else { u32::MAX };
            HostTensor::u32([n], (0..n).map(|_| r.below(bound)).collect())
        }
        (_, DType::U32) => HostTensor::u32([n], (0..n).map(|_| r.below(classes as u32)).collect()),
    };
    let named = plan.buffers.iter().filter_map(|b| Some((b.name.clone()?, b.elements, b.dtype)));
    let data = named.filter(|(name, ..)| matches!(name.as_str(), "train.samples" | "train.targets"));
    data.map(|(name, n, dtype)| (name.clone(), content(&name, n, dtype))).collect()
}
