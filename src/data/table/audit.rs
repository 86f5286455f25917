//! A look at a table before anything is learned from it: what is in it, what is
//! missing, what is odd.

use super::histogram::Histogram;
use super::infer::{Inferred, Stats, infer_all};
use super::kind::Kind;
use super::leaks::{Leak, find, some};
use super::nearly::{self, Nearly, nearly_equal};
use super::number::{show, spelled};
use super::relation::{Answers, Relation};
use super::span::Span;
use super::subjects::repeated;
use super::table::clip;
use super::target::Goal;
use super::twins;
use super::values::{Values, distinct};
use super::{Column, LargeTable, Summary, Table, TableOptions, clean::FENCE, date};
use crate::data::RowGroups;
use crate::data::alike::remark;
use crate::error::Result;
use rayon::prelude::*;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Most frequent values that are listed of a column.
const TOP: usize = 5;
/// The share of missing cells from which on a column is named.
const MANY_GAPS: f64 = 0.4;
/// Examples and line numbers that a sentence lists.
const SHOWN: usize = 5;

/// A look at a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableAudit {
    /// The table.
    pub table: String,
    /// Rows that were looked at: all of them, or those that were drawn.
    pub rows: usize,
    /// Rows in it, where memory has room for those only that were drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn_of: Option<usize>,
    /// Whether the file names its columns.
    pub has_header: bool,
    /// Its columns, in the order of the file.
    pub columns: Vec<ColumnAudit>,
    /// Columns that are the same in every row.
    pub constant: Vec<String>,
    /// Lines of rows that repeat an earlier row, cell for cell.
    pub duplicates: Vec<usize>,
    /// Rows that repeat an earlier row but for what tells rows apart; `hints` say so too.
    pub repeated: Repeated,
    /// Rows that are nearly equal to an earlier one; `hints` say so too.
    pub nearly_equal: Vec<Nearly>,
    /// Rows from which `relation` and `nearly_equal` are, evenly over the table.
    pub sampled: usize,
    /// The target, if it can be learned.
    pub target: Option<TargetAudit>,
    /// Why it cannot.
    pub target_problem: Option<String>,
    /// Columns that give the target away; `hints` say so too.
    pub leaks: Vec<Leak>,
    /// What a user should look at: lines left out and what was guessed in reading,
    /// columns that give the target away, columns that are equal, classes of very
    /// different size.
    pub hints: Vec<String>,
}

/// Rows that repeat an earlier row but for identifiers.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Repeated {
    /// The columns that are not compared.
    pub without: Vec<String>,
    /// The lines of the rows.
    pub lines: Vec<usize>,
}

/// A look at a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnAudit {
    /// Its name.
    pub name: String,
    /// What it seems to hold.
    pub kind: Kind,
    /// Why.
    pub why: String,
    /// Counts of its cells.
    #[serde(flatten)]
    pub stats: Stats,
    /// Different values.
    pub distinct: usize,
    /// How its numbers are spread.
    pub numbers: Option<Summary>,
    /// How many of them there are from where to where.
    pub histogram: Option<Histogram>,
    /// What it says of the target by itself.
    pub relation: Option<Relation>,
    /// Its outliers, if it holds numbers.
    pub outliers: Option<Outlying>,
    /// From when to when it goes, if it holds dates.
    pub date_range: Option<Span>,
    /// Its most frequent values with their counts, if it holds no numbers.
    pub top: Vec<(String, usize)>,
}

/// Numbers beyond the fences: 1.5 times the distance of the quartiles below the
/// first or above the third.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outlying {
    /// How many.
    pub count: usize,
    /// The fences.
    pub fences: [f64; 2],
    /// Those farthest from the median, with their lines.
    pub examples: Vec<(f64, usize)>,
}

/// A look at the target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetAudit {
    /// What is to be learned, with the counts of the classes.
    pub goal: Goal,
    /// How the numbers of each target column are spread.
    pub numbers: Vec<Summary>,
    /// Rows whose target is missing or unusable.
    pub unusable: usize,
}

