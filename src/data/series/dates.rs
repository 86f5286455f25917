//! The steps between dates: how regular they are, and how they go on.

use super::super::table::date::write;
use super::series::Series;
use chrono::{Datelike, Days, Months, NaiveDateTime, TimeDelta, Weekday};
use serde::{Deserialize, Serialize};

/// The share of equal steps from which dates can be continued.
const REGULAR: f64 = 0.9;
/// Dates that tell working days from days with holes.
const WORKING: usize = 15;

/// From one date to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// So many seconds.
    Seconds(i64),
    /// So many months, on the same day.
    Months(u32),
    /// The next day that is not on a weekend.
    Workday,
}

impl Step {
    /// The step between most of some ascending dates, and how many of them are
    /// longer or shorter. `None` where the dates are irregular.
    pub fn of(dates: &[NaiveDateTime]) -> Option<(Step, usize)> {
        let n = dates.len().checked_sub(1).filter(|&n| n > 0)?;
        let seconds: Vec<i64> = dates.windows(2).map(|d| (d[1] - d[0]).num_seconds()).collect();
        let usual = most_frequent(&seconds)?;
        let month = |d: NaiveDateTime| i64::from(d.year()) * 12 + i64::from(d.month0());
        let months: Vec<i64> = dates.windows(2).map(|d| month(d[1]) - month(d[0])).collect();
        // Months first: two of them in a row may be equally long.
        if let Some(step) = most_frequent(&months).and_then(|m| u32::try_from(m).ok()).filter(|&m| m > 0) {
            let step = Step::Months(step);
            let odd = dates.windows(2).filter(|d| step.after(d[0]) != Some(d[1])).count();
            if odd as f64 <= (1.0 - REGULAR) * n as f64 {
                return Some((step, odd));
            }
        }
        let weekend = |d: &NaiveDateTime| matches!(d.weekday(), Weekday::Sat | Weekday::Sun);
        if usual == DAY && n >= WORKING && !dates.iter().any(weekend) {
            let odd = dates.windows(2).filter(|d| Step::Workday.after(d[0]) != Some(d[1])).count();
            return (odd as f64 <= (1.0 - REGULAR) * n as f64).then_some((Step::Workday, odd));
        }
        let odd = seconds.iter().filter(|&&s| s != usual).count();
        (odd as f64 <= (1.0 - REGULAR) * n as f64).then_some((Step::Seconds(usual), odd))
    }

