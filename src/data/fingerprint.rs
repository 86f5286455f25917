//! A number that tells whether a set still holds what it held: the 64-bit
//! FNV-1a hash of its shape, its targets and its samples, in their order. Names
//! and places of files are not part of it, so data may be moved.

use super::{Dataset, Elements, Samples, Targets};
use crate::error::{Context, Result};
use std::borrow::Cow;

/// Bytes of samples, and of targets at the positions of sequences, that are
/// looked at. Of a larger set evenly spaced samples of so many bytes are, so
/// that it takes a fraction of a second whatever the size.
const LOOKED_AT: usize = 32 << 20;

/// FNV-1a, 64 bits.
struct Hash(u64);

impl Hash {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
    }

    fn number(&mut self, n: usize) {
        self.bytes(&(n as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.bytes(text.as_bytes());
    }

    fn words(&mut self, words: &[u32]) {
        words.iter().for_each(|w| self.bytes(&w.to_le_bytes()));
    }

    fn floats(&mut self, floats: &[f32]) {
        floats.iter().for_each(|x| self.bytes(&x.to_le_bytes()));
    }
}

/// The rows of `n`, of `width` bytes each, that are looked at.
fn looked_at(n: usize, width: usize) -> impl Iterator<Item = usize> {
    let most = (LOOKED_AT / width.max(1)).clamp(1, n.max(1));
    let count = n.min(most);
    (0..count).map(move |i| (i as u128 * n as u128 / count as u128) as usize)
}

impl Dataset {
    /// The set; of one whose samples are read when they are needed, as many evenly spaced
    /// ones as 32 MiB hold, in memory.
    ///
    /// Fails when they cannot be read.
    pub fn at_a_glance(&self) -> Result<Cow<'_, Dataset>> {
        if !matches!(self.samples, Samples::Read(_)) {
            return Ok(Cow::Borrowed(self));
        }
        let each = if self.samples.kind() == Elements::Bytes { 1 } else { 4 };
        let some = self.select(&looked_at(self.len(), each * self.width()).collect::<Vec<_>>());
        let samples = some.samples.loaded().context(|| self.name.clone())?;
        Ok(Cow::Owned(Dataset { samples, ..some }))
    }

    /// The fingerprint of the set: equal for sets of equal shape, targets and
    /// samples in the same order, whatever they are called. All targets count,
    /// and all samples up to 32 MiB of them; of more, evenly spaced ones. Samples that
    /// are read when they are needed are not looked at, unless they are the same each time.
    ///
    /// Fails when they cannot be read.
    pub fn fingerprint(&self) -> Result<u64> {
        let mut hash = Hash(0xcbf2_9ce4_8422_2325);
        let (n, width) = (self.len(), self.width());
        hash.number(n);
        hash.number(self.shape.len());
        self.shape.iter().for_each(|&d| hash.number(d));
        self.targets.names().iter().for_each(|name| hash.text(name));
        match &self.targets {
            Targets::Classes { labels, .. } => hash.words(labels),
            Targets::Values { values, .. } => hash.floats(values),
            Targets::Sequence { labels, positions, .. } => {
                let some = looked_at(n, 4 * positions);
                match labels.held() {
                    Some(all) => some.for_each(|i| hash.words(&all[i * positions..][..*positions])),
                    None => {
                        let some = labels.select(*positions, &some.collect::<Vec<_>>());
                        let hashed = some.visit(&mut |piece| {
                            hash.words(piece);
                            Ok(())
                        });
                        hashed.context(|| self.name.clone())?;
                    }
                }
            }
        }
        let each = if self.samples.kind() == Elements::Bytes { 1 } else { 4 } * width;
        match &self.samples {
            Samples::Bytes(all) => looked_at(n, each).for_each(|i| hash.bytes(&all[i * width..][..width])),
            Samples::Floats(all) => looked_at(n, each).for_each(|i| hash.floats(&all[i * width..][..width])),
            Samples::Tokens(all) => looked_at(n, each).for_each(|i| hash.words(&all[i * width..][..width])),
            Samples::Read(_) if self.samples.repeats() => {
                let some = self.samples.select(width, &looked_at(n, each).collect::<Vec<_>>());
                let seen = some.visit(&mut |piece| {
                    match piece {
                        Samples::Bytes(v) => hash.bytes(v),
                        Samples::Floats(v) => hash.floats(v),
                        Samples::Tokens(v) => hash.words(v),
                        Samples::Read(_) => {}
                    }
                    Ok(())
                });
                seen.context(|| self.name.clone())?;
            }
            // They may be made on the way, and differ each time.
            Samples::Read(_) => {}
        }
        Ok(hash.0)
    }
}

