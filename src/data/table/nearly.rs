//! Rows that are nearly equal: the same but for the spelling of words, or but for one
//! column. Copies that were touched up stand on both sides of a split as exact ones do.

use super::infer::Inferred;
use super::kind::Kind;
use super::number::spelled;
use super::table::{Table, clip};
use super::twins::repeated;
use crate::data::alike::key;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Rows that are compared, evenly over a table.
const ROWS: usize = 20_000;
/// Columns that must be equal but for spelling, and without one: fewer are equal by chance,
/// above all measurements that were rounded.
const COLUMNS: usize = 4;
const OTHERS: usize = 8;
/// The least share of rows that differ in what is compared: columns of few values say
/// nothing.
const DIFFERENT: f64 = 0.98;
/// Columns up to which each is left out in turn.
const LEFT_OUT: usize = 200;
/// Pairs that are named.
const NAMED: usize = 3;

/// Two rows that are nearly equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Nearly {
    /// The lines of the earlier and of the later one.
    pub lines: [usize; 2],
    /// The column in which they differ; `None` where they differ in spelling alone.
    pub column: Option<String>,
}

/// Pairs of rows that are nearly equal and not equal; of each row the first.
pub(super) fn nearly_equal(table: &Table, seen: &[Arc<Inferred>]) -> Vec<Nearly> {
    let compared: Vec<usize> =
        (0..seen.len()).filter(|&i| !matches!(seen[i].kind, Kind::Identifier | Kind::Empty)).collect();
    if compared.len() < COLUMNS {
        return vec![];
    }
    let step = table.rows().div_ceil(ROWS).max(1);
    let rows: Vec<usize> = (0..table.rows()).step_by(step).collect();
    let hasher = RandomState::new();
    let mark = |row: usize, i: usize| {
        let cell = table.columns[i].cells.at(row);
        hasher.hash_one((i, cell.map(|c| if seen[i].kind == Kind::Number { spelled(c).into_owned() } else { key(c) })))
    };
    // The marks of cells add up to those of rows, so that any of them can be taken off.
    let cells: Vec<Vec<u64>> = rows.par_iter().map(|&row| compared.iter().map(|&i| mark(row, i)).collect()).collect();
    let sums: Vec<u64> = cells.iter().map(|marks| marks.iter().fold(0, |sum: u64, m| sum.wrapping_add(*m))).collect();
    let differ = |a: usize, b: usize| {
        let cell = |at: usize, i: usize| table.columns[i].cells.at(rows[at]);
        compared.iter().any(|&i| cell(a, i) != cell(b, i))
    };
    let mut found: HashMap<usize, (usize, Option<usize>)> = HashMap::new();
    let mut spelled_alike = repeated(&sums);
    spelled_alike.retain(|&(at, first)| differ(at, first));
    found.extend(spelled_alike.into_iter().map(|(at, first)| (at, (first, None))));
    let without = |place: usize| -> Vec<(usize, usize)> {
        let left: Vec<u64> = sums.iter().zip(&cells).map(|(sum, marks)| sum.wrapping_sub(marks[place])).collect();
        let pairs = repeated(&left);
        let different = left.len() - pairs.len();
        match (different as f64) < DIFFERENT * left.len() as f64 {
            true => vec![],
            false => pairs.into_iter().filter(|&(at, first)| sums[at] != sums[first]).collect(),
        }
    };
    // Words that are all different, such as names, say what is different.
    let places: Vec<usize> = (0..compared.len()).filter(|&place| seen[compared[place]].kind != Kind::Text).collect();
    let is_telling = compared.len() > OTHERS && places.len() <= LEFT_OUT;
    let places = if is_telling { places } else { vec![] };
    let by_column: Vec<Vec<(usize, usize)>> = places.par_iter().map(|&place| without(place)).collect();
    for (place, pairs) in places.into_iter().zip(by_column) {
        for (at, first) in pairs {
            found.entry(at).or_insert((first, Some(compared[place])));
        }
    }
    let mut found: Vec<(usize, (usize, Option<usize>))> = found.into_iter().collect();
    found.sort_unstable();
    let named = |(at, (first, column)): (usize, (usize, Option<usize>))| Nearly {
        lines: [table.lines[rows[first]], table.lines[rows[at]]],
        column: column.map(|i| table.columns[i].name.clone()),
    };
    found.into_iter().map(named).collect()
}

/// What to say of rows that are nearly equal.
pub(super) fn remark(table: &Table, found: &[Nearly]) -> Option<String> {
    let say = |pair: &Nearly| {
        let [a, b] = pair.lines;
        let Some(name) = &pair.column else { return format!("{a} and {b} but for spelling") };
        let cell = |line: usize| {
            let row = table.lines.binary_search(&line).ok()?;
            table.column(name).ok()?.cells.at(row).map(clip)
        };
        let [x, y] = [a, b].map(|line| cell(line).map_or("missing".into(), |c| format!("\"{c}\"")));
        format!("{a} and {b} but for {name}, {x} and {y}")
    };
    let shown: Vec<String> = found.iter().take(NAMED).map(say).collect();
    let sampled = if table.rows() > ROWS { format!(" of {ROWS} looked at") } else { String::new() };
    (!found.is_empty()).then(|| {
        format!(
            "{} rows{sampled} are nearly equal to an earlier one (lines {}); if they are copies, keep them together with \
             data.group, or leave them out: a model would be scored on rows that it has seen",
            found.len(),
            shown.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::{ReadOptions, TableAudit, TableOptions};
    use super::*;

    fn audit(more: &str) -> TableAudit {
        let row = |i: usize| {
            let (a, b) = (i * 7919 % 1000, i * 104_729 % 977);
            let more: String = (1..6).map(|k| format!("{},", i * i * k % 83)).collect();
            format!(
                "{a}.5,{b}.25,{},{},{more}{}\n",
                ["Rome", "Paris", "Oslo"][i % 3],
                i * 31 % 89,
                ["yes", "no"][i % 2]
            )
        };
        let text: String = (0..200).map(row).collect();
        let text = format!("x,z,city,n,a,b,c,d,e,y\n{text}{more}");
        let table = Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap();
        TableAudit::new(&table, &TableOptions::default()).unwrap()
    }

    #[test]
    fn copies_that_were_touched_up_are_found() {
        assert_eq!(audit("").nearly_equal, []);
        // The second row in capitals, and the third with another number.
        let found = audit("919.5,190.25,PARIS,31,1,2,3,4,5,no\n838.5,380.25,Oslo,77,4,8,12,16,20,yes\n");
        let pairs: Vec<([usize; 2], Option<&str>)> =
            found.nearly_equal.iter().map(|n| (n.lines, n.column.as_deref())).collect();
        assert_eq!(pairs, [([3, 202], None), ([4, 203], Some("n"))]);
        let said = found.hints.join("\n");
        assert!(said.contains("3 and 202 but for spelling; 4 and 203 but for n, \"62\" and \"77\""), "{said}");
        assert!(found.duplicates.is_empty());
    }

    #[test]
    fn few_values_are_equal_by_chance() {
        let text: String = (0..300).map(|i| format!("{},{},{},{}\n", i % 3, i % 5, i % 7, i % 2)).collect();
        let table = Table::parse("t.csv", format!("a,b,c,d\n{text}").as_bytes(), &ReadOptions::default()).unwrap();
        assert_eq!(TableAudit::new(&table, &TableOptions::default()).unwrap().nearly_equal, []);
    }
}
