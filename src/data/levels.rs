//! Pictures of 16 bits per channel as bytes: which of their values become 0 and
//! 255. A camera or scanner often uses a small part of the 65,536 values, of
//! which plain bytes would keep a few.

use image::{DynamicImage, ImageBuffer, Luma, Rgb};

/// The values of a picture of 16 bits that become 0 and 255; those between are
/// spread evenly, those beyond become 0 or 255. The first is the smaller one.
pub type Levels = [u16; 2];

/// All of them.
pub(super) const ALL: Levels = [0, u16::MAX];

/// Whether a picture has 16 bits per channel, or more.
pub(super) fn is_deep(picture: &DynamicImage) -> bool {
    picture.color().bytes_per_pixel() > picture.color().channel_count()
}

/// The smallest and the largest value of an opaque picture.
pub(super) fn range(picture: &DynamicImage) -> Levels {
    let of = |values: &[u16]| values.iter().fold([u16::MAX, 0], |[low, high], &v| [low.min(v), high.max(v)]);
    if picture.color().has_color() { of(&picture.to_rgb16()) } else { of(&picture.to_luma16()) }
}

/// The range of two ranges.
pub(super) fn joined(a: Levels, b: Levels) -> Levels {
    [a[0].min(b[0]), a[1].max(b[1])]
}

/// An opaque picture of any depth as bytes.
pub(super) fn to_bytes(picture: &DynamicImage, [low, high]: Levels) -> DynamicImage {
    let range = u32::from(high.saturating_sub(low)).max(1);
    let byte = |v: u16| ((u32::from(v.clamp(low, high.max(low)) - low) * 255 + range / 2) / range) as u8;
    if picture.color().has_color() {
        let deep = picture.to_rgb16();
        ImageBuffer::from_fn(deep.width(), deep.height(), |x, y| Rgb(deep.get_pixel(x, y).0.map(byte))).into()
    } else {
        let deep = picture.to_luma16();
        ImageBuffer::from_fn(deep.width(), deep.height(), |x, y| Luma(deep.get_pixel(x, y).0.map(byte))).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_in_use_are_spread_over_the_bytes() {
        let deep: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_fn(3, 1, |x, _| Luma([1000 + 50 * x as u16]));
        let deep = DynamicImage::from(deep);
        assert!(is_deep(&deep) && !is_deep(&deep.to_luma8().into()));
        assert_eq!(joined(range(&deep), [990, 1020]), [990, 1100]);
        assert_eq!(to_bytes(&deep, [1000, 1100]).to_luma8().into_raw(), [0, 128, 255]);
        assert_eq!(to_bytes(&deep, [1040, 1060]).to_luma8().into_raw(), [0, 128, 255]);
        assert_eq!(to_bytes(&deep, ALL).to_luma8().into_raw(), [4, 4, 4]);
        assert_eq!(to_bytes(&deep, [7, 7]).to_luma8().into_raw(), [0, 0, 0]);
        // What has bytes already stays as it is.
        let plain = DynamicImage::from(ImageBuffer::from_fn(256, 1, |x, _| Rgb([x as u8, 255 - x as u8, 7])));
        assert_eq!(to_bytes(&plain, ALL), plain);
    }
}
