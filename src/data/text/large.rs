//! A text that takes more memory than a set may: it stays in its files, and its tokens lie in a
//! passing file, from which windows are read.

use super::corpus::Corpus;
use super::counting::Counting;
use super::files::texts;
use super::vocabulary::Vocabulary;
use crate::data::{Store, Stored};
use crate::error::{Context, Error, Result};
use crate::files::memory::{self, DataBound};
use crate::files::{self, Passing, Placed, Written};
use std::path::Path;

/// What text takes in memory, as a multiple of its bytes: itself, and a token for each byte as
/// input and as what is to follow.
const TIMES: u64 = 9;
/// Bytes that are read together, at least and at most.
const TOGETHER: [u64; 2] = [4 << 10, 4 << 20];
/// Bytes up to which a place is sought where a tokenizer may cut the text.
const LONGEST: usize = 256 << 20;
/// Places from which an audit reads.
const PLACES: u64 = 16;
/// Bytes that are audited at least, whatever the bound.
const LEAST_AUDITED: u64 = 1 << 20;
/// The mark that some editors put in front of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A text in its files.
pub struct LargeCorpus {
    /// What messages call it: the path as the user named it.
    pub name: String,
    /// How much of it may be in memory.
    pub bound: DataBound,
    parts: Vec<Part>,
}

/// A file of the text.
struct Part {
    file: Placed,
    /// Bytes in front of its text: a mark.
    skip: u64,
    /// Where its text begins within all.
    start: u64,
    /// Bytes of its text, and a line break behind it where there is to be one.
    length: u64,
    breaks: bool,
}

/// The tokens of a text, in a passing file.
pub struct TokenFile {
    /// The bytes.
    pub(super) file: Written,
    /// How many tokens there are.
    pub tokens: usize,
    /// Bytes of each.
    pub(super) each: u64,
    /// Tokens behind the last that fill up windows.
    pub(super) more: usize,
}

/// Opens a text: in memory where it and its tokens have room there, else in its files.
///
/// Fails as [`Corpus::open`] does, and where a text that has no room is compressed.
pub fn open(path: &Path, store: &Store) -> Result<Stored<Corpus, LargeCorpus>> {
    let all = if path.is_dir() { texts(path)? } else { vec![path.to_path_buf()] };
    let length: u64 = all.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|meta| meta.len()).sum();
    if length.saturating_mul(TIMES) <= store.bound.bytes {
        return Corpus::open(path).map(Stored::Held);
    }
    let mut corpus = LargeCorpus { name: path.display().to_string(), bound: store.bound, parts: vec![] };
    // Whether the last text does not end in a line break.
    let mut is_open = false;
    for file in all {
        let opened = files::open(&file).map_err(|e| Error::io(format!("cannot read {}", file.display()), e))?;
        let placed = Placed::of(opened, file)?;
        let mut head = vec![0; placed.length().min(3) as usize];
        placed.read(&mut head, 0)?;
        if head.starts_with(&[0x1f, 0x8b]) {
            return Err(Error::data(format!(
                "{} is gzipped, and {} with its tokens takes more than {}: a text beyond that is read from its files piece \
                 by piece, which gzip does not allow; unpack it with gunzip, or raise --data-memory",
                placed.path().display(),
                corpus.name,
                store.bound
            )));
        }
        let skip = if head == MARK { 3 } else { 0 };
        let length = placed.length() - skip;
        if length == 0 {
            continue;
        }
        if let Some(part) = corpus.parts.last_mut().filter(|_| is_open) {
            (part.breaks, part.length) = (true, part.length + 1);
        }
        let mut end = [0];
        placed.read(&mut end, placed.length() - 1)?;
        is_open = end[0] != b'\n';
        let start = corpus.length();
        corpus.parts.push(Part { file: placed, skip, start, length, breaks: false });
    }
    Ok(Stored::Read(corpus))
}

