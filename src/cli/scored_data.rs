//! Data for a model that is trained already: brought to the shape, the classes
//! and the columns that the model knows, whatever the source.

use crate::data::series::{Naive, SeriesFitted};
use crate::data::table::{Fitted, Goal, Table, Task as AskedTask};
use crate::data::{self, Dataset, OpenOptions, Origin, SourceKind, Targets, Task, alike};
use crate::error::{Context, Error, Result};
use crate::nn::Model;
use crate::train::Settings;
use crate::train::checkpoint::About;
use std::path::Path;

/// Labelled data to score a model on.
pub struct ToScore {
    /// The samples.
    pub set: Dataset,
    /// Forecasts without a model, of a series.
    pub naive: Option<Naive>,
    /// What a user should know: rows left out, odd cells, files.
    pub notes: Vec<String>,
    /// Rows of a table that cannot be used.
    pub dropped: usize,
}

/// The settings that a checkpoint was trained with, as far as it says so.
pub fn settings_of(about: &About) -> Settings {
    let table = about.config.parse().unwrap_or_default();
    Settings::read(table).unwrap_or_default()
}

/// How the pictures that a model was trained on became images.
pub fn images_of(about: &About) -> OpenOptions {
    let options = settings_of(about).data.images;
    OpenOptions { levels: options.levels.or(about.interface.levels), ..options }
}

/// Opens labelled data for a model: its test set, or all of it where it has
/// none. `stride`: of a language model, see [`texts::to_score`](super::texts::to_score).
pub fn open(source: &str, model: &Model, about: &About, seed: u32, stride: Option<usize>) -> Result<ToScore> {
    let kind = data::kind(source)?;
    data::choice(source).iter().for_each(|note| eprintln!("note: {note}"));
    if let Some(fitted) = &about.interface.series {
        return if kind == SourceKind::Table { series(source, fitted) } else { Err(no_series(source, fitted)) };
    }
    if about.interface.vocabulary.is_some() {
        return super::texts::to_score(source, kind, model, about, stride);
    }
    match (kind, &about.interface.preprocessing) {
        (SourceKind::Table, Some(fitted)) => rows(source, fitted, about),
        (SourceKind::Table, None) => Err(no_table(source, &model.input)),
        (_, Some(fitted)) => Err(no_rows(source, fitted)),
        (SourceKind::Text | SourceKind::TextFolder, None) => Err(Error::data(format!(
            "{source} is text, and this model was not trained on text; expected data like its own"
        ))),
        (SourceKind::Npy, None) => arrays(source, model, about),
        (_, None) => pictures(source, model, about, seed),
    }
}

/// The error for a table where pictures or arrays are expected.
pub fn no_table(source: &str, input: &[usize]) -> Error {
    let shape = input.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    Error::data(format!(
        "{source} is a table, and this model was trained on samples of shape {shape}, not on a table; expected data \
         like those"
    ))
}

/// The error for anything else where a table is expected.
pub fn no_rows(source: &str, fitted: &Fitted) -> Error {
    let used: Vec<&str> = fitted.columns.iter().filter(|c| c.is_used()).map(|c| c.name.as_str()).collect();
    let more = if used.len() > 8 { ", .." } else { "" };
    Error::data(format!(
        "{source} is no table, and this model was trained on the rows of {}; expected a CSV or TSV file with the \
         columns {}{more}",
        fitted.table,
        used.iter().take(8).copied().collect::<Vec<_>>().join(", ")
    ))
}

fn rows(source: &str, fitted: &Fitted, about: &About) -> Result<ToScore> {
    let mut table = Table::open(Path::new(source), &fitted.read_options())?;
    if let (true, Goal::Classes { column, names, .. }) = (settings_of(about).data.normalize_classes, &fitted.goal)
        && let Ok(column) = table.find(column)
    {
        alike::merge_cells(&mut table, column, names);
    }
    let applied = fitted.apply(&table, &table.all_rows())?;
    let (notes, dropped) = ([table.notes.clone(), applied.lines()].concat(), applied.dropped.len());
    let set = Dataset { origin: Origin::of_table(table, applied.kept), ..applied.dataset };
    Ok(ToScore { set, naive: None, notes, dropped })
}

/// All windows of a series.
fn series(source: &str, fitted: &SeriesFitted) -> Result<ToScore> {
    let table = Table::open(Path::new(source), &fitted.read_options())?;
    let series = fitted.read(&table, true)?;
    let mut windows = fitted.windows(&series, 0..series.len(), table.name.clone())?;
    windows.set.origin = Origin::of_rows(&table, windows.starts.iter().map(|&s| series.rows[s]));
    if windows.starts.is_empty() {
        let needed = fitted.window + fitted.horizon;
        let why = match windows.left_out {
            0 => format!("it has {} rows; expected at least {needed}", series.len()),
            n => format!("all {n} windows would forecast a missing value"),
        };
        return Err(Error::data(format!(
            "{source} has no window of {} rows with {} ahead: {why}",
            fitted.window, fitted.horizon
        )));
    }
    let naive = Naive::of(fitted, &series, &windows.starts);
    Ok(ToScore { set: windows.set, naive: Some(naive), notes: series.notes, dropped: windows.left_out })
}

