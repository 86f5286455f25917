//! Categories and counts out of columns of text, by rules that know nothing of
//! any one table.
//!
//! - **Codes** (`C85`, `PC 17599`): the letters before the first digit.
//! - **Short texts** (`Braund, Mr. Owen Harris`): the frequent word in the cell.
//!   Words are chosen one by one, each time the one that is in most cells which
//!   have none yet, so that they exclude each other: titles, units, streets.
//! - **Long texts**, and short ones of several frequent words each (`The battery
//!   is great`): which of the frequent words occur.
//!
//! Words that only join others ([`is_stop_word`]) are never chosen, and neither are
//! words of nearly all cells: what each cell says tells none from another.

use super::slots::{Place, Slots};
use super::stop_words::is_stop_word;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most cells that words are learned from.
const SAMPLE: usize = 20_000;
/// Texts with this many words on average are long.
const LONG: f64 = 8.0;
/// Codes have at most this many bytes on average.
const CODE: f64 = 16.0;
/// The share of cells that a rule must say something about.
const SAYS: f64 = 0.2;
/// A word in more than this share of the cells tells none from another.
const NEARLY_ALL: f64 = 0.95;
/// Frequent words in a cell, on average, of which one alone says too little.
const SEVERAL: f64 = 2.0;

/// What is taken from the cells of a text column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextRule {
    /// The letters before the first digit, as a category.
    Prefix(Slots),
    /// The frequent word in it, as a category.
    Word(Slots),
    /// Which of these words occur.
    Words(Vec<String>),
}

/// Finds a rule for some cells; `None` when none says anything. `most` and
/// `least` are the limits of [`Slots::learn`], `words` that of long texts.
pub fn learn(cells: &[Option<&str>], most: usize, least: usize, words: usize) -> Option<TextRule> {
    ways(cells, most, least, words).into_iter().next()
}

/// The rules that say something about some cells, the likeliest first.
pub(super) fn ways(cells: &[Option<&str>], most: usize, least: usize, words: usize) -> Vec<TextRule> {
    let step = cells.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<Option<&str>> = cells.iter().copied().step_by(step).collect();
    let least = least.div_ceil(step).max(2);
    let present: Vec<&str> = sample.iter().flatten().copied().collect();
    if present.is_empty() {
        return vec![];
    }
    let n = present.len() as f64;
    let mut split: Vec<BTreeSet<String>> = present.iter().map(|c| tokens(c)).collect();
    let mean_words = split.iter().map(BTreeSet::len).sum::<usize>() as f64 / n;
    split.iter_mut().for_each(|words| words.retain(|w| !is_stop_word(w)));
    let with_digit = present.iter().filter(|c| c.bytes().any(|b| b.is_ascii_digit())).count() as f64 / n;
    let mean_bytes = present.iter().map(|c| c.len()).sum::<usize>() as f64 / n;
    if with_digit >= 0.6 && mean_bytes <= CODE {
        let keys: Vec<Option<String>> = sample.iter().map(|c| c.map(prefix)).collect();
        let slots = Slots::learn(keys.iter().map(Option::as_deref), most, least);
        let rare = present.iter().filter(|c| slots.rare.contains(&prefix(c))).count() as f64;
        if slots.width() > 1 && rare <= (1.0 - SAYS) * n {
            return vec![TextRule::Prefix(forget(slots))];
        }
    }
    let (half, nearly_all) = (present.len() / 2, (NEARLY_ALL * n) as usize);
    let all = frequent(&split, words, least, nearly_all);
    if mean_words >= LONG {
        // In more than half of the cells are words that few texts lack.
        let rarer = frequent(&split, words, least, half);
        let words = if rarer.is_empty() { all } else { rarer };
        return if words.is_empty() { vec![] } else { vec![TextRule::Words(words)] };
    }
    let vocabulary = cover(&split, most, least, nearly_all);
    let keys: Vec<Option<&str>> =
        sample.iter().map(|c| c.map(|c| first_of(&tokens(c), &vocabulary).unwrap_or(""))).collect();
    let covered = keys.iter().flatten().filter(|k| !k.is_empty()).count() as f64;
    // A single word must be missing in some cells.
    let differ = vocabulary.len() > 1 || n - covered >= SAYS * n;
    let each = split.iter().map(|words| all.iter().filter(|w| words.contains(*w)).count()).sum::<usize>() as f64 / n;
    let distinct = present.iter().collect::<BTreeSet<_>>().len();
    let mut found = vec![];
    if !vocabulary.is_empty() && differ && covered >= SAYS * n {
        // A cell without a frequent word belongs to the rest.
        let gaps = keys.iter().filter(|k| k.is_none()).count();
        let other = keys.contains(&Some(""));
        found.push(TextRule::Word(Slots { values: vocabulary, rare: BTreeSet::new(), other, missing: gaps >= least }));
    }
    if each >= SEVERAL && 2 * distinct >= present.len() {
        found.insert(0, TextRule::Words(all));
    }
    found
}

