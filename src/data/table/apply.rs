//! Rows of a table as features, by what was learned from the training rows.

use super::super::{Dataset, Origin, Samples};
use super::columns::FittedColumn;
use super::fitted::Fitted;
use super::issue::{CellNote, Dropped, EXAMPLES, Issue, lines};
use super::restyle::Restyled;
use super::table::{Column, Table, clip};
use super::target::Answer;
use crate::error::{Context, Error, Result};
use crate::files::memory;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Rows that one thread encodes at a time.
const PART: usize = 16_384;

/// Rows as features, without targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Features per row.
    pub width: usize,
    /// The features, `[kept.len(), width]`, not normalised.
    pub values: Vec<f32>,
    /// The row of the table behind each.
    pub kept: Vec<usize>,
    /// The rows that cannot be used.
    pub dropped: Vec<Dropped>,
    /// What was odd about the cells of the kept rows.
    pub notes: Vec<CellNote>,
    /// What is written in another way than in the training rows.
    pub restyled: Vec<String>,
}

/// Rows as a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The features, not normalised, with their targets.
    pub dataset: Dataset,
    /// The row of the table behind each sample.
    pub kept: Vec<usize>,
    /// The rows that cannot be used.
    pub dropped: Vec<Dropped>,
    /// What was odd about the cells of the kept rows.
    pub notes: Vec<CellNote>,
    /// What is written in another way than in the training rows.
    pub restyled: Vec<String>,
}

impl Applied {
    /// What was dropped and changed, for people.
    pub fn lines(&self) -> Vec<String> {
        [self.restyled.clone(), lines(&self.dataset.name, &self.dropped, &self.notes)].concat()
    }
}

impl Features {
    /// What was dropped and changed, for people.
    pub fn lines(&self, name: &str) -> Vec<String> {
        [self.restyled.clone(), lines(name, &self.dropped, &self.notes)].concat()
    }
}

impl Fitted {
    /// The rows as a data set: features and targets, by the names of the
    /// columns; other columns and another order do not matter.
    ///
    /// Rows that cannot be used are left out and listed. Fails when a column is
    /// not there, or when no row can be used.
    pub fn apply(&self, table: &Table, rows: &[usize]) -> Result<Applied> {
        self.apply_as(self.restyled(table, rows)?, table, rows, None)
    }

    /// [`apply`](Fitted::apply) to the rows that all was learned from; `features` are those
    /// of these rows where they are all of them.
    pub(super) fn apply_to_own(&self, table: &Table, rows: &[usize], features: Features) -> Result<Applied> {
        let known = (features.kept == rows).then_some(features);
        self.apply_as(Restyled::none(self), table, rows, known)
    }

    fn apply_as(
        &self,
        mut restyled: Restyled,
        table: &Table,
        rows: &[usize],
        known: Option<Features>,
    ) -> Result<Applied> {
        let targets = self.goal.columns().into_iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>();
        let targets = targets.context(|| "looking for the target")?;
        if let Some(problem) = restyled.problem.take() {
            return Err(problem);
        }
        let goal = &restyled.fitted.goal;
        let answer = |row: usize| {
            let cells: Vec<Option<&str>> = targets.iter().map(|c| c.cells.at(row)).collect();
            goal.answer(&cells)
        };
        let answered = || rows.par_iter().map(|&row| answer(row)).collect::<Result<Vec<Answer>, String>>().ok();
        let (features, answers) = match known.and_then(|features| Some((features, answered()?))) {
            Some(both) => both,
            None => self.encode(&restyled, table, rows, &answer)?,
        };
        let (mut labels, mut values) = (vec![], vec![]);
        answers.into_iter().for_each(|answer| match answer {
            Answer::Class(class) => labels.push(class),
            Answer::Values(all) => values.extend(all),
        });
        if features.kept.is_empty() {
            let reason = features.dropped.first().map_or("there are none", |d| d.reason.as_str());
            return Err(Error::data(format!(
                "no row of {} can be used ({} looked at): {reason}",
                table.name,
                rows.len()
            )));
        }
        let targets = self.goal.targets(labels, values);
        let Features { width, values, kept, dropped, notes, restyled } = features;
        let samples = Samples::Floats(values.into());
        let origin = Origin::of_rows(table, kept.iter().copied());
        let dataset = Dataset { name: table.name.clone(), shape: vec![width], samples, targets, origin };
        Ok(Applied { dataset, kept, dropped, notes, restyled })
    }

    /// The rows as features alone; the target need not be there.
    ///
    /// Fails when a column is not there.
    pub fn apply_features(&self, table: &Table, rows: &[usize]) -> Result<Features> {
        self.encode(&self.restyled(table, rows)?, table, rows, &|_| Ok(())).map(|(features, _)| features)
    }

