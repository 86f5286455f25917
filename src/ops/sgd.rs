//! Stochastic gradient descent, with momentum, for the whole model at once:
//! with `d = scale * g + weight_decay * p`,
//!
//! `b = momentum * b + (1 - dampening) * d`, and `b = d` at step 0;
//! `p -= lr * b`, or `p -= lr * (d + momentum * b)` if `nesterov`, or
//! `p -= lr * d` without momentum. `decoupled` (SGDW): the decay is left out of
//! `d`, and `p *= 1 - lr * weight_decay` comes first.
//!
//! Shapes: `params`, `grads` and momentum `f32 [P]`; `schedule f32 [S]`, of
//! which the clock's step picks `lr`; `scale f32 []`, from `grad_norm`;
//! `groups f32 [P / 64, 2]`, factors of learning rate and weight decay for each
//! 64 elements. No gradient.
//!
//! Source: `torch.optim.SGD`; Sutskever et al., "On the importance of
//! initialization and momentum in deep learning", 2013; Loshchilov and Hutter,
//! arXiv:1711.05101.

use super::optimiser::{self, Inputs, Rates};
use super::{flush, state};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec};

static SHADER: Shader = shader!("sgd");

/// The settings; the defaults are PyTorch's.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sgd {
    /// How much of the last direction is kept.
    pub momentum: f64,
    /// How much of the gradient is left out of the new direction.
    pub dampening: f64,
    /// Looks one step ahead along the direction.
    pub nesterov: bool,
    /// Factor of the parameters.
    pub weight_decay: f64,
    /// Weight decay shrinks the parameters (SGDW) instead of joining the
    /// gradient (SGD).
    pub decoupled: bool,
}

impl Graph {
    /// One step of SGD on flat parameters. `momentum_buffer` must be given
    /// exactly when there is momentum.
    pub fn sgd(
        &mut self,
        params: TensorId,
        grads: TensorId,
        momentum_buffer: Option<TensorId>,
        clock: TensorId,
        schedule: TensorId,
        scale: TensorId,
        groups: TensorId,
        settings: Sgd,
    ) -> Result<()> {
        optimiser::expect_momentum(settings.momentum, momentum_buffer)?;
        let updates: Vec<TensorId> = [params].into_iter().chain(momentum_buffer).collect();
        optimiser::expect_distinct(self, &updates)?;
        let inputs = Inputs { grads, clock, schedule, scale, groups };
        self.push_with(settings, &inputs.list(), &updates).map(drop)
    }
}

