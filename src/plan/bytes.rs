//! Numbers of bytes as people write and read them.

use crate::error::{Error, Result};

/// A byte count for people: `1.5 MiB`.
pub fn human_bytes(bytes: usize) -> String {
    let b = bytes as f64;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", b / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", b / 1_048_576.0),
        _ => format!("{:.2} GiB", b / 1_073_741_824.0),
    }
}

/// A number of bytes as people write it: `1500000`, `512MiB`, `2GB`.
pub fn parse_bytes(text: &str) -> Result<u64> {
    const UNITS: &[(&str, u64)] = &[
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("kb", 1000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("b", 1),
        ("", 1),
    ];
    let split = text.trim().find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.trim().len());
    let (number, unit) = text.trim().split_at(split);
    let unit = UNITS.iter().find(|(name, _)| unit.trim().eq_ignore_ascii_case(name)).map(|(_, n)| *n as f64);
    let number = number.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0);
    match (number, unit) {
        (Some(n), Some(unit)) if n * unit >= 1.0 => Ok((n * unit) as u64),
        _ => Err(Error::usage(format!(
            "\"{text}\" is no number of bytes; expected one such as 512MiB, 2GiB or 1500000000"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("1500000", 1_500_000), ("2GiB", 2 << 30), ("0.5 mib", 1 << 19), ("3 GB", 3_000_000_000), ("7B", 7)]
        {
            assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "GiB", "2 TiB", "-1", "0", "1e400", "two", "nan"] {
            assert!(parse_bytes(text).unwrap_err().to_string().contains("512MiB"), "{text}");
        }
    }
}
