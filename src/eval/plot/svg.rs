//! A scene as SVG, to stand inside a page: colours are the page's variables.

use super::{Anchor, Ink, Scene, Shape, palette};
use crate::eval::html::escape;
use std::fmt::Write;

impl Scene {
    /// The scene as an `<svg>` element.
    pub fn svg(&self) -> String {
        let (w, h, label) = (short(self.width), short(self.height), escape(&self.label));
        let mut out = format!("<svg viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\"");
        // Not so large that its text towers over that of other plots.
        out.push_str(&format!(" style=\"max-width:{}px\"", short((self.width * 1.35).round())));
        out.push_str(&format!(" aria-label=\"{label}\">\n"));
        for shape in &self.shapes {
            draw(&mut out, shape);
        }
        out.push_str("</svg>\n");
        out
    }
}

fn draw(out: &mut String, shape: &Shape) {
    // Writing to a string does not fail.
    let _ = match shape {
        Shape::Line { points, ink, width, dash } => {
            let path: Vec<String> = points.iter().map(|p| format!("{},{}", short(p[0]), short(p[1]))).collect();
            let dash = dash
                .pattern()
                .map_or(String::new(), |[on, off]| format!(" stroke-dasharray=\"{} {}\"", short(on), short(off)));
            let (path, (color, _), width) = (path.join(" "), paint(*ink), short(*width));
            writeln!(
                out,
                "<polyline points=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\"{dash} \
                 stroke-linejoin=\"round\"/>"
            )
        }
        Shape::Rect { at: [x, y, w, h], ink, title } => {
            let (color, opacity) = paint(*ink);
            let opacity = if opacity < 1.0 { format!(" fill-opacity=\"{opacity:.2}\"") } else { String::new() };
            let at =
                format!("x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", short(*x), short(*y), short(*w), short(*h));
            writeln!(out, "<rect {at} fill=\"{color}\"{opacity}{}", closed("rect", title))
        }
        Shape::Dot { at: [x, y], radius, ink, opacity, title } => {
            let (color, radius) = (paint(*ink).0, short(*radius));
            let opacity = if *opacity < 1.0 { format!(" fill-opacity=\"{opacity:.2}\"") } else { String::new() };
            let at = format!("cx=\"{}\" cy=\"{}\" r=\"{radius}\"", short(*x), short(*y));
            writeln!(out, "<circle {at} fill=\"{color}\"{opacity}{}", closed("circle", title))
        }
        Shape::Text { at: [x, y], text, size, anchor, ink, bold, turned } => {
            let (x, y, color) = (short(*x), short(*y), paint(*ink).0);
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let bold = if *bold { " font-weight=\"600\"" } else { "" };
            let turned = if *turned { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
            let (size, text) = (short(*size), escape(text));
            writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{color}\"{anchor}{bold}{turned}>{text}</text>"
            )
        }
    };
}

fn closed(element: &str, title: &str) -> String {
    if title.is_empty() { "/>".into() } else { format!("><title>{}</title></{element}>", escape(title)) }
}

/// The variable of a colour, and its strength.
fn paint(ink: Ink) -> (String, f64) {
    match ink {
        Ink::Text => ("var(--text)".into(), 1.0),
        Ink::Muted => ("var(--muted)".into(), 1.0),
        Ink::Grid => ("var(--grid)".into(), 1.0),
        Ink::Series(i) => (format!("var(--s{})", i % palette::COLORS), 1.0),
        Ink::Hit(strength) => ("var(--hit)".into(), strength),
        Ink::Miss(strength) => ("var(--miss)".into(), strength),
        Ink::Inverse => ("var(--inverse)".into(), 1.0),
    }
}

/// A coordinate to a tenth.
fn short(v: f64) -> String {
    let text = format!("{v:.1}");
    text.strip_suffix(".0").map_or(text.clone(), String::from)
}
