//! One column of a table as features: learned from its training cells, applied
//! to any cell.

use super::apply::Issue;
use super::clean::{Categories, Dates, Indicator, Missing, Outliers, Rules, TextUse};
use super::date::{self, Part};
use super::infer::{Inferred, Kind};
use super::number::{Bound, Format, canonical};
use super::slots::{Place, Slots};
use super::summary::{Summary, quantile};
use super::text::{self, TextRule};
use super::worth::Doubt;
use super::{Column, Normalize};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a missing cell becomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap<T> {
    /// The row cannot be used.
    Drop,
    /// This value, and how it was found.
    Fill {
        /// The value.
        value: T,
        /// `median`, `mean`, `most frequent value` or `given value`.
        how: String,
    },
    /// What there is for categories of their own.
    Slot,
}

impl<T> Gap<T> {
    /// The same with its value in another way of writing.
    pub(super) fn rewrite(&mut self, new: impl FnOnce(&T) -> Option<T>) {
        if let Gap::Fill { value, .. } = self
            && let Some(written) = new(value)
        {
            *value = written;
        }
    }
}

/// How the cells of a column become features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoder {
    /// Not at all.
    Dropped {
        /// Why.
        reason: String,
    },
    /// A number.
    Number {
        /// How it is written.
        #[serde(alias = "decimal")]
        format: Format,
        /// Whether a feature marks values that are bounds, as in `<0.01`.
        #[serde(default)]
        censored: bool,
        /// What a missing cell becomes.
        gap: Gap<f64>,
        /// Whether a feature marks missing cells.
        indicator: bool,
        /// The fences to which outliers are moved.
        clip: Option<[f64; 2]>,
        /// What is taken off first, so that 32 bits hold the digits that matter.
        offset: f64,
        /// The smallest and the largest training value.
        range: [f64; 2],
    },
    /// A category.
    Category {
        /// The categories.
        slots: Slots,
        /// Whether it is one feature, the place in the order.
        ordinal: bool,
        /// What a missing cell becomes.
        gap: Gap<String>,
        /// Whether a feature marks missing cells.
        indicator: bool,
    },
    /// A date.
    Date {
        /// How it is written.
        format: String,
        /// The parts that vary.
        parts: Vec<Part>,
        /// What a missing cell becomes.
        gap: Gap<String>,
        /// Whether a feature marks missing cells.
        indicator: bool,
    },
    /// Text.
    Text(TextRule),
}

/// A column as it was learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Why it is taken for that.
    pub why: String,
    /// Training rows.
    pub rows: usize,
    /// Missing training cells.
    pub missing: usize,
    /// Whether a row without a cell here is dropped.
    pub required: bool,
    /// How its numbers are normalised.
    pub normalize: Normalize,
    /// How its cells become features.
    pub encoder: Encoder,
}

/// What is learned from: the cells of the training rows, and what is known.
pub(super) struct Lesson<'a> {
    pub table: &'a str,
    pub column: &'a Column,
    pub cells: Vec<Option<&'a str>>,
    pub rules: &'a Rules,
    pub seen: Inferred,
}

