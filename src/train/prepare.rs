//! From a data source to what a session needs: the sets, split, and what was
//! learned on the training rows alone.

use super::LossName;
use super::loss::answering;
use super::prepared::Prepared;
use super::row_groups;
use super::settings::{DataSettings, Settings, SplitBy};
use super::source::{Parts, Source};
use crate::data::dataset::{self, Split};
use crate::data::table::in_time;
use crate::data::text::Vocabulary;
use crate::data::{IGNORED, Interface, Positive, RowGroups, Task, alike};
use crate::error::{Error, Result};
use crate::nn::{Description, Model};
use std::borrow::Cow;

/// The model of a description for samples of a shape, with as many outputs and
/// tokens as the interface says.
pub fn model_for(description: Description, sample: &[usize], interface: &Interface) -> Result<Model> {
    let model = Model::new(description, Some(sample.into()), Some(interface.outputs.len()))?;
    Ok(model.with_vocabulary(interface.vocabulary().map(Vocabulary::len)))
}

impl dyn Source + '_ {
    /// What a split keeps even, a number per row: classes, or nothing. For a
    /// table it is learned of all rows, so whoever splits often asks once.
    pub fn strata(&self, s: &DataSettings) -> Result<Vec<u32>> {
        // Rows in the order of time are split by it.
        let even = matches!(s.split, SplitBy::Auto | SplitBy::Stratified);
        let classes = if even { self.classes(s)? } else { None };
        // Rows without a target are spread evenly too.
        Ok(classes.map_or_else(|| vec![0; self.rows()], |(_, labels)| labels))
    }

    /// The folds of a cross-validation, what they keep even, and what a user should
    /// know of them. Those of a series keep the order of time.
    ///
    /// Fails when a class has no row to learn from in some fold.
    pub fn folds(&self, s: &Settings) -> Result<Folds> {
        let classes = self.classes(&s.data)?;
        let even = matches!(s.data.split, SplitBy::Auto | SplitBy::Stratified);
        let strata = match &classes {
            Some((_, labels)) if even => labels.clone(),
            _ => vec![0; self.rows()],
        };
        let groups = row_groups::of(self, &s.data)?;
        let folds = match (self.ordered_folds(s)?, &groups) {
            (Some(folds), _) => folds,
            (None, _) if s.data.split == SplitBy::Time => match self.table() {
                Some(table) => in_time::expanding(table, &self.named(&s.data.table), s.data.folds)?,
                None => {
                    return Err(Error::usage(format!(
                        "[data]: split = \"time\" with folds: {} is no table, whose rows have dates; expected another \
                         split",
                        self.name()
                    )));
                }
            },
            (None, Some(groups)) => groups.folds(self.name(), &strata, s.data.folds, s.seed)?,
            (None, None) => dataset::folds(self.name(), &strata, s.data.folds, s.seed)?,
        };
        let (mut notes, mut positive) = (vec![], None);
        if let Some((names, labels)) = classes {
            notes = check_folds(self.name(), &folds, &names, &labels, groups.as_ref())?;
            let counts = counts(names.len(), &labels);
            let chosen = Positive::choose(&names, &counts, s.data.positive.as_deref(), s.data.normalize_classes)?;
            if let Some(Positive { class, note }) = chosen {
                positive = Some(class);
                notes.extend(note);
            }
        }
        notes.extend(groups.into_iter().flat_map(|groups| groups.notes));
        Ok(Folds { folds, strata, positive, notes })
    }

    /// The sets of a run without folds.
    pub fn prepare(&self, s: &Settings) -> Result<Prepared> {
        let all: Vec<usize> = (0..self.rows()).collect();
        self.prepare_rows(Cow::Owned(all), None, None, s)
    }

    /// The sets of one of these folds: what it holds out is the test set. All folds
    /// have the same positive class.
    pub fn prepare_fold(&self, folds: &Folds, i: usize, s: &Settings) -> Result<Prepared> {
        let mut s = s.clone();
        s.data.positive = folds.positive.clone().or(s.data.positive);
        let fold = &folds.folds[i];
        self.prepare_rows(Cow::Borrowed(&fold.kept), Some(&fold.held), Some(&folds.strata), &s)
    }

    /// The sets of a run on some rows; `held` is the test set in place of the
    /// source's own.
    fn prepare_rows(
        &self,
        rows: Cow<[usize]>,
        held: Option<&[usize]>,
        strata: Option<&[u32]>,
        s: &Settings,
    ) -> Result<Prepared> {
        let mut prepared = match self.is_ordered() {
            true => {
                // It has no groups, and refuses what asks for some.
                row_groups::of(self, &s.data)?;
                self.sets(&Parts { train: &rows, val: &[], test: held }, s)?
            }
            false => self.split_sets(rows, held, strata, s)?,
        };
        if let Some(labels) = prepared.train.labels() {
            let counts = counts(prepared.interface.outputs.len(), labels);
            prepared.notes.extend(alike::remark(&prepared.interface.outputs, &counts));
            let weights = s.loss.class_weights.resolve(&prepared.interface.outputs, labels)?;
            prepared.notes.extend(weights.map(|w| w.notes).unwrap_or_default());
        }
        if s.loss.name == LossName::Bce && prepared.interface.task != Task::Language {
            prepared.interface = prepared.interface.of_logits();
        }
        choose_positive(&mut prepared, s)?;
        if let Some(activation) = answering(&prepared.interface)
            && let Some(layer) = s.model.ends_in(activation)
        {
            let activation = activation.name();
            prepared.notes.insert(
                0,
                format!(
                    "the last layer, \"{layer}\", ends in a {activation}, which the loss takes over: it is applied once, and \
                     answers are probabilities"
                ),
            );
        }
        Ok(prepared)
    }

    /// The sets of rows that may be split as they come.
    fn split_sets(
        &self,
        rows: Cow<[usize]>,
        held: Option<&[usize]>,
        strata: Option<&[u32]>,
        s: &Settings,
    ) -> Result<Prepared> {
        let groups = row_groups::of(self, &s.data)?;
        let mut notes = if groups.is_some() { vec![] } else { row_groups::remarks(self, &s.data) };
        let own_val = self.has_val() && held.is_none();
        let split = match (s.data.val_split, s.data.split) {
            (share, _) if own_val || share == 0.0 => Split { kept: (0..rows.len()).collect(), held: vec![] },
            (share, SplitBy::Time) => {
                let (split, said) = latest(self, &rows, share, s)?;
                notes.extend(said);
                split
            }
            (share, _) => {
                let strata = strata.map_or_else(|| self.strata(&s.data).map(Cow::Owned), |known| Ok(known.into()))?;
                let (split, said) = row_groups::hold_out(self.name(), &rows, &strata, groups.as_ref(), share, s.seed)?;
                notes.extend(said);
                split
            }
        };
        // There may be very many rows: they are named in place.
        let pick = |mut part: Vec<usize>| {
            part.iter_mut().for_each(|i| *i = rows[*i]);
            part
        };
        let (kept, out) = (pick(split.kept), pick(split.held));
        drop((rows, groups));
        let mut prepared = self.sets(&Parts { train: &kept, val: &out, test: held }, s)?;
        prepared.notes.splice(0..0, notes);
        Ok(prepared)
    }
}

