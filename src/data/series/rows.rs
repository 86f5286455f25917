//! From a table to its series: rows are brought into the order of time, gaps filled,
//! and what was done is said.

use super::super::grouping::{by_group, group_of};
use super::super::table::{Column, Learned, Marks, Table, rewritten};
use super::Duplicates;
use super::column::{NumberColumn, Wanted};
use super::columns::Columns;
use super::dated::Dated;
use super::series::{Panel, Series, Values, some};
use crate::error::{Context, Error, Result};
use crate::terminal::shortened;

impl Panel {
    /// Reads these columns of a table, as [`read_wanted`](Panel::read_wanted) does.
    pub(super) fn read(table: &Table, columns: &Columns, duplicates: Duplicates) -> Result<Panel> {
        let numbers = columns.numbers();
        let (date, group) = (columns.date.as_ref(), &columns.group[..]);
        Panel::read_wanted(table, &Wanted { date, group, duplicates, numbers: &numbers })
    }

    /// Reads columns of a table. The rows of each series are brought into the order of
    /// their dates. A missing number, or a cell that is none, has the number before it;
    /// rows before the first that has all numbers are left out.
    ///
    /// Fails when a column is not there or holds no number, a number is
    /// infinite, a date is missing, unreadable, or there twice in a series and nothing
    /// says what becomes of it.
    pub(super) fn read_wanted(table: &Table, wanted: &Wanted) -> Result<Panel> {
        let mut notes = table.notes.clone();
        let dated = wanted.date.map(|d| Dated::read(table, d)).transpose()?;
        let numbers = as_written(table, wanted.numbers, &mut notes)?;
        let columns = numbers.iter().map(|n| read_numbers(table, n)).collect::<Result<Vec<_>>>()?;
        let places = wanted.group.iter().map(|name| table.find(name)).collect::<Result<Vec<_>>>()?;
        let groups = by_group(table, &places);
        let mut said = Said { gaps: vec![vec![]; columns.len()], ..Said::of(table) };
        said.alone = table.all_rows().into_iter().filter(|&row| group_of(table, &places, row).is_none()).collect();
        if groups.is_empty() {
            return Err(Error::data(format!(
                "{}: no row has a value in {}; expected a column that tells series apart",
                table.name,
                quoted(wanted.group)
            )));
        }
        let mut order = groups;
        if let Some(dated) = &dated {
            said.sorted = order.iter_mut().filter_map(|rows| dated.sort(rows)).collect();
            if wanted.duplicates == Duplicates::Error {
                dated.check_once(table, &order, wanted)?;
            }
        }
        let mut series = vec![];
        for rows in order {
            let group = group_of(table, &places, rows[0]).unwrap_or_default();
            let same = |a: &usize, b: &usize| dated.as_ref().is_some_and(|d| d.dates[*a] == d.dates[*b]);
            let once: Vec<&[usize]> = rows.chunk_by(same).collect();
            said.twice.extend(once.iter().filter(|rows| rows.len() > 1).map(|rows| rows[0]));
            let cells: Vec<Vec<Option<f64>>> =
                columns.iter().map(|c| once.iter().map(|rows| c.number(rows, wanted.duplicates)).collect()).collect();
            let first = |cells: &Vec<Option<f64>>| cells.iter().position(Option::is_some).unwrap_or(cells.len());
            let start = cells.iter().map(first).max().unwrap_or(0);
            if start > 0 {
                let late = columns.iter().zip(&cells).max_by_key(|(_, cells)| first(cells));
                said.leading.push((start, late.map_or("", |(c, _)| c.name.as_str()).to_string()));
            }
            let rows: Vec<usize> = once[start..].iter().map(|rows| rows[0]).collect();
            if rows.is_empty() {
                said.empty.push(group.join(", "));
                continue;
            }
            let mut filled = columns.iter().zip(cells).zip(&mut said.gaps);
            let columns = filled.by_ref().map(|((c, cells), gaps)| c.without_gaps(cells, start, &rows, gaps)).collect();
            let label = |&row: &usize| match &dated {
                Some(dated) => dated.cells[row].clone(),
                None => (row + 1).to_string(),
            };
            series.push(Series {
                group,
                labels: rows.iter().map(label).collect(),
                format: dated.as_ref().map(|d| d.format.clone()),
                dates: dated.as_ref().map(|d| rows.iter().map(|&row| d.dates[row]).collect()),
                rows,
                columns,
            });
        }
        said.lines(dated.as_ref(), &columns, wanted, &mut notes);
        if series.is_empty() {
            return Err(Error::data(format!(
                "no group of {} by {} has a row with all numbers that are looked at",
                table.name,
                quoted(wanted.group)
            )));
        }
        Ok(Panel { name: table.name.clone(), by: wanted.group.to_vec(), series, notes })
    }
}

