//! Texts with classes: the rows of a table, or files in a folder per class.

use super::super::scan::{class_name, passed_over, visible};
use super::super::split_names::SPLITS;
use super::super::table::{Column, Table, TableOptions, marks::values_among, missing::are_usual};
use super::super::{Origin, Targets, alike};
use super::Corpus;
use super::files::{name, plain_texts, split_of};
use crate::error::{Error, Result};
use crate::files::memory;
use crate::terminal::shortened;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files that a message names.
const NAMED: usize = 5;
/// Files in all, at most.
const MOST_FILES: usize = 4_000_000;
/// Rows from which on labels that hardly repeat are no classes.
const FEW: usize = 20;

/// Texts with a class each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledTexts {
    /// What messages call them: the source as the user named it.
    pub name: String,
    /// The texts.
    pub texts: Vec<String>,
    /// The class of each text, an index into `classes`.
    pub labels: Vec<u32>,
    /// The names of the classes: numbers by value, else by name.
    pub classes: Vec<String>,
    /// What a user should know.
    pub notes: Vec<String>,
    /// Where each text stands.
    pub origin: Origin,
    /// Of the rows of a table what is neither text nor class.
    pub beside: Option<Table>,
}

/// The training, validation and test texts of a folder. All have the same
/// classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledSplits {
    /// What is to be learned.
    pub train: LabelledTexts,
    /// Held out to watch the training.
    pub val: Option<LabelledTexts>,
    /// Held out to the end.
    pub test: Option<LabelledTexts>,
}

impl LabelledSplits {
    /// Makes classes whose names are read alike one, as [`alike::merge`] does.
    pub fn merge_classes(&mut self) {
        let splits: Vec<&mut LabelledTexts> =
            [Some(&mut self.train), self.val.as_mut(), self.test.as_mut()].into_iter().flatten().collect();
        let take = |t: &LabelledTexts| Targets::Classes { labels: t.labels.clone(), names: t.classes.clone() };
        let mut targets: Vec<Targets> = splits.iter().map(|t| take(t)).collect();
        alike::merge(&mut targets.iter_mut().collect::<Vec<_>>());
        for (texts, targets) in splits.into_iter().zip(targets) {
            if let Targets::Classes { labels, names } = targets {
                (texts.labels, texts.classes) = (labels, names);
            }
        }
    }
}

/// The columns of a table of texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableColumns<'a> {
    /// The column of the texts, by name, by number from 1, or as `last`; `None`
    /// takes the one with the longest cells on average.
    pub text: Option<&'a str>,
    /// The column of the classes; `None` takes the last that is not the text.
    pub target: Option<&'a str>,
}

/// Opens a table so that its cells stay what they are: only an empty cell is
/// missing, as a text may well be "None".
///
/// Fails as [`Table::open`] does.
pub fn open_table(path: &Path, options: &TableOptions) -> Result<Table> {
    let mut read = options.read_options();
    read.missing_values.clear();
    Table::open(path, &read)
}

/// The texts and classes of a table. Rows whose class is empty or one of
/// `missing` are left out; a note says how many.
///
/// Fails when there is no such column, no column of text, or not at least two
/// classes.
pub fn from_table(table: &Table, columns: TableColumns, missing: &[String]) -> Result<LabelledTexts> {
    let (text, target) = places(table, columns)?;
    let (texts, labels) = (&table.columns[text], &table.columns[target]);
    let default = are_usual(missing);
    let values = if default { values_among(labels.cells.present()).0 } else { vec![] };
    let is_gap = |label: &str| missing.iter().any(|mark| mark == label);
    let is_there = |label: &&str| !is_gap(label) || values.iter().any(|(value, _)| value == label);
    let labelled = |row: usize| Some((row, labels.cells.at(row).filter(is_there)?));
    let rows: Vec<(usize, &str)> = (0..table.rows()).filter_map(labelled).collect();
    let mut notes = table.notes.clone();
    notes.extend(
        values.iter().map(|(v, n)| format!("class \"{v}\" ({n} rows) could also mean that the class is missing")),
    );
    notes.push(format!("texts from column \"{}\", classes from column \"{}\"", texts.name, labels.name));
    match table.rows() - rows.len() {
        0 => {}
        1 => notes.push(format!("1 row without a class in column \"{}\" left out", labels.name)),
        n => notes.push(format!("{n} rows without a class in column \"{}\" left out", labels.name)),
    }
    let classes = sorted(rows.iter().map(|(_, l)| *l).collect());
    let what = format!("{}, column \"{}\"", table.name, labels.name);
    check_classes(&what, &classes)?;
    if rows.len() >= FEW && 2 * classes.len() > rows.len() {
        return Err(Error::data(format!(
            "{what}: {} different classes in {} rows, such as {:?}; expected classes that repeat: name their column \
             with --target, of {}",
            classes.len(),
            rows.len(),
            short(&classes[0]),
            table.names().join(", ")
        )));
    }
    let index = |l: &str| classes.iter().position(|c| c == l).expect("collected above") as u32;
    let labels = rows.iter().map(|(_, l)| index(l)).collect();
    let texts = rows.iter().map(|&(row, _)| texts.cells.at(row).unwrap_or_default().to_string()).collect();
    let origin = Origin::of_rows(table, rows.iter().map(|&(row, _)| row));
    let beside = Some(beside(table, [text, target], &rows));
    Ok(LabelledTexts { name: table.name.clone(), texts, labels, classes, notes, origin, beside })
}

