//! The built-in digits: a set to learn from that needs no download.
//!
//! Every image is written anew by a pen: a style from `glyphs`, its points
//! moved a little, the whole turned, sheared, scaled, shifted and bent by a
//! smooth field, then inked with a stroke of varying width. White (255) on
//! black (0), 28x28, one channel, about 20 pixels high: the layout of MNIST.
//!
//! An image is a pure function of the seed and its index. Only `+ - * /` and
//! `sqrt` decide a byte, which IEEE 754 defines to the last bit, so the same
//! seed gives the same bytes on every machine.

use super::glyphs::{Point, STYLES, curve};
use super::{ImageSet, Images};
use crate::tensor::random::{Random, stream};
use rayon::prelude::*;

/// Training images that [`open`](super::open) generates.
pub const TRAIN: usize = 12_000;
/// Test images that [`open`](super::open) generates.
pub const TEST: usize = 2_000;
/// Height and width of an image, in pixels.
pub const SIDE: usize = 28;

/// Random streams of one split; images beyond this many repeat.
const SPLIT_STREAMS: u32 = 1 << 26;
/// Height of an upright digit, in pixels.
const HEIGHT: f32 = 20.0;
/// Knots of the bending field along each axis, 7 pixels apart.
const KNOTS: usize = 5;

/// Digits 0 to 9, in mixed order: every ten consecutive images hold each digit
/// once. The pixels of image `i` do not depend on how many are asked for. No
/// test set when `n_test` is 0.
pub fn digits(n_train: usize, n_test: usize, seed: u32) -> ImageSet {
    let train = draw_split("digits train", n_train, seed, 0);
    let test = (n_test > 0).then(|| draw_split("digits test", n_test, seed, 1));
    ImageSet { train, val: None, test }
}

/// The images of split number `split` (0 or 1).
fn draw_split(name: &str, n: usize, seed: u32, split: u32) -> Images {
    let images = stream::DIGITS + split * SPLIT_STREAMS;
    let orders = stream::DIGITS + (2 + split) * SPLIT_STREAMS;
    let mut labels: Vec<u32> = Vec::with_capacity(n.next_multiple_of(10));
    for block in 0..n.div_ceil(10) {
        let mut ten: [u32; 10] = std::array::from_fn(|digit| digit as u32);
        Random::new(seed, orders + block as u32 % SPLIT_STREAMS).shuffle(&mut ten);
        labels.extend(ten);
    }
    labels.truncate(n);
    let mut pixels = vec![0; n * SIDE * SIDE];
    pixels.par_chunks_mut(SIDE * SIDE).zip(&labels).enumerate().for_each(|(i, (image, &label))| {
        draw(image, label as usize, &mut Random::new(seed, images + i as u32 % SPLIT_STREAMS));
    });
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    Images { name: name.into(), channels: 1, height: SIDE, width: SIDE, pixels, labels, classes }
}

