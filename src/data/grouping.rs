//! Rows that belong together, as those of one patient do: what says so, and
//! splits that keep all rows of a group on one side. A model that has seen some
//! rows of a patient is scored too well on the others.

use super::group_names;
use super::split::{Split, check_fraction, divide};
use super::table::Table;
use super::table::number::canonical;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::tensor::random::{Random, stream};
use std::collections::{BTreeMap, HashMap};
use toml::Value;

/// What a user says of groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GroupBy {
    /// Nothing. A series whose times repeat is looked through for what tells its
    /// groups apart; single rows have none.
    #[default]
    Auto,
    /// There are none.
    None,
    /// Columns whose cells, together, name the group: by name or number from 1; of
    /// an `.npz` archive the name of an array.
    Columns(Vec<String>),
}

impl GroupBy {
    /// Reads the key `group`: a column, a list of columns, `none`, or an empty text
    /// for what is found out.
    pub fn read(keys: &mut Keys) -> Result<GroupBy> {
        let Some(value) = keys.take("group") else { return Ok(GroupBy::Auto) };
        let one = |v: &Value| match v {
            Value::String(s) if !s.is_empty() => Some(s.clone()),
            Value::Integer(i) => Some(i.to_string()),
            _ => None,
        };
        let all = match &value {
            Value::String(s) if s.is_empty() => return Ok(GroupBy::Auto),
            Value::String(s) if s == "none" => return Ok(GroupBy::None),
            Value::Array(a) => a.iter().map(one).collect::<Option<Vec<String>>>(),
            v => one(v).map(|s| vec![s]),
        };
        match all.filter(|a| !a.is_empty()) {
            Some(all) => Ok(GroupBy::Columns(all)),
            None => Err(Error::model(format!(
                "{}: group = {value}; expected a column's name or number, a list of them, or \"none\"",
                keys.place()
            ))),
        }
    }

    /// The words of a flag as they stand in a configuration.
    pub fn typed(words: &[String]) -> Value {
        if let [one] = words { one.clone().into() } else { words.to_vec().into() }
    }

    /// As TOML: read back, it gives the same.
    pub fn to_value(&self) -> Value {
        match self {
            GroupBy::Auto => "".into(),
            GroupBy::None => "none".into(),
            GroupBy::Columns(all) => match &all[..] {
                [one] if one != "none" => one.clone().into(),
                all => all.to_vec().into(),
            },
        }
    }

    /// The columns that are named.
    pub fn columns(&self) -> &[String] {
        if let GroupBy::Columns(all) = self { all } else { &[] }
    }

    /// The places of the columns in a table.
    ///
    /// Fails when one is not there.
    pub fn places(&self, table: &Table) -> Result<Vec<usize>> {
        let mut places = vec![];
        for word in self.columns() {
            let place = table.find(word).map_err(|e| e.context("[data]: group"))?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(places)
    }

    /// The names of the columns of a table.
    ///
    /// Fails as [`places`](GroupBy::places) does.
    pub fn names(&self, table: &Table) -> Result<Vec<String>> {
        Ok(self.places(table)?.into_iter().map(|i| table.columns[i].name.clone()).collect())
    }
}

/// What a row's group is called, cell by cell; `None` where a cell is missing.
pub fn group_of(table: &Table, columns: &[usize], row: usize) -> Option<Vec<String>> {
    columns.iter().map(|&i| table.columns[i].cells.at(row).map(canonical)).collect()
}

/// The group of each row of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowGroups {
    /// What says so, for people.
    pub by: String,
    /// The group of each row, from 0.
    pub of: Vec<u32>,
    /// How many there are.
    pub count: usize,
    /// Rows for which nothing says so: each is a group of its own.
    pub alone: usize,
    /// What to know of their names.
    pub notes: Vec<String>,
}

impl RowGroups {
    /// Groups by the name that each row has.
    pub fn new<T: std::hash::Hash + Eq>(by: impl Into<String>, names: impl Iterator<Item = Option<T>>) -> RowGroups {
        let mut known: HashMap<T, u32> = HashMap::new();
        let (mut of, mut next, mut alone) = (vec![], 0, 0);
        for name in names {
            let new = match name {
                None => {
                    alone += 1;
                    next
                }
                Some(name) => *known.entry(name).or_insert(next),
            };
            next += u32::from(new == next);
            of.push(new);
        }
        RowGroups { by: by.into(), of, count: next as usize, alone, notes: vec![] }
    }

    /// Groups by names as they are written, cell by cell. Blanks around, characters without
    /// width and the forms of Unicode tell none apart; where `alike` says so, neither do
    /// capitals and leading zeros. What was made one, and what could be, is noted.
    pub fn named(by: impl Into<String>, names: Vec<Option<Vec<String>>>, alike: bool) -> RowGroups {
        let by = by.into();
        let (names, notes) = group_names::settle(&by, names, alike);
        RowGroups { notes, ..RowGroups::new(by, names.into_iter()) }
    }

