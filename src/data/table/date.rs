//! Dates in cells, and the numbers that a date is made of.
//!
//! A way of writing is a pattern such as `%d.%m.%Y %H:%M`, several of them with `|`
//! between where a column has more than one, or one of [`digits`] and
//! [`period`]. What carries
//! no information is no part of it: a weekday in front, `th` behind a day, the zone
//! behind a time.

mod detect;
mod digits;
mod fixed;
mod lookalike;
mod period;
mod words;

pub use detect::{detect, detected, format_of};
pub use digits::SERIAL;
pub use lookalike::looks_like;

use super::number::canonical;
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cell::OnceCell;

/// Days as they are written. Where two fit all cells, the first is taken: of
/// `01/02/2020` the month comes first, unless a cell says otherwise. `%B` reads short
/// names of months, too.
const DAYS: &[&str] = &[
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d %B %Y",
    "%d. %B %Y",
    "%B %d, %Y",
    "%B %d %Y",
    "%d-%B-%Y",
    "%Y %B %d",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d-%B-%y",
    "%Y-%m",
    "%Y/%m",
    "%m/%Y",
    "%B %Y",
    "%B-%Y",
    "%Y%m%d",
];
/// Times behind a day.
const TIMES: &[&str] = &[
    "",
    " %H:%M:%S%.f",
    " %H:%M",
    "T%H:%M:%S%.f",
    "T%H:%M",
    " %I:%M %p",
    " %I:%M:%S %p",
    ", %H:%M:%S",
    ", %H:%M",
    ", %I:%M %p",
    " %H.%M.%S",
    " %H.%M",
    " %Hh%M",
    "T%H%M%S",
    "T%H%M",
];
/// Dates with the time between day and year, as C and the posts of social networks have.
const INSIDE: &[&str] = &["%B %d %H:%M:%S %Y"];
/// A year alone, which stands for its first day. It is never found out from cells:
/// four digits may be anything.
pub const YEAR: &str = "%Y";
/// Days from the first of January of year 1 to 1970.
const EPOCH: i32 = 719_163;

/// What a date is taken apart into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The year.
    Year,
    /// The month, 1 to 12.
    Month,
    /// The day of the month, 1 to 31.
    Day,
    /// The day of the week, 0 (Monday) to 6.
    Weekday,
    /// The hour, with its minutes as a fraction.
    Hour,
    /// Days since 1970, with the time as a fraction.
    Days,
}

impl Part {
    /// All parts.
    pub const ALL: [Part; 6] = [Part::Year, Part::Month, Part::Day, Part::Weekday, Part::Hour, Part::Days];

    /// Its name in the names of features.
    pub fn name(self) -> &'static str {
        match self {
            Part::Year => "year",
            Part::Month => "month",
            Part::Day => "day",
            Part::Weekday => "weekday",
            Part::Hour => "hour",
            Part::Days => "days",
        }
    }

    /// This part of the date in a cell that is written so.
    pub fn of_cell(self, cell: &str, format: &str) -> Option<f64> {
        parse(cell, format).map(|date| self.of(date))
    }

    /// This part of a date.
    pub fn of(self, date: NaiveDateTime) -> f64 {
        let hours = f64::from(date.num_seconds_from_midnight()) / 3600.0;
        match self {
            Part::Year => f64::from(date.year()),
            Part::Month => f64::from(date.month()),
            Part::Day => f64::from(date.day()),
            Part::Weekday => f64::from(date.weekday().num_days_from_monday()),
            Part::Hour => hours,
            Part::Days => f64::from(date.num_days_from_ce() - EPOCH) + hours / 24.0,
        }
    }
}

/// The date in a cell that is written so, its time as the cell has it.
pub fn parse(cell: &str, format: &str) -> Option<NaiveDateTime> {
    let plain = OnceCell::new();
    let slow = |way: &str| plain.get_or_init(|| Plain::of(cell)).parse(way);
    format.split('|').find_map(|way| fixed::parse(cell, way).or_else(|| slow(way)))
}

