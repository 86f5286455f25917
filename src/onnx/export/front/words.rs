//! Features of texts, by what regular expressions find in them.

use super::cells::{self, Cells};
use crate::data::table::{Slots, TextRule};
use crate::error::{Error, Result};
use crate::onnx::export::writer::{Writer, int, text};

/// The first version that has regular expressions.
const REGEX: i64 = 20;

/// The features of a column of texts.
///
/// Fails for versions without regular expressions.
pub fn write(out: &mut Writer, cells: &Cells, rule: &TextRule, opset: i64) -> Result<String> {
    if opset < REGEX {
        return Err(Error::usage(format!(
            "its features are words in texts, which opset {opset} has no op for (RegexFullMatch); export it with --opset \
             {REGEX} or more, or leave the column out of the training (data.drop)"
        )));
    }
    Ok(match rule {
        TextRule::Words(words) => {
            let found: Vec<String> = words.iter().map(|w| has_word(out, cells, w)).collect();
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            let there = out.node("Concat", &found, vec![int("axis", 1)]);
            let not_missing = out.node("Not", &[&cells.missing], vec![]);
            let there = out.node("And", &[&there, &not_missing], vec![]);
            cells::flag(out, &there)
        }
        TextRule::Word(slots) => first_of(out, cells, slots, |out, word| has_word(out, cells, word)),
        TextRule::Prefix(slots) => first_of(out, cells, slots, |out, prefix| has_prefix(out, cells, prefix)),
    })
}

/// One feature for each place, of the first that a text matches.
fn first_of(out: &mut Writer, cells: &Cells, slots: &Slots, matches: impl Fn(&mut Writer, &str) -> String) -> String {
    let mut at = out.integers(&[1, 1], &[-1]);
    // Backwards, so that the first remains.
    for (i, value) in slots.values.iter().enumerate().rev() {
        let found = matches(out, value);
        let place = out.integers(&[], &[i as i64]);
        at = out.node("Where", &[&found, &place, &at], vec![]);
    }
    if slots.values.is_empty() {
        let shape = out.node("Shape", &[&cells.text], vec![]);
        at = out.node("Expand", &[&at, &shape], vec![]);
    }
    cells::one_hot(out, at, cells, slots, false)
}

/// Whether a word stands in a text, whatever its case.
fn has_word(out: &mut Writer, cells: &Cells, word: &str) -> String {
    let word = escaped(word);
    full_match(out, cells, &format!("(?is)(?:.*[^\\p{{L}}\\p{{N}}])?{word}(?:[^\\p{{L}}\\p{{N}}].*)?"))
}

/// Whether the letters before the first digit of a text are these, whatever their case.
fn has_prefix(out: &mut Writer, cells: &Cells, prefix: &str) -> String {
    let other = "[^\\p{L}0-9]*";
    let letters: String = prefix.chars().map(|c| format!("{}{other}", escaped(&c.to_string()))).collect();
    full_match(out, cells, &format!("(?is){other}{letters}(?:[0-9].*)?"))
}

fn full_match(out: &mut Writer, cells: &Cells, pattern: &str) -> String {
    out.node("RegexFullMatch", &[&cells.text], vec![text("pattern", pattern)])
}

/// A text that stands for itself in a regular expression.
fn escaped(word: &str) -> String {
    word.chars().flat_map(|c| (!c.is_alphanumeric()).then_some('\\').into_iter().chain([c])).collect()
}
