//! A run: from settings and data to a trained and scored model, and its folder.

use super::config::{self, Configured, Overrides};
use super::folder::{RunFolder, best_so_far, load_last};
use super::info::{self, Written};
use super::job::{Done, Job};
use super::observer::Observer;
use super::request::DeviceRequest;
use super::tuning::Tuning;
use super::{batch, kinds, same_data, together};
use crate::data::{Dataset, Recognised};
use crate::error::{Error, Result};
use crate::eval::run::write_json;
use crate::eval::{RunInfo, State};
use crate::files::Lock;
use crate::nn::Weights;
use crate::ranks::World;
use crate::train::checkpoint::{self, Loaded, NameMap, Progressed};
use crate::train::{Prepared, Session, Settings, Source, Start, model_for};
use std::path::{Path, PathBuf};
use std::time::Instant;
use toml::Table;

/// What a run is to be, besides its settings and its data.
#[derive(Debug, Default)]
pub struct Request {
    /// The device.
    pub device: DeviceRequest,
    /// Where its files go.
    pub place: Place,
    /// A run or a file whose weights it begins with, where names and shapes agree.
    pub init: Option<PathBuf>,
    /// What becomes of the names in that file.
    pub init_map: NameMap,
    /// The part of the data that it is for.
    pub part: Part,
    /// Whether kernels are chosen by what runs fastest on the device.
    pub tune: bool,
    /// The ranks that train together; alone without more.
    pub world: World,
}

/// Where a run's files go.
#[derive(Debug, Default)]
pub enum Place {
    /// There are none.
    #[default]
    Nowhere,
    /// The next free folder `runs/MODEL-NNN`.
    Next,
    /// This folder. A run that lies there is moved aside.
    Folder(PathBuf),
    /// The folder of a run that is resumed.
    Resumed(Earlier),
}

/// The part of the data that a run is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    #[default]
    All,
    /// One batch of each set, to see whether it runs at all.
    FastDevRun,
    /// So many batches, trained and validated on: a model that cannot learn them is
    /// broken.
    Overfit(usize),
}

/// A run's folder that is to be resumed. It is locked from the first look at its
/// checkpoint.
#[derive(Debug)]
pub struct Earlier {
    path: PathBuf,
    /// None where nothing there is written over.
    lock: Option<Lock>,
    /// Whether there is a checkpoint; without one, training starts anew.
    checkpoint: bool,
    /// What lies there instead.
    begun: Option<same_data::Begun>,
}

impl Earlier {
    /// Looks at a folder.
    ///
    /// Fails when another process works in it.
    pub fn open(path: &Path) -> Result<Earlier> {
        let takes = checkpoint::find_latest(path).is_some() || has_only_begun(path);
        let lock = takes.then(|| Lock::take(path)).transpose()?;
        lock.is_none().then(|| Lock::check(path)).transpose()?;
        // Looked at again under the lock: whoever held it may have written one.
        let checkpoint = lock.is_some() && checkpoint::find_latest(path).is_some();
        Ok(Earlier { path: path.to_path_buf(), lock, checkpoint, begun: None })
    }

    /// Looks at a folder in which another rank of the same run writes.
    pub fn of_another(path: &Path) -> Earlier {
        let checkpoint = checkpoint::find_latest(path).is_some();
        Earlier { path: path.to_path_buf(), lock: None, checkpoint, begun: None }
    }

    /// Whether it has settings: a run was begun there.
    pub fn was_begun(&self) -> bool {
        self.checkpoint || self.path.join("config.toml").is_file()
    }

    /// Whether there is a checkpoint to go on from.
    pub(super) fn has_checkpoint(&self) -> bool {
        self.checkpoint
    }

    /// The checkpoint that training goes on from, if the data is what it was.
    pub(super) fn load(&self, s: &Settings, p: &mut Prepared, observer: &mut dyn Observer) -> Result<Option<Loaded>> {
        let Some(latest) = load_last(&self.path)? else { return Ok(None) };
        if checkpoint::find(&self.path, "last").is_none() {
            observer.note(&format!(
                "{} has no checkpoints/last any more; training goes on from the latest checkpoint that is there",
                self.path.display()
            ));
        }
        same_data::check(latest, s, p).map(Some)
    }

