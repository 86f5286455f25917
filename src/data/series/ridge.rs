//! Ridge regression by the normal equations: the simplest model that reads a window, with which
//! ways to read it are compared before a network is trained.

/// Penalties that are tried. Without end the mean alone is left.
pub(super) const PENALTIES: [f64; 4] = [1.0, 10.0, 100.0, f64::INFINITY];
/// Samples below which the mean alone is taken.
const FEW: usize = 20;

/// A line through samples: weights of the inputs, and where they are taken from.
pub(super) struct Ridge {
    weights: Vec<f64>,
    means: Vec<f64>,
    scale: f64,
    middle: f64,
    /// The range of the targets, which a network does not leave either.
    range: [f64; 2],
}

impl Ridge {
    /// Fits samples `[n, width]` to targets. `None` where there are none.
    pub fn fit(samples: &[Vec<f64>], targets: &[f64], penalty: f64) -> Option<Ridge> {
        let (n, width) = (samples.len(), samples.first()?.len());
        let mean = |of: &dyn Fn(&Vec<f64>) -> f64| samples.iter().map(of).sum::<f64>() / n as f64;
        let means: Vec<f64> = (0..width).map(|i| mean(&|s| s[i])).collect();
        let spread = mean(&|s| s.iter().zip(&means).map(|(v, m)| (v - m).powi(2)).sum::<f64>() / width as f64);
        let scale = if spread > 0.0 { spread.sqrt() } else { 1.0 };
        let middle = targets.iter().sum::<f64>() / n as f64;
        let range = targets.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], v| [a.min(*v), b.max(*v)]);
        let mut fitted = Ridge { weights: vec![0.0; width], means, scale, middle, range };
        if penalty.is_finite() && n >= FEW {
            let mut matrix = vec![vec![0.0; width]; width];
            let mut right = vec![0.0; width];
            for (sample, target) in samples.iter().zip(targets) {
                let x = fitted.centred(sample);
                for i in 0..width {
                    right[i] += x[i] * (target - middle);
                    (0..=i).for_each(|j| matrix[i][j] += x[i] * x[j]);
                }
            }
            (0..width).for_each(|i| matrix[i][i] += penalty);
            fitted.weights = solve(matrix, right);
        }
        Some(fitted)
    }

    fn centred(&self, sample: &[f64]) -> Vec<f64> {
        sample.iter().zip(&self.means).map(|(v, m)| (v - m) / self.scale).collect()
    }

    /// What it answers for a sample.
    pub fn answer(&self, sample: &[f64]) -> f64 {
        let sum: f64 = self.centred(sample).iter().zip(&self.weights).map(|(x, w)| x * w).sum();
        (self.middle + sum).clamp(self.range[0], self.range[1])
    }
}

/// Solves a symmetric, positive definite system of which the lower half is given (Cholesky).
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let sum = a[i][j] - (0..j).map(|k| a[i][k] * a[j][k]).sum::<f64>();
            a[i][j] = if i == j { sum.max(f64::MIN_POSITIVE).sqrt() } else { sum / a[j][j] };
        }
        b[i] = (b[i] - (0..i).map(|k| a[i][k] * b[k]).sum::<f64>()) / a[i][i];
    }
    for i in (0..n).rev() {
        b[i] = (b[i] - (i + 1..n).map(|k| a[k][i] * b[k]).sum::<f64>()) / a[i][i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::super::tests::noise;
    use super::*;

    #[test]
    fn a_line_is_found_and_not_left() {
        let samples: Vec<Vec<f64>> = (0..50).map(|i| vec![noise(i), noise(i + 100), 7.0]).collect();
        let line = |s: &[f64]| 3.0 * s[0] - 2.0 * s[1] + 5.0;
        let targets: Vec<f64> = samples.iter().map(|s| line(s)).collect();
        let fitted = Ridge::fit(&samples, &targets, 1e-9).unwrap();
        assert!(samples.iter().all(|s| (fitted.answer(s) - line(s)).abs() < 1e-6));
        let highest = targets.iter().copied().fold(f64::MIN, f64::max);
        assert_eq!(fitted.answer(&[100.0, 0.0, 7.0]), highest);
        // With a penalty without end, and of few samples, it is the mean.
        let mean = |targets: &[f64]| targets.iter().sum::<f64>() / targets.len() as f64;
        for (n, penalty) in [(50, f64::INFINITY), (FEW - 1, 1.0)] {
            let fitted = Ridge::fit(&samples[..n], &targets[..n], penalty).unwrap();
            assert!((fitted.answer(&samples[0]) - mean(&targets[..n])).abs() < 1e-9);
        }
        assert!(Ridge::fit(&[], &[], 1.0).is_none());
    }

    #[test]
    fn a_system_is_solved() {
        let found = solve(vec![vec![4.0, 0.0], vec![2.0, 3.0]], vec![2.0, 5.0]);
        // [4 2; 2 3] x = [2, 5].
        assert!((found[0] + 0.5).abs() < 1e-12 && (found[1] - 2.0).abs() < 1e-12, "{found:?}");
    }
}
