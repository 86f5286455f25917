//! Integers as floats and floats as integers, any shape.
//!
//! `index_to_float`: `y = x`, rounded to the nearest float above 2^24.
//! `float_to_index`: `y = x` without its fraction; 0 where `x` is negative or NaN,
//! 2^32 - 1 where it is larger. Neither has a gradient: integers do not move.

use super::expect::expect_type;
use super::state;
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Pointwise, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Spec, parallel};

static SHADER: Shader = shader!("index_float");

/// Invocations per workgroup.
const WG: usize = 64;

/// u32 to f32.
#[derive(Debug, Clone, Copy)]
pub struct IndexToFloat;

/// f32 to u32.
#[derive(Debug, Clone, Copy)]
pub struct FloatToIndex;

impl Graph {
    /// The integers of `x`, u32 of any shape, as f32 of the same shape.
    pub fn index_to_float(&mut self, x: TensorId) -> Result<TensorId> {
        self.push1(IndexToFloat, &[x])
    }

    /// The floats of `x`, of any shape, as u32 of the same shape, without their
    /// fractions; 0 where they are negative or NaN.
    pub fn float_to_index(&mut self, x: TensorId) -> Result<TensorId> {
        self.push1(FloatToIndex, &[x])
    }
}

impl Op for IndexToFloat {
    fn name(&self) -> &'static str {
        "index_to_float"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "x", DType::U32)?;
        Ok(vec![Spec::f32(cx.shape(0).clone())])
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let n = cx.outputs[0].elements();
        let d = Kernel::new(&SHADER, "to_float").set("N", n).dispatch_1d(n, WG);
        Ok(Lowered::one(d.input("index", 0).put(&cx.store)))
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for IndexToFloat {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let x = io.x_u32(0);
        parallel::chunks(io.y(0), |start, y| {
            for (y, &x) in y.iter_mut().zip(&x[start..]) {
                *y = T::of(x.into());
            }
        });
    }
}

impl Op for FloatToIndex {
    fn name(&self) -> &'static str {
        "float_to_index"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "x", DType::F32)?;
        Ok(vec![Spec::u32(cx.shape(0).clone())])
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let n = cx.outputs[0].elements();
        let d = Kernel::new(&SHADER, "to_index").set("N", n).stores_itself().dispatch_1d(n, WG);
        Ok(Lowered::one(d.input("x", 0).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for FloatToIndex {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let x = io.x(0);
        parallel::chunks(io.y_u32(0), |start, y| {
            for (y, &x) in y.iter_mut().zip(&x[start..]) {
                *y = x.f64() as u32;
            }
        });
    }
}

/// Both ways, with numbers that the other type does not have.
pub fn cases() -> Vec<Case> {
    let to_float = |name: &str, shape: &[usize], fill: Fill| {
        let inputs = vec![(Spec::u32(shape), fill)];
        Case::new(format!("index_float/to_float_{name}"), inputs, |g, x| Ok(vec![g.index_to_float(x[0])?]))
            .no_gradient()
    };
    let to_index = |name: &str, shape: &[usize], fill: Fill| {
        let inputs = vec![(Spec::f32(shape), fill)];
        Case::new(format!("index_float/to_index_{name}"), inputs, |g, x| Ok(vec![g.float_to_index(x[0])?]))
            .no_gradient()
    };
    let large = vec![0, 1, (1 << 24) + 1, 1 << 31, u32::MAX, 16_777_219];
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let edges =
        vec![nan, -inf, inf, -1.0, -0.0, 0.999, 7.5, 4_294_967_040.0, 4_294_967_296.0, 1e30, -1e-30, 3e9, 1e-40];
    vec![
        to_float("one", &[1], Fill::Below(100)),
        to_float("wg-1", &[63], Fill::Below(100)),
        to_float("wg+1", &[5, 13], Fill::Below(1 << 24)),
        to_float("large", &[6], Fill::Indices(large)),
        to_float("grid_overflow", &[65_536 * 64 + 1], Fill::Below(1 << 20)),
        to_index("one", &[1], Fill::Uniform(0.0, 100.0)),
        to_index("wg-1", &[63], Fill::Uniform(-2.0, 100.0)),
        to_index("wg+1", &[5, 13], Fill::Uniform(0.0, 1e7)),
        to_index("edges", &[13], Fill::Values(edges)),
        Case::new("index_float/fused", vec![(Spec::u32([6, 8]), Fill::Below(9))], |g, x| {
            let y = g.index_to_float(x[0])?;
            Ok(vec![g.affine(y, 0.5, -1.0)?])
        })
        .no_gradient()
        .fused(),
    ]
}
