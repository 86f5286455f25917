//! A look at a series before anything is learned from it.

use super::super::findings::{Block, Findings, Section};
use super::super::table::number::show;
use super::super::table::{Summary, Table, TableOptions};
use super::columns::Columns;
use super::dates::Step;
use super::rows::Series;
use super::season::{self, Line};
use super::{Season, SeriesOptions};
use crate::error::Result;
use serde::Serialize;

/// Gaps that are listed.
const SHOWN: usize = 10;

/// A look at a series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesAudit {
    /// The table.
    pub table: String,
    /// Its rows, without those before the first whole one.
    pub rows: usize,
    /// The column of dates, if there is one.
    pub date: Option<String>,
    /// The first and the last date, or row.
    pub first: String,
    /// See `first`.
    pub last: String,
    /// The usual step between dates.
    pub step: Option<String>,
    /// Dates that do not follow at that step: the one before, and the one after.
    pub gaps: Vec<[String; 2]>,
    /// What is forecast.
    pub targets: Vec<String>,
    /// The columns that are looked at or forecast.
    pub columns: Vec<ColumnAudit>,
    /// Rows per season of the first target, found in all but the test part.
    pub season: Option<usize>,
    /// What was done to the rows.
    pub notes: Vec<String>,
}

/// A look at a column of a series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnAudit {
    /// Its name.
    pub name: String,
    /// Missing values.
    pub missing: usize,
    /// How its numbers are spread.
    pub numbers: Summary,
    /// The slope of a straight line through it, per row.
    pub trend: f64,
    /// The share of its variance that the line explains.
    pub trend_explains: f64,
    /// Correlation of each value with the one before.
    pub autocorrelation: Option<f64>,
}

impl SeriesAudit {
    /// Looks at a series.
    ///
    /// Fails as reading it does.
    pub fn new(table: &Table, base: &TableOptions, options: &SeriesOptions) -> Result<SeriesAudit> {
        let chosen = Columns::choose(table, base, options)?;
        let series = Series::read(table, chosen.date.as_ref(), &chosen.numbers())?;
        let n = series.len();
        let before_test = n - ((n as f64 * options.test_split).round() as usize).min(n);
        let step = series.dates.as_deref().and_then(Step::of).map(|s| s.0);
        let season = match options.season {
            Season::None => None,
            Season::Rows(rows) => Some(rows),
            Season::Auto => {
                let likely = step.map_or(vec![], Step::seasons);
                season::find(&series.column(&chosen.targets[0].name).values[..before_test], &likely)
            }
        };
        let mut gaps = vec![];
        if let (Some(step), Some(dates)) = (step, &series.dates) {
            let odd = (1..n).filter(|&i| step.after(dates[i - 1]) != Some(dates[i]));
            gaps.extend(odd.map(|i| [series.labels[i - 1].clone(), series.labels[i].clone()]));
        }
        let column = |c: &super::rows::Values| {
            let line = Line::of(&c.values);
            ColumnAudit {
                name: c.name.clone(),
                missing: c.filled.iter().filter(|f| **f).count(),
                numbers: Summary::of(c.values.clone()).expect("a column that was read has a number"),
                trend: line.map_or(0.0, |l| l.slope),
                trend_explains: line.map_or(0.0, |l| l.explained),
                autocorrelation: correlation(&c.values),
            }
        };
        let notes = chosen.notes.iter().chain(&series.notes).cloned().collect();
        Ok(SeriesAudit {
            table: table.name.clone(),
            rows: n,
            date: chosen.date.map(|d| d.name),
            first: series.labels.first().cloned().unwrap_or_default(),
            last: series.labels.last().cloned().unwrap_or_default(),
            step: step.map(Step::name),
            gaps,
            targets: chosen.targets.iter().map(|t| t.name.clone()).collect(),
            columns: series.columns.iter().map(column).collect(),
            season,
            notes,
        })
    }

    /// What was found, warnings first.
    pub fn findings(&self) -> Findings {
        let mut warnings = self.notes.clone();
        if !self.gaps.is_empty() {
            let shown: Vec<String> = self.gaps.iter().take(SHOWN).map(|[a, b]| format!("{a} to {b}")).collect();
            let more = if self.gaps.len() > SHOWN { ", ..." } else { "" };
            let (n, s) = (self.gaps.len(), if self.gaps.len() == 1 { "" } else { "s" });
            warnings.push(format!(
                "{n} step{s} between dates differ from the usual one: {}{more}; rows are taken as evenly spaced",
                shown.join(", ")
            ));
        }
        let span = match &self.date {
            Some(date) => format!("dates in \"{date}\" from {} to {}", self.first, self.last),
            None => "no dates: rows are taken in the order of the file".into(),
        };
        let step = match (&self.date, &self.step) {
            (None, _) => String::new(),
            (_, Some(step)) => format!(", {step} apart"),
            (_, None) => ", unevenly apart".into(),
        };
        let season = match self.season {
            Some(m) => format!("A season has {m} rows."),
            None => "No season was found.".into(),
        };
        let row = |c: &ColumnAudit| {
            let n = &c.numbers;
            let mut row = vec![c.name.clone(), c.missing.to_string()];
            row.extend([n.min, n.mean, n.max, n.std, c.trend].map(show));
            row.push(format!("{:.0} %", 100.0 * c.trend_explains));
            row.push(c.autocorrelation.map_or(String::new(), |r| format!("{r:.2}")));
            row
        };
        let head =
            ["column", "missing", "min", "mean", "max", "deviation", "trend per row", "explains", "autocorrelation"];
        Findings {
            title: self.table.clone(),
            summary: format!("A series of {} rows, {span}{step}. {season}", self.rows),
            warnings,
            sections: vec![
                Section::new("Columns", vec![Block::table(&head, self.columns.iter().map(row).collect())]),
                Section::new("Target", vec![Block::text(self.targets.join(", "))]),
            ],
        }
    }
}

/// Correlation of each value with the one before; `None` where there is no
/// variance.
fn correlation(values: &[f64]) -> Option<f64> {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n.max(1) as f64;
    let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let pairs: f64 = values.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum();
    (n > 2 && square > 0.0).then(|| pairs / square)
}