impl Op for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        optimiser::expect_within("momentum", self.momentum, 0.0, f64::INFINITY)?;
        optimiser::expect_within("weight_decay", self.weight_decay, 0.0, f64::INFINITY)?;
        if !self.dampening.is_finite() {
            return Err(Error::model(format!("dampening is {}; expected a number", self.dampening)));
        }
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            let (m, d) = (self.momentum, self.dampening);
            return Err(Error::model(format!("nesterov needs momentum and no dampening; found {m} and {d}")));
        }
        optimiser::infer(cx, &["params", "momentum_buffer"])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let k = |entry| {
            let k = Kernel::new(&SHADER, entry).real("WEIGHT_DECAY", self.weight_decay);
            flush::bounds(k, &[flush::LEAST]).flag("DECOUPLED", self.decoupled)
        };
        if cx.updates.len() == 1 {
            return Ok(Lowered::one(optimiser::dispatch(k("plain"), cx).update("params4", 0)));
        }
        let k = k("momentum").real("MOMENTUM", self.momentum).real("UNDAMPED", 1.0 - self.dampening);
        let d = optimiser::dispatch(k.flag("NESTEROV", self.nesterov), cx);
        Ok(Lowered::one(d.update("params4", 0).update("momentum4", 1)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 8 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Sgd {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let clip = io.x(3)[0];
        let (mu, undamped) = (T::of(self.momentum), T::of(1.0 - self.dampening));
        let first = io.x_u32(1)[super::clock::STEP] == 0;
        let rates = optimiser::rates(io, self.weight_decay);
        let decoupled = self.decoupled;
        // What parameters are multiplied with, and how much of them joins the
        // gradient.
        let split = move |lr, decay| if decoupled { (T::ONE - lr * decay, T::ZERO) } else { (T::ONE, decay) };
        if io.updates.len() == 1 {
            optimiser::walk(io, rates, |g, [p], Rates { lr, decay }| {
                let (shrink, coupled) = split(lr, decay);
                for i in 0..g.len() {
                    p[i] = flush::value(shrink * p[i] - lr * flush::value(clip * g[i] + coupled * p[i]));
                }
            });
            return;
        }
        // At step 0 the buffer holds nothing yet.
        let add = if first { T::ONE } else { undamped };
        // The direction is `along_d * d + along_b * b`.
        let (along_d, along_b) = if self.nesterov { (T::ONE, mu) } else { (T::ZERO, T::ONE) };
        optimiser::walk(io, rates, |g, [p, b], Rates { lr, decay }| {
            if first {
                b.fill(T::ZERO);
            }
            let (shrink, coupled) = split(lr, decay);
            for i in 0..g.len() {
                let d = flush::value(clip * g[i] + coupled * p[i]);
                b[i] = flush::value(mu * b[i] + add * d);
                p[i] = flush::value(shrink * p[i] - lr * (along_d * d + along_b * b[i]));
            }
        });
    }
}

/// Each setting at several sizes and steps, and what fades.
pub fn cases() -> Vec<Case> {
    let settings = [
        ("plain", Sgd::default()),
        ("plain_decay", Sgd { weight_decay: 0.1, ..Sgd::default() }),
        ("momentum", Sgd { momentum: 0.9, ..Sgd::default() }),
        ("dampened", Sgd { momentum: 0.9, dampening: 0.4, weight_decay: 0.1, ..Sgd::default() }),
        ("sgdw", Sgd { weight_decay: 0.1, decoupled: true, ..Sgd::default() }),
        ("sgdw_momentum", Sgd { momentum: 0.9, weight_decay: 0.1, decoupled: true, ..Sgd::default() }),
        ("nesterov", Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.1, ..Sgd::default() }),
    ];
    let mut cases = vec![];
    for (name, settings) in settings {
        for size in optimiser::SIZES {
            let state = if settings.momentum > 0.0 { vec![Fill::Normal(1.0); 2] } else { vec![Fill::Normal(1.0)] };
            cases.push(optimiser::case(format!("sgd/{name}"), size, state, move |g, i, s| {
                g.sgd(s[0], i.grads, s.get(1).copied(), i.clock, i.schedule, i.scale, i.groups, settings)
            }));
        }
    }
    let (zeros, fading, apart) = (optimiser::zeros, || optimiser::fading(1e-30), || optimiser::fading_apart(1e-30));
    let fading = [
        ("plain_gradients_fade", vec![zeros()], fading()),
        ("plain_weights_fade", vec![fading()], zeros()),
        ("momentum_fades", vec![zeros(), fading()], zeros()),
        ("gradients_fade", vec![zeros(), zeros()], fading()),
        ("weights_fade", vec![fading(), zeros()], zeros()),
        // Gradients too small to count do not move what is near the bound.
        ("plain_all_fades", vec![fading()], apart()),
        ("all_fades", vec![zeros(), fading()], apart()),
    ];
    for (name, state, grads) in fading {
        let momentum = if state.len() > 1 { 0.9 } else { 0.0 };
        cases.push(optimiser::fading_case(format!("sgd/{name}"), state, grads, move |g, i, s| {
            let settings = Sgd { momentum, weight_decay: 0.1, decoupled: true, ..Sgd::default() };
            g.sgd(s[0], i.grads, s.get(1).copied(), i.clock, i.schedule, i.scale, i.groups, settings)
        }));
    }
    cases
}
