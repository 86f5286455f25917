//! The shapes of the built-in digits: how a hand writes 0 to 9.
//!
//! A digit has one or more styles, a style is a list of strokes, and a stroke
//! is a list of points that a smooth curve (uniform Catmull-Rom) runs through.
//! A point given twice in a row is a corner. Coordinates are hundredths of the
//! digit's height: x to the right, y down, the digit stands in 0..100 by 0..100.

/// A place on the paper, x to the right and y down.
pub(super) type Point = [f32; 2];

/// The points of one stroke, in hundredths of the digit's height.
pub(super) type Stroke = &'static [(i8, i8)];

/// The strokes of one way to write a digit.
pub(super) type Style = &'static [Stroke];

/// The ways to write each digit; every style is drawn equally often.
pub(super) const STYLES: [&[Style]; 10] = [ZERO, ONE, TWO, THREE, FOUR, FIVE, SIX, SEVEN, EIGHT, NINE];

/// Straight pieces between two points of a stroke: about two pixels each at
/// most, short enough to look round.
const PIECES: usize = 6;

const ZERO: &[Style] = &[
    // A plain oval.
    &[&[(52, 2), (30, 14), (20, 50), (30, 86), (50, 98), (70, 86), (80, 50), (70, 14), (50, 2)]],
    // An oval whose end crosses its start.
    &[&[(66, 12), (44, 3), (24, 26), (20, 62), (36, 95), (62, 92), (78, 60), (76, 26), (56, 4), (38, 10)]],
    // A round one.
    &[&[(46, 8), (20, 26), (14, 54), (28, 84), (54, 92), (80, 74), (86, 42), (70, 14), (46, 8)]],
];

const ONE: &[Style] = &[
    // A bare line.
    &[&[(52, 2), (50, 50), (49, 98)]],
    // With an upstroke.
    &[&[(30, 26), (42, 16), (54, 2), (54, 2), (53, 50), (52, 98)]],
    // With an upstroke and a foot.
    &[&[(32, 24), (42, 16), (53, 3), (53, 3), (52, 50), (52, 96)], &[(28, 97), (52, 96), (76, 97)]],
];

const TWO: &[Style] = &[
    // A flat foot.
    &[&[(22, 24), (34, 7), (56, 3), (74, 18), (70, 40), (48, 66), (20, 95), (20, 95), (50, 95), (82, 94)]],
    // A loop in the foot.
    &[&[
        (24, 20),
        (42, 4),
        (66, 8),
        (74, 28),
        (60, 56),
        (36, 84),
        (20, 92),
        (14, 82),
        (26, 74),
        (46, 84),
        (66, 94),
        (86, 86),
    ]],
    // A round neck and a wavy foot.
    &[&[(20, 30), (26, 10), (50, 2), (72, 14), (72, 36), (54, 58), (24, 92), (24, 92), (46, 88), (62, 96), (84, 90)]],
];

const THREE: &[Style] = &[
    // Two bowls with a cusp.
    &[&[(22, 14), (42, 3), (66, 10), (68, 32), (42, 46), (42, 46), (70, 54), (76, 76), (58, 95), (34, 97), (18, 86)]],
    // A flat top.
    &[&[(22, 5), (74, 4), (74, 4), (44, 42), (44, 42), (70, 50), (78, 74), (58, 96), (34, 97), (18, 86)]],
    // A small loop at the waist.
    &[&[
        (24, 18),
        (46, 3),
        (68, 14),
        (64, 36),
        (46, 46),
        (38, 52),
        (44, 54),
        (54, 48),
        (72, 62),
        (72, 84),
        (50, 98),
        (22, 90),
    ]],
];

const FOUR: &[Style] = &[
    // Open above, two strokes.
    &[&[(30, 4), (24, 30), (18, 54), (18, 54), (50, 54), (84, 52)], &[(66, 18), (65, 60), (62, 98)]],
    // Closed above.
    &[&[(64, 98), (65, 50), (65, 3), (65, 3), (40, 34), (14, 66), (14, 66), (50, 66), (88, 65)]],
    // A cup and a long line.
    &[&[(24, 6), (20, 30), (28, 50), (50, 54), (70, 44)], &[(76, 3), (70, 44), (64, 98)]],
];

const FIVE: &[Style] = &[
    // One stroke.
    &[&[(74, 5), (52, 4), (32, 5), (32, 5), (27, 42), (27, 42), (52, 37), (74, 52), (74, 80), (50, 97), (20, 90)]],
    // The hat apart.
    &[&[(34, 6), (27, 44), (27, 44), (54, 38), (76, 58), (70, 86), (46, 98), (18, 88)], &[(33, 7), (56, 6), (80, 2)]],
    // Soft corners, like an S.
    &[&[(76, 6), (46, 5), (32, 20), (32, 38), (54, 44), (74, 60), (70, 86), (46, 98), (20, 90)]],
];