/// The same in UTC, where the cell says how far off it is.
pub fn instant(cell: &str, format: &str) -> Option<NaiveDateTime> {
    let minutes = offset(cell).unwrap_or(0);
    parse(cell, format)?.checked_sub_signed(TimeDelta::try_minutes(minutes)?)
}

/// A date in a way of writing; the first of several.
pub fn write(date: NaiveDateTime, format: &str) -> String {
    match format.split('|').next().unwrap_or(format) {
        way if digits::is_one(way) => digits::write(date, way),
        way if period::is_one(way) => period::write(date, way),
        // A fraction of a second is written where there is one.
        way if date.nanosecond() == 0 => date.format(&way.replace("%.f", "")).to_string(),
        way => date.format(way).to_string(),
    }
}

/// A cell without what says nothing.
struct Plain<'a> {
    text: Cow<'a, str>,
    /// It says 24:00, the end of its day.
    ends_day: bool,
}

impl Plain<'_> {
    fn of(cell: &str) -> Plain<'_> {
        let cell = with_point(without_zone(words::without_weekday(cell.trim())));
        let letters = cell.chars().any(char::is_alphabetic);
        let ends_day = cell.contains(" 24:00") || cell.contains("T24:00");
        if !letters && !ends_day {
            return Plain { text: cell, ends_day };
        }
        let mut text = if letters { Cow::Owned(words::plain(&cell)) } else { cell };
        if ends_day {
            text = Cow::Owned(text.replacen(" 24:00", " 00:00", 1).replacen("T24:00", "T00:00", 1));
        }
        Plain { text, ends_day }
    }

    fn parse(&self, way: &str) -> Option<NaiveDateTime> {
        let cell = &*self.text;
        if digits::is_one(way) {
            return digits::parse(cell, way);
        }
        if period::is_one(way) {
            return period::parse(cell, way);
        }
        if way == YEAR {
            let year = canonical(cell).parse().ok().filter(|_| cell.len() >= 4)?;
            return NaiveDate::from_ymd_opt(year, 1, 1)?
                .and_hms_opt(0, 0, 0)
                .filter(|d| (1000..=9999).contains(&d.year()));
        }
        let clock = way.contains("%H:%M") || way.contains("%I:%M");
        // A day alone among times is its midnight.
        let way = if clock && !cell.contains(':') { day_of(way)? } else { way };
        if way.contains("%H") && !way.contains("%M") {
            return hour(cell, way);
        }
        let found = if way.contains("%M") {
            NaiveDateTime::parse_from_str(cell, way).ok()
        } else if way.contains("%d") {
            NaiveDate::parse_from_str(cell, way).ok().and_then(|d| d.and_hms_opt(0, 0, 0))
        } else {
            // A month stands for its first day.
            let first = NaiveDate::parse_from_str(&format!("{cell} 01"), &format!("{way} %d")).ok();
            first.and_then(|d| d.and_hms_opt(0, 0, 0))
        };
        let found = if self.ends_day { found?.checked_add_days(Days::new(1)) } else { found };
        found.filter(|d| (1000..=9999).contains(&d.year()))
    }
}

/// A day and an hour, where 24 is the end of the day.
fn hour(cell: &str, way: &str) -> Option<NaiveDateTime> {
    let (day, hour) = cell.rsplit_once(' ')?;
    let day = Plain { text: day.into(), ends_day: false }.parse(way.strip_suffix(" %H")?)?;
    let hour: u32 = canonical(hour).parse().ok().filter(|hour| *hour <= 24)?;
    day.checked_add_signed(TimeDelta::try_hours(hour.into())?)
}

