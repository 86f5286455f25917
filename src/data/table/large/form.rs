//! How the rows of a large table are found and cut, learned from its first piece; every
//! piece is then read as if the first rows of the file stood above it and below it, so that
//! what depends on the rows around a line is decided as in the whole file.

use super::super::body::Body;
use super::super::cells::Cells;
use super::super::layout::{Header, ReadOptions};
use super::super::lines::whole_sheet;
use super::super::read::named;
use super::super::rows::Cut;
use super::super::scan::breaks;
use crate::error::{Error, Result};

/// Rows of the first piece that stand above and below the others.
const AROUND: usize = 32;

/// How the rows of a file are found.
pub(super) struct Form {
    /// What messages call the table.
    name: String,
    /// What was asked for, and what the first piece said of the rest.
    pub options: ReadOptions,
    /// What separates cells.
    pub cut: Cut,
    quote: u8,
    /// The names of all columns.
    pub names: Vec<String>,
    /// Whether the file names its columns.
    pub has_header: bool,
    /// Columns at the end that have no name, which are left out if they have no cell.
    pub unnamed: usize,
    /// The text of the first piece to the row behind the first few.
    before: String,
    /// These rows alone.
    rows: String,
}

/// Rows of a piece, as they stand there: cells that say "missing" are not taken out yet.
pub(super) struct Raw {
    /// The cells of all columns.
    pub columns: Vec<Cells>,
    /// The line of the file in which each row begins.
    pub lines: Vec<usize>,
    /// Lines of the file that were left out: blank ones, comments, repeated headers, what is below
    /// the last; nothing of the first piece, whose notes say it.
    pub left_out: Vec<usize>,
    /// What there is to say of the first piece; of others, where quotes damage them.
    pub notes: Vec<String>,
}

impl Raw {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }
}

impl Form {
    /// From the first piece of a file, which begins in a line; what the lines above it and the
    /// whole start say of its cells is known.
    ///
    /// Fails where no table begins there.
    pub fn of(
        name: &str,
        text: &str,
        line: usize,
        (cut, quote): (Cut, u8),
        options: &ReadOptions,
        notes: &mut Vec<String>,
    ) -> Result<Form> {
        let body = Body { name, text, first_line: line, held: 0, quote };
        // What is said here of lines is said again of the first piece.
        let mut said = vec![];
        let rows = body.rows(cut, &mut said)?;
        let found: Vec<usize> = rows.all.iter().map(|row| row.at).chain([text.len()]).collect();
        let sheet = whole_sheet(&body, rows, options, &mut said)?;
        let all = &sheet.rows.all;
        let Some(last) = all.last() else {
            return Err(Error::data(format!("{name}: no row stands in its first {} bytes", text.len())));
        };
        let before = text[..all.get(AROUND).unwrap_or(last).at].to_string();
        // Without what stands between them: that would be left out again, and said.
        let row = |at: usize| &text[at..found[found.partition_point(|&start| start <= at)]];
        let rows = all.iter().map(|row| row.at).take_while(|&at| at < before.len()).map(row).collect();
        let has_header = sheet.header.is_some();
        let names = named(&sheet.names, sheet.width, notes);
        let is_named = |i: &usize| sheet.names.get(*i).is_some_and(|name| !name.is_empty());
        let unnamed = (0..sheet.width).rev().take_while(|i| !is_named(i)).count();
        let header = if has_header { Header::Yes } else { Header::No };
        let options = ReadOptions { header, skip_rows: 0, ..options.clone() };
        let name = name.to_string();
        Ok(Form { name, options, cut, quote, names, has_header, unnamed, before, rows })
    }

    /// The rows of a piece that begins in a line.
    ///
    /// Fails where one has another number of cells, naming its line.
    pub fn read(&self, text: &str, line: usize, is_first: bool, is_last: bool) -> Result<Raw> {
        let before = if is_first { "" } else { &self.before };
        let whole = [before, text, if is_last { "" } else { &self.rows }].concat();
        let own = before.len()..before.len() + text.len();
        let first_line = line - breaks(before.as_bytes());
        let body = Body { name: &self.name, text: &whole, first_line, held: 0, quote: self.quote };
        let mut notes = vec![];
        let rows = body.rows(self.cut, &mut notes)?;
        let damaged = notes.len();
        let found: Vec<usize> = rows.all.iter().filter(|row| own.contains(&row.at)).map(|row| row.line).collect();
        let mut sheet = whole_sheet(&body, rows, &self.options, &mut notes)?;
        if sheet.width != self.names.len() {
            return Err(Error::data(format!(
                "{}, line {line}: from here on rows have {} cells; expected {} as in the first row",
                self.name,
                sheet.width,
                self.names.len()
            )));
        }
        sheet.rows.all.retain(|row| own.contains(&row.at));
        let lines: Vec<usize> = sheet.rows.all.iter().map(|row| row.line).collect();
        let is_left_out = |line: &usize| !is_first && lines.binary_search(line).is_err();
        let left_out = found.into_iter().filter(is_left_out).collect();
        let columns = sheet.rows.columns(self.names.clone()).into_iter().map(|column| column.cells).collect();
        if !is_first {
            notes.truncate(damaged);
        }
        Ok(Raw { columns, lines, left_out, notes })
    }
}
