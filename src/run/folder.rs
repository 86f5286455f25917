//! A run's folder: `config.toml`, `metrics.jsonl`, `checkpoints/`.

use super::observer::Observer;
use crate::error::{Error, Result};
use crate::eval::history::Record;
use crate::eval::tensorboard::EventWriter;
use crate::eval::{EpochRecord, Fingerprint, Live, LostDevice, Point};
use crate::files::name::{plain_name, with_suffix};
use crate::files::{self, Lock};
use crate::nn::{Description, Model, Weights};
use crate::train::checkpoint::{self, Loaded, MODEL, Progressed};
use crate::train::{Epoch, Kept, Settings, model_for};
use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a cross-validation writes into its folder at its end.
pub const FOLDS: &str = "folds.json";

/// The folder of a run being made. Nobody else writes in it meanwhile.
pub struct RunFolder {
    path: PathBuf,
    keep_last: usize,
    events: RefCell<EventWriter>,
    /// The log may hold records that the run is about to make again.
    goes_on: Cell<bool>,
    _lock: Lock,
}

impl RunFolder {
    /// Makes the folder: the one asked for, or the next free `runs/MODEL-NNN`.
    /// A run that already lies there is moved aside, never overwritten.
    ///
    /// Fails when another process works in it.
    pub fn create(wanted: Option<&Path>, settings: &Settings, observer: &mut dyn Observer) -> Result<RunFolder> {
        let (path, lock) = match wanted {
            Some(path) => take(path, observer)?,
            None => {
                let path = make_next(&Path::new("runs").join(plain_name(&settings.model.name, "model")))?;
                let lock = Lock::take(&path)?;
                (path, lock)
            }
        };
        RunFolder::empty(path, settings, None, lock)
    }

    /// The folder of a run that ended before its first checkpoint and begins anew: nothing is
    /// worth being moved aside.
    pub fn anew(path: &Path, settings: &Settings, lock: Lock) -> Result<RunFolder> {
        files::remove_unfinished(path);
        checkpoint::remove_unfinished(&path.join("checkpoints"))?;
        let table = path.join("metrics.csv");
        if table.is_file() {
            files::remove(&table)?;
        }
        RunFolder::empty(path.to_path_buf(), settings, Some(0), lock)
    }

    fn empty(path: PathBuf, settings: &Settings, begins_at: Option<u64>, lock: Lock) -> Result<RunFolder> {
        make_checkpoints(&path)?;
        let events = RefCell::new(EventWriter::create(&path, begins_at)?);
        let goes_on = Cell::new(false);
        let folder = RunFolder { path, keep_last: settings.keep_last, events, goes_on, _lock: lock };
        folder.write_config(settings)?;
        files::write(&folder.metrics(), b"")?;
        Ok(folder)
    }

    /// The folder of a run that goes on from a checkpoint at so many steps. What its
    /// log says of steps after it will be said again.
    pub fn reopen(path: &Path, settings: &Settings, at: &Progressed, steps: usize, lock: Lock) -> Result<RunFolder> {
        make_checkpoints(path)?;
        files::remove_unfinished(path);
        checkpoint::remove_unfinished(&path.join("checkpoints"))?;
        // TensorBoard forgets what lies at and after the step that it is told.
        let events = RefCell::new(EventWriter::create(path, Some(steps as u64 + 1))?);
        let (path, goes_on) = (path.to_path_buf(), Cell::new(true));
        let folder = RunFolder { path, keep_last: settings.keep_last, events, goes_on, _lock: lock };
        folder.keep_until(at, steps)?;
        folder.write_config(settings)?;
        ["last", "best"].iter().try_for_each(|name| folder.renew(name))?;
        Ok(folder)
    }

    /// Takes what lies after a moment out of the log.
    fn keep_until(&self, at: &Progressed, steps: usize) -> Result<()> {
        let step = steps as u64;
        self.keep_records(|record| match record {
            // An epoch that a limit cut short is not whole, and has been trained.
            Record::Epoch(e) => e.epoch <= at.epoch || (1..=step).contains(&e.step),
            Record::Point(p) => p.step <= step,
            Record::Lost(_) => true,
            Record::Fingerprint(f) => f.step <= step,
        })
    }

