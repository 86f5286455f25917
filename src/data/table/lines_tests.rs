use super::super::{ReadOptions, Table};
use crate::error::Result;

fn read(text: &str, options: &ReadOptions) -> Result<Table> {
    Table::parse("t.csv", text.as_bytes(), options)
}

/// The table without and with lines that are no rows: the cells are the same, and
/// each note is there.
fn same(odd: &str, plain: &str, said: &[&str]) {
    let (odd, plain) = (read(odd, &ReadOptions::default()).unwrap(), read(plain, &ReadOptions::default()).unwrap());
    assert_eq!(odd.columns, plain.columns);
    assert_eq!(odd.has_header, plain.has_header);
    let notes = odd.notes.join("\n");
    assert!(said.iter().all(|part| notes.contains(part)), "{said:?}\n{notes}");
    assert_eq!(plain.notes, [""; 0]);
}

const PLAIN: &str = "a,b,kind\n1.5,2,x\n2.5,3,y\n3.5,4,x\n4.5,5,y\n";

#[test]
fn lines_above_a_table_are_left_out() {
    let semicolons = PLAIN.replace(',', ";");
    same(&format!("sep=;\r\n{semicolons}"), &semicolons, &["line 1 left out: it says the delimiter, ';'"]);
    same(&format!("\"sep=,\"\n{PLAIN}"), PLAIN, &["line 1 left out"]);
    same(&format!("Report of May\n\n{PLAIN}"), PLAIN, &["line 1 left out: it is a title above the table"]);
    let above = format!("Measurements, May 2024\nLatitude,47.3\n{PLAIN}");
    same(&above, PLAIN, &["2 lines left out (1, 2): each is a title above the table"]);
    same(&format!("// north\n{PLAIN}// south\n"), PLAIN, &["2 lines left out (1, 7): each is a comment"]);
    same(&format!("# of a logger, 3.1\n# north\n{PLAIN}"), PLAIN, &["2 lines left out (1, 2): each is a comment"]);
    same(&format!("% one, two, three\n{PLAIN}"), PLAIN, &["line 1 left out: it is a comment"]);
    same(&PLAIN.replacen("a,", "# a,", 1), PLAIN, &["line 1: a comment names the columns"]);
    let skips = ReadOptions { skip_rows: 2, ..ReadOptions::default() };
    let table = read(&format!("x,y,z\n1,2,3\n{PLAIN}"), &skips).unwrap();
    assert_eq!((table.names(), &table.lines[..]), (vec!["a", "b", "kind"], &[4, 5, 6, 7][..]));
    assert_eq!(table.notes, ["lines 1 to 2 left out, as configured (skip_rows)"]);
}

#[test]
fn comments_are_told_from_rows() {
    let between = PLAIN.replace("2.5,", "# battery changed\n#0.1,0.2,x\n2.5,");
    same(&between, PLAIN, &["2 lines left out (3, 4): each is a comment"]);
    let colours = "colour,gloss\n#ff8800,1.5\n#00ff00,2.5\nred,2\n#1020aa,3\n";
    let table = read(colours, &ReadOptions::default()).unwrap();
    assert_eq!((table.rows(), table.notes.len()), (4, 0));
    let own = |mark: &str| ReadOptions { comment: Some(mark.into()), ..ReadOptions::default() };
    assert_eq!(read(colours, &own("#")).unwrap().rows(), 1);
    assert_eq!(read(&PLAIN.replace("2.5,", "// no\n2.5,"), &own("//")).unwrap().rows(), 4);
    assert_eq!(read(&PLAIN.replace("2.5,", "!no\n2.5,"), &own("!")).unwrap().rows(), 4);
    let message = read(&between, &own("")).unwrap_err().to_string();
    assert!(message.contains("line 3: found 1 cells"), "{message}");
}

#[test]
fn blank_rows_and_stray_delimiters_are_left_out() {
    let blank = PLAIN.replace("2.5,", ",,\n2.5,") + ",,\n , ,\n";
    same(&blank, PLAIN, &["3 lines left out (3, 7, 8): each is blank"]);
    same(&PLAIN.replacen("kind", "kind,", 1), PLAIN, &["line 1: the header ends in a delimiter"]);
    same(&PLAIN.replace('\n', ",\n").replacen(",\n", "\n", 1), PLAIN, &["4 rows end in a delimiter"]);
    same(&PLAIN.replace("y\n", "y,,\n"), PLAIN, &["2 rows end in a delimiter"]);
    same(&PLAIN.replace('\n', ",,\n"), PLAIN, &["2 columns at the end without a name or a cell left out"]);
    for named in ["a,b\n1,5,2\n2,3,4\n3,5,6\n", "\"a\",\"b\"\n\"r1\",1,2\n\"r2\",3,4\n\"r3\",5,6\n"] {
        let table = read(named, &ReadOptions::default()).unwrap();
        assert_eq!(table.names(), ["column1", "a", "b"]);
        assert!(table.notes[0].contains("a cell less than the rows"), "{:?}", table.notes);
    }
    assert!(read("name,price\nA,1,234\nB,2,500\nC,3,100\n", &ReadOptions::default()).is_err());
    // A missing last cell is one.
    assert_eq!(read("a,b\n1,2\n3,\n", &ReadOptions::default()).unwrap().notes.len(), 0);
}