/// The error for anything else where a series is expected.
pub fn no_series(source: &str, fitted: &SeriesFitted) -> Error {
    let names: Vec<&str> = fitted.inputs.iter().map(|n| n.name.as_str()).collect();
    let more = if names.len() > 8 { ", .." } else { "" };
    Error::data(format!(
        "{source} is no table, and this model was trained on the series {}; expected a CSV or TSV file with the columns \
         {}{more}",
        fitted.table,
        names.iter().take(8).copied().collect::<Vec<_>>().join(", ")
    ))
}

fn pictures(source: &str, model: &Model, about: &About, seed: u32) -> Result<ToScore> {
    let Some([channels, height, width]) = image_of(&model.input) else {
        return Err(Error::data(format!(
            "{source} is a set of images, and this model takes samples of shape {}; expected data like those",
            model.input
        )));
    };
    expect_classes(source, about)?;
    let OpenOptions { filter, levels, .. } = images_of(about);
    let channels = (channels == 1 || channels == 3).then_some(channels);
    let options = OpenOptions { size: Some([height, width]), filter, channels, levels };
    let (mut images, report) = data::open_test_with(source, seed, &options, &|_, _| {})?;
    if settings_of(about).data.normalize_classes {
        let outputs = &about.interface.outputs;
        let written = |class: &String| alike::place(class, outputs, true).map_or(class.clone(), |p| outputs[p].clone());
        images.classes = images.classes.iter().map(written).collect();
    }
    let mut set = Dataset::from(images.with_classes(&about.interface.outputs)?);
    let mut notes: Vec<String> = about.interface.adapt(&mut set, &model.input)?.into_iter().collect();
    if let Some(report) = report {
        notes.extend(report.notes);
        // Of the splits one is read.
        let read = report.origins.into_iter().find(|split| !split.files.is_empty());
        set.origin = Origin::of_files(read.unwrap_or_default().files);
    }
    Ok(ToScore { set, naive: None, notes, dropped: 0 })
}

fn arrays(source: &str, model: &Model, about: &About) -> Result<ToScore> {
    let task = match about.interface.task {
        Task::Classification => AskedTask::Classification,
        Task::Regression => AskedTask::Regression,
        Task::Language => AskedTask::Auto,
    };
    let all = data::npy::open(Path::new(source), task, false)?;
    let mut notes = all.notes;
    let mut set = all.test.or(all.val).unwrap_or(all.train);
    notes.extend(adapt(&mut set, model, about)?);
    let (outputs, one) = (&about.interface.outputs, settings_of(about).data.normalize_classes);
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
    Ok(ToScore { set, naive: None, notes, dropped: 0 })
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

/// Channels, height and width of the pictures that samples of a shape are; a
/// plane without channels is grey.
pub fn image_of(sample: &[usize]) -> Option<[usize; 3]> {
    match *sample {
        [channels, height, width] => Some([channels, height, width]),
        [height, width] => Some([1, height, width]),
        _ => None,
    }
}

/// Opens samples of an array to predict; their targets mean nothing. Also what a
/// user should know.
pub fn samples_to_predict(path: &Path, model: &Model, about: &About) -> Result<(Dataset, Option<String>)> {
    let (shape, samples) = data::npy::open_samples(path, &model.input)?;
    let width = shape.iter().product::<usize>().max(1);
    let n = samples.elements() / width;
    let names = about.interface.outputs.clone();
    let targets = match about.interface.task {
        Task::Regression => Targets::Values { values: vec![0.0; n * names.len()], names },
        Task::Classification | Task::Language => Targets::Classes { labels: vec![0; n], names },
    };
    let (name, origin) = (path.display().to_string(), Origin::default());
    let mut set = Dataset { name, shape, samples, targets, origin };
    let note = adapt(&mut set, model, about)?;
    Ok((set, note))
}

fn expect_classes(source: &str, about: &About) -> Result<()> {
    match about.interface.task {
        Task::Classification => Ok(()),
        Task::Language => {
            Err(Error::data(format!("{source} is a set of classes, and this is a language model: expected a text")))
        }
        Task::Regression => Err(Error::data(format!(
            "{source} has classes as targets, and this model predicts numbers ({}); expected data with such",
            about.interface.outputs.join(", ")
        ))),
    }
}

/// Rows to predict.
pub struct Rows {
    /// The table.
    pub table: Table,
    /// The usable rows as samples; their targets mean nothing.
    pub set: Dataset,
    /// The row of the table behind each sample.
    pub kept: Vec<usize>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Opens rows to predict; the target need not be there.
pub fn rows_to_predict(path: &Path, fitted: &Fitted) -> Result<Rows> {
    let shown = path.display().to_string();
    match data::kind(path) {
        Ok(SourceKind::Table) => {}
        _ if path.exists() => return Err(no_rows(&shown, fitted)),
        _ => {}
    }
    let table = Table::open(path, &fitted.read_options())?;
    let features = fitted.apply_features(&table, &table.all_rows()).context(|| format!("predicting from {shown}"))?;
    let notes = [table.notes.clone(), features.lines(&table.name)].concat();
    let names: Vec<String> = fitted.outputs().iter().map(|n| n.to_string()).collect();
    let n = features.kept.len();
    let targets = match fitted.target_scale().is_empty() {
        true => Targets::Classes { labels: vec![0; n], names },
        false => Targets::Values { values: vec![0.0; n * names.len()], names },
    };
    let samples = data::Samples::Floats(features.values.into());
    let (name, origin) = (table.name.clone(), Origin::default());
    let set = Dataset { name, shape: vec![features.width], samples, targets, origin };
    Ok(Rows { table, set, kept: features.kept, notes })
}
