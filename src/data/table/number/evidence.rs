//! Which decimal mark numbers have, as far as cells tell. `1.5` has a decimal point and
//! `1.234.567` has not; `1.908` may be either, and then the other columns of the file
//! decide: one program wrote them all.

use super::decimal::Decimal;
use super::written::{take_apart, value};

/// Cells of a column that show whether it holds numbers.
const SAMPLE: usize = 1000;
/// The share of them that are numbers in a column that counts.
const NUMBERS: f64 = 0.8;
/// Cells that prove a mark, after which the rest of a column is not looked at.
const ENOUGH: usize = 50;

/// The decimal mark of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileMark {
    /// No cell proves one, or columns prove different ones.
    #[default]
    Unknown,
    /// Its columns prove it.
    Proven(Decimal),
    /// The user says it.
    Given(Decimal),
}

impl FileMark {
    /// The mark, where it is known.
    pub fn known(self) -> Option<Decimal> {
        match self {
            FileMark::Unknown => None,
            FileMark::Proven(decimal) | FileMark::Given(decimal) => Some(decimal),
        }
    }
}

/// What is likely of numbers that can be read either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Likely {
    /// The mark of the file.
    pub file: FileMark,
    /// Whether a comma is a decimal mark where the file says nothing, as in a file cut
    /// by semicolons.
    pub commas: bool,
}

impl From<bool> for Likely {
    fn from(commas: bool) -> Likely {
        Likely { file: FileMark::Unknown, commas }
    }
}

/// What a cell says of the decimal mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Nothing,
    Only(Decimal),
    /// It is one number with the one mark, and another with the other.
    Either,
}

fn says(cell: &str) -> Says {
    let Some(written) = take_apart(cell).filter(|w| w.digits.contains(['.', ','])) else { return Says::Nothing };
    match (value(written.digits, ',', '.'), value(written.digits, '.', ',')) {
        (Some(_), None) => Says::Only(Decimal::Point),
        (None, Some(_)) => Says::Only(Decimal::Comma),
        (Some(point), Some(comma)) if point != comma => Says::Either,
        _ => Says::Nothing,
    }
}

/// The mark that a column of numbers proves by itself; `None` where it is no such
/// column, where no cell proves one, and where as many prove the other.
fn of_column<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Option<Decimal> {
    let (mut seen, mut numbers) = (0, 0);
    for cell in cells.clone().take(SAMPLE) {
        seen += 1;
        numbers += usize::from(take_apart(cell).is_some());
    }
    if seen == 0 || (numbers as f64) < NUMBERS * f64::from(seen) {
        return None;
    }
    let [mut points, mut commas] = [0, 0];
    for cell in cells.filter(|c| c.contains(['.', ','])) {
        match says(cell) {
            Says::Only(Decimal::Point) => points += 1,
            Says::Only(Decimal::Comma) => commas += 1,
            Says::Either | Says::Nothing => {}
        }
        if points + commas >= ENOUGH {
            break;
        }
    }
    match points.cmp(&commas) {
        std::cmp::Ordering::Greater => Some(Decimal::Point),
        std::cmp::Ordering::Less => Some(Decimal::Comma),
        std::cmp::Ordering::Equal => None,
    }
}

/// The mark that the columns of a file prove, if none of them proves the other.
pub fn of_file<'a, C: Iterator<Item = &'a str> + Clone>(columns: impl Iterator<Item = C>) -> FileMark {
    let mut found = FileMark::Unknown;
    for decimal in columns.filter_map(of_column) {
        match found.known() {
            None => found = FileMark::Proven(decimal),
            Some(other) if other != decimal => return FileMark::Unknown,
            Some(_) => {}
        }
    }
    found
}

/// A cell of a column that may be either of two numbers, where no cell of it proves a
/// mark.
pub fn undecided<'a>(cells: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut example = None;
    for cell in cells.filter(|c| c.contains(['.', ','])) {
        match says(cell) {
            Says::Only(_) => return None,
            Says::Either => example = example.or(Some(cell)),
            Says::Nothing => {}
        }
    }
    example
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(columns: &[&[&str]]) -> FileMark {
        of_file(columns.iter().map(|cells| cells.iter().copied()))
    }

    #[test]
    fn a_file_proves_its_mark() {
        let thousands: &[&str] = &["312", "1.908", "2.841"];
        let point = FileMark::Proven(Decimal::Point);
        let comma = FileMark::Proven(Decimal::Comma);
        assert_eq!(file(&[thousands, &["1.234,50", "7,00"]]), comma);
        assert_eq!(file(&[thousands, &["2,3"]]), comma);
        assert_eq!(file(&[thousands, &["9.643.941"]]), comma);
        assert_eq!(file(&[thousands, &["€ 2,30", "-"]]), FileMark::Unknown, "half of the cells are no numbers");
        assert_eq!(file(&[&["1,739"], &["5.2"]]), point);
        assert_eq!(file(&[&["1,739"], &["0.123"]]), point);
        assert_eq!(file(&[&["1,739"], &["1234.567"]]), point);
        assert_eq!(file(&[thousands, &["1.5"], &["1,5"]]), FileMark::Unknown);
        assert_eq!(file(&[thousands, &["a", "b,c"], &[]]), FileMark::Unknown);
    }

    #[test]
    fn cells_are_undecided_where_none_proves_a_mark() {
        assert_eq!(undecided(["312", "1.908", "2.841"].into_iter()), Some("1.908"));
        assert_eq!(undecided(["-1.908 €", "7"].into_iter()), Some("-1.908 €"));
        assert_eq!(undecided(["312", "1.908", "2.84"].into_iter()), None);
        assert_eq!(undecided(["47.661", "1.198.818"].into_iter()), None);
        assert_eq!(undecided(["312"].into_iter()), None);
    }
}
