//! How many dispatches of a plan wait for those before them.
//!
//! wgpu remembers how each buffer was used last in a pass. A dispatch that writes
//! a buffer which was used before, or reads one that was written last, comes
//! behind a barrier, and a barrier lets everything before it finish.

use super::plan::Plan;
use super::step::Launch;
use std::collections::HashMap;

/// Dispatches of a step that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Barriers {
    /// All dispatches.
    pub dispatches: usize,
    /// Those before which wgpu puts a barrier.
    pub set: usize,
    /// Those that read what the one directly before them wrote, or write what it
    /// used.
    pub needed: usize,
}

impl Plan {
    /// The barriers of a step that has a pass to itself.
    pub fn barriers(&self) -> Barriers {
        let launches = self.steps.iter().flat_map(|s| &s.launches);
        count(&launches.map(used).collect::<Vec<_>>())
    }
}

/// The buffers of a dispatch, and whether each is written.
type Used = HashMap<usize, bool>;

fn used(launch: &Launch) -> Used {
    let mut used = Used::new();
    for b in &launch.bound {
        *used.entry(b.place.buffer).or_default() |= b.writable;
    }
    used
}

/// Whether what comes later must wait, given who used which buffer before.
fn waits(before: &Used, later: &Used) -> bool {
    later.iter().any(|(buffer, writes)| before.get(buffer).is_some_and(|wrote| *wrote || *writes))
}

fn count(dispatches: &[Used]) -> Barriers {
    let mut last = Used::new();
    let mut set = 0;
    for used in dispatches {
        set += usize::from(waits(&last, used));
        last.extend(used);
    }
    let needed = dispatches.windows(2).filter(|pair| waits(&pair[0], &pair[1])).count();
    Barriers { dispatches: dispatches.len(), set, needed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_barrier_is_set_where_a_buffer_changes_hands() {
        let used = |list: &[(usize, bool)]| list.iter().copied().collect::<Used>();
        let dispatches = [
            used(&[(0, false), (1, true)]),
            // Another output from the same input: side by side with the first.
            used(&[(0, false), (2, true)]),
            // Reads what the first wrote, though the second stands between them.
            used(&[(1, false), (3, true)]),
            // Only reads what was read last.
            used(&[(1, false), (4, true)]),
            // Writes what was read.
            used(&[(0, true), (4, false)]),
        ];
        assert_eq!(count(&dispatches), Barriers { dispatches: 5, set: 2, needed: 1 });
        assert_eq!(count(&[]), Barriers::default());
    }
}
