//! A part of a set that is too large to be looked at whole: some of its samples, drawn at
//! random, the same ones for the same seed.

use super::{Dataset, Elements, Samples, Store};
use crate::error::{Context, Result};
use crate::tensor::random::permute;

/// Samples that are drawn at most: more say little more of the whole.
const MOST: usize = 20_000;

/// A set of which some images were drawn at random.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// The classes of all its training, validation and test images.
    pub labels: [Option<Vec<u32>>; 3],
    /// What a user should know of it.
    pub note: String,
}

/// How many samples of so many bytes each are drawn of `n`: as many as half of the store's
/// bound holds, since looking at them takes memory, too.
pub(super) fn count(n: usize, each: u64, store: &Store) -> usize {
    let fits = usize::try_from(store.bound.bytes / 2 / each.max(1)).unwrap_or(MOST);
    n.min(MOST).min(fits.max(1))
}

/// So many of `n` numbers, ascending.
pub(super) fn numbers(n: usize, count: usize, seed: u32) -> Vec<usize> {
    let mut drawn: Vec<usize> = (0..count).map(|i| permute(i as u32, n as u32, seed, 0) as usize).collect();
    drawn.sort_unstable();
    drawn
}

/// What there is to say where `count` of `n` were looked at.
pub(super) fn note(count: usize, n: usize, what: &str, store: &Store) -> String {
    format!(
        "{count} of {n} {what} were looked at, drawn at random, for all take more memory than {}: what is said of pixels \
         and numbers is of these, and what is wrong with others is not found; raise --data-memory to look at more",
        store.bound
    )
}

impl Dataset {
    /// The set in memory: all of it if it is there, else samples that are drawn, `share` of
    /// so many as the store has room for.
    ///
    /// Fails when they cannot be read.
    pub(super) fn drawn(&self, share: f64, store: &Store, seed: u32) -> Result<Dataset> {
        if !matches!(self.samples, Samples::Read(_)) {
            return Ok(self.clone());
        }
        let each = if self.samples.kind() == Elements::Bytes { 1 } else { 4 };
        let all = count(usize::MAX, (each * self.width()) as u64, store);
        let count = ((all as f64 * share) as usize).clamp(1, self.len().max(1));
        let some = self.select(&numbers(self.len(), count.min(self.len()), seed));
        let samples = some.samples.loaded().context(|| self.name.clone())?;
        Ok(Dataset { samples, ..some })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::memory::DataBound;

    #[test]
    fn what_is_drawn_fits_and_is_the_same_again() {
        let store = Store::within(DataBound::of(Some(1000)));
        assert_eq!([count(9, 10, &store), count(900, 10, &store), count(9, 9999, &store)], [9, 50, 1]);
        let some = numbers(1000, 50, 3);
        assert!(some.is_sorted_by(|a, b| a < b) && some.len() == 50 && some[49] < 1000);
        assert_eq!(some, numbers(1000, 50, 3));
        assert_ne!(some, numbers(1000, 50, 4));
        assert_eq!(numbers(7, 7, 1), [0, 1, 2, 3, 4, 5, 6]);
    }
}
