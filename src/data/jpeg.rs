//! Whether a JPEG is all there. Decoders fill what was cut off with grey and do
//! not say so; what tells is the marker at the end (ITU-T T.81, annex B).

/// Whether a JPEG goes on to its end-of-image marker. Its segments are stepped
/// over, so that of a thumbnail inside one does not count; what lies behind the
/// end is not looked at.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    // Behind the start-of-image marker.
    let mut at = 2;
    while let Some(skip) = bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xff)) {
        at += skip + 1;
        match bytes.get(at) {
            None => return false,
            Some(0xd9) => return true,
            // A byte 255 of the pixels, or a marker without a segment.
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 1,
            // Filling before a marker.
            Some(0xff) => {}
            Some(_) => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else { return false };
                at += 1 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, Rgb, RgbImage};

    #[test]
    fn what_is_cut_anywhere_is_not_whole() {
        let picture = RgbImage::from_fn(40, 30, |x, y| Rgb([(x * y) as u8, (7 * x) as u8, (9 * y) as u8]));
        let mut bytes = std::io::Cursor::new(vec![]);
        picture.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        let plain = bytes.into_inner();
        // A comment that holds the start and the end of another picture.
        let comment = [0xff, 0xfe, 0, 6, 0xff, 0xd8, 0xff, 0xd9];
        let whole = [&plain[..2], &comment, &plain[2..]].concat();
        for bytes in [&plain, &whole] {
            assert!(is_whole(bytes));
            assert!((0..bytes.len()).all(|end| !is_whole(&bytes[..end])));
            assert!(is_whole(&[bytes, &b"a short film"[..]].concat()));
        }
    }
}
