//! A sheet of pictures with captions, as one image: samples by class, what an
//! audit has found, previews of augmentation, a model's worst mistakes.

use font8x8::{BASIC_FONTS, GREEK_FONTS, HIRAGANA_FONTS, LATIN_FONTS, UnicodeFonts};
use image::{ImageEncoder, Rgb, RgbImage};

/// Tiles are scaled up by a whole factor until a side has this many pixels, or
/// down by one until none has more than [`GREATEST`].
const LEAST: usize = 80;
const GREATEST: usize = 256;
/// Pixels around the sheet and between tiles.
const GAP: usize = 8;
/// Height and width of a letter.
const LETTER: usize = 8;
/// Height of a line of captions.
const LINE: usize = LETTER + 3;
/// Height of the title, whose letters have twice the size.
const TITLE: usize = 2 * LETTER + GAP;

const PAPER: Rgb<u8> = Rgb([246, 246, 248]);
const INK: Rgb<u8> = Rgb([32, 32, 38]);
const FRAME: Rgb<u8> = Rgb([176, 176, 184]);

/// A picture on a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// `[channels, height, width]`, 0 to 255.
    pub pixels: Vec<u8>,
    /// What stands below it; a newline starts another line.
    pub caption: String,
}

/// Lays out tiles of one shape, `[channels, height, width]`, row by row. Three
/// channels are red, green, blue; of any other number the first is shown as
/// grey. A caption wider than its tile is cut off.
///
/// Panics when a tile has fewer pixels than the shape says.
pub fn sheet(tiles: &[Tile], shape: [usize; 3], columns: usize, title: &str) -> RgbImage {
    let zoom = Zoom::new(shape);
    let columns = columns.clamp(1, tiles.len().max(1));
    let lines = tiles.iter().map(|t| t.caption.lines().count()).max().unwrap_or(0);
    let cell = [zoom.size[0] + 2 + lines * LINE, zoom.size[1].max(LEAST) + 2];
    let top = if title.is_empty() { GAP } else { GAP + TITLE };
    let rows = tiles.len().div_ceil(columns);
    let width = (GAP + columns * (cell[1] + GAP)).max(2 * GAP + 2 * LETTER * title.chars().count().min(40));
    let mut sheet = RgbImage::from_pixel(width as u32, (top + rows * (cell[0] + GAP)) as u32, PAPER);
    write(&mut sheet, title, [GAP, GAP], 2, (width - 2 * GAP) / (2 * LETTER));
    for (i, tile) in tiles.iter().enumerate() {
        let at = [top + i / columns * (cell[0] + GAP), GAP + i % columns * (cell[1] + GAP)];
        zoom.draw(&mut sheet, &tile.pixels, at);
        for (line, text) in tile.caption.lines().enumerate() {
            let below = [at[0] + zoom.size[0] + 4 + line * LINE, at[1]];
            write(&mut sheet, text, below, 1, cell[1] / LETTER);
        }
    }
    sheet
}

/// A sheet as the bytes of a PNG file.
pub fn png(sheet: &RgbImage) -> Vec<u8> {
    let mut bytes = vec![];
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(sheet.as_raw(), sheet.width(), sheet.height(), image::ExtendedColorType::Rgb8)
        .expect("an image encodes to memory");
    bytes
}

/// How a tile's pixels become those of the sheet.
struct Zoom {
    shape: [usize; 3],
    /// Pixels of the sheet per pixel, and pixels per pixel of the sheet; one of
    /// them is 1.
    up: usize,
    down: usize,
    /// Height and width on the sheet.
    size: [usize; 2],
}

impl Zoom {
    fn new(shape: [usize; 3]) -> Zoom {
        let [_, h, w] = shape;
        let longer = h.max(w).max(1);
        let (up, down) = (LEAST.div_ceil(longer), longer.div_ceil(GREATEST));
        Zoom { shape, up, down, size: [h, w].map(|n| (n * up).div_ceil(down)) }
    }

    /// Draws a tile with a thin frame around it.
    fn draw(&self, sheet: &mut RgbImage, pixels: &[u8], [top, left]: [usize; 2]) {
        let [h, w] = self.size;
        for y in 0..h + 2 {
            for x in 0..w + 2 {
                let is_frame = y == 0 || x == 0 || y == h + 1 || x == w + 1;
                let colour = if is_frame { FRAME } else { self.colour(pixels, y - 1, x - 1) };
                sheet.put_pixel((left + x) as u32, (top + y) as u32, colour);
            }
        }
    }

