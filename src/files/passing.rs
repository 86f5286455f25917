//! A file that nobody sees and that is gone with the process, however that ends: it is
//! written once, piece by piece, and then read at places.

use super::rows::RowFile;
use super::{placed::Placed, room, temporary};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that are written together.
const TOGETHER: usize = 1 << 20;

/// A file that is being written.
pub struct Passing {
    out: BufWriter<File>,
    /// What messages call it.
    shown: PathBuf,
    what: String,
}

/// A file that is written, and read from now on.
#[derive(Debug, Clone)]
pub struct Written(Arc<Placed>);

impl Passing {
    /// A file in a folder, which is made if it is not there, for as many bytes as `needed`;
    /// `what` says in messages what they are.
    ///
    /// Fails when the disk has no room for them, and when no file can be made there.
    pub fn make(folder: &Path, needed: u64, what: &str) -> Result<Passing> {
        room::check(folder, needed, what)?;
        let fail = |e| Error::io(format!("{what}: making a file in {}", folder.display()), e);
        std::fs::create_dir_all(folder).map_err(fail)?;
        let file = nameless(folder).map_err(fail)?;
        let shown = folder.join(format!("(the file of {what})"));
        Ok(Passing { out: BufWriter::with_capacity(TOGETHER, file), shown, what: what.into() })
    }

    /// Adds bytes.
    ///
    /// Fails when they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|e| self.fails(e))
    }

    fn fails(&self, e: std::io::Error) -> Error {
        let folder = self.shown.parent().unwrap_or(Path::new("."));
        let what = format!(
            "{}: writing into the folder {}; name one with room for it with --data-cache (data.cache)",
            self.what,
            folder.display()
        );
        Error::io(what, e)
    }

    /// The file, to be read.
    pub fn finish(mut self) -> Result<Written> {
        self.out.flush().map_err(|e| self.fails(e))?;
        let shown = self.shown.clone();
        let file = self.out.into_inner().map_err(|e| Error::io(shown.display().to_string(), e.into_error()))?;
        Ok(Written(Arc::new(Placed::of(file, shown)?)))
    }
}

impl Written {
    /// Rows of `length` bytes, one of which begins every `stride` bytes from `start` on.
    ///
    /// Fails when the file is shorter than that.
    pub fn rows(&self, start: u64, stride: u64, length: u64, rows: usize) -> Result<RowFile> {
        RowFile::of(self.0.clone(), start, stride, length, rows)
    }
}

/// A new file that is in no folder any more.
#[cfg(unix)]
fn nameless(folder: &Path) -> std::io::Result<File> {
    let (file, path) = temporary(&folder.join("file"))?;
    std::fs::remove_file(path).map(|()| file)
}

/// A new file that the system removes when it is closed.
#[cfg(windows)]
fn nameless(folder: &Path) -> std::io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const DELETE_ON_CLOSE: u32 = 0x0400_0000;
    let (_, path) = temporary(&folder.join("file"))?;
    std::fs::OpenOptions::new().read(true).write(true).custom_flags(DELETE_ON_CLOSE).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nobody_sees_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("new");
        let mut file = Passing::make(&folder, 100, "numbers").unwrap();
        (0..50u8).for_each(|i| file.write(&[i, i + 1]).unwrap());
        let written = file.finish().unwrap();
        if cfg!(unix) {
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        }
        // Rows that overlap.
        let rows = written.rows(2, 2, 6, 40).unwrap();
        let mut found = vec![];
        rows.read(&[39, 0], &mut |place, bytes| found.push((place, bytes.to_vec()))).unwrap();
        found.sort();
        assert_eq!(found, [(0, vec![40, 41, 41, 42, 42, 43]), (1, vec![1, 2, 2, 3, 3, 4])]);
        assert!(written.rows(2, 2, 6, 48).is_err());
        assert!(Passing::make(Path::new("/dev/null/no"), 1, "numbers").is_err());
    }
}
