//! Activations by their Keras and PyTorch names.

use crate::error::{Result, unknown};
use crate::graph::{Graph, TensorId};
use crate::ops::unary::Function;

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// The identity.
    Linear,
    /// An elementwise function.
    Elementwise(Function),
    /// Softmax over the last axis.
    Softmax,
    /// Its logarithm.
    LogSoftmax,
}

/// Every name, with its function. Parameters are the common defaults (Keras:
/// leaky slope 0.2 as `leaky_relu`; PyTorch's 0.01 through the layer).
const NAMES: &[(&str, Activation)] = &[
    ("linear", Activation::Linear),
    ("relu", Activation::Elementwise(Function::Relu)),
    ("leaky_relu", Activation::Elementwise(Function::LeakyRelu(0.2))),
    ("elu", Activation::Elementwise(Function::Elu(1.0))),
    ("gelu", Activation::Elementwise(Function::Gelu)),
    ("gelu_tanh", Activation::Elementwise(Function::GeluTanh)),
    ("silu", Activation::Elementwise(Function::Silu)),
    ("swish", Activation::Elementwise(Function::Silu)),
    ("sigmoid", Activation::Elementwise(Function::Sigmoid)),
    ("tanh", Activation::Elementwise(Function::Tanh)),
    ("softplus", Activation::Elementwise(Function::Softplus)),
    ("hard_swish", Activation::Elementwise(Function::HardSwish)),
    ("exponential", Activation::Elementwise(Function::Exp)),
    ("softmax", Activation::Softmax),
    ("log_softmax", Activation::LogSoftmax),
];

impl Activation {
    /// The activation of that name.
    pub fn named(name: &str) -> Result<Activation> {
        let found = NAMES.iter().find(|(n, _)| *n == name).map(|(_, a)| *a);
        found.ok_or_else(|| unknown("activation", name, NAMES.iter().map(|(n, _)| *n)))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, a)| *a == self).map_or("leaky_relu", |(n, _)| n)
    }

    /// Applies it.
    pub fn apply(self, g: &mut Graph, x: TensorId) -> Result<TensorId> {
        let last = g.shape(x).len().saturating_sub(1);
        match self {
            Activation::Linear => Ok(x),
            Activation::Elementwise(f) => g.unary(f, x),
            Activation::Softmax => g.softmax(x, last),
            Activation::LogSoftmax => g.log_softmax(x, last),
        }
    }
}
