//! Rows of a tensor by index: `y[b, ..] = x[index[b], ..]`, and 0 where
//! `index[b]` is no row.
//!
//! Shapes: `x [n, ..]`, f32 or u32; `index u32 [B]`; `y [B, ..]` of `x`'s type.
//! No gradient: it picks labels and features out of a data set.
//!
//! On a GPU bits are moved, so that one kernel serves both types.

use super::state;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Shape, Spec, parallel};

static SHADER: Shader = shader!("gather_rows");

/// Invocations per workgroup.
const WG: usize = 64;

/// Picks rows.
#[derive(Debug, Clone, Copy)]
pub struct GatherRows;

impl Graph {
    /// The rows `index` of `x`, along its first axis. An index beyond the data
    /// gives zeros.
    pub fn gather_rows(&mut self, x: TensorId, index: TensorId) -> Result<TensorId> {
        self.push1(GatherRows, &[x, index])
    }
}

/// Elements of a row.
fn row_len(x: &Shape) -> usize {
    x[1..].iter().product()
}

impl Op for GatherRows {
    fn name(&self) -> &'static str {
        "gather_rows"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let x = &cx.inputs[0];
        let total = x.elements();
        if x.shape.rank() == 0 || total == 0 || total > u32::MAX as usize {
            return Err(Error::model(format!("x is {x}; expected rows of 1 to 2^32 - 1 elements in all")));
        }
        let batch = state::expect_list("index", &cx.inputs[1], DType::U32)?;
        if batch.saturating_mul(row_len(&x.shape)) > u32::MAX as usize {
            return Err(Error::model(format!("{batch} rows of x, which is {x}, have 2^32 elements or more")));
        }
        let shape = [batch].into_iter().chain(x.shape[1..].iter().copied()).collect();
        Ok(vec![Spec { shape, dtype: x.dtype }])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let x = &cx.inputs[0].shape;
        let row = row_len(x);
        let (entry, names, per) =
            if row.is_multiple_of(4) { ("forward4", ("x4", "y4"), 4) } else { ("forward", ("x", "y"), 1) };
        let k = Kernel::new(&SHADER, entry).set("N", x[0]).set("SLOTS", cx.inputs[1].elements()).set("ROW", row / per);
        let d = k.dispatch_1d(cx.outputs[0].elements() / per, WG);
        Ok(Lowered::one(d.input(names.0, 0).input("index", 1).output(names.1, 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: 2 * cx.outputs[0].bytes() as u64 }
    }
}

/// Copies rows of `x`; `zero` where there is none.
fn copy_rows<E: Copy + Send + Sync>(x: &[E], index: &[u32], row: usize, zero: E, y: &mut [E]) {
    parallel::rows(y, row, |slot, y| {
        let start = index[slot] as usize * row;
        match x.get(start..start + row) {
            Some(x) => y.copy_from_slice(x),
            None => y.fill(zero),
        }
    });
}

impl Reference for GatherRows {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (index, row) = (io.x_u32(1), row_len(io.shape(0)));
        // A buffer has one element type; the other view is empty.
        match io.inputs[0].spec.dtype {
            DType::F32 | DType::F16 => copy_rows(io.x(0), index, row, T::ZERO, io.y(0)),
            DType::U32 => copy_rows(io.x_u32(0), index, row, 0, io.y_u32(0)),
        }
    }
}

/// Both types, rows of one and of many elements, sentinels.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, x: Spec, index: Fill, batch: usize| {
        let fill = if x.dtype == DType::F32 { Fill::Normal(1.0) } else { Fill::Below(u32::MAX) };
        let inputs = vec![(x, fill), (Spec::u32([batch]), index)];
        Case::new(format!("gather_rows/{name}"), inputs, |g, x| Ok(vec![g.gather_rows(x[0], x[1])?])).no_gradient()
    };
    vec![
        case("labels", Spec::u32([97]), Fill::Below(98), 65),
        case("features", Spec::f32([31, 13]), Fill::Below(32), 63),
        case("vec4", Spec::f32([31, 2, 6]), Fill::Below(32), 64),
        case("vec4_u32", Spec::u32([5, 4]), Fill::Indices(vec![4, 5, u32::MAX, 0]), 4),
        case("one", Spec::f32([1]), Fill::Indices(vec![0]), 1),
        case("rank4", Spec::f32([3, 2, 1, 5]), Fill::Indices(vec![2, 0, 3, 1, 1]), 5),
        case("grid_overflow", Spec::u32([1009]), Fill::Below(1010), 65_536 * 64 + 1),
    ]
}
