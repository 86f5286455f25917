//! Pieces of words: byte-pair encoding trained here, or whatever tokenizer a
//! Hugging Face `tokenizer.json` describes.
//!
//! The text of that file is what is kept; the tokenizer is built from it. What
//! would change the tokens behind a user's back is taken out first: truncation,
//! padding, special tokens around a text, and random merges (dropout).

use super::{byte_level, merges};
use crate::error::{Error, Result, caught};
use base64::Engine;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use tokenizers::{DecoderWrapper, Tokenizer};

/// The most tokens of a vocabulary.
pub const MOST: usize = 4_000_000;
/// The most tokens that are trained.
const MOST_TRAINED: usize = 1_000_000;
/// Text is tokenised in parts of about this many bytes where the cuts change
/// nothing ...
const PART: usize = 64 << 10;
/// ... and of this many where they might, once per part.
const LARGE_PART: usize = 16 << 20;
/// What a tokenizer is tried on.
const TRIAL: &str = "Hello, wörld!\n\n  It's 12:30\t日本語 👍🏽 e\u{301}\u{0}\u{fffd}";

/// A tokenizer with the JSON that it was built from.
pub struct Pieces {
    json: String,
    tokenizer: Tokenizer,
    size: usize,
    model: String,
    /// The token of what it does not know.
    unknown: Option<u32>,
    part: usize,
}

impl Pieces {
    /// Trains byte-level byte-pair encoding as GPT-2 has it.
    ///
    /// Fails when `size` is below 256, a token for each byte, or above a million.
    pub fn train(texts: &[&str], size: usize) -> Result<Pieces> {
        check_trained(size)?;
        Pieces::of_words(&Pieces::words(texts)?, size)
    }

    /// How often the words of some texts occur.
    pub(super) fn words(texts: &[&str]) -> Result<BTreeMap<String, u64>> {
        let parts: Vec<&str> = texts.iter().flat_map(|text| parts(text, PART)).collect();
        parts
            .par_iter()
            .map(|part| {
                let mut words: BTreeMap<String, u64> = BTreeMap::new();
                byte_level::words(part)?.into_iter().for_each(|w| *words.entry(w).or_default() += 1);
                Ok(words)
            })
            .try_reduce(BTreeMap::new, |mut all, some| {
                some.into_iter().for_each(|(word, count)| *all.entry(word).or_default() += count);
                Ok(all)
            })
            .map_err(|e: tokenizers::Error| Error::data(format!("the text cannot be cut into words: {e}")))
    }

    /// The last place at which a text may be cut without another effect on its words.
    pub(super) fn last_cut_of_words(text: &str) -> Option<usize> {
        last_cut(text, PART)
    }

    /// The last place at which a text is cut before its parts are turned into tokens.
    pub(super) fn last_cut(&self, text: &str) -> Option<usize> {
        last_cut(text, self.part)
    }