/// Names in quotes.
fn quoted(names: &[String]) -> String {
    names.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ")
}

/// What was done to the rows of all series, to be said once.
struct Said<'a> {
    table: &'a Table,
    /// Whether the newest row came first, of series that were not in order.
    sorted: Vec<bool>,
    /// Rows whose date others have too.
    twice: Vec<usize>,
    /// Rows left out at the beginning, and the column that has no number there.
    leading: Vec<(usize, String)>,
    /// Per column the rows without a number.
    gaps: Vec<Vec<usize>>,
    /// Groups without a number.
    empty: Vec<String>,
    /// Rows of no group.
    alone: Vec<usize>,
}

impl<'a> Said<'a> {
    fn of(table: &'a Table) -> Said<'a> {
        Said { table, sorted: vec![], twice: vec![], leading: vec![], gaps: vec![], empty: vec![], alone: vec![] }
    }

    fn lines_of(&self, rows: &[usize]) -> String {
        let lines: Vec<usize> = rows.iter().map(|&row| self.table.lines[row]).collect();
        format!("line{} {}", if lines.len() == 1 { "" } else { "s" }, some(&lines))
    }

    fn lines(&self, dated: Option<&Dated>, columns: &[Gappy], wanted: &Wanted, notes: &mut Vec<String>) {
        let name = &self.table.name;
        let s = |n: usize| if n == 1 { "" } else { "s" };
        if !self.alone.is_empty() {
            notes.push(format!(
                "{name}: {} row{} left out: no value in {} ({})",
                self.alone.len(),
                s(self.alone.len()),
                quoted(wanted.group),
                self.lines_of(&self.alone)
            ));
        }
        if let Some(dated) = dated {
            if dated.in_utc {
                notes.push(format!("{name}: dates are compared in UTC, because their offsets differ"));
            }
            if !self.sorted.is_empty() {
                let newest = self.sorted.iter().all(|newest| *newest);
                let how = if newest { "the newest row came first" } else { "they were not" };
                notes.push(format!("{name}: rows are sorted by \"{}\": {how}", dated.name));
            }
            if !self.twice.is_empty() {
                let (n, how) = (self.twice.len(), wanted.duplicates);
                let how = if how == Duplicates::Mean { "their mean is taken" } else { "the first is taken" };
                notes.push(format!(
                    "{name}: {n} date{} in several rows, of which {how} ({}), as configured",
                    s(n),
                    self.lines_of(&self.twice)
                ));
            }
        }
        match &self.leading[..] {
            [] => {}
            [(start, late)] if wanted.group.is_empty() => {
                notes.push(format!("{name}: the first {start} rows are left out: \"{late}\" has no number in them"));
            }
            all => notes.push(format!(
                "{name}: the first rows of {} groups are left out, {} in all: some column has no number in them",
                all.len(),
                all.iter().map(|(n, _)| n).sum::<usize>()
            )),
        }
        if !self.empty.is_empty() {
            let n = self.empty.len();
            notes.push(format!(
                "{name}: {n} group{} left out: some column has no number in any row: {}",
                s(n),
                some(&self.empty)
            ));
        }
        for (column, gaps) in columns.iter().zip(&self.gaps) {
            let n = gaps.len();
            if n > 0 {
                notes.push(format!(
                    "{name}: {}: {n} missing value{} ({}) filled with the value before; they are not forecast",
                    column.name,
                    s(n),
                    self.lines_of(gaps)
                ));
            }
            if let Some((text, line)) = column.odd.first() {
                let n = column.odd.len();
                notes.push(format!(
                    "{name}: {}: {n} cell{} no number, counted as missing: \"{text}\" (line {line})",
                    column.name,
                    s(n)
                ));
            }
        }
    }
}

/// The numbers of a column, row by row of the table.
struct Gappy {
    name: String,
    cells: Vec<Option<f64>>,
    /// A cell that is no number and its line.
    odd: Vec<(String, usize)>,
}

/// Columns as this table writes their numbers: another file may have decimal commas.
///
/// Fails where numbers may mean either of two things.
fn as_written(table: &Table, wanted: &[NumberColumn], notes: &mut Vec<String>) -> Result<Vec<NumberColumn>> {
    let cells = |name: &str| {
        let column = table.column(name);
        column.map_or(vec![], |c| c.cells.present().collect::<Vec<_>>())
    };
    let learned: Vec<Option<Learned>> = wanted.iter().map(|n| Some(n.learned())).collect();
    let marks = Marks::of(&learned, &cells);
    let one = |(i, wanted): (usize, &NumberColumn)| {
        let found = rewritten(&wanted.learned(), marks.mark(i), &cells(&wanted.name));
        let (format, said) = found.map_err(|found| {
            Error::data(format!(
                "column \"{}\" of {}: {found}; expected them written as in the rows of training",
                wanted.name, table.name
            ))
        })?;
        notes.extend(said.iter().map(|note| format!("{}: {}: {note}", table.name, wanted.name)));
        Ok(NumberColumn { format, ..wanted.clone() })
    };
    wanted.iter().enumerate().map(one).collect()
}

impl NumberColumn {
    fn learned(&self) -> Learned<'_> {
        Learned { name: &self.name, format: &self.format, range: self.range }
    }
}

