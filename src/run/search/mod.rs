//! A search: many trainings with different settings, and which of them is best.
//!
//! Every trial is a run of its own below the search's folder. What was drawn is
//! a function of seed and trial, and the log is written after each trial, so a
//! search that was stopped in any way is continued by the same call to the same
//! end.

mod comparable;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod halving;
mod metric;
mod plan;
mod plot;
mod ranking;
mod record;
mod settings;
mod space;
mod trial;

pub use metric::Metric;
pub use plan::Planned;
pub use ranking::{Group, ranked};
pub use record::{Record, cell, figure, values};
pub use settings::{Method, SearchSettings};
pub use trial::folder as trial_folder;

use super::observer::Observer;
use super::request::DeviceRequest;
use super::train::say;
use super::{config, kinds};
use crate::data;
use crate::device::DeviceInfo;
use crate::error::{Error, Kind, Result};
use crate::eval::run::write_json;
use crate::files::{self, Lock};
use crate::train::{Prepared, Settings};
use record::Log;
use serde_json::Map;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use toml::Table;
use trial::{TrialOutcome, TrialRunner};

/// What a search has found.
pub struct Found {
    /// The device.
    pub device: DeviceInfo,
    /// What was searched.
    pub search: SearchSettings,
    /// What trials are compared by.
    pub metric: Metric,
    /// All trials that are planned.
    pub plan: Vec<Planned>,
    /// Whether trials are left because this call was to train no more.
    pub is_cut: bool,
    log: Log,
    /// The configuration of the best trial.
    pub config: PathBuf,
    /// The charts of the trials.
    pub plot: PathBuf,
}

impl Found {
    /// The settings, best first, with their trials.
    pub fn ranked(&self) -> Vec<Group<'_>> {
        ranked(&self.plan, &self.log, &self.metric)
    }
}

/// Searches: trains the trials that `path` does not have yet, at most `most` of them.
///
/// `table` is the configuration, of which `search` has been taken. Fails when no trial
/// has a score; the plot of the trials is written all the same.
pub fn search(
    mut table: Table,
    mut search: SearchSettings,
    path: &Path,
    device: &DeviceRequest,
    most: Option<usize>,
    observer: &mut dyn Observer,
) -> Result<Found> {
    let found = data::recognise(&config::source_of(&table))?;
    let mut plan = plan::of(&table, &search, &found)?;
    // Held before the log is read, so that it is read as it stays.
    let earlier = if path.is_dir() { Some(Lock::take(path)?) } else { None };
    observer.starting()?;
    let precision = plan[0].settings.plan.precision;
    let opened = device.open(precision, observer)?;
    let info = opened.info();
    observer.info(&info.line());
    let kinds::Opened { source, audit } = kinds::open(&found, &plan[0].settings, observer)?;
    let mut runner = TrialRunner::new(path, device, (precision, opened), &*source);
    let scored = comparable::scored(&mut runner, &plan)?;
    let first = plan[0].settings.clone();
    let notes = settle(&mut plan, runner.prepare(&first)?);
    let (metric, note) = comparable::metric(&search, &plan, &scored, &runner.prepare(&plan[0].settings)?.interface)?;
    search.metric = Some(metric.name.clone());
    table.insert("search".into(), toml::Value::Table(search.to_table()));
    let log = Log::open(path, table)?;
    plan.iter().zip(&scored).try_for_each(|(p, s)| log.check_data(p.number, &s.data))?;
    say(&plan[0].settings, runner.prepare(&plan[0].settings)?, observer);
    let _lock = earlier.map_or_else(|| log.make_folder(), Ok)?;
    log.begin()?;
    audit.map_or(Ok(()), |a| write_json(path, "audit.json", &a))?;
    note.iter().chain(&notes).for_each(|note| observer.note(note));
    let left = most.unwrap_or(usize::MAX);
    let mut work = Work { runner, log, plan: &plan, scored: &scored, metric: &metric, left, observer };
    work.all(&search)?;
    let Work { runner, log, left, .. } = work;
    let (device, is_cut) = (runner.info.clone(), left == 0);
    let (plot, config) = (path.join("trials.svg"), path.join("best.toml"));
    let found = Found { device, search, metric, plan, is_cut, log, config, plot };
    found.write()?;
    Ok(found)
}

/// Decides what the trials leave to the data. All have as many epochs as the one that needs
/// most, so that what is compared is what is searched.
fn settle(plan: &mut [Planned], data: &Prepared) -> Vec<String> {
    let (samples, val, task) = (data.train.len(), data.val.as_ref().map_or(0, |v| v.len()), data.interface.task);
    let left: Vec<bool> = plan.iter().map(|p| p.settings.min_steps > 0).collect();
    let notes = plan.iter_mut().map(|p| p.settings.settle(samples, val, task)).max_by_key(Vec::len).unwrap_or_default();
    let most = plan.iter().zip(&left).filter(|(_, left)| **left).map(|(p, _)| p.settings.epochs).max();
    for (p, _) in plan.iter_mut().zip(&left).filter(|(_, left)| **left) {
        p.settings.epochs = most.unwrap_or(p.settings.epochs);
    }
    notes
}

