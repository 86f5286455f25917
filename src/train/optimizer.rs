//! Optimisers by name, with PyTorch's defaults.

use crate::error::{Result, unknown};
use crate::graph::{Graph, Init, TensorId};
use crate::nn::Keys;
use crate::ops::adam::Adam;
use crate::ops::rmsprop::RmsProp;
use crate::ops::sgd::Sgd;
use crate::tensor::Spec;
use toml::Table;

/// An optimiser and its settings; the learning rate stands beside it.
#[derive(Debug, Clone, Copy)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam, or AdamW when the decay is decoupled.
    Adam(Adam),
    /// RMSprop.
    RmsProp(RmsProp),
}

const NAMES: &[&str] = &["sgd", "adam", "adamw", "rmsprop"];

/// What an optimiser's update reads, besides parameters and gradients.
pub struct Control {
    /// The step counter.
    pub clock: TensorId,
    /// Learning rate per step.
    pub schedule: TensorId,
    /// Factor that clips the gradient.
    pub scale: TensorId,
    /// Learning-rate and decay factors per chunk of parameters.
    pub groups: TensorId,
}

impl Optimizer {
    /// Reads the keys of `[optimizer]`; returns it with the learning rate.
    pub fn read(keys: &mut Keys) -> Result<(Optimizer, f64)> {
        let name = keys.text("name")?.unwrap_or_else(|| "adam".into());
        let default_lr = if matches!(name.as_str(), "sgd" | "rmsprop") { 0.01 } else { 0.001 };
        let lr = keys.real("lr", 0.0, 1e3, Some(default_lr))?;
        let mut real = |key, high, default: f64| keys.real(key, 0.0, high, Some(default));
        let optimizer = match name.as_str() {
            "sgd" => {
                let (momentum, dampening) = (real("momentum", 1.0, 0.0)?, real("dampening", 1.0, 0.0)?);
                let weight_decay = real("weight_decay", 1e3, 0.0)?;
                Optimizer::Sgd(Sgd { momentum, dampening, weight_decay, nesterov: keys.flag("nesterov", false)? })
            }
            "adam" | "adamw" => Optimizer::Adam(Adam {
                beta1: real("beta1", 0.999_999_9, 0.9)?,
                beta2: real("beta2", 0.999_999_9, 0.999)?,
                eps: real("epsilon", 1.0, 1e-8)?,
                weight_decay: real("weight_decay", 1e3, if name == "adamw" { 0.01 } else { 0.0 })?,
                decoupled: name == "adamw",
            }),
            "rmsprop" => Optimizer::RmsProp(RmsProp {
                alpha: real("alpha", 1.0, 0.99)?,
                eps: real("epsilon", 1.0, 1e-8)?,
                momentum: real("momentum", 1.0, 0.0)?,
                weight_decay: real("weight_decay", 1e3, 0.0)?,
            }),
            _ => return Err(unknown("optimizer", &name, NAMES.iter().copied())),
        };
        Ok((optimizer, lr))
    }

    /// As TOML, with the learning rate.
    pub fn to_table(self, lr: f64) -> Table {
        let real = toml::Value::Float;
        let (name, entries) = match self {
            Optimizer::Sgd(o) => (
                "sgd",
                vec![
                    ("momentum", real(o.momentum)),
                    ("dampening", real(o.dampening)),
                    ("weight_decay", real(o.weight_decay)),
                    ("nesterov", o.nesterov.into()),
                ],
            ),
            Optimizer::Adam(o) => (
                if o.decoupled { "adamw" } else { "adam" },
                vec![
                    ("beta1", real(o.beta1)),
                    ("beta2", real(o.beta2)),
                    ("epsilon", real(o.eps)),
                    ("weight_decay", real(o.weight_decay)),
                ],
            ),
            Optimizer::RmsProp(o) => (
                "rmsprop",
                vec![
                    ("alpha", real(o.alpha)),
                    ("epsilon", real(o.eps)),
                    ("momentum", real(o.momentum)),
                    ("weight_decay", real(o.weight_decay)),
                ],
            ),
        };
        let mut table = Table::from_iter([("name".to_string(), name.into()), ("lr".to_string(), lr.into())]);
        table.extend(entries.into_iter().map(|(k, v)| (k.to_string(), v)));
        table
    }

    /// Adds the update of all parameters at once.
    pub fn update(self, g: &mut Graph, params: TensorId, grads: TensorId, c: &Control) -> Result<()> {
        let n = g.spec(params).elements();
        let moment = |g: &mut Graph, name: &str| g.persistent(name, Spec::f32([n]), Init::Zeros);
        match self {
            Optimizer::Sgd(o) => {
                let buffer = (o.momentum != 0.0).then(|| moment(g, "sgd.momentum"));
                g.sgd(params, grads, buffer, c.clock, c.schedule, c.scale, c.groups, o)
            }
            Optimizer::Adam(o) => {
                let (m, v) = (moment(g, "adam.m"), moment(g, "adam.v"));
                g.adam(params, grads, m, v, c.clock, c.schedule, c.scale, c.groups, o)
            }
            Optimizer::RmsProp(o) => {
                let square = moment(g, "rmsprop.square");
                let buffer = (o.momentum != 0.0).then(|| moment(g, "rmsprop.momentum"));
                g.rmsprop(params, grads, square, buffer, c.clock, c.schedule, c.scale, c.groups, o)
            }
        }
    }
}
