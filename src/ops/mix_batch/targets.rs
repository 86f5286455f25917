//! The targets of the mixed samples.

use super::{PLAN, SHADER, WG};
use crate::error::{Error, Result};
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered};
use crate::ops::state;
use crate::tensor::{DType, Real, Spec, parallel};

/// Makes soft targets by a plan. Inputs: labels, plan, shares.
#[derive(Debug, Clone, Copy)]
pub struct MixTargets {
    classes: usize,
}

impl Graph {
    /// The soft targets, `[B, classes]`, of a batch that was mixed by a plan of
    /// [`plan_mix`](Graph::plan_mix).
    pub fn mix_targets(
        &mut self,
        labels: TensorId,
        plan: TensorId,
        shares: TensorId,
        classes: usize,
    ) -> Result<TensorId> {
        self.push1(MixTargets { classes }, &[labels, plan, shares])
    }
}

impl Op for MixTargets {
    fn name(&self) -> &'static str {
        "mix_batch"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let batch = state::expect_list("labels", &cx.inputs[0], DType::U32)?;
        state::expect("plan", &cx.inputs[1], &Spec::u32([batch, PLAN]))?;
        state::expect("shares", &cx.inputs[2], &Spec::f32([batch, 2]))?;
        let classes = self.classes;
        if classes == 0 || batch.saturating_mul(classes) > u32::MAX as usize {
            return Err(Error::model(format!(
                "{batch} targets of {classes} classes; expected at least one class and less than 2^32 elements"
            )));
        }
        Ok(vec![Spec::f32([batch, classes])])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let slots = cx.inputs[0].elements();
        let k = Kernel::new(&SHADER, "mix_targets").set("SLOTS", slots).set("CLASSES", self.classes);
        let d = k.dispatch_1d(slots * self.classes, WG).input("labels", 0).input("plan", 1);
        Ok(Lowered::one(d.input("shares", 2).output("targets", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for MixTargets {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (labels, plan, shares) = (io.x_u32(0), io.x_u32(1), io.x(2));
        parallel::rows(io.y(0), self.classes, |slot, targets| {
            targets.fill(T::ZERO);
            let share = shares[slot * 2 + 1];
            let partner = plan[slot * PLAN] as usize;
            for (label, share) in [(labels[slot], share), (labels[partner], T::ONE - share)] {
                if let Some(target) = targets.get_mut(label as usize) {
                    *target += share;
                }
            }
        });
    }
}
