//! The rows of a file: where each stands, and its cells when they are asked for. Rows
//! are cut at a delimiter, with quotes or without, or at runs of blanks; nothing is
//! decided about them here.

use super::body::Body;
use super::cells::{BLOCK, Cells};
use super::cut::{Cutter, Way};
use super::quotes::{misquoted, quoted_cells};
use super::row::{Record, Row, usual};
use super::scan;
use super::table::Column;
use crate::error::Result;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// Lines in a cell from which on it is looked at twice.
const MANY_LINES: usize = 10;
/// Rows that one thread cuts into columns.
const PART: usize = 32 * BLOCK;

/// What begins a comment unless the user says otherwise.
pub(super) const COMMENTS: &[&str] = &["#", "%", "//"];

/// What separates cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// One character.
    At(u8),
    /// Blanks and tabs, any number of them.
    Blanks,
}

impl Cut {
    /// As a character; a blank stands for any number of them.
    pub fn shown(self) -> char {
        match self {
            Cut::At(c) => c as char,
            Cut::Blanks => ' ',
        }
    }
}

/// The rows of a file, in its order.
pub(super) struct Rows<'a> {
    text: &'a str,
    way: Way,
    /// Where they stand.
    pub all: Vec<Row>,
    /// Rows that have other cells than the text says, by where they start.
    rewritten: HashMap<usize, Vec<String>>,
}

impl<'a> Body<'a> {
    /// All rows; where quotes damage the table, they are read as characters.
    ///
    /// Fails where a quote is never closed, a cell or a row is too long, or all is more than
    /// the budget of memory.
    pub fn rows(&self, cut: Cut, notes: &mut Vec<String>) -> Result<Rows<'a>> {
        let text = self.text;
        let rows = |way, all| Rows { text, way, all, rewritten: HashMap::new() };
        let Cut::At(delimiter) = cut else { return Ok(rows(Way::Blanks, scan::by_blanks(self)?)) };
        let quote = self.quote;
        if memchr::memchr(quote, text.as_bytes()).is_none() {
            return Ok(rows(Way::Plain { delimiter }, scan::plain(self, delimiter)?));
        }
        let quoted = scan::quoted(self, delimiter);
        let damaged = match &quoted {
            Err(_) => true,
            // Between tabs, lines that are even say enough.
            Ok(found) => {
                !found.broken.is_empty() && (delimiter == b'\t' || misquoted(text.as_bytes(), delimiter, self.quote))
            }
        };
        let count = quoted.as_ref().ok().map(|found| found.rows.len());
        if damaged && let Some((all, odd)) = self.by_lines(delimiter, count)? {
            notes.push(format!(
                "line {}: a quote begins a cell and does not end it; it is read as a character of the cell{}",
                odd[0],
                if odd.len() > 1 { format!(", as in {} more lines", odd.len() - 1) } else { String::new() }
            ));
            return Ok(rows(Way::Lines { delimiter, quote }, all));
        }
        let found = quoted?;
        let long = found.broken.iter().filter(|(_, lines)| *lines > MANY_LINES);
        if let Some((line, n)) = long.max_by_key(|&(_, n)| n) {
            notes.push(format!(
                "line {line}: a cell in quotes runs over {n} lines and holds delimiters; if the quote is part of the \
                 text, double it and put quotes around the cell, or leave it out"
            ));
        }
        Ok(rows(Way::Quoted { delimiter, quote, escape: found.escape }, found.rows))
    }

    /// Each line as a row, where that is what the file needs: all have the same
    /// number of cells, with quotes or, where these are not closed in the line, cut
    /// at each delimiter; and read as a whole the file has fewer rows, or none. Also
    /// returns the lines that are so cut.
    fn by_lines(&self, delimiter: u8, quoted: Option<usize>) -> Result<Option<(Vec<Row>, Vec<usize>)>> {
        let text = self.text;
        if quoted.is_some_and(|n| n >= scan::lines_of(text, self.first_line).count()) {
            return Ok(None);
        }
        let all = scan::by_lines(self, delimiter)?;
        let way = Way::Lines { delimiter, quote: self.quote };
        // Lines of comments are told apart later.
        let is_comment = |row: &Row| COMMENTS.iter().any(|mark| way.first(&text[row.at..]).starts_with(mark));
        let width = usual(all.iter().map(Row::width)).filter(|&w| w > 1);
        let even = all.iter().all(|row| Some(row.width()) == width || is_comment(row));
        if !even || width.is_none() {
            return Ok(None);
        }
        let lines = scan::lines_of(text, self.first_line);
        let odd = lines.filter(|(_, _, line)| quoted_cells(line, delimiter, self.quote).is_none());
        let odd: Vec<usize> = odd.map(|(line, ..)| line).collect();
        Ok((!odd.is_empty()).then_some((all, odd)))
    }
}

