//! The curves that learning rates follow, as PyTorch's `lr_scheduler` has them.

use crate::error::{Error, Result, unknown};
use crate::keys::Keys;
use std::f64::consts::PI;
use toml::{Table, Value};

/// The curve of a learning rate over a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// The same rate at every update.
    Constant,
    /// A straight line down to this share of the rate (`LinearLR`).
    Linear {
        /// The share that is left in the end.
        end_factor: f64,
    },
    /// Half a cosine down to the least rate (`CosineAnnealingLR`; Loshchilov
    /// and Hutter, arXiv:1608.03983).
    Cosine,
    /// The same, begun anew again and again (`CosineAnnealingWarmRestarts`).
    Restarts {
        /// Epochs of the first cosine.
        t0: usize,
        /// How much longer each is than the one before.
        t_mult: usize,
    },
    /// Times `gamma` every so many epochs (`StepLR`).
    Step {
        /// Epochs between two drops.
        epochs: usize,
        /// The factor of a drop.
        gamma: f64,
    },
    /// Times `gamma` at each of these epochs (`MultiStepLR`).
    MultiStep {
        /// Epochs that begin with a drop, ascending.
        milestones: Vec<usize>,
        /// The factor of a drop.
        gamma: f64,
    },
    /// Times `gamma` after every epoch (`ExponentialLR`).
    Exponential {
        /// The factor of an epoch.
        gamma: f64,
    },
    /// `(1 - t / T)^power` down to the least rate (`PolynomialLR`).
    Polynomial {
        /// The exponent.
        power: f64,
    },
    /// Up to the rate and down below where it began (`OneCycleLR` without its
    /// cycle of the momentum; Smith and Topin, arXiv:1708.07120).
    OneCycle {
        /// The share of the run that goes up.
        pct_start: f64,
        /// Along straight lines instead of cosines.
        linear: bool,
        /// The first rate is `lr / div_factor`.
        div_factor: f64,
        /// The last rate is the first divided by this.
        final_div_factor: f64,
        /// Down to the first rate as slowly as up, then to the last.
        three_phase: bool,
    },
    /// The rate times `sqrt(w / t)` from the end of a warm-up of `w` on
    /// (Vaswani et al., arXiv:1706.03762, section 5.3).
    InverseSqrt,
    /// From one rate to another in equal factors: a test of which rates train
    /// at all (Smith, arXiv:1506.01186). The optimiser's rate is not used.
    Range {
        /// The first rate.
        lr_min: f64,
        /// The last rate.
        lr_max: f64,
    },
}

/// Where an update stands.
pub(super) struct At {
    /// Updates since training began.
    pub step: usize,
    /// Updates since the end of the warm-up.
    pub t: usize,
    /// Updates from the end of the warm-up to the end of the run, at least 1.
    pub n: usize,
    /// Updates of the warm-up.
    pub warmup: usize,
    /// Updates per epoch.
    pub per_epoch: usize,
}

const NAMES: &[&str] = &[
    "constant",
    "linear",
    "cosine",
    "step",
    "multi_step",
    "exponential",
    "polynomial",
    "one_cycle",
    "inverse_sqrt",
    "range",
    "plateau",
];

impl Shape {
    /// The shape of that name, with its keys.
    pub(super) fn read(name: &str, keys: &mut Keys) -> Result<Shape> {
        let gamma = |keys: &mut Keys, default| keys.real("gamma", 0.0, 1e3, default);
        Ok(match name {
            // A plateau is a constant rate that the host lowers.
            "constant" | "plateau" => Shape::Constant,
            "linear" => Shape::Linear { end_factor: keys.real("end_factor", 0.0, 1e3, Some(0.0))? },
            "cosine" => {
                let (t0, t_mult) = (keys.count("t0", 0, Some(0))?, keys.count("t_mult", 1, Some(1))?);
                if t0 > 0 { Shape::Restarts { t0, t_mult } } else { Shape::Cosine }
            }
            "step" => Shape::Step { epochs: keys.count("step_epochs", 1, None)?, gamma: gamma(keys, Some(0.1))? },
            "multi_step" => Shape::MultiStep { milestones: milestones(keys)?, gamma: gamma(keys, Some(0.1))? },
            "exponential" => Shape::Exponential { gamma: gamma(keys, None)? },
            "polynomial" => Shape::Polynomial { power: keys.real("power", 0.0, 1e3, Some(1.0))? },
            "one_cycle" => Shape::OneCycle {
                pct_start: keys.real("pct_start", 0.0, 1.0, Some(0.3))?,
                linear: match keys.text("anneal")?.as_deref() {
                    None | Some("cos") => false,
                    Some("linear") => true,
                    Some(other) => return Err(unknown("anneal", other, ["cos", "linear"])),
                },
                div_factor: keys.real("div_factor", 1e-9, 1e9, Some(25.0))?,
                final_div_factor: keys.real("final_div_factor", 1e-9, 1e12, Some(1e4))?,
                three_phase: keys.flag("three_phase", false)?,
            },
            "inverse_sqrt" => Shape::InverseSqrt,
            "range" => Shape::Range {
                lr_min: keys.real("lr_min", 1e-30, 1e3, Some(1e-7))?,
                lr_max: keys.real("lr_max", 1e-30, 1e3, Some(10.0))?,
            },
            _ => return Err(unknown("schedule", name, NAMES.iter().copied())),
        })
    }

