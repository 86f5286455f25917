//! A look at a table before anything is learned from it: what is in it, what is
//! missing, what is odd.

use super::infer::{Inferred, Stats, infer};
use super::kind::Kind;
use super::leaks::{Leak, find};
use super::number::{canonical, show};
use super::span::Span;
use super::subjects::repeated;
use super::table::clip;
use super::target::Goal;
use super::twins;
use super::{Column, Summary, Table, TableOptions, clean::FENCE};
use crate::data::RowGroups;
use crate::data::alike::remark;
use crate::error::Result;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Most frequent values that are listed of a column.
const TOP: usize = 5;
/// Examples and line numbers that a sentence lists.
const SHOWN: usize = 5;

/// A look at a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableAudit {
    /// The table.
    pub table: String,
    /// Rows in it.
    pub rows: usize,
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
    /// How its numbers are spread.
    pub numbers: Option<Summary>,
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
    /// Looks at all rows of a table. A target that cannot be learned is part of
    /// what is found.
    ///
    /// Fails when a named column is not there.
    pub fn new(table: &Table, options: &TableOptions) -> Result<TableAudit> {
        let rows = table.all_rows();
        options.target.iter().try_for_each(|word| table.find(word).map(drop))?;
        let look = |c: &Column| infer(c, &rows, options.cleaning.rules(&c.name), table.likely());
        let seen: Vec<Inferred> = table.columns.iter().map(look).collect();
        let columns: Vec<ColumnAudit> =
            table.columns.iter().zip(&seen).map(|(c, seen)| audit(c, seen, &table.lines)).collect();
        let constant =
            columns.iter().filter(|c| c.stats.distinct <= 1 && (c.stats.missing == 0 || c.stats.distinct == 0));
        let constant = constant.map(|c| c.name.clone()).collect();
        let (goal, target_problem) = match Goal::learn(table, &rows, options) {
            Ok((goal, _)) => (Some(goal), None),
            Err(e) => (None, Some(e.to_string())),
        };
        let mut hints = table.notes.clone();
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
            has_header: table.has_header,
            duplicates,
            repeated: hidden,
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
    /// What was found, in a line.
    fn line(&self) -> String {
        let s = &self.stats;
        let mut line = format!("{}: {}, {} different", self.name, self.kind.name(), s.distinct);
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

/// The first line numbers of many.
fn first(lines: &[usize]) -> String {
    let more = if lines.len() > SHOWN { ", ..." } else { "" };
    lines.iter().take(SHOWN).map(usize::to_string).collect::<Vec<_>>().join(", ") + more
}

fn audit(column: &Column, seen: &Inferred, lines: &[usize]) -> ColumnAudit {
    let (mut numbers, mut outliers, mut top) = (None, None, vec![]);
    if seen.kind == Kind::Number {
        let cells = column.cells.iter().zip(lines);
        let all: Vec<(f64, usize)> = cells
            .filter_map(|(c, &line)| Some((seen.format.parse(c.as_deref()?)?, line)))
            .filter(|(x, _)| x.is_finite())
            .collect();
        numbers = Summary::of(all.iter().map(|(x, _)| *x).collect());
        outliers = numbers.as_ref().and_then(|n| {
            let fences = n.fences(FENCE)?;
            let mut far: Vec<(f64, usize)> =
                all.into_iter().filter(|(x, _)| !(fences[0]..=fences[1]).contains(x)).collect();
            far.sort_by(|a, b| (b.0 - n.median).abs().total_cmp(&(a.0 - n.median).abs()).then(a.1.cmp(&b.1)));
            Some(Outlying { count: far.len(), fences, examples: far.into_iter().take(3).collect() })
        });
    } else {
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for cell in column.cells.iter().flatten() {
            *count.entry(canonical(cell)).or_default() += 1;
        }
        top = count.into_iter().collect();
        // Stable: equals stay in the order of the alphabet.
        top.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        top.truncate(TOP);
    }
    let (kind, why, stats) = (seen.kind, seen.why.clone(), seen.stats.clone());
    let format = seen.date_format.as_deref().filter(|_| kind == Kind::Date);
    let date_range = format.and_then(|format| Span::of(column.cells.iter().flatten().map(String::as_str), format));
    ColumnAudit { name: column.name.clone(), kind, why, stats, numbers, outliers, date_range, top }
}

fn look_at_target(table: &Table, goal: Goal, columns: &[ColumnAudit]) -> TargetAudit {
    let names = goal.columns();
    let answers: Vec<&Column> = table.columns.iter().filter(|c| names.contains(&c.name.as_str())).collect();
    // The targets in the order in which the user named them.
    let answers: Vec<&Column> = names.iter().filter_map(|n| answers.iter().find(|c| c.name == *n).copied()).collect();
    let unusable = (0..table.rows())
        .filter(|&row| goal.answer(&answers.iter().map(|c| c.cells[row].as_deref()).collect::<Vec<_>>()).is_err())
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
    let mut first: HashMap<Vec<Option<&str>>, usize> = HashMap::new();
    let row_of = |row: usize| table.columns.iter().map(|c| c.cells[row].as_deref()).collect::<Vec<_>>();
    (0..table.rows())
        .filter(|&row| *first.entry(row_of(row)).or_insert(row) != row)
        .map(|row| table.lines[row])
        .collect()
}

/// Rows that repeat an earlier one but for identifiers, where these hide such.
fn repeated_but_for(table: &Table, seen: &[Inferred], duplicates: &[usize]) -> Repeated {
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
    let mut first: HashMap<&[Option<String>], &str> = HashMap::new();
    let mut hints = vec![];
    for column in table.columns.iter().filter(|c| c.cells.iter().any(|cell| *cell != c.cells[0])) {
        let before = *first.entry(&column.cells).or_insert(&column.name);
        if before != column.name {
            hints.push(format!("\"{}\" is equal to \"{before}\" in every row; drop one of them", column.name));
        }
    }
    hints
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
