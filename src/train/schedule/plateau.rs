//! A rate that falls when a metric stops to improve: `ReduceLROnPlateau`.

use crate::error::{Context, Result, unknown};
use crate::keys::Keys;
use crate::train::figure::{check_name, more_is_better};
use serde::{Deserialize, Serialize};
use toml::Table;

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The way in which the metric is better.
    Auto,
    /// Smaller is better.
    Min,
    /// Larger is better.
    Max,
}

const MODES: [(&str, Mode); 3] = [("auto", Mode::Auto), ("min", Mode::Min), ("max", Mode::Max)];

/// When the rate falls, and how far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlateauRule {
    /// The metric to watch; `auto` leaves it to the loop.
    pub monitor: String,
    /// Which way it improves.
    pub mode: Mode,
    /// What the rate is multiplied with.
    pub factor: f64,
    /// Epochs without improvement that pass; the next one lowers the rate.
    pub patience: usize,
    /// The least change that counts as an improvement.
    pub min_delta: f64,
    /// Whether `min_delta` is a share of the best value rather than a
    /// difference to it.
    pub relative: bool,
    /// Epochs after a fall that are not counted.
    pub cooldown: usize,
    /// The least rate.
    pub min_lr: f64,
}

impl Default for PlateauRule {
    /// PyTorch's defaults.
    fn default() -> PlateauRule {
        PlateauRule {
            monitor: "auto".into(),
            mode: Mode::Auto,
            factor: 0.1,
            patience: 10,
            min_delta: 1e-4,
            relative: true,
            cooldown: 0,
            min_lr: 0.0,
        }
    }
}

impl PlateauRule {
    /// Reads the keys that a plateau adds to `[schedule]`.
    pub(super) fn read(keys: &mut Keys, min_lr: f64) -> Result<PlateauRule> {
        let d = PlateauRule::default();
        let mode = match keys.text("mode")? {
            None => d.mode,
            Some(name) => {
                let found = MODES.iter().find(|(n, _)| *n == name).map(|(_, m)| *m);
                found.ok_or_else(|| unknown("mode", &name, MODES.iter().map(|(n, _)| *n)))?
            }
        };
        let monitor = keys.text("monitor")?.unwrap_or(d.monitor);
        if monitor != "auto" {
            check_name(&monitor).context(|| keys.place().to_string())?;
        }
        Ok(PlateauRule {
            monitor,
            mode,
            factor: keys.real("factor", 0.0, 0.999_999, Some(d.factor))?,
            patience: keys.count("patience", 0, Some(d.patience))?,
            min_delta: keys.real("min_delta", 0.0, 1e9, Some(d.min_delta))?,
            relative: keys.flag("relative", d.relative)?,
            cooldown: keys.count("cooldown", 0, Some(d.cooldown))?,
            min_lr,
        })
    }

    /// As the keys of `[schedule]`, its name included.
    pub(super) fn write(&self, table: &mut Table) {
        let mode = MODES.iter().find(|(_, m)| *m == self.mode).expect("every mode has a name").0;
        table.insert("name".into(), "plateau".into());
        table.insert("monitor".into(), self.monitor.clone().into());
        table.insert("mode".into(), mode.into());
        table.insert("factor".into(), self.factor.into());
        table.insert("patience".into(), (self.patience as i64).into());
        table.insert("min_delta".into(), self.min_delta.into());
        table.insert("relative".into(), self.relative.into());
        table.insert("cooldown".into(), (self.cooldown as i64).into());
        table.insert("min_lr".into(), self.min_lr.into());
    }
}

/// Watches a metric, epoch by epoch. All of its state can be serialised, so
/// that a resumed run falls where the whole one would.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    rule: PlateauRule,
    lr: f64,
    upwards: bool,
    best: Option<f64>,
    bad_epochs: usize,
    cooling: usize,
    factor: f64,
}

/// A fall of the rate by less than this is none, as in PyTorch.
const EPS: f64 = 1e-8;

impl Plateau {
    /// Watches the metric called `monitor` on behalf of a run whose rate is `lr`
    /// before any factor.
    pub fn new(rule: PlateauRule, monitor: &str, lr: f64) -> Plateau {
        let upwards = match rule.mode {
            Mode::Auto => more_is_better(monitor).unwrap_or(false),
            mode => mode == Mode::Max,
        };
        Plateau { rule, lr, upwards, best: None, bad_epochs: 0, cooling: 0, factor: 1.0 }
    }

    /// The factor of the rate now.
    pub fn factor(&self) -> f32 {
        self.factor as f32
    }

    /// Takes the metric of an epoch; returns the new factor of the rate, if it
    /// falls. A metric that is not a number is no improvement.
    pub fn observe(&mut self, metric: f64) -> Option<f32> {
        if self.improves(metric) {
            (self.best, self.bad_epochs) = (Some(metric), 0);
        } else {
            self.bad_epochs += 1;
        }
        if self.cooling > 0 {
            (self.cooling, self.bad_epochs) = (self.cooling - 1, 0);
        }
        if self.bad_epochs <= self.rule.patience {
            return None;
        }
        (self.cooling, self.bad_epochs) = (self.rule.cooldown, 0);
        let now = self.lr * self.factor;
        let lower = (now * self.rule.factor).max(self.rule.min_lr);
        if now - lower <= EPS {
            return None;
        }
        self.factor = lower / self.lr;
        Some(self.factor())
    }

    fn improves(&self, metric: f64) -> bool {
        let Some(best) = self.best else { return metric.is_finite() };
        let by = self.rule.min_delta * if self.rule.relative { best } else { 1.0 };
        if self.upwards { metric > best + by } else { metric < best - by }
    }
}
