//! Lines of a file that are no rows: what is said of them.

use super::row::Row;
use super::rows::Rows;

/// Line numbers that a note lists.
const SHOWN: usize = 5;

/// Removes the rows that a test finds, and says how many and where; also that it changes
/// the numbers of the rows below, where there are some.
pub(super) fn leave_out(
    rows: &mut Rows,
    notes: &mut Vec<String>,
    what: &str,
    mut is_odd: impl FnMut(&Rows, &Row) -> bool,
) {
    let mut lines = vec![];
    let mut all = std::mem::take(&mut rows.all);
    all.retain(|row| {
        let odd = is_odd(rows, row);
        lines.extend(odd.then_some(row.line));
        !odd
    });
    rows.all = all;
    let ends = rows.all.first().map(|row| row.line).zip(rows.all.last().map(|row| row.line));
    let is_between = ends.is_some_and(|(first, last)| lines.iter().any(|line| (first..last).contains(line)));
    said(notes, what, &lines);
    if let Some(note) = notes.last_mut().filter(|_| is_between) {
        *note += "; rows are counted without it";
        if lines.len() > 1 {
            note.truncate(note.len() - "it".len());
            *note += "them";
        }
    }
}

/// Says which lines were left out.
pub(super) fn said(notes: &mut Vec<String>, what: &str, lines: &[usize]) {
    match lines {
        [] => {}
        [line] => notes.push(format!("line {line} left out: it is {what}")),
        all => {
            let shown: Vec<String> = all.iter().take(SHOWN).map(usize::to_string).collect();
            let more = if all.len() > SHOWN { ", ..." } else { "" };
            notes.push(format!("{} lines left out ({}{more}): each is {what}", all.len(), shown.join(", ")));
        }
    }
}
