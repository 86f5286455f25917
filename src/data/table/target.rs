//! What a model is to say about a row: a class, or numbers.

use super::clean::Rules;
use super::infer::infer;
use super::kind::Kind;
use super::number::{Decimal, Format, canonical, show, spelled};
use super::options::{TableOptions, Task};
use super::summary::Summary;
use super::table::{Table, clip};
use super::values::{Values, are_few, distinct};
use crate::data::Targets;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whole numbers with at most this many values are taken for classes.
const FEW: usize = 10;
/// More classes than this, and a class for every other row, are names.
const NAMES: usize = 20;

/// A target column of numbers, and how it is normalised for training:
/// `normalised = (value - centre) * scale + shift`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedTarget {
    /// The name of the column.
    pub name: String,
    /// How its numbers are written.
    #[serde(alias = "decimal")]
    pub(super) format: Format,
    /// What is taken off first, in 64 bits, where the numbers lie so far from zero that 32
    /// bits would lose what tells them apart; else 0.
    #[serde(default)]
    pub centre: f64,
    /// One over the standard deviation of the training rows.
    pub scale: f32,
    /// What brings the mean of the training rows to 0.
    pub shift: f32,
    /// The smallest training value.
    pub min: f64,
    /// The largest training value.
    pub max: f64,
}

/// What is to be learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// A class for each row.
    Classes {
        /// The name of the column.
        column: String,
        /// The classes: numbers by size, words by the alphabet.
        names: Vec<String>,
        /// Training rows of each class.
        counts: Vec<usize>,
    },
    /// Numbers for each row.
    Values(Vec<FittedTarget>),
}

/// What a row's target cells say.
pub(super) enum Answer {
    Class(u32),
    Values(Vec<f32>),
}

impl Goal {
    /// Learns the classes or the scale of the targets from the training rows.
    /// Also returns what a user should know about the choice.
    pub(super) fn learn(table: &Table, rows: &[usize], options: &TableOptions) -> Result<(Goal, Vec<String>)> {
        let mut found = options.target.iter().map(|word| table.find(word)).collect::<Result<Vec<usize>>>()?;
        found.dedup();
        let names: Vec<&str> = found.iter().map(|&i| table.columns[i].name.as_str()).collect();
        if let [i] = found[..] {
            let column = &table.columns[i];
            // As for the other columns, on the whole file.
            let seen = infer(column, &Rules::default(), table.likely());
            let place = format!("target \"{}\" of {}", column.name, table.name);
            if seen.kind == Kind::Empty {
                return Err(Error::data(format!(
                    "{place}: all {} cells are missing; expected a value per row",
                    table.rows()
                )));
            }
            let numbers = seen.stats.numbers as f64 >= 0.95 * (seen.stats.rows - seen.stats.missing) as f64;
            let few = seen.stats.whole && are_few(&column.cells, FEW);
            let declared = !column.declared.is_empty();
            let classes = match options.task {
                Task::Auto => !numbers || few || declared,
                task => task == Task::Classification,
            };
            let n = distinct(&column.cells);
            let note = match (options.task, classes, numbers) {
                (Task::Auto, true, true) if declared => Some(format!(
                    "{place}: {n} different numbers, taken for classes because the file declares them; set task = \
                     \"regression\" if they measure something"
                )),
                (Task::Auto, true, true) => Some(format!(
                    "{place}: {n} different whole numbers, taken for classes; set task = \"regression\" if they measure \
                     something"
                )),
                (Task::Auto, true, false) => Some(format!("{place}: words, taken for {n} classes")),
                (Task::Auto, false, _) => Some(format!(
                    "{place}: {n} different numbers, to be predicted as such; set task = \"classification\" if they \
                     are classes"
                )),
                _ => None,
            };
            let mut notes: Vec<String> = note.into_iter().chain(seen.assumed.clone()).collect();
            let goal = if classes { classes_of(table, i, rows, &mut notes)? } else { values_of(table, &found, rows)? };
            return Ok((goal, notes));
        }
        if options.task == Task::Classification {
            return Err(Error::usage(format!(
                "{}: {} target columns ({}); expected one for classification",
                table.name,
                names.len(),
                names.join(", ")
            )));
        }
        Ok((values_of(table, &found, rows)?, vec![]))
    }

    /// The targets of rows: their classes, or their values, row by row.
    pub fn targets(&self, labels: Vec<u32>, values: Vec<f32>) -> Targets {
        match self {
            Goal::Classes { names, .. } => Targets::Classes { labels, names: names.clone() },
            Goal::Values(all) => Targets::Values { values, names: all.iter().map(|t| t.name.clone()).collect() },
        }
    }