/// A cell with a point where a comma divides seconds, as in logs: `00:00:00,123`.
fn with_point(cell: Cow<'_, str>) -> Cow<'_, str> {
    let Some(at) = cell.rfind(',').filter(|at| *at >= 3 && cell.contains(':')) else { return cell };
    let digits = |s: &[u8]| !s.is_empty() && s.iter().all(u8::is_ascii_digit);
    let bytes = cell.as_bytes();
    match bytes[at - 3] == b':' && digits(&bytes[at - 2..at]) && digits(&bytes[at + 1..]) {
        true => format!("{}.{}", &cell[..at], &cell[at + 1..]).into(),
        false => cell,
    }
}

/// The day in a way of writing days and times.
fn day_of(way: &str) -> Option<&str> {
    TIMES[1..].iter().filter_map(|time| way.strip_suffix(time)).min_by_key(|day| day.len())
}

/// Where the zone behind a time begins and ends, and how many minutes it is ahead of
/// UTC, if it says so.
fn zone(cell: &str) -> Option<(std::ops::Range<usize>, Option<i64>)> {
    let Some(time) = cell.find(':') else {
        // `20191128T000000Z`
        let digits = |s: &str| matches!(s.len(), 4 | 6) && s.bytes().all(|b| b.is_ascii_digit());
        let at = cell.len().checked_sub(1).filter(|_| cell.ends_with('Z'))?;
        return cell[..at].rsplit_once('T').filter(|(_, time)| digits(time)).map(|_| (at..at + 1, Some(0)));
    };
    let rest = &cell[time..];
    for name in [" UTC", " GMT", "Z"] {
        if let Some(at) = rest.find(name).map(|at| time + at)
            && !cell[at + name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Some((at..at + name.len(), Some(0)));
        }
    }
    let at = time + rest.find(['+', '-'])?;
    let digits: String = cell[at + 1..].chars().take_while(|c| c.is_ascii_digit() || *c == ':').collect();
    let plain: String = digits.chars().filter(char::is_ascii_digit).collect();
    let number = |s: &str| s.parse::<i64>().ok();
    let minutes = match plain.len() {
        2 => number(&plain)? * 60,
        4 => number(&plain[..2])? * 60 + number(&plain[2..])?,
        _ => return Some((at..cell.len(), None)),
    };
    let sign = if cell[at..].starts_with('-') { -1 } else { 1 };
    Some((at..at + 1 + digits.len(), Some(sign * minutes)))
}

/// The minutes by which a cell says that it is ahead of UTC.
pub fn offset(cell: &str) -> Option<i64> {
    zone(cell)?.1
}

/// A date and time without its zone: a table's times are taken as they are written.
fn without_zone(cell: &str) -> Cow<'_, str> {
    match zone(cell) {
        None => cell.into(),
        Some((zone, _)) if cell[zone.end..].trim().is_empty() => cell[..zone.start].trim_end().into(),
        Some((zone, _)) => format!("{} {}", cell[..zone.start].trim_end(), cell[zone.end..].trim()).into(),
    }
}

/// Whether a way of writing and its twin with day and month exchanged both fit
/// all cells that it fits.
pub fn ambiguous<'a>(format: &str, cells: impl Iterator<Item = &'a str> + Clone) -> bool {
    format.split('|').any(|way| {
        let pairs = [("%m/%d/", "%d/%m/"), ("%d-%m-", "%m-%d-"), ("%d/%m/", "%m/%d/"), ("%m-%d-", "%d-%m-")];
        let twin = pairs.iter().find(|(a, _)| way.contains(a)).map(|(a, b)| way.replacen(a, b, 1));
        twin.is_some_and(|twin| {
            let mut fitting = cells.clone().filter(|c| parse(c, way).is_some()).peekable();
            fitting.peek().is_some() && fitting.all(|c| parse(c, &twin).is_some())
        })
    })
}

/// What to say of a column of which day and month could be exchanged.
pub fn either_order<'a>(column: &str, format: &str, cells: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    ambiguous(format, cells).then(|| {
        format!("{column}: its dates are read as {format}, but day and month could also stand the other way round")
    })
}

