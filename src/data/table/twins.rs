//! Rows that are equal: within a file but for what only tells rows apart, and on both
//! sides of a split, where a model has seen what it is scored on.

use super::table::Table;
use rayon::prelude::*;
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
    columns.iter().for_each(|&i| table.columns[i].cells.at(row).hash(&mut hasher));
    hasher.finish()
}

/// The marks of rows, on all cores.
fn marks(table: &Table, columns: &[usize], rows: &[usize]) -> Vec<u64> {
    rows.par_iter().with_min_len(1024).map(|&row| mark(table, columns, row)).collect()
}

/// Rows that are equal to an earlier one in these columns, each with the first such.
pub(super) fn equal_rows(table: &Table, columns: &[usize], rows: &[usize]) -> Vec<[usize; 2]> {
    let cells = |row: usize| columns.iter().map(move |&i| table.columns[i].cells.at(row));
    let pairs = repeated(&marks(table, columns, rows)).into_iter().map(|(at, first)| [rows[at], rows[first]]);
    pairs.filter(|[row, first]| row != first && cells(*row).eq(cells(*first))).collect()
}

/// Places whose mark stands at an earlier place, in order, each with the first such.
pub(super) fn repeated(marks: &[u64]) -> Vec<(usize, usize)> {
    let mut placed: Vec<(u64, usize)> = marks.iter().copied().zip(0..).collect();
    placed.par_sort_unstable();
    let of_group = |group: &[(u64, usize)]| group[1..].iter().map(|(_, at)| (*at, group[0].1)).collect::<Vec<_>>();
    let mut found: Vec<(usize, usize)> = placed.chunk_by(|a, b| a.0 == b.0).flat_map(of_group).collect();
    found.sort_unstable();
    found
}

/// Rows that repeat an earlier one in these columns; nothing where most do.
pub(super) fn repeats(table: &Table, columns: &[usize]) -> Vec<usize> {
    let repeats = equal_rows(table, columns, &table.all_rows());
    let different = table.rows() - repeats.len();
    let is_many = (different as f64) < DIFFERENT * table.rows() as f64;
    if is_many { vec![] } else { repeats.into_iter().map(|[row, _]| row).collect() }
}

/// What to say of rows held out that are equal to training rows in all columns that are
/// used; nothing where they are few, or where these columns hold few values.
pub fn across(table: &Table, [train, held]: [&[usize]; 2], used: &[&str], targets: &[&str]) -> Option<String> {
    let (used, targets) = (places(table, used), places(table, targets));
    if used.is_empty() {
        return None;
    }
    let mut known: HashMap<u64, u64> = HashMap::new();
    for (&row, used) in train.iter().zip(marks(table, &used, train)) {
        known.entry(used).or_insert_with(|| mark(table, &targets, row));
    }
    if (known.len() as f64) < DIFFERENT * train.len() as f64 {
        return None;
    }
    let twins = held.iter().zip(marks(table, &used, held)).filter_map(|(&row, used)| Some((row, *known.get(&used)?)));
    let twins: Vec<(usize, u64)> = twins.collect();
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
