//! A run's folder: `config.toml`, `metrics.jsonl`, `checkpoints/`.

use super::flags::{Checkpoint, RunFlags};
use crate::error::{Error, Result};
use crate::eval::EpochRecord;
use crate::eval::tensorboard::EventWriter;
use crate::nn::{Description, Model};
use crate::train::checkpoint::Progressed;
use crate::train::checkpoint::{self, Loaded};
use crate::train::{Epoch, Kept, Settings};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// The folder of a run being made.
pub struct RunFolder {
    path: PathBuf,
    keep_last: usize,
    events: RefCell<EventWriter>,
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
        let events = RefCell::new(EventWriter::create(&path, None)?);
        let folder = RunFolder { path, keep_last: settings.keep_last, events };
        folder.write_config(settings)?;
        checkpoint::write_atomically(&folder.metrics(), b"")?;
        Ok(folder)
    }

    /// The folder of a run that goes on: what its log says of later epochs than
    /// the whole ones will be said again.
    pub fn reopen(path: &Path, settings: &Settings, at: &Progressed) -> Result<RunFolder> {
        let events = RefCell::new(EventWriter::create(path, Some(at.step as u64))?);
        let folder = RunFolder { path: path.to_path_buf(), keep_last: settings.keep_last, events };
        let log = folder.metrics();
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let earlier = |line: &&str| serde_json::from_str::<EpochRecord>(line).is_ok_and(|e| e.epoch <= at.epoch);
        let kept: String = text.lines().filter(earlier).map(|line| format!("{line}\n")).collect();
        checkpoint::write_atomically(&log, kept.as_bytes())?;
        folder.write_config(settings)?;
        Ok(folder)
    }

    fn write_config(&self, settings: &Settings) -> Result<()> {
        let config = toml::to_string(&settings.to_table()).expect("a table of plain values prints");
        checkpoint::write_atomically(&self.path.join("config.toml"), config.as_bytes())
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

    /// Keeps a checkpoint: as the last, as the best if it is, and by its step
    /// where the settings ask for more than one.
    pub fn keep(&self, checkpoint: &Kept) -> Result<()> {
        // The best first: a last one that calls an epoch the best finds it, also
        // if the program is killed between the two.
        if checkpoint.best {
            checkpoint::write_atomically(&self.best(), checkpoint.bytes)?;
        }
        checkpoint::write_atomically(&self.last(), checkpoint.bytes)?;
        if self.keep_last == 0 {
            return Ok(());
        }
        let folder = self.path.join("checkpoints");
        let name = format!("step-{:08}.safetensors", checkpoint.step);
        checkpoint::write_atomically(&folder.join(name), checkpoint.bytes)?;
        let fail = |e| Error::io(format!("listing {}", folder.display()), e);
        let files = std::fs::read_dir(&folder).map_err(fail)?.filter_map(|f| Some(f.ok()?.path()));
        let named = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("step-"));
        let mut steps: Vec<PathBuf> = files.filter(named).collect();
        steps.sort();
        for old in steps.iter().rev().skip(self.keep_last) {
            std::fs::remove_file(old).map_err(|e| Error::io(format!("removing {}", old.display()), e))?;
        }
        Ok(())
    }

    /// Adds an epoch to `metrics.jsonl`, `metrics.csv` and TensorBoard's events.
    pub fn log(&self, epoch: &Epoch) -> Result<()> {
        let record = serde_json::to_value(epoch).and_then(serde_json::from_value::<EpochRecord>);
        let record = record.expect("an epoch is the record of one");
        record.append(&self.path)?;
        self.events.borrow_mut().epoch(&record)
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
pub fn load(f: &RunFlags) -> Result<(Model, Loaded)> {
    let name = match f.checkpoint {
        Checkpoint::Last => "checkpoints/last.safetensors",
        Checkpoint::Best => "checkpoints/best.safetensors",
    };
    let file = if f.run.is_dir() { f.run.join(name) } else { f.run.clone() };
    if f.run.is_dir() && !file.is_file() {
        let folder = f.run.display();
        return Err(Error::data(format!("{folder} holds no {name}; expected the folder of a `wgrad train`")));
    }
    open(&file)
}

/// Loads a model from a file of weights.
pub fn open(file: &Path) -> Result<(Model, Loaded)> {
    let loaded = checkpoint::load(file)?;
    let description = Description::parse(&loaded.about.model)?;
    let outputs = Some(loaded.about.interface.outputs.len());
    Ok((Model::new(description, Some(loaded.about.input.clone().into()), outputs)?, loaded))
}
