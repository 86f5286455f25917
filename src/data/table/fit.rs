//! What is learned from the training rows of a table: what each column is made
//! into, the numbers that fill gaps and bring features to a common size, the
//! classes. Nothing else of the table is ever looked at.

use super::apply::{Applied, Features};
use super::clean::{Dates, Missing, Rules, TextUse};
use super::columns::{Encoder, FittedColumn};
use super::fitted::Fitted;
use super::infer::{self, Inferred};
use super::issue::Dropped;
use super::kind::Kind;
use super::layout::Layout;
use super::lesson::Lesson;
use super::normalize::Normalize;
use super::options::TableOptions;
use super::scales;
use super::table::{Column, Table};
use super::target::{Answer, Goal};
use super::twins;
use super::worth;
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;

impl Fitted {
    /// Learns from some rows of a table.
    ///
    /// Fails when a named column is not there, when the target cannot be learned
    /// (missing, constant, a name for each row, words for regression), when no
    /// row can be used, or no column is left.
    pub fn fit(table: &Table, rows: &[usize], options: &TableOptions) -> Result<Fitted> {
        let options = &with_group(table, rows, options)?;
        Fitted::learn(table, &distinct(table, rows, options).0, options).map(|(fitted, _)| fitted)
    }

    /// [`fit`](Fitted::fit) to what is to be learned, which is known with what there is to say
    /// about it.
    pub(super) fn fit_to(
        table: &Table,
        rows: &[usize],
        options: &TableOptions,
        goal: (Goal, Vec<String>),
    ) -> Result<Fitted> {
        let options = &with_group(table, rows, options)?;
        Fitted::learn_columns(table, rows, options, Some(goal), false).map(|(fitted, _)| fitted)
    }

    /// Learns from some rows and makes a data set of them; equal rows are in it
    /// once where the options ask for that.
    ///
    /// Fails as [`fit`](Fitted::fit) does.
    pub fn fit_apply(table: &Table, rows: &[usize], options: &TableOptions) -> Result<(Fitted, Applied)> {
        let options = &with_group(table, rows, options)?;
        let (rows, repeated) = distinct(table, rows, options);
        let (fitted, features) = Fitted::learn(table, &rows, options)?;
        let mut applied = fitted.apply_to_own(table, &rows, features)?;
        applied.dropped.extend(repeated);
        applied.dropped.sort_by_key(|d| d.row);
        Ok((fitted, applied))
    }

    /// The classes of the target and the class of each row; of a row that cannot be used it is
    /// `none`. Nothing where the target is numbers.
    ///
    /// Fails as [`fit`](Fitted::fit) does where the target cannot be learned.
    pub fn row_classes(table: &Table, options: &TableOptions, none: u32) -> Result<Option<(Vec<String>, Vec<u32>)>> {
        let all = table.all_rows();
        let options = &with_group(table, &all, options)?;
        let (goal, _) = Goal::learn(table, &distinct(table, &all, options).0, options)?;
        let Goal::Classes { column, names, .. } = &goal else { return Ok(None) };
        let mut classes = vec![none; table.rows()];
        let rules = options.cleaning.columns.values().chain([&options.cleaning.rules]);
        if rules.into_iter().any(|rules| rules.missing == Missing::Drop) {
            // A cell that is missing, or no number, may leave a row out.
            let applied = Fitted::fit(table, &all, options)?.apply(table, &all)?;
            let labels = applied.dataset.labels().unwrap_or_default();
            applied.kept.iter().zip(labels).for_each(|(&row, &label)| classes[row] = label);
        } else {
            let cells = table.column(column)?.cells.iter();
            for (class, cell) in classes.iter_mut().zip(cells) {
                if let Ok(Answer::Class(label)) = goal.answer(&[cell]) {
                    *class = label;
                }
            }
        }
        Ok(Some((names.clone(), classes)))
    }

    /// Also returns the features of the rows that could be used.
    fn learn(table: &Table, rows: &[usize], options: &TableOptions) -> Result<(Fitted, Features)> {
        Fitted::learn_columns(table, rows, options, None, false)
    }

