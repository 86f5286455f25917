//! Columns that give the target away: what is only known once the target is.
//!
//! A strong feature is none of these. The bounds are where real features rarely are:
//! a value that tells the class of 99 % of the rows and leaves a tenth of a guess's
//! errors, a mere presence that leaves a tenth of them, and numbers from which the
//! target follows but for rounding.

use super::infer::Inferred;
use super::kind::Kind;
use super::number::{canonical, show};
use super::summary::{Summary, quantile};
use super::target::Goal;
use super::values::are_few;
use super::{Column, Table, TableOptions, infer::infer_all};
use crate::error::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A column that alone tells the class of this share of the rows gives it away.
const TELLS: f64 = 0.99;
/// And it leaves at most a tenth of the errors of always guessing the largest class.
const SAVES: f64 = 0.9;
/// Correlation from which on a number is the target in other words.
const EQUAL: f64 = 0.999;
/// Share of the target's variance from which on it is computed from two columns.
const COMPUTED: f64 = 0.998;
/// Groups into which numbers are put before they are asked for the class.
const GROUPS: usize = 20;
/// Classes up to which thresholds between them are sought.
const CLASSES: usize = 20;
/// Rows below which nothing is said; of pairs and of presence, of which there are more.
const FEW: usize = 10;
const FEW_OF_MANY: usize = 20;
/// Rows that are looked at, evenly over a table.
const ROWS: usize = 20_000;
/// Rows that are looked at first to see whether a product is worth a longer look.
const SCREEN: usize = 200;
/// Columns that are tried in pairs: those that correlate most with the target.
const PAIRED: usize = 60;

/// What tells the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The values of a column.
    Value,
    /// That a column has a value.
    Presence,
    /// A sum, a product or a ratio of two columns.
    Formula,
}

/// A column, or two, that give the target away.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Leak {
    /// Which.
    pub columns: Vec<String>,
    /// How.
    pub by: By,
    /// The share of the rows whose class they tell, or of the variance of a number.
    pub share: f64,
    /// The share that always guessing the largest class gets right.
    pub guess: Option<f64>,
    /// The finding, for people.
    pub finding: String,
}

/// Looks for columns that give a target away, whatever the size of the table.
///
/// Fails when a named column is not there.
pub fn leaks(table: &Table, options: &TableOptions) -> Result<Vec<Leak>> {
    let rows = some(&table.all_rows());
    let Ok((goal, _)) = Goal::learn(table, &rows, options) else { return Ok(vec![]) };
    let seen = infer_all(table, &options.cleaning);
    find(table, &rows, &seen, &goal, options)
}

/// So many rows at most, evenly.
pub(super) fn some(rows: &[usize]) -> Vec<usize> {
    rows.iter().copied().step_by(rows.len().div_ceil(ROWS).max(1)).collect()
}

/// [`leaks`] in some rows, whose columns have been looked at.
pub(super) fn find(
    table: &Table,
    rows: &[usize],
    seen: &[Arc<Inferred>],
    goal: &Goal,
    options: &TableOptions,
) -> Result<Vec<Leak>> {
    let rows = some(rows);
    let targets = options.target.iter().map(|word| table.find(word)).collect::<Result<Vec<usize>>>()?;
    let is_feature = |&i: &usize| !targets.contains(&i) && !options.cleaning.drop.contains(&table.columns[i].name);
    let features: Vec<usize> = (0..table.columns.len()).filter(is_feature).collect();
    let mut found = vec![];
    for &target in &targets {
        match goal {
            Goal::Classes { .. } => {
                let classes = Classes::of(&table.columns[target], &rows);
                found.extend(features.iter().filter_map(|&i| classes.told_by(&table.columns[i], &seen[i], &rows)));
                found.extend(
                    features.iter().filter_map(|&i| classes.told_by_presence(&table.columns[i], &seen[i], &rows)),
                );
            }
            Goal::Values(_) => {
                let numbers = |i: usize| {
                    let parse = |&row: &usize| seen[i].format.parse(table.columns[i].cells.at(row)?);
                    rows.iter().map(|row| parse(row).filter(|x| x.is_finite())).collect::<Vec<Option<f64>>>()
                };
                let columns = features.iter().filter(|&&i| seen[i].kind == Kind::Number);
                let columns: Vec<(&str, Vec<Option<f64>>)> =
                    columns.map(|&i| (table.columns[i].name.as_str(), numbers(i))).collect();
                let name = (targets.len() > 1).then_some(table.columns[target].name.as_str());
                found.extend(of_numbers(name, &numbers(target), columns));
            }
        }
    }
    Ok(found)
}

/// The classes of some rows.
struct Classes {
    /// The number of each row's class, where there is one.
    of: Vec<Option<usize>>,
    count: usize,
}

