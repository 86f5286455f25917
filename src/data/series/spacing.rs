//! Rows that are not as far apart as those of training: a forecast is of the next row,
//! whenever that is.

use super::dates::Step;
use super::fit::SeriesFitted;
use super::series::{Ahead, Panel, Series};
use chrono::NaiveDateTime;

/// The share of other steps up to which dates are evenly apart.
const ODD: f64 = 0.1;

impl SeriesFitted {
    /// What to say of a file whose dates are further apart or nearer than in training.
    pub(super) fn spacing(&self, panel: &Panel) -> Option<String> {
        let (step, dates) = (self.step?, longest(panel)?);
        if is_even(step, dates) {
            return None;
        }
        let here = match Step::of(dates) {
            Some((here, _)) => format!("{} apart", here.name()),
            None => "unevenly apart".into(),
        };
        Some(format!(
            "{}: dates are {here}, and were {} apart in training; rows are taken as they follow each other",
            panel.name,
            step.name()
        ))
    }

    /// What to say of places where dates are missing among the rows that forecasts look
    /// at.
    pub(super) fn holes(&self, panel: &Panel, starts: &[Ahead]) -> Option<String> {
        let step = self.step.filter(|&step| longest(panel).is_some_and(|dates| is_even(step, dates)))?;
        let hole = |&[i, s]: &Ahead| -> Option<(&Series, usize)> {
            let series = &panel.series[i];
            let dates = series.dates.as_ref()?;
            let row = (s - self.window + 1..s).find(|&row| step.after(dates[row - 1]) != Some(dates[row]))?;
            Some((series, row))
        };
        let mut found = starts.iter().filter_map(hole);
        let (series, row) = found.next()?;
        let more = match found.count() {
            0 => String::new(),
            n => format!(" (and {n} more forecasts)"),
        };
        Some(format!(
            "{}: dates are not {} apart between {} and {}, which is within the {} rows that a forecast looks at{more}; \
             they are taken as evenly spaced",
            panel.title(series),
            step.name(),
            series.labels[row - 1],
            series.labels[row],
            self.window
        ))
    }
}

fn is_even(step: Step, dates: &[NaiveDateTime]) -> bool {
    step.odd(dates) as f64 <= ODD * dates.len() as f64
}

/// The dates of the longest series.
fn longest(panel: &Panel) -> Option<&[NaiveDateTime]> {
    panel.series.iter().max_by_key(|s| s.len())?.dates.as_deref().filter(|dates| dates.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::super::super::table::{ReadOptions, Table, TableOptions};
    use super::super::{SeriesOptions, prepare};
    use super::*;
    use chrono::{Days, NaiveDate};

    fn table(rows: impl Iterator<Item = String>) -> Table {
        let rows: String = rows.enumerate().map(|(i, day)| format!("{day},{}.5\n", i * 7 % 11)).collect();
        Table::parse("t.csv", format!("day,v\n{rows}").as_bytes(), &ReadOptions::default()).unwrap()
    }

    fn day(i: u64) -> String {
        NaiveDate::from_ymd_opt(2021, 1, 1).unwrap().checked_add_days(Days::new(i)).unwrap().to_string()
    }

    #[test]
    fn another_spacing_and_holes_are_said() {
        let options = SeriesOptions { window: 14, ..SeriesOptions::default() };
        let fitted = prepare(&table((0..120).map(day)), &TableOptions::default(), &options, 0.1, None).unwrap().fitted;
        let said = |new: Table| {
            let panel = fitted.read(&new, false).unwrap();
            [panel.notes.clone(), fitted.to_forecast(&panel, false).unwrap().notes].concat().join("\n")
        };
        assert_eq!(said(table((200..300).map(day))), "");
        let hourly = said(table((0..60).map(|i| format!("2021-05-{:02} {:02}:00", 1 + i / 24, i % 24))));
        assert!(hourly.contains("dates are 1 hour apart, and were 1 day apart in training"), "{hourly}");
        let holes = said(table((0..120).filter(|i| !(108..111).contains(i)).map(day)));
        assert!(holes.contains("between 2021-04-18 and 2021-04-22, which is within the 14 rows"), "{holes}");
        let before = said(table((0..120).filter(|i| !(50..55).contains(i)).map(day)));
        assert_eq!(before, "");
        let text = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<SeriesFitted>(&text).unwrap(), fitted);
    }
}