impl Found {
    /// Writes the plot and the best configuration.
    fn write(&self) -> Result<()> {
        let groups = self.ranked();
        let ranked: Vec<&Record> = groups.iter().flat_map(|g| g.trials.iter().copied()).collect();
        let plot = plot::plot(&self.search, &self.metric, &ranked);
        files::write(&self.plot, plot.svg_file().as_bytes())?;
        let Some(first) = groups.first().filter(|g| g.score.is_some()) else {
            return Err(Error::model(match ranked.iter().find_map(|r| r.failed.clone()) {
                Some(why) => {
                    format!("of {} trials none has a score that counts; the first failure: {why}", ranked.len())
                }
                None => format!("after {} trials no setting has been trained with every seed", ranked.len()),
            }));
        };
        let settings: &Settings = &self.plan[first.trials[0].trial - 1].settings;
        let text = toml::to_string(&settings.to_table()).expect("a table of plain values prints");
        files::write(&self.config, text.as_bytes())
    }
}

/// A search under way.
struct Work<'a> {
    runner: TrialRunner<'a>,
    log: Log,
    plan: &'a [Planned],
    /// What each of them is scored on.
    scored: &'a [Rc<comparable::Scored>],
    metric: &'a Metric,
    /// Trials that may still be trained by this call.
    left: usize,
    observer: &'a mut dyn Observer,
}

impl Work<'_> {
    fn all(&mut self, search: &SearchSettings) -> Result<()> {
        match search.method {
            Method::Halving { min_epochs, factor, .. } => halving::run(self, min_epochs, factor),
            Method::Grid | Method::Random { .. } => {
                for p in self.plan {
                    self.train(p, 1, p.settings.epochs)?;
                }
                Ok(())
            }
        }
    }

    /// Trains a trial for a rung, unless the log has it already or this call
    /// may train no more. Says whether the log has it now.
    fn train(&mut self, p: &Planned, rung: usize, epochs: usize) -> Result<bool> {
        if let Some(known) = self.log.find(p.number, rung) {
            if known.values != p.values {
                return Err(Error::data(format!(
                    "trials.jsonl says of trial {} other values than this search gives it; choose another folder with \
                     --out",
                    p.number
                )));
            }
            return Ok(true);
        }
        // What has ended by itself has nothing to gain from more epochs.
        let before = self.log.find(p.number, rung - 1).filter(|b| b.stopped.is_some());
        if let Some(before) = before {
            let record = Record { rung, ..before.clone() };
            return self.log.add(record).map(|()| true);
        }
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        self.observer.info(&format!(
            "trial {} of {}, to epoch {epochs}: {}",
            p.number,
            self.plan.len(),
            values(&p.values)
        ));
        let ended = self.runner.run(p.number, &p.settings, epochs, self.observer);
        let ended = ended.map_err(|e| match e.kind() {
            Kind::Interrupted => {
                Error::interrupted(format!("interrupted in trial {}; the same command goes on from there", p.number))
            }
            _ => e.context(format!("trial {}", p.number)),
        })?;
        let record = self.record(p, rung, ended);
        match (&record.failed, record.metric) {
            (Some(why), _) => self.observer.info(&format!("trial {} failed: {why}", p.number)),
            (None, value) => {
                self.observer.info(&format!("trial {}: {} {}", p.number, self.metric.name, figure(value)));
            }
        }
        self.log.add(record)?;
        if self.observer.interrupted() {
            return Err(Error::interrupted(format!(
                "interrupted after trial {}; the same command goes on from there",
                p.number
            )));
        }
        Ok(true)
    }

    fn record(&self, p: &Planned, rung: usize, ended: TrialOutcome) -> Record {
        let (epochs, stopped, figures, failed) = match ended {
            TrialOutcome::Scored(t) => (t.epochs, t.stopped, t.figures, None),
            TrialOutcome::Failed(why) => (0, None, Map::new(), Some(why)),
        };
        let metric = self.metric.of(&figures);
        let undefined = || format!("{} is undefined or no finite number", self.metric.name);
        let failed = failed.or_else(|| metric.is_none().then(undefined));
        let (values, run) = (p.values.clone(), trial::folder(p.number));
        let data = Some(self.scored[p.number - 1].data.clone());
        Record { trial: p.number, rung, epochs, metric, values, validation: figures, stopped, failed, run, data }
    }
}
