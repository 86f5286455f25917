//! What is learned from the training rows of a series, and what any other file
//! needs to be read alike.

use super::super::table::{Layout, ReadOptions, Table, TableOptions};
use super::calendar::Cycle;
use super::columns::{Columns, DateColumn, NumberColumn};
use super::dates::Step;
use super::rows::Series;
use super::{Season, SeriesOptions, season};
use crate::error::{Context, Error, Result};
use serde::{Deserialize, Serialize};

/// How a series becomes samples, and answers become forecasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesFitted {
    /// The table it was learned from.
    pub table: String,
    /// The training rows.
    pub rows: usize,
    /// Whether the file named its columns.
    pub has_header: bool,
    /// Cells that mean "missing".
    pub missing_values: Vec<String>,
    /// How the file was laid out.
    #[serde(default)]
    pub layout: Layout,
    /// The column of dates, if there is one.
    pub date: Option<DateColumn>,
    /// The columns that are looked at.
    pub inputs: Vec<NumberColumn>,
    /// What of the dates is looked at.
    pub calendar: Vec<Cycle>,
    /// The columns that are forecast.
    pub targets: Vec<NumberColumn>,
    /// Rows of the past in a sample.
    pub window: usize,
    /// Rows ahead that are forecast.
    pub horizon: usize,
    /// Rows per season, if there is one.
    pub season: Option<usize>,
    /// Whether the model gives the change from the last known value.
    pub difference: bool,
    /// Per target: the mean absolute error, within the training rows, of
    /// forecasting the value one season before (one row before, where there is
    /// no season). The unit of MASE; 0 where it makes no error.
    pub naive_error: Vec<f64>,
}

impl SeriesFitted {
    /// Learns from the first `rows` rows of a series.
    ///
    /// Fails when a target does not vary in them.
    pub(super) fn learn(
        table: &Table,
        series: &Series,
        columns: &Columns,
        rows: usize,
        base: &TableOptions,
        options: &SeriesOptions,
    ) -> Result<SeriesFitted> {
        let seen = |name: &str| &series.column(name).values[..rows];
        for target in &columns.targets {
            let values = seen(&target.name);
            if values.iter().all(|v| *v == values[0]) {
                return Err(Error::data(format!(
                    "target \"{}\" of {} is {} in all {rows} training rows; expected numbers that differ",
                    target.name, table.name, values[0]
                )));
            }
        }
        let dates = series.dates.as_ref().map(|d| &d[..rows]);
        let season = match options.season {
            Season::None => None,
            Season::Rows(n) => Some(n),
            Season::Auto => {
                let likely = dates.and_then(Step::of).map_or(vec![], |(step, _)| step.seasons());
                season::find(seen(&columns.targets[0].name), &likely)
            }
        };
        let calendar = match (options.calendar, dates) {
            (true, Some(dates)) => Cycle::of_dates(dates),
            (true, None) => {
                return Err(Error::data(format!(
                    "calendar = true: {} has no column of dates; expected dates such as 2020-01-31 in each row",
                    table.name
                )));
            }
            (false, _) => vec![],
        };
        // A season that the training rows do not span cannot be a unit.
        let lag = season.filter(|&m| m < rows).unwrap_or(1);
        let naive_error = columns.targets.iter().map(|t| naive_error(seen(&t.name), lag)).collect();
        Ok(SeriesFitted {
            table: table.name.clone(),
            rows,
            has_header: table.has_header,
            missing_values: base.missing_values.clone(),
            layout: Layout::of(table, &base.read_options()),
            date: columns.date.clone(),
            inputs: columns.inputs.clone(),
            calendar,
            targets: columns.targets.clone(),
            window: options.window,
            horizon: options.horizon,
            season,
            difference: options.difference,
            naive_error,
        })
    }

    /// What is added to each output to have it in the units of the source.
    pub fn centres(&self) -> Vec<f64> {
        let of_row = self.targets.iter().map(|t| t.centre);
        of_row.cycle().take(self.horizon.saturating_mul(self.targets.len())).collect()
    }

    /// Numbers in a sample, and outputs; `None` where they are more than can be.
    pub fn sizes(&self) -> [Option<usize>; 2] {
        [self.window.checked_mul(self.width()), self.horizon.checked_mul(self.targets.len())]
    }

    /// Checks the numbers that a file says were learned.
    ///
    /// Fails with the one that is wrong.
    pub fn check(&self) -> Result<()> {
        let usable = |e: &f64| e.is_finite() && *e >= 0.0;
        if self.naive_error.len() != self.targets.len() || !self.naive_error.iter().all(usable) {
            return Err(Error::data(format!(
                "naive_error: {:?} for {} targets; expected a finite number of 0 or more for each",
                self.naive_error,
                self.targets.len()
            )));
        }
        if let Some(c) = self.inputs.iter().chain(&self.targets).find(|c| !c.centre.is_finite()) {
            return Err(Error::data(format!(
                "\"{}\": {} is taken off first; expected a finite number",
                c.name, c.centre
            )));
        }
        // A season of more rows than there can be is none that was found.
        match self.season.filter(|m| !(1..=u32::MAX as usize).contains(m)) {
            Some(season) => Err(Error::data(format!("season: {season} rows; expected at least 1"))),
            None => Ok(()),
        }
    }

    /// How another file of this kind is to be read.
    pub fn read_options(&self) -> ReadOptions {
        self.layout.read_options(self.has_header, &self.missing_values)
    }

    /// Inputs per row: columns, and what is made of dates.
    pub fn width(&self) -> usize {
        self.inputs.len() + 2 * self.calendar.len()
    }

    /// The names of the inputs.
    pub fn features(&self) -> Vec<String> {
        let of_dates = self.calendar.iter().flat_map(|c| ["sine", "cosine"].map(|f| format!("{f} of {}", c.name())));
        self.inputs.iter().map(|n| n.name.clone()).chain(of_dates).collect()
    }

    /// The names of a model's outputs: each target one row ahead (`Temp+1`),
    /// then two, and so on.
    pub fn outputs(&self) -> Vec<String> {
        let step = |h: usize| self.targets.iter().map(move |t| format!("{}+{h}", t.name));
        (1..=self.horizon).flat_map(step).collect()
    }

    /// Reads another file. Without `with_targets`, targets that are no inputs
    /// need not be there.
    ///
    /// Fails as [`Series::read`] does, and when dates are looked at and the file
    /// has none.
    pub fn read(&self, table: &Table, with_targets: bool) -> Result<Series> {
        let mut numbers = self.inputs.clone();
        let others = self.targets.iter().filter(|t| !self.inputs.contains(t));
        numbers.extend(others.filter(|_| with_targets || self.difference).cloned());
        let place = || format!("\"{}\" as a series like \"{}\"", table.name, self.table);
        let date = self.date.as_ref().filter(|d| !self.calendar.is_empty() || table.column(&d.name).is_ok());
        let mut series = Series::read(table, date, &numbers).context(place)?;
        if let (Some(d), None) = (&self.date, date) {
            series.notes.push(format!("{} has no column \"{}\": its rows are taken as they stand", table.name, d.name));
        }
        Ok(series)
    }
}

/// The mean absolute change over `lag` rows.
fn naive_error(values: &[f64], lag: usize) -> f64 {
    let n = values.len().saturating_sub(lag);
    values.iter().zip(&values[lag.min(values.len())..]).map(|(a, b)| (b - a).abs()).sum::<f64>() / n.max(1) as f64
}
