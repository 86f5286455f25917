//! A table as it stands in the file: columns of text cells, by name.
//!
//! Rows must be equally long, the text UTF-8; whatever is not gets an error
//! that names the line. Cells lose the spaces around them, and those that say
//! "missing" become `None`.

use super::super::bytes::Source;
use super::sniff;
use crate::error::{Error, Result, nearest, unknown};
use crate::files::memory;
use csv::ByteRecord;
use std::collections::BTreeMap;
use std::path::Path;

/// The longest cell, in bytes: more means a quote that is never closed.
const LONGEST_CELL: usize = 1 << 20;
/// Bytes that a cell takes beside its text: its place, and what the system needs
/// to keep it.
const CELL: usize = size_of::<Option<String>>() + 24;
/// The most columns.
const MOST_COLUMNS: usize = 100_000;
/// What stands for a missing cell unless the user says otherwise.
pub const MISSING: &[&str] =
    &["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "Null", "null", "None", "none", "?", "-"];

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
    /// What separates cells; `None` finds out.
    pub delimiter: Option<char>,
    /// Cells that mean "missing"; the empty cell always does.
    pub missing_values: Vec<String>,
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        let missing_values = MISSING.iter().map(|s| s.to_string()).collect();
        ReadOptions { header: Header::Auto, delimiter: None, missing_values }
    }
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, unique in the table.
    pub name: String,
    /// A cell per row; `None` where it is missing.
    pub cells: Vec<Option<String>>,
}

/// A table of text cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What messages call it: the path as the user wrote it.
    pub name: String,
    /// The columns, all of one length, in the order of the file.
    pub columns: Vec<Column>,
    /// The line of the file in which each row starts, from 1.
    pub lines: Vec<usize>,
    /// Whether the file names its columns.
    pub has_header: bool,
    /// What separates cells.
    pub delimiter: char,
}

impl Table {
    /// Reads a file, plain or gzipped.
    ///
    /// Fails when it cannot be read, is no UTF-8 text, holds no rows, has rows
    /// of different length, two columns of one name, or a cell above 1 MiB.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Table> {
        let bytes = Source::open(path)?.rest()?;
        Table::parse(&path.display().to_string(), &bytes, options)
    }

    /// Reads the text of a file; `name` is what messages call it, and its
    /// ending (`.tsv`) helps to find the delimiter.
    ///
    /// Fails as [`open`](Table::open) does.
    pub fn parse(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Table> {
        let bytes = text(name, bytes)?;
        let delimiter = match options.delimiter {
            Some(c) if c.is_ascii() && !matches!(c, '"' | '\r' | '\n' | '\0') => c as u8,
            Some(c) => {
                return Err(Error::usage(format!("delimiter {c:?}: expected one ASCII character that is no quote")));
            }
            None => sniff::delimiter(name, bytes),
        };
        let mut rows = Rows::new(name, bytes, delimiter);
        let Some(first) = rows.next(None)? else {
            return Err(Error::data(format!("{name} is empty; expected a table: a row of cells per line")));
        };
        let has_header = match options.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto => sniff::header(bytes, delimiter),
        };
        let mut columns = named(name, &first, has_header)?;
        let mut lines = vec![];
        // Text and cells lie in memory at the same time.
        let (mut held, budget) = (bytes.len() as u64, memory::budget());
        let width = first.cells.len();
        let mut row = if has_header { rows.next(Some(width))? } else { Some(first) };
        while let Some(Row { cells, line }) = row {
            held += cells.iter().map(|c| (CELL + c.len()) as u64).sum::<u64>();
            if held > budget {
                let cells = format!("more than {} (its text and its cells, by line {line})", memory::size(budget));
                return Err(memory::too_much(&name, &cells, budget));
            }
            lines.push(line);
            for (column, cell) in columns.iter_mut().zip(cells) {
                let missing = cell.is_empty() || options.missing_values.contains(&cell);
                column.cells.push((!missing).then_some(cell));
            }
            row = rows.next(Some(width))?;
        }
        if lines.is_empty() {
            return Err(Error::data(format!(
                "{name} holds a header only (line 1: {}), no rows; expected at least one row below it",
                list(columns.iter().map(|c| c.name.as_str()))
            )));
        }
        Ok(Table { name: name.into(), columns, lines, has_header, delimiter: delimiter as char })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// All row numbers.
    pub fn all_rows(&self) -> Vec<usize> {
        (0..self.rows()).collect()
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|c| c.name.as_str()).collect()
    }

    /// The column of this name.
    ///
    /// Fails with the nearest name when there is none.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.columns.iter().find(|c| c.name == name).ok_or_else(|| self.no_column(name))
    }

    /// The index of a column that the user names: by its name, its number from
    /// 1, or as `last`.
    ///
    /// Fails with the nearest name when there is none.
    pub fn find(&self, word: &str) -> Result<usize> {
        if let Some(i) = self.columns.iter().position(|c| c.name == word) {
            return Ok(i);
        }
        if word == "last" {
            return Ok(self.columns.len() - 1);
        }
        match word.parse::<usize>() {
            Ok(n) if (1..=self.columns.len()).contains(&n) => Ok(n - 1),
            Ok(n) => Err(Error::data(format!(
                "{} has no column number {n}; expected 1 to {}, or a name",
                self.name,
                self.columns.len()
            ))),
            Err(_) => Err(self.no_column(word)),
        }
    }

    /// The error for a column that is not there.
    pub(super) fn no_column(&self, word: &str) -> Error {
        if self.columns.len() <= 30 {
            let all = self.names();
            return Error::data(unknown("column", word, all.iter().copied())).context(&self.name);
        }
        let hint = nearest(word, self.names()).map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default();
        Error::data(format!("{} has no column \"{word}\" among its {}{hint}", self.name, self.columns.len()))
    }
}

