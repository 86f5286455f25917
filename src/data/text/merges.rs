//! Learns byte-pair merges (Sennrich, Haddow and Birch 2016): again and again
//! the most frequent pair of neighbouring tokens becomes a token of its own.
//!
//! Written here and not taken from a library because the same text must give
//! the same merges every time: between equal counts the pair of lower ids wins,
//! and nothing depends on the order in which a hash table is walked. Counts are
//! kept up to date pair by pair, so a merge costs what it changes.

use super::byte_level::alphabet;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

/// A pair that occurs less often saves nothing.
const LEAST: i64 = 2;
/// The longest word that is learned from, in bytes; longer ones are cut. Such
/// words are lines of base64 or one letter a million times.
const LONGEST: usize = 256;

/// Tokens and merges.
#[derive(Debug, PartialEq)]
pub struct Learned {
    /// All tokens, by id; the 256 bytes are the first.
    pub tokens: Vec<String>,
    /// The pairs that are merged, the first first.
    pub merges: Vec<(String, String)>,
}

type Pair = (u32, u32);

struct Word {
    tokens: Vec<u32>,
    count: i64,
}

/// Learns merges from words in GPT-2's writing of bytes, until there are `size`
/// tokens or no pair occurs twice. `size` is at least 256.
pub fn learn(words: &BTreeMap<String, u64>, size: usize) -> Learned {
    let alphabet = alphabet();
    let mut tokens: Vec<String> = alphabet.iter().map(char::to_string).collect();
    let mut ids: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
    let (mut merges, mut done) = (vec![], HashSet::new());
    let mut pairs = Pairs::new(cut(words, &alphabet));
    while tokens.len() < size {
        let Some(pair) = pairs.most_frequent() else { break };
        let [a, b] = [pair.0, pair.1].map(|id| tokens[id as usize].clone());
        let joined = format!("{a}{b}");
        // Two ways of merging may lead to the same token.
        let id = *ids.entry(joined.clone()).or_insert_with(|| {
            tokens.push(joined);
            tokens.len() as u32 - 1
        });
        pairs.merge(pair, id);
        // A token with two ways to it may meet its neighbour once more.
        if done.insert(pair) {
            merges.push((a, b));
        }
    }
    Learned { tokens, merges }
}

/// The words as ids of bytes.
fn cut(words: &BTreeMap<String, u64>, alphabet: &[char]) -> Vec<Word> {
    let mut cut = vec![];
    for (word, &count) in words {
        let all: Vec<u32> = word.chars().filter_map(|c| alphabet.binary_search(&c).ok()).map(|i| i as u32).collect();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        cut.extend(all.chunks(LONGEST).map(|part| Word { tokens: part.to_vec(), count }));
    }
    cut
}

/// Words with the counts of all pairs in them.
struct Pairs {
    words: Vec<Word>,
    counts: HashMap<Pair, i64>,
    /// Words in which a pair occurs or has occurred.
    places: HashMap<Pair, HashSet<usize>>,
    /// Pairs with a count that was theirs once, the most frequent first, of
    /// equals the lowest.
    queue: BinaryHeap<(i64, Reverse<Pair>)>,
}

impl Pairs {
    fn new(words: Vec<Word>) -> Pairs {
        let mut pairs = Pairs { words, counts: HashMap::new(), places: HashMap::new(), queue: BinaryHeap::new() };
        for i in 0..pairs.words.len() {
            pairs.count(i, 1, &mut HashSet::new());
        }
        pairs.queue = pairs.counts.iter().map(|(&pair, &count)| (count, Reverse(pair))).collect();
        pairs
    }

    /// Counts the pairs of a word, `sign` times, and notes them as changed.
    fn count(&mut self, word: usize, sign: i64, changed: &mut HashSet<Pair>) {
        let Word { tokens, count } = &self.words[word];
        for pair in tokens.windows(2).map(|w| (w[0], w[1])) {
            *self.counts.entry(pair).or_default() += sign * count;
            if sign > 0 {
                self.places.entry(pair).or_default().insert(word);
            }
            changed.insert(pair);
        }
    }

    fn most_frequent(&mut self) -> Option<Pair> {
        loop {
            let (count, Reverse(pair)) = self.queue.pop()?;
            let now = self.counts.get(&pair).copied().unwrap_or(0);
            if now < LEAST {
                continue;
            }
            if now == count {
                return Some(pair);
            }
            // Counted anew since: every change has queued the pair again.
        }
    }

    /// Replaces a pair by a token wherever it occurs, from the left.
    fn merge(&mut self, pair: Pair, id: u32) {
        let mut changed = HashSet::new();
        for word in self.places.remove(&pair).unwrap_or_default() {
            self.count(word, -1, &mut changed);
            self.words[word].tokens = merged(&self.words[word].tokens, pair, id);
            self.count(word, 1, &mut changed);
        }
        for pair in changed {
            match self.counts.get(&pair).copied() {
                Some(count) if count >= LEAST => self.queue.push((count, Reverse(pair))),
                Some(0) => drop((self.counts.remove(&pair), self.places.remove(&pair))),
                _ => {}
            }
        }
    }
}

fn merged(tokens: &[u32], pair: Pair, id: u32) -> Vec<u32> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut i = 0;
    while i < tokens.len() {
        let is_pair = tokens[i] == pair.0 && tokens.get(i + 1) == Some(&pair.1);
        out.push(if is_pair { id } else { tokens[i] });
        i += 1 + usize::from(is_pair);
    }
    out
}

#[cfg(test)]
#[path = "merges_tests.rs"]
mod tests;
