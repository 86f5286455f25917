//! Charts of points against two axes.

use super::{Anchor, Dash, Ink, SMALL, Scene, Shape, font, ticks};
use crate::eval::plot::number;

/// Size of a chart unless it is square.
const SIZE: [f64; 2] = [420.0, 270.0];
/// Size of a chart that gets a row of its own.
const WIDE: [f64; 2] = [960.0, 300.0];
/// Points per series, beyond which they are thinned.
const MOST_POINTS: usize = 800;
/// Points per series up to which each has a dot.
const DOTS: usize = 30;
/// Points per chart up to which each has a place to rest a pointer.
const TITLES: usize = 300;
/// Width of a thin line.
const THIN: f64 = 1.2;
/// Numbers beyond this are drawn as this.
const LIMIT: f64 = 1e150;

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Points joined by lines.
    Line,
    /// Many points joined by a thin line.
    Thin,
    /// A line with gaps: no measurement, but what one is held against.
    Dashed,
    /// A line of long pieces, to be told from another by more than its colour.
    LongDashes,
    /// A line of short pieces, likewise.
    ShortDashes,
    /// Points alone.
    Dots,
    /// Bars from the axis, each of this share of the x axis.
    Bars,
}

impl Kind {
    /// The gaps of a line; `None` for what is no line.
    fn dash(self) -> Option<Dash> {
        match self {
            Kind::Line | Kind::Thin => Some(Dash::Whole),
            Kind::Dashed => Some(Dash::Even),
            Kind::LongDashes => Some(Dash::Long),
            Kind::ShortDashes => Some(Dash::Short),
            Kind::Dots | Kind::Bars => None,
        }
    }
}

/// Points with a name.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its name, for the legend.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// How it is drawn.
    pub kind: Kind,
    /// Its points. One that is not finite makes a gap.
    pub points: Vec<[f64; 2]>,
}

/// An axis.
#[derive(Debug, Clone, Default)]
pub struct Axis {
    /// What it measures.
    pub label: String,
    /// Where it begins and ends, if not where the data does.
    pub range: Option<[f64; 2]>,
    /// Whether it has whole numbers only.
    pub whole: bool,
    /// Whether it is logarithmic; needs positive data.
    pub log: bool,
    /// Places with names, in the place of ticks; ascending.
    pub names: Vec<(f64, String)>,
}

/// A point with a word of its own.
#[derive(Debug, Clone)]
pub struct Marker {
    /// Where it is.
    pub at: [f64; 2],
    /// Its radius.
    pub radius: f64,
    /// Its colour.
    pub ink: Ink,
    /// What stands beside it; may be empty.
    pub label: String,
    /// What a pointer that rests on it is told.
    pub title: String,
}

/// A chart.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Its heading.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, back to front.
    pub series: Vec<Series>,
    /// A vertical line and what it means.
    pub mark: Option<(f64, String)>,
    /// Whether both axes are equally long.
    pub square: bool,
    /// Whether it gets a row of its own: for a line over time.
    pub wide: bool,
    /// Single points in front of everything else.
    pub markers: Vec<Marker>,
}

