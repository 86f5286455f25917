//! How much a column says of the target by itself: of classes the share of their entropy
//! (mutual information divided by the entropy), of numbers the share of their variance (the
//! correlation ratio). Both are corrected for chance, which finds something in any column.

use super::infer::Inferred;
use super::kind::Kind;
use super::leaks::correlation;
use super::number::spelled;
use super::summary::quantile;
use super::table::{Column, Table};
use super::target::{Answer, Goal};
use serde::Serialize;
use std::collections::HashMap;
use std::hash::Hash;

/// A category of fewer rows counts with the other such.
const FEW: usize = 5;
/// Groups of numbers, and the rows of each.
const GROUPS: usize = 20;
const ROWS: usize = 10;
/// Rows below which nothing is said.
const LEAST: usize = 20;

/// What a column says of the target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Relation {
    /// From 0, nothing, to 1, all of it: a share of the entropy of classes, of the variance
    /// of numbers.
    pub share: f64,
    /// How numbers rise or fall together (Pearson), from -1 to 1.
    pub correlation: Option<f64>,
}

/// What the target is in some rows.
pub(super) enum Answers {
    Classes(Vec<Option<u32>>),
    Numbers(Vec<Option<f64>>),
}

impl Answers {
    /// `None` where there are several targets.
    pub fn of(table: &Table, rows: &[usize], goal: &Goal) -> Option<Answers> {
        let [name] = goal.columns()[..] else { return None };
        let cells = &table.column(name).ok()?.cells;
        let answer = |&row: &usize| goal.answer(&[cells.at(row)]).ok();
        Some(match goal {
            Goal::Classes { .. } => {
                let class = |row| if let Answer::Class(class) = answer(row)? { Some(class) } else { None };
                Answers::Classes(rows.iter().map(class).collect())
            }
            Goal::Values(_) => {
                let number = |row| if let Answer::Values(all) = answer(row)? { all.first().copied() } else { None };
                Answers::Numbers(rows.iter().map(|row| number(row).map(f64::from)).collect())
            }
        })
    }

    /// What a column says of the target in these rows; `None` of text, of what only tells
    /// rows apart, and of very few rows.
    pub fn told_by(&self, column: &Column, seen: &Inferred, rows: &[usize]) -> Option<Relation> {
        if !matches!(seen.kind, Kind::Number | Kind::Category | Kind::Date) {
            return None;
        }
        let number = |&row: &usize| match seen.kind {
            Kind::Number => seen.format.parse(column.cells.at(row)?).filter(|x| x.is_finite()),
            Kind::Date => {
                let date = super::date::parse(column.cells.at(row)?, seen.date_format.as_deref()?)?;
                Some(date.and_utc().timestamp() as f64)
            }
            _ => None,
        };
        let numbers: Vec<Option<f64>> = rows.iter().map(number).collect();
        let groups = match seen.kind {
            Kind::Category => numbered(rows.iter().map(|&row| column.cells.at(row).map(spelled))),
            _ => {
                let cuts = cuts(numbers.iter().flatten().copied().collect());
                // A gap is a group, too.
                numbered(numbers.iter().map(|x| x.map(|x| cuts.partition_point(|cut| *cut < x))))
            }
        };
        match self {
            Answers::Classes(classes) => {
                let share = entropy_told(&known(&groups, classes))?;
                Some(Relation { share, correlation: None })
            }
            Answers::Numbers(answers) => {
                let share = variance_told(&known(&groups, answers))?;
                let both: Vec<(f64, f64)> =
                    numbers.iter().zip(answers).filter_map(|(x, y)| Some(((*x)?, (*y)?))).collect();
                let is_known = seen.kind == Kind::Number && both.len() >= LEAST;
                let correlation = correlation(&both).filter(|_| is_known).map(|r| r.clamp(-1.0, 1.0));
                // A line may say more than a few steps.
                let line = correlation.map_or(0.0, |r| adjusted(1.0 - r * r, both.len(), 2));
                Some(Relation { share: share.max(line), correlation })
            }
        }
    }
}

/// Groups with the answers that are known.
fn known<T: Copy>(groups: &[usize], answers: &[Option<T>]) -> Vec<(usize, T)> {
    groups.iter().zip(answers).filter_map(|(group, answer)| Some((*group, (*answer)?))).collect()
}

/// Values as the numbers of groups; those of few rows are in one, number 0.
fn numbered<T: Eq + Hash>(values: impl Iterator<Item = T>) -> Vec<usize> {
    let mut groups: HashMap<T, usize> = HashMap::new();
    let mut counts = vec![0];
    let mut of = vec![];
    for value in values {
        let group = *groups.entry(value).or_insert(counts.len());
        if group == counts.len() {
            counts.push(0);
        }
        counts[group] += 1;
        of.push(group);
    }
    of.into_iter().map(|group| if counts[group] < FEW { 0 } else { group }).collect()
}

