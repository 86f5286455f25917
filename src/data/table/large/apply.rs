//! Rows of a large table as samples: their features are made piece by piece, and lie in a
//! passing file.

use super::super::apply::Features;
use super::super::fitted::Fitted;
use super::super::restyle::Restyled;
use super::super::table::Table;
use super::super::target::Answer;
use super::tally::Tally;
use super::{LargeTable, workers};
use crate::data::{Dataset, Elements, Origin, ReadSamples, Samples, Store};
use crate::error::{Context, Error, Result};
use crate::files::{Passing, RowFile, room};
use rayon::prelude::*;
use std::ops::Range;

/// Rows of which features are made.
pub struct Wanted<'a> {
    /// The rows, ascending.
    pub rows: &'a [usize],
    /// What messages call them.
    pub name: String,
    /// Whether all was learned from them: they are written as it says.
    pub own: bool,
}

/// Rows as samples.
pub struct Encoded {
    /// The features, in a passing file, with their targets.
    pub dataset: Dataset,
    /// What was dropped and changed, for people.
    pub lines: Vec<String>,
    /// The number of rows that cannot be used.
    pub dropped: usize,
}

impl LargeTable {
    /// Rows as data sets of what was learned, all in one pass over the file.
    ///
    /// Fails when a column is not there, when no row of a set can be used, when the file
    /// was written to meanwhile, and when the disk has no room for the features.
    pub fn encode(&self, fitted: &Fitted, wanted: &[Wanted], store: &Store) -> Result<Vec<Encoded>> {
        let width = fitted.features.len();
        let folder = store.passing();
        let all: usize = wanted.iter().map(|set| set.rows.len()).sum();
        let needed = all as u64 * 4 * width as u64;
        room::check(&folder, needed, &format!("{}: {all} rows as {width} features each", self.name()))?;
        let mut sets = vec![];
        for set in wanted {
            let style = match set.own {
                true => Restyled::none(fitted),
                false => {
                    let mut style = fitted.restyled(&self.sample, &self.drawn_of(set.rows))?;
                    style.problem.take().map_or(Ok(()), Err)?;
                    style
                }
            };
            let needed = (set.rows.len() * width * 4) as u64;
            let file = Passing::make(&folder, needed, &format!("the features of {}", set.name))?;
            sets.push(Set { wanted: set, style, file, next: 0, found: Found::default() });
        }
        let pieces: Vec<usize> = (0..self.pieces()).collect();
        let together = workers(self.bound, self.reader.parts.iter().map(|p| p.piece.length).max().unwrap_or(1));
        for some in pieces.chunks(together) {
            let ranges: Vec<Vec<Range<usize>>> =
                some.iter().map(|&i| sets.iter_mut().map(|set| set.range(self.end(i))).collect()).collect();
            let encode = |(&i, ranges): (&usize, &Vec<Range<usize>>)| -> Result<Vec<Option<Made>>> {
                if ranges.iter().all(Range::is_empty) {
                    return Ok(ranges.iter().map(|_| None).collect());
                }
                let (first, table) = self.read(i)?;
                let one = |(set, range): (&Set, &Range<usize>)| {
                    let rows: Vec<usize> = set.wanted.rows[range.clone()].iter().map(|row| row - first).collect();
                    (!rows.is_empty()).then(|| set.encode(fitted, &table, &rows, first)).transpose()
                };
                sets.iter().zip(ranges).map(one).collect()
            };
            let done: Vec<Result<_>> = some.par_iter().zip(&ranges).map(encode).collect();
            for parts in done {
                for (set, part) in sets.iter_mut().zip(parts?) {
                    part.map_or(Ok(()), |(features, answers)| set.take(features, answers))?;
                }
            }
        }
        sets.into_iter().map(|set| set.finish(self, fitted, store)).collect()
    }

    /// The number of the row behind a piece.
    fn end(&self, i: usize) -> usize {
        let part = self.reader.parts[i];
        part.first + part.rows
    }
}

/// Features and answers of rows.
type Made = (Features, Vec<Answer>);

