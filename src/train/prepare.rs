//! From a data source to what a session needs: the sets, split, and what was
//! learned on the training rows alone.

use super::LossName;
use super::loss::answering;
use super::settings::{DataSettings, Settings, SplitBy};
use super::{row_groups, text};
use crate::data::dataset::{self, Split};
use crate::data::fingerprint::fingerprint;
use crate::data::series::{self, NaiveSets, SeriesOptions};
use crate::data::table::{Fitted, Goal, Table, in_time, leaks};
use crate::data::text::{Corpus, LabelledSplits, Vocabulary};
use crate::data::{Dataset, IGNORED, Interface, Levels, Normal, Positive, RowGroups, Targets, Task, alike};
use crate::error::{Error, Result};
use crate::nn::{Description, Model, Weights};

/// The sets of a run.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What is trained on.
    pub train: Dataset,
    /// What decides between epochs.
    pub val: Option<Dataset>,
    /// What is scored at the end.
    pub test: Option<Dataset>,
    /// What was learned on the training rows.
    pub interface: Interface,
    /// Forecasts without a model, of a series.
    pub naive: NaiveSets,
    /// What a user should know of the data.
    pub notes: Vec<String>,
}

impl Prepared {
    /// The fingerprint of what decides a training: the samples that are trained
    /// on and those held out to watch it.
    pub fn fingerprint(&self) -> String {
        fingerprint([&self.train].into_iter().chain(&self.val))
    }
}

/// The model of a description for samples of a shape, with as many outputs and
/// tokens as the interface says.
pub fn model_for(description: Description, sample: &[usize], interface: &Interface) -> Result<Model> {
    let model = Model::new(description, Some(sample.into()), Some(interface.outputs.len()))?;
    Ok(model.with_vocabulary(interface.vocabulary().map(Vocabulary::len)))
}

/// A data source, read and not yet split.
#[allow(clippy::large_enum_variant)] // A run has one of them.
pub enum Source {
    /// Samples, as images and arrays are.
    Sets {
        /// Training samples.
        train: Dataset,
        /// Validation samples, where the source has such.
        val: Option<Dataset>,
        /// Test samples, where the source has such.
        test: Option<Dataset>,
        /// The values of pictures of 16 bits that became 0 and 255.
        levels: Option<Levels>,
        /// Which training samples belong together, where that is asked for.
        groups: Option<RowGroups>,
    },
    /// Rows that become samples by what is learned on some of them.
    Table(Table),
    /// A text to foretell.
    Corpus(Corpus),
    /// Texts with a class each.
    Texts(LabelledSplits),
    /// Rows in the order of time, that become windows.
    Series(Table),
}

impl Source {
    /// What messages call it.
    pub fn name(&self) -> &str {
        match self {
            Source::Sets { train, .. } => &train.name,
            Source::Table(table) | Source::Series(table) => &table.name,
            Source::Corpus(corpus) => &corpus.name,
            Source::Texts(texts) => &texts.train.name,
        }
    }

    /// The number of samples to train on and to hold out.
    pub fn rows(&self) -> usize {
        match self {
            Source::Sets { train, .. } => train.len(),
            Source::Table(table) | Source::Series(table) => table.rows(),
            Source::Corpus(_) => 1,
            Source::Texts(texts) => texts.train.texts.len(),
        }
    }

    /// The classes and the class of each row, where the targets are classes; a row
    /// of a table without one has [`IGNORED`].
    fn classes(&self, s: &DataSettings) -> Result<Option<(Vec<String>, Vec<u32>)>> {
        match self {
            Source::Sets { train, .. } => Ok(match &train.targets {
                Targets::Classes { labels, names } => Some((names.clone(), labels.clone())),
                _ => None,
            }),
            Source::Texts(texts) => Ok(Some((texts.train.classes.clone(), texts.train.labels.clone()))),
            Source::Table(table) => {
                let all = table.all_rows();
                let fitted = Fitted::fit(table, &all, &s.table)?;
                let Goal::Classes { names, .. } = &fitted.goal else { return Ok(None) };
                let mut classes = vec![IGNORED; all.len()];
                let applied = fitted.apply(table, &all)?;
                let labels = applied.dataset.labels().unwrap_or_default();
                applied.kept.iter().zip(labels).for_each(|(&row, &label)| classes[row] = label);
                Ok(Some((names.clone(), classes)))
            }
            Source::Corpus(_) | Source::Series(_) => Ok(None),
        }
    }

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
        let folds = match self {
            Source::Corpus(corpus) => {
                return Err(Error::usage(format!(
                    "folds of {}: a text is one whole; hold out its end with val_split",
                    corpus.name
                )));
            }
            Source::Series(table) => series::expanding(table, &s.data.table, &series_options(s), s.data.folds)?,
            Source::Table(table) if s.data.split == SplitBy::Time => {
                in_time::expanding(table, &s.data.table, s.data.folds)?
            }
            _ if s.data.split == SplitBy::Time => {
                return Err(Error::usage(format!(
                    "[data]: split = \"time\" with folds: {} is no table, whose rows have dates; expected another split",
                    self.name()
                )));
            }
            _ => match &groups {
                Some(groups) => groups.folds(self.name(), &strata, s.data.folds, s.seed)?,
                None => dataset::folds(self.name(), &strata, s.data.folds, s.seed)?,
            },
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
        Ok(Folds { folds, strata, positive, notes })
    }

