//! Cross-validation: as many trainings as folds, each scored on what it has not seen.

use super::folder::{FOLDS, RunFolder};
use super::info;
use super::job::{Done, Job};
use super::kinds;
use super::observer::Observer;
use super::one_of_many::OneOfMany;
use super::request::DeviceRequest;
use super::score::Scored;
use super::train::{Data, Earlier, Place, fold as fold_of, say, settle};
use super::tuning::Tuning;
use crate::device::DeviceInfo;
use crate::error::{Error, Kind, Result};
use crate::eval::RunInfo;
use crate::eval::run::write_json;
use crate::nn::Weights;
use crate::ranks::World;
use crate::train::checkpoint::Progressed;
use crate::train::{Folds, Settings, Start};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// What a cross-validation gave.
pub struct CrossValidation {
    /// The device.
    pub device: DeviceInfo,
    /// Of two classes that which precision, recall and F1 are of.
    pub positive_class: Option<String>,
    /// The figures of each fold on the rows that it has not seen, by key.
    pub each: Vec<Map<String, Value>>,
    /// Mean and standard deviation (of the sample) of every figure that all folds have.
    pub summary: Vec<(String, [f64; 2])>,
    /// Its folder, in which `fold-1` and so on are runs of their own.
    pub folder: PathBuf,
}

/// Trains on as many folds as the settings ask for. Of one that is resumed, folds that were begun
/// go on from their checkpoints; those that are done are only scored.
pub fn cross_validate(
    s: &Settings,
    data: Data,
    device: &DeviceRequest,
    tuning: &Tuning,
    place: Place,
    observer: &mut dyn Observer,
) -> Result<CrossValidation> {
    if s.auto_batch {
        return Err(Error::usage(
            "a cross-validation takes a batch size that is a number: each fold would decide its own",
        ));
    }
    let device = device.open(s.plan.precision, observer)?;
    let device_info = device.info();
    observer.info(&device_info.line());
    let kinds::Opened { source, audit } = data.open(s, observer)?;
    let all = source.folds(s)?;
    let Folds { folds, positive, notes, .. } = &all;
    notes.iter().for_each(|note| observer.note(note));
    let resumed = match &place {
        Place::Resumed(earlier) => Some(earlier.path().to_path_buf()),
        Place::Nowhere | Place::Next | Place::Folder(_) => None,
    };
    let (mut parent, mut place) = (None, Some(place));
    let mut each: Vec<Map<String, Value>> = vec![];
    for (i, fold) in folds.iter().enumerate() {
        let working = observer.working(&format!("preparing fold {}", i + 1));
        let mut prepared = source.prepare_fold(&all, i, s)?;
        drop(working);
        // Each fold decides for itself what is left to its training samples.
        let mut own = s.clone();
        settle(&mut own, &mut prepared);
        if i == 0 {
            say(&own, &prepared, observer);
        }
        let earlier = resumed.as_ref().map(|run| Earlier::open(&fold_of(run, i + 1))).transpose()?;
        let goes_on = earlier.as_ref().filter(|earlier| earlier.has_checkpoint());
        let loaded = goes_on.map_or(Ok(None), |earlier| earlier.load(&own, &mut prepared, observer))?;
        let weights = loaded.as_ref().map_or_else(|| Weights::new(s.seed), |loaded| loaded.weights.clone());
        let of_run = goes_on.map(|earlier| Tuning::of_run(earlier.path())).transpose()?;
        let (tuning, alone) = (of_run.as_ref().unwrap_or(tuning), World::default());
        let mut job = Job::new(device.clone(), &own, &prepared, weights, tuning, &alone, observer)?;
        // What cannot be trained at all leaves no folder behind.
        let parent = match &parent {
            Some(parent) => parent,
            None => {
                observer.starting()?;
                let made = match place.take().expect("it is made once") {
                    Place::Resumed(earlier) => earlier.reopen(s, &Progressed::default(), 0, observer)?,
                    Place::Folder(path) => RunFolder::create(Some(&path), s, observer)?,
                    Place::Nowhere | Place::Next => RunFolder::create(None, s, observer)?,
                };
                audit.as_ref().map_or(Ok(()), |a| write_json(made.path(), "audit.json", a))?;
                parent.insert(made)
            }
        };
        let start = match (loaded, &earlier) {
            (Some(loaded), Some(earlier)) => earlier.start(&mut job, loaded, &own, observer)?,
            _ => Start::default(),
        };
        let before = goes_on.and_then(|earlier| RunInfo::read(earlier.path()).ok().flatten());
        let steps = job.session.counts().done(start.at.step);
        let folder = match earlier {
            Some(earlier) => earlier.reopen(&own, &start.at, steps, observer)?,
            None => RunFolder::create(Some(&fold_of(parent.path(), i + 1)), &own, observer)?,
        };
        let mut info = info::new(&job, &own, &prepared, device_info.clone());
        info.fold = Some([i + 1, folds.len()]);
        info.write(folder.path())?;
        observer.opened(folder.path())?;
        let begun = Instant::now();
        let done = job.run(&own, &prepared, start, Some(&folder), &mut OneOfMany(observer));
        if let Err(e) = &done {
            info::failed(&mut info, folder.path(), e, observer);
        }
        let done = done.map_err(|e| match e.kind() {
            Kind::Interrupted => Error::interrupted(format!(
                "interrupted in fold {} of {}; --resume goes on from there",
                i + 1,
                folds.len()
            )),
            _ => e,
        })?;
        info::finish(&mut info, &done, begun.elapsed().as_secs_f64());
        if let (true, Some(before)) = (done.outcome.epochs.is_empty(), before) {
            info::keep_measured(&mut info, before);
        }
        info::write(folder.path(), &info, &done)?;
        observer.info(&line(i, folds.len(), own.epochs, &done, begun.elapsed().as_secs_f64()));
        if let Some(Value::Object(mut figures)) = done.scored.as_ref().map(Scored::json) {
            figures.insert("samples".into(), fold.held.len().into());
            figures.insert("run".into(), folder.path().display().to_string().into());
            each.push(figures);
        }
        if observer.interrupted() {
            return Err(Error::interrupted(format!(
                "interrupted after fold {} of {}; --resume goes on from there",
                i + 1,
                folds.len()
            )));
        }
    }
    let parent = parent.expect("there are two folds or more");
    let found = CrossValidation {
        device: device_info,
        positive_class: positive.clone(),
        summary: summary(&each),
        each,
        folder: parent.path().to_path_buf(),
    };
    write_json(parent.path(), FOLDS, &found.json(s))?;
    Ok(found)
}

