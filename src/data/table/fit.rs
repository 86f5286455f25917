//! What is learned from the training rows of a table: what each column is made
//! into, the numbers that fill gaps and bring features to a common size, the
//! classes. Nothing else of the table is ever looked at.

use super::apply::{Applied, Dropped};
use super::clean::{Dates, Missing, Rules, TextUse};
use super::columns::{Encoder, FittedColumn, Lesson};
use super::infer::{self, Kind};
use super::options::{Normalize, TableOptions};
use super::read::{Column, Layout, ReadOptions, Table};
use super::summary::Summary;
use super::target::Goal;
use super::worth;
use crate::data::interface::check_scales;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What was learned from the training rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// The table it was learned from.
    pub table: String,
    /// The training rows that could be used.
    pub rows: usize,
    /// Whether the file named its columns.
    pub has_header: bool,
    /// Cells that mean "missing".
    pub missing_values: Vec<String>,
    /// How the file was laid out.
    #[serde(default)]
    pub layout: Layout,
    /// What is to be learned.
    pub goal: Goal,
    /// The columns, in the order of the table, without the targets.
    pub columns: Vec<FittedColumn>,
    /// The names of the features.
    pub features: Vec<String>,
    /// Per feature; `normalised = x * scale + shift`.
    pub scale: Vec<f32>,
    /// Per feature; see `scale`.
    pub shift: Vec<f32>,
    /// What a user should know about the choices made.
    pub notes: Vec<String>,
}

impl Fitted {
    /// Learns from some rows of a table.
    ///
    /// Fails when a named column is not there, when the target cannot be learned
    /// (missing, constant, a name for each row, words for regression), when no
    /// row can be used, or no column is left.
    pub fn fit(table: &Table, rows: &[usize], options: &TableOptions) -> Result<Fitted> {
        let options = &with_group(table, rows, options)?;
        Fitted::learn(table, &distinct(table, rows, options).0, options)
    }

    /// Learns from some rows and makes a data set of them; equal rows are in it
    /// once where the options ask for that.
    ///
    /// Fails as [`fit`](Fitted::fit) does.
    pub fn fit_apply(table: &Table, rows: &[usize], options: &TableOptions) -> Result<(Fitted, Applied)> {
        let options = &with_group(table, rows, options)?;
        let (rows, repeated) = distinct(table, rows, options);
        let fitted = Fitted::learn(table, &rows, options)?;
        let mut applied = fitted.apply(table, &rows)?;
        applied.dropped.extend(repeated);
        applied.dropped.sort_by_key(|d| d.row);
        Ok((fitted, applied))
    }

    fn learn(table: &Table, rows: &[usize], options: &TableOptions) -> Result<Fitted> {
        Fitted::learn_columns(table, rows, options, false)
    }

