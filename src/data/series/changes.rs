//! What the forecasts of a series are changes from: nothing, the last known value, the value one
//! season before, or both together. Where that is left open, a linear model decides, on the
//! training rows.

use super::difference::Difference;
use super::fit::{SeriesFitted, Training, seen};
use super::naive::Naive;
use super::ridge::{PENALTIES, Ridge};
use crate::error::{Error, Result};

/// All that are chosen from. Values come last: at equal errors, changes are safer.
const KINDS: [Difference; 4] = [Difference::Last, Difference::Both, Difference::Season, Difference::None];
/// What a season must be worth: the share of the other errors below which its own must be. A
/// season within the window is seen by a model without it, and taking it off adds the noise of
/// a year before.
const WORTH: f64 = 0.8;
/// How many times the error of persistence the mean of a window may have for values to be
/// forecast: a level that wanders leaves the range of training, and a network does not follow.
const LEVEL: f64 = 1.5;
/// The share of the training rows that is fitted; the rest compares.
const FITTED: f64 = 0.75;
/// The latest training windows that are looked at, and rows of a window.
const WINDOWS: usize = 2_000;
const LAGS: usize = 60;
/// The share of the training windows that must be left where a season is taken off.
const LEFT: f64 = 0.5;

impl SeriesFitted {
    /// Settles what a forecast is the change from, by the training rows. Returns what was
    /// chosen and why, where it was left open.
    ///
    /// Fails where a season is asked for and there is none, or not enough rows for it.
    pub(super) fn choose(&mut self, all: &[Training], asked: Difference) -> Result<Option<String>> {
        if asked != Difference::Auto {
            self.set_difference(asked);
            return self.check_season(all, asked).map(|()| None);
        }
        let mut found: Vec<(Difference, f64)> = vec![];
        let plain = self.training_windows(all, Difference::None);
        for kind in KINDS {
            let left = self.training_windows(all, kind);
            let without = kind.is_seasonal() && (self.season.is_none() || (left as f64) < LEFT * plain as f64);
            if without || kind == Difference::None && self.wanders(all) {
                continue;
            }
            found.push((kind, self.error_of(all, kind)));
        }
        let cost = |(kind, error): &(Difference, f64)| if kind.is_seasonal() { error / WORTH } else { *error };
        let best = found.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).expect("the last value is always there").0;
        self.set_difference(best);
        let lag = self.lag.unwrap_or(0);
        let what = match best {
            Difference::None => "values are forecast".to_string(),
            Difference::Season => format!("changes from one season ({lag} rows) before are forecast"),
            Difference::Both => {
                format!(
                    "changes from the last known value, beside those of one season ({lag} rows) before, are forecast"
                )
            }
            Difference::Last | Difference::Auto => "changes from the last known value are forecast".into(),
        };
        // In units of the first, so that several targets count alike.
        let unit = if found[0].1 > 0.0 { found[0].1 } else { 1.0 };
        let errors: Vec<String> = found.iter().map(|(kind, e)| format!("{} {:.2}", kind.shown(), e / unit)).collect();
        Ok(Some(format!(
            "{what}: {} was chosen on the training rows, by the error of a linear model on the last quarter of them ({}); \
             data.difference decides otherwise",
            best.shown(),
            errors.join(", ")
        )))
    }

    fn set_difference(&mut self, kind: Difference) {
        self.difference = matches!(kind, Difference::Last | Difference::Both);
        self.lag = self.season.filter(|_| kind.is_seasonal());
    }

    /// Which of them it is.
    pub fn kind(&self) -> Difference {
        match (self.difference, self.lag) {
            (false, None) => Difference::None,
            (true, None) => Difference::Last,
            (false, Some(_)) => Difference::Season,
            (true, Some(_)) => Difference::Both,
        }
    }

    fn check_season(&self, all: &[Training], asked: Difference) -> Result<()> {
        if !asked.is_seasonal() {
            return Ok(());
        }
        let shown = asked.shown();
        if self.lag.is_none() {
            return Err(Error::usage(format!(
                "[data]: {shown}: no season was found in {}; expected its rows in season, or another difference",
                self.table
            )));
        }
        let longest = all.iter().map(|t| t.1).max().unwrap_or(0);
        let needed = self.reach() + self.horizon;
        if longest >= needed {
            return Ok(());
        }
        Err(Error::data(format!(
            "[data]: {shown}: {} has {longest} training rows; expected at least {needed}, a window of {} rows behind a \
             season of {} and {} ahead; take a smaller window or season, or another difference",
            self.table,
            self.window,
            self.lag.unwrap_or(0),
            self.horizon
        )))
    }

    /// The training windows that there are with one of them.
    fn training_windows(&self, all: &[Training], kind: Difference) -> usize {
        let mut with = self.clone();
        with.set_difference(kind);
        all.iter().map(|(_, rows)| (rows + 1).saturating_sub(with.reach() + with.horizon)).sum()
    }

    /// Whether the level of the targets wanders, so that the mean of a window is far behind
    /// the last known value.
    fn wanders(&self, all: &[Training]) -> bool {
        let (mut last, mut mean) = (0.0, 0.0);
        for target in &self.targets {
            for t in all {
                let c = seen(t, &target.name);
                let from = self.window.max(c.len().saturating_sub(WINDOWS));
                for s in from..c.len() {
                    let window = &c[s - self.window.min(LAGS)..s];
                    last += (c[s] - c[s - 1]).abs();
                    mean += (c[s] - window.iter().sum::<f64>() / window.len() as f64).abs();
                }
            }
        }
        mean > LEVEL * last
    }

    /// The mean absolute error of a linear model that reads the windows as one of them would
    /// have it: fitted on the first training rows, on the rows behind them; the least of
    /// several penalties. The mean over targets, in units of their deviation, and over the
    /// first row ahead and the last.
    fn error_of(&self, all: &[Training], kind: Difference) -> f64 {
        let mut with = self.clone();
        with.set_difference(kind);
        let mut ahead = vec![1, self.horizon];
        ahead.dedup();
        let mut sum = 0.0;
        for target in &self.targets {
            let values = || all.iter().flat_map(|t| seen(t, &target.name)).copied();
            let n = values().count().max(1) as f64;
            let mean = values().sum::<f64>() / n;
            let deviation = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt().max(f64::MIN_POSITIVE);
            sum += ahead.iter().map(|&h| with.error_ahead(all, &target.name, h)).sum::<f64>() / deviation;
        }
        sum
    }

    /// [`SeriesFitted::error_of`] a target, `h` rows ahead.
    fn error_ahead(&self, all: &[Training], target: &str, h: usize) -> f64 {
        // What is fitted, and what compares: samples with their targets.
        let mut parts: [(Vec<Vec<f64>>, Vec<f64>); 2] = Default::default();
        let most = (WINDOWS / all.len()).max(1);
        for t in all {
            let c = seen(t, target);
            let end = (c.len() + 1).saturating_sub(h);
            let from = self.reach().max(end.saturating_sub(most));
            let fitted = from + (end.saturating_sub(from) as f64 * FITTED) as usize;
            for s in from..end {
                let part = &mut parts[usize::from(s >= fitted)];
                part.0.push(self.lags(c, s));
                part.1.push(c[s + h - 1] - self.reference(c, s, h));
            }
        }
        let [(samples, targets), (others, truth)] = &parts;
        let error = |penalty: f64| {
            let fitted = Ridge::fit(samples, targets, penalty)?;
            let errors = others.iter().zip(truth).map(|(sample, t)| (fitted.answer(sample) - t).abs());
            Some(errors.sum::<f64>() / truth.len().max(1) as f64)
        };
        let found = PENALTIES.into_iter().filter_map(error).filter(|_| !truth.is_empty());
        // Too few rows to compare: what the changes are from forecasts by itself.
        found.reduce(f64::min).unwrap_or_else(|| {
            let own = targets.iter().chain(truth).map(|v| v.abs()).sum::<f64>();
            own / (targets.len() + truth.len()).max(1) as f64
        })
    }

    /// The latest rows of a window ahead of which row `s` comes, as the model reads them.
    fn lags(&self, column: &[f64], s: usize) -> Vec<f64> {
        let at = |i: usize| column[i] - self.lag.map_or(0.0, |m| column[i - m]);
        let from = if self.difference { at(s - 1) } else { 0.0 };
        (s - self.window.min(LAGS)..s).map(|i| at(i) - from).collect()
    }

    /// Whether answers are changes from something.
    pub fn is_change(&self) -> bool {
        self.difference || self.lag.is_some()
    }

    /// Rows that must lie before the first row ahead: those of the window, and where a
    /// season is taken off, what each of them is compared with.
    pub fn reach(&self) -> usize {
        self.lag.map_or(self.window, |m| {
            let seasons = m.saturating_mul(self.horizon.div_ceil(m));
            self.window.saturating_add(m).max(seasons.saturating_add(1))
        })
    }

    /// What a forecast of a column `h` rows (from 1) ahead of row `s - 1` is the change from.
    pub(super) fn reference(&self, column: &[f64], s: usize, h: usize) -> f64 {
        let season = self.lag.map_or(0.0, |m| Naive::seasonal(column, s, h, m));
        match (self.difference, self.lag) {
            (false, _) => season,
            (true, None) => column[s - 1],
            (true, Some(m)) => Naive::seasonal_change(column, s, h, m),
        }
    }
}
