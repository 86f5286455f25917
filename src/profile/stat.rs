//! A figure measured several times.

use serde::{Deserialize, Serialize};

/// The middle and the spread of several measurements, robust against the few
/// that something else disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Stat {
    /// The median.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// The standard deviation that normal noise with the same median absolute
    /// deviation would have.
    pub sigma: f64,
}

impl Stat {
    /// The figures of some values; zeros of none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Stat {
        let mut values: Vec<f64> = values.into_iter().collect();
        let middle = median(&mut values);
        let (low, high) = (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0));
        let mut away: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
        // For normal noise half of all lie within 0.6745 standard deviations.
        Stat { median: middle, low, high, sigma: median(&mut away) / 0.6745 }
    }
}

/// Sorts, and gives the middle.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stray_value_moves_nothing() {
        let s = Stat::of([10.0, 11.0, 9.0, 10.0, 500.0]);
        assert_eq!((s.median, s.low, s.high), (10.0, 9.0, 500.0));
        assert!((s.sigma - 1.0 / 0.6745).abs() < 1e-12, "{s:?}");
        assert_eq!(Stat::of([1.0, 3.0]).median, 2.0);
        assert_eq!(Stat::of([]), Stat::default());
    }
}
