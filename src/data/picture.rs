//! One picture from a file, as a model wants it: PNG, JPEG, BMP or WebP.

use super::jpeg::is_whole;
use super::levels::{self, Levels};
use super::options::{Filter, MAX_SIDE, OpenOptions};
use crate::error::{Context, Error, Result};
use crate::files::{self, memory};
use image::imageops::resize;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

/// The most memory that decoding a picture may take, and the longest file that
/// is read: 512 MiB.
const MAX_MEMORY: u64 = 512 << 20;
/// The formats, for messages.
pub(super) const FORMATS: &str = "PNG, JPEG, BMP or WebP";

/// Reads a PNG, JPEG, BMP or WebP file as `[channels, height, width]` bytes,
/// 0 to 255.
///
/// - The format is recognised by the file's content, not by its name. Of an
///   animation the first frame is taken.
/// - A photo's EXIF orientation is applied; transparent pixels show white paper.
/// - `channels` is 3 for red, green, blue or 1 for grey. Grey is the luma of the
///   `image` crate: 0.2126 red + 0.7152 green + 0.0722 blue.
/// - Of 16 bits per channel the upper eight count; see [`load_with`].
/// - A picture of another size is stretched to `height` x `width`, without
///   regard to its proportions, with a triangle filter: bilinear when it grows,
///   a weighted mean over all covered pixels when it shrinks.
///
/// Fails when the file is missing, has another format, is damaged, is larger
/// than 16384 pixels on a side or takes more than 512 MiB or the budget, and when the model
/// wants another number of channels than 1 or 3, or no pixels.
pub fn load(path: &Path, channels: usize, height: usize, width: usize) -> Result<Vec<u8>> {
    load_with(path, channels, [height, width], &OpenOptions::default())
}

/// Reads a picture as [`load`] does, with the filter and the levels of a set, so
/// that a model sees it as those that it was trained on.
pub fn load_with(path: &Path, channels: usize, size: [usize; 2], options: &OpenOptions) -> Result<Vec<u8>> {
    let shown = path.display();
    check_shape(&shown.to_string(), channels, size)?;
    let picture = decode(path).context(|| format!("cannot read picture {shown}"))?;
    Ok(planes(&picture, channels, size, options.filter, options.levels))
}

/// Fails where a model takes no pictures of that shape.
fn check_shape(shown: &str, channels: usize, [height, width]: [usize; 2]) -> Result<()> {
    if channels != 1 && channels != 3 {
        return Err(Error::model(format!(
            "cannot read {shown} for a model of {channels} input channels: a picture gives 1 (grey) or 3 (red, green, \
             blue)"
        )));
    }
    let side = |n: usize| u32::try_from(n).ok().filter(|n| (1..=MAX_SIDE).contains(n));
    if side(height).is_none() || side(width).is_none() {
        return Err(Error::model(format!(
            "cannot read {shown} for a model input of {height}x{width} pixels: expected 1 to {MAX_SIDE} on each side"
        )));
    }
    Ok(())
}

/// What a file says of itself before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Height and width of the upright picture.
    pub size: [usize; 2],
    /// Whether the format stores grey values only.
    pub is_grey: bool,
    /// Whether a channel has more than eight bits.
    pub is_deep: bool,
    /// Bytes of the decoded picture.
    pub bytes: u64,
}

/// Reads the start of a picture. Errors do not name the file: the caller does.
pub(super) fn header(path: &Path) -> Result<Header> {
    let mut decoder = decoder(path)?;
    let (w, h) = decoder.dimensions();
    let (mut size, bytes) = ([h as usize, w as usize], decoder.total_bytes());
    let color = decoder.color_type();
    let (is_grey, is_deep) = (!color.has_color(), color.bytes_per_pixel() > color.channel_count());
    use Orientation::*;
    if matches!(decoder.orientation().map_err(damaged)?, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH) {
        size.reverse();
    }
    Ok(Header { size, is_grey, is_deep, bytes })
}

/// Decodes a file, upright and opaque. Errors do not name the file.
pub(super) fn decode(path: &Path) -> Result<DynamicImage> {
    let decoder = decoder(path)?;
    let fail = |e| Error::io("cannot open", e);
    let (start, mut file) = start(path).map_err(fail)?;
    if is_jpeg(&start) {
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(fail)?;
        check_end(&bytes)?;
    }
    upright(decoder)
}

/// Decodes a picture from the bytes of its file, upright and opaque.
///
/// Fails as [`load`] does.
pub fn decode_bytes(bytes: &[u8]) -> Result<DynamicImage> {
    decode_bytes_within(bytes, MAX_MEMORY)
}

