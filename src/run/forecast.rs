//! What comes after the end of a series, or after each of its rows.

use super::answer::{decimal, exact, json_number};
use super::predictor::Predictor;
use crate::data::series::{Series, SeriesFitted, dates_after};
use crate::data::table::Table;
use crate::error::Result;
use serde_json::Value;

/// A forecast of one row, or, of each row of a file, what is forecast from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// What tells its series apart, where the model knows several.
    pub group: Vec<String>,
    /// The number of the row: the one that is forecast (of several series, counted within
    /// its own), or the last one that the forecast knows where all rows are asked for.
    pub row: usize,
    /// Its date, where it is known.
    pub date: Option<String>,
    names: Vec<String>,
    values: Vec<(f32, f64)>,
}

impl Forecast {
    /// The names of what is forecast.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The values, in the units of the targets and the order of the names.
    pub fn values(&self) -> Vec<f64> {
        self.values.iter().map(|&(v, centre)| exact(v, centre)).collect()
    }

    /// The values as text, as short as they are exact.
    pub fn decimals(&self) -> impl Iterator<Item = String> {
        self.values.iter().map(|&(v, centre)| decimal(v, centre))
    }

    /// The values by name, as JSON has them.
    pub fn json(&self) -> impl Iterator<Item = (String, Value)> {
        self.names.iter().cloned().zip(self.values.iter().map(|&(v, centre)| json_number(v, centre)))
    }
}

impl Predictor {
    /// What follows a series, given as CSV text with a header, for as many rows as the
    /// model looks ahead; of several series, what follows each.
    ///
    /// Fails for a model of something else, when a column that it reads is missing, and
    /// when no series is as long as the window that the model looks back on.
    pub fn forecast(&mut self, csv: &str) -> Result<Vec<Forecast>> {
        let fitted = self.series()?;
        let table = Table::parse("the series", csv.as_bytes(), &fitted.read_options())?;
        self.forecast_table(&table, false)
    }

    /// [`Predictor::forecast`] of a table. `each`: what is forecast from each of its rows,
    /// instead of what follows the last.
    pub fn forecast_table(&mut self, table: &Table, each: bool) -> Result<Vec<Forecast>> {
        let fitted = self.series()?.clone();
        let panel = fitted.read(table, false)?;
        let asked = fitted.to_forecast(&panel, each)?;
        let mut numbers = self.numbers(&asked.set)?;
        asked.restore(&mut numbers);
        let mut all = vec![];
        for (&[i, start], numbers) in asked.starts.iter().zip(numbers.chunks(fitted.outputs().len())) {
            let series = &panel.series[i];
            match each {
                true => all.push(from_row(&fitted, series, start, numbers)),
                false => all.extend(beyond(&fitted, series, numbers)),
            }
        }
        self.say([panel.notes, asked.notes].concat());
        Ok(all)
    }
}

/// A forecast for each of the rows that follow a series.
fn beyond<'a>(fitted: &'a SeriesFitted, series: &'a Series, numbers: &'a [f32]) -> impl Iterator<Item = Forecast> + 'a {
    let dates = dates_after(series, fitted.horizon);
    let last = match series.group.is_empty() {
        true => series.rows.iter().max().map_or(0, |row| row + 1),
        false => series.len(),
    };
    numbers.chunks(fitted.targets.len()).enumerate().map(move |(h, numbers)| Forecast {
        group: series.group.clone(),
        row: last + h + 1,
        date: dates.get(h).cloned(),
        names: fitted.targets.iter().map(|t| t.name.clone()).collect(),
        values: numbers.iter().zip(&fitted.targets).map(|(&v, t)| (v, t.centre)).collect(),
    })
}

/// What is forecast from the last row of a window, the one before `start`.
fn from_row(fitted: &SeriesFitted, series: &Series, start: usize, numbers: &[f32]) -> Forecast {
    Forecast {
        group: series.group.clone(),
        row: series.rows[start - 1] + 1,
        date: series.dates.is_some().then(|| series.labels[start - 1].clone()),
        names: fitted.outputs(),
        values: numbers.iter().copied().zip(fitted.centres()).collect(),
    }
}
