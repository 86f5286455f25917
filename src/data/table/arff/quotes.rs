//! Text in quotes, as ARFF has it.

/// The text in quotes that begins some text, and what stands behind it; `None` where no
/// quote begins it, or it is never closed.
pub(super) fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut inner = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => inner.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            // Some double a quote, as others do in CSV.
            c if c == quote && chars.peek().is_some_and(|(_, next)| *next == quote) => {
                inner.push(quote);
                chars.next();
            }
            c if c == quote => return Some((inner, &text[at + c.len_utf8()..])),
            c => inner.push(c),
        }
    }
    None
}
