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
    /// `1.0507 elu(x)` with alpha 1.6733: Klambauer et al., arXiv:1706.02515.
    Selu,
    /// `ln(sigmoid(x))`.
    LogSigmoid,
}

/// SELU's scale and alpha, for which mean 0 and variance 1 stay.
const SELU: [f32; 2] = [1.050_701, 1.673_263_2];

/// Every name, with its function. Parameters are Keras' defaults (a leaky slope of 0.2);
/// others are those of the layers `LeakyReLU` and `ELU`.
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
    ("hard_silu", Activation::Elementwise(Function::HardSwish)),
    ("hard_sigmoid", Activation::Elementwise(Function::HardSigmoid(1.0 / 6.0, 0.5))),
    ("hard_tanh", Activation::Elementwise(Function::Clip(-1.0, 1.0))),
    ("hard_shrink", Activation::Elementwise(Function::Shrink(0.5, 0.0))),
    ("soft_shrink", Activation::Elementwise(Function::Shrink(0.5, 0.5))),
    ("relu6", Activation::Elementwise(Function::Clip(0.0, 6.0))),
    ("celu", Activation::Elementwise(Function::Celu(1.0))),
    ("mish", Activation::Elementwise(Function::Mish)),
    ("softsign", Activation::Elementwise(Function::Softsign)),
    ("selu", Activation::Selu),
    ("log_sigmoid", Activation::LogSigmoid),
    ("exponential", Activation::Elementwise(Function::Exp)),
    ("softmax", Activation::Softmax),
    ("log_softmax", Activation::LogSoftmax),
];

impl Activation {
    /// The activation of that name.
    pub fn named(name: &str) -> Result<Activation> {
        let found = NAMES.iter().find(|(n, _)| *n == name).map(|(_, a)| *a);
        found.ok_or_else(|| unknown("activation", name, Activation::names()))
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        NAMES.iter().map(|(name, _)| *name)
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
            Activation::Selu => {
                let y = g.unary(Function::Elu(SELU[1]), x)?;
                g.affine(y, SELU[0], 0.0)
            }
            Activation::LogSigmoid => {
                let y = g.affine(x, -1.0, 0.0)?;
                let y = g.softplus(y)?;
                g.affine(y, -1.0, 0.0)
            }
        }
    }
}
