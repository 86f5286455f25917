//! Tokens and their numbers.
//!
//! Three kinds: the characters of a text, the 256 bytes, or pieces of words.
//! A language model takes ids from 0. A classifier needs two more, in front of
//! all others: [`PAD`] fills up short texts, [`UNKNOWN`] stands for characters
//! that were not in the training texts.

use super::super::bytes::Source;
use super::pieces::Pieces;
use crate::error::{Error, Result};
use crate::files;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The id that fills up short texts, in a padded vocabulary.
pub const PAD: u32 = 0;
/// The id of what is in no vocabulary, in a padded one.
pub const UNKNOWN: u32 = 1;
/// Ids in front of the tokens of a padded vocabulary.
const RESERVED: u32 = 2;
/// The most bytes of a file that holds a vocabulary.
const LARGEST: u64 = 256 << 20;
/// Tokens among which one is looked for that is a text by itself.
const LOOKED_AT: usize = 10_000;
/// The key by which a file of ours is known.
const MARK: &str = "wgrad_vocabulary";

/// Turns text into token ids and back.
///
/// Compares and prints as what it was made from, and goes into a checkpoint as
/// such: characters as one string, pieces as the text of a `tokenizer.json`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Vocabulary {
    kind: Kind,
    padded: bool,
}

#[derive(Clone)]
enum Kind {
    /// Distinct, sorted by code point.
    Characters(Vec<char>),
    Bytes,
    Pieces(Arc<Pieces>),
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        match (self, other) {
            (Kind::Characters(a), Kind::Characters(b)) => a == b,
            (Kind::Bytes, Kind::Bytes) => true,
            (Kind::Pieces(a), Kind::Pieces(b)) => a.json() == b.json(),
            _ => false,
        }
    }
}

/// A vocabulary in a file.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Stored {
    Char { characters: String, padded: bool },
    Byte { padded: bool },
    Bpe { tokenizer: String, padded: bool },
}

impl From<Vocabulary> for Stored {
    fn from(v: Vocabulary) -> Stored {
        let padded = v.padded;
        match v.kind {
            Kind::Characters(all) => Stored::Char { characters: all.into_iter().collect(), padded },
            Kind::Bytes => Stored::Byte { padded },
            Kind::Pieces(pieces) => Stored::Bpe { tokenizer: pieces.json().into(), padded },
        }
    }
}

impl TryFrom<Stored> for Vocabulary {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Vocabulary> {
        let (kind, padded) = match stored {
            Stored::Char { characters, padded } => {
                let all: Vec<char> = characters.chars().collect();
                if all.is_empty() || !all.is_sorted_by(|a, b| a < b) {
                    return Err(Error::data(
                        "found characters that are none, twice there or not sorted; expected distinct characters, \
                         sorted by code point",
                    ));
                }
                (Kind::Characters(all), padded)
            }
            Stored::Byte { padded } => (Kind::Bytes, padded),
            Stored::Bpe { tokenizer, padded } => (Kind::Pieces(Arc::new(Pieces::parse(&tokenizer)?)), padded),
        };
        Ok(Vocabulary { kind, padded })
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let padded = if self.padded { ", padded" } else { "" };
        write!(f, "Vocabulary({}{padded})", self.describe())
    }
}

/// Adds the characters of a text to those that were found.
pub(super) fn add_characters(text: &str, found: &mut BTreeSet<char>) {
    let mut ascii = [false; 128];
    for c in text.chars() {
        match ascii.get_mut(c as usize) {
            Some(seen) => *seen = true,
            None => drop(found.insert(c)),
        }
    }
    found.extend((0..128u8).filter(|&b| ascii[b as usize]).map(char::from));
}

impl Vocabulary {
    /// The distinct characters of some texts, sorted by code point.
    ///
    /// Fails when there is none.
    pub fn characters(texts: &[impl AsRef<str>]) -> Result<Vocabulary> {
        let mut found = BTreeSet::new();
        texts.iter().for_each(|text| add_characters(text.as_ref(), &mut found));
        Vocabulary::of_characters(found)
    }

