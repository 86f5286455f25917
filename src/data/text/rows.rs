//! Texts of different length as rows of one length.

use super::vocabulary::{PAD, UNKNOWN, Vocabulary};
use crate::error::{Error, Result};
use crate::files::memory;
use rayon::prelude::*;

/// The longest row where no length is asked for.
const LONGEST: usize = 512;
/// Lengths are rounded up to a multiple of this.
const STEP: usize = 8;

/// Texts as rows of token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedTexts {
    /// `[count, max_len]`, each filled up with [`PAD`] at its end.
    pub rows: Vec<u32>,
    /// The number of texts.
    pub count: usize,
    /// Tokens of a row.
    pub max_len: usize,
    /// Texts that were longer and lost their end.
    pub cut: usize,
    /// Texts without a token, which became one [`UNKNOWN`].
    pub empty: usize,
}

impl EncodedTexts {
    /// What a user should know: how many texts were cut, or empty.
    pub fn notes(&self) -> Vec<String> {
        let share = |n: usize| 100.0 * n as f64 / self.count as f64;
        let texts = |n: usize| if n == 1 { "1 text".into() } else { format!("{n} texts") };
        let mut notes = vec![];
        if self.cut > 0 {
            notes.push(format!(
                "{} of {} ({:.1} %) longer than {} tokens and cut there",
                texts(self.cut),
                self.count,
                share(self.cut),
                self.max_len
            ));
        }
        if self.empty > 0 {
            notes.push(format!("{} of {} empty: read as one unknown token", texts(self.empty), self.count));
        }
        notes
    }
}

/// The ids of texts; an empty one has none.
///
/// Fails where the vocabulary is not padded or does not work on a text.
pub fn tokens(vocabulary: &Vocabulary, texts: &[impl AsRef<str> + Sync]) -> Result<Vec<Vec<u32>>> {
    if !vocabulary.is_padded() {
        return Err(Error::model("texts of different length need a vocabulary with a token for padding"));
    }
    texts.par_iter().map(|text| vocabulary.encode(text.as_ref())).collect()
}

/// The length that 95 % of the texts do not exceed, rounded up to a multiple of
/// eight, and at most 512.
pub fn usual_length(tokens: &[Vec<u32>]) -> usize {
    let mut lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
    lengths.sort_unstable();
    let rank = (lengths.len() as f64 * 0.95).ceil() as usize;
    let length = lengths.get(rank.saturating_sub(1)).copied().unwrap_or(1).max(1);
    length.next_multiple_of(STEP).min(LONGEST)
}

/// Texts as rows of `max_len` tokens, or of their [`usual_length`].
///
/// Fails as [`tokens`] does, when `max_len` is 0, and when the rows would take
/// more than the budget of memory.
pub fn encode_texts(
    vocabulary: &Vocabulary,
    texts: &[impl AsRef<str> + Sync],
    max_len: Option<usize>,
) -> Result<EncodedTexts> {
    let mut all = tokens(vocabulary, texts)?;
    let is_empty = |ids: &&mut Vec<u32>| ids.is_empty();
    let empty = all.iter_mut().filter(is_empty).map(|ids| ids.push(UNKNOWN)).count();
    let max_len = max_len.unwrap_or_else(|| usual_length(&all));
    if max_len == 0 {
        return Err(Error::usage("a length of 0 tokens: expected at least 1"));
    }
    let (count, total) = (all.len(), all.len().saturating_mul(max_len));
    let mut rows: Vec<u32> = vec![];
    let (bytes, budget) = ((total as u64).saturating_mul(4), memory::budget());
    if bytes > budget || rows.try_reserve_exact(total).is_err() {
        return Err(Error::data(format!(
            "{count} texts of {max_len} tokens take {:.1} GiB, more than the budget of {} (--max-memory); take a shorter \
             length or fewer texts",
            total as f64 * 4.0 / (1u64 << 30) as f64,
            memory::size(budget)
        )));
    }
    for ids in &all {
        rows.extend_from_slice(&ids[..ids.len().min(max_len)]);
        rows.resize(rows.len() + max_len.saturating_sub(ids.len()), PAD);
    }
    let cut = all.iter().filter(|ids| ids.len() > max_len).count();
    Ok(EncodedTexts { rows, count, max_len, cut, empty })
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
