//! Metrics of predicted numbers.

use super::{Detail, Figure, Figures, Intervals, bootstrap, ratio, rows, thin};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Pairs of truth and prediction kept per target, for the plots.
const PAIRS: usize = 1000;

/// What one target scored, or the mean over several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetScores {
    /// Its name.
    pub name: String,
    /// Mean absolute error.
    pub mae: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Coefficient of determination; `None` for one sample.
    pub r2: Option<f64>,
    /// Mean absolute error relative to the truth; huge where the truth is 0.
    pub mape: f64,
    /// Median absolute error.
    pub median_ae: f64,
    /// Largest absolute error.
    pub max_error: f64,
    /// Share of the variance that is explained, bias aside.
    pub explained_variance: f64,
    /// Mean of prediction less truth.
    pub bias: f64,
}

/// Everything that is said about predicted numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// Samples scored.
    pub samples: usize,
    /// The plain mean over targets; of `max_error` the largest.
    #[serde(flatten)]
    pub overall: TargetScores,
    /// 95 % intervals of the means by key.
    pub intervals: Intervals,
    /// Each target.
    pub targets: Vec<TargetScores>,
    /// Up to 1,000 pairs (truth, prediction) of each target.
    pub pairs: Vec<Vec<[f64; 2]>>,
    /// What was undefined and why.
    pub notes: Vec<String>,
}

const KEYS: [&str; 7] = ["mae", "rmse", "r2", "mape", "median_ae", "explained_variance", "bias"];

impl Regression {
    /// Scores predictions `[N, targets]`, row-major, against the truth.
    pub fn of(predicted: &[f32], target: &[f32], names: &[String]) -> Result<Regression> {
        Regression::about(predicted, target, names, &vec![0.0; names.len()], Detail::Everything)
    }

    /// [`Regression::of`] for numbers that are distances from a centre, one per target.
    pub fn about(
        predicted: &[f32],
        target: &[f32],
        names: &[String],
        centres: &[f64],
        detail: Detail,
    ) -> Result<Regression> {
        let columns = names.len();
        if columns == 0 {
            return Err(Error::data("there is no target to score; expected at least 1"));
        }
        let samples = target.len() / columns;
        rows("targets", target, samples, columns)?;
        rows("predictions", predicted, samples, columns)?;
        let column = |t: usize| Column::new(predicted, target, t, columns, centres[t]);
        let all: Vec<Column> = (0..columns).map(column).collect();
        let once = vec![1; samples];
        let targets: Vec<TargetScores> = all.iter().zip(names).map(|(c, n)| c.score(n, &once)).collect();
        let mut notes = vec![];
        if samples < 2 {
            notes.push("R2 is undefined for a single sample.".to_string());
        }
        for (c, name) in all.iter().zip(names).filter(|(c, _)| c.constant() && samples > 1) {
            let value = c.pairs[0].0;
            notes.push(format!("The target \"{name}\" is {value} throughout: R2 is 1 if all is right, else 0."));
        }
        for (_, name) in all.iter().zip(names).filter(|(c, _)| c.pairs.iter().any(|p| p.0 == 0.0)) {
            notes.push(format!("The target \"{name}\" is 0 in places, where a relative error (MAPE) means little."));
        }
        Ok(Regression {
            samples,
            overall: mean(&targets),
            intervals: if detail == Detail::Everything { intervals(&all, samples) } else { Intervals::new() },
            targets,
            pairs: all.iter().map(|c| thin(&c.pairs, PAIRS).iter().map(|&(t, p)| [t, p]).collect()).collect(),
            notes,
        })
    }

    /// The figures, most telling first.
    pub fn figures(&self) -> Vec<Figure> {
        let mut f = Figures { intervals: &self.intervals, list: vec![] };
        let o = &self.overall;
        f.add("r2", o.r2);
        f.add("mae", Some(o.mae));
        f.add("rmse", Some(o.rmse));
        f.add("median_ae", Some(o.median_ae));
        f.add("mape", Some(o.mape));
        f.add("max_error", Some(o.max_error));
        f.add("explained_variance", Some(o.explained_variance));
        f.add("bias", Some(o.bias));
        f.list
    }
}

fn intervals(columns: &[Column], samples: usize) -> Intervals {
    let found = bootstrap::intervals(samples, |counts| {
        let scores: Vec<TargetScores> = columns.iter().map(|c| c.score("", counts)).collect();
        let m = mean(&scores);
        vec![m.mae, m.rmse, m.r2.unwrap_or(f64::NAN), m.mape, m.median_ae, m.explained_variance, m.bias]
    });
    KEYS.iter().zip(found).filter_map(|(k, i)| i.map(|i| (k.to_string(), i))).collect()
}

