//! `wgrad train`

use super::progress::Terminal;
use super::run_folder::{self, RunFolder};
use super::{flags, interrupt, open_device, out, train_settings};
use crate::data::table::Table;
use crate::data::{self, Dataset, SourceKind};
use crate::device::{Device, DeviceInfo};
use crate::error::{Error, Result};
use crate::nn::{Model, Weights};
use crate::train::{Outcome, Prepared, Scores, Session, Settings, Source, Start, checkpoint, go_on};
use std::path::Path;

pub fn run(f: &flags::Train) -> Result<()> {
    let earlier = f.out.as_deref().filter(|out| f.resume && out.join(LAST).is_file());
    let mut settings = match earlier {
        Some(folder) => train_settings::resumed(f, folder)?,
        None => train_settings::new_run(f)?,
    };
    if f.resume && earlier.is_none() {
        eprintln!("there is no checkpoint to resume from yet: starting anew");
    }
    if f.fast_dev_run {
        settings.epochs = 1;
    }
    interrupt::listen()?;
    let (device, info) = open_device(&f.device)?;
    let source = open(&settings)?;
    if settings.data.folds > 0 {
        return Err(Error::usage("folds are not here"));
    }
    let mut prepared = source.prepare(&settings)?;
    drop(source);
    shrink(&mut prepared, f, &mut settings)?;
    say(&settings, &prepared);
    let loaded = match earlier {
        Some(folder) => Some(checkpoint::load(&folder.join(LAST))?),
        None => None,
    };
    let start_from = match (&loaded, &f.init) {
        (Some(l), _) => l.weights.clone(),
        (None, Some(path)) => initial(path, &settings, &prepared)?,
        (None, None) => Weights::new(settings.seed),
    };
    let mut job = Job::new(device, &settings, &prepared, start_from)?;
    let mut start = Start::default();
    if let Some(loaded) = loaded {
        job.session.set_state(&loaded.state)?;
        start.at = loaded.about.progress.unwrap_or_default();
        start.best = job.best_so_far(f.out.as_deref(), &settings, &start)?;
        eprintln!("resuming after {} steps ({} whole epochs)", start.at.step, start.at.epoch);
    }
    let folder = match (f.fast_dev_run, earlier) {
        (true, _) => None,
        (false, Some(path)) => Some(RunFolder::reopen(path, &settings, start.at.epoch)?),
        (false, None) => Some(RunFolder::create(f.out.as_deref(), &settings)?),
    };
    let (outcome, test) = job.run(&settings, &prepared, start, folder.as_ref())?;
    finish(f, &job.session, &info, &outcome, test, folder.as_ref())
}

const LAST: &str = "checkpoints/last.safetensors";

/// Reads the data that the settings name.
fn open(s: &Settings) -> Result<Source> {
    let d = &s.data;
    match data::kind(&d.source)? {
        SourceKind::Table => Ok(Source::Table(Table::open(Path::new(&d.source), &d.table.read_options())?)),
        _ => {
            let set = super::data::open(&d.source, s.seed, &d.images)?.set;
            let [val, test] = [set.val, set.test].map(|images| images.map(Dataset::from));
            Ok(Source::Sets { train: set.train.into(), val, test })
        }
    }
}

/// Leaves as many samples as a trial run needs.
fn shrink(p: &mut Prepared, f: &flags::Train, s: &mut Settings) -> Result<()> {
    let batches = match (f.fast_dev_run, f.overfit_batches) {
        (true, _) => 1,
        (false, Some(0)) => return Err(Error::usage("--overfit-batches 0: expected at least 1")),
        (false, Some(n)) => n,
        (false, None) => return Ok(()),
    };
    let first = |set: &Dataset| set.select(&(0..set.len().min(batches * s.batch_size)).collect::<Vec<_>>());
    p.train = first(&p.train);
    if f.overfit_batches.is_some() {
        (p.val, p.test, s.shuffle) = (Some(p.train.clone()), None, false);
    } else {
        (p.val, p.test) = (p.val.as_ref().map(first), p.test.as_ref().map(first));
    }
    Ok(())
}

fn say(s: &Settings, p: &Prepared) {
    let counted = |set: Option<&Dataset>| set.map_or(0, Dataset::len);
    let shape: Vec<String> = p.train.shape.iter().map(usize::to_string).collect();
    eprintln!(
        "data: {} ({} training, {} validation, {} test samples of {}, {} {})",
        s.data.source,
        p.train.len(),
        counted(p.val.as_ref()),
        counted(p.test.as_ref()),
        shape.join("x"),
        p.interface.outputs.len(),
        if p.train.labels().is_some() { "classes" } else { "targets" }
    );
    p.notes.iter().for_each(|note| eprintln!("note: {note}"));
}