    /// The groups of the rows of a table; `None` where no columns are named. Names that are
    /// read alike are one where `alike` says so.
    ///
    /// Fails when a column is not there, or has one value in all rows.
    pub fn of_table(table: &Table, by: &GroupBy, alike: bool) -> Result<Option<RowGroups>> {
        let columns = by.places(table)?;
        if columns.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = columns.iter().map(|&i| format!("\"{}\"", table.columns[i].name)).collect();
        let cells = |row: usize| columns.iter().map(|&i| table.columns[i].cells.to_owned_at(row)).collect();
        let found = RowGroups::named(names.join(", "), (0..table.rows()).map(cells).collect(), alike);
        found.check(&table.name).map(Some)
    }

    /// Itself, if there are two groups or more.
    pub fn check(self, name: &str) -> Result<RowGroups> {
        match self.count {
            0 | 1 => Err(Error::data(format!(
                "{name}: {} is the same in all {} rows; expected a column that tells groups apart",
                self.by,
                self.of.len()
            ))),
            _ => Ok(self),
        }
    }

    /// The groups of some of the rows.
    pub fn select(&self, rows: &[usize]) -> RowGroups {
        RowGroups {
            alone: self.alone,
            notes: self.notes.clone(),
            ..RowGroups::new(self.by.clone(), rows.iter().map(|&i| Some(self.of[i])))
        }
    }

    /// Their sizes, for people.
    pub fn describe(&self) -> String {
        let sizes = self.sizes();
        let (least, most) = (sizes.iter().min().unwrap_or(&0), sizes.iter().max().unwrap_or(&0));
        let each = if least == most { format!("{least}") } else { format!("{least} to {most}") };
        let alone = match self.alone {
            0 => String::new(),
            n => format!("; {n} row(s) without a value are each a group of their own"),
        };
        format!("{} groups by {} of {each} rows{alone}", self.count, self.by)
    }

    fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count];
        self.of.iter().for_each(|&g| sizes[g as usize] += 1);
        sizes
    }

    /// Gives each group a part, so that parts have about these shares of the rows
    /// and of each class. Larger groups choose first, of about equal ones in an
    /// order that the seed decides; each goes where rows of its classes are
    /// scarcest, measured by the share.
    fn assign(&self, classes: &[u32], shares: &[f64], seed: u32) -> Vec<usize> {
        let mut count: Vec<BTreeMap<u32, f64>> = vec![BTreeMap::new(); self.count];
        let mut total: BTreeMap<u32, f64> = BTreeMap::new();
        for (&group, &class) in self.of.iter().zip(classes) {
            *count[group as usize].entry(class).or_default() += 1.0;
            *total.entry(class).or_default() += 1.0;
        }
        let sizes = self.sizes();
        let mut order: Vec<usize> = (0..self.count).collect();
        Random::new(seed, stream::SPLIT).shuffle(&mut order);
        order.sort_by_key(|&g| std::cmp::Reverse(sizes[g].ilog2()));
        let mut held: Vec<BTreeMap<u32, f64>> = vec![BTreeMap::new(); shares.len()];
        let mut rows = vec![0.0; shares.len()];
        let mut part = vec![0; self.count];
        for &group in &order {
            // What the squared distance from the wanted counts grows by, less what is
            // the same for all parts.
            let cost = |p: usize| -> f64 {
                let grows = |had: f64, more: f64, all: f64| (2.0 * had * more + more * more) / (shares[p] * all);
                let of_class = |(class, &n): (&u32, &f64)| grows(*held[p].get(class).unwrap_or(&0.0), n, total[class]);
                let of_rows = grows(rows[p], sizes[group] as f64, self.of.len() as f64);
                count[group].iter().map(of_class).sum::<f64>() + of_rows
            };
            let costs: Vec<f64> = (0..shares.len()).map(cost).collect();
            let best = (0..shares.len()).min_by(|&a, &b| costs[a].total_cmp(&costs[b])).unwrap_or(0);
            part[group] = best;
            rows[best] += sizes[group] as f64;
            count[group].iter().for_each(|(&class, n)| *held[best].entry(class).or_default() += n);
        }
        // No part stays empty: it gets the smallest group of one that has several.
        for empty in 0..shares.len() {
            if part.contains(&empty) {
                continue;
            }
            let several = |g: &usize| part.iter().filter(|&&p| p == part[*g]).count() > 1;
            if let Some(&small) = order.iter().rev().filter(|g| several(g)).min_by_key(|&&g| sizes[g]) {
                part[small] = empty;
            }
        }
        part
    }

    /// Holds out whole groups with about a share of the rows, and of each class.
    /// Which ones depends on the seed.
    ///
    /// Fails when the fraction is not between 0 and 1, or there is one group.
    pub fn held_out(&self, name: &str, classes: &[u32], fraction: f64, seed: u32) -> Result<Split> {
        check_fraction(name, fraction)?;
        if self.count < 2 {
            return Err(Error::data(format!(
                "cannot split {name}: its {} rows are one group by {}; expected two groups or more, or train without a \
                 hold-out",
                self.of.len(),
                self.by
            )));
        }
        let part = self.assign(classes, &[1.0 - fraction, fraction], seed);
        Ok(divide(&self.of.iter().map(|&g| part[g as usize] == 1).collect::<Vec<_>>()))
    }

    /// Folds that hold out whole groups, with about equal shares of each class.
    ///
    /// Fails when there are fewer than two folds, or fewer groups than folds.
    pub fn folds(&self, name: &str, classes: &[u32], folds: usize, seed: u32) -> Result<Vec<Split>> {
        if folds < 2 || folds > self.count {
            return Err(Error::usage(format!(
                "cannot make {folds} folds of {name}: its rows are {} groups by {}, which stay whole; expected 2 to {}",
                self.count, self.by, self.count
            )));
        }
        let part = self.assign(classes, &vec![1.0 / folds as f64; folds], seed);
        let fold = |f| divide(&self.of.iter().map(|&g| part[g as usize] == f).collect::<Vec<_>>());
        Ok((0..folds).map(fold).collect())
    }
}