    /// `alone` says that columns that count rows were made numbers already.
    fn learn_columns(table: &Table, rows: &[usize], options: &TableOptions, alone: bool) -> Result<Fitted> {
        let (goal, about_goal) = Goal::learn(table, rows, options)?;
        let mut notes = [table.notes.clone(), about_goal].concat();
        let targets = goal.columns();
        let group = options.group.names(table)?;
        if let Some(both) = options.cleaning.drop.iter().find(|d| targets.contains(&d.as_str())) {
            return Err(Error::data(format!(
                "[clean]: drop = \"{both}\" is the target of {}; name another column as the target, or do not drop it",
                table.name
            )));
        }
        let (rows, needed) = usable(table, rows, options, &goal)?;
        let (mut columns, mut doubtful) = (vec![], vec![]);
        for column in table.columns.iter().filter(|c| !targets.contains(&c.name.as_str())) {
            let rules = options.cleaning.rules(&column.name);
            // What a column holds is a matter of the whole file: a part of it could be taken
            // for something else than the audit says. It looks at no target.
            let seen = infer::infer(column, &table.all_rows(), rules, table.delimiter);
            let (kind, why) = (seen.kind, seen.why.clone());
            let cells: Vec<Option<&str>> = rows.iter().map(|&i| column.cells[i].as_deref()).collect();
            let missing = cells.iter().filter(|c| c.is_none()).count();
            notes.extend(seen.doubt.clone());
            if let Some(format) = &seen.date_format
                && super::date::ambiguous(format, cells.iter().flatten().copied())
            {
                notes.push(format!(
                    "{}: its dates are read as {format}, but day and month could also stand the other way round",
                    column.name
                ));
            }
            let encoder = if options.cleaning.drop.contains(&column.name) {
                let reason = match group.contains(&column.name) {
                    true => format!(
                        "it is the group; set [clean.columns.\"{}\"] type = \"category\" to learn from it too",
                        column.name
                    ),
                    false => "as configured".into(),
                };
                Encoder::Dropped { reason }
            } else {
                let lesson = Lesson { table: &table.name, column, cells, rules, seen };
                let encoder = lesson.encoder()?;
                doubtful.extend(lesson.doubt(columns.len(), &encoder));
                encoder
            };
            let normalize = rules.normalize.unwrap_or(options.normalize);
            let name = column.name.clone();
            let required = needed.contains(&column.name);
            columns.push(FittedColumn { name, kind, why, rows: rows.len(), missing, required, normalize, encoder });
        }
        worth::settle(table, &rows, &goal, &mut columns, &doubtful, &mut notes)?;
        let features: Vec<(String, Normalize)> = columns.iter().flat_map(FittedColumn::features).collect();
        // Better what counts the rows than nothing.
        if features.is_empty() && !alone {
            let mut with = options.clone();
            for column in columns.iter().filter(|c| c.kind == Kind::Identifier && c.why != infer::CONFIGURED) {
                let rules = with.cleaning.rules(&column.name).clone();
                let rules = Rules { kind: Some(Kind::Number), ..rules };
                with.cleaning.columns.insert(column.name.clone(), rules);
            }
            if let Ok(mut fitted) = Fitted::learn_columns(table, &rows, &with, true) {
                fitted.notes.push(format!(
                    "{}: what looks like a count of its rows is taken for numbers, because no other column is left: {}",
                    table.name,
                    fitted.features.join(", ")
                ));
                return Ok(fitted);
            }
        }
        let mut fitted = Fitted {
            table: table.name.clone(),
            rows: rows.len(),
            has_header: table.has_header,
            missing_values: options.missing_values.clone(),
            layout: Layout::of(table, &options.read_options()),
            goal,
            columns,
            features: features.iter().map(|(name, _)| name.clone()).collect(),
            scale: vec![],
            shift: vec![],
            notes,
        };
        if features.is_empty() {
            return Err(Error::data(format!(
                "no column of {} is left to learn from: {}",
                table.name,
                fitted.describe().join("; ")
            )));
        }
        fitted.measure(table, &rows, &features)?;
        Ok(fitted)
    }

    /// Learns `scale` and `shift` from the features of the training rows.
    fn measure(&mut self, table: &Table, rows: &[usize], features: &[(String, Normalize)]) -> Result<()> {
        let encoded = self.apply_features(table, rows)?;
        if encoded.kept.is_empty() {
            let reason = encoded.dropped.first().map_or_else(String::new, |d| format!(": {}", d.reason));
            return Err(Error::data(format!("no training row of {} can be used{reason}", table.name)));
        }
        for (i, (_, normalize)) in features.iter().enumerate() {
            let column = encoded.values.iter().skip(i).step_by(encoded.width).map(|&x| f64::from(x)).collect();
            let (scale, shift) = scale_and_shift(*normalize, &Summary::of(column).expect("there are rows"));
            self.scale.push(scale as f32);
            self.shift.push(shift as f32);
        }
        Ok(())
    }

