//! Where inputs lie as files.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of this process. `scripts/fuzz` puts it in memory by `TMPDIR`, and removes it.
pub struct Place(PathBuf);

impl Place {
    /// An empty folder.
    pub fn new() -> Place {
        let folder = std::env::temp_dir().join(format!("wgrad-fuzz-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder for passing files");
        Place(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it, and the folders that it lies in.
    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folders");
        fs::write(&path, bytes).expect("room for a passing file");
        path
    }
}

impl Default for Place {
    fn default() -> Place {
        Place::new()
    }
}
