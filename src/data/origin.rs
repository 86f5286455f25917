//! Where samples come from, so that whoever reads of one can find it: which row
//! and line, which file, which place in an array. It goes along through splits,
//! folds and cleaning, for [`Dataset::select`](super::Dataset::select) takes it.

use super::table::{Column, Table};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Columns of a table whose cells are kept to be shown.
const COLUMNS: usize = 30;

/// Where a sample stands in its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// In a table.
    Row {
        /// The number of its row from 1, the header not counted.
        row: usize,
        /// The line of the file in which that row starts, from 1. Every line
        /// counts: the header, empty ones, and those within quoted cells.
        line: usize,
    },
    /// In a file of its own.
    File {
        /// The file's path, from the folder that was opened.
        file: String,
    },
    /// Among the other samples of a file or set.
    Index {
        /// Its number from 0, as NumPy counts.
        index: usize,
        /// What it is numbered in: the source and its split.
        of: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Place::Row { row, line } => write!(f, "row {row}, line {line}"),
            Place::File { file } => f.write_str(file),
            Place::Index { index, of } => write!(f, "index {index} of {of}"),
        }
    }
}

/// Where the samples of a set come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The number within the source of each sample; `None` while they stand as
    /// they do there.
    picked: Option<Vec<usize>>,
    /// What the samples were called before some of them were picked.
    of: Option<String>,
    source: Arc<Source>,
}

#[derive(Debug, PartialEq, Eq, Default)]
enum Source {
    /// Samples have a number and nothing else.
    #[default]
    Numbered,
    /// Each is a file.
    Files(Vec<String>),
    /// Each is a row: its number and its line.
    Rows(Vec<[usize; 2]>),
    /// Each is a row, of which the cells are known: the table, or a part of it,
    /// and the number of each of its rows.
    Table(Table, Vec<usize>),
    /// Each is a row of a table that stays in its file: its number from 0 and its line; and
    /// where its cells are, if they are to be shown.
    InFile(Vec<[u32; 2]>, Option<Shown>),
}

/// A table whose cells are looked up when they are needed.
pub trait CellsOfRows: Send + Sync {
    /// The columns and cells of a row, by its number from 0; nothing where they cannot be
    /// had.
    fn cells(&self, row: usize) -> Vec<(String, Option<String>)>;
}

#[derive(Clone)]
struct Shown(Arc<dyn CellsOfRows>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("cells of a table in its file")
    }
}

impl PartialEq for Shown {
    fn eq(&self, other: &Shown) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Shown {}

impl Origin {
    /// Samples that are files, by their paths.
    pub fn of_files(files: Vec<String>) -> Origin {
        Origin { source: Arc::new(Source::Files(files)), ..Origin::default() }
    }

    /// Samples that are these rows of a table, whose cells are not needed.
    pub fn of_rows(table: &Table, rows: impl IntoIterator<Item = usize>) -> Origin {
        let rows = rows.into_iter().map(|i| [i + 1, table.lines[i]]).collect();
        Origin { source: Arc::new(Source::Rows(rows)), ..Origin::default() }
    }

    /// Samples that are rows of a table that stays in its file: of each its number from 0 and
    /// its line.
    pub fn of_rows_in_file(rows: Vec<[u32; 2]>) -> Origin {
        Origin { source: Arc::new(Source::InFile(rows, None)), ..Origin::default() }
    }

    /// The same samples, rows of a table that stays in its file, with their cells.
    pub fn showing(&self, table: Arc<dyn CellsOfRows>) -> Origin {
        let Source::InFile(all, _) = &*self.source else { return self.clone() };
        let rows = match &self.picked {
            Some(picked) => picked.iter().map(|&i| all[i]).collect(),
            None => all.clone(),
        };
        Origin { source: Arc::new(Source::InFile(rows, Some(Shown(table)))), ..Origin::default() }
    }

    /// Samples that are these rows of a table, which is kept.
    pub fn of_table(table: Table, rows: Vec<usize>) -> Origin {
        let numbers = (1..=table.rows()).collect();
        Origin { picked: Some(rows), of: None, source: Arc::new(Source::Table(table, numbers)) }
    }

