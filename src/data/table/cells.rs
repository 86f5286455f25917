//! The cells of a column: their text close together, so that millions of them take
//! little more memory than the file.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows in a block. Cells have at most 1 MiB, so that a block's text is below 2 GiB.
pub(super) const BLOCK: usize = 1024;
/// The bit of an end that says that the cell is missing.
const MISSING: u32 = 1 << 31;

/// The cells of a column; one is `None` where it is missing.
#[derive(Default)]
pub struct Cells {
    /// All but the last have [`BLOCK`] cells.
    blocks: Vec<Block>,
    /// What was found out about them; it is forgotten when they change.
    known: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

impl Clone for Cells {
    fn clone(&self) -> Cells {
        Cells { blocks: self.blocks.clone(), known: Mutex::default() }
    }
}

impl PartialEq for Cells {
    fn eq(&self, other: &Cells) -> bool {
        self.blocks == other.blocks
    }
}

impl Eq for Cells {}

impl Hash for Cells {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.blocks.hash(state);
    }
}

#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Block {
    /// One cell behind the other.
    text: String,
    /// Where each ends in the text.
    ends: Vec<u32>,
}

impl Block {
    fn at(&self, i: usize) -> Option<&str> {
        let end = self.ends[i];
        let start = if i == 0 { 0 } else { self.ends[i - 1] & !MISSING };
        (end & MISSING == 0).then(|| &self.text[start as usize..end as usize])
    }
}

impl Block {
    fn iter(&self) -> BlockIter<'_> {
        BlockIter { block: self, range: 0..self.ends.len(), start: 0 }
    }
}

/// The cells of a block; where the next one starts is known from the one before.
#[derive(Clone)]
struct BlockIter<'a> {
    block: &'a Block,
    range: Range<usize>,
    start: usize,
}

impl<'a> Iterator for BlockIter<'a> {
    type Item = Option<&'a str>;

    fn next(&mut self) -> Option<Option<&'a str>> {
        let end = self.block.ends[self.range.next()?];
        let start = std::mem::replace(&mut self.start, (end & !MISSING) as usize);
        Some((end & MISSING == 0).then(|| &self.block.text[start..end as usize]))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl DoubleEndedIterator for BlockIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.range.next_back().map(|i| self.block.at(i))
    }
}

impl Cells {
    /// No cells yet.
    pub fn new() -> Cells {
        Cells::default()
    }

    /// The number of cells, missing ones included.
    pub fn len(&self) -> usize {
        match self.blocks.split_last() {
            Some((last, full)) => full.len() * BLOCK + last.ends.len(),
            None => 0,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The cell of a row; `None` where it is missing.
    ///
    /// Panics when there is no such row.
    pub fn at(&self, row: usize) -> Option<&str> {
        self.blocks[row / BLOCK].at(row % BLOCK)
    }

    /// The cell of a row as a text of its own.
    pub fn to_owned_at(&self, row: usize) -> Option<String> {
        self.at(row).map(String::from)
    }

    /// All cells in the order of the rows.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Option<&str>> + Clone {
        self.blocks.iter().flat_map(Block::iter)
    }

    /// The cells that are not missing.
    pub fn present(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        self.iter().flatten()
    }

    /// Adds a cell.
    ///
    /// Panics when more than 2 GiB of text come together in a block; readers refuse cells
    /// above 1 MiB.
    pub fn push(&mut self, cell: Option<&str>) {
        self.forget();
        if self.blocks.last().is_none_or(|block| block.ends.len() == BLOCK) {
            let block = match self.blocks.last_mut() {
                None => Block::default(),
                Some(full) => {
                    full.text.shrink_to_fit();
                    // As long as the one before, and a little more: it is rarely moved.
                    let text = String::with_capacity(full.text.len() + full.text.len() / 32);
                    Block { text, ends: Vec::with_capacity(BLOCK) }
                }
            };
            self.blocks.push(block);
        }
        let block = self.blocks.last_mut().expect("there is one");
        block.text.push_str(cell.unwrap_or_default());
        assert!(block.text.len() < MISSING as usize, "a block of cells has {} bytes", block.text.len());
        block.ends.push(block.text.len() as u32 | if cell.is_none() { MISSING } else { 0 });
    }

    /// Adds missing cells until there are so many.
    pub(super) fn pad(&mut self, len: usize) {
        (self.len()..len).for_each(|_| self.push(None));
    }

    /// Adds the cells of another column behind these, which end with a whole block.
    pub(super) fn append(&mut self, mut other: Cells) {
        self.forget();
        assert!(self.len().is_multiple_of(BLOCK), "{} cells are no whole blocks", self.len());
        self.blocks.append(&mut other.blocks);
    }

    /// The same cells, each but the missing ones as `new` writes it; `None` makes it missing.
    pub(in crate::data) fn rewritten<'a>(&'a self, mut new: impl FnMut(&'a str) -> Option<Cow<'a, str>>) -> Cells {
        self.iter().map(|cell| cell.and_then(&mut new)).collect()
    }

    /// What is known of the cells and is asked for by `is`; where it is not known yet it is
    /// found out, and remembered as long as they stay as they are.
    pub(super) fn remembered<T: Any + Send + Sync>(&self, is: impl Fn(&T) -> bool, find: impl FnOnce() -> T) -> Arc<T> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().iter().find_map(|one| one.clone().downcast::<T>().ok().filter(|one| is(one)));
        found.unwrap_or_else(|| {
            let new = Arc::new(find());
            known().push(new.clone());
            new
        })
    }

