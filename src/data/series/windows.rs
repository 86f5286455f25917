//! Samples that look back, with targets that lie ahead.

use super::super::{Dataset, Origin, Samples, Targets};
use super::fit::SeriesFitted;
use super::series::{Ahead, Panel, Series};
use crate::error::{Error, Result};
use crate::files::memory;
use std::ops::Range;

/// Windows of the series of a table; none looks from one into another.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// `[window, inputs]` each, not normalised, and the values ahead: those
    /// themselves, or their change from the last known one.
    pub set: Dataset,
    /// The row of the first value ahead of each window.
    pub starts: Vec<Ahead>,
    /// Windows that would forecast a missing value, and are left out.
    pub left_out: usize,
}

/// Windows whose values ahead are not known.
#[derive(Debug, Clone, PartialEq)]
pub struct ToForecast {
    /// `[window, inputs]` each, not normalised; the targets mean nothing.
    pub set: Dataset,
    /// The row that follows each window.
    pub starts: Vec<Ahead>,
    /// What a user should know: groups that are shorter than a window.
    pub notes: Vec<String>,
    /// What each answer is the change from, where the model gives changes.
    from: Option<Vec<f32>>,
}

impl SeriesFitted {
    /// The inputs of all rows, `[rows, width]`. Where a season is taken off, that of what is
    /// forecast; rows that have none before them are 0, and in no window.
    pub(super) fn encode(&self, series: &Series) -> Vec<f32> {
        let columns: Vec<&[f64]> = self.inputs.iter().map(|n| &series.column(&n.name).values[..]).collect();
        let dates = series.dates.as_deref().unwrap_or_default();
        let mut all = Vec::with_capacity(series.len() * self.width());
        let own = self.own();
        for row in 0..series.len() {
            all.extend(columns.iter().enumerate().map(|(i, c)| match self.lag.filter(|_| own.contains(&i)) {
                Some(m) if row < m => 0.0,
                Some(m) => (c[row] - c[row - m]) as f32,
                None => c[row] as f32,
            }));
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

    fn samples(&self, all: &[Series], starts: &[Ahead]) -> Samples {
        let width = self.width();
        let mut samples = Vec::with_capacity(starts.len() * self.window * width);
        for of_series in starts.chunk_by(|a, b| a[0] == b[0]) {
            let encoded = self.encode(&all[of_series[0][0]]);
            for [_, s] in of_series {
                let from = samples.len();
                samples.extend_from_slice(&encoded[(s - self.window) * width..s * width]);
                for column in self.own().into_iter().filter(|_| self.difference) {
                    let last = encoded[(s - 1) * width + column];
                    samples[from + column..].iter_mut().step_by(width).for_each(|v| *v -= last);
                }
            }
        }
        Samples::Floats(samples.into())
    }

    /// The inputs that are forecast. Where changes are, these are looked at as their
    /// distance from what the changes are from: the level, which may have left the range of
    /// training, is then of no account.
    pub(super) fn own(&self) -> Vec<usize> {
        let place = |t| self.inputs.iter().position(|n| n == t);
        self.targets.iter().filter_map(place).collect()
    }

    /// What the answers for some windows are changes from, `[windows, horizon * targets]`;
    /// `None` where they are values.
    pub(super) fn references(&self, all: &[Series], starts: &[Ahead]) -> Option<Vec<f32>> {
        let of = |&[i, s]: &Ahead| {
            let columns: Vec<&[f64]> = self.targets.iter().map(|t| &all[i].column(&t.name).values[..]).collect();
            let step = |h: usize| columns.iter().map(|c| self.reference(c, s, h) as f32).collect::<Vec<_>>();
            (1..=self.horizon).flat_map(step).collect::<Vec<_>>()
        };
        self.is_change().then(|| starts.iter().flat_map(of).collect())
    }

    fn shape(&self) -> Vec<usize> {
        vec![self.window, self.width()]
    }

    /// The windows whose values ahead all lie in some rows of each series. What they
    /// look back on may lie before, in the same series. A window that would forecast a
    /// value that was filled in is left out.
    ///
    /// Fails when there are more than memory holds.
    pub fn windows(&self, all: &[Series], rows: &[Range<usize>], name: String) -> Result<Windows> {
        let (mut starts, mut left_out) = (vec![], 0);
        for (i, (series, rows)) in all.iter().zip(rows).enumerate() {
            let first = rows.start.max(self.reach());
            let last = (rows.end.min(series.len()) + 1).saturating_sub(self.horizon);
            let possible = first..last.max(first);
            let targets: Vec<_> = self.targets.iter().map(|t| series.column(&t.name)).collect();
            let known = |&s: &usize| !targets.iter().any(|t| t.filled[s..s + self.horizon].contains(&true));
            let before = starts.len();
            starts.extend(possible.clone().filter(known).map(|s| [i, s]));
            left_out += possible.len() - (starts.len() - before);
        }
        self.check_size(starts.len(), &name)?;
        let mut values = Vec::with_capacity(starts.len() * self.horizon * self.targets.len());
        for &[i, s] in &starts {
            let targets: Vec<_> = self.targets.iter().map(|t| &all[i].column(&t.name).values).collect();
            for h in 0..self.horizon {
                values.extend(targets.iter().map(|t| (t[s + h] - self.reference(t, s, h + 1)) as f32));
            }
        }
        let samples = self.samples(all, &starts);
        let targets = Targets::Values { values, names: self.outputs() };
        let set = Dataset { name, shape: self.shape(), samples, targets, origin: Origin::default() };
        Ok(Windows { set, left_out, starts })
    }

    /// The windows of all series whose values ahead are asked for: the last one of each,
    /// or all. Series that are shorter than a window are left out.
    ///
    /// Fails when all are.
    pub fn to_forecast(&self, panel: &Panel, all: bool) -> Result<ToForecast> {
        let mut starts = vec![];
        for (i, series) in panel.series.iter().enumerate() {
            let n = series.len();
            let first = if all { self.reach() } else { self.reach().max(n) };
            starts.extend((first..=n).map(|s| [i, s]));
        }
        if starts.is_empty() {
            let longest = panel.series.iter().max_by_key(|s| s.len()).expect("a panel has a series");
            return Err(Error::data(format!(
                "{} has {} rows; expected at least {}, {}{}",
                panel.title(longest),
                longest.len(),
                self.reach(),
                match self.lag {
                    None => "the window that the model looks back on".to_string(),
                    Some(m) => format!(
                        "the window of {} that the model looks back on, each beside the row a season \
                         of {m} before",
                        self.window
                    ),
                },
                if panel.by.is_empty() { "" } else { "; no other group has as many" }
            )));
        }
        let mut notes = panel.without(&starts);
        notes.extend(self.holes(panel, &starts));
        self.check_size(starts.len(), &panel.name)?;
        let samples = self.samples(&panel.series, &starts);
        let values = vec![0.0; starts.len() * self.horizon * self.targets.len()];
        let targets = Targets::Values { values, names: self.outputs() };
        let (name, origin) = (panel.name.clone(), Origin::default());
        let set = Dataset { name, shape: self.shape(), samples, targets, origin };
        let from = self.references(&panel.series, &starts);
        Ok(ToForecast { set, starts, notes, from })
    }
}

impl ToForecast {
    /// Turns a model's answers, `[windows, horizon * targets]`, into values.
    pub fn restore(&self, answers: &mut [f32]) {
        let from = self.from.iter().flatten();
        answers.iter_mut().zip(from).for_each(|(v, from)| *v += from);
    }
}