    /// [`train`](Pieces::train) on words with how often each occurs.
    pub(super) fn of_words(words: &BTreeMap<String, u64>, size: usize) -> Result<Pieces> {
        check_trained(size)?;
        let learned = merges::learn(words, size);
        let vocabulary: serde_json::Map<String, Value> =
            learned.tokens.into_iter().zip(0u32..).map(|(token, id)| (token, id.into())).collect();
        let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
        let model = json!({
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": learned.merges,
        });
        Pieces::build(json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes, "model": model,
        }))
    }

    /// A tokenizer from the text of a `tokenizer.json`.
    ///
    /// Fails when it is none.
    pub fn parse(text: &str) -> Result<Pieces> {
        let value = serde_json::from_str(text).map_err(|e| Error::data(format!("expected JSON: {e}")))?;
        Pieces::build(value)
    }

    fn build(mut value: Value) -> Result<Pieces> {
        let Some(Value::Object(model)) = value.get("model") else {
            return Err(Error::data(
                "found JSON without an object \"model\"; expected a tokenizer.json as Hugging Face's tokenizers write it",
            ));
        };
        check_merges(model)?;
        check_characters(&value)?;
        let kind = model.get("type").and_then(Value::as_str).unwrap_or("BPE").to_string();
        for key in ["truncation", "padding", "post_processor"] {
            value[key] = Value::Null;
        }
        let Value::Object(model) = &mut value["model"] else { unreachable!("looked at above") };
        if model.get("dropout").is_some_and(|d| !d.is_null()) {
            model.insert("dropout".into(), Value::Null);
        }
        for key in ["alpha", "nbest_size"] {
            model.remove(key);
        }
        let part = if is_local(&value) { PART } else { LARGE_PART };
        let json = value.to_string();
        let made = quietly(|| json.parse::<Tokenizer>().map_err(|e| e.to_string()));
        let tokenizer = made.map_err(|e| Error::data(format!("found a tokenizer that is damaged: {e}")))?;
        let ids = tokenizer.get_vocab(true).into_values();
        let Some(last) = ids.max() else { return Err(Error::data("found a tokenizer without a token")) };
        let size = last as usize + 1;
        if size > MOST {
            return Err(Error::data(format!("found a token of number {last}; expected at most {MOST} tokens")));
        }
        let model = &value["model"];
        let by_name = model["unk_token"].as_str().and_then(|name| tokenizer.token_to_id(name));
        let unknown = by_name.or_else(|| model["unk_id"].as_u64().and_then(|id| u32::try_from(id).ok()));
        let pieces = Pieces { json, tokenizer, size, model: kind, unknown, part };
        pieces.encode(TRIAL).map_err(|e| Error::data(format!("found a tokenizer that does not work: {e}")))?;
        Ok(pieces)
    }

    /// Its `tokenizer.json`.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// One more than the highest id.
    pub fn size(&self) -> usize {
        self.size
    }

    /// What it is, in words.
    pub fn describe(&self) -> &str {
        match self.model.as_str() {
            "BPE" if self.is_byte_level() => "byte pairs (byte-level BPE)",
            "BPE" => "byte pairs (BPE)",
            "WordPiece" => "word pieces (WordPiece)",
            "Unigram" => "word pieces (Unigram)",
            "WordLevel" => "words (WordLevel)",
            other => other,
        }
    }

    /// The tokens of a text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encode = |part: &str| {
            quietly(|| self.tokenizer.encode_fast(part, false).map_err(|e| e.to_string()))
                .map(|encoding| encoding.get_ids().to_vec())
                .map_err(|e| Error::data(format!("the tokenizer fails on this text: {e}; take another one")))
        };
        let parts: Vec<Vec<u32>> = parts(text, self.part).par_iter().map(|part| encode(part)).collect::<Result<_>>()?;
        Ok(parts.concat())
    }

    /// The parts of a text that become the unknown token or no token at all; white
    /// space, which many tokenizers leave out on purpose, is none of them.
    pub fn unknown_in(&self, text: &str) -> Result<Vec<String>> {
        let known = match self.unknown {
            Some(unknown) => self.covered(text, unknown)?,
            // Without such a token places are not to be relied on: what is left out
            // moves those behind it.
            None => text.chars().map(|c| self.has(c)).collect(),
        };
        let mut parts: Vec<String> = vec![];
        let mut goes_on = false;
        for (c, known) in text.chars().zip(known) {
            let is_unknown = !known && !c.is_whitespace();
            match parts.last_mut() {
                Some(part) if is_unknown && goes_on => part.push(c),
                _ if is_unknown => parts.push(c.into()),
                _ => {}
            }
            goes_on = is_unknown;
        }
        Ok(parts)
    }

    /// Which characters of a text are in other tokens than the unknown one.
    fn covered(&self, text: &str, unknown: u32) -> Result<Vec<bool>> {
        let encoding = quietly(|| self.tokenizer.encode(text, false).map_err(|e| e.to_string()))
            .map_err(|e| Error::data(format!("the tokenizer fails on this text: {e}; take another one")))?;
        let mut known = vec![false; text.len()];
        for (id, &(start, end)) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
            if *id != unknown {
                known.get_mut(start..end).unwrap_or_default().fill(true);
            }
        }
        Ok(text.char_indices().map(|(at, c)| known[at..at + c.len_utf8()].contains(&true)).collect())
    }

    /// Whether a character by itself is some tokens, all of its bytes.
    fn has(&self, c: char) -> bool {
        let ids = self.encode(c.encode_utf8(&mut [0; 4])).unwrap_or_default();
        !ids.is_empty() && (c == '\u{fffd}' || !self.decode(&ids).contains('\u{fffd}'))
    }

    /// Whether a token stands for no text: the unknown one, or a special one such
    /// as the end of a text.
    pub fn is_special(&self, id: u32) -> bool {
        let added = self.tokenizer.get_added_tokens_decoder();
        self.unknown == Some(id) || added.get(&id).is_some_and(|token| token.special)
    }

    /// Whether each token stands for bytes, so that a text can be put together
    /// token by token.
    pub fn is_byte_level(&self) -> bool {
        matches!(self.tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_)))
    }

    /// The bytes of a token of a byte-level tokenizer; none if there is no such
    /// token.
    pub fn bytes(&self, id: u32) -> Vec<u8> {
        self.tokenizer.id_to_token(id).map_or_else(Vec::new, |token| byte_level::bytes(&token))
    }

    /// A token as the tokenizer writes it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }

    /// The text of tokens; what is no token is left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        quietly(|| self.tokenizer.decode(ids, false).map_err(|e| e.to_string())).unwrap_or_default()
    }
}

