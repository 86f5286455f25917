//! Batch normalisation: every channel to mean 0 and variance 1 over the batch,
//! then scaled by `gamma` and shifted by `beta`.
//!
//! Shapes: `x, y [N, C, ..]`; all else `[C]`. With the statistics of the `M`
//! elements of a channel in valid rows, `rstd = 1 / sqrt(var + eps)` and
//! `xhat = (x - mean) rstd`: `y = xhat gamma + beta`. Running statistics follow
//! PyTorch: `running = (1 - momentum) running + momentum batch`, the variance
//! divided by `M - 1`. With fewer than two values there is no variance and they
//! stay as they are. A running mean below 1e-30 is zero, and a variance below
//! 1e-36 (`flush`). Evaluation takes the running statistics for the batch's.
//! Source: Ioffe and Szegedy, "Batch Normalization", 2015.
//!
//! Gradient, sums over all rows: `d_beta = sum d_y`, `d_gamma = sum d_y xhat`.
//! The statistics depend on the valid rows alone, so there `d_x = gamma rstd
//! (d_y - d_beta / M - xhat d_gamma / M)`, and `gamma rstd d_y` elsewhere and in
//! evaluation.
//!
//! Kernels: a channel is cut into parts, whose means and sums of squares (two
//! passes) are joined in order; then one elementwise pass. On GPUs a workgroup
//! takes a part where rows are long; else an invocation does.

mod again;
mod cases;

pub use self::cases::cases;

use self::again::BatchNormAgain;
use super::expect::{expect_rows, expect_type, valid_rows};
use super::flush;
use super::rows::STEPS;
use crate::error::{Error, Result};
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Pointwise, Reference, TensorId};
use crate::kernel::{Class, Dispatch, Kernel, Lowered, Shader, groups_1d};
use crate::shader;
use crate::tensor::{DType, Real, Shape, Spec, lanes, parallel};
use std::sync::Arc;

static SHADER: Shader = shader!("batch_norm");

/// Invocations per workgroup of the kernels without barriers.
const WG: usize = 64;

/// Elements per row and channel from which a workgroup reads along the row.
const LONG: usize = 32;

/// How statistics are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNorm {
    /// Added to the variance.
    pub eps: f32,
    /// The weight of a batch in the running statistics.
    pub momentum: f32,
}

impl Default for BatchNorm {
    /// PyTorch's defaults.
    fn default() -> BatchNorm {
        BatchNorm { eps: 1e-5, momentum: 0.1 }
    }
}

/// Evaluation. Inputs: x, gamma, beta, running mean, running variance.
#[derive(Debug, Clone, Copy)]
pub struct BatchNormEval {
    /// Added to the variance.
    pub eps: f32,
}

/// The gradients of x, gamma and beta. Inputs: x, gamma, mean, rstd (the
/// variance in evaluation), `d_y`, rows if any.
#[derive(Debug, Clone, Copy)]
pub struct BatchNormGrad {
    /// Added to the variance.
    pub eps: f32,
    /// Whether the statistics were given, not taken from x.
    pub evaluate: bool,
}

impl Graph {
    /// Normalises `x [N, C, ..]` with the statistics of its first `rows` (u32
    /// `[1]`; all, if `None`) rows, and moves the running statistics towards
    /// them.
    pub fn batch_norm(
        &mut self,
        x: TensorId,
        gamma: TensorId,
        beta: TensorId,
        running_mean: TensorId,
        running_var: TensorId,
        rows: Option<TensorId>,
        options: BatchNorm,
    ) -> Result<TensorId> {
        let inputs: Vec<TensorId> = [Some(x), Some(gamma), Some(beta), rows].into_iter().flatten().collect();
        Ok(self.push_with(options, &inputs, &[running_mean, running_var])?[0])
    }