    /// The sets of a run without folds.
    pub fn prepare(&self, s: &Settings) -> Result<Prepared> {
        let all: Vec<usize> = (0..self.rows()).collect();
        self.prepare_rows(&all, None, None, s)
    }

    /// The sets of one of these folds: what it holds out is the test set. All folds
    /// have the same positive class.
    pub fn prepare_fold(&self, folds: &Folds, i: usize, s: &Settings) -> Result<Prepared> {
        let mut s = s.clone();
        s.data.positive = folds.positive.clone().or(s.data.positive);
        let fold = &folds.folds[i];
        self.prepare_rows(&fold.kept, Some(&fold.held), Some(&folds.strata), &s)
    }

    /// The sets of a run on some rows; `held` is the test set in place of the
    /// source's own.
    fn prepare_rows(
        &self,
        rows: &[usize],
        held: Option<&[usize]>,
        strata: Option<&[u32]>,
        s: &Settings,
    ) -> Result<Prepared> {
        let mut prepared = self.sets(rows, held, strata, s)?;
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

    fn sets(&self, rows: &[usize], held: Option<&[usize]>, strata: Option<&[u32]>, s: &Settings) -> Result<Prepared> {
        let has_val = match self {
            // What has an order is split by it.
            Source::Corpus(_) | Source::Series(_) if s.data.positive.is_some() => {
                return Err(no_classes(s.data.positive.as_deref().unwrap_or_default()));
            }
            Source::Corpus(corpus) => {
                // It has none, and refuses what asks for some.
                row_groups::of(self, &s.data)?;
                return text::language(corpus, s);
            }
            Source::Series(table) => {
                return series_sets(table, held.map(|held| Split { kept: rows.to_vec(), held: held.to_vec() }), s);
            }
            Source::Sets { val, .. } => val.is_some(),
            Source::Texts(texts) => texts.val.is_some(),
            Source::Table(_) => false,
        };
        let own_val = has_val && held.is_none();
        let groups = row_groups::of(self, &s.data)?;
        let mut notes = if groups.is_some() { vec![] } else { row_groups::remarks(self, &s.data) };
        let split = match (s.data.val_split, s.data.split) {
            _ if own_val => Split { kept: (0..rows.len()).collect(), held: vec![] },
            (0.0, _) => Split { kept: (0..rows.len()).collect(), held: vec![] },
            (share, SplitBy::Time) => {
                let (split, said) = latest(self, rows, share, s)?;
                notes.extend(said);
                split
            }
            (share, _) => {
                let strata = strata.map_or_else(|| self.strata(&s.data), |known| Ok(known.to_vec()))?;
                let (split, said) = row_groups::hold_out(self.name(), rows, &strata, groups.as_ref(), share, s.seed)?;
                notes.extend(said);
                split
            }
        };
        let pick = |part: &[usize]| part.iter().map(|&i| rows[i]).collect::<Vec<_>>();
        let (kept, out) = (pick(&split.kept), pick(&split.held));
        let mut prepared = match self {
            Source::Sets { train, val, test, levels, .. } => {
                let part = |rows: &[usize], what: &str| {
                    let mut set = train.select(rows);
                    set.name = format!("{} ({what})", train.name);
                    set
                };
                let learned = train.select(&kept);
                check_classes(&learned)?;
                let normal = Normal::learn(&learned, s.data.table.normalize);
                let interface = Interface { levels: *levels, ..Interface::of(&learned, normal) };
                let val = if own_val { val.clone() } else { (!out.is_empty()).then(|| part(&out, "held out")) };
                let test = held.map_or_else(|| test.clone(), |rows| Some(part(rows, "fold")));
                Prepared { train: learned, val, test, interface, naive: NaiveSets::default(), notes: vec![] }
            }
            Source::Table(table) => table_sets(table, &kept, &out, held, s)?,
            Source::Corpus(_) | Source::Series(_) => unreachable!("they have returned"),
            Source::Texts(texts) => {
                let others = [texts.val.as_ref().filter(|_| own_val), texts.test.as_ref().filter(|_| held.is_none())];
                text::labelled(&texts.train, others, &kept, [Some(&out), held], s)?
            }
        };
        prepared.notes.splice(0..0, notes);
        if let Some(labels) = prepared.train.labels() {
            let counts = counts(prepared.interface.outputs.len(), labels);
            prepared.notes.extend(alike::remark(&prepared.interface.outputs, &counts));
            let weights = s.loss.class_weights.resolve(&prepared.interface.outputs, labels)?;
            prepared.notes.extend(weights.map(|w| w.notes).unwrap_or_default());
        }
        if s.loss.name == LossName::Bce {
            prepared.interface = prepared.interface.of_logits();
        }
        choose_positive(&mut prepared, s)?;
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
fn latest(source: &Source, rows: &[usize], share: f64, s: &Settings) -> Result<(Split, Vec<String>)> {
    let table = match source {
        Source::Table(table) => Some(table),
        Source::Texts(texts) => texts.train.beside.as_ref(),
        _ => None,
    };
    if let Some(table) = table {
        return in_time::split(table, rows, &s.data.table, share);
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

fn table_sets(table: &Table, kept: &[usize], out: &[usize], held: Option<&[usize]>, s: &Settings) -> Result<Prepared> {
    let (mut fitted, mut applied) = Fitted::fit_apply(table, kept, &s.data.table)?;
    let mut notes = vec![];
    // A model that begins with a fixed shape needs the columns that never change, too.
    if fitted.drops_constants() && !builds(s, &applied.dataset, &fitted) {
        let mut options = s.data.table.clone();
        options.cleaning.rules.keep_constant = true;
        options.cleaning.columns.values_mut().for_each(|rules| rules.keep_constant = true);
        let with = Fitted::fit_apply(table, kept, &options)?;
        if builds(s, &with.1.dataset, &with.0) {
            (fitted, applied) = with;
            notes.push(format!(
                "{}: columns that are the same in all training rows are kept, because the model \"{}\" needs their place",
                table.name, s.model.name
            ));
        }
    }
    let is_used = |name: &String| fitted.columns.iter().any(|c| c.name == *name && c.is_used());
    let given_away = leaks(table, &s.data.table)?;
    notes.extend(given_away.into_iter().filter(|leak| leak.columns.iter().all(is_used)).map(|leak| leak.finding));
    notes.extend(fitted.notes.clone());
    notes.extend(fitted.describe());
    notes.extend(applied.lines());
    let mut part = |rows: &[usize], what: &str| -> Result<Option<Dataset>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let mut applied = fitted.apply(table, rows)?;
        applied.dataset.name = format!("{} ({what})", table.name);
        notes.extend(applied.lines());
        // What is scored is shown as the file has it.
        applied.dataset.origin = applied.dataset.origin.with_cells(table);
        Ok(Some(applied.dataset))
    };
    let val = part(out, "held out")?;
    let test = part(held.unwrap_or_default(), "fold")?;
    let interface = Interface::of_table(&applied.dataset, fitted);
    Ok(Prepared { train: applied.dataset, val, test, interface, naive: NaiveSets::default(), notes })
}

/// Whether the model takes these samples. Shapes alone are looked at.
fn builds(s: &Settings, set: &Dataset, fitted: &Fitted) -> bool {
    let interface = Interface::of_table(set, fitted.clone());
    model_for(s.model.clone(), &set.shape, &interface)
        .and_then(|m| m.inspect(1, &mut Weights::new(0)).map(drop))
        .is_ok()
}

/// What is said about a series; the defaults where the model alone makes it one.
fn series_options(s: &Settings) -> SeriesOptions {
    s.data.series.clone().unwrap_or_default()
}

fn series_sets(table: &Table, fold: Option<Split>, s: &Settings) -> Result<Prepared> {
    if matches!(s.data.split, SplitBy::Random | SplitBy::Stratified) {
        return Err(Error::usage(format!(
            "[data]: split = \"{}\": {} is a series, which is split by time; expected \"auto\" or \"time\"",
            if s.data.split == SplitBy::Random { "random" } else { "stratified" },
            table.name
        )));
    }
    let made = series::prepare(table, &s.data.table, &series_options(s), s.data.val_split, fold.as_ref())?;
    let mut interface = Interface::of_series(&made.train, made.normal, made.fitted);
    if s.loss.name == LossName::Bce {
        interface = interface.of_logits();
    }
    let series::Prepared { train, val, test, naive, notes, .. } = made;
    Ok(Prepared { train, val, test, interface, naive, notes })
}
