//! Rows of a source that belong together: who says so, and what has no such.

use super::prepare::Source;
use super::settings::{DataSettings, SplitBy};
use crate::data::table::subjects;
use crate::data::{RowGroups, Split, dataset};
use crate::error::{Error, Result};

/// The groups of the rows of a source; `None` where nobody asks for any. A series has
/// its own, which the windows keep to.
///
/// Fails when the source cannot say which rows belong together, and when rows are to be
/// split by time, too.
pub(super) fn of(source: &Source, s: &DataSettings) -> Result<Option<RowGroups>> {
    let by = &s.table.group;
    if by.columns().is_empty() || matches!(source, Source::Series(_)) {
        return Ok(None);
    }
    let refuse = |what: &str| Err(Error::usage(format!("--group {} (data.group): {what}", by.columns().join(","))));
    let name = source.name();
    let found = match source {
        Source::Table(table) => RowGroups::of_table(table, by)?,
        Source::Sets { groups: Some(groups), .. } => Some(groups.clone()),
        Source::Texts(texts) => match &texts.train.beside {
            // Texts and classes are not among its columns, so numbers would count others.
            Some(table) => match by.columns().iter().find(|c| table.column(c).is_err()) {
                Some(word) => {
                    let names = table.names().join(", ");
                    return refuse(&format!(
                        "{name} has no column \"{word}\" beside its texts and their classes ({names}); expected the name of one"
                    ));
                }
                None => RowGroups::of_table(table, by)?,
            },
            None => return refuse(&format!("{name} is a folder of texts, and nothing says which belong together")),
        },
        Source::Sets { .. } => {
            return refuse(&format!(
                "{name} holds samples without groups, as pictures are; give each split a folder of its own \
                 (train, val, test), or take a table or an .npz archive with an array of groups"
            ));
        }
        Source::Corpus(_) => return refuse(&format!("{name} is one text")),
        Source::Series(_) => None,
    };
    if s.split == SplitBy::Time {
        return refuse(
            "split = \"time\" would hold out the late rows of a group whose early ones are trained on; expected one of the two",
        );
    }
    Ok(found)
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
    let mine: Vec<u32> = rows.iter().map(|&i| strata[i]).collect();
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
    Ok((split, vec![note]))
}

/// What to say of rows that repeat the subject of others, where nobody says that they
/// belong together.
pub(super) fn remarks(source: &Source, s: &DataSettings) -> Vec<String> {
    let table = match source {
        Source::Table(table) => table,
        Source::Texts(texts) => match &texts.train.beside {
            Some(table) => table,
            None => return vec![],
        },
        _ => return vec![],
    };
    subjects::repeated(table, &s.table.target_names(table))
}
