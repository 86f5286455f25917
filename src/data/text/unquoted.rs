//! Tables of tabs in which a quote is just a quote.
//!
//! Collections of messages are often a label, a tab and the message as it was
//! typed. Read as CSV, a message that begins with a quote swallows the lines
//! behind it. Where every line has the same number of tabs, and reading with
//! quotes fails or gives fewer rows than there are lines, the lines are right.

use super::super::bytes::Source;
use super::super::table::{Column, Header, ReadOptions, Table};
use crate::error::Result;
use std::path::Path;

/// Reads a file line by line, if that is what it needs; `quoted` is what
/// reading it with quotes has given.
///
/// Fails when the file cannot be read.
pub fn read(path: &Path, options: &ReadOptions, quoted: Option<&Table>) -> Result<Option<Table>> {
    if options.delimiter.is_some_and(|d| d != '\t') || quoted.is_some_and(|t| t.delimiter != '\t') {
        return Ok(None);
    }
    let bytes = Source::open(path)?.rest()?;
    let Ok(text) = str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)) else { return Ok(None) };
    let lines: Vec<(usize, Vec<&str>)> = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| (number, line.split('\t').map(str::trim).collect()))
        .collect();
    let width = lines.first().map_or(0, |(_, cells)| cells.len());
    let rows = quoted.map(|t| t.rows() + usize::from(t.has_header));
    if width < 2 || lines.iter().any(|(_, cells)| cells.len() != width) || rows == Some(lines.len()) {
        return Ok(None);
    }
    Ok(Some(table(path, options, lines, width, quoted)))
}

fn table(path: &Path, options: &ReadOptions, lines: Vec<(usize, Vec<&str>)>, width: usize, quoted: Option<&Table>) -> Table {
    let first = &lines[0].1;
    let distinct = (0..width).all(|i| !first[i].is_empty() && !first[..i].contains(&first[i]));
    // A header is a line of names that do not occur below it.
    let names_columns = || (0..width).all(|i| lines[1..].iter().all(|(_, cells)| cells[i] != first[i]));
    let short = || first.iter().all(|cell| cell.split_whitespace().count() <= 3);
    let has_header = distinct
        && lines.len() > 1
        && match options.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto => quoted.map_or_else(|| short() && names_columns(), |t| t.has_header),
        };
    let name = |i: usize| if has_header { first[i].to_string() } else { format!("column{}", i + 1) };
    let rows = &lines[usize::from(has_header)..];
    let cell = |cells: &Vec<&str>, i: usize| (!cells[i].is_empty()).then(|| cells[i].to_string());
    let columns =
        (0..width).map(|i| Column { name: name(i), cells: rows.iter().map(|(_, c)| cell(c, i)).collect() }).collect();
    let lines = rows.iter().map(|(number, _)| *number).collect();
    Table { name: path.display().to_string(), columns, lines, has_header, delimiter: '\t' }
}
