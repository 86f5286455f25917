//! What a file does not say about itself: its delimiter, and whether its first
//! line names the columns.

use super::cut::blank_cells;
use super::date;
use super::missing::MISSING;
use super::number::{Decimal, Format, is_number};
use super::quotes::{DOUBLE, SINGLE, quoted_cells};
use super::row::{Record, usual};
use super::rows::{COMMENTS, Cut};
use super::scan::lines_of;
use csv::StringRecord;
use std::collections::BTreeSet;

/// What is looked at of a file.
const SAMPLE: usize = 256 << 10;
/// Rows looked at.
pub(super) const ROWS: usize = 500;
/// Delimiters, the least likely to occur inside a cell first.
const DELIMITERS: &[u8] = b"\t;|,";
/// The share of rows that are cut into as many cells where a delimiter is right.
const EVEN: f64 = 0.9;

/// Whether a cell is a number or a date.
pub(super) fn measured(cell: &str) -> bool {
    Format::of(Decimal::Point).parse(cell).is_some() || date::format_of(cell).is_some()
}

/// Whether most cells of a column are numbers or dates.
pub(super) fn is_measured<'a>(rows: impl IntoIterator<Item = &'a Record>, column: usize) -> bool {
    let cells: Vec<&str> =
        rows.into_iter().take(ROWS).filter_map(|r| r.cells.get(column)).map(String::as_str).collect();
    let cells: Vec<&str> = cells.into_iter().filter(|c| !c.is_empty()).collect();
    !cells.is_empty() && 2 * cells.iter().filter(|c| measured(c)).count() >= cells.len()
}

/// What separates cells: what cuts most rows, and the first, into the same number
/// of cells. Between equals the ending of the file decides, then the order of
/// [`DELIMITERS`]: in `1,5;2,3` the comma belongs to the numbers. `likely` is
/// taken unless it does not cut the rows evenly and another does. Columns may
/// also be aligned by blanks.
pub(super) fn cut(name: &str, bytes: &[u8], likely: Option<char>) -> Cut {
    let name = name.to_ascii_lowercase();
    let stem = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zip")).unwrap_or(&name);
    let expected = if stem.ends_with(".tsv") || stem.ends_with(".tab") { b'\t' } else { b',' };
    let mut best = (0.0, expected);
    for &candidate in DELIMITERS {
        // A tab hint outweighs a stray other delimiter.
        let hint = if candidate == expected && expected == b'\t' { 1.0 } else { 0.0 };
        let Some(score) = evenness(bytes, candidate).map(|even| even + hint) else { continue };
        if score > best.0 {
            best = (score, candidate);
        }
    }
    let likely = likely.and_then(|c| u8::try_from(c).ok()).filter(|c| c.is_ascii());
    match likely {
        Some(b' ') if is_aligned(bytes, None) => return Cut::Blanks,
        Some(c) if c != b' ' => {
            let own = evenness(bytes, c).unwrap_or(0.0);
            if own > 0.0 && (own >= EVEN || own >= best.0) {
                return Cut::At(c);
            }
        }
        _ => {}
    }
    let cut = (best.0 > 0.0).then_some(best.1);
    match is_aligned(bytes, cut.filter(|_| best.0 >= EVEN)) {
        true => Cut::Blanks,
        false => Cut::At(best.1),
    }
}

/// The share of rows that a delimiter cuts into as many cells as most, half of it
/// less where the first row is another; `None` where these are of one cell.
fn evenness(bytes: &[u8], delimiter: u8) -> Option<f64> {
    let rows = sample(bytes, delimiter);
    let is_comment = |row: &&StringRecord| row.get(0).is_some_and(begins_a_comment);
    let comments = rows.iter().filter(is_comment).count();
    let kept = rows.iter().filter(|row| 2 * comments > rows.len() || !is_comment(row));
    let widths: Vec<usize> = kept.map(StringRecord::len).collect();
    let width = usual(widths.iter().copied()).filter(|&w| w > 1)?;
    let even = widths.iter().filter(|&&n| n == width).count() as f64 / widths.len() as f64;
    Some(if widths[0] == width { even } else { even / 2.0 })
}