impl TableAudit {
    /// Looks at the rows that were drawn of a table which stays in its file; the first hint says
    /// how many they are.
    ///
    /// Fails as [`new`](TableAudit::new) does.
    pub fn of_drawn(table: &LargeTable, options: &TableOptions) -> Result<TableAudit> {
        let mut audit = TableAudit::new(&table.sample, options)?;
        let (n, all) = (table.sample.rows(), table.rows());
        if !table.is_all_drawn() {
            audit.drawn_of = Some(all);
            audit.hints.insert(
                0,
                format!(
                    "{n} of {all} rows were looked at, drawn at random, for all take more memory than {}: what is said here is \
                     of these, and what is wrong with others is not found; raise --data-memory to look at more",
                    table.bound
                ),
            );
        }
        Ok(audit)
    }

    /// Looks at all rows of a table. A target that cannot be learned is part of
    /// what is found.
    ///
    /// Fails when a named column is not there.
    pub fn new(table: &Table, options: &TableOptions) -> Result<TableAudit> {
        let rows = table.all_rows();
        options.target.iter().try_for_each(|word| table.find(word).map(drop))?;
        let seen = infer_all(table, &options.cleaning);
        let mut columns: Vec<ColumnAudit> =
            table.columns.par_iter().zip(&seen).map(|(c, seen)| audit(c, seen, &table.lines)).collect();
        let constant = columns.iter().filter(|c| c.distinct <= 1 && (c.stats.missing == 0 || c.distinct == 0));
        let constant = constant.map(|c| c.name.clone()).collect();
        let (goal, target_problem) = match Goal::learn(table, &rows, options) {
            Ok((goal, _)) => (Some(goal), None),
            Err(e) => (None, Some(e.to_string())),
        };
        let sample = some(&rows);
        if let Some(answers) = goal.as_ref().and_then(|goal| Answers::of(table, &sample, goal)) {
            let targets = goal.as_ref().map_or(vec![], Goal::columns);
            columns.par_iter_mut().zip(&table.columns).zip(&seen).for_each(|((audit, column), seen)| {
                if !targets.contains(&column.name.as_str()) {
                    audit.relation = answers.told_by(column, seen, &sample);
                }
            });
        }
        let mut hints = table.notes.clone();
        hints.extend(table.columns.iter().zip(&seen).flat_map(|(column, seen)| mixed(column, seen, &table.lines)));
        hints.extend(columns.iter().filter_map(ColumnAudit::gaps));
        hints.extend(seen.iter().flat_map(|s| [s.doubt.clone(), s.assumed.clone()]).flatten());
        hints.extend(table.columns.iter().zip(&seen).filter_map(|(column, seen)| seen.dates(column)));
        if let Some(goal) = goal.as_ref().filter(|_| options.target.len() == 1) {
            hints.extend(imbalance(goal));
            if let Goal::Classes { names, counts, .. } = goal {
                hints.extend(remark(names, counts));
            }
        }
        let leaks = goal.as_ref().map_or(Ok(vec![]), |goal| find(table, &rows, &seen, goal, options))?;
        hints.extend(leaks.iter().map(|leak| leak.finding.clone()));
        hints.extend(equal_columns(table));
        let duplicates = repeats(table);
        let hidden = repeated_but_for(table, &seen, &duplicates);
        if !hidden.lines.is_empty() {
            hints.push(format!(
                "{} rows repeat an earlier one in all columns but {} (lines {}); if each stands for the same thing, leave \
                 them out of the file, for a model would be scored on rows that it has seen",
                hidden.lines.len(),
                hidden.without.join(", "),
                first(&hidden.lines)
            ));
        }
        let nearly = nearly_equal(table, &seen);
        hints.extend(nearly::remark(table, &nearly));
        match RowGroups::of_table(table, &options.group, options.normalize_groups)? {
            Some(groups) => {
                hints.push(format!("{}; rows of one stay on one side of a split", groups.describe()));
                hints.extend(groups.notes);
            }
            None => hints.extend(repeated(table, &options.target_names(table))),
        }
        let target = goal.map(|goal| look_at_target(table, goal, &columns));
        Ok(TableAudit {
            table: table.name.clone(),
            rows: rows.len(),
            drawn_of: None,
            has_header: table.has_header,
            duplicates,
            repeated: hidden,
            nearly_equal: nearly,
            sampled: sample.len(),
            columns,
            constant,
            target,
            target_problem,
            leaks,
            hints,
        })
    }

