//! The few pieces of HTML that pages are made of. Whatever comes from outside,
//! and be it the name of a class, goes through [`escape`].

use crate::data::html::POLICY;
pub use crate::data::html::escape;
use crate::eval::plot::{number, palette, percent};

/// A whole page. `title` is plain text, `body` HTML.
pub(crate) fn page(title: &str, body: &str) -> String {
    let css = include_str!("../../assets/report/report.css");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{}</title>\n<style>\n{css}{}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title),
        palette::css(":root")
    )
}

/// A section with a heading; nothing if there is nothing in it.
pub(crate) fn section(heading: &str, body: &str) -> String {
    match body.is_empty() {
        true => String::new(),
        false => format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escape(heading)),
    }
}

/// A cell of a table: text, or a number that stands to the right.
pub(crate) enum Cell {
    /// Plain text.
    Text(String),
    /// A number, as text.
    Number(String),
    /// HTML as it is.
    Html(String),
}

/// Rows beyond which a table scrolls within its box.
const TALL: usize = 30;

/// A table in a box that scrolls where it is too wide.
pub(crate) fn table(heads: &[&str], rows: &[Vec<Cell>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    // A column of numbers has its head on the right, too.
    let right = |i: usize| matches!(rows[0].get(i), Some(Cell::Number(_)));
    let head = |(i, h): (usize, &&str)| {
        let class = if right(i) { " class=\"n\"" } else { "" };
        format!("<th{class}>{}</th>", escape(h))
    };
    let heads: String = heads.iter().enumerate().map(head).collect();
    let cell = |c: &Cell| match c {
        Cell::Text(t) => format!("<td>{}</td>", escape(t)),
        Cell::Number(n) => format!("<td class=\"n\">{}</td>", escape(n)),
        Cell::Html(h) => format!("<td>{h}</td>"),
    };
    let count = rows.len();
    let rows: String = rows.iter().map(|r| format!("<tr>{}</tr>\n", r.iter().map(cell).collect::<String>())).collect();
    let head = if heads.is_empty() { String::new() } else { format!("<thead><tr>{heads}</tr></thead>\n") };
    let class = if count > TALL { "scroll tall" } else { "scroll" };
    format!("<div class=\"{class}\"><table>\n{head}<tbody>\n{rows}</tbody></table></div>\n")
}

/// Names and values, side by side.
pub(crate) fn pairs(rows: &[(&str, String)]) -> String {
    let shown = rows.iter().filter(|(_, v)| !v.is_empty());
    let rows: String = shown.map(|(k, v)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(k), escape(v))).collect();
    if rows.is_empty() { rows } else { format!("<dl>\n{rows}</dl>\n") }
}

/// A list of sentences.
pub(crate) fn list(class: &str, items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|i| format!("<li>{}</li>\n", escape(i))).collect();
    format!("<ul class=\"{class}\">\n{items}</ul>\n")
}

/// A drawing in its frame.
pub(crate) fn figure(svg: &str) -> String {
    format!("<figure>{svg}</figure>\n")
}

/// A share as a bar with its number.
pub(crate) fn bar(share: f64) -> Cell {
    let width = 100.0 * share.clamp(0.0, 1.0);
    Cell::Html(format!(
        "<span class=\"bar\"><span style=\"width:{width:.1}%\"></span></span><span class=\"value\">{}</span>",
        escape(&percent(share))
    ))
}

/// A metric's value as people read it.
pub(crate) fn value(v: f64, share: bool) -> String {
    if share { percent(v) } else { number(v) }
}

/// An interval as people read it: `97.5 – 98.6 %`.
pub(crate) fn interval([low, high]: [f64; 2], share: bool) -> String {
    let low = value(low, share);
    format!("{} – {}", low.trim_end_matches(" %"), value(high, share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        let hostile = "</td><script>alert('x')</script>\"onload=\"y&\u{202e}\u{0}";
        let safe = escape(hostile);
        assert_eq!(
            safe,
            "&lt;/td&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;onload=&quot;y&amp;\u{fffd}\u{fffd}"
        );
        let made = table(&[hostile], &[vec![Cell::Text(hostile.into())], vec![Cell::Number(hostile.into())]])
            + &pairs(&[(hostile, hostile.into())])
            + &list("x", &[hostile.into()])
            + &section(hostile, "x");
        assert!(!made.contains("<script") && !made.contains("\"onload"), "{made}");
    }

    #[test]
    fn intervals_say_percent_once() {
        assert_eq!(interval([0.975, 0.986], true), "97.5 – 98.6 %");
        assert_eq!(interval([0.5, 1.25], false), "0.5 – 1.25");
    }
}
