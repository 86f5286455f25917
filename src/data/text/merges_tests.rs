//! The merges against the definition and against the library's trainer.

use super::super::byte_level;
use super::*;
use tokenizers::Trainer;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

fn counted(text: &str) -> BTreeMap<String, u64> {
    let mut words = BTreeMap::new();
    byte_level::words(text).unwrap().into_iter().for_each(|w| *words.entry(w).or_default() += 1);
    words
}

/// Words of a few letters, the same every time.
fn babble(words: usize) -> String {
    let mut state = 7u32;
    let mut next = |n: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % n
    };
    let word = |next: &mut dyn FnMut(u32) -> u32| {
        let length = 1 + next(7);
        (0..length).map(|_| char::from(b"etaoin"[next(6) as usize])).collect::<String>()
    };
    (0..words).map(|_| word(&mut next)).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_most_frequent_pair_comes_first() {
    let learned = learn(&counted("low low low lower newest newest"), 260);
    // Of the pairs that occur four times "lo" and "ow", the lower is merged.
    assert_eq!(learned.merges[0], ("l".to_string(), "o".to_string()));
    assert_eq!(learned.merges[1], ("lo".to_string(), "w".to_string()));
    assert_eq!(learned.tokens.len(), 260);
    assert_eq!(learned.tokens[256..258], ["lo".to_string(), "low".to_string()]);
}

#[test]
fn pairs_that_occur_once_are_left_alone() {
    assert_eq!(learn(&counted("abcdef"), 1000).tokens.len(), 256);
    assert_eq!(learn(&BTreeMap::new(), 1000).tokens.len(), 256);
    let learned = learn(&counted("ab ab"), 1000);
    assert_eq!(learned.merges, [("a".to_string(), "b".to_string())]);
}

#[test]
fn overlapping_pairs_are_merged_from_the_left() {
    assert_eq!(merged(&[1, 1, 1], (1, 1), 9), [9, 1]);
    assert_eq!(merged(&[1, 1, 1, 1], (1, 1), 9), [9, 9]);
    assert_eq!(merged(&[], (1, 1), 9), [0u32; 0]);
    // A long run of one letter ends, and soon.
    let learned = learn(&counted(&"a".repeat(200_000)), 300);
    assert!(learned.tokens.iter().any(|t| t.len() == 64), "{:?}", &learned.tokens[256..]);
}

#[test]
fn the_library_learns_the_same() {
    let text = babble(3000);
    let learned = learn(&counted(&text), 420);
    let mut trainer = BpeTrainer::builder()
        .vocab_size(420)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    trainer.feed([text].iter(), byte_level::words).unwrap();
    let mut model = BPE::default();
    trainer.train(&mut model).unwrap();
    let theirs = model.get_vocab();
    assert_eq!(learned.tokens.len(), 420);
    for (id, token) in learned.tokens.iter().enumerate() {
        assert_eq!(theirs.get(token), Some(&(id as u32)), "{token}");
    }
}

#[test]
fn counts_stay_those_of_a_count_anew() {
    let mut pairs = Pairs::new(cut(&counted(&babble(500)), &alphabet()));
    for id in 256..300 {
        let pair = pairs.most_frequent().unwrap();
        let anew = |pairs: &Pairs| {
            let mut counts: HashMap<Pair, i64> = HashMap::new();
            for word in &pairs.words {
                word.tokens.windows(2).for_each(|w| *counts.entry((w[0], w[1])).or_default() += word.count);
            }
            counts
        };
        let counts = anew(&pairs);
        assert_eq!(counts[&pair], *counts.values().max().unwrap());
        pairs.merge(pair, id);
        let kept: HashMap<Pair, i64> = pairs.counts.iter().filter(|(_, c)| **c != 0).map(|(&p, &c)| (p, c)).collect();
        assert_eq!(kept, anew(&pairs));
    }
}
