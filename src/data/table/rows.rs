//! The rows of a file as they stand there, before anything is decided about
//! them: cut at a delimiter, with quotes or without, or at runs of blanks.

use crate::error::{Error, Result};
use crate::files::memory;
use csv::ByteRecord;
use std::collections::BTreeMap;

/// The longest cell, in bytes: more means a quote that is never closed.
pub(super) const LONGEST_CELL: usize = 1 << 20;
/// Bytes that a cell takes beside its text: its place, and what the system needs
/// to keep it.
pub(super) const CELL: usize = size_of::<Option<String>>() + 24;
/// The most columns.
pub(super) const MOST_COLUMNS: usize = 100_000;
/// Lines in a cell from which on it is looked at twice.
const MANY_LINES: usize = 10;

/// The quotes that stand around cells: the usual ones, and those of ARFF and SQL.
pub(super) const DOUBLE: u8 = b'"';
pub(super) const SINGLE: u8 = b'\'';

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

/// One row of the file.
#[derive(Debug)]
pub(super) struct Row {
    /// Its cells without the spaces around them.
    pub cells: Vec<String>,
    /// Where it starts: the line of the file, from 1.
    pub line: usize,
    /// The byte of the text.
    pub at: usize,
}

impl Row {
    /// Whether all cells from one on are empty.
    pub fn is_empty_from(&self, start: usize) -> bool {
        self.cells.iter().skip(start).all(String::is_empty)
    }
}

/// The text of a table.
pub(super) struct Body<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// The text, without lines that were skipped above it.
    pub bytes: &'a [u8],
    /// The line of the file in which it starts, from 1.
    pub first_line: usize,
    /// Bytes in memory already.
    pub held: u64,
    /// The quote around cells.
    pub quote: u8,
}

impl Body<'_> {
    /// All rows; where quotes damage the table, they are read as characters.
    ///
    /// Fails where a row is no text, a quote is never closed, a cell or a row is
    /// too long, or all is more than the budget of memory.
    pub fn rows(&self, cut: Cut, notes: &mut Vec<String>) -> Result<Vec<Row>> {
        let Cut::At(delimiter) = cut else { return self.by_blanks() };
        let quoted = self.quoted(delimiter);
        let damaged = match &quoted {
            Err(_) => true,
            // Between tabs, lines that are even say enough.
            Ok(rows) => {
                rows.iter().any(|row| row.cells.iter().any(|c| c.contains(['\n', '\r'])))
                    && (delimiter == b'\t' || misquoted(self.bytes, delimiter, self.quote))
            }
        };
        if damaged && let Some((rows, odd)) = self.by_lines(delimiter, quoted.as_ref().ok().map(Vec::len))? {
            notes.push(format!(
                "line {}: a quote begins a cell and does not end it; it is read as a character of the cell{}",
                odd[0],
                if odd.len() > 1 { format!(", as in {} more lines", odd.len() - 1) } else { String::new() }
            ));
            return Ok(rows);
        }
        let rows = quoted?;
        let long = rows.iter().filter_map(|row| {
            let lines = row.cells.iter().filter(|c| c.contains(char::from(delimiter))).map(|c| c.lines().count()).max();
            lines.filter(|&n| n > MANY_LINES).map(|n| (row.line, n))
        });
        if let Some((line, n)) = long.max_by_key(|&(_, n)| n) {
            notes.push(format!(
                "line {line}: a cell in quotes runs over {n} lines and holds delimiters; if the quote is part of the \
                 text, double it and put quotes around the cell, or leave it out"
            ));
        }
        Ok(rows)
    }

    fn quoted(&self, delimiter: u8) -> Result<Vec<Row>> {
        let counted = (0, self.first_line);
        let mut reader = Reader { body: self, reader: reader(self.bytes, delimiter, self.quote), counted };
        let (mut rows, mut held, budget) = (vec![], self.held, memory::budget());
        let mut record = ByteRecord::new();
        while let Some(row) = reader.next(&mut record, delimiter)? {
            self.judge(&row, &mut held, budget)?;
            rows.push(row);
        }
        Ok(rows)
    }

    /// Each line as a row, where that is what the file needs: all have the same
    /// number of cells, with quotes or, where these are not closed in the line, cut
    /// at each delimiter; and read as a whole the file has fewer rows, or none. Also
    /// returns the lines that are so cut.
    fn by_lines(&self, delimiter: u8, quoted: Option<usize>) -> Result<Option<(Vec<Row>, Vec<usize>)>> {
        let Ok(text) = str::from_utf8(self.bytes) else { return Ok(None) };
        let lines: Vec<(usize, usize, &str)> = lines_of(text, self.first_line).collect();
        if quoted.is_some_and(|n| n >= lines.len()) {
            return Ok(None);
        }
        let (mut rows, mut odd) = (Vec::with_capacity(lines.len()), vec![]);
        let (mut held, budget) = (self.held, memory::budget());
        for (line, at, text) in lines {
            let cells = quoted_cells(text, delimiter, self.quote).unwrap_or_else(|| {
                odd.push(line);
                text.split(char::from(delimiter)).map(|c| bare(c.trim(), self.quote)).collect()
            });
            let row = Row { cells, line, at };
            self.judge(&row, &mut held, budget)?;
            rows.push(row);
        }
        let width = usual(rows.iter().map(|row| row.cells.len())).filter(|&w| w > 1);
        // Lines of comments are told apart later.
        let is_comment = |row: &Row| COMMENTS.iter().any(|mark| row.cells[0].starts_with(mark));
        let even = rows.iter().all(|row| Some(row.cells.len()) == width || is_comment(row));
        Ok((even && width.is_some() && !odd.is_empty()).then_some((rows, odd)))
    }

    fn by_blanks(&self) -> Result<Vec<Row>> {
        let text = str::from_utf8(self.bytes).expect("decoded before");
        let (mut rows, mut held, budget) = (vec![], self.held, memory::budget());
        for (line, at, text) in lines_of(text, self.first_line) {
            let row = Row { cells: blank_cells(text).into_iter().map(String::from).collect(), line, at };
            self.judge(&row, &mut held, budget)?;
            rows.push(row);
        }
        Ok(rows)
    }

    /// Refuses rows that are too wide, cells that are too long, and more of them
    /// than memory is there for: text and cells lie in it at the same time.
    pub(super) fn judge(&self, row: &Row, held: &mut u64, budget: u64) -> Result<()> {
        let (name, line, found) = (self.name, row.line, row.cells.len());
        if found > MOST_COLUMNS {
            return Err(Error::data(format!(
                "{name}, line {line}: found {found} cells; expected at most {MOST_COLUMNS} columns"
            )));
        }
        if let Some(i) = row.cells.iter().position(|c| c.len() > LONGEST_CELL) {
            return Err(Error::data(format!(
                "{name}, line {line}: cell {} has {} bytes; expected at most {LONGEST_CELL}: is a quote left open there?",
                i + 1,
                row.cells[i].len()
            )));
        }
        *held += row.cells.iter().map(|c| (CELL + c.len()) as u64).sum::<u64>();
        if *held > budget {
            let cells = format!("more than {} (its text and its cells, by line {line})", memory::size(budget));
            return Err(memory::too_much(&name, &cells, budget));
        }
        Ok(())
    }
}