impl Classes {
    fn of(target: &Column, rows: &[usize]) -> Classes {
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        let mut number = |cell: &str| {
            let next = numbers.len();
            *numbers.entry(canonical(cell)).or_insert(next)
        };
        let of = rows.iter().map(|&row| target.cells.at(row).map(&mut number)).collect();
        Classes { of, count: numbers.len() }
    }

    /// The finding, if a column's values tell the class.
    fn told_by(&self, column: &Column, seen: &Inferred, rows: &[usize]) -> Option<Leak> {
        let both = rows.iter().zip(&self.of).filter_map(|(&row, class)| Some((column.cells.at(row)?, (*class)?)));
        let both: Vec<(&str, usize)> = both.collect();
        if both.len() < FEW || both.len() * 2 < self.of.iter().flatten().count() {
            return None;
        }
        let classes: Vec<usize> = both.iter().map(|(_, class)| *class).collect();
        let right = match seen.kind {
            Kind::Number => {
                let number = |cell: &str| seen.format.parse(cell).filter(|x| x.is_finite()).unwrap_or(0.0);
                let numbers: Vec<f64> = both.iter().map(|(cell, _)| number(cell)).collect();
                let by_group = self.right_in_groups(&grouped(&numbers, are_few(&column.cells, GROUPS)), &classes);
                by_group.max(self.right_between_thresholds(&numbers, &classes))
            }
            Kind::Category | Kind::Date => {
                let groups: Vec<String> = both.iter().map(|(cell, _)| canonical(cell)).collect();
                self.right_in_groups(&groups, &classes)
            }
            _ => return None,
        };
        let [tells, guess] = [right, self.largest(&classes)].map(|n| n as f64 / both.len() as f64);
        (tells >= TELLS && saves(tells, guess)).then(|| Leak {
            columns: vec![column.name.clone()],
            by: By::Value,
            share: tells,
            guess: Some(guess),
            finding: format!(
                "\"{}\" alone tells the target of {:.1} % of the rows (guessing {:.1} %); drop it unless it is known \
                 beforehand",
                column.name,
                100.0 * tells,
                100.0 * guess
            ),
        })
    }

    /// The finding, if whether a column has a value tells the class.
    fn told_by_presence(&self, column: &Column, seen: &Inferred, rows: &[usize]) -> Option<Leak> {
        let both =
            rows.iter().zip(&self.of).filter_map(|(&row, class)| Some((column.cells.at(row).is_some(), (*class)?)));
        let (present, classes): (Vec<bool>, Vec<usize>) = both.unzip();
        let (n, largest) = (classes.len(), self.largest(&classes));
        if n < FEW_OF_MANY || n - largest < FEW {
            return None;
        }
        let right = self.right_in_groups(&present, &classes);
        let [tells, guess] = [right, largest].map(|count| count as f64 / n as f64);
        let unused = if seen.kind == Kind::Identifier { " (it is left out as an identifier)" } else { "" };
        saves(tells, guess).then(|| Leak {
            columns: vec![column.name.clone()],
            by: By::Presence,
            share: tells,
            guess: Some(guess),
            finding: format!(
                "that \"{}\" has a value or none tells the target of {:.1} % of the rows (guessing {:.1} %), as what is \
                 entered afterwards does; drop it unless it is known beforehand{unused}",
                column.name,
                100.0 * tells,
                100.0 * guess
            ),
        })
    }

    /// Rows of the largest class.
    fn largest(&self, classes: &[usize]) -> usize {
        let mut counts = vec![0; self.count];
        classes.iter().for_each(|&class| counts[class] += 1);
        counts.into_iter().max().unwrap_or(0)
    }

    /// Rows of the largest class of their group. A group of one tells its class by
    /// itself, and counts for nothing.
    fn right_in_groups<G: Ord>(&self, groups: &[G], classes: &[usize]) -> usize {
        let mut counts: BTreeMap<&G, BTreeMap<usize, usize>> = BTreeMap::new();
        for (group, class) in groups.iter().zip(classes) {
            *counts.entry(group).or_default().entry(*class).or_default() += 1;
        }
        let largest = |c: &BTreeMap<usize, usize>| c.values().max().copied().filter(|_| c.values().sum::<usize>() > 1);
        counts.values().filter_map(largest).sum()
    }

