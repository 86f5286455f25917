//! Sums in a fixed binary tree: `(a + b) + (c + d)`, of lists that come one after the other or
//! all at once. A list that is absent leaves its neighbour as it is, and only those at the end
//! may be absent.
//!
//! The tree over `2^k` lists has the tree over each half of them as its two branches. So the lists may be
//! summed by as many ranks as there are powers of two in their number, each of which sums the
//! same number of neighbours, and the sum over the ranks is the same bits.

use crate::tensor::parallel;

/// `a += b`, element by element, in f32.
fn add(a: &mut [f32], b: &[f32]) {
    parallel::chunks(a, |start, part| {
        for (x, y) in part.iter_mut().zip(&b[start..]) {
            *x += y;
        }
    });
}

/// The sum of lists of the same length; of none an empty list.
pub fn sum(lists: Vec<Vec<f32>>) -> Vec<f32> {
    let mut tree = Tree::default();
    lists.into_iter().for_each(|list| tree.push(list));
    tree.finish().unwrap_or_default()
}

/// A sum of lists of the same length that come one after the other, of which it holds as many as the
/// tree is high.
#[derive(Debug, Default)]
pub struct Tree {
    /// Sums of neighbours, with the height of each; the heights fall.
    branches: Vec<(u32, Vec<f32>)>,
}

impl Tree {
    /// Adds the next list.
    pub fn push(&mut self, list: Vec<f32>) {
        let (mut height, mut right) = (0, list);
        while self.branches.last().is_some_and(|(h, _)| *h == height) {
            let (_, mut left) = self.branches.pop().expect("there is one");
            add(&mut left, &right);
            (height, right) = (height + 1, left);
        }
        self.branches.push((height, right));
    }

    /// The sum, and a tree without lists; `None` if there was none.
    pub fn finish(&mut self) -> Option<Vec<f32>> {
        let (_, mut right) = self.branches.pop()?;
        while let Some((_, mut left)) = self.branches.pop() {
            add(&mut left, &right);
            right = left;
        }
        Some(right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::random::{Random, stream};

    fn lists(n: usize, length: usize) -> Vec<Vec<f32>> {
        let mut r = Random::new(5, stream::CASES);
        (0..n).map(|_| (0..length).map(|_| r.normal() * 10f32.powi(r.below(8) as i32 - 4)).collect()).collect()
    }

    #[test]
    fn neighbours_are_added_first() {
        let v: Vec<f32> = lists(5, 1).concat();
        assert_eq!(sum(lists(4, 1)), [(v[0] + v[1]) + (v[2] + v[3])]);
        assert_eq!(sum(lists(3, 1)), [(v[0] + v[1]) + v[2]]);
        assert_eq!(sum(lists(5, 1)), [((v[0] + v[1]) + (v[2] + v[3])) + v[4]]);
        assert_eq!(sum(lists(1, 1)), [v[0]]);
        assert!(sum(vec![]).is_empty());
    }

    #[test]
    fn as_many_ranks_as_there_are_powers_of_two_give_the_same_bits() {
        let length = parallel::CHUNK + 77;
        for n in 1..=16 {
            let whole = sum(lists(n, length));
            for each in [1, 2, 4, 8, 16] {
                let parts = lists(n, length).chunks(each).map(|part| sum(part.to_vec())).collect();
                assert_eq!(sum(parts), whole, "{n} lists, {each} to a rank");
            }
        }
    }
}
