//! From the loss to the updated weights: gradients, their mean over batches,
//! penalties, norm and clipping, the optimiser's step, the bound of the
//! weights' norms, and their moving average. What is not asked for costs
//! nothing: without extras it is the norm's two dispatches and the optimiser's.
//!
//! State on the device: `params`; `grads`; the optimiser's moments;
//! `accumulate.grads` and `accumulate.rows` (`.weight`) while batches are accumulated;
//! `train.flight`, the record of updates that were left out (`ops::guard`);
//! `lr.factor`, which the host may lower; `loss_scale` and its counts under mixed
//! precision; `ema`.
//!
//! Accumulation needs no branch on the host: every batch runs the same program,
//! and where the clock says that no update is due the optimiser and what
//! follows it write nothing. So several batches still share a submit, and a
//! batch stays a pure function of state on the device.

use super::flight::record::RECORD;
use super::groups::{Groups, Rule, factors};
use super::optimizer::{Control, Optimizer};
use super::regularize::Regularize;
use super::schedule::Schedule;
use crate::error::{Error, Result};
use crate::graph::{Graph, Home, Init, Seed, TensorId, gradient};
use crate::keys::Keys;
use crate::ops::ema::Ema;
use crate::ops::grad_norm::Guarded;
use crate::ops::guard::{self, Guard};
use crate::ops::loss_scale::{LossScale, Scaled};
use crate::ops::pace::{Pace, Paced, Steps};
use crate::tensor::{DType, HostTensor, Spec};
use std::sync::Arc;
use toml::{Table, Value};

/// How gradients become updates.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateSettings {
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Its learning rate.
    pub lr: f64,
    /// The weight decay is left to the number of steps (`Settings::settle`).
    pub auto_decay: bool,
    /// How the rate changes.
    pub schedule: Schedule,
    /// Penalties and bounds.
    pub regularize: Regularize,
    /// Batches per update, at least 1.
    pub accumulate: usize,
    /// Micro-batches per update, each of `batch_size` samples, whose gradients are summed in a fixed
    /// tree: a power of two. With 1 an update takes a batch, or as many as are accumulated.
    pub micro_batches: usize,
    /// The moving average of the weights.
    pub ema: Option<Ema>,
    /// Parameters with rules of their own.
    pub groups: Groups,
    /// The loss is scaled on the way back, and updates whose gradients overflow
    /// are left out: for gradients that are kept in half precision. Decided by
    /// the precision of the plan, not read from a configuration.
    pub scaled: bool,
    /// The host may change the rate at any time. Decided by whoever watches, not read from
    /// a configuration.
    pub controlled: bool,
    /// Which updates are left out because a number is not finite or not likely. Decided by
    /// the settings of the training (`flight`), not read from these keys.
    pub guard: Option<Guard>,
}

impl Default for UpdateSettings {
    /// Adam at its rate and nothing else.
    fn default() -> UpdateSettings {
        UpdateSettings {
            optimizer: Optimizer::default(),
            lr: 0.001,
            auto_decay: false,
            schedule: Schedule::default(),
            regularize: Regularize::default(),
            accumulate: 1,
            micro_batches: 1,
            ema: None,
            groups: Groups::default(),
            scaled: false,
            controlled: false,
            guard: None,
        }
    }
}

/// What an update leaves to look at.
#[derive(Debug, Clone, Copy)]
pub struct Updated {
    /// The gradient's norm before clipping, f32 `[]`, of what learns.
    pub grad_norm: TensorId,
    /// The learning rate of this update, f32 `[1]`, where the device works it
    /// out; elsewhere [`UpdateSettings::lr_at`] says the same.
    pub lr: Option<TensorId>,
}

/// The name of the factor of all learning rates, f32 `[1]`.
pub const LR_FACTOR: &str = "lr.factor";

/// The name of the scale of the loss, f32 `[]`.
pub const LOSS_SCALE: &str = "loss_scale";

/// The name of what is counted about it (`ops::loss_scale`), u32 `[3]`.
pub const LOSS_SCALE_COUNTS: &str = "loss_scale.counts";

