//! ARFF, the files of Weka and OpenML: names of columns in lines of their own above rows
//! of cells between commas.

use super::rows::lines_of;
use crate::error::{Error, Result};

/// What stands above the rows.
pub(super) struct Head {
    /// The names of the columns.
    pub names: Vec<String>,
    /// Where it ends.
    pub end: usize,
    /// How many lines it has.
    pub lines: usize,
}

/// Whether some text begins as such a file does.
pub(in crate::data) fn begins_relation(start: &[u8]) -> bool {
    let start = String::from_utf8_lossy(start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start));
    first_word(start.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('%')).unwrap_or(""))
        == "@relation"
}

fn first_word(line: &str) -> String {
    line.split_whitespace().next().unwrap_or("").to_lowercase()
}

/// The head of such a file; `None` where the text is something else.
///
/// Fails on lines that say neither relation nor attribute nor data.
pub(super) fn head(name: &str, text: &str) -> Result<Option<Head>> {
    if !begins_relation(text.as_bytes()) {
        return Ok(None);
    }
    let mut names = vec![];
    for (number, at, line) in lines_of(text, 1) {
        let words = line.trim();
        let fails =
            |expected: &str| Err(Error::data(format!("{name}, line {number}: found {words:?}; expected {expected}")));
        match first_word(words).as_str() {
            word if word.starts_with('%') || word == "@relation" => {}
            "@attribute" => match attribute(words["@attribute".len()..].trim()) {
                Some(found) => names.push(found),
                None => return fails("a name and a type, such as @attribute age numeric"),
            },
            "@data" if names.is_empty() => return fails("lines with @attribute above it"),
            "@data" => {
                let length = line.len() + if text[at + line.len()..].starts_with("\r\n") { 2 } else { 1 };
                let end = (at + length).min(text.len());
                if text[end..].trim_start().starts_with('{') {
                    return Err(Error::data(format!(
                        "{name}: its rows list the columns that are not zero (sparse ARFF); expected all cells between \
                         commas: write it without sparse rows"
                    )));
                }
                return Ok(Some(Head { names, end, lines: number }));
            }
            _ => return fails("@attribute or @data"),
        }
    }
    Err(Error::data(format!("{name} has no line @data; expected one, and rows below it")))
}

/// The name in front of a type, with the quotes that it may have.
fn attribute(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let (name, rest) = match quote {
        Some(quote) => text[1..].split_once(quote)?,
        None => text.split_once([' ', '\t', '{'])?,
    };
    let has_type = !rest.trim().is_empty() || text.ends_with('{');
    (!name.is_empty() && has_type).then(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{ReadOptions, Table};

    fn parse(text: &str) -> crate::error::Result<Table> {
        Table::parse("t.arff", text.as_bytes(), &ReadOptions::default())
    }

    #[test]
    fn columns_are_named_above_the_rows() {
        let text = "% a comment\n@RELATION credit\n\n@attribute 'credit history' {'all paid', 'no, none'}\n\
                    @attribute age numeric\n@ATTRIBUTE class{good,bad}\n\n@data\n% rows\n'all paid',31,good\n\
                    'no, none',?,bad\n'it\\'s late',40,bad\n";
        let table = parse(text).unwrap();
        assert_eq!(table.names(), ["credit history", "age", "class"]);
        let cells = |i: usize| table.columns[i].cells.iter().map(|c| c.as_deref().unwrap_or("-")).collect::<Vec<_>>();
        assert_eq!((cells(0), cells(1)), (vec!["all paid", "no, none", "it's late"], vec!["31", "-", "40"]));
        assert_eq!((table.lines.clone(), table.has_header), (vec![10, 11, 12], true));
    }

    #[test]
    fn what_is_no_such_file_is_named() {
        let fails = |text: &str, part: &str| {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        fails("@relation a\n@attribute x\n@data\n1\n", "line 2: found \"@attribute x\"; expected a name and a type");
        fails("@relation a\n@attribute x numeric\n1\n", "line 3: found \"1\"; expected @attribute or @data");
        fails("@relation a\n@attribute x numeric\n", "no line @data");
        fails("@relation a\n@attribute x numeric\n@data\n{0 1}\n", "sparse ARFF");
        fails("@relation a\n@attribute x numeric\n@data\n1,2\n", "2 cells; expected 1");
    }
}
