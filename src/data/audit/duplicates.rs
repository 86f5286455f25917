//! Images that are equal, and images that look alike.
//!
//! Two images look alike when three things hold: their difference hashes agree
//! in all but [`BITS`] bits, across and down, and their grey thumbnails
//! correlate by at least [`ALIKE`]. A difference hash has a bit for each pair of
//! neighbours of an 8x9 thumbnail, set where the second is brighter: it survives
//! scaling, compression and changes of brightness (Krawetz, "Kind of Like
//! That", 2013).

use super::pool::Pool;
use rayon::prelude::*;
use std::hash::Hasher;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bits in which the hashes of two images that look alike may differ.
const BITS: u32 = 4;
/// The least correlation of two images that look alike.
pub(super) const ALIKE: f64 = 0.98;
/// Sides of a thumbnail, at most.
const THUMB: usize = 32;
/// Grey levels by which a neighbour must be brighter: flat ground with the
/// noise of compression on it stays flat.
const MARGIN: u64 = 2;
/// Pairs of hashes compared, at most.
const MAX_COMPARED: u64 = 3_000_000_000;
/// Pairs of thumbnails compared, at most.
const MAX_CANDIDATES: usize = 20_000_000;

/// Groups of equal images, at least two each; images ascend, and so do groups
/// by their first.
pub(super) fn equal(pool: &Pool) -> Vec<Vec<usize>> {
    let hash = |i: usize| {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(pool.image(i));
        (hasher.finish(), i)
    };
    let mut hashes: Vec<(u64, usize)> = (0..pool.len()).into_par_iter().map(hash).collect();
    hashes.par_sort_unstable();
    let mut groups: Vec<Vec<usize>> = vec![];
    for run in hashes.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
        // Nearly always one group: two images of one hash are equal.
        let mut own: Vec<Vec<usize>> = vec![];
        for &(_, i) in run {
            match own.iter_mut().find(|group| pool.image(group[0]) == pool.image(i)) {
                Some(group) => group.push(i),
                None => own.push(vec![i]),
            }
        }
        groups.extend(own.into_iter().filter(|group| group.len() > 1));
    }
    groups.sort_unstable();
    groups
}

/// Two images that look alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    pub a: usize,
    pub b: usize,
    /// The correlation of their thumbnails.
    pub similarity: f64,
}

/// What the search has found.
pub(super) struct Alike {
    /// Pairs, `a < b`, ascending.
    pub pairs: Vec<Pair>,
    /// How many of the images were searched.
    pub searched: usize,
}

/// Finds all pairs that look alike among these images, which are not equal to
/// each other. If their hashes are so much alike that it would take too long,
/// an evenly spaced part of them is searched.
pub(super) fn alike(pool: &Pool, images: &[usize]) -> Alike {
    let looks: Vec<Look> = images.par_iter().map(|&i| Look::new(pool.image(i), pool.shape)).collect();
    let mut searched: Vec<usize> = (0..looks.len()).collect();
    let candidates = loop {
        match candidates(&looks, &searched, MAX_COMPARED, MAX_CANDIDATES) {
            Some(found) => break found,
            None => searched = searched.iter().copied().step_by(2).collect(),
        }
    };
    let mut pairs: Vec<Pair> = candidates
        .into_par_iter()
        .filter_map(|(a, b)| {
            let similarity = looks[a].correlation(&looks[b]);
            (similarity >= ALIKE).then(|| Pair { a: images[a], b: images[b], similarity })
        })
        .collect();
    pairs.sort_unstable_by_key(|p| (p.a, p.b));
    Alike { pairs, searched: searched.len() }
}

