//! Samples planes at the places that a grid names:
//! `y[n, c, o] = sum over i, j of wy_i wx_j x[n, c, row_i, col_j]`.
//!
//! Shapes: `x [N, C, H, W]`, `grid [N, OH, OW, 2]` with the place along columns
//! first, `y [N, C, OH, OW]`. Places run from -1 to 1: at the centres of the outer
//! elements with `align_corners`, else at the edges of the plane. As
//! `torch.nn.functional.grid_sample`.
//!
//! The weights along an axis are those of the two neighbours (bilinear), 1 for the
//! nearest, of two the even one, or the cubic kernel of Keys (1981) with the factor
//! -3/4 over four. Beyond the plane elements are 0, those of the border, or those
//! of the plane mirrored. A place that is NaN gives 0.
//!
//! Gradients: `d_x` gathers `d_y` of the places that read an element, with their
//! weights; `d_grid = sum over c, i, j of d_y w'_i w_j x` with the derivative of the
//! weights along one axis. Nearest: `d_grid = 0`.

mod cases;
mod taps;

use super::expect::expect_type;
use crate::error::{Error, Result};
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, HostTensor, Real, Shape, Spec, parallel};
use taps::Taps;

pub use cases::cases;

static SHADER: Shader = shader!("grid_sample");

/// Invocations per workgroup.
const WG: usize = 64;

/// Outputs that one invocation of the gradient of `x` walks at most.
const MOST: usize = 16_384;

/// How elements around a place are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The two neighbours along each axis.
    Bilinear,
    /// The nearest element; of two the even one.
    Nearest,
    /// Four elements along each axis, by the cubic kernel.
    Bicubic,
}

/// What lies beyond a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Zeros.
    Zeros,
    /// The elements of the border.
    Border,
    /// The plane, mirrored.
    Reflection,
}

/// Samples planes by a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridSample {
    /// The weights.
    pub mode: Mode,
    /// What lies beyond the plane.
    pub padding: Padding,
    /// Whether -1 and 1 are the centres of the outer elements.
    pub align_corners: bool,
}

/// `d_x` from `grid` and `d_y`.
#[derive(Debug, Clone)]
struct GridSampleGradX {
    op: GridSample,
    x: Shape,
}

/// `d_grid` from `x`, `grid` and `d_y`.
#[derive(Debug, Clone, Copy)]
struct GridSampleGradGrid {
    op: GridSample,
}

impl Graph {
    /// The planes of `x` `[N, C, H, W]` at the places that `grid` `[N, OH, OW, 2]`
    /// names, columns first, from -1 to 1: `[N, C, OH, OW]`.
    pub fn grid_sample(
        &mut self,
        x: TensorId,
        grid: TensorId,
        mode: Mode,
        padding: Padding,
        align_corners: bool,
    ) -> Result<TensorId> {
        self.push1(GridSample { mode, padding, align_corners }, &[x, grid])
    }
}

/// Sizes: samples, channels, rows, columns, outputs of a plane.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    c: usize,
    h: usize,
    w: usize,
    outputs: usize,
}

impl Sizes {
    fn of(x: &Shape, grid: &Shape) -> Sizes {
        Sizes { n: x[0], c: x[1], h: x[2], w: x[3], outputs: grid[1] * grid[2] }
    }

    fn plane(&self) -> usize {
        self.h * self.w
    }
}

/// The taps along rows and columns of every place of a grid.
fn all_taps<T: Real>(op: GridSample, sizes: Sizes, grid: &[T]) -> Vec<[Taps<T>; 2]> {
    parallel::map(grid.len() / 2, 16 * grid.len(), |i| {
        [op.taps(grid[2 * i + 1], sizes.h), op.taps(grid[2 * i], sizes.w)]
    })
}

impl GridSample {
    fn kernel(&self, sizes: Sizes, entry: &'static str) -> Kernel {
        let k = Kernel::new(&SHADER, entry).set("N", sizes.n).set("C", sizes.c).set("H", sizes.h).set("W", sizes.w);
        let k = k.set("OUTPUTS", sizes.outputs).set("MODE", self.mode as usize).set("PADDING", self.padding as usize);
        k.flag("ALIGN", self.align_corners)
    }

    /// Elements that an output reads.
    fn reads(&self) -> u64 {
        match self.mode {
            Mode::Nearest => 1,
            Mode::Bilinear => 4,
            Mode::Bicubic => 16,
        }
    }
}