    /// Puts a job to where it stood.
    pub(super) fn start(
        &self,
        job: &mut Job,
        loaded: Loaded,
        s: &Settings,
        observer: &mut dyn Observer,
    ) -> Result<Start> {
        let at = loaded.about.progress.unwrap_or_default();
        job.session.set_state(&loaded.state, &at)?;
        let best = best_so_far(Some(&self.path), s, &at)?;
        let steps = job.session.counts().done(at.step);
        check_limits(s, &at, steps)?;
        observer.info(&format!("resuming after {steps} steps ({} whole epochs)", at.epoch));
        Ok(Start { at, best })
    }

    /// The folder of a training that goes on from a checkpoint or, without one, begins anew: where
    /// a run was killed that had none, in its place.
    pub(super) fn reopen(
        self,
        s: &Settings,
        at: &Progressed,
        steps: usize,
        observer: &mut dyn Observer,
    ) -> Result<RunFolder> {
        match self.lock {
            Some(lock) if self.checkpoint => RunFolder::reopen(&self.path, s, at, steps, lock),
            Some(lock) => RunFolder::anew(&self.path, s, lock),
            None => RunFolder::create(Some(&self.path), s, observer),
        }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks whether what was begun there is what these settings are, where there is no
    /// checkpoint yet.
    pub(super) fn agree(&mut self, settings: &Settings, observer: &mut dyn Observer) -> Result<()> {
        // The folds of a cross-validation are looked at one by one.
        if self.checkpoint || settings.data.folds > 0 && checkpoint::find_latest(&fold(&self.path, 1)).is_some() {
            return Ok(());
        }
        self.begun = Some(same_data::Begun::in_folder(&self.path, settings)?);
        observer.info("there is no checkpoint to resume from yet: starting anew");
        Ok(())
    }

    /// The settings that it was made with, and `config` and `over` written over them; of
    /// a folder without any, those of a new run.
    ///
    /// Fails when what was begun there is not what is asked for now.
    pub fn settings(
        &mut self,
        config: Option<&Path>,
        over: Overrides,
        names_data: bool,
        observer: &mut dyn Observer,
    ) -> Result<Configured> {
        // One that was begun and has no checkpoint yet has settings, too.
        let configured = match self.was_begun() {
            true => config::resumed(&self.path, config, over, names_data, observer)?,
            false => new_settings(config, over, observer)?,
        };
        self.agree(&configured.settings, observer)?;
        Ok(configured)
    }
}

/// The folder of a fold, counted from 1.
pub(super) fn fold(run: &Path, number: usize) -> PathBuf {
    run.join(format!("fold-{number}"))
}

/// Whether a run in this folder was killed, or failed, before it left anything but its beginnings.
fn has_only_begun(path: &Path) -> bool {
    let early = |info: RunInfo| matches!(info.state, Some(State::Running | State::Failed));
    let is_early = |info: Option<RunInfo>| info.is_none_or(early);
    path.join("config.toml").is_file() && !path.join("report.html").exists() && RunInfo::read(path).is_ok_and(is_early)
}

/// The settings of a new run: a configuration, and what is written over it.
pub fn new_settings(config: Option<&Path>, over: Overrides, observer: &mut dyn Observer) -> Result<Configured> {
    let mut table = config.map_or(Ok(Table::new()), |path| config::read(path, observer))?;
    over(&mut table)?;
    config::settle(table, observer)
}

/// The data of a run.
pub enum Data {
    /// A source by name, recognised and not yet opened.
    Named(Recognised),
    /// Data that is in memory.
    Open(Box<dyn Source>),
}

impl Data {
    /// Opens it.
    pub fn open(self, s: &Settings, observer: &mut dyn Observer) -> Result<kinds::Opened> {
        match self {
            Data::Named(found) => kinds::open(&found, s, observer),
            Data::Open(source) => Ok(kinds::Opened { source, audit: None }),
        }
    }
}

/// What a run gave.
pub struct Trained {
    /// The model on its device, with the weights that answer.
    pub session: Session,
    /// What is known of the run.
    pub info: RunInfo,
    /// Its epochs and scores.
    pub done: Done,
    /// Its folder, if it has one.
    pub folder: Option<PathBuf>,
    /// What its curves suggest.
    pub advice: Vec<String>,
}

/// Trains a model on data and scores it on what it has not seen.
///
/// Fails where the data cannot be used with these settings, and when the run diverges or
/// is interrupted: its folder then says so, and holds the latest checkpoint.
pub fn train(mut s: Settings, data: Data, request: Request, observer: &mut dyn Observer) -> Result<Trained> {
    let Request { device, place, init, init_map, part, tune, world } = request;
    s.update.controlled |= observer.changes_lr();
    if part == Part::FastDevRun {
        (s.epochs, s.min_steps, s.data.folds) = (1, 0, 0);
    }
    let keeps = world.leads() && !matches!(place, Place::Nowhere) && part != Part::FastDevRun;
    let goes_on = matches!(&place, Place::Resumed(earlier) if earlier.has_checkpoint());
    together::share(&mut s, &world, goes_on, observer)?;
    let (mut earlier, out) = match place {
        Place::Resumed(earlier) => (Some(earlier), None),
        Place::Folder(path) => (None, Some(path)),
        Place::Nowhere | Place::Next => (None, None),
    };
    out.as_deref().filter(|_| world.leads()).map_or(Ok(()), Lock::check)?;
    if let (Some(earlier), true) = (&earlier, s.data.folds > 0) {
        return Err(Error::usage(format!(
            "{} is a cross-validation, each of whose folds is a run of its own; `wgrad train --resume` goes on with it",
            earlier.path.display()
        )));
    }
    let begun = earlier.as_mut().and_then(|earlier| earlier.begun.take());
    let device = device.open(s.plan.precision, observer)?;
    let device_info = device.info();
    observer.info(&device_info.line());
    let kinds::Opened { source, audit } = data.open(&s, observer)?;
    let working = observer.working("preparing the data");
    let mut prepared = source.prepare(&s)?;
    drop(working);
    batch::decide(&mut s, &prepared, &device, observer)?;
    shrink(&mut prepared, part, &mut s, &*source)?;
    drop(source);
    settle(&mut s, &mut prepared);
    say(&s, &prepared, observer);
    begun.map_or(Ok(()), |begun| begun.check(&prepared))?;
    together::check(&world, &s, &prepared)?;
    let loaded = earlier.as_ref().map_or(Ok(None), |earlier| earlier.load(&s, &mut prepared, observer))?;
    let start_from = match (&loaded, &init) {
        (Some(l), _) => l.weights.clone(),
        (None, Some(path)) => initial(path, &init_map, &s, &prepared, observer)?,
        (None, None) => Weights::new(s.seed),
    };
    let tuning = match (&earlier, tune) {
        (Some(earlier), _) if goes_on => Tuning::of_run(earlier.path())?,
        (_, true) => Tuning::Usual,
        (_, false) => Tuning::Off,
    };
    let mut job = Job::new(device, &s, &prepared, start_from, &tuning, &world, observer)?;
    let name = &job.session.model.description.name;
    observer.info(&format!("model: {name} ({} parameters)", job.session.parameters()));
    let start = match (loaded, &earlier) {
        (Some(loaded), Some(earlier)) => earlier.start(&mut job, loaded, &s, observer)?,
        _ => Start::default(),
    };
    let steps = job.session.counts().done(start.at.step);
    observer.starting()?;
    let before = earlier.as_ref().filter(|_| goes_on).and_then(|e| RunInfo::read(e.path()).ok().flatten());
    let mut info = info::new(&job, &s, &prepared, device_info);
    let folder = match (keeps, earlier) {
        (false, _) => None,
        (true, Some(earlier)) => Some(earlier.reopen(&s, &start.at, steps, observer)?),
        (true, None) => Some(RunFolder::create(out.as_deref(), &s, observer)?),
    };
    if let Some(folder) = &folder {
        info.write(folder.path())?;
        audit.map_or(Ok(()), |a| write_json(folder.path(), "audit.json", &a))?;
        observer.opened(folder.path())?;
    }
    let shown = together::folder(&world, folder.as_ref().map(RunFolder::path))?;
    if let (false, Some(path)) = (world.leads(), shown) {
        observer.opened(&path)?;
    }
    let begun = Instant::now();
    let done = job.run(&s, &prepared, start, folder.as_ref(), observer);
    if let (Err(e), Some(folder)) = (&done, &folder) {
        info::failed(&mut info, folder.path(), e, observer);
    }
    let done = done?;
    info::finish(&mut info, &done, begun.elapsed().as_secs_f64());
    if let (true, Some(before)) = (done.outcome.epochs.is_empty(), before) {
        info::keep_measured(&mut info, before);
    }
    let written = folder.as_ref().map(|f| info::write(f.path(), &info, &done)).transpose()?;
    let advice = written.map_or(vec![], |Written { advice }| advice);
    Ok(Trained { session: job.session, info, done, folder: folder.map(|f| f.path().to_path_buf()), advice })
}

/// Fails when fewer epochs or steps are asked for than have been trained: the run's
/// settings would belie its weights.
fn check_limits(s: &Settings, at: &Progressed, steps: usize) -> Result<()> {
    if let Some(most) = s.max_steps.filter(|&most| most < steps) {
        return Err(Error::usage(format!(
            "max_steps = {most}, and {steps} have been trained already; expected at least {steps}"
        )));
    }
    let begun = at.epoch + usize::from(at.batch > 0);
    if s.epochs >= begun {
        return Ok(());
    }
    let part = if at.batch > 0 { ", the last in part," } else { "" };
    Err(Error::usage(format!(
        "epochs = {}, and {begun}{part} have been trained already; expected at least {begun}",
        s.epochs
    )))
}

/// Leaves as many samples as a trial run needs.
fn shrink(p: &mut Prepared, part: Part, s: &mut Settings, source: &dyn Source) -> Result<()> {
    let batches = match part {
        Part::All => return Ok(()),
        Part::FastDevRun => 1,
        Part::Overfit(0) => return Err(Error::usage("--overfit-batches 0: expected at least 1")),
        Part::Overfit(n) => n,
    };
    let rows = batches.saturating_mul(s.batch_size);
    p.train = first(&p.train, rows);
    if matches!(part, Part::Overfit(_)) {
        p.naive = Default::default();
        let mut val = p.train.clone();
        source.show_cells(&mut val);
        (p.val, p.test, s.shuffle) = (Some(val), None, false);
    } else {
        (p.val, p.test) = (p.val.as_ref().map(|v| first(v, rows)), p.test.as_ref().map(|t| first(t, rows)));
    }
    Ok(())
}

fn first(set: &Dataset, rows: usize) -> Dataset {
    set.select(&(0..set.len().min(rows)).collect::<Vec<_>>())
}

/// Decides what the settings leave to the data, and says so among the notes on it.
pub fn settle(s: &mut Settings, p: &mut Prepared) {
    p.notes.extend(s.settle(p.train.len(), p.val.as_ref().map_or(0, Dataset::len), p.interface.task));
    if let (Some(options), Some(fitted)) = (&mut s.data.series, p.interface.series()) {
        options.difference = fitted.kind();
    }
}

/// Notes on the data that are shown.
const NOTES: usize = 60;

/// Says what data is prepared.
pub fn say(s: &Settings, p: &Prepared, observer: &mut dyn Observer) {
    let counted = |set: Option<&Dataset>| set.map_or(0, Dataset::len);
    let shape: Vec<String> = p.train.shape.iter().map(usize::to_string).collect();
    observer.info(&format!(
        "data: {} ({} training, {} validation, {} test samples of {}, {} {})",
        s.data.source,
        p.train.len(),
        counted(p.val.as_ref()),
        counted(p.test.as_ref()),
        shape.join("x"),
        p.interface.outputs.len(),
        if p.train.labels().is_some() { "classes" } else { "targets" }
    ));
    p.notes.iter().take(NOTES).for_each(|note| observer.note(note));
    if p.notes.len() > NOTES {
        observer.note(&format!("and {} more, in run.json", p.notes.len() - NOTES));
    }
}

/// The weights of another model, as far as names and shapes agree.
fn initial(path: &Path, map: &NameMap, s: &Settings, p: &Prepared, observer: &mut dyn Observer) -> Result<Weights> {
    let model = model_for(s.model.clone(), &p.train.shape, &p.interface)?;
    let initial = checkpoint::initial(&model, path, map, s.seed)?;
    // A message is one line.
    let table = format!("init from {}: {}", path.display(), initial.matches);
    table.lines().for_each(|line| observer.info(line));
    Ok(initial.weights)
}