/// Pairs of looks, of those that are `searched` (ascending), whose hashes agree
/// in all but [`BITS`] bits each. None when there is too much to compare.
///
/// Four differing bits leave one of five parts of a hash unchanged: only looks
/// that agree in a whole part of both hashes are compared.
fn candidates(
    looks: &[Look],
    searched: &[usize],
    max_compared: u64,
    max_candidates: usize,
) -> Option<Vec<(usize, usize)>> {
    let parts: Vec<u64> = (0..=BITS).map(part).collect();
    let (mut found, mut compared) = (vec![], 0);
    for (k, l) in (0..parts.len()).flat_map(|k| (0..parts.len()).map(move |l| (k, l))) {
        let key = |&i: &usize| ((looks[i].across & parts[k], looks[i].down & parts[l]), i);
        let mut order: Vec<((u64, u64), usize)> = searched.par_iter().map(key).collect();
        order.par_sort_unstable();
        // Each place with the end of its run of equal keys.
        let mut runs = Vec::with_capacity(order.len());
        for run in order.chunk_by(|a, b| a.0 == b.0) {
            let (start, n) = (runs.len(), run.len());
            runs.extend((start..start + n).map(|place| (place, start + n)));
            compared += (n as u64 * (n as u64 - 1)) / 2;
        }
        if compared > max_compared {
            return None;
        }
        let hashes: Vec<[u64; 2]> = order.par_iter().map(|&(_, i)| [looks[i].across, looks[i].down]).collect();
        let count = AtomicUsize::new(found.len());
        let alike = |(place, end): (usize, usize)| {
            let mut own = vec![];
            for other in place + 1..end {
                let [across, down] = [0, 1].map(|hash| hashes[place][hash] ^ hashes[other][hash]);
                // A pair that agrees in an earlier part was found there.
                let is_new = |differ: u64, earlier: &[u64]| earlier.iter().all(|mask| differ & mask != 0);
                if across.count_ones() <= BITS
                    && down.count_ones() <= BITS
                    && is_new(across, &parts[..k])
                    && is_new(down, &parts[..l])
                {
                    own.push((order[place].1, order[other].1));
                }
            }
            // Past the limit nothing is kept: the result is thrown away anyway.
            let before = count.fetch_add(own.len(), Ordering::Relaxed);
            if before > max_candidates { vec![] } else { own }
        };
        found.extend(runs.into_par_iter().flat_map_iter(alike).collect::<Vec<_>>());
        if count.into_inner() > max_candidates {
            return None;
        }
    }
    Some(found)
}

/// Every fifth bit: a part that is spread over the whole image, as the margins
/// of images are often all alike.
fn part(k: u32) -> u64 {
    (k..64).step_by(BITS as usize + 1).map(|bit| 1 << bit).sum()
}

/// What an image looks like.
struct Look {
    /// Which neighbours grow brighter from left to right, and from top to bottom.
    across: u64,
    down: u64,
    thumb: Vec<u8>,
    /// The sum of the thumbnail, and its variance times the number of pixels
    /// squared.
    sum: i64,
    spread: i64,
}

impl Look {
    fn new(image: &[u8], shape: [usize; 3]) -> Look {
        let grey = grey(image, shape);
        let [_, h, w] = shape;
        let size = [h.min(THUMB), w.min(THUMB)];
        let pixels = (h * w) as u64;
        let thumb: Vec<u8> = if size == [h, w] {
            grey
        } else {
            area(&grey, [h, w], size).into_iter().map(|sum| ((sum + pixels / 2) / pixels) as u8).collect()
        };
        let margin = MARGIN * (size[0] * size[1]) as u64;
        let across = area(&thumb, size, [8, 9]);
        let down = area(&thumb, size, [9, 8]);
        let sum = thumb.iter().map(|&p| i64::from(p)).sum();
        let bit = |is_set: bool, place: usize| u64::from(is_set) << place;
        Look {
            across: (0..64).map(|i| bit(across[i / 8 * 9 + i % 8 + 1] > across[i / 8 * 9 + i % 8] + margin, i)).sum(),
            down: (0..64).map(|i| bit(down[i + 8] > down[i] + margin, i)).sum(),
            sum,
            spread: thumb.len() as i64 * dot(&thumb, &thumb) - sum * sum,
            thumb,
        }
    }

    /// Pearson's correlation of two thumbnails, from whole sums; 0 where one of
    /// them is flat.
    fn correlation(&self, other: &Look) -> f64 {
        let n = self.thumb.len() as i64;
        let product = dot(&self.thumb, &other.thumb);
        let spread = self.spread as f64 * other.spread as f64;
        if spread == 0.0 { 0.0 } else { (n * product - self.sum * other.sum) as f64 / spread.sqrt() }
    }
}

/// The sum of products of two thumbnails: of 1024 pixels at most, so it fits.
fn dot(a: &[u8], b: &[u8]) -> i64 {
    i64::from(a.iter().zip(b).map(|(&x, &y)| u32::from(x) * u32::from(y)).sum::<u32>())
}

/// An image's grey values; of other than three channels the first.
pub(super) fn grey(image: &[u8], [channels, h, w]: [usize; 3]) -> Vec<u8> {
    let plane = h * w;
    if channels != 3 {
        return image[..plane].to_vec();
    }
    let luma = |r: u8, g: u8, b: u8| ((2126 * u32::from(r) + 7152 * u32::from(g) + 722 * u32::from(b)) / 10_000) as u8;
    (0..plane).map(|i| luma(image[i], image[plane + i], image[2 * plane + i])).collect()
}