/// An axis laid out: from values to positions.
struct Laid {
    low: f64,
    high: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Laid {
    fn at(&self, v: f64) -> f64 {
        let scale = |v: f64| if self.log { v.max(f64::MIN_POSITIVE).ln() } else { v };
        let (low, high) = (scale(self.low), scale(self.high));
        let share = ((scale(v) - low) / (high - low)).clamp(0.0, 1.0);
        self.from + (self.to - self.from) * share
    }

    fn ticks(&self, axis: &Axis, most: usize) -> Vec<f64> {
        if self.log {
            ticks::logarithmic(self.low, self.high)
        } else {
            ticks::linear(self.low, self.high, most, axis.whole)
        }
    }
}

impl Chart {
    /// Lays the chart out.
    pub fn scene(&self) -> Scene {
        let [width, height] = match (self.square, self.wide) {
            (true, _) => [SIZE[0]; 2],
            (false, true) => WIDE,
            (false, false) => SIZE,
        };
        let mut scene = Scene { width, height, label: self.title.clone(), shapes: vec![] };
        scene.heading(&self.title);
        let top = self.legend(&mut scene) + 10.0;
        let (x_range, y_range) = (self.range(&self.x, 0, 0.0), self.range(&self.y, 1, 0.06));
        let log_y = self.y.log && y_range[0] > 0.0;
        let label_x = if self.x.label.is_empty() { 0.0 } else { 16.0 };
        let bottom = height - 20.0 - label_x;
        let y = Laid { low: y_range[0], high: y_range[1], log: log_y, from: bottom, to: top };
        let y_ticks = y.ticks(&self.y, 5);
        let labels = ticks::labels(&y_ticks);
        let widest = labels.iter().map(|l| font::width(l, SMALL)).fold(0.0, f64::max);
        let left = widest + 10.0 + if self.y.label.is_empty() { 0.0 } else { 18.0 };
        let right = width - 12.0;
        let x = Laid { low: x_range[0], high: x_range[1], log: self.x.log && x_range[0] > 0.0, from: left, to: right };
        for (t, label) in y_ticks.iter().zip(labels) {
            scene.line(vec![[left, y.at(*t)], [right, y.at(*t)]], Ink::Grid, 1.0, false);
            scene.text([left - 6.0, y.at(*t) + 4.0], label, Anchor::End, Ink::Muted);
        }
        for (t, label) in self.x_ticks(&x) {
            scene.line(vec![[x.at(t), bottom], [x.at(t), bottom + 4.0]], Ink::Muted, 1.0, false);
            // A name must not stand out at the sides.
            let half = font::width(&label, SMALL) / 2.0;
            let middle = x.at(t).min(width - half).max(half.min(width / 2.0));
            scene.text([middle, bottom + 16.0], label, Anchor::Middle, Ink::Muted);
        }
        scene.line(vec![[left, bottom], [right, bottom]], Ink::Muted, 1.0, false);
        scene.text([(left + right) / 2.0, height - 4.0], &self.x.label, Anchor::Middle, Ink::Muted);
        if !self.y.label.is_empty() {
            let (at, text) = ([11.0, (top + bottom) / 2.0], self.y.label.clone());
            let (anchor, ink) = (Anchor::Middle, Ink::Muted);
            scene.shapes.push(Shape::Text { at, text, size: SMALL, anchor, ink, bold: false, turned: true });
        }
        if let Some((at, meaning)) = self.mark.as_ref().filter(|m| (x.low..=x.high).contains(&m.0)) {
            scene.line(vec![[x.at(*at), top], [x.at(*at), bottom]], Ink::Muted, 1.0, true);
            let beyond = x.at(*at) + font::width(meaning, SMALL) + 8.0 > right;
            let (dx, anchor) = if beyond { (-5.0, Anchor::End) } else { (5.0, Anchor::Start) };
            scene.text([x.at(*at) + dx, top + 9.0], meaning, anchor, Ink::Muted);
        }
        let titled = self.series.iter().map(|s| s.points.len()).sum::<usize>() <= TITLES;
        for series in &self.series {
            draw(&mut scene, series, &x, &y, titled);
        }
        self.draw_markers(&mut scene, &x, &y);
        scene
    }

    /// Draws single points; a label goes where no other is yet, or nowhere.
    fn draw_markers(&self, scene: &mut Scene, x: &Laid, y: &Laid) {
        let mut taken: Vec<[f64; 4]> = vec![];
        for m in &self.markers {
            let [cx, cy] = [x.at(m.at[0]), y.at(m.at[1])];
            scene.shapes.push(dot([cx, cy], m.radius, m.ink, 0.6, m.title.clone()));
            if m.label.is_empty() {
                continue;
            }
            let width = font::width(&m.label, SMALL);
            let left = cx + m.radius + 4.0;
            let (from, anchor) = match left + width > x.to {
                true => (cx - m.radius - 4.0 - width, Anchor::End),
                false => (left, Anchor::Start),
            };
            let place = [from, cy - 8.0, from + width, cy + 6.0];
            let apart = |t: &[f64; 4]| place[2] < t[0] || t[2] < place[0] || place[3] < t[1] || t[3] < place[1];
            if taken.iter().all(apart) {
                taken.push(place);
                let at = if anchor == Anchor::End { place[2] } else { from };
                scene.text([at, cy + 4.0], m.label.clone(), anchor, Ink::Text);
            }
        }
    }

