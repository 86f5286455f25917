//! Texts for a model that was trained on texts: to be scored, or to be given
//! classes.

use super::predict::{Asked, hand_over};
use super::scored_data::{ToScore, settings_of};
use super::{flags, open_device};
use crate::data::table::TableOptions;
use crate::data::text::{Corpus, LabelledTexts, TokenWindows, labelled};
use crate::data::{self, SourceKind, Task, alike};
use crate::error::{Error, Result};
use crate::nn::Model;
use crate::train::Session;
use crate::train::checkpoint::{About, Loaded};
use crate::train::text::{texts_for, windows_for};
use std::path::Path;

/// Opens texts to score a model on.
///
/// `stride`: tokens between the windows of a language model's text; its context,
/// if `None`.
pub fn to_score(
    source: &str,
    kind: SourceKind,
    model: &Model,
    about: &About,
    stride: Option<usize>,
) -> Result<ToScore> {
    let path = Path::new(source);
    let length = model.input.first().copied().unwrap_or(1);
    if about.interface.task == Task::Language {
        // Verse with a comma in each line looks like a table; the model knows better.
        let name = source.to_lowercase();
        let may_be_text = kind == SourceKind::Table && name.strip_suffix(".gz").unwrap_or(&name).ends_with(".txt");
        if kind != SourceKind::Text && !may_be_text {
            return Err(Error::data(format!(
                "{source} is no text; this language model expects a .txt file, or a folder of them"
            )));
        }
        let windows = TokenWindows::new(length, stride)?;
        let set = windows_for(&Corpus::open(path)?, &about.interface, windows)?;
        return Ok(ToScore { set, naive: None, notes: vec![], dropped: 0 });
    }
    let found = match kind {
        SourceKind::TextFolder => labelled::open_test_folder(path)?,
        SourceKind::Table => {
            let d = settings_of(about).data;
            let table = labelled::open_table(path, &d.table)?;
            labelled::from_table(&table, d.text.columns(&d.table.target)?, &d.table.missing_values)?
        }
        _ => return Err(no_texts(source)),
    };
    let labels = known_classes(&found, about)?;
    let (mut set, mut notes) = texts_for(&found.name, &found.texts, labels, &about.interface, length)?;
    set.origin = found.origin;
    notes.splice(0..0, found.notes);
    Ok(ToScore { set, naive: None, notes, dropped: 0 })
}

/// The labels as the model numbers its classes.
fn known_classes(found: &LabelledTexts, about: &About) -> Result<Vec<u32>> {
    let (interface, alike) = (&about.interface, settings_of(about).data.normalize_classes);
    let places: Vec<Option<u32>> =
        found.classes.iter().map(|c| alike::place(c, &interface.outputs, alike).map(|p| p as u32)).collect();
    let place = |label: &u32| {
        places[*label as usize].ok_or_else(|| {
            let class = &found.classes[*label as usize];
            Error::data(format!(
                "{} has the class \"{class}\", which the model does not know; it knows {}",
                found.name,
                interface.outputs.join(", ")
            ))
        })
    };
    found.labels.iter().map(place).collect()
}

fn no_texts(source: &str) -> Error {
    Error::data(format!(
        "{source} holds no texts with classes; expected a table with a column of texts and one of classes, or a folder \
         with one sub-folder of .txt files per class"
    ))
}

/// `wgrad predict` for texts: the rows of tables, or whole files.
pub fn predict(f: &flags::Predict, model: Model, loaded: Loaded) -> Result<()> {
    if loaded.about.interface.task == Task::Language {
        return Err(Error::usage("this is a language model: let it go on with a text by `wgrad generate`"));
    }
    let d = settings_of(&loaded.about).data;
    let mut asked: Vec<Asked> = vec![];
    let mut texts: Vec<String> = vec![];
    for file in &f.files {
        let name = file.display().to_string();
        match data::kind(file)? {
            SourceKind::Table => {
                let table = labelled::open_table(file, &TableOptions { target: vec![], ..d.table.clone() })?;
                let rows = labelled::texts_of(&table, d.text.text.as_deref())?;
                asked.extend((0..rows.len()).map(|i| Asked {
                    file: file.clone(),
                    row: Some(i + 1),
                    line: Some(table.lines[i]),
                    answer: None,
                }));
                texts.extend(rows);
            }
            SourceKind::Text => {
                asked.push(Asked { file: file.clone(), row: None, line: None, answer: None });
                texts.push(Corpus::open(file)?.text()?.to_string());
            }
            _ => {
                return Err(Error::data(format!(
                    "{name} is no text; expected .txt files, or tables with a column of texts"
                )));
            }
        }
    }
    let (device, info) = open_device(&f.device)?;
    let length = model.input.first().copied().unwrap_or(1);
    let interface = loaded.about.interface;
    let (set, notes) = texts_for("texts", &texts, vec![0; texts.len()], &interface, length)?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let mut session = Session::new(device, model, interface, loaded.weights)?;
    let answers = session.predict(&set)?;
    let width = session.interface.outputs.len();
    for (a, answer) in asked.iter_mut().zip(answers.chunks(width)) {
        a.answer = Some(answer.to_vec());
    }
    hand_over(f, &session.interface, &info, &asked)
}
