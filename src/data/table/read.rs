//! From the bytes of a file to a [`Table`].
//!
//! What is not UTF-8 is converted, lines that are no rows are left out, and both
//! are said; rows must be equally long. Cells lose the spaces around them, and
//! those that say "missing" become `None`.

use super::super::bytes::Source;
use super::body::Body;
use super::cells::Cells;
use super::layout::ReadOptions;
use super::number::Decimal;
use super::number::evidence::{FileMark, of_file};
use super::quotes::{DOUBLE, SINGLE};
use super::rows::Cut;
use super::table::{Column, Table};
use super::{arff, container, encoding, json, lines, marks, sniff};
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

impl Table {
    /// Reads a file of cells or of JSON records, plain, gzipped or alone in a zip archive; `-` is the standard
    /// input.
    ///
    /// Fails when it cannot be read, is no text, holds no rows, has rows of
    /// different length, or a cell above 1 MiB.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Table> {
        let name = path.display().to_string();
        let bytes = container::unpack(&name, Source::open(path)?.rest()?)?;
        Table::parse(&name, &bytes, options)
    }

    /// Reads the text of a file; `name` is what messages call it, and its
    /// ending (`.tsv`) helps to find the delimiter.
    ///
    /// Fails as [`open`](Table::open) does.
    pub fn parse(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Table> {
        #[cfg(feature = "arrow")]
        if super::arrow::is_arrow(bytes) {
            return Table::of_arrow(name, bytes.to_vec(), options);
        }
        let (text, converted) = encoding::decode(name, bytes)?;
        let mut notes: Vec<String> = converted.into_iter().collect();
        // A converted text lies in memory beside the file's.
        let held = bytes.len() as u64 + if let Cow::Owned(text) = &text { text.len() as u64 } else { 0 };
        if json::is_json(name, text.as_bytes()) {
            return Table::of_json(name, &text, held, options, notes);
        }
        if let Some(head) = arff::head(name, &text)? {
            return Table::of_arff(name, &text, head, held, options, notes);
        }
        let top = Top::of(text.as_bytes(), options, &mut notes);
        let text = &text[top.end..];
        let (cut, quote) = separators(name, text, &top, options, &mut notes)?;
        let body = Body { name, text, first_line: 1 + top.lines, held, quote };
        let rows = body.rows(cut, &mut notes)?;
        let sheet = lines::sheet(&body, rows, options, &mut notes)?;
        let names = named(&sheet.names, sheet.width, &mut notes);
        if sheet.rows.all.is_empty() {
            return Err(Error::data(format!(
                "{name} holds a header only (line {}: {}), no rows; expected at least one row below it",
                sheet.header.unwrap_or(body.first_line),
                list(names.iter().map(String::as_str))
            )));
        }
        let mut columns = sheet.rows.columns(names);
        let lines = sheet.rows.all.iter().map(|row| row.line).collect();
        let kept = marks::settle(&mut columns, options, &mut notes);
        let delimiter = cut.shown();
        let decimal = mark(&columns, options, false);
        let has_header = sheet.header.is_some();
        Ok(Table { name: name.into(), columns, lines, has_header, delimiter, decimal, notes, kept })
    }

    /// A table of Parquet or Arrow.
    #[cfg(feature = "arrow")]
    fn of_arrow(name: &str, bytes: Vec<u8>, options: &ReadOptions) -> Result<Table> {
        let mut notes = vec![];
        let asked = [
            ("delimiter", options.delimiter.is_some()),
            ("skip_rows", options.skip_rows > 0),
            ("quote", options.quote.is_some()),
            ("comment", options.comment.is_some()),
        ];
        without_use(name, "Parquet or Arrow", &asked, &mut notes);
        let mut columns = super::arrow::columns(name, bytes, &mut notes)?;
        let given: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
        for (column, name) in columns.iter_mut().zip(named(&given, given.len(), &mut notes)) {
            column.name = name;
        }
        let kept = marks::settle(&mut columns, options, &mut notes);
        let lines = (1..=columns.first().map_or(0, |c| c.cells.len())).collect();
        let decimal = mark(&columns, options, true);
        Ok(Table { name: name.into(), columns, lines, has_header: true, delimiter: ',', decimal, notes, kept })
    }

    /// A table of ARFF, below its head.
    fn of_arff(
        name: &str,
        text: &str,
        head: arff::Head,
        held: u64,
        options: &ReadOptions,
        mut notes: Vec<String>,
    ) -> Result<Table> {
        let asked = [
            ("delimiter", options.delimiter.is_some_and(|c| c != ',')),
            ("skip_rows", options.skip_rows > 0),
            ("quote", options.quote.is_some()),
            ("comment", options.comment.as_deref().is_some_and(|mark| mark != "%")),
        ];
        without_use(name, "ARFF", &asked, &mut notes);
        let body = Body { name, text: &text[head.end..], first_line: 1 + head.lines, held, quote: SINGLE };
        let names: Vec<String> = head.attributes.iter().map(|a| a.name.clone()).collect();
        let names = named(&names, names.len(), &mut notes);
        let (mut columns, lines) = arff::columns(&body, &head.attributes, names, options, &mut notes)?;
        let kept = marks::settle(&mut columns, options, &mut notes);
        let decimal = mark(&columns, options, true);
        Ok(Table { name: name.into(), columns, lines, has_header: true, delimiter: ',', decimal, notes, kept })
    }

    /// A table of records of JSON.
    fn of_json(name: &str, text: &str, held: u64, options: &ReadOptions, mut notes: Vec<String>) -> Result<Table> {
        let asked = [
            ("delimiter", options.delimiter.is_some()),
            ("skip_rows", options.skip_rows > 0),
            ("comment", options.comment.is_some()),
        ];
        without_use(name, "JSON", &asked, &mut notes);
        let json::Records { mut columns, lines } = json::read(name, text, held, &mut notes)?;
        let given: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
        for (column, name) in columns.iter_mut().zip(named(&given, given.len(), &mut notes)) {
            column.name = name;
        }
        let kept = marks::settle(&mut columns, options, &mut notes);
        let decimal = mark(&columns, options, true);
        Ok(Table { name: name.into(), columns, lines, has_header: true, delimiter: ',', decimal, notes, kept })
    }

    /// A table of records: names with values. The columns come in the order in which their
    /// names do first; what a record lacks is a missing cell.
    pub fn of_records<'a, R, C>(name: &str, records: R, options: &ReadOptions) -> Table
    where
        R: IntoIterator<Item = C>,
        C: IntoIterator<Item = (&'a str, &'a str)>,
    {
        let (mut columns, mut rows): (Vec<Column>, usize) = (vec![], 0);
        for record in records {
            for (name, value) in record {
                let at = columns.iter().position(|c| c.name == name).unwrap_or_else(|| {
                    columns.push(Column::new(name, Cells::new()));
                    columns.len() - 1
                });
                columns[at].cells.pad(rows);
                let value = value.trim();
                columns[at].cells.push((!value.is_empty()).then_some(value));
            }
            rows += 1;
            columns.iter_mut().for_each(|c| c.cells.pad(rows));
        }
        let mut notes = vec![];
        let kept = marks::settle(&mut columns, options, &mut notes);
        let lines = (1..=rows).collect();
        let decimal = mark(&columns, options, false);
        Table { name: name.into(), columns, lines, has_header: true, delimiter: ',', decimal, notes, kept }
    }
}