    /// Training goes on from an earlier moment: what the log says of later steps will be
    /// said again.
    pub fn go_back(&self, at: &Progressed, steps: usize) -> Result<()> {
        *self.events.borrow_mut() = EventWriter::create(&self.path, Some(steps as u64 + 1))?;
        self.keep_until(at, steps)
    }

    /// Keeps the file from which a step runs again.
    pub fn replay(&self, step: usize, file: &[u8]) -> Result<PathBuf> {
        let path = self.path.join(format!("replay-step-{step:08}.safetensors"));
        files::write(&path, file)?;
        Ok(path)
    }

    /// Leaves those records in the log that `kept` wants, as they stand there.
    fn keep_records(&self, kept: impl Fn(&Record) -> bool) -> Result<()> {
        let text = files::read(&self.metrics())?.unwrap_or_default();
        let wanted = |line: &&str| Record::of(line).is_ok_and(|record| kept(&record));
        let lines: String = text.lines().filter(wanted).map(|line| format!("{line}\n")).collect();
        files::write(&self.metrics(), lines.as_bytes())
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

    /// Keeps a checkpoint: as the last, as the best if it is, and by its step
    /// where the settings ask for more than one.
    pub fn keep(&self, checkpoint: &Kept) -> Result<()> {
        // The last comes last: a run that goes on from it finds a best that is
        // no older than it.
        if checkpoint.best {
            self.keep_as("best", checkpoint)?;
        }
        if self.keep_last > 0 {
            self.keep_by_step(checkpoint)?;
        }
        self.keep_as("last", checkpoint)
    }

    /// Keeps a checkpoint under a name, in place of the one that has it.
    fn keep_as(&self, name: &str, checkpoint: &Kept) -> Result<()> {
        let folder = self.path.join("checkpoints").join(name);
        checkpoint.files.write(&folder)?;
        link(&folder, name)
    }

    /// Makes two files of a checkpoint that an earlier version wrote as one.
    fn renew(&self, name: &str) -> Result<()> {
        let folder = self.path.join("checkpoints").join(name);
        let former = with_suffix(&folder, ".safetensors");
        if !former.symlink_metadata().is_ok_and(|m| m.is_file()) || folder.join(checkpoint::MODEL).exists() {
            return Ok(());
        }
        let Loaded { weights, state, about } = checkpoint::load(&former)?;
        checkpoint::encode(&weights, &state, &about)?.write(&folder)?;
        link(&folder, name)
    }

    /// Keeps a checkpoint by its step, and of those the latest few.
    fn keep_by_step(&self, checkpoint: &Kept) -> Result<()> {
        let folder = self.path.join("checkpoints");
        checkpoint.files.write(&folder.join(format!("step-{:08}", checkpoint.step)))?;
        let fail = |e| Error::io(format!("listing {}", folder.display()), e);
        let entries = std::fs::read_dir(&folder).map_err(fail)?.flatten();
        let step = |name: &str| -> Option<u64> {
            name.strip_suffix(".safetensors").unwrap_or(name).strip_prefix("step-")?.parse().ok()
        };
        let by_step = entries.filter_map(|e| Some((step(e.file_name().to_str()?)?, e.path())));
        let mut steps: Vec<(u64, PathBuf)> = by_step.collect();
        steps.sort();
        steps.iter().rev().skip(self.keep_last).try_for_each(|(_, old)| files::remove(old))
    }

    /// Adds a point of the curves to `metrics.jsonl` and TensorBoard's events.
    pub fn point(&self, point: &Point) -> Result<()> {
        point.append(&self.path)?;
        self.events.borrow_mut().point(point)
    }

    /// Adds a device that failed to `metrics.jsonl`.
    pub fn lost(&self, lost: &LostDevice) -> Result<()> {
        lost.append(&self.path)
    }

    /// Adds a fingerprint of the weights to `metrics.jsonl`.
    pub fn fingerprint(&self, of: &Fingerprint) -> Result<()> {
        of.append(&self.path)
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
        if self.goes_on.take() {
            // Of the epoch that was cut short there is now more to say.
            self.keep_records(|earlier| !matches!(earlier, Record::Epoch(e) if e.epoch >= record.epoch))?;
        }
        record.append(&self.path)?;
        self.events.borrow_mut().epoch(&record)
    }
}

/// Leaves the weights of a checkpoint under the name that earlier versions gave them,
/// `last.safetensors`, as a link.
fn link(folder: &Path, name: &str) -> Result<()> {
    let link = with_suffix(folder, ".safetensors");
    match link.symlink_metadata() {
        Ok(found) if found.is_symlink() => return Ok(()),
        Ok(_) => files::remove(&link)?,
        Err(_) => {}
    }
    // Nothing depends on it: some file systems have no links.
    #[cfg(unix)]
    let _ = std::os::unix::fs::symlink(Path::new(name).join(checkpoint::MODEL), &link);
    Ok(())
}

/// The folder of the checkpoints, and that of the run around it.
fn make_checkpoints(path: &Path) -> Result<()> {
    files::make_folder(&path.join("checkpoints"), "the run's folder")
}

/// Takes the folder that is asked for; a run that lies there is moved aside.
fn take(wanted: &Path, observer: &mut dyn Observer) -> Result<(PathBuf, Lock)> {
    // Without a separator at its end, to which a number could not be added.
    let path: PathBuf = wanted.components().collect();
    // A moved run keeps its lock until the new folder has one: whoever waits finds that.
    let mut aside = None;
    loop {
        make_checkpoints(&path)?;
        let lock = Lock::take(&path)?;
        drop(aside.take());
        // Looked at under every lock: another run may have come and gone since the move.
        if !path.join("config.toml").exists() {
            return Ok((path, lock));
        }
        let moved = move_aside(&path, lock)?;
        observer.info(&format!("{} held a run already; it is now {}", path.display(), moved.path.display()));
        aside = Some(moved);
    }
}

/// How far below a run's folder others are looked for: folds, trials and their runs.
const DEEP: usize = 4;

/// Fails if a process works in a folder below: moving this one would take it along.
fn check_below(path: &Path, depth: usize) -> Result<()> {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if depth > 0 && entry.file_type().is_ok_and(|t| t.is_dir()) {
            Lock::check(&entry.path())?;
            check_below(&entry.path(), depth - 1)?;
        }
    }
    Ok(())
}

