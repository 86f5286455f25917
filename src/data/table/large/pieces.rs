//! A file of text in pieces of whole rows: each is read where it is, when it is needed.

use super::super::cut::{CsvRecord, Way};
use super::super::quotes::SINGLE;
use super::super::scan::breaks;
use crate::error::{Error, Result};
use crate::files::Placed;

/// The longest piece: more in one row means a quote that is never closed.
const LONGEST: usize = 64 << 20;

/// Where a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// The byte of the file in which it begins.
    pub at: u64,
    /// Its bytes.
    pub length: usize,
    /// The line of the file in which it begins, from 1.
    pub line: usize,
}

/// Cuts a file into pieces, one after the other.
pub(super) struct Cuts<'a> {
    file: &'a Placed,
    /// The least bytes of a piece, unless the file ends.
    size: usize,
    /// How rows are cut into cells.
    way: Way,
    /// Where the next piece begins.
    next: Piece,
    /// What is read already of the next piece.
    rest: Vec<u8>,
}

impl<'a> Cuts<'a> {
    /// The pieces of about `size` bytes from a place on.
    pub fn new(file: &'a Placed, (at, line): (u64, usize), size: usize, way: Way) -> Cuts<'a> {
        Cuts { file, size, way, next: Piece { at, length: 0, line }, rest: vec![] }
    }

    /// The next piece with its text; `None` at the end of the file.
    ///
    /// Fails when it cannot be read or is no UTF-8, and when a row does not end.
    pub fn next(&mut self) -> Result<Option<(Piece, String)>> {
        let mut size = self.size;
        let (mut bytes, end) = loop {
            let begun = self.next.at + self.rest.len() as u64;
            let more = (size.saturating_sub(self.rest.len()) as u64).min(self.file.length().saturating_sub(begun));
            let mut bytes = std::mem::take(&mut self.rest);
            let held = bytes.len();
            bytes.resize(held + more as usize, 0);
            self.file.read(&mut bytes[held..], begun)?;
            let is_last = self.next.at + bytes.len() as u64 >= self.file.length();
            match if is_last { Some(bytes.len()) } else { self.end(&bytes) } {
                Some(end) => break (bytes, end),
                None if bytes.len() >= LONGEST => {
                    return Err(Error::data(format!(
                        "{}, line {}: no row ends within {LONGEST} bytes from here on; expected a line break: is a quote \
                         left open there?",
                        self.file.path().display(),
                        self.next.line
                    )));
                }
                None => {
                    size = 2 * bytes.len().max(self.size);
                    self.rest = bytes;
                }
            }
        };
        self.file.check()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.rest = bytes.split_off(end);
        let piece = Piece { length: end, ..self.next };
        let text = text(self.file, &piece, bytes)?;
        self.next = Piece { at: piece.at + end as u64, length: 0, line: piece.line + breaks(text.as_bytes()) };
        Ok(Some((piece, text)))
    }

    /// Where the last whole row of some bytes ends, if one does.
    fn end(&self, bytes: &[u8]) -> Option<usize> {
        match self.way {
            Way::Quoted { delimiter, quote, .. } | Way::Lines { delimiter, quote }
                if memchr::memchr(quote, bytes).is_some() =>
            {
                let escape = quote == SINGLE && memchr::memmem::find(bytes, b"\\'").is_some();
                let mut record = CsvRecord::new(delimiter, quote, escape);
                let mut at = 0;
                while let Some(length) = record.read(&bytes[at..]).filter(|length| at + length < bytes.len()) {
                    at += length;
                }
                // A record ends behind `\r`, and `\n` is part of its end.
                if bytes[..at].ends_with(b"\r") && bytes[at] == b'\n' {
                    at += 1;
                }
                Some(at).filter(|&at| at > 0)
            }
            _ => {
                let within = &bytes[..bytes.len().saturating_sub(1)];
                let line = memchr::memrchr(b'\n', bytes).or_else(|| memchr::memrchr(b'\r', within));
                line.map(|at| at + 1)
            }
        }
    }
}

/// The text of a piece that was found before.
///
/// Fails when the file was written to meanwhile, or cannot be read.
pub(super) fn read(file: &Placed, piece: &Piece) -> Result<String> {
    let mut bytes = vec![0; piece.length];
    file.read(&mut bytes, piece.at)?;
    file.check()?;
    text(file, piece, bytes)
}

fn text(file: &Placed, piece: &Piece, bytes: Vec<u8>) -> Result<String> {
    let name = file.path().display();
    if let Some(at) = memchr::memchr(0, &bytes) {
        let line = piece.line + breaks(&bytes[..at]);
        return Err(Error::data(format!(
            "{name}, line {line}: found a NUL byte; expected text: this is a binary or damaged file"
        )));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = piece.line + breaks(&e.as_bytes()[..at]);
        Error::data(format!(
            "{name}, line {line}: it is not UTF-8 (byte 0x{:02x}), and a table that is read piece by piece has to be: \
             convert it, for example with `iconv -f latin1 -t utf-8`, mend the line, or raise --data-memory",
            e.as_bytes()[at]
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8], size: usize, way: Way) -> Vec<(Piece, String)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        let file = Placed::of(std::fs::File::open(&path).unwrap(), path).unwrap();
        let mut cuts = Cuts::new(&file, (0, 1), size, way);
        let found: Vec<_> = std::iter::from_fn(|| cuts.next().unwrap()).collect();
        assert!(found.iter().all(|(piece, text)| read(&file, piece).unwrap() == *text));
        found
    }

    #[test]
    fn pieces_are_whole_rows() {
        let plain = Way::Plain { delimiter: b',' };
        let quoted = Way::Quoted { delimiter: b',', quote: b'"', escape: false };
        let rows: Vec<String> = (0..50).map(|i| format!("{i},\"a\n{}\"\r\n", "b\"\"".repeat(i % 7))).collect();
        for (way, text) in [
            (quoted, rows.concat()),
            (plain, "1,2\r\n".repeat(40)),
            (plain, "1,2\r".repeat(40)),
            (quoted, "1,2\n".repeat(40) + "3,4"),
        ] {
            for size in [1, 7, 64, 100, 5000] {
                let found = cut(text.as_bytes(), size, way);
                assert_eq!(found.iter().map(|(_, text)| text.as_str()).collect::<String>(), text);
                let mut at = 0;
                for (piece, part) in &found {
                    assert_eq!(piece.at, at as u64);
                    assert_eq!(piece.line, 1 + breaks(&text.as_bytes()[..at]), "{size}");
                    assert_eq!(part.matches('"').count() % 2, 0, "{part:?}");
                    at += piece.length;
                    assert!(at == text.len() || part.ends_with(['\n', '\r']));
                    assert!(!(part.ends_with('\r') && text[at..].starts_with('\n')), "{part:?}");
                }
            }
        }
        assert_eq!(cut(b"", 9, plain), []);
    }
}
