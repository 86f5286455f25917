//! The kinds of data, one file each: what a name stands for, how it is opened, audited
//! and scored. A new kind is one new file and a line in [`KINDS`].

mod arrays;
mod corpus;
mod images;
mod large_corpus;
mod large_rows;
mod learned_rows;
mod rows;
mod series;
mod sets;
mod texts;
mod token_names;

pub use images::{augmented, image_of, images_of};
pub use rows::rows_of;
pub use series::table_of_series;
pub use sets::Sets;
pub use texts::texts_for;

use super::observer::{Observer, Working};
use crate::data::audit::audit_and_show;
use crate::data::findings::Findings;
use crate::data::series::{Naive, SeriesOptions};
use crate::data::table::{Fitted, Task as AskedTask};
use crate::data::{Dataset, Interface, Opened as OpenedImages, Recognised, SourceKind, TableOptions, Task};
use crate::error::{Error, Result};
use crate::nn::{Description, Model, Reads};
use crate::train::checkpoint::About;
use crate::train::defaults::Defaults;
use crate::train::{Settings, Source};
use serde_json::Value;
use std::path::Path;
use toml::Table;

/// Samples, cells of a table and bytes of a text up to which an audit is made without
/// being asked for: more would delay a training.
const MOST_SAMPLES: usize = 20_000;
const MOST_CELLS: usize = 2_000_000;
const MOST_BYTES: usize = 4 << 20;

/// A kind of data.
pub trait Kind: Sync {
    /// What messages call it.
    fn name(&self) -> &'static str;

    /// Whether a configuration means this kind by what was found under its source.
    fn takes(&self, found: SourceKind, wants: &Wants) -> bool;

    /// What a configuration gets where it leaves out model, epochs, batch size,
    /// optimiser, learning rate and schedule.
    fn defaults(&self) -> &'static Defaults;

    /// Which settings mean something to it; others are refused.
    fn means(&self) -> Means {
        Means::default()
    }

    /// Whether it tells how much of the data has been read, by [`Observer::reading`].
    fn counts(&self) -> bool {
        false
    }

    /// Opens it for training, with its audit where that does not take long.
    fn open(&self, found: &Recognised, s: &Settings, observer: &mut dyn Observer) -> Result<Opened>;

    /// Audits it, however long that takes.
    fn audit(&self, found: &Recognised, s: &Settings, observer: &mut dyn Observer) -> Result<Audit>;

    /// Whether a trained model reads this kind.
    fn is_of(&self, interface: &Interface) -> bool;

    /// Opens labelled data for a trained model of this kind: its test set, or all of it
    /// where it has none.
    fn to_score(&self, found: &Recognised, trained: &Trained) -> Result<ToScore>;

    /// A file that is read for a trained model of this kind part by part, because memory has
    /// no room for it; `None` of one that is read whole.
    fn in_parts(&self, _: &Path, _: &Trained) -> Result<Option<Box<dyn PartsToPredict>>> {
        Ok(None)
    }

    /// Reads a file for a trained model of this kind to answer for: a picture, rows,
    /// arrays, texts.
    fn to_predict(&self, file: &Path, trained: &Trained) -> Result<ToPredict>;
}

/// Settings that mean something to some kinds only.
#[derive(Debug, Clone, Copy, Default)]
pub struct Means {
    /// A model that reads tokens.
    pub tokens: bool,
    /// `window` and `horizon`.
    pub windows: bool,
    /// `target`, a column.
    pub target: bool,
}

/// All kinds. Of several that take a source the first is meant.
pub const KINDS: &[&dyn Kind] =
    &[&images::Images, &arrays::Arrays, &texts::Texts, &series::Series, &rows::RowsOfTable, &corpus::CorpusOfText];

/// What a configuration says of how its data is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// What its model is made for, if it names one.
    pub reads: Option<Reads>,
    /// Whether it has keys of a series, such as `window`.
    pub series: bool,
}

impl Wants {
    /// What a configuration says. A model that cannot be read is reported by whoever
    /// reads the whole.
    pub fn of(table: &Table) -> Wants {
        let description = match table.get("model") {
            Some(toml::Value::String(name)) => Description::named(name).ok(),
            Some(toml::Value::Table(t)) => Description::from_table(t.clone()).ok(),
            _ => None,
        };
        let series = table.get("data").and_then(toml::Value::as_table).is_some_and(SeriesOptions::asked);
        Wants { reads: description.map(|d| d.reads), series }
    }

