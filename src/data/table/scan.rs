//! Where the rows of a file are: its text is passed over once, and nothing of it is kept.

use super::body::{Body, LONGEST_CELL};
use super::cut::{CsvRecord, blank_cells, cells_of_line};
use super::quotes::{SINGLE, open_quote};
use super::row::Row;
use crate::error::{Error, Result};
use crate::files::memory;
use rayon::prelude::*;
use std::ops::Range;

/// Bytes that one thread looks through at a time.
const PART: usize = 4 << 20;

/// The rows of a file with quotes.
pub(super) struct Quoted {
    pub rows: Vec<Row>,
    /// Lines of rows that have line breaks within cells, each with the most lines that a
    /// cell has which also holds delimiters.
    pub broken: Vec<(usize, usize)>,
    /// Whether a backslash makes a quote behind it a character.
    pub escape: bool,
}

/// The rows of a file without quotes: its lines, on all cores.
pub(super) fn plain(body: &Body, delimiter: u8) -> Result<Vec<Row>> {
    let text = body.text;
    // Parts end behind a line; `\r\n` is not cut.
    let mut ends = vec![0];
    while let Some(&start) = ends.last().filter(|&&end| end < text.len()) {
        let from = (start + PART).min(text.len());
        let end = memchr::memchr(b'\n', &text.as_bytes()[from..]).map_or(text.len(), |n| from + n + 1);
        ends.push(end);
    }
    let parts: Vec<(Vec<Row>, usize)> =
        ends.par_windows(2).map(|w| lines_as_rows(text, w[0]..w[1], delimiter)).collect();
    let mut rows = Vec::with_capacity(parts.iter().map(|(rows, _)| rows.len()).sum());
    let (mut held, budget, mut line) = (body.held, memory::budget(), body.first_line);
    for ((part, lines), w) in parts.into_iter().zip(ends.windows(2)) {
        for (i, row) in part.iter().enumerate() {
            let end = part.get(i + 1).map_or(w[1], |next| next.at);
            let row = row.below(line);
            let cells = text[row.at..end].trim_end_matches(['\r', '\n']);
            match cells.len() > LONGEST_CELL {
                true => body.judge(&row, cells.split(char::from(delimiter)).map(str::trim), &mut held, budget)?,
                false => body.judge(&row, [cells], &mut held, budget)?,
            }
            rows.push(row);
        }
        line += lines;
    }
    Ok(rows)
}

/// The lines of a part of a text as rows, counted from 0, and how many lines it has.
fn lines_as_rows(text: &str, part: Range<usize>, delimiter: u8) -> (Vec<Row>, usize) {
    let (mut rows, mut at, mut line, mark) = (vec![], part.start, 0, char::from(delimiter));
    while at < part.end {
        let rest = &text[at..part.end];
        let length = memchr::memchr2(b'\n', b'\r', rest.as_bytes()).unwrap_or(rest.len());
        if length > 0 {
            let row = &rest[..length];
            let count = |text: &str| memchr::memchr_iter(delimiter, text.as_bytes()).count();
            let width = 1 + count(row);
            let kept = row.trim_end_matches(|c: char| c == mark || c.is_whitespace());
            let filled = if kept.is_empty() { 0 } else { width - count(&row[kept.len()..]) };
            rows.push(Row::new(at, line, width, filled));
        }
        at += length + if rest[length..].starts_with("\r\n") { 2 } else { 1 };
        line += 1;
    }
    (rows, line)
}

