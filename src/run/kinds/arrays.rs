//! NumPy's arrays, `.npy` and `.npz`.

use super::sets::{Sets, slow, store};
use super::{Asked, Audit, Kind, Opened, ToPredict, ToScore, Trained, Wants, expect_classes};
use crate::data::table::Task as AskedTask;
use crate::data::{
    Dataset, Elements, ImageSet, Interface, Opened as OpenedImages, Recognised, RowGroups, Samples, SourceKind,
    Targets, Task, alike, npy,
};
use crate::error::{Error, Result};
use crate::files::memory;
use crate::nn::Model;
use crate::run::observer::Observer;
use crate::train::Settings;
use crate::train::checkpoint::About;
use crate::train::defaults::{ARRAYS, Defaults};
use serde_json::Value;
use std::path::Path;

/// Arrays of samples with targets. A trained model knows no difference between them
/// and images.
pub struct Arrays;

impl Kind for Arrays {
    fn name(&self) -> &'static str {
        "arrays of numbers"
    }

    fn takes(&self, found: SourceKind, _: &Wants) -> bool {
        found == SourceKind::Npy
    }

    fn defaults(&self) -> &'static Defaults {
        &ARRAYS
    }

    fn open(&self, found: &Recognised, s: &Settings, observer: &mut dyn Observer) -> Result<Opened> {
        let set = npy::open_stored(found.path(), s.data.table.task, s.asks_for_values(), &store(s))?;
        let notes = set.notes.iter().cloned().chain(set.left_out(group_of(s))).chain(on_disk(&set.train, s));
        notes.for_each(|note| observer.note(&note));
        if matches!(set.train.samples, Samples::Read(_)) {
            slow(found.path()).iter().for_each(|note| observer.note(note));
        }
        let groups = groups(found, s, set.train.len())?;
        let mut source = Sets { train: set.train, val: set.val, test: set.test, levels: None, groups };
        if s.data.normalize_classes {
            source.merge_classes();
        }
        Ok(Opened { source: Box::new(source), audit: None })
    }

    fn audit(&self, found: &Recognised, s: &Settings, _: &mut dyn Observer) -> Result<Audit> {
        let store = store(s);
        let mut set = npy::open_stored(found.path(), s.data.table.task, false, &store)?;
        set.notes.extend(set.left_out(group_of(s)));
        if let Some(groups) = groups(found, s, set.train.len())? {
            set.notes.push(groups.describe());
            set.notes.extend(groups.notes);
        }
        let sets = [Some(&set.train), set.val.as_ref(), set.test.as_ref()];
        let images = match (&set.train.samples, set.train.images()) {
            (Samples::Read(_), _) => OpenedImages::drawn(sets, &store, s.seed)?,
            (_, Some(train)) => {
                let [val, test] = [&set.val, &set.test].map(|part| part.as_ref().and_then(Dataset::images));
                Some(OpenedImages { set: ImageSet { train, val, test }, folder: None, sampled: None })
            }
            (_, None) => None,
        };
        let Some(opened) = images else {
            let audit = npy::audit(found.source(), &set, &store, s.seed)?;
            return Ok(Audit::of(&audit, audit.findings()));
        };
        let mut audit = Audit::of_images(found, s, opened);
        if let Some(Value::Array(notes)) = audit.json.get_mut("notes") {
            notes.extend(set.notes.iter().cloned().map(Value::from));
        }
        audit.findings.warnings.extend(set.notes);
        Ok(audit)
    }

    fn is_of(&self, _: &Interface) -> bool {
        false
    }

    fn to_score(&self, found: &Recognised, trained: &Trained) -> Result<ToScore> {
        to_score(found, trained)
    }

    fn to_predict(&self, file: &Path, trained: &Trained) -> Result<ToPredict> {
        to_predict(file, trained)
    }
}

