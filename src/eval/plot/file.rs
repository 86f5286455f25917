//! Scenes as files of their own: an SVG that brings its colours along, a PNG,
//! and several scenes on one sheet.

use super::{Scene, Shape, palette};
use crate::error::{Error, Result};
use std::path::Path;

/// The colours of the report's page, light and dark, but for those of series.
const THEME: &str = "svg { --card: #ffffff; --text: #18202c; --muted: #5c6778; --grid: #e3e7ee; --hit: #2563eb; \
                     --miss: #d9580d; --inverse: #ffffff; font-family: sans-serif; }
@media (prefers-color-scheme: dark) { svg { --card: #171d26; --text: #e7ebf2; --muted: #98a3b5; --grid: #29313e; \
                     --hit: #7da7ff; --miss: #ff9a57; --inverse: #0e1218; } }\n";
/// Room between scenes, and around them.
const GAP: f64 = 18.0;

impl Scene {
    /// The scene as an SVG file that needs no page around it.
    pub fn svg_file(&self) -> String {
        let element = self.svg();
        let (head, rest) = element.split_once(">\n").expect("an element has a start tag");
        let head = head.strip_prefix("<svg").expect("the element is an svg");
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\"{head}>\n<style>{THEME}{}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"var(--card)\"/>\n{rest}",
            palette::css("svg")
        )
    }

    /// The scene as the bytes of a file: SVG or PNG, as its name says.
    ///
    /// Fails on another ending.
    pub fn file(&self, path: &Path) -> Result<Vec<u8>> {
        match path.extension().and_then(|e| e.to_str()).map(str::to_lowercase).as_deref() {
            Some("svg") => Ok(self.svg_file().into_bytes()),
            Some("png") => self.png(),
            _ => Err(Error::usage(format!("{}: expected a name that ends with .svg or .png", path.display()))),
        }
    }

    /// Scenes beside and below each other, so many to a row.
    pub fn sheet(scenes: Vec<Scene>, columns: usize, label: &str) -> Scene {
        let columns = columns.max(1);
        let (mut width, mut top) = (0.0f64, GAP);
        let mut shapes = vec![];
        let mut left = scenes.into_iter().peekable();
        while left.peek().is_some() {
            let (mut across, mut down) = (GAP, 0.0f64);
            for scene in left.by_ref().take(columns) {
                shapes.extend(scene.shapes.into_iter().map(|s| moved(s, across, top)));
                across += scene.width + GAP;
                down = down.max(scene.height);
            }
            width = width.max(across);
            top += down + GAP;
        }
        Scene { width, height: top, label: label.into(), shapes }
    }
}

/// A shape elsewhere.
fn moved(mut shape: Shape, dx: f64, dy: f64) -> Shape {
    match &mut shape {
        Shape::Line { points, .. } => points.iter_mut().for_each(|p| *p = [p[0] + dx, p[1] + dy]),
        Shape::Rect { at: [x, y, ..], .. } | Shape::Dot { at: [x, y], .. } | Shape::Text { at: [x, y], .. } => {
            *x += dx;
            *y += dy;
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::plot::{Chart, Ink, Kind, Series};

    #[test]
    fn a_sheet_holds_its_scenes_and_is_a_file() {
        let points = vec![[1.0, 2.0], [2.0, 3.0]];
        let series = vec![Series { name: "a".into(), ink: Ink::Series(0), kind: Kind::Dots, points }];
        let one = Chart { title: "a < b".into(), series, ..Chart::default() }.scene();
        let sheet = Scene::sheet(vec![one.clone(), one.clone(), one.clone()], 2, "three");
        assert_eq!(sheet.shapes.len(), 3 * one.shapes.len());
        assert_eq!((sheet.width, sheet.height), (2.0 * one.width + 3.0 * GAP, 2.0 * one.height + 3.0 * GAP));
        let svg = sheet.svg_file();
        assert!(svg.starts_with("<svg xmlns=") && svg.contains("--card: #ffffff"), "{svg}");
        assert_eq!((svg.matches("<svg").count(), svg.matches("a &lt; b").count()), (1, 3), "{svg}");
        assert!(sheet.file(Path::new("a.PNG")).unwrap().starts_with(b"\x89PNG"));
        assert!(sheet.file(Path::new("a.pdf")).unwrap_err().to_string().contains("ends with .svg or .png"));
    }
}
