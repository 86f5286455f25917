//! Text on its way to a terminal. Names of files, columns and classes, tokens
//! and what models write come from outside, and a terminal obeys what stands in
//! them: it moves its cursor, clears its screen, sets its title. So everything
//! that is printed goes through here, and such characters are shown by their
//! names instead: `\u{1b}`.

use console::{Alignment, measure_text_width, pad_str, truncate_str};
use std::borrow::Cow;

/// Some text as a terminal may show it, line breaks and tabs as they are.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_steering(c) && !matches!(c, '\n' | '\t'))
}

/// The same on one line: a name with a line break in it does not look like a
/// message of its own.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_steering(c) && c != '\t')
}

/// JSON as a terminal may show it. Its strings have escaped the first 32
/// characters already; the others are left to whoever writes them.
pub fn json(text: &str) -> Cow<'_, str> {
    if !text.contains(is_steering) {
        return text.into();
    }
    let piece = |c: char| if is_steering(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(piece).collect::<String>().into()
}

/// Control characters (C0, DEL, C1), line separators, and the marks that turn the
/// direction of text or are not seen, so that it reads as something else.
pub fn is_steering(c: char) -> bool {
    let mark = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || mark || c == '\u{feff}'
}

/// The columns that a text takes: two for a character such as 日, none for a mark
/// on the one before it.
pub fn width(text: &str) -> usize {
    measure_text_width(text)
}

/// A text in so many columns, at the left of them.
pub fn left(text: &str, columns: usize) -> Cow<'_, str> {
    pad_str(text, columns, Alignment::Left, None)
}

/// A text in so many columns, at the right of them.
pub fn right(text: &str, columns: usize) -> Cow<'_, str> {
    pad_str(text, columns, Alignment::Right, None)
}

/// The beginning of a text that takes at most so many columns, with a mark where it
/// goes on.
pub fn shortened(text: &str, columns: usize) -> Cow<'_, str> {
    // What takes no column, such as marks and escapes, ends somewhere, too.
    match text.char_indices().nth(8 * columns) {
        Some((end, _)) => (truncate_str(&text[..end], columns.saturating_sub(1), "") + "…").into_owned().into(),
        None => truncate_str(text, columns, "…"),
    }
}

fn escaped(text: &str, shall: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&shall) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match shall(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        let hostile = "a\u{1b}]0;pwned\u{7}\u{1b}[2J\r\u{8}\u{7f}\u{9b}1m\u{202e}é\n\tb";
        let shown = "a\\u{1b}]0;pwned\\u{7}\\u{1b}[2J\\r\\u{8}\\u{7f}\\u{9b}1m\\u{202e}é\n\tb";
        assert_eq!(printable(hostile), shown);
        assert_eq!(one_line(hostile), shown.replace('\n', "\\n"));
        assert!(matches!(printable("plain → text\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn texts_are_measured_as_they_are_shown() {
        assert_eq!(["loss", "größe", "e\u{301}", "日本", "", "ｱ"].map(width), [4, 5, 1, 4, 0, 1]);
        assert_eq!((left("日本", 6), right("日本", 6)), ("日本  ".into(), "  日本".into()));
        assert_eq!(left("too long", 3), "too long");
        assert_eq!(shortened("日本語", 6), "日本語");
        assert_eq!(shortened("日本語のモデル", 6), "日本…");
        assert_eq!(shortened("a name", 4), "a n…");
        assert_eq!(shortened("größe", 5), "größe");
        assert_eq!(shortened(&"x".repeat(1000), 4), "xxx…");
        assert!(shortened(&"\u{301}".repeat(1000), 4).chars().count() < 50);
    }

    #[test]
    fn json_stays_what_it_was() {
        let value = serde_json::json!({ "a\u{1b}[2J": "\u{7f}\u{9b}2J\u{202e}\n", "b": ["é", "\u{2069}"] });
        let text = value.to_string();
        let safe = json(&text);
        assert!(!safe.contains(is_steering), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
