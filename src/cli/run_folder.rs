//! A run's folder: `config.toml`, `metrics.jsonl`, `checkpoints/`.

use super::flags::{Checkpoint, RunFlags};
use crate::error::{Error, Result};
use crate::eval::history::is_before;
use crate::eval::tensorboard::EventWriter;
use crate::eval::{EpochRecord, Live, Point};
use crate::files;
use crate::nn::{Description, Model};
use crate::train::checkpoint::Progressed;
use crate::train::checkpoint::{self, Loaded};
use crate::train::{Epoch, Kept, Settings, model_for};
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
            None => next_free(&Path::new("runs").join(file_name(&settings.model.name))),
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
        files::write(&folder.metrics(), b"")?;
        Ok(folder)
    }

    /// The folder of a run that goes on: what its log says of later epochs than
    /// the whole ones, and of later steps, will be said again.
    pub fn reopen(path: &Path, settings: &Settings, at: &Progressed) -> Result<RunFolder> {
        [path.to_path_buf(), path.join("checkpoints")].iter().for_each(|folder| remove_unfinished(folder));
        // TensorBoard forgets what lies at and after the step that it is told.
        let events = RefCell::new(EventWriter::create(path, Some(at.step as u64 + 1))?);
        let folder = RunFolder { path: path.to_path_buf(), keep_last: settings.keep_last, events };
        let log = folder.metrics();
        let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
        let earlier = |line: &&str| is_before(line, at.epoch, at.step as u64);
        let kept: String = text.lines().filter(earlier).map(|line| format!("{line}\n")).collect();
        files::write(&log, kept.as_bytes())?;
        folder.write_config(settings)?;
        Ok(folder)
    }

    fn write_config(&self, settings: &Settings) -> Result<()> {
        let config = toml::to_string(&settings.to_table()).expect("a table of plain values prints");
        files::write(&self.path.join("config.toml"), config.as_bytes())
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
        // The last comes last: a run that goes on from it finds a best that is
        // no older than it.
        if checkpoint.best {
            files::write(&self.best(), checkpoint.bytes)?;
        }
        if self.keep_last > 0 {
            self.keep_by_step(checkpoint)?;
        }
        files::write(&self.last(), checkpoint.bytes)
    }

    /// Keeps a checkpoint by its step, and of those the latest few.
    fn keep_by_step(&self, checkpoint: &Kept) -> Result<()> {
        let folder = self.path.join("checkpoints");
        let name = format!("step-{:08}.safetensors", checkpoint.step);
        files::write(&folder.join(name), checkpoint.bytes)?;
        let fail = |e| Error::io(format!("listing {}", folder.display()), e);
        let files = std::fs::read_dir(&folder).map_err(fail)?.filter_map(|f| Some(f.ok()?.path()));
        let is_step = |n: &str| n.starts_with("step-") && n.ends_with(".safetensors");
        let named = |p: &PathBuf| p.file_name().is_some_and(|n| is_step(&n.to_string_lossy()));
        let mut steps: Vec<PathBuf> = files.filter(named).collect();
        steps.sort();
        for old in steps.iter().rev().skip(self.keep_last) {
            std::fs::remove_file(old).map_err(|e| Error::io(format!("removing {}", old.display()), e))?;
        }
        Ok(())
    }

    /// Adds a point of the curves to `metrics.jsonl` and TensorBoard's events.
    pub fn point(&self, point: &Point) -> Result<()> {
        point.append(&self.path)?;
        self.events.borrow_mut().point(point)
    }

    /// Says where the run stands.
    pub fn live(&self, live: &Live) {
        // Nobody loses anything where this fails.
        let _ = live.write(&self.path);
    }

    /// Adds an epoch to `metrics.jsonl`, `metrics.csv` and TensorBoard's events.
    pub fn log(&self, epoch: &Epoch) -> Result<()> {
        let record = serde_json::to_value(epoch).and_then(serde_json::from_value::<EpochRecord>);
        let record = record.expect("an epoch is the record of one");
        record.append(&self.path)?;
        self.events.borrow_mut().epoch(&record)
    }
}

/// A model's name as that of a folder, wherever it comes from.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().take(100).map(plain).collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "model".into() } else { name.into() }
}

/// Removes what a run that was killed was about to write.
fn remove_unfinished(folder: &Path) {
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = file.path();
        if path.extension().is_some_and(|e| e == "tmp") && path.is_file() {
            // It is in nobody's way.
            let _ = std::fs::remove_file(path);
        }
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
    Ok((model_for(description, &loaded.about.input, &loaded.about.interface)?, loaded))
}
