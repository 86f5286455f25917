//! Rows of a table, each a sample.

use super::large_rows::{self, InParts, LargeRows, beside};
use super::learned_rows::{builds, notes_of};
use super::sets::store;
use super::{
    Asked, Audit, Kind, MOST_CELLS, MOST_SAMPLES, Means, Opened, PartsToPredict, ToPredict, ToScore, Trained, Wants,
    json, no_rows,
};
use crate::data::series::NaiveSets;
use crate::data::table::{Fitted, Goal, LargeTable, ReadOptions, Table, TableAudit, large};
use crate::data::{self, Dataset, IGNORED, Interface, Origin, Recognised, RowGroups, SourceKind, Stored, alike};
use crate::error::{Context, Result};
use crate::run::observer::Observer;
use crate::train::defaults::{Defaults, ROWS};
use crate::train::{DataSettings, Parts, Prepared, RowClasses, Settings, Source};
use std::path::Path;

/// Rows of a table.
pub struct RowsOfTable;

impl Kind for RowsOfTable {
    fn name(&self) -> &'static str {
        "the rows of a table"
    }

    fn takes(&self, found: SourceKind, _: &Wants) -> bool {
        found == SourceKind::Table
    }

    fn defaults(&self) -> &'static Defaults {
        &ROWS
    }

    fn means(&self) -> Means {
        Means { target: true, ..Means::default() }
    }

    fn open(&self, found: &Recognised, s: &Settings, _: &mut dyn Observer) -> Result<Opened> {
        let mut table = match open(found.path(), &s.data.table.read_options(), s, &|names| beside(names, &s.data))? {
            Stored::Held(table) => table,
            Stored::Read(table) => {
                let source = LargeRows::new(table, store(s), &s.data)?;
                return Ok(Opened { source: Box::new(source), audit: None });
            }
        };
        if let (true, [target]) = (s.data.normalize_classes, &s.data.table.target[..]) {
            let column = table.find(target)?;
            alike::merge_cells(&mut table, column, &[]);
        }
        let audit = match is_soon_audited(&table) {
            true => Some(json(&TableAudit::new(&table, &s.data.table)?)),
            false => None,
        };
        Ok(Opened { source: Box::new(RowSource(table)), audit })
    }

    fn audit(&self, found: &Recognised, s: &Settings, _: &mut dyn Observer) -> Result<Audit> {
        let audit = match open(found.path(), &s.data.table.read_options(), s, &|names| beside(names, &s.data))? {
            Stored::Held(table) => TableAudit::new(&table, &s.data.table)?,
            Stored::Read(table) => TableAudit::of_drawn(&table, &s.data.table)?,
        };
        Ok(Audit::of(&audit, audit.findings()))
    }

    fn is_of(&self, interface: &Interface) -> bool {
        interface.row().is_some()
    }

    fn to_predict(&self, file: &Path, trained: &Trained) -> Result<ToPredict> {
        let interface = &trained.about.interface;
        let fitted = interface.row().expect("models of this kind have it");
        let shown = file.display().to_string();
        // A file that is missing is reported as the table that it should be.
        if file.exists() && !matches!(data::kind(file), Ok(SourceKind::Table)) {
            return Err(no_rows(&shown, fitted));
        }
        let table = Table::open(file, &fitted.read_options())?;
        let Rows { table, set, kept, notes } =
            rows_of(table, interface, fitted).context(|| format!("predicting from {shown}"))?;
        let ask =
            |i: usize| Asked { row: Some(i + 1), line: Some(table.lines[i]), sample: kept.binary_search(&i).ok() };
        Ok(ToPredict { asked: (0..table.rows()).map(ask).collect(), set, notes })
    }

    fn in_parts(&self, file: &Path, trained: &Trained) -> Result<Option<Box<dyn PartsToPredict>>> {
        let interface = &trained.about.interface;
        let fitted = interface.row().expect("models of this kind have it");
        if !file.exists() || !matches!(data::kind(file), Ok(SourceKind::Table)) {
            return Ok(None);
        }
        match is_large(file, trained.settings) {
            false => Ok(None),
            true => match open(file, &fitted.read_options(), trained.settings, &|_| Ok(vec![]))? {
                Stored::Held(_) => Ok(None),
                Stored::Read(table) => {
                    let parts =
                        table.into_features(fitted).context(|| format!("predicting from {}", file.display()))?;
                    Ok(Some(Box::new(InParts { parts, interface: interface.clone() })))
                }
            },
        }
    }

    fn to_score(&self, found: &Recognised, trained: &Trained) -> Result<ToScore> {
        let fitted = trained.about.interface.row().expect("models of this kind have it");
        if found.kind() != SourceKind::Table {
            return Err(no_rows(found.source(), fitted));
        }
        let target = |names: &Table| {
            let is_target = |name: &&str| fitted.goal.columns().contains(name);
            Ok(names.names().into_iter().filter(is_target).map(String::from).collect())
        };
        let mut table = match open(found.path(), &fitted.read_options(), trained.settings, &target)? {
            Stored::Held(table) => table,
            Stored::Read(table) => return large_rows::to_score(table, fitted, trained, &store(trained.settings)),
        };
        if let (true, Goal::Classes { column, names, .. }) = (trained.normalizes_classes(), &fitted.goal)
            && let Ok(column) = table.find(column)
        {
            alike::merge_cells(&mut table, column, names);
        }
        let applied = fitted.apply(&table, &table.all_rows())?;
        let (notes, dropped) = ([table.notes.clone(), applied.lines()].concat(), applied.dropped.len());
        let set = Dataset { origin: Origin::of_table(table, applied.kept), ..applied.dataset };
        Ok(ToScore { set, naive: None, notes, dropped })
    }
}