impl Lesson<'_> {
    fn least(&self) -> usize {
        self.rules.least(self.cells.len())
    }

    fn gaps(&self) -> usize {
        self.cells.iter().filter(|c| c.is_none()).count()
    }

    /// Whether missing cells, `gaps` of them, get a feature.
    fn indicator(&self, gaps: usize) -> bool {
        match self.rules.indicator {
            Indicator::Yes => true,
            Indicator::No => false,
            Indicator::Auto => gaps >= self.least(),
        }
    }

    fn fails(&self, found: &str, expected: &str) -> Error {
        Error::data(format!("column \"{}\" of {}: {found}; expected {expected}", self.column.name, self.table))
    }

    /// Learns how the cells become features.
    pub(super) fn encoder(&self) -> Result<Encoder> {
        let dropped = |reason: String| Ok(Encoder::Dropped { reason });
        let mut present = self.cells.iter().flatten();
        let first = present.next();
        if let Some(first) = first
            && self.gaps() == 0
            && !self.rules.keep_constant
            && present.all(|c| canonical(c) == canonical(first))
        {
            return dropped(format!(
                "it is \"{}\" in all training rows (keep_constant = true keeps it)",
                super::target::clip(first)
            ));
        }
        match self.seen.kind {
            Kind::Empty => dropped(self.seen.why.clone()),
            _ if first.is_none() => dropped("all cells are missing in the rows that can be used".into()),
            Kind::Identifier => dropped(format!(
                "it only tells rows apart: {}; [clean.columns.\"{}\"] type = \"number\" (or another) keeps it",
                self.seen.why, self.column.name
            )),
            Kind::Number => self.number(),
            Kind::Category => self.category(),
            Kind::Date if self.rules.dates == Dates::Drop => dropped("dates are dropped, as configured".into()),
            Kind::Date => self.date(),
            Kind::Text if self.rules.text == TextUse::Drop => dropped("text is dropped, as configured".into()),
            Kind::Text => match self.words() {
                Some(words) => Ok(words),
                None => dropped("text without words or letters that recur".into()),
            },
        }
    }

    /// What is made of the words of the cells; `None` where none recur.
    fn words(&self) -> Option<Encoder> {
        let rules = self.rules;
        text::learn(&self.cells, rules.max_categories, self.least(), rules.max_words).map(Encoder::Text)
    }

    /// What may not be worth its features, if this column is such: whole values first.
    pub(super) fn doubt(&self, at: usize, encoder: &Encoder) -> Option<Doubt> {
        let is_doubtful = self.rules.kind.is_none()
            && self.rules.text == TextUse::Auto
            && (self.seen.kind == Kind::Text || self.seen.sparse)
            && !matches!(encoder, Encoder::Dropped { .. });
        is_doubtful.then(|| Doubt {
            at,
            ways: [encoder.clone()].into_iter().chain(self.words().filter(|_| self.seen.sparse)).collect(),
            gaps: (self.gaps() >= self.least() && self.rules.indicator != Indicator::No)
                .then(|| Encoder::Text(TextRule::gaps())),
        })
    }

    fn number(&self) -> Result<Encoder> {
        let format = self.seen.format.clone();
        let number = |c: &&str| format.parse(c).filter(|x| x.is_finite());
        let mut sorted: Vec<f64> = self.cells.iter().flatten().filter_map(number).collect();
        sorted.sort_by(f64::total_cmp);
        let Some(all) = Summary::of(sorted.clone()) else {
            return Err(self.fails("no cell is a finite number", "numbers, as its type says"));
        };
        let gaps = self.cells.len() - sorted.len();
        let clip = match self.rules.outliers {
            Outliers::Keep => None,
            Outliers::Iqr(k) => all.fences(k),
            Outliers::Quantiles([low, high]) => Some([quantile(&sorted, low), quantile(&sorted, high)]),
        };
        let fill = |value, how: &str| Gap::Fill { value, how: how.into() };
        let gap = match self.rules.missing {
            Missing::Drop => Gap::Drop,
            Missing::Auto | Missing::Median => fill(all.median, "median"),
            Missing::Mean => fill(all.mean, "mean"),
            Missing::Mode => fill(mode(&sorted), "most frequent value"),
            Missing::Constant => {
                let text = self.rules.fill.as_deref().unwrap_or_default();
                let value = format.parse(text).filter(|x| x.is_finite());
                let value = value.ok_or_else(|| self.fails(&format!("fill = \"{text}\""), "a number"))?;
                fill(value, "given value")
            }
        };
        let indicator = gap != Gap::Drop && self.indicator(gaps);
        let offset = super::target::centre(&all);
        let bounds = self.cells.iter().flatten().filter(|c| format.read(c).is_some_and(|(_, bound)| bound.is_some()));
        let censored = bounds.count() >= self.least();
        Ok(Encoder::Number { format, censored, gap, indicator, clip, offset, range: [all.min, all.max] })
    }

    fn category(&self) -> Result<Encoder> {
        let mut slots = Slots::learn(self.cells.iter().copied(), self.rules.max_categories, self.least());
        let most = slots.values.first().or(slots.rare.first()).cloned().unwrap_or_default();
        let fill = |value, how: &str| Gap::Fill { value, how: how.into() };
        let gap = match self.rules.missing {
            Missing::Drop => Gap::Drop,
            Missing::Auto if slots.missing => Gap::Slot,
            Missing::Constant => fill(self.rules.fill.clone().unwrap_or_default(), "given value"),
            _ => fill(most, "most frequent value"),
        };
        slots.missing &= gap == Gap::Slot;
        let ordinal = self.rules.categories == Categories::Ordinal;
        if ordinal {
            slots.sort(&self.rules.order);
        }
        // A place for missing cells marks them already, unless it is a number.
        let marked = gap == Gap::Slot && !ordinal;
        let indicator = gap != Gap::Drop && !marked && self.indicator(self.gaps());
        if let Gap::Fill { value, .. } = &gap
            && self.rules.missing == Missing::Constant
            && self.gaps() > 0
            && slots.is_new(value)
            && slots.values.len() < self.rules.max_categories
        {
            slots.values.push(canonical(value)); // A value that only missing cells have.
        }
        Ok(Encoder::Category { slots, ordinal, gap, indicator })
    }

    fn date(&self) -> Result<Encoder> {
        let present = || self.cells.iter().flatten().copied();
        let Some(format) = self.seen.date_format.clone() else {
            return Err(self.fails("no cell is a date in a way of writing that is known", "dates such as 2020-01-31"));
        };
        let mut dates: Vec<(chrono::NaiveDateTime, &str)> =
            present().filter_map(|c| Some((date::parse(c, &format)?, c))).collect();
        dates.sort();
        if dates.is_empty() {
            return Ok(Encoder::Dropped { reason: "no training row has a date in it".into() });
        }
        let gaps = self.cells.len() - dates.len();
        let fill = |value: &str, how: &str| Gap::Fill { value: value.into(), how: how.into() };
        let gap = match self.rules.missing {
            Missing::Drop => Gap::Drop,
            Missing::Constant => {
                let text = self.rules.fill.as_deref().unwrap_or_default();
                if date::parse(text, &format).is_none() {
                    return Err(self.fails(&format!("fill = \"{text}\""), &format!("a date written as {format}")));
                }
                fill(text, "given value")
            }
            _ => fill(dates[(dates.len() - 1) / 2].1, "median"),
        };
        let wanted: &[Part] = if self.rules.dates == Dates::Days { &[Part::Days] } else { &Part::ALL };
        let varies = |p: &&Part| dates.iter().any(|d| p.of(d.0) != p.of(dates[0].0));
        let parts = wanted.iter().filter(varies).copied().collect();
        let indicator = gap != Gap::Drop && self.indicator(gaps);
        Ok(Encoder::Date { format, parts, gap, indicator })
    }
}

