//! A run's folder: `config.toml`, `metrics.jsonl`, `checkpoints/`.

use super::flags::{Checkpoint, RunFlags};
use crate::error::{Error, Result};
use crate::nn::{Description, Model, Weights};
use crate::train::checkpoint::{self, About};
use crate::train::{Epoch, Settings};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of a run being made.
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder: the one asked for, or the next free `runs/MODEL-NNN`.
    /// A run that already lies there is moved aside, never overwritten.
    pub fn create(wanted: Option<&Path>, settings: &Settings) -> Result<RunFolder> {
        let path = match wanted {
            Some(path) => path.to_path_buf(),
            None => next_free(&Path::new("runs").join(&settings.model.name)),
        };
        if path.join("config.toml").exists() {
            let aside = next_free(&path);
            std::fs::rename(&path, &aside)
                .map_err(|e| Error::io(format!("moving the earlier run {} aside", path.display()), e))?;
            eprintln!("{} held a run already; it is now {}", path.display(), aside.display());
        }
        let checkpoints = path.join("checkpoints");
        std::fs::create_dir_all(&checkpoints)
            .map_err(|e| Error::io(format!("making the run's folder {}", checkpoints.display()), e))?;
        let folder = RunFolder { path };
        let config = toml::to_string(&settings.to_table()).expect("a table of plain values prints");
        checkpoint::write_atomically(&folder.path.join("config.toml"), config.as_bytes())?;
        checkpoint::write_atomically(&folder.metrics(), b"")?;
        Ok(folder)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The weights after the latest epoch.
    pub fn last(&self) -> PathBuf {
        self.path.join("checkpoints/last.safetensors")
    }

    /// The weights of the epoch with the lowest validation loss.
    pub fn best(&self) -> PathBuf {
        self.path.join("checkpoints/best.safetensors")
    }

    /// Adds an epoch to `metrics.jsonl`.
    pub fn log(&self, epoch: &Epoch) -> Result<()> {
        let line = serde_json::to_string(epoch).expect("plain data prints");
        let path = self.metrics();
        let write = || std::fs::OpenOptions::new().append(true).open(&path).and_then(|mut f| writeln!(f, "{line}"));
        write().map_err(|e| Error::io(format!("writing {}", path.display()), e))
    }
}

/// The first of `NAME-001`, `NAME-002`, .. that does not exist.
fn next_free(name: &Path) -> PathBuf {
    let numbered = |n: usize| {
        let mut path = name.as_os_str().to_os_string();
        path.push(format!("-{n:03}"));
        PathBuf::from(path)
    };
    (1..).map(numbered).find(|p| !p.exists()).expect("numbers do not run out")
}

/// Loads a trained model from a run's folder or from a file of weights.
pub fn load(f: &RunFlags) -> Result<(Model, Weights, About)> {
    let name = match f.checkpoint {
        Checkpoint::Last => "checkpoints/last.safetensors",
        Checkpoint::Best => "checkpoints/best.safetensors",
    };
    let file = if f.run.is_dir() { f.run.join(name) } else { f.run.clone() };
    if f.run.is_dir() && !file.is_file() {
        let folder = f.run.display();
        return Err(Error::data(format!("{folder} holds no {name}; expected the folder of a `wgrad train`")));
    }
    let (weights, about) = checkpoint::load(&file)?;
    let description = Description::parse(&about.model)?;
    let classes = Some(about.classes.len());
    Ok((Model::new(description, Some(about.input.clone().into()), classes)?, weights, about))
}
