//! What is done to the images.

use crate::error::{Error, Result};

/// What lies outside of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Black.
    Zero,
    /// The nearest pixel of the edge.
    Edge,
    /// The image mirrored about its edge, the edge pixel twice: `c b a | a b c`.
    Reflect,
}

/// What an erased rectangle holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patch {
    /// Black.
    Zero,
    /// What normalises to zero: with the usual normalisation, the mean of the
    /// data.
    Mean,
    /// Random pixels.
    Noise,
}

/// Random changes to an image. The default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// Probability of a mirror image, left and right changed.
    pub flip_horizontal: f32,
    /// Probability of a mirror image, top and bottom changed.
    pub flip_vertical: f32,
    /// Largest shift across and down, as shares of width and height.
    pub shift: [f32; 2],
    /// Shift by up to so many whole pixels each way: a random crop after
    /// padding by as many.
    pub crop_padding: usize,
    /// Largest rotation each way, in degrees.
    pub rotation: f32,
    /// Smallest and largest factor of size; above 1 things grow.
    pub scale: [f32; 2],
    /// Largest slant each way, in degrees.
    pub shear: f32,
    /// How far the nodes of a coarse grid are pushed at most, in pixels; beyond
    /// half a cell the image folds.
    pub elastic_alpha: f32,
    /// Cells of that grid along each side.
    pub elastic_grid: usize,
    /// What comes in from outside.
    pub outside: Outside,
    /// Largest change of the factor on all pixels.
    pub brightness: f32,
    /// Largest change of the factor on the distance from the image's mean.
    pub contrast: f32,
    /// Largest change of the factor on the distance from grey; images of three
    /// channels only.
    pub saturation: f32,
    /// Standard deviation of noise on each byte, where white is 1.
    pub noise: f32,
    /// Probability that a rectangle is erased.
    pub erase: f32,
    /// Its smallest and largest share of the image.
    pub erase_area: [f32; 2],
    /// Its smallest and largest height divided by width.
    pub erase_ratio: [f32; 2],
    /// What it holds afterwards.
    pub patch: Patch,
}

impl Default for Augmentation {
    fn default() -> Augmentation {
        Augmentation {
            flip_horizontal: 0.0,
            flip_vertical: 0.0,
            shift: [0.0; 2],
            crop_padding: 0,
            rotation: 0.0,
            scale: [1.0; 2],
            shear: 0.0,
            elastic_alpha: 0.0,
            elastic_grid: 4,
            outside: Outside::Zero,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            noise: 0.0,
            erase: 0.0,
            erase_area: [0.02, 0.2],
            erase_ratio: [0.3, 3.3],
            patch: Patch::Mean,
        }
    }
}

/// The longest side of an image: a rectangle's sides share a word.
const LONGEST: usize = 65_535;

/// Rectangles to choose from.
const RECTANGLES: usize = 1024;