    /// What was found, for people.
    pub fn lines(&self) -> Vec<String> {
        let header = if self.has_header { "a header" } else { "no header" };
        let mut all = vec![format!("{}: {} rows, {} columns, {header}", self.table, self.rows, self.columns.len())];
        all.extend(self.columns.iter().map(ColumnAudit::line));
        all.extend(self.target.iter().flat_map(TargetAudit::lines));
        all.extend(self.target_problem.clone());
        if !self.constant.is_empty() {
            all.push(format!("the same in every row: {}", self.constant.join(", ")));
        }
        if !self.duplicates.is_empty() {
            let n = self.duplicates.len();
            let (rows, repeat) = if n == 1 { ("row", "repeats") } else { ("rows", "repeat") };
            all.push(format!(
                "{n} {rows} {repeat} an earlier one, cell for cell (lines {}); if that is a mistake, set drop_duplicates = \
                 true",
                first(&self.duplicates)
            ));
        }
        all.extend(self.hints.iter().cloned());
        all
    }
}

impl ColumnAudit {
    /// What to say of a column of which many cells are missing.
    fn gaps(&self) -> Option<String> {
        let share = self.stats.missing as f64 / self.stats.rows.max(1) as f64;
        (share >= MANY_GAPS && self.kind != Kind::Empty).then(|| {
            format!(
                "{}: {:.1} % of its cells are missing; where they are, a model sees what is filled in and a mark \
                 (clean.missing, clean.indicator); leave it out with clean.drop = [\"{}\"] if it says nothing",
                self.name,
                100.0 * share,
                self.name
            )
        })
    }

    /// What was found, in a line.
    fn line(&self) -> String {
        let s = &self.stats;
        let mut line = format!("{}: {}, {} different", self.name, self.kind.name(), self.distinct);
        if s.missing > 0 {
            line += &format!(", {} missing ({:.1} %)", s.missing, 100.0 * s.missing as f64 / s.rows as f64);
        }
        if s.infinite > 0 {
            line += &format!(", {} infinite", s.infinite);
        }
        if self.kind == Kind::Number && s.numbers + s.infinite + s.missing < s.rows {
            line += &format!(", {} no numbers", s.rows - s.numbers - s.infinite - s.missing);
        }
        if let Some(n) = &self.numbers {
            let [min, median, mean, max] = [n.min, n.median, n.mean, n.max].map(show);
            line += &format!("; min {min}, median {median}, mean {mean}, max {max}");
        }
        if let Some(r) = &self.relation {
            line += &format!("; tells {:.1} % of the target", 100.0 * r.share);
        }
        if let Some(o) = self.outliers.as_ref().filter(|o| o.count > 0) {
            let shown: Vec<String> = o.examples.iter().map(|(x, at)| format!("{} in line {at}", show(*x))).collect();
            let more = if o.count > shown.len() { ", ..." } else { "" };
            let s = if o.count == 1 { "" } else { "s" };
            line += &format!("; {} outlier{s} ({}{more})", o.count, shown.join(", "));
        }
        if let Some(dates) = &self.date_range {
            line += &format!("; {}", dates.line());
        } else if !self.top.is_empty() && self.kind != Kind::Identifier {
            let shown: Vec<String> = self.top.iter().map(|(v, n)| format!("{} ({n})", clip(v))).collect();
            line += &format!("; {}", shown.join(", "));
        }
        line
    }
}