/// The quote around cells: a single one where no cell begins with a double one, single
/// ones come in pairs around cells, and these are at least half of some column, or hold
/// delimiters without which the rows are even.
pub(super) fn quote(bytes: &[u8], delimiter: u8) -> u8 {
    let lines = first_lines(bytes);
    let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !begins_a_comment(line)).collect();
    let pieces: Vec<Vec<&str>> =
        lines.iter().map(|line| line.split(char::from(delimiter)).map(str::trim).collect()).collect();
    let begins = |quote: u8| pieces.iter().flatten().any(|p| p.as_bytes().first() == Some(&quote));
    if begins(DOUBLE) || !begins(SINGLE) {
        return DOUBLE;
    }
    let cells: Option<Vec<usize>> =
        lines.iter().map(|line| Some(quoted_cells(line.trim(), delimiter, SINGLE)?.len())).collect();
    let are_even = |widths: &[usize]| widths.iter().all(|&w| w == widths[0]);
    let Some(widths) = cells.filter(|widths| are_even(widths)) else { return DOUBLE };
    if !are_even(&pieces.iter().map(Vec::len).collect::<Vec<_>>()) {
        return SINGLE;
    }
    let is_wrapped = |cell: &str| cell.len() > 1 && cell.starts_with('\'') && cell.ends_with('\'');
    let rows = if pieces.len() > 1 { &pieces[1..] } else { &pieces[..] };
    let most = |i: usize| {
        let present = rows.iter().filter(|row| !row[i].is_empty() && !MISSING.contains(&row[i])).count();
        let wrapped = rows.iter().filter(|row| is_wrapped(row[i])).count();
        wrapped > 0 && 2 * wrapped >= present
    };
    let is_single = (0..widths[0]).any(most) || pieces[0].iter().all(|cell| is_wrapped(cell));
    if is_single { SINGLE } else { DOUBLE }
}

/// The first lines of the file that are whole; bytes that are no UTF-8 do not matter.
fn first_lines(bytes: &[u8]) -> Vec<String> {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(SAMPLE)]);
    let whole = if bytes.len() > SAMPLE { start.rfind('\n').unwrap_or(0) } else { start.len() };
    lines_of(&start[..whole], 1).map(|(_, _, line)| line.to_string()).take(ROWS).collect()
}

/// Whether some text begins as comments do.
fn begins_a_comment(text: &str) -> bool {
    COMMENTS.iter().any(|mark| text.trim_start().starts_with(mark))
}

/// Whether columns are aligned by runs of blanks: these cut every line into as
/// many cells, of which some column holds numbers, while lines as a whole do not;
/// and where `cut` does so, too, its cells hold such runs.
fn is_aligned(bytes: &[u8], cut: Option<u8>) -> bool {
    let lines = first_lines(bytes);
    let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !begins_a_comment(line)).collect();
    let rows: Vec<Vec<&str>> = lines.iter().map(|line| blank_cells(line)).collect();
    let Some(width) = rows.first().map(Vec::len).filter(|&w| w > 1 && rows.len() > 1) else { return false };
    let most = |n: usize| 2 * n > rows.len();
    let runs = |line: &&&str| cut.is_none_or(|c| line.split(char::from(c)).any(|cell| cell.trim().contains("  ")));
    rows.iter().all(|row| row.len() == width)
        && most(lines.iter().filter(|line| !measured(line.trim())).count())
        && most(lines.iter().filter(runs).count())
        && (0..width).any(|i| most(rows.iter().filter(|row| measured(row[i])).count()))
}

/// Whether the first line is a header, and what to say where that is in doubt.
pub(super) struct Seen {
    pub is_header: bool,
    pub doubt: Option<String>,
}

