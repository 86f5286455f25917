//! A confusion matrix as a heat map: right is one colour, wrong another, and
//! the strength is the share of the row's samples.

use super::{Anchor, Ink, SMALL, Scene, Shape, font};

/// The most room for a class name.
const NAME: f64 = 110.0;

/// Draws a matrix whose rows are labels and whose columns are predictions.
pub fn heatmap(title: &str, names: &[String], matrix: &[Vec<u64>]) -> Scene {
    let n = matrix.len().max(1) as f64;
    let cell = (380.0 / n).clamp(7.0, 100.0);
    // Beyond some classes a name is higher than its row.
    let every = (12.0 / cell).ceil().max(1.0) as usize;
    let shown: Vec<String> = names.iter().map(|name| font::shorten(name, SMALL, NAME)).collect();
    let widest = shown.iter().map(|s| font::width(s, SMALL)).fold(0.0, f64::max);
    let turned = widest > cell * every as f64 - 4.0;
    let (left, top) = (widest + 26.0, 48.0 + if turned { widest } else { 14.0 });
    let (width, height) = ((left + cell * n + 14.0).max(340.0), top + cell * n + 10.0);
    let mut scene = Scene { width, height, label: title.into(), shapes: vec![] };
    scene.heading(title);
    let middle = cell * n / 2.0;
    scene.text([left + middle, 36.0], "predicted", Anchor::Middle, Ink::Muted);
    push_text(&mut scene, [11.0, top + middle], "true", Anchor::Middle, Ink::Muted, true);
    for (i, name) in shown.iter().enumerate().step_by(every) {
        let at = (i as f64 + 0.5) * cell;
        scene.text([left - 6.0, top + at + 4.0], name, Anchor::End, Ink::Text);
        match turned {
            true => push_text(&mut scene, [left + at + 4.0, top - 6.0], name, Anchor::Start, Ink::Text, true),
            false => scene.text([left + at, top - 6.0], name, Anchor::Middle, Ink::Text),
        }
    }
    let whole = [left, top, cell * n, cell * n];
    let frame = |s: &mut Scene, from: [f64; 2], to: [f64; 2]| s.line(vec![from, to], Ink::Grid, 1.0, false);
    for i in 0..=matrix.len() {
        // Lines between small cells would be all there is to see.
        if cell >= 14.0 || i == 0 || i == matrix.len() {
            let at = i as f64 * cell;
            frame(&mut scene, [whole[0] + at, whole[1]], [whole[0] + at, whole[1] + whole[3]]);
            frame(&mut scene, [whole[0], whole[1] + at], [whole[0] + whole[2], whole[1] + at]);
        }
    }
    for (row, counts) in matrix.iter().enumerate() {
        let total: u64 = counts.iter().sum();
        for (col, &count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
            let share = count as f64 / total as f64;
            // The root lifts what is rare: one mistake in a hundred is to be seen.
            let strength = share.sqrt().max(0.08);
            let ink = if row == col { Ink::Hit(strength) } else { Ink::Miss(strength) };
            let [x, y] = [left + col as f64 * cell, top + row as f64 * cell];
            let name = |i: usize| names.get(i).map_or("?", String::as_str);
            let title =
                format!("{} predicted as {}: {count} ({:.1} % of {total})", name(row), name(col), 100.0 * share);
            scene.shapes.push(Shape::Rect { at: [x + 0.5, y + 0.5, cell - 1.0, cell - 1.0], ink, title });
            let text = count.to_string();
            if cell >= 14.0 && font::width(&text, SMALL) < cell - 2.0 {
                let ink = if strength > 0.6 { Ink::Inverse } else { Ink::Text };
                scene.text([x + cell / 2.0, y + cell / 2.0 + 4.0], text, Anchor::Middle, ink);
            }
        }
    }
    scene
}

fn push_text(scene: &mut Scene, at: [f64; 2], text: &str, anchor: Anchor, ink: Ink, turned: bool) {
    let text = text.to_string();
    scene.shapes.push(Shape::Text { at, text, size: SMALL, anchor, ink, bold: false, turned });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_of_any_size_are_drawn() {
        for n in [1usize, 2, 10, 100] {
            let names: Vec<String> = (0..n).map(|i| format!("class {i}")).collect();
            let matrix: Vec<Vec<u64>> = (0..n)
                .map(|r| (0..n).map(|c| if r == c { 90 } else { u64::from((r + c) % 7 == 0) }).collect())
                .collect();
            let scene = heatmap("Confusion", &names, &matrix);
            assert!(scene.width < 1000.0 && scene.height < 1000.0);
            let cells = scene.shapes.iter().filter(|s| matches!(s, Shape::Rect { .. })).count();
            assert_eq!(cells, matrix.iter().flatten().filter(|c| **c > 0).count());
            assert!(scene.png().unwrap().starts_with(b"\x89PNG"));
        }
    }
}