/// Limits of the single numbers: name, smallest, largest.
type Limits = (&'static str, f32, f32, f32);

impl Augmentation {
    /// Whether it changes nothing.
    pub fn is_none(&self) -> bool {
        !self.moves() && !self.recolours() && self.noise == 0.0 && self.erase == 0.0
    }

    /// Whether pixels come from elsewhere.
    pub fn moves(&self) -> bool {
        self.flip_horizontal > 0.0 || self.flip_vertical > 0.0 || self.crop_padding > 0 || self.blends()
    }

    /// Whether pixels may come from between pixels.
    pub(super) fn blends(&self) -> bool {
        self.shift != [0.0; 2]
            || self.rotation > 0.0
            || self.scale != [1.0; 2]
            || self.shear > 0.0
            || self.elastic_alpha > 0.0
    }

    /// Whether pixels change their colour, each for itself.
    pub(super) fn recolours(&self) -> bool {
        self.brightness > 0.0 || self.contrast > 0.0 || self.saturation > 0.0
    }

    /// The largest shift along a side of an image, in pixels.
    pub(super) fn reach(&self, side: usize, axis: usize) -> f64 {
        f64::from(self.shift[axis]) * side as f64
    }

    /// Checks that every number makes sense in itself.
    pub fn check_values(&self) -> Result<()> {
        let limits: [Limits; 14] = [
            ("flip_horizontal", self.flip_horizontal, 0.0, 1.0),
            ("flip_vertical", self.flip_vertical, 0.0, 1.0),
            ("shift", self.shift[0], 0.0, 1.0),
            ("shift", self.shift[1], 0.0, 1.0),
            ("rotation", self.rotation, 0.0, 180.0),
            ("scale", self.scale[0], 0.05, self.scale[1].min(20.0)),
            ("scale", self.scale[1], 0.05, 20.0),
            ("shear", self.shear, 0.0, 60.0),
            ("elastic_alpha", self.elastic_alpha, 0.0, 1000.0),
            ("brightness", self.brightness, 0.0, 10.0),
            ("contrast", self.contrast, 0.0, 10.0),
            ("saturation", self.saturation, 0.0, 10.0),
            ("noise", self.noise, 0.0, 10.0),
            ("erase", self.erase, 0.0, 1.0),
        ];
        for (name, value, low, high) in limits {
            if !(low..=high).contains(&value) {
                return Err(Error::model(format!("{name} is {value}; expected a number from {low} to {high}")));
            }
        }
        let ascends = |[low, high]: [f32; 2], most: f32| low > 0.0 && low <= high && high <= most;
        if !ascends(self.erase_area, 1.0) || !ascends(self.erase_ratio, 100.0) {
            let (area, ratio) = (self.erase_area, self.erase_ratio);
            return Err(Error::model(format!(
                "erase_area is {area:?} and erase_ratio {ratio:?}; expected two ascending numbers each, above 0, \
                 areas up to 1 and ratios up to 100"
            )));
        }
        if !(1..=64).contains(&self.elastic_grid) {
            return Err(Error::model(format!("elastic_grid is {}; expected 1 to 64 cells", self.elastic_grid)));
        }
        Ok(())
    }

    /// Checks that every number makes sense for images of this shape: channels,
    /// height and width.
    pub fn check(&self, image: [usize; 3]) -> Result<()> {
        self.check_values()?;
        let [c, h, w] = image;
        let bytes = c.saturating_mul(h).saturating_mul(w);
        if bytes == 0 || h > LONGEST || w > LONGEST || self.contrast > 0.0 && bytes > u32::MAX as usize / 255 {
            return Err(Error::model(format!(
                "images {c}x{h}x{w} cannot be augmented; expected sides of 1 to {LONGEST} pixels{}",
                if self.contrast > 0.0 { " and, for contrast, at most 16,843,009 bytes" } else { "" }
            )));
        }
        if self.crop_padding > h.max(w) {
            let padding = self.crop_padding;
            return Err(Error::model(format!("crop_padding is {padding}; expected at most a side of {h}x{w} pixels")));
        }
        if self.saturation > 0.0 && c != 3 {
            return Err(Error::model(format!(
                "saturation needs images of 3 channels: red, green, blue; these have {c}"
            )));
        }
        Ok(())
    }

    /// The rectangles to erase, each `height << 16 | width`, spread evenly over
    /// area and logarithm of the aspect ratio: Hammersley's points. One that
    /// would not fit takes the nearest ratio that does.
    pub(super) fn rectangles(&self, image: [usize; 3]) -> Vec<u32> {
        if self.erase == 0.0 {
            return vec![1 << 16 | 1];
        }
        let [_, h, w] = image.map(|side| side as f64);
        let between = |[low, high]: [f64; 2], t: f64| low + (high - low) * t;
        let rectangle = |i: usize| {
            let t = (i as f64 + 0.5) / RECTANGLES as f64;
            let u = f64::from((i as u32).reverse_bits()) / f64::from(u32::MAX);
            let area = (between(self.erase_area.map(f64::from), t) * h * w).max(1.0);
            // The math library's functions differ between systems; libm's do not.
            let ratio = libm::exp(between(self.erase_ratio.map(|r| libm::log(r.into())), u));
            let ratio = ratio.min(h * h / area).max(area / (w * w));
            let side = |length: f64, most: f64| length.round().clamp(1.0, most) as u32;
            side((area * ratio).sqrt(), h) << 16 | side((area / ratio).sqrt(), w)
        };
        (0..RECTANGLES).map(rectangle).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_fit_and_have_the_areas_and_ratios_they_should() {
        for image in [[1, 28, 28], [3, 32, 32], [3, 10, 100], [1, 1, 7], [1, 300, 2]] {
            let how = Augmentation { erase: 0.5, ..Augmentation::default() };
            let all = how.rectangles(image);
            assert_eq!(all.len(), RECTANGLES);
            let (mut area, mut tall) = (0.0, 0);
            for r in all {
                let (h, w) = ((r >> 16) as usize, (r & 0xffff) as usize);
                assert!((1..=image[1]).contains(&h) && (1..=image[2]).contains(&w), "{h}x{w} in {image:?}");
                area += (h * w) as f64 / (image[1] * image[2]) as f64 / RECTANGLES as f64;
                tall += usize::from(h > w);
            }
            if image[1] == image[2] {
                assert!((area - 0.11).abs() < 0.002, "mean area {area} of {image:?}");
                assert!((400..520).contains(&tall), "{tall} of 1024 stand upright");
            }
        }
    }

    #[test]
    fn mistaken_settings_are_named() {
        let none = Augmentation::default();
        assert!(none.is_none() && none.check([3, 8, 8]).is_ok());
        let wrong = |how: Augmentation, image: [usize; 3], word: &str| {
            let message = how.check(image).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        };
        wrong(Augmentation { rotation: 181.0, ..none }, [1, 8, 8], "rotation is 181; expected a number from 0 to 180");
        wrong(Augmentation { rotation: f32::NAN, ..none }, [1, 8, 8], "rotation is NaN");
        wrong(Augmentation { saturation: 0.5, ..none }, [1, 8, 8], "3 channels");
        wrong(Augmentation { scale: [1.1, 0.9], ..none }, [1, 8, 8], "scale is 1.1");
        wrong(Augmentation { crop_padding: 9, ..none }, [1, 8, 8], "crop_padding is 9");
        wrong(Augmentation { elastic_grid: 0, ..none }, [1, 8, 8], "elastic_grid is 0");
        wrong(Augmentation { erase_area: [0.5, 0.1], ..none }, [1, 8, 8], "erase_area");
        wrong(none, [1, 8, 65_536], "sides of 1 to 65535");
    }
}
