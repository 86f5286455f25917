//! What a line with `@attribute` declares of a column: its name and its type.

use super::dates::Pattern;
use super::quotes::quoted;

/// A column as it is declared.
pub(in super::super) struct Attribute {
    pub name: String,
    pub(super) holds: Holds,
}

/// What a column is declared to hold.
pub(super) enum Holds {
    /// One of these values.
    Values(Vec<String>),
    /// Dates in this way of writing.
    Dates(Pattern),
    /// Numbers or text, which the cells tell.
    Any,
}

/// Reads a line that begins with `@attribute`; what is wrong with it, where it declares
/// nothing.
pub(super) fn attribute(line: &str) -> Result<Attribute, String> {
    let text = line["@attribute".len()..].trim();
    let expected = || format!("found {line:?}; expected a name and a type, such as @attribute age numeric");
    let (name, rest) = match text.chars().next() {
        Some('\'' | '"') => quoted(text).ok_or_else(expected)?,
        _ => {
            let at = text.find([' ', '\t', '{']).ok_or_else(expected)?;
            (text[..at].to_string(), &text[at..])
        }
    };
    let rest = rest.trim();
    if name.is_empty() || rest.is_empty() {
        return Err(expected());
    }
    if let Some(list) = rest.strip_prefix('{') {
        let values = values(list).ok_or_else(|| {
            format!("found {line:?}; expected values between braces, such as {{yes,no}}, and no more")
        })?;
        return Ok(Attribute { name, holds: Holds::Values(values) });
    }
    let (word, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let more = more.trim();
    let holds = match word.to_lowercase().as_str() {
        "date" if !more.is_empty() && !more.starts_with('%') => {
            let pattern = quoted(more).map_or_else(|| more.to_string(), |(pattern, _)| pattern);
            Holds::Dates(Pattern::translate(&pattern)?)
        }
        _ => Holds::Any,
    };
    Ok(Attribute { name, holds })
}

/// The values of a list, from behind its brace to the one that closes it.
fn values(list: &str) -> Option<Vec<String>> {
    let (mut rest, mut all) = (list.trim_start(), vec![]);
    loop {
        let (value, behind) = match quoted(rest) {
            Some(found) => found,
            None => {
                let end = rest.find([',', '}'])?;
                (rest[..end].trim().to_string(), &rest[end..])
            }
        };
        all.extend(Some(value).filter(|v| !v.is_empty()));
        let behind = behind.trim_start();
        match behind.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None => {
                let end = behind.strip_prefix('}')?.trim();
                return (end.is_empty() || end.starts_with('%')).then_some(all);
            }
        }
    }
}
