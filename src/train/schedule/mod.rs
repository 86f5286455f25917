//! How the learning rate changes from update to update: a table on the device,
//! which the optimiser indexes with the step counter, and a factor that the
//! host lowers when a metric stops to improve.
//!
//! Keys in epochs are counted in updates by way of the updates per epoch. The
//! warm-up goes in front: its update `i` of `w` has the share `(i + 1) / (w + 1)`
//! of the rate, as `LinearLR` with `start_factor = 1 / (w + 1)`. Curves that
//! span the run then span what is left of it; drops at epochs stay where they
//! are.

mod plateau;
mod shape;

pub use plateau::{Mode, Plateau, PlateauRule};
pub use shape::Shape;

use crate::error::{Error, Result};
use crate::keys::Keys;
use shape::At;
use toml::Table;

/// A learning-rate schedule over a whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The curve after the warm-up.
    pub shape: Shape,
    /// The straight line in front of it.
    pub warmup: Warmup,
    /// The least rate after the warm-up.
    pub min_lr: f64,
    /// When the host lowers the rate.
    pub plateau: Option<PlateauRule>,
}

/// How long the rate rises before the curve begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warmup {
    /// So many updates; 0 is none.
    Steps(usize),
    /// So many epochs, rounded to whole updates.
    Epochs(f64),
}

/// The rates of a run, for the device.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// The rates; updates beyond keep the last.
    pub rates: Vec<f32>,
    /// Updates that share an entry: more than one in very long runs.
    pub stride: usize,
}

/// The most entries of a table: 4 MiB.
const ENTRIES: usize = 1 << 20;

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule { shape: Shape::Constant, warmup: Warmup::Steps(0), min_lr: 0.0, plateau: None }
    }
}

impl Schedule {
    /// Reads the keys of `[schedule]`.
    pub fn read(keys: &mut Keys) -> Result<Schedule> {
        let name = keys.text("name")?.unwrap_or_else(|| "constant".into());
        let shape = Shape::read(&name, keys)?;
        shape.check()?;
        let steps = keys.count("warmup_steps", 0, Some(0))?;
        let epochs = keys.real("warmup_epochs", 0.0, 1e6, Some(0.0))?;
        let warmup = match (steps, epochs) {
            (0, e) if e > 0.0 => Warmup::Epochs(e),
            (n, 0.0) => Warmup::Steps(n),
            (n, e) => {
                let place = keys.place();
                return Err(Error::model(format!(
                    "{place}: warmup_steps = {n} and warmup_epochs = {e}; expected one of them"
                )));
            }
        };
        let min_lr = keys.real("min_lr", 0.0, 1e3, Some(0.0))?;
        match name.as_str() {
            // There `min_lr` is the plateau's own.
            "plateau" => Ok(Schedule { shape, warmup, min_lr: 0.0, plateau: Some(PlateauRule::read(keys, min_lr)?) }),
            _ => Ok(Schedule { shape, warmup, min_lr, plateau: None }),
        }
    }

    /// As TOML: read back, it is the same schedule.
    pub fn to_table(&self) -> Table {
        let mut table = Table::new();
        self.shape.write(&mut table);
        match self.warmup {
            Warmup::Steps(n) => table.insert("warmup_steps".into(), (n as i64).into()),
            Warmup::Epochs(e) => table.insert("warmup_epochs".into(), e.into()),
        };
        table.insert("min_lr".into(), self.min_lr.into());
        if let Some(rule) = &self.plateau {
            rule.write(&mut table);
        }
        table
    }

    /// Updates of the warm-up.
    fn warmup_steps(&self, per_epoch: usize) -> usize {
        match self.warmup {
            Warmup::Steps(n) => n,
            Warmup::Epochs(e) => (e * per_epoch as f64).round() as usize,
        }
    }

    /// The rate of update `step`, counted from 0, in a run of `total_steps`
    /// updates, `steps_per_epoch` of them to an epoch. Later updates keep the
    /// last rate.
    pub fn rate(&self, step: usize, total_steps: usize, steps_per_epoch: usize, lr: f64) -> f64 {
        let per_epoch = steps_per_epoch.max(1);
        let (step, warmup) = (step.min(total_steps.max(1) - 1), self.warmup_steps(per_epoch));
        let n = total_steps.saturating_sub(warmup).max(1);
        let floor = self.min_lr.min(lr);
        let at = At { step, t: step.saturating_sub(warmup), n, warmup, per_epoch };
        let rate = self.shape.rate(&at, lr, floor);
        match step < warmup {
            true => rate * (step + 1) as f64 / (warmup + 1) as f64,
            false => rate.max(floor),
        }
    }

    /// The rate of every update of such a run.
    pub fn table(&self, lr: f64, total_steps: usize, steps_per_epoch: usize) -> Rates {
        let total = total_steps.max(1);
        let stride = total.div_ceil(ENTRIES);
        let rate = |i: usize| self.rate(i * stride, total, steps_per_epoch, lr) as f32;
        let mut rates: Vec<f32> = (0..total.div_ceil(stride)).map(rate).collect();
        // What stays to the end the same needs one entry.
        while rates.len() > 1 && rates[rates.len() - 1] == rates[rates.len() - 2] {
            rates.pop();
        }
        let stride = if rates.len() == 1 { 1 } else { stride };
        Rates { rates, stride }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