    fn of_settings(s: &Settings) -> Wants {
        Wants { reads: Some(s.model.reads), series: s.data.series.is_some() }
    }
}

/// The kind that a configuration means by a source.
pub fn kind_of(found: SourceKind, wants: &Wants) -> &'static dyn Kind {
    *KINDS.iter().find(|kind| kind.takes(found, wants)).expect("each kind of source is taken by one")
}

/// The kind that a trained model reads.
pub fn kind_of_model(interface: &Interface) -> &'static dyn Kind {
    *KINDS.iter().find(|kind| kind.is_of(interface)).expect("images are what is nothing else")
}

/// Whether a trained model reads images or arrays.
pub fn is_of_images(interface: &Interface) -> bool {
    images::Images.is_of(interface)
}

/// Whether a trained model gives classes to texts.
pub fn is_of_texts(interface: &Interface) -> bool {
    texts::Texts.is_of(interface)
}

/// Data that is open.
pub struct Opened {
    /// The data.
    pub source: Box<dyn Source>,
    /// Its audit, where that did not take long.
    pub audit: Option<Value>,
}

/// An audit.
pub struct Audit {
    /// All of it, as JSON.
    pub json: Value,
    /// For people.
    pub findings: Findings,
    /// The images, if they are such.
    pub images: Option<OpenedImages>,
}

impl Audit {
    fn of(audit: &impl serde::Serialize, findings: Findings) -> Audit {
        Audit { json: json(audit), findings, images: None }
    }

    /// That of images.
    fn of_images(found: &Recognised, s: &Settings, opened: OpenedImages) -> Audit {
        let (audit, findings) = audit_and_show(found.source(), found.kind(), &opened, s.data.val_split, s.seed);
        Audit { json: json(&audit), findings, images: Some(opened) }
    }
}

fn json(audit: &impl serde::Serialize) -> Value {
    serde_json::to_value(audit).expect("plain data prints")
}

/// Opens the data of some settings, and says what there is to know of it.
pub fn open(found: &Recognised, s: &Settings, observer: &mut dyn Observer) -> Result<Opened> {
    found.choice().iter().for_each(|note| observer.note(note));
    let kind = kind_of(found.kind(), &Wants::of_settings(s));
    let working = working(kind, "reading", found, observer);
    let opened = kind.open(found, s, observer)?;
    drop(working);
    check(s, kind.means(), &*opened.source)?;
    Ok(opened)
}

/// Audits the data of some settings, however long that takes.
pub fn audit(found: &Recognised, s: &Settings, observer: &mut dyn Observer) -> Result<Audit> {
    found.choice().iter().for_each(|note| observer.note(note));
    let group = s.data.table.group.columns();
    if !group.is_empty() && !matches!(found.kind(), SourceKind::Table | SourceKind::Npy) {
        return Err(Error::usage(format!(
            "--group {} (data.group): {} is neither a table nor an archive of arrays, and nothing else says which samples \
             belong together",
            group.join(","),
            found.source()
        )));
    }
    // A corpus or a set of images says nothing of a model.
    let kind = kind_of(found.kind(), &Wants { series: s.data.series.is_some(), reads: None });
    let _working = working(kind, "reading and auditing", found, observer);
    kind.audit(found, s, observer)
}

/// Says what is done with the data, unless its kind counts what it reads.
fn working(kind: &dyn Kind, what: &str, found: &Recognised, observer: &mut dyn Observer) -> Option<Working> {
    (!kind.counts()).then(|| observer.working(&format!("{what} {}", found.source())))
}

/// Refuses settings that do not go with the data.
fn check(s: &Settings, means: Means, source: &dyn Source) -> Result<()> {
    let (d, name) = (&s.data, &s.data.source);
    match (means.tokens, s.model.takes_tokens()) {
        (true, false) => {
            return Err(Error::usage(format!(
                "{name} is text, and model \"{}\" reads numbers; take a model whose first layer is an Embedding, such as \
                 char-gpt, char-lstm or, for texts with classes, text-transformer",
                s.model.name
            )));
        }
        (false, true) => {
            return Err(Error::usage(format!(
                "model \"{}\" reads text, and {name} is not text; expected a .txt file, a table with a column of texts, or \
                 a folder with one sub-folder of .txt files per class",
                s.model.name
            )));
        }
        _ => {}
    }
    if !means.windows && d.series.is_some() {
        return Err(Error::usage(format!(
            "window, horizon: {name} is not a table; expected a CSV or TSV file with rows in the order of time"
        )));
    }
    if !means.target && d.table.target != TableOptions::default().target {
        return Err(Error::usage(format!("target {}: {name} is not a table", d.table.target.join(", "))));
    }
    match d.table.task {
        // The classes of a table are a matter of settings.
        AskedTask::Regression if means.target && means.tokens || !means.target && source.classes(d)?.is_some() => {
            Err(Error::usage(format!("--task regression: {name} has classes, not numbers, as targets; leave it out")))
        }
        AskedTask::Classification if means.tokens && !means.target => Err(Error::usage(format!(
            "--task classification: {name} is a text without classes; expected a table with a column of texts, or a \
             folder with one sub-folder of texts per class"
        ))),
        _ => Ok(()),
    }
}

