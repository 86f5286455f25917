//! A table as it stands in the file: columns of text cells, by name.

use super::cells::Cells;
use super::missing::Kept;
use super::number::{FileMark, Likely};
use crate::error::{Error, Result, nearest, unknown};
use crate::terminal::shortened;

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, unique in the table.
    pub name: String,
    /// A cell per row; `None` where it is missing.
    pub cells: Cells,
    /// The values that the file says it may have: they are categories, whatever they look
    /// like. Empty where the file says nothing.
    pub declared: Vec<String>,
}

impl Column {
    /// A column of which the file says no more than its name and its cells.
    pub fn new(name: impl Into<String>, cells: Cells) -> Column {
        Column { name: name.into(), cells, declared: vec![] }
    }
}

/// A table of text cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What messages call it: the path as the user wrote it.
    pub name: String,
    /// The columns, all of one length, in the order of the file.
    pub columns: Vec<Column>,
    /// The line of the file in which each row starts, from 1.
    pub lines: Vec<usize>,
    /// Whether the file names its columns.
    pub has_header: bool,
    /// What separates cells; a blank stands for any number of them.
    pub delimiter: char,
    /// The decimal mark of its numbers, as far as the file tells.
    pub decimal: FileMark,
    /// What was left out, converted or guessed, for people.
    pub notes: Vec<String>,
    /// Marks of missing cells that are values, by column.
    pub kept: Kept,
}

impl Table {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// How numbers are likely written that can be read either way.
    pub(in crate::data) fn likely(&self) -> Likely {
        Likely { file: self.decimal, commas: self.delimiter == ';' }
    }

    /// All row numbers.
    pub fn all_rows(&self) -> Vec<usize> {
        (0..self.rows()).collect()
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|c| c.name.as_str()).collect()
    }

    /// The column of this name.
    ///
    /// Fails with the nearest name when there is none.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.columns.iter().find(|c| c.name == name).ok_or_else(|| self.no_column(name))
    }

    /// The index of a column that the user names: by its name, its number from
    /// 1, or as `last`.
    ///
    /// Fails with the nearest name when there is none.
    pub fn find(&self, word: &str) -> Result<usize> {
        if let Some(i) = self.columns.iter().position(|c| c.name == word) {
            return Ok(i);
        }
        if let ("last", Some(last)) = (word, self.columns.len().checked_sub(1)) {
            return Ok(last);
        }
        match word.parse::<usize>() {
            Ok(n) if (1..=self.columns.len()).contains(&n) => Ok(n - 1),
            Ok(n) => Err(Error::data(format!(
                "{} has no column number {n}; expected 1 to {}, or a name",
                self.name,
                self.columns.len()
            ))),
            Err(_) => Err(self.no_column(word)),
        }
    }

    /// The error for a column that is not there.
    pub(super) fn no_column(&self, word: &str) -> Error {
        if self.columns.len() <= 30 {
            let all = self.names();
            return Error::data(unknown("column", word, all.iter().copied())).context(&self.name);
        }
        let hint = nearest(word, self.names()).map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default();
        Error::data(format!("{} has no column \"{word}\" among its {}{hint}", self.name, self.columns.len()))
    }
}

/// The start of a long cell.
pub(super) fn clip(cell: &str) -> String {
    shortened(cell, 40).into_owned()
}