/// What is rare here is not a category that anybody wrote; nothing is new.
fn forget(slots: Slots) -> Slots {
    Slots { rare: BTreeSet::new(), ..slots }
}

impl TextRule {
    /// Nothing but whether the cell is missing.
    pub(super) fn gaps() -> TextRule {
        TextRule::Word(Slots { values: vec![], rare: BTreeSet::new(), other: false, missing: true })
    }

    /// The names of the features, without that of the column.
    pub fn names(&self) -> Vec<String> {
        match self {
            TextRule::Prefix(slots) => {
                slots.names().into_iter().map(|n| if n.is_empty() { "(no letters)".into() } else { n }).collect()
            }
            TextRule::Word(slots) => slots.names(),
            TextRule::Words(words) => words.iter().map(|w| format!("has {w}")).collect(),
        }
    }

    /// Writes the features of a cell into zeros.
    pub fn encode(&self, cell: Option<&str>, out: &mut [f32]) {
        let place = match self {
            TextRule::Prefix(slots) => slots.place(cell.map(prefix).as_deref()),
            TextRule::Word(slots) => match cell.map(tokens) {
                // No word has no letters, so this goes to the rest.
                Some(words) => slots.place(Some(first_of(&words, &slots.values).unwrap_or(""))),
                None => slots.place(None),
            },
            TextRule::Words(all) => {
                let words = cell.map(tokens).unwrap_or_default();
                for (x, word) in out.iter_mut().zip(all) {
                    *x = f32::from(u8::from(words.contains(word)));
                }
                Place::None
            }
        };
        if let Place::At(i) = place {
            out[i] = 1.0;
        }
    }
}

/// The words of a cell: lower case, two or more characters, no numbers.
fn tokens(cell: &str) -> BTreeSet<String> {
    let words = cell.split(|c: char| !c.is_alphanumeric()).filter(|w| w.chars().nth(1).is_some());
    words.filter(|w| w.chars().any(char::is_alphabetic)).map(str::to_lowercase).collect()
}

/// The letters of a code before its first digit, in capitals.
fn prefix(cell: &str) -> String {
    let head = cell.chars().take_while(|c| !c.is_ascii_digit());
    head.filter(|c| c.is_alphabetic()).flat_map(char::to_uppercase).collect()
}

fn first_of<'a>(words: &BTreeSet<String>, vocabulary: &'a [String]) -> Option<&'a str> {
    vocabulary.iter().find(|w| words.contains(*w)).map(String::as_str)
}

/// How many of some cells each word is in.
fn counts<'a>(cells: impl Iterator<Item = &'a BTreeSet<String>>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for word in cells.flatten() {
        *counts.entry(word.as_str()).or_default() += 1;
    }
    counts
}

/// Words that together are in many cells, each in at most `limit` of them, and chosen
/// among those cells that no earlier word is in.
fn cover(cells: &[BTreeSet<String>], most: usize, least: usize, limit: usize) -> Vec<String> {
    let common: BTreeSet<&str> = counts(cells.iter()).into_iter().filter(|(_, n)| *n > limit).map(|(w, _)| w).collect();
    let mut left: Vec<&BTreeSet<String>> = cells.iter().collect();
    let mut chosen: Vec<String> = vec![];
    while chosen.len() < most {
        let counts = counts(left.iter().copied());
        let told = counts.into_iter().filter(|(word, _)| !common.contains(word));
        let best = told.reduce(|best, next| if next.1 > best.1 { next } else { best });
        let Some((word, _)) = best.filter(|(_, n)| *n >= least) else { break };
        let word = word.to_string();
        left.retain(|cell| !cell.contains(&word));
        chosen.push(word);
    }
    chosen
}

