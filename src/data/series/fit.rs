//! What is learned from the training rows of a series, and what any other file
//! needs to be read alike.

use super::super::table::{Layout, ReadOptions, Table, TableOptions};
use super::calendar::Cycle;
use super::column::{DateColumn, NumberColumn, Wanted};
use super::columns::Columns;
use super::dates::Step;
use super::series::{Panel, Series};
use super::{Duplicates, Season, SeriesOptions, season};
use crate::error::{Context, Error, Result};
use serde::{Deserialize, Serialize};

/// Series of which a season is looked for, the longest.
const ASKED: usize = 50;

/// A series, and how many of its first rows are for training.
pub(super) type Training<'a> = (&'a Series, usize);

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
    /// The step between dates, if they were even.
    #[serde(default)]
    pub step: Option<Step>,
    /// The columns that tell the series of the table apart, if it had several.
    #[serde(default)]
    pub group: Vec<String>,
    /// What became of rows with equal dates.
    #[serde(default)]
    pub duplicates: Duplicates,
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
    /// Rows of the season whose change is taken off, where the model gives changes from one
    /// season before.
    #[serde(default)]
    pub lag: Option<usize>,
    /// Per target: the mean absolute error, within the training rows of all series, of
    /// forecasting the value one season before (one row before, where there is
    /// no season). The unit of MASE; 0 where it makes no error.
    pub naive_error: Vec<f64>,
}

impl SeriesFitted {
    /// Learns from the training rows of all series of a table together.
    ///
    /// Fails when a target does not vary in them.
    pub(super) fn learn(
        table: &Table,
        all: &[Training],
        columns: &Columns,
        base: &TableOptions,
        options: &SeriesOptions,
    ) -> Result<SeriesFitted> {
        let rows: usize = all.iter().map(|(_, rows)| rows).sum();
        for target in &columns.targets {
            let mut values = all.iter().flat_map(|t| seen(t, &target.name));
            let first = values.next().copied().unwrap_or_default();
            if values.all(|v| *v == first) {
                return Err(Error::data(format!(
                    "target \"{}\" of {} is {first} in all {rows} training rows; expected numbers that differ",
                    target.name, table.name
                )));
            }
        }
        let season = match options.season {
            Season::None => None,
            Season::Rows(n) => Some(n),
            Season::Auto => season_of(all, &columns.targets[0].name),
        };
        // The longest goes through all cycles that the others do.
        let longest = all.iter().max_by_key(|(_, rows)| rows);
        let dates = longest.and_then(|(series, rows)| Some(&series.dates.as_ref()?[..*rows]));
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
        let lag = season.filter(|m| all.iter().any(|(_, rows)| m < rows)).unwrap_or(1);
        let naive_error = columns.targets.iter().map(|t| naive_error(all, &t.name, lag)).collect();
        Ok(SeriesFitted {
            table: table.name.clone(),
            rows,
            has_header: table.has_header,
            missing_values: base.missing_values.clone(),
            layout: Layout::of(table, &base.read_options()),
            date: columns.date.clone(),
            step: dates.and_then(Step::of).map(|(step, _)| step),
            group: columns.group.clone(),
            duplicates: options.duplicates,
            inputs: columns.inputs.clone(),
            calendar,
            targets: columns.targets.clone(),
            window: options.window,
            horizon: options.horizon,
            season,
            difference: false,
            lag: None,
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
        match self.season.into_iter().chain(self.lag).find(|m| !(1..=u32::MAX as usize).contains(m)) {
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
    /// need not be there. A file without dates is taken as it stands, one without what
    /// tells series apart as one series.
    ///
    /// Fails as training does, when dates are looked at and the file has none, and when
    /// nothing says where one series ends and the next begins.
    pub fn read(&self, table: &Table, with_targets: bool) -> Result<Panel> {
        let mut numbers = self.inputs.clone();
        let others = self.targets.iter().filter(|t| !self.inputs.contains(t));
        numbers.extend(others.filter(|_| with_targets || self.is_change()).cloned());
        let place = || format!("\"{}\" as a series like \"{}\"", table.name, self.table);
        let has = |name: &str| table.column(name).is_ok();
        let date = self.date.as_ref().filter(|d| !self.calendar.is_empty() || d.columns().all(has));
        let grouped = date.is_none() || self.group.iter().any(|name| has(name));
        let group = if grouped { &self.group[..] } else { &[] };
        let wanted = Wanted { date, group, duplicates: self.duplicates, numbers: &numbers };
        let mut panel = Panel::read_wanted(table, &wanted).context(place)?;
        if let (Some(d), None) = (&self.date, date) {
            panel.notes.push(format!("{} has no column \"{}\": its rows are taken as they stand", table.name, d.name));
        }
        panel.notes.extend(self.spacing(&panel));
        if group.is_empty() && !self.group.is_empty() {
            let names = self.group.join("\", \"");
            panel.notes.push(format!("{} has no column \"{names}\": its rows are taken as one series", table.name));
        }
        Ok(panel)
    }
}

/// The training rows of a column.
pub(super) fn seen<'a>((series, rows): &Training<'a>, column: &str) -> &'a [f64] {
    &series.column(column).values[..*rows]
}

/// The season of a series; of several that of most of them that have one, if half do.
pub(super) fn season_of(all: &[Training], target: &str) -> Option<usize> {
    let mut longest: Vec<&Training> = all.iter().collect();
    longest.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    longest.truncate(ASKED);
    let find = |t: &&Training| {
        let dates = t.0.dates.as_ref().map(|d| &d[..t.1]);
        let likely = dates.and_then(Step::of).map_or(vec![], |(step, _)| step.seasons());
        season::find(seen(t, target), &likely)
    };
    let mut found: Vec<usize> = longest.iter().filter_map(find).collect();
    if 2 * found.len() < longest.len() {
        return None;
    }
    found.sort_unstable();
    let runs = found.chunk_by(|a, b| a == b);
    runs.reduce(|best, next| if next.len() > best.len() { next } else { best }).map(|run| run[0])
}

/// The mean absolute change over `lag` rows of a series, of all of them together.
fn naive_error(all: &[Training], target: &str, lag: usize) -> f64 {
    let changes = |t: &Training| {
        let values = seen(t, target);
        let pairs = values.iter().zip(&values[lag.min(values.len())..]);
        (pairs.map(|(a, b)| (b - a).abs()).sum::<f64>(), values.len().saturating_sub(lag))
    };
    let (sum, n) = all.iter().map(changes).fold((0.0, 0), |(sum, n), (s, m)| (sum + s, n + m));
    sum / n.max(1) as f64
}
