//! Whether a column holds numbers, and whether they only count.

use super::super::table::infer::Inferred;
use super::super::table::{Kind, Table};

/// Whether most cells are numbers.
pub(super) fn holds_numbers(seen: &Inferred) -> bool {
    let present = seen.stats.rows - seen.stats.missing;
    present > 0
        && (seen.kind == Kind::Number || (seen.stats.numbers + seen.stats.infinite) as f64 >= 0.95 * present as f64)
}

/// Whether the numbers of a column rise or fall evenly from row to row of each group: a
/// count, a year.
pub(super) fn counts(table: &Table, column: usize, seen: &Inferred, groups: &[Vec<usize>]) -> bool {
    let cells = &table.columns[column].cells;
    let even = |rows: &Vec<usize>| {
        let all: Option<Vec<f64>> = rows.iter().map(|&i| seen.format.parse(cells.at(i)?)).collect();
        let Some(all) = all else { return false };
        let step = all[1] - all[0];
        step != 0.0 && all.windows(2).all(|w| w[1] - w[0] == step)
    };
    let mut long = groups.iter().filter(|rows| rows.len() >= 3).peekable();
    long.peek().is_some() && long.all(even)
}