    /// A token for each of these characters.
    ///
    /// Fails when there is none.
    pub(super) fn of_characters(found: BTreeSet<char>) -> Result<Vocabulary> {
        if found.is_empty() {
            return Err(Error::data("a text without a character gives no vocabulary; expected some text"));
        }
        Ok(Vocabulary { kind: Kind::Characters(found.into_iter().collect()), padded: false })
    }

    /// A token for each of the 256 bytes.
    pub fn bytes() -> Vocabulary {
        Vocabulary { kind: Kind::Bytes, padded: false }
    }

    /// Byte-pair encoding as GPT-2 has it, trained on some texts: 256 tokens for
    /// the bytes, then the most frequent pairs. There are fewer than `size`
    /// tokens when no pair is left that occurs twice.
    ///
    /// Fails when `size` is below 256 or above a million.
    pub fn train_bpe(texts: &[impl AsRef<str>], size: usize) -> Result<Vocabulary> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        Ok(Vocabulary { kind: Kind::Pieces(Arc::new(Pieces::train(&texts, size)?)), padded: false })
    }

    /// [`train_bpe`](Vocabulary::train_bpe) on words with how often each occurs.
    pub(super) fn of_words(words: &BTreeMap<String, u64>, size: usize) -> Result<Vocabulary> {
        Ok(Vocabulary { kind: Kind::Pieces(Arc::new(Pieces::of_words(words, size)?)), padded: false })
    }

    /// The last place at which a text may be cut so that its tokens are those of its parts;
    /// `None` where it may be cut nowhere.
    pub(super) fn cut(&self, text: &str) -> Option<usize> {
        match &self.kind {
            Kind::Characters(_) | Kind::Bytes => Some(text.len()),
            Kind::Pieces(pieces) => pieces.last_cut(text),
        }
    }

    /// Reads what [`save`](Vocabulary::save) has written, or a `tokenizer.json`
    /// of Hugging Face's tokenizers of any model.
    ///
    /// Fails when it is neither, or damaged.
    pub fn load(path: &Path) -> Result<Vocabulary> {
        let shown = path.display();
        let mut source = Source::open(path)?;
        let bytes = source.take(LARGEST + 1)?;
        if bytes.len() as u64 > LARGEST {
            return Err(Error::data(format!("{shown} is larger than {LARGEST} bytes; expected a tokenizer")));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::data(format!("{shown} is no text; expected a tokenizer.json")))?;
        Vocabulary::parse(&text).map_err(|e| e.context(shown))
    }

    fn parse(text: &str) -> Result<Vocabulary> {
        let mut value: Value =
            serde_json::from_str(text).map_err(|e| Error::data(format!("expected a tokenizer.json: {e}")))?;
        let Some(mark) = value.as_object_mut().and_then(|all| all.shift_remove(MARK)) else {
            return Ok(Vocabulary { kind: Kind::Pieces(Arc::new(Pieces::parse(text)?)), padded: false });
        };
        if mark != 1 {
            return Err(Error::data(format!("found version {mark} of {MARK}; expected 1: written by a newer wgrad?")));
        }
        serde_json::from_value(value).map_err(|e| Error::data(format!("found a vocabulary that is damaged: {e}")))
    }

    /// Writes it to a file: pieces as a Hugging Face `tokenizer.json`, anything
    /// else, and a padded vocabulary, as JSON of our own.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = match &self.kind {
            Kind::Pieces(pieces) if !self.padded => pieces.json().to_string(),
            _ => {
                let mut all = json!({ MARK: 1 });
                if let (Value::Object(all), Value::Object(own)) = (&mut all, json!(self)) {
                    all.extend(own);
                }
                all.to_string()
            }
        };
        files::write(path, (text + "\n").as_bytes())
    }

    /// The same tokens behind [`PAD`] and [`UNKNOWN`], for texts of different
    /// length and characters never seen.
    pub fn padded(mut self) -> Vocabulary {
        self.padded = true;
        self
    }

    /// Whether there are [`PAD`] and [`UNKNOWN`].
    pub fn is_padded(&self) -> bool {
        self.padded
    }

    /// The number of ids.
    pub fn len(&self) -> usize {
        self.shift() as usize
            + match &self.kind {
                Kind::Characters(all) => all.len(),
                Kind::Bytes => 256,
                Kind::Pieces(pieces) => pieces.size(),
            }
    }

    /// Never: there is at least one token.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// What kind it is: `char`, `byte`, or `bpe` for any pieces of words.
    pub fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Characters(_) => "char",
            Kind::Bytes => "byte",
            Kind::Pieces(_) => "bpe",
        }
    }

    /// What it is, in words: `65 characters`.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Characters(all) if all.len() == 1 => "1 character".into(),
            Kind::Characters(all) => format!("{} characters", all.len()),
            Kind::Bytes => "256 bytes".into(),
            Kind::Pieces(pieces) => format!("{} tokens, {}", pieces.size(), pieces.describe()),
        }
    }

    /// The ids of a text.
    ///
    /// A character that is not in the vocabulary is [`UNKNOWN`] where that is
    /// there; else it is an error that says which one and where.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match &self.kind {
            Kind::Bytes => Ok(text.bytes().map(|b| u32::from(b) + self.shift()).collect()),
            Kind::Pieces(pieces) => {
                let mut ids = pieces.encode(text)?;
                if self.padded {
                    ids.iter_mut().for_each(|id| *id += RESERVED);
                }
                Ok(ids)
            }
            Kind::Characters(all) => {
                let id = |(at, c): (usize, char)| match all.binary_search(&c) {
                    Ok(i) => Ok(i as u32 + self.shift()),
                    Err(_) if self.padded => Ok(UNKNOWN),
                    Err(_) => Err(unknown_character(text, at, c, all.len())),
                };
                text.char_indices().map(id).collect()
            }
        }
    }

    /// The ids of bytes, which only a vocabulary of bytes takes as they are.
    ///
    /// Fails as [`encode`](Vocabulary::encode) does, and where another kind
    /// meets bytes that are no UTF-8.
    pub fn encode_bytes(&self, bytes: &[u8]) -> Result<Vec<u32>> {
        if let Kind::Bytes = self.kind {
            return Ok(bytes.iter().map(|&b| u32::from(b) + self.shift()).collect());
        }
        let text = str::from_utf8(bytes).map_err(|e| {
            Error::data(format!(
                "byte {} is not UTF-8; expected UTF-8 text, or `--tokenizer byte`, which reads any bytes",
                e.valid_up_to()
            ))
        })?;
        self.encode(text)
    }

    /// The text of ids. Bytes that are no UTF-8, and [`UNKNOWN`], become U+FFFD;
    /// [`PAD`] and ids beyond the vocabulary are left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut text = String::new();
        for (i, ids) in ids.split(|&id| self.padded && id == UNKNOWN).enumerate() {
            if i > 0 {
                text.push('\u{fffd}');
            }
            let own: Vec<u32> = ids.iter().filter_map(|&id| self.own(id)).collect();
            match &self.kind {
                Kind::Characters(all) => text.extend(own.iter().filter_map(|&id| all.get(id as usize))),
                Kind::Pieces(pieces) if !pieces.is_byte_level() => text += &pieces.decode(&own),
                _ => {
                    text +=
                        &String::from_utf8_lossy(&own.iter().flat_map(|&id| self.token_bytes(id)).collect::<Vec<u8>>())
                }
            }
        }
        text
    }

    /// The parts of a text that the vocabulary does not have, in order: characters
    /// of one of characters; what becomes the unknown token, or none at all, of
    /// one of pieces.
    ///
    /// Fails where the tokenizer does not work on the text.
    pub fn unknown_in(&self, text: &str) -> Result<Vec<String>> {
        match &self.kind {
            Kind::Bytes => Ok(vec![]),
            Kind::Characters(all) => {
                Ok(text.chars().filter(|c| all.binary_search(c).is_err()).map(String::from).collect())
            }
            Kind::Pieces(pieces) => pieces.unknown_in(text),
        }
    }

    /// A text of few tokens to begin with, where nobody says another: a line
    /// break, or the first token that is a text by itself, one with a letter or a
    /// digit if there is such. `None` if no token is.
    pub fn beginning(&self) -> Option<String> {
        let first = |text: &&str| self.encode(text).is_ok_and(|ids| !ids.is_empty() && self.decode(&ids) == **text);
        if let Some(text) = Some("\n").filter(first) {
            return Some(text.into());
        }
        let own = |id: &u32| self.own(*id).is_some_and(|own| !self.joined_pieces().is_some_and(|p| p.is_special(own)));
        let alone = |id: u32| Some(self.decode(&[id])).filter(|text| self.encode(text).is_ok_and(|ids| ids == [id]));
        let mut texts = (0..self.len().min(LOOKED_AT) as u32).filter(own).filter_map(alone).peekable();
        let any = texts.peek().cloned();
        texts.find(|text| text.contains(char::is_alphanumeric)).or(any)
    }

    /// Bytes of the text that ids stand for where they stand behind others.
    pub fn bytes_behind(&self, before: &[u32], ids: &[u32]) -> usize {
        match self.joined_pieces() {
            Some(_) => self.decode(&[before, ids].concat()).len().saturating_sub(self.decode(before).len()),
            None => ids.iter().filter_map(|&id| self.own(id)).map(|own| self.token_bytes(own).len()).sum(),
        }
    }

    /// A token as text, for people: what its bytes say, or its name.
    pub fn token(&self, id: u32) -> Option<String> {
        if self.padded && id < RESERVED {
            return Some(["<pad>", "<unknown>"][id as usize].into());
        }
        let own = self.own(id)?;
        match &self.kind {
            Kind::Characters(all) => all.get(own as usize).map(char::to_string),
            Kind::Pieces(pieces) if !pieces.is_byte_level() => pieces.token(own),
            _ => {
                let bytes = self.token_bytes(own);
                (!bytes.is_empty()).then(|| match str::from_utf8(&bytes) {
                    Ok(text) => text.into(),
                    Err(_) => bytes.iter().map(|b| format!("<{b:02X}>")).collect(),
                })
            }
        }
    }

    /// Whether a text comes back as it was from its ids.
    ///
    /// Fails as [`encode`](Vocabulary::encode) does.
    pub fn is_lossless(&self, text: &str) -> Result<bool> {
        Ok(self.decode(&self.encode(text)?) == text)
    }

    /// Ids in front of the first token.
    fn shift(&self) -> u32 {
        if self.padded { RESERVED } else { 0 }
    }

    /// The number of a token within its kind.
    pub(super) fn own(&self, id: u32) -> Option<u32> {
        id.checked_sub(self.shift()).filter(|_| (id as usize) < self.len())
    }

    /// The bytes of a token; `own` is its number within its kind.
    pub(super) fn token_bytes(&self, own: u32) -> Vec<u8> {
        match &self.kind {
            Kind::Characters(all) => all.get(own as usize).map_or_else(Vec::new, |c| c.to_string().into_bytes()),
            Kind::Bytes => u8::try_from(own).map_or_else(|_| vec![], |b| vec![b]),
            Kind::Pieces(pieces) => pieces.bytes(own),
        }
    }

    /// The tokenizer, where tokens are not simply bytes one behind the other.
    pub(super) fn joined_pieces(&self) -> Option<&Pieces> {
        match &self.kind {
            Kind::Pieces(pieces) if !pieces.is_byte_level() => Some(pieces),
            _ => None,
        }
    }
}

fn unknown_character(text: &str, at: usize, c: char, size: usize) -> Error {
    let before = &text[..at];
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
    Error::data(format!(
        "line {line}, column {column}: character {c:?} (U+{:04X}) is not in the vocabulary of {size} characters; remove \
         it, or train with it in the text, or with `--tokenizer byte` or `--tokenizer bpe`, which take any character",
        c as u32
    ))
}

#[cfg(test)]
#[path = "vocabulary_tests.rs"]
mod tests;
