//! What a model takes and gives, as tensors.

use super::tensor::Type;
use crate::data::table::Kind;
use crate::data::{Elements, Interface, Task};
use crate::run::inputs::Inputs;
use crate::serve::engine::Batching;
use crate::serve::takes::Takes;
use serde_json::{Value, json};

/// A tensor that a model takes or gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub of: Type,
    /// Its shape; -1 for any number.
    pub shape: Vec<i64>,
}

/// The tensors of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// What it takes.
    pub inputs: Vec<Port>,
    /// What it gives.
    pub outputs: Vec<Port>,
    /// The names of its classes.
    pub classes: Vec<String>,
}

/// The names of the outputs; those of exported models are the same.
pub const PROBABILITIES: &str = "probabilities";
/// See [`PROBABILITIES`].
pub const LABEL: &str = "label";
/// See [`PROBABILITIES`].
pub const VALUES: &str = "values";

fn port(name: &str, of: Type, shape: &[i64]) -> Port {
    Port { name: name.into(), of, shape: shape.to_vec() }
}

/// The type of values: far from zero, single precision would lose what tells them apart.
pub fn value_type(interface: &Interface) -> Type {
    if interface.centres().iter().any(|c| *c != 0.0) { Type::Fp64 } else { Type::Fp32 }
}

impl Described {
    /// Those of a model with these inputs.
    pub fn of(inputs: &Inputs, takes: Takes) -> Described {
        let interface = inputs.interface();
        let column = |name: &str, kind: Kind| {
            let of = if kind == Kind::Number { Type::Fp64 } else { Type::Bytes };
            port(name, of, &[-1, 1])
        };
        let accepts = match takes {
            Takes::Arrays { .. } => {
                let of = if inputs.elements() == Elements::Bytes { Type::Int(1, false) } else { Type::Fp32 };
                let shape: Vec<i64> = [-1].into_iter().chain(inputs.shape().iter().map(|&n| n as i64)).collect();
                vec![port("input", of, &shape)]
            }
            Takes::Rows | Takes::Series => {
                inputs.columns().into_iter().map(|(name, kind)| column(name, kind)).collect()
            }
            Takes::Texts => vec![port("text", Type::Bytes, &[-1, 1])],
            Takes::Prompt => vec![port("text_input", Type::Bytes, &[-1, 1])],
        };
        let n = interface.outputs.len() as i64;
        let gives = match (takes, interface.task) {
            (Takes::Prompt, _) => vec![port("text_output", Type::Bytes, &[-1, 1])],
            (Takes::Series, _) => {
                let targets = interface.series().map_or(1, |fitted| fitted.targets.len());
                vec![port(VALUES, Type::Fp64, &[-1, targets as i64])]
            }
            (_, Task::Classification) => {
                vec![port(PROBABILITIES, Type::Fp32, &[-1, n]), port(LABEL, Type::Bytes, &[-1])]
            }
            _ => vec![port(VALUES, value_type(interface), &[-1, n])],
        };
        let classes = if interface.task == Task::Classification { interface.outputs.clone() } else { vec![] };
        Described { inputs: accepts, outputs: gives, classes }
    }

    /// As the protocol's metadata.
    pub fn metadata(&self, name: &str, versions: &[String]) -> Value {
        let one = |p: &Port| json!({ "name": p.name, "datatype": p.of.name(), "shape": p.shape });
        let mut all = json!({
            "name": name,
            "versions": versions,
            "platform": "wgrad",
            "inputs": self.inputs.iter().map(one).collect::<Vec<_>>(),
            "outputs": self.outputs.iter().map(one).collect::<Vec<_>>(),
        });
        if !self.classes.is_empty() {
            all["parameters"] = json!({ "classes": self.classes });
        }
        all
    }

    /// As Triton's configuration of a model.
    pub fn config(&self, name: &str, batching: &Batching) -> Value {
        let one = |p: &Port| json!({ "name": p.name, "data_type": p.of.triton_name(), "dims": p.shape[1..] });
        json!({
            "name": name,
            "platform": "wgrad",
            "backend": "wgrad",
            "version_policy": { "all": {} },
            "max_batch_size": batching.max_batch,
            "input": self.inputs.iter().map(one).collect::<Vec<_>>(),
            "output": self.outputs.iter().map(one).collect::<Vec<_>>(),
            "dynamic_batching": {
                "max_queue_delay_microseconds": batching.max_delay.as_micros() as u64,
                "default_queue_policy": { "max_queue_size": batching.queue },
            },
        })
    }
}