/// What separates the cells of a text below its top, and the quote around them.
///
/// Fails where there is no text, and where what is asked for is no delimiter.
pub(super) fn separators(
    name: &str,
    text: &str,
    top: &Top,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<(Cut, u8)> {
    if text.bytes().all(|b| b.is_ascii_whitespace()) {
        return Err(Error::data(format!("{name} is empty; expected a table: a row of cells per line")));
    }
    let cut = match options.delimiter.or(top.delimiter) {
        Some(' ') => Cut::Blanks,
        Some(c) if c.is_ascii() && !matches!(c, '"' | '\r' | '\n' | '\0') => Cut::At(c as u8),
        Some(c) => {
            return Err(Error::usage(format!("delimiter {c:?}: expected one ASCII character that is no quote")));
        }
        None => sniff::cut(name, text.as_bytes(), options.likely),
    };
    if let (None, Cut::At(c)) = (options.quote, cut)
        && sniff::quote(text.as_bytes(), c) == SINGLE
    {
        notes.push(
            "single quotes around cells are taken off; set quote = \"double\" if they are part of the values".into(),
        );
        return Ok((cut, SINGLE));
    }
    Ok((cut, options.quote.map_or(DOUBLE, |c| c as u8)))
}

/// The decimal mark of columns. In `points` formats numbers have points unless all that
/// tells speaks for commas.
pub(super) fn mark(columns: &[Column], options: &ReadOptions, points: bool) -> FileMark {
    if let Some(decimal) = options.decimal {
        return FileMark::Given(decimal);
    }
    match of_file(columns.iter().map(|c| c.cells.present())) {
        FileMark::Unknown if points => FileMark::Proven(Decimal::Point),
        found => found,
    }
}

/// Says which settings are asked for that a format has no use for.
fn without_use(name: &str, format: &str, asked: &[(&str, bool)], notes: &mut Vec<String>) {
    let asked: Vec<&str> = asked.iter().filter(|(_, is_asked)| *is_asked).map(|(key, _)| *key).collect();
    if !asked.is_empty() {
        notes.push(format!("{name} is {format}, which has no use for {}", asked.join(", ")));
    }
}

/// Names separated by commas, the first ten of them.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = if names.len() > 10 { ", ..." } else { "" };
    names.take(10).collect::<Vec<_>>().join(", ") + more
}

