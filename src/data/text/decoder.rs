//! Text from tokens that come one by one.

use super::pieces::Pieces;
use super::vocabulary::{UNKNOWN, Vocabulary};

/// Tokens that may be waited for until a character is whole: UTF-8 has at most
/// four bytes for one.
const PATIENCE: usize = 4;

/// Decodes ids as a model generates them. What [`push`](Decoder::push) and
/// [`finish`](Decoder::finish) give, put together, is what
/// [`Vocabulary::decode`] gives for all ids; no piece ends within a character.
pub struct Decoder<'a> {
    vocabulary: &'a Vocabulary,
    /// Bytes of a character that is not whole yet.
    bytes: Vec<u8>,
    /// The last tokens, where a token's text depends on those before it.
    ids: Vec<u32>,
    /// How many of them have been shown.
    shown: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary) -> Decoder<'a> {
        Decoder { vocabulary, bytes: vec![], ids: vec![], shown: 0 }
    }

    /// Takes a token and gives the text that is whole now; often none.
    pub fn push(&mut self, id: u32) -> String {
        if self.vocabulary.is_padded() && id == UNKNOWN {
            return self.rest() + "\u{fffd}";
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
            text += &behind(&pieces.decode(&self.ids[..self.shown]), &pieces.decode(&self.ids));
        }
        (self.ids, self.shown) = (vec![], 0);
        text
    }

    /// The text of a token among those before it: the difference that it makes.
    fn push_joined(&mut self, pieces: &Pieces, own: u32) -> String {
        self.ids.push(own);
        let before = if self.shown == 0 { String::new() } else { pieces.decode(&self.ids[..self.shown]) };
        let now = pieces.decode(&self.ids);
        let waiting = self.ids.len() - self.shown;
        if now.ends_with('\u{fffd}') && waiting < PATIENCE {
            return String::new();
        }
        let text = behind(&before, &now);
        // What has just been shown is what the next token is seen against.
        self.ids.drain(..self.shown);
        self.shown = self.ids.len();
        text
    }
}

/// What `now` says more than `before`.
fn behind(before: &str, now: &str) -> String {
    let same = before.chars().zip(now.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum::<usize>();
    now[same..].to_string()
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
                text.push('\u{fffd}');
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
