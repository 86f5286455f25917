//! Which rows are held out: a share of each class, a random share, the last rows, or
//! folds.

use crate::error::{Error, Result};
use crate::tensor::random::{Random, stream};
use std::collections::BTreeMap;

/// Which rows of a set are kept for training and which are held out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Rows to train on, ascending.
    pub kept: Vec<usize>,
    /// Rows held out, ascending.
    pub held: Vec<usize>,
}

/// Holds out a share of `labels.len()` rows, the same share of every class,
/// rounded to whole rows; at least one row of a class stays and, where it has
/// two or more, at least one is held out. Which ones depends on the seed alone.
///
/// Fails when the fraction is not between 0 and 1, or no class has two rows.
pub fn stratified(name: &str, labels: &[u32], fraction: f64, seed: u32) -> Result<Split> {
    check_fraction(name, fraction)?;
    let mut held = vec![false; labels.len()];
    for (class, mut members) in members(labels) {
        if members.len() < 2 {
            continue;
        }
        let share = (members.len() as f64 * fraction).round() as usize;
        Random::new(seed, stream::SPLIT.wrapping_add(class)).shuffle(&mut members);
        for &i in &members[..share.clamp(1, members.len() - 1)] {
            held[i as usize] = true;
        }
    }
    if !held.contains(&true) {
        return Err(Error::data(format!(
            "cannot split {name}: it holds {} samples and no class has two of them; add samples or train without a \
             hold-out",
            labels.len()
        )));
    }
    Ok(divide(&held))
}

/// Holds out a random share of `n` rows.
pub fn random(name: &str, n: usize, fraction: f64, seed: u32) -> Result<Split> {
    stratified(name, &vec![0; n], fraction, seed)
}

/// Holds out the last share of `n` rows: for rows in the order of time.
pub fn by_time(name: &str, n: usize, fraction: f64) -> Result<Split> {
    check_fraction(name, fraction)?;
    if n < 2 {
        return Err(Error::data(format!("cannot split {name}: it holds {n} samples; expected at least two")));
    }
    let held = ((n as f64 * fraction).round() as usize).clamp(1, n - 1);
    Ok(Split { kept: (0..n - held).collect(), held: (n - held..n).collect() })
}

/// `k` folds with disjoint held-out parts that cover all rows; the classes of
/// `labels` are spread evenly over them (pass equal labels for plain folds).
///
/// Fails when `k` is below 2 or above the number of rows.
pub fn folds(name: &str, labels: &[u32], k: usize, seed: u32) -> Result<Vec<Split>> {
    if k < 2 || k > labels.len() {
        return Err(Error::usage(format!(
            "cannot make {k} folds of {name}: expected 2 to {}, its number of samples",
            labels.len()
        )));
    }
    let mut fold = vec![0; labels.len()];
    let mut next = 0;
    for (class, mut members) in members(labels) {
        Random::new(seed, stream::SPLIT.wrapping_add(class)).shuffle(&mut members);
        for i in members {
            fold[i as usize] = next % k;
            next += 1;
        }
    }
    Ok((0..k).map(|f| divide(&fold.iter().map(|&x| x == f).collect::<Vec<_>>())).collect())
}

/// The rows of each class. There may be very many rows: each list has the length that it needs.
fn members(labels: &[u32]) -> BTreeMap<u32, Vec<u32>> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    labels.iter().for_each(|&label| *counts.entry(label).or_default() += 1);
    let mut members: BTreeMap<u32, Vec<u32>> =
        counts.into_iter().map(|(label, count)| (label, Vec::with_capacity(count))).collect();
    for (i, label) in labels.iter().enumerate() {
        members.get_mut(label).expect("a counted class").push(i as u32);
    }
    members
}

pub(super) fn divide(held: &[bool]) -> Split {
    let count = held.iter().filter(|&&is_held| is_held).count();
    let mut split = Split { kept: Vec::with_capacity(held.len() - count), held: Vec::with_capacity(count) };
    for (i, &is_held) in held.iter().enumerate() {
        if is_held { &mut split.held } else { &mut split.kept }.push(i);
    }
    split
}

pub(super) fn check_fraction(name: &str, fraction: f64) -> Result<()> {
    if fraction > 0.0 && fraction < 1.0 {
        return Ok(());
    }
    Err(Error::usage(format!(
        "cannot hold out a fraction {fraction} of {name}: expected a number above 0 and below 1, such as 0.1"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_cover_everything_once_and_keep_the_balance() {
        let labels: Vec<u32> = (0..103).map(|i| u32::from(i % 10 == 0)).collect();
        let all = folds("set", &labels, 5, 3).unwrap();
        let mut seen = vec![0; 103];
        for f in &all {
            assert_eq!(f.kept.len() + f.held.len(), 103);
            assert!(f.kept.iter().all(|i| !f.held.contains(i)));
            f.held.iter().for_each(|&i| seen[i] += 1);
            let rare = f.held.iter().filter(|&&i| labels[i] == 1).count();
            assert!((2..=3).contains(&rare), "{rare} of 11 rare samples in one of five folds");
            assert!((20..=21).contains(&f.held.len()));
        }
        assert!(seen.iter().all(|&n| n == 1));
        assert_eq!(all, folds("set", &labels, 5, 3).unwrap());
        assert_ne!(all, folds("set", &labels, 5, 4).unwrap());
        assert!(folds("set", &labels, 1, 0).is_err() && folds("set", &labels, 104, 0).is_err());
    }

    #[test]
    fn a_split_by_time_holds_out_the_end() {
        let s = by_time("series", 10, 0.2).unwrap();
        assert_eq!((s.kept, s.held), ((0..8).collect(), vec![8, 9]));
        assert!(by_time("series", 1, 0.2).is_err());
    }
}
