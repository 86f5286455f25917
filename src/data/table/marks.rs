//! Marks of missing cells that may be values: `None` is no disorder, `NA` is
//! Namibia, `-` a strand, `.` a field of a board and what SAS and Stata write for
//! nothing.
//!
//! In a column of words that recur, a mark that is about as frequent as the
//! words is one of them. Which it was taken for is said, and kept with what was
//! learned: a few new rows say nothing about how frequent it is.

use super::layout::ReadOptions;
use super::missing::{Kept, MISSING, Words, are_usual};
use super::sniff::measured;
use super::table::Column;
use rayon::prelude::*;
use std::collections::HashMap;

/// Marks that are also words or signs.
const EITHER: &[&str] = &["NA", "None", "none", "Null", "null", "?", "-", ".", "_"];
/// The most different words of a column in which a mark may be one.
const MOST_WORDS: usize = 100;

/// Takes marks of missing cells out of columns, and says which are values.
pub(super) fn settle(columns: &mut [Column], options: &ReadOptions, notes: &mut Vec<String>) -> Kept {
    // A list of the user's own leaves nothing open.
    let decides = options.kept.is_none() && are_usual(&options.missing_values);
    let either = Words::new(EITHER.iter().copied());
    let all = Words::new(options.missing_values.iter().map(String::as_str).chain(EITHER.iter().copied()));
    let settle = |column: &mut Column| {
        let mut notes = vec![];
        let is_settled = column.declared.is_empty() && options.kept.is_none();
        if is_settled && !column.cells.present().any(|c| all.contain(c)) {
            return (None, notes);
        }
        let values = match &options.kept {
            Some(known) => known.get(&column.name).cloned().unwrap_or_default(),
            // What the file declares is a value.
            None if decides && !column.declared.is_empty() => {
                column.declared.iter().filter(|value| options.missing_values.contains(value)).cloned().collect()
            }
            None if decides && column.cells.present().any(|c| either.contain(c)) => decide(column, &mut notes),
            None => vec![],
        };
        let missing = options.missing_values.iter().filter(|mark| !values.contains(mark));
        let missing = Words::new(missing.map(String::as_str));
        if column.cells.present().any(|c| missing.contain(c)) {
            column.cells = column.cells.rewritten(|c| (!missing.contain(c)).then_some(c.into()));
        }
        ((!values.is_empty()).then(|| (column.name.clone(), values)), notes)
    };
    let (found, said): (Vec<_>, Vec<_>) = columns.par_iter_mut().map(settle).unzip();
    notes.extend(said.into_iter().flatten());
    found.into_iter().flatten().collect()
}

/// The marks that are values of a column.
fn decide(column: &Column, notes: &mut Vec<String>) -> Vec<String> {
    let (values, others) = values_among(column.cells.present());
    let name = &column.name;
    for (mark, n) in &values {
        notes.push(format!(
            "{name}: \"{mark}\" ({n} cells) is taken for a value, as it is about as frequent as others; set \
             missing_values = [\"{mark}\"] if it means that a cell is missing"
        ));
    }
    for (mark, n) in others {
        notes.push(format!(
            "{name}: \"{mark}\" ({n} {}) counts as missing; set missing_values = [] if it is a value",
            if n == 1 { "cell" } else { "cells" }
        ));
    }
    values.into_iter().map(|(mark, _)| mark).collect()
}

/// Marks of missing cells, with how often they occur.
pub(in crate::data) type Counted = Vec<(String, usize)>;

/// The marks among cells that are values, and those that are not; none of both where the cells are no words that recur.
pub(in crate::data) fn values_among<'a>(cells: impl Iterator<Item = &'a str>) -> (Counted, Counted) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    cells.filter(|c| !c.is_empty()).for_each(|c| *counts.entry(c).or_default() += 1);
    let words: Vec<(&str, usize)> =
        counts.iter().filter(|(c, _)| !MISSING.contains(c)).map(|(c, n)| (*c, *n)).collect();
    let total: usize = words.iter().map(|(_, n)| n).sum();
    let odd: usize = words.iter().filter(|(c, _)| measured(c)).map(|(_, n)| n).sum();
    if words.is_empty() || words.len() > MOST_WORDS || total < 2 * words.len() || 2 * odd >= total {
        return (vec![], vec![]);
    }
    // Half of what a word has on average.
    let is_frequent = |n: usize| 2 * n * words.len() >= total;
    let marks = EITHER.iter().filter_map(|m| Some((m.to_string(), *counts.get(m)?)));
    marks.partition(|&(_, n)| n > 1 && is_frequent(n))
}

#[cfg(test)]
mod tests {
    use super::super::{ReadOptions, Table};
    use super::*;

    fn table(text: &str, options: &ReadOptions) -> Table {
        Table::parse("t.csv", text.as_bytes(), options).unwrap()
    }

    fn rows(marks: &[&str]) -> String {
        let row = |(i, m): (usize, &&str)| format!("{}.5,{m}\n", i % 7);
        "x,kind\n".to_string() + &marks.iter().enumerate().map(row).collect::<String>()
    }

    #[test]
    fn a_mark_as_frequent_as_words_is_one() {
        let options = ReadOptions::default();
        for words in [
            ["None", "mild", "severe"],
            ["NA", "DE", "US"],
            ["-", "+", "+"],
            ["?", "!", "!"],
            [".", "x", "o"],
            ["_", "x", "o"],
        ] {
            let t = table(&rows(&words.repeat(10)), &options);
            assert_eq!(t.columns[1].cells.iter().flatten().count(), 30, "{words:?}");
            assert_eq!(t.kept["kind"], [words[0]]);
            assert!(t.notes[0].contains("is taken for a value"), "{:?}", t.notes);
        }
        let rare = [&["a", "b"].repeat(20)[..], &["NA", "?"]].concat();
        let t = table(&rows(&rare), &options);
        assert_eq!((t.columns[1].cells.iter().flatten().count(), t.kept.len()), (40, 0));
        assert!(
            t.notes.iter().all(|n| n.contains("(1 cell) counts as missing")) && t.notes.len() == 2,
            "{:?}",
            t.notes
        );
        for mark in ["NA", ".", "_"] {
            let numbers = table(&rows(&[mark, "1.5", "2.5"].repeat(10)), &options);
            assert_eq!((numbers.columns[1].cells.iter().flatten().count(), numbers.notes.len()), (20, 0));
        }
    }

    #[test]
    fn what_is_known_is_not_decided_again() {
        let text = rows(&["None", "mild", "severe"].repeat(10));
        // What an older version wrote down as the usual marks is not taken for a list of one's own.
        let older = MISSING[..14].iter().map(|m| m.to_string()).collect();
        let older = ReadOptions { missing_values: older, ..ReadOptions::default() };
        assert_eq!(table(&text, &older).kept["kind"], ["None"]);
        let own = ReadOptions { missing_values: vec!["None".into()], ..ReadOptions::default() };
        let t = table(&text, &own);
        assert_eq!((t.columns[1].cells.iter().flatten().count(), t.notes.len()), (20, 0));
        let kept = table(&text, &ReadOptions::default()).kept;
        let known = ReadOptions { kept: Some(kept), ..ReadOptions::default() };
        let few = table("x,kind\n1,None\n2,mild\n3,NA\n", &known);
        assert!(few.columns[1].cells.iter().eq([Some("None"), Some("mild"), None]));
        let none = ReadOptions { kept: Some(Default::default()), ..ReadOptions::default() };
        assert_eq!(table(&text, &none).columns[1].cells.iter().flatten().count(), 20);
    }
}
