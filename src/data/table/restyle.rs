//! New rows in another way of writing than the training rows had: decimal commas for
//! points, dates in another order, other words for yes and no, as another program or
//! another country saves them. They are read for what they mean, and that is said.
//! Where most cells of a column that is used cannot be read, that is an error: an
//! answer from filled-in medians is none.

use super::columns::{Encoder, FittedColumn};
use super::date;
use super::fitted::Fitted;
use super::number::{canonical, says_nothing};
use super::rewritten::{Learned, Marks, rewritten};
use super::slots::Slots;
use super::table::{Column, Table, clip};
use super::target::{FittedTarget, Goal};
use crate::data::alike::key;
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::collections::HashMap;

/// What was learned, for the way in which some rows are written.
pub(super) struct Restyled<'a> {
    /// With the formats of these rows.
    pub fitted: Cow<'a, Fitted>,
    /// Columns whose cells stand in the words of the training rows, by name.
    pub columns: HashMap<String, Column>,
    /// What was found to be written otherwise.
    pub notes: Vec<String>,
    /// Why the targets cannot be scored; predictions do not need them.
    pub problem: Option<Error>,
}

impl Restyled<'_> {
    /// As it was learned.
    pub(super) fn none(fitted: &Fitted) -> Restyled<'_> {
        Restyled { fitted: Cow::Borrowed(fitted), columns: HashMap::new(), notes: vec![], problem: None }
    }

    /// The same without what it was made from.
    pub(super) fn owned(self) -> Restyled<'static> {
        Restyled { fitted: Cow::Owned(self.fitted.into_owned()), ..self }
    }

    /// For a piece of the table, in which some rows are asked for: its formats are those of the
    /// table, and its words are its own.
    pub(super) fn for_piece(&self, table: &Table, rows: &[usize]) -> Restyled<'_> {
        let (columns, notes) = self.fitted.reworded(table, rows);
        Restyled { fitted: Cow::Borrowed(&self.fitted), columns, notes, problem: None }
    }
}

/// Words for yes and no.
pub(in crate::data) const TRUTH: &[[&str; 2]] = &[
    ["true", "false"],
    ["t", "f"],
    ["yes", "no"],
    ["y", "n"],
    ["on", "off"],
    ["1", "0"],
    ["wahr", "falsch"],
    ["ja", "nein"],
    ["j", "n"],
    ["vrai", "faux"],
    ["oui", "non"],
    ["vero", "falso"],
    ["si", "no"],
    ["sí", "no"],
    ["verdadero", "falso"],
    ["verdadeiro", "falso"],
    ["sim", "não"],
    ["да", "нет"],
    ["是", "否"],
];

/// What a word says of yes and no.
fn truth(cell: &str) -> Option<bool> {
    let lower = canonical(cell.trim()).to_lowercase();
    TRUTH.iter().find_map(|pair| pair.iter().position(|w| *w == lower)).map(|i| i == 0)
}

