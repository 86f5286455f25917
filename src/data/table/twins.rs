//! Rows that are equal: within a file but for what only tells rows apart, and on both
//! sides of a split, where a model has seen what it is scored on.

use super::table::Table;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The least share of different rows: where they are fewer, columns hold so few values that
/// equal rows say nothing.
const DIFFERENT: f64 = 0.2;
/// The share of rows held out below which twins do not matter.
const MATTER: f64 = 0.01;

/// The places of the columns that have one of these names.
fn places(table: &Table, names: &[&str]) -> Vec<usize> {
    let names: HashSet<&str> = names.iter().copied().collect();
    (0..table.columns.len()).filter(|&i| names.contains(table.columns[i].name.as_str())).collect()
}

/// What is equal where the cells of a row are.
fn mark(table: &Table, columns: &[usize], row: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    columns.iter().for_each(|&i| table.columns[i].cells[row].hash(&mut hasher));
    hasher.finish()
}

/// Rows that repeat an earlier one in these columns; nothing where most do.
pub(super) fn repeats(table: &Table, columns: &[usize]) -> Vec<usize> {
    let mut first: HashMap<u64, usize> = HashMap::new();
    let repeats: Vec<usize> =
        (0..table.rows()).filter(|&row| *first.entry(mark(table, columns, row)).or_insert(row) != row).collect();
    if (first.len() as f64) < DIFFERENT * table.rows() as f64 { vec![] } else { repeats }
}

/// What to say of rows held out that are equal to training rows in all columns that are
/// used; nothing where they are few, or where these columns hold few values.
pub fn across(table: &Table, [train, held]: [&[usize]; 2], used: &[&str], targets: &[&str]) -> Option<String> {
    let (used, targets) = (places(table, used), places(table, targets));
    if used.is_empty() {
        return None;
    }
    let mut known: HashMap<u64, u64> = HashMap::new();
    train.iter().for_each(|&row| {
        known.entry(mark(table, &used, row)).or_insert_with(|| mark(table, &targets, row));
    });
    if (known.len() as f64) < DIFFERENT * train.len() as f64 {
        return None;
    }
    let twins: Vec<(usize, u64)> =
        held.iter().filter_map(|&row| Some((row, *known.get(&mark(table, &used, row))?))).collect();
    let n = twins.len();
    if n == 0 || (n as f64) < MATTER * held.len() as f64 {
        return None;
    }
    let same = twins.iter().filter(|(row, target)| mark(table, &targets, *row) == *target).count();
    let lines: Vec<String> = twins.iter().take(5).map(|(row, _)| table.lines[*row].to_string()).collect();
    let more = if n > lines.len() { ", .." } else { "" };
    Some(format!(
        "{}: {n} of {} rows held out are equal to a training row in all columns that are used (lines {}{more}), {same} of \
         them with its target: their scores say nothing of new rows; leave repeated rows out of the file, or keep them \
         together with --group (data.group)",
        table.name,
        held.len(),
        lines.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{ReadOptions, TableAudit, TableOptions};
    use super::*;

    /// Forty rows, and then some of them again, under other numbers.
    fn table(again: usize, cell: impl Fn(usize) -> String) -> Table {
        let row = |(n, i): (usize, usize)| format!("{n},{},{},{}\n", cell(i), i * 7 % 40, ["a", "b"][i % 2]);
        let rows: String = (0..40).chain(0..again).enumerate().map(row).collect();
        Table::parse("t.csv", format!("id,x,z,y\n{rows}").as_bytes(), &ReadOptions::default()).unwrap()
    }

    #[test]
    fn rows_held_out_that_were_trained_on_are_said() {
        let t = table(10, |i| format!("{}.5", i * i));
        let said = |held: &[usize], used: &[&str]| across(&t, [&t.all_rows()[..40], held], used, &["y"]);
        let all: Vec<usize> = (40..50).collect();
        let note = said(&all, &["x", "z"]).unwrap();
        assert!(note.contains("10 of 10 rows held out are equal to a training row"), "{note}");
        assert!(note.contains("(lines 42, 43, 44, 45, 46, ..), 10 of them with its target"), "{note}");
        assert_eq!(said(&all, &["id", "x"]), None, "an identifier that is used tells them apart");
        let few = table(10, |i| (i % 2).to_string());
        let rows = few.all_rows();
        assert_eq!(across(&few, [&rows[..40], &rows[40..]], &["x"], &["y"]), None, "two values tell nothing");
    }

    #[test]
    fn an_identifier_hides_no_repeated_row() {
        let audit = |t: &Table| TableAudit::new(t, &TableOptions::default()).unwrap();
        let found = audit(&table(10, |i| format!("{}.5", i * i)));
        assert_eq!((found.duplicates.len(), &found.repeated.lines[..3]), (0, &[42, 43, 44][..]));
        assert_eq!(found.repeated.without, ["id"]);
        let hints = found.hints.join("\n");
        assert!(hints.contains("10 rows repeat an earlier one in all columns but id (lines 42, 43"), "{hints}");
        assert!(audit(&table(0, |i| format!("{}.5", i * i))).repeated.lines.is_empty());
    }
}