/// Bytes of a line that is looked at for a delimiter.
const SEPARATOR_LINE: usize = 32;

/// Lines above the table: those to skip, and one that says the delimiter to a
/// spreadsheet (`sep=;`).
pub(super) struct Top {
    /// Where they end.
    pub end: usize,
    /// How many they are.
    pub lines: usize,
    /// The delimiter that they say.
    pub delimiter: Option<char>,
}

impl Top {
    pub fn of(text: &[u8], options: &ReadOptions, notes: &mut Vec<String>) -> Top {
        let mut top = Top { end: 0, lines: 0, delimiter: None };
        while top.lines < options.skip_rows && top.end < text.len() {
            top.next(text);
        }
        match top.lines {
            0 => {}
            1 => notes.push("line 1 left out, as configured (skip_rows)".into()),
            n => notes.push(format!("lines 1 to {n} left out, as configured (skip_rows)")),
        }
        let start = top.end;
        let mut behind = Top { ..top };
        behind.next(text);
        let line = text[start..behind.end].get(..SEPARATOR_LINE).unwrap_or(&text[start..behind.end]);
        let line = String::from_utf8_lossy(line).to_lowercase();
        let said = line.trim_end_matches(['\r', '\n']).trim_matches('"');
        let said = said.strip_prefix("sep=").filter(|said| !said.starts_with('"'));
        if let Some(delimiter) =
            said.and_then(|said| said.chars().next().filter(|_| said.trim_end_matches(',').len() <= 1))
        {
            notes.push(format!("line {} left out: it says the delimiter, {delimiter:?}", behind.lines));
            return Top { delimiter: Some(delimiter), ..behind };
        }
        top
    }

    /// Goes on by a line.
    fn next(&mut self, text: &[u8]) {
        let rest = &text[self.end..];
        let length = rest
            .iter()
            .position(|b| matches!(b, b'\n' | b'\r'))
            .map_or(rest.len(), |at| at + if rest[at..].starts_with(b"\r\n") { 2 } else { 1 });
        self.end += length;
        self.lines += 1;
    }
}

/// The names of the columns, each of its own.
pub(super) fn named(header: &[String], width: usize, notes: &mut Vec<String>) -> Vec<String> {
    let given: BTreeSet<&str> = header.iter().map(String::as_str).collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let (mut names, mut renamed) = (vec![], vec![]);
    for i in 0..width {
        let own = header.get(i).filter(|name| !name.is_empty()).cloned();
        let own = own.unwrap_or_else(|| format!("column{}", i + 1));
        let name = match seen.get(&own) {
            None => own.clone(),
            Some(_) => {
                let other = |name: &String| !given.contains(name.as_str()) && !seen.contains_key(name);
                (2..).map(|n| format!("{own}_{n}")).find(other).expect("numbers do not end")
            }
        };
        if name != own {
            renamed.push(format!(
                "columns {} and {} are both called \"{own}\": the later is called \"{name}\"",
                seen[&own] + 1,
                i + 1
            ));
        }
        seen.insert(name.clone(), i);
        names.push(name);
    }
    let more = renamed.len().saturating_sub(5);
    notes.extend(renamed.into_iter().take(5));
    notes.extend((more > 0).then(|| format!("{more} more columns are renamed for the same reason")));
    names
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
