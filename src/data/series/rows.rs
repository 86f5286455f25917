//! A table in the order of time, as numbers without gaps.

use super::super::table::{Column, Table, alone, date};
use super::columns::{DateColumn, NumberColumn};
use crate::error::{Context, Error, Result};
use crate::terminal::shortened;
use chrono::NaiveDateTime;
use std::borrow::Cow;

/// Lines that a note lists.
const LISTED: usize = 5;

/// The numbers of a column, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// The name of the column.
    pub name: String,
    /// A finite number per row.
    pub values: Vec<f64>,
    /// Whether the row had none, and has the one before it.
    pub filled: Vec<bool>,
}

/// A table in the order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What messages call it.
    pub name: String,
    /// The row of the table behind each row.
    pub rows: Vec<usize>,
    /// The dates, if there are any.
    pub dates: Option<Vec<NaiveDateTime>>,
    /// The dates as they are written, or the numbers of the rows from 1.
    pub labels: Vec<String>,
    /// How dates are written.
    pub format: Option<String>,
    /// The columns.
    pub columns: Vec<Values>,
    /// What a user should know: rows sorted, gaps filled.
    pub notes: Vec<String>,
}

impl Series {
    /// Reads these columns of a table. Rows are brought into the order of their
    /// dates. A missing number, or a cell that is none, has the number before
    /// it; rows before the first that has all numbers are left out.
    ///
    /// Fails when a column is not there or holds no number, a number is
    /// infinite, a date is missing, unreadable, or there twice.
    pub fn read(table: &Table, date: Option<&DateColumn>, numbers: &[NumberColumn]) -> Result<Series> {
        let mut notes = table.notes.clone();
        let dated = date.map(|d| Dated::read(table, d)).transpose()?;
        let order = match &dated {
            Some(dated) => dated.order(table, &mut notes)?,
            None => table.all_rows(),
        };
        let numbers: Vec<NumberColumn> = numbers.iter().map(|n| as_written(table, n, &mut notes)).collect();
        let mut columns = numbers.iter().map(|n| read_numbers(table, n, &order)).collect::<Result<Vec<_>>>()?;
        let first = |c: &Gappy| c.cells.iter().position(Option::is_some).unwrap_or(0);
        let start = columns.iter().map(first).max().unwrap_or(0);
        if start > 0 {
            let late = columns.iter().max_by_key(|c| first(c)).map_or("", |c| c.name.as_str());
            notes
                .push(format!("{}: the first {start} rows are left out: \"{late}\" has no number in them", table.name));
        }
        let order: Vec<usize> = order[start..].to_vec();
        let columns = columns.iter_mut().map(|c| c.without_gaps(table, start, &order, &mut notes)).collect();
        let labels = order.iter().map(|&row| match &dated {
            Some(dated) => dated.cells[row].clone(),
            None => (row + 1).to_string(),
        });
        Ok(Series {
            name: table.name.clone(),
            labels: labels.collect(),
            format: dated.as_ref().map(|d| d.format.clone()),
            dates: dated.map(|d| order.iter().map(|&row| d.dates[row]).collect()),
            rows: order,
            columns,
            notes,
        })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first rows.
    pub fn first(&self, rows: usize) -> Series {
        let mut part = self.clone();
        part.rows.truncate(rows);
        part.labels.truncate(rows);
        part.dates.iter_mut().for_each(|d| d.truncate(rows));
        for column in &mut part.columns {
            column.values.truncate(rows);
            column.filled.truncate(rows);
        }
        part
    }

    /// A column that was read.
    pub fn column(&self, name: &str) -> &Values {
        self.columns.iter().find(|c| c.name == name).expect("the column was read")
    }
}

/// The dates of a table, row by row.
struct Dated {
    name: String,
    format: String,
    dates: Vec<NaiveDateTime>,
    cells: Vec<String>,
    /// Whether the dates are in UTC because their offsets differ.
    in_utc: bool,
}

impl Dated {
    fn read(table: &Table, wanted: &DateColumn) -> Result<Dated> {
        let column = table.column(&wanted.name)?;
        let written = match &wanted.time {
            None => Cow::Borrowed(&column.cells),
            Some(time) => {
                let times = &table.column(time)?.cells;
                let both = |(day, time): (&Option<String>, &Option<String>)| {
                    Some(format!("{} {}", day.as_deref()?, time.as_deref()?))
                };
                Cow::Owned(column.cells.iter().zip(times).map(both).collect())
            }
        };
        // Another file may write its dates in another way.
        let cells = || written.iter().flatten().map(String::as_str);
        let fits = cells().all(|c| date::parse(c, &wanted.format).is_some());
        let format = match fits {
            true => wanted.format.clone(),
            false => date::detect(cells()).map_or_else(|| wanted.format.clone(), |found| found.0),
        };
        // Where clocks were changed, only the offset tells one hour from the other.
        let mut offsets: Vec<Option<i64>> = cells().map(date::offset).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let in_utc = offsets.len() > 1 && offsets[0].is_some();
        let read = if in_utc { date::instant } else { date::parse };
        let (mut dates, mut texts) = (vec![], vec![]);
        for (row, cell) in written.iter().enumerate() {
            let place = || format!("{}, line {}: the date \"{}\"", table.name, table.lines[row], column.name);
            let Some(text) = cell else {
                return Err(Error::data(format!("{} is missing; expected one in each row of a series", place())));
            };
            let Some(date) = read(text, &format) else {
                let text = shortened(text, 40);
                return Err(Error::data(format!("{} is \"{text}\"; expected a date written as {format}", place())));
            };
            dates.push(date);
            texts.push(text.clone());
        }
        Ok(Dated { name: column.name.clone(), format, dates, cells: texts, in_utc })
    }

