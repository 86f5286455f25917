//! Columns that say of whom or of what a row is, where several rows are of one:
//! such rows are alike, and a split that puts them on both sides is scored too
//! well.

use super::names::says_subject;
use super::{Column, Table};
use std::collections::{BTreeMap, BTreeSet};

/// The share of the rows that must not stand alone.
const SHARED: f64 = 0.1;
/// Different values that a column must have; of codes whose name says nothing more.
const FEWEST: usize = 3;
const FEWEST_CODES: usize = 10;

/// What to say of columns of which rows repeat; nothing of those that are
/// `skipped`, such as targets.
pub fn repeated(table: &Table, skipped: &[&str]) -> Vec<String> {
    let others = table.columns.iter().filter(|c| !skipped.contains(&c.name.as_str()));
    others.filter_map(|column| remark(table, column)).collect()
}

fn remark(table: &Table, column: &Column) -> Option<String> {
    let named = says_subject(&column.name);
    if !named && !column.cells.present().all(is_code) {
        return None;
    }
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    column.cells.iter().flatten().for_each(|cell| *rows.entry(cell).or_default() += 1);
    let (n, values) = (rows.values().sum::<usize>(), rows.len());
    let shared: usize = rows.values().filter(|&&n| n > 1).sum();
    let counts: BTreeSet<usize> = rows.values().copied().collect();
    let enough = match named {
        true => values >= FEWEST && shared as f64 >= SHARED * n as f64,
        // Codes of categories are few and of any size; those of subjects are many.
        false => values >= FEWEST_CODES && 2 * values <= n && *counts.last()? <= n / 5,
    };
    let name = &column.name;
    (enough && values < n).then(|| {
        format!(
            "{}: \"{name}\" has {values} different values in {n} rows, so that rows of one stand on both sides of a \
             random split, and scores are too good; --group \"{name}\" (data.group) keeps rows of one together",
            table.name
        )
    })
}

/// Some letters and at least two digits, such as `P0012`.
fn is_code(cell: &str) -> bool {
    let letters = cell.bytes().take_while(u8::is_ascii_alphabetic).count();
    let digits = cell[letters..].trim_start_matches(['-', '_']);
    (1..=5).contains(&letters) && digits.len() >= 2 && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::ReadOptions;
    use super::*;

    fn said(name: &str, cell: impl Fn(usize) -> String) -> Vec<String> {
        let text = (0..60).fold(format!("{name},x,y\n"), |text, i| text + &format!("{},{i},{}\n", cell(i), i % 2));
        repeated(&Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap(), &["y"])
    }

    #[test]
    fn subjects_with_several_rows_are_named() {
        let found = said("patient", |i| (i / 3).to_string());
        assert!(found.len() == 1 && found[0].contains("20 different values in 60 rows"), "{found:?}");
        assert!(found[0].contains("--group \"patient\""), "{found:?}");
        assert_eq!(said("probe", |i| format!("S{:03}", i / 4)).len(), 1, "codes need no name");
        assert!(said("patient", |i| i.to_string()).is_empty(), "each row is of another");
        assert!(said("user", |i| ["new", "old"][i % 2].into()).is_empty(), "two values are a category");
        assert!(said("class", |i| format!("B{:02}", i % 4)).is_empty(), "few codes are categories");
        assert!(said("colour", |i| ["red", "green", "blue"][i % 3].into()).is_empty());
    }
}
