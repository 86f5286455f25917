//! Values of flags as typed.

use clap::builder::{OsStringValueParser, TypedValueParser};

/// A data source as typed. A run's settings are text and hold it.
pub fn source() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().try_map(|name| {
        name.into_string().map_err(|name| {
            format!("{name:?} is not UTF-8, which the settings of a run cannot hold; rename it, or make a link to it")
        })
    })
}

/// A number of steps as typed.
pub fn one_or_more(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("expected at least 1; for none, leave the flag out".into()),
        Ok(n) => Ok(n),
        Err(_) => Err("expected a whole number of at least 1".into()),
    }
}

/// A time as typed, in seconds.
pub fn seconds(text: &str) -> Result<f64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let factor = match unit {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unit \"{unit}\"; expected s, m or h")),
    };
    match number.parse::<f64>() {
        Ok(n) if n > 0.0 && n.is_finite() => Ok(n * factor),
        _ => Err("expected a time above zero, such as 90, 90s, 15m or 2h".into()),
    }
}
