//! The series of a table, each in the order of time, as numbers without gaps.

use chrono::NaiveDateTime;
use std::collections::HashSet;

/// Lines and groups that a note lists.
const LISTED: usize = 5;

/// The numbers of a column, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// The name of the column.
    pub name: String,
    /// A finite number per row.
    pub values: Vec<f64>,
    /// Whether the row had none, and has the one before it.
    pub filled: Vec<bool>,
}

/// Rows in the order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What tells it apart from the other series of its table, a cell for each
    /// column that does; empty where there is one series.
    pub group: Vec<String>,
    /// The row of the table behind each row.
    pub rows: Vec<usize>,
    /// The dates, if there are any.
    pub dates: Option<Vec<NaiveDateTime>>,
    /// The dates as they are written, or the numbers of the rows from 1.
    pub labels: Vec<String>,
    /// How dates are written.
    pub format: Option<String>,
    /// The columns.
    pub columns: Vec<Values>,
}

/// The series of a table: one, or one of each group.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What messages call the table.
    pub name: String,
    /// The columns that tell the series apart; empty where there is one.
    pub by: Vec<String>,
    /// The series, in the order in which the file has them.
    pub series: Vec<Series>,
    /// What a user should know: rows sorted, gaps filled, groups left out.
    pub notes: Vec<String>,
}

/// The first row ahead of a window: the place of its series, and that of the row in it.
pub type Ahead = [usize; 2];

impl Panel {
    /// What messages call one of the series.
    pub fn title(&self, series: &Series) -> String {
        match self.by.is_empty() {
            true => self.name.clone(),
            false => format!("{} ({} {})", self.name, self.by.join(", "), series.title()),
        }
    }

    /// What to say of groups of which no window is among those ahead of which `starts`
    /// come first.
    pub fn without(&self, starts: &[Ahead]) -> Vec<String> {
        let there: HashSet<usize> = starts.iter().map(|start| start[0]).collect();
        let others = self.series.iter().enumerate().filter(|(i, _)| !there.contains(i));
        let names: Vec<String> = others.map(|(_, s)| format!("{} ({} rows)", s.title(), s.len())).collect();
        match names.len() {
            0 => vec![],
            n => vec![format!(
                "{}: {n} of {} groups left out, which have no window: {}",
                self.name,
                self.series.len(),
                some(&names)
            )],
        }
    }

    /// The rows of all series.
    pub fn rows(&self) -> usize {
        self.series.iter().map(Series::len).sum()
    }
}

impl Series {
    /// The name of its group; empty where there is one series.
    pub fn title(&self) -> String {
        self.group.join(", ")
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first rows.
    pub fn first(&self, rows: usize) -> Series {
        let mut part = self.clone();
        part.rows.truncate(rows);
        part.labels.truncate(rows);
        part.dates.iter_mut().for_each(|d| d.truncate(rows));
        for column in &mut part.columns {
            column.values.truncate(rows);
            column.filled.truncate(rows);
        }
        part
    }

    /// A column that was read.
    pub fn column(&self, name: &str) -> &Values {
        self.columns.iter().find(|c| c.name == name).expect("the column was read")
    }
}

/// The first of some names, for a note.
pub(super) fn some<T: ToString>(all: &[T]) -> String {
    let more = if all.len() > LISTED { ", ..." } else { "" };
    all.iter().take(LISTED).map(T::to_string).collect::<Vec<_>>().join(", ") + more
}
