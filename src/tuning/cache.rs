//! Verdicts on disk, one file per adapter and driver.
//!
//! A file that cannot be read is as good as none: it is replaced. An entry
//! counts only for the shaders that it was found with.

use super::{Judge, Outcome, Tuned};
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::Adapter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The variant that was chosen.
    pub variant: String,
    /// What it was found with: see [`super::fingerprint`].
    pub shaders: String,
    /// Who judged the results.
    pub judge: Option<Judge>,
    /// What each right variant took.
    pub microseconds: BTreeMap<String, f64>,
    /// Why each of the others is out.
    #[serde(default)]
    pub rejected: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct File {
    wgrad: String,
    adapter: String,
    entries: BTreeMap<String, Entry>,
}

/// The verdicts for one adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Cache {
    path: Option<PathBuf>,
    file: File,
}

impl Cache {
    /// The cache of an adapter in a folder, and what is wrong with it, if
    /// anything is. Without a folder it lives as long as the program.
    pub fn open(folder: Option<&Path>, adapter: &Adapter) -> (Cache, Option<String>) {
        let name = adapter.full_name();
        Cache::of(folder.map(|f| f.join(files::name::cache_name("tuning", &name))), name)
    }

    /// The cache in a file, for an adapter of this name and driver.
    pub fn of(path: Option<PathBuf>, adapter: String) -> (Cache, Option<String>) {
        let version = env!("CARGO_PKG_VERSION");
        let empty = File { wgrad: version.into(), adapter: adapter.clone(), entries: BTreeMap::new() };
        let read = |path: &Path| -> Result<Option<File>> {
            let Some(text) = files::read(path)? else { return Ok(None) };
            let file: File = serde_json::from_str(&text).map_err(Error::data)?;
            // Another version's verdicts are not wrong, just of no use; so are
            // those of an adapter whose name makes the same file name.
            Ok(Some(file).filter(|f| f.wgrad == version && f.adapter == adapter))
        };
        let (file, complaint) = match path.as_deref().map(read) {
            None | Some(Ok(None)) => (empty, None),
            Some(Ok(Some(file))) => (file, None),
            Some(Err(e)) => {
                let path = path.as_deref().unwrap_or(Path::new("")).display();
                (
                    empty,
                    Some(format!(
                        "{path} is no usable tuning cache ({e}); it is ignored, and replaced by the next tuning"
                    )),
                )
            }
        };
        (Cache { path, file }, complaint)
    }

    /// The file.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The verdict for an op, if it was found with these shaders.
    pub fn get(&self, key: &str, shaders: &str) -> Option<&Entry> {
        self.file.entries.get(key).filter(|e| e.shaders == shaders)
    }

    /// Notes a verdict.
    pub fn put(&mut self, tuned: &Tuned, shaders: String) {
        let (mut microseconds, mut rejected) = (BTreeMap::new(), BTreeMap::new());
        for (name, outcome) in &tuned.outcomes {
            match outcome {
                Outcome::Microseconds(t) => drop(microseconds.insert(name.clone(), *t)),
                Outcome::Wrong(why) | Outcome::Failed(why) => drop(rejected.insert(name.clone(), why.clone())),
            }
        }
        let entry = Entry { variant: tuned.chosen.clone(), shaders, judge: tuned.judge, microseconds, rejected };
        self.file.entries.insert(tuned.key.clone(), entry);
    }

    /// Writes it, whole or not at all.
    pub fn save(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|e| Error::io(format!("making the cache folder {}", folder.display()), e))?;
        }
        let text = serde_json::to_string_pretty(&self.file).expect("plain data prints");
        files::write(path, text.as_bytes())
    }
}