/// A trained model that is to be scored.
pub struct Trained<'a> {
    /// The model.
    pub model: &'a Model,
    /// What its checkpoint says of it.
    pub about: &'a About,
    /// The settings that it was trained with.
    pub settings: &'a Settings,
    /// Seeds the built-in data.
    pub seed: u32,
    /// Of a language model: tokens between its windows; its context, if `None`.
    pub stride: Option<usize>,
}

impl Trained<'_> {
    /// Whether classes whose names are read alike are one.
    fn normalizes_classes(&self) -> bool {
        self.settings.data.normalize_classes
    }
}

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

impl ToScore {
    fn of(set: Dataset, notes: Vec<String>) -> ToScore {
        ToScore { set, naive: None, notes, dropped: 0 }
    }
}

/// What a model is to answer for.
pub struct ToPredict {
    /// The samples; their targets mean nothing.
    pub set: Dataset,
    /// What answers are asked for, one each, in the order of the file.
    pub asked: Vec<Asked>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// What a model is to answer for, part by part.
pub trait PartsToPredict {
    /// What a user should know before the first part.
    fn notes(&self) -> Vec<String>;

    /// The next part; `None` behind the last.
    fn next(&mut self) -> Option<Result<ToPredict>>;

    /// What a user should know of the parts so far.
    fn lines(&self) -> Vec<String>;
}

/// Something that an answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The row of a table or an array, from 1.
    pub row: Option<usize>,
    /// The line of the file in which a table's row begins.
    pub line: Option<usize>,
    /// The sample; none of a row that the model cannot use.
    pub sample: Option<usize>,
}

/// Reads a file for a trained model to answer for.
pub fn to_predict(file: &Path, trained: &Trained) -> Result<ToPredict> {
    kind_of_model(&trained.about.interface).to_predict(file, trained)
}

/// A file that is read part by part for a trained model; `None` of one that is read whole.
pub fn in_parts(file: &Path, trained: &Trained) -> Result<Option<Box<dyn PartsToPredict>>> {
    kind_of_model(&trained.about.interface).in_parts(file, trained)
}

/// Opens labelled data for a trained model.
pub fn to_score(found: &Recognised, trained: &Trained, observer: &mut dyn Observer) -> Result<ToScore> {
    found.choice().iter().for_each(|note| observer.note(note));
    kind_of_model(&trained.about.interface).to_score(found, trained)
}

/// The settings that a checkpoint was trained with.
///
/// Fails where it holds settings that cannot be read; those of a checkpoint that says
/// nothing of them are the defaults.
pub fn settings_of(about: &About) -> Result<Settings> {
    let table = about.config.parse().map_err(|e| Error::data(format!("the settings in the checkpoint: {e}")))?;
    Settings::read(table).map_err(|e| e.context("the settings in the checkpoint"))
}

/// The error for a table where pictures or arrays are expected.
pub fn no_table(source: &str, input: &[usize]) -> Error {
    let shape = input.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    Error::data(format!(
        "{source} is a table, and this model was trained on samples of shape {shape}, not on a table; expected data \
         like those"
    ))
}

/// The error for anything else where the rows or the series of a table are expected.
fn not_a_table(source: &str, what: &str, columns: &[&str]) -> Error {
    let more = if columns.len() > 8 { ", .." } else { "" };
    Error::data(format!(
        "{source} is not a table, and this model was trained on {what}; expected a CSV or TSV file with the columns \
         {}{more}",
        columns.iter().take(8).copied().collect::<Vec<_>>().join(", ")
    ))
}

/// The error for anything else where the rows of a table are expected.
fn no_rows(source: &str, fitted: &Fitted) -> Error {
    let used: Vec<&str> = fitted.columns.iter().filter(|c| c.is_used()).map(|c| c.name.as_str()).collect();
    not_a_table(source, &format!("the rows of {}", fitted.table), &used)
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
