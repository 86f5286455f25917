//! What the forecasts of a series are changes from: nothing, the last known value, the value one
//! season before, or both together. Where that is left open, it is what forecasts the training
//! rows best by itself.

use super::difference::Difference;
use super::fit::{SeriesFitted, Training, seen};
use super::naive::{Naive, PERSISTENCE, WINDOW_MEAN};
use crate::error::{Error, Result};

/// All that are chosen from, with what each is called by itself.
const KINDS: [(&str, Difference); 4] = [
    (WINDOW_MEAN, Difference::None),
    (PERSISTENCE, Difference::Last),
    ("seasonal naive", Difference::Season),
    ("seasonal change", Difference::Both),
];
/// The most windows of a series that a choice looks at.
const WINDOWS: usize = 5_000;
/// The share of the other errors below which the mean of a window must be for values to be
/// forecast themselves.
const BY_FAR: f64 = 0.95;
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
        let mut found: Vec<(Difference, &str, f64)> = vec![];
        let plain = self.training_windows(all, Difference::None);
        for (name, kind) in KINDS {
            let left = self.training_windows(all, kind);
            if kind.is_seasonal() && (self.season.is_none() || (left as f64) < LEFT * plain as f64) {
                continue;
            }
            found.push((kind, name, self.naive_error_of(all, kind)));
        }
        // A level that leaves the range of training is lost where values are forecast.
        let cost = |f: &(Difference, &str, f64)| if f.0 == Difference::None { f.2 / BY_FAR } else { f.2 };
        let best = found.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).expect("values are always there").0;
        self.set_difference(best);
        // In units of persistence, so that several targets count alike.
        let last = found.iter().find(|f| f.0 == Difference::Last).map_or(1.0, |f| f.2);
        let shown = |(kind, name, error): &(Difference, &str, f64)| {
            format!("{name} {:.2} ({})", if last > 0.0 { error / last } else { *error }, kind.shown())
        };
        let errors: Vec<String> = found.iter().map(shown).collect();
        let what = match best {
            Difference::None => "values are forecast themselves".to_string(),
            Difference::Last => "changes from the last known value are forecast".into(),
            Difference::Season => {
                format!("changes from one season ({} rows) before are forecast", self.lag.unwrap_or(0))
            }
            _ => format!(
                "changes from the last known value beside those of one season ({} rows) before are forecast",
                self.lag.unwrap_or(0)
            ),
        };
        Ok(Some(format!(
            "{what}, as {}: what forecasts the training rows best by itself; mean absolute errors there, to that of {}: {}; \
             data.difference decides otherwise",
            best.shown(),
            PERSISTENCE,
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

    /// The mean absolute error, over the training windows and all targets, of what one of
    /// them forecasts by itself. Each target counts in units of its deviation.
    fn naive_error_of(&self, all: &[Training], kind: Difference) -> f64 {
        let mut with = self.clone();
        with.set_difference(kind);
        // All are compared on the windows that all have.
        let mut longest = self.clone();
        longest.set_difference(Difference::Both);
        let both = self.training_windows(all, Difference::Both);
        let seasonal = both as f64 >= LEFT * self.training_windows(all, Difference::None) as f64;
        let from = if seasonal { longest.reach() } else { self.window };
        let mut sum = 0.0;
        for target in &self.targets {
            let values = || all.iter().flat_map(|t| seen(t, &target.name)).copied();
            let n = values().count().max(1) as f64;
            let mean = values().sum::<f64>() / n;
            let deviation = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt().max(f64::MIN_POSITIVE);
            let (mut errors, mut count) = (0.0, 0usize);
            for t in all {
                let c = seen(t, &target.name);
                let last = (c.len() + 1).saturating_sub(self.horizon);
                let step = (last.saturating_sub(from) / WINDOWS).max(1);
                for s in (from..last).step_by(step) {
                    for h in 1..=self.horizon {
                        let forecast = match kind {
                            Difference::None => c[s - self.window..s].iter().sum::<f64>() / self.window as f64,
                            _ => with.reference(c, s, h),
                        };
                        errors += (c[s + h - 1] - forecast).abs();
                        count += 1;
                    }
                }
            }
            sum += errors / count.max(1) as f64 / deviation;
        }
        sum
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
