//! How the cells of a column become features, learned from those of the training
//! rows.

use super::clean::{Categories, Dates, Indicator, Missing, Outliers, Rules, TextUse};
use super::columns::{Encoder, Gap};
use super::date::{self, Part};
use super::infer::Inferred;
use super::kind::Kind;
use super::number::canonical;
use super::slots::Slots;
use super::summary::{Summary, quantile};
use super::table::{Column, clip};
use super::target::centre;
use super::text::{self, TextRule};
use super::worth::Doubt;
use crate::error::{Error, Result};

/// What is learned from: the cells of the training rows, and what is known.
pub(super) struct Lesson<'a> {
    pub table: &'a str,
    pub column: &'a Column,
    pub cells: Vec<Option<&'a str>>,
    pub rules: &'a Rules,
    /// Whether these rules, and no others, say that words are to be kept.
    pub asks_for_words: bool,
    pub seen: &'a Inferred,
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
            return dropped(format!("it is \"{}\" in all training rows (keep_constant = true keeps it)", clip(first)));
        }
        match self.seen.kind {
            Kind::Empty => dropped(self.seen.why.clone()),
            _ if first.is_none() => dropped("all cells are missing in the rows that can be used".into()),
            Kind::Identifier if self.asks_for_words => Err(self.without_words()),
            Kind::Identifier => dropped(format!(
                "it only tells rows apart: {}; [clean.columns.\"{}\"] type = \"number\" (or another) keeps it",
                self.seen.why, self.column.name
            )),
            Kind::Number => self.number(),
            Kind::Category => self.category(),
            Kind::Date if self.rules.dates == Dates::Drop => dropped("dates are dropped, as configured".into()),
            Kind::Date => self.date(),
            Kind::Text if self.rules.text == TextUse::Drop => dropped("text is dropped, as configured".into()),
            Kind::Text => match self.words().into_iter().next() {
                Some(words) => Ok(words),
                None if self.asks_for_words => Err(self.without_words()),
                None => dropped(format!(
                    "text of which no word or letters recur in {} training cells or more (min_count sets how many)",
                    self.least().max(2)
                )),
            },
        }
    }

    fn without_words(&self) -> Error {
        let found = format!(
            "its words are to be kept, but none that could recurs in {} training cells or more",
            self.least().max(2)
        );
        self.fails(&found, "words that recur: set min_count for it, another type, or drop it")
    }

    /// What may be made of the words of the cells, the likeliest first; nothing where none
    /// recur.
    fn words(&self) -> Vec<Encoder> {
        let rules = self.rules;
        let ways = text::ways(&self.cells, rules.max_categories, self.least(), rules.max_words);
        ways.into_iter().map(Encoder::Text).collect()
    }

    /// What may not be worth its features, if this column is such: whole values first.
    pub(super) fn doubt(&self, encoder: &Encoder) -> Option<Doubt> {
        let is_doubtful = self.rules.kind.is_none()
            && self.rules.text == TextUse::Auto
            && (self.seen.kind == Kind::Text || self.seen.sparse)
            && !matches!(encoder, Encoder::Dropped { .. });
        is_doubtful.then(|| Doubt {
            ways: match self.seen.sparse {
                true => [encoder.clone()].into_iter().chain(self.words()).collect(),
                false => self.words(),
            },
            gaps: (self.gaps() >= self.least() && self.rules.indicator != Indicator::No)
                .then(|| Encoder::Text(TextRule::gaps())),
        })
    }

    fn number(&self) -> Result<Encoder> {
        let format = self.seen.format.clone();
        let (mut numbers, mut bounds) = (Vec::with_capacity(self.cells.len()), 0);
        for (x, bound) in self.cells.iter().flatten().filter_map(|c| format.read(c)) {
            bounds += usize::from(bound.is_some());
            numbers.extend(Some(x).filter(|x| x.is_finite()));
        }
        let Some(all) = Summary::of_any(&mut numbers) else {
            return Err(self.fails("no cell is a finite number", "numbers, as its type says"));
        };
        let gaps = self.cells.len() - numbers.len();
        let in_order = matches!(self.rules.outliers, Outliers::Quantiles(_)) || self.rules.missing == Missing::Mode;
        if in_order {
            numbers.sort_unstable_by(f64::total_cmp);
        }
        let clip = match self.rules.outliers {
            Outliers::Keep => None,
            Outliers::Iqr(k) => all.fences(k),
            Outliers::Quantiles([low, high]) => Some([quantile(&numbers, low), quantile(&numbers, high)]),
        };
        let fill = |value, how: &str| Gap::Fill { value, how: how.into() };
        let gap = match self.rules.missing {
            Missing::Drop => Gap::Drop,
            Missing::Auto | Missing::Median => fill(all.median, "median"),
            Missing::Mean => fill(all.mean, "mean"),
            Missing::Mode => fill(mode(&numbers), "most frequent value"),
            Missing::Constant => {
                let text = self.rules.fill.as_deref().unwrap_or_default();
                let value = format.parse(text).filter(|x| x.is_finite());
                let value = value.ok_or_else(|| self.fails(&format!("fill = \"{text}\""), "a number"))?;
                fill(value, "given value")
            }
        };
        let indicator = gap != Gap::Drop && self.indicator(gaps);
        let offset = centre(&all);
        let censored = bounds >= self.least();
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
