//! `wgrad train`

use super::job::{Done, Job, Scored};
use super::run_folder::{self, RunFolder};
use super::{dashboard, flags, folds, interrupt, open_device_for, out, run_info, same_data, train_settings, tune};
use crate::data::table::{Table, Task as AskedTask};
use crate::data::text::{Corpus, LabelledSplits, labelled};
use crate::data::{self, Dataset, Origin, SourceKind, TableOptions, Targets, alike};
use crate::error::{Error, Result};
use crate::eval::RunInfo;
use crate::eval::run::write_json;
use crate::files::Lock;
use crate::nn::{Reads, Weights};
use crate::train::checkpoint::{self, Progressed};
use crate::train::{DataSettings, EARLY_STOPPING, MAX_STEPS, Prepared, Session, Settings, Source, Start, model_for};
use serde_json::Value;
use std::path::Path;
use std::time::Instant;

pub fn run(f: &flags::Train) -> Result<()> {
    let earlier = f.out.as_deref().filter(|out| f.resume && out.join(LAST).is_file());
    // A run that goes on is held from its first look at the checkpoint; whether a
    // new one may have its folder is known before the data is read.
    let lock = earlier.map(Lock::take).transpose()?;
    f.out.as_deref().filter(|_| lock.is_none()).map_or(Ok(()), Lock::check)?;
    // One that was begun and has no checkpoint yet has settings, too.
    let told = f.out.as_deref().filter(|out| f.resume && out.join("config.toml").is_file());
    let mut settings = match earlier.or(told) {
        Some(folder) => train_settings::resumed(f, folder)?,
        None => train_settings::new_run(f)?,
    };
    let begun = match f.out.as_deref().filter(|_| f.resume && earlier.is_none()) {
        Some(out) => Some(same_data::Begun::in_folder(out, &settings)?),
        None => None,
    };
    if f.resume && earlier.is_none() {
        eprintln!("there is no checkpoint to resume from yet: starting anew");
    }
    if f.fast_dev_run {
        (settings.epochs, settings.data.folds) = (1, 0);
    }
    if settings.data.folds > 0 {
        return folds::run(f, &settings);
    }
    let (device, info) = open_device_for(&f.device, settings.plan.precision)?;
    let Data { source, audit } = open(&settings)?;
    let mut prepared = source.prepare(&settings)?;
    shrink(&mut prepared, f, &mut settings, &source)?;
    drop(source);
    say(&settings, &prepared);
    begun.map_or(Ok(()), |begun| begun.check(&prepared))?;
    let loaded = match earlier {
        Some(folder) => Some(same_data::check(checkpoint::load(&folder.join(LAST))?, &settings, &mut prepared)?),
        None => None,
    };
    let start_from = match (&loaded, &f.init) {
        (Some(l), _) => l.weights.clone(),
        (None, Some(path)) => initial(path, &settings, &prepared)?,
        (None, None) => Weights::new(settings.seed),
    };
    let mut job = Job::new(device, &settings, &prepared, start_from, &tune::of_flags(f, earlier)?)?;
    eprintln!("model: {} ({} parameters)", job.session.model.description.name, job.session.parameters());
    let mut start = Start::default();
    if let Some(loaded) = loaded {
        start.at = loaded.about.progress.unwrap_or_default();
        job.session.set_state(&loaded.state, &start.at)?;
        start.best = best_so_far(f.out.as_deref(), &settings, &start)?;
    }
    let steps = job.session.counts().done(start.at.step);
    if earlier.is_some() {
        check_limits(&settings, &start.at, steps)?;
        eprintln!("resuming after {steps} steps ({} whole epochs)", start.at.epoch);
    }
    // From here on there is something to save when somebody wants to stop.
    interrupt::listen()?;
    let before = earlier.and_then(|folder| RunInfo::read(folder).ok().flatten());
    let mut info = run_info::new(&job.session, &settings, &prepared, info);
    let folder = match (f.fast_dev_run, earlier.zip(lock)) {
        (true, _) => None,
        (false, Some((path, lock))) => Some(RunFolder::reopen(path, &settings, &start.at, steps, lock)?),
        (false, None) => Some(RunFolder::create(f.out.as_deref(), &settings)?),
    };
    // It lives until the end of this function, and a little longer where a page is open.
    let mut _dashboard = None;
    if let Some(folder) = &folder {
        info.write(folder.path())?;
        audit.map_or(Ok(()), |a| write_json(folder.path(), "audit.json", &a))?;
        _dashboard = f.dashboard.map(|port| dashboard::start(folder.path(), port)).transpose()?;
    }
    let begun = Instant::now();
    let done = job.run(&settings, &prepared, start, folder.as_ref());
    if let (Err(e), Some(folder)) = (&done, &folder) {
        run_info::failed(&mut info, folder.path(), e)?;
    }
    let done = done?;
    run_info::finish(&mut info, &done, begun.elapsed().as_secs_f64());
    if let (true, Some(before)) = (done.outcome.epochs.is_empty(), before) {
        run_info::keep_measured(&mut info, before);
    }
    let report = folder.as_ref().map(|f| run_info::write(f.path(), &info, &done)).transpose()?;
    finish(f, &job.session, &info, &done, folder.as_ref(), report)
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

/// Notes on the data that are shown.
const NOTES: usize = 60;

/// The weights of a run as they are after its latest step.
pub const LAST: &str = "checkpoints/last.safetensors";

/// The data that the settings name, and what there is to say about it.
pub struct Data {
    /// The data.
    pub source: Source,
    /// Its audit, where making one does not take long.
    pub audit: Option<Value>,
}

/// Reads the data that the settings name.
pub fn open(s: &Settings) -> Result<Data> {
    let d = &s.data;
    let path = Path::new(&d.source);
    data::choice(&d.source).iter().for_each(|note| eprintln!("note: {note}"));
    let mut images = None;
    let source = match data::kind(&d.source)? {
        SourceKind::Text => Source::Corpus(Corpus::open(path)?),
        SourceKind::TextFolder => Source::Texts(labelled::open_folder(path)?),
        SourceKind::Table if s.model.reads == Reads::Text => Source::Texts(texts_of_table(path, d)?),
        SourceKind::Table if d.series.is_some() => Source::Series(Table::open(path, &d.table.read_options())?),
        SourceKind::Table => Source::Table(Table::open(path, &d.table.read_options())?),
        SourceKind::Npy => {
            let set = data::npy::open(path, d.table.task, s.asks_for_values())?;
            set.notes.iter().for_each(|note| eprintln!("note: {note}"));
            Source::Sets { train: set.train, val: set.val, test: set.test, levels: None }
        }
        _ => {
            let opened = super::data::open(&d.source, s.seed, &d.images)?;
            let levels = opened.folder.as_ref().and_then(|f| f.levels);
            let files = opened.folder.iter().flat_map(|f| &f.origins);
            let origins: Vec<Origin> = files.map(|from| Origin::of_files(from.files.clone())).collect();
            // What is too large for an audit lies in memory once.
            let set = match opened.set.train.len() <= super::data::LOOKED_THROUGH {
                true => images.insert(opened).set.clone(),
                false => opened.set,
            };
            let [train, val, test] = [Some(set.train), set.val, set.test].map(|images| images.map(Dataset::from));
            let mut sets = [train, val, test];
            for (set, origin) in sets.iter_mut().zip(origins) {
                set.iter_mut().for_each(|set| set.origin = origin.clone());
            }
            let [train, val, test] = sets;
            Source::Sets { train: train.expect("what is opened has training images"), val, test, levels }
        }
    };
    let mut source = source;
    if d.normalize_classes {
        merge_classes(&mut source, d)?;
    }
    check_kind(s, &source)?;
    if !matches!(source, Source::Series(_)) && d.series.is_some() {
        return Err(Error::usage(format!(
            "window, horizon: {} is no table; expected a CSV or TSV file with rows in the order of time",
            d.source
        )));
    }
    let has_target = matches!(source, Source::Table(_) | Source::Series(_) | Source::Texts(_));
    if !has_target && d.table.target != TableOptions::default().target {
        return Err(Error::usage(format!("target {}: {} is not a table", d.table.target.join(", "), d.source)));
    }
    let of_classes = matches!(&source, Source::Sets { train, .. } if train.labels().is_some());
    match d.table.task {
        AskedTask::Regression if of_classes || matches!(source, Source::Texts(_)) => {
            return Err(Error::usage(format!(
                "--task regression: {} has classes, not numbers, as targets; leave it out",
                d.source
            )));
        }
        AskedTask::Classification if matches!(source, Source::Corpus(_)) => {
            return Err(Error::usage(format!(
                "--task classification: {} is a text without classes; expected a table with a column of texts, or a folder \
                 with one sub-folder of texts per class",
                d.source
            )));
        }
        _ => {}
    }
    let audit = super::data::audit(&source, images.as_ref(), s)?;
    Ok(Data { source, audit })
}

/// Makes classes that are read alike one.
fn merge_classes(source: &mut Source, d: &DataSettings) -> Result<()> {
    match source {
        Source::Sets { train, val, test, .. } => {
            let others = [val, test].into_iter().flatten();
            let mut all: Vec<&mut Targets> = [train].into_iter().chain(others).map(|set| &mut set.targets).collect();
            alike::merge(&mut all);
        }
        Source::Table(table) => {
            if let [target] = &d.table.target[..] {
                let column = table.find(target)?;
                alike::merge_cells(table, column, &[]);
            }
        }
        Source::Texts(texts) => texts.merge_classes(),
        Source::Corpus(_) | Source::Series(_) => {}
    }
    Ok(())
}

/// The texts of a table, with their classes.
fn texts_of_table(path: &Path, d: &DataSettings) -> Result<LabelledSplits> {
    let table = labelled::open_table(path, &d.table)?;
    let train = labelled::from_table(&table, d.text.columns(&d.table.target)?, &d.table.missing_values)?;
    Ok(LabelledSplits { train, val: None, test: None })
}

/// Refuses numbers for a model that reads tokens, and the other way round.
fn check_kind(s: &Settings, source: &Source) -> Result<()> {
    let of_text = matches!(source, Source::Corpus(_) | Source::Texts(_));
    match (of_text, s.model.takes_tokens()) {
        (true, false) => Err(Error::usage(format!(
            "{} is text, and model \"{}\" reads numbers; take a model whose first layer is an Embedding, such as \
             char-gpt, char-lstm or, for texts with classes, text-transformer",
            s.data.source, s.model.name
        ))),
        (false, true) => Err(Error::usage(format!(
            "model \"{}\" reads text, and {} is not text; expected a .txt file, a table with a column of texts, or a \
             folder with one sub-folder of .txt files per class",
            s.model.name, s.data.source
        ))),
        _ => Ok(()),
    }
}

/// Leaves as many samples as a trial run needs.
fn shrink(p: &mut Prepared, f: &flags::Train, s: &mut Settings, source: &Source) -> Result<()> {
    let batches = match (f.fast_dev_run, f.overfit_batches) {
        (true, _) => 1,
        (false, Some(0)) => return Err(Error::usage("--overfit-batches 0: expected at least 1")),
        (false, Some(n)) => n,
        (false, None) => return Ok(()),
    };
    let rows = batches.saturating_mul(s.batch_size);
    p.train = first(&p.train, rows);
    if f.overfit_batches.is_some() {
        p.naive = Default::default();
        let mut val = p.train.clone();
        if let Source::Table(table) = source {
            val.origin = val.origin.with_cells(table);
        }
        (p.val, p.test, s.shuffle) = (Some(val), None, false);
    } else {
        (p.val, p.test) = (p.val.as_ref().map(|v| first(v, rows)), p.test.as_ref().map(|t| first(t, rows)));
    }
    Ok(())
}

fn first(set: &Dataset, rows: usize) -> Dataset {
    set.select(&(0..set.len().min(rows)).collect::<Vec<_>>())
}

pub fn say(s: &Settings, p: &Prepared) {
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
    p.notes.iter().take(NOTES).for_each(|note| eprintln!("note: {note}"));
    if p.notes.len() > NOTES {
        eprintln!("note: and {} more, in run.json", p.notes.len() - NOTES);
    }
}

/// The weights of another model, as far as names and shapes agree.
fn initial(path: &Path, s: &Settings, p: &Prepared) -> Result<Weights> {
    let file = if path.is_dir() { path.join(LAST) } else { path.to_path_buf() };
    let given = checkpoint::load_weights(&file)?;
    let model = model_for(s.model.clone(), &p.train.shape, &p.interface)?;
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

/// The best weights of a run that goes on, if they are to be restored.
pub fn best_so_far(out: Option<&Path>, s: &Settings, start: &Start) -> Result<Option<Weights>> {
    let best = out.map(|o| o.join("checkpoints/best.safetensors"));
    match best.filter(|_| s.early_stopping.restore_best_weights && start.at.watched.best_epoch.is_some()) {
        Some(file) => Ok(Some(run_folder::open(&file)?.1.weights)),
        None => Ok(None),
    }
}

/// What the terminal and `--json` say at the end.
fn finish(
    f: &flags::Train,
    session: &Session,
    info: &RunInfo,
    done: &Done,
    folder: Option<&RunFolder>,
    report: Option<run_info::Written>,
) -> Result<()> {
    let Done { outcome, scored, loss_scale } = done;
    if f.resume && outcome.epochs.is_empty() {
        let flag = match outcome.at.stopped.as_deref() {
            Some(why) if why.starts_with(EARLY_STOPPING) => "--patience",
            Some(why) if why.starts_with(MAX_STEPS) => "--max-steps",
            _ => "--epochs",
        };
        eprintln!("nothing was left to train; a higher {flag} goes on");
    }
    if let Some(reason) = &outcome.at.stopped {
        eprintln!("stopped: {reason}");
    }
    if let Some((scale, left_out)) = loss_scale {
        eprintln!("mixed precision: loss scale {scale}, {left_out} updates left out because gradients overflowed");
    }
    let scored_text = scored.as_ref().map_or(String::new(), |s| format!("{}: {}; ", s.evaluation.split, s.line()));
    let saved = folder.map_or("nothing saved".into(), |f| format!("saved in {}", f.path().display()));
    // A call that had nothing left to train has no speed.
    let speed = match outcome.epochs.is_empty() {
        true => String::new(),
        false => format!("{:.1} steps/s, {:.0} samples/s; ", outcome.steps_per_second, outcome.samples_per_second),
    };
    eprintln!("{scored_text}{speed}{saved}");
    let forecast = scored.as_ref().and_then(|s| s.evaluation.forecast.as_ref());
    forecast.iter().for_each(|f| eprintln!("{}", f.line()));
    if let Some(written) = &report {
        written.advice.iter().for_each(|a| eprintln!("advice: {a}"));
    }
    if f.json {
        let of = |split: &str| scored.as_ref().filter(|s| s.evaluation.split == split).map(Scored::json);
        return out::json(&serde_json::json!({
            "status": "ok",
            "device": info.device,
            "model": session.model.description.name,
            "parameters": session.parameters(),
            "epochs": outcome.epochs,
            "steps": outcome.steps,
            "best_epoch": info.best_epoch,
            "stopped": outcome.at.stopped,
            "test": of("test"),
            "validation": of("validation"),
            "loss_scale": loss_scale.map(|(scale, _)| scale),
            "updates_left_out": loss_scale.map(|(_, n)| n),
            "steps_per_second": outcome.steps_per_second,
            "samples_per_second": outcome.samples_per_second,
            "run": folder.map(|f| out::path(f.path())),
        }));
    }
    Ok(())
}
