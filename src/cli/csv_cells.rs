//! The cells of an answer as CSV, for programs, or for people who open it with a
//! spreadsheet.

/// Rows of cells as CSV. With `safe`, cells that a spreadsheet would run as a
/// formula are made text.
pub fn csv(rows: impl IntoIterator<Item = Vec<String>>, safe: bool) -> String {
    let whole = "a row in memory is written";
    let mut writer = csv::Writer::from_writer(vec![]);
    for row in rows {
        let row = row.into_iter().map(|cell| if safe && is_formula(&cell) { format!("'{cell}") } else { cell });
        writer.write_record(row.collect::<Vec<String>>()).expect(whole);
    }
    String::from_utf8(writer.into_inner().expect(whole)).expect("cells are text")
}

/// Whether a spreadsheet may take a cell for a formula, by OWASP's list of how
/// such a cell begins; `-1.5e-3` is a number and stays one.
fn is_formula(cell: &str) -> bool {
    let begins =
        cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    begins && !(cell.chars().all(plain) && cell.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text_and_numbers_stay() {
        let risky = ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\r=1", "-inf", "-1+cmd|' /C calc'!A0", "＝1"];
        let fine = ["-1.5", "+2e-7", "1", "", "a=b", "'=1", "2024-01-02", "-0"];
        let of = |cells: &[&str], safe| csv([cells.iter().map(|c| c.to_string()).collect()], safe);
        let cells = |text: String| -> Vec<String> {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            reader.records().next().unwrap().unwrap().iter().map(String::from).collect()
        };
        assert_eq!(cells(of(&risky, true)), risky.map(|c| format!("'{c}")));
        assert_eq!(cells(of(&fine, true)), fine);
        assert_eq!(cells(of(&risky, false)), risky);
    }
}
