//! Which columns of a table are the series: the dates, the numbers to look at,
//! the numbers to forecast.

use super::super::grouping::{GroupBy, by_group};
use super::super::table::clean::Rules;
use super::super::table::infer::{Inferred, infer};
use super::super::table::{Kind, Summary, Table, TableOptions, centre, date};
use super::SeriesOptions;
use super::column::{DateColumn, NumberColumn};
use super::numbers::{counts, holds_numbers};
use super::panel::{self, Found};
use super::series::Series;
use super::times;
use crate::error::{Error, Result};
use crate::terminal::shortened;
use std::sync::Arc;

/// Columns that a note or a message lists.
const LISTED: usize = 8;

/// The columns of a series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Columns {
    /// The dates, if there are any.
    pub date: Option<DateColumn>,
    /// What tells the series of the table apart, if it has several.
    pub group: Vec<String>,
    /// What is looked at, in the order of the table.
    pub inputs: Vec<NumberColumn>,
    /// What is forecast, in the order asked for.
    pub targets: Vec<NumberColumn>,
    /// What a user should know about the choice.
    pub notes: Vec<String>,
}

impl Columns {
    /// Those that the options name, or that the table suggests: the first
    /// column of dates or else of years (or the one that `date` names), what tells series apart
    /// where times repeat, all columns of numbers, the last of them as the target.
    ///
    /// Fails when a named column is not there or holds no numbers, when none does,
    /// and when it is not clear what tells series apart.
    pub fn choose(table: &Table, base: &TableOptions, options: &SeriesOptions) -> Result<Columns> {
        let seen: Vec<Arc<Inferred>> =
            table.columns.iter().map(|c| infer(c, &Rules::default(), table.likely())).collect();
        let places = |words: &[String]| words.iter().filter_map(|w| table.find(w).ok()).collect::<Vec<_>>();
        let usual_target = base.target == TableOptions::default().target;
        let asked = if usual_target { vec![] } else { places(&base.target) };
        let mut date = times::choose(table, base.date.as_deref(), &seen, &asked)?;
        let years: Vec<usize> =
            (0..table.columns.len()).filter(|&i| times::is_year(&table.columns[i], &seen[i])).collect();
        let measured = [years.clone(), asked, places(&options.inputs)].concat();
        let mut notes = vec![];
        let mut grouping = grouping(table, base, date.as_ref(), &measured)?;
        if let Some(d) = &date
            && grouping.is_empty()
            && base.date.is_none()
            && times::divided(table, d)
            && panel::repeat(&d.cells(table))
        {
            notes.push(format!(
                "{}: \"{}\" alone does not say when a row is from, so the rows are taken as they stand",
                table.name, d.name
            ));
            date = None;
            grouping = self::grouping(table, base, None, &measured)?;
        }
        let group = grouping;
        if let (Some(d), None) = (&date, &base.date)
            && times::in_years(table, d)
        {
            notes.push(format!(
                "{}: \"{}\" says when a row is from; data.date names another column, or \"none\" to take the rows as they \
                 stand",
                table.name,
                d.columns().collect::<Vec<_>>().join(" ")
            ));
        }
        if base.group == GroupBy::Auto && !group.is_empty() {
            notes.push(found_out(table, &group, date.is_some()));
        }
        let groups = by_group(table, &group);
        let is_date = |i: usize| date.as_ref().is_some_and(|d| d.columns().any(|name| name == table.columns[i].name));
        let all = 0..table.columns.len();
        let is_number = |&i: &usize| (!is_date(i) || years.contains(&i)) && holds_numbers(&seen[i]);
        let numbers: Vec<usize> = all.clone().filter(is_number).collect();
        let free = |&&i: &&usize| !is_date(i) && !group.contains(&i);
        let measures =
            |&&i: &&usize| seen[i].kind == Kind::Number && !years.contains(&i) && !counts(table, i, &seen[i], &groups);
        let mut usual: Vec<usize> = numbers.iter().filter(free).filter(measures).copied().collect();
        // A series that looks like a count of its rows is one if there is no other.
        if usual.is_empty() {
            usual = numbers.iter().filter(free).copied().collect();
        }
        let named = |word: &str, what: &str| -> Result<usize> {
            let i = table.find(word)?;
            match numbers.contains(&i) {
                true => Ok(i),
                false => Err(no_numbers(table, i, &seen[i], is_date(i), what)),
            }
        };
        let targets = match usual_target {
            true => usual.last().copied().into_iter().collect(),
            false => distinct(base.target.iter().map(|t| named(t, "target")).collect::<Result<Vec<_>>>()?),
        };
        if let Some(&i) = targets.iter().find(|i| group.contains(i)) {
            return Err(Error::usage(format!(
                "[data]: \"{}\" of {} is both target and group; expected two columns",
                table.columns[i].name, table.name
            )));
        }
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
            NumberColumn { name, format: seen[i].format.clone(), centre: 0.0, range: None }
        };
        let unused: Vec<&str> = all
            .filter(|i| !is_date(*i) && !group.contains(i) && !inputs.contains(i) && !targets.contains(i))
            .map(|i| table.columns[i].name.as_str())
            .collect();
        if !unused.is_empty() && options.inputs.is_empty() {
            notes.push(format!(
                "{}: columns that are no measurements are not looked at: {}",
                table.name,
                listed(&unused)
            ));
        }
        let used = inputs.iter().chain(targets.iter().filter(|t| !inputs.contains(t)));
        notes.extend(used.filter_map(|&i| seen[i].assumed.clone()));
        if let Some(d) = &date
            && let Ok(column) = table.column(&d.name)
        {
            notes.extend(date::either_order(&d.name, &d.format, column.cells.present()));
        }
        if date.is_none() && base.date.is_none() {
            notes.extend(
                table.columns.iter().zip(&seen).filter_map(|(column, seen)| times::not_understood(column, seen)),
            );
        }
        Ok(Columns {
            date,
            group: group.iter().map(|&i| table.columns[i].name.clone()).collect(),
            inputs: inputs.iter().map(number).collect(),
            targets: targets.iter().map(number).collect(),
            notes,
        })
    }

    /// Takes off all series, read with these columns, what their first rows, as many as
    /// `rows` says of each, lie far from zero by; their range is kept.
    pub fn take_off_centres(&mut self, all: &mut [Series], rows: &[usize]) {
        for number in self.numbers() {
            let first = |(series, &n): (&Series, &usize)| series.column(&number.name).values[..n].to_vec();
            let Some(seen) = Summary::of(all.iter().zip(rows).flat_map(first).collect()) else { continue };
            let centre = if seen.std > 0.0 { centre(&seen) } else { 0.0 };
            let mine = all.iter_mut().flat_map(|series| &mut series.columns).filter(|c| c.name == number.name);
            mine.flat_map(|c| &mut c.values).for_each(|x| *x -= centre);
            let own = self.inputs.iter_mut().chain(&mut self.targets).filter(|c| c.name == number.name);
            own.for_each(|c| (c.centre, c.range) = (centre, Some([seen.min, seen.max])));
        }
    }

    /// All columns of numbers that are needed, each once.
    pub fn numbers(&self) -> Vec<NumberColumn> {
        let mut all = self.inputs.clone();
        all.extend(self.targets.iter().filter(|t| !self.inputs.contains(t)).cloned());
        all
    }
}

