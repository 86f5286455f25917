//! How a row is cut into cells.

use super::quotes::{bare, quoted_cells};
use super::row::Row;
use csv_core::ReadRecordResult;
use std::borrow::Cow;

/// What separates the cells of a file, and what stands around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A delimiter; no cell is in quotes.
    Plain { delimiter: u8 },
    /// A delimiter; cells in quotes may hold delimiters and line breaks.
    Quoted { delimiter: u8, quote: u8, escape: bool },
    /// A delimiter; each line is a row, and a quote that is not closed in it is a character.
    Lines { delimiter: u8, quote: u8 },
    /// Runs of blanks and tabs.
    Blanks,
}

impl Way {
    /// The first cell of the row that some text begins with.
    pub fn first<'a>(self, text: &'a str) -> Cow<'a, str> {
        let until = |delimiter: u8| {
            let end = memchr::memchr3(delimiter, b'\n', b'\r', text.as_bytes()).unwrap_or(text.len());
            Cow::Borrowed(text[..end].trim())
        };
        match self {
            Way::Plain { delimiter } => until(delimiter),
            Way::Quoted { delimiter, quote, .. } | Way::Lines { delimiter, quote }
                if text.as_bytes().first() != Some(&quote) =>
            {
                until(delimiter)
            }
            Way::Quoted { delimiter, quote, escape: false } if let Some(cell) = simple(text, delimiter, quote) => {
                Cow::Borrowed(cell.trim())
            }
            _ => {
                let mut first = None;
                let row = Row::new(0, 1, 1, 1);
                Cutter::new(text, self).cut(&row, |_, cell| first = first.take().or_else(|| Some(cell.to_string())));
                Cow::Owned(first.unwrap_or_default())
            }
        }
    }
}

/// The cell in quotes that some text begins with, where no quote stands within it.
fn simple(text: &str, delimiter: u8, quote: u8) -> Option<&str> {
    let inner = &text[1..];
    let end = memchr::memchr(quote, inner.as_bytes())?;
    let behind = inner.as_bytes().get(end + 1).copied().unwrap_or(b'\n');
    (behind == delimiter || matches!(behind, b'\r' | b'\n')).then_some(&inner[..end])
}

/// The settings under which cells in quotes are taken apart. `escape` says that a backslash
/// before a quote makes it a character: other backslashes are those of paths.
pub(super) fn csv_reader(delimiter: u8, quote: u8, escape: bool) -> csv_core::Reader {
    let mut builder = csv_core::ReaderBuilder::new();
    let mut reader = builder.delimiter(delimiter).quote(quote).escape(escape.then_some(b'\\')).build();
    // At its very start a reader takes a byte order mark off, which here is a character.
    reader.read_record(b"\n", &mut [0], &mut [0]);
    reader
}

/// One record of cells in quotes.
pub(super) struct CsvRecord {
    reader: csv_core::Reader,
    settings: (u8, u8, bool),
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Bytes and cells that are in use.
    used: (usize, usize),
}

impl CsvRecord {
    pub fn new(delimiter: u8, quote: u8, escape: bool) -> CsvRecord {
        let reader = csv_reader(delimiter, quote, escape);
        CsvRecord { reader, settings: (delimiter, quote, escape), text: vec![0; 512], ends: vec![0; 64], used: (0, 0) }
    }

    /// Reads the record that begins here and returns its length with its line break; `None`
    /// where nothing follows.
    pub fn read(&mut self, mut input: &[u8]) -> Option<usize> {
        let mut length = 0;
        self.used = (0, 0);
        loop {
            let (text, ends) = (&mut self.text[self.used.0..], &mut self.ends[self.used.1..]);
            let (result, read, written, cells) = self.reader.read_record(input, text, ends);
            (input, length) = (&input[read..], length + read);
            self.used = (self.used.0 + written, self.used.1 + cells);
            match result {
                // Asked again, with nothing left, it ends.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record => {
                    if input.is_empty() {
                        let (delimiter, quote, escape) = self.settings;
                        self.reader = csv_reader(delimiter, quote, escape);
                    }
                    return Some(length);
                }
                ReadRecordResult::End => return None,
            }
        }
    }

    /// The cells without the spaces around them.
    pub fn cells(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator + Clone {
        let cell = |i: usize| {
            let start = if i == 0 { 0 } else { self.ends[i - 1] };
            str::from_utf8(&self.text[start..self.ends[i]]).expect("text is cut at ASCII characters").trim()
        };
        (0..self.used.1).map(cell)
    }
}

/// Cuts rows of a text into cells.
pub(super) struct Cutter<'a> {
    text: &'a str,
    way: Way,
    record: Option<CsvRecord>,
}

impl<'a> Cutter<'a> {
    pub fn new(text: &'a str, way: Way) -> Cutter<'a> {
        let record = match way {
            Way::Quoted { delimiter, quote, escape } => Some(CsvRecord::new(delimiter, quote, escape)),
            _ => None,
        };
        Cutter { text, way, record }
    }

    /// Gives the cells of a row, as many as it has, with their places and without the spaces
    /// around them.
    pub fn cut(&mut self, row: &Row, mut put: impl FnMut(usize, &str)) {
        let rest = &self.text[row.at..];
        let width = row.width();
        match self.way {
            Way::Plain { delimiter } => {
                let line = line_of(rest);
                let mut start = 0;
                for i in 0..width {
                    let found = memchr::memchr(delimiter, &line.as_bytes()[start..]);
                    let end = found.map_or(line.len(), |n| start + n);
                    put(i, line[start..end].trim());
                    start = end + 1;
                    if found.is_none() {
                        break;
                    }
                }
            }
            Way::Quoted { .. } => {
                let record = self.record.as_mut().expect("made for quotes");
                record.read(rest.as_bytes());
                record.cells().take(width).enumerate().for_each(|(i, cell)| put(i, cell));
            }
            Way::Lines { delimiter, quote } => {
                let cells = cells_of_line(line_of(rest), delimiter, quote);
                cells.iter().take(width).enumerate().for_each(|(i, cell)| put(i, cell));
            }
            Way::Blanks => {
                blank_cells(line_of(rest)).into_iter().take(width).enumerate().for_each(|(i, cell)| put(i, cell));
            }
        }
    }
}

/// The line that some text begins with.
fn line_of(text: &str) -> &str {
    &text[..memchr::memchr2(b'\n', b'\r', text.as_bytes()).unwrap_or(text.len())]
}

/// The cells of a line with quotes or, where one is not closed, cut at each delimiter.
pub(super) fn cells_of_line(line: &str, delimiter: u8, quote: u8) -> Vec<String> {
    quoted_cells(line, delimiter, quote)
        .unwrap_or_else(|| line.split(char::from(delimiter)).map(|c| bare(c.trim(), quote)).collect())
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
