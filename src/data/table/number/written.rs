//! A number as people write it, taken apart: sign, digits, and what stands before
//! and behind them.

/// A cell that may be a number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written<'a> {
    /// A minus in front or behind, or parentheses around it.
    pub negative: bool,
    /// Digits, with what groups them and divides them, and an exponent.
    pub digits: &'a str,
    /// The power of ten behind the digits: `k`, 1000.
    pub times: Option<(&'static str, f64)>,
    /// The currency or unit; empty without.
    pub unit: &'a str,
    /// What it says of a value that was not measured exactly.
    pub bound: Option<Bound>,
}

/// A value that is only known to lie on one side of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// `<0.01`.
    Below,
    /// `>5`.
    Above,
}

const MINUS: &[char] = &['-', '\u{2212}', '\u{2013}', '\u{fe63}', '\u{ff0d}'];
/// The longest unit, in characters.
const UNIT: usize = 16;

/// Powers of ten behind the digits. `m` alone is a metre as often as a million: see
/// `Format`.
const TIMES: &[(&str, f64)] = &[
    ("k", 1e3),
    ("K", 1e3),
    ("tsd", 1e3),
    ("tsd.", 1e3),
    ("thousand", 1e3),
    ("lakh", 1e5),
    ("M", 1e6),
    ("mn", 1e6),
    ("mln", 1e6),
    ("mio", 1e6),
    ("mio.", 1e6),
    ("million", 1e6),
    ("millions", 1e6),
    ("crore", 1e7),
    ("B", 1e9),
    ("bn", 1e9),
    ("mrd", 1e9),
    ("mrd.", 1e9),
    ("billion", 1e9),
    ("billions", 1e9),
    ("T", 1e12),
    ("tn", 1e12),
    ("trillion", 1e12),
];

/// Codes and abbreviations of currencies.
const CURRENCIES: &[&str] = &[
    "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "CNY", "RMB", "INR", "BRL", "SEK", "NOK", "DKK", "PLN",
    "CZK", "HUF", "RON", "BGN", "RUB", "UAH", "TRY", "ZAR", "MXN", "ARS", "CLP", "COP", "PEN", "KRW", "SGD", "HKD",
    "TWD", "THB", "IDR", "MYR", "PHP", "VND", "ILS", "AED", "SAR", "EGP", "NGN", "KES", "PKR", "BDT", "LKR", "ISK",
    "US", "A", "AU", "C", "CA", "NZ", "HK", "S", "R", "NT", "MX", "Rs", "Rs.", "kr", "kr.", "Kr", "Kr.", "Fr", "Fr.",
    "SFr", "SFr.", "zł", "Kč", "Ft", "lei", "руб", "руб.",
];

/// What people and machines write where there is no number.
const NONE: &[&str] = &[
    "#div/0!", "#n/a", "#value!", "#ref!", "#name?", "#num!", "#null!", "nd", "n.d.", "n/d", "bdl", "lod", "<lod",
    "<loq", "n/a", "na", "n.a.", "nan", "null", "none", "missing", "unknown", "error", "tbd", "-", "--", ".", "_", "*",
    "x",
];

/// Whether a cell stands where there is no number.
pub(in super::super) fn says_nothing(cell: &str) -> bool {
    let lower = cell.trim().to_lowercase();
    // Stata knows 26 kinds of missing numbers, `.a` to `.z`.
    NONE.contains(&lower.as_str()) || matches!(lower.as_bytes(), [b'.', b'a'..=b'z'])
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}' | '\u{2060}')
}

fn trim(s: &str) -> &str {
    s.trim_matches(is_blank)
}

/// Whether this is the sign of a currency.
fn is_sign(c: char) -> bool {
    matches!(c, '$' | '£' | '¥' | '¤' | '฿' | '\u{20a0}'..='\u{20cf}' | '￥' | '＄' | '￡')
}