    /// The most rows that are told right by thresholds between as many ranges as there
    /// are classes, each range of one class.
    fn right_between_thresholds(&self, numbers: &[f64], classes: &[usize]) -> usize {
        if self.count > CLASSES {
            return 0;
        }
        let mut order: Vec<usize> = (0..numbers.len()).collect();
        order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
        // The most right so far with the last range of a class, for each number of ranges.
        let k = self.count;
        let mut best = vec![vec![0; k]; k];
        for run in order.chunk_by(|&a, &b| numbers[a] == numbers[b]) {
            let mut counts = vec![0; k];
            run.iter().for_each(|&i| counts[classes[i]] += 1);
            for ranges in (0..k).rev() {
                let begun = if ranges > 0 { best[ranges - 1].iter().max().copied().unwrap_or(0) } else { 0 };
                for class in 0..k {
                    best[ranges][class] = best[ranges][class].max(begun) + counts[class];
                }
            }
        }
        best.into_iter().flatten().max().unwrap_or(0)
    }
}

/// Whether so much right leaves few of the errors of a guess.
fn saves(tells: f64, guess: f64) -> bool {
    guess < 1.0 && (tells - guess) / (1.0 - guess) >= SAVES
}

/// Numbers as the number of their group: as they are where they are few, in
/// groups of about equal size otherwise.
fn grouped(numbers: &[f64], are_few: bool) -> Vec<u64> {
    if are_few {
        return numbers.iter().map(|x| x.to_bits()).collect();
    }
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let cuts: Vec<f64> = (1..GROUPS).map(|i| quantile(&sorted, i as f64 / GROUPS as f64)).collect();
    numbers.iter().map(|x| cuts.partition_point(|c| c < x) as u64).collect()
}

/// The findings about a target of numbers: columns that are it in other words, and
/// pairs of the others from which it is computed.
fn of_numbers(name: Option<&str>, target: &[Option<f64>], columns: Vec<(&str, Vec<Option<f64>>)>) -> Vec<Leak> {
    let target_name = name.map_or("the target".to_string(), |name| format!("the target \"{name}\""));
    let known = target.iter().flatten().count();
    let (mut found, mut others) = (vec![], vec![]);
    for (name, numbers) in columns {
        let both = numbers.iter().zip(target).filter_map(|(x, y)| Some(((*x)?, (*y)?)));
        let both: Vec<(f64, f64)> = both.collect();
        if both.len() < FEW || both.len() * 2 < known {
            continue;
        }
        let Some(r) = correlation(&both) else { continue };
        let by_rank = || correlation(&ranks(&both)).filter(|r| r.abs() >= EQUAL);
        let strong = Some(("correlation", r)).filter(|_| r.abs() >= EQUAL);
        let Some((measure, strongest)) = strong.or_else(|| Some(("correlation of ranks", by_rank()?))) else {
            others.push((r.abs(), name, numbers));
            continue;
        };
        found.push(Leak {
            columns: vec![name.to_string()],
            by: By::Value,
            share: strongest * strongest,
            guess: None,
            finding: format!(
                "\"{name}\" is {target_name} in other words ({measure} {strongest:.4}); drop it unless it is known beforehand"
            ),
        });
    }
    others.sort_by(|a, b| b.0.total_cmp(&a.0));
    others.truncate(PAIRED);
    for (i, (_, a, first)) in others.iter().enumerate() {
        for (_, b, second) in &others[i + 1..] {
            let all = first.iter().zip(second).zip(target).filter_map(|((a, b), y)| Some([(*a)?, (*b)?, (*y)?]));
            let all: Vec<[f64; 3]> = all.collect();
            if all.len() < FEW_OF_MANY || all.len() * 2 < known {
                continue;
            }
            let Some(Fit { factors, offset, explained }) = Fit::of(&all).filter(|fit| fit.explained >= COMPUTED) else {
                found.extend(of_product(&target_name, [*a, *b], &all));
                continue;
            };
            let [f, g] = factors.map(|factor| show(rounded(factor)));
            let offset = match offset {
                0.0 => String::new(),
                x if x < 0.0 => format!(" - {}", show(rounded(-x))),
                x => format!(" + {}", show(rounded(x))),
            };
            found.push(Leak {
                columns: vec![a.to_string(), b.to_string()],
                by: By::Formula,
                share: explained,
                guess: None,
                finding: format!(
                    "{target_name} is computed from \"{a}\" and \"{b}\": {f} * \"{a}\" + {g} * \"{b}\"{offset} gives {:.2} % of \
                     its variance; drop them unless they are known beforehand, and then no model is needed",
                    100.0 * explained
                ),
            });
        }
    }
    found
}

/// A number made of two.
type Formula = fn(f64, f64) -> f64;

/// What a target may be of two columns, beside a sum.
const PRODUCTS: [(&str, Formula); 3] =
    [("{a} * {b}", |a, b| a * b), ("{a} / {b}", |a, b| a / b), ("{b} / {a}", |a, b| b / a)];