/// [`decode_bytes`] of a picture that takes at most so many bytes.
pub fn decode_bytes_within(bytes: &[u8], most: u64) -> Result<DynamicImage> {
    let (start, most) = (&bytes[..bytes.len().min(16)], most.min(memory::budget()));
    let decoder = checked(Cursor::new(bytes), start, most)?;
    if is_jpeg(start) {
        check_end(bytes)?;
    }
    upright(decoder)
}

/// A decoded picture as `[channels, height, width]` bytes; see [`load_with`].
///
/// Fails where a model takes no pictures of that shape.
pub fn prepare(picture: &DynamicImage, channels: usize, size: [usize; 2], options: &OpenOptions) -> Result<Vec<u8>> {
    check_shape("the picture", channels, size)?;
    let opaque = picture.color().has_alpha().then(|| on_white(picture));
    Ok(planes(opaque.as_ref().unwrap_or(picture), channels, size, options.filter, options.levels))
}

/// How much red, green and blue count in the grey of a picture; of bytes each is first divided
/// by 255, in single precision.
pub fn luma() -> [f32; 3] {
    [0, 1, 2].map(|channel| {
        let mut colour = [0.0; 3];
        colour[channel] = 1.0;
        let pixel = image::Rgb32FImage::from_pixel(1, 1, image::Rgb(colour));
        DynamicImage::from(pixel).to_luma32f().get_pixel(0, 0)[0]
    })
}

/// The picture of a decoder, upright and opaque.
fn upright(mut decoder: impl ImageDecoder) -> Result<DynamicImage> {
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    Ok(if picture.color().has_alpha() { on_white(&picture) } else { picture })
}

fn is_jpeg(start: &[u8]) -> bool {
    matches!(image::guess_format(start), Ok(ImageFormat::Jpeg))
}

/// A JPEG that was cut off decodes all the same; the rest of it is grey.
fn check_end(bytes: &[u8]) -> Result<()> {
    if is_whole(bytes) {
        return Ok(());
    }
    Err(Error::data(format!(
        "it is cut off: its {} bytes end before the picture does; copy or download it again, or, if it shows all there \
         is, save it again in a viewer",
        bytes.len()
    )))
}

/// A picture as `[channels, height, width]` bytes of the given size. `channels`
/// is 1 or 3; the sides are 1 to [`MAX_SIDE`]. Of a picture of 16 bits these
/// `levels` become 0 and 255, all where none are given.
pub(super) fn planes(
    picture: &DynamicImage,
    channels: usize,
    [h, w]: [usize; 2],
    filter: Filter,
    levels: Option<Levels>,
) -> Vec<u8> {
    let (w, h) = (w as u32, h as u32);
    let levels = levels.filter(|l| *l != levels::ALL || levels::is_deep(picture));
    let narrowed = levels.map(|levels| levels::to_bytes(picture, levels));
    let picture = narrowed.as_ref().unwrap_or(picture);
    // Grey first: one channel is cheaper to resize than three.
    if channels == 1 {
        let grey = picture.to_luma8();
        let grey = if grey.dimensions() == (w, h) { grey } else { resize(&grey, w, h, filter.of_image()) };
        return grey.into_raw();
    }
    let rgb = picture.to_rgb8();
    let rgb = if rgb.dimensions() == (w, h) { rgb } else { resize(&rgb, w, h, filter.of_image()) };
    (0..3).flat_map(|channel| rgb.pixels().map(move |pixel| pixel[channel])).collect()
}

/// The picture that `[1 or 3, height, width]` bytes show.
pub(super) fn from_planes(image: &[u8], [channels, h, w]: [usize; 3]) -> DynamicImage {
    let (w, h, plane) = (w as u32, h as u32, h * w);
    let fits = "as many bytes as pixels";
    if channels == 1 {
        return image::GrayImage::from_raw(w, h, image.to_vec()).expect(fits).into();
    }
    let bytes = (0..plane).flat_map(|i| [image[i], image[plane + i], image[2 * plane + i]]).collect();
    image::RgbImage::from_raw(w, h, bytes).expect(fits).into()
}

/// Whether bytes start like a picture of any format, also one that is not read.
pub(super) fn starts_like_a_picture(path: &Path) -> bool {
    path.is_file() && start(path).is_ok_and(|(start, _)| image::guess_format(&start).is_ok())
}

/// The first 16 bytes of a file, and the file at its start.
fn start(path: &Path) -> std::io::Result<(Vec<u8>, BufReader<File>)> {
    let mut file = BufReader::new(files::open(path)?);
    let mut start = Vec::new();
    file.by_ref().take(16).read_to_end(&mut start)?;
    file.rewind()?;
    Ok((start, file))
}