/// The columns that tell the series of a table apart: those that the options name,
/// or that the table suggests.
///
/// Fails when a named one is not there, and when several might do so.
fn grouping(table: &Table, base: &TableOptions, date: Option<&DateColumn>, measured: &[usize]) -> Result<Vec<usize>> {
    match base.group {
        GroupBy::Columns(_) => return base.group.places(table),
        GroupBy::None => return Ok(vec![]),
        GroupBy::Auto => {}
    }
    let mut skipped = measured.to_vec();
    let found = match date {
        Some(d) => {
            let times = d.cells(table);
            skipped.extend(d.columns().filter_map(|name| table.find(name).ok()));
            if panel::repeat(&times) { panel::apart(table, &times, &skipped) } else { Found::One }
        }
        None => panel::blocks(table, &skipped),
    };
    let columns = match found {
        Found::One => return Ok(vec![]),
        Found::Several(columns) => return Ok(columns),
        Found::Unclear(columns) => columns,
    };
    let name = |c: &Vec<usize>| c.iter().map(|&i| table.columns[i].name.as_str()).collect::<Vec<_>>().join(",");
    let names: Vec<String> = columns.iter().map(name).collect();
    let (first, names) = (&names[0], names.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>());
    let names = listed(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let why = match date {
        Some(_) => format!("most rows have the time of another one, and each of {names} could tell its series apart"),
        None => format!("rows have no times, and the values of {names} stand in blocks, as several series do"),
    };
    Err(Error::data(format!(
        "{}: {why}; --group \"{first}\" (data.group) makes each value a series of its own, --group none takes all rows as one",
        table.name
    )))
}

/// What is said of groups that nobody named.
fn found_out(table: &Table, group: &[usize], dated: bool) -> String {
    let names: Vec<&str> = group.iter().map(|&i| table.columns[i].name.as_str()).collect();
    let why = if dated { "most rows have the time of another one" } else { "rows are counted from anew" };
    format!(
        "{}: {why}, and \"{1}\" tells series apart: no window looks across them, as with --group \"{1}\"; --group names \
         another column, --group none takes all rows as one series",
        table.name,
        names.join(",")
    )
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
fn listed(names: &[&str]) -> String {
    let more = if names.len() > LISTED { ", ..." } else { "" };
    names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ") + more
}
