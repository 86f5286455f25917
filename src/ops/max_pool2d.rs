//! Maximum over windows of each plane: `x` `[N, C, H, W]` to `y` `[N, C, OH, OW]`,
//! and `index`, the flat position of each maximum in its input plane.
//!
//! Formula: `y[o] = max over j < K of x[o S - P + j D]` on each axis, positions
//! outside the plane left out; `OH = floor((H + P + Q - D (K - 1) - 1) / S) + 1`
//! with padding `P` before and `Q` behind, each less than the dilated window. With `ceil_mode` the division rounds up, and a last window that would start
//! beyond the plane and its left padding goes. The first maximum in scan order
//! wins a tie; NaN wins everything. As `torch.nn.functional.max_pool2d`, where both
//! ends are padded alike and by half the window at most.
//!
//! Gradient: `d_y[o]` goes to the element that `index[o]` names. In gather form,
//! without atomics: each element of `x` adds `d_y[o]` of the windows that
//! contain it and name it, in scan order.

mod cases;

use super::unary::{Function, Unary};
use crate::error::{Error, Result};
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Pointwise, Reference, TensorId};
use crate::kernel::{Class, Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Shape, Spec, parallel};
use rayon::prelude::*;

pub use cases::cases;

static SHADER: Shader = shader!("max_pool2d");

/// Invocations per workgroup.
const WG: usize = 64;

/// The `index` of a window that contains no element at all: dilation can step
/// over a short plane. Its `y` is minus infinity.
const NONE: u32 = u32::MAX;

/// Larger attributes are mistakes, and this bound keeps index arithmetic in
/// range.
const LARGEST: usize = 1 << 20;

/// Takes the maximum over windows. Pairs are `[rows, columns]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool2d {
    /// Window size.
    pub kernel: [usize; 2],
    /// Distance between windows.
    pub stride: [usize; 2],
    /// Rows and columns added before and after; never the maximum. Each less
    /// than the window with its dilation.
    pub padding: [[usize; 2]; 2],
    /// Distance between the elements of a window.
    pub dilation: [usize; 2],
    /// Keeps a last window that reaches over the edge.
    pub ceil_mode: bool,
}

impl MaxPool2d {
    /// Windows side by side: stride as the window, no padding, no dilation.
    pub fn new(kernel: [usize; 2]) -> MaxPool2d {
        MaxPool2d { kernel, stride: kernel, padding: [[0; 2]; 2], dilation: [1; 2], ceil_mode: false }
    }

    fn windows(&self, x: &Shape) -> Result<Windows> {
        Windows::new(x, self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode)
    }
}

/// `d_x` from `index` and `d_y`.
#[derive(Debug, Clone)]
pub struct MaxPool2dGrad {
    /// The pooling.
    pub pool: MaxPool2d,
    /// The shape of `x`.
    pub x: Shape,
}

/// The windows of a pooling over planes; pairs are `[rows, columns]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    /// Planes: `N C`.
    pub planes: usize,
    /// The input plane.
    pub len: [usize; 2],
    /// The output plane.
    pub out: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Before and after each axis, each below the kernel with its dilation.
    pub padding: [[usize; 2]; 2],
    pub dilation: [usize; 2],
}

impl Windows {
    /// The windows over `x`, or what is wrong with them.
    pub fn new(
        x: &Shape,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [[usize; 2]; 2],
        dilation: [usize; 2],
        ceil_mode: bool,
    ) -> Result<Windows> {
        let &[n, c, h, w] = &x[..] else {
            return Err(Error::model(format!("x has shape {x}; expected [N, C, H, W], found {} axes", x.rank())));
        };
        if x.elements() == 0 {
            return Err(Error::model(format!("x has shape {x}: nothing to pool")));
        }
        for (name, pair) in [("kernel", kernel), ("stride", stride), ("dilation", dilation)] {
            if pair.iter().any(|&v| v == 0 || v > LARGEST) {
                return Err(Error::model(format!("{name} is {pair:?}; expected numbers from 1 to {LARGEST}")));
            }
        }
        let mut windows = Windows { planes: n * c, len: [h, w], out: [0; 2], kernel, stride, padding, dilation };
        for axis in 0..2 {
            if padding[axis].iter().any(|&n| n > windows.reach(axis)) {
                let dilated = if dilation == [1; 2] { String::new() } else { format!(" with dilation {dilation:?}") };
                return Err(Error::model(format!(
                    "padding is {padding:?} and the kernel {kernel:?}{dilated}; expected less than the kernel"
                )));
            }
            let (padded, reach) = (windows.padded(axis), windows.reach(axis) + 1);
            let round = if ceil_mode { stride[axis] - 1 } else { 0 };
            let Some(room) = (padded + round).checked_sub(reach) else {
                return Err(Error::model(format!(
                    "x has shape {x} and padding is {padding:?}: no window of {kernel:?} with dilation {dilation:?} fits"
                )));
            };
            let out = room / stride[axis] + 1;
            // Rounding up may add a window that starts beyond the plane.
            let beyond = ceil_mode && (out - 1) * stride[axis] >= windows.len[axis] + padding[axis][0];
            windows.out[axis] = out - usize::from(beyond);
        }
        Ok(windows)
    }

