//! The Beta distribution with two equal parameters.

/// The quantiles of `Beta(alpha, alpha)` in the middles of `n` equal shares, in
/// ascending order. The same on every system: only the math of libm.
pub fn quantiles(alpha: f64, n: usize) -> Vec<f32> {
    let low: Vec<f64> = (0..n.div_ceil(2)).map(|i| quantile(alpha, (i as f64 + 0.5) / n as f64)).collect();
    // The distribution is symmetric about one half.
    (0..n).map(|i| if i < low.len() { low[i] } else { 1.0 - low[n - 1 - i] } as f32).collect()
}

/// Where the distribution function reaches `p`, which is at most one half.
fn quantile(alpha: f64, p: f64) -> f64 {
    // By the logarithm: with a small alpha most of the mass is close to 0.
    let (mut low, mut high) = (-700.0, libm::log(0.5));
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if distribution(alpha, libm::exp(middle)) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    libm::exp((low + high) / 2.0)
}

/// The regularised incomplete beta function `I_x(alpha, alpha)` for `x` up to
/// one half: DiDonato and Morris' continued fraction by Lentz's method, as in
/// Press et al., "Numerical Recipes", 3rd edition, 6.4.
fn distribution(alpha: f64, x: f64) -> f64 {
    let log_beta = 2.0 * libm::lgamma(alpha) - libm::lgamma(2.0 * alpha);
    let front = libm::exp(alpha * (libm::log(x) + libm::log1p(-x)) - log_beta) / alpha;
    let away = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - 2.0 * alpha * x / (alpha + 1.0));
    let mut fraction = d;
    for m in 1..1000 {
        let m = f64::from(m);
        let even = m * (alpha - m) * x / ((alpha + 2.0 * m - 1.0) * (alpha + 2.0 * m));
        let odd = -(alpha + m) * (2.0 * alpha + m) * x / ((alpha + 2.0 * m) * (alpha + 2.0 * m + 1.0));
        let before = fraction;
        for term in [even, odd] {
            d = 1.0 / away(1.0 + term * d);
            c = away(1.0 + term / c);
            fraction *= c * d;
        }
        if (fraction - before).abs() < 1e-15 * fraction.abs() {
            break;
        }
    }
    front * fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_is_right_where_it_has_a_closed_form() {
        for x in [1e-9, 0.01, 0.2, 0.37, 0.5] {
            let arcsine = 2.0 / std::f64::consts::PI * f64::asin(f64::sqrt(x));
            assert!((distribution(0.5, x) - arcsine).abs() < 1e-12, "arcsine at {x}");
            assert!((distribution(1.0, x) - x).abs() < 1e-12, "uniform at {x}");
            assert!((distribution(2.0, x) - x * x * (3.0 - 2.0 * x)).abs() < 1e-12, "alpha 2 at {x}");
        }
        for alpha in [0.001, 0.01, 0.2, 7.0, 100.0, 1000.0] {
            let half = distribution(alpha, 0.5);
            assert!((half - 0.5).abs() < 1e-9, "{half} lies below one half for alpha {alpha}");
        }
    }

    #[test]
    fn quantiles_ascend_and_have_the_moments_of_the_distribution() {
        for alpha in [0.001, 0.1, 0.2, 1.0, 4.0, 1000.0] {
            let q = quantiles(alpha, 1024);
            assert!(q.is_sorted() && q.iter().all(|v| (0.0..=1.0).contains(v)), "alpha {alpha}");
            let mean = q.iter().map(|&v| f64::from(v)).sum::<f64>() / 1024.0;
            let variance = q.iter().map(|&v| (f64::from(v) - 0.5).powi(2)).sum::<f64>() / 1024.0;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 1e-6, "mean {mean} for alpha {alpha}");
            assert!((variance / expected - 1.0).abs() < 0.01, "variance {variance}, not {expected}, for alpha {alpha}");
        }
    }
}
