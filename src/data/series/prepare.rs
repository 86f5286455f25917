//! The sets of a table of series: split by time, scaled by what the training rows say.

use super::super::split::Split;
use super::super::table::{Table, TableOptions, Task};
use super::super::{Dataset, Normal, Origin, Samples, Targets};
use super::columns::Columns;
use super::dates::Step;
use super::fit::SeriesFitted;
use super::naive::{Naive, NaiveSets};
use super::parts::{self, Parts, Splitting};
use super::series::{Panel, Series};
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

/// Splits of a table of series for cross-validation that keep the order of time.
///
/// Fails when there are fewer than two folds, or fewer rows than parts.
pub fn expanding(table: &Table, base: &TableOptions, options: &SeriesOptions, folds: usize) -> Result<Vec<Split>> {
    let columns = Columns::choose(table, base, options)?;
    parts::expanding(&Panel::read(table, &columns, options.duplicates)?, folds)
}

/// Reads and splits the series of a table. `fold` is one of [`expanding`]: its held-out rows
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
    let mut panel = Panel::read(table, &columns, options.duplicates)?;
    let parts = Splitting { options, val_split }.split(&mut panel, fold)?;
    let train_rows: Vec<usize> = parts.iter().map(|p| p.train).collect();
    columns.take_off_centres(&mut panel.series, &train_rows);
    let training: Vec<(&Series, usize)> = panel.series.iter().zip(train_rows).collect();
    let mut fitted = SeriesFitted::learn(table, &training, &columns, base, options)?;
    let chosen = fitted.choose(&training, options.difference)?;
    let mut notes = columns.notes.clone();
    notes.extend(panel.notes.iter().cloned());
    notes.extend(describe(&fitted, &panel, &parts, options));
    notes.extend(chosen.map(|what| format!("{}: {what}", table.name)));
    let short = training.iter().filter(|(_, rows)| *rows < fitted.reach() + fitted.horizon).count();
    if short > 0 {
        notes.push(format!(
            "{}: {short} of {} groups are not trained on: they have no window of {} rows with a season of {} before it",
            table.name,
            training.len(),
            fitted.window,
            fitted.lag.unwrap_or(0)
        ));
    }
    if base.cleaning != Default::default() {
        notes.push("[clean] is for tables of single rows; it does not change a series".into());
    }
    let mut part = |which: usize, what: &str| -> Result<Option<(Dataset, Naive)>> {
        let rows: Vec<Range<usize>> = parts.iter().map(|p| p.ranges()[which].clone()).collect();
        if rows.iter().all(Range::is_empty) {
            return Ok(None);
        }
        let mut made = fitted.windows(&panel.series, &rows, format!("{} ({what})", table.name))?;
        made.set.origin = Origin::of_rows(table, made.starts.iter().map(|&[i, s]| panel.series[i].rows[s]));
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
        let naive = Naive::of(&fitted, &panel.series, &made.starts);
        Ok(Some((made.set, naive)))
    };
    let train = part(0, "training")?.expect("the split leaves training rows").0;
    let (val, naive_val) = part(1, "validation")?.unzip();
    let (test, naive_test) = part(2, "test")?.unzip();
    let normal = normal(&fitted, &training, &train, base);
    Ok(Prepared { train, val, test, naive: NaiveSets { val: naive_val, test: naive_test }, normal, fitted, notes })
}

/// Per column of the training rows of all series, for each row of a window; where a column is
/// looked at from its last value, of the training windows. Sine and cosine stay
/// as they are.
fn normal(fitted: &SeriesFitted, rows: &[(&Series, usize)], windows: &Dataset, base: &TableOptions) -> Normal {
    let width = fitted.width();
    let learn = |samples: Samples, rows: usize| {
        let targets = Targets::Values { values: vec![0.0; rows], names: vec![String::new()] };
        let origin = Origin::default();
        Normal::learn(&Dataset { name: String::new(), shape: vec![width], samples, targets, origin }, base.normalize)
    };
    let encoded: Vec<f32> = rows.iter().flat_map(|(series, n)| fitted.encode(&series.first(*n))).collect();
    let mut one = learn(Samples::Floats(encoded.into()), fitted.rows);
    let own = if fitted.is_change() { fitted.own() } else { vec![] };
    if !own.is_empty() {
        let of_windows = learn(windows.samples.clone(), windows.len() * fitted.window);
        for column in own {
            (one.scale[column], one.shift[column]) = (of_windows.scale[column], of_windows.shift[column]);
        }
    }
    one.scale[fitted.inputs.len()..].fill(1.0);
    one.shift[fitted.inputs.len()..].fill(0.0);
    Normal { scale: one.scale.repeat(fitted.window), shift: one.shift.repeat(fitted.window) }
}

