//! Numbers in cells.

mod decimal;
pub mod evidence;
mod format;
pub(super) mod plain;
mod written;

pub use decimal::Decimal;
pub use evidence::{FileMark, Likely};
pub use format::{Clock, Format, Rescale};
pub use written::Bound;
pub(super) use written::says_nothing;

use std::borrow::Cow;

/// Whether a cell is a number in some way of writing, with a unit or without.
pub fn is_number(cell: &str) -> bool {
    cell.parse::<f64>().is_ok_and(|x| !x.is_nan())
        || [false, true].iter().any(|&comma| Format::learn(&[cell], comma).parse(cell).is_some())
}

/// Whether a cell is a number and nothing beside it.
pub fn is_plain(cell: &str) -> bool {
    [Decimal::Point, Decimal::Comma].iter().any(|&decimal| Format::of(decimal).parse(cell).is_some())
}

/// A number with four digits that matter, as people write it.
pub fn show(x: f64) -> String {
    if x == x.trunc() && x.abs() < 1e7 {
        return format!("{x:.0}");
    }
    let digits = if x == 0.0 { 0 } else { 3 - x.abs().log10().floor() as i32 };
    if (0..=7).contains(&digits) {
        let text = format!("{x:.*}", digits as usize);
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
    } else {
        format!("{x:.3e}")
    }
}

/// One spelling for a value that files write in several ways: `1.0` is `1`.
pub fn canonical(cell: &str) -> String {
    spelled(cell).into_owned()
}

/// [`canonical`] without a copy.
pub fn spelled(cell: &str) -> Cow<'_, str> {
    if let Some((whole, fraction)) = cell.split_once('.')
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b == b'0')
        && whole.parse::<i64>().is_ok()
    {
        return whole.into();
    }
    cell.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_short() {
        let all = [28.0, 14.4542, 0.0003014, 1_234_567.0, 1.5e12, 0.1, -2.25];
        assert_eq!(all.map(show), ["28", "14.45", "0.0003014", "1234567", "1.500e12", "0.1", "-2.25"]);
        assert_eq!(["1.0", "1.50", "007", "1", "a.0"].map(canonical), ["1", "1.50", "007", "1", "a.0"]);
    }
}
