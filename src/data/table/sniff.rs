//! What a file does not say about itself: its delimiter, and whether its first
//! line names the columns.

use super::number::{Decimal, Format, is_number};
use super::{date, read::reader};
use csv::StringRecord;
use std::collections::BTreeSet;

/// What is looked at of a file.
const SAMPLE: usize = 256 << 10;
/// Rows looked at.
const ROWS: usize = 500;
/// Delimiters, the least likely to occur inside a cell first.
const DELIMITERS: &[u8] = b"\t;|,";

/// The delimiter that cuts most rows into as many cells as the first. Between
/// equals the ending of the file decides, then the order of [`DELIMITERS`]: in
/// `1,5;2,3` the comma belongs to the numbers.
pub fn delimiter(name: &str, bytes: &[u8]) -> u8 {
    let name = name.to_ascii_lowercase();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    let expected = if stem.ends_with(".tsv") || stem.ends_with(".tab") { b'\t' } else { b',' };
    let mut best = (0.0, expected);
    for &candidate in DELIMITERS {
        let widths: Vec<usize> = sample(bytes, candidate).iter().map(StringRecord::len).collect();
        let Some(&first) = widths.first().filter(|&&n| n > 1) else { continue };
        let even = widths.iter().filter(|&&n| n == first).count() as f64 / widths.len() as f64;
        // A tab hint outweighs a stray other delimiter.
        let score = even + if candidate == expected && expected == b'\t' { 1.0 } else { 0.0 };
        if score > best.0 {
            best = (score, candidate);
        }
    }
    best.1
}

/// Whether the first line is a header: none of its cells is a number or a date,
/// no cell occurs twice, and either a column below is made of numbers or dates,
/// or no cell of the line occurs again in its own column.
pub fn header(bytes: &[u8], delimiter: u8) -> bool {
    let rows = sample(bytes, delimiter);
    let Some((first, rows)) = rows.split_first() else { return false };
    let numbers = Format::of(Decimal::Point);
    let plain = |cell: &str| numbers.parse(cell).is_none() && date::format_of(cell).is_none();
    let is_word = |cell: &str| plain(cell) && !is_number(cell);
    let names: Vec<&str> = first.iter().map(str::trim).filter(|c| !c.is_empty()).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    if names.is_empty() || !names.iter().all(|c| plain(c)) {
        return false;
    }
    let cells = |i: usize| rows.iter().filter_map(move |r| r.get(i)).map(str::trim).filter(|c| !c.is_empty());
    let measured = (0..first.len()).any(|i| {
        let (plain, other): (Vec<&str>, Vec<&str>) = cells(i).partition(|c| is_word(c));
        // Missing cells may be words, so half is enough.
        !other.is_empty() && other.len() >= plain.len()
    });
    // Two columns of one name are an error that only a header can have.
    measured || (distinct.len() == names.len() && (0..first.len()).all(|i| !cells(i).any(|c| c == first[i].trim())))
}

/// The first rows of the file as text; bytes that are no UTF-8 do not matter.
pub(super) fn sample(bytes: &[u8], delimiter: u8) -> Vec<StringRecord> {
    let cut = &bytes[..bytes.len().min(SAMPLE)];
    let mut rows: Vec<StringRecord> = reader(cut, delimiter)
        .byte_records()
        .filter_map(Result::ok)
        .take(ROWS)
        .map(StringRecord::from_byte_record_lossy)
        .collect();
    if rows.len() > 2 && rows.len() < ROWS && cut.len() < bytes.len() {
        rows.pop(); // Cut in its middle.
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_cuts_evenly() {
        let found = |name: &str, text: &str| delimiter(name, text.as_bytes()) as char;
        assert_eq!(found("a.csv", "a,b\n1,2\n"), ',');
        assert_eq!(found("a.csv", "a;b\n1,5;2,5\n"), ';');
        assert_eq!(found("a.csv", "1,5;2,5\n3,5;1,0\n"), ';');
        assert_eq!(found("a.txt", "a|b\n1|2\n"), '|');
        assert_eq!(found("a.txt", "a\tb, c\n1\t2, 3\n"), '\t');
        assert_eq!(found("a.tsv.gz", "a, x\tb\n1, 2\t2\n"), '\t');
        assert_eq!(found("a.csv", "name,text\nx,\"one; two\"\ny,\"three\"\n"), ',');
        assert_eq!(found("a.csv", "one\ntwo\n"), ',');
        assert_eq!(found("a.tsv", "a,b\n1,2\n"), ',');
    }

    #[test]
    fn a_header_is_told_from_a_row() {
        let is = |text: &str| header(text.as_bytes(), b',');
        assert!(is("a,b\n1,x\n2,y\n"));
        assert!(!is("5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n"));
        assert!(is("city,country\nRome,Italy\nParis,France\n"));
        assert!(!is("Rome,Italy\nParis,France\nMilan,Italy\n"));
        assert!(is("Month,Passengers\n1949-01,112\n"));
        assert!(is(",x\n0,1\n1,2\n"), "an index column has no name");
        assert!(!is("2020-01-01,x\n2020-01-02,x\n"));
        assert!(is("a,a\n1,2\n"), "two columns of one name are the reader's to refuse");
    }
}
