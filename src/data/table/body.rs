//! The text of a table, and what is too much of it.

use super::cells::Cells;
use super::row::Row;
use crate::error::{Error, Result};
use crate::files::memory;

/// The longest cell, in bytes: more means a quote that is never closed.
pub(super) const LONGEST_CELL: usize = 1 << 20;
/// The most columns.
pub(super) const MOST_COLUMNS: usize = 100_000;

/// The text of a table.
pub(super) struct Body<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// The text, without lines that were skipped above it.
    pub text: &'a str,
    /// The line of the file in which it starts, from 1.
    pub first_line: usize,
    /// Bytes in memory already.
    pub held: u64,
    /// The quote around cells.
    pub quote: u8,
}

impl Body<'_> {
    /// Refuses rows that are too wide, cells that are too long, and more of them than memory
    /// is there for: text and cells lie in it at the same time.
    pub(super) fn judge<'c>(
        &self,
        row: &Row,
        cells: impl IntoIterator<Item = &'c str>,
        held: &mut u64,
        budget: u64,
    ) -> Result<()> {
        let (name, line, found) = (self.name, row.line, row.width());
        if found > MOST_COLUMNS {
            return Err(Error::data(format!(
                "{name}, line {line}: found {found} cells; expected at most {MOST_COLUMNS} columns"
            )));
        }
        let mut text = 0;
        for (i, cell) in cells.into_iter().enumerate() {
            text += cell.len() as u64;
            if cell.len() > LONGEST_CELL {
                return Err(Error::data(format!(
                    "{name}, line {line}: cell {} has {} bytes; expected at most {LONGEST_CELL}: is a quote left open \
                     there?",
                    i + 1,
                    cell.len()
                )));
            }
        }
        *held += text + Cells::beside_text(found) + size_of::<Row>() as u64;
        if *held > budget {
            let cells = format!("more than {} (its text and its cells, by line {line})", memory::size(budget));
            return Err(memory::too_much(&name, &cells, budget));
        }
        Ok(())
    }
}
