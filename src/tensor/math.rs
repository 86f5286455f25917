//! Elementary functions in f32 without branches, so that loops over them become
//! vector instructions, and without fused multiply-adds, so that every machine
//! computes the same bits. Within 2 units in the last place over all of f32,
//! with the usual answers for infinities and NaN; the tests measure it.
//!
//! Sources: the reductions of Moshier's Cephes library and its polynomials of tanhf
//! and logf; a minimax polynomial for exp, within 5e-9; erf in two pieces, `a + a
//! P(a^2)` and `1 - exp(-a - a Q(a))`, after Juffa.

// Coefficients stand as they were fitted.
#![allow(clippy::excessive_precision)]

use std::f32::consts::LOG2_E;

/// Adding it rounds a number below 2^22 to a whole one, which then stands in
/// the last bits.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts; a small whole number times the first is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// 2^n for -126 <= n <= 127.
#[inline(always)]
fn power(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}

/// `n` and `e^r - 1` with `x = n ln 2 + r`, `|r| <= ln(2) / 2`.
#[inline(always)]
fn reduced(x: f32) -> (i32, f32) {
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.395_084_9e-3;
    for c in [8.369_097e-3, 4.166_620_2e-2, 1.666_651_7e-1, 0.5] {
        p = p * r + c;
    }
    ((shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32), p * r * r + r)
}

/// e to the power of `x`.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Beyond these the result is infinity and zero; NaN passes both.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.5 { -104.5 } else { x };
    let (n, p) = reduced(x);
    // In two steps, so that results below the normal numbers round once.
    let half = n >> 1;
    (p + 1.0) * power(half) * power(n.wrapping_sub(half))
}

/// e to the power of `x`, minus 1.
#[inline(always)]
pub fn exp_m1(x: f32) -> f32 {
    let bounded = if x > 89.0 { 89.0 } else { x };
    let bounded = if bounded < -20.0 { -20.0 } else { bounded };
    let (n, p) = reduced(bounded);
    // Half of 2^n, which is a number where 2^n is none.
    let half = power(n.wrapping_sub(1));
    let y = 2.0 * (half * p + (half - 0.5));
    if x == 0.0 { x } else { y }
}

/// Natural logarithm.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    // Numbers below the normal ones are brought up.
    let small = x < f32::MIN_POSITIVE;
    let bits = (if small { x * 8_388_608.0 } else { x }).to_bits() as i32;
    let n = bits.wrapping_sub(0x3f35_04f3) >> 23;
    let m = f32::from_bits(bits.wrapping_sub(n << 23) as u32) - 1.0;
    let n = (n - if small { 23 } else { 0 }) as f32;
    let mut p = 7.037_683_6e-2;
    for c in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333_1e-1,
    ] {
        p = p * m + c;
    }
    let z = m * m;
    let y = (m + (p * m * z + n * LN2_LOW - 0.5 * z)) + n * LN2_HIGH;
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    // Also where x is NaN.
    if x >= 0.0 { y } else { f32::NAN }
}

/// ln(1 + x).
#[inline(always)]
pub fn ln_1p(x: f32) -> f32 {
    let u = 1.0 + x;
    // What rounding took from 1 + x.
    let y = ln(u) + (x - (u - 1.0)) / u;
    let y = if u == 1.0 { x } else { y };
    let y = if x == f32::INFINITY { x } else { y };
    if x == -1.0 { f32::NEG_INFINITY } else { y }
}

/// Hyperbolic tangent.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let z = x * x;
    let mut p = -5.704_988_7e-3;
    for c in [2.063_908_9e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328_2e-1] {
        p = p * z + c;
    }
    let near = p * z * x + x;
    let far = 1.0 - 2.0 / (exp(a + a) + 1.0);
    // Both have the sign of x, but for the sum of two zeros.
    (if a < 0.625 { near } else { far }).copysign(x)
}

