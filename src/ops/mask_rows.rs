//! Zeros, or another value, where a sequence has ended: `y[b, t] = x[b, t]` for
//! `t < lengths[b]`, else `fill`.
//!
//! Shapes: `x, y [B, T, ..]`, `lengths u32 [B]`; a length beyond `T` counts as `T`.
//! Gradient: the same mask on `d_y`, with zeros.

use super::expect::expect_type;
use super::wide::{wide, width};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Shape, Spec, parallel};

static SHADER: Shader = shader!("mask_rows");

/// Invocations per workgroup.
const WG: usize = 64;

/// Masks rows. Inputs: x, lengths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskRows {
    /// What stands behind the end.
    pub fill: f32,
}

impl Graph {
    /// `x [B, T, ..]` with zeros in the rows `t >= lengths[b]` (u32 `[B]`).
    pub fn mask_rows(&mut self, x: TensorId, lengths: TensorId) -> Result<TensorId> {
        self.fill_rows(x, lengths, 0.0)
    }

    /// `x [B, T, ..]` with `fill` in the rows `t >= lengths[b]` (u32 `[B]`).
    pub fn fill_rows(&mut self, x: TensorId, lengths: TensorId, fill: f32) -> Result<TensorId> {
        self.push1(MaskRows { fill }, &[x, lengths])
    }
}

/// Checks sequences `[B, T, ..]` and their lengths `[B]`.
pub(super) fn expect_sequences(cx: &Infer) -> Result<()> {
    expect_type(cx, 0, "x", DType::F32)?;
    expect_type(cx, 1, "lengths", DType::U32)?;
    let x = cx.shape(0);
    if x.rank() < 2 || x.elements() == 0 {
        return Err(Error::model(format!("x has shape {x}; expected [B, T, ..] with at least one element")));
    }
    cx.expect(1, "lengths", [x[0]])
}

/// Samples, rows of each, and elements of a row.
pub(super) fn sizes(x: &Shape) -> [usize; 3] {
    [x[0], x[1], x[2..].iter().product()]
}

impl Op for MaskRows {
    fn name(&self) -> &'static str {
        "mask_rows"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_sequences(cx)?;
        Ok(vec![cx.inputs[0].clone()])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![Some(g.mask_rows(at.d_y(), at.inputs[1])?), None])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let [b, t, row] = sizes(&cx.inputs[0].shape);
        let width = width(row);
        let k = Kernel::new(&SHADER, "forward").set("B", b).set("T", t).set("ROW", row / width);
        let k = k.real("FILL", self.fill.into());
        let d = wide(k, width).dispatch_1d(b * t * row / width, WG);
        Ok(Lowered::one(d.input("x", 0).input("lengths", 1).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for MaskRows {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, lengths) = (io.x(0), io.x_u32(1));
        let [_, t, row] = sizes(io.shape(0));
        parallel::rows(io.y(0), t * row, |b, y| {
            let valid = (lengths[b] as usize).min(t) * row;
            y[..valid].copy_from_slice(&x[b * t * row..][..valid]);
            y[valid..].fill(T::of(self.fill.into()));
        });
    }
}

/// No row, some, all and more than all, with and without further axes.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, shape: &[usize], lengths: Vec<u32>| {
        let inputs = vec![(Spec::f32(shape), Fill::Normal(1.0)), (Spec::u32([shape[0]]), Fill::Indices(lengths))];
        Case::new(format!("mask_rows/{name}"), inputs, |g, x| Ok(vec![g.mask_rows(x[0], x[1])?]))
    };
    let filled = |name: &str, shape: &[usize], fill: f32| {
        let lengths = Fill::Indices(vec![0, 3, 7, 8, u32::MAX]);
        let inputs = vec![(Spec::f32(shape), Fill::Normal(1.0)), (Spec::u32([5]), lengths)];
        Case::new(format!("mask_rows/{name}"), inputs, move |g, x| Ok(vec![g.fill_rows(x[0], x[1], fill)?]))
    };
    let nan = Case::new(
        "mask_rows/masked_nan",
        vec![
            (Spec::f32([2, 2, 1]), Fill::Values(vec![1.0, f32::NAN, f32::INFINITY, 2.0])),
            (Spec::u32([2]), Fill::Indices(vec![1, 0])),
        ],
        |g, x| Ok(vec![g.mask_rows(x[0], x[1])?]),
    );
    let many = 65_536 * 64 + 1;
    vec![
        case("odd", &[5, 7, 3], vec![0, 3, 7, 8, u32::MAX]),
        case("vec4", &[4, 5, 8], vec![5, 1, 0, 2]),
        case("rank2", &[3, 4], vec![4, 2, 0]),
        case("rank4", &[2, 3, 2, 6], vec![1, 3]),
        case("one", &[1, 1, 1], vec![1]),
        filled("fill", &[5, 7, 3], -2.5),
        filled("fill_vec4", &[5, 4, 8], 7.5),
        case("grid_overflow", &[many, 1], (0..many as u32).map(|i| i % 3).collect()),
        nan.no_gradient(),
    ]
}
