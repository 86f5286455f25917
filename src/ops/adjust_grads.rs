//! What is done to each element of the gradient before its norm is taken: the
//! L1 penalty joins it, and its size is bounded:
//! `g += l1 * factor * sign(p)`, then `g = min(max(g, -v), v)`.
//!
//! Shapes: `grads`, `params f32 [P]`; `groups f32 [P / 64, 2]`, of which the
//! second number, the factor of the weight decay, is the factor of the penalty
//! too; `clock`, or a pace that says when to leave the gradient alone. No
//! gradient.
//!
//! The order is PyTorch's: the penalty is part of the loss, so it is there
//! before anything is clipped (`clip_grad_value_`). `sign(0) = 0`; NaN stays
//! NaN, so that a broken gradient is not taken for a large one.

use super::optimiser::{self, GROUP};
use super::state;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec, parallel};

static SHADER: Shader = shader!("adjust_grads");

/// Penalty and bound.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AdjustGrads {
    /// The factor of the sum of the parameters' sizes in the loss.
    pub l1: f64,
    /// The largest size of an element that passes.
    pub clip_value: Option<f32>,
}

impl Graph {
    /// Adds the L1 penalty's gradient to flat gradients and bounds them.
    pub fn adjust_grads(
        &mut self,
        grads: TensorId,
        params: TensorId,
        clock: TensorId,
        groups: TensorId,
        settings: AdjustGrads,
    ) -> Result<()> {
        self.push_with(settings, &[params, clock, groups], &[grads]).map(drop)
    }
}

impl Op for AdjustGrads {
    fn name(&self) -> &'static str {
        "adjust_grads"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        optimiser::expect_within("l1", self.l1, 0.0, f64::INFINITY)?;
        if let Some(v) = self.clip_value.filter(|v| !v.is_finite() || *v < 0.0) {
            return Err(Error::model(format!("clip_value is {v}; expected a number of at least 0")));
        }
        let n = optimiser::expect_flat("params", &cx.inputs[0])?;
        optimiser::expect_clock(&cx.inputs[1])?;
        state::expect("groups", &cx.inputs[2], &Spec::f32([n / GROUP, 2]))?;
        state::expect("grads", &cx.updates[0], &Spec::f32([n]))?;
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let k = Kernel::new(&SHADER, "adjust").constant("QUADS_PER_GROUP", GROUP / 4).real("L1", self.l1);
        let k = k.flag("CLIP", self.clip_value.is_some()).real("MAX_VALUE", self.clip_value.unwrap_or(0.0).into());
        let d = optimiser::pass(k, cx.inputs[0].elements(), Some(&cx.inputs[1]), &cx.caps);
        let d = d.input("params4", 0).input("clock", 1).input("groups", 2).update("grads4", 0);
        Ok(Lowered::one(d))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 4 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for AdjustGrads {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        if optimiser::waits(io, 1) {
            return;
        }
        let (params, groups) = (io.x(0), io.x(2));
        let l1 = T::of(self.l1);
        let bound = self.clip_value.map(|v| T::of(v.into()));
        parallel::chunks(io.updates[0].real, |start, grads| {
            for (i, g) in grads.iter_mut().enumerate() {
                let p = params[start + i];
                let sign = if p > T::ZERO {
                    T::ONE
                } else if p < T::ZERO {
                    -T::ONE
                } else {
                    T::ZERO
                };
                *g += l1 * groups[(start + i) / GROUP * 2 + 1] * sign;
                if let Some(v) = bound {
                    // Not min and max, which would hide NaN.
                    *g = if *g > v {
                        v
                    } else if *g < -v {
                        -v
                    } else {
                        *g
                    };
                }
            }
        });
    }
}

/// Penalty and bound alone and together, a pace that waits, and gradients that
/// are infinite and not numbers.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, clock: &[u32], grads: Fill, settings: AdjustGrads| {
        let factors = [1.0, 1.0, 0.0, 0.0, 1.0, 2.0].iter().copied().cycle().take(n / GROUP * 2).collect();
        // Every third parameter is zero.
        let params = Fill::Normal(1.0).draw(&Spec::f32([n]), 5).as_f32().to_vec();
        let params = params.iter().enumerate().map(|(i, &p)| if i % 3 == 0 { 0.0 } else { p }).collect();
        let inputs = vec![
            (Spec::f32([n]), grads),
            (Spec::f32([n]), Fill::Values(params)),
            (Spec::u32([clock.len()]), Fill::Indices(clock.to_vec())),
            (Spec::f32([n / GROUP, 2]), Fill::Values(factors)),
        ];
        Case::new(format!("adjust_grads/{name}"), inputs, move |g, x| {
            g.adjust_grads(x[0], x[1], x[2], x[3], settings)?;
            Ok(vec![x[0]])
        })
        .no_gradient()
    };
    let at = [3, 0, 0, 7];
    let l1 = AdjustGrads { l1: 0.3, clip_value: None };
    let clip = AdjustGrads { l1: 0.0, clip_value: Some(0.5) };
    let both = AdjustGrads { l1: 0.3, clip_value: Some(0.5) };
    let normal = || Fill::Normal(1.0);
    let wild = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN, 0.0, -0.5, 0.5, 3e38];
    let wild: Vec<f32> = wild.into_iter().cycle().take(3 * GROUP).collect();
    vec![
        case("l1", 3 * GROUP, &at, normal(), l1),
        case("clip", 3 * GROUP, &at, normal(), clip),
        case("both", 3 * GROUP, &at, normal(), both),
        case("zero_bound", GROUP, &at, normal(), AdjustGrads { clip_value: Some(0.0), ..clip }),
        case("several_turns", 16_500 * GROUP, &at, normal(), both),
        case("due", 1025 * GROUP, &[3, 1], normal(), both),
        case("waits", 1025 * GROUP, &[3, 0], normal(), both),
        case("wild", 3 * GROUP, &at, Fill::Values(wild), both),
    ]
}