    /// Checks what a file says was learned: a factor and an offset for each
    /// feature that the columns make, and numbers that can be computed with.
    ///
    /// Fails with the column or the target that is wrong.
    pub fn check(&self) -> Result<()> {
        let made: usize = self.columns.iter().map(|c| c.features().len()).sum();
        if made != self.features.len() || made != self.scale.len() {
            return Err(Error::data(format!(
                "columns that make {made} features, {} names of features and {} factors; expected as many of all",
                self.features.len(),
                self.scale.len()
            )));
        }
        check_scales("features", &self.scale, &self.shift)?;
        check_scales("targets", &self.target_scale(), &self.target_shift())?;
        if let Some(centre) = self.target_centre().iter().find(|c| !c.is_finite()) {
            return Err(Error::data(format!("targets: {centre} is taken off first; expected a finite number")));
        }
        self.columns.iter().try_for_each(FittedColumn::check)
    }

    /// How another file of this kind is to be read.
    pub fn read_options(&self) -> ReadOptions {
        self.layout.read_options(self.has_header, &self.missing_values)
    }

    /// Whether a column was left out because it is the same in all training rows.
    pub fn drops_constants(&self) -> bool {
        let is_constant =
            |c: &FittedColumn| matches!(&c.encoder, Encoder::Dropped { reason } if reason.contains("keep_constant"));
        self.columns.iter().any(is_constant)
    }

    /// Class names, or the names of the target columns.
    pub fn outputs(&self) -> Vec<&str> {
        match &self.goal {
            Goal::Classes { names, .. } => names.iter().map(String::as_str).collect(),
            Goal::Values(_) => self.goal.columns(),
        }
    }

    /// Per target column: what is added to an answer to have it in the units of the
    /// target. Empty for classes.
    pub fn target_centre(&self) -> Vec<f64> {
        match &self.goal {
            Goal::Classes { .. } => vec![],
            Goal::Values(all) => all.iter().map(|t| t.centre).collect(),
        }
    }

    /// Per target column: `normalised = (value - centre) * scale + shift`. Empty for classes.
    pub fn target_scale(&self) -> Vec<f32> {
        match &self.goal {
            Goal::Classes { .. } => vec![],
            Goal::Values(all) => all.iter().map(|t| t.scale).collect(),
        }
    }

    /// Per target column; see [`target_scale`](Fitted::target_scale).
    pub fn target_shift(&self) -> Vec<f32> {
        match &self.goal {
            Goal::Classes { .. } => vec![],
            Goal::Values(all) => all.iter().map(|t| t.shift).collect(),
        }
    }

    /// Predictions of a model, `[N, targets]`, in the units of the targets, less their
    /// [centre](Fitted::target_centre).
    pub fn denormalise(&self, predictions: &mut [f32]) {
        let (scale, shift) = (self.target_scale(), self.target_shift());
        for (i, y) in predictions.iter_mut().enumerate().filter(|_| !scale.is_empty()) {
            *y = (*y - shift[i % scale.len()]) / scale[i % scale.len()];
        }
    }
}

fn scale_and_shift(normalize: Normalize, all: &Summary) -> (f64, f64) {
    // Equal numbers have no spread to divide by.
    let by = |centre: f64, spread: f64| {
        let scale = if spread > 0.0 { 1.0 / spread } else { 1.0 };
        (scale, -centre * scale)
    };
    match normalize {
        Normalize::None => (1.0, 0.0),
        Normalize::Standard => by(all.mean, all.std),
        Normalize::MinMax => by(all.min, all.max - all.min),
        Normalize::Robust if all.q3 > all.q1 => by(all.median, all.q3 - all.q1),
        // Half of the numbers are equal.
        Normalize::Robust => by(all.median, all.std),
    }
}

