//! The global norm of the gradients and the factor that clips it:
//! `norm = sqrt(sum g^2)`, `scale = min(1, max_norm / (norm + 1e-6))`, which is
//! PyTorch's `clip_grad_norm_`. Without `max_norm` the scale is 1.
//!
//! Shapes: `grads f32 [P]`, `norm f32 []`, `scale f32 []`. No gradient.
//!
//! A NaN in any gradient shows as a NaN norm and scale; an infinite one as an
//! infinite norm and scale 0. The square of a large finite gradient does not
//! overflow: large elements are summed apart, scaled down (Blue, "A Portable
//! Fortran Program to Find the Euclidean Norm of a Vector", ACM TOMS 4(1),
//! 1978). Elements below 1e-18 count as zero (`flush`).
//!
//! Two dispatches: parts of the sum in a fixed interleaved order, then their
//! total. On a GPU a part is a workgroup, added up in a tree; a software
//! adapter, where barriers cost, takes one invocation per part.
//!
//! With a [`Guard`] the scale is NaN where the update is to be left out, which is written
//! to a record: inputs then `loss f32 []`, `clock u32 [4]`, in place `record u32 [138]`.

use super::guard::{self, Guard};
use super::{clock, flush, optimiser, state};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec, parallel};

static SHADER: Shader = shader!("grad_norm");

/// Invocations per workgroup of the kernels with barriers.
const WG: usize = 256;

/// The most parts of the sum.
const PARTS: usize = 1024;

/// Norm and clip factor.
#[derive(Debug, Clone, Copy)]
pub struct GradNorm {
    /// The largest norm that passes unscaled.
    pub max_norm: Option<f32>,
    /// Which updates are left out.
    pub guard: Option<Guard>,
}

/// What a [`Guard`] looks at and writes to.
#[derive(Debug, Clone, Copy)]
pub struct Guarded {
    /// The loss of the batch, f32 `[]`.
    pub loss: TensorId,
    /// The clock.
    pub clock: TensorId,
    /// The record, of [`guard::RECORD`] words.
    pub record: TensorId,
}

impl Graph {
    /// The L2 norm of flat gradients, and the factor that brings it down to
    /// `max_norm`: `(norm [], scale [])`.
    pub fn grad_norm(&mut self, grads: TensorId, max_norm: Option<f32>) -> Result<(TensorId, TensorId)> {
        let y = self.push(GradNorm { max_norm, guard: None }, &[grads])?;
        Ok((y[0], y[1]))
    }

    /// [`Graph::grad_norm`] with a factor that is NaN where a guard leaves the update out.
    pub fn guarded_grad_norm(
        &mut self,
        grads: TensorId,
        max_norm: Option<f32>,
        at: Guarded,
        guard: Guard,
    ) -> Result<(TensorId, TensorId)> {
        let op = GradNorm { max_norm, guard: Some(guard) };
        let y = self.push_with(op, &[grads, at.loss, at.clock], &[at.record])?;
        Ok((y[0], y[1]))
    }
}

