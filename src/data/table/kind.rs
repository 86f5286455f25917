//! What a column may hold.

use serde::{Deserialize, Serialize};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers.
    Number,
    /// A few values that recur, yes and no among them.
    Category,
    /// Dates, with or without a time.
    Date,
    /// Words that say something about the row.
    Text,
    /// A mark that tells rows apart and says nothing else.
    Identifier,
    /// Nothing but missing cells.
    Empty,
}

impl Kind {
    /// The kinds by name.
    pub const NAMES: &[(&str, Kind)] = &[
        ("number", Kind::Number),
        ("category", Kind::Category),
        ("date", Kind::Date),
        ("text", Kind::Text),
        ("identifier", Kind::Identifier),
        ("empty", Kind::Empty),
    ];

    /// The name of a kind.
    pub fn name(self) -> &'static str {
        Kind::NAMES.iter().find(|(_, k)| *k == self).expect("every kind has a name").0
    }
}
