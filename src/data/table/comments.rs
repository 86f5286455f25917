//! Comments: lines that begin with `#`, `%` or `//` and are no rows.
//!
//! A row may begin so, too: `#ff8800` is a colour, `#N/A` what a spreadsheet writes
//! where a formula fails, and a column may be called `#`. Taking a row for a comment
//! gives all rows below it other numbers, so a line that is cut into as many cells as
//! the rows is a comment only if its cells say so.

use super::layout::ReadOptions;
use super::left_out::leave_out;
use super::missing::{MISSING, is_error_of_sheet};
use super::row::{Record, Row, usual};
use super::rows::{COMMENTS, Rows};
use super::sniff::{ROWS, is_measured, measured};
use std::collections::HashSet;

/// Leaves out comments.
pub(super) fn without_comments(rows: &mut Rows, options: &ReadOptions, notes: &mut Vec<String>) {
    let own = options.comment.as_deref();
    let marks: Vec<&str> = match own {
        None => COMMENTS.to_vec(),
        Some("") => return,
        Some(mark) => vec![mark],
    };
    for mark in marks {
        let begins = |row: &Row| rows.start(row).trim_start().starts_with(mark);
        let (marked, plain): (Vec<Row>, Vec<Row>) = rows.all.iter().partition(|row| begins(row));
        if marked.is_empty() {
            continue;
        }
        let Some(first) = plain.first().map(|row| rows.record(row)) else { continue };
        let width = usual(plain.iter().map(Row::width)).expect("there is one");
        let is_error = |row: &Record| own.is_none() && row.cells.len() == width && is_error_of_sheet(&row.cells[0]);
        let marked: Vec<Record> =
            marked.iter().map(|row| rows.record(row)).filter(|record| !is_error(record)).collect();
        let inner = |row: &Record| row.cells.iter().skip_while(|c| *c == mark).count();
        let alike = marked.iter().filter(|row| inner(row) == width).count();
        let sample: Vec<Record> = plain.iter().skip(1).take(ROWS).map(|row| rows.record(row)).collect();
        let numbers: Vec<bool> = (0..width).map(|i| is_measured(&sample, i)).collect();
        let are_rows = own.is_none() && !numbers[0] && (width == 1 || alike.max(2) * 50 > rows.all.len() && alike > 1);
        let is_name = |c: &String| !c.is_empty() && !measured(c);
        let is_first_of_numbers = first.cells.iter().any(|c| measured(c));
        let above = || marked.iter().filter(|row| row.line < first.line);
        // A header whose first column is called by the mark: no other line stands above, or
        // no other of as many cells.
        let is_header = |row: &&Record| {
            row.cells.len() == width && row.cells[0] == mark && width > 1 && row.cells[1..].iter().all(is_name)
        };
        let header = above().next_back().filter(|row| {
            own.is_none() && is_first_of_numbers && is_header(row) && above().filter(is_header).count() == 1
        });
        let header = header.map(|row| row.line);
        // The last of the lines above the first row names the columns if nothing else does.
        let names = above().next_back().filter(|row| inner(row) == width && header.is_none());
        let names = names
            .filter(|row| !are_rows && is_first_of_numbers && row.cells.iter().skip_while(|c| *c == mark).all(is_name));
        let first_line = first.line;
        let fits = |row: &Record| {
            let is_gap = |c: &str| MISSING.contains(&c) || is_error_of_sheet(c);
            let others = (1..width).filter(|&i| numbers[i]).map(|i| row.cells[i].as_str());
            others.clone().next().is_some() && others.into_iter().all(|c| measured(c) || is_gap(c))
        };
        // A row that was taken out begins with what its column holds behind the mark.
        let is_taken_out =
            |row: &Record| numbers[0] && measured(row.cells[0].trim_start_matches(mark).trim()) && row.cells[0] != mark;
        let is_row = |row: &Record| {
            if own.is_some() || Some(row.line) == header {
                return Some(row.line) == header;
            }
            let single = inner(row) == width && !numbers[0] && row.line > first_line;
            let whole = row.cells.len() == width && row.line > first_line && fits(row) && !is_taken_out(row);
            single || whole || (are_rows && inner(row) == width)
        };
        let comments: HashSet<usize> = marked.iter().filter(|row| !is_row(row)).map(|row| row.line).collect();
        let names = names.map(|row| {
            let mut cells: Vec<String> = row.cells.iter().skip_while(|c| *c == mark).cloned().collect();
            cells[0] = cells[0].trim_start_matches(mark).trim().to_string();
            (row.line, cells)
        });
        let line_of_names = names.as_ref().map(|(line, _)| *line);
        if let Some((line, cells)) = names
            && let Some(i) = rows.all.iter().position(|row| row.line == line)
        {
            rows.rewrite(i, cells);
            notes.push(format!("line {line}: a comment names the columns"));
        }
        let is_comment = |_: &Rows, row: &Row| Some(row.line) != line_of_names && comments.contains(&row.line);
        leave_out(rows, notes, "a comment", is_comment);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ReadOptions, Table};

    fn read(text: &str) -> Table {
        Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap()
    }

    #[test]
    fn errors_of_a_spreadsheet_begin_rows() {
        for word in
            ["#N/A", "#VALUE!", "#REF!", "#DIV/0!", "#NV", "#WERT!", "#NAME?", "#NULL!", "#NUM!", "%", "#", "//"]
        {
            let table = read(&format!("x,z\n1.5,0\n{word},1\n2.5,0\n{word},1\n3.5,0\n"));
            assert_eq!((table.rows(), &table.notes[..]), (5, &[][..]), "{word}");
            assert!(table.columns[1].cells.iter().all(|c| c.is_some()), "{word}");
        }
        assert_eq!(read("x\n1.5\n#N/A\n2.5\n").rows(), 3, "a column alone");
        assert_eq!(read("x y\n1.5  2\n#N/A 3\n2.5  4\n").rows(), 3, "between blanks");
        // Without a header it may be the first line.
        let options = ReadOptions { header: super::super::Header::No, ..ReadOptions::default() };
        assert_eq!(Table::parse("t.csv", b"#N/A,1\n2,3\n4,5\n", &options).unwrap().rows(), 3);
    }

    #[test]
    fn a_line_that_fits_is_a_row_and_another_a_comment() {
        let rows = |line: &str| read(&format!("x,y,kind\n1,2.5,a\n{line}\n3,4.5,b\n5,6.5,a\n")).rows();
        for line in ["#missing,1.5,a", "% of all,3,b", "#,NA,b", "//host/a,1,a"] {
            assert_eq!(rows(line), 4, "{line}");
        }
        for line in ["#2,1.5,a", "# 2,1.5,a", "# changed, by hand, at noon", "# battery", "%"] {
            assert_eq!(rows(line), 3, "{line}");
        }
        let said = read("x,y\n1,2\n# battery\n3,4\n").notes;
        assert_eq!(said, ["line 3 left out: it is a comment; rows are counted without it"]);
        let below = read("x,y\n1,2\n3,4\n# end\n").notes;
        assert_eq!(below, ["line 4 left out: it is a comment"]);
    }

    #[test]
    fn a_first_column_may_be_called_by_the_mark() {
        let names = |text: &str| read(text).names().join(" ");
        assert_eq!(names("#,Name,HP\n1,Bulba,45\n2,Ivy,60\n3,Venus,80\n"), "# Name HP");
        assert_eq!(names("%,Name,HP\n1,Bulba,45\n2,Ivy,60\n"), "% Name HP");
        assert_eq!(names("# a title\n#,Name,HP\n1,Bulba,45\n2,Ivy,60\n"), "# Name HP");
        assert_eq!(names("# x y\n1 2 3\n4 5 6\n"), "# x y");
        // As many names as columns do not need the mark.
        assert_eq!(names("# x y\n1 2\n4 5\n"), "x y");
        assert_eq!(names("#,one,day\n#,a,note\nx,y,z\n1,2,3\n4,5,6\n"), "x y z");
    }
}
