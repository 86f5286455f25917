//! The elements of an axis that a place of the grid reads, with their weights.

use super::{GridSample, Mode, Padding};
use crate::tensor::Real;

/// An element along an axis, its weight, and the weight's derivative by the place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap<T> {
    /// `None` outside the axis.
    pub at: Option<usize>,
    pub weight: T,
    pub slope: T,
}

/// The taps of an axis; those that a mode does not have are outside it.
pub(super) type Taps<T> = [Tap<T>; 4];

/// The factor of the cubic kernel, as PyTorch's.
const CUBIC: f64 = -0.75;

fn near<T: Real>(t: T) -> [T; 2] {
    let c = T::of(CUBIC);
    let (two, three) = (T::of(2.0), T::of(3.0));
    let value = ((c + two) * t - (c + three)) * t * t + T::ONE;
    [value, (three * (c + two) * t - two * (c + three)) * t]
}

fn far<T: Real>(t: T) -> [T; 2] {
    let c = T::of(CUBIC);
    let value = ((c * t - T::of(5.0) * c) * t + T::of(8.0) * c) * t - T::of(4.0) * c;
    [value, (T::of(3.0) * c * t - T::of(10.0) * c) * t + T::of(8.0) * c]
}

fn inside<T: Real>(c: T, size: usize) -> Option<usize> {
    (c >= T::ZERO && c < T::of(size as f64)).then(|| c.f64() as usize)
}

impl GridSample {
    /// A coordinate that is brought into an axis of length `size`, and its slope.
    fn bounded<T: Real>(&self, mut at: T, mut slope: T, size: usize) -> (T, T) {
        let end = T::of(size as f64 - 1.0);
        if self.padding == Padding::Zeros {
            return (at, slope);
        }
        if self.padding == Padding::Reflection {
            let (low, span) = if self.align_corners { (T::ZERO, end) } else { (T::of(-0.5), T::of(size as f64)) };
            if span <= T::ZERO {
                return (T::ZERO, T::ZERO);
            }
            let distance = (at - low).abs();
            let flips = (distance / span).floor();
            let rest = distance - flips * span;
            let even = (T::of(0.5) * flips).floor() == T::of(0.5) * flips;
            slope = if (at >= low) == even { slope } else { -slope };
            at = if even { rest } else { span - rest } + low;
        }
        if at <= T::ZERO {
            (T::ZERO, T::ZERO)
        } else if at >= end {
            (end, T::ZERO)
        } else {
            (at, slope)
        }
    }

    /// The taps of place `v` on an axis of length `size`.
    pub(super) fn taps<T: Real>(&self, v: T, size: usize) -> Taps<T> {
        let (half, length) = (T::of(0.5), T::of(size as f64));
        let (mut c, mut slope) = match self.align_corners {
            true => (half * (v + T::ONE) * (length - T::ONE), half * (length - T::ONE)),
            false => (half * ((v + T::ONE) * length - T::ONE), half * length),
        };
        if self.mode != Mode::Bicubic {
            (c, slope) = self.bounded(c, slope, size);
        }
        let none = Tap { at: None, weight: T::ZERO, slope: T::ZERO };
        // Not a number, or so far out that no integer counts it.
        if v.is_nan() || c.is_nan() || c.abs() > T::of(1e9) {
            return [none; 4];
        }
        let base = c.floor();
        let t = c - base;
        let tap = |at: Option<usize>, [weight, by_t]: [T; 2]| Tap { at, weight, slope: by_t * slope };
        match self.mode {
            Mode::Nearest => [Tap { at: inside(c.round(), size), weight: T::ONE, slope: T::ZERO }, none, none, none],
            Mode::Bilinear => {
                let behind = tap(inside(base, size), [T::ONE - t, -T::ONE]);
                [behind, tap(inside(base + T::ONE, size), [t, T::ONE]), none, none]
            }
            Mode::Bicubic => {
                // The kernel's argument falls with t on the far side.
                let falls = |[value, slope]: [T; 2]| [value, -slope];
                let at = |by: f64| {
                    let (c, _) = self.bounded(base + T::of(by), T::ZERO, size);
                    inside((c + half).floor(), size)
                };
                [
                    tap(at(-1.0), far(t + T::ONE)),
                    tap(at(0.0), near(t)),
                    tap(at(1.0), falls(near(T::ONE - t))),
                    tap(at(2.0), falls(far(T::of(2.0) - t))),
                ]
            }
        }
    }
}