/// A table whose rows are samples, by what is learned on some of them.
pub struct RowSource(pub Table);

impl Source for RowSource {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn table(&self) -> Option<&Table> {
        Some(&self.0)
    }

    fn classes(&self, s: &DataSettings) -> Result<Option<RowClasses>> {
        Fitted::row_classes(&self.0, &s.table, IGNORED)
    }

    fn groups(&self, s: &DataSettings) -> Result<Option<RowGroups>> {
        RowGroups::of_table(&self.0, &s.table.group, s.table.normalize_groups)
    }

    /// What is scored is shown as the file has it.
    fn show_cells(&self, set: &mut Dataset) {
        set.origin = set.origin.with_cells(&self.0);
    }

    fn sets(&self, parts: &Parts, s: &Settings) -> Result<Prepared> {
        let table = &self.0;
        let (mut fitted, mut applied) = Fitted::fit_apply(table, parts.train, &s.data.table)?;
        let mut notes = vec![];
        // A model that begins with a fixed shape needs the columns that never change, too.
        if fitted.drops_constants() && !builds(s, &applied.dataset, &fitted) {
            let with = Fitted::fit_apply(table, parts.train, &s.data.table.keeping_constants())?;
            if builds(s, &with.1.dataset, &with.0) {
                (fitted, applied) = with;
                notes.push(format!(
                    "{}: columns that are the same in all training rows are kept, because the model \"{}\" needs their place",
                    table.name, s.model.name
                ));
            }
        }
        let held = [parts.val, parts.test.unwrap_or_default()].concat();
        notes.extend(notes_of(table, &s.data.table, &fitted, [parts.train, &held])?);
        notes.extend(applied.lines());
        let mut part = |rows: &[usize], what: &str| -> Result<Option<Dataset>> {
            if rows.is_empty() {
                return Ok(None);
            }
            let mut applied = fitted.apply(table, rows)?;
            applied.dataset.name = format!("{} ({what})", table.name);
            notes.extend(applied.lines());
            self.show_cells(&mut applied.dataset);
            Ok(Some(applied.dataset))
        };
        let val = part(parts.val, "held out")?;
        let test = part(parts.test.unwrap_or_default(), "fold")?;
        let interface = Interface::of_table(&applied.dataset, fitted);
        Ok(Prepared { train: applied.dataset, val, test, interface, naive: NaiveSets::default(), notes })
    }
}

/// Opens a table: in memory, or in its file where that has no room for it.
fn open(
    path: &Path,
    options: &ReadOptions,
    s: &Settings,
    beside: &dyn Fn(&Table) -> Result<Vec<String>>,
) -> Result<Stored<Table, LargeTable>> {
    large::open(path, options, &large::Plan { store: &store(s), seed: s.seed, beside })
}

/// Whether a file has no room in memory as a table.
fn is_large(path: &Path, s: &Settings) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.len().saturating_mul(2) > store(s).bound.bytes)
}

/// Whether an audit of a table takes a moment at most.
pub(super) fn is_soon_audited(table: &Table) -> bool {
    table.rows() <= MOST_SAMPLES && table.rows() * table.columns.len() <= MOST_CELLS
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

/// The rows of a table to predict.
pub fn rows_of(table: Table, interface: &Interface, fitted: &Fitted) -> Result<Rows> {
    let features = fitted.apply_features(&table, &table.all_rows())?;
    let notes = [table.notes.clone(), features.lines(&table.name)].concat();
    let (shape, kept) = (vec![features.width], features.kept);
    let set = interface.to_predict(table.name.clone(), shape, features.values.into(), kept.len());
    Ok(Rows { table, set, kept, notes })
}
