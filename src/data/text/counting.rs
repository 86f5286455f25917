//! What a vocabulary is learned from, counted piece by piece of a text.

use super::pieces::Pieces;
use super::vocabulary::{Vocabulary, add_characters};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};

/// What was counted so far.
#[derive(Default)]
pub(super) struct Counting {
    characters: BTreeSet<char>,
    words: BTreeMap<String, u64>,
}

impl Counting {
    /// Notes the characters of a piece.
    pub fn characters(&mut self, text: &str) {
        add_characters(text, &mut self.characters);
    }

    /// The vocabulary of the characters.
    ///
    /// Fails when there is none.
    pub fn into_characters(self) -> Result<Vocabulary> {
        Vocabulary::of_characters(self.characters)
    }

    /// Counts the words of a piece that ends where [`cut`](Counting::cut) says.
    pub fn words(&mut self, text: &str) -> Result<()> {
        for (word, n) in Pieces::words(&[text])? {
            *self.words.entry(word).or_default() += n;
        }
        Ok(())
    }

    /// Where a text may be cut so that its words are those of its pieces.
    pub fn cut(text: &str) -> Option<usize> {
        Pieces::last_cut_of_words(text)
    }

    /// The vocabulary of the byte pairs of the words, as large as `size`.
    ///
    /// Fails as [`Vocabulary::train_bpe`] does.
    pub fn into_pairs(self, size: usize) -> Result<Vocabulary> {
        Vocabulary::of_words(&self.words, size)
    }
}
