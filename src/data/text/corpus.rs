//! Reads text: a file, or the files of a folder one behind the other.

use super::super::bytes::Source;
use super::files::texts;
use crate::error::{Error, Result};
use crate::files::memory;
use std::path::{Path, PathBuf};

/// The mark that some editors put in front of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A text as it stands in its files. Line ends are kept as they are, byte order
/// marks are taken out.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// What messages call it: the path as the user named it.
    pub name: String,
    /// The files, in order.
    pub files: Vec<PathBuf>,
    bytes: Vec<u8>,
    parts: Vec<Part>,
    /// The most bytes of all files.
    budget: u64,
}

/// Where a file's bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// Its first byte within all.
    start: usize,
    /// Bytes of its mark, which were left out.
    mark: usize,
}

impl Corpus {
    /// Reads a file, or all of a folder's `.txt` and `.text` files in the order
    /// of their names (its `.md` files where it has no others), plain or
    /// gzipped. Between two files of which the first does not end in a line
    /// break there is put one.
    ///
    /// Fails when there is no such file, it cannot be read, or there is nothing
    /// in it but white space.
    pub fn open(path: &Path) -> Result<Corpus> {
        Corpus::open_all(&[path.into()])
    }

    /// Reads several files or folders as one text.
    ///
    /// Fails as [`open`](Corpus::open) does.
    pub fn open_all(paths: &[PathBuf]) -> Result<Corpus> {
        let name = match paths {
            [] => return Err(Error::usage("no text is named; expected a file or a folder")),
            [one] => one.display().to_string(),
            [first, rest @ ..] => format!("{} and {} more", first.display(), rest.len()),
        };
        let mut corpus = Corpus::empty(name);
        for path in paths {
            match path.is_dir() {
                true => texts(path)?.into_iter().try_for_each(|file| corpus.add(file))?,
                false => corpus.add(path.clone())?,
            }
        }
        if corpus.bytes.iter().all(u8::is_ascii_whitespace) {
            let only = if corpus.bytes.is_empty() { "is empty" } else { "holds nothing but white space" };
            return Err(Error::data(format!("{} {only}; expected text", corpus.name)));
        }
        Ok(corpus)
    }

    /// A file as text, which may be empty.
    ///
    /// Fails when it cannot be read or is not UTF-8.
    pub(super) fn open_one(file: &Path) -> Result<String> {
        let mut corpus = Corpus::empty(file.display().to_string());
        corpus.add(file.into())?;
        corpus.text()?;
        Ok(String::from_utf8(corpus.bytes).expect("looked at above"))
    }

    fn empty(name: String) -> Corpus {
        Corpus { name, files: vec![], bytes: vec![], parts: vec![], budget: memory::budget() }
    }

    fn add(&mut self, file: PathBuf) -> Result<()> {
        let bytes = Source::open(&file)?.rest()?;
        let text = bytes.strip_prefix(MARK).unwrap_or(&bytes);
        if !self.bytes.is_empty() && !self.bytes.ends_with(b"\n") && !text.is_empty() {
            self.bytes.push(b'\n');
        }
        // All of them lie there together.
        let all = (self.bytes.len() as u64).saturating_add(text.len() as u64);
        memory::judge_named(&self.name, all, self.budget)?;
        self.parts.push(Part { start: self.bytes.len(), mark: bytes.len() - text.len() });
        if self.bytes.try_reserve(text.len()).is_err() {
            return Err(Error::data(format!("{} is too large for memory; take a part of it", self.name)));
        }
        self.bytes.extend_from_slice(text);
        self.files.push(file);
        Ok(())
    }

    /// The bytes as they are.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text.
    ///
    /// Fails with file, line and byte where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        str::from_utf8(&self.bytes).map_err(|e| self.not_utf8(e.valid_up_to()))
    }

    fn not_utf8(&self, at: usize) -> Error {
        let file = self.parts.partition_point(|part| part.start <= at) - 1;
        let (part, name) = (self.parts[file], self.files[file].display());
        let before = &self.bytes[part.start..at];
        if matches!(self.bytes[part.start..], [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            return Error::data(format!("{name} is UTF-16 text; expected UTF-8: save it again as UTF-8"));
        }
        Error::data(format!(
            "{name}, line {}, byte {}: 0x{:02x} is not UTF-8; expected UTF-8 text: convert it, for example with `iconv \
             -f latin1 -t utf-8`, or take `--tokenizer byte`, which reads any bytes",
            1 + before.iter().filter(|b| **b == b'\n').count(),
            before.len() + part.mark,
            self.bytes[at]
        ))
    }
}

#[cfg(test)]
#[path = "corpus_tests.rs"]
mod tests;
