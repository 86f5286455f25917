//! Pieces of a self-contained HTML page: no scripts, nothing fetched, light and
//! dark, from a phone's width up.

use crate::terminal::is_steering;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt::Write;

/// Colours and measures of all pages.
const STYLE: &str = include_str!("page.css");

/// What a page may do: show its own styles and pictures. Nothing runs and nothing is fetched,
/// whatever a name in the data holds.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Text as HTML shows it, safe in an element and in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters are not allowed, and marks that turn the
            // direction of text can make it read as something else.
            '\n' | '\t' => out.push(c),
            c if is_steering(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A whole page; `body` is HTML.
pub fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// A part of a page under a heading; `body` is HTML.
pub fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escape(title))
}

/// A paragraph.
pub fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape(text))
}

/// A list of warnings; nothing when there are none.
pub fn warnings(texts: &[String]) -> String {
    let items: String = texts.iter().map(|t| format!("<li>{}</li>\n", escape(t))).collect();
    if items.is_empty() { items } else { format!("<ul class=\"warnings\">\n{items}</ul>\n") }
}

/// Whether a column of a table holds numbers, which stand at the right.
pub fn is_numeric<'a>(mut cells: impl Iterator<Item = &'a str>) -> bool {
    cells.all(|c| c.is_empty() || c.trim_end_matches([' ', '%']).parse::<f64>().is_ok())
}

/// A table; `head` may be empty. Columns of numbers stand at the right.
pub fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).chain([head.len()]).max().unwrap_or(0);
    let numeric: Vec<bool> = (0..columns)
        .map(|c| !rows.is_empty() && is_numeric(rows.iter().map(|r| r.get(c).map_or("", String::as_str))))
        .collect();
    let row = |cells: &[String], tag: &str| {
        let mut out = String::from("<tr>");
        for (cell, numeric) in cells.iter().zip(&numeric) {
            let class = if *numeric { " class=\"number\"" } else { "" };
            // Writing to a string does not fail.
            let _ = write!(out, "<{tag}{class}>{}</{tag}>", escape(cell));
        }
        out + "</tr>\n"
    };
    let top = if head.is_empty() { String::new() } else { format!("<thead>{}</thead>\n", row(head, "th")) };
    let body: String = rows.iter().map(|r| row(r, "td")).collect();
    format!("<div class=\"scroll\"><table>\n{top}<tbody>\n{body}</tbody></table></div>\n")
}

/// A bar of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What it stands for.
    pub label: String,
    /// Its length, not negative; the longest bar fills the width.
    pub value: f64,
    /// What stands behind it.
    pub text: String,
}

/// Bars below each other, with their labels in front.
pub fn bars(bars: &[Bar]) -> String {
    let longest = bars.iter().map(|b| b.value).fold(0.0, f64::max);
    let mut out = String::from("<div class=\"bars\">\n");
    for bar in bars {
        let percent = if longest > 0.0 { 100.0 * bar.value / longest } else { 0.0 };
        let _ = writeln!(
            out,
            "<span class=\"label\" title=\"{0}\">{0}</span><span class=\"bar\"><i style=\"width:{percent:.2}%\"></i></span>\
             <span class=\"number\">{1}</span>",
            escape(&bar.label),
            escape(&bar.text)
        );
    }
    out + "</div>\n"
}

/// A PNG picture inside the page, with what it shows.
pub fn picture(png: &[u8], caption: &str) -> String {
    let (data, caption) = (BASE64_STANDARD.encode(png), escape(caption));
    let below = if caption.is_empty() { String::new() } else { format!("<figcaption>{caption}</figcaption>") };
    format!(
        "<figure><div class=\"scroll\"><img alt=\"{caption}\" src=\"data:image/png;base64,{data}\"></div>{below}</figure>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let evil = "<script>alert('1')</script> \"&\u{0}\u{1b}";
        assert_eq!(escape(evil), "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &quot;&amp;\u{fffd}\u{fffd}");
        let bar = Bar { label: evil.into(), value: 1.0, text: evil.into() };
        let body = [
            section(evil, &paragraph(evil)),
            table(&[evil.into()], &[vec![evil.into()]]),
            bars(&[bar]),
            picture(b"png", evil),
            warnings(&[evil.into()]),
        ]
        .concat();
        assert!(!page(evil, &body).contains("<script"));
    }

    #[test]
    fn numbers_stand_at_the_right() {
        let html =
            table(&["name".into(), "n".into()], &[vec!["a".into(), "1.5 %".into()], vec!["b".into(), "".into()]]);
        assert!(html.contains("<th>name</th><th class=\"number\">n</th>"), "{html}");
        assert!(html.contains("<td>a</td><td class=\"number\">1.5 %</td>"), "{html}");
    }

    #[test]
    fn the_longest_bar_fills_the_width() {
        let bar = |value| Bar { label: "x".into(), value, text: "".into() };
        let html = bars(&[bar(1.0), bar(4.0), bar(0.0)]);
        assert!(html.contains("width:25.00%") && html.contains("width:100.00%") && html.contains("width:0.00%"));
        assert!(bars(&[bar(0.0)]).contains("width:0.00%"));
    }

    #[test]
    fn a_page_needs_nothing_from_outside() {
        let html = page("t", &picture(b"png", "p"));
        assert!(html.contains("src=\"data:image/png;base64,cG5n\""));
        assert!(
            html.contains(&format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">")),
            "{html}"
        );
        for word in ["://", "<link", "@import", "url(", "<script"] {
            assert!(!html.contains(word), "{word}");
        }
    }
}