    /// The colour of a pixel of the sheet: the mean of those it stands for.
    fn colour(&self, pixels: &[u8], y: usize, x: usize) -> Rgb<u8> {
        let [channels, h, w] = self.shape;
        let span = |at: usize, n: usize| at * self.down / self.up..(at * self.down / self.up + self.down).min(n);
        let mut sums = [0u64; 3];
        for (channel, sum) in sums.iter_mut().enumerate() {
            let plane = if channels == 3 { channel * h * w } else { 0 };
            for row in span(y, h) {
                *sum += pixels[plane + row * w..][span(x, w)].iter().map(|&p| u64::from(p)).sum::<u64>();
            }
        }
        let count = (span(y, h).len() * span(x, w).len()).max(1) as u64;
        Rgb(sums.map(|sum| ((sum + count / 2) / count) as u8))
    }
}

/// Writes up to `most` letters of a text; `scale` pixels per dot.
fn write(sheet: &mut RgbImage, text: &str, [top, left]: [usize; 2], scale: usize, most: usize) {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.len() > most {
        letters.truncate(most.saturating_sub(2));
        letters.extend(['.', '.']);
        letters.truncate(most);
    }
    for (i, letter) in letters.into_iter().enumerate() {
        for (y, row) in dots(letter).into_iter().enumerate() {
            for x in (0..LETTER).filter(|x| row >> x & 1 == 1) {
                for dot in 0..scale * scale {
                    let x = left + (i * LETTER + x) * scale + dot % scale;
                    sheet.put_pixel(x as u32, (top + y * scale + dot / scale) as u32, INK);
                }
            }
        }
    }
}

/// The rows of a letter, lowest bit first. A letter that the font lacks is a
/// question mark.
fn dots(letter: char) -> [u8; LETTER] {
    let known = BASIC_FONTS.get(letter).or_else(|| LATIN_FONTS.get(letter)).or_else(|| GREEK_FONTS.get(letter));
    known.or_else(|| HIRAGANA_FONTS.get(letter)).or_else(|| BASIC_FONTS.get('?')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiles(n: usize, pixels: &[u8], caption: &str) -> Vec<Tile> {
        vec![Tile { pixels: pixels.to_vec(), caption: caption.into() }; n]
    }

    #[test]
    fn small_tiles_grow_by_a_whole_factor() {
        // 2x1 pixels: each becomes 40x40; columns are at least 80 wide.
        let sheet = sheet(&tiles(3, &[10, 200], ""), [1, 2, 1], 2, "");
        assert_eq!(sheet.dimensions(), (8 + 2 * (82 + 8), 8 + 2 * (82 + 8)));
        assert_eq!(*sheet.get_pixel(8, 8), FRAME);
        for (x, y, want) in [(9, 9, 10), (48, 48, 10), (9, 49, 200), (48, 88, 200)] {
            assert_eq!(*sheet.get_pixel(x, y), Rgb([want; 3]), "{x},{y}");
        }
        // The fourth place stays empty.
        assert_eq!(*sheet.get_pixel(9 + 90, 9 + 90), PAPER);
    }

    #[test]
    fn large_tiles_shrink_to_means() {
        let pixels: Vec<u8> = (0..3 * 300 * 300).map(|i| if i % 2 == 0 { 0 } else { 100 }).collect();
        let sheet = sheet(&tiles(1, &pixels, ""), [3, 300, 300], 4, "");
        assert_eq!(sheet.dimensions(), (8 + 152 + 8, 8 + 152 + 8));
        assert_eq!(*sheet.get_pixel(20, 20), Rgb([50; 3]));
    }

    #[test]
    fn planes_are_colours() {
        let sheet = sheet(&tiles(1, &[1, 2, 3], "a"), [3, 1, 1], 1, "");
        assert_eq!(*sheet.get_pixel(9, 9), Rgb([1, 2, 3]));
    }

    #[test]
    fn captions_stay_in_their_tiles() {
        let ink = |sheet: &RgbImage, from: u32, to: u32| {
            sheet.enumerate_pixels().filter(|(x, _, p)| (from..to).contains(x) && **p == INK).count()
        };
        let long = "a very long caption that does not fit";
        let one = sheet(&tiles(1, &[255], long), [1, 1, 1], 1, "");
        assert!(ink(&one, 8, 90) > 50 && ink(&one, 90, 98) == 0);
        let two = sheet(&tiles(1, &[255], &format!("{long}\nÄé→ω")), [1, 1, 1], 1, "title");
        assert_eq!(two.height(), one.height() + (LINE + TITLE) as u32);
        assert!(image::load_from_memory(&png(&two)).unwrap().to_rgb8() == two);
        assert_eq!(sheet(&[], [1, 28, 28], 5, "").dimensions(), (8 + 8 + 86, 8));
    }
}