/// The most frequent of sorted numbers, the smallest of several.
fn mode(sorted: &[f64]) -> f64 {
    let runs = sorted.chunk_by(|a, b| a == b);
    runs.reduce(|best, next| if next.len() > best.len() { next } else { best }).map_or(0.0, |run| run[0])
}

impl FittedColumn {
    /// Checks the numbers that a file says were learned.
    pub(super) fn check(&self) -> Result<()> {
        let Encoder::Number { gap, clip, offset, .. } = &self.encoder else { return Ok(()) };
        let fill = if let Gap::Fill { value, .. } = gap { *value } else { 0.0 };
        let [low, high] = clip.unwrap_or_default();
        match [fill, low, high, *offset].iter().all(|x| x.is_finite()) && low <= high {
            true => Ok(()),
            false => Err(Error::data(format!(
                "column \"{}\": missing cells become {fill}, outliers go to {low} or {high}, {offset} is taken off; \
                 expected finite numbers, and fences in order",
                self.name
            ))),
        }
    }

    /// Whether its cells are needed.
    pub fn is_used(&self) -> bool {
        self.required || !matches!(self.encoder, Encoder::Dropped { .. })
    }

    /// The names of its features, and how each is normalised.
    pub(super) fn features(&self) -> Vec<(String, Normalize)> {
        let name = &self.name;
        let number = |n: String| (n, self.normalize);
        let flag = |n: String| (n, Normalize::None);
        let (mut features, indicator) = match &self.encoder {
            Encoder::Dropped { .. } => (vec![], false),
            Encoder::Number { censored, indicator, .. } => {
                let bound = censored.then(|| flag(format!("{name} bound")));
                ([number(name.clone())].into_iter().chain(bound).collect(), *indicator)
            }
            Encoder::Category { ordinal: true, indicator, .. } => (vec![number(name.clone())], *indicator),
            Encoder::Category { slots, indicator, .. } => {
                (slots.names().into_iter().map(|v| flag(format!("{name}={v}"))).collect(), *indicator)
            }
            Encoder::Date { parts, indicator, .. } => {
                (parts.iter().map(|p| number(format!("{name}.{}", p.name()))).collect(), *indicator)
            }
            Encoder::Text(TextRule::Words(words)) => {
                (words.iter().map(|w| flag(format!("{name} has {w}"))).collect(), false)
            }
            Encoder::Text(rule) => (rule.names().into_iter().map(|v| flag(format!("{name}={v}"))).collect(), false),
        };
        features.extend(indicator.then(|| flag(format!("{name} missing"))));
        features
    }

