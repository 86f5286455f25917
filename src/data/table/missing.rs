//! The marks that stand for missing cells, and those that were found to be values.

use std::collections::BTreeMap;

/// What stands for a missing cell unless the user says otherwise.
pub const MISSING: &[&str] =
    &["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "Null", "null", "None", "none", "?", "-", ".", "_"];
/// The first of them, which older versions knew: a list that says no more was nobody's own.
const FORMERLY: usize = 14;

/// Whether these are the usual marks of missing cells, and no list of a user's own.
pub(in crate::data) fn are_usual(missing_values: &[String]) -> bool {
    missing_values == MISSING || missing_values == &MISSING[..FORMERLY]
}

/// The marks that are values, by column.
pub type Kept = BTreeMap<String, Vec<String>>;
