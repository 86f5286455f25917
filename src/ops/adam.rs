//! Adam and AdamW for the whole model at once: with `t = step + 1` and
//! `d = scale * g`, plus `weight_decay * p` unless `decoupled`,
//!
//! `m = beta1 m + (1 - beta1) d`, `v = beta2 v + (1 - beta2) d^2`,
//! `p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)`;
//! decoupled, `p *= 1 - lr * weight_decay` comes first.
//!
//! Shapes: `params`, `grads`, `m`, `v f32 [P]`; `schedule f32 [S]`, of which the
//! clock's step picks `lr`; `scale f32 []`, from `grad_norm`;
//! `groups f32 [P / 64, 2]`, factors of learning rate and weight decay for each
//! 64 elements. No gradient.
//!
//! `1 - beta^t` is `-expm1(t ln beta)`: taken as written it would lose most of
//! its digits in f32 in the first steps.
//!
//! Source: `torch.optim.Adam` and `AdamW`; Kingma and Ba, arXiv:1412.6980;
//! Loshchilov and Hutter, arXiv:1711.05101.

use super::optimiser::{self, Inputs, Rates};
use super::{clock, flush, state};
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec};

static SHADER: Shader = shader!("adam");

/// The settings; the defaults are PyTorch's Adam's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Factor of the parameters.
    pub weight_decay: f64,
    /// Weight decay shrinks the parameters (AdamW) instead of joining the
    /// gradient (Adam).
    pub decoupled: bool,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false }
    }
}

impl Graph {
    /// One step of Adam on flat parameters with the moments `m` and `v`.
    pub fn adam(
        &mut self,
        params: TensorId,
        grads: TensorId,
        m: TensorId,
        v: TensorId,
        clock: TensorId,
        schedule: TensorId,
        scale: TensorId,
        groups: TensorId,
        settings: Adam,
    ) -> Result<()> {
        optimiser::expect_distinct(self, &[params, m, v])?;
        let inputs = Inputs { grads, clock, schedule, scale, groups };
        self.push_with(settings, &inputs.list(), &[params, m, v]).map(drop)
    }
}

/// ln(beta), finite for beta = 0: e to the power of the least multiple of it is
/// 0 in any precision.
fn ln_beta(beta: f64) -> f64 {
    beta.ln().max(-1e4)
}

/// `1 - beta^t` at a step of the clock.
fn correction(beta: f64, step: u32) -> f64 {
    -((f64::from(step) + 1.0) * ln_beta(beta)).exp_m1()
}