impl Fitted {
    /// What was learned, as these rows of a table write it.
    ///
    /// Fails when a row is not there, when most cells of a column cannot be read, or when they are dates in
    /// another order and nobody can tell day from month.
    pub(super) fn restyled<'a>(&'a self, table: &Table, rows: &[usize]) -> Result<Restyled<'a>> {
        if let Some(row) = rows.iter().find(|&&row| row >= table.rows()) {
            return Err(Error::usage(format!("{} has no row {row}; expected 0 to {}", table.name, table.rows() - 1)));
        }
        let mut new = Restyled::none(self);
        let by_name: HashMap<&str, &Column> = table.columns.iter().map(|c| (c.name.as_str(), c)).collect();
        let cells = |name: &str| -> Vec<&str> {
            let column = by_name.get(name);
            column.map_or(vec![], |c| rows.iter().filter_map(|&i| c.cells.at(i)).collect())
        };
        let marks = self.marks(&cells);
        for (i, column) in self.columns.iter().enumerate().filter(|(_, c)| c.is_used()) {
            let cells = cells(&column.name);
            let fail = |found: String| self.refused(table, &column.name, &found);
            match &column.encoder {
                Encoder::Number { format, .. } => {
                    let Some(learned) = column.learned() else { continue };
                    let (found, said) = rewritten(&learned, marks.mark(i), &cells).map_err(&fail)?;
                    new.notes.extend(said.iter().map(|note| format!("{}: {}: {note}", table.name, column.name)));
                    if found != *format
                        && let Encoder::Number { format: old, .. } = &mut new.fitted.to_mut().columns[i].encoder
                    {
                        *old = found;
                    }
                    let Encoder::Number { format, .. } = &new.fitted.columns[i].encoder else { continue };
                    readable(column, &cells, &fail, "numbers", |c| format.parse(c).is_some())?;
                }
                Encoder::Date { format, .. } => {
                    if let Some(found) = redated(format, &cells).map_err(&fail)? {
                        new.notes.push(format!(
                            "{}: {}: its dates are written as {found} here and as {format} in training",
                            table.name, column.name
                        ));
                        if let Encoder::Date { format: old, gap, .. } = &mut new.fitted.to_mut().columns[i].encoder {
                            gap.rewrite(|value| Some(date::write(date::parse(value, old)?, &found)));
                            *old = found;
                        }
                    }
                    let Encoder::Date { format, .. } = &new.fitted.columns[i].encoder else { continue };
                    readable(column, &cells, &fail, "dates", |c| date::parse(c, format).is_some())?;
                }
                Encoder::Category { slots, .. } => {
                    let Some(old) = by_name.get(column.name.as_str()) else { continue };
                    let found = reworded(old, slots, &cells);
                    if is_truth(slots) {
                        let is_read = |c: &str| !slots.is_new(c) || truth(c).is_some();
                        readable(column, &cells, &fail, "words for yes and no", is_read)?;
                    }
                    if let Some((column, note)) = found {
                        new.notes.push(format!("{}: {}: {note}", table.name, column.name));
                        new.columns.insert(column.name.clone(), column);
                    }
                }
                Encoder::Dropped { .. } | Encoder::Text(_) => {}
            }
        }
        if let Goal::Values(targets) = &self.goal {
            for (i, target) in targets.iter().enumerate() {
                let cells = cells(&target.name);
                if cells.is_empty() {
                    continue;
                }
                let mark = marks.mark(self.columns.len() + i);
                let (found, said) = match rewritten(&target.learned(), mark, &cells) {
                    Ok(found) => found,
                    Err(e) => {
                        new.problem = Some(self.refused(table, &target.name, &e));
                        continue;
                    }
                };
                new.notes.extend(said.iter().map(|note| format!("{}: {}: {note}", table.name, target.name)));
                if found != target.format
                    && let Goal::Values(all) = &mut new.fitted.to_mut().goal
                {
                    all[i].format = found;
                }
            }
        }
        Ok(new)
    }

    /// The columns of a part of a table, in which some rows are asked for, whose cells stand in
    /// the words of the training rows, and what there is to say about them.
    fn reworded(&self, table: &Table, rows: &[usize]) -> (HashMap<String, Column>, Vec<String>) {
        let (mut columns, mut notes) = (HashMap::new(), vec![]);
        for fitted in self.columns.iter().filter(|c| c.is_used()) {
            let Encoder::Category { slots, .. } = &fitted.encoder else { continue };
            let Ok(old) = table.column(&fitted.name) else { continue };
            let cells: Vec<&str> = rows.iter().filter_map(|&i| old.cells.at(i)).collect();
            if let Some((column, note)) = reworded(old, slots, &cells) {
                notes.push(format!("{}: {}: {note}", table.name, fitted.name));
                columns.insert(column.name.clone(), column);
            }
        }
        (columns, notes)
    }

    fn refused(&self, table: &Table, column: &str, found: &str) -> Error {
        Error::data(format!(
            "column \"{column}\" of {}: {found}; expected them written as in \"{}\", which the model was trained on",
            table.name, self.table
        ))
    }

    /// What the numbers of these rows tell of the decimal marks that were learned: those of
    /// the columns, and of the targets behind them.
    fn marks<'c>(&self, cells: &dyn Fn(&str) -> Vec<&'c str>) -> Marks {
        let columns = self.columns.iter().map(FittedColumn::learned);
        let targets = if let Goal::Values(all) = &self.goal { all.as_slice() } else { &[] };
        let all: Vec<Option<Learned>> = columns.chain(targets.iter().map(|t| Some(t.learned()))).collect();
        Marks::of(&all, cells)
    }
}

