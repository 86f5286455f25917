//! How the dates of a column are written, found out from its cells.

use super::super::values::Values;
use super::{DAYS, INSIDE, Plain, TIMES, digits, parse, period};
use rayon::prelude::*;

/// Ways of writing in one column.
const MOST_WAYS: usize = 3;
/// Values that one thread looks at, at least.
const SOME: usize = 1024;

/// The first way of writing that fits a cell.
pub fn format_of(cell: &str) -> Option<String> {
    formats(cell).into_iter().next()
}

/// All ways of writing that fit a cell, the likeliest first. Digits alone are a number
/// before they are a date.
fn formats(cell: &str) -> Vec<String> {
    let possible = (6..=60).contains(&cell.len())
        && cell.bytes().filter(u8::is_ascii_digit).count() >= 3
        && !cell.bytes().all(|b| b.is_ascii_digit() || b == b'.' && cell.matches('.').count() < 2);
    if !possible {
        return vec![];
    }
    let plain = Plain::of(cell);
    let timed = plain.text.contains(':');
    let dotted = plain.text.contains('.');
    let has = |time: &str, sign: char| !time.contains(sign) || plain.text.contains(sign);
    let times: Vec<&str> = TIMES
        .iter()
        .copied()
        .filter(|t| t.contains(':') == timed && (!t.contains('.') || timed || dotted))
        .filter(|t| timed || (has(t, 'h') && has(t, 'T')))
        .collect();
    let inside = if timed { INSIDE } else { &[] };
    let periods = if timed { &[] } else { period::PERIODS };
    let all = DAYS.iter().flat_map(|day| times.iter().map(move |time| format!("{day}{time}")));
    all.chain(inside.iter().chain(periods).map(|way| (*way).to_string()))
        .filter(|way| plain.parse(way).is_some())
        .collect()
}

/// The way of writing that fits most of some cells, and how many it fits. Where it leaves
/// some, others are taken with it, as long as no cell means one day in the one and
/// another in the other.
pub fn detect<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Option<(String, usize)> {
    detected(&Values::of(cells))
}

/// [`detect`] from the values of a column.
pub fn detected(values: &Values) -> Option<(String, usize)> {
    let all: Vec<Counted> = values.iter().collect();
    let mut found = likeliest(&all)?;
    for _ in 1..MOST_WAYS {
        if found.1 == values.cells() {
            break;
        }
        let left: Vec<Counted> = all.iter().copied().filter(|(c, _)| parse(c, &found.0).is_none()).collect();
        let Some((more, _)) = likeliest(&left) else { break };
        let both = |c: &str| parse(c, &found.0).zip(parse(c, &more)).is_some_and(|(a, b)| a != b);
        if all.iter().any(|(c, _)| both(c)) {
            break;
        }
        let ways = format!("{}|{more}", found.0);
        found = (ways.clone(), fitting(&all, &ways));
    }
    Some(found)
}

/// A value with the number of cells that it stands for.
type Counted<'a> = (&'a str, usize);

/// The cells that a way of writing fits.
fn fitting(all: &[Counted], way: &str) -> usize {
    all.par_iter().with_min_len(SOME).filter(|(c, _)| parse(c, way).is_some()).map(|(_, n)| n).sum()
}

/// The one way of writing that fits most cells.
fn likeliest(all: &[Counted]) -> Option<(String, usize)> {
    let mut candidates: Vec<String> = vec![];
    // Whoever fits most cells fits one of the first few.
    for (cell, _) in all.iter().take(20) {
        let digits = digits::ways(cell);
        let more = if digits.is_empty() { formats(cell) } else { digits.iter().map(ToString::to_string).collect() };
        candidates.extend(more.into_iter().filter(|f| !candidates.contains(f)).collect::<Vec<_>>());
    }
    let total: usize = all.iter().map(|(_, n)| n).sum();
    let mut best: Option<(String, usize)> = None;
    for way in candidates {
        let fits = fitting(all, &way);
        if fits > best.as_ref().map_or(0, |(_, most)| *most) {
            best = Some((way, fits));
        }
        // Of those that fit all cells the first is taken.
        if fits == total {
            break;
        }
    }
    best
}
