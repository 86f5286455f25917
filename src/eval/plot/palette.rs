//! The colours of series, and how their lines are broken. Twelve colours, each
//! at least 3 : 1 against the page in light and in dark. Where more than four
//! lines share a chart their strokes differ too, so that colours which some eyes
//! do not tell apart (the first and the fifth) never have the same stroke.

use super::Kind;
use std::fmt::Write;

/// How many colours there are; the next series has the first again.
pub(super) const COLORS: usize = 12;
/// Lines up to which all are whole.
const WHOLE: usize = 4;

/// On the light page, and in PNGs.
pub(super) const LIGHT: [u32; COLORS] = [
    0x2563eb, 0xd9580d, 0x0d8a72, 0xb4318f, 0x7a5af0, 0x8a6d00, 0x1596c4, 0xc2334d, 0x112244, 0x770000, 0x0000bb,
    0x662277,
];
/// On the dark page.
const DARK: [u32; COLORS] = [
    0x7da7ff, 0xff9a57, 0x4fd1b3, 0xf08ad2, 0xb3a1ff, 0xdcc04f, 0x6cc9ec, 0xff8497, 0x4f9a1f, 0xa32bff, 0x6677aa,
    0xffeeff,
];

/// The colours as variables of an element, `--s0` and on, light and dark.
pub(crate) fn css(element: &str) -> String {
    let list = |colors: &[u32]| {
        colors.iter().enumerate().fold(String::new(), |mut out, (i, color)| {
            // Writing to a string does not fail.
            let _ = write!(out, " --s{i}: #{color:06x};");
            out
        })
    };
    let (light, dark) = (list(&LIGHT), list(&DARK));
    format!("{element} {{{light} }}\n@media (prefers-color-scheme: dark) {{ {element} {{{dark} }} }}\n")
}

/// How line `i` of so many in a chart is drawn. Three strokes go round, and
/// change places when the colours begin anew: 36 lines are all different.
pub fn stroke(i: usize, lines: usize) -> Kind {
    match (i + i / COLORS) % 3 {
        _ if lines <= WHOLE => Kind::Line,
        0 => Kind::Line,
        1 => Kind::LongDashes,
        _ => Kind::ShortDashes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Luminance of a colour, as WCAG 2 defines it.
    fn luminance(color: u32) -> f64 {
        let channel = |shift: u32| {
            let c = f64::from(color >> shift & 0xff) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
    }

    #[test]
    fn all_colours_are_read_on_their_page_and_none_is_there_twice() {
        for (colors, page) in [(LIGHT, 0xffffff), (DARK, 0x171d26)] {
            for (i, &color) in colors.iter().enumerate() {
                let (a, b) = (luminance(color), luminance(page));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= 3.0, "#{color:06x}: {contrast:.2}");
                let near =
                    |other: u32| (0..3).all(|s| (color >> (8 * s) & 0xff).abs_diff(other >> (8 * s) & 0xff) < 24);
                assert!(!colors[..i].iter().any(|&other| near(other)), "#{color:06x} is there twice");
            }
        }
    }

    #[test]
    fn many_lines_are_all_different() {
        let look = |i: usize| (i % COLORS, stroke(i, 36));
        for i in 0..36 {
            assert!((0..i).all(|j| look(j) != look(i)), "{i}");
        }
        assert!((0..4).all(|i| stroke(i, 4) == Kind::Line));
        // Colours that some eyes take for each other.
        for [a, b] in [[0, 4], [1, 5], [5, 7], [2, 3], [2, 7]] {
            assert_ne!(stroke(a, 12), stroke(b, 12), "{a} and {b}");
        }
    }
}
