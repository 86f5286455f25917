//! Which column of a series says when a row is from: dates, dates with a column of
//! times or months beside them, or plain years.

use super::super::table::date::{self, YEAR};
use super::super::table::in_time::date_format;
use super::super::table::infer::Inferred;
use super::super::table::names::{says_calendar, says_date, says_year};
use super::super::table::{Column, Kind, Table};
use super::column::DateColumn;
use super::joined::{of_years, with_time};
use super::numbers::{counts, holds_numbers};
use crate::error::{Context, Error, Result};
use crate::terminal::shortened;
use chrono::NaiveDateTime;
use std::sync::Arc;

/// Years of a column whose name says nothing, and of one that is called so.
const LIKELY: std::ops::RangeInclusive<f64> = 1900.0..=2100.0;
const NAMED: std::ops::RangeInclusive<f64> = 1000.0..=2100.0;

/// The column that the options name, or that the table suggests: the first of
/// dates, or else of years, unless it is to be forecast. The word `none` is for no
/// column.
///
/// Fails when a named column is not there or says nothing of when.
pub(super) fn choose(
    table: &Table,
    wanted: Option<&str>,
    seen: &[Arc<Inferred>],
    targets: &[usize],
) -> Result<Option<DateColumn>> {
    let dated = |i: usize| {
        let column = &table.columns[i];
        date_format(table, &column.name, &seen[i]).map(|format| with_time(table, column, format))
    };
    let all = 0..table.columns.len();
    match wanted {
        Some("none") => Ok(None),
        Some(word) => {
            let i = table.find(word).context(|| "[data]: date")?;
            let named = || are_years(&table.columns[i], &seen[i], NAMED).then(|| of_years(table, &table.columns[i]));
            let digits = || in_digits(table, &table.columns[i], true);
            dated(i).or_else(digits).or_else(named).map(Some).ok_or_else(|| {
                Error::data(format!(
                    "[data]: date = \"{word}\": that column of {} holds no dates ({}); expected one that does, or \
                     \"none\" to take the rows as they stand",
                    table.name,
                    seen[i].kind.name()
                ))
            })
        }
        None => {
            let other = |i: usize| all.clone().any(|j| j != i && holds_numbers(&seen[j]));
            let year = |i: &usize| {
                let column = &table.columns[*i];
                let says = match says_year(&column.name) {
                    true => are_years(column, &seen[*i], NAMED),
                    // So might anything else that grows: it counts years one by one.
                    false => are_years(column, &seen[*i], LIKELY) && counts(table, *i, &seen[*i], &[table.all_rows()]),
                };
                says && other(*i) && !targets.contains(i)
            };
            let of_days = all.clone().find_map(dated);
            let free = |i: &usize| !targets.contains(i) && other(*i);
            let digits = || all.clone().filter(free).find_map(|i| in_digits(table, &table.columns[i], false));
            Ok(of_days.or_else(digits).or_else(|| all.clone().find(year).map(|i| of_years(table, &table.columns[i]))))
        }
    }
}

/// Dates of digits alone in a column whose name does not say so: each row is later than
/// the one before, or each earlier. Days of a spreadsheet are so many numbers that the
/// name must speak for them, too. `asked` says that the user named the column.
fn in_digits(table: &Table, column: &Column, asked: bool) -> Option<DateColumn> {
    let cells = || column.cells.present();
    let whole = cells().count() == table.rows() && table.rows() > 2;
    let in_order = |way: &str| {
        let dates: Option<Vec<NaiveDateTime>> = cells().map(|c| date::parse(c, way)).collect();
        dates.is_some_and(|d| asked || d.windows(2).all(|w| w[0] < w[1]) || d.windows(2).all(|w| w[0] > w[1]))
    };
    let is_time = matches!(&column.name.to_lowercase()[..], "time" | "day" | "zeit" | "tag");
    let digits = |c: &str| c.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let found = date::detect(cells()).filter(|_| whole && cells().all(digits)).map(|(way, _)| way);
    let serial = || Some(date::SERIAL.to_string()).filter(|_| whole && (asked || says_date(&column.name) || is_time));
    let format = found.filter(|way| in_order(way)).or_else(|| serial().filter(|way| in_order(way)))?;
    Some(with_time(table, column, format))
}

/// What to say of a column that looks like dates, or is called so, where the rows have
/// none.
pub(super) fn not_understood(column: &Column, seen: &Inferred) -> Option<String> {
    let cells = || column.cells.present();
    let words = matches!(seen.kind, Kind::Text | Kind::Identifier | Kind::Category);
    let called = says_date(&column.name) && seen.kind != Kind::Empty;
    let like = date::looks_like(cells()).filter(|_| words);
    let example = like.or(cells().next().filter(|_| called))?;
    let why = if like.is_some() { "its cells look like dates" } else { "it is called so, and its cells" };
    Some(format!(
        "{}: {why} (\"{}\") {} in no way of writing dates that is known, so the rows are taken as they stand; write them as 2020-01-31 23:00, or name another column with data.date (\"none\" if there is none)",
        column.name,
        shortened(example, 40),
        if like.is_some() { "and are" } else { "are" }
    ))
}

/// Whether a column that is called a year holds such: no measurement, whatever it
/// is used for.
pub(super) fn is_year(column: &Column, seen: &Inferred) -> bool {
    says_year(&column.name) && are_years(column, seen, NAMED)
}

/// Whether something else in the table divides its years: quarters, weeks.
pub(super) fn divided(table: &Table, date: &DateColumn) -> bool {
    let other = |c: &Column| date.columns().all(|name| name != c.name);
    let years = date.format == YEAR && table.columns.iter().any(|c| other(c) && says_calendar(&c.name));
    // Quarters of a column of their own may be something else.
    years || (date.time.is_some() && date::is_period(&date.format))
}

/// Whether a date is a plain year, or one with a month beside it.
pub(super) fn in_years(table: &Table, found: &DateColumn) -> bool {
    let year = |cell: &str| date::parse(cell, YEAR).is_some();
    table.column(&found.name).is_ok_and(|c| c.cells.present().all(year))
}

fn are_years(column: &Column, seen: &Inferred, range: std::ops::RangeInclusive<f64>) -> bool {
    let year = |cell: Option<&str>| {
        cell.is_some_and(|c| date::parse(c, YEAR).is_some() && seen.format.parse(c).is_some_and(|y| range.contains(&y)))
    };
    seen.kind != Kind::Empty && column.cells.iter().all(year)
}
