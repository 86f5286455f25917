//! The last valid row of every sequence: `y[b] = x[b, n - 1]` with `n =
//! lengths[b]`, 0 where `n = 0`.
//!
//! Shapes: `x [B, T, D]`, `lengths u32 [B]`, `y [B, D]`; a length beyond `T`
//! counts as `T`. Gradient: `d_x[b, n - 1] = d_y[b]`, zero elsewhere.

use super::mask_rows::{expect_sequences, sizes};
use super::wide::{wide, width};
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Dispatch, Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec, parallel};

static SHADER: Shader = shader!("take_row");

/// Invocations per workgroup.
const WG: usize = 64;

/// Takes the last valid row. Inputs: x, lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeRow;

/// `d_x [B, T, D]` from `d_y` and lengths.
#[derive(Debug, Clone, Copy)]
pub struct TakeRowGrad {
    /// Rows of a sequence.
    pub t: usize,
}

impl Graph {
    /// The row `lengths[b] - 1` (lengths u32 `[B]`) of each sequence of `x [B, T,
    /// D]`: `[B, D]`. Zeros where a length is 0.
    pub fn take_row(&mut self, x: TensorId, lengths: TensorId) -> Result<TensorId> {
        self.push1(TakeRow, &[x, lengths])
    }
}

fn dispatch(entry: &'static str, [b, t, row]: [usize; 3], written: usize) -> Dispatch {
    let width = width(row);
    let k = Kernel::new(&SHADER, entry).set("B", b).set("T", t).set("ROW", row / width);
    wide(k, width).dispatch_1d(written / width, WG).input("lengths", 1)
}

impl Op for TakeRow {
    fn name(&self) -> &'static str {
        "take_row"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_sequences(cx)?;
        let [b, _, d] = cx.dims(0, "x")?;
        Ok(vec![Spec::f32([b, d])])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let op = TakeRowGrad { t: g.shape(at.inputs[0])[1] };
        Ok(vec![Some(g.push1(op, &[at.d_y(), at.inputs[1]])?), None])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let d = dispatch("forward", sizes(&cx.inputs[0].shape), cx.outputs[0].elements());
        Ok(Lowered::one(d.input("x", 0).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: 2 * cx.outputs[0].bytes() as u64 }
    }
}

impl Reference for TakeRow {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, lengths) = (io.x(0), io.x_u32(1));
        let [_, t, row] = sizes(io.shape(0));
        parallel::rows(io.y(0), row, |b, y| match (lengths[b] as usize).min(t) {
            0 => y.fill(T::ZERO),
            n => y.copy_from_slice(&x[(b * t + n - 1) * row..][..row]),
        });
    }
}

impl Op for TakeRowGrad {
    fn name(&self) -> &'static str {
        "take_row_grad"
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
        let d = dispatch("backward", sizes(&cx.outputs[0].shape), cx.outputs[0].elements());
        Ok(Lowered::one(d.input("d_y", 0).output("d_x", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for TakeRowGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (d_y, lengths) = (io.x(0), io.x_u32(1));
        let [_, t, row] = sizes(io.y_shape(0));
        parallel::rows(io.y(0), row, |r, d_x| {
            let b = r / t;
            match r % t + 1 == (lengths[b] as usize).min(t) {
                true => d_x.copy_from_slice(&d_y[b * row..][..row]),
                false => d_x.fill(T::ZERO),
            }
        });
    }
}

/// No row, the first, the last, one beyond.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, shape: [usize; 3], lengths: Vec<u32>| {
        let inputs = vec![(Spec::f32(shape), Fill::Normal(1.0)), (Spec::u32([shape[0]]), Fill::Indices(lengths))];
        Case::new(format!("take_row/{name}"), inputs, |g, x| Ok(vec![g.take_row(x[0], x[1])?]))
    };
    let many = 65_536 * 64 + 1;
    vec![
        case("odd", [5, 7, 3], vec![0, 3, 7, 8, u32::MAX]),
        case("vec4", [4, 5, 8], vec![5, 1, 0, 2]),
        case("wg+1", [65, 2, 1], (0..65).map(|i| i % 3).collect()),
        case("one", [1, 1, 1], vec![1]),
        case("grid_overflow", [many, 1, 1], (0..many as u32).map(|i| i % 2).collect()),
    ]
}