/// The weights of another model, as far as names and shapes agree.
fn initial(path: &Path, s: &Settings, p: &Prepared) -> Result<Weights> {
    let file = if path.is_dir() { path.join(LAST) } else { path.to_path_buf() };
    let given = checkpoint::load(&file)?.weights;
    let model = Model::new(s.model.clone(), Some(p.train.shape.clone().into()), Some(p.interface.outputs.len()))?;
    let mut drawn = Weights::new(s.seed);
    model.inspect(1, &mut drawn)?;
    let (mut taken, mut left) = (0, vec![]);
    let mut weights = Weights::new(s.seed);
    for (name, value) in drawn.iter() {
        match given.get(name).filter(|v| v.shape == value.shape) {
            Some(v) => {
                weights.set(name, (**v).clone());
                taken += 1;
            }
            None => {
                weights.set(name, (**value).clone());
                left.push(name.to_string());
            }
        }
    }
    if taken == 0 {
        return Err(Error::model(format!(
            "{} has no weight that this model has too, by name and shape; it holds {}",
            file.display(),
            given.iter().take(6).map(|(n, v)| format!("{n} {}", v.shape)).collect::<Vec<_>>().join(", ")
        )));
    }
    eprintln!(
        "init: {taken} tensors from {}; drawn anew: {}",
        file.display(),
        if left.is_empty() { "none".into() } else { left.join(", ") }
    );
    Ok(weights)
}

/// A session ready to train.
struct Job {
    session: Session,
}

impl Job {
    fn new(device: Device, s: &Settings, p: &Prepared, weights: Weights) -> Result<Job> {
        let outputs = Some(p.interface.outputs.len());
        let model = Model::new(s.model.clone(), Some(p.train.shape.clone().into()), outputs)?;
        let mut session = Session::new(device, model, p.interface.clone(), weights)?;
        eprintln!("model: {} ({} parameters)", session.model.description.name, session.parameters());
        // What does not fit the device is found here, before anything is written.
        session.prepare_training(&p.train, s)?;
        Ok(Job { session })
    }

    /// The best weights of the run that goes on, if they are to be restored.
    fn best_so_far(&self, out: Option<&Path>, s: &Settings, start: &Start) -> Result<Option<Weights>> {
        let best = out.map(|o| o.join("checkpoints/best.safetensors"));
        match best.filter(|_| s.early_stopping.restore_best_weights && start.at.watched.best_epoch.is_some()) {
            Some(file) => Ok(Some(run_folder::open(&file)?.1.weights)),
            None => Ok(None),
        }
    }

    fn run(
        &mut self,
        s: &Settings,
        p: &Prepared,
        start: Start,
        folder: Option<&RunFolder>,
    ) -> Result<(Outcome, Option<Scores>)> {
        let mut watch = Terminal::new(folder, s.batch_size.min(p.train.len()));
        let outcome = go_on(&mut self.session, &p.train, p.val.as_ref(), s, start, &mut watch)?;
        let test = match &p.test {
            Some(set) => {
                let scorer = self.session.scorer("test", set, s.batch_size)?;
                Some(self.session.score(&scorer)?)
            }
            None => None,
        };
        Ok((outcome, test))
    }
}

fn finish(
    f: &flags::Train,
    session: &Session,
    info: &DeviceInfo,
    outcome: &Outcome,
    test: Option<Scores>,
    folder: Option<&RunFolder>,
) -> Result<()> {
    if let Some(reason) = &outcome.at.stopped {
        eprintln!("stopped: {reason}");
    }
    let test_text = test.map_or(String::new(), |t| format!("test: {t}; "));
    let saved = folder.map_or("nothing saved".into(), |f| format!("saved in {}", f.path().display()));
    eprintln!(
        "{test_text}{:.1} steps/s, {:.0} samples/s; {saved}",
        outcome.steps_per_second, outcome.samples_per_second
    );
    if f.json {
        return out::json(&serde_json::json!({
            "status": "ok",
            "device": info,
            "model": session.model.description.name,
            "parameters": session.parameters(),
            "epochs": outcome.epochs,
            "steps": outcome.at.step,
            "best_epoch": outcome.at.watched.best_epoch.map(|b| b.0),
            "stopped": outcome.at.stopped,
            "test": test,
            "steps_per_second": outcome.steps_per_second,
            "samples_per_second": outcome.samples_per_second,
            "run": folder.map(RunFolder::path),
        }));
    }
    Ok(())
}
