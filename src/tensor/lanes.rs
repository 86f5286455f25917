//! Sums and maxima of slices in lanes: several vector registers for the
//! compiler, and shorter sums for the rounding. Lane `i` takes the elements `i`,
//! `i + LANES` and so on, so the order is the same on every machine.

use super::Real;

/// Running results side by side.
const LANES: usize = 16;

/// The sum of `term(x)` over a slice.
#[inline(always)]
pub fn sum<T: Real>(x: &[T], term: impl Fn(T) -> T) -> T {
    let mut sums = [T::ZERO; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for (sum, &x) in sums.iter_mut().zip(rest) {
        *sum = term(x);
    }
    for x in blocks {
        for i in 0..LANES {
            sums[i] += term(x[i]);
        }
    }
    total(sums)
}

/// The sum of `term(a, b)` over a pair of slices of one length.
#[inline(always)]
pub fn sum2<T: Real>(a: &[T], b: &[T], term: impl Fn(T, T) -> T) -> T {
    let mut sums = [T::ZERO; LANES];
    let ((blocks_a, rest_a), (blocks_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for ((sum, &a), &b) in sums.iter_mut().zip(rest_a).zip(rest_b) {
        *sum = term(a, b);
    }
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        for i in 0..LANES {
            sums[i] += term(a[i], b[i]);
        }
    }
    total(sums)
}

/// The sums of two terms. In two passes: a loop of two sums becomes no vector
/// instructions, and a row is still close by.
#[inline(always)]
pub fn sums<T: Real>(a: &[T], b: &[T], term: impl Fn(T, T) -> [T; 2]) -> [T; 2] {
    [sum2(a, b, |a, b| term(a, b)[0]), sum2(a, b, |a, b| term(a, b)[1])]
}

/// The largest element. NaN loses; minus infinity, if there is nothing else.
#[inline(always)]
pub fn max<T: Real>(x: &[T]) -> T {
    // A comparison, because `max` has to look for NaN on both sides.
    let larger = |a: T, b: T| if b > a { b } else { a };
    let mut largest = [T::of(f64::NEG_INFINITY); LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for (largest, &x) in largest.iter_mut().zip(rest) {
        *largest = larger(*largest, x);
    }
    for x in blocks {
        for i in 0..LANES {
            largest[i] = larger(largest[i], x[i]);
        }
    }
    largest.into_iter().fold(largest[0], larger)
}

/// The sum of the lanes, as a tree.
#[inline(always)]
fn total<T: Real>(mut lanes: [T; LANES]) -> T {
    let mut span = LANES / 2;
    while span > 0 {
        for i in 0..span {
            lanes[i] += lanes[i + span];
        }
        span /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_counts_once() {
        for n in [1, 15, 16, 17, 32, 50] {
            let x: Vec<f64> = (0..n).map(|i| f64::from(i * 7 % 11) - 20.0).collect();
            let y: Vec<f64> = x.iter().map(|v| v * v + 1.0).collect();
            assert_eq!(sum(&x, |v| 2.0 * v), 2.0 * x.iter().sum::<f64>());
            let both = [x.iter().zip(&y).map(|(a, b)| a * b).sum::<f64>(), y.iter().sum()];
            assert_eq!(sums(&x, &y, |a, b| [a * b, b]), both);
            assert_eq!(max(&x), x.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        }
        assert_eq!(max(&[f32::NAN, -3.0]), -3.0);
        assert_eq!(max(&[f32::NAN]), f32::NEG_INFINITY);
    }
}