    /// The same samples, rows of this table, with the cells of those that are
    /// left: of a few rows held out, not of all that were read.
    pub fn with_cells(&self, table: &Table) -> Origin {
        let Source::Rows(all) = &*self.source else { return self.clone() };
        let numbers: Vec<usize> = match &self.picked {
            Some(picked) => picked.iter().map(|&i| all[i][0]).collect(),
            None => all.iter().map(|[row, _]| *row).collect(),
        };
        let cells = |c: &Column| numbers.iter().map(|n| c.cells.at(n - 1)).collect();
        let part = Table {
            name: table.name.clone(),
            columns: table.columns.iter().take(COLUMNS).map(|c| Column::new(c.name.clone(), cells(c))).collect(),
            lines: numbers.iter().map(|n| table.lines[n - 1]).collect(),
            has_header: table.has_header,
            delimiter: table.delimiter,
            decimal: table.decimal,
            notes: vec![],
            kept: table.kept.clone(),
        };
        Origin { source: Arc::new(Source::Table(part, numbers)), ..Origin::default() }
    }

    /// The origin of some of the samples; `name` is what the set is called.
    pub fn select(&self, name: &str, rows: &[usize]) -> Origin {
        let picked = rows.iter().map(|&i| self.number(i)).collect();
        let of = self.of.clone().unwrap_or_else(|| name.into());
        Origin { picked: Some(picked), of: Some(of), source: self.source.clone() }
    }

    fn number(&self, i: usize) -> usize {
        self.picked.as_ref().map_or(i, |picked| picked[i])
    }

    /// Where sample `i` of a set of this name stands.
    pub(super) fn place(&self, name: &str, i: usize) -> Place {
        let index = self.number(i);
        match &*self.source {
            Source::Numbered => Place::Index { index, of: self.of.clone().unwrap_or_else(|| name.into()) },
            Source::Files(files) => Place::File { file: files[index].clone() },
            Source::Rows(rows) => Place::Row { row: rows[index][0], line: rows[index][1] },
            Source::Table(table, numbers) => Place::Row { row: numbers[index], line: table.lines[index] },
            Source::InFile(rows, _) => Place::Row { row: rows[index][0] as usize + 1, line: rows[index][1] as usize },
        }
    }

    /// The columns and cells of sample `i`, the first [`COLUMNS`], as the file
    /// has them; a cell that is missing is `None`.
    pub(super) fn cells(&self, i: usize) -> Vec<(String, Option<String>)> {
        let row = self.number(i);
        let table = match &*self.source {
            Source::Table(table, _) => table,
            Source::InFile(rows, Some(Shown(file))) => {
                let mut cells = file.cells(rows[row][0] as usize);
                cells.truncate(COLUMNS);
                return cells;
            }
            _ => return vec![],
        };
        table.columns.iter().take(COLUMNS).map(|c| (c.name.clone(), c.cells.to_owned_at(row))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::ReadOptions;
    use super::super::{Dataset, Samples, Targets};
    use super::*;

    fn set(n: usize, origin: Origin) -> Dataset {
        let targets = Targets::Classes { labels: vec![0; n], names: vec!["a".into()] };
        Dataset {
            name: "set train".into(),
            shape: vec![1],
            samples: Samples::Floats(vec![0.0; n].into()),
            targets,
            origin,
        }
    }

    #[test]
    fn a_sample_is_found_after_any_number_of_selections() {
        let mut part = set(9, Origin::default()).select(&[8, 5, 2]);
        part.name = "set (held out)".into();
        let index = |index| Place::Index { index, of: "set train".into() };
        assert_eq!([part.place(0), part.place(2)], [index(8), index(2)]);
        assert_eq!(part.select(&[1, 1]).place(1), index(5));
        let files = Origin::of_files((0..9).map(|i| format!("{i}.png")).collect());
        assert_eq!(set(9, files).select(&[7, 3]).select(&[1]).place(0).to_string(), "3.png");
        assert_eq!(set(9, Origin::default()).place(4), index(4));
    }

    #[test]
    fn rows_know_their_lines_and_their_cells() {
        let text = b"name,n\n\"one\ntwo\",1\n\nb,NA\nc,3\n";
        let table = Table::parse("t.csv", text, &ReadOptions::default()).unwrap();
        let whole = set(2, Origin::of_rows(&table, [0, 2])).select(&[1, 0]);
        assert_eq!(whole.place(0), Place::Row { row: 3, line: 6 });
        assert_eq!(whole.place(1).to_string(), "row 1, line 2");
        assert!(whole.cells(0).is_empty());
        let known = Dataset { origin: whole.origin.with_cells(&table), ..whole.clone() };
        let cell = |name: &str, text: &str| (name.to_string(), Some(text.to_string()));
        assert_eq!(known.cells(0), [cell("name", "c"), cell("n", "3")]);
        assert_eq!((known.place(0), known.place(1)), (whole.place(0), whole.place(1)));
        let kept = set(1, Origin::of_table(table, vec![1]));
        assert_eq!(kept.cells(0), [cell("name", "b"), ("n".to_string(), None)]);
        assert_eq!(kept.place(0), Place::Row { row: 2, line: 5 });
    }
}