/// Some rows of a table without two of its columns.
fn beside(table: &Table, without: [usize; 2], rows: &[(usize, &str)]) -> Table {
    let pick = |c: &Column| Column {
        name: c.name.clone(),
        cells: rows.iter().map(|&(row, _)| c.cells.at(row)).collect(),
        declared: c.declared.clone(),
    };
    let others = table.columns.iter().enumerate().filter(|(i, _)| !without.contains(i));
    Table {
        name: table.name.clone(),
        columns: others.map(|(_, c)| pick(c)).collect(),
        lines: rows.iter().map(|&(row, _)| table.lines[row]).collect(),
        has_header: table.has_header,
        delimiter: table.delimiter,
        decimal: table.decimal,
        notes: vec![],
        kept: table.kept.clone(),
    }
}

/// The texts of a table alone, for a model that is to say their classes: of the
/// column named, or of the longest.
///
/// Fails when there is no such column.
pub fn texts_of(table: &Table, column: Option<&str>) -> Result<Vec<String>> {
    let at = match column {
        Some(column) => table.find(column)?,
        None => longest(table, None)?,
    };
    Ok(table.columns[at].cells.iter().map(|c| c.unwrap_or_default().to_string()).collect())
}

/// The columns of texts and classes.
fn places(table: &Table, columns: TableColumns) -> Result<(usize, usize)> {
    if table.columns.len() < 2 {
        return Err(Error::data(format!(
            "{} has one column ({}); expected one of texts and one of classes",
            table.name, table.columns[0].name
        )));
    }
    let target = columns.target.map(|t| table.find(t)).transpose()?;
    let text = match columns.text {
        Some(text) => table.find(text)?,
        None => longest(table, target)?,
    };
    let target = target.unwrap_or(if text == table.columns.len() - 1 { text - 1 } else { table.columns.len() - 1 });
    if text == target {
        return Err(Error::usage(format!(
            "{}: column \"{}\" is both text and target; expected two columns of {}",
            table.name,
            table.columns[text].name,
            table.names().join(", ")
        )));
    }
    Ok((text, target))
}

/// The column with the longest cells that are no numbers, other than `but`.
fn longest(table: &Table, but: Option<usize>) -> Result<usize> {
    let is_number = |cell: &str| cell.parse::<f64>().is_ok();
    let mean = |i: usize| {
        let cells: Vec<&str> = table.columns[i].cells.present().collect();
        let numbers = cells.iter().filter(|c| is_number(c)).count();
        let length = cells.iter().map(|c| c.chars().count()).sum::<usize>() as f64 / cells.len().max(1) as f64;
        // Columns of numbers, and empty ones, are no texts.
        (2 * numbers < cells.len()).then_some(length)
    };
    let means = (0..table.columns.len()).filter(|&i| Some(i) != but).filter_map(|i| Some((mean(i)?, i)));
    // Of equals the first.
    let best = means.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, i)| i).ok_or_else(|| {
        Error::data(format!(
            "{} has no column of texts: expected one besides the classes, found {}",
            table.name,
            table.names().join(", ")
        ))
    })
}

/// Distinct names, numbers by value.
fn sorted(names: BTreeSet<&str>) -> Vec<String> {
    let mut all: Vec<String> = names.into_iter().map(String::from).collect();
    let numbers: Option<Vec<f64>> = all.iter().map(|n| n.parse().ok().filter(|x: &f64| x.is_finite())).collect();
    if numbers.is_some() {
        all.sort_by(|a, b| a.parse::<f64>().unwrap_or(0.0).total_cmp(&b.parse::<f64>().unwrap_or(0.0)));
    }
    all
}

fn check_classes(what: &str, classes: &[String]) -> Result<()> {
    match classes {
        [] => Err(Error::data(format!("{what}: found no class; expected at least two"))),
        [only] => Err(Error::data(format!("{what}: found one class, {:?}; expected at least two", short(only)))),
        _ => Ok(()),
    }
}

/// The start of a text.
fn short(text: &str) -> String {
    shortened(text, 40).into_owned()
}

/// Reads a folder with one sub-folder of `.txt` or `.text` files per class, or
/// with `train`, and `val` (`valid`, `validation`) or `test`, that hold such
/// folders. Classes are numbered in the order of their names, as are the texts
/// of a class.
///
/// Fails when there are no training texts, or all are of one class, or a file
/// cannot be read as UTF-8 text.
pub fn open_folder(root: &Path) -> Result<LabelledSplits> {
    let shown = root.display();
    let [train, val, test] = open_splits(root, |_| true)?;
    let Some(train) = train else {
        return Err(Error::data(format!(
            "{shown} holds no training texts; expected also a folder {shown}/train with one sub-folder per class"
        )));
    };
    Ok(LabelledSplits { train, val, test })
}

