//! One row of a file: where it stands, and its cells.

use std::collections::BTreeMap;

/// One row of the file: where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The byte of the text.
    pub at: usize,
    /// The line of the file, from 1.
    pub line: usize,
    /// The number of its cells.
    width: u32,
    /// Those up to the last that is not empty.
    filled: u32,
}

impl Row {
    /// A row of cells, by whether they are empty.
    pub fn new(at: usize, line: usize, width: usize, filled: usize) -> Row {
        let [width, filled] = [width, filled].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        Row { at, line, width, filled }
    }

    /// The same, so many lines further down.
    pub fn below(self, lines: usize) -> Row {
        Row { line: self.line + lines, ..self }
    }

    /// The number of its cells.
    pub fn width(&self) -> usize {
        self.width as usize
    }

    /// Leaves out the cells from one on.
    pub fn truncate(&mut self, width: usize) {
        self.width = self.width.min(width as u32);
        self.filled = self.filled.min(self.width);
    }

    /// Whether all cells from one on are empty.
    pub fn is_empty_from(&self, start: usize) -> bool {
        self.filled as usize <= start
    }
}

/// One row with its cells.
#[derive(Debug)]
pub(super) struct Record {
    /// Its cells without the spaces around them.
    pub cells: Vec<String>,
    /// The line of the file, from 1.
    pub line: usize,
}

/// The most frequent of some numbers, of equals the one that came first.
pub(super) fn usual(all: impl Iterator<Item = usize>) -> Option<usize> {
    let mut counts: BTreeMap<usize, (usize, std::cmp::Reverse<usize>)> = BTreeMap::new();
    all.enumerate().for_each(|(i, n)| counts.entry(n).or_insert((0, std::cmp::Reverse(i))).0 += 1);
    counts.into_iter().max_by_key(|&(_, count)| count).map(|(n, _)| n)
}
