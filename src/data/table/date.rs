//! Dates in cells, and the numbers that a date is made of.

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use serde::{Deserialize, Serialize};

/// Days as they are written. Where two fit all cells, the first is taken: of
/// `01/02/2020` the month comes first, unless a cell says otherwise.
const DAYS: &[&str] = &[
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d-%b-%Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d-%b-%y",
    "%Y-%m",
    "%Y/%m",
    "%b %Y",
    "%Y%m%d",
];
/// Times behind a day.
const TIMES: &[&str] = &["", " %H:%M:%S%.f", " %H:%M", "T%H:%M:%S%.f", "T%H:%M", " %I:%M %p", " %I:%M:%S %p"];
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

/// The date in a cell that is written in one way.
pub fn parse(cell: &str, format: &str) -> Option<NaiveDateTime> {
    let cell = without_zone(cell);
    let found = if format.contains(":%M") {
        NaiveDateTime::parse_from_str(cell, format).ok()
    } else if format.contains("%d") {
        NaiveDate::parse_from_str(cell, format).ok().and_then(|d| d.and_hms_opt(0, 0, 0))
    } else {
        // A month stands for its first day.
        let first = NaiveDate::parse_from_str(&format!("{cell} 01"), &format!("{format} %d")).ok();
        first.and_then(|d| d.and_hms_opt(0, 0, 0))
    };
    found.filter(|d| (1000..=9999).contains(&d.year()))
}

/// A date and time without the zone behind it: a table's times are taken as
/// they are written.
fn without_zone(cell: &str) -> &str {
    let cell = cell.trim();
    let Some((_, time)) = cell.split_once(':') else { return cell };
    let cut = time.rfind(['+', '-', 'Z']).or_else(|| time.find(" UTC"));
    cut.map_or(cell, |at| cell[..cell.len() - time.len() + at].trim_end())
}

/// The first way of writing that fits a cell.
pub fn format_of(cell: &str) -> Option<String> {
    formats(cell).next()
}

/// All ways of writing that fit a cell, the likeliest first. Eight digits alone
/// are a number before they are a date.
fn formats(cell: &str) -> impl Iterator<Item = String> {
    let possible = (6..=40).contains(&cell.len())
        && cell.bytes().filter(u8::is_ascii_digit).count() >= 3
        && !cell.bytes().all(|b| b.is_ascii_digit() || b == b'.' && cell.matches('.').count() < 2);
    let times = if cell.contains(':') { &TIMES[1..] } else { &TIMES[..1] };
    let days = if possible { DAYS } else { &[] };
    let all = days.iter().flat_map(move |day| times.iter().map(move |time| format!("{day}{time}")));
    let cell = cell.to_string();
    all.filter(move |format| parse(&cell, format).is_some())
}

/// The way of writing that fits most of some cells, and how many it fits.
pub fn detect<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Option<(String, usize)> {
    let digits = |c: &str| c.len() == 8 && c.bytes().all(|b| b.is_ascii_digit());
    let mut candidates: Vec<String> = vec![];
    // Whoever fits most cells fits one of the first few.
    for cell in cells.clone().take(20) {
        let more: Vec<String> = if digits(cell) { vec!["%Y%m%d".into()] } else { formats(cell).collect() };
        candidates.extend(more.into_iter().filter(|f| !candidates.contains(f)).collect::<Vec<_>>());
    }
    let counted = candidates.into_iter().map(|f| {
        let fits = cells.clone().filter(|c| parse(c, &f).is_some()).count();
        (f, fits)
    });
    counted.reduce(|best, next| if next.1 > best.1 { next } else { best }).filter(|(_, fits)| *fits > 0)
}

/// Whether a way of writing and its twin with day and month exchanged both fit
/// all cells.
pub fn ambiguous<'a>(format: &str, mut cells: impl Iterator<Item = &'a str>) -> bool {
    let twin = if format.contains("%m/%d/") {
        format.replacen("%m/%d/", "%d/%m/", 1)
    } else if format.contains("%d-%m-") {
        format.replacen("%d-%m-", "%m-%d-", 1)
    } else {
        return false;
    };
    cells.all(|c| parse(c, &twin).is_some() || parse(c, format).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(cell: &str) -> [f64; 6] {
        let date = parse(cell, &format_of(cell).unwrap()).unwrap();
        Part::ALL.map(|p| p.of(date))
    }

    #[test]
    fn dates_are_read_in_the_usual_ways() {
        let day = [2020.0, 2.0, 29.0, 5.0, 0.0, 18321.0];
        for cell in ["2020-02-29", "2020/02/29", "29.02.2020", "2/29/2020", "29/02/2020", "29 Feb 2020", "Feb 29, 2020"]
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
    fn cells_together_tell_day_from_month() {
        let found = |cells: &[&str]| detect(cells.iter().copied());
        assert_eq!(found(&["01/02/2020", "13/02/2020"]), Some(("%d/%m/%Y".into(), 2)));
        assert_eq!(found(&["01/02/2020", "02/13/2020"]), Some(("%m/%d/%Y".into(), 2)));
        assert_eq!(found(&["20200229", "20200301"]), Some(("%Y%m%d".into(), 2)));
        assert_eq!(found(&["x", "y"]), None);
        assert!(ambiguous("%m/%d/%Y", ["01/02/2020"].into_iter()));
        assert!(!ambiguous("%m/%d/%Y", ["01/02/2020", "02/13/2020"].into_iter()));
    }
}
