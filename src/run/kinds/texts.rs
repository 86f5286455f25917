//! Texts with classes: a column of a table, or folders of text files.

use super::{Audit, Kind, Opened, ToScore, Trained, Wants};
use crate::data::table::{Table, TableOptions};
use crate::data::text::{Corpus, LabelledSplits, LabelledTexts, audit_labelled, labelled};
use crate::data::{self, Interface, Recognised, SourceKind, Task, alike};
use crate::error::{Error, Result};
use crate::nn::Reads;
use crate::run::observer::Observer;
use crate::train::defaults::{Defaults, TEXTS};
use crate::train::text::texts_for;
use crate::train::{DataSettings, Settings, Source};
use std::path::Path;

/// Texts with a class each.
pub struct Texts;

impl Kind for Texts {
    fn name(&self) -> &'static str {
        "texts with classes"
    }

    fn takes(&self, found: SourceKind, wants: &Wants) -> bool {
        found == SourceKind::TextFolder || found == SourceKind::Table && wants.reads == Some(Reads::Text)
    }

    fn defaults(&self) -> &'static Defaults {
        &TEXTS
    }

    fn open(&self, found: &Recognised, s: &Settings, _: &mut dyn Observer) -> Result<Opened> {
        let mut texts = match found.kind() {
            SourceKind::TextFolder => labelled::open_folder(found.path())?,
            _ => LabelledSplits { train: texts_of_table(found.path(), &s.data)?, val: None, test: None },
        };
        if s.data.normalize_classes {
            texts.merge_classes();
        }
        Ok(Opened { source: Source::Texts(texts), audit: None })
    }

    fn audit(&self, found: &Recognised, _: &Settings, _: &mut dyn Observer) -> Result<Audit> {
        let audit = audit_labelled(found.source(), &labelled::open_folder(found.path())?);
        Ok(Audit::of(&audit, audit.findings()))
    }

    fn is_of(&self, interface: &Interface) -> bool {
        interface.vocabulary.is_some() && interface.task != Task::Language
    }

    fn to_score(&self, found: &Recognised, trained: &Trained) -> Result<ToScore> {
        let texts = match found.kind() {
            SourceKind::TextFolder => labelled::open_test_folder(found.path())?,
            SourceKind::Table => texts_of_table(found.path(), &trained.settings.data)?,
            _ => {
                return Err(Error::data(format!(
                    "{} holds no texts with classes; expected a table with a column of texts and one of classes, or a \
                     folder with one sub-folder of .txt files per class",
                    found.source()
                )));
            }
        };
        let labels = known_classes(&texts, trained)?;
        let length = trained.model.input.first().copied().unwrap_or(1);
        let (mut set, mut notes) = texts_for(&texts.name, &texts.texts, labels, &trained.about.interface, length)?;
        set.origin = texts.origin;
        notes.splice(0..0, texts.notes);
        Ok(ToScore::of(set, notes))
    }
}

/// The texts of a table, with their classes.
fn texts_of_table(path: &Path, d: &DataSettings) -> Result<LabelledTexts> {
    let table = labelled::open_table(path, &d.table)?;
    labelled::from_table(&table, d.text.columns(&d.table.target)?, &d.table.missing_values)
}

/// The labels as the model numbers its classes.
fn known_classes(found: &LabelledTexts, trained: &Trained) -> Result<Vec<u32>> {
    let (outputs, alike) = (&trained.about.interface.outputs, trained.normalizes_classes());
    let places: Vec<Option<u32>> =
        found.classes.iter().map(|c| alike::place(c, outputs, alike).map(|p| p as u32)).collect();
    let place = |label: &u32| {
        places[*label as usize].ok_or_else(|| {
            let class = &found.classes[*label as usize];
            Error::data(format!(
                "{} has the class \"{class}\", which the model does not know; it knows {}",
                found.name,
                outputs.join(", ")
            ))
        })
    };
    found.labels.iter().map(place).collect()
}

/// The texts of a file to predict: one, or those of a table's rows, with the table.
pub fn known_texts(file: &Path, d: &DataSettings) -> Result<(Vec<String>, Option<Table>)> {
    match data::kind(file)? {
        SourceKind::Table => {
            let table = labelled::open_table(file, &TableOptions { target: vec![], ..d.table.clone() })?;
            Ok((labelled::texts_of(&table, d.text.text.as_deref())?, Some(table)))
        }
        SourceKind::Text => Ok((vec![Corpus::open(file)?.text()?.to_string()], None)),
        _ => Err(Error::data(format!(
            "{} is not text; expected .txt files, or tables with a column of texts",
            file.display()
        ))),
    }
}