/// As `torch.amp.GradScaler`: 2^16 in the beginning, doubled after 2,000 good
/// updates.
const FIRST_SCALE: f32 = 65_536.0;
const GROWS_AFTER: LossScale = LossScale { interval: 2000 };

/// The weight decay of those who do not ask how many steps there are: profiles, the search for a learning rate.
const UNDECIDED: f64 = 0.1;

/// Micro-batches that an update has at most.
pub const MOST_MICRO_BATCHES: usize = 1024;

/// The name of the averaged weights, laid out as `params`.
pub const EMA: &str = "ema";

impl UpdateSettings {
    /// Reads `[optimizer]`, `[schedule]` and `[[group]]` of a configuration, and
    /// of its `[train]` the keys that concern updates.
    pub fn read(root: &mut Keys, train: &mut Keys) -> Result<UpdateSettings> {
        let mut keys = Keys::new(root.table("optimizer")?.unwrap_or_default(), "[optimizer]");
        let auto_decay = keys.peek("weight_decay").and_then(Value::as_str) == Some("auto");
        if auto_decay {
            keys.take("weight_decay");
        }
        let (mut optimizer, lr) = Optimizer::read(&mut keys)?;
        if auto_decay && !optimizer.decay(UNDECIDED) {
            return Err(Error::model(
                "[optimizer]: weight_decay = \"auto\" is for adamw and sgdw, whose decay is apart from the gradient; \
                 expected a number",
            ));
        }
        keys.finish()?;
        let mut keys = Keys::new(root.table("schedule")?.unwrap_or_default(), "[schedule]");
        let schedule = Schedule::read(&mut keys)?;
        keys.finish()?;
        let decay = train.real("ema", 0.0, 0.999_999_999, Some(0.0))?;
        let warmup = train.flag("ema_warmup", false)?;
        let accumulate = train.count("accumulate", 1, Some(1))?;
        let micro_batches = train.count("micro_batches", 1, Some(1))?;
        if !micro_batches.is_power_of_two() || micro_batches > MOST_MICRO_BATCHES {
            return Err(Error::model(format!(
                "[train]: micro_batches = {micro_batches}; expected a power of two of at most {MOST_MICRO_BATCHES}"
            )));
        }
        if micro_batches > 1 && accumulate > 1 {
            return Err(Error::model(format!(
                "[train]: accumulate = {accumulate} and micro_batches = {micro_batches}; expected one of them, for both \
                 make a step of several batches"
            )));
        }
        Ok(UpdateSettings {
            optimizer,
            lr,
            auto_decay,
            schedule,
            regularize: Regularize::read(train)?,
            accumulate,
            micro_batches,
            ema: (decay > 0.0).then_some(Ema { decay, warmup }),
            groups: Groups::read(train, root.take("group"))?,
            scaled: false,
            controlled: false,
            guard: None,
        })
    }

    /// Adds the same tables to a configuration and the same keys to its
    /// `[train]`.
    pub fn write(&self, root: &mut Table, train: &mut Table) {
        let mut optimizer = self.optimizer.to_table(self.lr);
        if self.auto_decay {
            optimizer.insert("weight_decay".into(), "auto".into());
        }
        root.insert("optimizer".into(), Value::Table(optimizer));
        root.insert("schedule".into(), Value::Table(self.schedule.to_table()));
        self.regularize.write(train);
        train.insert("accumulate".into(), (self.accumulate as i64).into());
        train.insert("micro_batches".into(), (self.micro_batches as i64).into());
        train.insert("ema".into(), self.ema.map_or(0.0, |e| e.decay).into());
        train.insert("ema_warmup".into(), self.ema.is_some_and(|e| e.warmup).into());
        self.groups.write(root, train);
    }

    /// How batches make steps, which are updates, at `batches` to an epoch.
    pub fn steps(&self, batches: usize) -> Steps {
        Steps { batches: batches.max(1), accumulate: self.accumulate.max(self.micro_batches) }
    }

    /// The same updates with batches that are accumulated in place of micro-batches, for
    /// whoever runs a step's program alone: another order of the sums, and no ranks.
    pub fn accumulated(&self) -> UpdateSettings {
        UpdateSettings { accumulate: self.accumulate.max(self.micro_batches), micro_batches: 1, ..self.clone() }
    }

