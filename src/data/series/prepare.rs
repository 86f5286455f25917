//! The sets of a series: split by time, scaled by what the training rows say.

use super::super::dataset::Split;
use super::super::table::{Table, TableOptions, Task};
use super::super::{Dataset, Normal, Origin, Samples, Targets};
use super::columns::Columns;
use super::dates::Step;
use super::fit::SeriesFitted;
use super::naive::{Naive, NaiveSets};
use super::rows::Series;
use super::{Season, SeriesOptions};
use crate::error::{Error, Result};
use std::ops::Range;

/// The sets of a series.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Windows to train on.
    pub train: Dataset,
    /// Windows that decide between epochs.
    pub val: Option<Dataset>,
    /// Windows that are scored at the end.
    pub test: Option<Dataset>,
    /// Forecasts without a model for validation and test.
    pub naive: NaiveSets,
    /// How inputs are brought to a common size.
    pub normal: Normal,
    /// What was learned, and how another file is read.
    pub fitted: SeriesFitted,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Where the parts of a series end: training, validation, test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    pub train: usize,
    pub val: usize,
    pub rows: usize,
}

impl Parts {
    /// The last `test` rows are for the test, and of those before them the last
    /// share `val_split` for validation.
    fn of(rows: usize, val_split: f64, test: usize) -> Parts {
        let val = rows - test.min(rows);
        let train = val - ((val as f64 * val_split).round() as usize).min(val);
        Parts { train, val, rows }
    }

    /// Whether each part has a window: training a whole one, others the values
    /// ahead.
    fn suffice(&self, options: &SeriesOptions) -> bool {
        let ahead = |rows: usize| rows == 0 || rows >= options.horizon;
        self.train >= options.window.saturating_add(options.horizon)
            && ahead(self.val - self.train)
            && ahead(self.rows - self.val)
    }
}

fn share(rows: usize, of: f64) -> usize {
    (rows as f64 * of).round() as usize
}

/// The parts of a series. `test` rows at its end are for the test, or the share
/// that the options ask for.
fn split(name: &str, n: usize, options: &SeriesOptions, val_split: f64, test: Option<usize>) -> Result<Parts> {
    let parts = |n: usize| {
        let parts = Parts::of(n, val_split, test.unwrap_or_else(|| share(n, options.test_split)));
        // A share that is asked for is not rounded to nothing.
        let there = |share: f64, rows: usize| share == 0.0 || rows > 0;
        let whole = there(val_split, parts.val - parts.train)
            && (test.is_some() || there(options.test_split, parts.rows - parts.val));
        (whole && parts.suffice(options)).then_some(parts)
    };
    if let Some(parts) = parts(n) {
        return Ok(parts);
    }
    let (mut low, mut high) = (n, n.max(1));
    while parts(high).is_none() && high < usize::MAX / 4 {
        (low, high) = (high, high * 2);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if parts(middle).is_some() { high = middle } else { low = middle }
    }
    let (val, test) = (percent(val_split), test.map_or(percent(options.test_split), |rows| format!("{rows} rows")));
    Err(Error::data(format!(
        "{name} has {n} rows; expected at least {high} for a window of {} rows and {} ahead, with {val} held out for \
         validation and {test} for the test; take a smaller window or horizon, or smaller splits",
        options.window, options.horizon
    )))
}

fn percent(share: f64) -> String {
    format!("{} %", (1000.0 * share).round() / 10.0)
}

/// Splits of a series for cross-validation that keep the order of time: each
/// fold is tested on the rows behind those that it is trained on, and trains on
/// all before them.
///
/// Fails when there are fewer than two folds, or fewer rows than parts.
pub fn expanding(table: &Table, base: &TableOptions, options: &SeriesOptions, folds: usize) -> Result<Vec<Split>> {
    let columns = Columns::choose(table, base, options)?;
    let n = Series::read(table, columns.date.as_ref(), &columns.numbers())?.len();
    let block = n / folds.saturating_add(1);
    if folds < 2 || block == 0 {
        let name = &table.name;
        return Err(Error::usage(format!(
            "cannot make {folds} folds of {name}: it is a series of {n} rows; expected 2 to {}",
            n.saturating_sub(1)
        )));
    }
    let fold = |i: usize| {
        let end = n - (folds - 1 - i) * block;
        Split { kept: (0..end - block).collect(), held: (end - block..end).collect() }
    };
    Ok((0..folds).map(fold).collect())
}