    /// The name and the keys as TOML.
    pub(super) fn write(&self, table: &mut Table) {
        let count = |n: usize| Value::Integer(n as i64);
        let (name, entries): (&str, Vec<(&str, Value)>) = match self {
            Shape::Constant => ("constant", vec![]),
            Shape::Linear { end_factor } => ("linear", vec![("end_factor", (*end_factor).into())]),
            Shape::Cosine => ("cosine", vec![]),
            Shape::Restarts { t0, t_mult } => ("cosine", vec![("t0", count(*t0)), ("t_mult", count(*t_mult))]),
            Shape::Step { epochs, gamma } => {
                ("step", vec![("step_epochs", count(*epochs)), ("gamma", (*gamma).into())])
            }
            Shape::MultiStep { milestones, gamma } => {
                let list = milestones.iter().map(|&e| count(e)).collect();
                ("multi_step", vec![("milestones", Value::Array(list)), ("gamma", (*gamma).into())])
            }
            Shape::Exponential { gamma } => ("exponential", vec![("gamma", (*gamma).into())]),
            Shape::Polynomial { power } => ("polynomial", vec![("power", (*power).into())]),
            Shape::OneCycle { pct_start, linear, div_factor, final_div_factor, three_phase } => (
                "one_cycle",
                vec![
                    ("pct_start", (*pct_start).into()),
                    ("anneal", if *linear { "linear" } else { "cos" }.into()),
                    ("div_factor", (*div_factor).into()),
                    ("final_div_factor", (*final_div_factor).into()),
                    ("three_phase", (*three_phase).into()),
                ],
            ),
            Shape::InverseSqrt => ("inverse_sqrt", vec![]),
            Shape::Range { lr_min, lr_max } => {
                ("range", vec![("lr_min", (*lr_min).into()), ("lr_max", (*lr_max).into())])
            }
        };
        table.insert("name".into(), name.into());
        table.extend(entries.into_iter().map(|(k, v)| (k.to_string(), v)));
    }

    /// The rate at an update, before any warm-up.
    pub(super) fn rate(&self, at: &At, lr: f64, min_lr: f64) -> f64 {
        let epoch = at.step / at.per_epoch;
        let share = at.t as f64 / at.n as f64;
        let drops = |n: usize, gamma: f64| lr * gamma.powf(n as f64);
        let cosine = |share: f64| min_lr + (lr - min_lr) * 0.5 * (1.0 + (PI * share).cos());
        match self {
            Shape::Constant => lr,
            Shape::Linear { end_factor } => lr + ((lr * end_factor).max(min_lr) - lr) * share,
            Shape::Cosine => cosine(share),
            Shape::Restarts { t0, t_mult } => {
                cosine(within(at.t as f64, *t0 as f64 * at.per_epoch as f64, *t_mult as f64))
            }
            Shape::Step { epochs, gamma } => drops(epoch / epochs, *gamma),
            Shape::MultiStep { milestones, gamma } => drops(milestones.iter().filter(|&&m| m <= epoch).count(), *gamma),
            Shape::Exponential { gamma } => drops(epoch, *gamma),
            Shape::Polynomial { power } => min_lr + (lr - min_lr) * (1.0 - share).powf(*power),
            Shape::OneCycle { .. } => self.one_cycle(at, lr),
            Shape::InverseSqrt => {
                let w = at.warmup.max(1) as f64;
                lr * (w / (w + at.t as f64)).sqrt()
            }
            Shape::Range { lr_min, lr_max } => {
                let share = at.t as f64 / (at.n - 1).max(1) as f64;
                lr_min * (lr_max / lr_min).powf(share)
            }
        }
    }

    /// PyTorch's phases: each ends at an update that need not be whole.
    fn one_cycle(&self, at: &At, lr: f64) -> f64 {
        let Shape::OneCycle { pct_start, linear, div_factor, final_div_factor, three_phase } = *self else {
            unreachable!("called for one shape")
        };
        let (t, n, first) = (at.t as f64, at.n as f64, lr / div_factor);
        let (last, up) = (first / final_div_factor, pct_start * n - 1.0);
        let phases = match three_phase {
            true => vec![(up, first, lr), (2.0 * pct_start * n - 2.0, lr, first), (n - 1.0, first, last)],
            false => vec![(up, first, lr), (n - 1.0, lr, last)],
        };
        let mut begin = 0.0;
        for (i, (end, from, to)) in phases.iter().enumerate() {
            if t <= *end || i + 1 == phases.len() {
                let share = if end > &begin { ((t - begin) / (end - begin)).clamp(0.0, 1.0) } else { 1.0 };
                return match linear {
                    true => from + (to - from) * share,
                    false => to + (from - to) / 2.0 * (1.0 + (PI * share).cos()),
                };
            }
            begin = *end;
        }
        unreachable!("the last phase takes all that is left")
    }

    /// Whether the keys of `range` are given the wrong way round.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Shape::Range { lr_min, lr_max } if lr_min >= lr_max => Err(Error::model(format!(
                "[schedule]: lr_min = {lr_min} and lr_max = {lr_max}; expected the first to be below the second"
            ))),
            _ => Ok(()),
        }
    }
}

/// How far update `t` is in its cosine, when the first takes `length` updates
/// and each is `mult` times as long as the one before.
fn within(t: f64, length: f64, mult: f64) -> f64 {
    if mult <= 1.0 {
        return (t % length) / length;
    }
    let (mut begin, mut length) = (0.0, length);
    while t >= begin + length {
        begin += length;
        length *= mult;
    }
    (t - begin) / length
}

fn milestones(keys: &mut Keys) -> Result<Vec<usize>> {
    let place = keys.place().to_string();
    let list = keys.list("milestones")?;
    let list = list.filter(|l| !l.is_empty() && l.windows(2).all(|w| w[0] < w[1]));
    list.ok_or_else(|| {
        Error::model(format!("{place}: milestones must be a list of ascending epochs, such as [30, 60, 90]"))
    })
}
