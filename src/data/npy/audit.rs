//! What there is to say about arrays of numbers.

use super::ArraySet;
use crate::data::findings::{Block, Findings, Section};
use crate::data::html::Bar;
use crate::data::{Dataset, Samples, Store, Targets, alike, drawn};
use crate::error::Result;
use serde::Serialize;

/// What was found in arrays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArrayAudit {
    /// The source.
    pub source: String,
    /// The shape of one sample.
    pub shape: Vec<usize>,
    /// Samples to train on, to validate and to test on.
    pub samples: [usize; 3],
    /// What was taken for what, and what was left out.
    pub notes: Vec<String>,
    /// Training samples of each class; empty for numbers.
    pub classes: Vec<(String, usize)>,
    /// Least, mean and greatest element of the training samples.
    pub range: [f64; 3],
    /// Elements that are not finite.
    pub not_finite: usize,
    /// Elements of a sample that are the same in all samples.
    pub constant: usize,
}

/// Looks through arrays; of training samples that are on disk, some that are drawn by the
/// seed.
///
/// Fails when they cannot be read.
pub fn audit(source: &str, set: &ArraySet, store: &Store, seed: u32) -> Result<ArrayAudit> {
    let (whole, train) = (&set.train, &set.train.drawn(1.0, store, seed)?);
    let sampled = (train.len() < whole.len()).then(|| drawn::note(train.len(), whole.len(), "training samples", store));
    let (count, value): (usize, &dyn Fn(usize) -> f32) = match &train.samples {
        Samples::Floats(v) => (v.len(), &|i| v[i]),
        Samples::Bytes(v) => (v.len(), &|i| v[i].into()),
        Samples::Tokens(v) => (v.len(), &|i| v[i] as f32),
        Samples::Read(_) => unreachable!("what is drawn is in memory"),
    };
    let finite = || (0..count).map(value).filter(|v| v.is_finite()).map(f64::from);
    let n = finite().count();
    let width = train.width().max(1);
    let same = |i: &usize| (*i..count).step_by(width).all(|j| value(j).to_bits() == value(*i).to_bits());
    let classes: Vec<(String, usize)> = match &whole.targets {
        Targets::Classes { labels, names } => {
            let count = |c: usize| labels.iter().filter(|&&l| l as usize == c).count();
            names.iter().enumerate().map(|(c, name)| (name.clone(), count(c))).collect()
        }
        Targets::Sequence { .. } | Targets::Values { .. } => vec![],
    };
    let (names, counts): (Vec<String>, Vec<usize>) = classes.iter().cloned().unzip();
    Ok(ArrayAudit {
        source: source.into(),
        shape: train.shape.clone(),
        samples: [whole.len(), set.val.as_ref().map_or(0, Dataset::len), set.test.as_ref().map_or(0, Dataset::len)],
        notes: sampled.into_iter().chain(set.notes.iter().cloned()).chain(alike::remark(&names, &counts)).collect(),
        classes,
        range: [
            finite().fold(f64::INFINITY, f64::min),
            finite().sum::<f64>() / n.max(1) as f64,
            finite().fold(f64::NEG_INFINITY, f64::max),
        ],
        not_finite: count - n,
        constant: (0..width.min(count)).filter(same).count(),
    })
}

impl ArrayAudit {
    /// What was found, warnings first.
    pub fn findings(&self) -> Findings {
        let mut warnings = vec![];
        if self.not_finite > 0 {
            warnings.push(format!("{} elements are not finite; a model cannot learn from them", self.not_finite));
        }
        let bar = |(label, n): &(String, usize)| Bar { label: label.clone(), value: *n as f64, text: n.to_string() };
        warnings.extend(self.notes.iter().cloned());
        let [low, mean, high] = self.range;
        let numbers = format!(
            "Elements from {low:.4} to {high:.4}, mean {mean:.4}; {} of a sample's elements are the same in all samples.",
            self.constant
        );
        let mut sections = vec![Section::new("Elements", vec![Block::text(numbers)])];
        if !self.classes.is_empty() {
            sections.push(Section::new("Classes", vec![Block::Bars(self.classes.iter().map(bar).collect())]));
        }
        Findings {
            title: self.source.clone(),
            summary: format!(
                "Arrays of {} training, {} validation and {} test samples of shape {:?}.",
                self.samples[0], self.samples[1], self.samples[2], self.shape
            ),
            warnings,
            sections,
        }
    }
}
