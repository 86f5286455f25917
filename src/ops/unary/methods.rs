//! Methods of the graph for the functions without constants.

use super::Function::*;
use crate::error::Result;
use crate::graph::{Graph, TensorId};

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => $function:ident,)*) => {
        impl Graph {
            $($(#[$doc])*
            pub fn $name(&mut self, x: TensorId) -> Result<TensorId> {
                self.unary($function, x)
            })*
        }
    };
}

methods! {
    /// `max(x, 0)`.
    relu => Relu,
    /// `x * Phi(x)`, with the exact normal distribution function.
    gelu => Gelu,
    /// `x * sigmoid(x)`.
    silu => Silu,
    /// `1 / (1 + e^-x)`.
    sigmoid => Sigmoid,
    /// Hyperbolic tangent.
    tanh => Tanh,
    /// `ln(1 + e^x)`.
    softplus => Softplus,
    /// `e^x`.
    exp => Exp,
    /// Natural logarithm.
    ln => Ln,
    /// Square root.
    sqrt => Sqrt,
    /// `x * x`.
    square => Square,
    /// `|x|`.
    abs => Abs,
}
