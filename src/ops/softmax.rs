//! Softmax and its logarithm over the last axis.
//!
//! Formula: `softmax(x)_i = e^(x_i - m) / s`, `log_softmax(x)_i = x_i - m - ln s`
//! with `m = max x` and `s = sum e^(x_j - m)`, so no exponential overflows.
//! Shapes: `y` as `x`; a row is the last axis. Minus infinity has probability
//! zero; a row of nothing else, or with NaN or plus infinity, is NaN, as in
//! PyTorch.
//!
//! Gradients from the saved output:
//! softmax: `d y_i / d x_j = y_i ([i = j] - y_j)`, hence
//! `d_x = y (d_y - sum_j y_j d_y_j)`;
//! log-softmax: `d y_i / d x_j = [i = j] - e^y_j`, hence
//! `d_x = d_y - e^y sum_j d_y_j`.

use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Kernel, Lowered, Shader, groups_1d};
use crate::shader;
use crate::tensor::{DType, HostTensor, Real, Shape, Spec, lanes, parallel};

static SHADER: Shader = shader!("softmax");

/// Invocations per workgroup where each has a row.
const WG: usize = 64;

/// The longest row that one invocation walks alone on a GPU.
const SHORT: usize = 64;

/// Softmax over the last axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Softmax {
    /// Gives the logarithm instead.
    pub log: bool,
}

/// `d_x` from `y` and `d_y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoftmaxGrad {
    /// As in [`Softmax`].
    pub log: bool,
}

impl Graph {
    /// `e^x / sum(e^x)` along an axis.
    pub fn softmax(&mut self, x: TensorId, axis: usize) -> Result<TensorId> {
        self.along(x, axis, Softmax { log: false })
    }

    /// The logarithm of softmax along an axis, exact where softmax underflows.
    pub fn log_softmax(&mut self, x: TensorId, axis: usize) -> Result<TensorId> {
        self.along(x, axis, Softmax { log: true })
    }

    /// Brings `axis` to the end and back, if it is not there.
    fn along(&mut self, x: TensorId, axis: usize, op: Softmax) -> Result<TensorId> {
        let shape = &self.spec(x).shape;
        // A scalar is a row of one.
        let last = shape.rank().max(1) - 1;
        if axis > last {
            return Err(Error::model(format!("softmax over axis {axis}: x has shape {shape}, axes 0 to {last}")));
        }
        if axis == last {
            return self.push1(op, &[x]);
        }
        let x = self.transpose(x, axis, last)?;
        let y = self.push1(op, &[x])?;
        self.transpose(y, axis, last)
    }
}

/// The length of a row.
fn row(shape: &Shape) -> usize {
    shape.last().copied().unwrap_or(1)
}

/// The kernel for rows of this shape: an invocation or a workgroup per row.
fn dispatch(cx: &Lower, log: bool, entries: [&'static str; 2]) -> crate::kernel::Dispatch {
    let y = &cx.outputs[0].shape;
    let (rows, row) = (y.elements() / row(y), row(y));
    let kernel = |entry| Kernel::new(&SHADER, entry).set("ROWS", rows).set("ROW", row).flag("LOG", log);
    if cx.caps.class == Class::Cpu || row <= SHORT {
        return kernel(entries[0]).dispatch_1d(rows, WG);
    }
    let wg = (row / 4).next_power_of_two().clamp(32, 256);
    kernel(entries[1]).set("WG", wg).dispatch(groups_1d(rows, 1))
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let x = &cx.inputs[0];
        if x.dtype != DType::F32 || x.elements() == 0 {
            return Err(Error::model(format!("x is {x}; expected f32 and at least one element")));
        }
        Ok(vec![x.clone()])
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![Some(g.push1(SoftmaxGrad { log: self.log }, &[at.outputs[0], at.d_y()])?)])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        Ok(Lowered::one(dispatch(cx, self.log, ["forward", "forward_tree"]).input("x", 0).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 5 * cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Op for SoftmaxGrad {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax_grad" } else { "softmax_grad" }
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        cx.expect(1, "d_y", cx.shape(0).clone())?;
        Ok(vec![cx.inputs[0].clone()])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let d = dispatch(cx, self.log, ["backward", "backward_tree"]);
        Ok(Lowered::one(d.input("x", 0).input("d_y", 1).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 4 * cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Softmax {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, n) = (io.x(0), row(io.shape(0)));
        parallel::rows(
            io.y(0),
            n,
            #[inline(always)]
            |r, y| {
                let x = &x[r * n..][..n];
                // `max` drops NaN; the sum brings it back.
                let largest = lanes::max(x);
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = (x - largest).exp();
                }
                let sum = lanes::sum(y, |y| y);
                let (ln_sum, share) = (sum.ln(), T::ONE / sum);
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = if self.log { x - largest - ln_sum } else { *y * share };
                }
            },
        );
    }
}

impl Reference for SoftmaxGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (saved, d_y, n) = (io.x(0), io.x(1), row(io.shape(0)));
        parallel::rows(
            io.y(0),
            n,
            #[inline(always)]
            |r, d_x| {
                let (y, d_y) = (&saved[r * n..][..n], &d_y[r * n..][..n]);
                let [product, plain] = lanes::sums(y, d_y, |y, d| [y * d, d]);
                let sum = if self.log { plain } else { product };
                for ((d_x, &y), &d) in d_x.iter_mut().zip(y).zip(d_y) {
                    *d_x = if self.log { d - y.exp() * sum } else { y * (d - sum) };
                }
            },
        );
    }
}

