//! One picture from a PNG or JPEG file, as a model wants it.

use crate::error::{Error, Result};
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

/// The greatest height and width of a picture, in pixels.
const MAX_SIDE: u32 = 16_384;
/// The most memory that decoding a picture may take: 512 MiB.
const MAX_MEMORY: u64 = 512 << 20;

/// Reads a PNG or JPEG file as `[channels, height, width]` bytes, 0 to 255.
///
/// - The format is recognised by the file's content, not by its name.
/// - A photo's EXIF orientation is applied; transparent pixels show white paper.
/// - `channels` is 3 for red, green, blue or 1 for grey. Grey is the luma of the
///   `image` crate: 0.2126 red + 0.7152 green + 0.0722 blue.
/// - A picture of another size is stretched to `height` x `width`, without
///   regard to its proportions, with a triangle filter: bilinear when it grows,
///   a weighted mean over all covered pixels when it shrinks.
///
/// Fails when the file is missing, is not PNG or JPEG, is damaged, is larger
/// than 16384 pixels on a side or takes more than 512 MiB, and when the model
/// wants another number of channels than 1 or 3, or no pixels.
pub fn load(path: &Path, channels: usize, height: usize, width: usize) -> Result<Vec<u8>> {
    let shown = path.display();
    if channels != 1 && channels != 3 {
        return Err(Error::model(format!(
            "cannot read {shown} for a model of {channels} input channels: a picture gives 1 (grey) or 3 (red, green, \
             blue)"
        )));
    }
    let side = |n: usize| u32::try_from(n).ok().filter(|n| (1..=MAX_SIDE).contains(n));
    let (Some(h), Some(w)) = (side(height), side(width)) else {
        return Err(Error::model(format!(
            "cannot read {shown} for a model input of {height}x{width} pixels: expected 1 to {MAX_SIDE} on each side"
        )));
    };
    let picture = decode(path)?;
    // Grey first: one channel is cheaper to resize than three.
    if channels == 1 {
        let grey = picture.to_luma8();
        let grey =
            if grey.dimensions() == (w, h) { grey } else { image::imageops::resize(&grey, w, h, FilterType::Triangle) };
        return Ok(grey.into_raw());
    }
    let rgb = picture.to_rgb8();
    let rgb = if rgb.dimensions() == (w, h) { rgb } else { image::imageops::resize(&rgb, w, h, FilterType::Triangle) };
    Ok((0..3).flat_map(|channel| rgb.pixels().map(move |pixel| pixel[channel])).collect())
}

/// Decodes a file, upright and opaque.
fn decode(path: &Path) -> Result<DynamicImage> {
    let shown = path.display();
    let fail = |e| Error::io(format!("cannot read picture {shown}"), e);
    let broken = |e| Error::data(format!("cannot decode picture {shown}: {e}; open it in a viewer and save it again"));
    if !std::fs::metadata(path).map_err(fail)?.is_file() {
        return Err(Error::data(format!("cannot read picture {shown}: it is not a file; give one PNG or JPEG file")));
    }
    let mut file = BufReader::new(File::open(path).map_err(fail)?);
    let mut start = Vec::new();
    file.by_ref().take(16).read_to_end(&mut start).map_err(fail)?;
    file.rewind().map_err(fail)?;
    let format = match image::guess_format(&start) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
        Ok(other) => {
            return Err(Error::data(format!(
                "cannot read picture {shown}: it is a {} file; convert it to PNG or JPEG",
                other.extensions_str().first().unwrap_or(&"different")
            )));
        }
        Err(_) => {
            return Err(Error::data(format!(
                "cannot read picture {shown}: it is neither PNG nor JPEG (it starts with \"{}\"); give a PNG or JPEG \
                 file",
                start.escape_ascii()
            )));
        }
    };
    let mut reader = ImageReader::with_format(file, format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (w, h) = decoder.dimensions();
    // The decoder's own limits cover what it allocates; this covers the result.
    if w > MAX_SIDE || h > MAX_SIDE || decoder.total_bytes() > MAX_MEMORY {
        return Err(Error::data(format!(
            "picture {shown} is too large: {w}x{h} pixels, {} bytes decoded; expected at most {MAX_SIDE} pixels on a \
             side and {MAX_MEMORY} bytes; scale it down first",
            decoder.total_bytes()
        )));
    }
    let orientation = decoder.orientation().map_err(broken)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    picture.apply_orientation(orientation);
    Ok(if picture.color().has_alpha() { on_white(&picture) } else { picture })
}

/// Lays a picture with transparent pixels on white paper, as viewers show it.
fn on_white(picture: &DynamicImage) -> DynamicImage {
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
    fn what_cannot_be_read_names_the_file_and_the_reason() {
        let (_dir, at) = dir();
        let message = |name: &str| load(&at(name), 1, 4, 4).unwrap_err().to_string();
        assert!(message("no.png").contains("no.png: No such file"));
        std::fs::write(at("text.png"), "hello, world\n").unwrap();
        assert!(
            message("text.png").contains("text.png: it is neither PNG nor JPEG (it starts with \"hello, world\\n\")")
        );
        std::fs::write(at("anim.png"), b"GIF89a..........").unwrap();
        assert!(message("anim.png").contains("it is a gif file; convert it"));
        RgbImage::new(8, 8).save(at("cut.png")).unwrap();
        let bytes = std::fs::read(at("cut.png")).unwrap();
        std::fs::write(at("cut.png"), &bytes[..bytes.len() / 2]).unwrap();
        assert!(message("cut.png").contains("cannot decode picture") && message("cut.png").contains("cut.png"));
        GrayImage::new(MAX_SIDE + 1, 1).save(at("wide.png")).unwrap();
        let wide = message("wide.png");
        assert!(wide.contains("wide.png") && (wide.contains("too large") || wide.contains("limit")), "{wide}");
        assert!(message(".").contains("it is not a file"));
        let message = load(&at("cut.png"), 4, 4, 4).unwrap_err().to_string();
        assert!(message.contains("for a model of 4 input channels: a picture gives 1 (grey) or 3"), "{message}");
        assert!(load(&at("cut.png"), 1, 0, 4).is_err());
    }
}