/// Whether the first row is a header: none of its cells is a number or a date,
/// no cell occurs twice, and either a column below is made of numbers or dates,
/// or no cell of the line occurs again in its own column. Numbers may be names
/// where they are years in a row, or count columns, and cells below are not.
pub(super) fn header(rows: &[Record]) -> Seen {
    let no = Seen { is_header: false, doubt: None };
    let Some((first, rows)) = rows.split_first() else { return no };
    let plain = |cell: &str| !measured(cell);
    let names: Vec<&str> = first.cells.iter().map(String::as_str).filter(|c| !c.is_empty()).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    if names.iter().any(|c| !plain(c)) && names_by_number(&first.cells, rows) {
        let doubt = format!(
            "line {}: its numbers follow one another and those below do not, so it is taken for the header; set \
             header = \"no\" if it is a row",
            first.line
        );
        return Seen { is_header: true, doubt: Some(doubt) };
    }
    if names.is_empty() || !names.iter().all(|c| plain(c)) {
        return no;
    }
    let cells =
        |i: usize| rows.iter().filter_map(move |r| r.cells.get(i)).map(String::as_str).filter(|c| !c.is_empty());
    let measured = (0..first.cells.len()).any(|i| {
        let (plain, other): (Vec<&str>, Vec<&str>) = cells(i).partition(|c| plain(c) && !is_number(c));
        // Missing cells may be words, so half is enough.
        !other.is_empty() && other.len() >= plain.len()
    });
    let is_new = |i: usize| !cells(i).any(|c| c == first.cells[i]);
    let is_header = measured || (distinct.len() == names.len() && (0..first.cells.len()).all(is_new));
    let (is, other) = if is_header { ("taken for the header", "no") } else { ("taken for a row", "yes") };
    let doubt =
        format!("line {} holds words, as all rows do, and is {is}; set header = \"{other}\" if it is not", first.line);
    Seen { is_header, doubt: (!measured && !rows.is_empty()).then_some(doubt) }
}

/// Whether the numbers of a line are names: two years or more that rise or fall,
/// or three or more whole numbers that count, where columns below hold others.
fn names_by_number(first: &[String], rows: &[Record]) -> bool {
    let whole = |c: &String| c.parse::<i64>().ok();
    let at: Vec<(usize, i64)> = first.iter().enumerate().filter_map(|(i, c)| Some((i, whole(c)?))).collect();
    let numbers = first.iter().filter(|c| measured(c)).count();
    // A line of numbers alone is a row, but for one that counts from 0.
    let alone = numbers == first.len() && (numbers < 4 || at.first().is_none_or(|&(_, n)| n != 0));
    if rows.is_empty() || at.len() < 2 || at.len() != numbers || alone {
        return false;
    }
    let rises = |by: &dyn Fn(i64) -> bool, all: &[i64]| all.windows(2).all(|w| by(w[1] - w[0]));
    let is_year = |y: i64| (1500..=2200).contains(&y);
    let are_names = |all: &[i64]| {
        let years = all.iter().all(|&y| is_year(y)) && (rises(&|d| d > 0, all) || rises(&|d| d < 0, all));
        years || (all.len() > 2 && rises(&|d| d == 1, all))
    };
    let values: Vec<i64> = at.iter().map(|(_, n)| *n).collect();
    let years = values.iter().all(|&n| is_year(n));
    let alike = rows.iter().filter(|row| {
        let below: Option<Vec<i64>> = at.iter().map(|(i, _)| row.cells.get(*i).and_then(whole)).collect();
        below.is_some_and(|below| if years { below.iter().all(|&n| is_year(n)) } else { are_names(&below) })
    });
    are_names(&values) && 10 * alike.count() <= rows.len()
}