/// Writes one digit into a black image.
fn draw(image: &mut [u8], digit: usize, r: &mut Random) {
    let mut paper = Paper([0.0; SIDE * SIDE]);
    let style = STYLES[digit][r.below(STYLES[digit].len() as u32) as usize];
    let hand = Hand::new(r);
    let pen = Pen { radius: r.uniform(0.75, 1.65), soft: r.uniform(0.9, 1.7), ink: r.uniform(0.75, 1.15) };
    // The pen presses harder at one end than at the other.
    let press = r.uniform(-0.3, 0.3);
    for stroke in style.iter() {
        let points: Vec<Point> = stroke.iter().map(|&(x, y)| [f32::from(x), f32::from(y)]).collect();
        let line: Vec<Point> = curve(&jitter(points, r)).into_iter().map(|p| hand.place(p)).collect();
        let last = line.len().max(2) as f32 - 1.0;
        for (i, pair) in line.windows(2).enumerate() {
            let swell = 1.0 + press * (2.0 * i as f32 / last - 1.0);
            paper.ink(pair[0], pair[1], Pen { radius: pen.radius * swell, ..pen });
        }
    }
    distract(&mut paper, r);
    let noise = if r.unit() < 0.4 { r.uniform(0.0, 0.1) } else { 0.0 };
    for (byte, &ink) in image.iter_mut().zip(&paper.0) {
        let grain = if noise > 0.0 { noise * bell(r) } else { 0.0 };
        *byte = ((ink + grain).clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    }
}

/// Moves each point a little; a point given twice stays a corner.
fn jitter(points: Vec<Point>, r: &mut Random) -> Vec<Point> {
    let mut moved: Vec<Point> = Vec::with_capacity(points.len());
    for (i, p) in points.iter().enumerate() {
        if i > 0 && points[i - 1] == *p {
            moved.push(moved[i - 1]);
        } else {
            moved.push(p.map(|x| x + 2.2 * bell(r)));
        }
    }
    moved
}

/// Stray marks on some images: a dot, the end of a neighbour's stroke at the
/// edge, or a faint line of ruled paper.
fn distract(paper: &mut Paper, r: &mut Random) {
    let side = SIDE as f32;
    let kind = r.below(100);
    let (u, v) = (r.uniform(0.0, side), r.uniform(0.0, side));
    match kind {
        0..5 => {
            let pen = Pen { radius: r.uniform(0.5, 1.1), soft: 1.0, ink: r.uniform(0.3, 0.9) };
            paper.ink([u, v], [u, v], pen);
        }
        5..11 => {
            let pen = Pen { radius: r.uniform(0.6, 1.2), soft: 1.2, ink: r.uniform(0.3, 0.9) };
            let x = if kind.is_multiple_of(2) { r.uniform(-1.0, 1.5) } else { side - 1.0 - r.uniform(-1.0, 1.5) };
            paper.ink([x, v], [x + r.uniform(-2.0, 2.0), v + r.uniform(-6.0, 6.0)], pen);
        }
        11..15 => {
            let pen = Pen { radius: 0.3, soft: 1.2, ink: r.uniform(0.15, 0.4) };
            paper.ink([-1.0, v], [side, v + r.uniform(-1.5, 1.5)], pen);
        }
        _ => {}
    }
}

/// Roughly normal with mean 0 and variance 1, within -3.5 to 3.5: the sum of
/// four uniform numbers, because logarithms and cosines differ in their last
/// bits between machines.
fn bell(r: &mut Random) -> f32 {
    let sum = r.unit() + r.unit() + r.unit() + r.unit();
    (sum - 2.0) * 1.732_050_8
}

/// How one hand places a digit on the paper: a linear map, a shift, a bend.
struct Hand {
    rows: [[f32; 2]; 2],
    shift: Point,
    bend: [[Point; KNOTS]; KNOTS],
}

impl Hand {
    fn new(r: &mut Random) -> Hand {
        // Sine and cosine by the tangent of the half angle: 0.14 is 16 degrees.
        let t = (0.05 * bell(r)).clamp(-0.14, 0.14);
        let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        let shear = r.uniform(-0.25, 0.15);
        let size = r.uniform(0.88, 1.1) * HEIGHT / 100.0;
        let (sx, sy) = (size * r.uniform(0.78, 1.15), size);
        // Scale, then shear x by y, then turn.
        let rows = [[cos * sx, (cos * shear - sin) * sy], [sin * sx, (sin * shear + cos) * sy]];
        let shift = [0, 1].map(|_| 0.5 * (SIDE as f32 - 1.0) + r.uniform(-2.4, 2.4));
        let strength = r.uniform(0.2, 0.8);
        let mut bend = [[[0.0; 2]; KNOTS]; KNOTS];
        for x in bend.as_flattened_mut().as_flattened_mut() {
            *x = strength * bell(r);
        }
        Hand { rows, shift, bend }
    }

    /// From glyph coordinates to pixels.
    fn place(&self, p: Point) -> Point {
        let (x, y) = (p[0] - 50.0, p[1] - 50.0);
        let q = [0, 1].map(|k| self.rows[k][0] * x + self.rows[k][1] * y + self.shift[k]);
        // Between the knots, a bilinear blend with a smoothed weight: no kinks.
        let [(i, u), (j, v)] = q.map(|x| {
            let x = (x * (KNOTS - 1) as f32 / SIDE as f32).clamp(0.0, (KNOTS - 1) as f32 - 0.001);
            let t = x - x.floor();
            (x as usize, t * t * (3.0 - 2.0 * t))
        });
        let b = &self.bend;
        [0, 1].map(|k| {
            let top = b[j][i][k] * (1.0 - u) + b[j][i + 1][k] * u;
            let bottom = b[j + 1][i][k] * (1.0 - u) + b[j + 1][i + 1][k] * u;
            q[k] + top * (1.0 - v) + bottom * v
        })
    }
}

/// A round nib; lengths in pixels.
#[derive(Clone, Copy)]
struct Pen {
    radius: f32,
    /// Width of the edge over which ink fades from all to nothing.
    soft: f32,
    /// Brightness of the core, 0 to 1; above 1 the edge sharpens.
    ink: f32,
}

/// Brightness of the pixels, 0 to 1.
struct Paper([f32; SIDE * SIDE]);

impl Paper {
    /// Draws a straight line; where lines meet, the brighter one counts.
    fn ink(&mut self, a: Point, b: Point, pen: Pen) {
        let reach = pen.radius + pen.soft;
        // The clamp keeps lines that leave the paper in range.
        let low = [0, 1].map(|k| (a[k].min(b[k]) - reach).clamp(0.0, SIDE as f32) as usize);
        let high = [0, 1].map(|k| (a[k].max(b[k]) + reach + 1.0).clamp(0.0, SIDE as f32) as usize);
        let d = [b[0] - a[0], b[1] - a[1]];
        let length2 = d[0] * d[0] + d[1] * d[1];
        for y in low[1]..high[1] {
            for x in low[0]..high[0] {
                let p = [x as f32 - a[0], y as f32 - a[1]];
                let along = p[0] * d[0] + p[1] * d[1];
                let t = if length2 > 0.0 { (along / length2).clamp(0.0, 1.0) } else { 0.0 };
                let (ex, ey) = (p[0] - t * d[0], p[1] - t * d[1]);
                let distance = (ex * ex + ey * ey).sqrt();
                let cover = ((pen.radius - distance) / pen.soft + 0.5).clamp(0.0, 1.0);
                let pixel = &mut self.0[y * SIDE + x];
                *pixel = pixel.max(pen.ink * cover);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a over pixels and labels.
    fn checksum(set: &Images) -> u64 {
        let labels = set.labels.iter().map(|&label| label as u8);
        set.pixels
            .iter()
            .copied()
            .chain(labels)
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    #[test]
    fn the_digits_of_seed_0_never_change() {
        // Published results rest on these images. A new checksum here means a
        // new data set: do it on purpose only.
        let set = digits(1000, 200, 0);
        assert_eq!(checksum(&set.train), 0xbcb3_bbbe_594a_b122);
        assert_eq!(checksum(&set.test.unwrap()), 0xd462_766e_e525_427b);
    }

    #[test]
    fn an_image_depends_on_seed_and_index_alone() {
        let (few, many) = (digits(15, 7, 9), digits(100, 40, 9));
        assert_eq!(few.train.pixels, many.train.pixels[..few.train.pixels.len()]);
        assert_eq!(few.train.labels, many.train.labels[..15]);
        let (few, many) = (few.test.unwrap(), many.test.unwrap());
        assert_eq!(few.pixels, many.pixels[..few.pixels.len()]);
        assert_ne!(few.image(0), digits(15, 7, 10).test.unwrap().image(0));
    }

    #[test]
    fn classes_are_balanced_and_mixed_and_no_image_comes_twice() {
        let set = digits(500, 100, 1);
        let test = set.test.unwrap();
        for class in 0..10 {
            assert_eq!(set.train.labels.iter().filter(|&&l| l == class).count(), 50);
        }
        assert_ne!(set.train.labels[..10], set.train.labels[10..20]);
        let mut images: Vec<&[u8]> =
            (0..500).map(|i| set.train.image(i)).chain((0..100).map(|i| test.image(i))).collect();
        images.sort_unstable();
        images.dedup();
        assert_eq!(images.len(), 600);
        assert_eq!(set.train.classes[7], "7");
    }

    #[test]
    fn ink_stays_in_sight() {
        let set = digits(1000, 0, 2);
        assert_eq!(set.test, None);
        for i in 0..set.train.len() {
            let image = set.train.image(i);
            let bright = image.iter().filter(|&&byte| byte > 128).count();
            assert!((15..350).contains(&bright), "image {i} has {bright} bright pixels");
            // The rim holds stray marks at most: the digit lies within.
            let rim = (0..SIDE).filter(|k| image[*k] > 128 || image[(SIDE - 1) * SIDE + k] > 128).count();
            assert!(rim < SIDE / 2, "image {i} touches the upper and lower rim in {rim} pixels");
        }
        let empty = digits(0, 0, 2).train;
        assert!(empty.is_empty() && empty.pixels.is_empty());
    }
}
