//! Rows of a table that stays in its file, because it takes more memory than a set may.

use super::learned_rows::{builds, notes_of};
use super::sets::slow;
use super::{Asked, ToPredict, ToScore, Trained};
use crate::data::series::NaiveSets;
use crate::data::table::large::{self, PredictedParts, Wanted};
use crate::data::table::{Fitted, Goal, LargeTable, Table, TableOptions, in_time, subjects};
use crate::data::{Dataset, IGNORED, Interface, RowGroups, Samples, Store, alike};
use crate::error::Result;
use crate::train::{DataSettings, Parts, Prepared, RowClasses, Settings, Source, SplitBy};

/// The columns that decide how rows are split, which are in memory of all rows.
pub(super) fn beside(names: &Table, s: &DataSettings) -> Result<Vec<String>> {
    let options = &s.table;
    let mut all: Vec<String> = options.target_names(names).into_iter().map(String::from).collect();
    all.extend(options.group.names(names)?);
    let date = options.date.as_ref().filter(|date| s.split == SplitBy::Time && *date != "none");
    if let Some(date) = date {
        all.push(names.columns[names.find(date).map_err(|e| e.context("[data]: date"))?].name.clone());
    }
    Ok(all)
}

/// A table whose rows are samples, by what is learned on some of them.
pub struct LargeRows {
    table: LargeTable,
    store: Store,
}

impl LargeRows {
    /// The rows of a table by these settings.
    ///
    /// Fails where they ask for what needs all of it in memory.
    pub fn new(mut table: LargeTable, store: Store, s: &DataSettings) -> Result<LargeRows> {
        table.check(&s.table)?;
        if let (true, [target]) = (s.normalize_classes, &table.named(&s.table).target[..]) {
            let mut beside = table.beside.clone();
            let column = beside.find(target)?;
            alike::merge_cells(&mut beside, column, &[]);
            table.replace(beside);
        }
        if s.split == SplitBy::Time
            && let Some(date) = in_time::column(&table.sample, &s.table)?
        {
            table.gather(&date)?;
        }
        Ok(LargeRows { table, store })
    }
}

impl Source for LargeRows {
    fn name(&self) -> &str {
        self.table.name()
    }

    fn rows(&self) -> usize {
        self.table.rows()
    }

    fn table(&self) -> Option<&Table> {
        Some(if self.table.is_all_drawn() { &self.table.sample } else { &self.table.beside })
    }

    fn named(&self, options: &TableOptions) -> TableOptions {
        self.table.named(options)
    }

    fn classes(&self, s: &DataSettings) -> Result<Option<RowClasses>> {
        self.table.row_classes(&s.table, IGNORED)
    }

    fn groups(&self, s: &DataSettings) -> Result<Option<RowGroups>> {
        RowGroups::of_table(&self.table.beside, &self.table.named(&s.table).group, s.table.normalize_groups)
    }

    fn show_cells(&self, set: &mut Dataset) {
        set.origin = set.origin.showing(self.table.shown());
    }

    fn sets(&self, parts: &Parts, s: &Settings) -> Result<Prepared> {
        let table = &self.table;
        let mut fitted = table.fit(parts.train, &s.data.table)?;
        let mut notes = vec![table.describe()];
        notes.extend(slow(&self.store.passing()));
        // A model that begins with a fixed shape needs the columns that never change, too.
        if fitted.drops_constants() && !builds(s, &stand_in(&fitted), &fitted) {
            let options = s.data.table.keeping_constants();
            let with = table.fit(parts.train, &options)?;
            if builds(s, &stand_in(&with), &with) {
                fitted = with;
                notes.push(format!(
                    "{}: columns that are the same in all training rows are kept, because the model \"{}\" needs their place",
                    table.name(),
                    s.model.name
                ));
            }
        }
        let held = [parts.val, parts.test.unwrap_or_default()].concat();
        let drawn = [table.drawn_of(parts.train), table.drawn_of(&held)];
        notes.extend(notes_of(&table.sample, &s.data.table, &fitted, [&drawn[0], &drawn[1]])?);
        if !table.is_all_drawn() && s.data.table.group.columns().is_empty() {
            notes.extend(subjects::repeated(&table.sample, &s.data.table.target_names(&table.sample)));
        }
        let mut wanted = vec![Wanted { rows: parts.train, name: table.name().into(), own: true }];
        let others = [(parts.val, "held out"), (parts.test.unwrap_or_default(), "fold")];
        for (rows, what) in others.into_iter().filter(|(rows, _)| !rows.is_empty()) {
            wanted.push(Wanted { rows, name: format!("{} ({what})", table.name()), own: false });
        }
        let mut sets = table.encode(&fitted, &wanted, &self.store)?.into_iter();
        let mut part = |is_there: bool| {
            let encoded = if is_there { sets.next() } else { None }?;
            notes.extend(encoded.lines);
            Some(encoded.dataset)
        };
        let train = part(true).expect("the first is for training");
        let [mut val, mut test] = [!parts.val.is_empty(), parts.test.is_some_and(|rows| !rows.is_empty())].map(part);
        [&mut val, &mut test].into_iter().flatten().for_each(|set| self.show_cells(set));
        let interface = Interface::of_table(&train, fitted);
        Ok(Prepared { train, val, test, interface, naive: NaiveSets::default(), notes })
    }
}

/// A set of one sample that has the shape and the outputs of others.
fn stand_in(fitted: &Fitted) -> Dataset {
    let targets = fitted.goal.targets(vec![0], vec![0.0; fitted.goal.columns().len()]);
    let width = fitted.features.len();
    let samples = Samples::from(vec![0.0; width]);
    Dataset { name: fitted.table.clone(), shape: vec![width], samples, targets, origin: Default::default() }
}

/// A table to score a model on.
pub(super) fn to_score(mut table: LargeTable, fitted: &Fitted, trained: &Trained, store: &Store) -> Result<ToScore> {
    if let (true, Goal::Classes { column, names, .. }) = (trained.normalizes_classes(), &fitted.goal) {
        let mut beside = table.beside.clone();
        if let Ok(column) = beside.find(column) {
            alike::merge_cells(&mut beside, column, names);
            table.replace(beside);
        }
    }
    let rows: Vec<usize> = (0..table.rows()).collect();
    let wanted = Wanted { rows: &rows, name: table.name().into(), own: false };
    let large::Encoded { mut dataset, lines, dropped } = table.encode(fitted, &[wanted], store)?.remove(0);
    dataset.origin = dataset.origin.showing(table.shown());
    let notes = [vec![table.describe()], table.sample.notes.clone(), lines].concat();
    Ok(ToScore { set: dataset, naive: None, notes, dropped })
}

/// Rows to predict, piece by piece.
pub(super) struct InParts {
    pub parts: PredictedParts,
    pub interface: Interface,
}

impl super::PartsToPredict for InParts {
    fn notes(&self) -> Vec<String> {
        self.parts.notes()
    }

    fn next(&mut self) -> Option<Result<ToPredict>> {
        let part = self.parts.next()?.map(|large::PredictedPart { first, table, features }| {
            let (shape, kept) = (vec![features.width], features.kept);
            let set = self.interface.to_predict(table.name.clone(), shape, features.values.into(), kept.len());
            let ask = |i: usize| Asked {
                row: Some(first + i + 1),
                line: Some(table.lines[i]),
                sample: kept.binary_search(&i).ok(),
            };
            ToPredict { asked: (0..table.rows()).map(ask).collect(), set, notes: vec![] }
        });
        Some(part)
    }

    fn lines(&self) -> Vec<String> {
        self.parts.lines()
    }
}
