//! Which rows of a file are rows of the table: lines above it, comments, blank
//! rows, further lines of the header, repeated headers and what stands below the
//! last row are left out, and each is named.

use super::body::Body;
use super::comments::without_comments;
use super::layout::{Header, ReadOptions};
use super::left_out::{leave_out, said};
use super::missing::MISSING;
use super::row::{Row, usual};
use super::rows::Rows;
use super::sniff::{self, ROWS, is_measured, measured};
use crate::error::{Error, Result};
use std::cell::OnceCell;
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
pub(super) struct Sheet<'a> {
    /// The cells of the header; empty where the file names no columns.
    pub names: Vec<String>,
    /// The rows, all of one length.
    pub rows: Rows<'a>,
    /// The number of columns.
    pub width: usize,
    /// Whether the file names its columns, and in which line.
    pub header: Option<usize>,
}

/// Finds the rows of the table; what is left out is added to `notes`.
///
/// Fails when no row is left, or rows are of different length.
pub(super) fn sheet<'a>(
    body: &Body<'a>,
    rows: Rows<'a>,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<Sheet<'a>> {
    let mut sheet = whole_sheet(body, rows, options, notes)?;
    sheet.without_empty_columns(notes);
    Ok(sheet)
}

/// [`sheet`] with columns at the end that have neither a name nor a cell.
pub(super) fn whole_sheet<'a>(
    body: &Body<'a>,
    mut rows: Rows<'a>,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<Sheet<'a>> {
    without_comments(&mut rows, options, notes);
    leave_out(&mut rows, notes, "blank", |_, row| row.width() > 1 && row.is_empty_from(0));
    above(&mut rows, notes);
    if rows.all.is_empty() {
        return Err(Error::data(format!("{} is empty; expected a table: a row of cells per line", body.name)));
    }
    even_out(&mut rows, options.header, notes);
    let has_header = match options.header {
        Header::Yes => true,
        Header::No => false,
        Header::Auto => {
            let seen = sniff::header(&rows.records(0..ROWS));
            notes.extend(seen.doubt);
            seen.is_header
        }
    };
    let width = rows.all[0].width();
    let (mut names, mut header) = (vec![], None);
    if has_header {
        let first = rows.take_first();
        header = Some(first.line);
        names = first.cells;
        further_lines(&mut rows, &mut names, notes);
        let is_header = |rows: &Rows, row: &Row| {
            row.width() == names.len() && rows.first(row) == names[0] && rows.record(row).cells == names
        };
        leave_out(&mut rows, notes, "a repetition of the header", is_header);
    }
    below(&mut rows, width, notes);
    if let Some(row) = rows.all.iter().find(|row| row.width() != width) {
        let hint = if rows.record(row).cells.iter().any(|cell| cell.contains('\n')) {
            "a quote in this row is not closed where it should be"
        } else {
            "mend the row; a cell that contains the delimiter needs quotes"
        };
        return Err(Error::data(format!(
            "{}, line {}: found {} cells; expected {width} as in the first row: {hint}",
            body.name,
            row.line,
            row.width()
        )));
    }
    Ok(Sheet { names, rows, width, header })
}

impl Sheet<'_> {
    /// Leaves out columns at the end that have neither a name nor a cell.
    fn without_empty_columns(&mut self, notes: &mut Vec<String>) {
        let before = self.width;
        let rows = &self.rows.all;
        let is_empty =
            |i: usize| self.names.get(i).is_none_or(String::is_empty) && rows.iter().all(|row| row.is_empty_from(i));
        while self.width > 1 && !rows.is_empty() && is_empty(self.width - 1) {
            self.width -= 1;
        }
        if self.width < before {
            self.names.truncate(self.width);
            let n = before - self.width;
            let columns = if n == 1 { "1 column" } else { &format!("{n} columns") };
            notes.push(format!("{columns} at the end without a name or a cell left out"));
        }
    }
}

/// Leaves out lines above a table of several columns: those of one cell, and
/// shorter ones above a row that is a header beyond doubt.
fn above(rows: &mut Rows, notes: &mut Vec<String>) {
    let Some(width) = usual(rows.all.iter().map(Row::width)).filter(|&w| w > 1) else { return };
    let is_title = |row: &&Row| {
        if row.width() != 1 && width <= 2 {
            return false;
        }
        let cells = rows.record(row).cells;
        cells.iter().filter(|c| !c.is_empty()).count() == 1 && !cells[0].is_empty() && !measured(&cells[0])
    };
    let titles = rows.all.iter().take_while(is_title).count();
    let short = rows.all.iter().take_while(|row| row.width() < width).count();
    let is_headed = |n: usize| {
        let seen = sniff::header(&rows.records(n..n + ROWS));
        seen.is_header && seen.doubt.is_none()
    };
    let n = if short > titles && short + 2 <= rows.all.len() && is_headed(short) { short } else { titles };
    if n + 2 <= rows.all.len() {
        let lines: Vec<usize> = rows.all.drain(..n).map(|row| row.line).collect();
        said(notes, "a title above the table", &lines);
    }
}

