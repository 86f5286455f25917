//! Small files read and written whole: nothing larger than it can be, nothing
//! half written.

use crate::error::{Error, Result};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The most bytes of one file of a run that are read: 256 MiB.
const MOST: u64 = 256 << 20;

/// A text file; `None` if it does not exist.
pub fn read(path: &Path) -> Result<Option<String>> {
    let fail = |e| Error::io(format!("reading {}", path.display()), e);
    match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fail(e)),
        // A pipe would block until somebody writes.
        Ok(meta) if !meta.is_file() => {
            return Err(Error::data(format!("{} is not a regular file", path.display())));
        }
        Ok(_) => {}
    }
    let mut bytes = vec![];
    std::fs::File::open(path).and_then(|f| f.take(MOST + 1).read_to_end(&mut bytes)).map_err(fail)?;
    if bytes.len() as u64 > MOST {
        return Err(Error::data(format!("{} is larger than {MOST} bytes, the most that is read", path.display())));
    }
    // Whatever is not UTF-8 shows as such; the JSON around it is still read.
    Ok(Some(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())))
}

/// Writes a file so that a reader sees the old one or the new one, whole: a
/// temporary file beside it, fsync, rename. When that fails the old one stays.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let done = std::fs::File::create(&temporary)
        .and_then(|mut f| f.write_all(bytes).and_then(|()| f.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    done.map_err(|e| {
        // It may be that nothing was made that could be removed.
        let _ = std::fs::remove_file(&temporary);
        Error::io(format!("writing {}", path.display()), e)
    })
}

/// Writes a file of passing interest, whole as [`write`] does, but without waiting
/// for the disk: it is written again soon.
pub fn write_in_passing(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let done = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    done.map_err(|e| Error::io(format!("writing {}", path.display()), e))
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
