//! A scene as PNG, in the light theme's colours.

use super::{Anchor, Ink, Scene, Shape, font, palette};
use crate::error::{Error, Result};
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform,
};
use ttf_parser::OutlineBuilder;

/// Pixels per unit of a scene.
const SCALE: f64 = 2.0;
/// The most pixels along a side.
const MOST: f64 = 8192.0;

impl Scene {
    /// The scene as the bytes of a PNG file, two pixels to the unit.
    pub fn png(&self) -> Result<Vec<u8>> {
        let [width, height] = self.png_size();
        let mut map = Pixmap::new(width, height).expect("a size above 0 and within limits");
        map.fill(Color::WHITE);
        for shape in &self.shapes {
            draw(&mut map, shape);
        }
        // All is opaque, so nothing is premultiplied.
        let rgb: Vec<u8> = map.data().chunks(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
        let mut bytes = std::io::Cursor::new(vec![]);
        let image = image::RgbImage::from_raw(width, height, rgb).expect("three bytes per pixel");
        image
            .write_to(&mut bytes, image::ImageFormat::Png)
            .map_err(|e| Error::data(format!("the plot \"{}\" does not make a PNG: {e}", self.label)))?;
        Ok(bytes.into_inner())
    }

    /// Width and height of the PNG.
    pub fn png_size(&self) -> [u32; 2] {
        [self.width, self.height].map(|v| (v * SCALE).ceil().clamp(1.0, MOST) as u32)
    }
}

fn draw(map: &mut Pixmap, shape: &Shape) {
    let whole = Transform::from_scale(SCALE as f32, SCALE as f32);
    let mut fill = |path: Option<Path>, paint: &Paint, by: Transform| {
        if let Some(path) = path {
            map.fill_path(&path, paint, FillRule::Winding, by, None);
        }
    };
    match shape {
        Shape::Line { points, ink, width, dash } => {
            let mut path = PathBuilder::new();
            for (i, [x, y]) in points.iter().enumerate() {
                match i {
                    0 => path.move_to(*x as f32, *y as f32),
                    _ => path.line_to(*x as f32, *y as f32),
                }
            }
            let dash = dash.pattern().and_then(|p| StrokeDash::new(p.map(|v| v as f32).to_vec(), 0.0));
            let width = *width as f32;
            let stroke =
                Stroke { width, dash, line_join: LineJoin::Round, line_cap: LineCap::Butt, ..Stroke::default() };
            if let Some(path) = path.finish() {
                map.stroke_path(&path, &paint(*ink, 1.0), &stroke, whole, None);
            }
        }
        Shape::Rect { at, ink, .. } => {
            let [x, y, w, h] = at.map(|v| v as f32);
            let path = Rect::from_xywh(x, y, w, h).map(PathBuilder::from_rect);
            fill(path, &paint(*ink, 1.0), whole);
        }
        Shape::Dot { at: [x, y], radius, ink, opacity, .. } if *opacity > 0.0 => {
            let path = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32);
            fill(path, &paint(*ink, *opacity), whole);
        }
        Shape::Dot { .. } => {}
        Shape::Text { at: [x, y], text, size, anchor, ink, bold, turned } => {
            let back = match anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => 0.5,
                Anchor::End => 1.0,
            };
            let start = -back * font::width(text, *size);
            let place = Transform::from_translate(*x as f32, *y as f32);
            let place = if *turned { place.pre_concat(Transform::from_rotate(-90.0)) } else { place };
            let path = outline(text, *size, start);
            fill(path.clone(), &paint(*ink, 1.0), place.post_concat(whole));
            if *bold {
                // The font has one weight; twice, a little apart, is bold enough.
                fill(path, &paint(*ink, 1.0), place.pre_translate(0.35, 0.0).post_concat(whole));
            }
        }
    }
}

/// The outlines of a text on its baseline.
fn outline(text: &str, size: f64, start: f64) -> Option<Path> {
    let scale = size / f64::from(font::face().units_per_em());
    let mut pen = Pen { path: PathBuilder::new(), x: start as f32, scale: scale as f32 };
    for c in text.chars() {
        font::face().outline_glyph(font::glyph(c), &mut pen);
        pen.x += (size * font::advance(c)) as f32;
    }
    pen.path.finish()
}

/// Moves outlines from the font's units to the scene's.
struct Pen {
    path: PathBuilder,
    x: f32,
    scale: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, -y * self.scale)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

/// The light theme of `assets/report/report.css`.
fn paint(ink: Ink, opacity: f64) -> Paint<'static> {
    let (rgb, strength) = match ink {
        Ink::Text => (0x18202c, 1.0),
        Ink::Muted => (0x5c6778, 1.0),
        Ink::Grid => (0xe3e7ee, 1.0),
        Ink::Series(i) => (palette::LIGHT[i % palette::COLORS], 1.0),
        Ink::Hit(s) => (0x2563eb, s),
        Ink::Miss(s) => (0xd9580d, s),
        Ink::Inverse => (0xffffff, 1.0),
    };
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    let alpha = (255.0 * strength * opacity).round().clamp(0.0, 255.0) as u8;
    paint.set_color_rgba8((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8, alpha);
    paint
}