    /// The shape of the output.
    pub fn shape(&self, x: &Shape) -> Shape {
        [x[0], x[1], self.out[0], self.out[1]].into()
    }

    /// Elements of an axis with its padding.
    pub fn padded(&self, axis: usize) -> usize {
        self.len[axis] + self.padding[axis].iter().sum::<usize>()
    }

    /// From the first to the last element of a window.
    pub fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1)
    }

    /// For each window of an axis: its first coordinate inside the plane, and
    /// how many elements of it are inside.
    pub fn taps(&self, axis: usize) -> Vec<(usize, usize)> {
        let (len, pad, step) = (self.len[axis], self.padding[axis][0], self.dilation[axis]);
        let tap = |o: usize| {
            let start = o * self.stride[axis];
            let skipped = pad.saturating_sub(start).div_ceil(step);
            let first = start + skipped * step - pad;
            let inside = len.saturating_sub(first).div_ceil(step);
            (first, inside.min(self.kernel[axis].saturating_sub(skipped)))
        };
        (0..self.out[axis]).map(tap).collect()
    }

    /// Whether every window lies inside the plane.
    pub fn inside(&self) -> bool {
        (0..2).all(|k| self.padding[k][0] == 0 && (self.out[k] - 1) * self.stride[k] + self.reach(k) < self.len[k])
    }

    /// Whether the windows stand side by side from the first element on, so
    /// that each element belongs to at most one.
    pub fn side_by_side(&self) -> bool {
        self.stride == self.kernel && self.padding == [[0; 2]; 2] && self.dilation == [1; 2]
    }

    /// Whether they are so with two columns each, and every row of the plane is
    /// made of such pairs.
    fn pairs(&self) -> bool {
        self.side_by_side() && self.kernel[1] == 2 && self.len[1].is_multiple_of(2)
    }

    /// Elements of an input plane.
    pub fn plane_in(&self) -> usize {
        self.len[0] * self.len[1]
    }

    /// Elements of an output plane.
    pub fn plane_out(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// The geometry as the shaders name it.
    pub fn kernel(&self, shader: &'static Shader, entry: &'static str) -> Kernel {
        let k = Kernel::new(shader, entry).set("PLANES", self.planes);
        let k = k.set("H", self.len[0]).set("W", self.len[1]).set("OH", self.out[0]).set("OW", self.out[1]);
        let k = k.set("KH", self.kernel[0]).set("KW", self.kernel[1]);
        let k = k.set("SH", self.stride[0]).set("SW", self.stride[1]);
        k.set("PH", self.padding[0][0]).set("PW", self.padding[1][0])
    }
}

impl Graph {
    /// The maximum over windows of each plane of `x` `[N, C, H, W]`.
    ///
    /// Of a relu, the pool is taken first: the two commute, values and
    /// gradients alike (where the largest element is not above zero neither
    /// order passes a gradient), and the relu then has fewer elements to visit.
    pub fn max_pool2d(&mut self, x: TensorId, pool: MaxPool2d) -> Result<TensorId> {
        if let Some((Unary { function: Function::Relu }, &[inner])) = self.made_by(x)
            && pool.dilation == [1, 1]
        {
            let pooled = self.push(pool, &[inner])?[0];
            return self.relu(pooled);
        }
        Ok(self.push(pool, &[x])?[0])
    }
}

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        if cx.inputs[0].dtype != DType::F32 {
            return Err(Error::model(format!("x is {}; expected f32", cx.inputs[0])));
        }
        let y = self.windows(cx.shape(0))?.shape(cx.shape(0));
        Ok(vec![Spec::f32(y.clone()), Spec::u32(y)])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let x = g.spec(at.inputs[0]).shape.clone();
        let grad = MaxPool2dGrad { pool: *self, x };
        Ok(vec![Some(g.push1(grad, &[at.outputs[1], at.d_y()])?)])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let windows = self.windows(&cx.inputs[0].shape)?;
        let (entry, x) = if windows.pairs() { ("forward_pairs", "x2") } else { ("forward", "x") };
        let d = kernel(&windows, entry).dispatch_1d(cx.outputs[0].elements(), WG);
        Ok(Lowered::one(d.input(x, 0).put(&cx.store).output("index", 1)))
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let taps = (self.kernel[0] * self.kernel[1]) as u64;
        Cost { flops: cx.outputs[0].elements() as u64 * taps, bytes: cx.bytes_once() }
    }
}