    /// What stands on the horizontal axis: names, as many as have room, or
    /// numbers.
    fn x_ticks(&self, x: &Laid) -> Vec<(f64, String)> {
        if self.x.names.is_empty() {
            let at = x.ticks(&self.x, 7);
            let labels = ticks::labels(&at);
            return at.into_iter().zip(labels).collect();
        }
        let names = self.x.names.iter().map(|(t, name)| (*t, font::shorten(name, SMALL, 150.0)));
        let names: Vec<(f64, String)> = names.filter(|(t, _)| (x.low..=x.high).contains(t)).collect();
        let widest = names.iter().map(|(_, name)| font::width(name, SMALL)).fold(0.0, f64::max) + 14.0;
        let most = (((x.to - x.from) / widest) as usize).max(2);
        let every = names.len().saturating_sub(1).div_ceil(most - 1).max(1);
        names.into_iter().step_by(every).collect()
    }

    /// Draws the legend; returns where it ends.
    fn legend(&self, scene: &mut Scene) -> f64 {
        let mut at = [2.0, 34.0];
        if self.series.len() < 2 {
            return 22.0;
        }
        for s in self.series.iter().filter(|s| !s.name.is_empty()) {
            let name = font::shorten(&s.name, SMALL, 180.0);
            let width = 22.0 + font::width(&name, SMALL) + 14.0;
            if at[0] + width > scene.width && at[0] > 2.0 {
                at = [2.0, at[1] + 16.0];
            }
            let y = at[1] - 4.0;
            match s.kind {
                Kind::Line | Kind::Thin | Kind::Dashed | Kind::LongDashes | Kind::ShortDashes => {
                    let (points, dash) = (vec![[at[0], y], [at[0] + 16.0, y]], s.kind.dash().unwrap_or(Dash::Whole));
                    let width = if s.kind == Kind::Thin { THIN } else { 2.0 };
                    scene.shapes.push(Shape::Line { points, ink: s.ink, width, dash });
                }
                Kind::Dots => scene.shapes.push(dot([at[0] + 8.0, y], 3.5, s.ink, 1.0, String::new())),
                Kind::Bars => {
                    let at = [at[0] + 3.0, y - 5.0, 10.0, 10.0];
                    scene.shapes.push(Shape::Rect { at, ink: s.ink, title: String::new() });
                }
            }
            scene.text([at[0] + 22.0, at[1]], name, Anchor::Start, Ink::Text);
            at[0] += width;
        }
        at[1] + 4.0
    }

    /// The range of an axis: as asked for, or that of the data and a little
    /// more.
    fn range(&self, axis: &Axis, which: usize, margin: f64) -> [f64; 2] {
        if let Some(range) = axis.range {
            return range;
        }
        let all = self.series.iter().flat_map(|s| &s.points).filter(|p| p.iter().all(|v| v.is_finite()));
        let all = all.map(|p| p[which].clamp(-LIMIT, LIMIT));
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return [0.0, 1.0];
        }
        if axis.log && low > 0.0 {
            let more = if low == high { 2.0 } else { (high / low).powf(margin) };
            return [low / more, high * more];
        }
        if axis.whole && low == high {
            return [low - 1.0, high + 1.0];
        }
        let spread = high - low;
        // Numbers that differ by rounding alone are one number.
        let room = if spread <= 1e-9 * high.abs() { (high.abs() * 0.1).max(1e-3) } else { spread * margin };
        // A quantity that is never negative keeps its zero.
        let floor = if low >= 0.0 && low - room < 0.0 { 0.0 } else { low - room };
        [floor, high + room]
    }
}

