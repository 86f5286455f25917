//! Normalisation learned on the training samples: a factor and an offset per
//! channel or feature, which the device applies while it gathers a batch.

mod passes;

use super::moments::Total;
use super::table::Normalize as Method;
use super::{Dataset, Samples};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// `normalised = value * scale + shift`, per channel of pixels (bytes, 0 to
/// 255) or per element of a sample of floats.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Normal {
    /// Factors.
    pub scale: Vec<f32>,
    /// Offsets.
    pub shift: Vec<f32>,
}

/// Centre and width of a group of values.
type Range = (f64, f64);

impl Normal {
    /// For pixels of channels with these means and deviations, scaled to 0..1.
    pub fn of_channels(stats: &[(f32, f32)]) -> Normal {
        let per_channel = |f: fn(f32, f32) -> f32| stats.iter().map(|&(mean, std)| f(mean, std)).collect();
        Normal { scale: per_channel(|_, std| 1.0 / (255.0 * std)), shift: per_channel(|mean, std| -mean / std) }
    }

    /// Learned on a set: per channel of images, per feature of flat samples,
    /// per entry of the first axis of others. Nothing is learned on samples that are not
    /// in memory: [`Dataset::at_a_glance`] gives some that are.
    pub fn learn(set: &Dataset, method: Method) -> Normal {
        let groups = set.shape.first().copied().unwrap_or(1);
        let each = set.width() / groups.max(1);
        let ranges: Vec<Range> = match &set.samples {
            Samples::Bytes(pixels) => {
                histograms(pixels, groups, each).iter().map(|h| of_histogram(h, method)).collect()
            }
            // Tokens are names, not sizes.
            Samples::Tokens(_) | Samples::Read(_) => vec![],
            Samples::Floats(values) => (0..groups).map(|g| of_values(values, g, groups, each, method)).collect(),
        };
        Normal::of_ranges(&ranges, if matches!(set.samples, Samples::Bytes(_)) { 1 } else { each })
    }

    /// The same bits for samples that are read when they are needed and are the same each
    /// time: learned on all of them, in passes.
    ///
    /// Fails when they cannot be read.
    pub fn learn_by_reading(set: &Dataset, method: Method) -> Result<Normal> {
        passes::learn(set, method)
    }

    /// Of groups of so many elements with these centres and widths.
    fn of_ranges(ranges: &[Range], repeat: usize) -> Normal {
        let list = |f: &dyn Fn(Range) -> f64| -> Vec<f32> {
            ranges.iter().flat_map(|&r| std::iter::repeat_n(f(r) as f32, repeat)).collect()
        };
        Normal { scale: list(&|(_, width)| 1.0 / width), shift: list(&|(centre, width)| -centre / width) }
    }
}

/// How often each byte occurs in each channel.
fn histograms(pixels: &[u8], channels: usize, plane: usize) -> Vec<[u64; 256]> {
    let mut counts = vec![[0u64; 256]; channels];
    if plane > 0 && channels > 0 {
        for (i, pixels) in pixels.chunks_exact(plane).enumerate() {
            let count = &mut counts[i % channels];
            pixels.iter().for_each(|&byte| count[byte as usize] += 1);
        }
    }
    counts
}

/// A width that can be divided by.
fn usable((centre, width): Range) -> Range {
    (centre, if width > 0.0 && width.is_finite() { width } else { 1.0 })
}

fn of_histogram(count: &[u64; 256], method: Method) -> Range {
    let n: u64 = count.iter().sum();
    if n == 0 {
        return (0.0, 255.0);
    }
    let quantile = |q: f64| {
        let rank = (q * (n - 1) as f64).round() as u64;
        let mut seen = 0;
        count.iter().position(|&c| {
            seen += c;
            seen > rank
        })
    };
    let at = |q: f64| quantile(q).unwrap_or(255) as f64;
    // Where most pixels are alike (ink on paper) there is no such range.
    if method == Method::Robust && at(0.75) > at(0.25) {
        return (at(0.5), at(0.75) - at(0.25));
    }
    let sum = |f: fn(u128) -> u128| count.iter().zip(0..).map(|(&n, b)| u128::from(n) * f(b)).sum::<u128>();
    let (first, second) = (sum(|x| x), sum(|x| x * x));
    of_pixels(&Total { count: n, first, second, low: at(0.0) as u8, high: at(1.0) as u8 }, method)
}

