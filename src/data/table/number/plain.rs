//! Numbers as machines write them: digits, a point, digits. They are read several times as
//! fast as by the standard library, and to the same bits.

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Digits up to which any whole number is exact.
const EXACT: usize = 15;

/// The number in a cell without the blanks around it, as `str::parse` reads it.
pub fn parse(cell: &str) -> Option<f64> {
    short(cell.as_bytes()).map(|(x, _)| x).or_else(|| cell.trim().parse().ok())
}

/// A number of few digits without an exponent, and whether it has a point: one division of exact numbers, which rounds
/// once (Clinger 1990, "How to read floating point numbers accurately").
pub fn short(cell: &[u8]) -> Option<(f64, bool)> {
    let (negative, cell) = match cell {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (mut digits, mut value, mut behind) = (0, 0u64, None);
    for &b in cell {
        match b {
            b'0'..=b'9' => {
                value = 10 * value + u64::from(b - b'0');
                digits += 1;
                behind = behind.map(|n: usize| n + 1);
            }
            b'.' if behind.is_none() => behind = Some(0),
            _ => return None,
        }
        if digits > EXACT {
            return None;
        }
    }
    if digits == 0 {
        return None;
    }
    let x = value as f64 / POWERS[behind.unwrap_or(0)];
    Some((if negative { -x } else { x }, behind.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_those_of_the_standard_library() {
        let odd = ["0", "-0", "-0.0", "1.", ".5", "-.5", "007", "0.1", "123456789012345", "0.00000000000001", "00.10"];
        let same = |cell: &str| {
            let (x, point) = short(cell.as_bytes()).unwrap();
            assert_eq!((x.to_bits(), point), (cell.parse::<f64>().unwrap().to_bits(), cell.contains('.')), "{cell}");
        };
        odd.into_iter().for_each(same);
        let mut state = 1u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (digits, point) = (1 + (state >> 60) as usize % EXACT, (state >> 40) as usize % 16);
            let mut cell = format!("{:0digits$}", (state >> 8) % 10u64.pow(digits as u32));
            cell.insert(point.min(cell.len()), '.');
            same(&cell);
            same(&format!("-{cell}"));
        }
    }

    #[test]
    fn what_is_no_such_number_is_left_to_it() {
        for cell in ["", ".", "-", "-.", "+1", "1e5", "1_000", "1.2.3", "inf", "nan", " 1", "1 ", "1234567890123456"] {
            assert_eq!(short(cell.as_bytes()), None, "{cell}");
            assert_eq!(parse(cell).map(f64::to_bits), cell.trim().parse().ok().map(f64::to_bits));
        }
    }
}
