//! Goldens' optimisers by name, on the flat buffers that training uses.

use serde_json::Value;
use std::sync::Arc;
use wgrad::Result;
use wgrad::graph::{FLAT_ALIGN, Graph, Init, TensorId};
use wgrad::ops::adam::Adam;
use wgrad::ops::rmsprop::RmsProp;
use wgrad::ops::sgd::Sgd;
use wgrad::tensor::{HostTensor, Spec};

/// What to look at after each step.
pub struct Trained {
    pub params: TensorId,
    /// The gradients' norm before clipping.
    pub norm: TensorId,
}

/// A step: norm, clip, update, clock. Gradients are fed as `grads`.
pub fn training(params: HostTensor, a: &Value) -> Result<(Graph, Trained)> {
    let number = |key: &str| a[key].as_f64().unwrap_or(0.0);
    let mut g = Graph::new();
    let n = params.shape.elements();
    let params = g.persistent("params", Spec::f32([n]), Init::Data(Arc::new(params)));
    let grads = g.input("grads", Spec::f32([n]));
    let clock = g.input("clock", Spec::u32([4]));
    let rates: Vec<f32> =
        a["rates"].as_array().expect("a list").iter().map(|r| r.as_f64().expect("a rate") as f32).collect();
    let schedule = g.constant(HostTensor::f32([rates.len()], rates));
    let groups = n / FLAT_ALIGN;
    let groups = g.constant(HostTensor::f32([groups, 2], vec![1.0; 2 * groups]));
    let (norm, scale) = g.grad_norm(grads, a["max_norm"].as_f64().map(|m| m as f32))?;
    let mut state = |name: &str| g.input(name, Spec::f32([n]));
    let (momentum, weight_decay, eps) = (number("momentum"), number("weight_decay"), number("eps"));
    let buffer = (momentum > 0.0).then(|| state("buffer"));
    let (first, second) = (state("first"), state("second"));
    match a["kind"].as_str().expect("a kind") {
        "sgd" => {
            let nesterov = a["nesterov"].as_bool().unwrap_or(false);
            let settings = Sgd { momentum, dampening: number("dampening"), nesterov, weight_decay, decoupled: false };
            g.sgd(params, grads, buffer, clock, schedule, scale, groups, settings)?;
        }
        "adam" => {
            let beta = |i: usize| a["betas"][i].as_f64().expect("a beta");
            let decoupled = a["decoupled"].as_bool().expect("adam or adamw");
            let settings = Adam { beta1: beta(0), beta2: beta(1), eps, weight_decay, decoupled };
            g.adam(params, grads, first, second, clock, schedule, scale, groups, settings)?;
        }
        "rmsprop" => {
            let settings = RmsProp { alpha: number("alpha"), eps, momentum, weight_decay };
            g.rmsprop(params, grads, second, buffer, clock, schedule, scale, groups, settings)?;
        }
        other => panic!("no optimiser {other}"),
    }
    g.tick(clock, 1000)?;
    Ok((g, Trained { params, norm }))
}
