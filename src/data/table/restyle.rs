//! New rows in another way of writing than the training rows had: decimal commas for
//! points, dates in another order, other words for yes and no, as another program or
//! another country saves them. They are read for what they mean, and that is said.
//! Where most cells of a column that is used cannot be read, that is an error: an
//! answer from filled-in medians is none.

use super::columns::{Encoder, FittedColumn};
use super::date;
use super::fitted::Fitted;
use super::number::{Decimal, Format, says_nothing};
use super::slots::Slots;
use super::table::{Column, Table, clip};
use super::target::Goal;
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
    let lower = cell.trim().to_lowercase();
    TRUTH.iter().find_map(|pair| pair.iter().position(|w| *w == lower)).map(|i| i == 0)
}

impl Fitted {
    /// What was learned, as these rows of a table write it.
    ///
    /// Fails when most cells of a column cannot be read, or when they are dates in
    /// another order and nobody can tell day from month.
    pub(super) fn restyled<'a>(&'a self, table: &Table, rows: &[usize]) -> Result<Restyled<'a>> {
        let mut new = Restyled { fitted: Cow::Borrowed(self), columns: HashMap::new(), notes: vec![] };
        let by_name: HashMap<&str, &Column> = table.columns.iter().map(|c| (c.name.as_str(), c)).collect();
        let cells = |name: &str| -> Vec<&str> {
            let column = by_name.get(name);
            column.map_or(vec![], |c| rows.iter().filter_map(|&i| c.cells.get(i)?.as_deref()).collect())
        };
        let marks = self.marks(&cells);
        for (i, column) in self.columns.iter().enumerate().filter(|(_, c)| c.is_used()) {
            let cells = cells(&column.name);
            let fail = |found: String| {
                Error::data(format!(
                    "column \"{}\" of {}: {found}; expected them written as in \"{}\", which the model was trained on",
                    column.name, table.name, self.table
                ))
            };
            match &column.encoder {
                Encoder::Number { format, .. } => {
                    let other_mark = marks.of(i);
                    if !other_mark && unread(format, &cells) == 0 {
                        continue;
                    }
                    let found = rewritten(format, other_mark, &cells);
                    if let Some((format, note)) = found {
                        new.notes.push(format!("{}: {}: {note}", table.name, column.name));
                        if let Encoder::Number { format: old, .. } = &mut new.fitted.to_mut().columns[i].encoder {
                            *old = format;
                        }
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
                    if let Some((column, note)) = reworded(old, slots, &cells) {
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
                if let Some((format, note)) = rewritten(&target.format, marks.of(self.columns.len() + i), &cells) {
                    new.notes.push(format!("{}: {}: {note}", table.name, target.name));
                    if let Goal::Values(all) = &mut new.fitted.to_mut().goal {
                        all[i].format = format;
                    }
                }
            }
        }
        Ok(new)
    }

    /// How the numbers of these rows stand to the decimal marks that were learned.
    fn marks<'c>(&self, cells: &dyn Fn(&str) -> Vec<&'c str>) -> Marks {
        let targets = if let Goal::Values(all) = &self.goal { all.as_slice() } else { &[] };
        let columns = self.columns.iter().map(|c| match &c.encoder {
            Encoder::Number { format, range, .. } if c.is_used() => Some((c.name.as_str(), format, *range)),
            _ => None,
        });
        let all = columns.chain(targets.iter().map(|t| Some((t.name.as_str(), &t.format, [t.min, t.max]))));
        let count = |found: Option<(&str, &Format, [f64; 2])>| {
            found.map_or([0, 0], |(name, format, range)| count_marks(format, Some(range), &cells(name)))
        };
        Marks { columns: all.map(count).collect() }
    }
}