impl Op for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        optimiser::expect_within("beta1", self.beta1, 0.0, 1.0)?;
        optimiser::expect_within("beta2", self.beta2, 0.0, 1.0)?;
        optimiser::expect_eps(self.eps)?;
        optimiser::expect_within("weight_decay", self.weight_decay, 0.0, f64::INFINITY)?;
        optimiser::infer(cx, &["params", "m", "v"])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let k = Kernel::new(&SHADER, "update").real("BETA1", self.beta1).real("REST1", 1.0 - self.beta1);
        let k = k.real("BETA2", self.beta2).real("REST2", 1.0 - self.beta2);
        let k = k.real("LN_BETA1", ln_beta(self.beta1)).real("LN_BETA2", ln_beta(self.beta2));
        let k = k.real("EPS", self.eps).real("WEIGHT_DECAY", self.weight_decay).flag("DECOUPLED", self.decoupled);
        let k = flush::bounds(k, &[flush::LEAST, flush::LEAST_SQUARE, flush::LEAST_SQUARED]);
        let d = optimiser::dispatch(k, cx);
        Ok(Lowered::one(d.update("params4", 0).update("m4", 1).update("v4", 2)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 15 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Adam {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let clip = io.x(3)[0];
        let step = io.x_u32(1)[clock::STEP];
        let unbias1 = T::of(1.0 / correction(self.beta1, step));
        let unbias2 = T::of(1.0 / correction(self.beta2, step).sqrt());
        let (beta1, rest1) = (T::of(self.beta1), T::of(1.0 - self.beta1));
        let (beta2, rest2) = (T::of(self.beta2), T::of(1.0 - self.beta2));
        let eps = T::of(self.eps);
        let decoupled = self.decoupled;
        let rates = optimiser::rates(io, self.weight_decay);
        optimiser::walk(io, rates, |g, [p, m, v], Rates { lr, decay }| {
            let step_size = lr * unbias1;
            let (shrink, coupled) = if decoupled { (T::ONE - lr * decay, T::ZERO) } else { (T::ONE, decay) };
            for i in 0..g.len() {
                let d = flush::to_square(clip * g[i] + coupled * p[i]);
                m[i] = flush::value(beta1 * m[i] + rest1 * d);
                v[i] = flush::square(beta2 * v[i] + rest2 * (d * d));
                p[i] = flush::value(shrink * p[i] - step_size * m[i] / (v[i].sqrt() * unbias2 + eps));
            }
        });
    }
}

const ULPS: &str = "WGSL allows exp 3 + 2|x|, division 2.5 and square root 4.5 ulp";

/// Each setting at several sizes and steps, betas at the ends of their range, and
/// what fades.
pub fn cases() -> Vec<Case> {
    let settings = [
        ("adam", Adam::default()),
        ("adam_decay", Adam { weight_decay: 0.1, eps: 1e-3, ..Adam::default() }),
        ("adamw", Adam { weight_decay: 0.1, decoupled: true, ..Adam::default() }),
        ("slow", Adam { beta1: 0.99, beta2: 0.999_999, ..Adam::default() }),
        ("no_memory", Adam { beta1: 0.0, beta2: 0.0, eps: 1e-3, ..Adam::default() }),
    ];
    let mut cases = vec![];
    for (name, settings) in settings {
        for size in optimiser::SIZES {
            let state = vec![Fill::Normal(1.0), Fill::Normal(0.3), Fill::Uniform(0.1, 2.0)];
            let name = format!("adam/{name}");
            let build = move |g: &mut Graph, i: Inputs, s: &[TensorId]| {
                g.adam(s[0], i.grads, s[1], s[2], i.clock, i.schedule, i.scale, i.groups, settings)
            };
            let case = optimiser::case(name, size, state, build);
            cases.push(case.extra(16.0, ULPS));
        }
    }
    // Parameters, moments, gradients.
    let (zeros, fading, squares) = (optimiser::zeros, optimiser::fading, optimiser::fading_squares);
    let fading = [
        ("moments_fade", [zeros(), fading(1e-30), squares(1e-36), zeros()]),
        ("gradients_fade", [zeros(), zeros(), zeros(), fading(1e-17)]),
        ("weights_fade", [fading(1e-30), zeros(), zeros(), zeros()]),
    ];
    for (name, [p, m, v, grads]) in fading {
        let build = |g: &mut Graph, i: Inputs, s: &[TensorId]| {
            let settings = Adam { weight_decay: 0.1, decoupled: true, ..Adam::default() };
            g.adam(s[0], i.grads, s[1], s[2], i.clock, i.schedule, i.scale, i.groups, settings)
        };
        let case = optimiser::fading_case(format!("adam/{name}"), vec![p, m, v], grads, build);
        cases.push(case.extra(16.0, ULPS));
    }
    cases.push(optimiser::left_out_case(
        "adam/left_out".into(),
        vec![Fill::Normal(1.0), Fill::Normal(0.3), Fill::Uniform(0.1, 2.0)],
        |g, i, s| {
            let settings = Adam::default();
            g.adam(s[0], i.grads, s[1], s[2], i.clock, i.schedule, i.scale, i.groups, settings)
        },
    ));
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bias_corrections_are_accurate_from_the_first_step_to_the_millionth() {
        assert!((correction(0.999, 0) - 0.001).abs() < 1e-17);
        assert!((correction(0.9, 1) - 0.19).abs() < 1e-15);
        assert_eq!(correction(0.9, 1_000_000), 1.0);
        assert_eq!(correction(0.0, 0), 1.0);
    }
}
