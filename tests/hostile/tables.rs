//! Broken tables.

use super::make::{file, good_table, gzip, rows as lines, table};
use super::{Row, refused, works};
use std::path::Path;

const CSV: &[&str] = &["--data", "t.csv"];

fn csv(at: &Path, text: impl AsRef<[u8]>) {
    file(&at.join("t.csv"), text);
}

/// Six gigabytes of text, in members of one gzip file.
fn bomb(at: &Path) {
    let member = gzip("1,2,3\n".repeat(1 << 21).as_bytes());
    file(&at.join("t.csv.gz"), member.repeat(512));
}

/// Twenty thousand columns.
fn wide(at: &Path) {
    let row = |i: usize| (0..20_000).map(|c| ((i * 7 + c * i) % 9).to_string()).collect::<Vec<_>>().join(",");
    let names = (0..20_000).map(|c| format!("c{c}")).collect::<Vec<_>>().join(",");
    csv(at, lines(&names, 30, row));
}

fn no_utf8(at: &Path) {
    let mut bytes = table().into_bytes();
    let third = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).expect("lines").0 + 1;
    bytes[third] = 0xe9;
    csv(at, bytes);
}

pub fn rows() -> Vec<Row> {
    vec![
        refused(
            "csv_truncated_gzip",
            |at| {
                let packed = gzip(table().as_bytes());
                file(&at.join("t.csv.gz"), &packed[..packed.len() / 2]);
            },
            &["--data", "t.csv.gz"],
            &["t.csv.gz is broken", "gzip stream ends in an error", "download it again"],
        ),
        refused(
            "csv_gzip_bomb",
            bomb,
            &["--data", "t.csv.gz"],
            &["t.csv.gz takes more than", "in memory, more than the budget of", "--max-memory"],
        ),
        refused(
            "csv_ragged_rows",
            |at| csv(at, table() + "1,2\n"),
            CSV,
            &["t.csv, line 42: found 2 cells; expected 3"],
        ),
        works(
            "csv_nan_and_inf_cells",
            |at| csv(at, table() + "nan,inf,a\n-inf,1e400,b\n"),
            CSV,
            &["infinite, counted as missing", "1e400", "saved in"],
        ),
        refused(
            "csv_numbers_beyond_f32",
            |at| csv(at, lines("x,y,class", 40, |i| format!("{i}e300,{i},{}", i % 2))),
            CSV,
            &["column \"x\"", "no cell is a finite number"],
        ),
        refused(
            "csv_target_beyond_f32",
            |at| csv(at, lines("x,y", 40, |i| format!("{},{}.5e300", i * 7 % 11, i % 13))),
            &["--data", "t.csv", "--task", "regression"],
            &["target \"y\"", "0 of 40 cells are numbers"],
        ),
        refused(
            "csv_one_class",
            |at| csv(at, lines("x,class", 40, |i| format!("{i}.5,a"))),
            CSV,
            &["all 40 rows have the class \"a\"", "two classes or more"],
        ),
        refused("csv_header_only", |at| csv(at, "x,y,class\n"), CSV, &["holds a header only", "x, y, class"]),
        refused("csv_empty", |at| csv(at, ""), CSV, &["t.csv is empty"]),
        refused("csv_blank_lines", |at| csv(at, "\n \n\r\n"), CSV, &["t.csv is empty"]),
        refused(
            "csv_binary",
            |at| csv(at, (0..4096).map(|i: u32| ((i * 7919) >> 3) as u8).collect::<Vec<u8>>()),
            CSV,
            &["t.csv, line 1", "binary"],
        ),
        works(
            "csv_utf16",
            |at| csv(at, table().encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
            CSV,
            &["UTF-16", "was converted", "saved in"],
        ),
        works("csv_latin1", no_utf8, CSV, &["not UTF-8 (line 3)", "Windows-1252", "saved in"]),
        refused(
            "csv_broken_utf8",
            |at| csv(at, [lines("é,ü,class", 2, |_| "1,2,ä".into()).as_bytes(), b"3,4,\xc3\n"].concat()),
            CSV,
            &["t.csv, line 4", "not UTF-8 (byte 0xc3)", "iconv"],
        ),
        works(
            "csv_duplicate_columns",
            |at| csv(at, table().replacen("x,y", "x,x", 1)),
            CSV,
            &["columns 1 and 2 are both called \"x\"", "saved in"],
        ),
        refused("csv_is_parquet", |at| csv(at, b"PAR1\x15\x04"), CSV, &["a Parquet file", "read_parquet"]),
        refused("csv_is_a_broken_zip", |at| csv(at, b"PK\x03\x04 and no more"), CSV, &["t.csv", "zip archive"]),
        refused("csv_one_row", |at| csv(at, "x,y,class\n1,2,a\n"), CSV, &["all 1 rows have the class"]),
        refused("csv_one_number", |at| csv(at, "7"), CSV, &["column1", "two classes or more"]),
        refused(
            "csv_one_column",
            |at| csv(at, lines("class", 40, |i| ["a", "b"][i % 2].to_string())),
            CSV,
            &["no column of t.csv is left to learn from"],
        ),
        refused(
            "csv_target_always_missing",
            |at| csv(at, lines("x,class", 40, |i| format!("{i}.5,"))),
            CSV,
            &["target \"class\"", "all 40 cells are missing"],
        ),
        refused(
            "csv_target_constant",
            |at| csv(at, lines("x,y", 40, |i| format!("{i}.5,3.25"))),
            CSV,
            &["it is 3.25 in all training rows"],
        ),
        refused(
            "csv_target_names_rows",
            |at| csv(at, lines("x,y", 40, |i| format!("{i}.5,id{i}"))),
            CSV,
            &["names rows rather than classes"],
        ),
        refused(
            "csv_text_for_regression",
            good_table,
            &["--data", "t.csv", "--task", "regression"],
            &["target \"class\"", "0 of 40 cells are numbers", "classification"],
        ),
        refused(
            "csv_no_such_target",
            good_table,
            &["--data", "t.csv", "--target", "clas"],
            &["unknown column \"clas\"", "did you mean \"class\"?"],
        ),
        refused(
            "csv_no_such_target_number",
            good_table,
            &["--data", "t.csv", "--target", "4"],
            &["no column number 4", "expected 1 to 3"],
        ),
        works("csv_long_cell", |at| csv(at, table() + &format!("1,{},a\n", "z".repeat(1_000_000))), CSV, &["saved in"]),
        refused(
            "csv_endless_cell",
            |at| csv(at, table() + &format!("1,{},a\n", "z".repeat(3_000_000))),
            CSV,
            &["t.csv, line 42: cell 2 has 3000000 bytes"],
        ),
        works(
            "csv_quote_never_closed",
            |at| csv(at, table().replacen("\n0.37", "\n\"0.37", 1)),
            CSV,
            &["a quote begins a cell and does not end it", "saved in"],
        ),
        refused(
            "csv_quote_never_closed_in_uneven_lines",
            |at| csv(at, table().replacen("\n0.37", "\n\"0,0.37", 1)),
            CSV,
            &["t.csv, line 3", "a quote opens here and is never closed"],
        ),
        refused(
            "csv_nothing_to_learn_from",
            |at| csv(at, lines("id,same,class", 60, |i| format!("k{i}x{i},7,{}", i % 2))),
            CSV,
            &["no column of t.csv is left", "it only tells rows apart", "it is \"7\" in all training rows"],
        ),
        works("csv_wide", wide, CSV, &["saved in", "more, in run.json"]),
        works("csv_old_mac_line_ends", |at| csv(at, table().replace('\n', "\r")), CSV, &["36 training, 4 validation"]),
        refused(
            "csv_is_a_folder",
            |at| std::fs::create_dir(at.join("t.csv")).expect("made"),
            CSV,
            &["folder t.csv holds neither"],
        ),
        refused(
            "csv_more_folds_than_rows",
            good_table,
            &["--data", "t.csv", "--folds", "41"],
            &["cannot make 41 folds", "expected 2 to 40"],
        )
        .with_code(2),
        refused("csv_one_fold", good_table, &["--data", "t.csv", "--folds", "1"], &["folds = 1", "at least 2"]),
        works(
            "csv_as_many_folds_as_rows",
            |at| csv(at, lines("x,class", 6, |i| format!("{}.5,{}", i * 3 % 4, ["a", "b"][i % 2]))),
            &["--data", "t.csv", "--folds", "6"],
            &["fold 6 of 6", "deviation"],
        ),
        refused(
            "csv_nearly_all_held_out",
            |at| csv(at, "x,class\n1.5,a\n2.5,b\n3,a\n"),
            &["--data", "t.csv", "--val-split", "0.99"],
            &["val_split = 0.99", "0.95"],
        ),
        works(
            "csv_three_rows_two_classes",
            |at| csv(at, "x,class\n1.5,a\n2.5,b\n3,a\n"),
            &["--data", "t.csv", "--val-split", "0.9"],
            &["2 training, 1 validation"],
        ),
        works(
            "csv_batch_beyond_the_rows",
            good_table,
            &["--data", "t.csv", "--batch-size", "100000"],
            &["36 training", "saved in"],
        ),
        works(
            "csv_absurd_batch",
            good_table,
            &["--data", "t.csv", "--batch-size", "9223372036854775807"],
            &["36 training", "saved in"],
        ),
        refused(
            "csv_unreadable",
            |at| {
                good_table(at);
                super::make::rights(&at.join("t.csv"), 0);
            },
            CSV,
            &["t.csv", "Permission denied"],
        )
        .with_rights(),
        works(
            "csv_odd_path",
            |at| file(&at.join("a b/данные\n1.csv"), table()),
            &["--data", "a b/данные\n1.csv"],
            // A line break in a name is shown as one, and breaks no line.
            &[r"данные\n1.csv", "saved in"],
        ),
    ]
}
