//! Printing to stdout. A reader that has gone away (`| head`) ends the program
//! quietly; any other failure is an error. Whatever would steer a terminal is
//! escaped ([`terminal`]), except in what was drawn here and in data for a pipe.

use crate::error::{Error, Result};
use crate::terminal;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Prints text and a newline.
pub fn line(text: impl std::fmt::Display) -> Result<()> {
    piece(format_args!("{text}\n"))
}

/// Prints text without a line break, so that it can grow.
pub fn piece(text: impl std::fmt::Display) -> Result<()> {
    write(&terminal::printable(&text.to_string()))
}

/// Prints one JSON object on one line.
pub fn json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string(value).expect("plain data prints");
    write(&format!("{}\n", terminal::json(&text)))
}

/// Prints lines of a drawing, whose colours are our own. What comes from outside
/// is not in it, or has gone through [`terminal::one_line`].
pub fn drawn(lines: &[String]) -> Result<()> {
    write(&format!("{}\n", lines.join("\n")))
}

/// Prints data for other programs, a table of cells: as it is where it goes into
/// a pipe or a file, and escaped like everything else on a terminal.
pub fn data(text: &str) -> Result<()> {
    match std::io::stdout().is_terminal() {
        true => line(text),
        false => write(&format!("{text}\n")),
    }
}

fn write(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let done = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
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
