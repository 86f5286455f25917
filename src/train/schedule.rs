//! How the learning rate changes from step to step: a table on the device,
//! which the optimiser indexes with the step counter.

use crate::error::{Result, unknown};
use crate::nn::Keys;
use toml::Table;

/// A learning-rate schedule over a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// The same rate at every step.
    Constant,
    /// Down to zero in a straight line.
    Linear,
    /// Down to zero along half a cosine (Loshchilov and Hutter, arXiv:1608.03983).
    Cosine,
}

const NAMES: &[(&str, Schedule)] =
    &[("constant", Schedule::Constant), ("linear", Schedule::Linear), ("cosine", Schedule::Cosine)];

impl Schedule {
    /// Reads the keys of `[schedule]`.
    pub fn read(keys: &mut Keys) -> Result<Schedule> {
        let name = keys.text("name")?.unwrap_or_else(|| "constant".into());
        let found = NAMES.iter().find(|(n, _)| *n == name).map(|(_, s)| *s);
        found.ok_or_else(|| unknown("schedule", &name, NAMES.iter().map(|(n, _)| *n)))
    }

    /// As TOML.
    pub fn to_table(self) -> Table {
        let name = NAMES.iter().find(|(_, s)| *s == self).expect("every schedule has a name").0;
        Table::from_iter([("name".to_string(), name.into())])
    }

    /// The rate of every step of a run of `steps`. Later steps keep the last.
    pub fn table(self, lr: f64, steps: usize) -> Vec<f32> {
        let at = |i: usize| i as f64 / steps.max(1) as f64;
        let rate = |i: usize| match self {
            Schedule::Constant => lr,
            Schedule::Linear => lr * (1.0 - at(i)),
            Schedule::Cosine => lr * 0.5 * (1.0 + (std::f64::consts::PI * at(i)).cos()),
        };
        match self {
            Schedule::Constant => vec![lr as f32],
            _ => (0..steps.max(1)).map(|i| rate(i) as f32).collect(),
        }
    }
}