impl TargetAudit {
    fn lines(&self) -> Vec<String> {
        let mut all = vec![];
        match &self.goal {
            Goal::Classes { column, names, counts } => {
                let total: usize = counts.iter().sum();
                let share = |n: &usize| 100.0 * *n as f64 / total as f64;
                let shown = names.iter().zip(counts).take(20);
                let shown: Vec<String> = shown.map(|(c, n)| format!("{} {n} ({:.1} %)", clip(c), share(n))).collect();
                let more = if names.len() > 20 { ", ..." } else { "" };
                all.push(format!("target {column}, {} classes: {}{more}", names.len(), shown.join(", ")));
            }
            Goal::Values(targets) => all.extend(targets.iter().zip(&self.numbers).map(|(t, n)| {
                let [min, max, mean, std] = [n.min, n.max, n.mean, n.std].map(show);
                format!("target {}, numbers from {min} to {max}, mean {mean}, standard deviation {std}", t.name)
            })),
        }
        if self.unusable > 0 {
            all.push(format!("{} rows have no usable target and cannot be learned from", self.unusable));
        }
        all
    }
}

/// What to say of cells of a column that are written in another way than most: dates in
/// several ways, and what is no number among numbers.
fn mixed(column: &Column, seen: &Inferred, lines: &[usize]) -> Vec<String> {
    let mut said = vec![];
    let ways: Vec<&str> = seen.date_format.iter().flat_map(|ways| ways.split('|')).collect();
    if seen.kind == Kind::Date && ways.len() > 1 {
        let mut left: Vec<&str> = column.cells.present().collect();
        let mut shown = vec![];
        for way in ways {
            let (fits, others): (Vec<&str>, Vec<&str>) = left.into_iter().partition(|c| date::parse(c, way).is_some());
            left = others;
            shown.extend(fits.first().map(|cell| format!("{} cells like \"{}\" ({way})", fits.len(), clip(cell))));
        }
        said.push(format!("{}: its dates are written in {} ways: {}", column.name, shown.len(), shown.join(", ")));
    }
    if seen.kind == Kind::Number && seen.stats.numbers + seen.stats.infinite + seen.stats.missing < seen.stats.rows {
        let cells = column.cells.iter().zip(lines).filter_map(|(cell, line)| Some((cell?, line)));
        let odd: Vec<(&str, &usize)> = cells.filter(|(c, _)| seen.format.parse(c).is_none()).collect();
        let shown = odd.iter().take(3).map(|(c, line)| format!("\"{}\" in line {line}", clip(c)));
        said.push(format!(
            "{}: {} of its cells are no numbers and count as missing: {}",
            column.name,
            odd.len(),
            shown.collect::<Vec<_>>().join(", ")
        ));
    }
    said
}

/// The first line numbers of many.
fn first(lines: &[usize]) -> String {
    let more = if lines.len() > SHOWN { ", ..." } else { "" };
    lines.iter().take(SHOWN).map(usize::to_string).collect::<Vec<_>>().join(", ") + more
}

fn audit(column: &Column, seen: &Inferred, lines: &[usize]) -> ColumnAudit {
    let (mut numbers, mut histogram, mut outliers, mut top) = (None, None, None, vec![]);
    if seen.kind == Kind::Number {
        let number = |cell: &str| seen.format.parse(cell).filter(|x| x.is_finite());
        let mut all = Vec::with_capacity(seen.stats.numbers);
        all.extend(column.cells.present().filter_map(number));
        all.sort_unstable_by(f64::total_cmp);
        numbers = Summary::of_sorted(&all);
        histogram = numbers.as_ref().map(|n| Histogram::of(&all, n, seen.stats.whole));
        drop(all);
        outliers = numbers.as_ref().and_then(|n| {
            let fences = n.fences(FENCE)?;
            let placed = column.cells.iter().zip(lines).filter_map(|(cell, &line)| Some((number(cell?)?, line)));
            let mut far: Vec<(f64, usize)> = placed.filter(|(x, _)| !(fences[0]..=fences[1]).contains(x)).collect();
            far.sort_by(|a, b| (b.0 - n.median).abs().total_cmp(&(a.0 - n.median).abs()).then(a.1.cmp(&b.1)));
            Some(Outlying { count: far.len(), fences, examples: far.into_iter().take(3).collect() })
        });
    } else {
        let mut count: HashMap<Cow<str>, usize> = HashMap::new();
        for (word, n) in Values::of_column(&column.cells).iter() {
            *count.entry(spelled(word)).or_default() += n;
        }
        let mut all: Vec<(Cow<str>, usize)> = count.into_iter().collect();
        let order = |a: &(Cow<str>, usize), b: &(Cow<str>, usize)| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0));
        if all.len() > TOP {
            all.select_nth_unstable_by(TOP, order);
            all.truncate(TOP);
        }
        all.sort_by(order);
        top = all.into_iter().map(|(word, n)| (word.into_owned(), n)).collect();
    }
    let (kind, why, stats) = (seen.kind, seen.why.clone(), seen.stats.clone());
    let format = seen.date_format.as_deref().filter(|_| kind == Kind::Date);
    let date_range = format.and_then(|format| Span::of(column.cells.present(), format));
    let (name, distinct) = (column.name.clone(), distinct(&column.cells));
    ColumnAudit { name, kind, why, stats, distinct, numbers, histogram, relation: None, outliers, date_range, top }
}