impl Op for MaxPool2dGrad {
    fn name(&self) -> &'static str {
        "max_pool2d_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let y = self.pool.windows(&self.x)?.shape(&self.x);
        cx.expect(0, "index", y.clone())?;
        cx.expect(1, "d_y", y)?;
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
        // One invocation per window reads least; one per element of `d_x`
        // writes neighbours side by side, which a GPU needs.
        let tiles = windows.len[0].div_ceil(windows.kernel[0]) * windows.len[1].div_ceil(windows.kernel[1]);
        let (entry, items, y) = match (cx.caps.class, windows.side_by_side(), windows.pairs()) {
            (Class::Cpu, _, true) => ("backward_pairs", windows.planes * tiles, "y2"),
            (Class::Cpu, true, _) => ("backward_windows", windows.planes * tiles, "y"),
            _ => ("backward", cx.outputs[0].elements(), "y"),
        };
        let d = kernel(&windows, entry).stores_itself().dispatch_1d(items, WG);
        Ok(Lowered::one(d.input("picked", 0).input("d_y", 1).output(y, 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

fn kernel(windows: &Windows, entry: &'static str) -> Kernel {
    let k = windows.kernel(&SHADER, entry).set("DH", windows.dilation[0]).set("DW", windows.dilation[1]);
    k.flag("INSIDE", windows.inside())
}

/// The larger of two, with its place; PyTorch's comparison. Two selects and no
/// branch: which element wins is unpredictable.
#[inline(always)]
fn larger<T: Real>(best: (T, u32), v: T, at: u32) -> (T, u32) {
    let wins = (v > best.0) | v.is_nan();
    (if wins { v } else { best.0 }, if wins { at } else { best.1 })
}

/// Pools a plane by windows of 2 x 2 side by side, all inside. Several windows of
/// a row at once: everything is a select.
#[inline(always)]
fn pool_2x2<T: Real>(w: &Windows, x: &[T], y: &mut [T], at: &mut [u32]) {
    let (width, n) = (w.len[1], w.out[1]);
    for oh in 0..w.out[0] {
        let (y, at) = (&mut y[oh * n..(oh + 1) * n], &mut at[oh * n..(oh + 1) * n]);
        let (above, below) = (2 * oh * width, (2 * oh + 1) * width);
        let (a, b) = (&x[above..above + 2 * n], &x[below..below + 2 * n]);
        let (a, b) = (&a.as_chunks::<2>().0[..n], &b.as_chunks::<2>().0[..n]);
        for i in 0..n {
            let left = 2 * i as u32;
            let best = larger((a[i][0], above as u32 + left), a[i][1], above as u32 + left + 1);
            let best = larger(best, b[i][0], below as u32 + left);
            (y[i], at[i]) = larger(best, b[i][1], below as u32 + left + 1);
        }
    }
}

/// Pools a plane, whatever its windows.
fn pool_any<T: Real>(w: &Windows, taps: &[Vec<(usize, usize)>; 2], x: &[T], y: &mut [T], at: &mut [u32]) {
    for (oh, &(top, rows)) in taps[0].iter().enumerate() {
        for (ow, &(left, cols)) in taps[1].iter().enumerate() {
            let o = oh * w.out[1] + ow;
            if rows * cols == 0 {
                (y[o], at[o]) = (T::of(f64::NEG_INFINITY), NONE);
                continue;
            }
            let first = top * w.len[1] + left;
            let mut best = (x[first], first as u32);
            for j in 0..rows {
                let from = first + j * w.dilation[0] * w.len[1];
                for (k, &v) in x[from..].iter().step_by(w.dilation[1]).take(cols).enumerate() {
                    best = larger(best, v, (from + k * w.dilation[1]) as u32);
                }
            }
            (y[o], at[o]) = best;
        }
    }
}

impl Reference for MaxPool2d {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let w = self.windows(io.shape(0)).expect("infer accepted these windows");
        let taps = [w.taps(0), w.taps(1)];
        let simple = w.inside() && w.side_by_side() && w.kernel == [2, 2];
        let (plane_in, plane_out) = (w.plane_in(), w.plane_out());
        let x = io.x(0);
        let [y, index] = &mut io.outputs[..] else { unreachable!("max_pool2d has two outputs") };
        // Small planes travel together, so that a task is worth its cost.
        let together = (parallel::CHUNK / plane_in).max(1);
        let chunks = y.real.par_chunks_mut(plane_out * together).zip(index.index.par_chunks_mut(plane_out * together));
        chunks.zip(x.par_chunks(plane_in * together)).for_each(|((y, index), x)| {
            let planes = y.chunks_mut(plane_out).zip(index.chunks_mut(plane_out)).zip(x.chunks(plane_in));
            parallel::vectorised(
                #[inline(always)]
                || {
                    for ((y, index), x) in planes {
                        if simple { pool_2x2(&w, x, y, index) } else { pool_any(&w, &taps, x, y, index) }
                    }
                },
            );
        });
    }
}

impl Reference for MaxPool2dGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let w = self.pool.windows(&self.x).expect("infer accepted these windows");
        let (index, d_y) = (io.x_u32(0), io.x(1));
        let plane = w.plane_out();
        parallel::rows(io.y(0), w.plane_in(), |p, d_x| {
            d_x.fill(T::ZERO);
            let from = p * plane..(p + 1) * plane;
            // A window without elements names none.
            for (&at, &d) in index[from.clone()].iter().zip(&d_y[from]) {
                if let Some(d_x) = d_x.get_mut(at as usize) {
                    *d_x += d;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Init, Seed, gradient};
    use crate::plan::{Executor, Plan, Target};
    use crate::tensor::HostTensor;

    /// Pool of relu and relu of pool give the same bits, gradients included,
    /// also where whole windows are not above zero and where elements tie.
    #[test]
    fn pool_and_relu_commute() {
        let mut results = vec![];
        for rewritten in [true, false] {
            let mut g = Graph::new();
            let values = (0..36).map(|i| ((i * 7 % 11) as f32 - 6.0).max(-3.0)).collect();
            let spec = Spec::f32([1, 1, 6, 6]);
            let x = g.persistent("x", spec.clone(), Init::Data(HostTensor::f32(spec.shape.clone(), values).into()));
            let relu = g.relu(x).expect("relu");
            let pool = MaxPool2d { stride: [1, 1], padding: [[1, 1]; 2], ..MaxPool2d::new([3, 3]) };
            let y = if rewritten {
                g.max_pool2d(relu, pool).expect("pool")
            } else {
                g.push(pool, &[relu]).expect("pool")[0]
            };
            assert_eq!(g.made_by::<Unary>(y).is_some(), rewritten);
            let one = g.constant(HostTensor::f32(g.spec(y).shape.clone(), vec![1.0; 36]));
            let d_x = gradient(&mut g, &[Seed { tensor: y, gradient: one }], &[x]).expect("gradient")[0];
            let mut cpu = crate::cpu::Cpu::<f32>::new();
            let program = cpu.load(Plan::build(&g, &[y, d_x], Target::Cpu).expect("plan")).expect("load");
            cpu.run(&program, 1).expect("run");
            results.push((cpu.fetch(&program, y).expect("y"), cpu.fetch(&program, d_x).expect("d_x")));
        }
        assert_eq!(results[0], results[1]);
    }

    #[test]
    fn bad_windows_are_errors_that_say_why() {
        let pool = MaxPool2d::new([2, 2]);
        let error = |spec: Spec, pool: MaxPool2d| {
            let mut g = Graph::new();
            let x = g.input("x", spec);
            g.max_pool2d(x, pool).expect_err("bad").to_string()
        };
        let x = || Spec::f32([1, 2, 4, 4]);
        assert!(error(Spec::f32([4, 4]), pool).contains("[N, C, H, W]"));
        assert!(error(Spec::u32([1, 2, 4, 4]), pool).contains("expected f32"));
        assert!(error(Spec::f32([0, 2, 4, 4]), pool).contains("nothing to pool"));
        assert!(error(x(), MaxPool2d { stride: [0, 1], ..pool }).contains("stride is [0, 1]"));
        assert!(error(x(), MaxPool2d { padding: [[0, 2], [0, 0]], ..pool }).contains("less than the kernel"));
        let dilated = MaxPool2d { padding: [[3, 0], [0, 0]], dilation: [2, 1], ..pool };
        assert!(error(x(), dilated).contains("dilation [2, 1]; expected less"));
        assert!(error(x(), MaxPool2d::new([5, 1])).contains("no window"));
        assert!(error(x(), MaxPool2d { dilation: [1, usize::MAX], ..pool }).contains("dilation"));
    }
}
