//! Text from tokens that come one by one.

use super::pieces::Pieces;
use super::vocabulary::{UNKNOWN, Vocabulary};

/// What stands for bytes that are no character, or not yet one.
const REPLACEMENT: char = '\u{fffd}';
/// The most tokens that are waited for until they are a character. UTF-8 has at
/// most four bytes for one; the others are for bytes in front that never become one.
const PATIENCE: usize = 16;
/// Tokens behind which a token's text is looked up, where it depends on them ...
const CONTEXT: usize = 16;
/// ... and how many there may be until they are cut to so many.
const MOST: usize = 64;

/// Decodes ids as a model generates them. What [`push`](Decoder::push) and
/// [`finish`](Decoder::finish) give, put together, is what
/// [`Vocabulary::decode`] gives for all ids; no piece ends within a character.
///
/// There is one exception. A tokenizer with byte fallback decodes bytes in a row
/// to U+FFFD each as soon as one of them is part of no character, also those of
/// whole characters in front of it. These were shown then, and stay.
pub struct Decoder<'a> {
    vocabulary: &'a Vocabulary,
    /// Bytes of a character that is not whole yet, where tokens are bytes.
    bytes: Vec<u8>,
    /// The last tokens, where a token's text depends on those before it.
    ids: Vec<u32>,
    /// How many of them are shown to the end.
    whole: usize,
    /// What has been shown of their text.
    shown: String,
}

impl Vocabulary {
    /// Decodes ids one by one, for text that is shown while it is generated.
    pub fn decoder(&self) -> Decoder<'_> {
        Decoder::new(self)
    }
}

impl<'a> Decoder<'a> {
    fn new(vocabulary: &'a Vocabulary) -> Decoder<'a> {
        Decoder { vocabulary, bytes: vec![], ids: vec![], whole: 0, shown: String::new() }
    }

    /// Takes the ids of a text that is known, such as a prompt: what follows is
    /// decoded as it reads behind them, with the blank in front of a word that the
    /// first word of a text has not.
    pub fn follow(&mut self, ids: &[u32]) {
        (self.bytes, self.ids) = (vec![], ids.iter().filter_map(|&id| self.vocabulary.own(id)).collect());
        if let Some(pieces) = self.vocabulary.joined_pieces() {
            self.shorten(pieces);
        }
    }

    /// Takes a token and gives the text that is whole now; often none.
    pub fn push(&mut self, id: u32) -> String {
        if self.vocabulary.is_padded() && id == UNKNOWN {
            let mut text = self.rest();
            text.push(REPLACEMENT);
            return text;
        }
        let Some(own) = self.vocabulary.own(id) else { return String::new() };
        match self.vocabulary.joined_pieces() {
            Some(pieces) => self.push_joined(pieces, own),
            None => {
                self.bytes.extend(self.vocabulary.token_bytes(own));
                take_whole(&mut self.bytes)
            }
        }
    }

    /// The rest: U+FFFD where a character is left unfinished.
    pub fn finish(mut self) -> String {
        self.rest()
    }

    fn rest(&mut self) -> String {
        let mut text = String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned();
        if let Some(pieces) = self.vocabulary.joined_pieces() {
            let now = pieces.decode(&self.ids);
            let more = now.strip_prefix(&*self.shown).map(String::from);
            text += &more.unwrap_or_else(|| pieces.decode(&self.ids[self.whole..]));
        }
        (self.ids, self.whole, self.shown) = (vec![], 0, String::new());
        text
    }

    /// The text of a token among those before it: the difference that it makes.
    fn push_joined(&mut self, pieces: &Pieces, own: u32) -> String {
        self.ids.push(own);
        let mut now = pieces.decode(&self.ids);
        let waits = self.ids.len() - self.whole < PATIENCE;
        if !now.starts_with(&*self.shown) {
            // Bytes in a row are a text only with the byte that is still to come.
            if waits && now.ends_with(REPLACEMENT) {
                return String::new();
            }
            // What was shown reads otherwise now and cannot be taken back: the
            // tokens behind it speak for themselves.
            self.ids.drain(..self.whole);
            self.shown.clear();
            now = pieces.decode(&self.ids);
        }
        let more = &now[self.shown.len()..];
        let text = if waits { more.trim_end_matches(REPLACEMENT) } else { more };
        let text = text.to_string();
        self.shown += &text;
        if self.shown.len() == now.len() {
            self.whole = self.ids.len();
            if self.ids.len() >= MOST {
                self.shorten(pieces);
            }
        }
        text
    }

    /// Keeps the last few tokens, shown to the end; not from within a character on.
    fn shorten(&mut self, pieces: &Pieces) {
        let from = self.ids.len().saturating_sub(CONTEXT);
        let is_text = |at: &usize| !pieces.decode(&self.ids[*at..]).contains(REPLACEMENT);
        let from = (from..self.ids.len()).find(is_text).unwrap_or(from);
        self.ids.drain(..from);
        (self.whole, self.shown) = (self.ids.len(), pieces.decode(&self.ids));
    }
}

/// Takes the whole characters out of the front; bytes that can be part of none
/// become U+FFFD.
fn take_whole(bytes: &mut Vec<u8>) -> String {
    let (mut text, mut at) = (String::new(), 0);
    loop {
        match str::from_utf8(&bytes[at..]) {
            Ok(rest) => {
                text += rest;
                at = bytes.len();
                break;
            }
            Err(e) => {
                let valid = at + e.valid_up_to();
                text += &String::from_utf8_lossy(&bytes[at..valid]);
                at = valid;
                let Some(broken) = e.error_len() else { break };
                text.push(REPLACEMENT);
                at += broken;
            }
        }
    }
    bytes.drain(..at);
    text
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
