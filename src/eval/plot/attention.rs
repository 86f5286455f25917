//! Attention as squares: a square a head, its rows the positions that look,
//! its columns those that are looked at.

use super::{Anchor, Ink, SMALL, Scene, Shape, font};
use crate::eval::metrics::AttentionMap;

/// Room for a head and between two.
const SIDE: f64 = 240.0;
const GAP: f64 = 26.0;
/// Shares below this are not drawn: thousands of invisible squares.
const FAINT: f32 = 0.01;

/// The heads of a layer side by side.
pub fn attention(layer: &str, heads: &[&AttentionMap]) -> Scene {
    let n = heads.iter().map(|h| h.tokens.len()).max().unwrap_or(0).max(1);
    let cell = SIDE / n as f64;
    let (left, top) = (34.0, 50.0);
    let width = (left + heads.len() as f64 * (SIDE + GAP)).max(340.0);
    let mut scene = Scene { width, height: top + SIDE + 14.0, label: format!("Attention of {layer}"), shapes: vec![] };
    scene.heading(layer);
    for (i, head) in heads.iter().enumerate() {
        let x = left + i as f64 * (SIDE + GAP);
        scene.text([x + SIDE / 2.0, top - 8.0], format!("head {}", head.head + 1), Anchor::Middle, Ink::Muted);
        square(&mut scene, head, [x, top], cell, i == 0);
    }
    scene
}

fn square(scene: &mut Scene, map: &AttentionMap, [x, y]: [f64; 2], cell: f64, named: bool) {
    let n = map.tokens.len();
    let side = cell * n as f64;
    let corners = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]];
    scene.line(corners.to_vec(), Ink::Grid, 1.0, false);
    let shown = |t: &str| match t {
        " " => "␣".to_string(),
        "\n" => "↵".to_string(),
        t => font::shorten(t, SMALL, 28.0),
    };
    for (row, weights) in map.weights.chunks(n.max(1)).enumerate() {
        let at = y + row as f64 * cell;
        if named && cell >= 9.0 {
            scene.text([x - 4.0, at + cell / 2.0 + 4.0], shown(&map.tokens[row]), Anchor::End, Ink::Muted);
        }
        for (col, &share) in weights.iter().enumerate().filter(|(_, w)| **w >= FAINT) {
            let title = format!("{:?} looks at {:?}: {:.0} %", map.tokens[row], map.tokens[col], 100.0 * share);
            let ink = Ink::Hit(f64::from(share).sqrt().clamp(0.06, 1.0));
            let left = x + col as f64 * cell;
            scene.shapes.push(Shape::Rect { at: [left + 0.25, at + 0.25, cell - 0.5, cell - 0.5], ink, title });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_faint_is_left_out() {
        let map = AttentionMap {
            layer: "block1".into(),
            head: 0,
            tokens: vec!["a".into(), "b".into()],
            weights: vec![1.0, 0.0, 0.25, 0.75],
        };
        let scene = attention("block1", &[&map, &map]);
        assert_eq!(scene.shapes.iter().filter(|s| matches!(s, Shape::Rect { .. })).count(), 6);
        assert!(scene.png().unwrap().starts_with(b"\x89PNG"));
    }
}