    /// The names of the target columns.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Goal::Classes { column, .. } => vec![column],
            Goal::Values(targets) => targets.iter().map(|t| t.name.as_str()).collect(),
        }
    }

    /// What a row's cells in those columns say; why they cannot be used.
    pub(super) fn answer(&self, cells: &[Option<&str>]) -> Result<Answer, String> {
        let gap = |name: &str| format!("the target \"{name}\" is missing");
        match self {
            Goal::Classes { column, names, .. } => {
                let cell = spelled(cells[0].ok_or_else(|| gap(column))?);
                match names.iter().position(|n| *n == *cell) {
                    Some(class) => Ok(Answer::Class(class as u32)),
                    None => {
                        Err(format!("the target \"{column}\" is \"{}\", a class without training rows", clip(&cell)))
                    }
                }
            }
            Goal::Values(targets) => {
                let value = |(target, cell): (&FittedTarget, &Option<&str>)| {
                    let cell = cell.ok_or_else(|| gap(&target.name))?;
                    match target.format.parse(cell) {
                        Some(x) if x.is_finite() => Ok((x - target.centre) as f32),
                        _ => Err(format!("the target \"{}\" is \"{}\", no finite number", target.name, clip(cell))),
                    }
                };
                targets.iter().zip(cells).map(value).collect::<Result<_, _>>().map(Answer::Values)
            }
        }
    }
}

fn classes_of(table: &Table, column: usize, rows: &[usize], notes: &mut Vec<String>) -> Result<Goal> {
    let column = &table.columns[column];
    let place = format!("target \"{}\" of {}", column.name, table.name);
    // All classes of the file have an output, whichever rows a split leaves for training.
    let all = Values::of_column(&column.cells);
    let mut count: BTreeMap<String, usize> = all.words().map(|word| (canonical(word), 0)).collect();
    for (word, n) in Values::of(rows.iter().filter_map(|&i| column.cells.at(i))).iter() {
        *count.entry(canonical(word)).or_default() += n;
    }
    let present = all.cells();
    if let [(only, n)] = &count.iter().filter(|(_, n)| **n > 0).collect::<Vec<_>>()[..] {
        return Err(Error::data(format!(
            "{place}: all {n} rows have the class \"{}\"; expected two classes or more",
            clip(only)
        )));
    }
    if count.len() > NAMES && 2 * count.len() > present && column.declared.is_empty() {
        return Err(Error::data(format!(
            "{place}: {} different values in {present} rows, so it names rows rather than classes; pick another column: \
             {}",
            count.len(),
            table.names().into_iter().take(30).collect::<Vec<_>>().join(", ")
        )));
    }
    let absent: Vec<String> = count.iter().filter(|(_, n)| **n == 0).take(5).map(|(c, _)| clip(c)).collect();
    if !absent.is_empty() {
        notes.push(format!("{place}: no training row has the class {}; it cannot be learned", absent.join(", ")));
    }
    let single: Vec<&str> = count.iter().filter(|(_, n)| **n == 1).map(|(c, _)| c.as_str()).collect();
    if !single.is_empty() {
        let more = if single.len() > 5 { ", ..." } else { "" };
        notes.push(format!(
            "{place}: {} of {} classes have a single training row ({}{more}); they can hardly be learned",
            single.len(),
            count.len(),
            single.iter().take(5).map(|c| clip(c)).collect::<Vec<_>>().join(", ")
        ));
    }
    let mut all: Vec<(String, usize)> = count.into_iter().collect();
    // Words are infinitely large numbers; the sort is stable.
    let size = |name: &str| Format::of(Decimal::Point).parse(name).unwrap_or(f64::INFINITY);
    all.sort_by(|a, b| size(&a.0).total_cmp(&size(&b.0)));
    let (names, counts) = all.into_iter().unzip();
    Ok(Goal::Classes { column: column.name.clone(), names, counts })
}

/// What is taken off numbers first, so that 32 bits hold the digits that matter: 24 bits
/// of mantissa, of which the spread needs some ten.
pub(in crate::data) fn centre(all: &Summary) -> f64 {
    if all.mean.abs() > 1e4 * all.std { all.mean.round() } else { 0.0 }
}

fn values_of(table: &Table, columns: &[usize], rows: &[usize]) -> Result<Goal> {
    let one = |&i: &usize| {
        let column = &table.columns[i];
        let place = format!("target \"{}\" of {}", column.name, table.name);
        let format = infer(column, &Rules::default(), table.likely()).format.clone();
        // Of very many rows nothing is held but the numbers.
        let present = || rows.iter().filter_map(|&i| column.cells.at(i));
        let count = present().count();
        let mut numbers: Vec<f64> = Vec::with_capacity(count);
        numbers.extend(present().filter_map(|c| format.parse(c)).filter(|x| x.is_finite()));
        if 2 * numbers.len() < count.max(1) {
            let word = present().find(|c| format.parse(c).is_none()).unwrap_or_default();
            return Err(Error::data(format!(
                "{place}: {} of {} cells are numbers, others are like \"{}\"; expected numbers for regression: set task \
                 = \"classification\" or pick another column",
                numbers.len(),
                count,
                clip(word)
            )));
        }
        let summary = Summary::of(numbers).expect("half of the cells are numbers");
        if summary.std == 0.0 {
            return Err(Error::data(format!(
                "{place}: it is {} in all training rows; expected numbers that differ",
                show(summary.min)
            )));
        }
        let centre = centre(&summary);
        let (scale, shift) = (1.0 / summary.std, (centre - summary.mean) / summary.std);
        let name = column.name.clone();
        let (scale, shift, min, max) = (scale as f32, shift as f32, summary.min, summary.max);
        Ok(FittedTarget { name, format, centre, scale, shift, min, max })
    };
    columns.iter().map(one).collect::<Result<_>>().map(Goal::Values)
}