/// The most frequent words that are in at most `limit` of the cells.
fn frequent(cells: &[BTreeSet<String>], most: usize, least: usize, limit: usize) -> Vec<String> {
    let counts = counts(cells.iter());
    let mut ranked: Vec<(&str, usize)> = counts.into_iter().filter(|(_, n)| *n >= least && *n <= limit).collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    ranked.into_iter().take(most).map(|(w, _)| w.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(rule: &TextRule, cell: Option<&str>) -> Vec<String> {
        let mut out = vec![0.0; rule.names().len()];
        rule.encode(cell, &mut out);
        rule.names().into_iter().zip(out).filter(|(_, x)| *x > 0.0).map(|(n, _)| n).collect()
    }

    #[test]
    fn titles_are_found_in_names() {
        let names = [
            "Braund, Mr. Owen",
            "Cumings, Mrs. John",
            "Heikkinen, Miss. Laina",
            "Allen, Mr. William",
            "Rice, Master. Eugene",
        ];
        let cells: Vec<Option<&str>> = names.iter().cycle().take(50).map(|c| Some(*c)).collect();
        let rule = learn(&cells, 10, 5, 10).unwrap();
        // Mr is in two fifths of the cells; its holders' other words are not asked again.
        assert_eq!(rule.names(), ["mr", "cumings", "eugene", "heikkinen"]);
        assert_eq!(features(&rule, Some("Somebody, Mr. William")), ["mr"]);
        assert_eq!(features(&rule, Some("Else, Dr. Y")), Vec::<String>::new());
    }

    #[test]
    fn codes_give_their_letters() {
        let cells = ["C85", "C123", "E46", "E 1", "113803", "373450", "A/5 21171"];
        let mut cells: Vec<Option<&str>> = cells.iter().map(|c| Some(*c)).collect();
        cells.extend([None, None]);
        let rule = learn(&cells, 10, 2, 10).unwrap();
        assert_eq!(rule.names(), ["(no letters)", "C", "E", "(other)", "(missing)"]);
        assert_eq!(features(&rule, Some("c9")), ["C"]);
        assert_eq!(features(&rule, Some("Z9")), ["(other)"]);
        assert_eq!(features(&rule, None), ["(missing)"]);
        let ids: Vec<String> = (0..50).map(|i| format!("ORD-{i}")).collect();
        assert_eq!(learn(&ids.iter().map(|c| Some(c.as_str())).collect::<Vec<_>>(), 10, 2, 10), None);
    }

    #[test]
    fn long_texts_give_their_frequent_words() {
        let cells: Vec<String> = (0..40)
            .map(|i| {
                format!("the film was {} and w{i} a{i}x b{i}x c{i}x d{i}x", if i % 3 == 0 { "good" } else { "bad" })
            })
            .collect();
        let cells: Vec<Option<&str>> = cells.iter().map(|c| Some(c.as_str())).collect();
        let rule = learn(&cells, 10, 2, 10).unwrap();
        assert_eq!(rule, TextRule::Words(vec!["good".into()]), "the others are in more than half of the cells");
        assert_eq!(features(&rule, Some("A GOOD one")), ["has good"]);
        let unique: Vec<String> = (0..40).map(|i| format!("q{i}x r{i}x")).collect();
        assert_eq!(learn(&unique.iter().map(|c| Some(c.as_str())).collect::<Vec<_>>(), 10, 2, 10), None);
    }
    fn rules(cells: &[String]) -> Vec<TextRule> {
        ways(&cells.iter().map(|c| Some(c.as_str())).collect::<Vec<_>>(), 10, 2, 20)
    }

    #[test]
    fn words_that_recur_beside_numbers_are_found() {
        let pair = |i: usize| ["paid", "overdue"][i % 2];
        let texts: [&dyn Fn(usize) -> String; 5] = [
            &|i| format!("Invoice {} {}", 278_870 + 7 * i, pair(i)),
            &|i| format!("Ticket {i}: {}", pair(i)),
            &|i| format!("2021-05-01 12:00:{:02} host{i} {}", i % 60, pair(i)),
            &|i| format!("https://shop.example/{}/item_{}?ref={i}", pair(i), 900 + i),
            &|i| format!("/var/log/{}-{}.txt", pair(i), 31 * i),
        ];
        for text in texts {
            let cells: Vec<String> = (0..60).map(text).collect();
            let found = rules(&cells);
            let names = found.first().unwrap_or_else(|| panic!("{}", cells[0])).names();
            assert_eq!(names, ["overdue", "paid"], "{}", cells[0]);
        }
        // One word that half of the cells lack says as much; numbers alone say nothing.
        let some: Vec<String> = (0..60).map(|i| format!("Order {i}{}", ["", " late"][i % 2])).collect();
        assert_eq!(rules(&some)[0].names(), ["late", "(other)"]);
        let numbers: Vec<String> = (0..60).map(|i| format!("Order {i} {}", i % 3)).collect();
        assert_eq!(rules(&numbers), []);
    }

    #[test]
    fn short_sentences_have_several_words() {
        let things = ["battery", "screen", "cable", "box", "price"];
        let text = |i: usize| {
            let (a, b) = (things[i % 5], things[i * 7 / 5 % 5]);
            format!("The {a} is {} and the {b} works {i}", ["great", "awful"][i / 2 % 2])
        };
        let cells: Vec<String> = (0..60).map(text).collect();
        let found = rules(&cells);
        assert!(matches!(found[..], [TextRule::Words(_), TextRule::Word(_)]), "{found:?}");
        let names = found[0].names();
        assert!(names.contains(&"has great".to_string()) && !names.contains(&"has works".to_string()), "{names:?}");
    }
}
