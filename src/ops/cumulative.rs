//! Sums and products of an axis up to each element: `y_k = x_0 + .. + x_k`, or
//! their product; without `x_k` itself where it is exclusive (`y_0` is then 0 or
//! 1), from the end on where it is reversed. `x` and `y` have the same shape.
//!
//! Gradients: of the sum, the sum of `d_y` the other way. Of the product, with
//! `p_i` the product of the elements before `i`:
//! `d_x_i = sum over k >= i of d_y_k prod over j <= k, j != i of x_j = p_i s_i`, where
//! `s_i = d_y_i + x_(i+1) s_(i+1)`; exclusive: `s_i = d_y_(i+1) + x_(i+1) s_(i+1)`. No
//! division, so zeros are as good as other factors.
//!
//! On a GPU each line is cut into parts: the first pass finds what each does to
//! the running value, the second applies those before and walks its own.

use super::expect::expect_type;
use super::lines::Lines;
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Spec, parallel};

static SHADER: Shader = shader!("cumulative");

/// Invocations per workgroup.
const WG: usize = 64;

/// Invocations that are enough to fill a device; beyond, lines are not cut.
const ENOUGH: usize = 16_384;

/// Elements that one invocation walks at most.
const MOST: usize = 16_384;

/// What is computed along the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Sum,
    Product,
    /// `s` of a product's gradient, from `x` and `d_y`.
    Gradient,
}

/// How a line is walked.
#[derive(Debug, Clone, Copy)]
struct Walk {
    axis: usize,
    exclusive: bool,
    reverse: bool,
}

/// Sums or products up to each element.
#[derive(Debug, Clone, Copy)]
pub struct Cumulative {
    walk: Walk,
    product: bool,
}

/// `s` of the gradient of products.
#[derive(Debug, Clone, Copy)]
struct CumulativeGrad {
    /// The way of the gradient, which is the other one.
    walk: Walk,
}

impl Graph {
    /// The sums of `x` along `axis` up to each element, of `x`'s shape; without
    /// the element itself if `exclusive`, from the end on if `reverse`.
    pub fn cumsum(&mut self, x: TensorId, axis: usize, exclusive: bool, reverse: bool) -> Result<TensorId> {
        self.push1(Cumulative { walk: Walk { axis, exclusive, reverse }, product: false }, &[x])
    }

    /// The products of `x` along `axis` up to each element, of `x`'s shape;
    /// without the element itself if `exclusive`, from the end on if `reverse`.
    pub fn cumprod(&mut self, x: TensorId, axis: usize, exclusive: bool, reverse: bool) -> Result<TensorId> {
        self.push1(Cumulative { walk: Walk { axis, exclusive, reverse }, product: true }, &[x])
    }
}

impl Walk {
    fn lower(&self, cx: &Lower, mode: Mode) -> Lowered {
        let lines = Lines::of(&cx.inputs[0].shape, self.axis);
        let (count, len) = (lines.count(), lines.len);
        // As many parts as a part has elements, so that neither pass walks far.
        let parts = (ENOUGH / count).clamp(1, len.isqrt()).max(len.div_ceil(MOST));
        let part = len.div_ceil(parts);
        let parts = len.div_ceil(part);
        let dispatch = |entry| {
            let k = Kernel::new(&SHADER, entry).set("LINES", count).set("INNER", lines.inner).set("LEN", len);
            let k = k.set("PART", part).set("PARTS", parts).set("MODE", mode as usize);
            let k = k.flag("EXCLUSIVE", self.exclusive).flag("REVERSE", self.reverse);
            // Only the gradient has a second input; the others bind the first.
            let second = usize::from(mode == Mode::Gradient);
            k.dispatch_1d(count * parts, WG).input("x", 0).input("d_y", second)
        };
        if parts == 1 {
            return Lowered::one(dispatch("scan_whole").output("y", 0));
        }
        let totals = dispatch("totals_of_parts").scratch("parts", 0);
        let scan = dispatch("scan").scratch("totals", 0).output("y", 0);
        Lowered { scratch: vec![Spec::f32([2 * count * parts])], dispatches: vec![totals, scan] }
    }

    /// Walks all lines; `step` is given the running value and the place of an
    /// element, and returns what is stored and the next running value.
    fn run<T: Real>(&self, io: &mut Io<T>, start: T, step: impl Fn(T, usize) -> (T, T) + Sync) {
        let lines = Lines::of(io.shape(0), self.axis);
        let block = lines.len * lines.inner;
        parallel::rows(io.y(0), block, |o, y| {
            for i in 0..lines.inner {
                let mut r = start;
                for t in 0..lines.len {
                    let k = if self.reverse { lines.len - 1 - t } else { t };
                    let at = k * lines.inner + i;
                    (y[at], r) = step(r, o * block + at);
                }
            }
        });
    }
}