    /// Appends the features of a cell; tells `note` what was odd about it.
    /// Says why when the row cannot be used.
    pub(super) fn encode(
        &self,
        cell: Option<&str>,
        out: &mut Vec<f32>,
        note: &mut dyn FnMut(Issue),
    ) -> std::result::Result<(), String> {
        let unusable = |cell: Option<&str>| match cell {
            None => format!("\"{}\" is missing", self.name),
            Some(cell) => format!("\"{}\" is \"{}\", no {}", self.name, super::target::clip(cell), self.kind.name()),
        };
        if self.required && cell.is_none() {
            return Err(unusable(cell));
        }
        match &self.encoder {
            Encoder::Dropped { .. } => {}
            Encoder::Number { format, censored, gap, indicator, clip, offset, .. } => {
                let read = cell.map(|c| format.read(c));
                let bound = read.flatten().and_then(|(_, bound)| bound);
                let number = match read {
                    None => None,
                    Some(Some((x, _))) if x.is_finite() => Some(x),
                    Some(x) => {
                        note(if x.is_some() { Issue::Infinite } else { Issue::NotANumber });
                        None
                    }
                };
                let mut x = match (number, gap) {
                    (Some(x), _) => x,
                    (None, Gap::Fill { value, .. }) => {
                        note(Issue::Missing);
                        *value
                    }
                    (None, _) => return Err(unusable(cell)),
                };
                if let Some([low, high]) = *clip
                    && !(low..=high).contains(&x)
                {
                    note(Issue::Clipped);
                    x = x.clamp(low, high);
                }
                out.push((x - offset) as f32);
                // -1 below the number, 1 above it.
                let side = bound.map_or(0.0, |b| if b == Bound::Below { -1.0 } else { 1.0 });
                out.extend(censored.then_some(side));
                out.extend(indicator.then(|| f32::from(u8::from(number.is_none()))));
            }
            Encoder::Category { slots, ordinal, gap, indicator } => {
                let value = match (cell, gap) {
                    (Some(cell), _) => Some(cell),
                    (None, Gap::Drop) => return Err(unusable(cell)),
                    (None, Gap::Fill { value, .. }) => Some(value.as_str()),
                    (None, Gap::Slot) => None,
                };
                match cell {
                    None => note(Issue::Missing),
                    Some(cell) if slots.is_new(cell) => note(Issue::NewCategory),
                    _ => {}
                }
                let place = slots.place(value);
                if *ordinal {
                    let order = if let Place::At(i) = place { i + 1 } else { 0 };
                    out.push(if order > slots.values.len() { 0.0 } else { order as f32 });
                } else {
                    let start = out.len();
                    out.resize(start + slots.width(), 0.0);
                    if let Place::At(i) = place {
                        out[start + i] = 1.0;
                    }
                }
                out.extend(indicator.then(|| f32::from(u8::from(cell.is_none()))));
            }
            Encoder::Date { format, parts, gap, indicator } => {
                let date = cell.and_then(|c| date::parse(c, format));
                if cell.is_some() && date.is_none() {
                    note(Issue::NotADate);
                }
                let used = match (date, gap) {
                    (Some(date), _) => Some(date),
                    (None, Gap::Fill { value, .. }) => {
                        note(Issue::Missing);
                        date::parse(value, format)
                    }
                    (None, _) => None,
                };
                let used = used.ok_or_else(|| unusable(cell))?;
                out.extend(parts.iter().map(|p| p.of(used) as f32));
                out.extend(indicator.then(|| f32::from(u8::from(date.is_none()))));
            }
            Encoder::Text(rule) => {
                if cell.is_none() {
                    note(Issue::Missing);
                }
                let start = out.len();
                out.resize(start + rule.names().len(), 0.0);
                rule.encode(cell, &mut out[start..]);
            }
        }
        Ok(())
    }
}
