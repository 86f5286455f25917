//! The columns that are read of a table: its dates, its numbers, and what tells series
//! apart.

use super::super::table::{Column, Format, Table};
use super::Duplicates;
use serde::{Deserialize, Serialize};

/// The column of dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateColumn {
    /// Its name.
    pub name: String,
    /// How its dates are written.
    pub format: String,
    /// The column of the times of day, or of the months, where they stand in one of
    /// their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Columns behind that one: days, hours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<String>,
}

impl DateColumn {
    /// The names of the columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        [Some(&self.name), self.time.as_ref()].into_iter().flatten().chain(&self.more).map(String::as_str)
    }

    /// What a table says in them, row by row.
    pub(super) fn cells<'a>(&self, table: &'a Table) -> Vec<Vec<Option<&'a str>>> {
        let columns: Vec<&Column> = self.columns().filter_map(|name| table.column(name).ok()).collect();
        (0..table.rows()).map(|row| columns.iter().map(|c| c.cells.at(row)).collect()).collect()
    }
}

/// A column of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberColumn {
    /// Its name.
    pub name: String,
    /// How its numbers are written.
    #[serde(alias = "decimal")]
    pub format: Format,
    /// What is taken off first, in 64 bits, where they lie so far from zero that 32 bits
    /// would lose what tells them apart; else 0.
    #[serde(default)]
    pub centre: f64,
    /// The smallest and the largest of the training rows; unknown in what older versions
    /// wrote.
    #[serde(default)]
    pub range: Option<[f64; 2]>,
}

/// What is read of a table.
pub(super) struct Wanted<'a> {
    /// The column of dates, if there is one.
    pub date: Option<&'a DateColumn>,
    /// The columns that tell series apart.
    pub group: &'a [String],
    /// What becomes of rows with equal dates.
    pub duplicates: Duplicates,
    /// The columns of numbers.
    pub numbers: &'a [NumberColumn],
}