    /// Normalises `x [N, C, ..]` with running statistics, which stay as they are.
    pub fn batch_norm_eval(
        &mut self,
        x: TensorId,
        gamma: TensorId,
        beta: TensorId,
        running_mean: TensorId,
        running_var: TensorId,
        eps: f32,
    ) -> Result<TensorId> {
        self.push1(BatchNormEval { eps }, &[x, gamma, beta, running_mean, running_var])
    }
}

/// `x` as rows of channels of `s` elements.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    c: usize,
    s: usize,
}

impl Sizes {
    fn of(x: &Shape) -> Sizes {
        Sizes { n: x[0], c: x[1], s: x[2..].iter().product() }
    }

    fn elements(self) -> usize {
        self.n * self.c * self.s
    }

    fn kernel(self, entry: &'static str) -> Kernel {
        let k = flush::bounds(Kernel::new(&SHADER, entry), &[flush::LEAST, flush::LEAST_SQUARE]);
        k.set("N", self.n).set("C", self.c).set("S", self.s)
    }

    /// One invocation per element, or per four: the entry, its grid, and the
    /// endings of its variables' names.
    fn elementwise(self, entries: [&'static str; 2], more: impl Fn(Kernel) -> Kernel) -> (Dispatch, bool) {
        let four = self.s.is_multiple_of(4);
        let k = more(self.kernel(entries[usize::from(four)]));
        (k.dispatch_1d(self.elements() / if four { 4 } else { 1 }, WG), four)
    }

    /// How each channel's sum is cut, and the dispatch over (part, channel).
    fn parts(self, class: Class, entries: [&'static str; 2], masked: bool) -> (Dispatch, Cut) {
        let all = self.n * self.s;
        let group = class != Class::Cpu && self.s >= LONG;
        // Enough invocations for a device, and parts worth their while.
        let (wanted, least) = match (class, group) {
            (Class::Cpu, _) => (256, 64),
            (_, true) => (1024, 1024),
            (_, false) => (16_384, 16),
        };
        let parts = (wanted / self.c).clamp(1, 32).min(all.div_ceil(least));
        let parts = if class == Class::Cpu { parts.max(all.div_ceil(STEPS)) } else { parts };
        let length = all.div_ceil(parts);
        let cut = Cut { parts: all.div_ceil(length), length };
        let k = cut.set(self.kernel(entries[usize::from(group)]).flag("MASKED", masked)).stores_itself();
        let d = match (group, class) {
            (true, _) => k.set("WG", 256).dispatch(groups_1d(cut.parts * self.c, 1)),
            (_, Class::Cpu) => k.dispatch_1d(cut.parts * self.c, 8),
            _ => k.dispatch_1d(cut.parts * self.c, WG),
        };
        (d, cut)
    }
}

/// Parts of a channel.
#[derive(Clone, Copy)]
struct Cut {
    parts: usize,
    length: usize,
}

impl Cut {
    fn set(self, k: Kernel) -> Kernel {
        k.set("PARTS", self.parts).set("LENGTH", self.length)
    }
}

/// Sums two terms over each channel of the first `rows` rows: blocks of rows
/// side by side, joined in order. `term` sees an element of `a`, one of `b` and
/// the channel's centre.
fn channel_sums<T: Real>(
    z: Sizes,
    rows: usize,
    [a, b]: [&[T]; 2],
    centre: &[T],
    term: impl Fn(T, T, T) -> [T; 2] + Sync + Send,
) -> Vec<[f64; 2]> {
    let row = z.c * z.s;
    let together = (4 * parallel::CHUNK / row).max(1);
    let blocks = parallel::map(rows.div_ceil(together), rows * row, |block| {
        let mut sums = vec![[T::ZERO; 2]; z.c];
        for r in block * together..((block + 1) * together).min(rows) {
            let (a, b) = (&a[r * row..][..row], &b[r * row..][..row]);
            for (c, sum) in sums.iter_mut().enumerate() {
                let at = c * z.s..(c + 1) * z.s;
                let [p, q] = if z.s == 1 {
                    term(a[c], b[c], centre[c])
                } else {
                    lanes::sums(
                        &a[at.clone()],
                        &b[at],
                        #[inline(always)]
                        |a, b| term(a, b, centre[c]),
                    )
                };
                sum[0] += p;
                sum[1] += q;
            }
        }
        sums
    });
    let mut total = vec![[0.0; 2]; z.c];
    for block in blocks {
        for (total, sum) in total.iter_mut().zip(block) {
            *total = [total[0] + sum[0].f64(), total[1] + sum[1].f64()];
        }
    }
    total
}

/// Calls `f(row, channel, elements)` for each channel of each row of `y`.
fn each_channel<T: Real>(z: Sizes, y: &mut [T], f: impl Fn(usize, usize, &mut [T]) + Sync) {
    parallel::rows(y, z.c * z.s, |r, row| row.chunks_mut(z.s).enumerate().for_each(|(c, y)| f(r, c, y)));
}

fn normalise<T: Real>(io: &mut Io<T>, mean: &[T], rstd: &[T]) {
    let (z, x, gamma, beta) = (Sizes::of(io.shape(0)), io.x(0), io.x(1), io.x(2));
    each_channel(z, io.y(0), |r, c, y| {
        let (mean, scale, shift) = (mean[c], rstd[c] * gamma[c], beta[c]);
        for (y, &x) in y.iter_mut().zip(&x[(r * z.c + c) * z.s..]) {
            *y = (x - mean) * scale + shift;
        }
    });
}

fn rstd<T: Real>(var: T, eps: f32) -> T {
    T::ONE / (var + T::of(eps.into())).sqrt()
}

/// What training and evaluation have in common.
fn check(cx: &Infer, eps: f32, per_channel: &[(usize, &str)]) -> Result<Sizes> {
    let x = cx.shape(0);
    expect_type(cx, 0, "x", DType::F32)?;
    if x.rank() < 2 || x.elements() == 0 {
        return Err(Error::model(format!("x has shape {x}; expected [N, C, ..], none of them zero")));
    }
    for &(i, name) in per_channel {
        expect_type(cx, i, name, DType::F32)?;
        cx.expect(i, name, [x[1]])?;
    }
    if !(eps.is_finite() && eps >= 0.0) {
        return Err(Error::model(format!("eps is {eps}; expected a number of at least 0")));
    }
    Ok(Sizes::of(x))
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let z = check(cx, self.eps, &[(1, "gamma"), (2, "beta")])?;
        for (spec, name) in cx.updates.iter().zip(["running_mean", "running_var"]) {
            if *spec != Spec::f32([z.c]) {
                return Err(Error::model(format!("{name} is {spec}; expected f32[{}]", z.c)));
            }
        }
        if cx.inputs.len() > 3 {
            expect_rows(cx, 3, 1)?;
        }
        if !self.momentum.is_finite() {
            return Err(Error::model(format!("momentum is {}; expected a finite number", self.momentum)));
        }
        if z.n * z.s == 1 {
            let x = cx.shape(0);
            return Err(Error::model(format!("x has shape {x}: expected more than 1 value per channel when training")));
        }
        Ok(vec![cx.inputs[0].clone(), Spec::f32([z.c]), Spec::f32([z.c])])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let [Some(d_y), None, None] = at.d_outputs else {
            return Err(Error::model("the batch's statistics have no gradient of their own; only y has"));
        };
        let mut inputs = vec![at.inputs[0], at.inputs[1], at.outputs[1], at.outputs[2], *d_y];
        inputs.extend(at.inputs.get(3));
        let d = g.push(BatchNormGrad { eps: self.eps, evaluate: false }, &inputs)?;
        Ok(d.into_iter().map(Some).chain(at.inputs.get(3).map(|_| None)).collect())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let z = Sizes::of(&cx.inputs[0].shape);
        let masked = cx.inputs.len() > 3;
        // The shader names `valid` whether or not there is one.
        let rows = if masked { 3 } else { 0 };
        let (parts, cut) = z.parts(cx.caps.class, ["statistics_serial", "statistics_group"], masked);
        let parts = parts.input("x", 0).input("valid", rows).scratch("parts", 0);
        let combine = cut.set(z.kernel("combine_statistics")).stores_itself().flag("MASKED", masked);
        let combine = combine.real("EPS", self.eps.into()).real("MOMENTUM", self.momentum.into()).dispatch_1d(z.c, WG);
        let combine = combine.scratch("summands", 0).input("valid", rows).output("batch_mean", 1);
        let combine = combine.output("batch_rstd", 2).update("running_mean", 0).update("running_var", 1);
        let (y, four) = z.elementwise(["normalise", "normalise4"], |k| k.flag("EVALUATE", false).real("EPS", 0.0));
        let y = y.input(if four { "x4" } else { "x" }, 0).input("gamma", 1).input("beta", 2);
        let y = y.output("mean", 1).output("spread", 2);
        let y = if four { y.put4(&cx.store) } else { y.put(&cx.store) };
        Ok(Lowered { scratch: vec![Spec::f32([2, cut.parts, z.c])], dispatches: vec![parts, combine, y] })
    }

    fn again(&self) -> Option<Arc<dyn Op>> {
        Some(Arc::new(BatchNormAgain(*self)))
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 6 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for BatchNorm {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (z, x) = (Sizes::of(io.shape(0)), io.x(0));
        let rows = valid_rows(io, (io.inputs.len() > 3).then_some(3), z.n);
        let m = (rows * z.s) as f64;
        let sums = channel_sums(z, rows, [x, x], &vec![T::ZERO; z.c], |x, _, _| [x, T::ZERO]);
        let means: Vec<T> = sums.iter().map(|s| T::of(s[0] / m.max(1.0))).collect();
        // Two passes; the second finds what rounding took from the mean.
        let sums = channel_sums(z, rows, [x, x], &means, |x, _, mean| [x - mean, (x - mean) * (x - mean)]);
        let means: Vec<T> = means.iter().zip(&sums).map(|(&mean, [d, _])| mean + T::of(d / m.max(1.0))).collect();
        let squares: Vec<f64> = sums.iter().map(|[d, s]| s - d * d / m.max(1.0)).collect();
        let rstds: Vec<T> = squares.iter().map(|s| rstd(T::of(s / m.max(1.0)), self.eps)).collect();
        let momentum = T::of(self.momentum.into());
        for (k, update) in io.updates.iter_mut().enumerate().filter(|_| m > 1.0) {
            for (c, running) in update.real.iter_mut().enumerate() {
                let (mean, variance) = (means[c], T::of(squares[c] / (m - 1.0)));
                // Of a batch that is not finite nothing is learned.
                if !(mean.is_finite() && variance.is_finite()) {
                    continue;
                }
                let batch = if k == 0 { mean } else { variance };
                let moved = (T::ONE - momentum) * *running + momentum * batch;
                *running = if k == 0 { flush::value(moved) } else { flush::square(moved) };
            }
        }
        normalise(io, &means, &rstds);
        io.y(1).copy_from_slice(&means);
        io.y(2).copy_from_slice(&rstds);
    }
}

impl Op for BatchNormEval {
    fn name(&self) -> &'static str {
        "batch_norm_eval"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        check(cx, self.eps, &[(1, "gamma"), (2, "beta"), (3, "running_mean"), (4, "running_var")])?;
        Ok(vec![cx.inputs[0].clone()])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let inputs = [at.inputs[0], at.inputs[1], at.inputs[3], at.inputs[4], at.d_y()];
        let d = g.push(BatchNormGrad { eps: self.eps, evaluate: true }, &inputs)?;
        Ok(d.into_iter().map(Some).chain([None, None]).collect())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let z = Sizes::of(&cx.inputs[0].shape);
        let more = |k: Kernel| k.flag("EVALUATE", true).real("EPS", self.eps.into());
        let (y, four) = z.elementwise(["normalise", "normalise4"], more);
        let y = y.input(if four { "x4" } else { "x" }, 0).input("gamma", 1).input("beta", 2);
        let y = y.input("mean", 3).input("spread", 4);
        Ok(Lowered::one(if four { y.put4(&cx.store) } else { y.put(&cx.store) }))
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 3 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for BatchNormEval {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let rstds: Vec<T> = io.x(4).iter().map(|&v| rstd(v, self.eps)).collect();
        normalise(io, io.x(3), &rstds);
    }
}

impl Op for BatchNormGrad {
    fn name(&self) -> &'static str {
        "batch_norm_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        cx.expect(4, "d_y", cx.shape(0).clone())?;
        let per_channel = Spec::f32([cx.shape(0)[1]]);
        Ok(vec![cx.inputs[0].clone(), per_channel.clone(), per_channel])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let z = Sizes::of(&cx.inputs[0].shape);
        let masked = cx.inputs.len() > 5;
        let rows = if masked { 5 } else { 0 };
        let (parts, cut) = z.parts(cx.caps.class, ["sums_serial", "sums_group"], masked);
        let parts = parts.input("x", 0).input("d_y", 4).input("mean", 2).scratch("parts", 0);
        let combine =
            cut.set(z.kernel("combine_sums")).stores_itself().flag("MASKED", masked).flag("EVALUATE", self.evaluate);
        let combine = combine.real("EPS", self.eps.into()).dispatch_1d(z.c, WG).scratch("summands", 0);
        let combine = combine.input("gamma", 1).input("mean", 2).input("spread", 3).input("valid", rows);
        let combine = combine.output("d_gamma", 1).output("d_beta", 2).scratch("factors", 1);
        let (d, four) = z.elementwise(["backward", "backward4"], |k| k.flag("MASKED", masked));
        let names = if four { ["x4", "d_y4"] } else { ["x", "d_y"] };
        let d = d.input(names[0], 0).input(names[1], 4).scratch("coefficients", 1);
        let d = if four { d.put4(&cx.store) } else { d.put(&cx.store) };
        let d = d.input("valid", rows);
        Ok(Lowered {
            scratch: vec![Spec::f32([2, cut.parts, z.c]), Spec::f32([4, z.c])],
            dispatches: vec![parts, combine, d],
        })
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 8 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for BatchNormGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (z, x, gamma, mean, d_y) = (Sizes::of(io.shape(0)), io.x(0), io.x(1), io.x(2), io.x(4));
        let rows = valid_rows(io, (io.inputs.len() > 5).then_some(5), z.n);
        let rstds: Vec<T> = match self.evaluate {
            true => io.x(3).iter().map(|&v| rstd(v, self.eps)).collect(),
            false => io.x(3).to_vec(),
        };
        let sums = channel_sums(z, z.n, [d_y, x], mean, |d, x, mean| [d, d * (x - mean)]);
        for (c, [sum, moment]) in sums.iter().enumerate() {
            io.y(1)[c] = T::of(*moment) * rstds[c];
            io.y(2)[c] = T::of(*sum);
        }
        let m = if self.evaluate { f64::INFINITY } else { (rows * z.s).max(1) as f64 };
        each_channel(z, io.y(0), |r, c, d_x| {
            let at = (r * z.c + c) * z.s;
            let scale = gamma[c] * rstds[c];
            let [sum, moment] = sums[c].map(|v| if r < rows { scale * T::of(v / m) } else { T::ZERO });
            let slope = moment * rstds[c] * rstds[c];
            for (d_x, (&d, &x)) in d_x.iter_mut().zip(d_y[at..].iter().zip(&x[at..])) {
                *d_x = scale * d - sum - slope * (x - mean[c]);
            }
        });
    }
}
