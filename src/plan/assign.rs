//! Which tensors share a buffer.
//!
//! Greedy (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
//! Inference", arXiv:2001.03288): one tensor after the other, the largest or
//! those of the fullest moment first, into a buffer that is free for its whole
//! life. Over **whole** buffers: a buffer that is written is exclusive within a
//! dispatch, so an input and an output of one step must not share one; lifetimes
//! include both ends, which says just that.

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
pub fn most_at_once(tenants: &[Tenant]) -> usize {
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

/// A tensor that needs a place: lifetime, elements, type.
pub type Tenant = (Lifetime, usize, DType);

/// Buffers (elements, type) and the buffer of each tenant.
type Assignment = (Vec<(usize, DType)>, Vec<usize>);

/// Which of the buffers that are free takes a tenant.
#[derive(Debug, Clone, Copy)]
enum Fit {
    /// The first that was made.
    First,
    /// The smallest that is large enough, else the largest, which grows.
    Best,
}

/// Assigns tenants (lifetime, elements, type) to buffers: the smallest of what
/// several orders and fits come to. Which of them that is depends on the model,
/// and each takes less time than a dispatch takes to lower.
pub fn assign(tenants: &[Tenant]) -> Assignment {
    let orders = orders(tenants);
    let all = orders.iter().flat_map(|order| [Fit::First, Fit::Best].map(|fit| place(tenants, order, fit)));
    // Of equals the first: the same plan every time.
    all.min_by_key(|(buffers, _)| (bytes(buffers), buffers.len())).unwrap_or_default()
}

fn bytes(buffers: &[(usize, DType)]) -> usize {
    buffers.iter().map(|(elements, dtype)| elements * dtype.bytes()).sum()
}

/// The orders that are tried: by size, equals as they come, by when they go or
/// by how long they stay; and by how much is there at once while they are.
fn orders(tenants: &[Tenant]) -> [Vec<usize>; 4] {
    let mut crowd = vec![0usize; tenants.iter().map(|t| t.0.last + 1).max().unwrap_or(0)];
    for (life, elements, dtype) in tenants {
        crowd[life.first..=life.last].iter_mut().for_each(|c| *c += elements * dtype.bytes());
    }
    let by = |key: &dyn Fn(&Tenant) -> (usize, usize)| {
        let mut order: Vec<usize> = (0..tenants.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(key(&tenants[i])), tenants[i].0.first, i));
        order
    };
    [
        by(&|t| (t.1, 0)),
        by(&|t| (t.1, t.0.last)),
        by(&|t| (t.1, t.0.last - t.0.first)),
        by(&|t| (crowd[t.0.first..=t.0.last].iter().copied().max().unwrap_or(0), t.1)),
    ]
}

/// Places the tenants in this order.
fn place(tenants: &[Tenant], order: &[usize], fit: Fit) -> Assignment {
    let mut buffers: Vec<(usize, DType)> = vec![];
    let mut booked: Vec<Vec<Lifetime>> = vec![];
    let mut home = vec![0; tenants.len()];
    for &i in order {
        let (life, elements, dtype) = tenants[i];
        let free = |b: &usize| buffers[*b].1 == dtype && !booked[*b].iter().any(|l| l.overlaps(life));
        let mut free = (0..buffers.len()).filter(free);
        // How much a buffer must grow, then how much of it lies idle.
        let wasted = |b: &usize| (elements.saturating_sub(buffers[*b].0), buffers[*b].0);
        let found = match fit {
            Fit::First => free.next(),
            Fit::Best => free.min_by_key(wasted),
        };
        let b = found.unwrap_or_else(|| {
            buffers.push((0, dtype));
            booked.push(vec![]);
            buffers.len() - 1
        });
        buffers[b].0 = buffers[b].0.max(elements);
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
                    let dtype = [DType::U32, DType::F16, DType::F32, DType::F32][r.below(4) as usize];
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
            let used = bytes(&buffers);
            let size = |t: &Tenant| t.1 * t.2.bytes();
            assert!(used <= tenants.iter().map(size).sum());
            let alive = |at: usize| tenants.iter().filter(|t| t.0.first <= at && at <= t.0.last).map(size).sum();
            assert_eq!((0..40).map(alive).max(), Some(most_at_once(&tenants)));
            assert!(most_at_once(&tenants) <= used);
            for order in orders(&tenants) {
                for fit in [Fit::First, Fit::Best] {
                    let buffers = place(&tenants, &order, fit).0;
                    assert!(used <= bytes(&buffers), "{fit:?} takes less than what was taken");
                }
            }
        }
    }
}