fn draw(scene: &mut Scene, series: &Series, x: &Laid, y: &Laid, titled: bool) {
    let place = |p: &[f64; 2]| [x.at(p[0]), y.at(p[1])];
    let finite = |p: &[f64; 2]| p.iter().all(|v| v.is_finite());
    let title = |p: &[f64; 2]| {
        let name = if series.name.is_empty() { String::new() } else { format!("{}: ", series.name) };
        format!("{name}{} at {}", number(p[1]), number(p[0]))
    };
    match series.kind {
        Kind::Bars => {
            let n = series.points.len().max(1) as f64;
            let width = (x.to - x.from) / n * 0.84;
            for p in series.points.iter().filter(|p| finite(p)) {
                let [cx, cy] = place(p);
                let at = [cx - width / 2.0, cy, width, (y.from - cy).max(0.0)];
                scene.shapes.push(Shape::Rect { at, ink: series.ink, title: title(p) });
            }
        }
        Kind::Dots => {
            for p in series.points.iter().filter(|p| finite(p)) {
                let title = if titled { title(p) } else { String::new() };
                scene.shapes.push(dot(place(p), 2.6, series.ink, 0.55, title));
            }
        }
        Kind::Line | Kind::Thin | Kind::Dashed | Kind::LongDashes | Kind::ShortDashes => {
            let points = thin(&series.points);
            let dash = series.kind.dash().unwrap_or(Dash::Whole);
            let width = match series.kind {
                Kind::Thin => THIN,
                Kind::Dashed => 1.5,
                _ => 2.0,
            };
            for piece in points.split(|p| !finite(p)).filter(|piece| piece.len() > 1) {
                let points = piece.iter().map(place).collect();
                scene.shapes.push(Shape::Line { points, ink: series.ink, width, dash });
            }
            for p in points.iter().filter(|p| series.kind != Kind::Dashed && finite(p)) {
                if points.len() <= DOTS && series.kind != Kind::Thin {
                    scene.shapes.push(dot(place(p), 2.6, series.ink, 1.0, String::new()));
                }
                if titled {
                    scene.shapes.push(dot(place(p), 7.0, series.ink, 0.0, title(p)));
                }
            }
        }
    }
}

fn dot(at: [f64; 2], radius: f64, ink: Ink, opacity: f64, title: String) -> Shape {
    Shape::Dot { at, radius, ink, opacity, title }
}

/// Of long series the lowest and the highest point of every stretch, so that
/// no spike is lost.
fn thin(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MOST_POINTS / 2);
    let extremes = |piece: &[[f64; 2]]| {
        let by = |a: &usize, b: &usize| piece[*a][1].total_cmp(&piece[*b][1]);
        let (low, high) = ((0..piece.len()).min_by(by).unwrap_or(0), (0..piece.len()).max_by(by).unwrap_or(0));
        [piece[low.min(high)], piece[low.max(high)]]
    };
    points.chunks(stretch).flat_map(extremes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<[f64; 2]>) -> Chart {
        let series = Series { name: "a".into(), ink: Ink::Series(0), kind: Kind::Line, points };
        Chart { title: "t".into(), series: vec![series], ..Chart::default() }
    }

    #[test]
    fn odd_data_is_drawn_inside_the_picture() {
        let cases: [Vec<[f64; 2]>; 6] = [
            vec![],
            vec![[1.0, 5.0]],
            vec![[1.0, f64::NAN], [2.0, 1.0], [3.0, f64::INFINITY], [4.0, 2.0], [5.0, 2.0]],
            vec![[1.0, f64::MAX], [2.0, f64::MIN]],
            vec![[1.0, 1e-300], [2.0, 2e-300]],
            (0..5000).map(|i| [f64::from(i), f64::from(i % 7)]).collect(),
        ];
        for (points, log) in cases.into_iter().flat_map(|p| [(p.clone(), false), (p, true)]) {
            let mut chart = chart(points);
            chart.y.log = log;
            let scene = chart.scene();
            for shape in &scene.shapes {
                if let Shape::Line { points, .. } = shape {
                    let inside = |p: &[f64; 2]| p[0] >= 0.0 && p[0] <= 420.0 && p[1] >= 0.0 && p[1] <= 420.0;
                    assert!(points.iter().all(inside), "{points:?}");
                    assert!(points.len() <= MOST_POINTS);
                }
            }
            assert!(scene.svg().len() < 200_000);
            assert!(scene.png().unwrap().starts_with(b"\x89PNG"));
        }
    }

    #[test]
    fn a_gap_splits_the_line() {
        let gap = chart(vec![[1.0, 1.0], [2.0, 1.0], [3.0, f64::NAN], [4.0, 1.0], [5.0, 2.0]]).scene();
        let lines = gap.shapes.iter().filter(|s| matches!(s, Shape::Line { ink: Ink::Series(0), .. }));
        assert_eq!(lines.count(), 2);
    }

    #[test]
    fn names_are_escaped() {
        let mut chart = chart(vec![[1.0, 1.0], [2.0, 3.0]]);
        chart.series[0].name = "</svg><script>alert(1)</script>".into();
        chart.title = "\"><img src=x onerror=alert(1)>".into();
        let svg = chart.scene().svg();
        assert!(!svg.contains("<script") && !svg.contains("<img") && svg.matches("</svg>").count() == 1, "{svg}");
    }
}
