//! Test rows that a model has seen in training, and columns that give the
//! target away.

use super::infer::{Inferred, Kind, infer};
use super::number::canonical;
use super::summary::{Summary, quantile};
use super::{Column, Table, TableOptions};
use crate::error::Result;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// A column that alone tells the class of this share of the rows gives it away.
const TELLS: f64 = 0.99;
/// Groups into which numbers are put before they are asked for the class.
const GROUPS: usize = 20;

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
    let all = table.all_rows();
    let is_feature = |&i: &usize| {
        let column = &table.columns[i];
        let rules = options.cleaning.rules(&column.name);
        !targets.contains(&i)
            && !options.cleaning.drop.contains(&column.name)
            && !matches!(infer(column, &all, rules, table.delimiter).kind, Kind::Identifier | Kind::Empty)
    };
    let columns: Vec<usize> = (0..table.columns.len()).filter(is_feature).collect();
    let cells = |columns: &[usize], row: usize| -> Vec<Option<&str>> {
        columns.iter().map(|&c| table.columns[c].cells[row].as_deref()).collect()
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

/// Why a column gives the target away, if it does. `values` says that the
/// target is numbers rather than classes.
pub(super) fn gives_away(
    column: &Column,
    seen: &Inferred,
    target: &Column,
    target_seen: &Inferred,
    values: bool,
) -> Option<String> {
    let name = &column.name;
    let rows: Vec<(&str, &str)> = column
        .cells
        .iter()
        .zip(&target.cells)
        .filter_map(|(cell, target)| Some((cell.as_deref()?, target.as_deref()?)))
        .collect();
    if rows.len() < 10 || rows.len() * 2 < target.cells.len() {
        return None;
    }
    if values {
        if seen.kind != Kind::Number {
            return None;
        }
        let both = |(x, y): &(&str, &str)| {
            let (x, y) = (seen.format.parse(x)?, target_seen.format.parse(y)?);
            (x.is_finite() && y.is_finite()).then_some((x, y))
        };
        let r = correlation(&rows.iter().filter_map(both).collect::<Vec<_>>())?;
        return (r.abs() >= 0.999).then(|| {
            format!(
                "\"{name}\" is the target in other words (correlation {r:.4}); drop it unless it is known beforehand"
            )
        });
    }
    let groups: Vec<String> = match seen.kind {
        Kind::Number => grouped(&rows, seen),
        Kind::Category | Kind::Date => rows.iter().map(|(cell, _)| canonical(cell)).collect(),
        _ => return None,
    };
    let mut count: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for (group, (_, class)) in groups.iter().zip(&rows) {
        *count.entry(group).or_default().entry(class).or_default() += 1;
        *classes.entry(class).or_default() += 1;
    }
    let n = rows.len() as f64;
    // A group of one tells its class by itself.
    let right: usize = count.values().filter_map(|c| c.values().max().filter(|_| c.values().sum::<usize>() > 1)).sum();
    let guess = *classes.values().max()? as f64 / n;
    let tells = right as f64 / n;
    (tells >= TELLS && guess < TELLS - 0.05).then(|| {
        format!(
            "\"{name}\" alone tells the target of {:.1} % of the rows (guessing {:.1} %); drop it unless it is known \
             beforehand",
            100.0 * tells,
            100.0 * guess
        )
    })
}

/// Numbers as the number of their group: as they are where they are few, in
/// groups of about equal size otherwise.
fn grouped(rows: &[(&str, &str)], seen: &Inferred) -> Vec<String> {
    if seen.stats.distinct <= GROUPS {
        return rows.iter().map(|(cell, _)| canonical(cell)).collect();
    }
    let number = |cell: &str| seen.format.parse(cell).filter(|x| x.is_finite()).unwrap_or(0.0);
    let numbers: Vec<f64> = rows.iter().map(|(cell, _)| number(cell)).collect();
    let mut sorted = numbers.clone();
    sorted.sort_by(f64::total_cmp);
    let cuts: Vec<f64> = (1..GROUPS).map(|i| quantile(&sorted, i as f64 / GROUPS as f64)).collect();
    numbers.iter().map(|x| cuts.partition_point(|c| c < x).to_string()).collect()
}

/// Pearson's correlation; `None` where one side does not vary.
fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (a, b) = (Summary::of(x)?, Summary::of(y)?);
    let both = pairs.iter().map(|(x, y)| (x - a.mean) / a.std * ((y - b.mean) / b.std)).sum::<f64>();
    (a.std > 0.0 && b.std > 0.0).then(|| both / pairs.len() as f64)
}
