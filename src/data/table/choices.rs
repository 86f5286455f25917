//! Keys of which the value is one of a few words.

use crate::error::{Result, unknown};
use crate::keys::Keys;

/// The value that a word names.
pub(super) fn named<T: Copy>(keys: &Keys, key: &str, word: &str, all: &[(&str, T)]) -> Result<T> {
    let found = all.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    found.ok_or_else(|| unknown(key, word, all.iter().map(|(name, _)| *name)).context(keys.place()))
}

/// The value that a key names, or the default.
pub(super) fn choice<T: Copy>(keys: &mut Keys, key: &'static str, all: &[(&str, T)], default: T) -> Result<T> {
    match keys.text(key)? {
        None => Ok(default),
        Some(word) => named(keys, key, &word, all),
    }
}

/// The word for a value.
pub(super) fn name_of<T: PartialEq>(all: &[(&'static str, T)], value: T) -> &'static str {
    all.iter().find(|(_, v)| *v == value).expect("every value has a name").0
}
