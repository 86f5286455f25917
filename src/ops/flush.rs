//! Where numbers fade away, they end at zero. Moments, averages and decaying
//! weights are multiplied by a number below one again and again; left alone they
//! reach the subnormal numbers, below 1.2e-38, and stay there, because 0.9 times
//! the smallest of them rounds to itself. A CPU takes a hundred times as long for
//! each of those, and a GPU may or may not take them for zero.
//!
//! So the formulas of the rooms that keep such state say where zero begins, and
//! every device follows. The bounds leave room for what is done with the numbers
//! next: a learning rate times the smallest moment, or a decay times the
//! smallest average of squares, is a normal number.
//!
//! The processor's own flush mode would do this for every operation at no cost,
//! and is not used: see `docs/rejected.md`.

use crate::kernel::Kernel;
use crate::tensor::Real;

/// A name in WGSL, and the number below which something is zero.
pub(super) type Bound = (&'static str, f64);

/// Moments, running means and updated weights below this are zero.
pub(super) const LEAST: Bound = ("LEAST", 1e-30);

/// Averages of squares below this are zero. Their roots are below 1e-18, which is
/// nothing beside the `eps` of an optimiser.
pub(super) const LEAST_SQUARE: Bound = ("LEAST_SQUARE", 1e-36);

/// Numbers below this are zero where their squares are averaged.
pub(super) const LEAST_SQUARED: Bound = ("LEAST_SQUARED", 1e-17);

/// Numbers below this are zero where their squares are summed.
pub(super) const LEAST_SUMMED: Bound = ("LEAST_SUMMED", 1e-18);

#[inline(always)]
fn below<T: Real>(x: T, (_, least): Bound) -> T {
    // NaN is not below anything, and stays.
    if x.abs() < T::of(least) { T::ZERO } else { x }
}

/// A moment, a running mean or an updated weight.
#[inline(always)]
pub(super) fn value<T: Real>(x: T) -> T {
    below(x, LEAST)
}

/// An average of squares.
#[inline(always)]
pub(super) fn square<T: Real>(x: T) -> T {
    below(x, LEAST_SQUARE)
}

/// A number whose square is to be averaged.
#[inline(always)]
pub(super) fn to_square<T: Real>(x: T) -> T {
    below(x, LEAST_SQUARED)
}

/// A number whose square is to be summed.
#[inline(always)]
pub(super) fn to_sum<T: Real>(x: T) -> T {
    below(x, LEAST_SUMMED)
}

/// Adds the bounds that a file names as constants, and `flush` and `flush4`, which
/// apply one.
pub(super) fn bounds(k: Kernel, named: &[Bound]) -> Kernel {
    let k = k.line("flush", "// include: lib/flush".into());
    named.iter().fold(k, |k, &(name, least)| k.line(name, format!("const {name}: f32 = {least:e};")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_stays_normal_where_it_is_used() {
        let smallest = f64::from(f32::MIN_POSITIVE);
        assert!(LEAST.1 * 1e-7 > smallest, "a learning rate times a moment");
        assert!(LEAST_SQUARE.1 * 0.1 > smallest, "a decay times an average of squares");
        assert!(LEAST_SQUARED.1.powi(2) * 1e-3 > smallest, "the share of a square in its average");
        assert!(LEAST_SUMMED.1.powi(2) > smallest, "a square");
    }

    #[test]
    fn bounds_hold_on_both_sides_of_zero_and_nan_stays() {
        assert_eq!([value(9e-31f32), value(-9e-31), value(-2e-30)], [0.0, 0.0, -2e-30]);
        assert_eq!([value(f64::INFINITY), value(5e-324)], [f64::INFINITY, 0.0]);
        assert!(value(f32::NAN).is_nan());
    }
}
