//! A folder in which one process works at a time.
//!
//! The lock is the operating system's, on a file in the folder: it goes with the
//! process, however that ends, so none is ever stale. What the file says is for
//! people only.

use crate::error::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file that is locked.
const NAME: &str = ".lock";
/// How often a lock is tried: another process may only be looking whether it is
/// held.
const TRIES: usize = 20;
/// How often a folder may be gone again when its lock is opened: each time another
/// process moved it aside and made no new one yet.
const MOVES: usize = 1000;
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// A folder that this process holds, until this is dropped.
#[derive(Debug)]
pub struct Lock {
    /// `None` where the file system has no locks.
    _file: Option<File>,
}

impl Lock {
    /// Takes a folder, which is made if it is not there.
    ///
    /// Fails when another process holds it, and says which; when the file cannot
    /// be made.
    pub fn take(folder: &Path) -> Result<Lock> {
        let path = folder.join(NAME);
        let (mut tries, mut moves) = (0, 0);
        loop {
            refuse_links(&path)?;
            let fail = |e| Error::io(format!("locking {}", folder.display()), e);
            let mut file = match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path) {
                Ok(file) => file,
                // It is not there yet, or whoever holds it is moving it aside,
                // perhaps while we make it. That does not count as a try.
                Err(e) if e.kind() == ErrorKind::NotFound && moves < MOVES => {
                    moves += 1;
                    match std::fs::create_dir_all(folder) {
                        Err(e) if !matches!(e.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => {
                            return Err(fail(e));
                        }
                        Err(e) if moves == MOVES || folder.is_file() => return Err(fail(e)),
                        _ => continue,
                    }
                }
                Err(e) => return Err(fail(e)),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Err(TryLockError::WouldBlock) => return Err(held(folder, file)),
                Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {
                    return Ok(Lock { _file: None });
                }
                Err(TryLockError::Error(e)) => return Err(fail(e)),
            }
            // While we waited for it, its folder may have been moved aside and
            // made anew by whoever held it.
            if is_the_same(&file, &path) {
                // The lock is what counts; a full disk may keep this from being said.
                let _ = file.set_len(0).and_then(|()| file.write_all(holder().as_bytes()));
                return Ok(Lock { _file: Some(file) });
            }
        }
    }

    /// Whether a folder could be taken now; makes nothing.
    ///
    /// Fails as [`take`](Lock::take) does when another process holds it.
    pub fn check(folder: &Path) -> Result<()> {
        let path: PathBuf = folder.join(NAME);
        if !path.is_file() {
            return Ok(());
        }
        let Ok(file) = File::open(&path) else { return Ok(()) };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Err(held(folder, file)),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        }
    }
}

/// A lock is written to, and nothing but a lock of ours may be.
fn refuse_links(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => Err(Error::data(format!(
            "{} is a link or no regular file; expected the lock of a run: remove it",
            path.display()
        ))),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn is_the_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |meta: std::io::Result<std::fs::Metadata>| meta.ok().map(|m| (m.dev(), m.ino()));
    id(file.metadata()).is_some_and(|a| id(std::fs::symlink_metadata(path)) == Some(a))
}

/// Elsewhere a folder in which a file is open cannot be moved.
#[cfg(not(unix))]
fn is_the_same(_: &File, _: &Path) -> bool {
    true
}

/// What the file says of who holds it.
fn holder() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let time = chrono::DateTime::from_timestamp(i64::try_from(seconds).unwrap_or(0), 0).unwrap_or_default();
    format!("process {} on {}, since {} UTC\n", std::process::id(), host(), time.naive_utc())
}

/// The machine's name, as far as it is told.
pub fn host() -> String {
    let told = ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let told = told.or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    told.map(|h| h.trim().to_string()).filter(|h| !h.is_empty()).unwrap_or_else(|| "localhost".into())
}

/// The error for a folder that another process holds.
fn held(folder: &Path, file: File) -> Error {
    let mut said = String::new();
    // Where locks are mandatory it cannot be read.
    let _ = file.take(200).read_to_string(&mut said);
    let plain = |c: &char| c.is_ascii_graphic() || *c == ' ';
    let said: String = said.trim().chars().filter(plain).collect();
    let who = if said.starts_with("process ") { said } else { "another process".into() };
    Error::data(format!(
        "{} is in use by {who}; wait until that has ended or stop it, or name another folder with --out",
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder() {
        let dir = tempfile::tempdir().unwrap();
        Lock::check(dir.path()).unwrap();
        let first = Lock::take(dir.path()).unwrap();
        for message in [Lock::take(dir.path()).unwrap_err(), Lock::check(dir.path()).unwrap_err()] {
            let message = message.to_string();
            let who = format!("is in use by process {}", std::process::id());
            assert!(message.contains(&who) && message.contains("--out"), "{message}");
        }
        drop(first);
        Lock::check(dir.path()).unwrap();
        Lock::take(dir.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("theirs");
        std::fs::write(&theirs, "theirs").unwrap();
        std::os::unix::fs::symlink(&theirs, dir.path().join(NAME)).unwrap();
        assert!(Lock::take(dir.path()).is_err());
        assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "theirs");
    }
}
