//! Which columns of a table are the series: the dates, the numbers to look at,
//! the numbers to forecast.

use super::super::table::clean::Rules;
use super::super::table::in_time::date_format;
use super::super::table::infer::{Inferred, Kind, infer};
use super::super::table::{Column, Format, Summary, Table, TableOptions, centre, date};
use super::SeriesOptions;
use super::rows::Series;
use crate::error::{Context, Error, Result};
use crate::terminal::shortened;
use serde::{Deserialize, Serialize};

/// Columns that a note or a message lists.
const LISTED: usize = 8;

/// The column of dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateColumn {
    /// Its name.
    pub name: String,
    /// How its dates are written.
    pub format: String,
    /// The column of the times of day, where they stand in one of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// A column of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberColumn {
    /// Its name.
    pub name: String,
    /// How its numbers are written.
    #[serde(alias = "decimal")]
    pub format: Format,
    /// What is taken off first, in 64 bits, where they lie so far from zero that 32 bits
    /// would lose what tells them apart; else 0.
    #[serde(default)]
    pub centre: f64,
}

/// The columns of a series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Columns {
    /// The dates, if there are any.
    pub date: Option<DateColumn>,
    /// What is looked at, in the order of the table.
    pub inputs: Vec<NumberColumn>,
    /// What is forecast, in the order asked for.
    pub targets: Vec<NumberColumn>,
    /// What a user should know about the choice.
    pub notes: Vec<String>,
}

impl Columns {
    /// Those that the options name, or that the table suggests: the first
    /// column of dates (or the one that `date` names), all columns of numbers, the last of them as the target.
    ///
    /// Fails when a named column is not there or holds no numbers, and when
    /// none does.
    pub fn choose(table: &Table, base: &TableOptions, options: &SeriesOptions) -> Result<Columns> {
        let rows = table.all_rows();
        let seen: Vec<Inferred> =
            table.columns.iter().map(|c| infer(c, &rows, &Rules::default(), table.delimiter)).collect();
        let dated = |i: usize| {
            let column = &table.columns[i];
            date_format(table, &column.name, &seen[i]).map(|format| with_time(table, column, format))
        };
        let date = match &base.date {
            None => (0..table.columns.len()).find_map(dated),
            Some(word) => {
                let i = table.find(word).context(|| "[data]: date")?;
                Some(dated(i).ok_or_else(|| {
                    Error::data(format!(
                        "[data]: date = \"{word}\": that column of {} holds no dates ({}); expected one that does",
                        table.name,
                        seen[i].kind.name()
                    ))
                })?)
            }
        };
        let is_date = |i: usize| {
            let name = &table.columns[i].name;
            date.as_ref().is_some_and(|d| d.name == *name || d.time.as_ref() == Some(name))
        };
        let all = 0..table.columns.len();
        let numbers: Vec<usize> = all.clone().filter(|&i| !is_date(i) && holds_numbers(&seen[i])).collect();
        let measures = |&&i: &&usize| seen[i].kind == Kind::Number && !counts(table, i, &seen[i]);
        let mut usual: Vec<usize> = numbers.iter().filter(measures).copied().collect();
        // A series that looks like a count of its rows is one if there is no other.
        if usual.is_empty() {
            usual.clone_from(&numbers);
        }
        let named = |word: &str, what: &str| -> Result<usize> {
            let i = table.find(word)?;
            match numbers.contains(&i) {
                true => Ok(i),
                false => Err(no_numbers(table, i, &seen[i], is_date(i), what)),
            }
        };
        let targets = match base.target == TableOptions::default().target {
            true => usual.last().copied().into_iter().collect(),
            false => distinct(base.target.iter().map(|t| named(t, "target")).collect::<Result<Vec<_>>>()?),
        };
        let (false, false) = (targets.is_empty(), numbers.is_empty()) else {
            return Err(Error::data(format!(
                "{} has no column of numbers to forecast; its columns are {}",
                table.name,
                listed(&table.names())
            )));
        };
        let mut inputs = match options.inputs.is_empty() {
            true => distinct(usual.iter().chain(&targets).copied().collect()),
            false => distinct(options.inputs.iter().map(|t| named(t, "input")).collect::<Result<Vec<_>>>()?),
        };
        inputs.sort_unstable();
        let number = |&i: &usize| {
            let name = table.columns[i].name.clone();
            NumberColumn { name, format: seen[i].format.clone(), centre: 0.0 }
        };
        let unused: Vec<&str> = all
            .filter(|i| !is_date(*i) && !inputs.contains(i) && !targets.contains(i))
            .map(|i| table.columns[i].name.as_str())
            .collect();
        let mut notes = vec![];
        if !unused.is_empty() && options.inputs.is_empty() {
            notes.push(format!(
                "{}: columns that are no measurements are not looked at: {}",
                table.name,
                listed(&unused)
            ));
        }
        if let Some(d) = &date
            && let Ok(column) = table.column(&d.name)
            && date::ambiguous(&d.format, column.cells.iter().flatten().map(String::as_str))
        {
            notes.push(format!(
                "{}: its dates are read as {}, but day and month could also stand the other way round",
                d.name, d.format
            ));
        }
        Ok(Columns {
            date,
            inputs: inputs.iter().map(number).collect(),
            targets: targets.iter().map(number).collect(),
            notes,
        })
    }

