//! Text on its way to a terminal. Names of files, columns and classes, tokens
//! and what models write come from outside, and a terminal obeys what stands in
//! them: it moves its cursor, clears its screen, sets its title. So everything
//! that is printed goes through here, and such characters are shown by their
//! names instead: `\u{1b}`.

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
    fn json_stays_what_it_was() {
        let value = serde_json::json!({ "a\u{1b}[2J": "\u{7f}\u{9b}2J\u{202e}\n", "b": ["é", "\u{2069}"] });
        let text = value.to_string();
        let safe = json(&text);
        assert!(!safe.contains(is_steering), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
