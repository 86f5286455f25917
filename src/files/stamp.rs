//! Whether a file is the one that was looked at before.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

/// The length of a file and when it was last written. A file with another stamp may hold
/// something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub length: u64,
    /// When it was last written, where the system says so.
    pub modified: Option<SystemTime>,
}

impl Stamp {
    /// That of a file, or of what a link leads to.
    pub fn of(path: &Path) -> std::io::Result<Stamp> {
        std::fs::metadata(path).map(Stamp::from)
    }
}

impl From<Metadata> for Stamp {
    fn from(meta: Metadata) -> Stamp {
        Stamp { length: meta.len(), modified: meta.modified().ok() }
    }
}
