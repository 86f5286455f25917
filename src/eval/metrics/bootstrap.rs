//! Percentile bootstrap: resamples are counts of how often each sample was
//! drawn, so a metric that works on sorted or summed quantities is scored again
//! without copying or sorting anything. Of large sets there are fewer resamples, whose deviation
//! counts.

use crate::tensor::random::{Random, stream};
use rayon::prelude::*;

/// Resamples for sets of usual size.
const RESAMPLES: usize = 1000;
/// Draws in all, beyond which there are fewer resamples: a set of 200,000 samples has all of them.
const MOST_DRAWS: usize = 200_000_000;
/// The fewest resamples, however large the set.
const FEWEST: usize = 40;
/// With fewer resamples their quantiles are noise, and of sets that large a normal distribution has the same.
const FOR_QUANTILES: usize = 400;
/// Standard deviations on either side of a mean that hold 95 % of a normal distribution.
const NORMAL_95: f64 = 1.96;
/// The seed. Fixed: equal predictions give equal intervals.
const SEED: u32 = 0;

/// 95 % intervals of the values that `score` gives for counts of samples, in
/// its order. A value that is not finite in more than a tenth of the resamples
/// has no interval.
pub(super) fn intervals(n: usize, score: impl Fn(&[u32]) -> Vec<f64> + Sync) -> Vec<Option<[f64; 2]>> {
    let resamples = (MOST_DRAWS / n.max(1)).clamp(FEWEST, RESAMPLES);
    let one = |counts: &mut Vec<u32>, r: usize| {
        counts.clear();
        counts.resize(n, 0);
        let mut random = Random::new(SEED, stream::BOOTSTRAP + r as u32);
        for _ in 0..n {
            counts[random.below(n as u32) as usize] += 1;
        }
        score(counts)
    };
    // Every resample has its own stream, so threads do not matter.
    let scores: Vec<Vec<f64>> = (0..resamples).into_par_iter().map_init(Vec::new, one).collect();
    let values = scores.first().map_or(0, Vec::len);
    let interval = |v: usize| {
        let mut sorted: Vec<f64> = scores.iter().map(|s| s[v]).filter(|x| x.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        (sorted.len() * 10 >= resamples * 9).then(|| match resamples < FOR_QUANTILES {
            true => normal(&sorted),
            false => [quantile(&sorted, 0.025), quantile(&sorted, 0.975)],
        })
    };
    (0..values).map(interval).collect()
}

/// Where 95 % of a normal distribution lie that has the mean and the deviation of some values.
fn normal(values: &[f64]) -> [f64; 2] {
    let n = values.len() as f64;
    let mean = values.iter().map(|x| x / n).sum::<f64>();
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    let half = NORMAL_95 * variance.sqrt();
    [mean - half, mean + half]
}

/// A quantile of sorted values, interpolated between neighbours.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let low = at.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The interval of a mean is that of the central limit theorem.
    #[test]
    fn the_interval_of_a_share_is_as_wide_as_it_should_be() {
        let n = 2000;
        let mean = |counts: &[u32]| {
            let hits: u32 = counts.iter().take(600).sum();
            vec![f64::from(hits) / n as f64, f64::NAN]
        };
        let found = intervals(n, mean);
        let [low, high] = found[0].unwrap();
        let half = 1.96 * (0.3 * 0.7 / n as f64).sqrt();
        assert!((high - low - 2.0 * half).abs() < 0.15 * 2.0 * half, "{low} to {high}");
        assert!(((low + high) / 2.0 - 0.3).abs() < 0.15 * half);
        assert_eq!(found[1], None);
        assert_eq!(found, intervals(n, mean));
    }

    /// Few resamples of a large set say the same.
    #[test]
    fn the_interval_of_a_large_set_is_that_of_a_normal_distribution() {
        let n = 1_000_000;
        let share = |counts: &[u32]| vec![f64::from(counts[..n / 10].iter().sum::<u32>()) / n as f64];
        let [low, high] = intervals(n, share)[0].unwrap();
        let half = 1.96 * (0.1 * 0.9 / n as f64).sqrt();
        assert!((high - low - 2.0 * half).abs() < 0.25 * 2.0 * half, "{low} to {high}");
        assert!(low < 0.1 && 0.1 < high);
    }

    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
        assert_eq!(quantile(&[7.0], 0.975), 7.0);
    }
}
