//! What brings features to a common size, learned from those of the training rows.

use super::normalize::Normalize;
use super::summary::Summary;
use rayon::prelude::*;

/// Rows that one thread adds up at a time; sums do not depend on the number of threads.
const PART: usize = 16_384;

/// How a feature is spread, as far as a single look at each of its numbers tells.
#[derive(Clone, Copy)]
struct Spread {
    min: f64,
    max: f64,
    mean: f64,
    /// Divided by the number of rows.
    variance: f64,
}

/// Factor and offset of each feature of rows `[n, normalize.len()]`, of which there is one:
/// `normalised = x * scale + shift`.
pub(super) fn learn(values: &[f32], normalize: &[Normalize]) -> (Vec<f32>, Vec<f32>) {
    let spreads = spreads(values, normalize.len());
    let of_feature = |i: usize| {
        let (scale, shift) = match normalize[i] {
            Normalize::Robust => {
                let column = values.iter().skip(i).step_by(normalize.len()).map(|&x| f64::from(x)).collect();
                robust(&Summary::of(column).expect("there are rows"))
            }
            other => scale_and_shift(other, spreads[i]),
        };
        (scale as f32, shift as f32)
    };
    (0..normalize.len()).into_par_iter().map(of_feature).unzip()
}

/// Passes over the rows, not over one feature after the other: these lie far apart.
fn spreads(values: &[f32], width: usize) -> Vec<Spread> {
    let n = (values.len() / width) as f64;
    let first = Spread { min: f64::INFINITY, max: f64::NEG_INFINITY, mean: 0.0, variance: 0.0 };
    let ends = parts(values, width, first, |all, x| {
        (all.min, all.max) = (all.min.min(x), all.max.max(x));
        all.mean += x / n;
    });
    let join = |mut all: Vec<Spread>, part: Vec<Spread>| {
        for (a, b) in all.iter_mut().zip(part) {
            (a.min, a.max) = (a.min.min(b.min), a.max.max(b.max));
            (a.mean, a.variance) = (a.mean + b.mean, a.variance + b.variance);
        }
        all
    };
    let mut spreads = ends.into_iter().fold(vec![first; width], join);
    let means: Vec<f64> = spreads.iter().map(|s| s.mean).collect();
    let squares: Vec<Vec<f64>> = values
        .par_chunks(PART * width)
        .map(|part| {
            let mut sums = vec![0.0; width];
            for row in part.chunks_exact(width) {
                let each = sums.iter_mut().zip(row).zip(&means);
                each.for_each(|((sum, &x), mean)| *sum += (f64::from(x) - mean) * ((f64::from(x) - mean) / n));
            }
            sums
        })
        .collect();
    for part in squares {
        spreads.iter_mut().zip(part).for_each(|(s, x)| s.variance += x);
    }
    spreads
}

fn parts(values: &[f32], width: usize, first: Spread, see: impl Fn(&mut Spread, f64) + Sync) -> Vec<Vec<Spread>> {
    let part = |part: &[f32]| {
        let mut all = vec![first; width];
        for row in part.chunks_exact(width) {
            all.iter_mut().zip(row).for_each(|(s, &x)| see(s, f64::from(x)));
        }
        all
    };
    values.par_chunks(PART * width).map(part).collect()
}

fn by(centre: f64, spread: f64) -> (f64, f64) {
    // Equal numbers have no spread to divide by.
    let scale = if spread > 0.0 { 1.0 / spread } else { 1.0 };
    (scale, -centre * scale)
}

fn scale_and_shift(normalize: Normalize, all: Spread) -> (f64, f64) {
    // Whatever rounding makes of the mean of equal numbers.
    let std = if all.min == all.max { 0.0 } else { all.variance.sqrt() };
    match normalize {
        Normalize::None | Normalize::Robust => (1.0, 0.0),
        Normalize::Standard => by(all.mean, std),
        Normalize::MinMax => by(all.min, all.max - all.min),
    }
}

fn robust(all: &Summary) -> (f64, f64) {
    match all.q3 > all.q1 {
        true => by(all.median, all.q3 - all.q1),
        // Half of the numbers are equal.
        false => by(all.median, all.std),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_those_of_the_sorted_numbers() {
        let n = 2 * PART + 77;
        let row = |i: usize| [((i * 7919) % 1000) as f32 / 8.0, 5.0, (i % 3) as f32, (i % 11) as f32, (i % 5) as f32];
        let values: Vec<f32> = (0..n).flat_map(row).collect();
        let how = [Normalize::Standard, Normalize::Standard, Normalize::MinMax, Normalize::None, Normalize::Robust];
        let (scale, shift) = learn(&values, &how);
        let column = |c: usize| Summary::of((0..n).map(|i| f64::from(row(i)[c])).collect()).unwrap();
        let close = |a: f32, b: f64| assert!((f64::from(a) - b).abs() <= 1e-6 * b.abs().max(1.0), "{a} {b}");
        let all = column(0);
        close(scale[0], 1.0 / all.std);
        close(shift[0], -all.mean / all.std);
        assert_eq!((scale[1], shift[1]), (1.0, -5.0), "equal numbers");
        assert_eq!((scale[2], shift[2], scale[3], shift[3]), (0.5, 0.0, 1.0, 0.0));
        let all = column(4);
        close(scale[4], 1.0 / (all.q3 - all.q1));
        close(shift[4], -all.median / (all.q3 - all.q1));
    }
}
