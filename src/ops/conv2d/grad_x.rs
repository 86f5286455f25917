//! The gradient of a convolution with respect to its input; on its own a transposed
//! convolution.

use super::implicit::Pass;
use super::sizes::Sizes;
use super::winograd::Winograd;
use super::{Conv2d, Conv2dGradW, Form, channels, col2im, grid, kernel, lanes, sharing, sizes, ways};
use crate::error::{Error, Result};
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Pointwise, Reference, TensorId};
use crate::kernel::{Lowered, Variant};
use crate::ops::matmul::gemm;
use crate::tensor::{Real, Spec};
use rayon::prelude::*;

/// `d_x` from `w` and `d_y`.
#[derive(Debug, Clone, Copy)]
pub struct Conv2dGradX {
    /// The forward convolution.
    pub op: Conv2d,
    /// Height and width of the input.
    pub input: [usize; 2],
}

impl Op for Conv2dGradX {
    fn name(&self) -> &'static str {
        "conv2d_grad_x"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let (w, d_y): ([usize; 4], [usize; 4]) = (cx.dims(0, "w")?, cx.dims(1, "d_y")?);
        let x = [d_y[0], w[1] * self.op.groups, self.input[0], self.input[1]];
        let y = Sizes::new(self.op, x, w)?;
        let expected = [y.n, y.o, y.out[0], y.out[1]];
        if d_y != expected {
            return Err(Error::model(format!(
                "d_y has shape {d_y:?}; a convolution of x {x:?} with w {w:?} gives {expected:?}"
            )));
        }
        Ok(vec![Spec::f32(x)])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    /// It is linear in both: a transposed convolution is learned through the convolution and
    /// its other gradient.
    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let (w, d_x) = (at.inputs[0], at.d_y());
        let shape = g.shape(w);
        let kernel = [shape[2], shape[3]];
        let mut d = vec![None, None];
        if at.needs[0] {
            let grad = Conv2dGradW { op: self.op, kernel, bias: false };
            d[0] = Some(g.push1(grad, &[d_x, at.inputs[1]])?);
        }
        if at.needs[1] {
            d[1] = Some(g.conv2d(d_x, w, None, self.op)?);
        }
        Ok(d)
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let s = sizes(self.op, &cx.outputs[0], &cx.inputs[0]);
        if let Some(form) = Form::of(cx) {
            let d = Pass::GradX.dispatch(&s, form, false, &cx.store);
            return Ok(Lowered::one(d.input("w", 0).input("d_y", 1)));
        }
        if let Some(cut) = Winograd::of(Pass::GradX, &s, cx) {
            return Ok(cut.lower([1, 0], None, &cx.store));
        }
        if let Some(lowered) = lanes::product(Pass::GradX, &s, cx, [1, 0], None) {
            return Ok(lowered);
        }
        let channels = s.cg().min(channels(&cx.caps));
        let k = sharing(kernel("backward_x", s, channels, 1), &cx.caps, s.og());
        let d = k.dispatch(grid(s.n * s.h[0] * s.h[1], s.cg().div_ceil(channels) * s.op.groups));
        Ok(Lowered::one(d.input("w", 0).input("d_y", 1).put(&cx.store)))
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn variants(&self, cx: &Lower) -> Vec<Variant> {
        ways(Pass::GradX, &sizes(self.op, &cx.outputs[0], &cx.inputs[0]), cx)
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: sizes(self.op, &cx.outputs[0], &cx.inputs[0]).flops(), bytes: cx.bytes_once() }
    }
}

impl Reference for Conv2dGradX {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let s = sizes(self.op, io.outputs[0].spec, io.inputs[0].spec);
        let (w, d_y) = (io.x(0), io.x(1));
        let rows = s.og() * s.positions();
        io.y(0).par_chunks_mut(s.image()).enumerate().for_each_init(Vec::new, |cols, (n, d_x)| {
            d_x.fill(T::ZERO);
            let d_y = &d_y[n * s.o * s.positions()..][..s.o * s.positions()];
            cols.resize(s.columns() * s.positions(), T::ZERO);
            for (g, d_x) in d_x.chunks_mut(s.cg() * s.h[0] * s.h[1]).enumerate() {
                let w = &w[g * s.og() * s.columns()..][..s.og() * s.columns()];
                let d_y = &d_y[g * rows..][..rows];
                gemm(cols, w, d_y, [s.columns(), s.positions(), s.og()], true, false, T::ZERO);
                col2im(s, cols, d_x);
            }
        });
    }
}