/// The rows of a file with quotes.
///
/// Fails where a quote is never closed.
pub(super) fn quoted(body: &Body, delimiter: u8) -> Result<Quoted> {
    let (name, bytes, quote) = (body.name, body.text.as_bytes(), body.quote);
    let escape = quote == SINGLE && memchr::memmem::find(bytes, b"\\'").is_some();
    let (mut rows, mut broken, mut held, budget) = (vec![], vec![], body.held, memory::budget());
    let mut record = CsvRecord::new(delimiter, quote, escape);
    let (mut start, mut line) = (0, body.first_line);
    loop {
        let blank = bytes[start..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let at = start + blank;
        line += breaks(&bytes[start..at]);
        let Some(length) = record.read(&bytes[at..]) else { break };
        let end = at + length;
        if end >= bytes.len()
            && let Some(open) = open_quote(&bytes[at..], delimiter, quote)
        {
            let line = line + breaks(&bytes[at..at + open]);
            return Err(Error::data(format!(
                "{name}, line {line}: a quote opens here and is never closed; expected a closing quote, or a doubled one \
                 for a quote inside a cell"
            )));
        }
        let cells = record.cells();
        let filled = cells.clone().rposition(|c| !c.is_empty()).map_or(0, |last| last + 1);
        let row = Row::new(at, line, cells.len(), filled);
        body.judge(&row, cells.clone(), &mut held, budget)?;
        rows.push(row);
        // What stands behind the row belongs to the next one.
        let content = bytes[at..end].trim_ascii_end().len();
        if memchr::memchr2(b'\n', b'\r', &bytes[at..at + content]).is_some() {
            let long = cells.clone().filter(|c| c.contains(char::from(delimiter))).map(|c| c.lines().count()).max();
            if cells.clone().any(|c| c.contains(['\n', '\r'])) {
                broken.push((line, long.unwrap_or(0)));
            }
        }
        line += breaks(&bytes[at..end]);
        start = end;
        // `\r` ends a row, and `\n` behind it is no other line.
        if bytes[at..end].ends_with(b"\r") && bytes.get(end) == Some(&b'\n') {
            start += 1;
        }
    }
    rows.shrink_to_fit();
    Ok(Quoted { rows, broken, escape })
}

/// Each line as a row.
pub(super) fn by_lines(body: &Body, delimiter: u8) -> Result<Vec<Row>> {
    rows_of_lines(body, |line| cells_of_line(line, delimiter, body.quote))
}

/// Each line as a row whose cells are separated by blanks.
pub(super) fn by_blanks(body: &Body) -> Result<Vec<Row>> {
    rows_of_lines(body, blank_cells)
}

fn rows_of_lines<'a, S: AsRef<str>>(body: &Body<'a>, cells: impl Fn(&'a str) -> Vec<S>) -> Result<Vec<Row>> {
    let (mut rows, mut held, budget) = (vec![], body.held, memory::budget());
    for (line, at, text) in lines_of(body.text, body.first_line) {
        let cells = cells(text);
        let filled = cells.iter().rposition(|c| !c.as_ref().is_empty()).map_or(0, |last| last + 1);
        let row = Row::new(at, line, cells.len(), filled);
        body.judge(&row, cells.iter().map(AsRef::as_ref), &mut held, budget)?;
        rows.push(row);
    }
    Ok(rows)
}

/// The lines that hold something: their numbers, where they start, their text.
pub(super) fn lines_of(text: &str, first_line: usize) -> impl Iterator<Item = (usize, usize, &str)> {
    let (mut at, mut number) = (0, first_line);
    let next = move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr2(b'\n', b'\r', rest.as_bytes()).unwrap_or(rest.len());
        let found = (number, at, &rest[..length]);
        at += length + if rest[length..].starts_with("\r\n") { 2 } else { 1 };
        number += 1;
        Some(found)
    };
    std::iter::from_fn(next).filter(|(_, _, line)| !line.trim().is_empty())
}

/// Line breaks in some text: `\n`, `\r\n` or `\r`.
pub(super) fn breaks(bytes: &[u8]) -> usize {
    let ends = |at: &usize| bytes[*at] == b'\n' || bytes.get(at + 1) != Some(&b'\n');
    memchr::memchr2_iter(b'\n', b'\r', bytes).filter(ends).count()
}