const SIX: &[Style] = &[
    // A curved back.
    &[&[(68, 4), (44, 16), (26, 46), (24, 76), (40, 96), (64, 94), (76, 74), (64, 55), (44, 56), (28, 72)]],
    // A straight back and a small bowl.
    &[&[(58, 2), (42, 32), (30, 62), (32, 88), (48, 98), (68, 92), (72, 74), (58, 63), (42, 70), (34, 84)]],
    // A round one.
    &[&[(70, 10), (46, 5), (24, 30), (18, 62), (32, 92), (58, 97), (78, 80), (74, 56), (50, 46), (24, 60)]],
];

const SEVEN: &[Style] = &[
    // Plain.
    &[&[(16, 7), (48, 6), (80, 5), (80, 5), (60, 48), (44, 98)]],
    // With a bar.
    &[&[(18, 7), (48, 6), (80, 5), (80, 5), (58, 50), (42, 98)], &[(34, 52), (56, 51), (78, 49)]],
    // With a serif and a bent leg.
    &[&[(17, 20), (17, 8), (17, 8), (50, 8), (83, 6), (83, 6), (58, 40), (47, 68), (43, 98)]],
];

const EIGHT: &[Style] = &[
    // One stroke that crosses itself.
    &[&[
        (68, 14),
        (50, 3),
        (30, 14),
        (34, 36),
        (62, 56),
        (76, 78),
        (52, 98),
        (26, 80),
        (38, 56),
        (64, 38),
        (70, 18),
        (58, 5),
    ]],
    // Two rings.
    &[
        &[(50, 3), (32, 14), (32, 34), (50, 46), (68, 34), (68, 14), (50, 3)],
        &[(50, 46), (28, 58), (24, 82), (50, 98), (76, 82), (72, 58), (50, 46)],
    ],
    // A slim one that starts at the waist.
    &[&[
        (52, 50),
        (32, 34),
        (34, 12),
        (52, 3),
        (70, 14),
        (66, 36),
        (44, 54),
        (30, 74),
        (40, 94),
        (60, 95),
        (70, 76),
        (52, 50),
    ]],
];

const NINE: &[Style] = &[
    // A straight leg.
    &[&[(70, 18), (50, 4), (30, 14), (26, 36), (44, 48), (64, 38), (71, 12), (71, 12), (70, 54), (68, 98)]],
    // A curved tail.
    &[&[(70, 22), (52, 4), (30, 14), (26, 38), (46, 50), (66, 38), (72, 22), (72, 22), (72, 66), (56, 94), (26, 92)]],
    // A ring and a slanted leg.
    &[&[(56, 4), (32, 16), (28, 40), (48, 50), (70, 36), (72, 12), (56, 4)], &[(72, 12), (68, 50), (54, 98)]],
];

/// The broken line that a pen follows through the points of a stroke: the
/// Catmull-Rom curve, cut into [`PIECES`] pieces per pair of points. At least
/// two points; fewer come back as they are.
pub(super) fn curve(points: &[Point]) -> Vec<Point> {
    let mut line = Vec::with_capacity(points.len() * PIECES + 1);
    line.extend(points.first());
    for i in 1..points.len() {
        let (b, c) = (points[i - 1], points[i]);
        if b == c {
            continue; // A corner: the next piece starts here with a new direction.
        }
        let a = if i >= 2 { points[i - 2] } else { b };
        let d = points.get(i + 1).copied().unwrap_or(c);
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            line.push([0, 1].map(|k| {
                let (a, b, c, d) = (a[k], b[k], c[k], d[k]);
                b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
            }));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_has_styles_within_its_box() {
        for (digit, styles) in STYLES.iter().enumerate() {
            assert!(styles.len() >= 2, "digit {digit} has {} styles", styles.len());
            for stroke in styles.iter().flat_map(|s| s.iter()) {
                assert!(stroke.len() >= 3, "digit {digit} has a stroke of {} points", stroke.len());
                assert!(stroke.iter().all(|&(x, y)| (0..=100).contains(&x) && (0..=100).contains(&y)));
            }
        }
    }

    #[test]
    fn a_curve_runs_through_its_points_and_keeps_corners() {
        let points = [[0.0, 0.0], [10.0, 0.0], [10.0, 0.0], [10.0, 10.0]];
        let line = curve(&points);
        assert_eq!(line.len(), 1 + 2 * PIECES);
        assert!(points.iter().all(|p| line.contains(p)));
        // Neither leg bulges out of its straight line.
        assert!(line.iter().all(|p| p[1] == 0.0 || p[0] == 10.0), "{line:?}");
        assert_eq!(curve(&[]), Vec::<Point>::new());
        assert_eq!(curve(&[[1.0, 2.0]]), vec![[1.0, 2.0]]);
    }
}
