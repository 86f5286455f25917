//! Ranks that `mpirun`, Slurm or whatever else launches, over MPI. Buffers are those of the host, so
//! it does not matter what devices the ranks have.

use super::{Collective, check_lengths, part};
use crate::error::{Error, Result};
use mpi::Threading;
use mpi::datatype::{Partition, PartitionMut};
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};
use std::time::Duration;

/// A rank of those that were launched together. MPI ends when it is dropped.
pub struct Mpi {
    rank: usize,
    ranks: usize,
    _universe: Universe,
}

/// How long other ranks leave the word to the first: what is wrong on all is said once.
const POLITE: Duration = Duration::from_secs(2);

impl Mpi {
    /// Begins MPI, once in a process.
    ///
    /// Fails where it has begun already, or serves one thread alone.
    pub fn start() -> Result<Mpi> {
        let Some((universe, threading)) = mpi::initialize_with_threading(Threading::Serialized) else {
            return Err(Error::device("MPI has begun already in this process; expected that once"));
        };
        if threading < Threading::Serialized {
            return Err(Error::device(format!(
                "this MPI offers {threading:?} only; expected MPI_THREAD_SERIALIZED: a library that is built for threads"
            )));
        }
        let world = universe.world();
        let (rank, ranks) = (world.rank() as usize, world.size() as usize);
        Ok(Mpi { rank, ranks, _universe: universe })
    }
}

/// MPI counts elements in 32 bits.
fn counts(lengths: &[usize]) -> Result<(Vec<i32>, Vec<i32>)> {
    let count = |n: usize| {
        i32::try_from(n).map_err(|_| {
            Error::device(format!("{n} elements are to be sent; MPI counts {} at most: use a smaller model", i32::MAX))
        })
    };
    let mut sum = 0;
    let mut displacements = vec![];
    for &n in lengths {
        displacements.push(count(sum)?);
        sum += n;
    }
    count(sum)?;
    Ok((lengths.iter().map(|&n| count(n)).collect::<Result<_>>()?, displacements))
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn all_to_all(&self, send: &[f32], lengths: &[usize]) -> Result<Vec<Vec<f32>>> {
        check_lengths(self.ranks, lengths, send.len())?;
        let own = lengths[self.rank];
        let mut found = vec![0.0f32; own * self.ranks];
        let (send_counts, send_at) = counts(lengths)?;
        let (counts, at) = counts(&vec![own; self.ranks])?;
        let send = Partition::new(send, send_counts, send_at);
        let mut into = PartitionMut::new(&mut found[..], counts, at);
        SimpleCommunicator::world().all_to_all_varcount_into(&send, &mut into);
        Ok((0..self.ranks).map(|r| found[r * own..(r + 1) * own].to_vec()).collect())
    }

    fn all_gather(&self, all: &mut [f32], lengths: &[usize]) -> Result<()> {
        check_lengths(self.ranks, lengths, all.len())?;
        let own = all[part(lengths, self.rank)].to_vec();
        let (counts, at) = counts(lengths)?;
        let mut into = PartitionMut::new(all, counts, at);
        SimpleCommunicator::world().all_gather_varcount_into(&own[..], &mut into);
        Ok(())
    }

    fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        let world = SimpleCommunicator::world();
        let mut lengths = vec![0u64; self.ranks];
        world.all_gather_into(&[own.len() as u64][..], &mut lengths[..]);
        let lengths: Vec<usize> = lengths.into_iter().map(|n| n as usize).collect();
        let mut all = vec![0u8; lengths.iter().sum()];
        let (counts, at) = counts(&lengths)?;
        world.all_gather_varcount_into(own, &mut PartitionMut::new(&mut all[..], counts, at));
        Ok((0..self.ranks).map(|r| all[part(&lengths, r)].to_vec()).collect())
    }

    fn broadcast(&self, from: usize, bytes: &mut Vec<u8>) -> Result<()> {
        if from >= self.ranks {
            return Err(Error::model(format!("rank {from} is to send, and there are {}", self.ranks)));
        }
        let world = SimpleCommunicator::world();
        let root = world.process_at_rank(from as i32);
        let mut length = [bytes.len() as u64];
        root.broadcast_into(&mut length[..]);
        counts(&[length[0] as usize])?;
        bytes.resize(length[0] as usize, 0);
        root.broadcast_into(&mut bytes[..]);
        Ok(())
    }

    fn barrier(&self) -> Result<()> {
        SimpleCommunicator::world().barrier();
        Ok(())
    }

    fn fail(&self, message: &str) {
        if self.rank > 0 {
            std::thread::sleep(POLITE);
        }
        eprintln!("wgrad: rank {} of {}: {message}", self.rank, self.ranks);
        SimpleCommunicator::world().abort(1);
    }
}
