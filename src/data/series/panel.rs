//! Which columns tell the series of a table apart, where nobody says so: those of
//! countries, shops or machines that stand in one file, one below the other or
//! date by date.

use super::super::table::clean::Rules;
use super::super::table::infer::infer;
use super::super::table::names::{says_calendar, says_entity};
use super::super::table::{Column, Kind, Table};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Columns of which pairs are looked at.
const PAIRED: usize = 12;
/// Rows per series, on average, of which one may be told.
const ROWS: usize = 2;
/// The share of the rows that may have the time of another one of their series, where
/// nothing tells all apart: hours that a clock shows twice.
const DOUBLED: f64 = 0.05;
/// What begins the names of months and days of the week.
const NAMES: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mon", "tue", "wed", "thu",
    "fri", "sat", "sun",
];

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing that speaks of several series.
    One,
    /// These columns tell them apart.
    Several(Vec<usize>),
    /// Any of these columns may do so.
    Unclear(Vec<Vec<usize>>),
}

/// Whether most rows have the time of another one.
pub(super) fn repeat<T: Hash + Eq>(times: &[T]) -> bool {
    let mut counts: HashMap<&T, usize> = HashMap::new();
    times.iter().for_each(|t| *counts.entry(t).or_default() += 1);
    2 * counts.values().filter(|&&n| n > 1).sum::<usize>() > times.len()
}

/// The columns, or pairs of them, that leave each time once in each series, or nearly
/// each where none does; best those that are fewest and make the fewest series.
pub(super) fn apart<T: Hash + Eq>(table: &Table, times: &[T], skipped: &[usize]) -> Found {
    match told(table, times, skipped, 0) {
        Found::One => told(table, times, skipped, (DOUBLED * times.len() as f64) as usize),
        found => found,
    }
}

/// As [`apart`], where so many rows may have the time of another one.
fn told<T: Hash + Eq>(table: &Table, times: &[T], skipped: &[usize], doubled: usize) -> Found {
    let candidates: Vec<usize> =
        (0..table.columns.len()).filter(|i| !skipped.contains(i) && may_name(table, *i)).collect();
    let cell = |i: usize, row: usize| table.columns[i].cells.at(row);
    let once = |columns: &[usize]| {
        let place = |row: usize| (&times[row], columns.iter().map(|&i| cell(i, row)).collect::<Vec<_>>());
        times.len() - (0..times.len()).map(place).collect::<HashSet<_>>().len() <= doubled
    };
    let mut found: Vec<Vec<usize>> = candidates.iter().map(|&i| vec![i]).filter(|c| once(c)).collect();
    if found.is_empty() {
        let few = &candidates[..candidates.len().min(PAIRED)];
        let pairs = few.iter().enumerate().flat_map(|(n, &a)| few[n + 1..].iter().map(move |&b| vec![a, b]));
        let recur = |c: &Vec<usize>| ROWS * series(table, c).len() <= times.len();
        found = pairs.filter(|c| recur(c) && once(c)).collect();
    }
    // The coarsest; of equals the first.
    let Some(best) = found.iter().min_by_key(|c| series(table, c).len()).cloned() else { return Found::One };
    // Another that says the same, or more, is no reason to doubt.
    let (coarse, rows) = (series(table, &best).len(), table.rows());
    let agrees = |c: &Vec<usize>| {
        let both: HashSet<_> =
            (0..rows).map(|row| best.iter().chain(c).map(|&i| cell(i, row)).collect::<Vec<_>>()).collect();
        both.len() == coarse || both.len() == series(table, c).len()
    };
    if found.iter().all(agrees) { Found::Several(best) } else { Found::Unclear(found) }
}

/// Of rows without times: columns whose values stand in blocks. Where another
/// column counts from anew in each block, the blocks are series for sure.
pub(super) fn blocks(table: &Table, skipped: &[usize]) -> Found {
    let candidates: Vec<usize> = (0..table.columns.len())
        .filter(|i| !skipped.contains(i) && may_name(table, *i) && in_blocks(&table.columns[*i]))
        .collect();
    let counters: Vec<Vec<f64>> = table.columns.iter().filter_map(whole_numbers).collect();
    let restarts = |i: usize| {
        let cells = &table.columns[i].cells;
        counters.iter().any(|numbers| {
            let within = |row: usize| cells.at(row) == cells.at(row - 1);
            let steps = (1..numbers.len()).filter(|&row| within(row)).map(|row| numbers[row] - numbers[row - 1]);
            let back = (1..numbers.len()).filter(|&row| !within(row)).any(|row| numbers[row] <= numbers[row - 1]);
            back && steps.into_iter().all(|step| step == 1.0)
        })
    };
    let sure: Vec<Vec<usize>> = candidates.iter().filter(|&&i| restarts(i)).map(|&i| vec![i]).collect();
    let words = |i: &&usize| whole_numbers(&table.columns[**i]).is_none();
    match (sure.first(), candidates.iter().find(words)) {
        (Some(first), _) => Found::Several(first.clone()),
        (None, Some(_)) => Found::Unclear(candidates.iter().filter(words).map(|&i| vec![i]).collect()),
        (None, None) => Found::One,
    }
}

/// The different cells of columns.
fn series<'a>(table: &'a Table, columns: &[usize]) -> HashSet<Vec<Option<&'a str>>> {
    (0..table.rows()).map(|row| columns.iter().map(|&i| table.columns[i].cells.at(row)).collect()).collect()
}

/// Whether a column may name series: values that recur, in every row, that are no
/// measurements and no part of the calendar. Numbers do where the name says so.
fn may_name(table: &Table, i: usize) -> bool {
    let column = &table.columns[i];
    let distinct: HashSet<&str> = column.cells.present().collect();
    let calendar = |cell: &&str| {
        let start: String = cell.chars().take(3).collect::<String>().to_lowercase();
        NAMES.contains(&&*start) || (cell.len() == 2 && cell.starts_with('Q'))
    };
    if column.cells.iter().any(|cell| cell.is_none())
        || distinct.len() < 2
        || ROWS * distinct.len() > table.rows()
        || says_calendar(&column.name)
        || distinct.iter().all(calendar)
    {
        return false;
    }
    let seen = infer(column, &Rules::default(), table.likely());
    match seen.kind {
        Kind::Category | Kind::Text | Kind::Identifier => {
            seen.stats.numbers < table.rows() || (seen.stats.whole && says_entity(&column.name))
        }
        Kind::Number => seen.stats.whole && says_entity(&column.name),
        Kind::Date | Kind::Empty => false,
    }
}

/// Whether each value of a column stands in one block.
fn in_blocks(column: &Column) -> bool {
    let (mut seen, mut last) = (HashSet::new(), None);
    column.cells.iter().all(|cell| {
        let goes_on = last == Some(cell);
        last = Some(cell);
        goes_on || seen.insert(cell)
    })
}

/// The cells as whole numbers, if all are such.
fn whole_numbers(column: &Column) -> Option<Vec<f64>> {
    let number = |cell: Option<&str>| cell?.parse::<f64>().ok().filter(|x| x.fract() == 0.0);
    column.cells.iter().map(number).collect()
}
