//! Records of JSON as a table: an array of objects, an object a line, one object of
//! arrays that are columns, or one as pandas writes it ([`oriented`]).
//!
//! Columns are the union of the keys in the order in which they first appear; objects
//! in a record become columns with a dot in their names. Numbers stay as they are
//! written.

mod oriented;
mod raw;

use super::body::{LONGEST_CELL, MOST_COLUMNS};
use super::cells::Cells;
use super::scan::breaks;
use super::table::Column;
use crate::error::{Error, Result};
use crate::files::memory;
use raw::{compact, end_of_string};
use std::borrow::Cow;
use std::collections::HashMap;

/// Endings of files of records.
pub(in crate::data) const RECORDS: [&str; 4] = [".json", ".jsonl", ".ndjson", ".geojson"];
/// Objects within objects.
const DEPTH: usize = 32;
/// What the records should have been.
const EXPECTED: &str = "an array of objects, an object a line, or one object of arrays of equal length or, as pandas \
                        writes it, of objects by row or by column";

/// Whether some text is records: by the name of its file, or because it begins so.
pub(super) fn is_json(name: &str, text: &[u8]) -> bool {
    let name = name.to_lowercase();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    RECORDS.iter().any(|ending| stem.ends_with(ending)) || begins_records(text)
}

/// Whether some text begins as an object, or as an array of them, does: `{"a":`.
pub(in crate::data) fn begins_records(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let start = start.strip_prefix(b"[").unwrap_or(start).trim_ascii_start();
    let Some(key) = start.strip_prefix(b"{").and_then(|rest| rest.trim_ascii_start().strip_prefix(b"\"")) else {
        return false;
    };
    let end = key.iter().position(|&b| b == b'"' || b == b'\n');
    end.is_some_and(|end| key[end] == b'"' && key[end + 1..].trim_ascii_start().starts_with(b":"))
}

/// The columns and where each row begins: the line of the text, from 1.
pub(super) struct Records {
    pub columns: Vec<Column>,
    pub lines: Vec<usize>,
}

/// Reads records; `held` bytes are in memory already. What to know is added to `notes`.
///
/// Fails where the text is no JSON or no records, naming record and line, and where all
/// is more than the budget of memory.
pub(super) fn read(name: &str, text: &str, held: u64, notes: &mut Vec<String>) -> Result<Records> {
    let rows = Rows { held, budget: memory::budget(), ..Rows::default() };
    let mut reader = Reader { name, text, at: 0, counted: (0, 1), rows };
    reader.all(notes)?;
    let Rows { mut columns, lines, arrays, nans, .. } = reader.rows;
    if columns.is_empty() {
        return Err(Error::data(format!("{name} holds no record with a key; expected {EXPECTED}")));
    }
    for (column, n) in columns.iter_mut().zip(arrays) {
        column.cells.pad(lines.len());
        if n > 0 {
            notes.push(format!(
                "{}: {n} {} kept as text",
                column.name,
                if n == 1 { "cell is an array," } else { "cells are arrays," }
            ));
        }
    }
    if nans > 0 {
        notes.push(format!("{nans} times NaN, which JSON does not know, counts as missing"));
    }
    Ok(Records { columns, lines })
}

/// The cells that were read.
#[derive(Default)]
struct Rows {
    columns: Vec<Column>,
    places: HashMap<String, usize>,
    /// Per column how many cells are arrays.
    arrays: Vec<usize>,
    lines: Vec<usize>,
    /// Numbers that are none.
    nans: usize,
    held: u64,
    budget: u64,
}

/// What a cell may be.
enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Array(String),
    /// Cells of its own, and where it begins.
    Object(usize),
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    at: usize,
    /// Bytes whose line breaks are counted, and their lines.
    counted: (usize, usize),
    rows: Rows,
}