impl Op for Cumulative {
    fn name(&self) -> &'static str {
        "cumulative"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "x", DType::F32)?;
        Lines::new("x", cx.shape(0), self.walk.axis)?;
        Ok(vec![cx.inputs[0].clone()])
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let Walk { axis, exclusive, reverse } = self.walk;
        if !self.product {
            return Ok(vec![Some(g.cumsum(at.d_y(), axis, exclusive, !reverse)?)]);
        }
        let x = at.inputs[0];
        let before = if exclusive { at.outputs[0] } else { g.cumprod(x, axis, true, reverse)? };
        let walk = Walk { reverse: !reverse, ..self.walk };
        let behind = g.push1(CumulativeGrad { walk }, &[x, at.d_y()])?;
        Ok(vec![Some(g.mul(before, behind)?)])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        Ok(self.walk.lower(cx, if self.product { Mode::Product } else { Mode::Sum }))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Cumulative {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, exclusive, product) = (io.x(0), self.walk.exclusive, self.product);
        let start = if product { T::ONE } else { T::ZERO };
        self.walk.run(io, start, |r, at| {
            let next = if product { r * x[at] } else { r + x[at] };
            (if exclusive { r } else { next }, next)
        });
    }
}

impl Op for CumulativeGrad {
    fn name(&self) -> &'static str {
        "cumulative_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        cx.expect(1, "d_y", cx.shape(0).clone())?;
        Ok(vec![cx.inputs[0].clone()])
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        Ok(self.walk.lower(cx, Mode::Gradient))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 2 * cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for CumulativeGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, d_y, exclusive) = (io.x(0), io.x(1), self.walk.exclusive);
        self.walk.run(io, T::ZERO, |r, at| match exclusive {
            true => (r, x[at] * r + d_y[at]),
            false => (r + d_y[at], x[at] * (r + d_y[at])),
        });
    }
}

/// Every way to walk, axes in all places, zeros, and lines that are cut.
pub fn cases() -> Vec<Case> {
    let case = |name: String, shape: &[usize], fill: Fill, op: Cumulative| {
        let n = shape[op.walk.axis];
        Case::new(format!("cumulative/{name}"), vec![(Spec::f32(shape), fill)], move |g, x| {
            Ok(vec![g.push1(op, &[x[0]])?])
        })
        // A product and its sum in one.
        .reduction(2 * n)
    };
    // Products stay within f32.
    let factors = || Fill::Uniform(0.7, 1.4);
    let mut cases = vec![];
    for (product, name) in [(false, "sum"), (true, "prod")] {
        let fill = || if product { factors() } else { Fill::Normal(1.0) };
        for (what, exclusive, reverse) in [
            ("", false, false),
            ("_exclusive", true, false),
            ("_reverse", false, true),
            ("_exclusive_reverse", true, true),
        ] {
            let op = |axis| Cumulative { walk: Walk { axis, exclusive, reverse }, product };
            cases.push(case(format!("{name}{what}_last"), &[7, 65], fill(), op(1)));
            cases.push(case(format!("{name}{what}_middle"), &[3, 17, 5], fill(), op(1)));
            cases.push(case(format!("{name}{what}_long"), &[2, 401], fill(), op(1)));
            if product {
                let zeros = vec![2.0, 0.0, -3.0, 1.5, 0.0, 0.0, 5.0, 2.0, -0.5, 3.0, 4.0, -0.0];
                cases.push(case(format!("prod{what}_zeros"), &[4, 3], Fill::Values(zeros.clone()), op(0)));
                cases.push(case(format!("prod{what}_zeros_in_rows"), &[3, 4], Fill::Values(zeros), op(1)));
            }
        }
        let op = |axis| Cumulative { walk: Walk { axis, exclusive: false, reverse: false }, product };
        cases.push(case(format!("{name}_first"), &[63, 7], fill(), op(0)));
        cases.push(case(format!("{name}_one"), &[1], fill(), op(0)));
        cases.push(case(format!("{name}_axis_of_one"), &[13, 1], fill(), op(1)));
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let edges = Fill::Values(vec![1.0, inf, 2.0, nan, -inf, 1.0, 1.0, inf, 3.0]);
        cases.push(case(format!("{name}_edges"), &[3, 3], edges, op(1)).no_gradient());
    }
    let sum = |axis| Cumulative { walk: Walk { axis, exclusive: false, reverse: false }, product: false };
    cases.push(case("sum_beyond_a_walk".into(), &[70_001], Fill::Uniform(0.0, 1.0), sum(0)).no_gradient());
    cases.push(case("sum_grid_overflow".into(), &[65_536 * 64 + 1, 2], Fill::Normal(1.0), sum(1)).no_gradient());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_that_is_not_there_is_named() {
        let mut g = Graph::new();
        let x = g.input("x", Spec::f32([3, 4]));
        let message = g.cumprod(x, 2, false, false).expect_err("two axes").to_string();
        assert!(message.contains("cumulative") && message.contains("axis 2 of x with shape [3, 4]"), "{message}");
    }
}
