//! The normalisation once more, for a backward pass that was not kept its
//! result: the same statistics and outputs, and the running statistics stay.

use super::BatchNorm;
use crate::error::{Error, Result};
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Pointwise, Reference, TensorId};
use crate::kernel::{Lowered, Slot};
use crate::tensor::{Real, Spec};

/// [`BatchNorm`] without its two updates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BatchNormAgain(pub BatchNorm);

impl Op for BatchNormAgain {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        self.0.infer(cx)
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Err(Error::model("what is computed again is part of a backward pass and has no gradient"))
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let mut lowered = self.0.lower(cx)?;
        let first = lowered.scratch.len();
        // The kernel changes running statistics that nobody reads.
        let channels = Spec::f32([cx.inputs[1].elements()]);
        lowered.scratch.extend([channels.clone(), channels]);
        for slot in lowered.dispatches.iter_mut().flat_map(|d| &mut d.binds).map(|(_, slot)| slot) {
            if let Slot::Update(i) = *slot {
                *slot = Slot::Scratch(first + i);
            }
        }
        Ok(lowered)
    }

    fn hosts(&self, cx: &Lower, work: &dyn Pointwise) -> bool {
        self.0.hosts(cx, work)
    }

    fn cost(&self, cx: &Lower) -> Cost {
        self.0.cost(cx)
    }
}

impl Reference for BatchNormAgain {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        self.0.reference(io);
    }
}