/// Reads a folder for evaluation: its test texts, or where it has none its
/// validation texts, or where it has none its training texts. The others are
/// not read, but their classes count.
///
/// Fails as [`open_folder`] does.
pub fn open_test_folder(root: &Path) -> Result<LabelledTexts> {
    let there = split_folders(root)?;
    let best = (0..3).rev().find(|&i| there[i].is_some()).unwrap_or(0);
    let found = open_splits(root, |split| split == best)?;
    found.into_iter().flatten().next().ok_or_else(|| Error::data(format!("{} holds no texts", root.display())))
}

/// The folders of the splits; a folder without any is all training.
fn split_folders(root: &Path) -> Result<[Option<PathBuf>; 3]> {
    let (folders, _) = visible(root)?;
    let mut found = [None, None, None];
    for folder in folders {
        let has_classes =
            |f: &PathBuf| visible(f).is_ok_and(|(inner, _)| inner.iter().any(|f| !plain_texts(f).is_empty()));
        let Some(split) = split_of(&folder).filter(|_| has_classes(&folder)) else { continue };
        if let Some(before) = found[split].replace(folder) {
            return Err(Error::data(format!(
                "folder {} holds two folders of {} texts ({}); expected one: put all classes in the same",
                root.display(),
                SPLITS[split].0,
                name(&before)
            )));
        }
    }
    if found.iter().all(Option::is_none) {
        found[0] = Some(root.into());
    }
    Ok(found)
}

/// The splits that `pick` wants, with the classes of all.
fn open_splits(root: &Path, pick: impl Fn(usize) -> bool) -> Result<[Option<LabelledTexts>; 3]> {
    let folders = split_folders(root)?;
    let mut notes: [Vec<String>; 3] = Default::default();
    if let Some(first) = (0..3).find(|&i| folders[i].as_ref().is_some_and(|f| f != root) && pick(i)) {
        notes[first].extend(passed_over(root));
    }
    let mut files: [Vec<(String, Vec<PathBuf>)>; 3] = Default::default();
    for (split, folder) in folders.iter().enumerate() {
        let Some(folder) = folder else { continue };
        notes[split].extend(passed_over(folder));
        for class in visible(folder)?.0 {
            let texts = plain_texts(&class);
            match texts.is_empty() {
                true => notes[split].push(format!("class folder {} holds no .txt file: left out", class.display())),
                false => files[split].push((class_name(&class)?, texts)),
            }
        }
    }
    let total: usize = files.iter().flatten().map(|(_, texts)| texts.len()).sum();
    if total > MOST_FILES {
        return Err(Error::data(format!("folder {} holds more than {MOST_FILES} texts; split it up", root.display())));
    }
    let classes = sorted(files.iter().flatten().map(|(class, _)| class.as_str()).collect());
    check_classes(&format!("folder {} (a sub-folder per class)", root.display()), &classes)?;
    let mut found = [None, None, None];
    let (mut held, budget) = (0u64, memory::budget());
    for split in (0..3).filter(|&i| folders[i].is_some() && pick(i)) {
        let own: BTreeSet<&str> = files[split].iter().map(|(class, _)| class.as_str()).collect();
        for class in classes.iter().filter(|c| !own.contains(c.as_str())) {
            notes[split].push(format!("class \"{class}\" has no {} text", SPLITS[split].0));
        }
        let name = format!("{} {}", root.display(), SPLITS[split].0);
        let mut set = LabelledTexts {
            name,
            texts: vec![],
            labels: vec![],
            classes: classes.clone(),
            notes: std::mem::take(&mut notes[split]),
            origin: Origin::default(),
            beside: None,
        };
        let (mut failed, mut places) = (vec![], vec![]);
        for (class, texts) in &files[split] {
            let label = classes.iter().position(|c| c == class).expect("collected above") as u32;
            for file in texts {
                match Corpus::open_one(file) {
                    Ok(text) => {
                        held += (text.len() + size_of::<String>()) as u64;
                        memory::judge_named(&root.display(), held, budget)?;
                        set.texts.push(text);
                        set.labels.push(label);
                        places.push(file.strip_prefix(root).unwrap_or(file).display().to_string());
                    }
                    Err(e) => failed.push(e.to_string()),
                }
            }
        }
        if !failed.is_empty() {
            return Err(unreadable(root, &failed));
        }
        set.origin = Origin::of_files(places);
        found[split] = Some(set);
    }
    Ok(found)
}

fn unreadable(root: &Path, failed: &[String]) -> Error {
    let more = if failed.len() > NAMED { format!("; and {} more", failed.len() - NAMED) } else { String::new() };
    let named = failed.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    Error::data(format!(
        "{} of the texts in {} cannot be read; mend or remove them: {named}{more}",
        failed.len(),
        root.display()
    ))
}

#[cfg(test)]
#[path = "labelled_tests.rs"]
mod tests;