/// What was made of the rows of a set so far.
struct Set<'a> {
    wanted: &'a Wanted<'a>,
    style: Restyled<'a>,
    file: Passing,
    /// The place of the next row among those that are wanted.
    next: usize,
    found: Found,
}

#[derive(Default)]
struct Found {
    labels: Vec<u32>,
    values: Vec<f32>,
    /// The number and the line of each row that is kept.
    rows: Vec<[u32; 2]>,
    tally: Tally,
}

impl<'a> Set<'a> {
    /// The places of the rows that are wanted up to a row.
    fn range(&mut self, end: usize) -> Range<usize> {
        let start = self.next;
        self.next = start + self.wanted.rows[start..].partition_point(|&row| row < end);
        start..self.next
    }

    /// Features and answers of some rows of a piece. The features are of rows of the whole
    /// table.
    fn encode(&self, fitted: &Fitted, table: &Table, rows: &[usize], first: usize) -> Result<Made> {
        let style = match self.wanted.own {
            true => Restyled::none(fitted),
            false => self.style.for_piece(table, rows),
        };
        let goal = &style.fitted.goal;
        let targets = goal.columns().into_iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>();
        let targets = targets.context(|| "looking for the target")?;
        let answer = |row: usize| {
            let cells: Vec<Option<&str>> = targets.iter().map(|c| c.cells.at(row)).collect();
            goal.answer(&cells)
        };
        let (mut features, answers) = style.fitted.encode(&style, table, rows, &answer)?;
        let lines = features.kept.iter().map(|&row| table.lines[row]);
        // Lines take the place of rows that the caller knows.
        features.kept = features.kept.iter().zip(lines).flat_map(|(&row, line)| [first + row, line]).collect();
        Ok((features, answers))
    }

    fn take(&mut self, features: Features, answers: Vec<Answer>) -> Result<()> {
        let bytes: Vec<u8> = features.values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.file.write(&bytes)?;
        let found = &mut self.found;
        answers.into_iter().for_each(|answer| match answer {
            Answer::Class(class) => found.labels.push(class),
            Answer::Values(all) => found.values.extend(all),
        });
        found.rows.extend(features.kept.chunks_exact(2).map(|both| [both[0] as u32, both[1] as u32]));
        found.tally.add(features.dropped, features.notes, features.restyled);
        Ok(())
    }

    fn finish(self, table: &LargeTable, fitted: &Fitted, store: &Store) -> Result<Encoded> {
        let Set { wanted, style, file, found, .. } = self;
        let width = fitted.features.len();
        if found.rows.is_empty() {
            let reason = found.tally.reason().unwrap_or("there are none");
            return Err(Error::data(format!(
                "no row of {} can be used ({} looked at): {reason}",
                table.name(),
                wanted.rows.len()
            )));
        }
        let n = found.rows.len();
        let targets = fitted.goal.targets(found.labels, found.values);
        let row = 4 * width as u64;
        let rows = file.finish()?.rows(0, row, row, n)?;
        let samples = Samples::read_by(Floats { rows, width }, &[width]).within(store.bound);
        let origin = Origin::of_rows_in_file(found.rows);
        let dataset = Dataset { name: wanted.name.clone(), shape: vec![width], samples, targets, origin };
        let lines = [style.notes, found.tally.lines(&wanted.name)].concat();
        Ok(Encoded { dataset, lines, dropped: found.tally.dropped })
    }
}

/// Numbers that are rows of a file.
struct Floats {
    rows: RowFile,
    width: usize,
}

impl ReadSamples for Floats {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn elements(&self) -> Elements {
        Elements::Floats
    }

    fn read(&self, rows: &[usize]) -> Result<Samples> {
        let mut all = vec![0.0; rows.len() * self.width];
        self.rows.read(rows, &mut |place, bytes| {
            let own = all[place * self.width..][..self.width].iter_mut();
            own.zip(bytes.chunks_exact(4)).for_each(|(x, b)| *x = f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        })?;
        Ok(all.into())
    }

    fn repeats(&self) -> bool {
        true
    }
}
