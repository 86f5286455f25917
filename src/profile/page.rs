//! A profile as one page that needs nothing else: a roofline with every kernel
//! on it, an icicle of layers, ops and dispatches, and the table.

use super::table::{Sort, op_row, part_rows, remarks};
use super::{OpTime, Profile};
use crate::eval::html::{Cell, escape, page, section, table};
use crate::eval::plot::{Axis, Chart, Frame, Ink, Kind, Marker, Scene, Series, icicle, number, percent};

/// How many of the slowest kernels have their name on the roofline.
const NAMED: usize = 8;

impl Profile {
    /// The page.
    pub fn page(&self) -> String {
        let s = &self.subject;
        let title = format!("{}, batch {}, on {}", s.model, s.batch_size, s.device.name);
        let said: String = remarks(self).iter().map(|r| format!("<p>{}</p>\n", escape(r))).collect();
        let mut body = format!("<p class=\"kicker\">wgrad profile</p>\n<h1>{}</h1>\n", escape(&title));
        body += &section("A step", &(said + &rows_of(part_rows(self))));
        if !self.kernels.is_empty() {
            let wide =
                |scene: Scene| format!("<figure class=\"wide\"><div class=\"scroll\">{}</div></figure>\n", scene.svg());
            body += &section("Roofline", &(wide(self.roofline()) + ROOFLINE_NOTE));
            body += &section("Layers, ops, dispatches", &wide(self.layers()));
            let mut rows = vec![HEADS.map(String::from).to_vec()];
            rows.extend(self.sorted(Sort::Time).into_iter().map(|op| {
                let mut row = op_row(op);
                row.push(op.shapes.clone());
                row
            }));
            body += &section("Kernels", &rows_of(rows));
        }
        page(&format!("profile of {title}"), &body)
    }

    /// The device's ceilings and how near every kernel comes to them.
    pub fn roofline(&self) -> Scene {
        let c = &self.ceilings;
        let ops: Vec<&OpTime> =
            self.sorted(Sort::Time).into_iter().filter(|o| o.flops > 0 && o.bytes > 0 && o.ms.median > 0.0).collect();
        let intensity = |o: &OpTime| o.flops as f64 / o.bytes as f64;
        let rate = |o: &OpTime| o.flops as f64 / o.ms.median / 1e6;
        let ridge = c.gflops / c.gbs;
        let fold = |of: &dyn Fn(&OpTime) -> f64, least: f64, most: f64| {
            ops.iter().fold([least, most], |[low, high], o| [low.min(of(o)), high.max(of(o))])
        };
        let [left, right] = fold(&intensity, ridge / 8.0, ridge * 8.0);
        let [low, high] = fold(&rate, c.gflops / 100.0, c.gflops);
        let (x_range, y_range) = ([left / 2.0, right * 2.0], [low / 2.0, high * 2.0]);
        let roof = |x: f64| (c.gbs * x).min(c.gflops);
        let points = [x_range[0], ridge, x_range[1]].map(|x| [x, roof(x).max(y_range[0])]).to_vec();
        let markers = ops.iter().enumerate().map(|(i, o)| Marker {
            at: [intensity(o), rate(o)],
            radius: 3.0 + 14.0 * o.share.clamp(0.0, 1.0).sqrt(),
            ink: Ink::Series(usize::from(o.bound == "memory")),
            label: if i < NAMED { o.name.clone() } else { String::new() },
            title: format!(
                "{}: {} GFLOP/s at {} FLOP per byte, {} of the ceiling, {} of a step",
                o.name,
                number(rate(o)),
                number(intensity(o)),
                percent(o.of_ceiling),
                percent(o.share)
            ),
        });
        let legend = |name: &str, at: usize| Series {
            name: name.into(),
            ink: Ink::Series(at),
            kind: Kind::Dots,
            points: vec![],
        };
        let axis = |label: &str, range| Axis { label: label.into(), range: Some(range), log: true, ..Axis::default() };
        let ceiling = format!("ceiling: {} GFLOP/s, {} GB/s", number(c.gflops.round()), number(c.gbs.round()));
        Chart {
            title: "Roofline".into(),
            x: axis("floating-point operations per byte", x_range),
            y: axis("GFLOP/s", y_range),
            series: vec![
                Series { name: ceiling, ink: Ink::Muted, kind: Kind::Line, points },
                legend("bound by arithmetic", 0),
                legend("bound by memory", 1),
            ],
            wide: true,
            markers: markers.collect(),
            ..Chart::default()
        }
        .scene()
    }

