//! The mean over the valid rows of every sequence: `y[b] = 1/n sum over t < n of
//! x[b, t]` with `n = lengths[b]`, 0 where `n = 0`.
//!
//! Shapes: `x [B, T, D]`, `lengths u32 [B]`, `y [B, D]`; a length beyond `T`
//! counts as `T`. Gradient: `d_x[b, t] = d_y[b] / n` for `t < n`, else 0.
//!
//! Kernels: a long sequence is added in parts, which a second dispatch adds in
//! order.

use super::mask_rows::{expect_sequences, sizes};
use super::rows::STEPS;
use super::wide::{wide, width};
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec, parallel};

static SHADER: Shader = shader!("mean_rows");

/// Invocations per workgroup.
const WG: usize = 64;

/// The mean of the valid rows. Inputs: x, lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeanRows;

/// `d_x [B, T, D]` from `d_y` and lengths.
#[derive(Debug, Clone, Copy)]
pub struct MeanRowsGrad {
    /// Rows of a sequence.
    pub t: usize,
}

impl Graph {
    /// The mean of the rows `t < lengths[b]` (lengths u32 `[B]`) of each sequence
    /// of `x [B, T, D]`: `[B, D]`. Zeros where a length is 0.
    pub fn mean_rows(&mut self, x: TensorId, lengths: TensorId) -> Result<TensorId> {
        self.push1(MeanRows, &[x, lengths])
    }
}

fn kernel(entry: &'static str, b: usize, row: usize) -> Kernel {
    let width = width(row);
    wide(Kernel::new(&SHADER, entry).set("B", b).set("ROW", row / width), width)
}

impl Op for MeanRows {
    fn name(&self) -> &'static str {
        "mean_rows"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_sequences(cx)?;
        let [b, _, d] = cx.dims(0, "x")?;
        Ok(vec![Spec::f32([b, d])])
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let op = MeanRowsGrad { t: g.shape(at.inputs[0])[1] };
        Ok(vec![Some(g.push1(op, &[at.d_y(), at.inputs[1]])?), None])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let [b, t, row] = sizes(&cx.inputs[0].shape);
        let columns = b * row / width(row);
        // Enough invocations for a device, and parts worth their while.
        let wanted = if cx.caps.class == Class::Cpu { 64 } else { 16_384 };
        let parts = (wanted / columns).clamp(1, 64).min(t.div_ceil(64)).max(t.div_ceil(STEPS));
        let length = t.div_ceil(parts);
        let parts = t.div_ceil(length);
        let k = kernel("forward", b, row).set("T", t).set("PARTS", parts).set("LENGTH", length);
        let first = k.dispatch_1d(parts * columns, WG).input("x", 0).input("lengths", 1);
        if parts == 1 {
            return Ok(Lowered::one(first.output("y", 0)));
        }
        let sum = kernel("combine", b, row).set("T", t).set("PARTS", parts).dispatch_1d(columns, WG);
        let sum = sum.scratch("summands", 0).input("lengths", 1).output("y", 0);
        Ok(Lowered { scratch: vec![Spec::f32([parts, b, row])], dispatches: vec![first.scratch("y", 0), sum] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for MeanRows {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, lengths) = (io.x(0), io.x_u32(1));
        let [_, t, row] = sizes(io.shape(0));
        parallel::rows(io.y(0), row, |b, y| {
            let n = (lengths[b] as usize).min(t);
            y.fill(T::ZERO);
            for x in x[b * t * row..][..n * row].chunks(row) {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y += x);
            }
            let count = T::of(n.max(1) as f64);
            y.iter_mut().for_each(|y| *y /= count);
        });
    }
}

impl Op for MeanRowsGrad {
    fn name(&self) -> &'static str {
        "mean_rows_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let [b, d] = cx.dims(0, "d_y")?;
        Ok(vec![Spec::f32([b, self.t, d])])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let [b, t, row] = sizes(&cx.outputs[0].shape);
        let d = kernel("backward", b, row).set("T", t).dispatch_1d(b * t * row / width(row), WG);
        Ok(Lowered::one(d.input("d_y", 0).input("lengths", 1).output("d_x", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for MeanRowsGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (d_y, lengths) = (io.x(0), io.x_u32(1));
        let [_, t, row] = sizes(io.y_shape(0));
        parallel::rows(io.y(0), row, |r, d_x| {
            let (b, n) = (r / t, (lengths[r / t] as usize).min(t));
            if r % t >= n {
                return d_x.fill(T::ZERO);
            }
            let count = T::of(n as f64);
            d_x.iter_mut().zip(&d_y[b * row..]).for_each(|(d_x, &d_y)| *d_x = d_y / count);
        });
    }
}

/// No row, some, all and more than all; one part and several.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, shape: [usize; 3], lengths: Vec<u32>| {
        let inputs = vec![(Spec::f32(shape), Fill::Normal(1.0)), (Spec::u32([shape[0]]), Fill::Indices(lengths))];
        Case::new(format!("mean_rows/{name}"), inputs, |g, x| Ok(vec![g.mean_rows(x[0], x[1])?]))
            .reduction(shape[1].min(4096))
            .extra(4.0, "WGSL allows division 2.5 ulp")
    };
    let many = 65_536 * 64 + 1;
    vec![
        case("odd", [5, 7, 3], vec![0, 3, 7, 8, u32::MAX]),
        case("vec4", [4, 5, 8], vec![5, 1, 0, 2]),
        case("wg+1", [65, 2, 1], (0..65).map(|i| i % 3).collect()),
        case("one", [1, 1, 1], vec![1]),
        case("parts", [3, 331, 4], vec![331, 100, 1]),
        case("parts_odd", [2, 1031, 5], vec![700, 0]),
        case("beyond_a_loop", [2, 70_001, 1], vec![70_001, 66_000]),
        case("grid_overflow", [many, 1, 1], (0..many as u32).map(|i| i % 2).collect()),
    ]
}
