//! Numbers in cells.

use serde::{Deserialize, Serialize};

/// What separates the whole part of a number from its fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decimal {
    /// `1234.5` or `1,234.5`.
    Point,
    /// `1234,5` or `1.234,5`.
    Comma,
}

/// The number in a cell, infinite where it says so or is beyond `f32`; `None`
/// where it is none. A percent sign divides by nothing: `12%` is 12.
pub fn parse(cell: &str, decimal: Decimal) -> Option<f64> {
    let cell = cell.trim().trim_end_matches('%').trim_end();
    let (group, point) = match decimal {
        Decimal::Point => (',', '.'),
        Decimal::Comma => ('.', ','),
    };
    let number = if cell.contains(group) || (point == ',' && cell.contains(point)) {
        plain(cell, group, point)?.parse::<f64>()
    } else {
        cell.parse::<f64>()
    };
    let number = number.ok().filter(|x| !x.is_nan())?;
    Some(if number.abs() > f64::from(f32::MAX) { f64::INFINITY.copysign(number) } else { number })
}

/// A number with groups of thousands, as Rust writes it.
fn plain(cell: &str, group: char, point: char) -> Option<String> {
    let (whole, fraction) = cell.split_once(point).map_or((cell, None), |(w, f)| (w, Some(f)));
    if fraction.is_some_and(|f| f.contains(group)) {
        return None;
    }
    let mut parts = whole.trim_start_matches(['+', '-']).split(group);
    let head = parts.next()?;
    let tail: Vec<&str> = parts.collect();
    let digits = |s: &&str| s.len() == 3 && s.bytes().all(|b| b.is_ascii_digit());
    if !tail.iter().all(digits) || (!tail.is_empty() && (head.is_empty() || head.len() > 3)) {
        return None;
    }
    let whole: String = whole.chars().filter(|&c| c != group).collect();
    Some(match fraction {
        Some(fraction) => format!("{whole}.{fraction}"),
        None => whole,
    })
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
    fn numbers_are_read_as_people_write_them() {
        let point = |s| parse(s, Decimal::Point);
        assert_eq!(point(" -1.5e3"), Some(-1500.0));
        assert_eq!(point("1,234,567.5"), Some(1_234_567.5));
        assert_eq!(point("12 %"), Some(12.0));
        assert_eq!((point("1,5"), point("12,34"), point(",123"), point("1.2.3")), (None, None, None, None));
        assert_eq!((point("x"), point(""), point("NaN"), point("1_000")), (None, None, None, None));
        assert_eq!(
            (point("inf"), point("-1e400"), point("1e39")),
            (Some(f64::INFINITY), Some(f64::NEG_INFINITY), Some(f64::INFINITY))
        );
        let comma = |s| parse(s, Decimal::Comma);
        assert_eq!((comma("1,5"), comma("-1.234,5"), comma("12")), (Some(1.5), Some(-1234.5), Some(12.0)));
        assert_eq!((comma("1.5"), comma("1,2,3")), (None, None));
    }

    #[test]
    fn numbers_are_shown_short() {
        let all = [28.0, 14.4542, 0.0003014, 1_234_567.0, 1.5e12, 0.1, -2.25];
        assert_eq!(all.map(show), ["28", "14.45", "0.0003014", "1234567", "1.500e12", "0.1", "-2.25"]);
        assert_eq!(["1.0", "1.50", "007", "1", "a.0"].map(canonical), ["1", "1.50", "007", "1", "a.0"]);
    }
}