    /// The scheduled learning rate of a batch, counted from 0, before the factor of a
    /// plateau, in a training of so many epochs of `batches`.
    pub fn lr_at(&self, batch: usize, epochs: usize, batches: usize) -> f64 {
        let steps = self.steps(batches);
        self.schedule.rate(steps.done(batch), epochs.saturating_mul(steps.per_epoch()), steps.per_epoch(), self.lr)
    }
}

/// Adds everything from `loss` on to a training step whose graph holds the
/// model: `epochs` of `batches` each, counted by `clock`.
///
/// `rows` is what the batch's mean divides by: u32 `[1]`, its samples, or f32 `[]`,
/// the sum of their weights. Accumulation weights batches by it, so that an update
/// is that of one large batch, a short one at the epoch's end included; without it,
/// all batches count the same.
pub fn update(
    g: &mut Graph,
    loss: TensorId,
    clock: TensorId,
    rows: Option<TensorId>,
    u: &UpdateSettings,
    epochs: usize,
    batches: usize,
) -> Result<Updated> {
    if u.accumulate == 0 {
        return Err(Error::model("accumulate is 0; expected at least one batch per update"));
    }
    let accumulate = u.steps(batches).accumulate;
    let Gradients { flat, params, named, rules, offsets, scaled } = gradients(g, loss, u)?;
    let n = g.spec(params).elements();

    let at = clock;
    let steps = u.steps(batches);
    let rates = u.schedule.table(u.lr, epochs.saturating_mul(steps.per_epoch()), steps.per_epoch());
    let schedule = g.constant(HostTensor::f32([rates.rates.len()], rates.rates));
    let groups = factors(&rules, &named, &offsets, n);
    let groups = g.constant(HostTensor::f32([groups.len() / 2, 2], groups));
    // The optimiser can read clock and table itself, unless they mean something
    // else than batches and rates.
    let by_host = u.schedule.plateau.is_some() || u.controlled;
    let plain = scaled.is_none() && accumulate == 1 && rates.stride == 1 && !by_host;
    let paced = match plain {
        true => None,
        false => Some(pace(g, clock, schedule, rows, Pace { steps, stride: rates.stride })?),
    };
    let schedule = paced.map_or(schedule, |p| p.lr);
    let clock = match (paced, scaled) {
        (Some(p), Some(scaled)) => {
            let (norm, _) = g.grad_norm(flat, None)?;
            g.loss_scale(flat, norm, p.pace, scaled, GROWS_AFTER)?
        }
        (Some(p), None) if accumulate > 1 => p.pace,
        _ => clock,
    };
    let grads = match paced.filter(|_| accumulate > 1) {
        None => flat,
        Some(p) => {
            let mean = g.persistent("accumulate.grads", Spec::f32([n]), Init::Zeros);
            g.accumulate(mean, flat, p.weight)?;
            mean
        }
    };
    u.regularize.adjust(g, grads, params, clock, groups)?;
    let (grad_norm, scale) = match u.guard {
        None => g.grad_norm(grads, u.regularize.clip_norm)?,
        Some(guard) => {
            let record = g.persistent(RECORD, Spec::u32([guard::RECORD]), Init::Zeros);
            g.guarded_grad_norm(grads, u.regularize.clip_norm, Guarded { loss, clock: at, record }, guard)?
        }
    };
    u.optimizer.update(g, params, grads, &Control { clock, schedule, scale, groups })?;
    let learning = named.iter().zip(&offsets).zip(&rules).filter(|(_, r)| !r.frozen && r.lr != 0.0);
    u.regularize.constrain(g, params, clock, learning.map(|(((_, spec), &offset), _)| (spec, offset)))?;
    if let Some(ema) = u.ema {
        let average = average(g, params);
        g.ema(average, params, clock, ema)?;
    }
    Ok(Updated { grad_norm, lr: paced.map(|p| p.lr) })
}

