//! Sum, mean, maximum, minimum and product over any axes.
//!
//! Gradients: sum `d_x = d_y`, mean `d_x = d_y / n`, stretched back; maximum and
//! minimum: the elements that tie for it share `d_y` evenly (PyTorch's `amax`);
//! product: `d_x = d_y` times the product of the other factors. With `p` the
//! product of the factors that are not 0, that is `d_y p / x` without any zero
//! among them; with one zero, `d_y p` there and 0 elsewhere; with more, 0.
//!
//! On a GPU: each output's sum is cut into `SPLIT` interleaved parts, one
//! invocation each, and a second pass adds the parts in order. No barriers, a
//! fixed order, and enough invocations even for a single output.

use super::expect::expect_type;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId, with_gradients};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, HostTensor, Real, Shape, Spec, parallel};

static SHADER: Shader = shader!("reduce");

/// Invocations per workgroup.
const WG: usize = 64;

/// Invocations that are enough to fill a device; beyond, sums are not split.
const ENOUGH: usize = 16_384;

/// What the elements are folded into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest; NaN wins.
    Max,
    /// The smallest; NaN wins.
    Min,
    /// Their product.
    Prod,
}

/// Folds axes; the result keeps them with length 1.
#[derive(Debug, Clone)]
pub struct Reduce {
    /// The fold.
    pub fold: Fold,
    /// The axes folded, ascending.
    pub axes: Vec<usize>,
}

impl Graph {
    /// Folds `axes` of `x`; they stay with length 1 if `keep`, else go.
    pub fn reduce(&mut self, fold: Fold, x: TensorId, axes: &[usize], keep: bool) -> Result<TensorId> {
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let shape = self.spec(x).shape.clone();
        let y = self.push1(Reduce { fold, axes: sorted.clone() }, &[x])?;
        if keep {
            return Ok(y);
        }
        let kept: Shape = (0..shape.rank()).filter(|k| !sorted.contains(k)).map(|k| shape[k]).collect();
        self.reshape(y, kept)
    }

    /// The sum over axes.
    pub fn sum(&mut self, x: TensorId, axes: &[usize], keep: bool) -> Result<TensorId> {
        self.reduce(Fold::Sum, x, axes, keep)
    }

    /// The mean over axes. Over axes 2 and 3 of `[N, C, H, W]`: global average
    /// pooling.
    pub fn mean(&mut self, x: TensorId, axes: &[usize], keep: bool) -> Result<TensorId> {
        self.reduce(Fold::Mean, x, axes, keep)
    }

    /// The maximum over axes.
    pub fn max(&mut self, x: TensorId, axes: &[usize], keep: bool) -> Result<TensorId> {
        self.reduce(Fold::Max, x, axes, keep)
    }

    /// The minimum over axes; NaN wins.
    pub fn min(&mut self, x: TensorId, axes: &[usize], keep: bool) -> Result<TensorId> {
        self.reduce(Fold::Min, x, axes, keep)
    }

    /// The product over axes.
    pub fn prod(&mut self, x: TensorId, axes: &[usize], keep: bool) -> Result<TensorId> {
        self.reduce(Fold::Prod, x, axes, keep)
    }

    /// Sums `x` down to a shape that broadcasts to it: the gradient of
    /// broadcasting.
    pub fn sum_to(&mut self, x: TensorId, shape: impl Into<Shape>) -> Result<TensorId> {
        let (own, shape) = (self.spec(x).shape.clone(), shape.into());
        if own == shape {
            return Ok(x);
        }
        let lead = own.rank() - shape.rank();
        let axes: Vec<usize> = (0..own.rank()).filter(|&k| k < lead || shape[k - lead] == 1 && own[k] != 1).collect();
        let y = if axes.is_empty() { x } else { self.sum(x, &axes, true)? };
        self.reshape(y, shape)
    }
}

/// How an input of some shape is folded: output axes and folded axes with
/// their strides in the input.
struct Walk {
    kept: Vec<(usize, usize)>,
    folded: Vec<(usize, usize)>,
}