impl LargeCorpus {
    /// Its bytes.
    pub fn length(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.start + part.length)
    }

    /// What there is to say of a text that is not in memory.
    pub fn describe(&self) -> String {
        format!(
            "{}: its text takes {}, and with its tokens more than {}: it is read from its files piece by piece, and its \
             tokens from a passing file",
            self.name,
            memory::size(self.length()),
            self.bound
        )
    }

    /// Bytes that are read together.
    fn together(&self) -> usize {
        (self.bound.bytes / 16).clamp(TOGETHER[0], TOGETHER[1]) as usize
    }

    /// The bytes from a place on, as many as there are up to `most`.
    fn bytes(&self, from: u64, most: usize) -> Result<Vec<u8>> {
        let end = self.length().min(from + most as u64);
        let mut all = vec![0; (end - from) as usize];
        for part in self.parts.iter().filter(|part| part.start < end && part.start + part.length > from) {
            let text = part.start..part.start + part.length - u64::from(part.breaks);
            let (low, high) = (text.start.max(from), text.end.min(end));
            if low < high {
                part.file.check()?;
                let own = &mut all[(low - from) as usize..(high - from) as usize];
                part.file.read(own, part.skip + low - text.start)?;
            }
            if part.breaks && (from..end).contains(&text.end) {
                all[(text.end - from) as usize] = b'\n';
            }
        }
        Ok(all)
    }

    /// Calls `see` with the text up to a byte, in pieces that end where `cut` says that they
    /// may.
    fn visit(
        &self,
        end: u64,
        cut: &dyn Fn(&str) -> Option<usize>,
        see: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        let (mut at, mut rest): (u64, Vec<u8>) = (0, vec![]);
        while at < end {
            let more = self.bytes(at, self.together().min((end - at) as usize))?;
            at += more.len() as u64;
            rest.extend(more);
            let text = self.text(at - rest.len() as u64, &rest)?;
            let length = if at == end { Some(text.len()) } else { cut(text) };
            match length {
                Some(length) => {
                    see(&text[..length])
                        .context(|| format!("{}, in the part from byte {} on", self.name, at - rest.len() as u64))?;
                    rest.drain(..length);
                }
                None if rest.len() > LONGEST => {
                    return Err(Error::data(format!(
                        "{}: within {} from byte {} on no line ends behind which text begins, where a tokenizer of words \
                         could cut; break its lines, take `--tokenizer byte` or char, or raise --data-memory",
                        self.name,
                        memory::size(LONGEST as u64),
                        at - rest.len() as u64
                    )));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Bytes as text, without the start of a character at their end.
    fn text<'a>(&self, from: u64, bytes: &'a [u8]) -> Result<&'a str> {
        match str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(e) if e.error_len().is_none() && from + (bytes.len() as u64) < self.length() => {
                Ok(str::from_utf8(&bytes[..e.valid_up_to()]).expect("looked at"))
            }
            Err(e) => {
                let at = from + e.valid_up_to() as u64;
                let part = &self.parts[self.parts.partition_point(|part| part.start <= at) - 1];
                Err(Error::data(format!(
                    "{}: byte {} is 0x{:02x}, which is not UTF-8; expected UTF-8 text: convert it, for example with `iconv \
                     -f latin1 -t utf-8`, or take `--tokenizer byte`, which reads any bytes",
                    part.file.path().display(),
                    at - part.start + part.skip,
                    bytes[e.valid_up_to()]
                )))
            }
        }
    }

    /// The distinct characters of the text.
    ///
    /// Fails as [`Vocabulary::characters`] does, and when the files cannot be read.
    pub fn characters(&self) -> Result<Vocabulary> {
        let mut counting = Counting::default();
        self.visit(self.length(), &|text| Some(text.len()), &mut |text| {
            counting.characters(text);
            Ok(())
        })?;
        counting.into_characters()
    }

    /// Byte pairs of the first share of the text, as [`Vocabulary::train_bpe`] learns them.
    ///
    /// Fails as that does, and when the files cannot be read.
    pub fn train_bpe(&self, share: f64, size: usize) -> Result<Vocabulary> {
        let end = (self.length() as f64 * share) as u64;
        // A character is not cut.
        let end = (0..=end).rev().take(4).find(|&end| self.begins(end)).unwrap_or(end);
        let mut counting = Counting::default();
        self.visit(end, &Counting::cut, &mut |text| counting.words(text))?;
        counting.into_pairs(size)
    }

    /// Whether a character begins at a byte.
    fn begins(&self, at: u64) -> bool {
        self.bytes(at, 1).is_ok_and(|byte| byte.first().is_none_or(|byte| byte & 0xc0 != 0x80))
    }

    /// The tokens of the text, in a passing file, with so many more behind them that mean
    /// nothing.
    ///
    /// Fails when the vocabulary does not have its characters, when the files cannot be read,
    /// and when the disk has no room for the tokens.
    pub fn tokens(&self, vocabulary: &Vocabulary, more: usize, store: &Store) -> Result<TokenFile> {
        let each: u64 = if vocabulary.len() <= 1 << 16 { 2 } else { 4 };
        let folder = store.passing();
        // A token for each byte at most; pieces are of some bytes each.
        let needed = self.length() * each / if vocabulary.name() == "bpe" { 3 } else { 1 };
        let mut file = Passing::make(&folder, needed, &format!("the tokens of {}", self.name))?;
        let mut tokens = 0;
        let mut write = |ids: Vec<u32>| {
            tokens += ids.len();
            let bytes: Vec<u8> = match each {
                2 => ids.iter().flat_map(|&id| (id as u16).to_le_bytes()).collect(),
                _ => ids.iter().flat_map(|id| id.to_le_bytes()).collect(),
            };
            file.write(&bytes)
        };
        match vocabulary.name() {
            "byte" => {
                let mut at = 0;
                while at < self.length() {
                    let bytes = self.bytes(at, self.together())?;
                    at += bytes.len() as u64;
                    write(vocabulary.encode_bytes(&bytes)?)?;
                }
            }
            _ => {
                let cut = |text: &str| vocabulary.cut(text);
                self.visit(self.length(), &cut, &mut |text| write(vocabulary.encode(text)?))?;
            }
        }
        file.write(&vec![0; more * each as usize])?;
        Ok(TokenFile { file: file.finish()?, tokens, each, more })
    }

    /// Some of its text for an audit, from places evenly over it, and what there is to say about
    /// that.
    ///
    /// Fails when the files cannot be read, or it is no UTF-8.
    pub fn some(&self) -> Result<(String, String)> {
        let length = self.length();
        let each = ((self.bound.bytes / 8).max(LEAST_AUDITED) / PLACES).min(length / PLACES);
        let mut all = String::new();
        for place in 0..PLACES {
            let from = (length as u128 * u128::from(place) / u128::from(PLACES)) as u64;
            let bytes = self.bytes(from, each as usize)?;
            // From a line to another.
            let begin = if place == 0 { 0 } else { memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |at| at + 1) };
            let end = memchr::memrchr(b'\n', &bytes).map_or(bytes.len(), |at| at + 1).max(begin);
            all += self.text(from + begin as u64, &bytes[begin..end])?;
        }
        let note = format!(
            "{} of {} were looked at, from {PLACES} places evenly over the text, for it takes more memory than {}: what is said \
             here is of these; raise --data-memory to look at all",
            memory::size(all.len() as u64),
            memory::size(length),
            self.bound
        );
        Ok((all, note))
    }
}