/// Whether a way of writing is one of quarters or weeks.
pub fn is_period(way: &str) -> bool {
    period::is_one(way)
}

/// Whether a way of writing is one of digits alone that are dates with a time, or months, which numbers in a
/// column that is called so hardly are by chance.
pub fn is_digits(way: &str) -> bool {
    digits::is_one(way)
}

/// Whether a column's name says that it holds dates or times.
pub fn says_time(name: &str) -> bool {
    let lower = name.to_lowercase();
    let parts = ["date", "day", "time", "stamp", "epoch", "unix", "created", "updated", "datum", "fecha", "zeit"];
    parts.iter().any(|word| lower.contains(word)) || lower.ends_with("_at") || lower == "ts"
}

#[cfg(test)]
mod tests {
    use super::digits::{UNIX, UNIX_MS};
    use super::*;

    fn parts(cell: &str) -> [f64; 6] {
        let date = parse(cell, &format_of(cell).unwrap()).unwrap();
        Part::ALL.map(|p| p.of(date))
    }

    #[test]
    fn years_are_read_where_they_are_asked_for() {
        assert_eq!(parse("1997", YEAR).map(|d| write(d, YEAR)), Some("1997".into()));
        assert_eq!(parse("1997.0", YEAR), parse("1997", YEAR));
        assert_eq!([parse("97", YEAR), parse("19970", YEAR), parse("1997.5", YEAR)], [None; 3]);
        assert_eq!(format_of("1997"), None);
    }

    #[test]
    fn dates_are_read_in_the_usual_ways() {
        let day = [2020.0, 2.0, 29.0, 5.0, 0.0, 18321.0];
        for cell in ["2020-02-29", "2020/02/29", "29.02.2020", "2/29/2020", "29/02/2020", "29 Feb 2020", "Feb 29, 2020"]
            .iter()
            .chain(&[
                "29 February 2020",
                "February 29th, 2020",
                "Saturday 29 February 2020",
                "Sat. 29-Feb-2020",
                "2020 Feb 29",
                "29. Februar 2020",
                "29 février 2020",
                "29 de febrero de 2020",
                "29 febbraio 2020",
            ])
        {
            assert_eq!(parts(cell), day, "{cell}");
        }
        let noon = [2020.0, 2.0, 29.0, 5.0, 12.5, 18321.0 + 12.5 / 24.0];
        for cell in [
            "2020-02-29 12:30",
            "2020-02-29T12:30:00",
            "2020-02-29T12:30:00.000Z",
            "2020-02-29 12:30:00+02:00",
            "2020-02-29 12:30:00 UTC",
            "2/29/2020 12:30 PM",
            "Sat, 29 Feb 2020 12:30:00 GMT",
            "Saturday, February 29, 2020, 12:30 PM",
            "Sat Feb 29 12:30:00 +0000 2020",
            "29.02.2020 12.30.00",
            "29.02.2020 12.30",
            "29.02.2020 12h30",
            "2/29/2020 12:30 p.m.",
            "20200229T123000Z",
            "2020-02-29 12:30:00,000",
            "Samstag, 29. Februar 2020 12:30 Uhr",
        ] {
            assert_eq!(parts(cell), noon, "{cell}");
        }
        assert_eq!(parts("1949-01"), [1949.0, 1.0, 1.0, 5.0, 0.0, -7670.0]);
        for cell in
            ["2020-02-30", "12", "1.5", "20200229", "hello world", "1-2", "C85", "13/13/2020", "0001-01-01", "1:2:3"]
        {
            assert_eq!(format_of(cell), None, "{cell}");
        }
    }