/// The mean of each cell of a grid laid over grey values, times `h * w`: a
/// pixel counts by the share of it that lies in the cell, in whole numbers.
fn area(grey: &[u8], [h, w]: [usize; 2], [rows, columns]: [usize; 2]) -> Vec<u64> {
    /// The pixels that a cell covers, each with its share in 1/cells.
    fn cover(cell: usize, cells: usize, pixels: usize) -> impl Iterator<Item = (usize, u64)> + Clone {
        let (start, end) = (cell * pixels, (cell + 1) * pixels);
        (start / cells..end.div_ceil(cells)).map(move |p| (p, (end.min((p + 1) * cells) - start.max(p * cells)) as u64))
    }
    let mut out = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        let mut line = vec![0u64; w];
        for (y, share) in cover(row, rows, h) {
            line.iter_mut().zip(&grey[y * w..]).for_each(|(sum, &p)| *sum += share * u64::from(p));
        }
        out.extend((0..columns).map(|c| cover(c, columns, w).map(|(x, share)| share * line[x]).sum::<u64>()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::random::{Random, stream};

    /// Copies of random hashes with up to so many bits flipped in each.
    fn looks(n: usize, flips: u64) -> Vec<Look> {
        let mut random = Random::new(1, stream::CASES);
        let mut word = || u64::from(random.bits()) << 32 | u64::from(random.bits());
        let base: Vec<(u64, u64)> = (0..n / 8).map(|_| (word(), word())).collect();
        (0..n)
            .map(|i| {
                let (mut across, mut down) = base[i % base.len()];
                (0..word() % (flips + 1)).for_each(|_| across ^= 1 << (word() % 64));
                (0..word() % (flips + 1)).for_each(|_| down ^= 1 << (word() % 64));
                Look { across, down, thumb: vec![], sum: 0, spread: 0 }
            })
            .collect()
    }

    #[test]
    fn the_search_finds_what_comparing_all_finds() {
        for flips in [0, 1, 2, 3, 4] {
            let looks = looks(400, flips);
            let all: Vec<usize> = (0..looks.len()).collect();
            let mut found = candidates(&looks, &all, u64::MAX, usize::MAX).unwrap();
            found.sort_unstable();
            let near = |a: u64, b: u64| (a ^ b).count_ones() <= BITS;
            let mut want = vec![];
            for a in 0..400 {
                for b in a + 1..400 {
                    if near(looks[a].across, looks[b].across) && near(looks[a].down, looks[b].down) {
                        want.push((a, b));
                    }
                }
            }
            assert!(want.len() > 50, "{flips} flips leave {} pairs", want.len());
            assert_eq!(found, want, "{flips} flips");
        }
    }

    #[test]
    fn too_much_to_compare_is_noticed() {
        let looks = looks(400, 0);
        let all: Vec<usize> = (0..400).collect();
        let count = candidates(&looks, &all, u64::MAX, usize::MAX).unwrap().len();
        assert_eq!(count, 50 * 8 * 7 / 2);
        assert!(candidates(&looks, &all, u64::MAX, count).is_some());
        assert!(candidates(&looks, &all, u64::MAX, count - 1).is_none());
        assert!(candidates(&looks, &all, 100, usize::MAX).is_none());
    }

    #[test]
    fn parts_of_a_hash_cover_it_once() {
        let parts: Vec<u64> = (0..=BITS).map(part).collect();
        assert_eq!(parts.iter().fold(0, |all, p| all | p), u64::MAX);
        assert_eq!(parts.iter().map(|p| p.count_ones()).sum::<u32>(), 64);
    }

    #[test]
    fn a_grid_of_means_is_exact() {
        // 2x3 pixels under a grid of 1x2: the middle column is halved.
        assert_eq!(area(&[1, 2, 3, 10, 20, 30], [2, 3], [1, 2]), [2 + 2 + 20 + 20, 2 + 6 + 20 + 60]);
        assert_eq!(area(&[7; 35], [5, 7], [8, 9]), [7 * 35; 72]);
    }

    #[test]
    fn a_look_survives_scaling_noise_and_brightness() {
        let wave = |y: f64, x: f64| 128.0 + 60.0 * (7.0 * x + 3.0 * y).sin() + 50.0 * (5.0 * y - 4.0 * x * x).cos();
        let draw = |n: usize, gain: f64, noise: f64| -> Look {
            let mut random = Random::new(9, stream::CASES);
            let at = |i: usize| (i as f64 + 0.5) / n as f64;
            let pixels: Vec<u8> = (0..n * n)
                .map(|i| (gain * wave(at(i / n), at(i % n)) + noise * f64::from(random.unit())) as u8)
                .collect();
            Look::new(&pixels, [1, n, n])
        };
        let (a, b) = (draw(100, 1.0, 0.0), draw(37, 0.8, 6.0));
        assert!((a.across ^ b.across).count_ones() <= BITS && (a.down ^ b.down).count_ones() <= BITS);
        assert!(a.correlation(&b) > ALIKE, "{}", a.correlation(&b));
        let flat = Look::new(&[9; 100], [1, 10, 10]);
        assert_eq!((flat.across, flat.down, flat.correlation(&flat)), (0, 0, 0.0));
    }
}
