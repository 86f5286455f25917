//! Rows of a table as features, by what was learned from the training rows.

use super::super::{Dataset, Origin, Samples, Targets};
use super::columns::FittedColumn;
use super::fitted::Fitted;
use super::issue::{CellNote, Dropped, Issue, lines};
use super::restyle::Restyled;
use super::table::{Column, Table, clip};
use super::target::{Answer, Goal};
use crate::error::{Context, Error, Result};
use crate::files::memory;
use std::collections::{BTreeMap, HashMap};

/// Cells shown of one kind of trouble.
const SHOWN: usize = 3;

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
        let targets = self.goal.columns().into_iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>();
        let targets = targets.context(|| "looking for the target")?;
        let (mut labels, mut values) = (vec![], vec![]);
        let mut restyled = self.restyled(table, rows)?;
        if let Some(problem) = restyled.problem.take() {
            return Err(problem);
        }
        let mut answer = |row: usize| {
            let cells: Vec<Option<&str>> = targets.iter().map(|c| c.cells[row].as_deref()).collect();
            restyled.fitted.goal.answer(&cells)
        };
        let features = self.encode(&restyled, table, rows, &mut answer, &mut |answer| match answer {
            Answer::Class(class) => labels.push(class),
            Answer::Values(all) => values.extend(all),
        })?;
        if features.kept.is_empty() {
            let reason = features.dropped.first().map_or("there are none", |d| d.reason.as_str());
            return Err(Error::data(format!(
                "no row of {} can be used ({} looked at): {reason}",
                table.name,
                rows.len()
            )));
        }
        let targets = match &self.goal {
            Goal::Classes { names, .. } => Targets::Classes { labels, names: names.clone() },
            Goal::Values(all) => Targets::Values { values, names: all.iter().map(|t| t.name.clone()).collect() },
        };
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
        self.encode(&self.restyled(table, rows)?, table, rows, &mut |_| Ok(()), &mut |()| {})
    }

    /// Encodes rows whose answer can be had; `keep` gets the answers of those
    /// that are kept.
    fn encode<A>(
        &self,
        restyled: &Restyled,
        table: &Table,
        rows: &[usize],
        answer: &mut dyn FnMut(usize) -> Result<A, String>,
        keep: &mut dyn FnMut(A),
    ) -> Result<Features> {
        let columns = self.used(restyled, table)?;
        let width = self.features.len();
        let held = (rows.len() as u64).saturating_mul(4 * width as u64);
        memory::judge_named(&table.name, held, memory::budget())
            .context(|| format!("{} rows as {width} features each (max_categories makes them fewer)", rows.len()))?;
        let mut values = Vec::new();
        let (mut kept, mut dropped) = (vec![], vec![]);
        let mut notes: BTreeMap<(usize, Issue), CellNote> = BTreeMap::new();
        for &row in rows {
            let line = *table.lines.get(row).ok_or_else(|| {
                Error::usage(format!("{} has no row {row}; expected 0 to {}", table.name, table.rows() - 1))
            })?;
            let start = values.len();
            let mut odd = vec![];
            let result = answer(row).and_then(|answer| {
                for (i, (fitted, column)) in columns.iter().enumerate() {
                    fitted.encode(column.cells[row].as_deref(), &mut values, &mut |issue| odd.push((i, issue)))?;
                }
                Ok(answer)
            });
            match result {
                Err(reason) => {
                    values.truncate(start);
                    dropped.push(Dropped { row: line, reason });
                }
                Ok(answer) => {
                    keep(answer);
                    kept.push(row);
                    for (i, issue) in odd {
                        let (fitted, column) = columns[i];
                        let note = notes.entry((i, issue)).or_insert_with(|| CellNote {
                            column: fitted.name.clone(),
                            issue,
                            cells: 0,
                            examples: vec![],
                        });
                        note.cells += 1;
                        if let Some(cell) = column.cells[row].as_deref().filter(|_| note.examples.len() < SHOWN) {
                            note.examples.push(format!("\"{}\" (line {line})", clip(cell)));
                        }
                    }
                }
            }
        }
        let restyled = restyled.notes.clone();
        Ok(Features { width, values, kept, dropped, notes: notes.into_values().collect(), restyled })
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
