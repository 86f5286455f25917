//! 2-D convolution (cross-correlation, as in every deep-learning framework).
//!
//! `y[n,o,p,q] = bias[o] + sum over c,r,s of x[n,c, p*stride - pad + r*dilation, ..] w[o,c,r,s]`,
//! with zeros outside. Shapes: `x [N, C, H, W]`, `w [O, C/groups, KH, KW]`,
//! `bias [O]`, `y [N, O, OH, OW]`. Output channel `o` sees the input channels of
//! its group; `groups == C` is a depthwise convolution.
//!
//! Gradients: `d_x` is a gather: each input element adds `w d_y` over the
//! outputs that saw it. `d_w[o,c,r,s]` sums `d_y[n,o,p,q] x[..]` over all
//! images and positions, and `d_bias` is the same sum with a constant 1 for x,
//! so one pass yields both.
//! Source: Dumoulin and Visin, "A guide to convolution arithmetic", arXiv:1603.07285.
//!
//! On the CPU: im2col and `gemm`, an image at a time. On a GPU: direct, in
//! registers (`registers`; see the shader), or as a product in tiles where
//! channels are many (`implicit`), or with fewer multiplications (`winograd`); on
//! software adapters in registers, with loads shared out (`lanes`).

use super::matmul::gemm;
use super::tiles::Form;
mod cases;
mod grad_x;
mod implicit;
mod lanes;
mod sizes;
mod winograd;

pub use cases::cases;
pub use grad_x::Conv2dGradX;

use crate::error::Result;
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Pointwise, Reference, TensorId};
use crate::kernel::{ANYWHERE, Caps, Class, Kernel, Lowered, SOFTWARE, Shader, Variant, groups_1d};
use crate::shader;
use crate::tensor::{Real, Spec};
use implicit::Pass;
use rayon::prelude::*;
use sizes::{Sizes, sized};
use winograd::Winograd;

static SHADER: Shader = shader!("conv2d");

/// Invocations per workgroup.
const WG: usize = 64;

/// Output positions per invocation: the lanes of a vec4.
const PIXELS: usize = 4;

/// Channels per invocation, at most: more where loads are what costs.
fn channels(caps: &Caps) -> usize {
    if caps.class == Class::Cpu { 32 } else { 8 }
}

/// Weight columns (input channel and tap) per invocation of the weight
/// gradient, at most. 10 is a 3x3 window of one channel, and the bias.
fn taps(caps: &Caps) -> usize {
    if caps.class == Class::Cpu { 10 } else { 8 }
}

/// Invocations that fill a device: the weight gradient's sum is cut into
/// slices until there are as many.
const ENOUGH: usize = 8_192;

/// How the window moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2d {
    /// Step between windows, down and across.
    pub stride: [usize; 2],
    /// Zeros before and after, down and across.
    pub padding: [[usize; 2]; 2],
    /// Step between the elements of a window.
    pub dilation: [usize; 2],
    /// Independent groups of channels.
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Conv2d {
        Conv2d { stride: [1, 1], padding: [[0, 0]; 2], dilation: [1, 1], groups: 1 }
    }
}

impl Conv2d {
    /// The padding that makes the output as large as the input divided by the
    /// stride, rounded up; an odd element goes to the end (Keras, PyTorch).
    pub fn same_padding(
        input: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
    ) -> [[usize; 2]; 2] {
        [0, 1].map(|i| {
            let covered =
                (input[i].div_ceil(stride[i]).max(1) - 1) * stride[i] + dilation[i] * (kernel[i].max(1) - 1) + 1;
            let total = covered.saturating_sub(input[i]);
            [total / 2, total - total / 2]
        })
    }
}

/// `d_w` (and `d_bias`) from `x` and `d_y`.
#[derive(Debug, Clone, Copy)]
pub struct Conv2dGradW {
    /// The forward convolution.
    pub op: Conv2d,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Whether to compute `d_bias` as a second output.
    pub bias: bool,
}

