//! Elements behind the end of every buffer that a plan's kernels write. They are bound
//! with it, so a kernel that writes out of bounds by up to 64 elements hits them, where
//! the driver and wgpu's checks would drop such a write. They do so further on.

use crate::graph::TensorId;
use crate::plan::{Executor, Place, Plan, Program};
use crate::tensor::{DType, Data, HostTensor, Spec};

/// Elements of a guard: whole lines of whatever a kernel writes at once.
const GUARD: usize = 64;

/// The bits that a guard holds: NaN, and the largest integer.
const BITS: u32 = u32::MAX;

/// The guards of a plan, as tensors that an executor can fetch, with what is in front.
pub struct Guards(Vec<(TensorId, String)>);

/// Puts guards behind the buffers of a plan. Where several tensors share one, the
/// longest is guarded.
pub fn guard(plan: &mut Plan) -> Guards {
    let ends: Vec<usize> = plan.buffers.iter().map(|b| b.elements).collect();
    let mut guards = vec![];
    for (buffer, b) in plan.buffers.iter_mut().enumerate() {
        let spec = Spec { shape: [GUARD].into(), dtype: b.dtype };
        guards.push((TensorId(plan.places.len() as u32), b.name.clone().unwrap_or_else(|| format!("buffer {buffer}"))));
        plan.places.push(Some(Place { buffer, offset: b.elements, spec }));
        b.elements += GUARD;
    }
    for bound in plan.steps.iter_mut().flat_map(|s| &mut s.launches).flat_map(|l| &mut l.bound) {
        let place = &mut bound.place;
        if bound.writable && place.range().end == ends[place.buffer] {
            place.spec.shape = [place.spec.elements() + GUARD].into();
        }
    }
    Guards(guards)
}

/// Fills the last elements of a named buffer's content with what a guard holds.
pub fn arm(content: &mut HostTensor) {
    match &mut content.data {
        Data::F32(v) => v.iter_mut().rev().take(GUARD).for_each(|x| *x = f32::from_bits(BITS)),
        Data::U32(v) => v.iter_mut().rev().take(GUARD).for_each(|x| *x = BITS),
    }
}

impl Guards {
    /// Fails where a guard is not what it was: transient buffers were poisoned, named
    /// ones armed.
    pub fn check(&self, e: &mut dyn Executor, program: &Program) -> Result<(), String> {
        for (guard, name) in &self.0 {
            let found = e.fetch(program, *guard).map_err(|e| e.to_string())?;
            let is_whole = |x: &u32| *x == BITS || found.spec().dtype == DType::F32 && f32::from_bits(*x).is_nan();
            let words: Vec<u32> = match &found.data {
                Data::F32(v) => v.iter().map(|x| x.to_bits()).collect(),
                Data::U32(v) => v.clone(),
            };
            if let Some(at) = words.iter().position(|x| !is_whole(x)) {
                return Err(format!("element {at} behind the end of {name} was written"));
            }
        }
        Ok(())
    }
}
