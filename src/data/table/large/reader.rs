//! The pieces of a large table as tables, read when they are needed.

use super::super::cells::Cells;
use super::super::layout::ReadOptions;
use super::super::marks::settle;
use super::super::missing::Kept;
use super::super::number::FileMark;
use super::super::table::{Column, Table};
use super::form::{Form, Raw};
use super::pieces::{self, Piece};
use crate::data::origin::CellsOfRows;
use crate::error::Result;
use crate::files::Placed;
use std::sync::Arc;

/// A piece, and the rows of the table in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub piece: Piece,
    /// The number of its first row.
    pub first: usize,
    /// The number of its rows.
    pub rows: usize,
}

/// A table that stays in its file.
pub(super) struct Reader {
    pub name: String,
    pub file: Arc<Placed>,
    pub form: Form,
    pub parts: Vec<Part>,
    /// The columns that the table has, the first of the file's.
    pub width: usize,
    /// Marks of missing cells that are values, by column.
    pub kept: Kept,
    /// The decimal mark of its numbers.
    pub decimal: FileMark,
}

impl Reader {
    /// Whether a piece is the last of the file.
    pub fn is_last(file: &Placed, piece: &Piece) -> bool {
        piece.at + piece.length as u64 >= file.length()
    }

    /// The rows of a piece with their numbers in the file.
    ///
    /// Fails when the file cannot be read, or was written to.
    pub fn piece(&self, i: usize) -> Result<Table> {
        let piece = self.parts[i].piece;
        let text = pieces::read(&self.file, &piece)?;
        let raw = self.form.read(&text, piece.line, i == 0, Reader::is_last(&self.file, &piece))?;
        drop(text);
        let Raw { columns, lines, .. } = raw;
        let columns = self.form.names.iter().zip(columns).take(self.width);
        let mut columns: Vec<Column> = columns.map(|(name, cells)| Column::new(name.clone(), cells)).collect();
        let options = ReadOptions { kept: Some(self.kept.clone()), ..self.form.options.clone() };
        settle(&mut columns, &options, &mut vec![]);
        Ok(self.table(columns, lines))
    }

    /// A table of some of the rows.
    pub fn table(&self, columns: Vec<Column>, lines: Vec<usize>) -> Table {
        Table {
            name: self.name.clone(),
            columns,
            lines,
            has_header: self.form.has_header,
            delimiter: self.form.cut.shown(),
            decimal: self.decimal,
            notes: vec![],
            kept: self.kept.clone(),
        }
    }
}

impl CellsOfRows for Reader {
    fn cells(&self, row: usize) -> Vec<(String, Option<String>)> {
        let part = self.parts.partition_point(|part| part.first <= row).saturating_sub(1);
        // They are shown beside an answer, which stands without them.
        let Ok(table) = self.piece(part) else { return vec![] };
        let at = row - self.parts[part].first;
        let cell = |cells: &Cells| if at < cells.len() { cells.to_owned_at(at) } else { None };
        table.columns.iter().map(|column| (column.name.clone(), cell(&column.cells))).collect()
    }
}