/// Says of two classes which is the positive one: that which is asked for, or one by
/// its name and the rows that are trained on and held out to watch.
fn choose_positive(p: &mut Prepared, s: &Settings) -> Result<()> {
    let asked = s.data.positive.as_deref();
    if p.interface.task != Task::Classification {
        return asked.map_or(Ok(()), |class| Err(no_classes(class)));
    }
    let names = &p.interface.outputs;
    let sets = [&p.train].into_iter().chain(&p.val);
    let labels: Vec<u32> = sets.filter_map(|set| set.labels()).flatten().copied().collect();
    let counts = counts(names.len(), &labels);
    if let Some(Positive { class, note }) = Positive::choose(names, &counts, asked, s.data.normalize_classes)? {
        p.interface.positive = Some(class);
        p.notes.extend(note);
    }
    Ok(())
}

fn no_classes(positive: &str) -> Error {
    Error::usage(format!("positive class \"{positive}\": the targets are no classes; leave it out"))
}

/// The rows of each class; those without one count for none.
fn counts(classes: usize, labels: &[u32]) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.iter().filter(|&&l| l != IGNORED).for_each(|&l| counts[l as usize] += 1);
    counts
}

/// Holds out the latest of some rows; and what there is to say about that.
fn latest(source: &dyn Source, rows: &[usize], share: f64, s: &Settings) -> Result<(Split, Vec<String>)> {
    if let Some(table) = source.table() {
        return in_time::split(table, rows, &source.named(&s.data.table), share);
    }
    let note =
        format!("{} is split by time: its samples have no dates, so they are taken as they stand", source.name());
    Ok((dataset::by_time(source.name(), rows.len(), share)?, vec![note]))
}

/// The folds of a cross-validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folds {
    /// What each learns from and holds out.
    pub folds: Vec<Split>,
    /// What they keep even, a number per row.
    pub strata: Vec<u32>,
    /// Of two classes the positive one.
    pub positive: Option<String>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Refuses folds that have nothing to learn of a class which others are scored on:
/// all are to know the same classes. What fewer rows than folds mean is said.
fn check_folds(
    name: &str,
    folds: &[Split],
    names: &[String],
    labels: &[u32],
    groups: Option<&RowGroups>,
) -> Result<Vec<String>> {
    let count = |rows: &[usize]| counts(names.len(), &rows.iter().map(|&i| labels[i]).collect::<Vec<_>>());
    let (kept, held): (Vec<_>, Vec<_>) = folds.iter().map(|f| (count(&f.kept), count(&f.held))).unzip();
    let mut notes = vec![];
    for (class, class_name) in names.iter().enumerate() {
        let rows = kept[0][class] + held[0][class];
        if let Some(fold) = kept.iter().position(|counts| rows > 0 && counts[class] == 0) {
            let next = match groups {
                _ if rows < 2 => "it needs at least two".to_string(),
                Some(groups) => format!("its groups by {} stay whole, and it needs at least two of them", groups.by),
                None => "set split = \"stratified\"".to_string(),
            };
            return Err(Error::data(format!(
                "folds of {name}: class \"{class_name}\" has {rows} row(s), all of which fold {} holds out, so that it \
                 cannot learn the class: {next}; or leave the class out, or train without folds",
                fold + 1
            )));
        }
        let without = held.iter().filter(|counts| counts[class] == 0).count();
        if rows > 0 && without > 0 {
            notes.push(format!(
                "class \"{class_name}\" has {rows} rows for {} folds: {without} of them hold none out and do not score it",
                folds.len()
            ));
        }
    }
    Ok(notes)
}
