//! Plots: a [`Scene`] of plain shapes is laid out once and drawn twice, as SVG
//! for the report and as PNG beside it. Colours are roles, not values: the page
//! decides what they look like in light and in dark.

pub mod attention;
mod braille;
mod chart;
mod file;
mod font;
mod forecast;
mod gallery;
mod heat;
mod icicle;
pub(crate) mod palette;
mod png;
mod svg;
mod ticks;

pub use braille::{Lines, terminal_chart};
pub use chart::{Axis, Chart, Kind, Marker, Series};
pub use gallery::{Plot, curve, epochs_chart, gallery};
pub use heat::heatmap;
pub use icicle::{Frame, icicle};
pub use palette::stroke;
pub use ticks::{duration, number, percent};

/// A colour by its role.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ink {
    /// Text that is read.
    Text,
    /// Text and lines that stand back.
    Muted,
    /// The grid.
    Grid,
    /// One of twelve series, counted round.
    Series(usize),
    /// Right, so strongly.
    Hit(f64),
    /// Wrong, so strongly.
    Miss(f64),
    /// Text on a strong colour.
    Inverse,
}

/// Where a text's position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// At its start.
    Start,
    /// At its middle.
    Middle,
    /// At its end.
    End,
}

/// The gaps of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dash {
    /// None: it is whole.
    Whole,
    /// As long as what is drawn.
    Even,
    /// Between long pieces.
    Long,
    /// Between short pieces.
    Short,
}

impl Dash {
    /// What is drawn and what is left out, in units of the scene.
    fn pattern(self) -> Option<[f64; 2]> {
        match self {
            Dash::Whole => None,
            Dash::Even => Some([4.0, 4.0]),
            Dash::Long => Some([9.0, 3.0]),
            Dash::Short => Some([2.5, 2.5]),
        }
    }
}

/// Something to draw. Positions are in units of the scene, from its top left.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A line through points.
    Line {
        /// The points.
        points: Vec<[f64; 2]>,
        /// Its colour.
        ink: Ink,
        /// Its width.
        width: f64,
        /// Its gaps.
        dash: Dash,
    },
    /// A filled rectangle.
    Rect {
        /// Left, top, width, height.
        at: [f64; 4],
        /// Its colour.
        ink: Ink,
        /// What a pointer that rests on it is told.
        title: String,
    },
    /// A filled circle.
    Dot {
        /// Its centre.
        at: [f64; 2],
        /// Its radius.
        radius: f64,
        /// Its colour.
        ink: Ink,
        /// How opaque it is; 0 is there for its title alone.
        opacity: f64,
        /// What a pointer that rests on it is told.
        title: String,
    },
    /// A line of text; the position is on its baseline.
    Text {
        /// Where it is.
        at: [f64; 2],
        /// What it says.
        text: String,
        /// The size of its letters.
        size: f64,
        /// Which part of it is there.
        anchor: Anchor,
        /// Its colour.
        ink: Ink,
        /// Whether it is in bold type.
        bold: bool,
        /// Whether it reads from bottom to top.
        turned: bool,
    },
}

/// A drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// What it shows, in a few words.
    pub label: String,
    /// What is on it, back to front.
    pub shapes: Vec<Shape>,
}

impl Scene {
    /// Text as it mostly is: small and level.
    fn text(&mut self, at: [f64; 2], text: impl Into<String>, anchor: Anchor, ink: Ink) {
        self.shapes.push(Shape::Text { at, text: text.into(), size: SMALL, anchor, ink, bold: false, turned: false });
    }

    /// The heading, in bold at the top left.
    fn heading(&mut self, text: &str) {
        let (at, text) = ([2.0, 15.0], font::shorten(text, HEADING, self.width * 0.95));
        let anchor = Anchor::Start;
        self.shapes.push(Shape::Text { at, text, size: HEADING, anchor, ink: Ink::Text, bold: true, turned: false });
    }

    fn line(&mut self, points: Vec<[f64; 2]>, ink: Ink, width: f64, dashed: bool) {
        let dash = if dashed { Dash::Even } else { Dash::Whole };
        self.shapes.push(Shape::Line { points, ink, width, dash });
    }
}

/// Size of labels.
const SMALL: f64 = 11.0;
/// Size of a heading.
const HEADING: f64 = 13.0;
