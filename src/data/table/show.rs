//! A table's audit in words, tables and bars.

use super::number::show;
use super::target::Goal;
use super::{Histogram, Kind, Relation, TableAudit};
use crate::data::findings::{Block, Findings, Section};
use crate::data::html::Bar;

impl TableAudit {
    /// What was found, warnings first.
    pub fn findings(&self) -> Findings {
        let mut warnings: Vec<String> = self.target_problem.iter().cloned().collect();
        warnings.extend(self.hints.iter().cloned());
        if !self.duplicates.is_empty() {
            let (rows, repeat) = if self.duplicates.len() == 1 { ("row", "repeats") } else { ("rows", "repeat") };
            warnings.push(format!(
                "{} {rows} {repeat} an earlier one, cell for cell; if that is a mistake, set \
                 clean.drop_duplicates=true",
                self.duplicates.len()
            ));
        }
        if !self.constant.is_empty() {
            warnings.push(format!("the same in every row, so nothing to learn from: {}", self.constant.join(", ")));
        }
        let mut sections = vec![Section::new("Columns", vec![self.columns_table()])];
        let spans = self.columns.iter().filter_map(|c| Some(format!("{}: {}", c.name, c.date_range.as_ref()?.line())));
        let spans: Vec<Block> = spans.map(Block::text).collect();
        if !spans.is_empty() {
            sections.push(Section::new("Dates", spans));
        }
        let tops: Vec<Section> = self.columns.iter().filter(|c| telling(c)).map(top).collect();
        if let Some(target) = &self.target {
            sections.push(Section::new("Target", target_blocks(&target.goal, target.unusable)));
            sections.extend(self.relations(&target.goal));
        }
        sections.extend(tops);
        let header = if self.has_header { "a header" } else { "no header" };
        Findings {
            title: self.table.clone(),
            summary: format!(
                "A table of {} rows and {} columns with {header}.",
                self.drawn_of.unwrap_or(self.rows),
                self.columns.len()
            ),
            warnings,
            sections,
        }
    }

    /// What each column says of the target, the most first.
    fn relations(&self, goal: &Goal) -> Option<Section> {
        let related = self.columns.iter().filter_map(|c| Some((c, c.relation?)));
        let mut related: Vec<(&super::audit::ColumnAudit, Relation)> = related.collect();
        related.sort_by(|a, b| b.1.share.total_cmp(&a.1.share));
        let bar = |(c, relation): &(&super::audit::ColumnAudit, Relation)| Bar {
            label: c.name.clone(),
            value: relation.share,
            text: match relation.correlation {
                Some(r) => format!("{:.1} % (correlation {r:.2})", 100.0 * relation.share),
                None => format!("{:.1} %", 100.0 * relation.share),
            },
        };
        let what = match goal {
            Goal::Classes { .. } => "of the entropy of its classes (mutual information)",
            Goal::Values(_) => "of its variance (correlation ratio)",
        };
        let rows = if self.sampled < self.rows { format!(", on {} rows", self.sampled) } else { String::new() };
        let text = format!("What each column tells by itself, {what}{rows}.");
        let bars = related.iter().map(bar).collect();
        (!related.is_empty())
            .then(|| Section::new("Relation to the target", vec![Block::text(text), Block::Bars(bars)]))
    }

    fn columns_table(&self) -> Block {
        let rows = self.columns.iter().map(|c| {
            let number = |f: fn(&super::Summary) -> f64| c.numbers.as_ref().map_or(String::new(), |n| show(f(n)));
            let outliers = c.outliers.as_ref().map_or(String::new(), |o| o.count.to_string());
            vec![
                c.name.clone(),
                c.kind.name().to_string(),
                c.stats.missing.to_string(),
                match c.stats.missing {
                    0 => String::new(),
                    n => format!("{:.1} %", 100.0 * n as f64 / c.stats.rows as f64),
                },
                c.distinct.to_string(),
                number(|n| n.min),
                number(|n| n.median),
                number(|n| n.mean),
                number(|n| n.max),
                outliers,
                c.histogram.as_ref().map_or(String::new(), Histogram::bars),
            ]
        });
        let head =
            ["column", "type", "missing", "share", "different", "min", "median", "mean", "max", "outliers", "spread"];
        Block::table(&head, rows.collect())
    }
}

/// Whether a column's most frequent values say something.
fn telling(column: &super::audit::ColumnAudit) -> bool {
    column.top.len() > 1 && column.top[0].1 > 1 && column.kind != Kind::Identifier && column.date_range.is_none()
}

/// The most frequent values of a column.
fn top(column: &super::audit::ColumnAudit) -> Section {
    let bar = |(label, n): &(String, usize)| Bar { label: label.clone(), value: *n as f64, text: n.to_string() };
    Section::new(column.name.clone(), vec![Block::Bars(column.top.iter().map(bar).collect())])
}

fn target_blocks(goal: &Goal, unusable: usize) -> Vec<Block> {
    let mut blocks = match goal {
        Goal::Classes { column, names, counts } => {
            let bar = |(name, &n): (&String, &usize)| Bar { label: name.clone(), value: n as f64, text: n.to_string() };
            let bars = names.iter().zip(counts).map(bar).collect();
            vec![Block::text(format!("{column}: {} classes", names.len())), Block::Bars(bars)]
        }
        Goal::Values(targets) => targets
            .iter()
            .map(|t| Block::text(format!("{}: numbers from {} to {}", t.name, show(t.min), show(t.max))))
            .collect(),
    };
    if unusable > 0 {
        blocks.push(Block::text(format!("{unusable} rows have no usable target")));
    }
    blocks
}