/// The share of the entropy of classes that groups tell, corrected for chance (Miller and
/// Madow 1955).
fn entropy_told(pairs: &[(usize, u32)]) -> Option<f64> {
    let n = pairs.len() as f64;
    let [mut groups, mut classes, mut both] = [HashMap::new(), HashMap::new(), HashMap::new()];
    for &(group, class) in pairs {
        *groups.entry((group, 0)).or_insert(0.0) += 1.0;
        *classes.entry((0, class)).or_insert(0.0) += 1.0;
        *both.entry((group, class)).or_insert(0.0) += 1.0;
    }
    let entropy = |counts: &HashMap<(usize, u32), f64>| {
        // In order: sums of floats depend on it, and an audit says the same each time.
        let mut counts: Vec<f64> = counts.values().copied().collect();
        counts.sort_by(f64::total_cmp);
        counts.iter().map(|c| -(c / n) * (c / n).ln()).sum::<f64>()
    };
    let whole = entropy(&classes);
    let chance = ((groups.len() - 1) * (classes.len() - 1)) as f64 / (2.0 * n);
    let told = entropy(&groups) + whole - entropy(&both) - chance;
    (pairs.len() >= LEAST && whole > 0.0).then(|| (told / whole).clamp(0.0, 1.0))
}

/// The share of the variance of numbers that groups tell, corrected for chance as the
/// adjusted coefficient of determination is.
fn variance_told(pairs: &[(usize, f64)]) -> Option<f64> {
    let n = pairs.len() as f64;
    let mean = pairs.iter().map(|(_, y)| y / n).sum::<f64>();
    let whole = pairs.iter().map(|(_, y)| (y - mean).powi(2)).sum::<f64>();
    let mut groups: HashMap<usize, (f64, f64)> = HashMap::new();
    for (group, y) in pairs {
        let (count, sum) = groups.entry(*group).or_default();
        (*count, *sum) = (*count + 1.0, *sum + y);
    }
    let left = pairs.iter().map(|(group, y)| (y - groups[group].1 / groups[group].0).powi(2)).sum::<f64>();
    (pairs.len() >= LEAST && whole > 0.0).then(|| adjusted(left / whole, pairs.len(), groups.len()))
}

/// The share of a variance that is told where a part of it is left, with so many numbers
/// learned from so many rows.
fn adjusted(left: f64, rows: usize, learned: usize) -> f64 {
    let free = rows.saturating_sub(learned).max(1) as f64;
    (1.0 - left * (rows as f64 - 1.0) / free).clamp(0.0, 1.0)
}

/// Where numbers are cut into groups of about equal size, each of ten rows or more.
fn cuts(mut numbers: Vec<f64>) -> Vec<f64> {
    numbers.sort_unstable_by(f64::total_cmp);
    let groups = (numbers.len() / ROWS).clamp(1, GROUPS);
    (1..groups).map(|i| quantile(&numbers, i as f64 / groups as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_go_from_nothing_to_all() {
        let hash = |i: usize| i.wrapping_mul(2_654_435_761) >> 7;
        let pairs = |class: &dyn Fn(usize) -> u32| (0..2000).map(|i| (i % 10, class(i))).collect::<Vec<_>>();
        assert!(entropy_told(&pairs(&|i| (i % 10 / 5) as u32)).unwrap() > 0.99);
        assert!(entropy_told(&pairs(&|i| (hash(i) % 2) as u32)).unwrap() < 0.01);
        let half = entropy_told(&pairs(&|i| ((i % 10 / 5) ^ usize::from(hash(i) % 9 == 0)) as u32)).unwrap();
        assert!((0.4..0.6).contains(&half), "{half}");
        assert_eq!(entropy_told(&pairs(&|_| 0)), None, "classes that are all the same have no entropy");
        let numbers = |y: &dyn Fn(usize) -> f64| (0..2000).map(|i| (i % 10, y(i))).collect::<Vec<_>>();
        assert!(variance_told(&numbers(&|i| (i % 10) as f64)).unwrap() > 0.999);
        assert!(variance_told(&numbers(&|i| (hash(i) % 100) as f64)).unwrap() < 0.01);
    }

    #[test]
    fn chance_is_taken_off() {
        // As many groups as a tenth of the rows, and classes that are drawn.
        let drawn = |i: usize| (i.wrapping_mul(2_654_435_761) >> 9) % 2;
        let pairs: Vec<(usize, u32)> = (0..1000).map(|i| (i % 100, drawn(i) as u32)).collect();
        assert!(entropy_told(&pairs).unwrap() < 0.05);
    }

    #[test]
    fn few_rows_have_few_groups() {
        assert_eq!(cuts((0..20).map(f64::from).collect()), [9.5]);
        assert_eq!(cuts((0..1000).map(f64::from).collect()).len(), GROUPS - 1);
        assert_eq!(cuts(vec![]), [0.0; 0]);
        assert!((adjusted(0.25, 20, 2) - 0.736).abs() < 1e-3);
    }

    #[test]
    fn rare_values_are_one_group() {
        assert_eq!(numbered((0..8).map(|i| if i < 5 { 9 } else { i })), [1, 1, 1, 1, 1, 0, 0, 0]);
    }
}
