//! The exponential moving average of the parameters:
//! `average += (1 - d) (params - average)` with the decay `d`; with a warm-up,
//! `d = min(decay, (1 + t) / (10 + t))` at the update `t`, counted from 0, so
//! that early weights are soon forgotten. At the first update, and wherever it
//! comes within 1e-30 of them, the average is set to the parameters: else it
//! would decay towards a zero among them and never arrive (`flush`).
//!
//! Shapes: `params`, `average f32 [P]`; `clock`, whose step is `t`, or a pace,
//! which also says when to wait. No gradient.
//!
//! Source: `torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn`;
//! the warm-up is `tf.train.ExponentialMovingAverage`'s of `num_updates`.

use super::{flush, optimiser, pace, state};
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec, parallel};

static SHADER: Shader = shader!("ema");

/// How an average of parameters forgets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ema {
    /// How much of the average is kept at each update.
    pub decay: f64,
    /// Whether it keeps less in the beginning.
    pub warmup: bool,
}

impl Graph {
    /// Moves `average` towards `params`. Comes after the optimiser.
    pub fn ema(&mut self, average: TensorId, params: TensorId, clock: TensorId, settings: Ema) -> Result<()> {
        self.push_with(settings, &[params, clock], &[average]).map(drop)
    }
}

impl Op for Ema {
    fn name(&self) -> &'static str {
        "ema"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        optimiser::expect_within("decay", self.decay, 0.0, 1.0)?;
        let n = optimiser::expect_flat("params", &cx.inputs[0])?;
        optimiser::expect_clock(&cx.inputs[1])?;
        state::expect("average", &cx.updates[0], &Spec::f32([n]))?;
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let k = flush::bounds(Kernel::new(&SHADER, "average"), &[flush::LEAST])
            .real("REST", 1.0 - self.decay)
            .flag("WARMUP", self.warmup);
        let d = optimiser::pass(k, cx.inputs[0].elements(), Some(&cx.inputs[1]), &cx.caps);
        Ok(Lowered::one(d.input("params4", 0).input("clock", 1).update("average4", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 3 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Ema {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        if optimiser::waits(io, 1) {
            return;
        }
        let step = f64::from(io.x_u32(1)[pace::DONE]);
        let early = if self.warmup { 9.0 / (10.0 + step) } else { 0.0 };
        let rest = T::of((1.0 - self.decay).max(early));
        let params = io.x(0);
        parallel::chunks(io.updates[0].real, |start, average| {
            for (a, &p) in average.iter_mut().zip(&params[start..]) {
                let left = flush::value(p - *a);
                *a = if step == 0.0 || left == T::ZERO { p } else { *a + rest * left };
            }
        });
    }
}

/// First and following updates, with the warm-up in force and over, and a pace
/// that waits.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, clock: &[u32], settings: Ema| {
        let inputs = vec![
            (Spec::f32([n]), Fill::Normal(1.0)),
            (Spec::f32([n]), Fill::Normal(3.0)),
            (Spec::u32([clock.len()]), Fill::Indices(clock.to_vec())),
        ];
        Case::new(format!("ema/{name}"), inputs, move |g, x| {
            g.ema(x[0], x[1], x[2], settings)?;
            Ok(vec![x[0]])
        })
        .no_gradient()
        .extra(4.0, "WGSL allows division 2.5 ulp")
    };
    let plain = Ema { decay: 0.9, warmup: false };
    let warm = Ema { decay: 0.99, warmup: true };
    vec![
        case("first", 64, &[0, 0, 0, 7], plain),
        case("second", 128, &[1, 1, 0, 7], plain),
        case("several_turns", 64 * 16_500, &[5, 0, 0, 7], plain),
        case("warm_first", 64, &[0, 0, 0, 7], warm),
        case("warm_second", 64 * 1025, &[1, 1, 0, 7], warm),
        case("warm_late", 64, &[100_000, 1, 0, 7], warm),
        case("due", 192, &[3, 1], warm),
        case("waits", 192, &[3, 0], warm),
        Case {
            inputs: [
                vec![(Spec::f32([64]), optimiser::fading(1e-30)), (Spec::f32([64]), optimiser::zeros())],
                case("", 64, &[3, 0, 0, 7], plain).inputs[2..].to_vec(),
            ]
            .concat(),
            ..case("fades", 64, &[3, 0, 0, 7], plain)
        },
        case("no_memory", 64, &[3, 0, 0, 7], Ema { decay: 0.0, warmup: false }),
    ]
}
