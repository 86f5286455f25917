//! The tolerance policy, in one place.
//!
//! A float sum of k terms carries an error that grows like the square root of
//! k (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., 2.8),
//! so an f32 result `g` agrees with the f64 judge's `c` when
//!
//! ```text
//! |g - c| <= (8 + extra) eps sqrt(k) (|c| + rms(c))
//! ```
//!
//! `k` is the case's declared reduction and `extra` its declared allowance for
//! inexact functions, which carries its reason in the case table. `rms(c)`
//! stands for the size of the terms where a result cancels to nearly nothing.

use super::Case;

/// No tolerance is ever looser than this, relative to `|c| + rms(c)`.
const CEILING: f64 = 1e-3;

/// The relative tolerance of a case.
pub fn relative(case: &Case) -> f64 {
    relative_to(&case.name, case.reduction, case.extra.map_or(0.0, |(ulps, _)| ulps))
}

/// The relative tolerance for sums of `reduction` terms and `extra` units in
/// the last place.
pub fn relative_to(name: &str, reduction: usize, extra: f64) -> f64 {
    let tolerance = (8.0 + extra) * f64::from(f32::EPSILON) * (reduction as f64).sqrt();
    assert!(tolerance <= CEILING, "{name}: a tolerance of {tolerance:.1e} exceeds the ceiling of {CEILING:.0e}");
    tolerance
}

/// [`relative_to`] at most, for ops at any shapes: there the ceiling is what is allowed.
pub fn relative_within(name: &str, reduction: usize, extra: f64) -> f64 {
    let largest = 0.999 * CEILING / ((8.0 + extra) * f64::from(f32::EPSILON));
    relative_to(name, reduction.min((largest * largest) as usize).max(1), extra)
}

/// Compares and describes the worst element, if any fails.
pub fn compare(what: &str, found: &[f32], judge: &[f64], relative: f64) -> Result<(), String> {
    assert_eq!(found.len(), judge.len(), "{what}: element counts");
    let finite: Vec<f64> = judge.iter().copied().filter(|v| v.is_finite()).collect();
    let rms = (finite.iter().map(|v| v * v).sum::<f64>() / finite.len().max(1) as f64).sqrt();
    let mut worst: Option<(f64, usize)> = None;
    for (i, (&g, &c)) in found.iter().zip(judge).enumerate() {
        let g = f64::from(g);
        let same = g == c || g.is_nan() && c.is_nan();
        let error = if same { 0.0 } else { (g - c).abs() / (c.abs() + rms) };
        // A NaN on one side only is never within any tolerance.
        let error = if error.is_nan() { f64::INFINITY } else { error };
        if error > relative && worst.is_none_or(|(e, _)| error > e) {
            worst = Some((error, i));
        }
    }
    match worst {
        None => Ok(()),
        Some((error, i)) => Err(format!(
            "{what}[{i}]: found {}, judge {}, relative error {error:.2e} > {relative:.2e} (rms {rms:.3e})",
            found[i], judge[i]
        )),
    }
}
