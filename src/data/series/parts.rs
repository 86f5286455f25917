//! Where the parts of a series end: training, validation, test. Each series of a
//! table is split by time on its own.

use super::super::split::Split;
use super::SeriesOptions;
use super::series::{Panel, Series, some};
use crate::error::{Error, Result};
use std::ops::Range;

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

    /// The rows of training, validation and test.
    pub fn ranges(&self) -> [Range<usize>; 3] {
        [0..self.train, self.train..self.val, self.val..self.rows]
    }
}

/// How the series of a table are split.
pub(super) struct Splitting<'a> {
    pub options: &'a SeriesOptions,
    pub val_split: f64,
}

impl Splitting<'_> {
    /// The parts of `n` rows, if each has a window. `test` rows are for the test, or the
    /// share that the options ask for.
    fn parts(&self, n: usize, test: Option<usize>) -> Option<Parts> {
        let share = |rows: usize, of: f64| (rows as f64 * of).round() as usize;
        let parts = Parts::of(n, self.val_split, test.unwrap_or_else(|| share(n, self.options.test_split)));
        // A share that is asked for is not rounded to nothing.
        let there = |share: f64, rows: usize| share == 0.0 || rows > 0;
        let whole = there(self.val_split, parts.val - parts.train)
            && (test.is_some() || there(self.options.test_split, parts.rows - parts.val));
        (whole && parts.suffice(self.options)).then_some(parts)
    }

    /// Splits each series of a panel, and leaves out those that are too short for a
    /// window in each part; a note names them. `fold` is one of [`expanding`]: its
    /// held-out rows are the test, and what lies behind them is left out.
    ///
    /// Fails when all are too short.
    pub fn split(&self, panel: &mut Panel, fold: Option<&Split>) -> Result<Vec<Parts>> {
        let (mut parts, mut kept, mut short) = (vec![], vec![], vec![]);
        let mut longest = (0, None);
        let whole = panel.rows();
        let mut from = 0;
        for series in &panel.series {
            let own = from..from + series.len();
            from = own.end;
            let held = fold.map(|f| f.held.iter().filter(|row| own.contains(row)).collect::<Vec<_>>());
            let test = held.as_ref().map(Vec::len);
            let end = held.as_ref().map_or(series.len(), |held| held.last().map_or(0, |&&last| last + 1 - own.start));
            match self.parts(end, test).filter(|_| test != Some(0)) {
                Some(found) => {
                    parts.push(found);
                    kept.push(if end < series.len() { series.first(end) } else { series.clone() });
                }
                None => {
                    longest = longest.max((end, test.map(|t| t.max(1))));
                    short.push(format!("{} ({end} rows)", series.title()));
                }
            }
        }
        if kept.is_empty() {
            return Err(self.too_few(panel, longest.0, longest.1));
        }
        if !short.is_empty() {
            let (n, all) = (short.len(), panel.series.len());
            panel.notes.push(format!(
                "{}: {n} of {all} groups left out: too short for {} rows and {} ahead in each part: {}",
                panel.name,
                self.options.window,
                self.options.horizon,
                some(&short)
            ));
        }
        panel.series = kept;
        if fold.is_some() {
            panel.notes.push(match panel.by.is_empty() {
                true => format!("{}: this fold ends at row {} of {whole}", panel.name, panel.rows()),
                false => format!("{}: this fold has {} of {whole} rows", panel.name, panel.rows()),
            });
        }
        Ok(parts)
    }

    /// The error for a series of `n` rows, with how many would do.
    fn too_few(&self, panel: &Panel, n: usize, test: Option<usize>) -> Error {
        let (mut low, mut high) = (n, n.max(1));
        while self.parts(high, test).is_none() && high < usize::MAX / 4 {
            (low, high) = (high, high * 2);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.parts(middle, test).is_some() { high = middle } else { low = middle }
        }
        let percent = |share: f64| format!("{} %", (1000.0 * share).round() / 10.0);
        let val = percent(self.val_split);
        let test = test.map_or(percent(self.options.test_split), |rows| format!("{rows} rows"));
        let who = match &panel.series[..] {
            _ if panel.by.is_empty() => panel.name.clone(),
            all => format!("the longest of {} groups of {}", all.len(), panel.name),
        };
        Error::data(format!(
            "{who} has {n} rows; expected at least {high} for a window of {} rows and {} ahead, with {val} held out for \
             validation and {test} for the test; take a smaller window or horizon, or smaller splits",
            self.options.window, self.options.horizon
        ))
    }
}

/// Splits for cross-validation that keep the order of time: each fold is tested, in each
/// series, on the rows behind those that it is trained on, and trains on all before
/// them. Rows are numbered through the series of the panel.
///
/// Fails when there are fewer than two folds, or fewer rows than parts.
pub(super) fn expanding(panel: &Panel, folds: usize) -> Result<Vec<Split>> {
    let longest = panel.series.iter().map(Series::len).max().unwrap_or(0);
    if folds < 2 || longest / folds.saturating_add(1) == 0 {
        let what = if panel.by.is_empty() { "it is a series" } else { "its longest group is a series" };
        return Err(Error::usage(format!(
            "cannot make {folds} folds of {}: {what} of {longest} rows; expected 2 to {}",
            panel.name,
            longest.saturating_sub(1)
        )));
    }
    let mut all = vec![Split { kept: vec![], held: vec![] }; folds];
    let mut from = 0;
    for series in &panel.series {
        let (n, block) = (series.len(), series.len() / (folds + 1));
        for (i, fold) in all.iter_mut().enumerate() {
            let end = from + n - (folds - 1 - i) * block;
            fold.kept.extend(from..end - block);
            fold.held.extend(end - block..end);
        }
        from += n;
    }
    Ok(all)
}