impl<'a> Reader<'a> {
    fn all(&mut self, notes: &mut Vec<String>) -> Result<()> {
        match self.next() {
            Some(b'[') => self.array()?,
            // What is broken is told by its record.
            Some(b'{') if self.skip().is_err() || self.next().is_some() => self.lines()?,
            Some(b'{') => self.single(notes)?,
            None => return Err(Error::data(format!("{} is empty; expected JSON: {EXPECTED}", self.name))),
            Some(_) => return Err(self.fails(EXPECTED)),
        }
        match self.next() {
            None => Ok(()),
            Some(_) => Err(self.fails("nothing behind the records")),
        }
    }

    /// Records in brackets, from the one that opens.
    fn array(&mut self) -> Result<()> {
        self.at += 1;
        if self.next() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.next();
            self.record()?;
            if !self.goes_on(b']')? {
                return Ok(());
            }
        }
    }

    /// Records behind one another.
    fn lines(&mut self) -> Result<()> {
        self.at = 0;
        while self.next().is_some() {
            self.record()?;
        }
        Ok(())
    }

    fn record(&mut self) -> Result<()> {
        self.begins(self.at);
        match self.next() {
            Some(b'{') => self.object("", 0),
            _ => Err(self.fails(&format!("an object: {EXPECTED}"))),
        }
    }

    /// One object: columns, records under a key, or a record.
    fn single(&mut self, notes: &mut Vec<String>) -> Result<()> {
        let entries = self.entries()?;
        let starts = |at: usize, with: u8| self.text.as_bytes()[at] == with;
        let holds_records = |at: usize| starts(at, b'[') && self.text[at + 1..].trim_start().starts_with('{');
        let records: Vec<&(String, usize)> = entries.iter().filter(|(_, at)| holds_records(*at)).collect();
        if let [(key, at)] = records[..] {
            let others: Vec<&str> = entries.iter().map(|(k, _)| k.as_str()).filter(|k| k != key).take(6).collect();
            let others =
                if others.is_empty() { String::new() } else { format!("; left out beside it: {}", others.join(", ")) };
            notes.push(format!("the records are those of \"{key}\"{others}"));
            let end = self.at;
            self.at = *at;
            self.array()?;
            self.at = end;
            return Ok(());
        }
        if self.split(&entries, notes)? {
            return Ok(());
        }
        let all = |with: u8| !entries.is_empty() && entries.iter().all(|(_, at)| starts(*at, with));
        if all(b'[') {
            return self.columns(entries, b']');
        }
        if all(b'{') && self.oriented(&entries, notes)? {
            return Ok(());
        }
        self.at = 0;
        self.next();
        self.record()
    }

    /// The keys of the object that begins the text, and where their values begin; goes
    /// on behind it.
    fn entries(&mut self) -> Result<Vec<(String, usize)>> {
        self.at = 0;
        self.next();
        self.keys()
    }

    fn keys(&mut self) -> Result<Vec<(String, usize)>> {
        let mut all = vec![];
        self.at += 1;
        if self.next() == Some(b'}') {
            self.at += 1;
            return Ok(all);
        }
        loop {
            let key = self.key()?.into_owned();
            self.next();
            all.push((key, self.at));
            self.skip()?;
            if !self.goes_on(b'}')? {
                return Ok(all);
            }
        }
    }

    /// Columns that stand whole, one behind the other, row by row.
    fn columns(&mut self, mut entries: Vec<(String, usize)>, end: u8) -> Result<()> {
        let behind = self.at;
        for (_, at) in &mut entries {
            *at += 1;
        }
        loop {
            let mut ended = vec![];
            for (i, (key, at)) in entries.iter_mut().enumerate() {
                self.at = *at;
                if self.next() == Some(end) {
                    ended.push(key.clone());
                    continue;
                }
                if i == 0 {
                    self.begins(self.at);
                } else if !ended.is_empty() {
                    break;
                }
                if end == b'}' {
                    self.key()?;
                    self.next();
                }
                let value = self.value()?;
                self.put(key, value, 0)?;
                // What closes stays for the next turn.
                if self.next() == Some(b',') {
                    self.at += 1;
                } else if self.next() != Some(end) {
                    return Err(self.fails(&format!("a comma or {:?}", char::from(end))));
                }
                *at = self.at;
            }
            match ended.len() {
                0 => {}
                n if n == entries.len() => break,
                _ => {
                    return Err(Error::data(format!(
                        "{}: its arrays are of different length (\"{}\" is shorter than others); expected {EXPECTED}",
                        self.name, ended[0]
                    )));
                }
            }
        }
        self.at = behind;
        Ok(())
    }

    /// A row begins at this byte.
    fn begins(&mut self, at: usize) {
        let (counted, lines) = self.counted;
        self.counted = (at, lines + breaks(&self.text.as_bytes()[counted.min(at)..at]));
        self.rows.lines.push(self.counted.1);
    }

    /// The cells of an object, from its brace.
    fn object(&mut self, within: &str, depth: usize) -> Result<()> {
        if depth > DEPTH {
            return Err(self.fault("objects lie too deep in one another", &format!("at most {DEPTH}")));
        }
        self.at += 1;
        if self.next() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key = self.key()?;
            let key = key.trim();
            let path = if within.is_empty() { key.to_string() } else { format!("{within}.{key}") };
            let value = self.value()?;
            self.put(&path, value, depth)?;
            if !self.goes_on(b'}')? {
                return Ok(());
            }
        }
    }

    /// Puts a value under a name into the latest row.
    fn put(&mut self, name: &str, value: Value, depth: usize) -> Result<()> {
        let is_array = matches!(value, Value::Array(_));
        let cell = match value {
            Value::Object(at) => {
                self.at = at;
                return self.object(name, depth + 1);
            }
            Value::Null => None,
            Value::Text(text) => Some(text.trim().to_string()).filter(|t| !t.is_empty()),
            Value::Array(text) => Some(text),
        };
        let (row, rows) = (self.rows.lines.len() - 1, &mut self.rows);
        let place = rows.places.get(name).copied().unwrap_or_else(|| {
            rows.places.insert(name.into(), rows.columns.len());
            rows.columns.push(Column::new(name, Cells::new()));
            rows.arrays.push(0);
            rows.columns.len() - 1
        });
        let cells = &mut rows.columns[place].cells;
        if cells.len() > row {
            return Err(self.fault(&format!("the key \"{name}\" comes twice"), "each key once"));
        }
        let length = cell.as_ref().map_or(0, String::len);
        if length > LONGEST_CELL {
            let found = format!("the value of \"{name}\" has {length} bytes");
            return Err(self.fault(&found, &format!("at most {LONGEST_CELL}")));
        }
        rows.held += length as u64;
        cells.pad(row);
        cells.push(cell.as_deref());
        rows.arrays[place] += usize::from(is_array);
        if rows.columns.len() > MOST_COLUMNS {
            return Err(self.fault("its keys are more than columns may be", &format!("at most {MOST_COLUMNS}")));
        }
        // A column takes its place in all rows, also in those that lack it.
        let places = Cells::beside_text(self.rows.columns.len() * (row + 1));
        let budget = self.rows.budget;
        if self.rows.held + places > budget {
            let cells = format!("more than {} (its text and its cells, by record {})", memory::size(budget), row + 1);
            return Err(memory::too_much(&self.name, &cells, budget));
        }
        Ok(())
    }

    /// The value that comes next; of an object where it begins.
    fn value(&mut self) -> Result<Value<'a>> {
        match self.next() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{') => Ok(Value::Object(self.at)),
            Some(b'[') => {
                let start = self.at;
                self.skip()?;
                Ok(Value::Array(compact(&self.text[start..self.at])))
            }
            Some(_) => self.word(),
            None => Err(self.fails("a value")),
        }
    }

    /// A number, `true`, `false`, `null`.
    fn word(&mut self) -> Result<Value<'a>> {
        let rest = &self.text[self.at..];
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
        let word = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        let value = match word {
            "null" => Value::Null,
            "true" | "false" => Value::Text(word.into()),
            "NaN" => {
                self.rows.nans += 1;
                Value::Null
            }
            "Infinity" => Value::Text("inf".into()),
            "-Infinity" => Value::Text("-inf".into()),
            number if number.ends_with(|c: char| c.is_ascii_digit()) && number.parse::<f64>().is_ok() => {
                Value::Text(number.into())
            }
            "None" | "True" | "False" => return Err(self.fails("JSON (in Python, json.dumps writes it)")),
            _ => return Err(self.fails("a value: a number, a string in double quotes, true, false or null")),
        };
        self.at += word.len();
        Ok(value)
    }

    /// A key and the colon behind it.
    fn key(&mut self) -> Result<Cow<'a, str>> {
        if self.next() != Some(b'"') {
            return Err(self.fails("a key in double quotes"));
        }
        let key = self.string()?;
        if self.next() != Some(b':') {
            return Err(self.fails("a colon behind the key"));
        }
        self.at += 1;
        Ok(key)
    }

    /// A string, from its quote.
    fn string(&mut self) -> Result<Cow<'a, str>> {
        let start = self.at;
        let end = end_of_string(self.text.as_bytes(), start).ok_or_else(|| {
            self.fault("a string is not closed in its line", "a double quote at its end, and \\n for a line break")
        })?;
        self.at = end;
        let inner = &self.text[start + 1..end - 1];
        if !inner.contains('\\') {
            return Ok(inner.into());
        }
        match serde_json::from_str::<String>(&self.text[start..end].replace('\t', "\\t")) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(self.fault("a string holds a backslash that is no escape", "\\\\ for a backslash")),
        }
    }

    /// Passes over a value.
    fn skip(&mut self) -> Result<()> {
        let mut open = vec![];
        loop {
            match self.next() {
                None => return Err(self.fails("the end of an object or array")),
                Some(b'"') => {
                    self.string()?;
                }
                Some(b @ (b'{' | b'[')) => {
                    open.push(if b == b'{' { b'}' } else { b']' });
                    self.at += 1;
                }
                Some(b @ (b'}' | b']')) => {
                    if open.pop() != Some(b) {
                        return Err(self.fails("brackets in pairs"));
                    }
                    self.at += 1;
                }
                Some(b',' | b':') if !open.is_empty() => self.at += 1,
                Some(_) => {
                    let nans = self.rows.nans;
                    self.word()?;
                    self.rows.nans = nans;
                }
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    /// Whether a comma and another entry come, or the end.
    fn goes_on(&mut self, end: u8) -> Result<bool> {
        let found = self.next();
        if found != Some(b',') && found != Some(end) {
            return Err(self.fails(&format!("a comma or {:?}", char::from(end))));
        }
        self.at += 1;
        if found == Some(b',') && self.next() == Some(end) {
            return Err(self.fails("another entry behind the comma"));
        }
        Ok(found == Some(b','))
    }

    /// The next byte that is no blank.
    fn next(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// The error for what stands here.
    fn fails(&self, expected: &str) -> Error {
        let found: String = self.text[self.at..].chars().take(20).collect();
        let found = if found.is_empty() { "the end of the text".into() } else { format!("{found:?}") };
        self.fault(&format!("found {found}"), expected)
    }

    /// The error for something in the latest record.
    fn fault(&self, found: &str, expected: &str) -> Error {
        let line = 1 + breaks(&self.text.as_bytes()[..self.at]);
        let record = match self.rows.lines.len() {
            0 => String::new(),
            n => format!("record {n}, "),
        };
        Error::data(format!("{}, {record}line {line}: {found}; expected {expected}", self.name))
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
