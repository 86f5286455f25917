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
    /// `1 / x`.
    reciprocal => Reciprocal,
    /// Sine of an angle in radians.
    sin => Sin,
    /// Cosine of an angle in radians.
    cos => Cos,
    /// The error function.
    erf => Erf,
    /// The least whole number that is not below `x`; its gradient is zero.
    ceil => Ceil,
    /// The largest whole number that is not above `x`; its gradient is zero.
    floor => Floor,
    /// The nearest whole number, of two the even one; its gradient is zero.
    round => Round,
    /// The whole number towards zero; its gradient is zero.
    trunc => Trunc,
    /// -1, 0 or 1; its gradient is zero.
    sign => Sign,
    /// 1 where `x` is 0, else 0; stops the gradient.
    not => Not,
}

impl Graph {
    /// `min(max(x, low), high)`, any shape; NaN stays NaN. Minus infinity and
    /// infinity are no bounds.
    pub fn clip(&mut self, x: TensorId, low: f32, high: f32) -> Result<TensorId> {
        self.unary(Clip(low, high), x)
    }
}
