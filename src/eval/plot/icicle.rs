//! An icicle: what a whole is made of, level below level. Each frame is as wide
//! as its share, and what it is made of hangs below it.

use super::{Anchor, Ink, SMALL, Scene, Shape, font};

/// Measures of the drawing.
const WIDTH: f64 = 960.0;
const ROW: f64 = 24.0;
const TOP: f64 = 26.0;
/// Frames narrower than this are not drawn.
const LEAST: f64 = 0.4;

/// A part of a whole, and what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Its name.
    pub name: String,
    /// Its size; that of a whole is not less than its parts' together.
    pub value: f64,
    /// What a pointer that rests on it is told.
    pub title: String,
    /// Its colour.
    pub ink: Ink,
    /// Its parts, from left to right.
    pub parts: Vec<Frame>,
}

impl Frame {
    fn depth(&self) -> usize {
        1 + self.parts.iter().map(Frame::depth).max().unwrap_or(0)
    }
}

/// Draws a whole.
pub fn icicle(title: &str, whole: &Frame) -> Scene {
    let height = TOP + ROW * whole.depth() as f64 + 4.0;
    let mut scene = Scene { width: WIDTH, height, label: title.into(), shapes: vec![] };
    scene.heading(title);
    if whole.value > 0.0 && whole.value.is_finite() {
        hang(&mut scene, whole, 0.0, TOP, WIDTH / whole.value);
    }
    scene
}

fn hang(scene: &mut Scene, frame: &Frame, left: f64, top: f64, scale: f64) {
    let width = (frame.value * scale).min(WIDTH - left);
    // Nothing that is not a number passes.
    if width.is_nan() || width < LEAST {
        return;
    }
    let at = [left, top, (width - 1.0).max(LEAST), ROW - 1.0];
    scene.shapes.push(Shape::Rect { at, ink: frame.ink, title: frame.title.clone() });
    let room = width - 9.0;
    if room > 14.0 {
        let text = font::shorten(&frame.name, SMALL, room);
        let strong = matches!(frame.ink, Ink::Hit(s) | Ink::Miss(s) if s > 0.6) || matches!(frame.ink, Ink::Series(_));
        let ink = if strong { Ink::Inverse } else { Ink::Text };
        if text.chars().count() > 1 {
            scene.text([left + 4.0, top + 16.0], text, Anchor::Start, ink);
        }
    }
    let mut at = left;
    for part in &frame.parts {
        hang(scene, part, at, top + ROW, scale);
        at += part.value * scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str, value: f64, parts: Vec<Frame>) -> Frame {
        Frame { name: name.into(), value, title: name.into(), ink: Ink::Hit(0.5), parts }
    }

    #[test]
    fn parts_hang_below_their_whole() {
        let whole = frame("step", 10.0, vec![frame("a", 6.0, vec![frame("x", 6.0, vec![])]), frame("b", 3.0, vec![])]);
        let scene = icicle("t", &whole);
        let rects: Vec<[f64; 4]> =
            scene.shapes.iter().filter_map(|s| if let Shape::Rect { at, .. } = s { Some(*at) } else { None }).collect();
        assert_eq!(
            rects.iter().map(|r| (r[0], r[1])).collect::<Vec<_>>(),
            [(0.0, TOP), (0.0, TOP + ROW), (0.0, TOP + 2.0 * ROW), (0.6 * WIDTH, TOP + ROW)]
        );
        assert!(rects.iter().all(|r| r[0] + r[2] <= WIDTH && r[1] + r[3] <= scene.height));
    }

    #[test]
    fn odd_values_draw_nothing() {
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let scene = icicle("t", &frame("step", value, vec![frame("a", value, vec![])]));
            assert!(!scene.shapes.iter().any(|s| matches!(s, Shape::Rect { .. })), "{value}");
        }
    }
}