#[test]
fn headers_may_go_on_and_come_again() {
    let twice = format!("{PLAIN}{}", PLAIN.replace(".5", ".25"));
    let rows = PLAIN.lines().skip(1).map(|l| l.replace(".5", ".25") + "\n").collect::<String>();
    same(&twice, &format!("{PLAIN}{rows}"), &["line 6 left out: it is a repetition of the header"]);
    let units = PLAIN.replacen("1.5,", "[cm],kg,\n1.5,", 1);
    same(&units, PLAIN, &["line 2 left out: it is a further line of the header"]);
    let prices = "Price,Close,Close\nTicker,ACME,Bolt\nDate,,\n2022-01-03,1.5,2\n2022-01-04,2,3\n2022-01-05,3,4\n";
    let table = read(prices, &ReadOptions::default()).unwrap();
    assert_eq!(table.names(), ["Price Ticker Date", "Close ACME", "Close Bolt"]);
    assert_eq!(table.lines, [4, 5, 6]);
    // A missing cell in the first row makes no header of it.
    let gap = PLAIN.replacen("1.5,2", "NA,-", 1);
    assert_eq!(read(&gap, &ReadOptions::default()).unwrap().rows(), 4);
}

#[test]
fn what_stands_below_a_table_is_left_out() {
    for foot in ["Total,14,\n", "source: the office of statistics\n", "Summe,14\n", "\nNote: b is in cm,,\n"] {
        same(&format!("{PLAIN}{foot}"), PLAIN, &["a note or a sum below the table"]);
    }
    // Rows that are cut short are errors, and a category may be called Total.
    let message = read(&format!("{PLAIN}5.5,6\n"), &ReadOptions::default()).unwrap_err().to_string();
    assert!(message.contains("line 6: found 2 cells; expected 3"), "{message}");
    let words = "part,x\nTotal,1\nA,2\nTotal,3\nB,4\nTotal,5\n";
    assert_eq!(read(words, &ReadOptions::default()).unwrap().rows(), 5);
}

#[test]
fn quotes_that_never_end_are_characters() {
    let text = "ham\t\"Hi there 1\nspam\t\"free entry\nham\tok\nham\the said \"no\nspam\t\"WIN\n";
    let table = read(text, &ReadOptions::default()).unwrap();
    assert_eq!((table.rows(), table.delimiter), (5, '\t'));
    assert_eq!(table.columns[1].cells.at(1), Some("\"free entry"));
    assert!(table.notes[0].contains("line 1: a quote begins a cell"), "{:?}", table.notes);
    assert!(table.notes[0].contains("as in 2 more lines"), "{:?}", table.notes);
    // Others do their work, and keep it.
    let mixed = "text,n\n\"a, b\",1\n\"never closed,2\n\"c, d\",3\n";
    let table = read(mixed, &ReadOptions::default()).unwrap();
    assert!(table.columns[0].cells.present().eq(["a, b", "\"never closed", "c, d"]));
    let lines = "id,text\n1,\"one\n2, two\"\n3,\"three\"\n";
    assert_eq!(read(lines, &ReadOptions::default()).unwrap().rows(), 2);
    let odd = "text,n\n\"one,1\ntwo,2\n\"th\"\"ree\",3\n";
    let table = read(odd, &ReadOptions::default()).unwrap();
    assert!(table.columns[0].cells.present().eq(["\"one", "two", "th\"ree"]));
    // A text of many lines is a text, and a finding where it holds delimiters.
    let long = format!("text,n\n\"a, b\n{}c, d\",1\nx,2\n", "e, f, g\n".repeat(12));
    let table = read(&long, &ReadOptions::default()).unwrap();
    assert_eq!(table.rows(), 2);
    assert!(table.notes[0].contains("line 2: a cell in quotes runs over 14 lines"), "{:?}", table.notes);
}

#[test]
fn columns_may_be_aligned_by_blanks() {
    let text = "x     y  name\n1.5   2  \"a b\"\n10.25 20 c\n";
    let table = Table::parse("t.txt", text.as_bytes(), &ReadOptions::default()).unwrap();
    assert_eq!((table.names(), table.rows(), table.delimiter), (vec!["x", "y", "name"], 2, ' '));
    assert_eq!(table.columns[2].cells.at(0), Some("a b"));
}
