//! Printing to stdout. A reader that has gone away (`| head`) ends the program
//! quietly; any other failure is an error.

use crate::error::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Prints text and a newline.
pub fn line(text: impl std::fmt::Display) -> Result<()> {
    piece(format_args!("{text}\n"))
}

/// Prints text without a line break, so that it can grow.
pub fn piece(text: impl std::fmt::Display) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let done = write!(stdout, "{text}").and_then(|()| stdout.flush());
    match done {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => Err(Error::io("writing to stdout", e)),
    }
}

/// A path in JSON, which knows text only: what is no UTF-8 in it shows as U+FFFD.
pub fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Prints one JSON object on one line.
pub fn json(value: &impl serde::Serialize) -> Result<()> {
    line(serde_json::to_string(value).expect("plain data prints"))
}
