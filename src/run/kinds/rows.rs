//! Rows of a table, each a sample.

use super::{Audit, Kind, MOST_CELLS, MOST_SAMPLES, Opened, ToScore, Trained, Wants, json, no_rows};
use crate::data::table::{Fitted, Goal, Table, TableAudit};
use crate::data::{self, Dataset, Interface, Origin, Recognised, SourceKind, alike};
use crate::error::{Context, Result};
use crate::run::observer::Observer;
use crate::train::defaults::{Defaults, ROWS};
use crate::train::{Settings, Source};
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

    fn open(&self, found: &Recognised, s: &Settings, _: &mut dyn Observer) -> Result<Opened> {
        let mut table = Table::open(found.path(), &s.data.table.read_options())?;
        if let (true, [target]) = (s.data.normalize_classes, &s.data.table.target[..]) {
            let column = table.find(target)?;
            alike::merge_cells(&mut table, column, &[]);
        }
        let audit = match is_soon_audited(&table) {
            true => Some(json(&TableAudit::new(&table, &s.data.table)?)),
            false => None,
        };
        Ok(Opened { source: Source::Table(table), audit })
    }

    fn audit(&self, found: &Recognised, s: &Settings, _: &mut dyn Observer) -> Result<Audit> {
        let table = Table::open(found.path(), &s.data.table.read_options())?;
        let audit = TableAudit::new(&table, &s.data.table)?;
        Ok(Audit::of(&audit, audit.findings()))
    }

    fn is_of(&self, interface: &Interface) -> bool {
        interface.preprocessing.is_some()
    }

    fn to_score(&self, found: &Recognised, trained: &Trained) -> Result<ToScore> {
        let fitted = trained.about.interface.preprocessing.as_ref().expect("models of this kind have it");
        if found.kind() != SourceKind::Table {
            return Err(no_rows(found.source(), fitted));
        }
        let mut table = Table::open(found.path(), &fitted.read_options())?;
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

/// Opens rows to predict; the target need not be there.
pub fn rows_to_predict(path: &Path, interface: &Interface, fitted: &Fitted) -> Result<Rows> {
    let shown = path.display().to_string();
    match data::kind(path) {
        Ok(SourceKind::Table) => {}
        _ if path.exists() => return Err(no_rows(&shown, fitted)),
        _ => {}
    }
    let table = Table::open(path, &fitted.read_options())?;
    rows_of(table, interface, fitted).context(|| format!("predicting from {shown}"))
}

/// The rows of a table to predict.
pub fn rows_of(table: Table, interface: &Interface, fitted: &Fitted) -> Result<Rows> {
    let features = fitted.apply_features(&table, &table.all_rows())?;
    let notes = [table.notes.clone(), features.lines(&table.name)].concat();
    let set = Dataset {
        name: table.name.clone(),
        shape: vec![features.width],
        targets: interface.no_targets(features.kept.len()),
        samples: data::Samples::Floats(features.values.into()),
        origin: Origin::default(),
    };
    Ok(Rows { table, set, kept: features.kept, notes })
}
