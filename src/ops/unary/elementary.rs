//! Values and derivatives of the functions that models use rarely: trigonometric
//! and hyperbolic functions and their inverses, rounding, tests of an element.

use super::Function::{self, *};
use crate::tensor::Real;

impl Function {
    /// The value of a function that [`Function::value`] leaves to this.
    pub(super) fn rare_value<T: Real>(self, x: T) -> T {
        let step = |on: bool| if on { T::ONE } else { T::ZERO };
        match self {
            Sin => x.sin(),
            Cos => x.cos(),
            Tan => x.tan(),
            Asin => x.asin(),
            Acos => x.acos(),
            Atan => x.atan(),
            Sinh => x.sinh(),
            Cosh => x.cosh(),
            Asinh => x.asinh(),
            Acosh => x.acosh(),
            Atanh => x.atanh(),
            Erf => x.erf(),
            Ceil => x.ceil(),
            Floor => x.floor(),
            Round => x.round(),
            Trunc => x.trunc(),
            Sign if x.is_nan() => x,
            Sign => step(x > T::ZERO) - step(x < T::ZERO),
            Softsign => x / (T::ONE + x.abs()),
            Mish if x > T::of(MISH_LINEAR) => x,
            Mish => x * mish_gate(x).0,
            Celu(_) if x > T::ZERO => x,
            Celu(alpha) => {
                let alpha = T::of(alpha.into());
                alpha * (x / alpha).exp_m1()
            }
            ThresholdedRelu(alpha) => {
                if x > T::of(alpha.into()) {
                    x
                } else {
                    T::ZERO
                }
            }
            Shrink(lambd, bias) => {
                let (lambd, bias) = (T::of(lambd.into()), T::of(bias.into()));
                if x < -lambd {
                    x + bias
                } else if x > lambd {
                    x - bias
                } else {
                    T::ZERO
                }
            }
            IsNan => step(x.is_nan()),
            IsInf(negative, positive) => {
                let infinite = !x.is_nan() && !x.is_finite();
                step(infinite && if x < T::ZERO { negative } else { positive })
            }
            Not => step(x == T::ZERO),
            _ => unreachable!("{self:?} is not among the rare functions"),
        }
    }

    /// Its derivative, at what [`Function::saves_output`] says.
    pub(super) fn rare_slope<T: Real>(self, s: T) -> T {
        let step = |on: bool| if on { T::ONE } else { T::ZERO };
        match self {
            Sin => s.cos(),
            Cos => -s.sin(),
            Tan => T::ONE + s * s,
            Asin => T::ONE / ((T::ONE - s) * (T::ONE + s)).sqrt(),
            Acos => -T::ONE / ((T::ONE - s) * (T::ONE + s)).sqrt(),
            Atan => T::ONE / (T::ONE + s * s),
            Sinh => s.cosh(),
            Cosh => s.sinh(),
            Asinh => T::ONE / (T::ONE + s * s).sqrt(),
            Acosh => T::ONE / ((s - T::ONE) * (s + T::ONE)).sqrt(),
            Atanh => T::ONE / ((T::ONE - s) * (T::ONE + s)),
            Erf => (-s * s).exp() * T::of(std::f64::consts::FRAC_2_SQRT_PI),
            Softsign => {
                let y = T::ONE / (T::ONE + s.abs());
                y * y
            }
            Mish if s > T::of(MISH_LINEAR) => T::ONE,
            Mish => {
                let (gate, gate_slope) = mish_gate(s);
                gate + s * gate_slope
            }
            Celu(_) if s > T::ZERO => T::ONE,
            Celu(alpha) => (s / T::of(alpha.into())).exp(),
            ThresholdedRelu(alpha) => step(s > T::of(alpha.into())),
            Shrink(lambd, _) => step(s < T::of((-lambd).into()) || s > T::of(lambd.into())),
            _ => T::ZERO,
        }
    }
}

/// Above it mish is the identity, in f64 as well.
const MISH_LINEAR: f64 = 20.0;

/// `tanh(ln(1 + w))` for `w = e^x`, which is `n / (n + 2)` with `n = w (w + 2)`, and its
/// derivative by `x`.
fn mish_gate<T: Real>(x: T) -> (T, T) {
    let two = T::of(2.0);
    let w = x.exp();
    let n = w * (w + two);
    // 1 - tanh^2 = 4 (n + 1) / (n + 2)^2, times the sigmoid w / (1 + w), and n + 1 = (1 + w)^2.
    (n / (n + two), T::of(4.0) * w * (T::ONE + w) / ((n + two) * (n + two)))
}
