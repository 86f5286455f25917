//! What was dropped and changed in the pieces of a table, added up.

use super::super::issue::{CellNote, Dropped, Issue, LINES, dropped_for, lines};
use std::collections::BTreeMap;

/// What was dropped and changed so far.
#[derive(Default)]
pub(super) struct Tally {
    /// Rows that cannot be used.
    pub dropped: usize,
    reasons: BTreeMap<String, Reason>,
    notes: BTreeMap<(String, Issue), CellNote>,
    /// What is written in another way than in the training rows, by column.
    restyled: BTreeMap<String, String>,
}

/// Rows that were dropped for one reason.
#[derive(Default)]
struct Reason {
    count: usize,
    first: Vec<usize>,
}

impl Tally {
    /// Adds what a piece has; `restyled` begins with table and column.
    pub fn add(&mut self, dropped: Vec<Dropped>, notes: Vec<CellNote>, restyled: Vec<String>) {
        self.dropped += dropped.len();
        for Dropped { row, reason } in dropped {
            let reason = self.reasons.entry(reason).or_default();
            reason.count += 1;
            reason.first.extend((reason.first.len() < LINES).then_some(row));
        }
        for new in notes {
            match self.notes.get_mut(&(new.column.clone(), new.issue)) {
                None => drop(self.notes.insert((new.column.clone(), new.issue), new)),
                Some(note) => note.add(new),
            }
        }
        for note in restyled {
            // The first example of a column is enough.
            let column: String = note.split('"').next().unwrap_or_default().into();
            self.restyled.entry(column).or_insert(note);
        }
    }

    /// Why a row was dropped, if one was.
    pub fn reason(&self) -> Option<&str> {
        self.reasons.keys().next().map(String::as_str)
    }

    /// All of it, for people.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let dropped = self.reasons.iter().map(|(reason, rows)| dropped_for(name, reason, rows.count, &rows.first));
        let notes: Vec<CellNote> = self.notes.values().cloned().collect();
        self.restyled.values().cloned().chain(dropped).chain(lines(name, &[], &notes)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_added_up() {
        let mut tally = Tally::default();
        let note = |cells| CellNote { column: "x".into(), issue: Issue::Missing, cells, examples: vec![] };
        for piece in 0..3 {
            let dropped = (0..5).map(|i| Dropped { row: piece * 5 + i, reason: "no target".into() }).collect();
            tally.add(dropped, vec![note(2)], vec![format!("t.csv: c: \"A{piece}\" here")]);
        }
        let lines = tally.lines("t.csv");
        assert_eq!(lines[0], "t.csv: c: \"A0\" here");
        assert_eq!(lines[1], "t.csv: 15 rows dropped (lines 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...): no target");
        assert_eq!(lines[2..], ["t.csv: x: 6 cells: missing and filled in"]);
        assert_eq!((tally.dropped, tally.reason()), (15, Some("no target")));
    }
}