/// The rows of a file with quotes, one by one.
struct Reader<'a> {
    body: &'a Body<'a>,
    reader: csv::Reader<&'a [u8]>,
    /// Bytes whose line breaks are counted, and their lines.
    counted: (usize, usize),
}

impl Reader<'_> {
    fn next(&mut self, record: &mut ByteRecord, delimiter: u8) -> Result<Option<Row>> {
        let (name, bytes) = (self.body.name, self.body.bytes);
        let start = self.reader.position().byte() as usize;
        let more = self
            .reader
            .read_byte_record(record)
            .map_err(|e| Error::data(format!("{name}: {e}; expected a table of text")))?;
        if !more {
            return Ok(None);
        }
        let (at, line) = self.place(start);
        if self.reader.position().byte() as usize >= bytes.len()
            && let Some(open) = open_quote(&bytes[start..], delimiter, self.body.quote)
        {
            let line = self.body.first_line + breaks(&bytes[..start + open]);
            return Err(Error::data(format!(
                "{name}, line {line}: a quote opens here and is never closed; expected a closing quote, or a doubled one \
                 for a quote inside a cell"
            )));
        }
        let cell = |(i, cell): (usize, &[u8])| match str::from_utf8(cell) {
            Ok(cell) => Ok(cell.trim().to_string()),
            Err(_) => Err(Error::data(format!("{name}, line {line}: cell {} is cut within a character", i + 1))),
        };
        Ok(Some(Row { cells: record.iter().enumerate().map(cell).collect::<Result<_>>()?, line, at }))
    }

    /// The byte and the line of the first row at or behind byte `start`.
    fn place(&mut self, start: usize) -> (usize, usize) {
        let bytes = self.body.bytes;
        let at = start + bytes[start..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let (counted, lines) = self.counted;
        self.counted = (at, lines + breaks(&bytes[counted..at]));
        (at, self.counted.1)
    }
}

/// Line breaks in some text: `\n`, `\r\n` or `\r`.
pub(super) fn breaks(bytes: &[u8]) -> usize {
    let ends = |(i, &b): (usize, &u8)| b == b'\n' || (b == b'\r' && bytes.get(i + 1) != Some(&b'\n'));
    bytes.iter().enumerate().filter(|&x| ends(x)).count()
}

/// Where the quote stands that is still open at the end of some text.
fn open_quote(text: &[u8], delimiter: u8, quote: u8) -> Option<usize> {
    let (mut open, mut starts, mut i) = (None, true, 0);
    while i < text.len() {
        match (open, text[i] == quote) {
            (Some(_), true) if text.get(i + 1) == Some(&quote) => i += 1,
            (Some(_), true) => open = None,
            (Some(_), false) => i += usize::from(escapes(text, i, quote)),
            (None, true) if starts => open = Some(i),
            (None, _) => {}
        }
        starts = text[i] == delimiter || matches!(text[i], b'\r' | b'\n');
        i += 1;
    }
    open
}