/// Short and long rows, any axis, and what lies far out.
pub fn cases() -> Vec<Case> {
    [false, true].into_iter().flat_map(cases_of).collect()
}

fn cases_of(log: bool) -> Vec<Case> {
    let named = move |what: &str| format!("softmax/{}{what}", if log { "log_" } else { "" });
    let push = move |g: &mut Graph, x, axis| if log { g.log_softmax(x, axis) } else { g.softmax(x, axis) };
    const WHY: &str = "WGSL allows exp 3 + 2|x| ulp, log 2^-21 near 1 and division 2.5 ulp";
    let case = |name: &str, shape: &[usize], axis: usize| {
        let row = shape.get(axis).copied().unwrap_or(1);
        Case::new(named(name), vec![(Spec::f32(shape), Fill::Normal(1.5))], move |g, x| Ok(vec![push(g, x[0], axis)?]))
            .reduction(row)
            .extra(32.0, WHY)
    };
    // Values that a finite difference cannot nudge; the gradient is an output.
    let exact = |name: &str, values: Vec<f32>, row: usize| {
        let spec = Spec::f32([values.len() / row, row]);
        Case::new(named(name), vec![(spec, Fill::Values(values))], move |g, x| {
            let y = push(g, x[0], 1)?;
            let spec = g.spec(y).clone();
            let d_y = (0..spec.elements()).map(|i| (i % 7) as f32 - 2.5).collect();
            let gradient = g.constant(HostTensor::f32(spec.shape, d_y));
            let d_x = crate::graph::gradient(g, &[crate::graph::Seed { tensor: y, gradient }], &[x[0]])?;
            Ok(vec![y, d_x[0]])
        })
        .no_gradient()
        .reduction(row)
        .extra(32.0, WHY)
    };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let rows = [
        [-inf, 0.0, 1.0, -inf, 2.0],
        [-inf, -inf, -inf, -inf, -3.0],
        [-inf, -inf, -inf, -inf, -inf],
        [nan, 0.0, 1.0, 2.0, -inf],
        [0.0, inf, 1.0, 2.0, 3.0],
    ];
    // The same rows, too long for one invocation.
    let long = rows.iter().flat_map(|r| r.iter().copied().cycle().take(130)).collect();
    vec![
        case("classes", &[33, 10], 1),
        case("one", &[1, 1], 1),
        case("scalar", &[], 0),
        case("vector", &[7], 0),
        case("row_64", &[65, 64], 1),
        case("row_65", &[63, 65], 1),
        case("row_257", &[2, 257], 1),
        case("row_1031", &[3, 1031], 1),
        case("first_axis", &[5, 7], 0),
        case("channels", &[2, 13, 3, 2], 1),
        case("grid_overflow", &[65_536 * 64 + 1, 1], 1).no_gradient(),
        case("grid_overflow_tree", &[65_537, 65], 1).no_gradient(),
        exact("far_out", vec![1e4, -1e4, 0.0, 1e4, 1e38, -1e38, 0.0, 1.0, -90.0, -80.0, -100.0, -104.0], 4),
        exact("infinite", rows.concat(), 5),
        exact("infinite_long", long, 130),
        exact("infinite_alone", vec![nan, inf, -inf, 2.0], 1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_arguments_are_errors() {
        let mut g = Graph::new();
        let (x, labels) = (g.input("x", Spec::f32([2, 3])), g.input("labels", Spec::u32([2, 3])));
        let empty = g.input("empty", Spec::f32([2, 0]));
        assert!(g.softmax(x, 2).unwrap_err().to_string().contains("axes 0 to 1"));
        assert!(g.softmax(labels, 1).unwrap_err().to_string().contains("expected f32"));
        assert!(g.log_softmax(empty, 1).unwrap_err().to_string().contains("at least one element"));
    }
}
