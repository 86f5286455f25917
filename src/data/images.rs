//! A set of labelled images in memory.

use super::split::stratified;
use crate::error::{Error, Result, nearest};

/// Labelled images of one size, one byte per channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// What messages call the set: the source as the user named it and the
    /// split, for example `digits train`.
    pub name: String,
    /// Channels per pixel: 1 is grey, 3 is red, green, blue.
    pub channels: usize,
    /// Rows of an image, in pixels.
    pub height: usize,
    /// Columns of an image, in pixels.
    pub width: usize,
    /// The pixels, `[N, channels, height, width]`, row-major, 0 to 255.
    pub pixels: Vec<u8>,
    /// The class of each image, `[N]`; an index into `classes`.
    pub labels: Vec<u32>,
    /// The names of the classes, in the order of their numbers.
    pub classes: Vec<String>,
}

/// A data set: what to train on and, where the source has it, what to test on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    /// The training images.
    pub train: Images,
    /// The validation images, where the source has its own; otherwise they are
    /// split off the training images. Same size and classes as `train`.
    pub val: Option<Images>,
    /// The test images; same size and classes as `train`.
    pub test: Option<Images>,
}

impl Images {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True when there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes per image.
    fn stride(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// The bytes of image `i`, `[channels, height, width]`. Panics when `i` is
    /// not below `len()`, as indexing a slice does.
    pub fn image(&self, i: usize) -> &[u8] {
        &self.pixels[i * self.stride()..][..self.stride()]
    }

    /// The images with these indices, in this order; an index may repeat.
    /// Panics when an index is not below `len()`.
    pub fn select(&self, indices: &[usize]) -> Images {
        let mut pixels = Vec::with_capacity(indices.len() * self.stride());
        for &i in indices {
            pixels.extend_from_slice(self.image(i));
        }
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Images {
            name: self.name.clone(),
            classes: self.classes.clone(),
            pixels,
            labels,
            channels: self.channels,
            height: self.height,
            width: self.width,
        }
    }

    /// The same images with their classes numbered as in `names`, say those of a
    /// trained model. Classes without an image may be missing in `names`.
    ///
    /// Fails when an image is of a class that `names` lacks.
    pub fn with_classes(mut self, names: &[String]) -> Result<Images> {
        number_as(&self.name, &mut self.labels, &self.classes, names)?;
        self.classes = names.to_vec();
        Ok(self)
    }

    /// Mean and standard deviation of each channel over all pixels scaled to
    /// 0..1; sums are integers, so the result does not depend on any order. A
    /// constant channel has standard deviation 1, so that dividing by it is
    /// safe; so has an empty set, with mean 0.
    pub fn channel_stats(&self) -> Vec<(f32, f32)> {
        let plane = self.height * self.width;
        let mut counts = vec![[0u64; 256]; self.channels];
        if plane > 0 && self.channels > 0 {
            for (i, pixels) in self.pixels.chunks_exact(plane).enumerate() {
                let count = &mut counts[i % self.channels];
                pixels.iter().for_each(|&byte| count[byte as usize] += 1);
            }
        }
        counts.iter().map(mean_and_std).collect()
    }

    /// Splits off a share of the images, say for validation: `(kept, held)`.
    /// `fraction` (above 0, below 1) of every class is held out, rounded to
    /// whole images, but at least one stays and, where a class has two or more,
    /// at least one is held out. Which ones depends on the seed alone; both
    /// parts keep the order of the set.
    ///
    /// Fails when the fraction is out of range, or when no class has two images.
    pub fn split(&self, fraction: f64, seed: u32) -> Result<(Images, Images)> {
        let split = stratified(&self.name, &self.labels, fraction, seed)?;
        let mut held = self.select(&split.held);
        held.name = format!("{} (held out)", self.name);
        Ok((self.select(&split.kept), held))
    }
}

/// Numbers the classes of a set's images as in `names`.
///
/// Fails when an image is of a class that `names` lacks.
pub(super) fn number_as(name: &str, labels: &mut [u32], classes: &[String], names: &[String]) -> Result<()> {
    let places: Vec<Option<usize>> = classes.iter().map(|class| names.iter().position(|name| name == class)).collect();
    for label in labels {
        let Some(place) = places[*label as usize] else {
            let class = &classes[*label as usize];
            let hint = match nearest(class, names.iter().map(String::as_str)) {
                Some(near) => format!("; the nearest is \"{near}\""),
                None => String::new(),
            };
            return Err(Error::data(format!(
                "{name} has images of class \"{class}\", which is none of the {} classes of the model{hint}",
                names.len()
            )));
        };
        *label = place as u32;
    }
    Ok(())
}

/// Mean and standard deviation, in 0..1, of bytes that occur `count[byte]` times.
fn mean_and_std(count: &[u64; 256]) -> (f32, f32) {
    let sum = |f: fn(u128) -> u128| count.iter().zip(0..).map(|(&n, byte)| u128::from(n) * f(byte)).sum::<u128>();
    let (n, first, second) = (sum(|_| 1), sum(|x| x), sum(|x| x * x));
    if n == 0 {
        return (0.0, 1.0);
    }
    // n * second - first^2 is n^2 times the variance, exactly, and never negative.
    let spread = (n * second - first * first) as f64;
    let (mean, std) = (first as f64 / n as f64 / 255.0, spread.sqrt() / n as f64 / 255.0);
    (mean as f32, if spread == 0.0 { 1.0 } else { std as f32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of 2 channels, 1x2 pixels, with these labels.
    fn tiny(labels: &[u32]) -> Images {
        let pixels = (0..labels.len() as u32 * 4).map(|i| i as u8).collect();
        let classes = (0..10).map(|c| format!("class {c}")).collect();
        Images { name: "tiny".into(), channels: 2, height: 1, width: 2, pixels, labels: labels.to_vec(), classes }
    }

    #[test]
    fn images_are_found_by_index() {
        let set = tiny(&[3, 1, 4]);
        assert_eq!((set.len(), set.is_empty()), (3, false));
        assert_eq!(set.image(1), [4, 5, 6, 7]);
        let picked = set.select(&[2, 0, 2]);
        assert_eq!(picked.labels, [4, 3, 4]);
        assert_eq!(picked.pixels, [8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]);
        assert!(set.select(&[]).is_empty());
    }

    #[test]
    fn classes_are_matched_by_name() {
        let names = |s: &[&str]| s.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        let model = names(&["class 7", "class 1", "class 3"]);
        let set = tiny(&[3, 1, 3]).with_classes(&model).unwrap();
        assert_eq!((set.labels, set.classes), (vec![2, 1, 2], model.clone()));
        let message = tiny(&[4]).with_classes(&model).unwrap_err().to_string();
        assert!(
            message.starts_with("tiny has images of class \"class 4\", which is none of the 3 classes of the model"),
            "{message}"
        );
    }

    #[test]
    fn stats_are_per_channel_and_never_zero() {
        let mut set = tiny(&[0, 0]);
        set.pixels = vec![0, 255, 7, 7, 255, 0, 7, 7];
        let stats = set.channel_stats();
        assert_eq!(stats[0], (0.5, 0.5));
        assert_eq!(stats[1], (7.0 / 255.0, 1.0));
        assert_eq!(set.select(&[]).channel_stats(), [(0.0, 1.0); 2]);
    }

    #[test]
    fn a_split_takes_its_share_of_every_class() {
        let labels: Vec<u32> = (0..1000).map(|i| if i % 10 == 0 { 7 } else { i % 3 }).collect();
        let set = tiny(&labels);
        let (kept, held) = set.split(0.2, 5).unwrap();
        let count = |set: &Images, class| set.labels.iter().filter(|&&l| l == class).count();
        assert_eq!(kept.len() + held.len(), 1000);
        for class in [0, 1, 2, 7] {
            assert_eq!(count(&held, class), (count(&set, class) as f64 * 0.2).round() as usize, "class {class}");
        }
        assert_eq!(held.name, "tiny (held out)");
        // No image is lost or doubled, and the order stays.
        assert_eq!(set.split(0.2, 5).unwrap(), (kept, held.clone()));
        assert_ne!(set.split(0.2, 6).unwrap().1.pixels, held.pixels);
        let mut numbered = tiny(&[0; 50]);
        numbered.pixels = (0..50).flat_map(|i| [i; 4]).collect();
        let (kept, held) = numbered.split(0.5, 0).unwrap();
        assert!([&kept, &held].iter().all(|part| part.pixels.is_sorted()));
        let mut all = [kept.pixels, held.pixels].concat();
        all.sort_unstable();
        assert_eq!(all, numbered.pixels);
    }

    #[test]
    fn small_classes_give_one_where_they_can() {
        let (kept, held) = tiny(&[0, 0, 1, 2, 2, 2]).split(0.01, 0).unwrap();
        assert_eq!((kept.labels, held.labels), (vec![0, 1, 2, 2], vec![0, 2]));
        let (kept, _) = tiny(&[0, 0, 0]).split(0.99, 0).unwrap();
        assert_eq!(kept.labels, [0]);
    }

    #[test]
    fn a_split_that_cannot_be_says_why() {
        for fraction in [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY] {
            let message = tiny(&[0, 0]).split(fraction, 0).unwrap_err().to_string();
            assert!(message.contains("above 0 and below 1"), "{message}");
        }
        let message = tiny(&[0, 1, 2]).split(0.5, 0).unwrap_err().to_string();
        assert_eq!(
            message,
            "cannot split tiny: it holds 3 samples and no class has two of them; add samples or train without a hold-out"
        );
        assert!(tiny(&[]).split(0.5, 0).is_err());
    }
}
