//! The room on a disk, and what kind of disk it is, as far as the system says so at once.

use super::memory;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The free bytes of the disk that a folder is on, or would be made on; `None` where the
/// system does not say.
#[cfg(unix)]
pub fn free(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(existing(folder)?).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// The free bytes of the disk that a folder is on; `None` where the system does not say.
#[cfg(not(unix))]
pub fn free(_: &Path) -> Option<u64> {
    None
}

/// Refuses to write more bytes into a folder than its disk has room for; `what` says what
/// they are.
pub fn check(folder: &Path, needed: u64, what: &str) -> Result<()> {
    match free(folder).filter(|free| *free < needed) {
        None => Ok(()),
        Some(free) => Err(Error::data(format!(
            "{what}: {needed} bytes ({}) are to be written into the folder {}, and its disk has {free} bytes ({}) free; name \
             a folder with room for them with --data-cache (data.cache) or TMPDIR, or raise --data-memory",
            memory::size(needed),
            folder.display(),
            memory::size(free)
        ))),
    }
}

/// The folder for large files that nobody is to keep: the system's own for temporary files
/// or, where that lies in memory, the one that lies on a disk.
pub fn temporary() -> PathBuf {
    let usual = std::env::temp_dir();
    let large = Path::new("/var/tmp");
    let is_asked_for = std::env::var_os("TMPDIR").is_some();
    if !is_asked_for && is_in_memory(&usual) && large.is_dir() { large.into() } else { usual }
}

/// The folder itself, or the first above it that is there.
#[cfg(unix)]
fn existing(folder: &Path) -> Option<PathBuf> {
    let from_root = std::path::absolute(folder).ok()?;
    from_root.ancestors().find(|at| at.exists()).map(Path::to_path_buf)
}

#[cfg(target_os = "linux")]
fn is_in_memory(folder: &Path) -> bool {
    /// As `statfs(2)` has them: tmpfs and ramfs.
    const IN_MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];
    rustix::fs::statfs(folder).is_ok_and(|stat| IN_MEMORY.contains(&(stat.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> bool {
    false
}

/// Why reading here and there in a file is slow, where the system says so at once: it lies
/// on a disk that turns, or on another machine. `None` where nobody knows.
#[cfg(target_os = "linux")]
pub fn is_slow(path: &Path) -> Option<&'static str> {
    /// As `statfs(2)` has them: NFS, SMB, SMB2, CIFS, AFS, Ceph, 9P.
    const REMOTE: [u32; 7] = [0x6969, 0x517b, 0xfe53_4d42, 0xff53_4d42, 0x5346_414f, 0x00c3_6400, 0x0102_1997];
    let at = existing(path)?;
    let kind = rustix::fs::statfs(&at).ok()?.f_type as u32;
    if REMOTE.contains(&kind) {
        return Some("a network");
    }
    let device = rustix::fs::stat(&at).ok()?.st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let node = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    // A disk of a virtual machine says that it turns, whatever it is.
    if node.components().any(|part| part.as_os_str().to_string_lossy().starts_with("virtio")) {
        return None;
    }
    // A partition has its queue in the disk around it.
    let queue = node.ancestors().take(2).map(|at| at.join("queue/rotational")).find(|at| at.exists())?;
    let turns = std::fs::read_to_string(queue).ok()?;
    (turns.trim() == "1").then_some("a disk that turns")
}

/// Why reading here and there in a file is slow; nobody knows here.
#[cfg(not(target_os = "linux"))]
pub fn is_slow(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_names_folder_and_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("not/yet/there");
        check(&new, 1, "x").unwrap();
        if cfg!(unix) {
            assert!(free(&new).is_some_and(|bytes| bytes > 0));
            let message = check(&new, u64::MAX, "the features of t.csv").unwrap_err().to_string();
            for part in ["the features of t.csv: 18446744073709551615 bytes", "not/yet/there", "free", "--data-cache"] {
                assert!(message.contains(part), "{message}");
            }
        }
        // It says something or nothing, and does not fail.
        is_slow(&new);
        assert!(temporary().is_dir());
    }
}
