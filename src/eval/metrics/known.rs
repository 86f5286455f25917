//! The figures that an evaluation may have, built in or registered, by their keys.
//! Reports show them, epochs are watched by them, and searches compare trials by them.

pub use super::built_in::{KNOWN, Known};

use super::custom;

/// The figure of a key, before which `val_` may stand.
pub fn of(name: &str) -> Option<&'static Known> {
    let key = name.strip_prefix("val_").unwrap_or(name);
    all().into_iter().find(|k| k.key == key)
}

/// All figures, those of registered metrics too.
pub fn all() -> Vec<&'static Known> {
    KNOWN.iter().chain(custom::all()).collect()
}

/// Whether a figure of two classes is that of the positive one.
pub fn is_of_positive(key: &str) -> bool {
    matches!(key, "f1" | "precision" | "recall" | "pr_auc")
}