/// Brings rows that end in delimiters, or a header that does or lacks the name of
/// the first column, to one length.
fn even_out(rows: &mut Rows, header: Header, notes: &mut Vec<String>) {
    let first = rows.all[0].width();
    let Some(width) = usual(rows.all[1..].iter().map(Row::width)) else { return };
    if first > width && rows.all[0].is_empty_from(width) {
        rows.all[0].truncate(width);
        let line = rows.all[0].line;
        notes.push(format!("line {line}: the header ends in a delimiter, and rows do not; it is left out"));
        return;
    }
    if first + 1 == width && header != Header::No && names_rows(rows, width) {
        let mut names = rows.record(&rows.all[0]).cells;
        names.insert(0, String::new());
        rows.rewrite(0, names);
        notes.push(
            "the header has a cell less than the rows: the first column, which names them, is called column1".into(),
        );
        return;
    }
    let mut n = 0;
    for row in rows.all.iter_mut().filter(|row| row.width() > first && row.is_empty_from(first)) {
        row.truncate(first);
        n += 1;
    }
    if n > 0 {
        notes.push(format!("{n} rows end in a delimiter more than the first line has; it is left out"));
    }
}

/// Whether the first of `width` cells names each row, as R writes it, and has no name in the
/// header: all are different, in quotes or counting. A number with a comma that splits it
/// in each row is another matter.
fn names_rows(rows: &Rows, width: usize) -> bool {
    let (header, below) = (&rows.all[0], &rows.all[1..]);
    let mut seen = HashSet::new();
    let mut is_name = |(i, row): (usize, &Row)| {
        let name = rows.first(row);
        row.width() == width
            && (rows.start(row).starts_with('"') || name.parse::<usize>().is_ok_and(|n| n == i || n == i + 1))
            && seen.insert(name)
    };
    rows.all.len() > 3
        && rows.record(header).cells.iter().all(|c| !measured(c))
        && below.iter().enumerate().all(&mut is_name)
        && below.iter().any(|row| !row.is_empty_from(width - 1))
}

/// Takes lines that go on with the header off the rows: in columns of numbers or
/// dates they hold words, or nothing. They complete names that are missing or
/// not unique.
fn further_lines(rows: &mut Rows, names: &mut [String], notes: &mut Vec<String>) {
    let is_word = |c: &str| c.chars().any(char::is_alphabetic) && !measured(c) && !MISSING.contains(&c);
    let most = rows.all.len().saturating_sub(2).min(HEADER_LINES);
    let records = rows.records(0..most + ROWS);
    let goes_on = |at: usize| {
        let (row, rest) = (&records[at], &records[at + 1..]);
        let wide = row.cells.len() == names.len() && rest.len() >= 2;
        let columns: Vec<usize> = (0..names.len()).filter(|&i| wide && is_measured(rest, i)).collect();
        let fits = |i: &usize| {
            let cell = row.cells[*i].as_str();
            cell.is_empty()
                || (is_word(cell) && rest.iter().take(ROWS).all(|r| r.cells.get(*i).is_none_or(|c| c != cell)))
        };
        columns.iter().all(fits)
            && columns.iter().any(|&i| !row.cells[i].is_empty())
            && row.cells.iter().all(|c| c.is_empty() || !measured(c))
    };
    let n = (0..most).take_while(|&i| goes_on(i)).count();
    rows.all.drain(..n);
    let taken = &records[..n];
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
fn below(rows: &mut Rows, width: usize, notes: &mut Vec<String>) {
    if width < 2 || rows.all.len() < 4 {
        return;
    }
    let sums = |row: &Row| {
        let word = rows.first(row).to_lowercase();
        TOTALS.iter().any(|t| word.strip_prefix(t).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)))
    };
    let sample = rows.records(0..ROWS);
    let numbers = is_measured(&sample, 0);
    let has_sums = OnceCell::new();
    // Whether rows are sums wherever they stand, or nothing can be summed up.
    let sum = || {
        *has_sums
            .get_or_init(|| rows.all.iter().rev().skip(2).any(sums) || !(0..width).any(|i| is_measured(&sample, i)))
    };
    let is_footer = |row: &&Row| {
        let short = row.width() < width;
        let first = rows.first(row);
        if first.is_empty() || measured(&first) {
            return false;
        }
        let filled = || rows.record(row).cells.iter().filter(|c| !c.is_empty()).count();
        ((short || (width > 2 && numbers)) && filled() == 1) || (short && numbers) || (sums(row) && !sum())
    };
    let n = rows.all.iter().rev().take_while(is_footer).count();
    if n > 0 && n + 2 <= rows.all.len() {
        let lines: Vec<usize> = rows.all.drain(rows.all.len() - n..).map(|row| row.line).collect();
        said(notes, "a note or a sum below the table", &lines);
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
