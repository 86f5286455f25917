//! How features are brought to a common size.

use super::choices::name_of;
use serde::{Deserialize, Serialize};

/// How the numbers of a feature are brought to a common size. Learned from the
/// training rows; features that are 0 or 1 stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// Mean 0, standard deviation 1.
    #[default]
    Standard,
    /// From 0 to 1.
    MinMax,
    /// Median 0, distance of the quartiles 1.
    Robust,
    /// Not at all.
    None,
}

impl Normalize {
    /// The ways by name.
    pub const NAMES: &[(&str, Normalize)] = &[
        ("standard", Normalize::Standard),
        ("minmax", Normalize::MinMax),
        ("robust", Normalize::Robust),
        ("none", Normalize::None),
    ];

    /// The name of a way.
    pub fn name(self) -> &'static str {
        name_of(Normalize::NAMES, self)
    }
}
