//! Quotes around cells: where they open and close, and where they damage a table.

/// The quotes that stand around cells: the usual ones, and those of ARFF and SQL.
pub(super) const DOUBLE: u8 = b'"';
pub(super) const SINGLE: u8 = b'\'';

/// Where the quote stands that is still open at the end of some text.
pub(super) fn open_quote(text: &[u8], delimiter: u8, quote: u8) -> Option<usize> {
    let (mut open, mut starts, mut i) = (None, true, 0);
    while i < text.len() {
        match (open, text[i] == quote) {
            (Some(_), true) if text.get(i + 1) == Some(&quote) => i += 1,
            (Some(_), true) => open = None,
            (Some(_), false) => i += usize::from(escapes(text, i, quote)),
            (None, true) if starts => open = Some(i),
            (None, _) => {}
        }
        starts = text[i] == delimiter || matches!(text[i], b'\r' | b'\n');
        i += 1;
    }
    open
}

/// Whether a quote is closed in the middle of a cell.
pub(super) fn misquoted(text: &[u8], delimiter: u8, quote: u8) -> bool {
    let (mut open, mut starts, mut i) = (false, true, 0);
    while i < text.len() {
        match text[i] {
            _ if open && escapes(text, i, quote) => i += 1,
            b if b == quote && open && text.get(i + 1) == Some(&quote) => i += 1,
            b if b == quote && open => {
                open = false;
                if text.get(i + 1).is_some_and(|&b| b != delimiter && !b.is_ascii_whitespace()) {
                    return true;
                }
            }
            b if b == quote && starts => open = true,
            _ => {}
        }
        starts = !open && (text[i] == delimiter || matches!(text[i], b'\r' | b'\n'));
        i += 1;
    }
    false
}

/// Whether a single quote follows that is a character of its cell.
pub(super) fn escapes(text: &[u8], at: usize, quote: u8) -> bool {
    quote == SINGLE && text[at] == b'\\' && text.get(at + 1) == Some(&quote)
}

/// The cells of a line; `None` where a quote that begins one does not end it.
pub(super) fn quoted_cells(line: &str, delimiter: u8, quote: u8) -> Option<Vec<String>> {
    let (mut rest, mut cells) = (line, vec![]);
    loop {
        let end = match rest.strip_prefix(char::from(quote)) {
            None => rest.find(char::from(delimiter)).unwrap_or(rest.len()),
            Some(inner) => {
                // Quotes that are doubled, or escaped, are passed over.
                let mut at = 0;
                loop {
                    at += inner[at..].find(char::from(quote))?;
                    let escaped = at > 0 && escapes(inner.as_bytes(), at - 1, quote);
                    if !escaped && !inner[at + 1..].starts_with(char::from(quote)) {
                        break;
                    }
                    at += if escaped { 1 } else { 2 };
                }
                at + 2
            }
        };
        let behind = &rest[end..];
        let next = behind.trim_start_matches(' ');
        cells.push(bare(rest[..end].trim(), quote));
        match next.strip_prefix(char::from(delimiter)).or_else(|| behind.strip_prefix(char::from(delimiter))) {
            Some(more) => rest = more,
            None if next.trim().is_empty() => return Some(cells),
            None => return None,
        }
    }
}

/// A cell without the quotes around it, where they are a pair.
pub(super) fn bare(cell: &str, quote: u8) -> String {
    let (one, two) = (char::from(quote), String::from_utf8_lossy(&[quote, quote]).into_owned());
    match cell.strip_prefix(one).and_then(|c| c.strip_suffix(one)) {
        Some(inner) if !inner.replace(&two, "").contains(one) => inner.replace(&two, &one.to_string()),
        _ => cell.into(),
    }
}
