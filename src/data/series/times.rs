//! Which column of a series says when a row is from: dates, dates with a column of
//! times or months beside them, or plain years.

use super::super::table::date::{self, YEAR};
use super::super::table::in_time::date_format;
use super::super::table::infer::Inferred;
use super::super::table::names::{says_calendar, says_month, says_year};
use super::super::table::{Column, Kind, Table};
use super::column::DateColumn;
use super::numbers::{counts, holds_numbers};
use crate::error::{Context, Error, Result};

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
    seen: &[Inferred],
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
            dated(i).or_else(named).map(Some).ok_or_else(|| {
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
            Ok(of_days.or_else(|| all.clone().find(year).map(|i| of_years(table, &table.columns[i]))))
        }
    }
}

/// Whether a column that is called a year holds such: no measurement, whatever it
/// is used for.
pub(super) fn is_year(column: &Column, seen: &Inferred) -> bool {
    says_year(&column.name) && are_years(column, seen, NAMED)
}

/// Whether something else in the table divides its years: quarters, weeks.
pub(super) fn divided(table: &Table, date: &DateColumn) -> bool {
    let other = |c: &Column| c.name != date.name && date.time.as_ref() != Some(&c.name);
    date.format == YEAR && table.columns.iter().any(|c| other(c) && says_calendar(&c.name))
}

/// Whether a date is a plain year, or one with a month beside it.
pub(super) fn in_years(table: &Table, found: &DateColumn) -> bool {
    let year = |cell: &String| date::parse(cell, YEAR).is_some();
    table.column(&found.name).is_ok_and(|c| c.cells.iter().flatten().all(year))
}

fn are_years(column: &Column, seen: &Inferred, range: std::ops::RangeInclusive<f64>) -> bool {
    let year = |cell: &Option<String>| {
        cell.as_deref()
            .is_some_and(|c| date::parse(c, YEAR).is_some() && seen.format.parse(c).is_some_and(|y| range.contains(&y)))
    };
    seen.kind != Kind::Empty && column.cells.iter().all(year)
}

/// A column of years, with that of the months beside it, if there is one.
fn of_years(table: &Table, column: &Column) -> DateColumn {
    let months = table.columns.iter().filter(|c| says_month(&c.name)).find_map(|months| {
        let both = || column.cells.iter().zip(&months.cells);
        let fits = |way: &str| {
            both().all(|(year, month)| match (year, month) {
                (Some(year), Some(month)) => date::parse(&format!("{year} {month}"), way).is_some(),
                _ => false,
            })
        };
        let format = ["%Y %m", "%Y %B"].into_iter().find(|way| fits(way))?;
        Some(DateColumn { name: column.name.clone(), format: format.into(), time: Some(months.name.clone()) })
    });
    months.unwrap_or(DateColumn { name: column.name.clone(), format: YEAR.into(), time: None })
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
