//! Series: rows of a table in the order of time, cut into windows.

use super::{Audit, Kind, Means, Opened, ToPredict, ToScore, Trained, Wants, json, not_a_table, rows};
use crate::data::series::{self, Naive, SeriesAudit, SeriesFitted, SeriesOptions};
use crate::data::table::Table;
use crate::data::{self, Interface, Origin, Recognised, RowGroups, SourceKind, Split};
use crate::error::{Error, Result};
use crate::nn::Reads;
use crate::run::observer::Observer;
use crate::train::defaults::{Defaults, SERIES};
use crate::train::{DataSettings, Parts, Prepared, Settings, Source, SplitBy};
use std::path::Path;

/// A table in the order of time.
pub struct Series;

impl Kind for Series {
    fn name(&self) -> &'static str {
        "a series"
    }

    fn takes(&self, found: SourceKind, wants: &Wants) -> bool {
        found == SourceKind::Table && (wants.series || wants.reads == Some(Reads::Series))
    }

    fn defaults(&self) -> &'static Defaults {
        &SERIES
    }

    fn means(&self) -> Means {
        Means { windows: true, target: true, ..Means::default() }
    }

    fn open(&self, found: &Recognised, s: &Settings, _: &mut dyn Observer) -> Result<Opened> {
        let table = Table::open(found.path(), &s.data.table.read_options())?;
        let audit = match rows::is_soon_audited(&table) {
            true => Some(json(&audit_of(&table, s)?)),
            false => None,
        };
        Ok(Opened { source: Box::new(SeriesSource(table)), audit })
    }

    fn audit(&self, found: &Recognised, s: &Settings, _: &mut dyn Observer) -> Result<Audit> {
        let audit = audit_of(&Table::open(found.path(), &s.data.table.read_options())?, s)?;
        Ok(Audit::of(&audit, audit.findings()))
    }

    fn is_of(&self, interface: &Interface) -> bool {
        interface.series().is_some()
    }

    fn to_predict(&self, _: &Path, _: &Trained) -> Result<ToPredict> {
        Err(Error::usage("this model was trained on a series: it forecasts what follows (Predictor::forecast)"))
    }

    fn to_score(&self, found: &Recognised, trained: &Trained) -> Result<ToScore> {
        let fitted = trained.about.interface.series().expect("models of this kind have it");
        let source = found.source();
        if found.kind() != SourceKind::Table {
            return Err(no_series(source, fitted));
        }
        let table = Table::open(found.path(), &fitted.read_options())?;
        let panel = fitted.read(&table, true)?;
        let whole: Vec<_> = panel.series.iter().map(|series| 0..series.len()).collect();
        let mut windows = fitted.windows(&panel.series, &whole, table.name.clone())?;
        windows.set.origin = Origin::of_rows(&table, windows.starts.iter().map(|&[i, s]| panel.series[i].rows[s]));
        if windows.starts.is_empty() {
            let needed = fitted.reach() + fitted.horizon;
            let why = match windows.left_out {
                0 => {
                    let longest = panel.series.iter().map(|series| series.len()).max().unwrap_or(0);
                    let who = if panel.by.is_empty() { "it" } else { "the longest of its groups" };
                    format!("{who} has {longest} rows; expected at least {needed}")
                }
                n => format!("all {n} windows would forecast a missing value"),
            };
            return Err(Error::data(format!(
                "{source} has no window of {} rows with {} ahead: {why}",
                fitted.window, fitted.horizon
            )));
        }
        let naive = Naive::of(fitted, &panel.series, &windows.starts);
        let notes = [panel.notes.clone(), panel.without(&windows.starts)].concat();
        Ok(ToScore { set: windows.set, naive: Some(naive), notes, dropped: windows.left_out })
    }
}

/// A table whose rows, in the order of time, become windows.
pub struct SeriesSource(pub Table);

impl Source for SeriesSource {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn is_ordered(&self) -> bool {
        true
    }

    /// The windows keep to the groups of a series.
    fn groups(&self, _: &DataSettings) -> Result<Option<RowGroups>> {
        Ok(None)
    }

    fn ordered_folds(&self, s: &Settings) -> Result<Option<Vec<Split>>> {
        series::expanding(&self.0, &s.data.table, &series_options(s), s.data.folds).map(Some)
    }

    fn sets(&self, parts: &Parts, s: &Settings) -> Result<Prepared> {
        let table = &self.0;
        if matches!(s.data.split, SplitBy::Random | SplitBy::Stratified) {
            return Err(Error::usage(format!(
                "[data]: split = \"{}\": {} is a series, which is split by time; expected \"auto\" or \"time\"",
                if s.data.split == SplitBy::Random { "random" } else { "stratified" },
                table.name
            )));
        }
        let fold = parts.test.map(|held| Split { kept: parts.train.to_vec(), held: held.to_vec() });
        let made = series::prepare(table, &s.data.table, &series_options(s), s.data.val_split, fold.as_ref())?;
        let interface = Interface::of_series(&made.train, made.normal, made.fitted);
        let series::Prepared { train, val, test, naive, notes, .. } = made;
        Ok(Prepared { train, val, test, interface, naive, notes })
    }
}

/// What is said about a series; the defaults where the model alone makes it one.
fn series_options(s: &Settings) -> SeriesOptions {
    s.data.series.clone().unwrap_or_default()
}

fn audit_of(table: &Table, s: &Settings) -> Result<SeriesAudit> {
    SeriesAudit::new(table, &s.data.table, &series_options(s))
}

/// The error for anything else where a series is expected.
fn no_series(source: &str, fitted: &SeriesFitted) -> Error {
    let names: Vec<&str> = fitted.inputs.iter().map(|n| n.name.as_str()).collect();
    not_a_table(source, &format!("the series {}", fitted.table), &names)
}

/// Opens the table of a series to forecast.
pub fn table_of_series(path: &Path, fitted: &SeriesFitted) -> Result<Table> {
    match data::kind(path) {
        Ok(SourceKind::Table) => {}
        _ if path.exists() => return Err(no_series(&path.display().to_string(), fitted)),
        _ => {}
    }
    Table::open(path, &fitted.read_options())
}