/// What was made of the series, for people.
fn describe(fitted: &SeriesFitted, panel: &Panel, parts: &[Parts], options: &SeriesOptions) -> Vec<String> {
    let name = &panel.name;
    let targets = fitted.targets.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ");
    let what = match panel.by.is_empty() {
        true => "a series".to_string(),
        false => format!("{} series by \"{}\"", panel.series.len(), panel.by.join("\", \"")),
    };
    let mut all = vec![
        format!(
            "{name}: {what}; {targets} is forecast {} row{} ahead from {} rows of {}",
            fitted.horizon,
            if fitted.horizon == 1 { "" } else { "s" },
            fitted.window,
            fitted.features().join(", ")
        ),
        divided(fitted, panel, parts),
    ];
    if !panel.by.is_empty() {
        all.push(format!(
            "{name}: columns are scaled by what the training rows of all groups together say; where groups differ in \
             level, changes within each are looked at (difference)"
        ));
    }
    all.extend(spacing(panel));
    all.push(match (fitted.season, options.season) {
        (Some(m), Season::Auto) => format!("{name}: a season of {m} rows was found"),
        (Some(m), _) => format!("{name}: a season has {m} rows, as configured"),
        (None, Season::Auto) => format!("{name}: no season was found"),
        (None, _) => format!("{name}: no season, as configured"),
    });
    all
}

/// How many rows are for what.
fn divided(fitted: &SeriesFitted, panel: &Panel, parts: &[Parts]) -> String {
    let names = ["training", "validation", "the test"];
    let rows = |which: usize| parts.iter().map(|p| p.ranges()[which].len()).sum::<usize>();
    let place = |row: usize| match &fitted.date {
        Some(_) => panel.series[0].labels[row].clone(),
        None => format!("row {}", row + 1),
    };
    let part = |which: usize| match (rows(which), panel.by.is_empty()) {
        (0, _) => format!("none for {}", names[which]),
        (n, false) => format!("{n} for {}", names[which]),
        (n, true) => {
            let rows = parts[0].ranges()[which].clone();
            format!("{n} for {} ({} to {})", names[which], place(rows.start), place(rows.end - 1))
        }
    };
    let how = if panel.by.is_empty() { "" } else { ", the latest of each group" };
    format!("{}: {} rows: {}, {}, {}{how}", panel.name, panel.rows(), part(0), part(1), part(2))
}

/// How far apart the dates of a panel are, if it has any.
fn spacing(panel: &Panel) -> Option<String> {
    let name = &panel.name;
    let dates: Vec<_> = panel.series.iter().map(|s| s.dates.as_deref()).collect::<Option<_>>()?;
    let steps: Vec<(Step, usize)> = dates.iter().filter_map(|d| Step::of(d)).collect();
    let even = steps.len() == dates.len() && steps.iter().all(|(step, _)| *step == steps[0].0);
    let odd: usize = steps.iter().map(|(_, odd)| odd).sum();
    Some(match even {
        true if odd == 0 => format!("{name}: dates are {} apart", steps[0].0.name()),
        true => format!(
            "{name}: dates are {} apart, but not in {odd} of {} places; rows are taken as evenly spaced",
            steps[0].0.name(),
            dates.iter().map(|d| d.len() - 1).sum::<usize>()
        ),
        false => format!("{name}: dates are unevenly apart; rows are taken as evenly spaced"),
    })
}
