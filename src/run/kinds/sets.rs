//! Samples that are there as they are learned from, as pictures and arrays are.

use crate::data::series::NaiveSets;
use crate::data::table::Normalize;
use crate::data::{Dataset, Interface, Levels, Normal, RowGroups, Samples, Store, Targets, ValueScale, alike};
use crate::error::{Error, Result};
use crate::files::memory::DataBound;
use crate::files::room;
use crate::train::{DataSettings, Parts, Prepared, RowClasses, Settings, Source, refuse_groups};
use std::path::Path;

/// Samples with their targets, in up to three sets.
pub struct Sets {
    /// Training samples.
    pub train: Dataset,
    /// Validation samples, where the source has such.
    pub val: Option<Dataset>,
    /// Test samples, where the source has such.
    pub test: Option<Dataset>,
    /// The values of pictures of 16 bits that became 0 and 255.
    pub levels: Option<Levels>,
    /// Which training samples belong together, where that is asked for.
    pub groups: Option<RowGroups>,
}

impl Sets {
    /// Makes classes whose names are read alike one, in all sets.
    pub(super) fn merge_classes(&mut self) {
        let others = [&mut self.val, &mut self.test].into_iter().flatten();
        let mut all: Vec<&mut Targets> =
            [&mut self.train].into_iter().chain(others).map(|set| &mut set.targets).collect();
        alike::merge(&mut all);
    }
}

impl Source for Sets {
    fn name(&self) -> &str {
        &self.train.name
    }

    fn rows(&self) -> usize {
        self.train.len()
    }

    fn has_val(&self) -> bool {
        self.val.is_some()
    }

    fn classes(&self, _: &DataSettings) -> Result<Option<RowClasses>> {
        Ok(match &self.train.targets {
            Targets::Classes { labels, names } => Some((names.clone(), labels.clone())),
            _ => None,
        })
    }

    fn groups(&self, s: &DataSettings) -> Result<Option<RowGroups>> {
        match &self.groups {
            Some(groups) => Ok(Some(groups.clone())),
            None => Err(refuse_groups(
                s,
                &format!(
                    "{} holds samples without groups, as pictures are; give each split a folder of its own (train, val, \
                     test), or take a table or an .npz archive with an array of groups",
                    self.train.name
                ),
            )),
        }
    }

    fn sets(&self, parts: &Parts, s: &Settings) -> Result<Prepared> {
        let bound = DataBound::of(s.data.memory);
        let part = |rows: &[usize], what: &str| {
            let mut set = self.train.select(rows).within(bound);
            set.name = format!("{} ({what})", self.train.name);
            set
        };
        let train = self.train.select(parts.train).within(bound);
        check_classes(&train)?;
        let (normal, notes) = normal(&train, s.data.table.normalize)?;
        let values = ValueScale::of_set(&train)?;
        let interface = Interface { levels: self.levels, values, ..Interface::of(&train, normal) };
        let val = match parts.test {
            None if self.val.is_some() => self.val.clone().map(|val| val.within(bound)),
            _ => (!parts.val.is_empty()).then(|| part(parts.val, "held out")),
        };
        let own_test = || self.test.clone().map(|test| test.within(bound));
        let test = parts.test.map_or_else(own_test, |rows| Some(part(rows, "fold")));
        Ok(Prepared { train, val, test, interface, naive: NaiveSets::default(), notes })
    }
}

/// Where settings keep the samples of a set.
pub(super) fn store(s: &Settings) -> Store {
    Store { bound: DataBound::of(s.data.memory), cache: s.data.cache.clone() }
}

/// What to say where samples that are read in random order come slowly, because of the disk that
/// they are on.
pub(super) fn slow(at: &Path) -> Option<String> {
    let why = room::is_slow(at)?;
    Some(format!(
        "{} is on {why}: samples that are read from there in random order may come slowly; move them to a local disk without \
         moving parts (files of ours go where data.cache, --data-cache, says), or raise --data-memory",
        at.display()
    ))
}

/// The normalisation of a set, learned on all of it, or on a part where its samples differ
/// each time that they are read; and what there is to say about that.
fn normal(train: &Dataset, method: Normalize) -> Result<(Normal, Vec<String>)> {
    if train.samples.repeats() {
        let learned = match &train.samples {
            Samples::Read(_) => Normal::learn_by_reading(train, method)?,
            _ => Normal::learn(train, method),
        };
        return Ok((learned, vec![]));
    }
    let looked_at = train.at_a_glance()?;
    let notes = match looked_at.len() < train.len() {
        true => vec![format!(
            "{}: its normalisation is learned on {} of {} samples, evenly spaced",
            train.name,
            looked_at.len(),
            train.len()
        )],
        false => vec![],
    };
    Ok((Normal::learn(&looked_at, method), notes))
}

/// Refuses samples that are all of one class: there is nothing to tell apart.
fn check_classes(set: &Dataset) -> Result<()> {
    match (set.labels(), &set.targets) {
        (Some([first, rest @ ..]), Targets::Classes { names, .. }) if rest.iter().all(|l| l == first) => {
            Err(Error::data(format!(
                "all {} training samples of {} are of the class \"{}\"; expected two classes or more",
                set.len(),
                set.name,
                names.get(*first as usize).map_or("?", String::as_str)
            )))
        }
        _ => Ok(()),
    }
}