impl Op for GridSample {
    fn name(&self) -> &'static str {
        "grid_sample"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "x", DType::F32)?;
        expect_type(cx, 1, "grid", DType::F32)?;
        let ([n, c, ..], [places, oh, ow, two]) = (cx.dims::<4>(0, "x")?, cx.dims::<4>(1, "grid")?);
        let (x, grid) = (cx.shape(0), cx.shape(1));
        if places != n || two != 2 {
            return Err(Error::model(format!(
                "grid has shape {grid} and x {x}; expected [N, OH, OW, 2] with the N of x, {n}"
            )));
        }
        if x.elements() == 0 || grid.elements() == 0 {
            return Err(Error::model(format!("x has shape {x} and grid {grid}: there is nothing to sample")));
        }
        Ok(vec![Spec::f32([n, c, oh, ow])])
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let (x, grid, d_y) = (at.inputs[0], at.inputs[1], at.d_y());
        let shapes = [x, grid].map(|t| g.spec(t).shape.clone());
        let mut sides = [None, None];
        if at.needs[0] {
            sides[0] = Some(g.push1(GridSampleGradX { op: *self, x: shapes[0].clone() }, &[grid, d_y])?);
        }
        if at.needs[1] {
            sides[1] = Some(match self.mode {
                Mode::Nearest => {
                    let zero = g.constant(HostTensor::f32([], vec![0.0]));
                    g.expand(zero, shapes[1].clone())?
                }
                _ => g.push1(GridSampleGradGrid { op: *self }, &[x, grid, d_y])?,
            });
        }
        Ok(sides.to_vec())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let sizes = Sizes::of(&cx.inputs[0].shape, &cx.inputs[1].shape);
        let d = self.kernel(sizes, "forward").dispatch_1d(cx.outputs[0].elements(), WG);
        Ok(Lowered::one(d.input("x", 0).input("grid", 1).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 2 * self.reads() * cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for GridSample {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let sizes = Sizes::of(io.shape(0), io.shape(1));
        let (x, all) = (io.x(0), all_taps(*self, sizes, io.x(1)));
        parallel::rows(io.y(0), sizes.outputs, |p, y| {
            let x = &x[p * sizes.plane()..(p + 1) * sizes.plane()];
            let places = &all[p / sizes.c * sizes.outputs..];
            for (y, [rows, cols]) in y.iter_mut().zip(places) {
                let mut sum = T::ZERO;
                for (row, down) in rows.iter().filter_map(|t| Some((t.at?, t.weight))) {
                    for (col, across) in cols.iter().filter_map(|t| Some((t.at?, t.weight))) {
                        sum += down * across * x[row * sizes.w + col];
                    }
                }
                *y = sum;
            }
        });
    }
}

impl Op for GridSampleGradX {
    fn name(&self) -> &'static str {
        "grid_sample_grad_x"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let [n, oh, ow, _] = cx.dims::<4>(0, "grid")?;
        cx.expect(1, "d_y", [n, self.x[1], oh, ow])?;
        Ok(vec![Spec::f32(self.x.clone())])
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let sizes = Sizes::of(&self.x, &cx.inputs[0].shape);
        let dispatch = |start: usize| {
            let k = self.op.kernel(sizes, "backward_x").set("START", start);
            let d = k.set("END", sizes.outputs.min(start + MOST)).dispatch_1d(self.x.elements(), WG);
            d.input("grid", 0).input("d_y", 1).output("d_x", 0)
        };
        Ok(Lowered::many((0..sizes.outputs).step_by(MOST).map(dispatch).collect()))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 2 * self.op.reads() * cx.inputs[1].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for GridSampleGradX {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let sizes = Sizes::of(&self.x, io.shape(0));
        let (all, d_y) = (all_taps(self.op, sizes, io.x(0)), io.x(1));
        parallel::rows(io.y(0), sizes.plane(), |p, d_x| {
            d_x.fill(T::ZERO);
            let places = &all[p / sizes.c * sizes.outputs..];
            for (&d, [rows, cols]) in d_y[p * sizes.outputs..(p + 1) * sizes.outputs].iter().zip(places) {
                for (row, down) in rows.iter().filter_map(|t| Some((t.at?, t.weight))) {
                    for (col, across) in cols.iter().filter_map(|t| Some((t.at?, t.weight))) {
                        d_x[row * sizes.w + col] += d * down * across;
                    }
                }
            }
        });
    }
}

impl Op for GridSampleGradGrid {
    fn name(&self) -> &'static str {
        "grid_sample_grad_grid"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let [n, c, ..] = cx.dims::<4>(0, "x")?;
        let [_, oh, ow, _] = cx.dims::<4>(1, "grid")?;
        cx.expect(2, "d_y", [n, c, oh, ow])?;
        Ok(vec![cx.inputs[1].clone()])
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let sizes = Sizes::of(&cx.inputs[0].shape, &cx.inputs[1].shape);
        let d = self.op.kernel(sizes, "backward_grid").dispatch_1d(sizes.n * sizes.outputs, WG);
        Ok(Lowered::one(d.input("x", 0).input("grid", 1).input("d_y", 2).output("d_grid", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 4 * self.op.reads() * cx.inputs[2].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for GridSampleGradGrid {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let sizes = Sizes::of(io.shape(0), io.shape(1));
        let (x, all, d_y) = (io.x(0), all_taps(self.op, sizes, io.x(1)), io.x(2));
        parallel::rows(io.y(0), 2, |i, d_grid| {
            let [rows, cols] = &all[i];
            let (mut across, mut down) = (T::ZERO, T::ZERO);
            for c in 0..sizes.c {
                let p = i / sizes.outputs * sizes.c + c;
                let x = &x[p * sizes.plane()..];
                let d = d_y[p * sizes.outputs + i % sizes.outputs];
                for row in rows {
                    for col in cols {
                        let (Some(r), Some(c)) = (row.at, col.at) else { continue };
                        across += d * row.weight * col.slope * x[r * sizes.w + c];
                        down += d * row.slope * col.weight * x[r * sizes.w + c];
                    }
                }
            }
            (d_grid[0], d_grid[1]) = (across, down);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Executor, Plan, Target};

    fn sampled(grid: Vec<f32>, mode: Mode, padding: Padding, align_corners: bool) -> Vec<f32> {
        let mut g = Graph::new();
        let x = g.constant(HostTensor::f32([1, 1, 2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
        let n = grid.len() / 2;
        let grid = g.constant(HostTensor::f32([1, 1, n, 2], grid));
        let y = g.grid_sample(x, grid, mode, padding, align_corners).expect("it fits");
        let mut cpu = crate::cpu::Cpu::<f32>::new();
        let program = cpu.load(Plan::build(&g, &[y], Target::Cpu).expect("plan")).expect("load");
        cpu.run(&program, 1).expect("run");
        cpu.fetch(&program, y).expect("y").as_f32().to_vec()
    }

    #[test]
    fn places_stand_where_pytorch_has_them() {
        use {Mode::*, Padding::*};
        let corners = || vec![-1.0, -1.0, 1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 0.0, 0.0];
        assert_eq!(sampled(corners(), Bilinear, Zeros, true), [0.0, 2.0, 3.0, 5.0, 2.5]);
        // Between two rows the cubic kernel weighs them by 19/32 each, and zeros by -3/32.
        assert_eq!(sampled(corners(), Bicubic, Zeros, true), [0.0, 2.0, 3.0, 5.0, 2.96875]);
        assert_eq!(sampled(corners(), Bicubic, Border, true), [0.0, 2.0, 3.0, 5.0, 2.5]);
        // A corner of the plane lies between one element and three of the padding.
        assert_eq!(sampled(corners(), Bilinear, Zeros, false), [0.0, 0.5, 0.75, 1.25, 2.5]);
        assert_eq!(sampled(corners(), Bilinear, Border, false), [0.0, 2.0, 3.0, 5.0, 2.5]);
        assert_eq!(sampled(corners(), Bilinear, Reflection, false), [0.0, 2.0, 3.0, 5.0, 2.5]);
        // Halfway, the even row.
        assert_eq!(sampled(vec![0.0, 0.0], Nearest, Zeros, false), [1.0]);
        // Beyond the right centre by one column: mirrored at it, or at the edge.
        assert_eq!(sampled(vec![2.0, -1.0], Bilinear, Reflection, true), [1.0]);
        assert_eq!(sampled(vec![1.75, -0.5], Bilinear, Reflection, false), [1.375]);
    }

    #[test]
    fn a_grid_that_does_not_fit_is_named() {
        let mut g = Graph::new();
        let x = g.input("x", Spec::f32([2, 1, 4, 4]));
        let mut error = |shape: &[usize]| {
            let grid = g.input(&format!("{shape:?}"), Spec::f32(shape));
            g.grid_sample(x, grid, Mode::Bilinear, Padding::Zeros, false).expect_err("bad").to_string()
        };
        assert!(error(&[1, 3, 3, 2]).contains("grid has shape [1, 3, 3, 2] and x [2, 1, 4, 4]"));
        assert!(error(&[2, 3, 3, 3]).contains("expected [N, OH, OW, 2]"));
        assert!(error(&[2, 3, 3]).contains("4 axes"));
    }
}