/// A run that was moved, still locked.
struct Aside {
    path: PathBuf,
    _lock: Option<Lock>,
}

/// Renames a run to the first free of `NAME-001`, `NAME-002`, ...
fn move_aside(path: &Path, lock: Lock) -> Result<Aside> {
    if path.file_name().is_none() {
        return Err(Error::usage(format!(
            "{} holds a run already and cannot be moved aside under that name; name another folder with --out",
            path.display()
        )));
    }
    check_below(path, DEEP)?;
    // Windows moves no folder in which a file is open, and lets nobody else either.
    let _lock = if cfg!(windows) { None } else { Some(lock) };
    for n in 1.. {
        let aside = numbered(path, n);
        // A rename takes the place of an empty folder.
        if aside.symlink_metadata().is_ok() {
            continue;
        }
        return match std::fs::rename(path, &aside) {
            Ok(()) => Ok(Aside { path: aside, _lock }),
            Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => continue,
            Err(e) => Err(Error::io(format!("moving the earlier run {} aside", path.display()), e)),
        };
    }
    unreachable!("numbers do not run out")
}

/// Makes the first of `NAME-001`, `NAME-002`, .. that nobody has made.
fn make_next(name: &Path) -> Result<PathBuf> {
    let fail = |path: &Path, e| Error::io(format!("making the run's folder {}", path.display()), e);
    let parent = name.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|e| fail(parent, e))?;
    for n in 1.. {
        let path = numbered(name, n);
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(fail(&path, e)),
        }
    }
    unreachable!("numbers do not run out")
}

/// `NAME-001`.
fn numbered(name: &Path, n: usize) -> PathBuf {
    with_suffix(name, &format!("-{n:03}"))
}

/// Which of a run's weights are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Checkpoint {
    /// After the latest step.
    #[default]
    Last,
    /// After the epoch with the best validation score.
    Best,
}

impl Checkpoint {
    /// The name of its folder.
    fn name(self) -> &'static str {
        match self {
            Checkpoint::Last => "last",
            Checkpoint::Best => "best",
        }
    }
}

