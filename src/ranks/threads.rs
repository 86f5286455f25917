//! Ranks in one process, each on a thread of its own: for tests, which compare what several
//! ranks compute with what one does.

use super::{Collective, check_lengths, part};
use crate::error::{Error, Result};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A rank of several in this process. Dropping it ends the rank: the operations of the others then
/// fail, if they need it.
pub struct Threads {
    rank: usize,
    shared: Arc<Shared>,
}

struct Shared {
    ranks: usize,
    round: Mutex<Round>,
    changed: Condvar,
}

/// What an operation hands over: its name, and bytes.
type Parcel = (&'static str, Arc<Vec<u8>>);

/// An operation under way.
struct Round {
    /// What each rank has brought.
    brought: Vec<Option<Parcel>>,
    /// Whether all have brought theirs, and nobody may bring more.
    full: bool,
    /// How many have seen what the others brought.
    seen: usize,
    /// Ranks that have ended.
    ended: Vec<bool>,
    /// The first that failed, with its message.
    failed: Option<(usize, String)>,
}

impl Threads {
    /// So many ranks, in order.
    pub fn ranks(n: usize) -> Vec<Threads> {
        let round = Round { brought: vec![None; n], full: false, seen: 0, ended: vec![false; n], failed: None };
        let shared = Arc::new(Shared { ranks: n, round: Mutex::new(round), changed: Condvar::new() });
        (0..n).map(|rank| Threads { rank, shared: shared.clone() }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Round> {
        self.shared.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while a condition holds, or until a rank fails that is waited for.
    fn wait_while<'a>(
        &'a self,
        mut round: MutexGuard<'a, Round>,
        waits: impl Fn(&Round) -> bool,
    ) -> Result<MutexGuard<'a, Round>> {
        loop {
            if let Some((rank, message)) = &round.failed {
                return Err(Error::device(format!("rank {rank} failed: {message}")));
            }
            if !waits(&round) {
                return Ok(round);
            }
            let gone = (0..self.shared.ranks).find(|&r| round.ended[r] && (round.brought[r].is_none() || round.full));
            if let Some(rank) = gone {
                return Err(Error::device(format!("rank {rank} has ended, and rank {} waits for it", self.rank)));
            }
            round = self.shared.changed.wait(round).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Brings bytes and gives what all have brought.
    fn round(&self, name: &'static str, own: Vec<u8>) -> Result<Vec<Arc<Vec<u8>>>> {
        let mut round = self.wait_while(self.lock(), |r| r.full)?;
        round.brought[self.rank] = Some((name, Arc::new(own)));
        round.full = round.brought.iter().all(Option::is_some);
        self.shared.changed.notify_all();
        let mut round = self.wait_while(round, |r| !r.full)?;
        let all: Vec<Parcel> = round.brought.iter().flatten().cloned().collect();
        round.seen += 1;
        if round.seen == self.shared.ranks {
            (round.full, round.seen) = (false, 0);
            round.brought.fill(None);
        }
        self.shared.changed.notify_all();
        drop(round);
        match all.iter().position(|(other, _)| *other != name) {
            None => Ok(all.into_iter().map(|(_, bytes)| bytes).collect()),
            Some(rank) => Err(Error::device(format!(
                "rank {} came to {name} and rank {rank} to {}: ranks have to do the same",
                self.rank, all[rank].0
            ))),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let mut round = self.lock();
        round.ended[self.rank] = true;
        drop(round);
        self.shared.changed.notify_all();
    }
}

/// The floats of bytes, which may lie anywhere.
fn floats(bytes: &[u8]) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(bytes)
}

impl Collective for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.shared.ranks
    }

    fn all_to_all(&self, send: &[f32], lengths: &[usize]) -> Result<Vec<Vec<f32>>> {
        check_lengths(self.shared.ranks, lengths, send.len())?;
        let own = part(lengths, self.rank);
        let all = self.round("all_to_all", bytemuck::cast_slice(send).to_vec())?;
        let of = |bytes: &Arc<Vec<u8>>| match bytes.len() == send.len() * 4 {
            true => Ok(floats(&bytes[own.start * 4..own.end * 4])),
            false => Err(Error::device(format!("a rank sent {} bytes; expected {}", bytes.len(), send.len() * 4))),
        };
        all.iter().map(of).collect()
    }

    fn all_gather(&self, all: &mut [f32], lengths: &[usize]) -> Result<()> {
        check_lengths(self.shared.ranks, lengths, all.len())?;
        let own = bytemuck::cast_slice(&all[part(lengths, self.rank)]).to_vec();
        for (rank, bytes) in self.round("all_gather", own)?.iter().enumerate() {
            let found = floats(bytes);
            if found.len() != lengths[rank] {
                return Err(Error::device(format!(
                    "rank {rank} sent {} elements; expected {}",
                    found.len(),
                    lengths[rank]
                )));
            }
            all[part(lengths, rank)].copy_from_slice(&found);
        }
        Ok(())
    }

    fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        Ok(self.round("gather", own.to_vec())?.iter().map(|bytes| bytes.to_vec()).collect())
    }

    fn broadcast(&self, from: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let own = if self.rank == from { bytes.clone() } else { vec![] };
        let all = self.round("broadcast", own)?;
        *bytes = all
            .get(from)
            .ok_or_else(|| Error::model(format!("rank {from} is to send, and there are {}", all.len())))?
            .to_vec();
        Ok(())
    }

    fn barrier(&self) -> Result<()> {
        self.round("barrier", vec![]).map(drop)
    }

    fn fail(&self, message: &str) {
        self.lock().failed.get_or_insert_with(|| (self.rank, message.into()));
        self.shared.changed.notify_all();
    }
}
