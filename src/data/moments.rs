//! Sums of the pixels of each image of a set, noted when the images are decoded for the
//! first time: mean and deviation of any part of the set follow without decoding it again.

/// The sums of one channel of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sums {
    first: u64,
    second: u64,
    low: u8,
    high: u8,
}

/// The sums of many images of the same size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moments {
    channels: usize,
    /// Pixels of a channel.
    plane: usize,
    /// Image by image, channel by channel.
    sums: Vec<Sums>,
}

/// Pixels of a channel in several images: how many there are, their sum, the sum of their
/// squares, the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Total {
    pub count: u64,
    pub first: u128,
    pub second: u128,
    pub low: u8,
    pub high: u8,
}

/// The sums of one image.
pub(crate) struct OfImage(Vec<Sums>);

impl OfImage {
    /// Of an image `[channels, pixels]`.
    pub fn new(image: &[u8], channels: usize) -> OfImage {
        let start = Sums { first: 0, second: 0, low: u8::MAX, high: 0 };
        let add = |s: Sums, &b: &u8| Sums {
            first: s.first + u64::from(b),
            second: s.second + u64::from(b) * u64::from(b),
            low: s.low.min(b),
            high: s.high.max(b),
        };
        let plane = (image.len() / channels.max(1)).max(1);
        OfImage(image.chunks_exact(plane).map(|plane| plane.iter().fold(start, add)).collect())
    }

    /// Sum, sum of squares, least and greatest of each channel.
    pub fn numbers(&self) -> impl Iterator<Item = (u64, u64, u8, u8)> {
        self.0.iter().map(|s| (s.first, s.second, s.low, s.high))
    }

    /// The sums with these [`numbers`](Self::numbers).
    pub fn of_numbers(all: &[(u64, u64, u8, u8)]) -> OfImage {
        OfImage(all.iter().map(|&(first, second, low, high)| Sums { first, second, low, high }).collect())
    }
}

impl Moments {
    /// Of images of so many channels with so many pixels each; the sums of further
    /// channels are left out.
    pub fn new(images: impl Iterator<Item = OfImage>, channels: usize, plane: usize) -> Moments {
        Moments { channels, plane, sums: images.flat_map(|image| image.0.into_iter().take(channels)).collect() }
    }

    /// All sums of the images with these numbers, channel by channel.
    pub fn total(&self, images: &[usize]) -> Vec<Total> {
        let start = Total { count: 0, first: 0, second: 0, low: u8::MAX, high: 0 };
        let mut all = vec![start; self.channels];
        for &i in images {
            for (total, s) in all.iter_mut().zip(&self.sums[i * self.channels..]) {
                total.count += self.plane as u64;
                total.first += u128::from(s.first);
                total.second += u128::from(s.second);
                (total.low, total.high) = (total.low.min(s.low), total.high.max(s.high));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_of_the_images_asked_for() {
        let images = [[1, 2, 10, 20], [3, 4, 30, 40], [5, 6, 50, 60]];
        let all = Moments::new(images.iter().map(|i| OfImage::new(i, 2)), 2, 2);
        let total = all.total(&[2, 0, 2]);
        assert_eq!(total[0], Total { count: 6, first: 25, second: 127, low: 1, high: 6 });
        assert_eq!((total[1].first, total[1].low, total[1].high), (250, 10, 60));
        let first = Moments::new(images.iter().map(|i| OfImage::new(i, 2)), 1, 2);
        assert_eq!(first.total(&[2, 0, 2]), total[..1]);
    }
}
