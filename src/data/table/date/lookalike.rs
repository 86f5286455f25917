//! Columns that look like dates and are not understood: nobody is to learn of it from
//! the answers.

use super::words::{is_between, is_month, is_weekday};
use std::collections::HashSet;

/// Cells that are looked at.
const SAMPLE: usize = 200;
/// The share of them that look like dates, and the share that are different.
const MOST: f64 = 0.8;
/// The longest date, in bytes.
const LONGEST: usize = 50;
/// Years that dates are from.
const YEARS: std::ops::RangeInclusive<u32> = 1800..=2200;

/// A cell of a column that looks like dates: most cells are digits, with a year among
/// them, and words and signs of dates; and most are different.
pub fn looks_like<'a>(cells: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let cells: Vec<&str> = cells.take(SAMPLE).collect();
    let dates: Vec<&str> = cells.iter().copied().filter(|c| is_like(c)).collect();
    let different = cells.iter().collect::<HashSet<_>>().len();
    let most = |n: usize| n as f64 >= MOST * cells.len() as f64;
    dates.first().copied().filter(|_| cells.len() >= 3 && most(dates.len()) && most(different))
}

fn is_like(cell: &str) -> bool {
    let signs = |c: char| c.is_alphanumeric() || " .:/-,T+'()_".contains(c);
    let runs = |of: fn(char) -> bool| cell.split(move |c| !of(c)).filter(|run| !run.is_empty());
    let words: Vec<String> = runs(char::is_alphabetic).map(str::to_lowercase).collect();
    let numbers: Vec<&str> = runs(|c| c.is_ascii_digit()).collect();
    let is_year = |n: &&str| n.len() == 4 && n.parse().is_ok_and(|n| YEARS.contains(&n));
    let of_date = |w: &String| w.chars().count() == 1 || SHORT.contains(&w.as_str()) || is_weekday(w) || is_between(w);
    let months = words.iter().filter(|w| is_month(w)).count();
    cell.len() <= LONGEST
        && cell.chars().all(signs)
        && words.iter().all(|w| is_month(w) || of_date(w))
        && numbers.iter().any(is_year)
        && numbers.len() + months.min(1) >= 2
}

/// Words beside months and days of the week.
const SHORT: &[&str] = &["am", "pm", "utc", "gmt", "cet", "cest", "est", "kw", "th", "st", "nd", "rd", "min", "sec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_dates_is_found() {
        let found = |cells: &[&str]| looks_like(cells.iter().copied()).is_some();
        assert!(found(&["26.01.2020 23u00", "27.01.2020 00u00", "27.01.2020 01u00"]));
        assert!(!found(&["2020-01-05 x y", "abc", "def"]));
        assert!(found(&["Oktober 5 (2019)", "Oktober 6 (2019)", "Oktober 7 (2019)"]));
        assert!(!found(&["C85", "E46", "A12"]));
        assert!(!found(&["Toy Story (1995)", "Heat (1995)", "Sabrina (1995)"]));
        assert!(!found(&["2020_1", "2020_1", "2020_1", "2020_1"]), "they recur");
        assert!(!found(&["030-1234-567", "030-9999-567", "030-4321-567"]));
    }
}