/// The file of the weights that [`load`] loads; none if there is none.
pub fn weights(run: &Path, checkpoint: Checkpoint) -> Option<PathBuf> {
    if !run.is_dir() {
        return run.is_file().then(|| run.to_path_buf());
    }
    let own = Some(run.join(MODEL)).filter(|file| file.is_file());
    checkpoint::find(run, checkpoint.name()).or(own)
}

/// Loads a trained model from the folder of a run or of a checkpoint, or from a file
/// of weights.
pub fn load(run: &Path, checkpoint: Checkpoint) -> Result<(Model, Loaded)> {
    crate::onnx::register()?;
    if !run.is_dir() {
        return open(run);
    }
    let name = checkpoint.name();
    let file = weights(run, checkpoint).ok_or_else(|| {
        let folder = run.display();
        if run.join(FOLDS).is_file() {
            return Error::data(format!(
                "{folder} is a cross-validation: each of its folds is a model of its own, and it has none of all rows; \
                 expected one fold, such as {}, or a model of all rows, by: wgrad train {} --folds 0 --out NAME; of folds that \
                 were trained with --keep-folds (data.keep_folds), predict gives the mean",
                run.join("fold-1").display(),
                run.join("config.toml").display()
            ));
        }
        Error::data(format!("{folder} holds no checkpoints/{name}/{MODEL}; expected the folder of a `wgrad train`"))
    })?;
    open(&file)
}

/// Writes the folder of a run that was imported: a checkpoint, the model's description, and the
/// settings. A run that already lies there is moved aside.
///
/// Fails when another process works in it.
pub fn write_imported(wanted: &Path, imported: &crate::onnx::Import) -> Result<PathBuf> {
    let (path, _lock) = take(wanted, &mut super::observer::Quiet)?;
    let about = &imported.about;
    let folder = path.join("checkpoints").join(Checkpoint::Last.name());
    files::make_folder(&folder, "the folder of a checkpoint")?;
    files::write(&folder.join(MODEL), &checkpoint::encode_model(&imported.weights, about)?)?;
    link(&folder, Checkpoint::Last.name())?;
    files::write(&path.join("model.toml"), about.model.as_bytes())?;
    files::write(&path.join("config.toml"), about.config.as_bytes())?;
    Ok(path)
}

/// The runs of the folds of a cross-validation whose models are to answer together; `None` of any
/// other folder.
///
/// Fails when one of them is gone.
pub fn kept_folds(run: &Path) -> Result<Option<Vec<PathBuf>>> {
    if !run.is_dir() {
        return Ok(None);
    }
    let file = run.join(FOLDS);
    let Some(text) = files::read(&file)? else { return Ok(None) };
    let all: serde_json::Value = serde_json::from_str(&text)
        .map_err(|e| Error::data(format!("{} is not what a run writes: {e}", file.display())))?;
    if all["keep_folds"] != true {
        return Ok(None);
    }
    let n = all["folds"].as_array().map_or(0, Vec::len);
    let folds: Vec<PathBuf> = (1..=n).map(|i| run.join(format!("fold-{i}"))).collect();
    match folds.iter().find(|fold| !fold.is_dir()) {
        None => Ok(Some(folds)),
        Some(gone) => Err(Error::data(format!(
            "{} is not there, and the answers of {} are the mean of its {n} folds; train them again, or name one that is there",
            gone.display(),
            run.display()
        ))),
    }
}

/// The checkpoint that a run goes on from, with all that training needs; `None` where there is
/// none yet.
pub fn load_last(run: &Path) -> Result<Option<Loaded>> {
    checkpoint::find_latest(run).map(|file| checkpoint::load(&file)).transpose()
}

/// Loads a model from a file of weights.
fn open(file: &Path) -> Result<(Model, Loaded)> {
    let loaded = checkpoint::load_model(file)?;
    let description = Description::parse(&loaded.about.model)?;
    Ok((model_for(description, &loaded.about.input, &loaded.about.interface)?, loaded))
}

/// The best weights of a run that is resumed, if they are to be restored at its end.
pub fn best_so_far(run: Option<&Path>, s: &Settings, at: &Progressed) -> Result<Option<Weights>> {
    let file = run.and_then(|run| checkpoint::find(run, Checkpoint::Best.name()));
    match file.filter(|_| s.early_stopping.restore_best_weights && at.watched.best_epoch.is_some()) {
        Some(file) => Ok(Some(open(&file)?.1.weights)),
        None => Ok(None),
    }
}
