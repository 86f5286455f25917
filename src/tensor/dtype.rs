//! Element types.

use super::math;
use std::fmt;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision: numbers that are computed in f32 and kept in two
    /// bytes. Ops never see it: a plan decides what is kept so.
    F16,
    /// Unsigned integers: class labels, indices, counters, packed bytes.
    U32,
}

impl DType {
    /// Bytes per element.
    pub const fn bytes(self) -> usize {
        match self {
            DType::F16 => 2,
            DType::F32 | DType::U32 => 4,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::U32 => "u32",
        })
    }
}

/// The two float types that the CPU executor computes in: `f64` judges, `f32`
/// trains. Few methods on purpose: a `reference` reads like the formula.
pub trait Real:
    Copy
    + Send
    + Sync
    + Default
    + PartialOrd
    + fmt::Debug
    + fmt::Display
    + std::iter::Sum
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::SubAssign
    + std::ops::MulAssign
    + std::ops::DivAssign
    + 'static
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Converts a constant.
    fn of(x: f64) -> Self;
    /// Converts to f64.
    fn f64(self) -> f64;
    /// The whole part, for indexing; the nearest i32 where it is none.
    fn truncate(self) -> i32;
    /// e to the power of self.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + self), accurate near zero.
    fn ln_1p(self) -> Self;
    /// e^self - 1, accurate near zero.
    fn exp_m1(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Sine.
    fn sin(self) -> Self;
    /// Cosine.
    fn cos(self) -> Self;
    /// Tangent.
    fn tan(self) -> Self;
    /// Inverse sine.
    fn asin(self) -> Self;
    /// Inverse cosine.
    fn acos(self) -> Self;
    /// Inverse tangent.
    fn atan(self) -> Self;
    /// Hyperbolic sine.
    fn sinh(self) -> Self;
    /// Hyperbolic cosine.
    fn cosh(self) -> Self;
    /// Inverse hyperbolic sine.
    fn asinh(self) -> Self;
    /// Inverse hyperbolic cosine.
    fn acosh(self) -> Self;
    /// Inverse hyperbolic tangent.
    fn atanh(self) -> Self;
    /// The least whole number that is not below.
    fn ceil(self) -> Self;
    /// The largest whole number that is not above.
    fn floor(self) -> Self;
    /// The nearest whole number; of two, the even one.
    fn round(self) -> Self;
    /// The whole number towards zero.
    fn trunc(self) -> Self;
    /// What is left of division towards zero, exactly; has the sign of self.
    fn rem(self, o: Self) -> Self;
    /// Power.
    fn powf(self, e: Self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// The larger of two; NaN loses, as in IEEE maxNum.
    fn max(self, o: Self) -> Self;
    /// The smaller of two; NaN loses, as in IEEE minNum.
    fn min(self, o: Self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Not a number.
    fn is_nan(self) -> bool;
    /// The error function.
    fn erf(self) -> Self;
}

macro_rules! real {
    ($t:ident, $($f:ident => $path:path),*) => {
        impl Real for $t {
            const ZERO: $t = 0.0;
            const ONE: $t = 1.0;
            #[inline(always)]
            fn of(x: f64) -> $t {
                x as $t
            }
            #[inline(always)]
            fn f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn truncate(self) -> i32 {
                self as i32
            }
            $(#[inline(always)] fn $f(self) -> $t { $path(self) })*
            real!(@unary $t: sqrt sin cos abs ceil floor trunc);
            #[inline(always)]
            fn round(self) -> $t {
                $t::round_ties_even(self)
            }
            #[inline(always)]
            fn rem(self, o: $t) -> $t {
                self % o
            }
            #[inline(always)]
            fn powf(self, e: $t) -> $t {
                $t::powf(self, e)
            }
            #[inline(always)]
            fn max(self, o: $t) -> $t {
                $t::max(self, o)
            }
            #[inline(always)]
            fn min(self, o: $t) -> $t {
                $t::min(self, o)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
        }
    };
    (@unary $t:ident: $($f:ident)*) => {
        $(#[inline(always)] fn $f(self) -> $t { $t::$f(self) })*
    };
}

// The functions that a step spends its time in: in f32 they vectorise, in f64
// they judge. The rarer ones are libm's, which are the same on every machine.
real!(f32, exp => math::exp, ln => math::ln, ln_1p => math::ln_1p, exp_m1 => math::exp_m1, tanh => math::tanh, erf => math::erf,
    tan => libm::tanf, asin => libm::asinf, acos => libm::acosf, atan => libm::atanf, sinh => libm::sinhf,
    cosh => libm::coshf, asinh => libm::asinhf, acosh => libm::acoshf, atanh => libm::atanhf);
real!(f64, exp => f64::exp, ln => f64::ln, ln_1p => f64::ln_1p, exp_m1 => f64::exp_m1, tanh => f64::tanh, erf => libm::erf,
    tan => libm::tan, asin => libm::asin, acos => libm::acos, atan => libm::atan, sinh => libm::sinh,
    cosh => libm::cosh, asinh => libm::asinh, acosh => libm::acosh, atanh => libm::atanh);
