//! The rows below `@data`: a line each, cells between commas, with quotes of either kind
//! around those that hold commas. A backslash in quotes makes a character of the next.

use super::super::body::Body;
use super::super::cells::Cells;
use super::super::layout::ReadOptions;
use super::super::row::Row;
use super::super::scan::lines_of;
use super::super::table::{Column, clip};
use super::quotes::quoted;
use super::types::{Attribute, Holds};
use crate::error::{Error, Result};

/// What stands for a missing cell.
const GAP: &str = "?";

/// The cells of a line, and whether each stands in quotes; `None` where a quote that begins
/// a cell does not end it.
fn cells(line: &str) -> Option<Vec<(String, bool)>> {
    let (mut rest, mut all) = (line.trim(), vec![]);
    loop {
        let behind = if rest.starts_with(['\'', '"']) {
            let (cell, behind) = quoted(rest)?;
            all.push((cell.trim().to_string(), true));
            behind.trim_start()
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            all.push((rest[..end].trim().to_string(), false));
            &rest[end..]
        };
        match behind.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if behind.is_empty() => return Some(all),
            None => return None,
        }
    }
}

/// The columns of the rows below `@data`, under these names, and the line in which each row
/// stands.
///
/// Fails when there is no row, one has more or fewer cells than there are columns, a date is
/// not as declared, and when all is more than memory is there for.
pub(in super::super) fn columns(
    body: &Body,
    attributes: &[Attribute],
    names: Vec<String>,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<(Vec<Column>, Vec<usize>)> {
    let (width, name) = (attributes.len(), body.name);
    let mut columns: Vec<Column> = names.into_iter().map(|name| Column::new(name, Cells::new())).collect();
    let (mut lines, mut odd, mut stray) = (vec![], vec![], 0);
    let (mut held, budget) = (body.held, crate::files::memory::budget());
    let gaps = options.missing_values.iter().any(|mark| mark == GAP);
    for (line, at, text) in
        lines_of(body.text, body.first_line).filter(|(_, _, text)| !text.trim_start().starts_with('%'))
    {
        let mut found = cells(text).unwrap_or_else(|| {
            odd.push(line);
            text.split(',').map(|cell| (cell.trim().to_string(), false)).collect()
        });
        while found.len() > width && found.last().is_some_and(|(cell, quoted)| cell.is_empty() && !quoted) {
            found.pop();
            stray += 1;
        }
        if found.len() != width {
            return Err(Error::data(format!(
                "{name}, line {line}: found {} cells; expected {width}, one for each @attribute",
                found.len()
            )));
        }
        let is_gap: Vec<bool> = found.iter().map(|(cell, quoted)| gaps && !quoted && cell == GAP).collect();
        let row = Row::new(at, line, width, width);
        body.judge(&row, found.iter().map(|(cell, _)| cell.as_str()), &mut held, budget)?;
        lines.push(line);
        for ((column, (cell, _)), is_gap) in columns.iter_mut().zip(&found).zip(is_gap) {
            column.cells.push((!cell.is_empty() && !is_gap).then_some(cell));
        }
    }
    if lines.is_empty() {
        return Err(Error::data(format!("{name} has no rows below @data; expected at least one")));
    }
    if let Some(line) = odd.first() {
        let more = if odd.len() > 1 { format!(", as in {} more lines", odd.len() - 1) } else { String::new() };
        notes.push(format!(
            "line {line}: a quote begins a cell and does not end it; it is read as a character of the cell{more}"
        ));
    }
    if stray > 0 {
        notes.push(format!("{stray} rows end in a delimiter more than there are columns; it is left out"));
    }
    for (column, attribute) in columns.iter_mut().zip(attributes) {
        declare(name, column, attribute, &lines, options, notes)?;
    }
    Ok((columns, lines))
}

/// Brings a column to what its type declares.
fn declare(
    name: &str,
    column: &mut Column,
    attribute: &Attribute,
    lines: &[usize],
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<()> {
    match &attribute.holds {
        Holds::Any => {}
        Holds::Values(values) => {
            let is_among = |all: &[String], cell: &str| all.iter().any(|value| value == cell);
            let is_other = |cell: &&str| !is_among(values, cell) && !is_among(&options.missing_values, cell);
            let cells = column.cells.iter().zip(lines);
            let others: Vec<(&str, usize)> =
                cells.filter_map(|(cell, &line)| Some((cell.filter(is_other)?, line))).collect();
            if let Some((first, line)) = others.first() {
                let n = others.len();
                let are = if n == 1 { "cell is" } else { "cells are" };
                let more = if n == 1 { "" } else { " first" };
                notes.push(format!(
                    "\"{}\": {n} {are} none of the values that @attribute declares (\"{}\" in line {line}{more}); \
                     taken for values",
                    column.name,
                    clip(first)
                ));
            }
            column.declared.clone_from(values);
        }
        Holds::Dates(pattern) => {
            let mut dates = Cells::new();
            for (cell, line) in column.cells.iter().zip(lines) {
                let is_gap = |c: &&str| options.missing_values.iter().any(|mark| mark == c);
                let Some(written) = cell.filter(|c| !is_gap(c)) else {
                    dates.push(cell);
                    continue;
                };
                let Some(date) = pattern.read(written) else {
                    return Err(Error::data(format!(
                        "{name}, line {line}: \"{}\" is no date as '{}', which @attribute {} declares",
                        clip(written),
                        pattern.declared,
                        attribute.name
                    )));
                };
                dates.push(Some(&date));
            }
            column.cells = dates;
            notes.push(format!(
                "\"{}\": its dates are read as the file declares them, '{}', and written year-month-day",
                column.name, pattern.declared
            ));
        }
    }
    Ok(())
}