/// Whether this is a currency: a sign, a code, or both (`US$`).
fn is_currency(s: &str) -> bool {
    let word = s.trim_end_matches(is_sign);
    let signs = s[word.len()..].chars().count();
    match (word.trim_end(), signs) {
        ("", n) => n == 1,
        // One or two letters are a currency with a sign behind them only.
        (word, n) => n <= 1 && CURRENCIES.contains(&word) && (n == 1 || word.len() > 2 || word == "Rs" || word == "kr"),
    }
}

/// Takes a cell apart; `None` where it is no number in any way of writing.
pub(super) fn take_apart(cell: &str) -> Option<Written<'_>> {
    let (bound, rest) = take_bound(trim(cell));
    let (mut negative, mut rest) = (false, rest);
    // A sign and a currency, in either order.
    let mut unit = "";
    for _ in 0..2 {
        if let Some(inner) = rest.strip_prefix('(').and_then(|r| r.strip_suffix(')')) {
            (negative, rest) = (!negative, trim(inner));
        }
        if let Some(after) = rest.strip_prefix(MINUS) {
            (negative, rest) = (!negative, trim(after));
        } else if let Some(after) = rest.strip_prefix('+') {
            rest = trim(after);
        }
        let start =
            rest.find(|c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '(' | '+') || MINUS.contains(&c))?;
        // The dot of "Rs." and "Fr." belongs to it.
        let dot = usize::from(rest[start..].starts_with(". ") || (start > 0 && is_currency(&rest[..start + 1])));
        let before = trim(&rest[..start + dot]);
        if before.is_empty() {
            break;
        }
        if !unit.is_empty() || !is_currency(before) {
            return None;
        }
        (unit, rest) = (before, trim(&rest[start + dot..]));
    }
    let end = digits(rest)?;
    let (digits, mut behind) = (&rest[..end], trim(&rest[end..]));
    if let Some(after) = behind.strip_prefix(MINUS) {
        if negative || !unit_fits(trim(after)) {
            return None;
        }
        (negative, behind) = (true, trim(after));
    }
    let times = TIMES.iter().find_map(|(name, times)| Some(((*name, *times), after_word(behind, name)?)));
    let (times, behind) = times.map_or((None, behind), |(times, after)| (Some(times), trim(after)));
    match (unit.is_empty(), behind.is_empty()) {
        (true, _) if unit_fits(behind) => Some(Written { negative, digits, times, unit: behind, bound }),
        (false, true) => Some(Written { negative, digits, times, unit, bound }),
        // `$5 USD`.
        (false, false) if is_currency(behind) => Some(Written { negative, digits, times, unit, bound }),
        _ => None,
    }
}

fn take_bound(s: &str) -> (Option<Bound>, &str) {
    for (mark, bound) in [
        ("<=", Bound::Below),
        (">=", Bound::Above),
        ("<", Bound::Below),
        (">", Bound::Above),
        ("≤", Bound::Below),
        ("≥", Bound::Above),
    ] {
        if let Some(rest) = s.strip_prefix(mark) {
            return (Some(bound), trim(rest));
        }
    }
    (None, s)
}

/// What stands behind a word that `s` begins with, in any case where it has more than
/// one letter.
fn after_word<'a>(s: &'a str, word: &str) -> Option<&'a str> {
    let head = s.get(..word.len())?;
    let same = if word.len() == 1 { head == word } else { head.eq_ignore_ascii_case(word) };
    let rest = &s[word.len()..];
    (same && rest.chars().next().is_none_or(|c| is_blank(c) || is_sign(c))).then_some(rest)
}

/// Whether something can be a unit: letters, signs and powers, or nothing.
fn unit_fits(s: &str) -> bool {
    let fits = |c: char| {
        c.is_alphabetic()
            || is_sign(c)
            || matches!(c, '%' | '‰' | '°' | '²' | '³' | '/' | '.' | '·' | '"' | '\'' | '′' | '″' | '^' | ' ')
    };
    let powers = s.replace("^2", "²").replace("^3", "³");
    powers.chars().count() <= UNIT
        && powers.chars().all(fits)
        && !s.starts_with(['/', '.', '^', '\''])
        && s.split(' ').filter(|w| !w.is_empty()).count() <= 3
}

