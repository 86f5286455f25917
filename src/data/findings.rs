//! What an audit has to say, in a form that prints to a terminal and as a page:
//! warnings first, then sections of text, tables, bars and pictures.

use super::html::{self, Bar};
use crate::terminal::{self, left, one_line, right, shortened};

/// Rows of a table or a chart that a terminal shows.
const SHOWN: usize = 20;
/// Rows that a page shows.
const SHOWN_ON_PAGE: usize = 500;
/// Characters of the longest bar on a terminal.
const BAR: f64 = 30.0;
/// Columns of a label in front of a bar on a terminal.
const LABEL: usize = 24;

/// All that an audit has to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// What was looked at.
    pub title: String,
    /// What it is, in a sentence.
    pub summary: String,
    /// What a user should act on, the gravest first.
    pub warnings: Vec<String>,
    /// The rest, by subject.
    pub sections: Vec<Section>,
}

/// What is said about one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The subject.
    pub title: String,
    /// What is said, in order.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Rows and columns. Columns of numbers stand at the right.
    Table {
        /// The names of the columns; may be empty.
        head: Vec<String>,
        /// The cells, row by row.
        rows: Vec<Vec<String>>,
    },
    /// A chart of bars.
    Bars(Vec<Bar>),
    /// A picture, shown on a page only.
    Picture {
        /// The bytes of a PNG file.
        png: Vec<u8>,
        /// What it shows.
        caption: String,
    },
}

impl Section {
    /// A section of these blocks.
    pub fn new(title: impl Into<String>, blocks: Vec<Block>) -> Section {
        Section { title: title.into(), blocks }
    }
}

impl Block {
    /// A paragraph.
    pub fn text(text: impl Into<String>) -> Block {
        Block::Text(text.into())
    }

    /// A table with named columns.
    pub fn table(head: &[&str], rows: Vec<Vec<String>>) -> Block {
        Block::Table { head: head.iter().map(|h| h.to_string()).collect(), rows }
    }
}

impl Findings {
    /// For a terminal: aligned, and long tables cut short.
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\n{}\n", one_line(&self.title), one_line(&self.summary));
        for warning in &self.warnings {
            out += &format!("warning: {}\n", one_line(warning));
        }
        for section in &self.sections {
            let blocks: String = section.blocks.iter().map(block_text).collect();
            if !blocks.is_empty() {
                out += &format!("\n{}\n{blocks}", one_line(&section.title));
            }
        }
        out
    }

    /// A page that needs nothing else.
    pub fn to_html(&self) -> String {
        let mut body = html::paragraph(&self.summary) + &html::warnings(&self.warnings);
        for section in &self.sections {
            let blocks: String = section.blocks.iter().map(block_html).collect();
            body += &html::section(&section.title, &blocks);
        }
        html::page(&self.title, &body)
    }
}

fn block_html(block: &Block) -> String {
    let more = |n: usize| match n.saturating_sub(SHOWN_ON_PAGE) {
        0 => String::new(),
        more => html::paragraph(&format!("and {more} more")),
    };
    match block {
        Block::Text(text) => html::paragraph(text),
        Block::Table { head, rows } => html::table(head, &rows[..rows.len().min(SHOWN_ON_PAGE)]) + &more(rows.len()),
        Block::Bars(bars) => html::bars(&bars[..bars.len().min(SHOWN_ON_PAGE)]) + &more(bars.len()),
        Block::Picture { png, caption } => html::picture(png, caption),
    }
}

fn block_text(block: &Block) -> String {
    let more = |n: usize| match n.saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("  and {more} more\n"),
    };
    match block {
        Block::Text(text) => format!("  {}\n", one_line(text)),
        Block::Table { head, rows } => aligned(head, &rows[..rows.len().min(SHOWN)]) + &more(rows.len()),
        Block::Bars(bars) => {
            let longest = bars.iter().map(|b| b.value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
            let rows: Vec<Vec<String>> = bars.iter().take(SHOWN).map(|b| bar_row(b, longest)).collect();
            aligned(&[], &rows) + &more(bars.len())
        }
        Block::Picture { .. } => String::new(),
    }
}

fn bar_row(bar: &Bar, longest: f64) -> Vec<String> {
    let label = shortened(&one_line(&bar.label), LABEL).into_owned();
    let length = (BAR * bar.value / longest).round() as usize;
    vec![label, "#".repeat(length), bar.text.clone()]
}

/// Cells in columns, numbers at the right.
fn aligned(head: &[String], rows: &[Vec<String>]) -> String {
    let clean = |row: &[String]| row.iter().map(|c| one_line(c).into_owned()).collect::<Vec<String>>();
    let numeric: Vec<bool> = (0..rows.iter().map(Vec::len).max().unwrap_or(0))
        .map(|c| html::is_numeric(rows.iter().map(|r| r.get(c).map_or("", String::as_str))))
        .collect();
    let rows: Vec<Vec<String>> =
        (!head.is_empty()).then(|| clean(head)).into_iter().chain(rows.iter().map(|r| clean(r))).collect();
    let mut widths = vec![0; rows.iter().map(Vec::len).max().unwrap_or(0)];
    for row in &rows {
        row.iter().zip(&mut widths).for_each(|(cell, width)| *width = (*width).max(terminal::width(cell)));
    }
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (c, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let at_right = numeric.get(c) == Some(&true);
            line += &if at_right { format!("  {}", right(cell, width)) } else { format!("  {}", left(cell, width)) };
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(rows: usize) -> Findings {
        let cells = |i: usize| vec![format!("class {i}"), (i * i).to_string()];
        let bar = |label: &str, value: f64| Bar { label: label.into(), value, text: value.to_string() };
        Findings {
            title: "set".into(),
            summary: "a set".into(),
            warnings: vec!["look out\u{1b}[31m".into()],
            sections: vec![
                Section::new("Counts", vec![Block::table(&["name", "n"], (0..rows).map(cells).collect())]),
                Section::new("Balance", vec![Block::Bars(vec![bar("a", 1.0), bar("long", 2.0)])]),
                Section::new("Sheet", vec![Block::Picture { png: vec![1], caption: "c".into() }]),
            ],
        }
    }

    #[test]
    fn a_terminal_gets_aligned_columns_and_warnings_first() {
        let text = findings(11).to_text();
        let want = "set\na set\nwarning: look out\\u{1b}[31m\n\nCounts\n  name        n\n  class 0     0\n";
        assert!(text.starts_with(want), "{text}");
        assert!(text.contains("  class 10  100\n"), "{text}");
        assert!(text.ends_with(&format!(
            "Balance\n  a     {:30}  1\n  long  {:30}  2\n",
            "#".repeat(15),
            "#".repeat(30)
        )));
        let text = findings(23).to_text();
        assert!(text.contains("class 19") && !text.contains("class 20") && text.contains("  and 3 more\n"), "{text}");
    }

    #[test]
    fn a_page_shows_it_all() {
        let page = findings(23).to_html();
        assert!(page.contains("class 22") && page.contains("<img") && page.contains("<li>look out"));
    }
}
