//! Rows of equal length in a file that is not read whole: each is read where it is, when
//! it is needed.

use super::open;
use super::placed::Placed;
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// Bytes between two rows up to which they are read together.
const GAP: u64 = 16 << 10;
/// Bytes that are read together.
const TOGETHER: u64 = 4 << 20;

/// Rows of a file.
#[derive(Debug)]
pub struct RowFile {
    file: Arc<Placed>,
    /// Where the first row begins.
    start: u64,
    /// Bytes from the beginning of a row to that of the next.
    stride: u64,
    /// Bytes of a row.
    length: u64,
    rows: usize,
}

impl RowFile {
    /// `rows` rows of `stride` bytes, the first of which begins at `start`.
    ///
    /// Fails when the file cannot be opened or is shorter than that.
    pub fn at(path: &Path, start: u64, stride: u64, rows: usize) -> Result<RowFile> {
        let file = open(path).map_err(|e| Error::io(format!("cannot read {}", path.display()), e))?;
        RowFile::of(Placed::of(file, path.into())?.into(), start, stride, stride, rows)
    }

    /// Rows of `length` bytes, one of which begins every `stride` bytes.
    ///
    /// Fails when the file is shorter than that.
    pub(super) fn of(file: Arc<Placed>, start: u64, stride: u64, length: u64, rows: usize) -> Result<RowFile> {
        let all = stride.checked_mul(rows.saturating_sub(1) as u64);
        let own = if rows == 0 { 0 } else { length };
        let end = all.and_then(|n| n.checked_add(own)?.checked_add(start));
        match end.is_some_and(|end| end <= file.length()) {
            true => Ok(RowFile { file, start, stride, length, rows }),
            false => Err(Error::data(format!(
                "{} is truncated: it holds {} bytes; expected {rows} rows of {length} bytes from byte {start} on; copy \
                 or download it again",
                file.path().display(),
                file.length()
            ))),
        }
    }

    /// Bytes of a row.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Calls `put(place, bytes)` for each row asked for, with its place among them. Rows
    /// are read in the order of the file, neighbours together.
    ///
    /// Fails when the file has changed since it was opened, or cannot be read. Panics when
    /// a row is not below `len()`.
    pub fn read(&self, rows: &[usize], put: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        self.file.check()?;
        let mut order: Vec<(usize, usize)> = rows.iter().copied().zip(0..).collect();
        order.sort_unstable();
        assert!(order.last().is_none_or(|&(row, _)| row < self.rows), "a row of the file");
        let at = |row: usize| row as u64 * self.stride;
        let mut bytes = vec![];
        let mut next = 0;
        while next < order.len() {
            let (first, mut end) = (order[next].0, next + 1);
            while end < order.len()
                && at(order[end].0) <= at(order[end - 1].0) + self.length + GAP
                && at(order[end].0 - first) + self.length <= TOGETHER.max(self.length)
            {
                end += 1;
            }
            bytes.resize((at(order[end - 1].0 - first) + self.length) as usize, 0);
            self.file.read(&mut bytes, self.start + at(first))?;
            for &(row, place) in &order[next..end] {
                put(place, &bytes[at(row - first) as usize..][..self.length as usize]);
            }
            next = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_the_order_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows");
        // A head of three bytes; rows far apart and side by side.
        let stride = 20_000;
        let row = |i: usize| vec![i as u8; stride];
        std::fs::write(&path, [vec![9; 3], (0..40).flat_map(row).collect()].concat()).unwrap();
        let rows = RowFile::at(&path, 3, stride as u64, 40).unwrap();
        let asked = [39, 0, 1, 1, 20, 2, 38, 0];
        let mut found = vec![vec![]; asked.len()];
        rows.read(&asked, &mut |place, bytes| found[place] = bytes.to_vec()).unwrap();
        assert!(found.iter().zip(asked).all(|(bytes, i)| *bytes == row(i)));
        rows.read(&[], &mut |_, _| panic!("nothing was asked for")).unwrap();
        let message = RowFile::at(&path, 4, stride as u64, 40).unwrap_err().to_string();
        assert!(message.contains("truncated: it holds 800003 bytes"), "{message}");
        assert!(RowFile::at(&path, 0, u64::MAX, 2).is_err());
    }

    #[test]
    fn a_file_that_changes_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows");
        std::fs::write(&path, [1; 100]).unwrap();
        let rows = RowFile::at(&path, 0, 10, 10).unwrap();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(95).unwrap();
        let message = rows.read(&[0], &mut |_, _| {}).unwrap_err().to_string();
        assert!(message.contains("was written to while it was in use"), "{message}");
    }
}
