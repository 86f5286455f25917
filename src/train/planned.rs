//! The plan of a training step without data: what `plan`, `summary` and the
//! tuner look at before anything is trained.

use super::resident::{Elements, Resident, TargetKind};
use super::step::Builder;
use super::{Session, Settings};
use crate::data::{Interface, Task};
use crate::error::Result;
use crate::nn::{Model, Weights};
use crate::plan::{Choices, Options, Plan, Target};

impl Session {
    /// The plan of a training step on any device, without data.
    pub fn training_plan(model: &Model, s: &Settings, device: Target) -> Result<Plan> {
        Session::tuned_plan(model, s, device, &s.plan.choices)
    }

    /// [`Session::training_plan`] with variants chosen for some of the ops.
    pub fn tuned_plan(model: &Model, s: &Settings, device: Target, choices: &Choices) -> Result<Plan> {
        let elements = match model.input.len() {
            _ if model.description.takes_tokens() => Elements::Tokens,
            3 => Elements::Bytes,
            _ => Elements::Floats,
        };
        let weights = &mut Weights::new(0);
        let (g, built) = model.inspect(1, weights)?;
        let target = match g.shape(built.output) {
            [_, positions, _] => TargetKind::Sequence(*positions),
            _ => TargetKind::Class,
        };
        let set = Resident::blank(s.batch_size, &model.input, elements, target, s.batch_size);
        let channels = if elements == Elements::Bytes { model.input[0] } else { model.input.elements() };
        let outputs = (0..model.classes.unwrap_or(1)).map(|i| i.to_string()).collect();
        let mut interface = Interface::of_images(outputs, &vec![(0.0, 1.0); channels]);
        if matches!(target, TargetKind::Sequence(_)) {
            interface.task = Task::Language;
        }
        let step = Builder { model, weights, interface: &interface, params: "params" }.training(&set, s, None)?;
        Plan::with(&step.graph, &[], device, &Options { choices: choices.clone(), ..s.plan.clone() })
    }

    /// Bytes that training takes: weights, gradients, optimiser, activations.
    pub fn memory(model: &Model, s: &Settings, target: Target) -> Result<[usize; 4]> {
        Ok(memory_of(&Session::training_plan(model, s, target)?))
    }
}

/// Bytes of a training plan: weights, gradients, optimiser, activations.
pub(super) fn memory_of(plan: &Plan) -> [usize; 4] {
    let named = |pick: &dyn Fn(&str) -> bool| -> usize {
        let of = plan.buffers.iter().filter(|b| b.name.as_deref().is_some_and(pick));
        of.map(|b| b.elements * crate::tensor::DType::BYTES).sum()
    };
    let moments = ["adam.", "sgd.", "rmsprop.", "ema"];
    let state = |n: &str| n == "params" || n.ends_with("running_mean") || n.ends_with("running_var");
    [
        named(&state),
        named(&|n| n.starts_with("grads") || n.starts_with("accumulate.")),
        named(&|n| moments.iter().any(|m| n.starts_with(m))),
        plan.transient_bytes(),
    ]
}
