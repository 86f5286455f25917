//! A look at a series before anything is learned from it.

use super::super::findings::{Block, Findings, Section};
use super::super::table::number::show;
use super::super::table::{Summary, Table, TableOptions};
use super::columns::Columns;
use super::dates::Step;
use super::fit::season_of;
use super::season::Line;
use super::series::{Panel, Series, Values};
use super::{Season, SeriesOptions};
use crate::error::Result;
use serde::Serialize;

/// Gaps that are listed.
const SHOWN: usize = 10;
/// Groups that are listed.
const GROUPS: usize = 30;

/// A look at a series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesAudit {
    /// The table.
    pub table: String,
    /// Its rows, without those before the first whole one.
    pub rows: usize,
    /// The column of dates, if there is one.
    pub date: Option<String>,
    /// The columns that tell series apart; empty where there is one series.
    pub group: Vec<String>,
    /// Those series.
    pub groups: Vec<GroupAudit>,
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

/// A look at one of the series of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupAudit {
    /// The cells that name it.
    pub name: String,
    /// Its rows, without those before the first whole one.
    pub rows: usize,
    /// Its first and its last date, or row.
    pub first: String,
    /// See `first`.
    pub last: String,
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
    /// The slope of a straight line through it, per row; of several series the mean,
    /// longer ones counting more.
    pub trend: f64,
    /// The share of its variance that the line explains; of several series as `trend`.
    pub trend_explains: f64,
    /// Correlation of each value with the one before it in its series.
    pub autocorrelation: Option<f64>,
}

impl SeriesAudit {
    /// Looks at a series.
    ///
    /// Fails as reading it does.
    pub fn new(table: &Table, base: &TableOptions, options: &SeriesOptions) -> Result<SeriesAudit> {
        let chosen = Columns::choose(table, base, options)?;
        let panel = Panel::read(table, &chosen, options.duplicates)?;
        let before_test = |n: usize| n - ((n as f64 * options.test_split).round() as usize).min(n);
        let longest = panel.series.iter().max_by_key(|s| s.len()).expect("a panel has a series");
        let step = longest.dates.as_deref().and_then(Step::of).map(|s| s.0);
        let season = match options.season {
            Season::None => None,
            Season::Rows(rows) => Some(rows),
            Season::Auto => {
                let training: Vec<_> = panel.series.iter().map(|s| (s, before_test(s.len()))).collect();
                season_of(&training, &chosen.targets[0].name)
            }
        };
        let mut gaps = vec![];
        for series in &panel.series {
            let (Some(step), Some(dates)) = (step, &series.dates) else { continue };
            let odd = (1..series.len()).filter(|&i| step.after(dates[i - 1]) != Some(dates[i]));
            let group = if panel.by.is_empty() { String::new() } else { format!("{} ", series.title()) };
            gaps.extend(odd.map(|i| [format!("{group}{}", series.labels[i - 1]), series.labels[i].clone()]));
        }
        let column = |name: &String| {
            let all: Vec<&Values> = panel.series.iter().map(|s| s.column(name)).collect();
            let lines: Vec<(f64, Line)> =
                all.iter().filter_map(|c| Some((c.values.len() as f64, Line::of(&c.values)?))).collect();
            let weight: f64 = lines.iter().map(|(n, _)| n).sum();
            let mean = |of: &dyn Fn(&Line) -> f64| lines.iter().map(|(n, l)| n * of(l)).sum::<f64>() / weight.max(1.0);
            let values = all.iter().flat_map(|c| c.values.clone()).collect();
            ColumnAudit {
                name: name.clone(),
                missing: all.iter().flat_map(|c| &c.filled).filter(|f| **f).count(),
                numbers: Summary::of(values).expect("a column that was read has a number"),
                trend: mean(&|l| l.slope),
                trend_explains: mean(&|l| l.explained),
                autocorrelation: correlation(all.iter().map(|c| &c.values[..])),
            }
        };
        let ends = |series: &Series| {
            let end = |label: Option<&String>| label.cloned().unwrap_or_default();
            [end(series.labels.first()), end(series.labels.last())]
        };
        let group = |series: &Series| {
            let [first, last] = ends(series);
            GroupAudit { name: series.title(), rows: series.len(), first, last }
        };
        let grouped = panel.series.iter().filter(|_| !panel.by.is_empty());
        let by_time = |series: &&Series, end: usize| match &series.dates {
            Some(dates) => (dates.get(end).copied(), series.rows.get(end).copied()),
            None => (None, series.rows.get(end).copied()),
        };
        let first = panel.series.iter().min_by_key(|s| by_time(s, 0)).unwrap_or(longest);
        let last = panel.series.iter().max_by_key(|s| by_time(s, s.len() - 1)).unwrap_or(longest);
        let names: Vec<String> = longest.columns.iter().map(|c| c.name.clone()).collect();
        Ok(SeriesAudit {
            table: table.name.clone(),
            rows: panel.rows(),
            date: chosen.date.map(|d| d.name),
            groups: grouped.map(group).collect(),
            first: ends(first)[0].clone(),
            last: ends(last)[1].clone(),
            step: step.map(Step::name),
            gaps,
            targets: chosen.targets.iter().map(|t| t.name.clone()).collect(),
            columns: names.iter().map(column).collect(),
            season,
            notes: chosen.notes.iter().chain(&panel.notes).cloned().collect(),
            group: panel.by,
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
        let of_groups = |g: &GroupAudit| vec![g.name.clone(), g.rows.to_string(), g.first.clone(), g.last.clone()];
        let what = match self.groups.len() {
            0 => format!("A series of {} rows", self.rows),
            n => format!("{n} series by \"{}\" of {} rows in all", self.group.join("\", \""), self.rows),
        };
        let head =
            ["column", "missing", "min", "mean", "max", "deviation", "trend per row", "explains", "autocorrelation"];
        let mut sections = vec![
            Section::new("Columns", vec![Block::table(&head, self.columns.iter().map(row).collect())]),
            Section::new("Target", vec![Block::text(self.targets.join(", "))]),
        ];
        if !self.groups.is_empty() {
            let shown = self.groups.iter().take(GROUPS).map(of_groups).collect();
            let mut blocks = vec![Block::table(&["group", "rows", "from", "to"], shown)];
            if self.groups.len() > GROUPS {
                blocks.push(Block::text(format!("and {} more", self.groups.len() - GROUPS)));
            }
            sections.push(Section::new("Groups", blocks));
        }
        Findings { title: self.table.clone(), summary: format!("{what}, {span}{step}. {season}"), warnings, sections }
    }
}

/// Correlation of each value with the one before it in its series; `None` where there
/// is no variance.
fn correlation<'a>(series: impl Iterator<Item = &'a [f64]>) -> Option<f64> {
    let (mut n, mut pairs, mut square) = (0, 0.0, 0.0);
    for values in series {
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        square += values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        pairs += values.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum::<f64>();
        n += values.len();
    }
    (n > 2 && square > 0.0).then(|| pairs / square)
}
