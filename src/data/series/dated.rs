//! The dates of a table: read, put in order, refused where they are there twice.

use super::super::table::{Table, date};
use super::column::{DateColumn, Wanted};
use super::panel::{self, Found};
use crate::error::{Error, Result};
use crate::terminal::shortened;
use chrono::NaiveDateTime;
use std::borrow::Cow;

/// Of fewer rows that share a date than one in so many, no column is blamed.
const FEW: usize = 10;

/// The dates of a table, row by row.
pub(super) struct Dated {
    pub name: String,
    pub format: String,
    pub dates: Vec<NaiveDateTime>,
    pub cells: Vec<String>,
    /// Whether the dates are in UTC because their offsets differ.
    pub in_utc: bool,
}

impl Dated {
    pub fn read(table: &Table, wanted: &DateColumn) -> Result<Dated> {
        let column = table.column(&wanted.name)?;
        let written = match wanted.columns().count() {
            1 => Cow::Borrowed(&column.cells),
            _ => {
                wanted.columns().try_for_each(|name| table.column(name).map(drop))?;
                let joined = |row: Vec<Option<&str>>| Some(row.into_iter().collect::<Option<Vec<&str>>>()?.join(" "));
                Cow::Owned(wanted.cells(table).into_iter().map(joined).collect())
            }
        };
        // Another file may write its dates in another way.
        let cells = || written.present();
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
            texts.push(text.to_string());
        }
        Ok(Dated { name: column.name.clone(), format, dates, cells: texts, in_utc })
    }

    /// Brings rows into the order of their dates; equal ones stay as they stand. Where
    /// that changes something it says whether the newest came first.
    pub fn sort(&self, rows: &mut [usize]) -> Option<bool> {
        let before = rows.to_vec();
        rows.sort_by_key(|&row| self.dates[row]);
        let falls = || before.windows(2).all(|w| self.dates[w[0]] >= self.dates[w[1]]);
        (before != rows).then(falls)
    }

    /// Refuses dates that are there twice in a series.
    pub fn check_once(&self, table: &Table, order: &[Vec<usize>], wanted: &Wanted) -> Result<()> {
        let twice = || {
            let same = |w: &&[usize]| self.dates[w[0]] == self.dates[w[1]];
            order.iter().flat_map(move |rows| rows.windows(2).filter(same))
        };
        let Some(first) = twice().next() else { return Ok(()) };
        let [a, b] = [table.lines[first[0]], table.lines[first[1]]];
        let date = &self.cells[first[1]];
        let skipped = wanted.numbers.iter().map(|n| &n.name[..]).chain(wanted.date.iter().flat_map(|d| d.columns()));
        let skipped: Vec<usize> = skipped.filter_map(|name| table.find(name).ok()).collect();
        let name = |columns: &[usize]| {
            let names: Vec<&str> = columns.iter().map(|&i| table.columns[i].name.as_str()).collect();
            format!(" (\"{}\" would)", names.join(","))
        };
        let hint = match panel::apart(table, &self.dates, &skipped) {
            _ if !wanted.group.is_empty() || twice().count() < table.rows() / FEW => String::new(),
            Found::One => String::new(),
            Found::Several(columns) => name(&columns),
            Found::Unclear(all) => name(&all[0]),
        };
        let of_group = if wanted.group.is_empty() { "" } else { " and group" };
        Err(Error::data(format!(
            "{}: {} rows have the date of another one (\"{}\" = \"{date}\" in lines {a} and {b}); expected one row per \
             date{of_group}: where the file holds several series, --group COLUMN (data.group) names what tells them \
             apart{hint}; where a clock shows an hour twice, data.duplicates = \"first\" or \"mean\" says which row counts; \
             data.date = \"none\" takes the rows as they stand",
            table.name,
            twice().count(),
            self.name,
        )))
    }
}
