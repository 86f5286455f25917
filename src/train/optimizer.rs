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
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent, or SGDW when the decay is decoupled.
    Sgd(Sgd),
    /// Adam, or AdamW when the decay is decoupled.
    Adam(Adam),
    /// RMSprop.
    RmsProp(RmsProp),
}

const NAMES: &[&str] = &["sgd", "sgdw", "adam", "adamw", "rmsprop"];

/// What an optimiser's update reads, besides parameters and gradients.
pub struct Control {
    /// The step counter: the clock, or the pace, which also says when to wait.
    pub clock: TensorId,
    /// Learning rate per step; one entry, if it is always that one.
    pub schedule: TensorId,
    /// Factor that clips the gradient.
    pub scale: TensorId,
    /// Learning-rate and decay factors per chunk of parameters.
    pub groups: TensorId,
}

impl Default for Optimizer {
    fn default() -> Optimizer {
        Optimizer::Adam(Adam::default())
    }
}

/// The buffers of what optimisers remember, one number per parameter each.
pub(super) const MOMENTS: [&str; 5] = ["sgd.momentum", "adam.m", "adam.v", "rmsprop.square", "rmsprop.momentum"];

impl Optimizer {
    /// Reads the keys of `[optimizer]`; returns it with the learning rate.
    pub fn read(keys: &mut Keys) -> Result<(Optimizer, f64)> {
        let name = keys.text("name")?.unwrap_or_else(|| "adam".into());
        let default_lr = if matches!(name.as_str(), "sgd" | "sgdw" | "rmsprop") { 0.01 } else { 0.001 };
        let lr = keys.real("lr", 0.0, 1e3, Some(default_lr))?;
        let mut real = |key, high, default: f64| keys.real(key, 0.0, high, Some(default));
        let optimizer = match name.as_str() {
            "sgd" | "sgdw" => Optimizer::Sgd(Sgd {
                momentum: real("momentum", 1.0, 0.0)?,
                dampening: real("dampening", 1.0, 0.0)?,
                weight_decay: real("weight_decay", 1e3, if name == "sgdw" { 0.01 } else { 0.0 })?,
                decoupled: name == "sgdw",
                nesterov: keys.flag("nesterov", false)?,
            }),
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

    /// Sets a weight decay that is decoupled; says whether the optimiser has one.
    pub fn decay(&mut self, to: f64) -> bool {
        let (decay, decoupled) = match self {
            Optimizer::Sgd(o) => (&mut o.weight_decay, o.decoupled),
            Optimizer::Adam(o) => (&mut o.weight_decay, o.decoupled),
            Optimizer::RmsProp(o) => (&mut o.weight_decay, false),
        };
        if decoupled {
            *decay = to;
        }
        decoupled
    }

    /// As TOML, with the learning rate.
    pub fn to_table(self, lr: f64) -> Table {
        let real = toml::Value::Float;
        let (name, entries) = match self {
            Optimizer::Sgd(o) => (
                if o.decoupled { "sgdw" } else { "sgd" },
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
        let moment = |g: &mut Graph, name: &str| {
            assert!(MOMENTS.contains(&name), "{name} is not among the moments");
            g.persistent(name, Spec::f32([n]), Init::Zeros)
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_optimizer_survives_its_table() {
        for name in NAMES {
            let table = Table::from_iter([("name".to_string(), (*name).into()), ("lr".to_string(), 0.25.into())]);
            let read = |table: Table| {
                let mut keys = Keys::new(table, "[optimizer]");
                let made = Optimizer::read(&mut keys).unwrap();
                keys.finish().unwrap();
                made
            };
            let (optimizer, lr) = read(table);
            let table = optimizer.to_table(lr);
            assert_eq!(table["name"].as_str(), Some(*name));
            assert_eq!(read(table), (optimizer, 0.25));
        }
    }
}