/// The length of the digits that `s` begins with, what groups and divides them
/// included, and an exponent.
fn digits(s: &str) -> Option<usize> {
    let is_digit = |at: usize| s.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let (mut end, mut seen) = (0, false);
    while let Some(c) = s[end..].chars().next() {
        let next = end + c.len_utf8();
        let group = (0..3).all(|i| is_digit(next + i)) && !is_digit(next + 3);
        match c {
            '0'..='9' => seen = true,
            '.' | ',' => {}
            // What groups must have a group behind it.
            '\'' | '\u{2019}' | '\u{02bc}' if seen && group => {}
            c if seen && is_blank(c) && group => {}
            'e' | 'E' if seen => {
                let sign = usize::from(matches!(s.as_bytes().get(next), Some(b'+' | b'-')));
                if !is_digit(next + sign) {
                    break;
                }
                end = next + sign + s[next + sign..].bytes().take_while(u8::is_ascii_digit).count();
                break;
            }
            _ => break,
        }
        end = next;
    }
    seen.then_some(end)
}

/// The number that digits say; `group` and `point` are those of the column. Blanks and
/// apostrophes group in either.
pub(super) fn value(digits: &str, group: char, point: char) -> Option<f64> {
    let at = digits.find(['e', 'E']).unwrap_or(digits.len());
    let (mantissa, exponent) = digits.split_at(at);
    let (whole, fraction) = mantissa.split_once(point).map_or((mantissa, ""), |(w, f)| (w, f));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let groups: Vec<char> = whole.chars().filter(|c| !c.is_ascii_digit()).collect();
    let plain: String = match groups.first() {
        None => whole.into(),
        Some(&first) => {
            let same = groups.iter().all(|&c| c == first);
            let known = first == group || (!matches!(first, '.' | ','));
            let parts: Vec<&str> = whole.split(first).collect();
            if !same || !known || !grouped(&parts) {
                return None;
            }
            parts.concat()
        }
    };
    if plain.is_empty() && fraction.is_empty() {
        return None;
    }
    format!("{plain}.{fraction}0{exponent}").parse().ok()
}

/// Whether these are groups of digits: threes, or in India twos with a three at the
/// end.
fn grouped(parts: &[&str]) -> bool {
    let Some(((head, last), middle)) = parts.split_first().and_then(|(h, t)| {
        let (last, middle) = t.split_last()?;
        Some(((h, last), middle))
    }) else {
        return false;
    };
    let by = |n: usize| (1..=n).contains(&head.len()) && middle.iter().all(|m| m.len() == n);
    // Nobody writes 0,500 for five hundred.
    last.len() == 3 && !head.starts_with('0') && (by(3) || (by(2) && !middle.is_empty()))
}

/// The seconds in `1:48:07`, `48:07` or `1:48:07.5`.
pub(super) fn seconds(cell: &str) -> Option<f64> {
    let cell = trim(cell);
    let (negative, cell) = cell.strip_prefix(MINUS).map_or((false, cell), |rest| (true, rest));
    let parts: Vec<&str> = cell.split(':').collect();
    let (last, first) = parts.split_last()?;
    let (head, middle) = first.split_first()?;
    let whole = |s: &str, digits: usize| {
        (1..=digits).contains(&s.len()).then(|| s.parse::<u32>().ok()).flatten().map(f64::from)
    };
    if parts.len() > 3 || !cell.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'.') {
        return None;
    }
    let (second, _) = last.split_once('.').unwrap_or((last, ""));
    let two = |s: &str| s.len() == 2 && s.parse::<u32>().is_ok_and(|n| n < 60);
    if !two(second) || !middle.iter().all(|m| two(m)) {
        return None;
    }
    let mut total = whole(head, 5)?;
    for part in middle {
        total = total * 60.0 + whole(part, 2)?;
    }
    total = total * 60.0 + last.parse::<f64>().ok()?;
    Some(if negative { -total } else { total })
}
