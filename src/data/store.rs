//! Where the samples of a set are: in memory, up to a bound, and else in their files.

use crate::files::memory::DataBound;
use crate::files::room;
use std::path::PathBuf;

/// How the samples of a set are to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// A set that takes more bytes in memory is read when it is needed.
    pub bound: DataBound,
    /// The folder that keeps the decoded pictures of such a set.
    pub cache: Option<PathBuf>,
}

impl Store {
    /// A bound without a cache.
    pub fn within(bound: DataBound) -> Store {
        Store { bound, cache: None }
    }

    /// The folder of files that last as long as a run.
    pub fn passing(&self) -> PathBuf {
        self.cache.clone().unwrap_or_else(room::temporary)
    }
}

/// A set that is in memory, or one that is read when it is needed.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored<H, R> {
    /// In memory.
    Held(H),
    /// In its files.
    Read(R),
}