/// The first rows of the file as text; bytes that are no UTF-8 do not matter.
pub(super) fn sample(bytes: &[u8], delimiter: u8) -> Vec<StringRecord> {
    let cut = &bytes[..bytes.len().min(SAMPLE)];
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).delimiter(delimiter).quote(DOUBLE);
    let mut rows: Vec<StringRecord> = reader
        .from_reader(cut)
        .into_byte_records()
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
    use super::super::body::Body;
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_cuts_evenly() {
        let found = |name: &str, text: &str| match cut(name, text.as_bytes(), None) {
            Cut::At(c) => c as char,
            Cut::Blanks => ' ',
        };
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
        let is = |text: &str| header(&rows(text)).is_header;
        assert!(is("a,b\n1,x\n2,y\n"));
        assert!(!is("5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n"));
        assert!(is("city,country\nRome,Italy\nParis,France\n"));
        assert!(!is("Rome,Italy\nParis,France\nMilan,Italy\n"));
        assert!(is("Month,Passengers\n1949-01,112\n"));
        assert!(is(",x\n0,1\n1,2\n"), "an index column has no name");
        assert!(!is("2020-01-01,x\n2020-01-02,x\n"));
        assert!(is("a,a\n1,2\n"), "two columns of one name are the reader's to rename");
    }

    fn rows(text: &str) -> Vec<Record> {
        let body = Body { name: "t.csv", text, first_line: 1, held: 0, quote: DOUBLE };
        let rows = body.rows(Cut::At(b','), &mut vec![]).unwrap();
        rows.records(0..rows.all.len())
    }

    #[test]
    fn numbers_may_name_columns() {
        let seen = |text: &str| header(&rows(text));
        for text in [
            "country,1990,2000,2010\nPeru,1.5,2.5,3.5\nChile,4,5,6\n",
            "name,2021,2020\na,17000,18000\nb,12,1995\n",
            ",0,1,2\na,5,7,9\nb,6,8,7\n",
            "0,1,2,3\n5,7,9,1\n6,7,8,2\n",
        ] {
            let seen = seen(text);
            assert!(seen.is_header && seen.doubt.unwrap().contains("set header = \"no\""), "{text}");
        }
        for text in [
            "C0,12.5,15.1\nC1,3.5,4.5\n",
            "car,1990,2000\nbike,1980,1995\nbus,1970,1999\n",
            "a,1,2,3\nb,2,3,4\nc,3,4,5\n",
            "1990,2000\n5,6\n",
            "1,2,3,4\n4,5,7,8\n",
        ] {
            assert!(!seen(text).is_header, "{text}");
        }
    }

    #[test]
    fn words_alone_leave_a_doubt() {
        let doubt = |text: &str| header(&rows(text)).doubt.unwrap_or_default();
        assert!(doubt("city,country\nRome,Italy\n").contains("is taken for the header; set header = \"no\""));
        assert!(doubt("Rome,Italy\nMilan,Italy\n").contains("is taken for a row; set header = \"yes\""));
        assert_eq!(doubt("a,b\n1,x\n"), "");
    }

    #[test]
    fn what_was_likely_is_taken_unless_another_is_right() {
        let found = |text: &str, likely| cut("t.csv", text.as_bytes(), Some(likely));
        assert_eq!(found("a^b\n1^2,5\n3^4,5\n", '^'), Cut::At(b'^'));
        assert_eq!(found("a;b\n1,5;2\n3,5;4\n", ','), Cut::At(b';'));
        assert_eq!(found("a,b\n1,2\n3,4\n", '^'), Cut::At(b','));
        assert_eq!(found("a b\n1 2\n3  4\n", ' '), Cut::Blanks);
    }

    #[test]
    fn single_quotes_stand_around_cells() {
        let found = |text: &str| quote(text.as_bytes(), b',') == SINGLE;
        for text in [
            "a,b\n'x y',1\n'z',2\n",
            "a,b\n'<0',1\n'no checking',2\nradio,3\n",
            "'a','b'\n1,2\n",
            "a,b\n'one, two',1\nthree,2\nfour,3\nfive,4\n",
            "a,b\n'it\\'s',1\n'so',2\n",
        ] {
            assert!(found(text), "{text}");
        }
        for text in [
            "a,b\n'Til late,1\n'Round Midnight',2\n",
            "a,b\n'tis,1\n",
            "a,b\n'00123,1\n'00456,2\n",
            "a,b\n\"x\",'y'\n\"z\",'w'\n",
            "a,b\nx,1\ny,2\nz,3\n'w',4\n",
        ] {
            assert!(!found(text), "{text}");
        }
    }

    #[test]
    fn columns_may_be_aligned_by_blanks() {
        let found = |text: &str| cut("t.txt", text.as_bytes(), None);
        for text in [
            "x   y   name\n1.5  2   a\n10.5 20  b\n",
            "18.0  8  307.0  70  1\t\"chevrolet chevelle\"\n15.0  8  350.0  70  1\t\"buick skylark\"\n",
            "a\t\tb\n1\t\t2\n100\t2\n",
            "6.0 148 72\n 1.0 85 66\n",
        ] {
            assert_eq!(found(text), Cut::Blanks, "{text}");
        }
        for text in ["when\n2020-01-01 10:00\n2020-01-01 11:00\n", "full name\nAnn Lee\nBo Li\n", "a,b c\n1,2 x\n"] {
            assert_eq!(found(text), Cut::At(b','), "{text}");
        }
        assert_eq!(blank_cells(" 1\t 2  \"a b\" c\"d"), ["1", "2", "a b", "c\"d"]);
    }
}
