//! Dates that stand in several columns: days with the times of day or the hours beside
//! them, years with months, days and hours, quarters or weeks.

use super::super::table::date::{self, YEAR};
use super::super::table::names::{says_day, says_hour, says_month, says_quarter, says_week};
use super::super::table::{Column, Table};
use super::column::DateColumn;
use super::panel;

/// Ways of writing times that nothing else is written in.
const CLOCKS: [&str; 6] = ["%H:%M:%S%.f", "%H:%M", "%H.%M.%S", "%I:%M %p", "%I:%M:%S %p", "%Hh%M"];
/// Ways in which other numbers are written, too. They are times only where days repeat.
const NUMBERS: [&str; 2] = ["%H%M", "%H.%M"];

/// A column of days with the column of the times of day beside it, if there is one.
pub(super) fn with_time(table: &Table, column: &Column, format: String) -> DateColumn {
    let day = DateColumn { name: column.name.clone(), format, time: None, more: vec![] };
    if day.format.contains("%M") || day.format.contains("%H") || !day.format.contains("%d") {
        return day;
    }
    match time_beside(table, &day) {
        Some((time, format)) => DateColumn { format, time: Some(time), ..day },
        None => day,
    }
}

/// The column of the times of day or of the hours beside days, and how both together are
/// written.
fn time_beside(table: &Table, day: &DateColumn) -> Option<(String, String)> {
    let others = || table.columns.iter().filter(|c| day.columns().all(|name| name != c.name));
    let repeats = panel::repeat(&day.cells(table));
    let together = |way: &str| day.format.split('|').map(|d| format!("{d} {way}")).collect::<Vec<_>>().join("|");
    let timed = others().filter(|c| date::says_time(&c.name)).find_map(|c| {
        let fits = |way: &str, cell: &str| {
            let digits = way != "%H%M" || cell.len() == 4;
            digits && date::parse(&format!("2000-01-01 {cell}"), &format!("%Y-%m-%d {way}")).is_some()
        };
        // Every day has its time, or the column is something else.
        let all = |way: &&str| c.cells.iter().all(|cell| cell.is_some_and(|cell| fits(way, cell)));
        let ways = CLOCKS.iter().chain(NUMBERS.iter().filter(|_| repeats));
        ways.copied().find(all).map(|way| (c.name.clone(), together(way)))
    });
    let hours = || {
        let fits = |cell: Option<&str>| {
            cell.is_some_and(|cell| date::parse(&format!("2000-01-01 {cell}"), "%Y-%m-%d %H").is_some())
        };
        let hour = others().find(|c| repeats && says_hour(&c.name) && c.cells.iter().all(fits))?;
        Some((hour.name.clone(), together("%H")))
    };
    timed.or_else(hours)
}

/// A column of years, with those beside it that divide them.
pub(super) fn of_years(table: &Table, column: &Column) -> DateColumn {
    let year = DateColumn { name: column.name.clone(), format: YEAR.into(), time: None, more: vec![] };
    let months = beside(table, &year, says_month, &["%Y %m", "%Y %B"]);
    if let Some(mut found) = months {
        if !panel::repeat(&found.cells(table)) {
            return found;
        }
        let Some(day) = beside(table, &found, says_day, &[&format!("{} %d", found.format)]) else { return found };
        found = day;
        if let Some((time, format)) = time_beside(table, &found).filter(|_| panel::repeat(&found.cells(table))) {
            found.more.push(time);
            found.format = format;
        }
        return found;
    }
    if !panel::repeat(&year.cells(table)) {
        return year;
    }
    let quarters = beside(table, &year, says_quarter, &["%Y %q", "%Y Q%q"]);
    quarters.or_else(|| beside(table, &year, says_week, &["%G %V", "%G W%V"])).unwrap_or(year)
}