impl FittedColumn {
    /// Its numbers, if it is used and has some.
    fn learned(&self) -> Option<Learned<'_>> {
        match &self.encoder {
            Encoder::Number { format, range, .. } if self.is_used() => {
                Some(Learned { name: &self.name, format, range: Some(*range) })
            }
            _ => None,
        }
    }
}

impl FittedTarget {
    fn learned(&self) -> Learned<'_> {
        Learned { name: &self.name, format: &self.format, range: Some([self.min, self.max]) }
    }
}

/// The format of some dates where it is another than the learned one.
fn redated(learned: &str, cells: &[&str]) -> Result<Option<String>, String> {
    let unread = |format: &str| cells.iter().filter(|c| date::parse(c, format).is_none() && !says_nothing(c)).count();
    if unread(learned) == 0 {
        return Ok(None);
    }
    let Some((found, _)) = date::detect(cells.iter().copied()) else { return Ok(None) };
    if unread(&found) > 0 && 20 * unread(&found) >= cells.len() || unread(&found) >= unread(learned) {
        return Ok(None);
    }
    match date::ambiguous(&found, cells.iter().copied()) {
        false => Ok(Some(found)),
        true => Err(format!(
            "its dates are written another way (\"{}\") than in training ({learned}), and day and month could be either",
            clip(cells.iter().find(|c| date::parse(c, &found).is_some()).unwrap_or(&""))
        )),
    }
}

/// Whether categories are a word for yes and one for no.
fn is_truth(slots: &Slots) -> bool {
    let known: Vec<Option<bool>> = slots.values.iter().chain(&slots.rare).map(|w| truth(w)).collect();
    matches!(known[..], [Some(a), Some(b)] if a != b)
}

/// The column in the words of the training rows where its own say the same: other
/// words for yes and no, or others that are read alike.
fn reworded(column: &Column, slots: &Slots, cells: &[&str]) -> Option<(Column, String)> {
    let known: Vec<&str> = slots.values.iter().chain(&slots.rare).map(String::as_str).collect();
    if !cells.iter().any(|c| slots.is_new(c)) {
        return None;
    }
    let pair: Vec<(bool, &str)> = known.iter().filter_map(|w| Some((truth(w)?, *w))).collect();
    let is_pair = is_truth(slots);
    let keys: Vec<String> = known.iter().map(|w| key(w)).collect();
    let same = |cell: &str| -> Option<String> {
        if !slots.is_new(cell) {
            return None;
        }
        let cell_key = key(cell);
        let alike: Vec<&str> = known.iter().zip(&keys).filter(|(_, k)| **k == cell_key).map(|(w, _)| *w).collect();
        match (&alike[..], truth(cell)) {
            ([one], _) => Some((*one).to_string()),
            (_, Some(says)) if is_pair => pair.iter().find(|(t, _)| *t == says).map(|(_, w)| w.to_string()),
            _ => None,
        }
    };
    let example = cells.iter().find_map(|c| Some((*c, same(c)?)))?;
    let cells = column.cells.rewritten(|c| Some(same(c).map_or(Cow::Borrowed(c), Cow::Owned)));
    let new = Column { cells, ..column.clone() };
    Some((new, format!("\"{}\" here is what training wrote as \"{}\"", clip(example.0), example.1)))
}

/// Fails when most cells of a column cannot be read. What a configuration says that a
/// column holds is left to it.
fn readable(
    column: &FittedColumn,
    cells: &[&str],
    fail: &dyn Fn(String) -> Error,
    what: &str,
    reads: impl Fn(&str) -> bool,
) -> Result<()> {
    let unread: Vec<&str> = cells.iter().copied().filter(|c| !reads(c) && !says_nothing(c)).collect();
    if 2 * unread.len() <= cells.len() || column.why == super::infer::CONFIGURED {
        return Ok(());
    }
    let some: Vec<String> = unread.iter().take(3).map(|c| format!("\"{}\"", clip(c))).collect();
    Err(fail(format!("{} of {} cells are no {what}, such as {}", unread.len(), cells.len(), some.join(", "))))
}

#[cfg(test)]
#[path = "restyle_tests.rs"]
mod tests;
