//! The models of a server, by name and version, and the newer weights that their runs get.

use super::model::{How, Model};
use super::problem::{Answered, Problem};
use super::settings::Served;
use super::stats::Stats;
use crate::error::{Result, nearest};
use crate::run::folder;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

/// A version of a model. Its weights may be replaced by newer ones of its run.
pub struct Entry {
    /// What requests call the model.
    pub name: String,
    /// The number of the version.
    pub version: u32,
    /// What it has done.
    pub stats: Arc<Stats>,
    run: PathBuf,
    model: RwLock<Arc<Model>>,
    seen: Mutex<Option<Stamp>>,
}

/// What tells the weights of a run from earlier ones.
type Stamp = (PathBuf, SystemTime, u64);

impl Entry {
    /// The model with its newest weights. A request keeps the one that it began with.
    pub fn model(&self) -> Arc<Model> {
        self.model.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its name, with the version.
    pub fn title(&self) -> String {
        format!("{} (version {})", self.name, self.version)
    }

    /// Takes newer weights of its run, if there are any; whether there were.
    ///
    /// Fails when they cannot be loaded: the model goes on with those that it has.
    fn renew(&self, how: &How) -> Result<bool> {
        let stamp = stamp(&self.run, how);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if stamp.is_none() || *seen == stamp {
                return Ok(false);
            }
            // Weights that cannot be loaded are tried once.
            *seen = stamp;
        }
        self.load(how).map(|()| true)
    }

    /// Takes the weights that its run has now.
    fn load(&self, how: &How) -> Result<()> {
        let model = Model::load(&self.run, &self.name, how, self.stats.clone());
        let counted = if model.is_ok() { &self.stats.reloads } else { &self.stats.failed_reloads };
        counted.fetch_add(1, Relaxed);
        *self.model.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(model?);
        Ok(())
    }
}

fn stamp(run: &std::path::Path, how: &How) -> Option<Stamp> {
    let file = folder::weights(run, how.checkpoint)?;
    let meta = file.metadata().ok()?;
    Some((file, meta.modified().ok()?, meta.len()))
}

/// The models of a server.
pub struct Registry {
    entries: Vec<Entry>,
}

impl Registry {
    /// Loads runs. Several of one name are its versions, in their order.
    ///
    /// Fails when one cannot be loaded.
    pub fn load(runs: &[Served], how: &How) -> Result<Registry> {
        let mut entries: Vec<Entry> = vec![];
        for Served { name, run } in runs {
            let version = 1 + entries.iter().filter(|e| e.name == *name).count() as u32;
            let stats = Arc::<Stats>::default();
            // Looked at before the weights are: newer ones are noticed.
            let seen = Mutex::new(stamp(run, how));
            let model = RwLock::new(Arc::new(Model::load(run, name, how, stats.clone())?));
            entries.push(Entry { name: name.clone(), version, stats, run: run.clone(), model, seen });
        }
        Ok(Registry { entries })
    }

    /// All versions of all models.
    pub fn all(&self) -> &[Entry] {
        &self.entries
    }

    /// The versions of a model.
    ///
    /// Fails when there is no such model.
    pub fn versions(&self, name: &str) -> Answered<Vec<&Entry>> {
        let found: Vec<&Entry> = self.entries.iter().filter(|e| e.name == name).collect();
        if found.is_empty() {
            let names = || self.entries.iter().map(|e| e.name.as_str());
            let hint = nearest(name, names()).map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
            let shown: String = name.chars().take(64).collect();
            return Err(Problem::missing(format!("there is no model {shown:?}{hint} GET /models lists them")));
        }
        Ok(found)
    }

    /// A version of a model, the latest if none is named.
    ///
    /// Fails when there is no such model or version.
    pub fn find(&self, name: &str, version: Option<&str>) -> Answered<&Entry> {
        let all = self.versions(name)?;
        let wanted = |e: &&&Entry| version.is_none_or(|v| v.parse() == Ok(e.version));
        all.iter().rev().find(wanted).copied().ok_or_else(|| {
            let shown: String = version.unwrap_or_default().chars().take(64).collect();
            Problem::missing(format!("model \"{name}\" has no version {shown:?}; expected 1 to {}", all.len()))
        })
    }

    /// The model of a request that may leave its name out.
    ///
    /// Fails when there are several, and as [`Registry::find`] does.
    pub fn find_or_only(&self, name: Option<&str>, version: Option<&str>) -> Answered<&Entry> {
        let first = &self.entries[0].name;
        match name {
            Some(name) => self.find(name, version),
            None if self.entries.iter().all(|e| e.name == *first) => self.find(first, version),
            None => {
                let mut names: Vec<&str> = self.entries.iter().map(|e| e.name.as_str()).collect();
                names.dedup();
                Err(Problem::bad(format!("there are several models ({}); say which by ?model=NAME", names.join(", "))))
            }
        }
    }

    /// Whether a model waits for its device to be opened anew.
    pub fn has_failed(&self) -> bool {
        self.entries.iter().any(|e| e.model().alive.has_failed())
    }

    /// Opens a device anew that has failed, and loads the models that were on it; `say` hears what became of them.
    ///
    /// Fails when the device does not open.
    pub fn mend(&self, how: &How, say: &dyn Fn(&Entry, Result<()>)) -> Result<()> {
        how.device.reopen()?;
        for entry in self.entries.iter().filter(|e| e.model().alive.is_lost()) {
            say(entry, entry.load(how));
        }
        Ok(())
    }

    /// Takes newer weights of all runs; `say` hears what became of them.
    pub fn renew(&self, how: &How, say: &dyn Fn(&Entry, Result<()>)) {
        for entry in &self.entries {
            match entry.renew(how) {
                Ok(false) => {}
                Ok(true) => say(entry, Ok(())),
                Err(e) => say(entry, Err(e)),
            }
        }
    }
}
