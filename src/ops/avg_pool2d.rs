//! Mean over windows of each plane: `x` `[N, C, H, W]` to `y` `[N, C, OH, OW]`.
//!
//! Formula: `y[o] = sum over the window of x / n[o]`. With `count_include_pad`
//! `n` counts the window's elements in the padded plane, else those in the
//! plane itself; a window without any, which dilation can make, gives 0. What `ceil_mode` lets reach beyond the padding never counts.
//! Output sizes as in `max_pool2d`, with the padding of both ends. As
//! `torch.nn.functional.avg_pool2d` where both ends are padded alike, and as
//! Keras' "same" average, uneven or not, where padding does not count.
//! The mean of whole planes is `Graph::mean` over axes 2 and 3.
//!
//! Gradient: `d_x[i] = sum of d_y[o] / n[o]` over the windows that contain `i`,
//! in scan order; a gather, without atomics.

use super::max_pool2d::Windows;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Shape, Spec, parallel};

static SHADER: Shader = shader!("avg_pool2d");

/// Invocations per workgroup.
const WG: usize = 64;

/// Takes the mean over windows. Pairs are `[rows, columns]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvgPool2d {
    /// Window size.
    pub kernel: [usize; 2],
    /// Distance between windows.
    pub stride: [usize; 2],
    /// Zeros added before and after: rows, columns. Less than the window with its
    /// dilation.
    pub padding: [[usize; 2]; 2],
    /// Distance between the elements of a window.
    pub dilation: [usize; 2],
    /// Whether the padding counts as elements.
    pub count_include_pad: bool,
    /// Keeps a last window that reaches over the edge.
    pub ceil_mode: bool,
}

impl AvgPool2d {
    /// Windows side by side: stride as the window, no padding, no dilation.
    pub fn new(kernel: [usize; 2]) -> AvgPool2d {
        let (padding, dilation) = ([[0; 2]; 2], [1; 2]);
        AvgPool2d { kernel, stride: kernel, padding, dilation, count_include_pad: true, ceil_mode: false }
    }

    fn windows(&self, x: &Shape) -> Result<Windows> {
        Windows::new(x, self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode)
    }

    /// How many elements each window of an axis counts.
    fn counts(&self, w: &Windows, axis: usize) -> Vec<usize> {
        let (padded, step) = (w.padded(axis), self.dilation[axis]);
        let with_padding = |o: usize| {
            let start = o * self.stride[axis];
            (start + self.kernel[axis] * step).min(padded).saturating_sub(start).div_ceil(step)
        };
        match self.count_include_pad {
            true => (0..w.out[axis]).map(with_padding).collect(),
            false => w.taps(axis).into_iter().map(|(_, n)| n).collect(),
        }
    }

    fn kernel(&self, windows: &Windows, entry: &'static str) -> Kernel {
        let k = windows.kernel(&SHADER, entry).set("PADDED_H", windows.padded(0)).set("PADDED_W", windows.padded(1));
        let k = k.set("DH", self.dilation[0]).set("DW", self.dilation[1]);
        k.flag("COUNT_PAD", self.count_include_pad)
    }
}

/// `d_x` from `d_y`.
#[derive(Debug, Clone)]
pub struct AvgPool2dGrad {
    /// The pooling.
    pub pool: AvgPool2d,
    /// The shape of `x`.
    pub x: Shape,
}

impl Graph {
    /// The mean over windows of each plane of `x` `[N, C, H, W]`.
    pub fn avg_pool2d(&mut self, x: TensorId, pool: AvgPool2d) -> Result<TensorId> {
        self.push1(pool, &[x])
    }
}

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        if cx.inputs[0].dtype != DType::F32 {
            return Err(Error::model(format!("x is {}; expected f32", cx.inputs[0])));
        }
        Ok(vec![Spec::f32(self.windows(cx.shape(0))?.shape(cx.shape(0)))])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let x = g.spec(at.inputs[0]).shape.clone();
        Ok(vec![Some(g.push1(AvgPool2dGrad { pool: *self, x }, &[at.d_y()])?)])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let windows = self.windows(&cx.inputs[0].shape)?;
        let d = self.kernel(&windows, "forward").dispatch_1d(cx.outputs[0].elements(), WG);
        Ok(Lowered::one(d.input("x", 0).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let taps = (self.kernel[0] * self.kernel[1]) as u64;
        Cost { flops: cx.outputs[0].elements() as u64 * (taps + 1), bytes: cx.bytes_once() }
    }
}

