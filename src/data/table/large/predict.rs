//! The rows of a large table to predict, piece by piece.

use super::super::apply::Features;
use super::super::fitted::Fitted;
use super::super::restyle::Restyled;
use super::tally::Tally;
use super::{LargeTable, Table};
use crate::error::Result;

/// Rows as features, by what was learned.
pub struct Parts {
    table: LargeTable,
    style: Restyled<'static>,
    tally: Tally,
    next: usize,
}

/// Rows of a piece as features.
pub struct Part {
    /// The number of the first row in the table.
    pub first: usize,
    /// The rows.
    pub table: Table,
    /// Their features; what was odd about them is in [`Parts::lines`].
    pub features: Features,
}

impl LargeTable {
    /// The features of all rows, piece by piece; how they are written is told by those that
    /// were drawn.
    ///
    /// Fails as [`Fitted::apply_features`] does.
    pub fn into_features(self, fitted: &Fitted) -> Result<Parts> {
        let style = fitted.restyled(&self.sample, &self.sample.all_rows())?.owned();
        Ok(Parts { table: self, style, tally: Tally::default(), next: 0 })
    }
}

impl Parts {
    /// What messages call the table.
    pub fn name(&self) -> &str {
        self.table.name()
    }

    /// What there is to say before anything is read.
    pub fn notes(&self) -> Vec<String> {
        [vec![self.table.describe()], self.table.sample.notes.clone(), self.style.notes.clone()].concat()
    }

    /// What was dropped and changed so far, for people.
    pub fn lines(&self) -> Vec<String> {
        self.tally.lines(self.table.name())
    }
}

impl Iterator for Parts {
    type Item = Result<Part>;

    fn next(&mut self) -> Option<Result<Part>> {
        if self.next == self.table.pieces() {
            return None;
        }
        let read = self.table.read(self.next);
        self.next += 1;
        let part = read.and_then(|(first, table)| {
            let rows = table.all_rows();
            let style = self.style.for_piece(&table, &rows);
            let (mut features, _) = style.fitted.encode(&style, &table, &rows, &|_| Ok(()))?;
            self.tally.add(
                std::mem::take(&mut features.dropped),
                std::mem::take(&mut features.notes),
                std::mem::take(&mut features.restyled),
            );
            Ok(Part { first, table, features })
        });
        Some(part)
    }
}
