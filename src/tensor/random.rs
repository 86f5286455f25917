//! Counter-based random numbers: a pure function of a key, so the same bits
//! come out on every GPU, on the CPU, in any order and after any resume.
//!
//! Source: pcg4d from Jarzynski and Olano, "Hash Functions for GPU Rendering",
//! JCGT 9(3), 2020. `shaders/lib/random.wgsl` holds the same functions.

/// Separates the uses of randomness from each other, so that two of them never
/// draw the same numbers. The second word of every key.
pub mod stream {
    /// Parameter initialisation; add the parameter's index.
    pub const INIT: u32 = 0x1000_0000;
    /// Shuffling of the training set.
    pub const SHUFFLE: u32 = 0x2000_0000;
    /// Dropout; add the layer's index.
    pub const DROPOUT: u32 = 0x3000_0000;
    /// Augmentation.
    pub const AUGMENT: u32 = 0x4000_0000;
    /// Splits of a data set.
    pub const SPLIT: u32 = 0x5000_0000;
    /// The built-in digits.
    pub const DIGITS: u32 = 0x6000_0000;
    /// Bootstrap resamples; add the resample's number.
    pub const BOOTSTRAP: u32 = 0xb000_0000;
    /// Rows that are drawn of a table which is not read whole.
    pub const ROWS: u32 = 0x9000_0000;
    /// Draws of a hyperparameter search.
    pub const SEARCH: u32 = 0x8000_0000;
    /// Tokens of a text that a model makes up.
    pub const SAMPLES: u32 = 0xc000_0000;
    /// Data for tests and benches.
    pub const CASES: u32 = 0x7000_0000;
}

/// Hashes a 128-bit key to 128 random bits.
#[inline]
pub fn pcg4d(key: [u32; 4]) -> [u32; 4] {
    let mut v = key.map(|x| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    for round in 0..2 {
        v[0] = v[0].wrapping_add(v[1].wrapping_mul(v[3]));
        v[1] = v[1].wrapping_add(v[2].wrapping_mul(v[0]));
        v[2] = v[2].wrapping_add(v[0].wrapping_mul(v[1]));
        v[3] = v[3].wrapping_add(v[1].wrapping_mul(v[2]));
        if round == 0 {
            v = v.map(|x| x ^ (x >> 16));
        }
    }
    v
}

/// Random bits to a float in [0, 1), a multiple of 2^-24.
#[inline]
pub fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Two words to a standard normal number (Box and Muller, 1958).
#[inline]
pub fn normal(a: u32, b: u32) -> f32 {
    let radius = (-2.0 * (1.0 - f64::from(unit(a))).ln()).sqrt();
    (radius * (std::f64::consts::TAU * f64::from(unit(b))).cos()) as f32
}

/// A stream of numbers on the host: the counter runs, seed and stream stay.
#[derive(Debug, Clone)]
pub struct Random {
    key: [u32; 4],
    ready: [u32; 4],
    left: usize,
}

impl Random {
    /// The stream number `stream` (see [`stream`]) of a seed.
    pub fn new(seed: u32, stream: u32) -> Random {
        Random { key: [seed, stream, 0, 0], ready: [0; 4], left: 0 }
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.left == 0 {
            self.ready = pcg4d(self.key);
            self.left = 4;
            self.key[2] = self.key[2].wrapping_add(1);
            if self.key[2] == 0 {
                self.key[3] = self.key[3].wrapping_add(1);
            }
        }
        self.left -= 1;
        self.ready[3 - self.left]
    }

    /// A float in [0, 1).
    pub fn unit(&mut self) -> f32 {
        unit(self.bits())
    }

    /// A float in [low, high).
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A standard normal number.
    pub fn normal(&mut self) -> f32 {
        let (a, b) = (self.bits(), self.bits());
        normal(a, b)
    }

    /// An integer in [0, n), without modulo bias worth noticing (Lemire 2019).
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.bits()) * u64::from(n)) >> 32) as u32
    }

    /// Shuffles a slice in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

/// The place of row `i` of `n` in the shuffled order of an epoch: a keyed
/// bijection of 0..n, so shuffling needs no table and no upload. A balanced
/// Feistel network over the smallest even power of two, walked until it falls
/// inside (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
#[inline]
pub fn permute(i: u32, n: u32, seed: u32, epoch: u32) -> u32 {
    let half = half_bits(n);
    let mask = (1u32 << half) - 1;
    let mut x = i;
    loop {
        let (mut left, mut right) = (x >> half, x & mask);
        for round in 0..4 {
            let mixed = pcg4d([seed, stream::SHUFFLE + round, epoch, right])[0];
            (left, right) = (right, (left ^ (mixed >> 7)) & mask);
        }
        x = (left << half) | right;
        if x < n {
            return x;
        }
    }
}

/// Half the bits of the Feistel domain: 4^half is at least n.
pub fn half_bits(n: u32) -> u32 {
    let bits = 32 - n.saturating_sub(1).leading_zeros();
    bits.div_ceil(2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permute_is_a_bijection_that_changes_with_seed_and_epoch() {
        for n in [1, 2, 3, 10, 64, 65, 1000, 4097] {
            let mut seen = vec![false; n as usize];
            for i in 0..n {
                let j = permute(i, n, 7, 3) as usize;
                assert!(!seen[j], "row {j} of {n} comes twice");
                seen[j] = true;
            }
        }
        let order = |seed, epoch| (0..1000).map(|i| permute(i, 1000, seed, epoch)).collect::<Vec<_>>();
        assert_ne!(order(7, 0), order(7, 1));
        assert_ne!(order(7, 0), order(8, 0));
        // A permutation with structure left in it keeps many neighbours together.
        let o = order(1, 0);
        let neighbours = o.windows(2).filter(|w| w[0].abs_diff(w[1]) == 1).count();
        assert!(neighbours < 12, "{neighbours} neighbours stayed together; about 2 are expected");
    }

    #[test]
    fn normal_numbers_have_the_moments_they_should() {
        let mut r = Random::new(1, stream::CASES);
        let v: Vec<f64> = (0..100_000).map(|_| f64::from(r.normal())).collect();
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let var = v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64;
        assert!(mean.abs() < 0.015 && (var - 1.0).abs() < 0.02, "mean {mean}, variance {var}");
    }
}
