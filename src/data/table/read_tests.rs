use super::super::body::{LONGEST_CELL, MOST_COLUMNS};
use super::super::{Header, Kept, Layout};
use super::*;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

fn parse(text: &str) -> Result<Table> {
    Table::parse("t.csv", text.as_bytes(), &ReadOptions::default())
}

fn fails(bytes: &[u8], parts: &[&str]) {
    let message = Table::parse("t.csv", bytes, &ReadOptions::default()).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{message}\nlacks {part}");
    }
}

fn cells(table: &Table, column: &str) -> Vec<String> {
    table.column(column).unwrap().cells.iter().map(|c| c.unwrap_or("-").to_string()).collect()
}

#[test]
fn quotes_marks_and_line_ends_are_understood() {
    let text = "\u{feff}name,\"a \"\"b\"\"\",c\r\n\"x, y\",1, NA\r\n\r\n\"two\r\nlines\",?,3\r\n z ,,nan";
    let table = parse(text).unwrap();
    assert_eq!(table.names(), ["name", "a \"b\"", "c"]);
    assert_eq!(table.lines, [2, 4, 6]);
    assert_eq!(cells(&table, "name"), ["x, y", "two\r\nlines", "z"]);
    assert_eq!(cells(&table, "a \"b\""), ["1", "-", "-"]);
    assert_eq!(cells(&table, "c"), ["-", "3", "-"]);
    assert_eq!((table.has_header, table.delimiter, table.rows()), (true, ',', 3));
    assert_eq!(parse("a,b\r1,2\r3,4\r").unwrap().lines, [2, 3]);
}

#[test]
fn without_a_header_columns_are_numbered() {
    let table = parse("5.1,3.5,setosa\n4.9,3.0,setosa\n").unwrap();
    assert_eq!((table.names(), table.rows()), (vec!["column1", "column2", "column3"], 2));
    let options = ReadOptions { header: Header::Yes, ..ReadOptions::default() };
    let table = Table::parse("t", b"1,2\n3,4\n", &options).unwrap();
    assert_eq!((table.names(), table.rows()), (vec!["1", "2"], 1));
    let options = ReadOptions { header: Header::No, ..ReadOptions::default() };
    assert_eq!(Table::parse("t", b"a,b\n3,4\n", &options).unwrap().rows(), 2);
    assert_eq!(parse(",x\n0,1\n1,2\n").unwrap().names(), ["column1", "x"]);
}

#[test]
fn what_counts_as_missing_can_be_said() {
    let options = ReadOptions { missing_values: vec!["99".into()], ..ReadOptions::default() };
    let table = Table::parse("t", b"a,b\n99,NA\n1,\n", &options).unwrap();
    assert_eq!((cells(&table, "a"), cells(&table, "b")), (vec!["-".into(), "1".into()], vec!["NA".into(), "-".into()]));
}

#[test]
fn broken_files_are_named_with_their_line() {
    fails(b"", &["t.csv is empty"]);
    fails(b"\xef\xbb\xbf \r\n\n", &["t.csv is empty"]);
    fails(b"name,age\n", &["header only (line 1: name, age)", "at least one row"]);
    fails(b"a,b\n1,2\n\n3\n", &["t.csv, line 4: found 1 cells; expected 2"]);
    fails(b"a,b\n1,2,3\n", &["line 2: found 3 cells; expected 2", "needs quotes"]);
    fails(b"a,b\n1,x\n1,\"2\n3,4\n5,6,7\n", &["t.csv, line 3: a quote opens here and is never closed"]);
    fails(b"\"a,b\n1,2\n3", &["line 1: a quote opens here"]);
    fails(b"a,b\n\"1\n3,4\"\n5,6\n", &["line 2: found 1 cells", "not closed"]);
    assert_eq!(cells(&parse("a,b\n1,\"x\"\"\"").unwrap(), "b"), ["x\""]);
    fails(b"a,b\nok,1\nM\xfcl\x81er,2\n", &["line 3: it is not UTF-8 (byte 0xfc)", "iconv"]);
    fails(b"a,b\n1,2\n3,\0\n", &["line 3: found a NUL byte"]);
    fails(b"\xff\xfea\0,\0\0", &["UTF-16"]);
    let giant = [b"a,b\n1,\"".as_slice(), &vec![b'x'; LONGEST_CELL + 1], b"\"\n"].concat();
    fails(&giant, &["line 2: cell 2 has 1048577 bytes", "left open"]);
    fails(&[b','; MOST_COLUMNS], &["line 1: found 100001 cells; expected at most 100000 columns"]);
    let options = ReadOptions { delimiter: Some('"'), ..ReadOptions::default() };
    assert!(Table::parse("t", b"a\n1\n", &options).unwrap_err().to_string().contains("no quote"));
}