    /// [`apply_features`](Fitted::apply_features) to the rows that all was learned from.
    pub(super) fn features_of_own(&self, table: &Table, rows: &[usize]) -> Result<Features> {
        self.encode(&Restyled::none(self), table, rows, &|_| Ok(())).map(|(features, _)| features)
    }

    /// Encodes rows whose answer can be had, on all cores; also returns the answers of those
    /// that are kept.
    pub(super) fn encode<A: Send>(
        &self,
        restyled: &Restyled,
        table: &Table,
        rows: &[usize],
        answer: &(dyn Fn(usize) -> Result<A, String> + Sync),
    ) -> Result<(Features, Vec<A>)> {
        let columns = self.used(restyled, table)?;
        let width = self.features.len();
        let held = (rows.len() as u64).saturating_mul(4 * width as u64);
        memory::judge_named(&table.name, held, memory::budget())
            .context(|| format!("{} rows as {width} features each (max_categories makes them fewer)", rows.len()))?;
        let parts: Vec<Part<A>> =
            rows.par_chunks(PART).map(|rows| Part::of(rows, table, &columns, width, answer)).collect();
        let (mut kept, mut dropped, mut answers) = (vec![], vec![], vec![]);
        let mut values = Vec::with_capacity(parts.iter().map(|part| part.values.len()).sum());
        let mut notes: BTreeMap<(usize, Issue), CellNote> = BTreeMap::new();
        for part in parts {
            values.extend(part.values);
            kept.extend(part.kept);
            dropped.extend(part.dropped);
            answers.extend(part.answers);
            for (what, new) in part.notes {
                match notes.get_mut(&what) {
                    None => drop(notes.insert(what, new)),
                    Some(note) => note.add(new),
                }
            }
        }
        let restyled = restyled.notes.clone();
        Ok((Features { width, values, kept, dropped, notes: notes.into_values().collect(), restyled }, answers))
    }

    /// The columns that are needed, as learned and as they are in a table.
    fn used<'a>(&self, restyled: &'a Restyled, table: &'a Table) -> Result<Vec<(&'a FittedColumn, &'a Column)>> {
        let used = restyled.fitted.columns.iter().filter(|c| c.is_used());
        // By name at once: a table may have very many columns.
        let by_name: HashMap<&str, &Column> = table.columns.iter().map(|c| (c.name.as_str(), c)).collect();
        let find = |name: &str| {
            let column = restyled.columns.get(name).or_else(|| by_name.get(name).copied());
            column.ok_or_else(|| table.no_column(name))
        };
        let all = used.map(|c| Ok((c, find(&c.name)?))).collect::<Result<Vec<_>>>();
        all.context(|| format!("\"{}\" lacks a column that training on \"{}\" used", table.name, self.table))
    }
}

/// Some rows as features.
struct Part<A> {
    values: Vec<f32>,
    kept: Vec<usize>,
    answers: Vec<A>,
    dropped: Vec<Dropped>,
    notes: BTreeMap<(usize, Issue), CellNote>,
}

impl<A> Part<A> {
    fn of(
        rows: &[usize],
        table: &Table,
        columns: &[(&FittedColumn, &Column)],
        width: usize,
        answer: &dyn Fn(usize) -> Result<A, String>,
    ) -> Part<A> {
        let values = Vec::with_capacity(rows.len() * width);
        let mut part = Part { values, kept: vec![], answers: vec![], dropped: vec![], notes: BTreeMap::new() };
        let mut odd = vec![];
        for &row in rows {
            let (line, start) = (table.lines[row], part.values.len());
            odd.clear();
            let result = answer(row).and_then(|answer| {
                for (i, (fitted, column)) in columns.iter().enumerate() {
                    fitted.encode(column.cells.at(row), &mut part.values, &mut |issue| odd.push((i, issue)))?;
                }
                Ok(answer)
            });
            match result {
                Err(reason) => {
                    part.values.truncate(start);
                    part.dropped.push(Dropped { row: line, reason });
                }
                Ok(answer) => {
                    part.answers.push(answer);
                    part.kept.push(row);
                    odd.drain(..).for_each(|(i, issue)| part.note(i, issue, columns[i], row, line));
                }
            }
        }
        part
    }

    /// Counts what was odd about a cell of column `i`.
    fn note(&mut self, i: usize, issue: Issue, (fitted, column): (&FittedColumn, &Column), row: usize, line: usize) {
        let name = || fitted.name.clone();
        let new = || CellNote { column: name(), issue, cells: 0, examples: vec![] };
        let note = self.notes.entry((i, issue)).or_insert_with(new);
        note.cells += 1;
        if let Some(cell) = column.cells.at(row).filter(|_| note.examples.len() < EXAMPLES) {
            note.examples.push(format!("\"{}\" (line {line})", clip(cell)));
        }
    }
}
