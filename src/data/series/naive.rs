//! Forecasts that need no model. A model that does not beat them has learned
//! nothing.

use super::super::{Dataset, Targets};
use super::difference::Difference;
use super::fit::SeriesFitted;
use super::series::{Ahead, Series};

/// The name of the forecast that all others are compared with.
pub const PERSISTENCE: &str = "persistence";
/// The mean of what a window looks back on.
pub const WINDOW_MEAN: &str = "window mean";

/// Forecasts without a model for the windows of a set, and what came true.
#[derive(Debug, Clone, PartialEq)]
pub struct Naive {
    /// Windows.
    pub windows: usize,
    /// What is forecast, by column.
    pub targets: Vec<String>,
    /// Rows ahead.
    pub horizon: usize,
    /// Rows that a window looks back on.
    pub window: usize,
    /// Rows per season, if there is one.
    pub season: Option<usize>,
    /// The unit of MASE, per target.
    pub naive_error: Vec<f64>,
    /// What is added to values to have them in the units of the source, per target.
    pub centres: Vec<f64>,
    /// What a forecast of the model is the change from.
    pub difference: Difference,
    /// What the set's targets are changes from, `[windows, horizon * targets]`; `None` where
    /// they are values.
    pub changes_from: Option<Vec<f32>>,
    /// What came true, `[windows, horizon * targets]`.
    pub truth: Vec<f32>,
    /// The date, or the number, of the first row ahead of each window.
    pub labels: Vec<String>,
    /// The groups of the windows, in their order, with how many each has; empty where
    /// there is one series.
    pub groups: Vec<(String, usize)>,
    /// Each way to forecast by name, persistence first: `[windows, horizon *
    /// targets]`.
    pub forecasts: Vec<(String, Vec<f32>)>,
    /// Why one is not there.
    pub notes: Vec<String>,
}

/// The forecasts for the sets of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NaiveSets {
    /// For the validation windows.
    pub val: Option<Naive>,
    /// For the test windows.
    pub test: Option<Naive>,
}

impl Naive {
    /// For the windows ahead of which the rows `starts` come first.
    ///
    /// - persistence: the last known value;
    /// - seasonal naive: the latest known value of the same place in the season;
    /// - seasonal change: the last known value, and the change one season before;
    /// - drift: the line through the first and the last value of the window;
    /// - window mean.
    pub fn of(fitted: &SeriesFitted, series: &[Series], starts: &[Ahead]) -> Naive {
        let columns_of = |s: &Series| fitted.targets.iter().map(|t| s.column(&t.name).values.clone()).collect();
        let columns: Vec<Vec<Vec<f64>>> = series.iter().map(columns_of).collect();
        let window = fitted.window;
        // The value of column `c`, `h` rows (from 1) ahead of row `s - 1`.
        let all = |value: &dyn Fn(&[f64], usize, usize) -> f64| -> Vec<f32> {
            let mut values = Vec::with_capacity(starts.len() * fitted.horizon * fitted.targets.len());
            for &[i, s] in starts {
                for h in 1..=fitted.horizon {
                    values.extend(columns[i].iter().map(|c| value(c, s, h) as f32));
                }
            }
            values
        };
        let mut forecasts = vec![(PERSISTENCE.to_string(), all(&|c, s, _| c[s - 1]))];
        let mut notes = vec![];
        match fitted.season {
            Some(m) if starts.iter().all(|&[_, s]| s >= m) => {
                forecasts.push((format!("seasonal naive ({m})"), all(&|c, s, h| Naive::seasonal(c, s, h, m))));
                if starts.iter().all(|&[_, s]| s > m * fitted.horizon.div_ceil(m)) {
                    let change = all(&|c, s, h| Naive::seasonal_change(c, s, h, m));
                    forecasts.push((format!("seasonal change ({m})"), change));
                }
            }
            Some(m) => notes.push(format!(
                "There is no seasonal naive forecast: a season has {m} rows, and not all windows have that many before \
                 them."
            )),
            None => {}
        }
        if window > 1 {
            let drift =
                |c: &[f64], s: usize, h: usize| c[s - 1] + h as f64 * (c[s - 1] - c[s - window]) / (window - 1) as f64;
            forecasts.push(("drift".into(), all(&drift)));
            let mean = |c: &[f64], s: usize, _: usize| c[s - window..s].iter().sum::<f64>() / window as f64;
            forecasts.push((WINDOW_MEAN.into(), all(&mean)));
        }
        let of_groups = starts.chunk_by(|a, b| a[0] == b[0]).map(|own| (series[own[0][0]].title(), own.len()));
        let grouped = series.iter().any(|s| !s.group.is_empty());
        let label = |&[i, s]: &Ahead| match grouped {
            true => format!("{} {}", series[i].title(), series[i].labels[s]),
            false => series[i].labels[s].clone(),
        };
        Naive {
            windows: starts.len(),
            targets: fitted.targets.iter().map(|t| t.name.clone()).collect(),
            horizon: fitted.horizon,
            window,
            season: fitted.season,
            naive_error: fitted.naive_error.clone(),
            centres: fitted.targets.iter().map(|t| t.centre).collect(),
            difference: fitted.kind(),
            changes_from: fitted.references(series, starts),
            truth: all(&|c, s, h| c[s + h - 1]),
            labels: starts.iter().map(label).collect(),
            groups: of_groups.filter(|_| grouped).collect(),
            forecasts,
            notes,
        }
    }

    /// The latest known value of the same place in a season of `m` rows, for `h` rows (from
    /// 1) ahead of row `s - 1` of a column.
    pub(super) fn seasonal(column: &[f64], s: usize, h: usize, m: usize) -> f64 {
        column[s + h - 1 - m * h.div_ceil(m)]
    }

    /// The last known value, and the change from the same place of the season to that.
    pub(super) fn seasonal_change(column: &[f64], s: usize, h: usize, m: usize) -> f64 {
        column[s - 1] + Naive::seasonal(column, s, h, m) - column[s - 1 - m * h.div_ceil(m)]
    }

    /// For the first windows alone.
    pub fn first(&self, windows: usize) -> Naive {
        let windows = windows.min(self.windows);
        let width = self.horizon * self.targets.len();
        let mut part = Naive { windows, ..self.clone() };
        part.labels.truncate(windows);
        let mut left = windows;
        for (_, own) in &mut part.groups {
            *own = left.min(*own);
            left -= *own;
        }
        part.groups.retain(|(_, own)| *own > 0);
        part.truth.truncate(windows * width);
        part.changes_from.iter_mut().for_each(|values| values.truncate(windows * width));
        part.forecasts.iter_mut().for_each(|(_, values)| values.truncate(windows * width));
        part
    }

    /// The forecast of this name.
    pub fn forecast(&self, name: &str) -> Option<&[f32]> {
        self.forecasts.iter().find(|(n, _)| n == name).map(|(_, values)| &values[..])
    }

    /// Turns a model's answers for the windows into values.
    pub fn restore(&self, answers: &mut [f32]) {
        let from = self.changes_from.iter().flatten();
        answers.iter_mut().zip(from).for_each(|(v, from)| *v += from);
    }

    /// The set with the values themselves as targets.
    pub fn with_truth(&self, set: &Dataset) -> Dataset {
        let names = set.targets.names().to_vec();
        Dataset { targets: Targets::Values { values: self.truth.clone(), names }, ..set.clone() }
    }
}