#[test]
fn columns_of_one_name_are_told_apart() {
    let table = parse("a,b,a,a_2,a\n1,2,3,4,5\n").unwrap();
    assert_eq!(table.names(), ["a", "b", "a_3", "a_2", "a_4"]);
    assert_eq!(table.notes[0], "columns 1 and 3 are both called \"a\": the later is called \"a_3\"");
}

#[test]
fn other_encodings_are_converted_and_said() {
    let table = Table::parse("t.csv", b"name,n\nM\xfcller,1\n", &ReadOptions::default()).unwrap();
    assert_eq!(cells(&table, "name"), ["Müller"]);
    assert!(table.notes[0].contains("Windows-1252"), "{:?}", table.notes);
}

#[test]
fn a_layout_reads_another_file_alike() {
    let options = ReadOptions { delimiter: Some('^'), skip_rows: 1, ..ReadOptions::default() };
    let text = format!("by me\nx^kind\n{}", "1^None\n2^mild\n".repeat(5));
    let table = Table::parse("t.csv", text.as_bytes(), &options).unwrap();
    let layout = Layout::of(&table, &options);
    let read = layout.read_options(true, &options.missing_values);
    let other = Table::parse("t.csv", b"by you\nx^kind\n7,5^None\n", &read).unwrap();
    assert_eq!((other.names(), cells(&other, "kind")), (vec!["x", "kind"], vec!["None".to_string()]));
    // What older versions wrote has no layout: marks are what they were.
    let old: Layout = serde_json::from_str("{}").unwrap();
    assert_eq!(old.read_options(true, &options.missing_values).kept, Some(Kept::new()));
}

#[test]
fn columns_are_found_by_name_number_and_last() {
    let table = parse("age,fare,class\n1,2,x\n3,4,y\n").unwrap();
    assert_eq!(["fare", "1", "last", "3"].map(|w| table.find(w).unwrap()), [1, 0, 2, 2]);
    let message = table.find("Fair").unwrap_err().to_string();
    assert_eq!(message, "t.csv: unknown column \"Fair\"; did you mean \"fare\"? Valid: age, fare, class");
    assert!(table.find("4").unwrap_err().to_string().contains("expected 1 to 3"));
    assert!(table.find("0").is_err());
}

#[test]
fn gzipped_files_are_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.tsv.gz");
    let mut gzip = GzEncoder::new(std::fs::File::create(&path).unwrap(), Compression::fast());
    gzip.write_all(b"a\tb\n1\tx, y\n").unwrap();
    gzip.finish().unwrap();
    let table = Table::open(&path, &ReadOptions::default()).unwrap();
    assert_eq!((table.delimiter, cells(&table, "b")), ('\t', vec!["x, y".to_string()]));
    assert!(
        Table::open(&dir.path().join("no.csv"), &ReadOptions::default()).unwrap_err().to_string().contains("no.csv")
    );
}

#[test]
fn any_bytes_give_a_table_or_an_error() {
    use crate::tensor::random::Random;
    let alphabet = b"a1,;\t|\"\"\n\n\r .-\xc3\xa9\0";
    for seed in 0..2000 {
        let mut random = Random::new(seed, 0);
        let text: Vec<u8> = (0..random.bits() % 60)
            .map(|_| alphabet[random.bits() as usize % (alphabet.len() - usize::from(seed % 4 > 0))])
            .collect();
        if let Ok(table) = Table::parse("t", &text, &ReadOptions::default()) {
            assert!(table.columns.iter().all(|c| c.cells.len() == table.rows()));
            assert!(table.lines.is_sorted() && table.rows() > 0);
        }
    }
}

#[test]
fn a_file_has_one_decimal_mark() {
    let mark = |text: &str, options: &ReadOptions| Table::parse("t.csv", text.as_bytes(), options).unwrap().decimal;
    let base = ReadOptions::default();
    let comma = "price;n\n1.234,50;312\n7,25;1.908\n";
    assert_eq!(mark(comma, &base), FileMark::Proven(Decimal::Comma));
    assert_eq!(mark("n;x\n1,739;5.25\n12;3.5\n", &base), FileMark::Proven(Decimal::Point));
    assert_eq!(mark("n;x\n1.739;a\n12;b\n", &base), FileMark::Unknown);
    let given = ReadOptions { decimal: Some(Decimal::Point), ..base.clone() };
    assert_eq!(mark(comma, &given), FileMark::Given(Decimal::Point));
    // Numbers of JSON have points.
    let json = Table::parse("t.json", br#"[{"x": 1.908}, {"x": 2.841}]"#, &base).unwrap();
    assert_eq!(json.decimal, FileMark::Proven(Decimal::Point));
}
