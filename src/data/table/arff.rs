//! ARFF, the files of Weka and OpenML: names and types of columns in lines of their own
//! above rows of cells between commas.

mod dates;
mod quotes;
mod rows;
mod types;

use super::scan::lines_of;
use crate::error::{Error, Result};
pub(super) use rows::columns;
pub(super) use types::Attribute;

/// What stands above the rows.
pub(super) struct Head {
    /// The columns.
    pub attributes: Vec<Attribute>,
    /// Where it ends.
    pub end: usize,
    /// How many lines it has.
    pub lines: usize,
}

/// Bytes within which such a file begins, behind its comments.
const START: usize = 1 << 20;

/// Whether some text begins as such a file does.
pub(in crate::data) fn begins_relation(start: &[u8]) -> bool {
    let start = &start[..start.len().min(START)];
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
    let mut attributes = vec![];
    for (number, at, line) in lines_of(text, 1) {
        let words = line.trim();
        let fails =
            |expected: &str| Err(Error::data(format!("{name}, line {number}: found {words:?}; expected {expected}")));
        match first_word(words).as_str() {
            word if word.starts_with('%') || word == "@relation" => {}
            "@attribute" => match types::attribute(words) {
                Ok(found) => attributes.push(found),
                Err(what) => return Err(Error::data(format!("{name}, line {number}: {what}"))),
            },
            "@data" if attributes.is_empty() => return fails("lines with @attribute above it"),
            "@data" => {
                let length = line.len() + if text[at + line.len()..].starts_with("\r\n") { 2 } else { 1 };
                let end = (at + length).min(text.len());
                if text[end..].trim_start().starts_with('{') {
                    return Err(Error::data(format!(
                        "{name}: its rows list the columns that are not zero (sparse ARFF); expected all cells between \
                         commas: write it without sparse rows"
                    )));
                }
                return Ok(Some(Head { attributes, end, lines: number }));
            }
            _ => return fails("@attribute or @data"),
        }
    }
    Err(Error::data(format!("{name} has no line @data; expected one, and rows below it")))
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
        let cells = |i: usize| table.columns[i].cells.iter().map(|c| c.unwrap_or("-")).collect::<Vec<_>>();
        assert_eq!((cells(0), cells(1)), (vec!["all paid", "no, none", "it's late"], vec!["31", "-", "40"]));
        assert_eq!((table.lines.clone(), table.has_header), (vec![10, 11, 12], true));
    }

    fn cells(table: &Table, column: usize) -> Vec<&str> {
        table.columns[column].cells.iter().map(|c| c.unwrap_or("-")).collect()
    }

    fn with_rows(attribute: &str, rows: &str) -> String {
        format!("@relation t\n@attribute x {attribute}\n@attribute y numeric\n@data\n{rows}")
    }

    #[test]
    fn cells_in_quotes_hold_what_they_like() {
        let rows = "'one, two',1\n'it\\'s, so',2\n\"say \\\"no\\\"\",3\n'100\\% C:\\\\x',4\n'it''s',5\n plain ,6\n'?',7\n?,8\n";
        let table = parse(&with_rows("string", rows)).unwrap();
        let expected = ["one, two", "it's, so", "say \"no\"", "100% C:\\x", "it's", "plain", "-", "-"];
        assert_eq!((cells(&table, 0), table.rows()), (expected.to_vec(), 8));
        // A quote that is never closed is a character, and said.
        let table = parse(&with_rows("string", "'tis,1\nTotal,2\n% no\n#N/A,3\n")).unwrap();
        assert_eq!((cells(&table, 0), &table.lines[..]), (vec!["'tis", "Total", "-"], &[5, 6, 8][..]));
        assert!(table.notes[0].contains("line 5: a quote begins a cell"), "{:?}", table.notes);
        let message = parse(&with_rows("string", "a,1\nb,2,3\n")).unwrap_err().to_string();
        assert!(message.contains("line 6: found 3 cells; expected 2, one for each @attribute"), "{message}");
    }

    #[test]
    fn declared_values_are_categories() {
        let digits = (0..60).map(|i| format!("{},{}\n", 1 + i % 26, i * 37 % 53)).collect::<String>();
        let all = (1..=26).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
        let table = parse(&with_rows(&format!("{{{all}}}"), &digits)).unwrap();
        let infer =
            |i: usize| super::super::infer::infer(&table.columns[i], &Default::default(), Default::default()).kind;
        assert_eq!([infer(0), infer(1)], [super::super::Kind::Category, super::super::Kind::Number]);
        let options = super::super::TableOptions { target: vec!["x".into()], ..Default::default() };
        let fitted = super::super::Fitted::fit(&table, &table.all_rows(), &options).unwrap();
        let super::super::Goal::Classes { names, .. } = &fitted.goal else { panic!("{:?}", fitted.goal) };
        assert_eq!((names.len(), &names[..2]), (26, &["1".to_string(), "2".into()][..]));
        assert!(fitted.notes.iter().any(|n| n.contains("because the file declares them")), "{:?}", fitted.notes);
    }

    #[test]
    fn declared_values_are_no_marks_of_missing_cells() {
        let table = parse(&with_rows("{NA,'?',none,DE}", "NA,1\nDE,2\n'?',3\n?,4\nnone,5\nDE,?\n")).unwrap();
        assert_eq!(cells(&table, 0), ["NA", "DE", "?", "-", "none", "DE"]);
        assert_eq!((cells(&table, 1)[5], &table.kept["x"][..]), ("-", &["NA", "?", "none"].map(String::from)[..]));
        // Where the file does not declare them, they are what they are elsewhere.
        assert_eq!(cells(&parse(&with_rows("{DE}", "NA,1\nDE,2\n")).unwrap(), 0), ["-", "DE"]);
        let odd = parse(&with_rows("{DE, 'U S'}", "DE,1\nU S,2\nFR,3\nFR,4\n")).unwrap();
        assert!(
            odd.notes[0].contains("\"x\": 2 cells are none of the values that @attribute declares (\"FR\" in line 7"),
            "{:?}",
            odd.notes
        );
    }

    #[test]
    fn dates_are_read_as_declared() {
        let date = |pattern: &str, cell: &str| {
            parse(&with_rows(&format!("date {pattern}"), &format!("'{cell}',1\n?,2\n")))
                .map(|table| cells(&table, 0)[0].to_string())
                .map_err(|e| e.to_string())
        };
        for (pattern, cell, expected) in [
            ("'dd/MM/yyyy'", "03/02/2020", "2020-02-03"),
            ("'MM/dd/yyyy'", "03/02/2020", "2020-03-02"),
            ("\"d.M.yy HH:mm\"", "3.2.20 14:05", "2020-02-03 14:05:00"),
            ("\"yyyy-MM-dd'T'HH:mm:ss.SSS\"", "2020-02-03T14:05:06.250", "2020-02-03 14:05:06.250"),
            ("'EEE, dd MMM yyyy hh:mm a'", "Mon, 03 Feb 2020 02:05 PM", "2020-02-03 14:05:00"),
            ("yyyyMMdd", "20200203", "2020-02-03"),
            ("'yyyy/dd/MM'", "2020/03/02", "2020-02-03"),
            ("yyyy-MM", "2020-02", "2020-02-01"),
            ("yyyy", "2020", "2020-01-01"),
            ("'DDD.yyyy'", "034.2020", "2020-02-03"),
            ("", "2020-02-03T14:05:06", "2020-02-03T14:05:06"),
        ] {
            assert_eq!(date(pattern, cell).as_deref(), Ok(expected), "{pattern}");
        }
        for (pattern, cell, part) in [
            (
                "'dd/MM/yyyy'",
                "03.02.2020",
                "line 5: \"03.02.2020\" is no date as 'dd/MM/yyyy', which @attribute x declares",
            ),
            ("'dd/MM/yyyy'", "31/02/2020", "is no date as"),
            ("'ww/yyyy'", "05/2020", "line 2: date pattern \"ww/yyyy\": 'w' is not supported"),
            ("'HH:mm'", "05:20", "has no year"),
            ("'dd/yyyy'", "05/2020", "has a day without a month"),
        ] {
            let message = date(pattern, cell).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
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
