//! Targets at the positions of sequences: in memory, or read when they are needed.

use super::samples::{Samples, pick};
use crate::error::Result;
use std::sync::Arc;

/// The target of a position of a sequence that is not scored.
pub const IGNORED: u32 = u32::MAX;

/// A class at each position of each sequence, or [`IGNORED`].
#[derive(Debug, Clone, PartialEq)]
pub enum Labels {
    /// In memory.
    Held(Arc<Vec<u32>>),
    /// Read when they are needed.
    Read {
        /// Tokens, which are the classes.
        labels: Samples,
        /// How many of them are scored.
        scored: usize,
    },
}

impl Labels {
    /// The number of positions.
    pub fn len(&self) -> usize {
        match self {
            Labels::Held(all) => all.len(),
            Labels::Read { labels, .. } => labels.elements(),
        }
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of positions that are scored.
    pub fn scored(&self) -> usize {
        match self {
            Labels::Held(all) => all.iter().filter(|&&label| label != IGNORED).count(),
            Labels::Read { scored, .. } => *scored,
        }
    }

    /// Those that are in memory.
    pub fn held(&self) -> Option<&[u32]> {
        if let Labels::Held(all) = self { Some(all) } else { None }
    }

    /// Those of some sequences of so many positions, in this order.
    pub(super) fn select(&self, positions: usize, rows: &[usize]) -> Labels {
        match self {
            Labels::Held(all) => Labels::Held(pick(all, positions, rows).into()),
            Labels::Read { labels, scored } => {
                let are_all = *scored == labels.elements();
                let labels = labels.select(positions, rows);
                let n = labels.elements();
                // Only a look tells how many of them are scored. Where it fails reading fails
                // again, and says why.
                match (are_all, labels.loaded()) {
                    (false, Ok(Samples::Tokens(all))) => Labels::Held(all),
                    _ => Labels::Read { labels, scored: if are_all { n } else { n.saturating_sub(1) } },
                }
            }
        }
    }

    /// The same in memory.
    ///
    /// Fails when they cannot be read.
    pub(crate) fn loaded(&self) -> Result<Arc<Vec<u32>>> {
        match self {
            Labels::Held(all) => Ok(all.clone()),
            Labels::Read { labels, .. } => match labels.loaded()? {
                Samples::Tokens(all) => Ok(all),
                _ => unreachable!("labels are tokens"),
            },
        }
    }

    /// Calls `see` with all of them in their order, in pieces of whole sequences.
    ///
    /// Fails when they cannot be read, and as `see` does.
    pub(crate) fn visit(&self, see: &mut dyn FnMut(&[u32]) -> Result<()>) -> Result<()> {
        match self {
            Labels::Held(all) => see(all),
            Labels::Read { labels, .. } => labels.visit(&mut |piece| match piece {
                Samples::Tokens(some) => see(some),
                _ => unreachable!("labels are tokens"),
            }),
        }
    }
}

impl From<Vec<u32>> for Labels {
    fn from(all: Vec<u32>) -> Labels {
        Labels::Held(all.into())
    }
}
