//! Rows of a source that belong together: who says so, and what has no such.

use super::settings::{DataSettings, SplitBy};
use super::source::Source;
use crate::data::table::subjects;
use crate::data::{RowGroups, Split, dataset};
use crate::error::{Error, Result};
use std::borrow::Cow;

/// The groups of the rows of a source; `None` where nobody asks for any. A series has
/// its own, which the windows keep to.
///
/// Fails when the source cannot say which rows belong together, and when rows are to be
/// split by time, too.
pub(super) fn of(source: &dyn Source, s: &DataSettings) -> Result<Option<RowGroups>> {
    if s.table.group.columns().is_empty() {
        return Ok(None);
    }
    if source.is_ordered() && s.table.normalize_groups {
        return Err(refuse(
            s,
            "normalize_groups = true: series and texts have the groups that their names tell apart; expected false: write \
             the names alike",
        ));
    }
    let found = source.groups(s)?;
    if found.is_some() && s.split == SplitBy::Time {
        return Err(refuse(
            s,
            "split = \"time\" would hold out the late rows of a group whose early ones are trained on; expected one of the two",
        ));
    }
    Ok(found)
}

/// The error for groups that a source cannot have.
pub fn refuse(s: &DataSettings, what: &str) -> Error {
    Error::usage(format!("--group {} (data.group): {what}", s.table.group.columns().join(",")))
}

/// Holds out a share of some rows, whole groups where there are such; and what there is
/// to say about that.
pub(super) fn hold_out(
    name: &str,
    rows: &[usize],
    strata: &[u32],
    groups: Option<&RowGroups>,
    share: f64,
    seed: u32,
) -> Result<(Split, Vec<String>)> {
    let mine: Cow<[u32]> = match rows.len() == strata.len() && rows.is_sorted_by(|a, b| a < b) {
        true => strata.into(),
        false => rows.iter().map(|&i| strata[i]).collect(),
    };
    let Some(groups) = groups else { return Ok((dataset::stratified(name, &mine, share, seed)?, vec![])) };
    let groups = groups.select(rows);
    let split = groups.held_out(name, &mine, share, seed)?;
    let held = groups.select(&split.held).count;
    let note = format!(
        "{name}: {}; {held} of them are held out whole, {} of {} rows",
        groups.describe(),
        split.held.len(),
        rows.len()
    );
    Ok((split, [note].into_iter().chain(groups.notes).collect()))
}

/// What to say of rows that repeat the subject of others, where nobody says that they
/// belong together.
pub(super) fn remarks(source: &dyn Source, s: &DataSettings) -> Vec<String> {
    source.table().map_or(vec![], |table| subjects::repeated(table, &source.named(&s.table).target_names(table)))
}
