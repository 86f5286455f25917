//! What is odd about cells, and rows that cannot be used: noted while rows become
//! features.

use serde::Serialize;
use std::collections::BTreeMap;

/// What was odd about a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Issue {
    /// It is missing, or counts as such, and got a value or a place.
    Missing,
    /// It says infinity or a number beyond 3.4e38; it counts as missing.
    Infinite,
    /// It is no number in a column of numbers; it counts as missing.
    NotANumber,
    /// It is no date in a column of dates; it counts as missing.
    NotADate,
    /// It is a category that no training row has.
    NewCategory,
    /// It is an outlier and was moved to the fence.
    Clipped,
}

impl Issue {
    fn says(self) -> &'static str {
        match self {
            Issue::Missing => "missing and filled in",
            Issue::Infinite => "infinite, counted as missing",
            Issue::NotANumber => "no numbers, counted as missing",
            Issue::NotADate => "no dates, counted as missing",
            Issue::NewCategory => "categories that no training row has",
            Issue::Clipped => "outliers, moved to the fence",
        }
    }
}

/// Cells of one column with one kind of trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellNote {
    /// The column.
    pub column: String,
    /// The trouble.
    pub issue: Issue,
    /// How many cells have it.
    pub cells: usize,
    /// The first of them, as `"text" (line 7)`; missing cells show none.
    pub examples: Vec<String>,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Its line in the file, from 1.
    pub row: usize,
    /// Why.
    pub reason: String,
}

/// Cells shown of one kind of trouble.
pub(super) const EXAMPLES: usize = 3;
/// Lines that are named for one reason.
pub(super) const LINES: usize = 10;

impl CellNote {
    /// Adds the cells of later rows.
    pub(super) fn add(&mut self, later: CellNote) {
        self.cells += later.cells;
        self.examples.extend(later.examples);
        self.examples.truncate(EXAMPLES);
    }
}

/// That so many rows were dropped for a reason, the first of them by their lines.
pub(super) fn dropped_for(name: &str, reason: &str, count: usize, first: &[usize]) -> String {
    let more = if count > first.len() { ", ..." } else { "" };
    let first: Vec<String> = first.iter().map(usize::to_string).collect();
    let (s, lines) = if count == 1 { ("", "line") } else { ("s", "lines") };
    format!("{name}: {count} row{s} dropped ({lines} {}{more}): {reason}", first.join(", "))
}

/// What was dropped and changed, for people.
pub(super) fn lines(name: &str, dropped: &[Dropped], notes: &[CellNote]) -> Vec<String> {
    let mut reasons: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for d in dropped {
        reasons.entry(&d.reason).or_default().push(d.row);
    }
    let mut all: Vec<String> = vec![];
    for (reason, rows) in reasons {
        all.push(dropped_for(name, reason, rows.len(), &rows[..rows.len().min(LINES)]));
    }
    for note in notes {
        let s = if note.cells == 1 { "" } else { "s" };
        let examples = if note.examples.is_empty() { String::new() } else { format!(": {}", note.examples.join(", ")) };
        all.push(format!("{name}: {}: {} cell{s}: {}{examples}", note.column, note.cells, note.issue.says()));
    }
    all
}