/// Names separated by commas, the first ten of them.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = if names.len() > 10 { ", ..." } else { "" };
    names.take(10).collect::<Vec<_>>().join(", ") + more
}

/// The bytes behind a byte order mark. Fails on what cannot be a table.
fn text<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a [u8]> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Error::data(format!("{name} is UTF-16 text; expected UTF-8: save it again as \"CSV UTF-8\"")));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(at) = bytes.iter().position(|&b| b == 0) {
        let line = 1 + breaks(&bytes[..at]);
        return Err(Error::data(format!(
            "{name}, line {line}: found a NUL byte; expected text: this is a binary or damaged file"
        )));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::data(format!("{name} is empty; expected a table: a row of cells per line")));
    }
    Ok(bytes)
}

/// Line breaks in some text: `\n`, `\r\n` or `\r`.
fn breaks(bytes: &[u8]) -> usize {
    let ends = |(i, &b): (usize, &u8)| b == b'\n' || (b == b'\r' && bytes.get(i + 1) != Some(&b'\n'));
    bytes.iter().enumerate().filter(|&x| ends(x)).count()
}

/// The columns with their names, still without cells.
fn named(table: &str, first: &Row, has_header: bool) -> Result<Vec<Column>> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut columns = Vec::with_capacity(first.cells.len());
    for (i, cell) in first.cells.iter().enumerate() {
        let name = if has_header && !cell.is_empty() { cell.clone() } else { format!("column{}", i + 1) };
        if let Some(before) = seen.insert(name.clone(), i) {
            return Err(Error::data(format!(
                "{table}, line {}: columns {} and {} are both called \"{name}\"; expected a name of its own for each \
                 column (if this line is no header, set header = \"no\")",
                first.line,
                before + 1,
                i + 1
            )));
        }
        columns.push(Column { name, cells: vec![] });
    }
    Ok(columns)
}

/// One row of the file.
struct Row {
    cells: Vec<String>,
    line: usize,
}