/// The fingerprints of several sets as one: 16 hexadecimal digits.
///
/// Fails when samples that are read when they are needed cannot be read.
pub fn fingerprint<'a>(sets: impl IntoIterator<Item = &'a Dataset>) -> Result<String> {
    let mut hash = Hash(0xcbf2_9ce4_8422_2325);
    for set in sets {
        hash.bytes(&set.fingerprint()?.to_le_bytes());
    }
    Ok(format!("{:016x}", hash.0))
}

/// The fingerprint of the places of a set's samples in their source: equal where
/// two sets are of the same rows, whatever was made of them.
pub fn places(set: &Dataset) -> u64 {
    let mut hash = Hash(0xcbf2_9ce4_8422_2325);
    (0..set.len()).for_each(|i| hash.text(&set.place(i).to_string()));
    hash.0
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;

    fn set(samples: Vec<u8>, labels: Vec<u32>) -> Dataset {
        let shape = vec![1, 1, samples.len() / labels.len()];
        let targets = Targets::Classes { labels, names: vec!["a".into(), "b".into()] };
        Dataset {
            name: "set".into(),
            shape,
            samples: Samples::Bytes(samples.into()),
            targets,
            origin: Origin::default(),
        }
    }

    #[test]
    fn content_decides_and_names_do_not() {
        let one = set(vec![1, 2, 3, 4], vec![0, 1]);
        let moved = Dataset { name: "elsewhere".into(), ..one.clone() };
        assert_eq!(one.fingerprint().unwrap(), moved.fingerprint().unwrap());
        for other in [
            set(vec![1, 2, 3, 5], vec![0, 1]),
            set(vec![1, 2, 3, 4], vec![1, 0]),
            set(vec![3, 4, 1, 2], vec![0, 1]),
            Dataset { shape: vec![1, 2, 1], ..one.clone() },
            one.select(&[1, 0]),
        ] {
            assert_ne!(one.fingerprint().unwrap(), other.fingerprint().unwrap(), "{other:?}");
        }
        assert_eq!(fingerprint([&one]).unwrap(), fingerprint([&moved]).unwrap());
        assert_ne!(fingerprint([&one]).unwrap(), fingerprint([&one, &one]).unwrap());
        // The standard's own test value: FNV-1a of "a".
        let mut hash = Hash(0xcbf2_9ce4_8422_2325);
        hash.bytes(b"a");
        assert_eq!(hash.0, 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn of_a_large_set_samples_all_over_it_are_looked_at() {
        let width = 1 << 20;
        let rows: Vec<usize> = looked_at(100, width).collect();
        assert_eq!((rows.len(), rows[0]), (32, 0));
        assert!(rows.windows(2).all(|w| (3..=4).contains(&(w[1] - w[0]))) && rows[31] >= 96, "{rows:?}");
        assert_eq!(looked_at(7, 4).collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
        assert_eq!(looked_at(3, usize::MAX).count(), 1);
        assert_eq!(looked_at(0, 4).count(), 0);
    }

    #[test]
    fn places_are_those_of_the_rows() {
        let one = set(vec![1, 2, 3, 4], vec![0, 1]);
        let changed = set(vec![9, 9, 9, 9], vec![1, 1]);
        assert_eq!(places(&one), places(&changed));
        assert_ne!(places(&one.select(&[0])), places(&one.select(&[1])));
    }
}