fn damaged(e: image::ImageError) -> Error {
    // Some decoders break their messages into lines.
    let reason = e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    Error::data(format!("it cannot be decoded: {reason}; open it in a viewer and save it again"))
}

/// Opens a file of a known format and checks its size.
fn decoder(path: &Path) -> Result<impl ImageDecoder + use<>> {
    let fail = |e| Error::io("cannot open", e);
    // Checked before opening: a pipe would block there until somebody writes.
    let meta = std::fs::metadata(path).map_err(fail)?;
    if !meta.is_file() {
        return Err(Error::data(format!("it is not a file; give one {FORMATS} file")));
    }
    let most = MAX_MEMORY.min(memory::budget());
    if meta.len() > most {
        return Err(Error::data(format!("it holds {} bytes; expected at most {most}", meta.len())));
    }
    let (start, file) = start(path).map_err(fail)?;
    checked(file, &start, most)
}

/// The decoder of a file of a known format that begins like this and takes at most so
/// many bytes.
fn checked<'a, R: BufRead + Seek + 'a>(file: R, start: &[u8], most: u64) -> Result<impl ImageDecoder + use<'a, R>> {
    let format = match image::guess_format(start) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Bmp | ImageFormat::WebP)) => format,
        Ok(other) => {
            return Err(Error::data(format!(
                "it is a {} file; convert it to {FORMATS}",
                other.extensions_str().first().unwrap_or(&"different")
            )));
        }
        Err(_) if start.is_empty() => return Err(Error::data("it is empty")),
        Err(_) => {
            return Err(Error::data(format!(
                "it is not {FORMATS} (it starts with \"{}\"); give a file of one of these formats",
                start.escape_ascii()
            )));
        }
    };
    let mut reader = ImageReader::with_format(file, format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(most);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(damaged)?;
    let (w, h) = decoder.dimensions();
    // The decoder's own limits cover what it allocates; this covers the result.
    if w > MAX_SIDE || h > MAX_SIDE || decoder.total_bytes() > most {
        return Err(Error::data(format!(
            "it is too large: {w}x{h} pixels, {} bytes decoded; expected at most {MAX_SIDE} pixels on a side and \
             {most} bytes (--max-memory); scale it down first",
            decoder.total_bytes()
        )));
    }
    if w == 0 || h == 0 {
        return Err(Error::data(format!("it has no pixels: {w}x{h}")));
    }
    Ok(decoder)
}

