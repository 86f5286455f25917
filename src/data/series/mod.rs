//! Time series: from a table whose rows follow one another in time to samples
//! that look back and targets that lie ahead.
//!
//! [`Panel`] is the table as its series, one or one of each group, [`Series`] the rows of
//! one in the order of time, as numbers without gaps.
//! [`prepare`] splits it by time, learns a [`SeriesFitted`] from the training
//! rows alone, and cuts windows: `[window, columns]` of the past, `horizon`
//! values ahead. [`Naive`] holds forecasts that need no model, for the same
//! windows. [`SeriesAudit`] looks at a series for people.

mod audit;
mod calendar;
mod changes;
mod column;
mod columns;
mod dated;
pub(super) mod dates;
mod difference;
mod fit;
mod joined;
mod naive;
mod numbers;
mod options;
mod panel;
mod parts;
mod prepare;
mod ridge;
mod rows;
mod season;
#[allow(clippy::module_inception)]
mod series;
mod spacing;
mod times;
mod windows;

pub use audit::SeriesAudit;
pub use calendar::Cycle;
pub use column::{DateColumn, NumberColumn};
pub use dates::dates_after;
pub use difference::Difference;
pub use fit::SeriesFitted;
pub use naive::{Naive, NaiveSets, PERSISTENCE, WINDOW_MEAN};
pub use options::{Duplicates, Season, SeriesOptions};
pub use prepare::{Prepared, expanding, prepare};
pub use series::{Ahead, Panel, Series};
pub use windows::{ToForecast, Windows};

#[cfg(test)]
mod changes_tests;
#[cfg(test)]
mod panel_tests;
#[cfg(test)]
mod tests;
