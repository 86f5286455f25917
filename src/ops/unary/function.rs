//! The functions: their codes and constants in the shader, values and derivatives.

use crate::tensor::Real;
use Function::*;

/// The function applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// `x` above zero, `slope * x` below.
    LeakyRelu(f32),
    /// `x` above zero, `alpha * (e^x - 1)` below.
    Elu(f32),
    /// `x * Phi(x)`, with the exact normal distribution function.
    Gelu,
    /// `x/2 * (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
    GeluTanh,
    /// `x * sigmoid(x)`.
    Silu,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `ln(1 + e^x)`.
    Softplus,
    /// `x * clamp(x + 3, 0, 6) / 6`.
    HardSwish,
    /// `e^x`.
    Exp,
    /// Natural logarithm.
    Ln,
    /// Square root.
    Sqrt,
    /// `x * x`.
    Square,
    /// `|x|`.
    Abs,
    /// `a * x + b`.
    Affine(f32, f32),
    /// `1 / x`.
    Reciprocal,
    /// Sine of an angle in radians.
    Sin,
    /// Cosine of an angle in radians.
    Cos,
    /// Tangent of an angle in radians.
    Tan,
    /// Inverse sine; NaN outside [-1, 1].
    Asin,
    /// Inverse cosine; NaN outside [-1, 1].
    Acos,
    /// Inverse tangent.
    Atan,
    /// Hyperbolic sine.
    Sinh,
    /// Hyperbolic cosine.
    Cosh,
    /// Inverse hyperbolic sine.
    Asinh,
    /// Inverse hyperbolic cosine; NaN below 1.
    Acosh,
    /// Inverse hyperbolic tangent; NaN outside [-1, 1].
    Atanh,
    /// The error function.
    Erf,
    /// The least whole number that is not below `x`.
    Ceil,
    /// The largest whole number that is not above `x`.
    Floor,
    /// The nearest whole number; of two, the even one.
    Round,
    /// The whole number towards zero.
    Trunc,
    /// -1, 0 or 1.
    Sign,
    /// `max(0, min(1, a * x + b))`.
    HardSigmoid(f32, f32),
    /// `x / (1 + |x|)`.
    Softsign,
    /// `x * tanh(ln(1 + e^x))`.
    Mish,
    /// `x` above zero, `alpha * (e^(x / alpha) - 1)` below; `alpha` is not 0.
    Celu(f32),
    /// `x` above `alpha`, else 0.
    ThresholdedRelu(f32),
    /// `min(max(x, low), high)`; NaN stays NaN. Minus infinity and infinity are
    /// no bounds.
    Clip(f32, f32),
    /// With `lambd` and `bias`: `x + bias` below `-lambd`, `x - bias` above
    /// `lambd`, else 0.
    Shrink(f32, f32),
    /// 1 where `x` is not a number, else 0.
    IsNan,
    /// 1 where `x` is minus infinity, if the first is set, or infinity, if the
    /// second is; else 0.
    IsInf(bool, bool),
    /// 1 where `x` is 0, else 0.
    Not,
}

impl Function {
    /// The value of `FUNCTION` in the shader.
    pub(super) fn code(self) -> usize {
        match self {
            Relu => 0,
            LeakyRelu(_) => 1,
            Elu(_) => 2,
            Gelu => 3,
            GeluTanh => 4,
            Silu => 5,
            Sigmoid => 6,
            Tanh => 7,
            Softplus => 8,
            HardSwish => 9,
            Exp => 10,
            Ln => 11,
            Sqrt => 12,
            Square => 13,
            Abs => 14,
            Affine(..) => 15,
            // From here on they are in `lib/elementary`.
            Reciprocal => FIRST_ELEMENTARY,
            Sin => 17,
            Cos => 18,
            Tan => 19,
            Asin => 20,
            Acos => 21,
            Atan => 22,
            Sinh => 23,
            Cosh => 24,
            Asinh => 25,
            Acosh => 26,
            Atanh => 27,
            Erf => 28,
            Ceil => 29,
            Floor => 30,
            Round => 31,
            Trunc => 32,
            Sign => 33,
            HardSigmoid(..) => 34,
            Softsign => 35,
            Mish => 36,
            Celu(_) => 37,
            // WGSL has no infinity to compare with.
            Clip(low, high) => match (low.is_finite(), high.is_finite()) {
                (true, true) => 38,
                (true, false) => 39,
                (false, true) => 40,
                (false, false) => 41,
            },
            // From here on NaN is an input like others.
            ThresholdedRelu(_) => 42,
            Shrink(..) => 43,
            IsNan => 44,
            IsInf(..) => 45,
            Not => 46,
        }
    }

