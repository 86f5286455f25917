//! What is in a set of texts with classes, and what is odd about it.

use super::super::findings::{Block, Findings, Section};
use super::super::html::Bar;
use super::labelled::{LabelledSplits, LabelledTexts};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;

/// How often the largest class may outweigh the smallest before it is said.
const UNEVEN: usize = 10;

/// A class and its texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// Its name.
    pub name: String,
    /// Texts of each split, in the order of the splits.
    pub texts: Vec<usize>,
}

/// How long texts are, in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Lengths {
    /// On average.
    pub mean: f64,
    /// Half are not longer.
    pub median: usize,
    /// 95 % are not longer.
    pub p95: usize,
    /// The longest.
    pub longest: usize,
}

/// What is in a set of texts with classes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelledAudit {
    /// What was looked at.
    pub name: String,
    /// The splits that are there: `train`, `validation`, `test`.
    pub splits: Vec<&'static str>,
    /// The classes.
    pub classes: Vec<ClassCount>,
    /// How long the texts are.
    pub lengths: Lengths,
    /// Texts with nothing but white space.
    pub empty: usize,
    /// Texts that occurred before.
    pub duplicates: usize,
    /// Texts that occurred before with another class.
    pub conflicts: usize,
    /// Texts held out that are also among the training texts.
    pub leaks: usize,
    /// What a user should act on.
    pub warnings: Vec<String>,
    /// What reading has shown.
    pub notes: Vec<String>,
}

/// Looks through texts with classes; `name` is what messages call them.
pub fn audit_labelled(name: &str, set: &LabelledSplits) -> LabelledAudit {
    let splits = [("train", Some(&set.train)), ("validation", set.val.as_ref()), ("test", set.test.as_ref())];
    let splits: Vec<(&'static str, &LabelledTexts)> = splits.into_iter().filter_map(|(n, s)| Some((n, s?))).collect();
    let count = |s: &LabelledTexts, class: usize| s.labels.iter().filter(|&&l| l as usize == class).count();
    let counts = |class: usize| splits.iter().map(|(_, s)| count(s, class)).collect();
    let classes = set.train.classes.iter().enumerate();
    let mut audit = LabelledAudit {
        name: name.into(),
        classes: classes.map(|(i, name)| ClassCount { name: name.clone(), texts: counts(i) }).collect(),
        lengths: lengths(splits.iter().flat_map(|(_, s)| &s.texts)),
        empty: splits.iter().flat_map(|(_, s)| &s.texts).filter(|t| t.trim().is_empty()).count(),
        splits: splits.iter().map(|(name, _)| *name).collect(),
        duplicates: 0,
        conflicts: 0,
        leaks: 0,
        warnings: vec![],
        notes: splits.iter().flat_map(|(_, s)| s.notes.clone()).collect(),
    };
    // The class of each text and the split where it was met first.
    let mut seen: HashMap<&str, (u32, usize)> = HashMap::new();
    for (split, (_, set)) in splits.iter().enumerate() {
        for (text, &label) in set.texts.iter().zip(&set.labels).filter(|(t, _)| !t.trim().is_empty()) {
            let &mut (first, place) = seen.entry(text.trim()).or_insert((label, usize::MAX));
            if place == usize::MAX {
                seen.insert(text.trim(), (label, split));
                continue;
            }
            audit.duplicates += 1;
            audit.conflicts += usize::from(first != label);
            audit.leaks += usize::from(split > 0 && place == 0);
        }
    }
    audit.warnings = warnings(&audit);
    audit
}

fn lengths<'a>(texts: impl Iterator<Item = &'a String>) -> Lengths {
    let mut all: Vec<usize> = texts.map(|t| t.chars().count()).collect();
    all.sort_unstable();
    let at = |share: f64| all.get(((all.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied().unwrap_or(0);
    Lengths {
        mean: all.iter().sum::<usize>() as f64 / all.len().max(1) as f64,
        median: at(0.5),
        p95: at(0.95),
        longest: at(1.0),
    }
}

fn warnings(a: &LabelledAudit) -> Vec<String> {
    let mut all = vec![];
    if a.leaks > 0 {
        all.push(format!("{} texts held out are also among the training texts: scores come out too good", a.leaks));
    }
    if a.conflicts > 0 {
        all.push(format!("{} texts occur with different classes", a.conflicts));
    }
    let names: Vec<String> = a.classes.iter().map(|c| c.name.clone()).collect();
    let counts: Vec<usize> = a.classes.iter().map(|c| c.texts.iter().sum()).collect();
    all.extend(crate::data::alike::remark(&names, &counts));
    if a.empty > 0 {
        all.push(format!("{} texts are empty", a.empty));
    }
    let sizes = || a.classes.iter().map(|c| (c.texts[0], &c.name));
    if let (Some(least), Some(most)) = (sizes().min(), sizes().max())
        && most.0 > UNEVEN * least.0
    {
        all.push(format!(
            "classes are uneven: {} training texts of {:?}, {} of {:?}",
            most.0, most.1, least.0, least.1
        ));
    }
    all
}

impl LabelledAudit {
    /// In a form that prints and makes a page.
    pub fn findings(&self) -> Findings {
        let total: usize = self.classes.iter().flat_map(|c| &c.texts).sum();
        let summary = format!("Texts with classes: {total} texts of {} classes.", self.classes.len());
        let row = |name: &str, value: String| vec![name.to_string(), value];
        let l = self.lengths;
        let rows = vec![
            row("mean", format!("{:.1} characters", l.mean)),
            row("half are not longer than", format!("{} characters", l.median)),
            row("95 % are not longer than", format!("{} characters", l.p95)),
            row("longest", format!("{} characters", l.longest)),
            row("empty", self.empty.to_string()),
            row("occurred before", self.duplicates.to_string()),
            row("occurred before with another class", self.conflicts.to_string()),
            row("held out, and among the training texts", self.leaks.to_string()),
        ];
        let bar = |c: &ClassCount| Bar {
            label: c.name.clone(),
            value: c.texts.iter().sum::<usize>() as f64,
            text: c.texts.iter().map(usize::to_string).collect::<Vec<_>>().join(" / "),
        };
        let mut sections = vec![
            Section::new(
                format!("Texts by class, {}", self.splits.join(" / ")),
                vec![Block::Bars(self.classes.iter().map(bar).collect())],
            ),
            Section::new("Texts", vec![Block::Table { head: vec![], rows }]),
        ];
        if !self.notes.is_empty() {
            sections.push(Section::new("Notes", self.notes.iter().map(Block::text).collect()));
        }
        Findings { title: self.name.clone(), summary, warnings: self.warnings.clone(), sections }
    }
}

impl fmt::Display for LabelledAudit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.findings().to_text().trim_end())
    }
}

#[cfg(test)]
#[path = "survey_tests.rs"]
mod tests;