/// Centre and width of pixels by their sums; the range that is robust is not among them.
fn of_pixels(total: &Total, method: Method) -> Range {
    if total.count == 0 {
        return (0.0, 255.0);
    }
    let (low, high) = (f64::from(total.low), f64::from(total.high));
    let standard = || {
        // Sums are integers, so the result does not depend on any order.
        let (n, first, second) = (u128::from(total.count), total.first, total.second);
        (first as f64 / n as f64, ((n * second - first * first) as f64).sqrt() / n as f64)
    };
    let (centre, width) = match method {
        Method::None => (0.0, 255.0),
        Method::MinMax => (low, high - low),
        Method::Standard | Method::Robust => standard(),
    };
    // A constant channel keeps the scale of pixels.
    if width > 0.0 { (centre, width) } else { (centre, 255.0) }
}

fn of_values(values: &[f32], group: usize, groups: usize, each: usize, method: Method) -> Range {
    let mine = || {
        let rows = values.chunks_exact((groups * each).max(1));
        rows.flat_map(|row| &row[group * each..(group + 1) * each]).map(|&v| f64::from(v)).filter(|v| v.is_finite())
    };
    let standard = || {
        let n = mine().count().max(1) as f64;
        let mean = mine().sum::<f64>() / n;
        (mean, (mine().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
    };
    usable(match method {
        Method::None => (0.0, 1.0),
        Method::Standard => standard(),
        Method::MinMax => {
            let (low, high) = mine().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            (if low.is_finite() { low } else { 0.0 }, high - low)
        }
        Method::Robust => {
            let mut sorted: Vec<f64> = mine().collect();
            sorted.sort_by(f64::total_cmp);
            let at = |q: f64| sorted.get((q * (sorted.len().max(1) - 1) as f64).round() as usize).copied();
            match (at(0.25), at(0.5), at(0.75)) {
                (Some(low), Some(middle), Some(high)) if high > low => (middle, high - low),
                _ => standard(),
            }
        }
    })
}

/// Checks factors and offsets: as many of both, finite, no factor of 0.
pub(in crate::data) fn check_scales(place: &str, scale: &[f32], shift: &[f32]) -> Result<()> {
    if scale.len() != shift.len() {
        let (a, b) = (scale.len(), shift.len());
        return Err(Error::data(format!("{place}: {a} numbers of scale and {b} of shift; expected as many of both")));
    }
    if let Some(i) = scale.iter().position(|s| !s.is_finite() || *s == 0.0) {
        return Err(Error::data(format!("{place}.scale: {}; expected finite numbers other than 0", scale[i])));
    }
    match shift.iter().find(|s| !s.is_finite()) {
        Some(s) => Err(Error::data(format!("{place}.shift: {s}; expected finite numbers"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Origin, Targets};

    fn set(shape: Vec<usize>, samples: Samples, n: usize) -> Dataset {
        let targets = Targets::Classes { labels: vec![0; n], names: vec!["a".into()] };
        Dataset { name: "set".into(), shape, samples, targets, origin: Origin::default() }
    }

    fn near(found: &[f32], expected: &[f32]) {
        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(close), "{found:?} {expected:?}");
    }

    #[test]
    fn pixels_are_normalised_per_channel() {
        let images = set(vec![2, 1, 2], Samples::Bytes(vec![0, 100, 7, 7, 200, 100, 7, 7].into()), 2);
        let n = Normal::learn(&images, Method::Standard);
        near(&n.scale, &[1.0 / 70.710_68, 1.0 / 255.0]);
        near(&n.shift, &[-100.0 / 70.710_68, -7.0 / 255.0]);
        near(&Normal::learn(&images, Method::MinMax).scale, &[1.0 / 200.0, 1.0 / 255.0]);
        near(&Normal::learn(&images, Method::None).shift, &[0.0, 0.0]);
        assert_eq!(Normal::of_channels(&[(0.5, 0.25)]), Normal { scale: vec![1.0 / 63.75], shift: vec![-2.0] });
    }

    #[test]
    fn features_are_normalised_one_by_one_and_constants_survive() {
        let table = set(vec![2], Samples::Floats(vec![1.0, 5.0, 3.0, 5.0, 5.0, 5.0, 101.0, 5.0].into()), 4);
        let n = Normal::learn(&table, Method::Robust);
        near(&n.scale, &[1.0 / 2.0_f32.max(98.0 / 49.0), 1.0]);
        near(&n.shift[1..], &[-5.0]);
        let n = Normal::learn(&table, Method::MinMax);
        near(&n.scale, &[0.01, 1.0]);
        near(&n.shift, &[-0.01, -5.0]);
        // A sample with more axes shares a range along its first.
        let signal = set(vec![1, 2], Samples::Floats(vec![0.0, 2.0, 0.0, 2.0].into()), 2);
        near(&Normal::learn(&signal, Method::Standard).shift, &[-1.0, -1.0]);
    }
}
