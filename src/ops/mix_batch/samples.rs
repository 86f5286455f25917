//! The mixed samples.

use super::{PLAN, SHADER, WG, plane};
use crate::error::{Error, Result};
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Kernel, Lowered};
use crate::ops::state;
use crate::tensor::{DType, Real, Spec, parallel};

/// Mixes samples by a plan. Inputs: x, plan, shares.
#[derive(Debug, Clone, Copy)]
pub struct MixSamples;

impl Graph {
    /// The samples of a batch, mixed by a plan of
    /// [`plan_mix`](Graph::plan_mix).
    pub fn mix_samples(&mut self, x: TensorId, plan: TensorId, shares: TensorId) -> Result<TensorId> {
        self.push1(MixSamples, &[x, plan, shares])
    }
}

impl Op for MixSamples {
    fn name(&self) -> &'static str {
        "mix_batch"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let x = &cx.inputs[0];
        let elements = x.elements();
        if x.dtype != DType::F32 || x.shape.rank() == 0 || elements == 0 || elements > u32::MAX as usize {
            return Err(Error::model(format!("x is {x}; expected f32, 1 to 2^32 - 1 elements, the batch first")));
        }
        state::expect("plan", &cx.inputs[1], &Spec::u32([x.shape[0], PLAN]))?;
        state::expect("shares", &cx.inputs[2], &Spec::f32([x.shape[0], 2]))?;
        Ok(vec![x.clone()])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let x = &cx.inputs[0];
        let (slots, [h, w]) = (x.shape[0], plane(&x.shape));
        let row = x.elements() / slots;
        // An invocation reads a slot's plan once for all its elements.
        let per = if cx.caps.class == Class::Cpu { 16 } else { 4 };
        let k = Kernel::new(&SHADER, "mix_samples").set("SLOTS", slots).set("ROW", row).set("PER", per);
        let d = k.set("HEIGHT", h).set("WIDTH", w).dispatch_1d(slots * row.div_ceil(per), WG).input("x", 0);
        Ok(Lowered::one(d.input("plan", 1).input("shares", 2).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let x = &cx.inputs[0];
        Cost { flops: 3 * x.elements() as u64, bytes: 3 * x.bytes() as u64 }
    }
}

impl Reference for MixSamples {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, plan, shares, shape) = (io.x(0), io.x_u32(1), io.x(2), io.shape(0));
        let [h, w] = plane(shape);
        let row = x.len() / shape[0];
        parallel::rows(io.y(0), row, |slot, y| {
            let plan = plan[slot * PLAN..(slot + 1) * PLAN].iter().map(|&v| v as usize).collect::<Vec<_>>();
            let (own, other) = (&x[slot * row..(slot + 1) * row], &x[plan[0] * row..(plan[0] + 1) * row]);
            let keep = shares[slot * 2];
            for ((y, &own), &other) in y.iter_mut().zip(own).zip(other) {
                *y = keep * own + (T::ONE - keep) * other;
            }
            let [left, top, right, bottom] = [plan[1], plan[2], plan[3], plan[4]];
            if right == left {
                return;
            }
            for (y, other) in y.chunks_mut(h * w).zip(other.chunks(h * w)) {
                for line in top..bottom {
                    let pasted = line * w + left..line * w + right;
                    y[pasted.clone()].copy_from_slice(&other[pasted]);
                }
            }
        });
    }
}
