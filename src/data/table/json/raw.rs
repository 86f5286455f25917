//! Strings and arrays of JSON as they stand in the text.

/// The byte behind a string whose quote is at `start`; `None` where it is not closed in
/// its line.
pub(super) fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            b'\n' | b'\r' => return None,
            _ => at += 1,
        }
    }
}

/// An array without the blanks around its values.
pub(super) fn compact(array: &str) -> String {
    let (bytes, mut out, mut at) = (array.as_bytes(), String::with_capacity(array.len()), 0);
    while at < bytes.len() {
        let end = match bytes[at] {
            b'"' => end_of_string(bytes, at).unwrap_or(bytes.len()),
            b if b.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            _ => at + array[at..].find(|c: char| c == '"' || c.is_ascii_whitespace()).unwrap_or(bytes.len() - at),
        };
        out.push_str(&array[at..end]);
        at = end;
    }
    out
}
