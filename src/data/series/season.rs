//! The length of a season, by autocorrelation.
//!
//! A straight line is taken off first. A season of `m` rows shows as a peak of
//! the autocorrelation at `m` that stands clearly above the valley before it,
//! and again at `2m`.

/// Rows looked at, the latest.
const ROWS: usize = 20_000;
/// The longest season that is looked for.
const LONGEST: usize = 3_000;
/// The least autocorrelation of a season, and the least height above the valley
/// in front of it.
const LEAST: f64 = 0.25;
const HEIGHT: f64 = 0.2;
/// The least autocorrelation of a season of changes: those of noise swing by themselves.
const LEAST_OF_CHANGES: f64 = 0.5;
/// The share of the highest peak that an earlier one must have.
const NEARLY: f64 = 0.85;

/// Rows per season, if there is one; at least three seasons must be there.
/// `likely` are lengths that dates suggest: a peak beside one of them is it.
///
/// Growth that is no straight line hides a season from the values, and not from their
/// changes: these are asked where the values have none.
pub fn find(values: &[f64], likely: &[usize]) -> Option<usize> {
    let changes = || values.windows(2).map(|w| w[1] - w[0]).collect::<Vec<_>>();
    peak(values, likely, LEAST).or_else(|| peak(&changes(), likely, LEAST_OF_CHANGES))
}

/// The lag of the first high peak of the autocorrelation that is at least `least`.
fn peak(values: &[f64], likely: &[usize], least: f64) -> Option<usize> {
    let values = &values[values.len().saturating_sub(ROWS)..];
    let n = values.len();
    let most = (n / 3).min(LONGEST);
    let line = Line::of(values)?;
    let rest: Vec<f64> = values.iter().enumerate().map(|(i, v)| v - line.at(i)).collect();
    let variance = rest.iter().map(|x| x * x).sum::<f64>() / n as f64;
    if most < 2 || variance <= 1e-20 * line.scale.max(f64::MIN_POSITIVE) {
        return None;
    }
    // Means over the pairs there are, so that long lags are not pressed down.
    let at = |k: usize| rest.iter().zip(&rest[k..]).map(|(a, b)| a * b).sum::<f64>() / (n - k) as f64 / variance;
    let r: Vec<f64> = (0..=most).map(at).collect();
    let least = least.max(4.0 / (n as f64).sqrt());
    let (mut peaks, mut valley) = (vec![], f64::INFINITY);
    for k in 1..most {
        let reach = (k / 10).max(1);
        let around = k.saturating_sub(reach).max(1)..=(k + reach).min(most);
        let highest = around.clone().all(|j| r[j] <= r[k]);
        if k > 1 && highest && r[k] >= least && r[k] - valley >= HEIGHT && at(2 * k) >= 0.5 * r[k] {
            peaks.push(k);
        }
        valley = valley.min(r[k]);
    }
    let best = peaks.iter().map(|&k| r[k]).fold(f64::NEG_INFINITY, f64::max);
    let found = peaks.into_iter().find(|&k| r[k] >= NEARLY * best)?;
    let near = |c: &usize| *c <= most && c.abs_diff(found) as f64 <= 0.05 * found as f64 && r[*c] >= r[found] - 0.1;
    Some(likely.iter().copied().filter(near).min_by_key(|c| c.abs_diff(found)).unwrap_or(found))
}

/// The straight line through some values, by least squares.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Its change from row to row.
    pub slope: f64,
    /// The share of the variance that it explains.
    pub explained: f64,
    middle: [f64; 2],
    /// The mean square of the values: what rounding is relative to.
    scale: f64,
}

impl Line {
    /// `None` for fewer than three values.
    pub fn of(values: &[f64]) -> Option<Line> {
        let n = values.len();
        if n < 3 {
            return None;
        }
        let (x, y) = ((n - 1) as f64 / 2.0, values.iter().sum::<f64>() / n as f64);
        let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
        for (i, v) in values.iter().enumerate() {
            let (dx, dy) = (i as f64 - x, v - y);
            (xy, xx, yy) = (xy + dx * dy, xx + dx * dx, yy + dy * dy);
        }
        let scale = values.iter().map(|v| v * v).sum::<f64>() / n as f64;
        let explained = if yy > 0.0 { xy * xy / (xx * yy) } else { 0.0 };
        Some(Line { slope: xy / xx, explained, middle: [x, y], scale })
    }

    fn at(&self, row: usize) -> f64 {
        self.middle[1] + self.slope * (row as f64 - self.middle[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from -1 to 1 that have nothing to do with one another.
    fn noise(i: usize) -> f64 {
        let mut x = (i as u32).wrapping_mul(2_654_435_761).wrapping_add(12_345);
        for _ in 0..2 {
            x ^= x >> 16;
            x = x.wrapping_mul(0x045d_9f3b);
        }
        f64::from(x ^ (x >> 16)) / f64::from(1u32 << 31) - 1.0
    }

    fn wave(n: usize, season: f64, trend: f64, noisy: f64) -> Vec<f64> {
        let at = |i: usize| (std::f64::consts::TAU * i as f64 / season).sin() + trend * i as f64 + noisy * noise(i);
        (0..n).map(at).collect()
    }

    #[test]
    fn seasons_are_found_and_their_multiples_are_not() {
        assert_eq!(find(&wave(120, 12.0, 0.0, 0.0), &[]), Some(12));
        assert_eq!(find(&wave(120, 12.0, 0.5, 0.6), &[]), Some(12));
        assert_eq!(find(&wave(400, 7.0, -0.01, 1.0), &[7]), Some(7));
        assert_eq!(find(&(0..60).map(|i| f64::from(i % 4)).collect::<Vec<_>>(), &[]), Some(4));
        // Noise moves the top of a broad peak; dates know better.
        assert_eq!(find(&wave(2600, 365.25, 0.0, 1.5), &[7, 365]), Some(365));
    }

    #[test]
    fn there_is_not_always_one() {
        assert_eq!(find(&(0..500).map(noise).collect::<Vec<_>>(), &[7]), None);
        assert_eq!(find(&vec![5.0; 100], &[7]), None);
        assert_eq!(find(&(0..100).map(|i| 3.0 * f64::from(i) + 0.1).collect::<Vec<_>>(), &[7]), None);
        assert_eq!(find(&[], &[]), None);
        assert_eq!(find(&wave(20, 12.0, 0.0, 0.0), &[12]), None, "fewer than three seasons");
        let mut walk = vec![0.0];
        for i in 0..800 {
            walk.push(walk[i] + noise(i));
        }
        assert_eq!(find(&walk, &[7]), None, "a random walk");
    }
}
