//! How the text of a table is to be read, and how a file was laid out.

use super::missing::{Kept, MISSING};
use super::number::Decimal;
use super::table::Table;
use serde::{Deserialize, Serialize};

/// Whether the first line names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Header {
    /// It is looked at: a header has no numbers or dates, and what stands below
    /// it differs from it.
    #[default]
    Auto,
    /// It does.
    Yes,
    /// It is a row like the others; columns are called `column1` and so on.
    No,
}

/// How the text of a table is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Whether the first line names the columns.
    pub header: Header,
    /// What separates cells; `None` finds out. A blank stands for any number of
    /// blanks and tabs.
    pub delimiter: Option<char>,
    /// What separated cells in a file like this one: taken unless it does not cut
    /// the rows evenly and another does.
    pub likely: Option<char>,
    /// Lines above the table to leave out.
    pub skip_rows: usize,
    /// What begins a line that is a comment; empty: nothing, `None`: `#` and `%`
    /// where that is no row.
    pub comment: Option<String>,
    /// The quote around cells, double or single; `None` finds out.
    pub quote: Option<char>,
    /// Cells that mean "missing"; the empty cell always does.
    pub missing_values: Vec<String>,
    /// The decimal mark of numbers that can be read either way; `None` finds out.
    pub decimal: Option<Decimal>,
    /// Which of these are values after all, by column; `None` finds out.
    pub kept: Option<Kept>,
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        let missing_values = MISSING.iter().map(|s| s.to_string()).collect();
        ReadOptions {
            header: Header::Auto,
            delimiter: None,
            likely: None,
            skip_rows: 0,
            comment: None,
            quote: None,
            missing_values,
            decimal: None,
            kept: None,
        }
    }
}

/// How a file was laid out, so that another of its kind is read alike.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Layout {
    /// What separated cells; unknown in what older versions wrote.
    pub delimiter: Option<char>,
    /// Lines above the table that were left out as asked.
    pub skip_rows: usize,
    /// What began a comment, as asked.
    pub comment: Option<String>,
    /// The quote around cells, as asked.
    pub quote: Option<char>,
    /// Marks of missing cells that were values, by column.
    pub kept: Kept,
}

impl Layout {
    /// The layout of a table that was read under some options.
    pub fn of(table: &Table, options: &ReadOptions) -> Layout {
        Layout {
            delimiter: Some(table.delimiter),
            skip_rows: options.skip_rows,
            comment: options.comment.clone(),
            quote: options.quote,
            kept: table.kept.clone(),
        }
    }

    /// How another file of this kind is to be read.
    pub fn read_options(&self, has_header: bool, missing_values: &[String]) -> ReadOptions {
        ReadOptions {
            header: if has_header { Header::Yes } else { Header::No },
            delimiter: None,
            likely: self.delimiter,
            skip_rows: self.skip_rows,
            comment: self.comment.clone(),
            quote: self.quote,
            missing_values: missing_values.to_vec(),
            decimal: None,
            kept: Some(self.kept.clone()),
        }
    }
}
