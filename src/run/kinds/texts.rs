//! Texts with classes: a column of a table, or folders of text files.

use super::{Asked, Audit, Kind, Means, Opened, ToPredict, ToScore, Trained, Wants};
use crate::data::series::NaiveSets;
use crate::data::table::{Table, TableOptions};
use crate::data::text::{Corpus, EncodedTexts, LabelledSplits, LabelledTexts, audit_labelled, encode_texts, labelled};
use crate::data::{
    self, Dataset, Input, Interface, Normal, Origin, Recognised, RowGroups, Samples, SourceKind, Targets, Task, alike,
};
use crate::error::{Error, Result};
use crate::nn::Reads;
use crate::run::observer::Observer;
use crate::train::defaults::{Defaults, TEXTS};
use crate::train::text::vocabulary_of;
use crate::train::{DataSettings, Parts, Prepared, RowClasses, Settings, Source, refuse_groups};
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

    fn means(&self) -> Means {
        Means { tokens: true, target: true, ..Means::default() }
    }

    fn open(&self, found: &Recognised, s: &Settings, _: &mut dyn Observer) -> Result<Opened> {
        let mut texts = match found.kind() {
            SourceKind::TextFolder => labelled::open_folder(found.path())?,
            _ => LabelledSplits { train: texts_of_table(found.path(), &s.data)?, val: None, test: None },
        };
        if s.data.normalize_classes {
            texts.merge_classes();
        }
        Ok(Opened { source: Box::new(TextSource(texts)), audit: None })
    }

    fn audit(&self, found: &Recognised, _: &Settings, _: &mut dyn Observer) -> Result<Audit> {
        let audit = audit_labelled(found.source(), &labelled::open_folder(found.path())?);
        Ok(Audit::of(&audit, audit.findings()))
    }

    fn is_of(&self, interface: &Interface) -> bool {
        interface.vocabulary().is_some() && interface.task != Task::Language
    }

    fn to_predict(&self, file: &Path, trained: &Trained) -> Result<ToPredict> {
        let (texts, table) = known_texts(file, &trained.settings.data)?;
        let length = trained.model.input.first().copied().unwrap_or(1);
        let labels = vec![0; texts.len()];
        let (set, notes) = texts_for(&file.display().to_string(), &texts, labels, &trained.about.interface, length)?;
        let ask = |i: usize| {
            let (row, line) = table.as_ref().map(|t| (i + 1, t.lines[i])).unzip();
            Asked { row, line, sample: Some(i) }
        };
        Ok(ToPredict { set, asked: (0..texts.len()).map(ask).collect(), notes })
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
fn known_texts(file: &Path, d: &DataSettings) -> Result<(Vec<String>, Option<Table>)> {
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

/// Texts with a class each.
pub struct TextSource(pub LabelledSplits);

impl Source for TextSource {
    fn name(&self) -> &str {
        &self.0.train.name
    }

    fn rows(&self) -> usize {
        self.0.train.texts.len()
    }

    fn table(&self) -> Option<&Table> {
        self.0.train.beside.as_ref()
    }

    fn has_val(&self) -> bool {
        self.0.val.is_some()
    }

    fn classes(&self, _: &DataSettings) -> Result<Option<RowClasses>> {
        Ok(Some((self.0.train.classes.clone(), self.0.train.labels.clone())))
    }

    fn groups(&self, s: &DataSettings) -> Result<Option<RowGroups>> {
        let (name, by) = (self.name(), &s.table.group);
        let Some(table) = self.table() else {
            return Err(refuse_groups(
                s,
                &format!("{name} is a folder of texts, and nothing says which belong together"),
            ));
        };
        // Texts and classes are not among its columns, so numbers would count others.
        match by.columns().iter().find(|c| table.column(c).is_err()) {
            Some(word) => Err(refuse_groups(
                s,
                &format!(
                    "{name} has no column \"{word}\" beside its texts and their classes ({}); expected the name of one",
                    table.names().join(", ")
                ),
            )),
            None => RowGroups::of_table(table, by, s.table.normalize_groups),
        }
    }

    /// Vocabulary and length are learned on the training texts.
    fn sets(&self, parts: &Parts, s: &Settings) -> Result<Prepared> {
        let LabelledSplits { train, val, test } = &self.0;
        let others = [val.as_ref().filter(|_| parts.test.is_none()), test.as_ref().filter(|_| parts.test.is_none())];
        let held = [Some(parts.val), parts.test];
        let pick = |rows: &[usize]| rows.iter().map(|&i| train.texts[i].as_str()).collect::<Vec<_>>();
        let labels = |rows: &[usize]| rows.iter().map(|&i| train.labels[i]).collect::<Vec<_>>();
        let vocabulary = s.data.text.of_texts(&pick(parts.train))?;
        let own = s.model.input.as_deref().and_then(|shape| <[usize; 1]>::try_from(shape).ok()).map(|[n]| n);
        let encoded = encode_texts(&vocabulary, &pick(parts.train), s.data.text.max_length.or(own))?;
        let length = encoded.max_len;
        let mut notes = train.notes.clone();
        notes.push(format!("{}, {length} tokens a text", vocabulary.describe()));
        notes.extend(encoded.notes());
        let origin = |rows: &[usize]| train.origin.select(&train.name, rows);
        let learned = rows_of(&train.name, encoded, labels(parts.train), &train.classes, origin(parts.train));
        let set = |name: String, texts: &[&str], labels: Vec<u32>, origin: Origin| -> Result<Dataset> {
            Ok(rows_of(&name, encode_texts(&vocabulary, texts, Some(length))?, labels, &train.classes, origin))
        };
        let mut parts = [None, None];
        for (i, what) in ["held out", "test"].into_iter().enumerate() {
            parts[i] = match (held[i].filter(|rows| !rows.is_empty()), others[i]) {
                (Some(rows), _) => {
                    let name = format!("{} ({what})", train.name);
                    Some(set(name, &pick(rows), labels(rows), origin(rows))?)
                }
                (None, Some(t)) => {
                    let texts: Vec<&str> = t.texts.iter().map(String::as_str).collect();
                    Some(set(t.name.clone(), &texts, t.labels.clone(), t.origin.clone())?)
                }
                (None, None) => None,
            };
        }
        let [val, test] = parts;
        let interface =
            Interface { input: Input::Tokens(Box::new(vocabulary)), ..Interface::of(&learned, Normal::default()) };
        Ok(Prepared { train: learned, val, test, interface, naive: NaiveSets::default(), notes })
    }
}

fn rows_of(name: &str, encoded: EncodedTexts, labels: Vec<u32>, classes: &[String], origin: Origin) -> Dataset {
    Dataset {
        name: name.into(),
        shape: vec![encoded.max_len],
        samples: Samples::Tokens(encoded.rows.into()),
        targets: Targets::Classes { labels, names: classes.to_vec() },
        origin,
    }
}

/// Texts as samples of a model that was trained with this interface, with what
/// there is to say about them.
pub fn texts_for(
    name: &str,
    texts: &[String],
    labels: Vec<u32>,
    interface: &Interface,
    length: usize,
) -> Result<(Dataset, Vec<String>)> {
    let encoded = encode_texts(vocabulary_of(interface)?, texts, Some(length))?;
    let notes = encoded.notes();
    Ok((rows_of(name, encoded, labels, &interface.outputs, Origin::default()), notes))
}
