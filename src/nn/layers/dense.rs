//! `Dense`.

use super::Layer;
use super::conv::{read_activation, read_initializer};
use super::inputs::{along_features, single};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Activation, Build, Initializer, Keys};
use crate::tensor::Shape;
use std::sync::Arc;
use toml::{Table, Value};

/// How many outputs a layer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// So many.
    Number(usize),
    /// As many as the data has classes, or targets.
    Classes,
    /// As many as the data has tokens.
    Vocabulary,
}

impl Units {
    fn read(keys: &mut Keys) -> Result<Units> {
        match keys.take("units") {
            Some(Value::String(s)) if s == "classes" => Ok(Units::Classes),
            Some(Value::String(s)) if s == "vocabulary" => Ok(Units::Vocabulary),
            Some(Value::Integer(n)) if n > 0 => Ok(Units::Number(n as usize)),
            other => {
                let found = other.map_or("nothing".into(), |v| v.to_string());
                let place = keys.place();
                Err(Error::model(format!(
                    "{place}: units = {found}; expected a whole number of at least 1, \"classes\" or \"vocabulary\""
                )))
            }
        }
    }

    fn value(self) -> Value {
        match self {
            Units::Number(n) => (n as i64).into(),
            Units::Classes => "classes".into(),
            Units::Vocabulary => "vocabulary".into(),
        }
    }

    fn resolve(self, cx: &Build) -> Result<usize> {
        let (number, what) = match self {
            Units::Number(n) => return Ok(n),
            Units::Classes => (cx.classes, "classes"),
            Units::Vocabulary => (cx.vocabulary, "vocabulary"),
        };
        number.ok_or_else(|| {
            Error::model(format!("units = \"{what}\", and how many that is is not known here; write the number"))
        })
    }
}

/// `y = activation(x w^T + bias)` over the last axis. Parameters: `weight
/// [units, features]`, `bias [units]`.
#[derive(Debug, Clone)]
pub struct Dense {
    /// Outputs.
    pub units: Units,
    /// Whether to add a bias.
    pub use_bias: bool,
    /// Applied to the output.
    pub activation: Activation,
    /// How the weights start.
    pub kernel_initializer: Initializer,
    /// How the bias starts.
    pub bias_initializer: Initializer,
}

impl Dense {
    /// `units` outputs, with Keras' defaults.
    pub fn new(units: usize) -> Dense {
        Dense { units: Units::Number(units), ..Dense::classes() }
    }

    /// As many outputs as the data has classes.
    pub fn classes() -> Dense {
        Dense {
            units: Units::Classes,
            use_bias: true,
            activation: Activation::Linear,
            kernel_initializer: Initializer::GlorotUniform,
            bias_initializer: Initializer::Zeros,
        }
    }

    /// With an activation by name. Panics on an unknown one.
    pub fn activation(mut self, name: &str) -> Dense {
        self.activation = Activation::named(name).unwrap_or_else(|e| panic!("{e}"));
        self
    }

    pub(super) fn read(keys: &mut Keys) -> Result<Dense> {
        Ok(Dense {
            units: Units::read(keys)?,
            use_bias: keys.flag("use_bias", true)?,
            activation: read_activation(keys)?,
            kernel_initializer: read_initializer(keys, "kernel_initializer", Initializer::GlorotUniform)?,
            bias_initializer: read_initializer(keys, "bias_initializer", Initializer::Zeros)?,
        })
    }
}

/// `x w^T + bias` over the last axis. Parameters: `PREFIXweight [units,
/// features]` and, if it has a start, `PREFIXbias [units]`.
pub(super) fn linear(
    cx: &mut Build,
    prefix: &str,
    x: TensorId,
    [units, features]: [usize; 2],
    weight: Initializer,
    bias: Option<Initializer>,
) -> Result<TensorId> {
    let fans = (features, units);
    let weight = cx.param(&format!("{prefix}weight"), [units, features], weight, fans)?;
    let bias = bias.map(|start| cx.param(&format!("{prefix}bias"), [units], start, fans)).transpose()?;
    cx.g.matmul_t(x, weight, bias)
}

impl Layer for Dense {
    fn kind(&self) -> &'static str {
        "Dense"
    }

    fn short(&self) -> &'static str {
        "dense"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let shape = cx.g.shape(x).to_vec();
        let units = self.units.resolve(cx)?;
        if shape.len() < 2 {
            return Err(Error::model(format!("its input has shape {shape:?}; expected [batch, .., features]")));
        }
        let features = shape[shape.len() - 1];
        let bias = self.use_bias.then_some(self.bias_initializer);
        let y = linear(cx, "", x, [units, features], self.kernel_initializer, bias)?;
        self.activation.apply(cx.g, y)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        along_features(inputs)
    }

    fn last_activation(&self) -> Option<(Activation, Arc<dyn Layer>)> {
        Some((self.activation, Arc::new(Dense { activation: Activation::Linear, ..self.clone() })))
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("units".into(), self.units.value());
        t.insert("use_bias".into(), self.use_bias.into());
        t.insert("activation".into(), self.activation.name().into());
        t.insert("kernel_initializer".into(), self.kernel_initializer.name().into());
        t.insert("bias_initializer".into(), self.bias_initializer.name().into());
        t
    }
}