impl Graph {
    /// Convolves `x [N, C, H, W]` with `w [O, C/groups, KH, KW]` and adds
    /// `bias [O]`.
    pub fn conv2d(&mut self, x: TensorId, w: TensorId, bias: Option<TensorId>, op: Conv2d) -> Result<TensorId> {
        let inputs: Vec<TensorId> = [Some(x), Some(w), bias].into_iter().flatten().collect();
        self.push1(op, &inputs)
    }
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let s = Sizes::new(*self, cx.dims(0, "x")?, cx.dims(1, "w")?)?;
        if cx.inputs.len() > 2 {
            cx.expect(2, "bias", [s.o])?;
        }
        Ok(vec![Spec::f32([s.n, s.o, s.out[0], s.out[1]])])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let (x, w, d_y) = (at.inputs[0], at.inputs[1], at.d_y());
        let mut d = vec![None; at.inputs.len()];
        if at.needs[0] {
            let shape = g.shape(x);
            d[0] = Some(g.push1(Conv2dGradX { op: *self, input: [shape[2], shape[3]] }, &[w, d_y])?);
        }
        let bias = at.inputs.len() > 2 && at.needs[2];
        if at.needs[1] || bias {
            let shape = g.shape(w);
            let grad = Conv2dGradW { op: *self, kernel: [shape[2], shape[3]], bias };
            let outputs = g.push(grad, &[x, d_y])?;
            d[1] = Some(outputs[0]);
            if bias {
                d[2] = Some(outputs[1]);
            }
        }
        Ok(d)
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let s = sizes(*self, &cx.inputs[0], &cx.inputs[1]);
        let bias = cx.inputs.len() > 2;
        if let Some(form) = Form::of(cx) {
            let d = Pass::Forward.dispatch(&s, form, bias, &cx.store);
            return Ok(Lowered::one(d.input("x", 0).input("w", 1).input("bias", if bias { 2 } else { 1 })));
        }
        if let Some(cut) = Winograd::of(Pass::Forward, &s, cx) {
            return Ok(cut.lower([0, 1], bias.then_some(2), &cx.store));
        }
        if let Some(lowered) = lanes::product(Pass::Forward, &s, cx, [0, 1], bias.then_some(2)) {
            return Ok(lowered);
        }
        let channels = s.og().min(channels(&cx.caps));
        let k = kernel("forward", s, channels, 1).flag("BIAS", bias);
        let k = sharing(k, &cx.caps, s.columns());
        let d = k.dispatch(grid(s.n * s.positions(), s.og().div_ceil(channels) * s.op.groups));
        Ok(Lowered::one(d.input("x", 0).input("w", 1).input("bias", if bias { 2 } else { 1 }).put(&cx.store)))
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn variants(&self, cx: &Lower) -> Vec<Variant> {
        ways(Pass::Forward, &sizes(*self, &cx.inputs[0], &cx.inputs[1]), cx)
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: sizes(*self, &cx.inputs[0], &cx.inputs[1]).flops(), bytes: cx.bytes_once() }
    }
}

fn sizes(op: Conv2d, x: &Spec, w: &Spec) -> Sizes {
    let dims = |s: &Spec| s.shape.to_vec().try_into().expect("infer saw four axes");
    Sizes::new(op, dims(x), dims(w)).expect("infer accepted these shapes")
}

/// Lets lanes share the loads of `n` weights in as few equal chunks as their
/// number allows.
fn sharing(k: Kernel, caps: &Caps, n: usize) -> Kernel {
    let lanes = caps.shared_lanes();
    k.lanes(lanes).constant("CHUNK", n.div_ceil(n.div_ceil(lanes)))
}

/// Blocks of positions run along x and, beyond the limit, z; blocks of channels
/// along y.
fn grid(positions: usize, channel_blocks: usize) -> [u32; 3] {
    let [x, z, _] = groups_1d(positions, WG * PIXELS);
    [x, channel_blocks as u32, z]
}

fn kernel(entry: &'static str, s: Sizes, channels: usize, taps: usize) -> Kernel {
    let k = Kernel::new(&SHADER, entry)
        .set("WG", WG)
        .constant("PIXELS", PIXELS)
        .constant("CHANNELS", channels)
        .constant("TAPS", taps);
    sized(k, s, "C").flag("PADDED", s.op.padding != [[0, 0]; 2])
}

/// The ways to compute one of the three products of a convolution.
fn ways(pass: Pass, s: &Sizes, cx: &Lower) -> Vec<Variant> {
    let mut all = pass.variants(s, &cx.caps);
    match pass.narrow(s) {
        true => all.insert(0, Variant::new("registers", ANYWHERE)),
        false => all.push(Variant::new("registers", SOFTWARE)),
    }
    if let Some(lanes) = lanes::variant(pass, s, &cx.caps) {
        all.insert(0, lanes);
    }
    all.extend(winograd::variants(pass, s, &cx.caps));
    all
}

