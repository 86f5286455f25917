//! Which rows of a file are rows of the table: lines above it, comments, blank
//! rows, further lines of the header, repeated headers and what stands below the
//! last row are left out, and each is named.

use super::comments::without_comments;
use super::layout::{Header, ReadOptions};
use super::left_out::{leave_out, said};
use super::missing::MISSING;
use super::rows::{Body, Row, usual};
use super::sniff::{self, ROWS, is_measured, measured};
use crate::error::{Error, Result};
use std::collections::HashSet;

/// Further lines that a header may have.
const HEADER_LINES: usize = 3;
/// First words of a row that sums up others.
const TOTALS: &[&str] = &[
    "total",
    "totals",
    "grand total",
    "subtotal",
    "sum",
    "average",
    "mean",
    "overall",
    "gesamt",
    "summe",
    "source",
    "note",
    "notes",
];

/// The rows of a table, with the names of its columns.
pub(super) struct Sheet {
    /// The cells of the header; empty where the file names no columns.
    pub names: Vec<String>,
    /// The rows, all of one length.
    pub rows: Vec<Row>,
    /// The number of columns.
    pub width: usize,
    /// Whether the file names its columns, and in which line.
    pub header: Option<usize>,
}

/// Finds the rows of the table; what is left out is added to `notes`.
///
/// Fails when no row is left, or rows are of different length.
pub(super) fn sheet(body: &Body, rows: Vec<Row>, options: &ReadOptions, notes: &mut Vec<String>) -> Result<Sheet> {
    let mut rows = without_comments(body, rows, options, notes);
    leave_out(&mut rows, notes, "blank", |row| row.cells.len() > 1 && row.is_empty_from(0));
    above(&mut rows, notes);
    if rows.is_empty() {
        return Err(Error::data(format!("{} is empty; expected a table: a row of cells per line", body.name)));
    }
    even_out(body, &mut rows, options.header, notes);
    let has_header = match options.header {
        Header::Yes => true,
        Header::No => false,
        Header::Auto => {
            let seen = sniff::header(&rows[..rows.len().min(ROWS)]);
            notes.extend(seen.doubt);
            seen.is_header
        }
    };
    let width = rows[0].cells.len();
    let (mut names, mut header) = (vec![], None);
    if has_header {
        let first = rows.remove(0);
        header = Some(first.line);
        names = first.cells;
        further_lines(&mut rows, &mut names, notes);
        leave_out(&mut rows, notes, "a repetition of the header", |row| row.cells == names);
    }
    below(&mut rows, width, notes);
    if let Some(row) = rows.iter().find(|row| row.cells.len() != width) {
        let hint = if row.cells.iter().any(|cell| cell.contains('\n')) {
            "a quote in this row is not closed where it should be"
        } else {
            "mend the row; a cell that contains the delimiter needs quotes"
        };
        return Err(Error::data(format!(
            "{}, line {}: found {} cells; expected {width} as in the first row: {hint}",
            body.name,
            row.line,
            row.cells.len()
        )));
    }
    let mut sheet = Sheet { names, rows, width, header };
    sheet.without_empty_columns(notes);
    Ok(sheet)
}

impl Sheet {
    /// Leaves out columns at the end that have neither a name nor a cell.
    fn without_empty_columns(&mut self, notes: &mut Vec<String>) {
        let before = self.width;
        let is_empty = |i: usize| {
            self.names.get(i).is_none_or(String::is_empty) && self.rows.iter().all(|row| row.cells[i].is_empty())
        };
        while self.width > 1 && !self.rows.is_empty() && is_empty(self.width - 1) {
            self.width -= 1;
        }
        if self.width < before {
            self.names.truncate(self.width);
            self.rows.iter_mut().for_each(|row| row.cells.truncate(self.width));
            let n = before - self.width;
            let columns = if n == 1 { "1 column" } else { &format!("{n} columns") };
            notes.push(format!("{columns} at the end without a name or a cell left out"));
        }
    }
}

/// Leaves out lines above a table of several columns: those of one cell, and
/// shorter ones above a row that is a header beyond doubt.
fn above(rows: &mut Vec<Row>, notes: &mut Vec<String>) {
    let Some(width) = usual(rows.iter().map(|row| row.cells.len())).filter(|&w| w > 1) else { return };
    let is_title = |row: &Row| {
        let filled = row.cells.iter().filter(|c| !c.is_empty()).count();
        filled == 1 && !row.cells[0].is_empty() && !measured(&row.cells[0]) && (row.cells.len() == 1 || width > 2)
    };
    let titles = rows.iter().take_while(|row| is_title(row)).count();
    let short = rows.iter().take_while(|row| row.cells.len() < width).count();
    let is_headed = |n: usize| {
        let seen = sniff::header(&rows[n..rows.len().min(n + ROWS)]);
        seen.is_header && seen.doubt.is_none()
    };
    let n = if short > titles && short + 2 <= rows.len() && is_headed(short) { short } else { titles };
    if n + 2 <= rows.len() {
        let lines: Vec<usize> = rows.drain(..n).map(|row| row.line).collect();
        said(notes, "a title above the table", &lines);
    }
}