/// Lays a picture with transparent pixels on white paper, as viewers show it.
fn on_white(picture: &DynamicImage) -> DynamicImage {
    if levels::is_deep(picture) {
        let mut flat = picture.to_rgba16();
        for pixel in flat.pixels_mut() {
            let alpha = u64::from(pixel[3]);
            for channel in 0..3 {
                pixel[channel] =
                    ((u64::from(pixel[channel]) * alpha + 65_535 * (65_535 - alpha) + 32_767) / 65_535) as u16;
            }
            pixel[3] = u16::MAX;
        }
        return flat.into();
    }
    let mut flat = picture.to_rgba8();
    for pixel in flat.pixels_mut() {
        let alpha = u32::from(pixel[3]);
        for channel in 0..3 {
            pixel[channel] = ((u32::from(pixel[channel]) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
        pixel[3] = 255;
    }
    flat.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Rgb, RgbImage, Rgba, RgbaImage};
    use std::path::PathBuf;

    fn dir() -> (tempfile::TempDir, impl Fn(&str) -> PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_path_buf();
        (dir, move |name: &str| root.join(name))
    }

    #[test]
    fn pixels_come_back_as_planes() {
        let (_dir, at) = dir();
        RgbImage::from_fn(3, 2, |x, y| Rgb([x as u8, y as u8, 200])).save(at("rgb.png")).unwrap();
        let bytes = load(&at("rgb.png"), 3, 2, 3).unwrap();
        assert_eq!(bytes, [[0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1], [200; 6]].concat());
        let grey = GrayImage::from_fn(3, 2, |x, y| image::Luma([(x * 10 + y) as u8]));
        grey.save(at("grey.png")).unwrap();
        assert_eq!(load(&at("grey.png"), 1, 2, 3).unwrap(), [0, 10, 20, 1, 11, 21]);
        assert_eq!(load(&at("grey.png"), 3, 2, 3).unwrap(), [0, 10, 20, 1, 11, 21].repeat(3));
    }

    #[test]
    fn colours_turn_grey_by_luma_and_paper_is_white() {
        let (_dir, at) = dir();
        let colours = [Rgb([255, 0, 0]), Rgb([0, 255, 0]), Rgb([0, 0, 255]), Rgb([255, 255, 255])];
        RgbImage::from_fn(4, 1, |x, _| colours[x as usize]).save(at("c.png")).unwrap();
        assert_eq!(load(&at("c.png"), 1, 1, 4).unwrap(), [54, 182, 18, 255]);
        RgbaImage::from_fn(2, 1, |x, _| Rgba([0, 0, 0, 128 * x as u8])).save(at("a.png")).unwrap();
        assert_eq!(load(&at("a.png"), 1, 1, 2).unwrap(), [255, 127]);
    }

    #[test]
    fn another_size_is_stretched() {
        let (_dir, at) = dir();
        GrayImage::from_fn(64, 32, |x, _| image::Luma([if x < 32 { 0 } else { 200 }])).save(at("g.png")).unwrap();
        let bytes = load(&at("g.png"), 1, 4, 4).unwrap();
        assert_eq!(bytes.len(), 16);
        assert!(bytes.chunks(4).all(|row| row[0] == 0 && row[3] == 200 && row.is_sorted()), "{bytes:?}");
        RgbImage::from_pixel(40, 30, Rgb([250, 120, 10])).save(at("p.jpg")).unwrap();
        let bytes = load(&at("p.jpg"), 3, 8, 8).unwrap();
        assert!(bytes.chunks(64).zip([250u8, 120, 10]).all(|(p, want)| p.iter().all(|b| b.abs_diff(want) < 6)));
    }

    #[test]
    fn four_formats_are_known_by_content() {
        let (_dir, at) = dir();
        let picture = RgbImage::from_fn(5, 4, |x, y| Rgb([x as u8 * 40, y as u8 * 60, 7]));
        for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP] {
            // A misleading name, and none at all.
            for name in ["wrong.jpg", "none"] {
                picture.save_with_format(at(name), format).unwrap();
                let want: Vec<u8> = (0..3).flat_map(|c| picture.pixels().map(move |p| p[c])).collect();
                assert_eq!(load(&at(name), 3, 4, 5).unwrap(), want, "{format:?}");
                assert_eq!(
                    header(&at(name)).unwrap(),
                    Header { size: [4, 5], is_grey: false, is_deep: false, bytes: 60 }
                );
            }
        }
        GrayImage::new(5, 4).save(at("g.jpg")).unwrap();
        assert_eq!(header(&at("g.jpg")).unwrap(), Header { size: [4, 5], is_grey: true, is_deep: false, bytes: 20 });
        assert!(starts_like_a_picture(&at("g.jpg")) && !starts_like_a_picture(&at(".")));
    }

    #[test]
    fn what_cannot_be_read_names_the_file_and_the_reason() {
        let (_dir, at) = dir();
        let message = |name: &str| load(&at(name), 1, 4, 4).unwrap_err().to_string();
        assert!(message("no.png").contains("no.png: cannot open: No such file"));
        std::fs::write(at("text.png"), "hello, world\n").unwrap();
        let text = message("text.png");
        assert!(
            text.contains("text.png: it is not PNG, JPEG, BMP or WebP (it starts with \"hello, world\\n\")"),
            "{text}"
        );
        std::fs::write(at("empty.png"), "").unwrap();
        assert!(message("empty.png").ends_with("empty.png: it is empty"));
        std::fs::write(at("anim.png"), b"GIF89a..........").unwrap();
        assert!(message("anim.png").contains("it is a gif file; convert it"));
        RgbImage::new(8, 8).save(at("cut.png")).unwrap();
        let bytes = std::fs::read(at("cut.png")).unwrap();
        std::fs::write(at("cut.png"), &bytes[..bytes.len() / 2]).unwrap();
        assert!(
            message("cut.png").contains("cannot read picture")
                && message("cut.png").contains("cut.png: it cannot be decoded")
        );
        GrayImage::new(MAX_SIDE + 1, 1).save(at("wide.png")).unwrap();
        let wide = message("wide.png");
        assert!(wide.contains("wide.png") && (wide.contains("too large") || wide.contains("limit")), "{wide}");
        assert!(message(".").contains("it is not a file"));
        let message = load(&at("cut.png"), 4, 4, 4).unwrap_err().to_string();
        assert!(message.contains("for a model of 4 input channels: a picture gives 1 (grey) or 3"), "{message}");
        assert!(load(&at("cut.png"), 1, 0, 4).is_err());
    }
}