impl CrossValidation {
    /// All of it, as `folds.json` has it.
    pub fn json(&self, s: &Settings) -> Value {
        let figures =
            |which: usize| Value::Object(self.summary.iter().map(|(k, v)| (k.clone(), v[which].into())).collect());
        json!({
            "status": "ok",
            "device": self.device,
            "model": s.model.name,
            "positive_class": self.positive_class,
            "test": figures(0),
            "deviation": figures(1),
            "folds": self.each,
            "keep_folds": s.data.keep_folds,
            "run": self.folder.display().to_string(),
        })
    }
}

/// What a fold gave, in a line.
fn line(i: usize, folds: usize, epochs: usize, done: &Done, seconds: f64) -> String {
    let scored = done.scored.as_ref().map_or(String::new(), |s| format!("{}; ", s.line()));
    let best = done.outcome.at.watched.best_epoch;
    let best = best.map_or(String::new(), |(epoch, _)| format!("best epoch {epoch} of {epochs}; "));
    format!("fold {} of {folds}: {scored}{best}{seconds:.1} s", i + 1)
}

/// Mean and standard deviation (of the sample) of every figure that all folds
/// have, in their order.
fn summary(each: &[Map<String, Value>]) -> Vec<(String, [f64; 2])> {
    let Some(first) = each.first() else { return vec![] };
    let values = |key: &str| each.iter().map(|m| m.get(key).and_then(Value::as_f64)).collect::<Option<Vec<f64>>>();
    let stats = |v: &[f64]| {
        let n = v.len() as f64;
        let mean = v.iter().sum::<f64>() / n;
        let var = v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        [mean, var.sqrt()]
    };
    let keys = first.keys().filter(|k| *k != "samples");
    keys.filter_map(|k| Some((k.clone(), stats(&values(k)?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_summed_up_by_mean_and_deviation() {
        let fold = |x: f64| Map::from_iter([("accuracy".to_string(), x.into()), ("samples".to_string(), 3.into())]);
        let each = vec![fold(0.8), fold(0.9), fold(1.0)];
        let summary = summary(&each);
        assert_eq!(summary.len(), 1);
        assert!((summary[0].1[0] - 0.9).abs() < 1e-12 && (summary[0].1[1] - 0.1).abs() < 1e-12);
    }
}
