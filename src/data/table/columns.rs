//! One column of a table as features: what was learned, applied to any cell.

use super::date::{self, Part};
use super::issue::Issue;
use super::kind::Kind;
use super::normalize::Normalize;
use super::number::{Bound, Format};
use super::slots::{Place, Slots};
use super::table::clip;
use super::text::TextRule;
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
            Some(cell) => format!("\"{}\" is \"{}\", no {}", self.name, clip(cell), self.kind.name()),
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