/// The options with the columns of the group among those to drop, unless a rule says
/// what they hold: they would tell the rows of one group by their name.
///
/// Fails when rows or columns are not there.
fn with_group(table: &Table, rows: &[usize], options: &TableOptions) -> Result<TableOptions> {
    check(table, rows, options)?;
    let mut all = options.clone();
    let targets = options.target_names(table);
    for name in options.group.names(table)? {
        if targets.contains(&name.as_str()) {
            return Err(Error::usage(format!(
                "[data]: \"{name}\" of {} is both target and group; expected two columns",
                table.name
            )));
        }
        if options.cleaning.columns.get(&name).is_none_or(|rules| rules.kind.is_none()) {
            all.cleaning.drop.push(name);
        }
    }
    Ok(all)
}

/// Refuses rows and columns that are not there.
fn check(table: &Table, rows: &[usize], options: &TableOptions) -> Result<()> {
    if rows.is_empty() {
        return Err(Error::data(format!("there are no training rows of {}; expected at least one", table.name)));
    }
    if let Some(row) = rows.iter().find(|&&r| r >= table.rows()) {
        return Err(Error::usage(format!("{} has no row {row}; expected 0 to {}", table.name, table.rows() - 1)));
    }
    let named = options.cleaning.drop.iter().chain(options.cleaning.columns.keys());
    for name in named {
        table.column(name).map_err(|e| e.context("[clean]"))?;
    }
    Ok(())
}

/// The rows without those that repeat an earlier one, if that is asked for.
fn distinct(table: &Table, rows: &[usize], options: &TableOptions) -> (Vec<usize>, Vec<Dropped>) {
    if !options.cleaning.drop_duplicates {
        return (rows.to_vec(), vec![]);
    }
    let mut first: HashMap<Vec<Option<&str>>, usize> = HashMap::new();
    let (mut kept, mut dropped) = (vec![], vec![]);
    for &row in rows {
        let cells = table.columns.iter().map(|c| c.cells[row].as_deref()).collect();
        let before = *first.entry(cells).or_insert(row);
        if before == row {
            kept.push(row);
        } else {
            dropped.push(Dropped { row: table.lines[row], reason: "the row repeats an earlier one".into() });
        }
    }
    (kept, dropped)
}

/// The rows with an answer, and with cells wherever a missing one drops the row;
/// and the columns of which that is so.
fn usable(table: &Table, rows: &[usize], options: &TableOptions, goal: &Goal) -> Result<(Vec<usize>, Vec<String>)> {
    let targets = goal.columns().into_iter().map(|n| table.column(n)).collect::<Result<Vec<_>>>()?;
    let answered = |row: &usize| {
        let cells: Vec<Option<&str>> = targets.iter().map(|c| c.cells[*row].as_deref()).collect();
        goal.answer(&cells).is_ok()
    };
    let cleaning = &options.cleaning;
    let needed = table.columns.iter().filter(|c| {
        let rules = cleaning.rules(&c.name);
        let name = c.name.as_str();
        if rules.missing != Missing::Drop || goal.columns().contains(&name) || cleaning.drop.contains(&c.name) {
            return false;
        }
        match infer::infer(c, &table.all_rows(), rules, table.delimiter).kind {
            Kind::Empty | Kind::Identifier => false,
            Kind::Text => rules.text != TextUse::Drop,
            Kind::Date => rules.dates != Dates::Drop,
            Kind::Number | Kind::Category => true,
        }
    });
    let needed: Vec<&Column> = needed.collect();
    let kept: Vec<usize> =
        rows.iter().copied().filter(answered).filter(|&row| needed.iter().all(|c| c.cells[row].is_some())).collect();
    if kept.is_empty() {
        let worst = needed.iter().max_by_key(|c| rows.iter().filter(|&&i| c.cells[i].is_none()).count());
        let hint = worst
            .map_or_else(String::new, |c| format!("; column \"{}\" misses most cells: drop it or fill it", c.name));
        return Err(Error::data(format!("no training row of {} has all cells that it needs{hint}", table.name)));
    }
    Ok((kept, needed.iter().map(|c| c.name.clone()).collect()))
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
