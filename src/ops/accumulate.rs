//! The mean gradient of several batches, kept up to date batch by batch:
//! `total += (grads - total) * weight`; a weight of 1 makes it `grads` exactly.
//! With the weights of `pace` it is the mean over all samples since the last
//! update, which is the gradient of one large batch.
//!
//! Shapes: `total`, `grads f32 [P]`, `weight f32 []`. No gradient.
//!
//! Source: Welford, "Note on a method for calculating corrected sums of squares
//! and products", Technometrics 4(3), 1962.

use super::{optimiser, state};
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec, parallel};

static SHADER: Shader = shader!("accumulate");

/// A step of a running mean.
#[derive(Debug, Clone, Copy)]
pub struct Accumulate;

impl Graph {
    /// Moves the mean `total` towards `grads` by the share `weight`.
    pub fn accumulate(&mut self, total: TensorId, grads: TensorId, weight: TensorId) -> Result<()> {
        self.push_with(Accumulate, &[grads, weight], &[total]).map(drop)
    }
}

impl Op for Accumulate {
    fn name(&self) -> &'static str {
        "accumulate"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let n = optimiser::expect_flat("grads", &cx.inputs[0])?;
        state::expect("weight", &cx.inputs[1], &Spec::f32([]))?;
        state::expect("total", &cx.updates[0], &Spec::f32([n]))?;
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let k = Kernel::new(&SHADER, "add");
        let d = optimiser::pass(k, cx.inputs[0].elements(), None, &cx.caps);
        Ok(Lowered::one(d.input("grads4", 0).input("weight", 1).update("total4", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 3 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Accumulate {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (grads, weight) = (io.x(0), io.x(1)[0]);
        parallel::chunks(io.updates[0].real, |start, total| {
            for (t, &g) in total.iter_mut().zip(&grads[start..]) {
                *t = if weight == T::ONE { g } else { *t + (g - *t) * weight };
            }
        });
    }
}

/// First and following batches, one turn of the loop and several, and a first
/// batch after a total that is no number.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, before: Fill, weight: f32| {
        let inputs = vec![
            (Spec::f32([n]), before),
            (Spec::f32([n]), Fill::Normal(2.0)),
            (Spec::f32([]), Fill::Values(vec![weight])),
        ];
        Case::new(format!("accumulate/{name}"), inputs, |g, x| {
            g.accumulate(x[0], x[1], x[2])?;
            Ok(vec![x[0]])
        })
        .no_gradient()
    };
    let normal = || Fill::Normal(1.0);
    vec![
        case("first", 64, normal(), 1.0),
        case("second", 64, normal(), 0.5),
        case("last", 64 * 1025, normal(), 0.125),
        case("several_turns", 64 * 16_500, normal(), 0.3),
        case("no_rows", 128, normal(), 0.0),
        case("after_nan", 64, Fill::Values(vec![f32::NAN; 64]), 1.0),
    ]
}
