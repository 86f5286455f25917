//! Categories as places in a vector.

use super::number::canonical;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The categories that have a place of their own, and what the rest gets. A
/// place for the rest exists only if training rows fill it: what a model never
/// saw moves it least as zeros.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slots {
    /// Categories with a place, the most frequent first.
    pub values: Vec<String>,
    /// Categories of the training rows that are too rare for one.
    pub rare: BTreeSet<String>,
    /// Whether rare and new categories have a place together.
    pub other: bool,
    /// Whether missing cells have a place.
    pub missing: bool,
}

/// Where a cell belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At this index.
    At(usize),
    /// Nowhere: all zeros.
    None,
}

impl Slots {
    /// Learns from cells: at most `most` categories that occur `least` times get
    /// a place, and so do missing cells that occur that often.
    pub fn learn<'a>(cells: impl Iterator<Item = Option<&'a str>>, most: usize, least: usize) -> Slots {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut gaps = 0;
        for cell in cells {
            match cell {
                Some(cell) => *counts.entry(canonical(cell)).or_default() += 1,
                None => gaps += 1,
            }
        }
        let mut ranked: Vec<(String, usize)> = counts.into_iter().collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let with_place = ranked.iter().take(most).take_while(|(_, n)| *n >= least).count();
        let rare: BTreeSet<String> = ranked.split_off(with_place).into_iter().map(|(v, _)| v).collect();
        let values = ranked.into_iter().map(|(v, _)| v).collect();
        Slots { values, other: !rare.is_empty(), rare, missing: gaps >= least.max(1) }
    }

    /// The number of places.
    pub fn width(&self) -> usize {
        self.values.len() + usize::from(self.other) + usize::from(self.missing)
    }

    /// What each place stands for.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.values.clone();
        names.extend(self.other.then(|| "(other)".to_string()));
        names.extend(self.missing.then(|| "(missing)".to_string()));
        names
    }

    /// Where a cell belongs. Missing cells without a place go to the rest.
    pub fn place(&self, cell: Option<&str>) -> Place {
        let rest = if self.other { Place::At(self.values.len()) } else { Place::None };
        match cell {
            Some(cell) => {
                let cell = canonical(cell);
                self.values.iter().position(|v| *v == cell).map_or(rest, Place::At)
            }
            None if self.missing => Place::At(self.width() - 1),
            None => rest,
        }
    }

    /// Whether no training row had this category.
    pub fn is_new(&self, cell: &str) -> bool {
        let cell = canonical(cell);
        !self.values.contains(&cell) && !self.rare.contains(&cell)
    }

    /// Sorts the categories with a place: those of `order` as they stand there,
    /// then numbers by size, then words.
    pub fn sort(&mut self, order: &[String]) {
        let key = |v: &String| {
            let given = order.iter().position(|o| canonical(o) == *v).unwrap_or(usize::MAX);
            (given, v.parse::<f64>().unwrap_or(f64::INFINITY))
        };
        self.values.sort_by(|a, b| {
            let ((i, x), (j, y)) = (key(a), key(b));
            i.cmp(&j).then(x.total_cmp(&y)).then_with(|| a.cmp(b))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_new_and_missing_cells_have_their_places() {
        let cells = ["a", "b", "a", "c", "b", "a", "1.0", "1"];
        let all = || cells.iter().map(|c| Some(*c)).chain([None, None]);
        let slots = Slots::learn(all(), 2, 2);
        assert_eq!(slots.names(), ["a", "1", "(other)", "(missing)"]);
        assert_eq!([Some("a"), Some("b"), Some("new"), None].map(|c| slots.place(c)), [0, 2, 2, 3].map(Place::At));
        assert!(slots.is_new("new") && !slots.is_new("b") && !slots.is_new("1.00"));
        let wide = Slots::learn(cells.iter().map(|c| Some(*c)), 9, 1);
        assert_eq!((wide.place(Some("new")), wide.place(None)), (Place::None, Place::None));
    }

    #[test]
    fn an_order_is_given_or_natural() {
        let mut slots = Slots::learn(["10", "9", "low", "high"].iter().map(|c| Some(*c)), 9, 1);
        slots.sort(&["low".into(), "high".into()]);
        assert_eq!(slots.values, ["low", "high", "9", "10"]);
    }
}
