//! Reads files that may be gzipped, without trusting what they claim.
//!
//! Gzip is recognised by its first two bytes, not by the file's name. Memory
//! grows with the bytes that really arrive, never with a number in a header.

use crate::error::{Error, Result};
use crate::files::{self, memory};
use flate2::read::MultiGzDecoder;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// What stands for the standard input, which is read as a table.
pub(super) const STANDARD_INPUT: &str = "-";
/// The first two bytes of every gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// DEFLATE turns one byte into at most this many (zlib's documentation).
const MAX_RATIO: u64 = 1032;

/// An open data file, plain or gzipped, read from its start to its end.
pub(super) struct Source {
    path: PathBuf,
    reader: Box<dyn Read>,
    /// Unknown of the standard input.
    on_disk: Option<u64>,
    is_gzipped: bool,
    delivered: u64,
    budget: u64,
}

impl Source {
    /// Opens a regular file, or `-`, the standard input, to read no more of it than the budget of memory.
    pub(super) fn open(path: &Path) -> Result<Source> {
        Source::open_within(path, memory::budget())
    }

    /// [`open`](Source::open) with a budget of so many bytes.
    pub(super) fn open_within(path: &Path, budget: u64) -> Result<Source> {
        let fail = |e| Error::io(format!("cannot read {}", path.display()), e);
        if path.as_os_str() == STANDARD_INPUT {
            let mut input = BufReader::new(std::io::stdin());
            let is_gzipped = input.fill_buf().map_err(fail)?.starts_with(&GZIP_MAGIC);
            let reader: Box<dyn Read> = if is_gzipped { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) };
            return Ok(Source { path: path.into(), reader, on_disk: None, is_gzipped, delivered: 0, budget });
        }
        // Checked before opening: a pipe would block there until somebody writes.
        let meta = std::fs::metadata(path).map_err(fail)?;
        if !meta.is_file() {
            return Err(Error::data(format!("{} is not a regular file", path.display())));
        }
        let mut file = BufReader::new(files::open(path).map_err(fail)?);
        let is_gzipped = file.fill_buf().map_err(fail)?.starts_with(&GZIP_MAGIC);
        let reader: Box<dyn Read> = if is_gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        Ok(Source { path: path.into(), reader, on_disk: Some(meta.len()), is_gzipped, delivered: 0, budget })
    }

    /// The most bytes this file can yield in all: its length, or for gzip what
    /// its length can expand to.
    pub(super) fn most(&self) -> u64 {
        let on_disk = self.on_disk.unwrap_or(u64::MAX);
        if self.is_gzipped { on_disk.saturating_mul(MAX_RATIO) } else { on_disk }
    }

    /// The exact length, where it is known without reading to the end.
    pub(super) fn length(&self) -> Option<u64> {
        self.on_disk.filter(|_| !self.is_gzipped)
    }

    /// The next `n` bytes, or fewer at the end of the file.
    ///
    /// Fails when they are more than the budget: where the length is known,
    /// before anything is read.
    pub(super) fn take(&mut self, n: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Some(length) = self.length() {
            let size = n.min(length.saturating_sub(self.delivered));
            memory::judge_named(&self.path.display(), size, self.budget)?;
            if usize::try_from(size).ok().and_then(|size| bytes.try_reserve_exact(size).ok()).is_none() {
                return Err(self.too_large(size));
            }
        }
        let most = n.min(self.budget.saturating_add(1));
        let result = self.reader.by_ref().take(most).read_to_end(&mut bytes);
        self.delivered += bytes.len() as u64;
        match result {
            Ok(_) if bytes.len() as u64 > self.budget => {
                let more = format!("more than {}", memory::size(self.budget));
                Err(memory::too_much(&self.path.display(), &more, self.budget))
            }
            Ok(_) => Ok(bytes),
            Err(e) if e.kind() == ErrorKind::OutOfMemory => Err(self.too_large(self.delivered)),
            Err(e) if self.is_gzipped => Err(Error::data(format!(
                "{} is broken: its gzip stream ends in an error after {} bytes ({e}); copy or download it again",
                self.path.display(),
                self.delivered
            ))),
            Err(e) => Err(Error::io(format!("cannot read {}", self.path.display()), e)),
        }
    }

    /// The error where the system has less memory to give than it said.
    fn too_large(&self, bytes: u64) -> Error {
        Error::data(format!(
            "{} is too large for memory: {bytes} bytes{} or more; take a part of it",
            self.path.display(),
            if self.is_gzipped { " unpacked" } else { "" }
        ))
    }

    /// All bytes that are left.
    ///
    /// Fails as [`take`](Source::take) does.
    pub(super) fn rest(&mut self) -> Result<Vec<u8>> {
        self.take(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_known_by_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, packed) = (dir.path().join("a.gz"), dir.path().join("b"));
        std::fs::write(&plain, b"hello").unwrap();
        std::fs::write(&packed, [gzip(b"hel"), gzip(b"lo")].concat()).unwrap();
        for (path, length) in [(&plain, Some(5)), (&packed, None)] {
            let mut source = Source::open(path).unwrap();
            assert_eq!(source.length(), length);
            assert!(source.most() >= 5);
            assert_eq!(source.take(2).unwrap(), b"he");
            assert_eq!(source.rest().unwrap(), b"llo");
            assert_eq!(source.take(9).unwrap(), b"");
        }
    }

    #[test]
    fn what_is_larger_than_the_budget_is_not_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, packed) = (dir.path().join("giant"), dir.path().join("bomb"));
        std::fs::File::create(&plain).unwrap().set_len(1 << 40).unwrap();
        std::fs::write(&packed, gzip(&vec![0; 1 << 20])).unwrap();
        for (path, size) in [(&plain, "1024.0 GiB"), (&packed, "more than 1000 bytes")] {
            let message = Source::open_within(path, 1000).unwrap().rest().unwrap_err().to_string();
            assert!(message.contains(&format!("{} takes {size} in memory", path.display())), "{message}");
            assert!(message.contains("the budget of 1000 bytes") && message.contains("--max-memory"), "{message}");
            assert_eq!(Source::open_within(path, 1000).unwrap().take(1000).unwrap().len(), 1000);
        }
        assert_eq!(Source::open_within(&packed, 1 << 20).unwrap().rest().unwrap().len(), 1 << 20);
    }

    #[test]
    fn a_broken_gzip_stream_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.gz");
        let whole = gzip(&(0..=255).collect::<Vec<u8>>());
        let mut wrong_sum = whole.clone();
        let at = whole.len() - 8;
        wrong_sum[at] ^= 1;
        for bytes in [&whole[..whole.len() / 2], &whole[..5], &wrong_sum] {
            std::fs::write(&path, bytes).unwrap();
            let message = Source::open(&path).unwrap().rest().unwrap_err().to_string();
            assert!(message.contains("cut.gz is broken: its gzip stream ends in an error after"), "{message}");
        }
    }

    #[test]
    fn only_regular_files_open() {
        let dir = tempfile::tempdir().unwrap();
        let message = Source::open(dir.path()).err().unwrap().to_string();
        assert!(message.ends_with("is not a regular file"), "{message}");
        let message = Source::open(&dir.path().join("no")).err().unwrap().to_string();
        assert!(message.starts_with("cannot read ") && message.contains("No such file"), "{message}");
    }
}
