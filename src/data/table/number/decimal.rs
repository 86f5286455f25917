//! The decimal mark.

use serde::{Deserialize, Serialize};

/// What separates the whole part of a number from its fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decimal {
    /// `1234.5` or `1,234.5`.
    #[default]
    Point,
    /// `1234,5` or `1.234,5`.
    Comma,
}

impl Decimal {
    /// What groups thousands, and what divides.
    pub(super) fn marks(self) -> (char, char) {
        match self {
            Decimal::Point => (',', '.'),
            Decimal::Comma => ('.', ','),
        }
    }
}
