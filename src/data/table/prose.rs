//! Whether the text of a file is a table or prose, where its name does not say.
//!
//! A table has a delimiter that cuts nearly all lines into the same number of
//! cells. Verse may do that, too, with a comma in every line; but there every
//! cell is a phrase of its own, whereas a table has a column of numbers, of
//! single words, or of cells that repeat. Lines of numbers are tables whatever
//! stands between them.

use super::number::is_plain;
use super::{date, sniff};
use csv::StringRecord;
use std::collections::{BTreeMap, BTreeSet};

/// Lines looked at.
const LINES: usize = 200;
/// Bytes looked at.
pub(in crate::data) const SAMPLE: u64 = 256 << 10;
/// The share of lines that must have the same number of cells.
const MOST: f64 = 0.9;
/// Words from which on a cell reads like a phrase.
const PHRASE: f64 = 2.5;

/// Whether the first bytes of a file, up to [`SAMPLE`], are those of a table.
pub(in crate::data) fn is_table(bytes: &[u8]) -> bool {
    // The last line may be cut in its middle.
    let end = if bytes.len() as u64 >= SAMPLE { bytes.iter().rposition(|&b| b == b'\n') } else { None };
    let bytes = &bytes[..end.unwrap_or(bytes.len())];
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.contains(&0) {
        return false;
    }
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).take(LINES).collect();
    are_numbers(&lines) || b"\t;|,".iter().any(|&delimiter| is_even(bytes, delimiter))
}

fn is_measured(cell: &str) -> bool {
    is_plain(cell) || date::format_of(cell).is_some()
}

/// Whether the lines, but for a header, hold mostly numbers or dates: one each,
/// or the same number of them between spaces.
fn are_numbers(lines: &[&str]) -> bool {
    let rows = lines.get(1..).filter(|rows| !rows.is_empty()).unwrap_or_default();
    let enough = |n: usize, of: usize| of > 0 && n as f64 >= MOST * of as f64;
    let single = rows.iter().filter(|line| is_measured(line.trim())).count();
    let cells: Vec<Vec<&str>> = rows.iter().map(|line| line.split_whitespace().collect()).collect();
    let all: Vec<&str> = cells.iter().flatten().copied().collect();
    let measured = all.iter().filter(|c| is_measured(c)).count();
    let (width, even) = usual(cells.iter().map(Vec::len));
    enough(single, rows.len()) || (width > 1 && enough(even, rows.len()) && 2 * measured >= all.len())
}

/// The most frequent of some numbers, and how often it occurs.
fn usual(all: impl Iterator<Item = usize>) -> (usize, usize) {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    all.for_each(|n| *counts.entry(n).or_default() += 1);
    counts.into_iter().max_by_key(|&(_, count)| count).unwrap_or((0, 0))
}

/// Whether a delimiter cuts nearly all rows into the same number of cells that
/// are not all phrases.
fn is_even(bytes: &[u8], delimiter: u8) -> bool {
    let rows: Vec<StringRecord> = sniff::sample(bytes, delimiter).into_iter().take(LINES).collect();
    let (width, even) = usual(rows.iter().map(StringRecord::len));
    if width < 2 || (even as f64) < MOST * rows.len() as f64 {
        return false;
    }
    let rows: Vec<&StringRecord> = rows.iter().filter(|row| row.len() == width).collect();
    if let [row] = rows[..] {
        // One line says little: only numbers or tabs tell it from a sentence.
        return delimiter == b'\t' || 2 * row.iter().filter(|c| is_measured(c.trim())).count() >= width;
    }
    matches!(delimiter, b'\t' | b'|') || (0..width).any(|i| !are_phrases(rows.iter().map(|row| row[i].trim())))
}

/// Whether the cells of a column read like parts of sentences: several words
/// each, hardly a number, and hardly twice the same.
fn are_phrases<'a>(cells: impl Iterator<Item = &'a str>) -> bool {
    let cells: Vec<&str> = cells.collect();
    let words: usize = cells.iter().map(|c| c.split_whitespace().count()).sum();
    let measured = cells.iter().filter(|c| is_measured(c)).count();
    let distinct = cells.iter().collect::<BTreeSet<_>>().len();
    words as f64 >= PHRASE * cells.len() as f64 && 2 * measured < cells.len() && 2 * distinct > cells.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> bool {
        is_table(text.as_bytes())
    }

    #[test]
    fn tables_are_tables() {
        for text in [
            "a,b\n1,2\n3,4\n",
            "\u{feff}name;price\nx;1,5\ny;2,5\n",
            "city\tcountry\nRome\tItaly\nParis\tFrance\n",
            "5.1,3.5,Iris-setosa\r\n4.9,3.0,Iris-setosa\r\n",
            "a|b|c\nx y|z|w\nu|v|w\n",
            "label,text\nspam,\"win a prize, now\"\nham,\"see you, then\"\nspam,\"free, free, free\"\n",
            "ham\tGo until the point, crazy.\nspam\tFree entry in 2 a wkly comp; to win\n",
            "6.0 148 72\n 1.0 85 66\n8.0  183 64\n",
            "0.00632  18.00   2.310  0  0.5380\n 0.02731   0.00   7.070  0  0.4690\n",
            "112\n118\n132\n",
            "value\n1,5\n2,5\n",
            "2020-01-01\n2020-01-02\n",
            "1,2,3\n",
            "Month,Passengers\n1949-01,112\n1949-02,118\n",
            "39, State-gov, 77516\n50, Self-emp-not-inc, 83311\n",
            "city,country\nRome,Italy\nParis,France\n",
        ] {
            assert!(table(text), "{text:?}");
        }
        // One line in twenty is odd, and it is still a table.
        let rows: String = (0..40).map(|i| if i == 30 { "a,b,c\n".into() } else { format!("{i},x\n") }).collect();
        assert!(table(&rows));
    }

    #[test]
    fn prose_is_no_table() {
        for text in [
            "",
            "text",
            " \n\n",
            "Hello, world.\n",
            "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n",
            "Roses are red, violets are blue\nSugar is sweet, and so are you\n",
            "Shall I compare thee, to a summer's day\nThou art more lovely, and more temperate\nRough winds do shake, \
             the darling buds\n",
            "one\ntwo\nthree\n",
            "In 1984 he left.\nIn 1985 he came back.\n",
            "It was the best of times; it was the worst of times\nIt was the age of wisdom; it was the age of foolishness\n",
            "a\0b,c\n1,2\n",
        ] {
            assert!(!table(text), "{text:?}");
        }
        assert!(!table(&"word ".repeat(100_000)), "a huge line");
        assert!(!table(&format!("{}\n", "a".repeat(1 << 20))));
    }

    #[test]
    fn the_sample_may_end_anywhere() {
        let text = "17,red,some words\n".repeat(20_000);
        assert!(is_table(&text.as_bytes()[..SAMPLE as usize]));
        let wide = format!("{}\n", vec!["1.5"; 30_000].join(","));
        assert!(is_table(&wide.repeat(3).as_bytes()[..SAMPLE as usize]));
    }
}