impl Op for AvgPool2dGrad {
    fn name(&self) -> &'static str {
        "avg_pool2d_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        cx.expect(0, "d_y", self.pool.windows(&self.x)?.shape(&self.x))?;
        Ok(vec![Spec::f32(self.x.clone())])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let windows = self.pool.windows(&self.x)?;
        let d = self.pool.kernel(&windows, "backward").dispatch_1d(cx.outputs[0].elements(), WG);
        Ok(Lowered::one(d.input("x", 0).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let taps = (self.pool.kernel[0] * self.pool.kernel[1]) as u64;
        Cost { flops: cx.inputs[0].elements() as u64 * (taps + 1), bytes: cx.bytes_once() }
    }
}

/// A window along one axis: its first element in the plane, how many of its
/// elements are in the plane, and how many count.
type Span = ((usize, usize), usize);

/// Calls `f(window, first element, rows and columns, divisor)` in scan order.
#[inline(always)]
fn each_window<T: Real>(w: &Windows, axes: &[Vec<Span>; 2], mut f: impl FnMut(usize, usize, [usize; 2], T)) {
    for (oh, &((top, rows), n_rows)) in axes[0].iter().enumerate() {
        for (ow, &((left, cols), n_cols)) in axes[1].iter().enumerate() {
            f(oh * w.out[1] + ow, top * w.len[1] + left, [rows, cols], T::of((n_rows * n_cols).max(1) as f64));
        }
    }
}

fn axes(pool: &AvgPool2d, w: &Windows) -> [Vec<Span>; 2] {
    [0, 1].map(|k| w.taps(k).into_iter().zip(pool.counts(w, k)).collect())
}

impl Reference for AvgPool2d {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let w = self.windows(io.shape(0)).expect("infer accepted these windows");
        let axes = axes(self, &w);
        let x = io.x(0);
        parallel::rows(io.y(0), w.plane_out(), |p, y| {
            let x = &x[p * w.plane_in()..(p + 1) * w.plane_in()];
            each_window(&w, &axes, |o, first, [rows, cols], n: T| {
                let mut sum = T::ZERO;
                for j in 0..if cols > 0 { rows } else { 0 } {
                    let from = first + j * w.dilation[0] * w.len[1];
                    // A sum per row keeps the error of large windows low.
                    sum += match w.dilation[1] {
                        1 => x[from..from + cols].iter().copied().sum::<T>(),
                        step => x[from..].iter().step_by(step).take(cols).copied().sum::<T>(),
                    };
                }
                y[o] = sum / n;
            });
        });
    }
}

impl Reference for AvgPool2dGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let w = self.pool.windows(&self.x).expect("infer accepted these windows");
        let axes = axes(&self.pool, &w);
        let d_y = io.x(0);
        parallel::rows(io.y(0), w.plane_in(), |p, d_x| {
            d_x.fill(T::ZERO);
            let d_y = &d_y[p * w.plane_out()..(p + 1) * w.plane_out()];
            each_window(&w, &axes, |o, first, [rows, cols], n: T| {
                let share = d_y[o] / n;
                for j in 0..if cols > 0 { rows } else { 0 } {
                    let from = first + j * w.dilation[0] * w.len[1];
                    d_x[from..].iter_mut().step_by(w.dilation[1]).take(cols).for_each(|d| *d += share);
                }
            });
        });
    }
}