/// The dates with one more column, if one is called so and all cells together are dates
/// in one of some ways of writing.
fn beside(table: &Table, dates: &DateColumn, says: fn(&str) -> bool, ways: &[&str]) -> Option<DateColumn> {
    table.columns.iter().filter(|c| says(&c.name)).find_map(|c| {
        let mut with = dates.clone();
        match with.time {
            None => with.time = Some(c.name.clone()),
            Some(_) => with.more.push(c.name.clone()),
        }
        let cells = with.cells(table);
        let fits = |way: &str| {
            let one = |row: &Vec<Option<&str>>| {
                let row: Option<Vec<&str>> = row.iter().copied().collect();
                row.is_some_and(|row| date::parse(&row.join(" "), way).is_some())
            };
            cells.iter().all(one)
        };
        with.format = ways.iter().find(|way| fits(way))?.to_string();
        Some(with)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::table::{ReadOptions, TableOptions};
    use super::super::SeriesOptions;
    use super::super::audit::SeriesAudit;
    use super::*;

    /// The first and the last date of a series, and the step between them.
    fn dates(head: &str, rows: impl Iterator<Item = String>) -> (String, String, Option<String>) {
        let text: String = rows.enumerate().map(|(i, row)| format!("{row},{}.5\n", i * 7 % 11)).collect();
        let table = Table::parse("t.csv", format!("{head},v\n{text}").as_bytes(), &ReadOptions::default()).unwrap();
        let options = SeriesOptions { window: 3, ..SeriesOptions::default() };
        let audit = SeriesAudit::new(&table, &TableOptions::default(), &options).unwrap();
        (audit.first, audit.last, audit.step)
    }

    #[test]
    fn years_are_divided_by_the_columns_beside_them() {
        let found = dates("year,month,day,hour", (0..60).map(|i| format!("2019,11,{},{}", 1 + i / 24, i % 24)));
        assert_eq!(found, ("2019 11 1 0".into(), "2019 11 3 11".into(), Some("1 hour".into())));
        let found = dates("year,quarter", (0..20).map(|i| format!("{},{}", 1990 + i / 4, 1 + i % 4)));
        assert_eq!(found.2.as_deref(), Some("3 months"));
        let found = dates("year,week", (0..60).map(|i| format!("{},{}", 2018 + i / 52, 1 + i % 52)));
        assert_eq!(found.2.as_deref(), Some("1 week"));
        let found = dates("year,month", (0..24).map(|i| format!("{},{}", 1990 + i / 12, 1 + i % 12)));
        assert_eq!(found.2.as_deref(), Some("1 month"));
    }

    #[test]
    fn days_have_their_times_beside_them() {
        let hours = |way: fn(usize) -> String| {
            dates("Date,Time", (0..60).map(move |i| format!("2019-11-{:02},{}", 1 + i / 24, way(i % 24)))).2
        };
        let half = |h: usize| (h + 11) % 12 + 1;
        assert_eq!(hours(|h| format!("{h:02}00")).as_deref(), Some("1 hour"));
        assert_eq!(hours(|h| format!("{h:02}:00:00")).as_deref(), Some("1 hour"));
        let text = |i: usize| {
            format!("11/{:02}/2019,{:02}:00 {}", 1 + i / 24, half(i % 24), if i % 24 < 12 { "AM" } else { "PM" })
        };
        assert_eq!(dates("Date,Time", (0..60).map(text)).2.as_deref(), Some("1 hour"));
        let found = dates("Date,hour", (0..60).map(|i| format!("2019-11-{:02},{}", 1 + i / 24, i % 24)));
        assert_eq!(found.2.as_deref(), Some("1 hour"));
        // An hour beside days that are there once is a measurement.
        let found = dates("Date,hour", (0..20).map(|i| format!("2019-11-{:02},{}", 1 + i, i * 7 % 24)));
        assert_eq!(found.2.as_deref(), Some("1 day"));
    }

    #[test]
    fn digits_in_order_are_dates_whatever_they_are_called() {
        let first = |head: &str, row: fn(i64) -> String| {
            let found = dates(head, (0..30).map(row));
            (found.0, found.2)
        };
        let hour = Some("1 hour".to_string());
        let at = |i: i64| 1_580_079_600 + 3600 * i;
        assert_eq!(
            first("MESS_DATUM", |i| format!("201912{:02}{:02}", 17 + i / 24, i % 24)),
            ("2019121700".into(), hour.clone())
        );
        assert_eq!(first("t", |i| format!("{}000", 1_580_079_600 + 3600 * i)), (format!("{}000", at(0)), hour.clone()));
        assert_eq!(first("time", |i| format!("{}.000", 1_580_079_600 + 3600 * i)).1, hour);
        assert_eq!(first("ym", |i| format!("{}{:02}", 2010 + i / 12, 1 + i % 12)).1.as_deref(), Some("1 month"));
        assert_eq!(first("Date", |i| (43831 + i).to_string()).1.as_deref(), Some("1 day"));
        assert_eq!(first("n", |i| (43831 + 2 * i).to_string()).1, None);
    }

    #[test]
    fn columns_that_look_like_dates_are_named() {
        let notes = |head: &str, row: fn(usize) -> String| {
            let rows: String = (0..30).map(|i| format!("{},{}.5\n", row(i), i * 7 % 11)).collect();
            let table = Table::parse("t.csv", format!("{head},v\n{rows}").as_bytes(), &ReadOptions::default()).unwrap();
            let options = SeriesOptions { window: 3, ..SeriesOptions::default() };
            SeriesAudit::new(&table, &TableOptions::default(), &options).unwrap().notes.join("\n")
        };
        let said = notes("when", |i| format!("{:02}.01.2020 23u00", 1 + i));
        assert!(said.contains("when: its cells look like dates (\"01.01.2020 23u00\")"), "{said}");
        assert!(said.contains("the rows are taken as they stand") && said.contains("data.date"), "{said}");
        assert!(
            notes("date", |i| format!("{}", 7 * i))
                .contains("date: it is called so, and its cells (\"0\") are in no way")
        );
        assert!(!notes("when", |i| format!("2020-01-{:02}", 1 + i)).contains("look like dates"));
        assert!(!notes("name", |i| format!("w{i}")).contains("look like dates"));
    }
}
