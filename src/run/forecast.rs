//! What comes after the end of a series, or after each of its rows.

use super::answer::{Answer, Outputs};
use super::inputs::{Ahead, Inputs};
use super::predictor::Predictor;
use crate::data::series::{Series, dates_after};
use crate::data::table::Table;
use crate::error::Result;

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
    /// The values, in the units of the targets, by name.
    pub answer: Answer,
}

impl Predictor {
    /// What follows a series, given as CSV text with a header, for as many rows as the
    /// model looks ahead; of several series, what follows each.
    ///
    /// Fails for a model of something else, when a column that it reads is missing, and
    /// when no series is as long as the window that the model looks back on.
    pub fn forecast(&mut self, csv: &str) -> Result<Vec<Forecast>> {
        let options = self.inputs().series()?.read_options();
        let table = Table::parse("the series", csv.as_bytes(), &options)?;
        self.forecast_table(&table, false)
    }

    /// [`Predictor::forecast`] of a table. `each`: what is forecast from each of its rows,
    /// instead of what follows the last.
    pub fn forecast_table(&mut self, table: &Table, each: bool) -> Result<Vec<Forecast>> {
        let inputs = self.inputs().clone();
        let ahead = inputs.ahead(table, each)?;
        let numbers = self.numbers(&ahead.asked.set)?;
        let all = inputs.forecasts(&ahead, numbers, each)?;
        self.say(ahead.notes());
        Ok(all)
    }
}

impl Ahead {
    /// What a user should know of the series.
    pub fn notes(&self) -> Vec<String> {
        [&self.panel.notes[..], &self.asked.notes].concat()
    }
}

impl Inputs {
    /// The forecasts that a model's numbers for some windows are, as
    /// [`Predictor::forecast_table`] gives them.
    pub fn forecasts(&self, ahead: &Ahead, mut numbers: Vec<f32>, each: bool) -> Result<Vec<Forecast>> {
        let fitted = self.series()?;
        ahead.asked.restore(&mut numbers);
        let outputs = match each {
            true => self.outputs.clone(),
            // Each row that follows is a forecast of its own.
            false => Outputs::of_values(fitted.targets.iter().map(|t| (t.name.clone(), t.centre)).unzip()),
        };
        let mut all = vec![];
        for (&[i, start], numbers) in ahead.asked.starts.iter().zip(numbers.chunks(fitted.outputs().len())) {
            let series = &ahead.panel.series[i];
            let answers = outputs.answers(numbers);
            match each {
                true => all.extend(answers.into_iter().map(|answer| from_row(series, start, answer))),
                false => all.extend(beyond(series, answers)),
            }
        }
        Ok(all)
    }
}

/// A forecast for each of the rows that follow a series.
fn beyond(series: &Series, answers: Vec<Answer>) -> impl Iterator<Item = Forecast> {
    let dates = dates_after(series, answers.len());
    let last = match series.group.is_empty() {
        true => series.rows.iter().max().map_or(0, |row| row + 1),
        false => series.len(),
    };
    answers.into_iter().enumerate().map(move |(h, answer)| Forecast {
        group: series.group.clone(),
        row: last + h + 1,
        date: dates.get(h).cloned(),
        answer,
    })
}

/// What is forecast from the last row of a window, the one before `start`.
fn from_row(series: &Series, start: usize, answer: Answer) -> Forecast {
    Forecast {
        group: series.group.clone(),
        row: series.rows[start - 1] + 1,
        date: series.dates.is_some().then(|| series.labels[start - 1].clone()),
        answer,
    }
}