fn read_numbers(table: &Table, wanted: &NumberColumn) -> Result<Gappy> {
    let column: &Column = table.column(&wanted.name).context(|| format!("reading the series {}", table.name))?;
    let (mut cells, mut odd) = (Vec::with_capacity(column.cells.len()), vec![]);
    for (cell, &line) in column.cells.iter().zip(&table.lines) {
        let number = cell.and_then(|text| {
            let number = wanted.format.parse(text).map(|x| x - wanted.centre);
            if number.is_none() {
                odd.push((shortened(text, 40).into_owned(), line));
            }
            number
        });
        if number.is_some_and(|x| !x.is_finite()) {
            return Err(Error::data(format!(
                "{}, line {line}: \"{}\" is \"{}\"; expected a finite number below 3.4e38, or an empty cell where it is \
                 missing",
                table.name,
                wanted.name,
                cell.unwrap_or_default()
            )));
        }
        cells.push(number);
    }
    if cells.iter().all(Option::is_none) {
        return Err(Error::data(format!(
            "\"{}\" of {} holds no number in {} rows; expected numbers",
            wanted.name,
            table.name,
            cells.len()
        )));
    }
    Ok(Gappy { name: wanted.name.clone(), cells, odd })
}

impl Gappy {
    /// The number of some rows that are one.
    fn number(&self, rows: &[usize], duplicates: Duplicates) -> Option<f64> {
        match (rows, duplicates) {
            ([one], _) => self.cells[*one],
            (rows, Duplicates::Mean) => {
                let there: Vec<f64> = rows.iter().filter_map(|&row| self.cells[row]).collect();
                (!there.is_empty()).then(|| there.iter().sum::<f64>() / there.len() as f64)
            }
            (rows, _) => self.cells[rows[0]],
        }
    }

    /// The numbers of a series from place `start` on, where every gap has the number
    /// before it; `rows` are those from there on, and those of the gaps go to `gaps`.
    fn without_gaps(&self, cells: Vec<Option<f64>>, start: usize, rows: &[usize], gaps: &mut Vec<usize>) -> Values {
        let mut last = cells[..=start].iter().flatten().last().copied().unwrap_or(0.0);
        let (mut values, mut filled) = (vec![], vec![]);
        for (cell, &row) in cells[start..].iter().zip(rows) {
            last = cell.unwrap_or(last);
            values.push(last);
            filled.push(cell.is_none());
            gaps.extend(cell.is_none().then_some(row));
        }
        Values { name: self.name.clone(), values, filled }
    }
}
