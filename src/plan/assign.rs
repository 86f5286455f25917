//! Which tensors share a buffer.
//!
//! Greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep
//! Neural Net Inference", arXiv:2001.03288): the largest tensor first, into the
//! first buffer that is free for its whole life. Over **whole** buffers: a
//! buffer that is written is exclusive within a dispatch, so an input and an
//! output of one step must not share one; lifetimes include both ends, which
//! says just that.

use crate::tensor::DType;

/// The first and the last step that touch a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// The step that makes it.
    pub first: usize,
    /// The last step that reads it.
    pub last: usize,
}

impl Lifetime {
    fn overlaps(self, other: Lifetime) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The bytes that live at once, at most: the least that any assignment takes.
pub fn most_at_once(tenants: &[(Lifetime, usize, DType)]) -> usize {
    let end = tenants.iter().map(|t| t.0.last + 2).max().unwrap_or(0);
    let mut change = vec![0i64; end];
    for (life, elements, dtype) in tenants {
        let bytes = (elements * dtype.bytes()) as i64;
        change[life.first] += bytes;
        change[life.last + 1] -= bytes;
    }
    let sum = |now: &mut i64, change: &i64| {
        *now += change;
        Some(*now)
    };
    change.iter().scan(0, sum).max().unwrap_or(0) as usize
}

/// Assigns tenants (lifetime, elements, type) to buffers. Returns the buffers'
/// sizes and each tenant's buffer.
pub fn assign(tenants: &[(Lifetime, usize, DType)]) -> (Vec<(usize, DType)>, Vec<usize>) {
    let mut order: Vec<usize> = (0..tenants.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(tenants[i].1), tenants[i].0.first, i));
    let mut buffers: Vec<(usize, DType)> = vec![];
    let mut booked: Vec<Vec<Lifetime>> = vec![];
    let mut home = vec![0; tenants.len()];
    for i in order {
        let (life, elements, dtype) = tenants[i];
        let free = |b: &usize| buffers[*b].1 == dtype && !booked[*b].iter().any(|l| l.overlaps(life));
        let b = (0..buffers.len()).find(free).unwrap_or_else(|| {
            buffers.push((elements, dtype));
            booked.push(vec![]);
            buffers.len() - 1
        });
        booked[b].push(life);
        home[i] = b;
    }
    (buffers, home)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::random::{Random, stream};

    #[test]
    fn no_two_live_tensors_ever_share_a_buffer() {
        let mut r = Random::new(3, stream::CASES);
        for _ in 0..200 {
            let tenants: Vec<_> = (0..1 + r.below(40))
                .map(|_| {
                    let first = r.below(30) as usize;
                    let dtype = if r.below(4) == 0 { DType::U32 } else { DType::F32 };
                    (Lifetime { first, last: first + r.below(8) as usize }, 1 + r.below(1000) as usize, dtype)
                })
                .collect();
            let (buffers, home) = assign(&tenants);
            for (i, a) in tenants.iter().enumerate() {
                assert!(buffers[home[i]].0 >= a.1 && buffers[home[i]].1 == a.2);
                for (j, b) in tenants.iter().enumerate().skip(i + 1) {
                    assert!(home[i] != home[j] || !a.0.overlaps(b.0), "{a:?} and {b:?} share a buffer");
                }
            }
            let used: usize = buffers.iter().map(|b| b.0).sum();
            assert!(used <= tenants.iter().map(|t| t.1).sum());
            let alive = |at: usize| tenants.iter().filter(|t| t.0.first <= at && at <= t.0.last).map(|t| t.1).sum();
            assert_eq!((0..40).map(alive).max(), Some(most_at_once(&tenants)));
            assert!(most_at_once(&tenants) <= used);
        }
    }
}
