//! Calibration: does a probability of 0.8 come true eight times in ten?

use super::ratio;
use serde::{Deserialize, Serialize};

/// Bins of equal width that [`Bin`]s are made of.
pub(super) const BINS: usize = 15;

/// Samples whose highest probability lies in `(low, high]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower bound, exclusive.
    pub low: f64,
    /// Upper bound, inclusive.
    pub high: f64,
    /// Samples in it.
    pub count: u64,
    /// Their mean confidence; 0 if there are none.
    pub confidence: f64,
    /// The share of them that is right; 0 if there are none.
    pub accuracy: f64,
}

/// The bin of a confidence.
fn bin_of(confidence: f64) -> usize {
    ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1
}

/// Sorts samples into bins: `sample(i)` gives confidence and whether it is
/// right.
pub(super) fn bins(n: usize, sample: impl Fn(usize) -> (f64, bool)) -> Vec<Bin> {
    let mut sums = [(0u64, 0.0, 0u64); BINS];
    for i in 0..n {
        let (confidence, right) = sample(i);
        let (count, total, hits) = &mut sums[bin_of(confidence)];
        *count += 1;
        *total += confidence;
        *hits += u64::from(right);
    }
    let bin = |(i, &(count, total, hits)): (usize, &(u64, f64, u64))| Bin {
        low: i as f64 / BINS as f64,
        high: (i + 1) as f64 / BINS as f64,
        count,
        confidence: ratio(total, count as f64),
        accuracy: ratio(hits as f64, count as f64),
    };
    sums.iter().enumerate().map(bin).collect()
}

/// Expected calibration error (Guo et al., "On Calibration of Modern Neural
/// Networks", 2017): the mean distance of confidence and accuracy, weighted by
/// samples.
pub(super) fn expected_error(bins: &[Bin]) -> f64 {
    let n: u64 = bins.iter().map(|b| b.count).sum();
    let off: f64 = bins.iter().map(|b| b.count as f64 * (b.confidence - b.accuracy).abs()).sum();
    ratio(off, n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_belong_to_the_lower_bin() {
        assert_eq!([0.0, 1e-9, 1.0 / 15.0, 0.07, 1.0].map(bin_of), [0, 0, 0, 1, 14]);
        let b = bins(4, |i| (0.75, i < 3));
        assert_eq!(b[11].count, 4);
        assert_eq!(expected_error(&b), 0.0);
        assert_eq!(expected_error(&bins(2, |_| (1.0, false))), 1.0);
    }
}