/// Brings rows that end in delimiters, or a header that does or lacks the name of
/// the first column, to one length.
fn even_out(body: &Body, rows: &mut [Row], header: Header, notes: &mut Vec<String>) {
    let first = rows[0].cells.len();
    let Some(width) = usual(rows[1..].iter().map(|row| row.cells.len())) else { return };
    if first > width && rows[0].is_empty_from(width) {
        rows[0].cells.truncate(width);
        notes.push(format!("line {}: the header ends in a delimiter, and rows do not; it is left out", rows[0].line));
        return;
    }
    // As R writes names of rows: all different, in quotes or counting. A number with a
    // comma that splits it in each row is another matter.
    let names_rows = || {
        let mut seen = HashSet::new();
        let is_name = |(i, row): (usize, &Row)| {
            body.bytes[row.at] == b'"' || row.cells[0].parse::<usize>().is_ok_and(|n| n == i || n == i + 1)
        };
        first + 1 == width
            && header != Header::No
            && rows.len() > 3
            && rows[0].cells.iter().all(|c| !measured(c))
            && rows[1..].iter().all(|row| row.cells.len() == width && seen.insert(row.cells[0].as_str()))
            && rows[1..].iter().enumerate().all(is_name)
            && rows[1..].iter().any(|row| !row.is_empty_from(first))
    };
    if names_rows() {
        rows[0].cells.insert(0, String::new());
        notes.push(
            "the header has a cell less than the rows: the first column, which names them, is called column1".into(),
        );
        return;
    }
    let mut n = 0;
    for row in rows.iter_mut().filter(|row| row.cells.len() > first && row.is_empty_from(first)) {
        row.cells.truncate(first);
        n += 1;
    }
    if n > 0 {
        notes.push(format!("{n} rows end in a delimiter more than the first line has; it is left out"));
    }
}

/// Takes lines that go on with the header off the rows: in columns of numbers or
/// dates they hold words, or nothing. They complete names that are missing or
/// not unique.
fn further_lines(rows: &mut Vec<Row>, names: &mut [String], notes: &mut Vec<String>) {
    let is_word = |c: &str| c.chars().any(char::is_alphabetic) && !measured(c) && !MISSING.contains(&c);
    let goes_on = |at: usize| {
        let (row, rest) = (&rows[at], &rows[at + 1..]);
        let wide = row.cells.len() == names.len() && rest.len() >= 2;
        let columns: Vec<usize> = (0..names.len()).filter(|&i| wide && is_measured(rest.iter(), i)).collect();
        let fits = |i: &usize| {
            let cell = row.cells[*i].as_str();
            cell.is_empty()
                || (is_word(cell) && rest.iter().take(ROWS).all(|r| r.cells.get(*i).is_none_or(|c| c != cell)))
        };
        columns.iter().all(fits)
            && columns.iter().any(|&i| !row.cells[i].is_empty())
            && row.cells.iter().all(|c| c.is_empty() || !measured(c))
    };
    let most = rows.len().saturating_sub(2).min(HEADER_LINES);
    let n = (0..most).take_while(|&i| goes_on(i)).count();
    let taken: Vec<Row> = rows.drain(..n).collect();
    let unique = names.iter().collect::<HashSet<_>>().len() == names.len() && names.iter().all(|n| !n.is_empty());
    if !unique {
        for (i, name) in names.iter_mut().enumerate() {
            let parts = taken.iter().map(|row| row.cells[i].as_str());
            let parts: Vec<&str> = [name.as_str()].into_iter().chain(parts).filter(|c| !c.is_empty()).collect();
            *name = parts.join(" ");
        }
    }
    said(notes, "a further line of the header", &taken.iter().map(|row| row.line).collect::<Vec<_>>());
}

/// Leaves out what stands below the last row: notes of one cell, and rows that
/// sum up others.
fn below(rows: &mut Vec<Row>, width: usize, notes: &mut Vec<String>) {
    if width < 2 || rows.len() < 4 {
        return;
    }
    let sums = |row: &Row| {
        let word = row.cells[0].to_lowercase();
        TOTALS.iter().any(|t| word.strip_prefix(t).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)))
    };
    let numbers = is_measured(rows.iter(), 0);
    let sum = rows.iter().rev().skip(2).any(sums) || !(0..width).any(|i| is_measured(rows.iter(), i));
    let is_footer = |row: &Row| {
        let short = row.cells.len() < width;
        let filled = row.cells.iter().filter(|c| !c.is_empty()).count();
        let word = !row.cells[0].is_empty() && !measured(&row.cells[0]);
        let note = filled == 1 && (short || (width > 2 && numbers));
        word && (note || (short && numbers) || (sums(row) && !sum))
    };
    let n = rows.iter().rev().take_while(|row| is_footer(row)).count();
    if n > 0 && n + 2 <= rows.len() {
        let lines: Vec<usize> = rows.drain(rows.len() - n..).map(|row| row.line).collect();
        said(notes, "a note or a sum below the table", &lines);
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