fn look_at_target(table: &Table, goal: Goal, columns: &[ColumnAudit]) -> TargetAudit {
    let names = goal.columns();
    let answers: Vec<&Column> = table.columns.iter().filter(|c| names.contains(&c.name.as_str())).collect();
    // The targets in the order in which the user named them.
    let answers: Vec<&Column> = names.iter().filter_map(|n| answers.iter().find(|c| c.name == *n).copied()).collect();
    let unusable = (0..table.rows())
        .filter(|&row| goal.answer(&answers.iter().map(|c| c.cells.at(row)).collect::<Vec<_>>()).is_err())
        .count();
    let numbers = match goal {
        Goal::Classes { .. } => vec![],
        Goal::Values(_) => {
            let of = |n: &&str| columns.iter().find(|c| c.name == **n).and_then(|c| c.numbers.clone());
            names.iter().filter_map(of).collect()
        }
    };
    TargetAudit { goal, numbers, unusable }
}

fn imbalance(goal: &Goal) -> Option<String> {
    let Goal::Classes { names, counts, .. } = goal else { return None };
    let (small, least) = names.iter().zip(counts).min_by_key(|(_, n)| **n)?;
    let (large, most) = names.iter().zip(counts).max_by_key(|(_, n)| **n)?;
    (*most >= 10 * least).then(|| {
        format!(
            "class \"{}\" has {least} rows and \"{}\" {most}: accuracy says little here; look at recall and F1, or weight \
             the classes",
            clip(small),
            clip(large)
        )
    })
}

/// Lines of rows that repeat an earlier one.
fn repeats(table: &Table) -> Vec<usize> {
    let all: Vec<usize> = (0..table.columns.len()).collect();
    twins::equal_rows(table, &all, &table.all_rows()).into_iter().map(|[row, _]| table.lines[row]).collect()
}

/// Rows that repeat an earlier one but for identifiers, where these hide such.
fn repeated_but_for(table: &Table, seen: &[Arc<Inferred>], duplicates: &[usize]) -> Repeated {
    let (marks, others): (Vec<usize>, Vec<usize>) = (0..seen.len()).partition(|&i| seen[i].kind == Kind::Identifier);
    if marks.is_empty() || others.is_empty() {
        return Repeated::default();
    }
    let lines: Vec<usize> = twins::repeats(table, &others).into_iter().map(|row| table.lines[row]).collect();
    if lines.len() <= duplicates.len() {
        return Repeated::default();
    }
    Repeated { without: marks.iter().map(|&i| table.columns[i].name.clone()).collect(), lines }
}

/// Columns that say the same in every row.
fn equal_columns(table: &Table) -> Vec<String> {
    let hasher = RandomState::new();
    let marks: Vec<u64> = table.columns.par_iter().map(|c| hasher.hash_one(&c.cells)).collect();
    let mut first: HashMap<u64, &Column> = HashMap::new();
    let mut hints = vec![];
    for (column, mark) in table.columns.iter().zip(marks) {
        if column.cells.iter().all(|cell| cell == column.cells.at(0)) {
            continue;
        }
        let before = *first.entry(mark).or_insert(column);
        if before.name != column.name && before.cells == column.cells {
            let (name, other) = (&column.name, &before.name);
            hints.push(format!("\"{name}\" is equal to \"{other}\" in every row; drop one of them"));
        }
    }
    hints
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
