use super::super::{ReadOptions, Table};
use super::*;

fn parse(text: &str) -> Result<Table> {
    Table::parse("t.json", text.as_bytes(), &ReadOptions::default())
}

/// The columns, each with its cells; a missing one is `-`.
fn cells(text: &str) -> Vec<(String, Vec<String>)> {
    let table = parse(text).unwrap();
    let cells = |c: &Column| c.cells.iter().map(|c| c.unwrap_or("-").to_string()).collect();
    table.columns.iter().map(|c| (c.name.clone(), cells(c))).collect()
}

fn column(name: &str, cells: &[&str]) -> (String, Vec<String>) {
    (name.into(), cells.iter().map(|c| (*c).to_string()).collect())
}

#[test]
fn records_are_rows_however_they_are_written() {
    let expected = [column("a", &["1.50", "-", "12345678901234567890123"]), column("b", &["x \"y\" é\n", "true", "-"])];
    let expected = expected.map(|(name, cells)| (name, cells.iter().map(|c| c.trim().to_string()).collect()));
    for text in [
        r#"[{"a": 1.50, "b": "x \"y\" \u00e9\n"}, {"a": null, "b": true}, {"a": 12345678901234567890123}]"#,
        "{\"a\": 1.50, \"b\": \"x \\\"y\\\" é\"}\n\n{\"a\": null, \"b\": true}\r\n{\"a\": 12345678901234567890123}\n",
        r#"{"a": [1.50, null, 12345678901234567890123], "b": ["x \"y\" é", true, null]}"#,
        r#"{"a": {"0": 1.50, "1": null, "2": 12345678901234567890123}, "b": {"0": "x \"y\" é", "1": true, "2": ""}}"#,
        r#"{"count": 3, "data": [{"a": 1.50, "b": "x \"y\" é"}, {"b": true}, {"a": 12345678901234567890123}]}"#,
    ] {
        assert_eq!(cells(text), expected, "{text}");
    }
    let one = cells(r#"{"a": 1, "b": {"c": {"d": "x"}, "e": []}}"#);
    assert_eq!(one, [column("a", &["1"]), column("b.c.d", &["x"]), column("b.e", &["[]"])]);
}

#[test]
fn columns_are_the_union_of_the_keys() {
    let text = "[\n {\"b\": 1},\n\n {\"a\": [1, \"x  y\", {\"z\": 2}], \"b\": 2},\n {\"c\": -0.5e3, \"p\": {\"q\": null}}\n]\n";
    let table = parse(text).unwrap();
    assert_eq!(table.names(), ["b", "a", "c", "p.q"]);
    assert_eq!((table.lines.clone(), table.has_header), (vec![2, 4, 5], true));
    assert_eq!(table.columns[1].cells.at(1), Some("[1,\"x  y\",{\"z\":2}]"));
    assert_eq!(table.columns[2].cells.at(2), Some("-0.5e3"));
    assert!(table.notes.iter().any(|n| n == "a: 1 cell is an array, kept as text"), "{:?}", table.notes);
    let marks = parse("[{\"a\": NaN, \"b\": -Infinity}, {\"a\": \"NA\", \"b\": 2}]").unwrap();
    assert_eq!(
        (&marks.columns[0].cells, marks.columns[1].cells.at(0)),
        (&[None::<&str>; 2].into_iter().collect(), Some("-inf"))
    );
    let asked = ReadOptions { skip_rows: 2, ..ReadOptions::default() };
    let table = Table::parse("t.json", b"[{\"a\": 1}]", &asked).unwrap();
    assert!(table.notes[0].contains("JSON, which has no use for skip_rows"), "{:?}", table.notes);
}

#[test]
fn records_are_known_by_their_beginning() {
    for text in ["{\"a\": 1}\n", "\u{feff}[ { \"a\" :1}]", "[\n\n  {\"a\":"] {
        assert!(begins_records(text.as_bytes()), "{text}");
        assert!(is_json("-", text.as_bytes()));
    }
    for text in ["", "a,b\n1,2\n", "{a}", "[1, 2]", "{\"a\n\": 1}", "[\"a\": 1]", "{\"a\",1\n{\"b\",2\n"] {
        assert!(!begins_records(text.as_bytes()), "{text}");
    }
    assert!(is_json("x.JSONL.gz", b"") && !is_json("x.csv", b"a,b\n"));
}

#[test]
fn what_is_broken_is_named_by_record_and_line() {
    let fails = |text: &str, parts: &[&str]| {
        let message = parse(text).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{message}\nlacks {part}");
        }
    };
    fails("", &["t.json is empty"]);
    fails("[]", &["holds no record"]);
    fails("[{}]", &["holds no record with a key"]);
    fails("[{\"a\": 1},\n {\"a\": }]", &["record 2, line 2: found \"}]\"; expected a value"]);
    fails("{\"a\": 1}\n{\"a\": 2\n{\"a\": 3}\n", &["record 2, line 3: found \"{\\\"a\\\": 3}", "a comma or '}'"]);
    fails("[{\"a\": 1},\n 5]", &["record 2, line 2: found \"5]\"; expected an object"]);
    fails("[[1, 2], [3, 4]]", &["record 1, line 1", "expected an object"]);
    fails("[{\"a\": 1}", &["record 1, line 1: found the end of the text"]);
    fails("[{\"a\": \"x\n\"}]", &["record 1, line 1: a string is not closed in its line"]);
    fails("[{\"a\": 1, \"a\": 2}]", &["record 1, line 1: the key \"a\" comes twice"]);
    fails("[{\"a\": {\"b\": 1}, \"a.b\": 2}]", &["the key \"a.b\" comes twice"]);
    fails("[{\"a\": 1},]", &["expected another entry behind the comma"]);
    fails("[{\"a\": None}]", &["json.dumps"]);
    fails("[{\"a\": 1.2.3}]", &["expected a value: a number"]);
    fails("[{'a': 1}]", &["expected a key in double quotes"]);
    fails("[{\"a\": \"\\x\"}]", &["a backslash that is no escape"]);
    fails("{\"a\": [1, 2], \"b\": [1]}", &["different length (\"b\" is shorter"]);
    fails("{\"a\": [1], \"b\": [1, 2]}", &["different length (\"a\" is shorter"]);
    fails("{\"a\": [1}", &["record 1, line 1"]);
    fails(&"[".repeat(100_000), &["expected an object"]);
    let deep = format!("[{}1{}]", "{\"a\": ".repeat(50_000), "}".repeat(50_000));
    fails(&deep, &["too deep"]);
    fails("just text", &["line 1: found \"just text\"; expected an array of objects"]);
}

#[test]
fn memory_is_bounded_for_keys_that_never_come_again() {
    // A column for each record would be a table of the square of their number.
    let text: String = (0..3000).map(|i| format!("{{\"k{i}\": 1}}\n")).collect();
    let rows = Rows { held: 0, budget: 1 << 20, ..Rows::default() };
    let mut reader = Reader { name: "t", text: &text, at: 0, counted: (0, 1), rows };
    let message = reader.all(&mut vec![]).unwrap_err().to_string();
    assert!(message.contains("by record") && message.contains("--max-memory"), "{message}");
}
