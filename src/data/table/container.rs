//! Files that hold a table in something else: a zip archive of one table is
//! unpacked, a workbook or another format of tables is named, with the way to a
//! CSV file.

use crate::error::{Error, Result};
use crate::files::{self, memory};
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;
use zip::ZipArchive;

/// The first bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// Endings of tables in an archive.
const TABLES: [&str; 7] = [".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson"];

/// The text of the table in a file: the file itself, or the one table of an
/// archive.
///
/// Fails when the archive is broken, holds no table or several, or the file is
/// of another format.
pub(super) fn unpack(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if bytes.starts_with(ZIP) {
        return unzip(name, ZipArchive::new(Cursor::new(bytes)).map_err(|e| broken(name, e))?);
    }
    #[cfg(feature = "arrow")]
    if super::arrow::is_arrow(&bytes) {
        return Ok(bytes);
    }
    match refusal(name, &bytes) {
        Some(refusal) => Err(refusal),
        None => Ok(bytes),
    }
}

/// Whether a file is an archive of one table.
pub(in crate::data) fn holds_table(path: &Path) -> bool {
    let open = || ZipArchive::new(BufReader::new(files::open(path).ok()?)).ok();
    open().is_some_and(|mut zip| the_table("", &mut zip).is_ok())
}

/// The error for a file of another format of tables; `start` is its first bytes.
pub(in crate::data) fn refusal(name: &str, start: &[u8]) -> Option<Error> {
    #[cfg(feature = "arrow")]
    if super::arrow::is_arrow(start) {
        return None;
    }
    let (format, read) = match start {
        [b'P', b'A', b'R', b'1', ..] => ("a Parquet file", "read_parquet"),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => ("a Feather file", "read_feather"),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => ("an old workbook of Excel", "read_excel"),
        [0x89, b'H', b'D', b'F', ..] => ("an HDF5 file", "read_hdf"),
        start if start.starts_with(b"SQLite format 3\0") => {
            return Some(Error::data(format!(
                "{name} is an SQLite data base; expected a table as text: write one with `sqlite3 -header -csv {name} \
                 \"select * from TABLE\" > table.csv`"
            )));
        }
        _ => return None,
    };
    Some(other_format(name, format, read))
}

fn other_format(name: &str, format: &str, read: &str) -> Error {
    let spreadsheet = match read {
        "read_excel" => "save it as CSV in the spreadsheet, or ",
        "read_parquet" | "read_feather" if !cfg!(feature = "arrow") => {
            "build wgrad with --features arrow, which reads it, or "
        }
        _ => "",
    };
    Error::data(format!(
        "{name} is {format}; expected a table as text (CSV or TSV): {spreadsheet}convert it with `python3 -c \"import \
         pandas; pandas.{read}('{name}').to_csv('table.csv', index=False)\"`"
    ))
}

fn broken(name: &str, e: impl std::fmt::Display) -> Error {
    Error::data(format!("{name} is a broken zip archive ({e}); copy or download it again"))
}

/// The index of the one table in an archive.
fn the_table<R: Read + Seek>(name: &str, zip: &mut ZipArchive<R>) -> Result<usize> {
    let (mut names, mut tables) = (vec![], vec![]);
    for i in 0..zip.len() {
        let inner = zip.name_for_index(i).and_then(|name| name.ok()).unwrap_or_default().into_owned();
        let file = inner.rsplit('/').next().unwrap_or_default().to_lowercase();
        if file.is_empty() || file.starts_with('.') || inner.starts_with("__MACOSX/") {
            continue;
        }
        if TABLES.iter().any(|ending| file.ends_with(ending)) && !file.starts_with("readme") {
            tables.push(i);
        }
        names.push(inner);
    }
    if names.iter().any(|n| n == "xl/workbook.xml" || n == "xl/workbook.bin" || n == "content.xml") {
        return Err(other_format(name, "a workbook", "read_excel"));
    }
    let shown = names.iter().take(6).cloned().collect::<Vec<_>>().join(", ");
    match tables[..] {
        [one] => Ok(one),
        [] => Err(Error::data(format!("{name} is a zip archive without a table ({shown}); expected one .csv or .tsv"))),
        _ => Err(Error::data(format!(
            "{name} is a zip archive of {} tables ({shown}); expected one: unpack it and name a table",
            tables.len()
        ))),
    }
}

fn unzip<R: Read + Seek>(name: &str, mut zip: ZipArchive<R>) -> Result<Vec<u8>> {
    let budget = memory::budget();
    let table = the_table(name, &mut zip)?;
    let mut bytes = vec![];
    let entry = zip.by_index(table).map_err(|e| broken(name, e))?;
    entry.take(budget.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| broken(name, e))?;
    if bytes.len() as u64 > budget {
        return Err(memory::too_much(&name, &format!("more than {}", memory::size(budget)), budget));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::{ZipWriter, write::SimpleFileOptions};

    fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(vec![]));
        for (name, text) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn an_archive_of_one_table_is_that_table() {
        let zip = zipped(&[("__MACOSX/._t.csv", "x"), ("data/t.csv", "a,b\n1,2\n"), ("LICENSE", "free")]);
        assert_eq!(unpack("t.zip", zip).unwrap(), b"a,b\n1,2\n");
        assert_eq!(unpack("t.csv", b"a\n1\n".to_vec()).unwrap(), b"a\n1\n");
    }

    #[test]
    fn other_formats_are_named_with_the_way_to_a_table() {
        let fails = |bytes: Vec<u8>, parts: &[&str]| {
            let message = unpack("t", bytes).unwrap_err().to_string();
            assert!(parts.iter().all(|p| message.contains(p)), "{message}");
        };
        fails(zipped(&[("a.csv", "a"), ("b.csv", "b")]), &["2 tables (a.csv, b.csv)", "unpack it"]);
        fails(zipped(&[("a.png", "a")]), &["without a table (a.png)"]);
        fails(
            zipped(&[("[Content_Types].xml", ""), ("xl/workbook.xml", "")]),
            &["a workbook", "save it as CSV", "read_excel"],
        );
        if !cfg!(feature = "arrow") {
            fails(b"PAR1\x15\x04".to_vec(), &["a Parquet file", "--features arrow", "read_parquet('t').to_csv"]);
        }
        fails(b"SQLite format 3\0".to_vec(), &["SQLite", "sqlite3 -header -csv t"]);
        fails(b"PK\x03\x04 and nothing more".to_vec(), &["t is a broken zip archive"]);
    }
}
