//! RMSprop for the whole model at once: with `d = scale * g + weight_decay * p`,
//!
//! `s = alpha s + (1 - alpha) d^2`, `u = d / (sqrt(s) + eps)`;
//! `p -= lr * u`, or with momentum `b = momentum * b + u`, `p -= lr * b`.
//!
//! Shapes: `params`, `grads`, `square_avg` and momentum `f32 [P]`;
//! `schedule f32 [S]`, of which the clock's step picks `lr`; `scale f32 []`,
//! from `grad_norm`; `groups f32 [P / 64, 2]`, factors of learning rate and
//! weight decay for each 64 elements. No gradient.
//!
//! Source: `torch.optim.RMSprop`, not centred; Tieleman and Hinton, COURSERA
//! lecture 6.5, 2012.

use super::optimiser::{self, Inputs, Rates};
use super::{flush, state};
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec};

static SHADER: Shader = shader!("rmsprop");

/// The settings; the defaults are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmsProp {
    /// Decay of the mean of the squared gradients.
    pub alpha: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// How much of the last direction is kept.
    pub momentum: f64,
    /// Factor of the parameters, added to the gradient.
    pub weight_decay: f64,
}

impl Default for RmsProp {
    fn default() -> RmsProp {
        RmsProp { alpha: 0.99, eps: 1e-8, momentum: 0.0, weight_decay: 0.0 }
    }
}

impl Graph {
    /// One step of RMSprop on flat parameters. `momentum_buffer` must be given
    /// exactly when there is momentum.
    pub fn rmsprop(
        &mut self,
        params: TensorId,
        grads: TensorId,
        square_avg: TensorId,
        momentum_buffer: Option<TensorId>,
        clock: TensorId,
        schedule: TensorId,
        scale: TensorId,
        groups: TensorId,
        settings: RmsProp,
    ) -> Result<()> {
        optimiser::expect_momentum(settings.momentum, momentum_buffer)?;
        let updates: Vec<TensorId> = [params, square_avg].into_iter().chain(momentum_buffer).collect();
        optimiser::expect_distinct(self, &updates)?;
        let inputs = Inputs { grads, clock, schedule, scale, groups };
        self.push_with(settings, &inputs.list(), &updates).map(drop)
    }
}

impl Op for RmsProp {
    fn name(&self) -> &'static str {
        "rmsprop"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        // PyTorch asks for no more of alpha; 1 never forgets and never learns.
        optimiser::expect_within("alpha", self.alpha, 0.0, f64::INFINITY)?;
        optimiser::expect_eps(self.eps)?;
        optimiser::expect_within("momentum", self.momentum, 0.0, f64::INFINITY)?;
        optimiser::expect_within("weight_decay", self.weight_decay, 0.0, f64::INFINITY)?;
        optimiser::infer(cx, &["params", "square_avg", "momentum_buffer"])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let k = |entry| {
            let k = Kernel::new(&SHADER, entry).real("ALPHA", self.alpha).real("REST", 1.0 - self.alpha);
            let k = flush::bounds(k, &[flush::LEAST, flush::LEAST_SQUARE, flush::LEAST_SQUARED]);
            k.real("EPS", self.eps).real("WEIGHT_DECAY", self.weight_decay)
        };
        if cx.updates.len() == 2 {
            let d = optimiser::dispatch(k("plain"), cx);
            return Ok(Lowered::one(d.update("params4", 0).update("square4", 1)));
        }
        let d = optimiser::dispatch(k("momentum").real("MOMENTUM", self.momentum), cx);
        Ok(Lowered::one(d.update("params4", 0).update("square4", 1).update("momentum4", 2)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 12 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for RmsProp {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let clip = io.x(3)[0];
        let (alpha, rest) = (T::of(self.alpha), T::of(1.0 - self.alpha));
        let (eps, mu) = (T::of(self.eps), T::of(self.momentum));
        let rates = optimiser::rates(io, self.weight_decay);
        if io.updates.len() == 2 {
            optimiser::walk(io, rates, |g, [p, s], Rates { lr, decay }| {
                for i in 0..g.len() {
                    let d = flush::to_square(clip * g[i] + decay * p[i]);
                    s[i] = flush::square(alpha * s[i] + rest * (d * d));
                    p[i] = flush::value(p[i] - lr * d / (s[i].sqrt() + eps));
                }
            });
            return;
        }
        optimiser::walk(io, rates, |g, [p, s, b], Rates { lr, decay }| {
            for i in 0..g.len() {
                let d = flush::to_square(clip * g[i] + decay * p[i]);
                s[i] = flush::square(alpha * s[i] + rest * (d * d));
                b[i] = flush::value(mu * b[i] + d / (s[i].sqrt() + eps));
                p[i] = flush::value(p[i] - lr * b[i]);
            }
        });
    }
}

const ULPS: &str = "WGSL allows division 2.5 and square root 4.5 ulp";

/// Each setting at several sizes and steps, and what fades.
pub fn cases() -> Vec<Case> {
    let settings = [
        ("plain", RmsProp::default()),
        ("decay", RmsProp { weight_decay: 0.1, alpha: 0.9, eps: 1e-3, ..RmsProp::default() }),
        ("momentum", RmsProp { momentum: 0.9, weight_decay: 0.1, ..RmsProp::default() }),
    ];
    let mut cases = vec![];
    for (name, settings) in settings {
        for size in optimiser::SIZES {
            let mut state = vec![Fill::Normal(1.0), Fill::Uniform(0.1, 2.0)];
            state.extend((settings.momentum > 0.0).then_some(Fill::Normal(1.0)));
            let name = format!("rmsprop/{name}");
            let build = move |g: &mut Graph, i: Inputs, s: &[TensorId]| {
                let b = s.get(2).copied();
                g.rmsprop(s[0], i.grads, s[1], b, i.clock, i.schedule, i.scale, i.groups, settings)
            };
            let case = optimiser::case(name, size, state, build);
            cases.push(case.extra(8.0, ULPS));
        }
    }
    // Parameters, squares, momentum, gradients.
    let (zeros, fading, squares) = (optimiser::zeros, optimiser::fading, optimiser::fading_squares);
    let fading = [
        ("plain_squares_fade", vec![zeros(), squares(1e-36)], zeros()),
        ("plain_gradients_fade", vec![zeros(), zeros()], fading(1e-17)),
        ("plain_weights_fade", vec![fading(1e-30), zeros()], zeros()),
        ("state_fades", vec![zeros(), squares(1e-36), fading(1e-30)], zeros()),
        ("gradients_fade", vec![zeros(), zeros(), zeros()], fading(1e-17)),
        ("weights_fade", vec![fading(1e-30), zeros(), zeros()], zeros()),
    ];
    for (name, state, grads) in fading {
        let momentum = if state.len() > 2 { 0.9 } else { 0.0 };
        let build = move |g: &mut Graph, i: Inputs, s: &[TensorId]| {
            let (b, settings) = (s.get(2).copied(), RmsProp { momentum, ..RmsProp::default() });
            g.rmsprop(s[0], i.grads, s[1], b, i.clock, i.schedule, i.scale, i.groups, settings)
        };
        cases.push(optimiser::fading_case(format!("rmsprop/{name}"), state, grads, build).extra(8.0, ULPS));
    }
    cases
}