impl Op for GradNorm {
    fn name(&self) -> &'static str {
        "grad_norm"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        optimiser::expect_flat("grads", &cx.inputs[0])?;
        if let Some(max) = self.max_norm.filter(|max| !max.is_finite() || *max < 0.0) {
            return Err(Error::model(format!("max_norm is {max}; expected a number of at least 0")));
        }
        if let Some(guard) = &self.guard {
            state::expect("loss", &cx.inputs[1], &Spec::f32([]))?;
            state::expect("clock", &cx.inputs[2], &clock::spec())?;
            state::expect("record", &cx.updates[0], &Spec::u32([guard::RECORD]))?;
            if !(guard.spike.is_finite() && guard.spike >= 0.0)
                || guard.steps.batches == 0
                || guard.steps.accumulate == 0
            {
                return Err(Error::model(format!("{guard:?}; expected at least 1 batch, and a finite spike")));
            }
        }
        Ok(vec![Spec::f32([]), Spec::f32([])])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let quads = cx.inputs[0].elements() / 4;
        let cpu = cx.caps.class == Class::Cpu;
        let (parts, entries) = match (cpu, self.guard.is_some()) {
            (true, false) => (quads.div_ceil(16).min(PARTS), ["parts_serial", "total_serial"]),
            (true, true) => (quads.div_ceil(16).min(PARTS), ["parts_serial", "total_serial_guarded"]),
            (false, false) => (quads.div_ceil(4 * WG).min(PARTS), ["parts", "total"]),
            (false, true) => (quads.div_ceil(4 * WG).min(PARTS), ["parts", "total_guarded"]),
        };
        let base = |entry| flush::bounds(Kernel::new(&SHADER, entry), &[flush::LEAST_SUMMED]);
        let kernel = |entry| base(entry).set("QUADS", quads).set("PARTS", parts);
        let first = match cpu {
            true => kernel(entries[0]).dispatch_1d(parts, 64),
            false => kernel(entries[0]).set("WG", WG).dispatch([parts as u32, 1, 1]),
        };
        let last = kernel(entries[1]).flag("CLIP", self.max_norm.is_some());
        let last = last.real("MAX_NORM", self.max_norm.unwrap_or(0.0).into());
        let last = match &self.guard {
            None => last,
            Some(Guard { holds, spike, steps }) => last
                .flag("HOLDS", *holds)
                .real("SPIKE", (*spike).into())
                .set("ACCUMULATE", steps.accumulate)
                .set("BATCHES", steps.batches),
        };
        let last = if cpu { last.set("WG", 1) } else { last.set("WG", WG) }.dispatch([1, 1, 1]);
        let first = first.input("grads4", 0).scratch("sums", 0);
        let last = last.scratch("parts_of_sum", 0).output("norm", 0).output("scale", 1);
        let last = match self.guard {
            None => last,
            Some(_) => last.input("loss", 1).input("clock", 2).update("record", 0),
        };
        Ok(Lowered { scratch: vec![Spec::f32([2 * parts])], dispatches: vec![first, last] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 2 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

/// Accumulators of a chunk's sum: independent, so that the loop vectorises.
const LANES: usize = 16;

/// The sum of squares of a chunk.
fn squares<T: Real>(chunk: &[T]) -> f64 {
    let mut sums = [T::ZERO; LANES];
    for x in chunk.as_chunks::<LANES>().0 {
        for k in 0..LANES {
            let x = flush::to_sum(x[k]);
            sums[k] += x * x;
        }
    }
    let sum: f64 = sums.iter().map(|s| s.f64()).sum();
    // An overflow of f32 is not one of f64.
    if sum.is_finite() { sum } else { chunk.iter().map(|x| x.f64() * x.f64()).sum() }
}

impl Reference for GradNorm {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let grads = io.x(0);
        let chunk = |i: usize| squares(&grads[i * parallel::CHUNK..grads.len().min((i + 1) * parallel::CHUNK)]);
        let sums = parallel::map(grads.len().div_ceil(parallel::CHUNK), grads.len(), chunk);
        let norm = sums.iter().sum::<f64>().sqrt();
        let clipped = self.max_norm.map_or(1.0, |max| f64::from(max) / (norm + 1e-6));
        let norm = T::of(norm);
        io.y(0)[0] = norm;
        // Written so that NaN stays NaN.
        io.y(1)[0] = T::of(if clipped > 1.0 { 1.0 } else { clipped });
        if let Some(guard) = &self.guard {
            let (loss, clock) = (io.x(1)[0].f64(), io.x_u32(2));
            if guard.leaves_out(loss, norm.is_finite(), clock, io.updates[0].index) {
                io.y(1)[0] = T::of(f64::NAN);
            }
        }
    }
}

/// Below and above the threshold, every size of the grid, and gradients that
/// are tiny, huge, infinite and not numbers.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, fill: Fill, max_norm: Option<f32>| {
        Case::new(format!("grad_norm/{name}"), vec![(Spec::f32([n]), fill)], move |g, x| {
            let (norm, scale) = g.grad_norm(x[0], max_norm)?;
            Ok(vec![norm, scale])
        })
        .no_gradient()
        .reduction(n.min(2 * PARTS)) // The longest chain: within a part, then over the parts.
        .extra(4.0, "WGSL allows division and square root 2.5 ulp")
    };
    let with = |n: usize, at: usize, value: f32| {
        let mut v = vec![0.25; n];
        v[at] = value;
        Fill::Values(v)
    };
    // The record before, the loss and the clock of a batch.
    let guarded =
        |name: &str, n: usize, (grads, loss): (Fill, f32), at: [u32; 3], before: &[(usize, u32)], g: Guard| {
            let mut record = vec![0; guard::RECORD];
            for (i, bits) in record[guard::LOSSES..].iter_mut().enumerate() {
                *bits = (2.0f32 + (i % 4) as f32 * 0.25).to_bits();
            }
            before.iter().for_each(|&(i, value)| record[i] = value);
            let inputs = vec![
                (Spec::f32([n]), grads),
                (Spec::f32([]), Fill::Values(vec![loss])),
                (clock::spec(), Fill::Indices([&at[..], &[7]].concat())),
                (Spec::u32([guard::RECORD]), Fill::Indices(record)),
            ];
            Case::new(format!("grad_norm/{name}"), inputs, move |graph, x| {
                let at = Guarded { loss: x[1], clock: x[2], record: x[3] };
                let (norm, scale) = graph.guarded_grad_norm(x[0], Some(1.0), at, g)?;
                Ok(vec![norm, scale, x[3]])
            })
            .no_gradient()
            .reduction(n.min(2 * PARTS))
            .extra(4.0, "WGSL allows division and square root 2.5 ulp")
        };
    let steps = |accumulate: usize| super::pace::Steps { batches: 10, accumulate };
    let stops = Guard { holds: true, spike: 0.0, steps: steps(1) };
    let skips = Guard { holds: false, spike: 3.0, steps: steps(3) };
    let spikes = Guard { steps: steps(1), ..skips };
    let (normal, full) = (|| Fill::Normal(1.0), (guard::SEEN, 128));
    let tripped = [(guard::WHAT, 3), (guard::STEP, 4), (guard::LEFT_OUT, 1)];
    let of_guards = vec![
        guarded("guarded", 4096, (normal(), 2.5), [13, 3, 1], &[], stops),
        guarded("guarded_nan_loss", 64 * 65, (normal(), f32::NAN), [13, 3, 1], &[], stops),
        guarded("guarded_infinite_gradient", 4096, (with(4096, 9, f32::INFINITY), 2.5), [13, 3, 1], &[], stops),
        guarded("guarded_holds", 4096, (normal(), 2.5), [14, 4, 1], &tripped, stops),
        guarded("guarded_goes_on", 4096, (normal(), 2.5), [14, 4, 1], &tripped, skips),
        guarded("guarded_waits", 4096, (normal(), f32::INFINITY), [13, 3, 1], &[], skips),
        guarded("guarded_pending", 4096, (normal(), 2.5), [15, 5, 1], &[(guard::PENDING, 2)], skips),
        guarded("guarded_last_of_epoch", 4096, (with(4096, 1, f32::NAN), 2.5), [19, 9, 1], &[], skips),
        guarded("guarded_spike", 4096, (normal(), 7.0), [200, 0, 20], &[full], spikes),
        guarded("guarded_no_spike", 4096, (normal(), 2.75), [200, 0, 20], &[full], spikes),
        guarded("guarded_low_loss", 4096, (normal(), -7.0), [200, 0, 20], &[full], spikes),
        guarded("guarded_first_losses", 4096, (normal(), 7.0), [200, 0, 20], &[(guard::SEEN, 127)], spikes),
    ];
    let plain = vec![
        case("clips", 128, Fill::Normal(1.0), Some(1.0)),
        case("passes", 128, Fill::Normal(0.01), Some(1.0)),
        case("no_clipping", 192, Fill::Normal(1.0), None),
        case("one_group", 64, Fill::Normal(1.0), Some(0.5)),
        case("long", 64 * 16_411, Fill::Normal(1.0), Some(5.0)),
        case("workgroup_and_one", 64 * 65, Fill::Normal(1.0), Some(5.0)),
        case("zero", 64, Fill::Values(vec![0.0; 64]), Some(1.0)),
        case("tiny", 4096, Fill::Values(vec![5e-19; 4096]), Some(1.0)),
        case("tiny_but_counted", 4096, Fill::Values(vec![2e-18; 4096]), Some(1.0)),
        case("max_zero", 64, Fill::Normal(1.0), Some(0.0)),
        case("huge", 4096, Fill::Normal(1e25), Some(1.0)),
        case("one_huge", 4096, with(4096, 4095, -3e30), None),
        case("nan", 4096, with(4096, 1234, f32::NAN), Some(1.0)),
        case("infinite", 4096, with(4096, 17, f32::NEG_INFINITY), Some(1.0)),
    ];
    [plain, of_guards].concat()
}