    /// The rows in the order of their dates.
    fn order(&self, table: &Table, notes: &mut Vec<String>) -> Result<Vec<usize>> {
        let mut order = table.all_rows();
        order.sort_by_key(|&row| self.dates[row]);
        let twice: Vec<&[usize]> = order.windows(2).filter(|w| self.dates[w[0]] == self.dates[w[1]]).collect();
        if let Some(first) = twice.first() {
            let [a, b] = [table.lines[first[0]], table.lines[first[1]]];
            return Err(Error::data(format!(
                "{}: {} rows have the date of another one (\"{}\" = \"{}\" in lines {a} and {b}); expected one row per \
                 date: a file of several series must be split into one file each",
                table.name,
                twice.len(),
                self.name,
                self.cells[first[1]]
            )));
        }
        if self.in_utc {
            notes.push(format!("{}: dates are compared in UTC, because their offsets differ", table.name));
        }
        if !order.is_sorted() {
            let how = if order.iter().rev().is_sorted() { "the newest row came first" } else { "they were not" };
            notes.push(format!("{}: rows are sorted by \"{}\": {how}", table.name, self.name));
        }
        Ok(order)
    }
}

/// Numbers with gaps.
struct Gappy {
    name: String,
    cells: Vec<Option<f64>>,
    /// A cell that is no number and its line.
    odd: Vec<(String, usize)>,
}

/// A column as this table writes its numbers: another file may have decimal commas.
fn as_written(table: &Table, wanted: &NumberColumn, notes: &mut Vec<String>) -> NumberColumn {
    let cells = table.column(&wanted.name).map(|c| c.cells.iter().flatten().map(String::as_str).collect::<Vec<_>>());
    match cells.ok().and_then(|cells| alone(&wanted.format, &cells)) {
        None => wanted.clone(),
        Some((format, note)) => {
            notes.push(format!("{}: {}: {note}", table.name, wanted.name));
            NumberColumn { format, ..wanted.clone() }
        }
    }
}

fn read_numbers(table: &Table, wanted: &NumberColumn, order: &[usize]) -> Result<Gappy> {
    let column: &Column = table.column(&wanted.name).context(|| format!("reading the series {}", table.name))?;
    let (mut cells, mut odd) = (Vec::with_capacity(order.len()), vec![]);
    for &row in order {
        let line = table.lines[row];
        let number = column.cells[row].as_deref().and_then(|text| {
            let number = wanted.format.parse(text).map(|x| x - wanted.centre);
            if number.is_none() {
                odd.push((shortened(text, 40).into_owned(), line));
            }
            number
        });
        if number.is_some_and(|x| !x.is_finite()) {
            return Err(Error::data(format!(
                "{}, line {line}: \"{}\" is \"{}\"; expected a finite number below 3.4e38, or an empty cell where it is \
                 missing",
                table.name,
                wanted.name,
                column.cells[row].as_deref().unwrap_or_default()
            )));
        }
        cells.push(number);
    }
    if cells.iter().all(Option::is_none) {
        return Err(Error::data(format!(
            "\"{}\" of {} holds no number in {} rows; expected numbers",
            wanted.name,
            table.name,
            order.len()
        )));
    }
    Ok(Gappy { name: wanted.name.clone(), cells, odd })
}

impl Gappy {
    /// From row `start` on, where every gap has the number before it.
    fn without_gaps(&self, table: &Table, start: usize, order: &[usize], notes: &mut Vec<String>) -> Values {
        let mut last = self.cells[..=start.min(self.cells.len() - 1)].iter().flatten().last().copied().unwrap_or(0.0);
        let (mut values, mut filled) = (vec![], vec![]);
        for cell in &self.cells[start..] {
            last = cell.unwrap_or(last);
            values.push(last);
            filled.push(cell.is_none());
        }
        let gaps: Vec<usize> =
            filled.iter().zip(order).filter(|(f, _)| **f).map(|(_, &row)| table.lines[row]).collect();
        if !gaps.is_empty() {
            let (n, more) = (gaps.len(), if gaps.len() > LISTED { ", ..." } else { "" });
            let lines = gaps.iter().take(LISTED).map(usize::to_string).collect::<Vec<_>>().join(", ");
            let s = if n == 1 { "" } else { "s" };
            notes.push(format!(
                "{}: {}: {n} missing value{s} (line{s} {lines}{more}) filled with the value before; they are not forecast",
                table.name, self.name
            ));
        }
        if let Some((text, line)) = self.odd.first() {
            let (n, s) = (self.odd.len(), if self.odd.len() == 1 { "" } else { "s" });
            notes.push(format!(
                "{}: {}: {n} cell{s} no number, counted as missing: \"{text}\" (line {line})",
                table.name, self.name
            ));
        }
        Values { name: self.name.clone(), values, filled }
    }
}