/// Window shapes, edges, and both ways to count.
pub fn cases() -> Vec<Case> {
    let uneven = |kernel, stride, padding, count_include_pad, ceil_mode| AvgPool2d {
        kernel,
        stride,
        padding,
        dilation: [1; 2],
        count_include_pad,
        ceil_mode,
    };
    let pool = |kernel, stride, padding: [usize; 2], count_include_pad, ceil_mode| {
        uneven(kernel, stride, padding.map(|n| [n, n]), count_include_pad, ceil_mode)
    };
    let dilated = |kernel, stride, padding, dilation, count_include_pad, ceil_mode| AvgPool2d {
        dilation,
        ..uneven(kernel, stride, padding, count_include_pad, ceil_mode)
    };
    let case = |name: &str, shape: [usize; 4], pool: AvgPool2d| {
        Case::new(format!("avg_pool2d/{name}"), vec![(Spec::f32(shape), Fill::Normal(1.0))], move |g, x| {
            Ok(vec![g.avg_pool2d(x[0], pool)?])
        })
        .reduction(pool.kernel[0] * pool.kernel[1])
        .extra(4.0, "WGSL allows division 2.5 ulp")
    };
    vec![
        case("2x2", [2, 3, 8, 6], AvgPool2d::new([2, 2])),
        case("2x2_odd", [2, 3, 7, 5], AvgPool2d::new([2, 2])),
        case("2x2_odd_ceil", [2, 3, 7, 5], AvgPool2d { ceil_mode: true, ..AvgPool2d::new([2, 2]) }),
        case("one", [1, 1, 1, 1], AvgPool2d::new([1, 1])),
        case("whole_plane", [3, 1, 5, 7], AvgPool2d::new([5, 7])),
        case("wg", [1, 1, 8, 8], AvgPool2d::new([1, 1])),
        case("wg+1", [1, 5, 13, 2], AvgPool2d::new([1, 2])),
        case("overlap", [2, 2, 9, 10], pool([3, 3], [2, 2], [1, 1], true, false)),
        case("overlap_exclude_pad", [2, 2, 9, 10], pool([3, 3], [2, 2], [1, 1], false, false)),
        case("overlap_dense", [1, 2, 7, 8], pool([3, 4], [1, 1], [1, 2], true, false)),
        case("gaps", [1, 2, 11, 12], pool([2, 2], [3, 4], [0, 0], true, false)),
        case("padded_ceil", [1, 2, 10, 7], pool([4, 3], [3, 2], [2, 1], true, true)),
        case("padded_ceil_exclude_pad", [1, 2, 10, 7], pool([4, 3], [3, 2], [2, 1], false, true)),
        case("beyond_window", [2, 2, 3, 2], pool([5, 4], [1, 1], [2, 2], true, false)),
        case("beyond_window_exclude_pad", [2, 2, 3, 2], pool([5, 4], [1, 1], [2, 2], false, false)),
        case("beyond_sequence", [2, 3, 1, 3], pool([1, 7], [1, 2], [0, 3], false, false)),
        case("beyond_ceil", [1, 2, 2, 3], pool([4, 5], [3, 2], [2, 2], true, true)),
        case("beyond_ceil_exclude_pad", [1, 2, 2, 3], pool([4, 5], [3, 2], [2, 2], false, true)),
        case("uneven", [2, 3, 5, 5], uneven([2, 2], [2, 2], [[0, 1], [0, 1]], false, false)),
        case("uneven_count_pad", [2, 3, 5, 7], uneven([2, 4], [2, 3], [[0, 1], [1, 2]], true, false)),
        case("uneven_dense", [1, 2, 6, 7], uneven([4, 2], [1, 1], [[1, 2], [0, 1]], false, false)),
        case("uneven_one_axis", [2, 1, 9, 6], uneven([3, 3], [2, 2], [[1, 1], [0, 1]], false, false)),
        case("uneven_ceil", [1, 2, 7, 6], uneven([3, 4], [3, 3], [[0, 1], [2, 0]], false, true)),
        case("uneven_ceil_count_pad", [1, 2, 7, 6], uneven([3, 4], [3, 3], [[0, 1], [2, 0]], true, true)),
        case("causal", [2, 3, 1, 6], uneven([1, 4], [1, 1], [[0, 0], [3, 0]], false, false)),
        case("dilated", [1, 2, 12, 11], dilated([3, 2], [2, 1], [[1, 1]; 2], [2, 3], true, false)),
        case("dilated_exclude_pad", [1, 2, 12, 11], dilated([3, 2], [2, 1], [[1, 1]; 2], [2, 3], false, false)),
        case("dilated_ceil", [1, 2, 11, 9], dilated([2, 3], [3, 2], [[2, 0], [1, 3]], [3, 2], true, true)),
        case("dilated_ceil_exclude_pad", [1, 2, 11, 9], dilated([2, 3], [3, 2], [[2, 0], [1, 3]], [3, 2], false, true)),
        case("dilated_empty", [1, 2, 1, 3], dilated([2, 2], [1, 1], [[1, 1]; 2], [2, 2], false, false)),
        case("dilated_empty_count_pad", [1, 2, 1, 3], dilated([3, 2], [1, 1], [[3, 2], [0, 1]], [2, 2], true, false)),
        case("grid_overflow", [1, 1, 65_536, 65], AvgPool2d::new([1, 1])).no_gradient(),
    ]
}