impl Reference for Conv2d {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let s = sizes(*self, io.inputs[0].spec, io.inputs[1].spec);
        let (x, w) = (io.x(0), io.x(1));
        let bias = (io.inputs.len() > 2).then(|| io.x(2));
        let rows = s.og() * s.positions();
        io.y(0).par_chunks_mut(s.o * s.positions()).enumerate().for_each_init(Vec::new, |cols, (n, y)| {
            let image = &x[n * s.image()..][..s.image()];
            for (o, y) in y.chunks_mut(s.positions()).enumerate() {
                y.fill(bias.map_or(T::ZERO, |b| b[o]));
            }
            for (g, y) in y.chunks_mut(rows).enumerate() {
                let cols = im2col(s, image, g, cols);
                let w = &w[g * s.og() * s.columns()..][..s.og() * s.columns()];
                gemm(y, w, cols, [s.og(), s.positions(), s.columns()], false, false, T::ONE);
            }
        });
    }
}

/// The windows of one group of an image as a matrix `[columns, positions]`.
/// Borrows the image itself where the window is a single element.
fn im2col<'a, T: Real>(s: Sizes, image: &'a [T], group: usize, cols: &'a mut Vec<T>) -> &'a [T] {
    let plane = s.h[0] * s.h[1];
    let image = &image[group * s.cg() * plane..][..s.cg() * plane];
    if s.pointwise() {
        return image;
    }
    cols.clear();
    cols.resize(s.columns() * s.positions(), T::ZERO);
    for_rows(s, |column, p, channel, ih, first| {
        let Some(ih) = ih else { return };
        let row = &mut cols[column * s.positions() + p * s.out[1]..][..s.out[1]];
        let source = &image[channel * plane + ih * s.h[1]..][..s.h[1]];
        let (from, to) = inside(s, first);
        // Where a tap lies outside the whole row there is nothing to copy, and no place to copy from.
        if from == to {
            return;
        }
        if s.op.stride[1] == 1 {
            let start = (from as isize + first) as usize;
            row[from..to].copy_from_slice(&source[start..start + to - from]);
        } else {
            for q in from..to {
                row[q] = source[(q as isize * s.op.stride[1] as isize + first) as usize];
            }
        }
    });
    cols
}

/// The inverse of [`im2col`]: adds a matrix of windows back into an image.
fn col2im<T: Real>(s: Sizes, cols: &[T], image: &mut [T]) {
    let plane = s.h[0] * s.h[1];
    for_rows(s, |column, p, channel, ih, first| {
        let Some(ih) = ih else { return };
        let row = &cols[column * s.positions() + p * s.out[1]..][..s.out[1]];
        let target = &mut image[channel * plane + ih * s.h[1]..][..s.h[1]];
        let (from, to) = inside(s, first);
        for q in from..to {
            target[(q as isize * s.op.stride[1] as isize + first) as usize] += row[q];
        }
    });
}

/// Walks the rows of an im2col matrix: for each column (channel and tap) and
/// each output row `p`, calls `f(column, p, channel, input row if inside, input
/// position of the row's first output)`.
fn for_rows(s: Sizes, mut f: impl FnMut(usize, usize, usize, Option<usize>, isize)) {
    for column in 0..s.columns() {
        let channel = column / (s.k[0] * s.k[1]);
        let (r, t) = (column / s.k[1] % s.k[0], column % s.k[1]);
        let first = (t * s.op.dilation[1]) as isize - s.op.padding[1][0] as isize;
        for p in 0..s.out[0] {
            let ih = (p * s.op.stride[0] + r * s.op.dilation[0]).checked_sub(s.op.padding[0][0]);
            f(column, p, channel, ih.filter(|&ih| ih < s.h[0]), first);
        }
    }
}

/// The outputs `from..to` of a row whose input position `q * stride + first`
/// lies inside the image; `from == to` where none does.
fn inside(s: Sizes, first: isize) -> (usize, usize) {
    let stride = s.op.stride[1];
    let from = (-first).max(0) as usize;
    let to = (s.h[1] as isize - first).max(0) as usize;
    let (from, to) = (from.div_ceil(stride), to.div_ceil(stride).min(s.out[1]));
    (from.min(to), to)
}