    /// The constants `A` and `B` of the shader.
    pub(super) fn constants(self) -> (f32, f32) {
        let finite = |bound: f32| if bound.is_finite() { bound } else { 0.0 };
        match self {
            LeakyRelu(a) | Elu(a) | Celu(a) | ThresholdedRelu(a) => (a, 0.0),
            Affine(a, b) | HardSigmoid(a, b) | Shrink(a, b) => (a, b),
            Clip(low, high) => (finite(low), finite(high)),
            IsInf(negative, positive) => (f32::from(u8::from(negative)), f32::from(u8::from(positive))),
            _ => (0.0, 0.0),
        }
    }

    /// Whether the kernels compute it by `lib/elementary`, not by `lib/activation`.
    pub(super) fn is_elementary(self) -> bool {
        self.code() >= FIRST_ELEMENTARY
    }

    /// Whether its derivative is zero wherever it has one.
    pub(super) fn constant_in_pieces(self) -> bool {
        matches!(self, Ceil | Floor | Round | Trunc | Sign)
    }

    /// Whether it answers a question with 1 or 0, through which no gradient goes.
    pub(super) fn answers(self) -> bool {
        matches!(self, IsNan | IsInf(..) | Not)
    }

    /// What is wrong with its constants.
    pub(super) fn mistake(self) -> Option<String> {
        let (a, b) = self.constants();
        match self {
            Clip(low, high) if low.is_nan() || high.is_nan() || low == f32::INFINITY || high == f32::NEG_INFINITY => {
                Some(format!("clip from {low} to {high}: expected bounds that numbers can keep"))
            }
            Celu(0.0) => Some("celu's alpha is 0; expected any other number".into()),
            f if f.is_elementary() && !(a.is_finite() && b.is_finite()) => {
                Some(format!("{f:?}: expected constants that are finite"))
            }
            _ => None,
        }
    }

    /// What the backward pass keeps: the output where the derivative follows
    /// from it, else the input.
    pub(super) fn saves_output(self) -> bool {
        match self {
            Relu | Sigmoid | Tanh | Exp | Sqrt | Reciprocal | Tan => true,
            // Below zero the sign of the input must survive in the output.
            LeakyRelu(slope) => slope > 0.0,
            _ => false,
        }
    }

    #[inline(always)]
    pub(super) fn value<T: Real>(self, x: T) -> T {
        let half = T::of(0.5);
        match self {
            Relu => {
                if x <= T::ZERO {
                    T::ZERO
                } else {
                    x
                }
            }
            LeakyRelu(slope) => {
                if x <= T::ZERO {
                    T::of(slope.into()) * x
                } else {
                    x
                }
            }
            Elu(alpha) => {
                if x <= T::ZERO {
                    T::of(alpha.into()) * x.exp_m1()
                } else {
                    x
                }
            }
            Gelu => half * x * (T::ONE + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf()),
            GeluTanh => half * x * (T::ONE + gelu_inner(x).tanh()),
            Silu => x * sigmoid(x),
            Sigmoid => sigmoid(x),
            Tanh => x.tanh(),
            Softplus => x.max(T::ZERO) + (-x.abs()).exp().ln_1p(),
            HardSwish => x * (x + T::of(3.0)).max(T::ZERO).min(T::of(6.0)) / T::of(6.0),
            Exp => x.exp(),
            Ln => x.ln(),
            Sqrt => x.sqrt(),
            Square => x * x,
            Abs => x.abs(),
            Affine(a, b) => T::of(a.into()) * x + T::of(b.into()),
            Reciprocal => T::ONE / x,
            HardSigmoid(a, b) => within(T::of(a.into()) * x + T::of(b.into()), T::ZERO, T::ONE),
            Clip(low, high) => within(x, T::of(low.into()), T::of(high.into())),
            rare => rare.rare_value(x),
        }
    }

