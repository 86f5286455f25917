//! What a kind of data says of itself, so that it can be split and trained on.

use super::prepared::Prepared;
use super::settings::{DataSettings, Settings};
use crate::data::table::{Table, TableOptions};
use crate::data::{Dataset, RowGroups, Split};
use crate::error::Result;

/// The classes of a source, and the class of each row.
pub type RowClasses = (Vec<String>, Vec<u32>);

/// The rows of a source that the sets of a run are made of.
pub struct Parts<'a> {
    /// Those that are learned from.
    pub train: &'a [usize],
    /// Those held out to validate; none where the source's own set does that.
    pub val: &'a [usize],
    /// Those that a fold holds out to test, in place of the source's own set.
    pub test: Option<&'a [usize]>,
}

/// A data source, open and not yet split. [`prepare`](super::prepare()) splits it by the
/// settings and asks for the sets.
pub trait Source: Send + Sync {
    /// What messages call it.
    fn name(&self) -> &str;

    /// The number of samples to train on and to hold out.
    fn rows(&self) -> usize;

    /// Its sets, of these rows. What is learned of the data is learned of the training
    /// rows alone.
    fn sets(&self, parts: &Parts, s: &Settings) -> Result<Prepared>;

    /// Which rows belong together, by the settings' `data.group`, which names columns.
    ///
    /// Fails where it cannot say that.
    fn groups(&self, s: &DataSettings) -> Result<Option<RowGroups>>;

    /// The classes, and the class of each row, where the targets are classes; a row of a
    /// table without one has [`IGNORED`](crate::data::IGNORED).
    fn classes(&self, _: &DataSettings) -> Result<Option<RowClasses>> {
        Ok(None)
    }

    /// The columns that stand beside the samples, a row each: dates to split by, and what
    /// rows have in common.
    fn table(&self) -> Option<&Table> {
        None
    }

    /// The options with the columns that they name by number, or as the last, called as
    /// [`table`](Source::table) calls them, where that has only some of the source's columns.
    fn named(&self, options: &TableOptions) -> TableOptions {
        options.clone()
    }

    /// Whether it has a validation set of its own.
    fn has_val(&self) -> bool {
        false
    }

    /// Whether its order is its content, as of a text or a series: it then holds out its
    /// end by itself, and [`Parts::train`] is all rows, or those of a fold.
    fn is_ordered(&self) -> bool {
        false
    }

    /// Folds in its own order, where it has one.
    ///
    /// Fails where it cannot have folds.
    fn ordered_folds(&self, _: &Settings) -> Result<Option<Vec<Split>>> {
        Ok(None)
    }

    /// Gives a set of its samples the cells of their rows, where reports show such.
    fn show_cells(&self, _: &mut Dataset) {}
}
