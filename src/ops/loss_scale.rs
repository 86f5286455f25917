//! The scale of the loss under mixed precision: gradients of activations that
//! are kept in half precision would vanish below 6e-8, so the loss is multiplied
//! by a scale before the backward pass, and the gradients of the weights are
//! divided by it again.
//!
//! `broken` = the norm of the scaled gradients is infinite or not a number;
//! `grads = grads / scale`, or 0 where the batch is broken. An update that is due
//! and has seen a broken batch is left out (`paced` says that nothing is due) and
//! halves the scale; after `interval` updates in a row without one it doubles.
//! Nothing of it needs the host.
//!
//! Shapes: `norm f32 []`, `pace u32 [2]`; in place `scale f32 []`, `counts u32
//! [3]` (good updates in a row, broken batches of this update, updates left
//! out), `grads f32 [P]`; `paced u32 [2]`. No gradient.
//!
//! Source: Micikevicius et al., "Mixed Precision Training", arXiv:1710.03740,
//! section 3.2; the constants are those of `torch.amp.GradScaler`. The scale
//! stays between 2^-14 and 2^60, so that neither it nor its inverse ends.

use super::{optimiser, pace, state};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec, parallel};

static SHADER: Shader = shader!("loss_scale");

const LEAST: f64 = 1.0 / 16_384.0;
const MOST: f64 = (1u64 << 60) as f64;

/// Where the counts hold the updates in a row that nothing was wrong with.
pub const GOOD: usize = 0;
/// Where the counts hold the broken batches since the last update.
pub const BROKEN: usize = 1;
/// Where the counts hold the updates that were left out.
pub const LEFT_OUT: usize = 2;

/// When the scale grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LossScale {
    /// Good updates in a row that double it.
    pub interval: usize,
}

/// The state of [`Graph::loss_scale`].
#[derive(Debug, Clone, Copy)]
pub struct Scaled {
    /// The scale, a power of two, f32 `[]`.
    pub scale: TensorId,
    /// What is counted, u32 `[3]`.
    pub counts: TensorId,
}

impl Graph {
    /// Divides flat gradients whose norm is `norm` by the scale that their loss
    /// had, in place, and settles the next one. Returns the pace of those who come
    /// after: nothing is due where the gradients are broken.
    pub fn loss_scale(
        &mut self,
        grads: TensorId,
        norm: TensorId,
        pace: TensorId,
        state: Scaled,
        how: LossScale,
    ) -> Result<TensorId> {
        Ok(self.push_with(how, &[norm, pace], &[state.scale, state.counts, grads])?[0])
    }
}

impl Op for LossScale {
    fn name(&self) -> &'static str {
        "loss_scale"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        if self.interval == 0 || u32::try_from(self.interval).is_err() {
            return Err(Error::model(format!("interval is {}; expected at least 1, within 32 bits", self.interval)));
        }
        state::expect("norm", &cx.inputs[0], &Spec::f32([]))?;
        state::expect("pace", &cx.inputs[1], &pace::spec())?;
        state::expect("scale", &cx.updates[0], &Spec::f32([]))?;
        state::expect("counts", &cx.updates[1], &Spec::u32([3]))?;
        optimiser::expect_flat("grads", &cx.updates[2])?;
        Ok(vec![pace::spec()])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let settle = Kernel::new(&SHADER, "settle").set("INTERVAL", self.interval);
        let settle = settle.real("LEAST", LEAST).real("MOST", MOST).dispatch([1, 1, 1]);
        let settle = settle.input("norm", 0).input("pace", 1).update("scale", 0).update("counts", 1);
        let settle = settle.output("paced", 0).scratch("factor", 0);
        let unscale = optimiser::pass(Kernel::new(&SHADER, "unscale"), cx.updates[2].elements(), None, &cx.caps);
        let unscale = unscale.scratch("factor_of_all", 0).update("grads4", 2);
        Ok(Lowered { scratch: vec![Spec::f32([])], dispatches: vec![settle, unscale] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.updates[2].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for LossScale {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let broken = !io.x(0)[0].is_finite();
        let [done, due] = [pace::DONE, pace::DUE].map(|i| io.x_u32(1)[i]);
        let scale = io.updates[0].real[0];
        let factor = T::ONE / scale;
        let counts = &mut *io.updates[1].index;
        let all = counts[BROKEN] + u32::from(broken);
        counts[BROKEN] = if due != 0 { 0 } else { all };
        if due != 0 && all != 0 {
            counts[GOOD] = 0;
            counts[LEFT_OUT] += 1;
            io.updates[0].real[0] = (scale * T::of(0.5)).max(T::of(LEAST));
        } else if due != 0 {
            counts[GOOD] += 1;
            if counts[GOOD] as usize >= self.interval {
                counts[GOOD] = 0;
                io.updates[0].real[0] = (scale * T::of(2.0)).min(T::of(MOST));
            }
        }
        io.y_u32(0).copy_from_slice(&[done, u32::from(due != 0 && all == 0)]);
        parallel::chunks(io.updates[2].real, |_, grads| {
            grads.iter_mut().for_each(|g| *g = if broken { T::ZERO } else { *g * factor });
        });
    }
}

/// Good and broken batches, updates that are due and that wait, the ends of the
/// range.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, norm: f32, due: u32, scale: f32, counts: [u32; 3]| {
        // Gradients that no number of are broken as their norm says.
        let mut grads = Fill::Normal(1e3).draw(&Spec::f32([n]), 9).as_f32().to_vec();
        if !norm.is_finite() {
            grads[n / 2] = norm;
        }
        let inputs = vec![
            (Spec::f32([n]), Fill::Values(grads)),
            (Spec::f32([]), Fill::Values(vec![norm])),
            (Spec::u32([2]), Fill::Indices(vec![7, due])),
            (Spec::f32([]), Fill::Values(vec![scale])),
            (Spec::u32([3]), Fill::Indices(counts.to_vec())),
        ];
        Case::new(format!("loss_scale/{name}"), inputs, |g, x| {
            let state = Scaled { scale: x[3], counts: x[4] };
            let paced = g.loss_scale(x[0], x[1], x[2], state, LossScale { interval: 3 })?;
            Ok(vec![paced, x[0], x[3], x[4]])
        })
        .no_gradient()
    };
    vec![
        case("good", 64, 5.0, 1, 65_536.0, [0, 0, 4]),
        case("grows", 64 * 1025, 5.0, 1, 65_536.0, [2, 0, 0]),
        case("infinite", 64, f32::INFINITY, 1, 65_536.0, [2, 0, 0]),
        case("no_number", 64 * 16_500, f32::NAN, 1, 4.0, [0, 0, 1]),
        case("waits", 64, 1.0, 0, 2.0, [1, 0, 0]),
        case("waits_broken", 64, -f32::INFINITY, 0, 2.0, [1, 1, 0]),
        case("broken_before", 64, 1.0, 1, 2.0, [1, 1, 0]),
        case("least", 64, f32::NAN, 1, LEAST as f32, [1, 0, 0]),
        case("most", 64, 1.0, 1, MOST as f32, [2, 0, 0]),
    ]
}
