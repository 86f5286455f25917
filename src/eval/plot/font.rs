//! The one font: a subset of DejaVu Sans inside the program, so that pictures
//! have text on a machine without fonts.

use std::sync::OnceLock;
use ttf_parser::Face;

/// The font's outlines and metrics.
pub(super) fn face() -> &'static Face<'static> {
    static FACE: OnceLock<Face<'static>> = OnceLock::new();
    FACE.get_or_init(|| {
        let bytes = include_bytes!("../../../assets/fonts/DejaVuSans-subset.ttf");
        Face::parse(bytes, 0).expect("the font inside the program is whole")
    })
}

/// The glyph of a character; the empty box for those it lacks.
pub(super) fn glyph(c: char) -> ttf_parser::GlyphId {
    face().glyph_index(c).unwrap_or(ttf_parser::GlyphId(0))
}

/// How far a character moves the pen, in sizes of the font.
pub(super) fn advance(c: char) -> f64 {
    let face = face();
    f64::from(face.glyph_hor_advance(glyph(c)).unwrap_or(0)) / f64::from(face.units_per_em())
}

/// The width of a text.
pub(super) fn width(text: &str, size: f64) -> f64 {
    size * text.chars().map(advance).sum::<f64>()
}

/// The text, cut with an ellipsis where it is wider than `most`.
pub(super) fn shorten(text: &str, size: f64, most: f64) -> String {
    // Control characters have no place in a label.
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    if width(&text, size) <= most {
        return text;
    }
    let mut room = most - width("…", size);
    let fits = |c: &char| {
        room -= size * advance(*c);
        room >= 0.0
    };
    text.chars().take_while(fits).collect::<String>() + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_a_width_and_can_be_cut() {
        assert!(width("loss", 11.0) > 15.0 && width("loss", 11.0) < 30.0);
        assert_eq!(shorten("loss", 11.0, 100.0), "loss");
        let cut = shorten("a very long name of a class", 11.0, 60.0);
        assert!(cut.ends_with('…') && width(&cut, 11.0) <= 60.0, "{cut}");
        assert_eq!(shorten("a\nb", 11.0, 60.0), "a b");
    }

    #[test]
    fn the_font_knows_the_letters_it_should() {
        for c in "aZ09é€ΩЖ→−×…%".chars() {
            let known = face().glyph_index(c).is_some();
            assert_eq!(known, c != '€', "{c}");
        }
    }
}
