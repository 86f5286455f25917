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

/// What spreadsheets write where a formula fails and that no pattern tells, in small letters.
const ERRORS: &[&str] = &["#n/a", "#na", "#nv", "#n/d", "#n/disp", "#getting_data", "#n/a n/a"];
/// The longest word for such an error.
const LONGEST_ERROR: usize = 16;

/// Whether a cell says that a formula of a spreadsheet failed: `#N/A`, `#DIV/0!`,
/// `#NAME?`, `#WERT!`.
pub(super) fn is_error_of_sheet(cell: &str) -> bool {
    let Some(word) = cell.strip_prefix('#').and_then(|rest| rest.strip_suffix(['!', '?'])) else {
        return ERRORS.contains(&cell.to_lowercase().as_str());
    };
    let is_part = |c: char| c.is_uppercase() || c.is_ascii_digit() || matches!(c, '/' | '_' | '¡' | '¿');
    word.chars().any(char::is_uppercase) && word.chars().all(is_part) && word.len() <= LONGEST_ERROR
}

/// Words that are looked for in very many cells.
pub(super) struct Words<'a> {
    all: Vec<&'a str>,
    longest: usize,
    /// Whether a word begins with this byte.
    begins: [bool; 256],
}

impl<'a> Words<'a> {
    pub fn new(words: impl IntoIterator<Item = &'a str>) -> Words<'a> {
        let all: Vec<&str> = words.into_iter().collect();
        let mut begins = [false; 256];
        all.iter().filter_map(|word| word.bytes().next()).for_each(|first| begins[first as usize] = true);
        Words { longest: all.iter().map(|word| word.len()).max().unwrap_or(0), all, begins }
    }

    /// Whether a cell is one of them.
    pub fn contain(&self, cell: &str) -> bool {
        let possible =
            cell.len() <= self.longest && cell.bytes().next().is_none_or(|first| self.begins[first as usize]);
        possible && self.all.contains(&cell)
    }
}

/// The marks that are values, by column.
pub type Kept = BTreeMap<String, Vec<String>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found() {
        let words = Words::new(MISSING.iter().copied());
        assert!(MISSING.iter().all(|word| words.contain(word)));
        assert!(["N", "Nan", "none!", "x", "-1", "NAN", "é"].iter().all(|word| !words.contain(word)));
        assert!(!Words::new([]).contain("") && !Words::new(["a"]).contain(""));
    }

    #[test]
    fn errors_of_spreadsheets_are_told_from_comments() {
        for word in
            ["#N/A", "#n/a", "#VALUE!", "#REF!", "#DIV/0!", "#NV", "#WERT!", "#NAME?", "#NULL!", "#NUM!", "#¡DIV/0!"]
        {
            assert!(is_error_of_sheet(word), "{word}");
        }
        for word in ["#", "# note!", "#ff8800", "#wow!", "#1", "N/A", "#!", "#1!"] {
            assert!(!is_error_of_sheet(word), "{word}");
        }
    }
}
