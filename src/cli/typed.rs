//! Values of flags as typed.

use clap::builder::{OsStringValueParser, StringValueParser, TypedValueParser};
use std::path::PathBuf;

/// A data source as typed. A run's settings are text and hold it.
pub fn source() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().try_map(|name| {
        let name = name.into_string().map_err(|name| {
            format!("{name:?} is not UTF-8, which the settings of a run cannot hold; rename it, or make a link to it")
        })?;
        check(&name).map(|()| name)
    })
}

/// The path of a file or folder as typed, which may begin with a dash.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|name| check(&name.to_string_lossy()).map(|()| PathBuf::from(name)))
}

/// A name as typed, of a column for example, which may begin with a dash.
pub fn name() -> impl TypedValueParser<Value = String> {
    StringValueParser::new().try_map(|name| check(&name).map(|()| name))
}

/// Where a name may begin with a dash, a flag in its place would be taken for one.
fn check(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("it is empty; expected a name".into());
    }
    match name.starts_with("--") {
        true => Err(format!(
            "it looks like a flag, and a name is expected here; a file of that name is ./{name}, a column of it goes into \
             the configuration"
        )),
        false => Ok(()),
    }
}

/// A number of steps as typed.
pub fn one_or_more(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("expected at least 1; for none, leave the flag out".into()),
        Ok(n) => Ok(n),
        Err(_) => Err("expected a whole number of at least 1".into()),
    }
}

/// Samples per step as typed: a number, or what fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// The largest that fits.
    Auto,
    /// So many.
    Of(usize),
}

/// [`BatchSize`] as typed.
pub fn batch_size(text: &str) -> Result<BatchSize, String> {
    match text {
        "auto" => Ok(BatchSize::Auto),
        text => text.parse().map(BatchSize::Of).map_err(|_| "expected a whole number, or auto".into()),
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