/// What there is to say of samples that are not in memory.
fn on_disk(set: &Dataset, s: &Settings) -> Option<String> {
    let each = if set.samples.kind() == Elements::Bytes { 1 } else { 4 };
    matches!(set.samples, Samples::Read(_)).then(|| {
        format!(
            "{}: its samples take {}, and all sets together more than {}: they are read from their files when they are \
             needed",
            set.name,
            memory::size(set.samples.elements() as u64 * each),
            store(s).bound
        )
    })
}

/// The array that names the group of each sample, where one is asked for.
fn group_of(s: &Settings) -> Option<&str> {
    s.data.table.group.columns().first().map(String::as_str)
}

/// Which of `n` training samples belong together, where that is asked for.
fn groups(found: &Recognised, s: &Settings, n: usize) -> Result<Option<RowGroups>> {
    match s.data.table.group.columns() {
        [] => Ok(None),
        [name] => npy::open_groups(found.path(), name, n, s.data.table.normalize_groups).map(Some),
        all => Err(Error::usage(format!(
            "--group {} (data.group): of an archive one array names the groups; expected the name of one",
            all.join(",")
        ))),
    }
}

pub(super) fn to_score(found: &Recognised, trained: &Trained) -> Result<ToScore> {
    let (source, about, model) = (found.source(), trained.about, trained.model);
    let task = match about.interface.task {
        Task::Classification => AskedTask::Classification,
        Task::Regression => AskedTask::Regression,
        Task::Language => AskedTask::Auto,
    };
    let all = npy::open_stored(found.path(), task, false, &store(trained.settings))?;
    let mut notes = all.notes.clone();
    notes.extend(on_disk(&all.train, trained.settings));
    notes.extend(all.left_out(group_of(trained.settings)));
    let mut set = all.test.or(all.val).unwrap_or(all.train);
    notes.extend(adapt(&mut set, model, about)?);
    let (outputs, one) = (&about.interface.outputs, trained.normalizes_classes());
    match &mut set.targets {
        Targets::Classes { labels, names } => {
            expect_classes(source, about)?;
            let place = |label: &u32| {
                let name = &names[*label as usize];
                alike::place(name, outputs, one).map(|p| p as u32).ok_or_else(|| {
                    Error::data(format!("{source} has the class \"{name}\", which the model does not know"))
                })
            };
            *labels = labels.iter().map(place).collect::<Result<Vec<u32>>>()?;
            names.clone_from(outputs);
        }
        Targets::Sequence { .. } => return Err(Error::data(format!("{source} is a text; expected arrays"))),
        Targets::Values { names, .. } => {
            if about.interface.task != Task::Regression || names.len() != outputs.len() {
                let what = if about.interface.task == Task::Regression { "numbers" } else { "classes" };
                return Err(Error::data(format!(
                    "{source} has {} numbers per sample as targets; this model gives {} {what}",
                    names.len(),
                    outputs.len()
                )));
            }
            names.clone_from(outputs);
        }
    }
    Ok(ToScore::of(set, notes))
}

/// Brings arrays to the shape and the scale of the training samples.
fn adapt(set: &mut Dataset, model: &Model, about: &About) -> Result<Option<String>> {
    let note = about.interface.adapt(set, &model.input)?;
    match set.shape[..] == model.input[..] {
        true => Ok(note),
        false => Err(Error::data(format!(
            "{} holds samples of shape {:?}; this model takes {}",
            set.name, set.shape, model.input
        ))),
    }
}

/// Samples of an array to predict.
pub(super) fn to_predict(file: &Path, trained: &Trained) -> Result<ToPredict> {
    let (shape, samples) = npy::open_samples_stored(file, &trained.model.input, &store(trained.settings))?;
    let n = samples.elements() / shape.iter().product::<usize>().max(1);
    let mut set = trained.about.interface.to_predict(file.display().to_string(), shape, samples, n);
    let notes = adapt(&mut set, trained.model, trained.about)?.into_iter().collect();
    let ask = |i| Asked { row: Some(i + 1), line: None, sample: Some(i) };
    Ok(ToPredict { set, asked: (0..n).map(ask).collect(), notes })
}