    /// Layers, within them ops, within them dispatches, each as wide as the
    /// time it takes.
    pub fn layers(&self) -> Scene {
        let mut whole = self.frame("kernels", self.parts.kernels.median, 1.0);
        for op in &self.kernels {
            let mut leaf = self.frame(op.name.split(" @ ").next().unwrap_or_default(), op.ms.median, 0.35);
            leaf.ink = Ink::Series(usize::from(op.bound == "memory"));
            if op.dispatches.len() > 1 {
                let part = |d: &super::DispatchTime| {
                    self.frame(d.name.split(" @ ").next().unwrap_or_default(), d.ms.median, 0.2)
                };
                leaf.parts = op.dispatches.iter().map(part).collect();
            }
            let path: Vec<&str> = op.scope.split('.').filter(|s| !s.is_empty()).collect();
            let path = if path.is_empty() { vec!["outside of layers"] } else { path };
            self.insert(&mut whole, &path, leaf);
        }
        // Medians need not add up: a whole is no smaller than its parts.
        whole.value = whole.value.max(whole.parts.iter().map(|p| p.value).sum());
        icicle("Layers, ops, dispatches", &whole)
    }

    fn frame(&self, name: &str, ms: f64, strength: f64) -> Frame {
        let mut frame =
            Frame { name: name.into(), value: ms, title: String::new(), ink: Ink::Hit(strength), parts: vec![] };
        self.describe(&mut frame);
        frame
    }

    fn describe(&self, frame: &mut Frame) {
        let share = if self.wall.median > 0.0 { frame.value / self.wall.median } else { 0.0 };
        frame.title = format!("{}: {} ms, {} of a step", frame.name, number(frame.value), percent(share));
    }

    /// Hangs a leaf below a path of layers.
    fn insert(&self, at: &mut Frame, path: &[&str], leaf: Frame) {
        let Some((first, rest)) = path.split_first() else {
            at.parts.push(leaf);
            return;
        };
        let i = at.parts.iter().position(|p| p.name == *first && matches!(p.ink, Ink::Hit(_))).unwrap_or_else(|| {
            at.parts.push(self.frame(first, 0.0, 0.5));
            at.parts.len() - 1
        });
        at.parts[i].value += leaf.value;
        self.describe(&mut at.parts[i]);
        self.insert(&mut at.parts[i], rest, leaf);
    }
}

const ROOFLINE_NOTE: &str = "<p class=\"note\">Each kernel at its arithmetic per byte; the larger, the more of a step it \
     takes. The line is what this device reaches at most, measured. Bytes are the fewest that must move, so a kernel whose \
     tensors fit into a cache may stand above the slope.</p>\n";

/// The heads of the table of kernels.
const HEADS: [&str; 10] =
    ["kernel @ layer", "share", "ms", "±", "GFLOP/s", "GB/s", "of ceiling", "bound by", "workgroups", "shapes"];

/// A table as HTML; the first row holds the heads.
fn rows_of(rows: Vec<Vec<String>>) -> String {
    let heads: Vec<&str> = rows[0].iter().map(String::as_str).collect();
    let cell = |(c, text): (usize, &String)| match (1..7).contains(&c) {
        true => Cell::Number(text.clone()),
        false => Cell::Text(text.clone()),
    };
    let body: Vec<Vec<Cell>> = rows[1..].iter().map(|r| r.iter().enumerate().map(cell).collect()).collect();
    table(&heads, &body)
}