fn mean(targets: &[TargetScores]) -> TargetScores {
    let n = targets.len() as f64;
    let mean = |of: fn(&TargetScores) -> f64| targets.iter().map(of).sum::<f64>() / n;
    TargetScores {
        name: "mean".into(),
        mae: mean(|t| t.mae),
        rmse: mean(|t| t.rmse),
        r2: targets.iter().map(|t| t.r2).sum::<Option<f64>>().map(|sum| sum / n),
        mape: mean(|t| t.mape),
        median_ae: mean(|t| t.median_ae),
        max_error: targets.iter().map(|t| t.max_error).fold(0.0, f64::max),
        explained_variance: mean(|t| t.explained_variance),
        bias: mean(|t| t.bias),
    }
}

/// One target: pairs (truth, prediction), and the order of their errors.
struct Column {
    pairs: Vec<(f64, f64)>,
    by_error: Vec<u32>,
    /// The mean of the truth; sums are taken from there, so that a large
    /// offset costs no digits.
    centre: f64,
}

impl Column {
    fn new(predicted: &[f32], target: &[f32], t: usize, columns: usize, about: f64) -> Column {
        let pick = |v: &[f32], i: usize| about + f64::from(v[i * columns + t]);
        let n = target.len() / columns;
        let pairs: Vec<(f64, f64)> = (0..n).map(|i| (pick(target, i), pick(predicted, i))).collect();
        let error = |i: &u32| (pairs[*i as usize].1 - pairs[*i as usize].0).abs();
        let mut by_error: Vec<u32> = (0..n as u32).collect();
        by_error.sort_unstable_by(|a, b| error(a).total_cmp(&error(b)).then(a.cmp(b)));
        let centre = pairs.iter().map(|p| p.0).sum::<f64>() / n as f64;
        Column { pairs, by_error, centre }
    }

    fn constant(&self) -> bool {
        self.pairs.iter().all(|p| p.0 == self.pairs[0].0)
    }

    /// The scores when sample `i` counts `counts[i]` times.
    fn score(&self, name: &str, counts: &[u32]) -> TargetScores {
        let n: f64 = counts.iter().map(|&c| f64::from(c)).sum();
        let (mut absolute, mut square, mut relative, mut sum, mut largest) = (0.0, 0.0, 0.0, 0.0, 0.0f64);
        let (mut truth, mut truth_square) = (0.0, 0.0);
        for (&(t, p), &count) in self.pairs.iter().zip(counts).filter(|(_, c)| **c > 0) {
            let (w, e, centred) = (f64::from(count), p - t, t - self.centre);
            absolute += w * e.abs();
            square += w * e * e;
            relative += w * e.abs() / t.abs().max(f64::EPSILON);
            sum += w * e;
            largest = largest.max(e.abs());
            truth += w * centred;
            truth_square += w * centred * centred;
        }
        // A constant target has no variance, whatever rounding says.
        let spread = (truth_square - truth * truth / n).max(0.0);
        let spread = if spread <= f64::EPSILON * f64::EPSILON * self.centre * self.centre * n { 0.0 } else { spread };
        let left = self.spread_of_errors(counts, sum / n);
        TargetScores {
            name: name.into(),
            mae: absolute / n,
            rmse: (square / n).sqrt(),
            r2: (n >= 2.0).then(|| explained(square, spread)),
            mape: relative / n,
            median_ae: self.median_error(counts, n),
            max_error: largest,
            explained_variance: explained(left, spread),
            bias: sum / n,
        }
    }

    /// Sum of squared errors about their mean; in a second pass, for errors
    /// that are all alike must give 0.
    fn spread_of_errors(&self, counts: &[u32], mean: f64) -> f64 {
        self.pairs.iter().zip(counts).map(|(&(t, p), &c)| f64::from(c) * (p - t - mean).powi(2)).sum()
    }

    fn median_error(&self, counts: &[u32], n: f64) -> f64 {
        let error = |i: u32| (self.pairs[i as usize].1 - self.pairs[i as usize].0).abs();
        let n = n as u64;
        let (mut below, mut low) = (0u64, None);
        for &i in &self.by_error {
            below += u64::from(counts[i as usize]);
            if low.is_none() && below > (n - 1) / 2 {
                low = Some(error(i));
            }
            if let Some(low) = low.filter(|_| below > n / 2) {
                return (low + error(i)) / 2.0;
            }
        }
        low.unwrap_or(0.0)
    }
}

/// One less the share of `left` in `spread`; with no spread 1 if nothing is
/// left, else 0, as in scikit-learn.
fn explained(left: f64, spread: f64) -> f64 {
    match (left == 0.0, spread == 0.0) {
        (true, _) => 1.0,
        (false, true) => 0.0,
        (false, false) => 1.0 - ratio(left, spread),
    }
}
