//! Numbers that describe numbers.

use serde::Serialize;

/// How the numbers of a column are spread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// How many there are.
    pub count: usize,
    /// The smallest.
    pub min: f64,
    /// The first quartile.
    pub q1: f64,
    /// The median.
    pub median: f64,
    /// The third quartile.
    pub q3: f64,
    /// The largest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the numbers themselves (dividing by `count`).
    pub std: f64,
}

impl Summary {
    /// Describes some numbers; `None` when there are none.
    pub fn of(mut numbers: Vec<f64>) -> Option<Summary> {
        Summary::of_any(&mut numbers)
    }

    /// [`of`](Summary::of) numbers in any order, which is another afterwards: sorting them all
    /// would take several times as long.
    pub(super) fn of_any(numbers: &mut [f64]) -> Option<Summary> {
        let n = numbers.len() as f64;
        let min = numbers.iter().copied().min_by(f64::total_cmp)?;
        let max = numbers.iter().copied().max_by(f64::total_cmp)?;
        let (mean, std) = mean_and_deviation(numbers, min == max);
        let [median, q1, q3] = [0.5, 0.25, 0.75].map(|q| selected(numbers, q * (n - 1.0)));
        Some(Summary { count: numbers.len(), min, q1, median, q3, max, mean, std })
    }

    /// [`of`](Summary::of) numbers that are sorted.
    pub(super) fn of_sorted(numbers: &[f64]) -> Option<Summary> {
        let (&min, &max) = (numbers.first()?, numbers.last()?);
        let (mean, std) = mean_and_deviation(numbers, min == max);
        let at = |q| quantile(numbers, q);
        let (q1, median, q3) = (at(0.25), at(0.5), at(0.75));
        Some(Summary { count: numbers.len(), min, q1, median, q3, max, mean, std })
    }

    /// The fences of the rule of Tukey: `k` times the distance of the quartiles
    /// beyond them. `None` when the quartiles are equal.
    pub fn fences(&self, k: f64) -> Option<[f64; 2]> {
        let reach = k * (self.q3 - self.q1);
        (reach > 0.0).then_some([self.q1 - reach, self.q3 + reach])
    }
}

fn mean_and_deviation(numbers: &[f64], are_equal: bool) -> (f64, f64) {
    let n = numbers.len() as f64;
    let mean = numbers.iter().map(|x| x / n).sum::<f64>();
    // Equal numbers have no spread, whatever rounding makes of their mean.
    let variance = if are_equal { 0.0 } else { numbers.iter().map(|x| (x - mean) * ((x - mean) / n)).sum() };
    (mean, f64::sqrt(variance))
}

/// What stands at a place among numbers once they are sorted, between two of them by linear
/// interpolation.
fn selected(numbers: &mut [f64], at: f64) -> f64 {
    let (low, part) = (at.floor() as usize, at.fract());
    let (_, &mut value, above) = numbers.select_nth_unstable_by(low, f64::total_cmp);
    let next = above.iter().copied().min_by(f64::total_cmp).filter(|_| part > 0.0).unwrap_or(value);
    value + (next - value) * part
}

/// The quantile `q` (0 to 1) of sorted numbers, with linear interpolation.
/// Panics when there are none.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_numpys() {
        let s = Summary::of(vec![4.0, 1.0, 2.0, 10.0]).unwrap();
        assert_eq!((s.min, s.q1, s.median, s.q3, s.max, s.mean), (1.0, 1.75, 3.0, 5.5, 10.0, 4.25));
        assert!((s.std - 3.491_060_010_942_235_6).abs() < 1e-12);
        assert_eq!(s.fences(1.0), Some([-2.0, 9.25]));
        let many: Vec<f64> = (0..1003).map(|i| f64::from(i * 7919 % 1009)).collect();
        let mut sorted = many.clone();
        sorted.sort_by(f64::total_cmp);
        let (any, in_order) = (Summary::of(many).unwrap(), Summary::of_sorted(&sorted).unwrap());
        assert_eq!((any.q1, any.median, any.q3, any.max), (in_order.q1, in_order.median, in_order.q3, in_order.max));
        let equal = Summary::of(vec![0.1; 3]).unwrap();
        assert_eq!((equal.std, equal.fences(1.5)), (0.0, None));
        assert_eq!(Summary::of(vec![]), None);
    }
}