impl Walk {
    fn new(shape: &Shape, axes: &[usize]) -> Walk {
        let strides = shape.strides();
        let pick = |folded: bool| {
            let axes = (0..shape.rank()).filter(|k| axes.contains(k) == folded && shape[*k] != 1);
            merge(axes.map(|k| (shape[k], strides[k])).collect())
        };
        Walk { kept: pick(false), folded: pick(true) }
    }

    /// The offset in the input of flat index `i` over `axes`.
    fn offset(axes: &[(usize, usize)], mut i: usize) -> usize {
        let mut offset = 0;
        for &(len, stride) in axes.iter().rev() {
            offset += i % len * stride;
            i /= len;
        }
        offset
    }
}

/// Joins neighbouring axes that are contiguous, so that most reductions walk
/// one or two axes.
fn merge(axes: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    let mut merged: Vec<(usize, usize)> = vec![];
    for (len, stride) in axes {
        match merged.last_mut() {
            Some(last) if last.1 == len * stride => *last = (last.0 * len, stride),
            _ => merged.push((len, stride)),
        }
    }
    merged
}

impl Reduce {
    /// The value of `FOLD` in the shader.
    fn code(&self) -> usize {
        match self.fold {
            Fold::Sum | Fold::Mean => 0,
            Fold::Max => 1,
            Fold::Min => 2,
            Fold::Prod => 3,
        }
    }
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "x", DType::F32)?;
        let x = cx.shape(0);
        if let Some(axis) = self.axes.iter().find(|&&a| a >= x.rank()) {
            return Err(Error::model(format!("axis {axis} of x with shape {x}; it has {} axes", x.rank())));
        }
        if x.elements() == 0 {
            return Err(Error::model(format!("x has shape {x}: nothing to fold")));
        }
        Ok(vec![Spec::f32((0..x.rank()).map(|k| if self.axes.contains(&k) { 1 } else { x[k] }).collect::<Shape>())])
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let (x, y, d_y) = (at.inputs[0], at.outputs[0], at.d_y());
        let shape = g.spec(x).shape.clone();
        let n = shape.elements() / g.spec(y).elements();
        let d_x = match self.fold {
            Fold::Sum => g.expand(d_y, shape)?,
            Fold::Mean => {
                // A division: f32 holds the count, and not its reciprocal.
                let count = g.constant(HostTensor::f32(vec![], vec![n as f32]));
                let share = g.div(d_y, count)?;
                g.expand(share, shape)?
            }
            Fold::Max | Fold::Min => {
                let tied = g.equal(x, y)?;
                let count = g.sum(tied, &self.axes, true)?;
                let share = g.div(d_y, count)?;
                g.mul(tied, share)?
            }
            Fold::Prod => {
                let zero = g.not(x)?;
                let filled = g.add(x, zero)?;
                let product = g.prod(filled, &self.axes, true)?;
                let zeros = g.sum(zero, &self.axes, true)?;
                let others = g.sub(zeros, zero)?;
                let none = g.not(others)?;
                let share = g.mul(d_y, product)?;
                let share = g.div(share, filled)?;
                let nothing = g.constant(HostTensor::f32(vec![], vec![0.0]));
                g.select(none, share, nothing)?
            }
        };
        Ok(vec![Some(d_x)])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let x = &cx.inputs[0];
        let outputs = cx.outputs[0].elements();
        let n = x.elements() / outputs;
        let walk = Walk::new(&x.shape, &self.axes);
        let split = (ENOUGH / outputs).clamp(1, n.div_ceil(16).max(1));
        // Neighbouring invocations read neighbouring elements: parts run
        // fastest when the innermost axis is folded, outputs when it is kept.
        let parts_inner = walk.folded.last().is_some_and(|a| a.1 == 1);
        let scale = if self.fold == Fold::Mean { 1.0 / n as f64 } else { 1.0 };
        let kernel = |entry| {
            let lens = |axes: &[(usize, usize)]| -> Vec<usize> { axes.iter().map(|a| a.0).chain([1]).collect() };
            let strides = |axes: &[(usize, usize)]| -> Vec<usize> { axes.iter().map(|a| a.1).chain([0]).collect() };
            let k = Kernel::new(&SHADER, entry).set("OUTPUTS", outputs).set("FOLDED", n).set("SPLIT", split);
            let k = k.set("FOLD", self.code()).flag("PARTS_INNER", parts_inner);
            let k = k.constant("KEPT_RANK", walk.kept.len() + 1).constant("FOLDED_RANK", walk.folded.len() + 1);
            let k = k.array("KEPT_LEN", &lens(&walk.kept)).array("KEPT_STRIDE", &strides(&walk.kept));
            k.array("FOLDED_LEN", &lens(&walk.folded)).array("FOLDED_STRIDE", &strides(&walk.folded))
        };
        if split == 1 {
            let d = kernel("parts").real("SCALE", scale).dispatch_1d(outputs, WG);
            return Ok(Lowered::one(d.input("x", 0).output("y", 0)));
        }
        let parts = kernel("parts").real("SCALE", 1.0).dispatch_1d(outputs * split, WG).input("x", 0).scratch("y", 0);
        let total = kernel("total").real("SCALE", scale).dispatch_1d(outputs, WG).scratch("x", 0).output("y", 0);
        Ok(Lowered { scratch: vec![Spec::f32([outputs * split])], dispatches: vec![parts, total] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

/// Rows whose sums are taken apart: a sum per block keeps the error of long ones
/// low, and blocks run side by side.
const BLOCK: usize = 64;

/// The sums of the columns of rows of `width` elements.
fn columns<T: Real>(x: &[T], width: usize) -> Vec<T> {
    let blocks = (x.len() / width).div_ceil(BLOCK);
    let parts = parallel::map(
        blocks,
        x.len(),
        #[inline(always)]
        |b| {
            let rows = &x[b * BLOCK * width..x.len().min((b + 1) * BLOCK * width)];
            let mut sums = vec![T::ZERO; width];
            for row in rows.chunks_exact(width) {
                for (sum, &x) in sums.iter_mut().zip(row) {
                    *sum += x;
                }
            }
            sums
        },
    );
    parts
        .into_iter()
        .reduce(|mut sums, part| {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            sums
        })
        .expect("there is a row")
}

impl Reference for Reduce {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let x = io.x(0);
        let walk = Walk::new(io.shape(0), &self.axes);
        let n = x.len() / io.y(0).len();
        // Whole rows added up: what a bias' gradient is.
        if matches!(self.fold, Fold::Sum | Fold::Mean) && self.axes.iter().copied().eq(0..self.axes.len()) && n > 1 {
            let scale = if self.fold == Fold::Mean { T::of(n as f64) } else { T::ONE };
            let sums = columns(x, io.y(0).len());
            io.y(0).iter_mut().zip(sums).for_each(|(y, sum)| *y = sum / scale);
            return;
        }
        let (outer, inner) = match walk.folded.split_last() {
            Some((last, rest)) => (rest.to_vec(), *last),
            None => (vec![], (1, 0)),
        };
        let rows: usize = outer.iter().map(|a| a.0).product();
        let rest = |base: usize, f: fn(T, T) -> T| {
            let mut all: Option<T> = None;
            for r in 0..rows {
                let at = base + Walk::offset(&outer, r);
                for i in 0..inner.0 {
                    let v = x[at + i * inner.1];
                    all = Some(all.map_or(v, |all| f(all, v)));
                }
            }
            all.expect("there is an element")
        };
        let fold = |base: usize| {
            match self.fold {
                Fold::Min => return rest(base, |a, b| if b < a || b.is_nan() { b } else { a }),
                Fold::Prod => return rest(base, |a, b| a * b),
                Fold::Sum | Fold::Mean | Fold::Max => {}
            }
            let mut sum = T::ZERO;
            let mut largest = x[base];
            for r in 0..rows {
                let at = base + Walk::offset(&outer, r);
                // A sum per row keeps the error of long sums low.
                let mut row = T::ZERO;
                for i in 0..inner.0 {
                    let v = x[at + i * inner.1];
                    row += v;
                    if v > largest || v.is_nan() {
                        largest = v;
                    }
                }
                sum += row;
            }
            match self.fold {
                Fold::Sum => sum,
                Fold::Mean => sum / T::of(n as f64),
                _ => largest,
            }
        };
        let total = x.len();
        let outputs = io.y(0).len();
        let folded = parallel::map(outputs, total, |o| fold(Walk::offset(&walk.kept, o)));
        io.y(0).copy_from_slice(&folded);
    }
}

/// Every fold over first, last, middle and all axes.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, fold: Fold, shape: &[usize], axes: &[usize]| {
        let (shape, axes) = (shape.to_vec(), axes.to_vec());
        let n: usize = axes.iter().map(|&a| shape[a]).product();
        let fill = match fold {
            Fold::Max | Fold::Min => Fill::Distinct(0.01),
            // Products stay within f32.
            Fold::Prod => Fill::Uniform(0.7, 1.4),
            Fold::Sum | Fold::Mean => Fill::Normal(1.0),
        };
        Case::new(format!("reduce/{name}"), vec![(Spec::f32(shape), fill)], move |g, x| {
            Ok(vec![g.reduce(fold, x[0], &axes, false)?])
        })
        .reduction(n)
        .extra(4.0, "WGSL allows division 2.5 ulp")
    };
    let mut cases = vec![];
    for fold in [Fold::Sum, Fold::Mean, Fold::Max, Fold::Min, Fold::Prod] {
        let name = |what: &str| format!("{}_{what}", format!("{fold:?}").to_lowercase());
        cases.push(case(&name("last"), fold, &[7, 65], &[1]));
        cases.push(case(&name("first"), fold, &[65, 7], &[0]));
        cases.push(case(&name("middle"), fold, &[3, 17, 5], &[1]));
        cases.push(case(&name("all"), fold, &[5, 13], &[0, 1]));
        cases.push(case(&name("channels"), fold, &[4, 3, 5, 5], &[0, 2, 3]));
        cases.push(case(&name("spatial"), fold, &[2, 3, 4, 5], &[2, 3]));
    }
    cases.push(case("sum_long", Fold::Sum, &[1, 10_007], &[1]));
    cases.push(case("sum_one", Fold::Sum, &[1], &[0]));
    cases.push(case("sum_nothing", Fold::Sum, &[3, 4], &[]));
    cases.push(case("sum_grid_overflow", Fold::Sum, &[65_536 * 64 + 1, 2], &[1]).no_gradient());
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let edges = vec![nan, 1.0, 2.0, 1.0, nan, -inf, -inf, inf, 0.0, -0.0, 3.0, -2.0];
    for (name, fold) in [("max", Fold::Max), ("min", Fold::Min), ("prod", Fold::Prod)] {
        let inputs = vec![(Spec::f32([4, 3]), Fill::Values(edges.clone()))];
        let edges = Case::new(format!("reduce/{name}_edges"), inputs, move |g, x| {
            Ok(vec![g.reduce(fold, x[0], &[1], true)?])
        });
        cases.push(edges.no_gradient());
    }
    cases.push(case("prod_long", Fold::Prod, &[1, 1009], &[1]));
    cases.push(case("min_long", Fold::Min, &[1, 10_007], &[1]));
    // Shared gradients of ties, and what zeros leave of a product's: the first as an output, since a finite
    // difference cannot see it.
    let ties = vec![2.0, 5.0, 5.0, 1.0, 3.0, 3.0, -1.0, -1.0, 4.0];
    for (name, fold) in [("max", Fold::Max), ("min", Fold::Min)] {
        let inputs = vec![(Spec::f32([3, 3]), Fill::Values(ties.clone()))];
        let ties = Case::new(format!("reduce/{name}_ties"), inputs, move |g, x| {
            let y = g.reduce(fold, x[0], &[1], true)?;
            with_gradients(g, y, x)
        });
        cases.push(ties.no_gradient());
    }
    let zeros = Fill::Values(vec![2.0, 0.0, -3.0, 0.0, 0.0, 5.0, 1.5, -4.0, 0.5, -0.0, 7.0, 2.0]);
    cases.push(
        Case::new("reduce/prod_zeros", vec![(Spec::f32([4, 3]), zeros)], |g, x| Ok(vec![g.prod(x[0], &[1], false)?]))
            .reduction(3)
            .extra(4.0, "WGSL allows division 2.5 ulp"),
    );
    cases
}