/// Reads and splits a series. `fold` is one of [`expanding`]: its held-out rows
/// are the test, and what lies behind them is left out.
///
/// Fails when columns are not there or hold no numbers, when the task is no
/// regression, when a target is constant, when the rows are too few.
pub fn prepare(
    table: &Table,
    base: &TableOptions,
    options: &SeriesOptions,
    val_split: f64,
    fold: Option<&Split>,
) -> Result<Prepared> {
    if base.task == Task::Classification {
        return Err(Error::usage("task = \"classification\": a series forecasts numbers; expected regression or auto"));
    }
    let mut columns = Columns::choose(table, base, options)?;
    let mut series = Series::read(table, columns.date.as_ref(), &columns.numbers())?;
    let whole = series.len();
    if let Some(end) = fold.and_then(|f| f.held.last()) {
        series = series.first(end + 1);
    }
    let parts = split(&table.name, series.len(), options, val_split, fold.map(|f| f.held.len()))?;
    columns.take_off_centres(&mut series, parts.train);
    let fitted = SeriesFitted::learn(table, &series, &columns, parts.train, base, options)?;
    let mut notes = columns.notes.clone();
    notes.extend(series.notes.iter().cloned());
    notes.extend(describe(&fitted, &series, &parts, options));
    if fold.is_some() {
        notes.push(format!("{}: this fold ends at row {} of {whole}", table.name, series.len()));
    }
    if base.cleaning != Default::default() {
        notes.push("[clean] is for tables of single rows; it does not change a series".into());
    }
    let mut part = |rows: Range<usize>, what: &str| -> Result<Option<(Dataset, Naive)>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let mut made = fitted.windows(&series, rows, format!("{} ({what})", table.name))?;
        made.set.origin = Origin::of_rows(table, made.starts.iter().map(|&s| series.rows[s]));
        if made.starts.is_empty() {
            return Err(Error::data(format!(
                "{}: every window of the {what} part would forecast a missing value; take a smaller horizon, or fill \
                 the gaps of {}",
                table.name,
                fitted.targets.iter().map(|t| format!("\"{}\"", t.name)).collect::<Vec<_>>().join(", ")
            )));
        }
        if made.left_out > 0 {
            let n = made.left_out;
            notes.push(format!(
                "{}: {n} windows of the {what} part are left out: they would forecast a missing value",
                table.name
            ));
        }
        let naive = Naive::of(&fitted, &series, &made.starts);
        Ok(Some((made.set, naive)))
    };
    let train = part(0..parts.train, "training")?.expect("the split leaves training rows").0;
    let (val, naive_val) = part(parts.train..parts.val, "validation")?.unzip();
    let (test, naive_test) = part(parts.val..parts.rows, "test")?.unzip();
    let normal = normal(&fitted, &series.first(parts.train), &train, base);
    Ok(Prepared { train, val, test, naive: NaiveSets { val: naive_val, test: naive_test }, normal, fitted, notes })
}

/// Per column of the training rows, for each row of a window; where a column is
/// looked at from its last value, of the training windows. Sine and cosine stay
/// as they are.
fn normal(fitted: &SeriesFitted, rows: &Series, windows: &Dataset, base: &TableOptions) -> Normal {
    let width = fitted.width();
    let learn = |samples: Samples, rows: usize| {
        let targets = Targets::Values { values: vec![0.0; rows], names: vec![String::new()] };
        let origin = Origin::default();
        Normal::learn(&Dataset { name: String::new(), shape: vec![width], samples, targets, origin }, base.normalize)
    };
    let mut one = learn(Samples::Floats(fitted.encode(rows).into()), rows.len());
    let relative = fitted.relative();
    if !relative.is_empty() {
        let of_windows = learn(windows.samples.clone(), windows.len() * fitted.window);
        for column in relative {
            (one.scale[column], one.shift[column]) = (of_windows.scale[column], of_windows.shift[column]);
        }
    }
    one.scale[fitted.inputs.len()..].fill(1.0);
    one.shift[fitted.inputs.len()..].fill(0.0);
    Normal { scale: one.scale.repeat(fitted.window), shift: one.shift.repeat(fitted.window) }
}

/// What was made of a series, for people.
fn describe(fitted: &SeriesFitted, series: &Series, parts: &Parts, options: &SeriesOptions) -> Vec<String> {
    let name = &series.name;
    let place = |row: usize| match &fitted.date {
        Some(_) => series.labels[row].clone(),
        None => format!("row {}", row + 1),
    };
    let part = |what: &str, rows: Range<usize>| match rows.is_empty() {
        true => format!("none for {what}"),
        false => format!("{} for {what} ({} to {})", rows.len(), place(rows.start), place(rows.end - 1)),
    };
    let targets = fitted.targets.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut all = vec![
        format!(
            "{name}: a series; {targets} is forecast {} row{} ahead from {} rows of {}",
            fitted.horizon,
            if fitted.horizon == 1 { "" } else { "s" },
            fitted.window,
            fitted.features().join(", ")
        ),
        format!(
            "{name}: {} rows: {}, {}, {}",
            parts.rows,
            part("training", 0..parts.train),
            part("validation", parts.train..parts.val),
            part("the test", parts.val..parts.rows)
        ),
    ];
    if let Some(dates) = &series.dates {
        all.push(match Step::of(dates) {
            Some((step, 0)) => format!("{name}: dates are {} apart", step.name()),
            Some((step, odd)) => format!(
                "{name}: dates are {} apart, but not in {odd} of {} places; rows are taken as evenly spaced",
                step.name(),
                dates.len() - 1
            ),
            None => format!("{name}: dates are unevenly apart; rows are taken as evenly spaced"),
        });
    }
    all.push(match (fitted.season, options.season) {
        (Some(m), Season::Auto) => format!("{name}: a season of {m} rows was found"),
        (Some(m), _) => format!("{name}: a season has {m} rows, as configured"),
        (None, Season::Auto) => format!("{name}: no season was found"),
        (None, _) => format!("{name}: no season, as configured"),
    });
    all
}