/// The rows of each group, in the order of the file; those that have none are left out.
pub(super) fn by_group(table: &Table, group: &[usize]) -> Vec<Vec<usize>> {
    let mut places: HashMap<Vec<String>, usize> = HashMap::new();
    let mut all: Vec<Vec<usize>> = vec![];
    for row in 0..table.rows() {
        let Some(name) = group_of(table, group, row) else { continue };
        let place = *places.entry(name).or_insert(all.len());
        if place == all.len() {
            all.push(vec![]);
        }
        all[place].push(row);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forty patients of one to seven rows, a third of them of class 1, and each
    /// with rows of its own class alone.
    fn patients() -> (RowGroups, Vec<u32>) {
        let rows: Vec<u32> = (0..40).flat_map(|g| vec![g; 1 + g as usize * 5 % 7]).collect();
        let classes = rows.iter().map(|g| u32::from(g % 3 == 0)).collect();
        (RowGroups::new("patient", rows.into_iter().map(Some)), classes)
    }

    fn whole(groups: &RowGroups, split: &Split) {
        let of = |rows: &[usize]| rows.iter().map(|&i| groups.of[i]).collect::<std::collections::BTreeSet<_>>();
        assert!(of(&split.kept).is_disjoint(&of(&split.held)), "a group is on both sides");
        assert_eq!(split.kept.len() + split.held.len(), groups.of.len());
        assert!(!split.held.is_empty() && !split.kept.is_empty());
    }

    #[test]
    fn groups_stay_whole_and_classes_even() {
        let (groups, classes) = patients();
        let n = classes.len() as f64;
        for seed in 0..5 {
            let split = groups.held_out("t", &classes, 0.25, seed).unwrap();
            whole(&groups, &split);
            let share = split.held.len() as f64 / n;
            assert!((share - 0.25).abs() < 0.05, "{share}");
            let ones = |rows: &[usize]| rows.iter().filter(|&&i| classes[i] == 1).count() as f64 / rows.len() as f64;
            assert!((ones(&split.held) - ones(&split.kept)).abs() < 0.1);
            assert_eq!(split, groups.held_out("t", &classes, 0.25, seed).unwrap());
        }
        let two = [0, 1].map(|seed| groups.held_out("t", &classes, 0.25, seed).unwrap());
        assert_ne!(two[0], two[1]);
    }

    #[test]
    fn folds_hold_out_each_group_once() {
        let (groups, classes) = patients();
        let folds = groups.folds("t", &classes, 5, 1).unwrap();
        let mut seen = vec![0; classes.len()];
        for fold in &folds {
            whole(&groups, fold);
            fold.held.iter().for_each(|&i| seen[i] += 1);
            let ones = fold.held.iter().filter(|&&i| classes[i] == 1).count();
            assert!((6..=14).contains(&ones), "{ones}");
        }
        assert!(seen.iter().all(|&n| n == 1));
        assert!(groups.folds("t", &classes, 41, 1).unwrap_err().to_string().contains("40 groups"));
        // As many folds as groups: each is held out alone.
        let (single, none) = (groups.folds("t", &classes, 40, 0).unwrap(), vec![0; classes.len()]);
        single.iter().for_each(|fold| whole(&groups, fold));
        groups.folds("t", &none, 3, 0).unwrap().iter().for_each(|fold| whole(&groups, fold));
    }

    #[test]
    fn few_groups_are_split_and_one_is_refused() {
        let groups = RowGroups::new("site", [0, 0, 0, 1, 1, 1].into_iter().map(Some));
        whole(&groups, &groups.held_out("t", &[0; 6], 0.1, 0).unwrap());
        let one = RowGroups::new("site", [0, 0].into_iter().map(Some));
        assert!(one.held_out("t", &[0; 2], 0.1, 0).unwrap_err().to_string().contains("one group"));
        let gaps = RowGroups::new("site", [None, Some(1), None, Some(1)].into_iter());
        assert_eq!((&gaps.of[..], gaps.count, gaps.alone), (&[0, 1, 2, 1][..], 3, 2));
        assert!(gaps.describe().contains("2 row(s) without a value"), "{}", gaps.describe());
    }
}