/// The error function.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let a = x.abs();
    let z = x * x;
    let mut p = -5.967_617e-4;
    for c in [4.991_194_2e-3, -2.676_813_5e-2, 1.128_199_25e-1, -3.761_253_4e-1, 1.283_791_7e-1] {
        p = p * z + c;
    }
    let near = p * x + x;
    // Beyond 4 it is 1; the polynomial need not hold there.
    let b = if a > 4.0 { 4.0 } else { a };
    let mut q = -1.728_534_7e-5;
    for c in [3.831_971_3e-4, -3.883_964_4e-3, 2.425_462_2e-2, -1.067_778_8e-1, -6.348_468_7e-1, -1.287_175_1e-1] {
        q = q * b + c;
    }
    let far = (1.0 - exp(q * b - b)).copysign(x);
    let y = if a < 0.927_734_4 { near } else { far };
    if x.is_nan() { x } else { y }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units in the last place between a result and the exact one.
    fn ulps(found: f32, exact: f64) -> f64 {
        let nearest = exact as f32;
        if found == nearest || found.is_nan() && exact.is_nan() {
            return 0.0;
        }
        if !(found.is_finite() && nearest.is_finite()) {
            return f64::INFINITY;
        }
        let exponent = ((nearest.abs().to_bits() >> 23) as i32).max(1) - 150;
        (f64::from(found) - exact).abs() / 2f64.powi(exponent)
    }

    /// Every `step`th of all f32: the worst error, and where.
    fn worst(step: usize, f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> (f64, f32) {
        let all = (0..=u32::MAX).step_by(step).map(f32::from_bits);
        let errors = all.map(|x| (ulps(f(x), exact(f64::from(x))), x));
        errors.fold((0.0, 0.0), |worst, e| if e.0 > worst.0 { e } else { worst })
    }

    /// One number of all f32 in so many; 1 takes a few minutes.
    fn step() -> usize {
        std::env::var("WGRAD_MATH_STEP").ok().and_then(|s| s.parse().ok()).unwrap_or(4099)
    }

    #[test]
    fn functions_are_within_two_units_in_the_last_place() {
        for (name, f, exact) in [
            ("exp", exp as fn(f32) -> f32, f64::exp as fn(f64) -> f64),
            ("exp_m1", exp_m1, f64::exp_m1),
            ("ln", ln, f64::ln),
            ("ln_1p", ln_1p, f64::ln_1p),
            ("tanh", tanh, f64::tanh),
            ("erf", erf, libm::erf),
        ] {
            let (error, at) = worst(step(), f, exact);
            println!("{name}: {error:.3} ulp at {at:e}");
            assert!(error <= 2.0, "{name}({at:e}) = {:e}, {error:.2} ulp from {:e}", f(at), exact(at.into()));
        }
    }

    #[test]
    fn the_ends_of_f32_are_right() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        assert_eq!([exp(inf), exp(-inf), exp(88.8), exp(-104.0)], [inf, 0.0, inf, 0.0]);
        assert_eq!(exp(-100.0), (-100f64).exp() as f32, "a subnormal number");
        assert_eq!([exp_m1(inf), exp_m1(-inf), exp_m1(0.0)], [inf, -1.0, 0.0]);
        assert_eq!([ln(0.0), ln(-0.0), ln(inf), ln(1.0)], [-inf, -inf, inf, 0.0]);
        assert_eq!(ln(1e-45), f64::from(1e-45f32).ln() as f32);
        assert_eq!([ln_1p(-1.0), ln_1p(inf), ln_1p(0.0)], [-inf, inf, 0.0]);
        assert_eq!([tanh(inf), tanh(-inf), erf(inf), erf(-inf)], [1.0, -1.0, 1.0, -1.0]);
        assert!(ln(-1.0).is_nan() && ln_1p(-1.5).is_nan());
        for f in [exp, exp_m1, ln, ln_1p, tanh, erf] {
            assert!(f(nan).is_nan());
        }
        for f in [exp_m1, ln_1p, tanh, erf] {
            assert_eq!(f(-0.0).to_bits(), (-0.0f32).to_bits());
        }
    }
}
