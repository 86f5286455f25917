//! Files that the program itself keeps: read with a bound, from regular files
//! only; written whole, under names that nobody else can hold; locked while a
//! process works in their folder. And how much memory a file may take.

mod lock;
pub mod memory;
pub mod name;
mod passing;
mod placed;
pub mod room;
mod rows;
mod stamp;

pub use lock::{Lock, host};
pub use passing::{Passing, Written};
pub use placed::Placed;
pub use rows::RowFile;
pub use stamp::Stamp;

use crate::error::{Error, Result};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// The most bytes of a record of a run: a log, an evaluation, a report's data.
pub const RECORD: u64 = 256 << 20;
/// The most bytes of settings, of a model's description, of a small cache.
pub const SETTINGS: u64 = 16 << 20;

/// What temporary files are called: this, 16 hexadecimal digits, and `.tmp`.
const TEMPORARY: &str = ".wgrad-";

/// Opens a regular file to read it. A pipe would block until somebody writes, a
/// device may never end: both are refused.
pub fn open(path: &Path) -> std::io::Result<File> {
    let regular = |meta: std::fs::Metadata| match (meta.is_file(), meta.is_dir()) {
        (true, _) => Ok(()),
        (_, true) => Err(ErrorKind::IsADirectory.into()),
        _ => Err(std::io::Error::other("it is not a regular file")),
    };
    // Looked at before, since opening may block, and after, since it may have
    // become another one.
    regular(std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    regular(file.metadata()?).map(|()| file)
}

/// The bytes of a file; `None` if it does not exist.
///
/// Fails when it is no regular file, cannot be read, or is longer than `most`,
/// which is found out before anything is read.
pub fn bytes(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    let fail = |e| Error::io(format!("reading {}", path.display()), e);
    let file = match open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fail(e)),
    };
    let long = |n: u64| {
        let shown = path.display();
        Error::data(format!("{shown} holds {n} bytes; expected at most {most}: it is not what the program writes"))
    };
    let length = file.metadata().map_err(fail)?.len();
    if length > most {
        return Err(long(length));
    }
    let mut bytes = vec![];
    bytes.try_reserve_exact(length as usize).map_err(|e| fail(std::io::Error::other(e)))?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    // It may have grown since.
    if bytes.len() as u64 > most { Err(long(bytes.len() as u64)) } else { Ok(Some(bytes)) }
}

/// A text of at most [`RECORD`] bytes; `None` if the file does not exist.
/// Whatever is not UTF-8 shows as such; the JSON around it is still read.
///
/// Fails as [`bytes`] does.
pub fn read(path: &Path) -> Result<Option<String>> {
    let lossy = |e: std::string::FromUtf8Error| String::from_utf8_lossy(e.as_bytes()).into_owned();
    Ok(bytes(path, RECORD)?.map(|b| String::from_utf8(b).unwrap_or_else(lossy)))
}

/// Settings or a description: a text of at most [`SETTINGS`] bytes.
///
/// Fails where there is no such file, it is no regular one, longer, or no UTF-8.
pub fn settings(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    open(path)?.take(SETTINGS + 1).read_to_string(&mut text)?;
    match text.len() as u64 > SETTINGS {
        true => Err(std::io::Error::other(format!("it holds more than {SETTINGS} bytes"))),
        false => Ok(text),
    }
}

/// Writes a file so that a reader sees the old one or the new one, whole: a
/// temporary file beside it, fsync, rename. When that fails the old one stays. A
/// link of that name is replaced, not followed.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, &mut |file| file.write_all(bytes))
}

/// [`write()`] for what is written piece by piece.
pub fn write_with(path: &Path, content: &mut dyn FnMut(&mut File) -> std::io::Result<()>) -> Result<()> {
    let fail = |e| Error::io(format!("writing {}", path.display()), e);
    // A rename would put a file in the place of a pipe or a device.
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        return Err(fail(std::io::Error::other(
            "it is there and is not a regular file; expected a file, or a new name",
        )));
    }
    let (mut file, temporary) = temporary(path).map_err(fail)?;
    let done = content(&mut file).and_then(|()| file.sync_all());
    drop(file);
    done.and_then(|()| std::fs::rename(&temporary, path)).map_err(|e| {
        // It may be that nothing was made that could be removed.
        let _ = std::fs::remove_file(&temporary);
        fail(e)
    })
}

/// Writes a file of passing interest, whole as [`write`] does, but without waiting
/// for the disk: it is written again soon.
pub fn write_in_passing(path: &Path, bytes: &[u8]) -> Result<()> {
    let done = temporary(path).and_then(|(mut file, temporary)| {
        file.write_all(bytes)?;
        std::fs::rename(&temporary, path)
    });
    done.map_err(|e| Error::io(format!("writing {}", path.display()), e))
}

