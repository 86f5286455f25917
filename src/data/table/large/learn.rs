//! What is learned of a large table: of its target from all rows, of its other columns from
//! those that were drawn.

use super::super::clean::Missing;
use super::super::fitted::Fitted;
use super::super::options::TableOptions;
use super::super::target::{Answer, Goal};
use super::LargeTable;
use crate::data::GroupBy;
use crate::error::{Error, Result};

impl LargeTable {
    /// The options with columns by name, as the columns that are in memory are found by.
    pub fn named(&self, options: &TableOptions) -> TableOptions {
        let name = |word: &String| self.sample.find(word).map(|i| self.sample.columns[i].name.clone());
        let known = |word: &String| name(word).unwrap_or_else(|_| word.clone());
        let group = match &options.group {
            GroupBy::Columns(all) => GroupBy::Columns(all.iter().map(known).collect()),
            other => other.clone(),
        };
        let date = options.date.as_ref().map(|word| if word == "none" { word.clone() } else { known(word) });
        TableOptions { target: options.target.iter().map(known).collect(), date, group, ..options.clone() }
    }

    /// Learns from some rows, which ascend: of the target from all of them, of the other columns
    /// from those that were drawn.
    ///
    /// Fails as [`Fitted::fit`] does, and where rows that repeat others are to be left out.
    pub fn fit(&self, rows: &[usize], options: &TableOptions) -> Result<Fitted> {
        self.check(options)?;
        let drawn = self.drawn_of(rows);
        if drawn.is_empty() {
            return Err(Error::data(format!(
                "none of the {} rows of {} to learn from is among the {} that were drawn of it; raise --data-memory",
                rows.len(),
                self.name(),
                self.drawn.len()
            )));
        }
        let goal = self.goal(rows, options)?;
        Fitted::fit_to(&self.sample, &drawn, options, goal)
    }

    /// What is to be learned, of some rows, and what there is to say about it.
    fn goal(&self, rows: &[usize], options: &TableOptions) -> Result<(Goal, Vec<String>)> {
        options.target.iter().try_for_each(|word| self.sample.find(word).map(drop))?;
        Goal::learn(&self.beside, rows, &self.named(options))
    }

    /// Refuses what needs all cells at once.
    pub fn check(&self, options: &TableOptions) -> Result<()> {
        match options.cleaning.drop_duplicates {
            false => Ok(()),
            true => Err(Error::usage(format!(
                "[clean]: drop_duplicates = true compares all rows of {}, which takes more memory than {}; leave repeated \
                 rows out of the file, or raise --data-memory",
                self.name(),
                self.bound
            ))),
        }
    }

    /// As [`Fitted::row_classes`].
    ///
    /// Fails as that does, and when the file cannot be read.
    pub fn row_classes(&self, options: &TableOptions, none: u32) -> Result<Option<(Vec<String>, Vec<u32>)>> {
        self.check(options)?;
        let all: Vec<usize> = (0..self.rows()).collect();
        let (goal, _) = self.goal(&all, options)?;
        let Goal::Classes { column, names, .. } = &goal else { return Ok(None) };
        let cells = &self.beside.column(column)?.cells;
        let class = |cell: Option<&str>| match goal.answer(&[cell]) {
            Ok(Answer::Class(label)) => label,
            _ => none,
        };
        let mut classes: Vec<u32> = cells.iter().map(class).collect();
        let rules = options.cleaning.columns.values().chain([&options.cleaning.rules]);
        if rules.into_iter().any(|rules| rules.missing == Missing::Drop) {
            // A cell that is missing, or no number, may leave a row out.
            let fitted = self.fit(&all, options)?;
            for i in 0..self.pieces() {
                let (first, table) = self.read(i)?;
                let features = fitted.features_of_own(&table, &table.all_rows())?;
                let mut kept = features.kept.into_iter().peekable();
                for row in 0..table.rows() {
                    if kept.next_if_eq(&row).is_none() {
                        classes[first + row] = none;
                    }
                }
            }
        }
        Ok(Some((names.clone(), classes)))
    }
}