    /// `d_y f'`. Where relu is flat, not even infinity gets through.
    #[inline(always)]
    pub(super) fn pull<T: Real>(self, s: T, d_y: T) -> T {
        match self {
            Relu if s > T::ZERO => d_y,
            Relu => T::ZERO,
            _ => d_y * self.slope(s),
        }
    }

    /// The derivative; `s` is what [`Function::saves_output`] says.
    #[inline(always)]
    fn slope<T: Real>(self, s: T) -> T {
        let step = |on: bool| if on { T::ONE } else { T::ZERO };
        match self {
            Relu => step(s > T::ZERO),
            LeakyRelu(slope) => {
                if s > T::ZERO {
                    T::ONE
                } else {
                    T::of(slope.into())
                }
            }
            Elu(alpha) => {
                if s > T::ZERO {
                    T::ONE
                } else {
                    T::of(alpha.into()) * s.exp()
                }
            }
            Gelu => {
                let density = (-s * s * T::of(0.5)).exp() * T::of(1.0 / (2.0 * std::f64::consts::PI).sqrt());
                T::of(0.5) * (T::ONE + (s * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf()) + s * density
            }
            GeluTanh => {
                let t = gelu_inner(s).tanh();
                let inner = T::of(GELU_C) * (T::ONE + T::of(3.0 * GELU_CUBE) * s * s);
                T::of(0.5) * (T::ONE + t) + T::of(0.5) * s * (T::ONE - t * t) * inner
            }
            Silu => {
                let y = sigmoid(s);
                y * (T::ONE + s * (T::ONE - y))
            }
            Sigmoid => s * (T::ONE - s),
            Tanh => T::ONE - s * s,
            Softplus => sigmoid(s),
            HardSwish => {
                if s <= T::of(-3.0) {
                    T::ZERO
                } else if s >= T::of(3.0) {
                    T::ONE
                } else {
                    s / T::of(3.0) + T::of(0.5)
                }
            }
            Exp => s,
            Ln => T::ONE / s,
            Sqrt => T::of(0.5) / s,
            Square => T::of(2.0) * s,
            Abs => step(s > T::ZERO) - step(s < T::ZERO),
            Affine(a, _) => T::of(a.into()),
            Reciprocal => -s * s,
            HardSigmoid(a, b) => {
                let y = T::of(a.into()) * s + T::of(b.into());
                if y > T::ZERO && y < T::ONE { T::of(a.into()) } else { T::ZERO }
            }
            Clip(low, high) => step(s >= T::of(low.into()) && s <= T::of(high.into())),
            rare => rare.rare_slope(s),
        }
    }
}

/// `min(max(x, low), high)`; NaN stays NaN.
#[inline(always)]
fn within<T: Real>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// The first code of `lib/elementary`.
const FIRST_ELEMENTARY: usize = 16;

/// sqrt(2 / pi), and the cube's factor, of the tanh form of GELU.
const GELU_C: f64 = 0.797_884_560_802_865_4;
const GELU_CUBE: f64 = 0.044_715;

#[inline(always)]
fn gelu_inner<T: Real>(x: T) -> T {
    T::of(GELU_C) * (x + T::of(GELU_CUBE) * x * x * x)
}

/// Never computes the exponential of a positive number.
#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    let e = (-x.abs()).exp();
    (if x < T::ZERO { e } else { T::ONE }) / (T::ONE + e)
}