impl Op for Conv2dGradW {
    fn name(&self) -> &'static str {
        "conv2d_grad_w"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let ([_, c, _, _], [_, o, _, _]) = (cx.dims(0, "x")?, cx.dims(1, "d_y")?);
        let d_w = Spec::f32([o, c / self.op.groups, self.kernel[0], self.kernel[1]]);
        Ok(if self.bias { vec![d_w, Spec::f32([o])] } else { vec![d_w] })
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let s = sizes(self.op, &cx.inputs[0], &cx.outputs[0]);
        // The bias is one more column, whose input is the constant 1.
        let columns = s.columns() + usize::from(self.bias);
        let (channels, taps) = (s.og().min(channels(&cx.caps)), columns.min(taps(&cx.caps)));
        let blocks = s.op.groups * s.og().div_ceil(channels) * columns.div_ceil(taps);
        let pass = Pass::GradW { bias: self.bias };
        let form = Form::of(cx);
        let spread = lanes::gradient(&s, self.bias, cx);
        let slices = match (form, &spread) {
            (Some(form), _) => pass.slices(&s, form).0,
            (None, Some((_, _, slices))) => *slices,
            (None, None) => (ENOUGH / blocks).clamp(1, (s.n * s.positions()).div_ceil(32).max(1)).min(512),
        };
        let k = |entry| {
            let k = kernel(entry, s, channels, taps).flag("BIAS", self.bias).set("SLICES", slices);
            sharing(k, &cx.caps, 1).stores_itself()
        };
        let (parts, d_y) = match (form, spread) {
            (Some(form), _) => (pass.dispatch(&s, form, false, &cx.store), "d_y"),
            (None, Some((parts, d_y, _))) => (parts, d_y),
            (None, None) => (k("backward_w").dispatch(groups_1d(blocks * slices, WG)), "d_y"),
        };
        let parts = parts.input("x", 0).input(d_y, 1).scratch("y", 0);
        let total = k("combine_w").dispatch(groups_1d(s.o * columns, WG)).scratch("parts", 0).output("y", 0);
        // The shader names `d_bias` even where there is none: it gets a word of
        // its own, since two writable bindings must not overlap.
        let (total, none) = match self.bias {
            true => (total.output("d_bias", 1), vec![]),
            false => (total.scratch("d_bias", 1), vec![Spec::f32([1])]),
        };
        let scratch = [vec![Spec::f32([s.o, columns, slices])], none].concat();
        Ok(Lowered { scratch, dispatches: vec![parts, total] })
    }

    fn variants(&self, cx: &Lower) -> Vec<Variant> {
        ways(Pass::GradW { bias: self.bias }, &sizes(self.op, &cx.inputs[0], &cx.outputs[0]), cx)
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: sizes(self.op, &cx.inputs[0], &cx.outputs[0]).flops(), bytes: cx.bytes_once() }
    }
}

/// Images whose gradients are summed by one task; the tasks' sums are added in
/// order, so the result does not depend on the number of threads.
const IMAGES_PER_TASK: usize = 16;

impl Reference for Conv2dGradW {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let s = sizes(self.op, io.inputs[0].spec, io.outputs[0].spec);
        let (x, d_y) = (io.x(0), io.x(1));
        let weights = s.o * s.columns();
        let task = |first: usize| -> Vec<T> {
            let mut sum = vec![T::ZERO; weights + s.o];
            let mut cols = vec![];
            for n in first..(first + IMAGES_PER_TASK).min(s.n) {
                let image = &x[n * s.image()..][..s.image()];
                let d_y = &d_y[n * s.o * s.positions()..][..s.o * s.positions()];
                let (d_w, d_b) = sum.split_at_mut(weights);
                for (g, d_w) in d_w.chunks_mut(s.og() * s.columns()).enumerate() {
                    let cols = im2col(s, image, g, &mut cols);
                    let rows = s.og() * s.positions();
                    let d_y = &d_y[g * rows..][..rows];
                    gemm(d_w, d_y, cols, [s.og(), s.columns(), s.positions()], false, true, T::ONE);
                }
                if self.bias {
                    for (d_b, row) in d_b.iter_mut().zip(d_y.chunks(s.positions())) {
                        *d_b += row.iter().copied().sum::<T>();
                    }
                }
            }
            sum
        };
        let starts: Vec<usize> = (0..s.n).step_by(IMAGES_PER_TASK).collect();
        let sums: Vec<Vec<T>> = starts.into_par_iter().map(task).collect();
        let mut total = vec![T::ZERO; weights + s.o];
        for sum in &sums {
            for (t, &v) in total.iter_mut().zip(sum) {
                *t += v;
            }
        }
        io.y(0).copy_from_slice(&total[..weights]);
        if self.bias {
            io.y(1).copy_from_slice(&total[weights..]);
        }
    }
}
