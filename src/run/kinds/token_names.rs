//! What is said of the windows of a text.

use crate::data::text::Vocabulary;
use crate::train::Settings;

/// What a language model of `tokens` tokens sees at once.
pub(super) fn context(s: &Settings) -> usize {
    match (s.data.text.context, s.model.input.as_deref()) {
        (Some(n), _) => n,
        (None, Some([own])) => *own,
        (None, _) => 64,
    }
}

/// What is said of the end of a part of the text that fills no window of so many tokens.
pub(super) fn left_out(what: &str, context: usize, left: usize) -> Option<String> {
    match left {
        0 => None,
        1 => Some(format!("the last token of the part {what} fills no window of {context} and is left out")),
        n => Some(format!("the last {n} tokens of the part {what} fill no window of {context} and are left out")),
    }
}

/// The names of the tokens.
pub(super) fn names(vocabulary: &Vocabulary) -> Vec<String> {
    (0..vocabulary.len() as u32).map(|id| vocabulary.token(id).unwrap_or_else(|| format!("<{id}>"))).collect()
}
