//! Samples that look back, with targets that lie ahead.

use super::super::{Dataset, Origin, Samples, Targets};
use super::fit::SeriesFitted;
use super::rows::Series;
use crate::error::{Error, Result};
use crate::files::memory;
use std::ops::Range;

/// Windows of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// `[window, inputs]` each, not normalised, and the values ahead: those
    /// themselves, or their change from the last known one.
    pub set: Dataset,
    /// The row of the first value ahead of each window.
    pub starts: Vec<usize>,
    /// Windows that would forecast a missing value, and are left out.
    pub left_out: usize,
}

/// Windows whose values ahead are not known.
#[derive(Debug, Clone, PartialEq)]
pub struct ToForecast {
    /// `[window, inputs]` each, not normalised; the targets mean nothing.
    pub set: Dataset,
    /// The row that follows each window.
    pub starts: Vec<usize>,
    /// Per window and target: the last known value, where the model gives
    /// changes from it.
    last: Option<Vec<f32>>,
}

impl SeriesFitted {
    /// The inputs of all rows, `[rows, width]`.
    pub(super) fn encode(&self, series: &Series) -> Vec<f32> {
        let columns: Vec<&[f64]> = self.inputs.iter().map(|n| &series.column(&n.name).values[..]).collect();
        let dates = series.dates.as_deref().unwrap_or_default();
        let mut all = Vec::with_capacity(series.len() * self.width());
        for row in 0..series.len() {
            all.extend(columns.iter().map(|c| c[row] as f32));
            all.extend(self.calendar.iter().flat_map(|cycle| cycle.of(dates[row])));
        }
        all
    }

    fn check_size(&self, windows: usize, name: &str) -> Result<()> {
        let numbers = windows.saturating_mul(self.window).saturating_mul(self.width()) as u64;
        memory::judge_named(&name, numbers.saturating_mul(4), memory::budget()).map_err(|e| {
            e.context(format!(
                "{windows} windows of {} rows and {} inputs are {numbers} numbers (take a smaller window, or fewer rows)",
                self.window,
                self.width()
            ))
        })
    }

    fn samples(&self, encoded: &[f32], starts: &[usize]) -> Samples {
        let width = self.width();
        let mut all = Vec::with_capacity(starts.len() * self.window * width);
        for s in starts {
            let from = all.len();
            all.extend_from_slice(&encoded[(s - self.window) * width..s * width]);
            for column in self.relative() {
                let last = encoded[(s - 1) * width + column];
                all[from + column..].iter_mut().step_by(width).for_each(|v| *v -= last);
            }
        }
        Samples::Floats(all.into())
    }

    /// The inputs that are looked at as their distance from the last known
    /// value: where changes are forecast, what is forecast. The level, which may
    /// have left the range of training, is then of no account.
    pub(super) fn relative(&self) -> Vec<usize> {
        let place = |t| self.inputs.iter().position(|n| n == t);
        self.targets.iter().filter(|_| self.difference).filter_map(place).collect()
    }

    fn shape(&self) -> Vec<usize> {
        vec![self.window, self.width()]
    }

    /// The windows whose values ahead all lie in some rows. What they look back
    /// on may lie before. A window that would forecast a value that was filled
    /// in is left out.
    ///
    /// Fails when there are more than memory holds.
    pub fn windows(&self, series: &Series, rows: Range<usize>, name: String) -> Result<Windows> {
        let first = rows.start.max(self.window);
        let last = (rows.end.min(series.len()) + 1).saturating_sub(self.horizon);
        let possible = first..last.max(first);
        let targets: Vec<_> = self.targets.iter().map(|t| series.column(&t.name)).collect();
        let known = |&s: &usize| !targets.iter().any(|t| t.filled[s..s + self.horizon].contains(&true));
        let starts: Vec<usize> = possible.clone().filter(known).collect();
        self.check_size(starts.len(), &name)?;
        let mut values = Vec::with_capacity(starts.len() * self.horizon * targets.len());
        for &s in &starts {
            for h in 0..self.horizon {
                values.extend(targets.iter().map(|t| {
                    let from = if self.difference { t.values[s - 1] } else { 0.0 };
                    (t.values[s + h] - from) as f32
                }));
            }
        }
        let samples = self.samples(&self.encode(series), &starts);
        let targets = Targets::Values { values, names: self.outputs() };
        let set = Dataset { name, shape: self.shape(), samples, targets, origin: Origin::default() };
        Ok(Windows { set, left_out: possible.len() - starts.len(), starts })
    }

    /// The windows of a series whose values ahead are asked for: the last one,
    /// or all.
    ///
    /// Fails when the series is shorter than a window.
    pub fn to_forecast(&self, series: &Series, all: bool) -> Result<ToForecast> {
        let n = series.len();
        if n < self.window {
            return Err(Error::data(format!(
                "{} has {n} rows; expected at least {}, the window that the model looks back on",
                series.name, self.window
            )));
        }
        let starts: Vec<usize> = if all { (self.window..=n).collect() } else { vec![n] };
        self.check_size(starts.len(), &series.name)?;
        let samples = self.samples(&self.encode(series), &starts);
        let values = vec![0.0; starts.len() * self.horizon * self.targets.len()];
        let targets = Targets::Values { values, names: self.outputs() };
        let (name, origin) = (series.name.clone(), Origin::default());
        let set = Dataset { name, shape: self.shape(), samples, targets, origin };
        let last = self.difference.then(|| {
            let at = |s: &usize| self.targets.iter().map(|t| series.column(&t.name).values[*s - 1] as f32).collect();
            starts.iter().flat_map(|s: &usize| -> Vec<f32> { at(s) }).collect()
        });
        Ok(ToForecast { set, starts, last })
    }
}

impl ToForecast {
    /// Turns a model's answers, `[windows, horizon * targets]`, into values.
    pub fn restore(&self, answers: &mut [f32]) {
        let Some(last) = &self.last else { return };
        let targets = last.len() / self.starts.len().max(1);
        let outputs = answers.len() / self.starts.len().max(1);
        for (i, v) in answers.iter_mut().enumerate() {
            *v += last[i / outputs * targets + i % outputs % targets];
        }
    }
}