    fn forget(&mut self) {
        self.known.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Bytes of memory that a column of so many cells takes beside their text.
    pub(super) const fn beside_text(cells: usize) -> u64 {
        (size_of::<u32>() * cells) as u64
    }
}

impl<S: AsRef<str>> FromIterator<Option<S>> for Cells {
    fn from_iter<I: IntoIterator<Item = Option<S>>>(cells: I) -> Cells {
        let mut all = Cells::new();
        cells.into_iter().for_each(|cell| all.push(cell.as_ref().map(S::as_ref)));
        all
    }
}

impl fmt::Debug for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_was_put_in() {
        let cell = |i: usize| match i % 5 {
            0 => None,
            1 => Some(String::new()),
            _ => Some("ä".repeat(i % 7)),
        };
        for n in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let cells: Cells = (0..n).map(cell).collect();
            assert_eq!((cells.len(), cells.is_empty()), (n, n == 0));
            assert!((0..n).all(|i| cells.at(i) == cell(i).as_deref()), "{n}");
            assert!(cells.iter().eq((0..n).map(cell).collect::<Vec<_>>().iter().map(Option::as_deref)), "{n}");
            assert_eq!(cells.present().count(), (0..n).filter_map(cell).count());
            assert!(cells.iter().rev().eq((0..n).rev().map(|i| cells.at(i))));
        }
    }

    #[test]
    fn what_is_known_is_forgotten_when_cells_change() {
        let mut cells: Cells = [Some("a"), None].into_iter().collect();
        let count = |cells: &Cells| *cells.remembered(|_: &usize| true, || cells.present().count());
        assert_eq!((count(&cells), *cells.remembered(|_: &usize| true, || 9)), (1, 1));
        cells.push(Some("b"));
        assert_eq!((count(&cells), count(&cells.clone())), (2, 2));
        cells.pad(5);
        assert_eq!(*cells.remembered(|n: &usize| *n == 7, || 7), 7);
        assert_eq!(count(&cells), 7, "whatever is asked for is found");
    }

    #[test]
    fn missing_is_not_empty() {
        let [a, b]: [Cells; 2] = [[None], [Some("")]].map(|cells| cells.into_iter().collect());
        assert_ne!(a, b);
        assert_eq!((a.at(0), b.at(0)), (None, Some("")));
    }

    #[test]
    fn columns_are_joined_and_rewritten() {
        let row = |i: usize| (!i.is_multiple_of(3)).then(|| i.to_string());
        let mut cells: Cells = (0..2 * BLOCK).map(row).collect();
        cells.append((2 * BLOCK..2 * BLOCK + 9).map(row).collect());
        assert_eq!(cells, (0..2 * BLOCK + 9).map(row).collect());
        let new = cells.rewritten(|c| (c != "1").then(|| format!("{c}!").into()));
        assert_eq!((new.at(0), new.at(1), new.at(2), new.len()), (None, None, Some("2!"), cells.len()));
        cells.pad(2 * BLOCK + 11);
        assert_eq!((cells.len(), cells.at(2 * BLOCK + 10)), (2 * BLOCK + 11, None));
    }
}
