//! Several processes that train one model together, and what they send each other.
//!
//! A process is a *rank*, as MPI calls it, counted from 0. Whoever trains knows the trait
//! [`Collective`] alone: [`Alone`] is one rank, [`Threads`] are ranks in one process, for
//! tests, and with the feature `mpi` there are those that `mpirun` launches. All ranks call the same operations in the same order; every operation waits for
//! the others.
//!
//! Numbers are summed by their owner in a fixed tree over the ranks ([`tree`]), whatever the
//! library below does, so that the bits of a sum depend neither on the number of bytes nor on
//! an algorithm that is chosen while the program runs.

mod alone;
pub mod cost;
pub mod launch;
#[cfg(feature = "mpi")]
mod mpi;
mod threads;
pub mod tree;
mod world;

#[cfg(feature = "mpi")]
pub use self::mpi::Mpi;
pub use alone::Alone;
pub use threads::Threads;
pub use world::World;

use crate::error::{Error, Result};

/// What ranks send each other. Every operation is called by all ranks, in the same order.
///
/// An operation fails where another rank has failed or ended, with its message.
pub trait Collective: Send + Sync {
    /// The number of this rank, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are, at least 1.
    fn ranks(&self) -> usize;

    /// Sends each rank its part of `send`, whose parts have these `lengths` and lie one behind the
    /// other; gives what each rank has sent to this one, in the order of the ranks. A part may be
    /// empty.
    ///
    /// Fails where `lengths` is not a list of one length per rank that adds up to `send`.
    fn all_to_all(&self, send: &[f32], lengths: &[usize]) -> Result<Vec<Vec<f32>>>;

    /// Fills `all`, whose parts have these `lengths`, with the part of every rank; that of this
    /// rank is in its place already. A part may be empty.
    ///
    /// Fails where `lengths` is not a list of one length per rank that adds up to `all`.
    fn all_gather(&self, all: &mut [f32], lengths: &[usize]) -> Result<()>;

    /// Gives the bytes of every rank, in the order of the ranks. Their lengths may differ.
    fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>>;

    /// Gives the bytes of one rank to all; those of the others are replaced.
    fn broadcast(&self, from: usize, bytes: &mut Vec<u8>) -> Result<()>;

    /// Waits until all ranks have come here.
    fn barrier(&self) -> Result<()>;

    /// Says that this rank has failed: the operations of the others fail with this message, or their
    /// processes are ended.
    fn fail(&self, message: &str);

    /// The sum of what the first `present` ranks send, of the part of this rank: in a fixed tree
    /// over the ranks ([`tree::sum`]). All ranks call it.
    fn reduce_scatter(&self, send: &[f32], lengths: &[usize], present: usize) -> Result<Vec<f32>> {
        let mut lists = self.all_to_all(send, lengths)?;
        lists.truncate(present);
        Ok(tree::sum(lists))
    }

    /// Whether this is the rank that writes files and speaks to the user.
    fn leads(&self) -> bool {
        self.rank() == 0
    }
}

/// Checks the lengths of the parts of a list.
fn check_lengths(ranks: usize, lengths: &[usize], elements: usize) -> Result<()> {
    let sum = lengths.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
    match lengths.len() == ranks && sum == Some(elements) {
        true => Ok(()),
        false => Err(Error::model(format!(
            "a list of {elements} elements in parts of {lengths:?} for {ranks} ranks; expected one length per rank that add \
             up to it"
        ))),
    }
}

/// The part of a rank in a list whose parts have these lengths.
fn part(lengths: &[usize], rank: usize) -> std::ops::Range<usize> {
    let start = lengths[..rank].iter().sum();
    start..start + lengths[rank]
}

#[cfg(test)]
mod tests;