    #[test]
    fn the_end_of_a_day_is_the_next_midnight() {
        let at = |cell: &str, format: &str| parse(cell, format).map(|d| d.to_string());
        assert_eq!(at("20.10.2021 24:00", "%d.%m.%Y %H:%M").as_deref(), Some("2021-10-21 00:00:00"));
        assert_eq!(at("20.10.2021 18:24:00", "%d.%m.%Y %H:%M:%S%.f").as_deref(), Some("2021-10-20 18:24:00"));
        assert_eq!(at("2021-10-20", "%Y-%m-%d %H:%M:%S%.f").as_deref(), Some("2021-10-20 00:00:00"));
        assert_eq!(at("Sept 5, 2017", "%B %d, %Y").as_deref(), Some("2017-09-05 00:00:00"));
        assert_eq!(at("1600000000", UNIX).as_deref(), Some("2020-09-13 12:26:40"));
        assert_eq!(at("1600000000000", UNIX_MS).as_deref(), Some("2020-09-13 12:26:40"));
    }

    #[test]
    fn zones_are_left_out_or_counted() {
        let both = |cell: &str| {
            let format = format_of(cell).unwrap();
            (parse(cell, &format).unwrap().to_string(), instant(cell, &format).unwrap().to_string())
        };
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(both("2021-10-31T02:00:00+02:00"), pair("2021-10-31 02:00:00", "2021-10-31 00:00:00"));
        assert_eq!(both("2021-10-31 02:00:00 -0530"), pair("2021-10-31 02:00:00", "2021-10-31 07:30:00"));
        assert_eq!(both("2021-10-31T02:00:00Z"), pair("2021-10-31 02:00:00", "2021-10-31 02:00:00"));
    }

    #[test]
    fn what_is_written_reads_back() {
        let date = parse("2020-02-09 17:05:06", "%Y-%m-%d %H:%M:%S%.f").unwrap();
        for format in ["%d.%m.%Y %H:%M:%S%.f", "%B %d, %Y, %I:%M %p", UNIX, UNIX_MS, "%Y-%m-%dT%H:%M|%d/%m/%Y"] {
            let text = write(date, format);
            let read = parse(&text, format).unwrap();
            assert_eq!((read.date(), read.hour(), read.minute()), (date.date(), 17, 5), "{text} by {format}");
        }
    }

    #[test]
    fn cells_together_tell_day_from_month() {
        let found = |cells: &[&str]| detect(cells.iter().copied());
        assert_eq!(found(&["01/02/2020", "13/02/2020"]), Some(("%d/%m/%Y".into(), 2)));
        assert_eq!(found(&["01/02/2020", "02/13/2020"]), Some(("%m/%d/%Y".into(), 2)));
        assert_eq!(found(&["20200229", "20200301"]), Some(("%Y%m%d".into(), 2)));
        assert_eq!(found(&["x", "y"]), None);
        assert_eq!(found(&["2019121723", "2019121800"]), Some(("%Y%m%d%H".into(), 2)));
        assert_eq!(found(&["1580079600", "1580083200"]), Some((UNIX.into(), 2)));
        assert_eq!(found(&["202011", "202012"]), Some(("%Y%m".into(), 2)));
        assert_eq!(found(&["2020-Q1", "2020-Q2"]), Some(("%Y-Q%q".into(), 2)));
        assert_eq!(found(&["2020-W05", "2020-W06"]), Some(("%G-W%V".into(), 2)));
        // Two ways that no cell can mistake.
        assert_eq!(found(&["2020-02-01", "13/02/2020", "2020-03-01"]), Some(("%Y-%m-%d|%d/%m/%Y".into(), 3)));
        assert_eq!(found(&["01/02/2020", "13/02/2020", "02/13/2020"]), Some(("%m/%d/%Y".into(), 2)));
        assert!(ambiguous("%m/%d/%Y", ["01/02/2020"].into_iter()));
        assert!(!ambiguous("%m/%d/%Y", ["01/02/2020", "02/13/2020"].into_iter()));
    }
}