/// The finding, if a target is the product or the ratio of two columns, times some number.
fn of_product(target: &str, names: [&str; 2], rows: &[[f64; 3]]) -> Option<Leak> {
    let strength = |rows: &mut dyn Iterator<Item = &[f64; 3]>, of: Formula| {
        let pairs: Vec<(f64, f64)> = rows.map(|row| (of(row[0], row[1]), row[2])).collect();
        let finite: Vec<(f64, f64)> = pairs.iter().copied().filter(|(x, _)| x.is_finite()).collect();
        if finite.len() < FEW_OF_MANY || 2 * finite.len() < pairs.len() {
            return None;
        }
        correlation(&finite).filter(|r| r.abs() >= EQUAL)
    };
    // A few rows tell nearly always that it is not.
    let step = rows.len().div_ceil(SCREEN).max(1);
    let (how, r) = PRODUCTS.iter().find_map(|(how, of)| {
        strength(&mut rows.iter().step_by(step), *of)?;
        Some((how, strength(&mut rows.iter(), *of)?))
    })?;
    let [a, b] = names;
    let formula = how.replace("{a}", &format!("\"{a}\"")).replace("{b}", &format!("\"{b}\""));
    Some(Leak {
        columns: vec![a.to_string(), b.to_string()],
        by: By::Formula,
        share: r * r,
        guess: None,
        finding: format!(
            "{target} is computed from \"{a}\" and \"{b}\": {formula} is it in other words (correlation {r:.4}); drop them \
             unless they are known beforehand, and then no model is needed"
        ),
    })
}

/// Two digits, which a person reads: cells are rounded, and factors come out near them.
fn rounded(x: f64) -> f64 {
    format!("{x:.1e}").parse::<f64>().map_or(x, |r| if r.abs() < 1e-9 { 0.0 } else { r })
}

/// A target as a sum of two columns, by least squares.
struct Fit {
    factors: [f64; 2],
    offset: f64,
    /// The share of the target's variance.
    explained: f64,
}

impl Fit {
    /// `None` where a column does not vary, or both are one.
    fn of(rows: &[[f64; 3]]) -> Option<Fit> {
        let n = rows.len() as f64;
        let mean = [0, 1, 2].map(|c| rows.iter().map(|row| row[c] / n).sum::<f64>());
        let std = [0, 1, 2].map(|c| (rows.iter().map(|row| (row[c] - mean[c]).powi(2) / n).sum::<f64>()).sqrt());
        if std.iter().any(|s| !s.is_finite() || *s <= 0.0) {
            return None;
        }
        let scaled = |row: &[f64; 3], c: usize| (row[c] - mean[c]) / std[c];
        let product = |a: usize, b: usize| rows.iter().map(|row| scaled(row, a) * scaled(row, b) / n).sum::<f64>();
        let (ab, ay, by) = (product(0, 1), product(0, 2), product(1, 2));
        let det = 1.0 - ab * ab;
        if det < 1e-9 {
            return None;
        }
        let [f, g] = [(ay - ab * by) / det, (by - ab * ay) / det];
        let left = rows.iter().map(|row| (scaled(row, 2) - f * scaled(row, 0) - g * scaled(row, 1)).powi(2) / n);
        let factors = [f * std[2] / std[0], g * std[2] / std[1]];
        let offset = mean[2] - factors[0] * mean[0] - factors[1] * mean[1];
        // What rounding leaves of an offset is none.
        let offset = if offset.abs() < 5e-3 * std[2] { 0.0 } else { offset };
        Some(Fit { factors, offset, explained: 1.0 - left.sum::<f64>() })
    }
}

/// Pairs as the ranks of their numbers; equal ones share theirs.
fn ranks(pairs: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let rank = |of: fn(&(f64, f64)) -> f64| {
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        order.sort_by(|&a, &b| of(&pairs[a]).total_cmp(&of(&pairs[b])));
        let (mut ranks, mut first) = (vec![0.0; pairs.len()], 0);
        for run in order.chunk_by(|&a, &b| of(&pairs[a]) == of(&pairs[b])) {
            let middle = first as f64 + (run.len() - 1) as f64 / 2.0;
            run.iter().for_each(|&i| ranks[i] = middle);
            first += run.len();
        }
        ranks
    };
    rank(|p| p.0).into_iter().zip(rank(|p| p.1)).collect()
}

/// Pearson's correlation; `None` where one side does not vary.
pub(super) fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (a, b) = (Summary::of(x)?, Summary::of(y)?);
    let both = pairs.iter().map(|(x, y)| (x - a.mean) / a.std * ((y - b.mean) / b.std)).sum::<f64>();
    (a.std > 0.0 && b.std > 0.0).then(|| both / pairs.len() as f64)
}

#[cfg(test)]
#[path = "leaks_tests.rs"]
mod tests;
