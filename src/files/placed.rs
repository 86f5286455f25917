//! A file that is read at places, and stays as it was when it was opened.
//!
//! Positioned reads and no memory map: a file that is cut off while it is in use then gives
//! an error, and not a signal that ends the process.

use super::stamp::Stamp;
use crate::error::{Error, Result};
use std::fs::File;
use std::path::PathBuf;

/// An open file.
#[derive(Debug)]
pub struct Placed {
    /// What messages call it.
    path: PathBuf,
    file: File,
    stamp: Stamp,
}

impl Placed {
    /// A file that is open; `path` is what messages call it.
    ///
    /// Fails when the system does not say how long it is.
    pub fn of(file: File, path: PathBuf) -> Result<Placed> {
        let meta = file.metadata().map_err(|e| Error::io(format!("cannot read {}", path.display()), e))?;
        Ok(Placed { path, file, stamp: Stamp::from(meta) })
    }

    /// What messages call it.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.stamp.length
    }

    /// Fills `bytes` from a place of the file.
    ///
    /// Fails when that is not there, or cannot be read.
    pub fn read(&self, bytes: &mut [u8], from: u64) -> Result<()> {
        read_at(&self.file, bytes, from).map_err(|e| Error::io(format!("cannot read {}", self.path.display()), e))
    }

    /// Fails when the file is not what it was when it was opened.
    pub fn check(&self) -> Result<()> {
        let now = self.file.metadata().map(Stamp::from);
        match now.map_err(|e| Error::io(format!("cannot read {}", self.path.display()), e))? == self.stamp {
            true => Ok(()),
            false => Err(Error::data(format!(
                "{} was written to while it was in use; leave data alone while something reads it, and begin again",
                self.path.display()
            ))),
        }
    }
}

/// Fills `bytes` from a place of a file.
#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], from: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, from)
}

/// Fills `bytes` from a place of a file.
#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], from: u64) -> std::io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match std::os::windows::fs::FileExt::seek_read(file, &mut bytes[done..], from + done as u64)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => done += n,
        }
    }
    Ok(())
}
