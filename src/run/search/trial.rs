//! One trial: a run of its own, trained from the start or from where it was
//! left, and scored on the validation set.

use super::record::other_data;
use crate::device::{Device, DeviceInfo};
use crate::error::{Error, Kind, Result};
use crate::files::Lock;
use crate::nn::Weights;
use crate::ops::pace::Steps;
use crate::plan::Precision;
use crate::ranks::World;
use crate::run::folder::{RunFolder, best_so_far, load_last};
use crate::run::info;
use crate::run::job::{Done, Job};
use crate::run::kinds::settings_of;
use crate::run::observer::Observer;
use crate::run::request::DeviceRequest;
use crate::run::score::Scored;
use crate::run::tuning::Tuning;
use crate::train::{MAX_STEPS, Prepared, Settings, Source, Start, checkpoint};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What all trials share: the device, and the data, which is opened once.
pub struct TrialRunner<'a> {
    /// The search's folder.
    pub out: &'a Path,
    /// The device.
    pub info: DeviceInfo,
    /// How it is opened: once for all trials of a precision, unless it fails.
    device: &'a DeviceRequest,
    opened: Option<(Precision, Device)>,
    /// The data.
    pub source: &'a dyn Source,
    /// The sets of the latest trial, and the settings that made them.
    prepared: Option<(String, Prepared)>,
}

/// How a trial ended.
pub enum TrialOutcome {
    /// With figures.
    Scored(Trained),
    /// Without: the loss was no finite number, or the model cannot be built.
    Failed(String),
}

/// A trained trial.
pub struct Trained {
    /// Epochs done.
    pub epochs: usize,
    /// Why training ended by itself before its last epoch.
    pub stopped: Option<String>,
    /// All figures of the validation set.
    pub figures: Map<String, Value>,
}

/// A trial's folder, below that of the search.
pub fn folder(number: usize) -> PathBuf {
    PathBuf::from(format!("trial-{number:03}"))
}

/// What decides the sets of a trial: equal for trials that share them.
pub fn data_key(s: &Settings) -> String {
    let all = s.to_table();
    let parts = ["data", "clean", "loss"].map(|key| all.get(key).map_or(String::new(), |v| v.to_string()));
    // A model that says what it takes decides how long a sample is.
    format!("{} seed {} input {:?} {:?}", parts.join(" "), s.seed, s.model.reads, s.model.input)
}

impl<'a> TrialRunner<'a> {
    /// A runner on which nothing has run, with the device opened for a precision.
    pub fn new(
        out: &'a Path,
        device: &'a DeviceRequest,
        opened: (Precision, Device),
        source: &'a dyn Source,
    ) -> TrialRunner<'a> {
        TrialRunner { out, info: opened.1.info(), device, opened: Some(opened), source, prepared: None }
    }

    /// The sets of a trial, without the test set: a search must not see it.
    pub fn prepare(&mut self, s: &Settings) -> Result<&Prepared> {
        let made_by = data_key(s);
        let prepared = match self.prepared.take() {
            Some((same, prepared)) if same == made_by => prepared,
            _ => {
                let mut prepared = self.source.prepare(s)?;
                prepared.test = None;
                if prepared.val.as_ref().is_none_or(|v| v.is_empty()) {
                    return Err(Error::usage(
                        "a search scores on validation data and there is none; expected val_split above 0",
                    ));
                }
                prepared
            }
        };
        Ok(&self.prepared.insert((made_by, prepared)).1)
    }

    fn open(&mut self, precision: Precision, observer: &mut dyn Observer) -> Result<Device> {
        if let Some((_, device)) = self.opened.as_ref().filter(|(opened, _)| *opened == precision) {
            return Ok(device.clone());
        }
        let device = self.device.open(precision, observer)?;
        self.opened = Some((precision, device.clone()));
        Ok(device)
    }

    /// [`TrialRunner::train`]. A device that failed, say because it was lost, is opened anew
    /// for the next trial.
    pub fn run(
        &mut self,
        number: usize,
        s: &Settings,
        epochs: usize,
        observer: &mut dyn Observer,
    ) -> Result<TrialOutcome> {
        let device = self.open(s.plan.precision, observer)?;
        let ended = self.train(device.clone(), number, s, epochs, observer);
        if device.current().check().is_err() {
            self.opened = None;
        }
        ended
    }

    /// Trains trial `number` until it has done `epochs` epochs; a trial that was
    /// begun before goes on from its last checkpoint.
    fn train(
        &mut self,
        device: Device,
        number: usize,
        s: &Settings,
        epochs: usize,
        observer: &mut dyn Observer,
    ) -> Result<TrialOutcome> {
        let path = self.out.join(folder(number));
        let device_info = self.info.clone();
        let prepared = self.prepare(s)?;
        let (loaded, lock) = begun(&path, s, number, prepared)?.unzip();
        let weights = loaded.as_ref().map_or_else(|| Weights::new(s.seed), |l| l.weights.clone());
        let tuning = if loaded.is_some() { Tuning::of_run(&path)? } else { Tuning::Usual };
        let mut job = match Job::new(device, s, prepared, weights, &tuning, &World::default(), observer) {
            Ok(job) => job,
            Err(e) => return failed(e, &[Kind::Model, Kind::Data, Kind::Device], observer),
        };
        let mut start = Start::default();
        if let Some(loaded) = loaded {
            start.at = loaded.about.progress.unwrap_or_default();
            job.session.set_state(&loaded.state, &start.at)?;
            start.best = best_so_far(Some(&path), s, &start.at)?;
        }
        let counts = job.session.counts();
        let limited = limited(s, epochs, &start, counts);
        let own_end = start.at.stopped.clone().filter(|why| ended_by_itself(why, s));
        let folder = match lock {
            None => RunFolder::create(Some(&path), s, observer)?,
            Some(lock) => RunFolder::reopen(&path, s, &start.at, counts.done(start.at.step), lock)?,
        };
        let mut info = info::new(&job, s, prepared, device_info);
        info.write(&path)?;
        let at = Instant::now();
        let done = job.run(&limited, prepared, start, Some(&folder), observer);
        if let Err(e) = done {
            info::failed(&mut info, &path, &e, observer);
            return failed(e, &[Kind::Model, Kind::Data, Kind::Diverged], observer);
        }
        let mut done = done?;
        let epochs = done.outcome.at.epoch;
        done.outcome.at.stopped = own_end.or(done.outcome.at.stopped.filter(|why| ended_by_itself(why, s)));
        info::finish(&mut info, &done, at.elapsed().as_secs_f64());
        info::end(&info, &path)?;
        let Done { outcome, scored, .. } = done;
        let scored = scored.expect("there is a validation set");
        scored.evaluation.write(&path)?;
        let figures = match Scored::json(&scored) {
            Value::Object(figures) => figures,
            _ => Map::new(),
        };
        Ok(TrialOutcome::Scored(Trained { epochs, stopped: outcome.at.stopped, figures }))
    }
}