/// Cells that only the learned decimal mark reads, up to the first, and only the other. What either reads,
/// as another number, counts by the `range` of training, unless training had groups of
/// thousands, too.
fn count_marks(format: &Format, range: Option<[f64; 2]>, cells: &[&str]) -> [usize; 2] {
    // Without a mark a cell says nothing, and the first that speaks for the learned one decides.
    let cells = cells.iter().filter(|c| c.contains(['.', ',']));
    let other = with_other_mark(format);
    let usual = |x: f64| range.is_none_or(|[low, high]| (2.0 * low - high..=2.0 * high - low).contains(&x));
    let mut counts = [0, 0];
    for cell in cells {
        let other = match (format.parse(cell), other.parse(cell)) {
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some(a), Some(b)) if a != b && !format.groups && usual(a) != usual(b) => usual(b),
            _ => continue,
        };
        counts[usize::from(other)] += 1;
        if !other {
            break;
        }
    }
    counts
}

/// The format of the numbers of a column by itself where it is another than the learned
/// one, and what to say about it.
pub(in crate::data) fn alone(learned: &Format, cells: &[&str]) -> Option<(Format, String)> {
    let [own, other] = count_marks(learned, None, cells);
    rewritten(learned, own == 0 && other > 0, cells)
}

fn with_other_mark(format: &Format) -> Format {
    let decimal = if format.decimal == Decimal::Point { Decimal::Comma } else { Decimal::Point };
    Format { decimal, ..format.clone() }
}

/// Cells per column that only the learned decimal mark reads, and only the other.
struct Marks {
    columns: Vec<[usize; 2]>,
}

impl Marks {
    /// Whether a column has the other mark. Where a whole file speaks for it, so do its
    /// columns that could be read either way: one program wrote them all.
    fn of(&self, column: usize) -> bool {
        let sum = |i: usize| self.columns.iter().map(|c| c[i]).sum::<usize>();
        match self.columns[column] {
            [0, 0] => sum(0) == 0 && sum(1) > 0,
            [learned, other] => learned == 0 && other > 0,
        }
    }
}

/// Cells that are no numbers in a format.
fn unread(format: &Format, cells: &[&str]) -> usize {
    cells.iter().filter(|c| format.parse(c).is_none()).count()
}

/// The format of some numbers where it is another than the learned one, and what to
/// say about it.
fn rewritten(learned: &Format, other_mark: bool, cells: &[&str]) -> Option<(Format, String)> {
    let mut format = if other_mark { with_other_mark(learned) } else { learned.clone() };
    if unread(&format, cells) > 0 {
        let found = Format::learn(cells, format.decimal == Decimal::Comma);
        if found.measures_as(&format) {
            format.unit = format.unit.or(found.unit);
            format.magnitudes |= found.magnitudes;
        }
    }
    if format == *learned {
        return None;
    }
    let [now, before] = [&format, learned].map(|f| unread(f, cells));
    if now > before || (now == before && !other_mark) {
        return None;
    }
    let mark = |f: &Format| if f.decimal == Decimal::Point { "decimal points" } else { "decimal commas" };
    let note = match &format.unit {
        _ if other_mark => format!("its numbers have {} here and had {} in training", mark(&format), mark(learned)),
        Some(unit) if learned.unit.is_none() => {
            format!("its numbers stand with \"{unit}\" here and had no unit in training; taken for the same unit")
        }
        _ => "its numbers are multiplied by k, M and the like here".into(),
    };
    Some((format, note))
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

/// The column in the words of the training rows where its own say the same: other
/// words for yes and no, or others that are read alike.
fn reworded(column: &Column, slots: &Slots, cells: &[&str]) -> Option<(Column, String)> {
    let known: Vec<&str> = slots.values.iter().chain(&slots.rare).map(String::as_str).collect();
    if !cells.iter().any(|c| slots.is_new(c)) {
        return None;
    }
    let pair: Vec<(bool, &str)> = known.iter().filter_map(|w| Some((truth(w)?, *w))).collect();
    let is_pair = known.len() == 2 && pair.len() == 2 && pair[0].0 != pair[1].0;
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
    let replace = |cell: &Option<String>| cell.as_deref().map(|c| same(c).unwrap_or_else(|| c.to_string()));
    let new = Column { cells: column.cells.iter().map(replace).collect(), ..column.clone() };
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
