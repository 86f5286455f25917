//! What adapters were found to compute wrongly, on disk: one file per adapter and driver,
//! beside those of tuning. A file of another version counts for nothing: its shaders were
//! others.

use super::Adapter;
use crate::error::{Error, Result};
use crate::files;
use crate::kernel::{Refusal, Refused};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
struct File {
    wgrad: String,
    adapter: String,
    refused: Vec<Refusal>,
}

impl Adapter {
    /// Its name with its driver, under which files are kept.
    pub fn full_name(&self) -> String {
        format!("{}, {}, {}", self.name, self.backend, self.driver)
    }

    /// The file of what it computes wrongly; `None` where there is no cache folder.
    pub fn refused_file(&self) -> Option<PathBuf> {
        Some(files::cache_folder()?.join(files::name::cache_name("refused", &self.full_name())))
    }

    /// What it was found to compute wrongly.
    ///
    /// Fails when the file cannot be read.
    pub fn refused(&self) -> Result<Refused> {
        let Some(path) = self.refused_file() else { return Ok(Refused::default()) };
        read(&path, &self.full_name())
    }

    /// Keeps what it computes wrongly; without anything the file is removed. Says where.
    pub fn refuse(&self, refused: &Refused) -> Result<Option<PathBuf>> {
        let Some(path) = self.refused_file() else { return Ok(None) };
        if refused.is_empty() {
            if path.exists() {
                files::remove(&path)?;
            }
            return Ok(None);
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|e| Error::io(format!("making the cache folder {}", folder.display()), e))?;
        }
        let file = File {
            wgrad: env!("CARGO_PKG_VERSION").into(),
            adapter: self.full_name(),
            refused: refused.all().to_vec(),
        };
        let text = serde_json::to_string_pretty(&file).expect("plain data prints");
        files::write(&path, text.as_bytes())?;
        Ok(Some(path))
    }
}

/// What the file of an adapter, by its name and driver, says that it computes wrongly.
pub(super) fn read(path: &Path, adapter: &str) -> Result<Refused> {
    let Some(text) = files::read(path)? else { return Ok(Refused::default()) };
    let file: File = serde_json::from_str(&text).map_err(|e| {
        Error::data(format!(
            "{} does not say which kernels {adapter} computes wrongly ({e}); remove it and run `wgrad doctor` again",
            path.display()
        ))
    })?;
    let counts = file.wgrad == env!("CARGO_PKG_VERSION") && file.adapter == adapter;
    Ok(if counts { Refused::of(file.refused) } else { Refused::default() })
}
