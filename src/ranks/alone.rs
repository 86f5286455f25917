//! One rank, to which every operation is what it has itself.

use super::{Collective, check_lengths};
use crate::error::Result;

/// The only rank.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Collective for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        1
    }

    fn all_to_all(&self, send: &[f32], lengths: &[usize]) -> Result<Vec<Vec<f32>>> {
        check_lengths(1, lengths, send.len())?;
        Ok(vec![send.to_vec()])
    }

    fn all_gather(&self, all: &mut [f32], lengths: &[usize]) -> Result<()> {
        check_lengths(1, lengths, all.len())
    }

    fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        Ok(vec![own.to_vec()])
    }

    fn broadcast(&self, _from: usize, _bytes: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn barrier(&self) -> Result<()> {
        Ok(())
    }

    fn fail(&self, _message: &str) {}
}