/// A new file beside `path`: nobody can have put one, or a link, in its place.
fn temporary(path: &Path) -> std::io::Result<(File, PathBuf)> {
    loop {
        let path = path.with_file_name(temporary_name());
        match File::create_new(&path) {
            Ok(file) => return Ok((file, path)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

/// Removes a file, or a folder with all that is in it, which is gone as a whole.
pub fn remove(path: &Path) -> Result<()> {
    let remove = || match std::fs::symlink_metadata(path)?.is_dir() {
        false => std::fs::remove_file(path),
        true => {
            let gone = path.with_file_name(temporary_name());
            std::fs::rename(path, &gone)?;
            std::fs::remove_dir_all(&gone)
        }
    };
    remove().map_err(|e| Error::io(format!("removing {}", path.display()), e))
}

/// Removes from a folder what a process that was killed was about to write or to
/// remove.
pub fn remove_unfinished(folder: &Path) {
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_temporary(&file.file_name().to_string_lossy()) {
            // It is in nobody's way.
            let _ = match file.file_type().is_ok_and(|t| t.is_dir()) {
                true => std::fs::remove_dir_all(file.path()),
                false => std::fs::remove_file(file.path()),
            };
        }
    }
}

fn temporary_name() -> String {
    // Each such state has keys of its own, drawn from the system.
    format!("{TEMPORARY}{:016x}.tmp", RandomState::new().hash_one(std::process::id()))
}

fn is_temporary(name: &str) -> bool {
    let digits = name.strip_prefix(TEMPORARY).and_then(|n| n.strip_suffix(".tmp"));
    digits.is_some_and(|d| d.len() == 16 && d.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Adds to the end of a file, which is made if it is not there. Never through a
/// link.
pub fn append(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    let is_there = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
        Ok(meta) if meta.is_file() => Ok(true),
        Ok(_) => Err(std::io::Error::other("it is a link or no regular file; remove it")),
    };
    is_there
        .and_then(|there| options.append(true).create_new(!there).open(path))
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|e| Error::io(format!("writing {}", path.display()), e))
}

/// Makes a folder within one that the program writes, unless it is there. A link
/// of that name would lead out of it.
///
/// `what` says what is being made: `the run's folder`.
pub fn make_folder(path: &Path, what: &str) -> Result<()> {
    let made = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => {
            Err(std::io::Error::other("it is a link, which may lead elsewhere; remove it"))
        }
        _ => std::fs::create_dir_all(path),
    };
    made.map_err(|e| Error::io(format!("making {what} {}", path.display()), e))
}

/// The folder for what was measured on this machine and can be measured again:
/// `WGRAD_CACHE`, else the user's cache folder. `None` where there is neither.
pub fn cache_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = |below: &str| set("HOME").map(|h| h.join(below));
    let usual = if cfg!(windows) {
        set("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home("Library/Caches")
    } else {
        // The standard has relative paths ignored.
        set("XDG_CACHE_HOME").filter(|p| p.is_absolute()).or_else(|| home(".cache"))
    };
    set("WGRAD_CACHE").or_else(|| Some(usual?.join("wgrad")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_expected_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("giant");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("holds 1099511627776 bytes; expected at most 268435456"), "{message}");
        assert!(settings(&path).is_err());
        assert_eq!(bytes(&dir.path().join("none"), 9).unwrap(), None);
        assert!(read(dir.path()).unwrap_err().to_string().contains("is a directory"));
    }

    #[test]
    fn only_temporary_files_of_ours_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, ours) = temporary(&dir.path().join("last")).unwrap();
        drop(file);
        let theirs = ["thesis.tmp", ".wgrad-x.tmp", ".wgrad-0123456789abcdef"];
        theirs.iter().for_each(|name| std::fs::write(dir.path().join(name), "mine").unwrap());
        assert_ne!(temporary(&dir.path().join("last")).unwrap().1, ours);
        remove_unfinished(dir.path());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), theirs.len());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (theirs, link) = (dir.path().join("theirs"), dir.path().join("metrics.jsonl"));
        std::fs::write(&theirs, "theirs").unwrap();
        std::os::unix::fs::symlink(&theirs, &link).unwrap();
        assert!(append(&link, b"ours").unwrap_err().to_string().contains("it is a link"));
        write(&link, b"ours").unwrap();
        append(&link, b", too").unwrap();
        assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "theirs");
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "ours, too");
        assert!(!link.is_symlink());
        std::os::unix::fs::symlink(dir.path(), dir.path().join("plots")).unwrap();
        assert!(make_folder(&dir.path().join("plots"), "plots").is_err());
        assert!(write(Path::new("/dev/null"), b"").unwrap_err().to_string().contains("not a regular file"));
    }
}