/// The checkpoint of a trial that was begun before, and its folder's lock. What
/// was left without one is of no use and is removed.
fn begun(path: &Path, s: &Settings, number: usize, p: &Prepared) -> Result<Option<(checkpoint::Loaded, Lock)>> {
    if checkpoint::find(path, "last").is_none() {
        if path.exists() {
            Lock::check(path)?;
            std::fs::remove_dir_all(path)
                .map_err(|e| Error::io(format!("removing the trial {} that was cut short", path.display()), e))?;
        }
        return Ok(None);
    }
    let lock = Lock::take(path)?;
    let Some(loaded) = load_last(path)? else { return Ok(None) };
    // Read again, since another version may have written it with other keys.
    if settings_of(&loaded.about)?.deciding() != s.deciding() {
        return Err(Error::usage(format!(
            "{} was trained with other settings than this search gives it now (has the model's file changed?); choose \
             another folder with --out",
            path.display()
        )));
    }
    let data = loaded.about.progress.as_ref().and_then(|at| at.data.clone());
    if let Some(data) = data
        && data != p.fingerprint()?
    {
        return Err(other_data(path.parent().unwrap_or(path), number));
    }
    Ok(Some((loaded, lock)))
}

/// The settings with a limit of steps at the end of an epoch; a trial that has
/// ended by itself does not train on.
fn limited(s: &Settings, epochs: usize, start: &Start, counts: Steps) -> Settings {
    let mut limited = s.clone();
    let ended = start.at.stopped.as_ref().is_some_and(|why| ended_by_itself(why, s));
    let steps = match ended {
        true => Some(counts.done(start.at.step).max(1)),
        false => (epochs < s.epochs).then(|| epochs.saturating_mul(counts.per_epoch())),
    };
    limited.max_steps = s.max_steps.into_iter().chain(steps).min();
    limited
}

/// Whether this is an end of the trial's own, and not that of a rung.
fn ended_by_itself(why: &str, s: &Settings) -> bool {
    match why.strip_prefix(MAX_STEPS).and_then(|rest| rest.strip_prefix(": ")) {
        Some(steps) => s.max_steps.is_some_and(|n| n.to_string() == steps),
        None => true,
    }
}

/// A trial's error, if it concerns this trial alone; others end the search.
fn failed(e: Error, kinds: &[Kind], observer: &dyn Observer) -> Result<TrialOutcome> {
    if observer.interrupted() || !kinds.contains(&e.kind()) {
        return Err(e);
    }
    Ok(TrialOutcome::Failed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::checkpoint::Progressed;

    #[test]
    fn a_rung_ends_at_an_epoch_and_an_end_is_an_end() {
        let mut s = Settings { epochs: 8, ..Settings::default() };
        let start = |stopped: Option<&str>| Start {
            at: Progressed { step: 30, stopped: stopped.map(String::from), ..Progressed::default() },
            best: None,
        };
        let counts = Steps { batches: 10, accumulate: 1 };
        assert_eq!(limited(&s, 2, &start(None), counts).max_steps, Some(20));
        assert_eq!(limited(&s, 8, &start(None), counts).max_steps, None);
        assert_eq!(limited(&s, 4, &start(Some("max_steps: 20")), counts).max_steps, Some(40));
        assert_eq!(limited(&s, 8, &start(Some("early stopping in epoch 3")), counts).max_steps, Some(30));
        s.max_steps = Some(25);
        assert_eq!(limited(&s, 4, &start(None), counts).max_steps, Some(25));
        assert!(ended_by_itself("max_steps: 25", &s) && !ended_by_itself("max_steps: 20", &s));
    }
}