/// The lines that hold something: their numbers, where they start, their text.
pub(super) fn lines_of(text: &str, first_line: usize) -> impl Iterator<Item = (usize, usize, &str)> {
    let (mut at, mut number) = (0, first_line);
    let next = move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let found = (number, at, &rest[..length]);
        at += length + if rest[length..].starts_with("\r\n") { 2 } else { 1 };
        number += 1;
        Some(found)
    };
    std::iter::from_fn(next).filter(|(_, _, line)| !line.trim().is_empty())
}

/// Whether a quote is closed in the middle of a cell.
fn misquoted(text: &[u8], delimiter: u8, quote: u8) -> bool {
    let (mut open, mut starts, mut i) = (false, true, 0);
    while i < text.len() {
        match text[i] {
            _ if open && escapes(text, i, quote) => i += 1,
            b if b == quote && open && text.get(i + 1) == Some(&quote) => i += 1,
            b if b == quote && open => {
                open = false;
                if text.get(i + 1).is_some_and(|&b| b != delimiter && !b.is_ascii_whitespace()) {
                    return true;
                }
            }
            b if b == quote && starts => open = true,
            _ => {}
        }
        starts = !open && (text[i] == delimiter || matches!(text[i], b'\r' | b'\n'));
        i += 1;
    }
    false
}

/// Whether a single quote follows that is a character of its cell.
fn escapes(text: &[u8], at: usize, quote: u8) -> bool {
    quote == SINGLE && text[at] == b'\\' && text.get(at + 1) == Some(&quote)
}

/// The cells of a line; `None` where a quote that begins one does not end it.
pub(super) fn quoted_cells(line: &str, delimiter: u8, quote: u8) -> Option<Vec<String>> {
    let (mut rest, mut cells) = (line, vec![]);
    loop {
        let end = match rest.strip_prefix(char::from(quote)) {
            None => rest.find(char::from(delimiter)).unwrap_or(rest.len()),
            Some(inner) => {
                // Quotes that are doubled, or escaped, are passed over.
                let mut at = 0;
                loop {
                    at += inner[at..].find(char::from(quote))?;
                    let escaped = at > 0 && escapes(inner.as_bytes(), at - 1, quote);
                    if !escaped && !inner[at + 1..].starts_with(char::from(quote)) {
                        break;
                    }
                    at += if escaped { 1 } else { 2 };
                }
                at + 2
            }
        };
        let behind = &rest[end..];
        let next = behind.trim_start_matches(' ');
        cells.push(bare(rest[..end].trim(), quote));
        match next.strip_prefix(char::from(delimiter)).or_else(|| behind.strip_prefix(char::from(delimiter))) {
            Some(more) => rest = more,
            None if next.trim().is_empty() => return Some(cells),
            None => return None,
        }
    }
}

/// The settings under which a table is taken apart.
pub(super) fn reader(bytes: &[u8], delimiter: u8, quote: u8) -> csv::Reader<&[u8]> {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter).quote(quote);
    // Only where it is needed: other backslashes are those of paths.
    builder.escape(bytes.windows(2).any(|w| escapes(w, 0, quote)).then_some(b'\\'));
    builder.from_reader(bytes)
}

/// The cells of a line between runs of blanks and tabs; one in quotes may hold
/// blanks.
pub(super) fn blank_cells(line: &str) -> Vec<&str> {
    let (mut rest, mut cells) = (line.trim(), vec![]);
    while !rest.is_empty() {
        let in_quotes = rest.strip_prefix('"').and_then(|inner| {
            let end = inner.find('"')?;
            let behind = &inner[end + 1..];
            (behind.is_empty() || behind.starts_with([' ', '\t'])).then_some((&inner[..end], behind))
        });
        let (cell, behind) = in_quotes.unwrap_or_else(|| rest.split_at(rest.find([' ', '\t']).unwrap_or(rest.len())));
        cells.push(cell);
        rest = behind.trim_start();
    }
    cells
}

/// A cell without the quotes around it, where they are a pair.
fn bare(cell: &str, quote: u8) -> String {
    let (one, two) = (char::from(quote), String::from_utf8_lossy(&[quote, quote]).into_owned());
    match cell.strip_prefix(one).and_then(|c| c.strip_suffix(one)) {
        Some(inner) if !inner.replace(&two, "").contains(one) => inner.replace(&two, &one.to_string()),
        _ => cell.into(),
    }
}

/// The most frequent of some numbers, of equals the one that came first.
pub(super) fn usual(all: impl Iterator<Item = usize>) -> Option<usize> {
    let mut counts: BTreeMap<usize, (usize, std::cmp::Reverse<usize>)> = BTreeMap::new();
    all.enumerate().for_each(|(i, n)| counts.entry(n).or_insert((0, std::cmp::Reverse(i))).0 += 1);
    counts.into_iter().max_by_key(|&(_, count)| count).map(|(n, _)| n)
}