    /// `known` is what is to be learned, where it is known; `alone` says that columns that count
    /// rows were made numbers already.
    fn learn_columns(
        table: &Table,
        rows: &[usize],
        options: &TableOptions,
        known: Option<(Goal, Vec<String>)>,
        alone: bool,
    ) -> Result<(Fitted, Features)> {
        // Each takes a while, and neither needs the other.
        let (learned, seen) = rayon::join(
            || known.clone().map_or_else(|| Goal::learn(table, rows, options), Ok),
            || infer::infer_all(table, &options.cleaning),
        );
        let (goal, about_goal) = learned?;
        let mut notes = [table.notes.clone(), about_goal].concat();
        let targets = goal.columns();
        let group = options.group.names(table)?;
        if let Some(both) = options.cleaning.drop.iter().find(|d| targets.contains(&d.as_str())) {
            return Err(Error::data(format!(
                "[clean]: drop = \"{both}\" is the target of {}; name another column as the target, or do not drop it",
                table.name
            )));
        }
        let (rows, needed) = usable(table, rows, options, &goal, &seen)?;
        let learn = |(column, seen): (&Column, &Arc<Inferred>)| {
            let rules = options.cleaning.rules(&column.name);
            // What a column holds is a matter of the whole file: a part of it could be taken
            // for something else than the audit says. It looks at no target.
            let (kind, why) = (seen.kind, seen.why.clone());
            let cells: Vec<Option<&str>> = rows.iter().map(|&i| column.cells.at(i)).collect();
            let missing = cells.iter().filter(|c| c.is_none()).count();
            let mut notes: Vec<String> = seen.doubt.iter().chain(&seen.assumed).cloned().collect();
            notes.extend(seen.dates(column));
            let mut doubt = None;
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
                let own = options.cleaning.columns.get(&column.name);
                let keeps = |r: &Rules| r.text == TextUse::Tokens && options.cleaning.rules.text != TextUse::Tokens;
                let asks_for_words = own.is_some_and(|r| r.kind == Some(Kind::Text) || keeps(r));
                let lesson = Lesson { table: &table.name, column, cells, rules, asks_for_words, seen };
                let encoder = lesson.encoder()?;
                doubt = lesson.doubt(&encoder);
                encoder
            };
            let normalize = rules.normalize.unwrap_or(options.normalize);
            let name = column.name.clone();
            let required = needed.contains(&column.name);
            let rows = rows.len();
            Ok((FittedColumn { name, kind, why, rows, missing, required, normalize, encoder }, doubt, notes))
        };
        let features = table.columns.par_iter().zip(&seen).filter(|(c, _)| !targets.contains(&c.name.as_str()));
        let (mut columns, mut doubtful) = (vec![], vec![]);
        for learned in features.map(learn).collect::<Vec<Result<_>>>() {
            let (column, doubt, said) = learned?;
            doubtful.extend(doubt.map(|doubt| (columns.len(), doubt)));
            notes.extend(said);
            columns.push(column);
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
            if let Ok((mut fitted, encoded)) = Fitted::learn_columns(table, &rows, &with, known, true) {
                fitted.notes.push(format!(
                    "{}: what looks like a count of its rows is taken for numbers, because no other column is left: {}",
                    table.name,
                    fitted.features.join(", ")
                ));
                return Ok((fitted, encoded));
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
        let encoded = fitted.measure(table, &rows, &features)?;
        Ok((fitted, encoded))
    }

    /// Learns `scale` and `shift` from the features of the training rows, and returns these.
    fn measure(&mut self, table: &Table, rows: &[usize], features: &[(String, Normalize)]) -> Result<Features> {
        let encoded = self.features_of_own(table, rows)?;
        if encoded.kept.is_empty() {
            let reason = encoded.dropped.first().map_or_else(String::new, |d| format!(": {}", d.reason));
            return Err(Error::data(format!("no training row of {} can be used{reason}", table.name)));
        }
        let normalize: Vec<Normalize> = features.iter().map(|(_, normalize)| *normalize).collect();
        (self.scale, self.shift) = scales::learn(&encoded.values, &normalize);
        Ok(encoded)
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
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let repeats: HashSet<usize> = twins::equal_rows(table, &all, rows).into_iter().map(|[row, _]| row).collect();
    let (dropped, kept): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| repeats.contains(row));
    let reason = "the row repeats an earlier one";
    let dropped = dropped.iter().map(|&row| Dropped { row: table.lines[row], reason: reason.into() });
    (kept, dropped.collect())
}

/// The rows with an answer, and with cells wherever a missing one drops the row;
/// and the columns of which that is so.
fn usable(
    table: &Table,
    rows: &[usize],
    options: &TableOptions,
    goal: &Goal,
    seen: &[Arc<Inferred>],
) -> Result<(Vec<usize>, Vec<String>)> {
    let targets = goal.columns().into_iter().map(|n| table.column(n)).collect::<Result<Vec<_>>>()?;
    let answered = |row: &usize| {
        let cells: Vec<Option<&str>> = targets.iter().map(|c| c.cells.at(*row)).collect();
        goal.answer(&cells).is_ok()
    };
    let cleaning = &options.cleaning;
    let needed = table.columns.iter().zip(seen).filter(|(c, seen)| {
        let rules = cleaning.rules(&c.name);
        let name = c.name.as_str();
        if rules.missing != Missing::Drop || goal.columns().contains(&name) || cleaning.drop.contains(&c.name) {
            return false;
        }
        match seen.kind {
            Kind::Empty | Kind::Identifier => false,
            Kind::Text => rules.text != TextUse::Drop,
            Kind::Date => rules.dates != Dates::Drop,
            Kind::Number | Kind::Category => true,
        }
    });
    let needed: Vec<&Column> = needed.map(|(c, _)| c).collect();
    let is_whole = |row: &usize| needed.iter().all(|c| c.cells.at(*row).is_some());
    let kept: Vec<usize> = rows.par_iter().copied().filter(answered).filter(is_whole).collect();
    if kept.is_empty() {
        let worst = needed.iter().max_by_key(|c| rows.iter().filter(|&&i| c.cells.at(i).is_none()).count());
        let hint = worst
            .map_or_else(String::new, |c| format!("; column \"{}\" misses most cells: drop it or fill it", c.name));
        return Err(Error::data(format!("no training row of {} has all cells that it needs{hint}", table.name)));
    }
    Ok((kept, needed.iter().map(|c| c.name.clone()).collect()))
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
