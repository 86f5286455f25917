//! Test rows that a model has seen in training.

use super::infer::infer;
use super::kind::Kind;
use super::{Table, TableOptions};
use crate::error::Result;
use serde::Serialize;
use std::collections::HashMap;

/// Test rows whose features are equal to those of a training row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leakage {
    /// Test rows looked at.
    pub rows: usize,
    /// The lines of such a test row and of the first such training row.
    pub pairs: Vec<[usize; 2]>,
    /// How many of them have another target than that training row.
    pub contradictions: usize,
    /// The columns compared.
    pub columns: Vec<String>,
}

impl Leakage {
    /// What was found, for people.
    pub fn lines(&self) -> Vec<String> {
        if self.pairs.is_empty() {
            return vec![format!("none of {} test rows has the features of a training row", self.rows)];
        }
        let shown: Vec<String> = self.pairs.iter().take(5).map(|[test, train]| format!("{test} = {train}")).collect();
        let more = if self.pairs.len() > 5 { ", ..." } else { "" };
        vec![format!(
            "{} of {} test rows have exactly the features of a training row (lines {}{more}), {} of them another \
             target: test figures are too good; drop duplicates before splitting",
            self.pairs.len(),
            self.rows,
            shown.join(", "),
            self.contradictions
        )]
    }
}

/// Compares test rows with training rows of a table by their features: all
/// columns but the targets and those that only tell rows apart.
///
/// Fails when a target is not there. Panics when a row is not.
pub fn leakage(table: &Table, train: &[usize], test: &[usize], options: &TableOptions) -> Result<Leakage> {
    let targets = options.target.iter().map(|word| table.find(word)).collect::<Result<Vec<usize>>>()?;
    let is_feature = |&i: &usize| {
        let column = &table.columns[i];
        let rules = options.cleaning.rules(&column.name);
        !targets.contains(&i)
            && !options.cleaning.drop.contains(&column.name)
            && !matches!(infer(column, rules, table.likely()).kind, Kind::Identifier | Kind::Empty)
    };
    let columns: Vec<usize> = (0..table.columns.len()).filter(is_feature).collect();
    let cells = |columns: &[usize], row: usize| -> Vec<Option<&str>> {
        columns.iter().map(|&c| table.columns[c].cells.at(row)).collect()
    };
    let mut first: HashMap<Vec<Option<&str>>, usize> = HashMap::new();
    for &row in train.iter().filter(|_| !columns.is_empty()) {
        first.entry(cells(&columns, row)).or_insert(row);
    }
    let found = test.iter().filter_map(|&row| Some((row, *first.get(&cells(&columns, row))?)));
    let found: Vec<(usize, usize)> = found.collect();
    Ok(Leakage {
        rows: test.len(),
        pairs: found.iter().map(|&(test, train)| [table.lines[test], table.lines[train]]).collect(),
        contradictions: found.iter().filter(|(a, b)| cells(&targets, *a) != cells(&targets, *b)).count(),
        columns: columns.iter().map(|&c| table.columns[c].name.clone()).collect(),
    })
}
