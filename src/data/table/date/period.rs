//! Quarters and weeks: `2020-Q1`, `2020-W05`. They stand for their first day.

use chrono::{Datelike, NaiveDate, NaiveDateTime, Weekday};

/// How they are written; `%q` is a quarter, `%G` and `%V` the year and the week of
/// ISO 8601.
pub const PERIODS: &[&str] = &[
    "%Y-Q%q", "%YQ%q", "%Y Q%q", "%Y/Q%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y", "%G-W%V", "%GW%V", "%G W%V", "%G/W%V",
    "W%V %G", "W%V-%G", "W%V/%G", "%G-KW%V", "%G KW%V", "KW%V %G", "KW%V/%G",
];

/// Whether a way of writing is one of these, or of years and quarters or weeks in
/// columns of their own.
pub fn is_one(way: &str) -> bool {
    way.contains("%q") || way.contains("%V")
}

/// The first day of the period in a cell that is written so.
pub fn parse(cell: &str, way: &str) -> Option<NaiveDateTime> {
    let (mut rest, mut year, mut number) = (cell, None, None);
    let mut signs = way.chars();
    while let Some(sign) = signs.next() {
        if sign != '%' {
            let first = rest.chars().next().filter(|c| c.eq_ignore_ascii_case(&sign))?;
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let field = signs.next()?;
        let most = match field {
            'q' => 1,
            'V' => 2,
            _ => 4,
        };
        let length = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let found: u32 = rest[..length].parse().ok()?;
        rest = &rest[length..];
        match field {
            'q' | 'V' => number = Some(found),
            _ => year = Some(i32::try_from(found).ok().filter(|_| length == 4)?),
        }
    }
    let (year, number) = (year?, number.filter(|_| rest.is_empty())?);
    let day = match way.contains("%q") {
        true => NaiveDate::from_ymd_opt(year, 3 * number.checked_sub(1)? + 1, 1),
        false => NaiveDate::from_isoywd_opt(year, number, Weekday::Mon),
    };
    day?.and_hms_opt(0, 0, 0)
}

/// The period of a date in a way of writing.
pub fn write(date: NaiveDateTime, way: &str) -> String {
    date.format(&way.replace("%q", &date.month0().div_euclid(3).saturating_add(1).to_string())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_stand_for_their_first_day() {
        let at = |cell: &str, way: &str| parse(cell, way).map(|d| d.date().to_string());
        assert_eq!(at("2020-Q3", "%Y-Q%q").as_deref(), Some("2020-07-01"));
        assert_eq!(at("2020q4", "%YQ%q").as_deref(), Some("2020-10-01"));
        assert_eq!(at("2020-W05", "%G-W%V").as_deref(), Some("2020-01-27"));
        assert_eq!(at("2020 5", "%G %V").as_deref(), Some("2020-01-27"));
        for (cell, way) in
            [("2020-Q5", "%Y-Q%q"), ("2020-Q0", "%Y-Q%q"), ("2019-W53", "%G-W%V"), ("2020-Q1x", "%Y-Q%q")]
        {
            assert_eq!(at(cell, way), None, "{cell}");
        }
        for (cell, way) in [("2020-Q3", "%Y-Q%q"), ("2020-W05", "%G-W%V"), ("Q1 2020", "Q%q %Y"), ("2020 3", "%Y %q")] {
            assert_eq!(write(parse(cell, way).unwrap(), way), cell);
        }
    }
}