impl Rows<'_> {
    /// The cells of a row.
    pub fn record(&self, row: &Row) -> Record {
        self.record_by(&mut self.cutter(), row)
    }

    fn record_by(&self, cutter: &mut Cutter, row: &Row) -> Record {
        let mut cells = Vec::with_capacity(row.width());
        match self.rewritten.get(&row.at) {
            Some(own) => cells.extend(own.iter().take(row.width()).cloned()),
            None => cutter.cut(row, |_, cell| cells.push(cell.to_string())),
        }
        Record { cells, line: row.line }
    }

    /// Some rows with their cells.
    pub fn records(&self, range: Range<usize>) -> Vec<Record> {
        let end = range.end.min(self.all.len());
        let mut cutter = self.cutter();
        self.all[range.start.min(end)..end].iter().map(|row| self.record_by(&mut cutter, row)).collect()
    }

    /// The first cell of a row.
    pub fn first(&self, row: &Row) -> Cow<'_, str> {
        match self.rewritten.get(&row.at) {
            Some(own) => Cow::Borrowed(own.first().map_or("", String::as_str)),
            None => self.way.first(&self.text[row.at..]),
        }
    }

    /// What stands where a row starts.
    pub fn start(&self, row: &Row) -> &str {
        &self.text[row.at..]
    }

    /// Gives a row other cells.
    pub fn rewrite(&mut self, i: usize, cells: Vec<String>) {
        let row = &mut self.all[i];
        let filled = cells.iter().rposition(|c| !c.is_empty()).map_or(0, |last| last + 1);
        *row = Row::new(row.at, row.line, cells.len(), filled);
        self.rewritten.insert(row.at, cells);
    }

    /// Takes the first row off.
    pub fn take_first(&mut self) -> Record {
        let first = self.all.remove(0);
        self.record(&first)
    }

    /// All rows as columns of these names; each has at least as many cells.
    pub fn columns(&self, names: Vec<String>) -> Vec<Column> {
        let width = names.len();
        let part = |rows: &[Row]| {
            let mut cutter = self.cutter();
            let mut all = vec![Cells::new(); width];
            for row in rows {
                let mut put = |i: usize, cell: &str| {
                    if let Some(cells) = all.get_mut(i) {
                        cells.push((!cell.is_empty()).then_some(cell));
                    }
                };
                match self.rewritten.get(&row.at) {
                    Some(own) => own.iter().enumerate().for_each(|(i, cell)| put(i, cell)),
                    None => cutter.cut(row, put),
                }
            }
            all
        };
        let parts: Vec<Vec<Cells>> = self.all.par_chunks(PART).map(part).collect();
        let mut columns: Vec<Column> = names.into_iter().map(|name| Column::new(name, Cells::new())).collect();
        for part in parts {
            columns.iter_mut().zip(part).for_each(|(column, cells)| column.cells.append(cells));
        }
        columns
    }

    fn cutter(&self) -> Cutter<'_> {
        Cutter::new(self.text, self.way)
    }
}
