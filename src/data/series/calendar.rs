//! Where a date stands in the year, the week and the day, as inputs: sine and
//! cosine, so that the end of a cycle lies beside its beginning.

use chrono::{Datelike, NaiveDateTime, Timelike};
use serde::{Deserialize, Serialize};

/// A cycle of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cycle {
    /// The day of the year.
    DayOfYear,
    /// The day of the week.
    DayOfWeek,
    /// The hour of the day.
    Hour,
}

impl Cycle {
    const ALL: [Cycle; 3] = [Cycle::DayOfYear, Cycle::DayOfWeek, Cycle::Hour];

    /// Its name in those of inputs.
    pub fn name(self) -> &'static str {
        match self {
            Cycle::DayOfYear => "day of year",
            Cycle::DayOfWeek => "day of week",
            Cycle::Hour => "hour",
        }
    }

    /// Its length in seconds.
    fn seconds(self) -> f64 {
        match self {
            Cycle::DayOfYear => super::dates::YEAR,
            Cycle::DayOfWeek => 7.0 * 86_400.0,
            Cycle::Hour => 86_400.0,
        }
    }

    /// Where a date stands in it, from 0 to 1.
    fn phase(self, date: NaiveDateTime) -> f64 {
        let day = f64::from(date.num_seconds_from_midnight()) / 86_400.0;
        match self {
            Cycle::DayOfYear => (f64::from(date.ordinal0()) + day) / 365.2425,
            Cycle::DayOfWeek => (f64::from(date.weekday().num_days_from_monday()) + day) / 7.0,
            Cycle::Hour => day,
        }
    }

    /// Sine and cosine of where a date stands in it.
    pub fn of(self, date: NaiveDateTime) -> [f32; 2] {
        let angle = std::f64::consts::TAU * self.phase(date);
        [angle.sin() as f32, angle.cos() as f32]
    }

    /// The cycles that some dates go through: steps shorter than half of one,
    /// and places in it that differ. The weekday of the first of a month would
    /// be noise.
    pub fn of_dates(dates: &[NaiveDateTime]) -> Vec<Cycle> {
        let mut steps: Vec<i64> = dates.windows(2).map(|d| (d[1] - d[0]).num_seconds()).collect();
        steps.sort_unstable();
        let Some(&usual) = steps.get(steps.len() / 2) else { return vec![] };
        let varies = |c: &Cycle| dates.iter().any(|&d| c.phase(d) != c.phase(dates[0]));
        Cycle::ALL.into_iter().filter(|c| 2.0 * usual as f64 <= c.seconds()).filter(varies).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::table::date::parse;
    use super::*;

    #[test]
    fn cycles_are_those_that_the_dates_go_through() {
        let day = |cell: &str| parse(cell, "%Y-%m-%d").unwrap();
        let months: Vec<NaiveDateTime> = (1..=12).map(|m| day(&format!("2020-{m:02}-01"))).collect();
        assert_eq!(Cycle::of_dates(&months), [Cycle::DayOfYear]);
        let days: Vec<NaiveDateTime> = (1..=20).map(|d| day(&format!("2020-02-{d:02}"))).collect();
        assert_eq!(Cycle::of_dates(&days), [Cycle::DayOfYear, Cycle::DayOfWeek]);
        let hours: Vec<NaiveDateTime> =
            (0..24).map(|h| parse(&format!("2020-02-03 {h:02}:00"), "%Y-%m-%d %H:%M").unwrap()).collect();
        assert_eq!(Cycle::of_dates(&hours), [Cycle::DayOfYear, Cycle::DayOfWeek, Cycle::Hour]);
        assert_eq!(Cycle::of_dates(&hours[..1]), []);
        let [sin, cos] = Cycle::Hour.of(hours[6]);
        assert!((sin - 1.0).abs() < 1e-6 && cos.abs() < 1e-6);
    }
}
