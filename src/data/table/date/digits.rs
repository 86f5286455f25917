//! Dates of digits alone: `2019121723`, seconds since 1970, the days that spreadsheets
//! count. They are numbers, too, so that a column's name or its order must speak for
//! them.

use super::super::number::canonical;
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta};

/// Seconds since 1970, in ten digits.
pub const UNIX: &str = "unix";
/// Milliseconds since 1970, in thirteen digits.
pub const UNIX_MS: &str = "unix ms";
/// Days since the end of 1899, as spreadsheets count them. Never found out from cells
/// alone.
pub const SERIAL: &str = "days of a spreadsheet";
/// Months, and dates with the time of day, with the number of their digits. What has
/// fewer ways to fit stands first: a date and hour has ten digits, as seconds have.
const WAYS: [(usize, &str); 7] =
    [(6, "%Y%m"), (8, "%Y%m%d"), (10, "%Y%m%d%H"), (10, UNIX), (12, "%Y%m%d%H%M"), (13, UNIX_MS), (14, "%Y%m%d%H%M%S")];
/// Days of a spreadsheet from 1927 to 2119.
const SERIALS: std::ops::Range<f64> = 10_000.0..80_000.0;

/// The ways of writing of these that a cell may have.
pub fn ways(cell: &str) -> Vec<&'static str> {
    let (whole, fraction) = cell.split_once('.').unwrap_or((cell, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let zero = fraction.bytes().all(|b| b == b'0');
    if !digits(whole) || !digits(fraction) || (cell.contains('.') && fraction.is_empty()) {
        return vec![];
    }
    let fits = |(n, way): &&(usize, &str)| whole.len() == *n && (zero || *way == UNIX || *way == UNIX_MS);
    WAYS.iter().filter(fits).map(|(_, way)| *way).collect()
}

/// Whether a way of writing is one of these with the time of day, or a month.
pub fn is_one(way: &str) -> bool {
    way == SERIAL || (way != "%Y%m%d" && WAYS.iter().any(|(_, w)| *w == way))
}

/// The date in a cell that is written so.
pub fn parse(cell: &str, way: &str) -> Option<NaiveDateTime> {
    match way {
        UNIX | UNIX_MS => unix(cell, way == UNIX_MS),
        SERIAL => serial(cell),
        _ => compact(&canonical(cell), way),
    }
}

/// A date in one of these ways of writing.
pub fn write(date: NaiveDateTime, way: &str) -> String {
    match way {
        UNIX => date.and_utc().timestamp().to_string(),
        UNIX_MS => date.and_utc().timestamp_millis().to_string(),
        SERIAL => {
            let days = epoch().map_or(0.0, |start| (date - start).num_seconds() as f64 / 86_400.0);
            format!("{}", (days * 1e6).round() / 1e6)
        }
        _ => date.format(way).to_string(),
    }
}

fn epoch() -> Option<NaiveDateTime> {
    NaiveDate::from_ymd_opt(1899, 12, 30)?.and_hms_opt(0, 0, 0)
}

fn serial(cell: &str) -> Option<NaiveDateTime> {
    let days: f64 = cell.replacen(',', ".", 1).parse().ok().filter(|days| SERIALS.contains(days))?;
    epoch()?.checked_add_signed(TimeDelta::try_seconds((days * 86_400.0).round() as i64)?)
}

fn compact(cell: &str, way: &str) -> Option<NaiveDateTime> {
    let (length, _) = WAYS.iter().find(|(_, w)| *w == way)?;
    if cell.len() != *length || !cell.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, usual: u32| cell.get(from..from + 2).map_or(Some(usual), |s| s.parse().ok());
    let year: i32 = cell[..4].parse().ok().filter(|year| (1800..=2200).contains(year))?;
    let day = NaiveDate::from_ymd_opt(year, part(4, 1)?, part(6, 1)?)?;
    match [part(8, 0)?, part(10, 0)?, part(12, 0)?] {
        // The end of a day.
        [24, 0, 0] => day.checked_add_days(Days::new(1))?.and_hms_opt(0, 0, 0),
        [hour, minute, second] => day.and_hms_opt(hour, minute, second),
    }
}

fn unix(cell: &str, millis: bool) -> Option<NaiveDateTime> {
    let digits = if millis { 13 } else { 10 };
    let (whole, fraction) = cell.split_once('.').unwrap_or((cell, "0"));
    let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse::<i64>().ok()).flatten();
    if whole.len() != digits || number(fraction).is_none() {
        return None;
    }
    let found = if millis {
        DateTime::from_timestamp_millis(number(whole)?)
    } else {
        DateTime::from_timestamp(number(whole)?, 0)
    };
    // From 2001 to 2096: ten digits may be anything.
    found.map(|d| d.naive_utc()).filter(|d| d.year() < 2096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_alone_are_dates_with_the_time_of_day() {
        let at = |cell: &str, way: &str| parse(cell, way).map(|d| d.to_string());
        assert_eq!(at("2019121723", "%Y%m%d%H").as_deref(), Some("2019-12-17 23:00:00"));
        assert_eq!(at("2019121724", "%Y%m%d%H").as_deref(), Some("2019-12-18 00:00:00"));
        assert_eq!(at("201912172359", "%Y%m%d%H%M").as_deref(), Some("2019-12-17 23:59:00"));
        assert_eq!(at("20191217235958", "%Y%m%d%H%M%S").as_deref(), Some("2019-12-17 23:59:58"));
        assert_eq!(at("202005", "%Y%m").as_deref(), Some("2020-05-01 00:00:00"));
        assert_eq!(at("202005.0", "%Y%m").as_deref(), Some("2020-05-01 00:00:00"));
        assert_eq!(at("1580079600.000", UNIX).as_deref(), Some("2020-01-26 23:00:00"));
        assert_eq!(at("43831", SERIAL).as_deref(), Some("2020-01-01 00:00:00"));
        assert_eq!(at("43831.75", SERIAL).as_deref(), Some("2020-01-01 18:00:00"));
        for (cell, way) in [("2019131723", "%Y%m%d%H"), ("1580079600", "%Y%m%d%H"), ("202013", "%Y%m"), ("7", SERIAL)] {
            assert_eq!(at(cell, way), None, "{cell}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let date = parse("20200209170506", "%Y%m%d%H%M%S").unwrap();
        for way in [UNIX, UNIX_MS, SERIAL, "%Y%m%d%H%M%S"] {
            assert_eq!(parse(&write(date, way), way), Some(date), "{way}");
        }
        assert_eq!(write(date, "%Y%m%d%H"), "2020020917");
    }

    #[test]
    fn cells_have_the_ways_of_their_length() {
        assert_eq!(ways("2019121723"), ["%Y%m%d%H", UNIX]);
        assert_eq!(ways("1580079600.5"), [UNIX]);
        assert_eq!(
            (ways("202005").len(), ways("20200a").len(), ways("202005.5").len(), ways("12").len()),
            (1, 0, 0, 0)
        );
    }
}
