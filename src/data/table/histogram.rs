//! How the numbers of a column are spread, in a few bars.

use super::summary::Summary;
use serde::Serialize;

/// Bins of numbers that are not few whole ones.
const BINS: usize = 16;
/// Whole numbers up to which each has a bin.
const WHOLE: f64 = 24.0;
/// Numbers beyond this many times the distance of the quartiles would leave one bar of all
/// others; they are counted at the sides.
const REACH: f64 = 3.0;
/// Bars of a line of text, from the lowest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Numbers in bins of equal width.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// Where the first bin begins and the last one ends.
    pub range: [f64; 2],
    /// The numbers in each bin.
    pub counts: Vec<usize>,
    /// Numbers below the first bin and above the last.
    pub beyond: [usize; 2],
}

impl Histogram {
    /// Counts sorted numbers, of which there is at least one; `whole` says that all are whole.
    pub(super) fn of(sorted: &[f64], all: &Summary, whole: bool) -> Histogram {
        let [low, high] = all.fences(REACH).unwrap_or([all.min, all.max]);
        // From the first number within reach to the last; the median is one.
        let first = sorted.partition_point(|&x| x < low).min(sorted.len() - 1);
        let last = sorted.partition_point(|&x| x <= high).max(first + 1) - 1;
        let [low, high] = [sorted[first], sorted[last]];
        // Each whole number stands in the middle of its bin.
        let (range, bins) = match whole && high - low < WHOLE {
            true => ([low.ceil() - 0.5, high.floor() + 0.5], (high.floor() - low.ceil()) as usize + 1),
            false => ([low, high], BINS),
        };
        let edge = |i: usize| range[0] + (range[1] - range[0]) * i as f64 / bins as f64;
        // The last bin holds its end.
        let upto = |i: usize| sorted.partition_point(|&x| if i == bins { x <= range[1] } else { x < edge(i) });
        let ends: Vec<usize> = (0..=bins).map(upto).collect();
        Histogram {
            range,
            counts: ends.windows(2).map(|w| w[1] - w[0]).collect(),
            beyond: [ends[0], sorted.len() - ends[bins]],
        }
    }

    /// A bar for each bin, in a line; the largest bin is the highest bar, and an empty one a
    /// blank.
    pub fn bars(&self) -> String {
        let most = self.counts.iter().max().copied().unwrap_or(0).max(1);
        let bar = |&n: &usize| match n {
            0 => ' ',
            n => BARS[(n * BARS.len()).div_ceil(most).clamp(1, BARS.len()) - 1],
        };
        self.counts.iter().map(bar).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mut numbers: Vec<f64>) -> Histogram {
        let whole = numbers.iter().all(|x| x.fract() == 0.0);
        numbers.sort_by(f64::total_cmp);
        Histogram::of(&numbers, &Summary::of(numbers.clone()).unwrap(), whole)
    }

    #[test]
    fn each_number_is_counted_once() {
        for numbers in [
            (0..1000).map(|i| f64::from(i * i % 97) / 3.0).collect::<Vec<_>>(),
            (0..1000).map(|i| f64::from(i * i % 7)).collect(),
            vec![5.0],
            vec![0.5; 10],
            vec![-1e30, 1e30],
            (0..100).map(|i| if i == 7 { 1e6 } else { f64::from(i) / 7.0 }).collect(),
        ] {
            let n = numbers.len();
            let found = of(numbers);
            assert_eq!(found.counts.iter().sum::<usize>() + found.beyond[0] + found.beyond[1], n, "{found:?}");
        }
    }

    #[test]
    fn few_whole_numbers_have_a_bin_each() {
        let found = of(vec![1.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0]);
        assert_eq!((found.range, &found.counts[..]), ([0.5, 4.5], &[1, 2, 0, 4][..]));
        assert_eq!(found.bars(), "▂▄ █");
        let far = of((0..100).map(|i| if i == 7 { 1e6 } else { f64::from(i) / 7.0 }).collect());
        assert_eq!(far.beyond, [0, 1]);
        assert!(far.counts.iter().all(|&n| n > 0), "one number far away hides the others: {far:?}");
    }
}