    /// The date one step later.
    pub fn after(self, date: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Step::Seconds(s) => date.checked_add_signed(TimeDelta::try_seconds(s)?),
            Step::Months(m) => {
                let later = date.checked_add_months(Months::new(m))?;
                // The end of a month is followed by the end of a month.
                let last = |d: NaiveDateTime| d.checked_add_days(Days::new(1)).is_none_or(|next| next.day() == 1);
                let mut end = later;
                while last(date) && !last(end) {
                    end = end.checked_add_days(Days::new(1))?;
                }
                Some(end)
            }
            Step::Workday => {
                let days = if date.weekday() == Weekday::Fri { 3 } else { 1 };
                date.checked_add_days(Days::new(days))
            }
        }
    }

    /// How many of some dates do not follow the one before at this step.
    pub fn odd(self, dates: &[NaiveDateTime]) -> usize {
        dates.windows(2).filter(|d| self.after(d[0]) != Some(d[1])).count()
    }

    /// Its mean length in seconds.
    pub fn seconds(self) -> f64 {
        match self {
            Step::Seconds(s) => s as f64,
            Step::Months(m) => f64::from(m) * YEAR / 12.0,
            Step::Workday => DAY as f64,
        }
    }

    /// For people: `1 day`.
    pub fn name(self) -> String {
        let units = |n: f64, unit: &str| if n == 1.0 { format!("1 {unit}") } else { format!("{n} {unit}s") };
        match self {
            Step::Workday => "1 working day".into(),
            Step::Months(m) if m % 12 == 0 => units(f64::from(m / 12), "year"),
            Step::Months(m) => units(f64::from(m), "month"),
            Step::Seconds(s) => {
                let sizes = [(7 * DAY, "week"), (DAY, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
                let (size, unit) = sizes.into_iter().find(|(size, _)| s % size == 0).unwrap_or((1, "second"));
                units((s / size) as f64, unit)
            }
        }
    }

    /// Rows of the seasons that days, weeks and years are, where they have
    /// whole numbers of rows.
    pub fn seasons(self) -> Vec<usize> {
        let rows = |span: f64| (span / self.seconds()).round();
        let mut all: Vec<f64> = [3600.0, DAY as f64, 7.0 * DAY as f64, YEAR].map(rows).to_vec();
        if self == Step::Workday {
            all = vec![5.0, 261.0];
        }
        all.into_iter().filter(|&n| (2.0..1e6).contains(&n)).map(|n| n as usize).collect()
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Seconds of a mean year.
pub const YEAR: f64 = 365.2425 * 86_400.0;

/// The most frequent of some numbers, the smallest of several.
fn most_frequent(all: &[i64]) -> Option<i64> {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    let runs = sorted.chunk_by(|a, b| a == b);
    runs.reduce(|best, next| if next.len() > best.len() { next } else { best }).map(|run| run[0])
}

/// The dates of so many rows behind a series, written as it writes them; none
/// where it has no dates, or they are unevenly apart.
pub fn dates_after(series: &Series, rows: usize) -> Vec<String> {
    let (Some(dates), Some(format)) = (&series.dates, &series.format) else { return vec![] };
    let (Some((step, _)), Some(&last)) = (Step::of(dates), dates.last()) else { return vec![] };
    std::iter::successors(step.after(last), |&d| step.after(d)).take(rows).map(|d| write(d, format)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::table::date::parse;
    use super::*;

    fn dates(format: &str, cells: &[&str]) -> Vec<NaiveDateTime> {
        cells.iter().map(|c| parse(c, format).unwrap_or_else(|| panic!("{c}"))).collect()
    }

    /// The step of some dates, and the next date as it is written.
    fn next(format: &str, cells: &[&str]) -> Option<(String, String)> {
        let all = dates(format, cells);
        let (step, _) = Step::of(&all)?;
        Some((step.name(), write(step.after(*all.last()?)?, format)))
    }

    #[test]
    fn regular_dates_go_on() {
        let is = |format: &str, cells: &[&str], step: &str, then: &str| {
            assert_eq!(next(format, cells), Some((step.into(), then.into())), "{cells:?}");
        };
        is("%Y-%m-%d", &["2020-02-27", "2020-02-28"], "1 day", "2020-02-29");
        is("%d.%m.%Y", &["01.02.2020", "08.02.2020", "15.02.2020"], "1 week", "22.02.2020");
        is("%Y-%m", &["1960-10", "1960-11", "1960-12"], "1 month", "1961-01");
        is("%Y-%m-%d", &["2019-11-30", "2019-12-31", "2020-01-31"], "1 month", "2020-02-29");
        is("%b %Y", &["Jan 2020", "Apr 2020", "Jul 2020"], "3 months", "Oct 2020");
        is("%Y-%m-%d", &["2018-03-01", "2019-03-01", "2020-03-01", "2021-03-01"], "1 year", "2022-03-01");
        is("%Y-%m-%d %H:%M", &["2020-01-01 22:00", "2020-01-01 23:00"], "1 hour", "2020-01-02 00:00");
        is("%m/%d/%y %I:%M %p", &["01/01/20 11:30 AM", "01/01/20 11:45 AM"], "15 minutes", "01/01/20 12:00 PM");
        assert_eq!(next("%Y-%m-%d", &["2020-01-01", "2020-01-03", "2020-01-13", "2020-03-20"]), None);
        assert_eq!(next("%Y-%m-%d", &["2020-01-01"]), None);
    }

    #[test]
    fn working_days_leave_weekends_out_and_holes_are_counted() {
        let monday = parse("2024-01-01", "%Y-%m-%d").unwrap();
        let mut work: Vec<NaiveDateTime> = vec![monday];
        while work.len() < 40 {
            work.push(Step::Workday.after(work[work.len() - 1]).unwrap());
        }
        assert_eq!(Step::of(&work), Some((Step::Workday, 0)));
        work.remove(20);
        assert_eq!(Step::of(&work), Some((Step::Workday, 1)));
        assert_eq!(Step::Seconds(DAY).seasons(), [7, 365]);
        assert_eq!(Step::Seconds(3600).seasons(), [24, 168, 8766]);
        assert_eq!(Step::Months(1).seasons(), [12]);
    }
}
