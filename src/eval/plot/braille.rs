//! Charts for a terminal: every character cell holds two by four dots of
//! braille.

use super::number;
use crate::terminal;

/// A named curve.
pub struct Lines {
    /// Its name.
    pub name: String,
    /// Its points; what is not finite makes a gap.
    pub points: Vec<[f64; 2]>,
}

/// Colours of the curves, as terminals number them: blue, yellow, green,
/// magenta.
const COLORS: [u8; 4] = [94, 93, 92, 95];

/// Draws curves in `width` by `height` characters, labels and legend included.
/// Without `color` each curve is told apart by its name alone.
pub fn terminal_chart(title: &str, curves: &[Lines], width: usize, height: usize, color: bool) -> Vec<String> {
    let (width, rows) = (width.clamp(20, 400), height.clamp(4, 200) - 2);
    let all = || curves.iter().flat_map(|c| &c.points).filter(|p| p.iter().all(|v| v.is_finite()));
    let bounds = |i: usize| all().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p[i]), h.max(p[i])));
    let (x, y) = (bounds(0), bounds(1));
    let mut out = vec![legend(title, curves, width, color)];
    if x.0 > x.1 {
        out.resize(rows + 2, String::new());
        out[1] = "  waiting for the first step".into();
        return out;
    }
    let labels = [number(y.1), number(y.0)];
    let margin = labels.iter().map(|l| l.chars().count()).max().unwrap_or(0);
    let columns = width.saturating_sub(margin + 2).max(4);
    let mut canvas = Canvas { cells: vec![(0, 0); columns * rows], columns, rows };
    let share =
        |v: f64, (low, high): (f64, f64)| if high > low { ((v - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
    for (i, curve) in curves.iter().enumerate() {
        let place = |p: &[f64; 2]| {
            let across = share(p[0], x) * (columns * 2 - 1) as f64;
            let down = (1.0 - share(p[1], y)) * (rows * 4 - 1) as f64;
            [across.round() as i64, down.round() as i64]
        };
        for piece in curve.points.split(|p| !p.iter().all(|v| v.is_finite())) {
            let points: Vec<[i64; 2]> = piece.iter().map(place).collect();
            points.iter().for_each(|p| canvas.dot(*p, i));
            points.windows(2).for_each(|w| canvas.line(w[0], w[1], i));
        }
    }
    for row in 0..rows {
        let label = if row == 0 {
            &labels[0]
        } else if row + 1 == rows {
            &labels[1]
        } else {
            ""
        };
        out.push(format!("{label:>margin$} │{}", canvas.row(row, color)));
    }
    let (from, to) = (number(x.0), number(x.1));
    out.push(format!("{:>margin$}  {from}{to:>1$}", "", columns - from.len().min(columns)));
    out
}

fn legend(title: &str, curves: &[Lines], width: usize, color: bool) -> String {
    let mut text = title.to_string();
    let mut used = terminal::width(title);
    for (i, curve) in curves.iter().enumerate() {
        let last = curve.points.iter().rev().find(|p| p[1].is_finite());
        let name = format!("{} {}", curve.name, last.map_or("–".into(), |p| number(p[1])));
        used += terminal::width(&name) + 4;
        if used <= width {
            text += &format!("   {}", paint("●", i, color));
            text += &format!(" {name}");
        }
    }
    text
}

fn paint(text: &str, curve: usize, color: bool) -> String {
    if color { format!("\x1b[{}m{text}\x1b[0m", COLORS[curve % COLORS.len()]) } else { text.into() }
}

/// Dots, and which curve drew each cell last.
struct Canvas {
    cells: Vec<(u8, usize)>,
    columns: usize,
    rows: usize,
}

impl Canvas {
    fn dot(&mut self, [x, y]: [i64; 2], curve: usize) {
        // Unicode numbers braille dots down the columns, the lowest row last.
        const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        let (column, row) = ((x / 2) as usize, (y / 4) as usize);
        if x >= 0 && y >= 0 && column < self.columns && row < self.rows {
            let cell = &mut self.cells[row * self.columns + column];
            *cell = (cell.0 | BITS[(x % 2) as usize][(y % 4) as usize], curve);
        }
    }

    fn line(&mut self, from: [i64; 2], to: [i64; 2], curve: usize) {
        let steps = (to[0] - from[0]).abs().max((to[1] - from[1]).abs()).max(1);
        for i in 0..=steps {
            let at = |k: usize| from[k] + ((to[k] - from[k]) * i + steps / 2 * (to[k] - from[k]).signum()) / steps;
            self.dot([at(0), at(1)], curve);
        }
    }

    fn row(&self, row: usize, color: bool) -> String {
        let cells = &self.cells[row * self.columns..(row + 1) * self.columns];
        let cell = |(dots, curve): &(u8, usize)| match dots {
            0 => " ".to_string(),
            d => paint(&char::from_u32(0x2800 + u32::from(*d)).unwrap_or(' ').to_string(), *curve, color),
        };
        cells.iter().map(cell).collect::<String>().trim_end().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_falling_line_falls() {
        let curve =
            Lines { name: "loss".into(), points: (1..=10).map(|i| [f64::from(i), 10.0 - f64::from(i)]).collect() };
        let chart = terminal_chart("t", &[curve], 40, 8, false);
        assert_eq!(chart.len(), 8);
        assert!(chart[0].contains("● loss 0"), "{}", chart[0]);
        let first = |row: &str| row.chars().position(|c| (0x2801..=0x28ff).contains(&(c as u32)));
        let places: Vec<Option<usize>> = chart[1..7].iter().map(|r| first(r)).collect();
        assert!(places.windows(2).all(|w| w[0] < w[1]), "{chart:?}");
        assert!(chart.iter().all(|r| r.chars().count() <= 40), "{chart:?}");
    }

    #[test]
    fn odd_curves_do_not_break_the_frame() {
        let cases =
            [vec![], vec![[1.0, f64::NAN]], vec![[1.0, 2.0]], vec![[1.0, 1e300], [2.0, -1e300], [3.0, f64::INFINITY]]];
        for points in cases {
            let chart = terminal_chart("t", &[Lines { name: "x".into(), points }], 30, 6, true);
            assert_eq!(chart.len(), 6);
        }
        assert_eq!(terminal_chart("t", &[], 0, 0, false).len(), 4);
    }
}