    /// Takes off a series, read with these columns, what its first `rows` rows lie far
    /// from zero by.
    pub fn take_off_centres(&mut self, series: &mut Series, rows: usize) {
        for values in &mut series.columns {
            let Some(seen) = Summary::of(values.values[..rows].to_vec()).filter(|s| s.std > 0.0) else { continue };
            let centre = centre(&seen);
            values.values.iter_mut().for_each(|x| *x -= centre);
            let own = self.inputs.iter_mut().chain(&mut self.targets).filter(|c| c.name == values.name);
            own.for_each(|c| c.centre = centre);
        }
    }

    /// All columns of numbers that are needed, each once.
    pub fn numbers(&self) -> Vec<NumberColumn> {
        let mut all = self.inputs.clone();
        all.extend(self.targets.iter().filter(|t| !self.inputs.contains(t)).cloned());
        all
    }
}

/// A column of days with the column of the times of day beside it, if there is one.
fn with_time(table: &Table, column: &Column, format: String) -> DateColumn {
    let day = DateColumn { name: column.name.clone(), format, time: None };
    if day.format.contains("%M") || !day.format.contains("%d") {
        return day;
    }
    let times = table.columns.iter().find_map(|c| {
        let says = c.name != column.name && date::says_time(&c.name);
        let way = ["%H:%M:%S%.f", "%H:%M", "%H.%M.%S"].into_iter().find(|way| {
            let fits = |cell: &String| date::parse(&format!("2000-01-01 {cell}"), &format!("%Y-%m-%d {way}")).is_some();
            // Every day has its time, or the column is something else.
            says && c.cells.iter().all(|cell| cell.as_ref().is_some_and(fits))
        })?;
        Some((c.name.clone(), way))
    });
    match times {
        Some((time, way)) => DateColumn { format: format!("{} {way}", day.format), time: Some(time), ..day },
        None => day,
    }
}

/// Whether most cells are numbers.
fn holds_numbers(seen: &Inferred) -> bool {
    let present = seen.stats.rows - seen.stats.missing;
    present > 0
        && (seen.kind == Kind::Number || (seen.stats.numbers + seen.stats.infinite) as f64 >= 0.95 * present as f64)
}

/// Whether the numbers of a column rise or fall evenly from row to row: a count,
/// a year.
fn counts(table: &Table, column: usize, seen: &Inferred) -> bool {
    let cells = &table.columns[column].cells;
    let all: Option<Vec<f64>> = cells.iter().map(|c| seen.format.parse(c.as_deref()?)).collect();
    let Some(all) = all.filter(|a| a.len() >= 3) else { return false };
    let step = all[1] - all[0];
    step != 0.0 && all.windows(2).all(|w| w[1] - w[0] == step)
}

/// The error for a named column that holds no numbers.
fn no_numbers(table: &Table, i: usize, seen: &Inferred, is_date: bool, what: &str) -> Error {
    let name = &table.columns[i].name;
    let hint = match (is_date, seen.kind) {
        (true, _) => "holds the dates; expected numbers: set calendar = true to look at dates".to_string(),
        (_, Kind::Empty) => "is empty: all cells are missing; expected numbers".to_string(),
        (_, kind) => {
            let cells = table.columns[i].cells.iter().flatten();
            let word = cells.into_iter().find(|c| seen.format.parse(c).is_none());
            let word = word.map_or(String::new(), |w| format!(" such as \"{}\"", shortened(w, 40)));
            format!("holds {}{word}; expected numbers", if kind == Kind::Number { "words" } else { kind.name() })
        }
    };
    Error::data(format!("{what} \"{name}\" of {} {hint}", table.name))
}

fn distinct(all: Vec<usize>) -> Vec<usize> {
    let mut kept = vec![];
    all.into_iter().for_each(|i| {
        if !kept.contains(&i) {
            kept.push(i);
        }
    });
    kept
}

/// Names separated by commas, the first few of them.
pub(super) fn listed(names: &[&str]) -> String {
    let more = if names.len() > LISTED { ", ..." } else { "" };
    names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ") + more
}