/// The rows of a file, one by one.
struct Rows<'a> {
    name: &'a str,
    bytes: &'a [u8],
    delimiter: u8,
    reader: csv::Reader<&'a [u8]>,
    record: ByteRecord,
    /// Bytes whose line breaks are counted, and their lines.
    counted: (usize, usize),
}

impl<'a> Rows<'a> {
    fn new(name: &'a str, bytes: &'a [u8], delimiter: u8) -> Rows<'a> {
        Rows { name, bytes, delimiter, reader: reader(bytes, delimiter), record: ByteRecord::new(), counted: (0, 1) }
    }

    /// The next row; `width` is how many cells it must have.
    fn next(&mut self, width: Option<usize>) -> Result<Option<Row>> {
        let start = self.reader.position().byte() as usize;
        let more = self
            .reader
            .read_byte_record(&mut self.record)
            .map_err(|e| Error::data(format!("{}: {e}; expected a table of text", self.name)))?;
        if !more {
            return Ok(None);
        }
        let line = self.line(start);
        let place = || format!("{}, line {line}", self.name);
        let end = self.reader.position().byte() as usize;
        if end >= self.bytes.len()
            && let Some(at) = open_quote(&self.bytes[start..], self.delimiter)
        {
            let line = 1 + breaks(&self.bytes[..start + at]);
            return Err(Error::data(format!(
                "{}, line {line}: a quote opens here and is never closed; expected a closing quote, or a doubled one for \
                 a quote inside a cell",
                self.name
            )));
        }
        let found = self.record.len();
        if let Some(width) = width.filter(|&w| w != found) {
            let hint = if self.record.iter().any(|cell| cell.contains(&b'\n')) {
                "a quote in this row is not closed where it should be"
            } else {
                "mend the row; a cell that contains the delimiter needs quotes"
            };
            return Err(Error::data(format!(
                "{}: found {found} cells; expected {width} as in the first row: {hint}",
                place()
            )));
        }
        if found > MOST_COLUMNS {
            return Err(Error::data(format!(
                "{}: found {found} cells; expected at most {MOST_COLUMNS} columns",
                place()
            )));
        }
        let mut cells = Vec::with_capacity(found);
        for (i, cell) in self.record.iter().enumerate() {
            if cell.len() > LONGEST_CELL {
                return Err(Error::data(format!(
                    "{}: cell {} has {} bytes; expected at most {LONGEST_CELL}: is a quote left open there?",
                    place(),
                    i + 1,
                    cell.len()
                )));
            }
            let cell = str::from_utf8(cell).map_err(|e| {
                Error::data(format!(
                    "{}: cell {} is not UTF-8 (byte 0x{:02x}); expected UTF-8 text: convert the file, for example \
                     with `iconv -f latin1 -t utf-8`",
                    place(),
                    i + 1,
                    cell.get(e.valid_up_to()).copied().unwrap_or_default()
                ))
            })?;
            cells.push(cell.trim().to_string());
        }
        Ok(Some(Row { cells, line }))
    }

    /// The line of the first row at or behind byte `start`.
    fn line(&mut self, start: usize) -> usize {
        let blank = self.bytes[start..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let (counted, lines) = self.counted;
        let lines = lines + breaks(&self.bytes[counted..start + blank]);
        self.counted = (start + blank, lines);
        lines
    }
}

/// Where the quote stands that is still open at the end of some text.
fn open_quote(text: &[u8], delimiter: u8) -> Option<usize> {
    let (mut open, mut starts, mut i) = (None, true, 0);
    while i < text.len() {
        match (open, text[i]) {
            (Some(_), b'"') if text.get(i + 1) == Some(&b'"') => i += 1,
            (Some(_), b'"') => open = None,
            (Some(_), _) => {}
            (None, b'"') if starts => open = Some(i),
            (None, _) => {}
        }
        starts = text[i] == delimiter || matches!(text[i], b'\r' | b'\n');
        i += 1;
    }
    open
}

/// The settings under which a table is taken apart.
pub(super) fn reader(bytes: &[u8], delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes)
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