/// The flat gradients of a loss, and what they are of.
pub(super) struct Gradients {
    /// The gradients, f32 `[P]`.
    pub flat: TensorId,
    /// The parameters, alike in layout.
    pub params: TensorId,
    /// Names and shapes of the parameters.
    pub named: Vec<(String, Spec)>,
    /// How each of them learns.
    pub rules: Vec<Rule>,
    /// Where each of them begins.
    pub offsets: Vec<usize>,
    scaled: Option<Scaled>,
}

/// Adds the backward pass of `loss`, and moves parameters and gradients into flat buffers.
pub(super) fn gradients(g: &mut Graph, loss: TensorId, u: &UpdateSettings) -> Result<Gradients> {
    let ids = g.params().to_vec();
    let named: Vec<(String, Spec)> =
        ids.iter().map(|&t| (g.tensors()[t.index()].label.clone(), g.spec(t).clone())).collect();
    let rules = u.groups.rules(&named)?;
    let wrt: Vec<TensorId> = ids.iter().zip(&rules).filter(|(_, r)| !r.frozen).map(|(&t, _)| t).collect();
    let scaled = u.scaled.then(|| scale(g));
    let seed = scaled.map_or_else(|| g.constant(HostTensor::f32(vec![], vec![1.0])), |s| s.scale);
    let parts = gradient(g, &[Seed { tensor: loss, gradient: seed }], &wrt)?;
    let (params, offsets) = g.flatten_params("params");
    let n = g.spec(params).elements();
    if !g.spec(params).shape.is_countable() {
        return Err(Error::model(format!(
            "the model has more than {} parameters, which kernels cannot count; use a smaller model",
            u32::MAX
        )));
    }
    let flat = pack(g, &parts, &rules, &offsets, n)?;
    Ok(Gradients { flat, params, named, rules, offsets, scaled })
}

/// The scale of the loss and what is counted about it.
fn scale(g: &mut Graph) -> Scaled {
    let first = Init::Data(Arc::new(HostTensor::f32(vec![], vec![FIRST_SCALE])));
    Scaled {
        scale: g.persistent(LOSS_SCALE, Spec::f32([]), first),
        counts: g.persistent(LOSS_SCALE_COUNTS, Spec::u32([3]), Init::Zeros),
    }
}

/// Gradients in one flat tensor, laid out as the parameters; where one is
/// frozen there are zeros, which nobody writes. So that they stay zeros in a
/// store that has seen another choice, each choice has a name of its own.
fn pack(g: &mut Graph, parts: &[TensorId], rules: &[Rule], offsets: &[usize], n: usize) -> Result<TensorId> {
    if rules.iter().all(|r| !r.frozen) {
        return g.pack("grads", parts);
    }
    let learning = offsets.iter().zip(rules).filter(|(_, r)| !r.frozen).map(|(&offset, _)| offset);
    let parts: Vec<(TensorId, usize)> = parts.iter().copied().zip(learning).collect();
    let choice: String = rules.iter().map(|r| if r.frozen { '0' } else { '1' }).collect();
    g.pack_at(&format!("grads.{choice}"), &parts, n)
}

/// Counts updates instead of batches, and looks up the rate.
pub(super) fn pace(
    g: &mut Graph,
    clock: TensorId,
    schedule: TensorId,
    rows: Option<TensorId>,
    pace: Pace,
) -> Result<Paced> {
    let one = Init::Data(Arc::new(HostTensor::f32([1], vec![1.0])));
    let factor = g.persistent(LR_FACTOR, Spec::f32([1]), one);
    let rows = rows.unwrap_or_else(|| g.constant(HostTensor::u32([1], vec![1])));
    let seen = match g.spec(rows).dtype {
        DType::U32 => g.persistent("accumulate.rows", Spec::u32([1]), Init::Zeros),
        _ => g.persistent("accumulate.weight", Spec::f32([]), Init::Zeros),
    };
    g.pace(clock, schedule, factor, rows, seen, pace)
}

/// The averaged weights, which are the weights in the beginning.
pub(super) fn average(g: &mut Graph, params: TensorId) -> TensorId {
    let init = match &g.tensors()[params.index()].home {
        Home::Persistent { init, .. } => init.clone(),
        _ => Init::Zeros,
    };
    let spec = g.spec(params).clone();
    g.persistent(EMA, spec, init)
}
