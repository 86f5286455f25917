//! The values of a column with how often each occurs: what would be asked of millions of
//! cells is asked once of each value.

use super::cells::Cells;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// Different values up to which they are counted; with more each cell stands for itself.
const MOST: usize = 1 << 16;

/// The cells of a column that are not missing.
pub(in crate::data) struct Values<'a> {
    all: All<'a>,
    /// The number of cells.
    cells: usize,
}

enum All<'a> {
    /// Values with how often each occurs, in the order in which they first do.
    Counted(Vec<(&'a str, usize)>),
    /// Too many to count: each cell stands for itself.
    Each(Vec<&'a str>),
    /// The same, where they lie.
    Column(&'a Cells),
}

impl<'a> Values<'a> {
    /// Counts the values of some cells.
    pub fn of(cells: impl Iterator<Item = &'a str> + Clone) -> Values<'a> {
        Values::counted(cells.clone()).unwrap_or_else(|| {
            let each: Vec<&str> = cells.collect();
            Values { cells: each.len(), all: All::Each(each) }
        })
    }

    /// Counts the values of a column.
    pub fn of_column(cells: &'a Cells) -> Values<'a> {
        let each = || Values { cells: cells.present().count(), all: All::Column(cells) };
        Values::counted(cells.present()).unwrap_or_else(each)
    }

    fn counted(cells: impl Iterator<Item = &'a str>) -> Option<Values<'a>> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut all: Vec<(&str, usize)> = vec![];
        let mut count = 0;
        for cell in cells {
            let place = *places.entry(cell).or_insert(all.len());
            match all.get_mut(place) {
                Some((_, n)) => *n += 1,
                None if place == MOST => return None,
                None => all.push((cell, 1)),
            }
            count += 1;
        }
        Some(Values { all: All::Counted(all), cells: count })
    }

    /// The number of cells.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Values with the number of cells that each stands for; one may come again.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, usize)> + Clone {
        let (counted, each, column) = match &self.all {
            All::Counted(all) => (all.as_slice(), &[][..], None),
            All::Each(all) => (&[][..], all.as_slice(), None),
            All::Column(cells) => (&[][..], &[][..], Some(*cells)),
        };
        let single = each.iter().copied().chain(column.into_iter().flat_map(Cells::present));
        counted.iter().copied().chain(single.map(|word| (word, 1)))
    }

    /// The same without the numbers.
    pub fn words(&self) -> impl Iterator<Item = &'a str> + Clone {
        self.iter().map(|(word, _)| word)
    }

    /// The number of cells whose value passes a test.
    pub fn count(&self, mut test: impl FnMut(&str) -> bool) -> usize {
        self.iter().filter(|(word, _)| test(word)).map(|(_, n)| n).sum()
    }

    /// How many values there are, told apart by 64 bits where they were not counted.
    pub fn distinct(&self) -> usize {
        if let All::Counted(all) = &self.all {
            return all.len();
        }
        let hasher = RandomState::new();
        let mut marks = Vec::with_capacity(self.cells);
        marks.extend(self.words().map(|word| hasher.hash_one(word)));
        marks.par_sort_unstable();
        marks.dedup();
        marks.len()
    }
}

/// How many different values a column has.
pub(super) fn distinct(cells: &Cells) -> usize {
    struct Distinct(usize);
    cells.remembered(|_: &Distinct| true, || Distinct(Values::of_column(cells).distinct())).0
}

/// Whether a column has at most so many different values.
pub(super) fn are_few(cells: &Cells, most: usize) -> bool {
    let mut seen = HashSet::new();
    cells.present().all(|cell| seen.contains(cell) || (seen.insert(cell) && seen.len() <= most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_or_stand_for_themselves() {
        let few: Vec<String> = (0..1000).map(|i| (i % 7).to_string()).collect();
        let values = Values::of(few.iter().map(String::as_str));
        assert_eq!((values.cells(), values.distinct(), values.iter().next()), (1000, 7, Some(("0", 143))));
        assert_eq!(values.count(|word| word == "6"), 142);
        let many: Vec<String> = (0..2 * MOST + 10).map(|i| (i % (MOST + 5)).to_string()).collect();
        let values = Values::of(many.iter().map(String::as_str));
        assert_eq!((values.cells(), values.distinct()), (2 * MOST + 10, MOST + 5));
        assert_eq!((values.count(|word| word == "3"), values.words().count()), (2, 2 * MOST + 10));
        assert_eq!(Values::of(std::iter::empty()).distinct(), 0);
        let column: Cells = many.iter().map(Some).chain([None]).collect();
        let of_column = Values::of_column(&column);
        assert_eq!((of_column.cells(), of_column.distinct()), (values.cells(), values.distinct()));
        assert!(of_column.iter().eq(values.iter()));
        assert_eq!((distinct(&column), distinct(&column)), (MOST + 5, MOST + 5));
        assert!(are_few(&column, MOST + 5) && !are_few(&column, MOST + 4) && are_few(&Cells::new(), 0));
    }
}
