//! From when to when the dates of a column go, and where some are missing.

use super::date::parse;
use crate::data::series::dates::Step;
use chrono::{NaiveDateTime, NaiveTime};
use serde::Serialize;

/// Gaps that are listed.
const SHOWN: usize = 3;

/// The dates of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first.
    pub first: String,
    /// The last.
    pub last: String,
    /// The usual step from one to the next, where there is one.
    pub step: Option<String>,
    /// Steps that are another: how many.
    pub gaps: usize,
    /// The longest of them: the dates before and behind it.
    pub longest: Vec<[String; 2]>,
}

impl Span {
    /// Looks at the cells that are dates; `None` where none is.
    pub(super) fn of<'a>(cells: impl Iterator<Item = &'a str>, format: &str) -> Option<Span> {
        let mut dates: Vec<NaiveDateTime> = cells.filter_map(|c| parse(c, format)).collect();
        dates.sort_unstable();
        dates.dedup();
        let step = Step::of(&dates).map(|(step, _)| step);
        let is_gap = |pair: &&[NaiveDateTime]| step.is_some_and(|step| step.after(pair[0]) != Some(pair[1]));
        let mut gaps: Vec<&[NaiveDateTime]> = dates.windows(2).filter(is_gap).collect();
        gaps.sort_by_key(|pair| pair[0] - pair[1]);
        Some(Span {
            first: shown(*dates.first()?),
            last: shown(*dates.last()?),
            step: step.map(Step::name),
            gaps: gaps.len(),
            longest: gaps.iter().take(SHOWN).map(|pair| [shown(pair[0]), shown(pair[1])]).collect(),
        })
    }

    /// For people.
    pub(super) fn line(&self) -> String {
        let mut line = format!("from {} to {}", self.first, self.last);
        if let Some(step) = &self.step {
            line += &format!(", {step} apart");
        }
        if self.gaps > 0 {
            let (s, more) =
                (if self.gaps == 1 { "" } else { "s" }, if self.gaps > self.longest.len() { ", ..." } else { "" });
            let shown: Vec<String> = self.longest.iter().map(|[a, b]| format!("{a} to {b}")).collect();
            line += &format!(", {} gap{s}: {}{more}", self.gaps, shown.join(", "));
        }
        line
    }
}

fn shown(date: NaiveDateTime) -> String {
    date.format(if date.time() == NaiveTime::MIN { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[&str], format: &str) -> Span {
        Span::of(cells.iter().copied(), format).unwrap()
    }

    #[test]
    fn gaps_are_where_a_step_is_another() {
        let days: Vec<String> =
            (1..=31).filter(|d| !(10..=12).contains(d) && *d != 20).map(|d| format!("{d:02}.03.2024")).collect();
        // In any order, and some of them twice.
        let cells: Vec<&str> = days.iter().rev().chain(&days[..5]).map(String::as_str).collect();
        let span = of(&cells, "%d.%m.%Y");
        assert_eq!((span.step.as_deref(), span.gaps), (Some("1 day"), 2));
        assert_eq!(
            span.line(),
            "from 2024-03-01 to 2024-03-31, 1 day apart, 2 gaps: 2024-03-09 to 2024-03-13, 2024-03-19 to 2024-03-21"
        );
        let uneven = of(&["2020-01-01 10:30", "2021-05-05", "2020-01-02"], "%Y-%m-%d %H:%M");
        assert_eq!(uneven.line(), "from 2020-01-01 10:30:00 to 2021-05-05");
        assert_eq!(Span::of(["x"].into_iter(), "%Y-%m-%d"), None);
    }
}