/// Runs the library's code. What it takes for granted of a file is checked
/// beforehand where that is possible; a panic that is left is an error.
fn quietly<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    caught(run).unwrap_or_else(|| Err("it contradicts itself".into()))
}

/// Whether no token reaches over a line break before a word, and none depends on
/// standing at the start of a text: then a text may be cut there.
fn is_local(value: &Value) -> bool {
    let cutter = &value["pre_tokenizer"];
    let added = value["added_tokens"].as_array().map_or(&[][..], Vec::as_slice);
    let reaches = |token: &Value| {
        let is = |key: &str| token[key].as_bool().unwrap_or(true);
        is("lstrip") || is("rstrip") || token["content"].as_str().is_none_or(|c| c.contains(['\n', '\r']))
    };
    value["normalizer"].is_null()
        && cutter["type"] == "ByteLevel"
        && cutter["add_prefix_space"] == false
        && cutter["use_regex"] != false
        && !added.iter().any(reaches)
}

/// The text in parts of at least `least` bytes but the last, cut in front of a
/// line break that a word follows.
///
/// GPT-2's pattern cuts there as well: of white space in front of a word it
/// takes all but the last character, then that one by itself unless it is a
/// space. At the end of a part it takes all there is, which is the same.
fn parts(text: &str, least: usize) -> Vec<&str> {
    let (mut parts, mut rest) = (vec![], text);
    while let Some(at) = cut(rest, least.max(1)) {
        let (part, next) = rest.split_at(at);
        parts.push(part);
        rest = next;
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

/// The last of the places at which [`parts`] cuts a text.
fn last_cut(text: &str, least: usize) -> Option<usize> {
    let mut end = 0;
    while let Some(at) = cut(&text[end..], least.max(1)) {
        end += at;
    }
    (end > 0).then_some(end)
}

fn check_trained(size: usize) -> Result<()> {
    match (256..=MOST_TRAINED).contains(&size) {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "a byte-pair vocabulary of {size} tokens: expected 256 (one for each byte) to {MOST_TRAINED}"
        ))),
    }
}

fn cut(text: &str, least: usize) -> Option<usize> {
    let mut breaks = text.as_bytes().iter().enumerate().skip(least).filter(|(_, b)| **b == b'\n').map(|(at, _)| at);
    breaks.find(|&at| text[at + 1..].chars().next().is_some_and(|c| !c.is_whitespace()))
}

/// Checks that the merges of a BPE model lead from tokens to tokens, which the
/// library takes for granted.
fn check_merges(model: &serde_json::Map<String, Value>) -> Result<()> {
    let (Some(Value::Object(tokens)), Some(Value::Array(merges))) = (model.get("vocab"), model.get("merges")) else {
        return Ok(());
    };
    let prefix = model.get("continuing_subword_prefix").and_then(Value::as_str).unwrap_or("");
    let tokens: HashSet<&str> = tokens.keys().map(String::as_str).collect();
    for (i, merge) in merges.iter().enumerate() {
        let pair = match merge {
            Value::String(line) => line.split_once(' '),
            Value::Array(pair) if pair.len() == 2 => pair[0].as_str().zip(pair[1].as_str()),
            _ => None,
        };
        // A first line such as "#version: 0.2" is no merge.
        if matches!(merge, Value::String(line) if line.starts_with("#version")) {
            continue;
        }
        let joined = pair.and_then(|(a, b)| {
            let whole = format!("{a}{}", b.strip_prefix(prefix)?);
            [a, b, whole.as_str()].iter().all(|t| tokens.contains(t)).then_some(())
        });
        if joined.is_none() {
            return Err(Error::data(format!(
                "found a tokenizer that is damaged: merge {} is {merge}; expected two tokens of the vocabulary that \
                 together are a third",
                i + 1
            )));
        }
    }
    Ok(())
}

/// Checks the size that a table of characters claims to have, wherever one
/// stands among the normalisers.
fn check_characters(value: &Value) -> Result<()> {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(table)) = map.get("precompiled_charsmap") {
                let bytes = base64::prelude::BASE64_STANDARD.decode(table).unwrap_or_default();
                let claimed = bytes.first_chunk().map_or(0, |&size| u32::from_le_bytes(size) as usize);
                if bytes.len() < claimed.saturating_add(4) || claimed == 0 {
                    return Err(Error::data("found a tokenizer that is damaged: its precompiled_charsmap is cut off"));
                }
            }
            map.iter().filter(|(key, _)| *key != "model").try_for_each(|(_, v)| check_characters(v))
        }
        Value::Array(all) => all.iter().try_for_each(check_characters),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "pieces_tests.rs"]
mod tests;
