//! Moves elements: permute, slice, pad, flip, expand. One op, because each of
//! them reads, for every output element, one input element at an affine index,
//! or writes a fill value where that index falls outside.
//!
//! Along output axis `k`, with coordinate `o`: the coordinate in input axis
//! `source` is `(o * step + start) / divide`; where that is no whole number, or
//! not inside, the output is `fill`. An axis without a source repeats.
//!
//! Gradient: sum over the repeated axes, then the inverse map, which is of the
//! same kind: `o = (c * divide - start) / step`.

use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Shape, Spec, parallel};

static SHADER: Shader = shader!("rearrange");

/// Invocations per workgroup.
const WG: usize = 64;

/// How one output axis reads the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// Its length.
    pub len: usize,
    /// The input axis it walks; `None` repeats.
    pub source: Option<usize>,
    /// Factor of the output coordinate.
    pub step: i32,
    /// Added to it.
    pub start: i32,
    /// Divides the sum.
    pub divide: i32,
}

impl Axis {
    fn plain(source: usize, len: usize) -> Axis {
        Axis { len, source: Some(source), step: 1, start: 0, divide: 1 }
    }

    /// The input coordinate, if it falls inside an axis of length `len`.
    fn coordinate(&self, o: usize, len: usize) -> Option<usize> {
        let at = o as i32 * self.step + self.start;
        let inside = at >= 0 && at % self.divide == 0 && at / self.divide < len as i32;
        inside.then_some((at / self.divide) as usize)
    }
}

/// `y[o..] = x[affine index of o..]`, or `fill`.
#[derive(Debug, Clone)]
pub struct Rearrange {
    /// The output's axes.
    pub axes: Vec<Axis>,
    /// The value outside the input.
    pub fill: f32,
}

impl Graph {
    /// Reorders axes: axis `k` of the result is axis `order[k]` of `x`.
    pub fn permute(&mut self, x: TensorId, order: &[usize]) -> Result<TensorId> {
        let shape = self.shape(x);
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if sorted != (0..shape.len()).collect::<Vec<_>>() {
            return Err(Error::model(format!("permute {order:?}: not an order of the {} axes of x", shape.len())));
        }
        let axes = order.iter().map(|&k| Axis::plain(k, shape[k])).collect();
        self.push1(Rearrange { axes, fill: 0.0 }, &[x])
    }

    /// Swaps two axes.
    pub fn transpose(&mut self, x: TensorId, a: usize, b: usize) -> Result<TensorId> {
        let rank = self.shape(x).len();
        if a.max(b) >= rank {
            return Err(Error::model(format!("transpose({a}, {b}): x has {rank} axes")));
        }
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(a, b);
        self.permute(x, &order)
    }

    /// Elements `start, start + step, ..` below `end` of an axis.
    pub fn slice(&mut self, x: TensorId, axis: usize, start: usize, end: usize, step: usize) -> Result<TensorId> {
        let mut axes = self.plain_axes(x);
        let len = axes.get(axis).map_or(0, |a| a.len);
        if axis >= axes.len() || start >= end || end > len || step == 0 {
            return Err(Error::model(format!(
                "slice {start}..{end} step {step} of axis {axis}: x has shape {}; expected start < end <= {len} and step > 0",
                self.spec(x).shape
            )));
        }
        axes[axis].len = (end - start).div_ceil(step);
        (axes[axis].start, axes[axis].step) = (start as i32, step as i32);
        self.push1(Rearrange { axes, fill: 0.0 }, &[x])
    }

    /// Adds elements of value `fill` before and after each axis.
    pub fn pad(&mut self, x: TensorId, widths: &[(usize, usize)], fill: f32) -> Result<TensorId> {
        let mut axes = self.plain_axes(x);
        if widths.len() != axes.len() {
            let (n, rank) = (widths.len(), axes.len());
            return Err(Error::model(format!("pad: {n} pairs of widths for {rank} axes; expected one per axis")));
        }
        for (axis, &(before, after)) in axes.iter_mut().zip(widths) {
            axis.len += before + after;
            axis.start = -(before as i32);
        }
        self.push1(Rearrange { axes, fill }, &[x])
    }

    /// Reverses an axis.
    pub fn flip(&mut self, x: TensorId, axis: usize) -> Result<TensorId> {
        let mut axes = self.plain_axes(x);
        let Some(a) = axes.get_mut(axis) else {
            return Err(Error::model(format!("flip of axis {axis}: x has shape {}", self.spec(x).shape)));
        };
        (a.step, a.start) = (-1, a.len as i32 - 1);
        self.push1(Rearrange { axes, fill: 0.0 }, &[x])
    }

    /// Stretches axes of length 1 and adds axes in front, as broadcasting does.
    pub fn expand(&mut self, x: TensorId, shape: impl Into<Shape>) -> Result<TensorId> {
        let (own, shape) = (self.spec(x).shape.clone(), shape.into());
        if own == shape {
            return Ok(x);
        }
        if own.broadcast(&shape)? != shape {
            return Err(Error::model(format!("expand: x of shape {own} does not stretch to {shape}")));
        }
        let lead = shape.rank() - own.rank();
        let axis = |(k, &len): (usize, &usize)| match k.checked_sub(lead) {
            Some(source) if own[source] == len => Axis::plain(source, len),
            _ => Axis { len, source: None, step: 1, start: 0, divide: 1 },
        };
        let axes = shape.iter().enumerate().map(axis).collect();
        self.push1(Rearrange { axes, fill: 0.0 }, &[x])
    }

    fn plain_axes(&self, x: TensorId) -> Vec<Axis> {
        self.shape(x).iter().enumerate().map(|(k, &len)| Axis::plain(k, len)).collect()
    }
}

impl Op for Rearrange {
    fn name(&self) -> &'static str {
        "rearrange"
    }

    fn infer(&self, _cx: &Infer) -> Result<Vec<Spec>> {
        Ok(vec![Spec::f32(self.axes.iter().map(|a| a.len).collect::<Shape>())])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let x = g.spec(at.inputs[0]).shape.clone();
        let repeated: Vec<usize> = (0..self.axes.len()).filter(|&k| self.axes[k].source.is_none()).collect();
        let d_y = if repeated.is_empty() { at.d_y() } else { g.sum(at.d_y(), &repeated, true)? };
        let axes = x
            .iter()
            .enumerate()
            .map(|(source, &len)| match self.axes.iter().position(|a| a.source == Some(source)) {
                None => Axis { len, source: None, step: 1, start: 0, divide: 1 },
                Some(k) => {
                    let a = self.axes[k];
                    let sign = a.step.signum();
                    Axis { len, source: Some(k), step: sign * a.divide, start: -sign * a.start, divide: a.step.abs() }
                }
            })
            .collect();
        Ok(vec![Some(g.push1(Rearrange { axes, fill: 0.0 }, &[d_y])?)])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let x = &cx.inputs[0].shape;
        let n = cx.outputs[0].elements();
        let strides = x.strides();
        // A repeated axis reads coordinate 0 of an axis of length 1; so does a
        // scalar, which the shader sees as one axis.
        let scalar = [Axis { len: 1, source: None, step: 0, start: 0, divide: 1 }];
        let axes = if self.axes.is_empty() { &scalar[..] } else { &self.axes };
        let list = |name: &'static str, f: &dyn Fn(&Axis) -> i32| {
            let values: Vec<String> = axes.iter().map(|a| format!("{}i", f(a))).collect();
            (name, format!("const {name} = array<i32, {}>({});", axes.len(), values.join(", ")))
        };
        let lists = [
            list("LEN", &|a| a.len as i32),
            list("SOURCE_LEN", &|a| a.source.map_or(1, |s| x[s] as i32)),
            list("STRIDE", &|a| a.source.map_or(0, |s| strides[s] as i32)),
            list("STEP", &|a| a.source.map_or(0, |_| a.step)),
            list("START", &|a| a.start),
            list("DIVIDE", &|a| a.divide),
        ];
        let mut k = Kernel::new(&SHADER, "forward").set("N", n).real("FILL", self.fill.into());
        k = k.constant("RANK", axes.len());
        for (name, line) in lists {
            k = k.line(name, line);
        }
        Ok(Lowered::one(k.dispatch_1d(n, WG).input("x", 0).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: 2 * cx.outputs[0].bytes() as u64 }
    }
}

impl Reference for Rearrange {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, shape) = (io.x(0), io.shape(0).clone());
        let strides = shape.strides();
        let fill = T::of(self.fill.into());
        // The offset that each coordinate of each axis adds, or None outside.
        let offsets: Vec<Vec<Option<usize>>> = self
            .axes
            .iter()
            .map(|a| {
                let offset = |o| match a.source {
                    None => Some(0),
                    Some(s) => a.coordinate(o, shape[s]).map(|c| c * strides[s]),
                };
                (0..a.len).map(offset).collect()
            })
            .collect();
        let Some((last, outer)) = offsets.split_last() else {
            io.y(0)[0] = x[0];
            return;
        };
        parallel::rows(io.y(0), last.len(), |r, y| {
            let mut rest = r;
            let mut base = Some(0);
            for axis in outer.iter().rev() {
                base = base.zip(axis[rest % axis.len()]).map(|(a, b)| a + b);
                rest /= axis.len();
            }
            for (y, o) in y.iter_mut().zip(last) {
                *y = base.zip(*o).map_or(fill, |(a, b)| x[a + b]);
            }
        });
    }
}

/// Each way to move elements, alone and composed.
pub fn cases() -> Vec<Case> {
    type Make = fn(&mut Graph, TensorId) -> Result<TensorId>;
    let case = |name: &str, shape: &[usize], make: Make| {
        Case::new(format!("rearrange/{name}"), vec![(Spec::f32(shape), Fill::Normal(1.0))], move |g, x| {
            Ok(vec![make(g, x[0])?])
        })
        .reduction(64)
    };
    vec![
        case("permute_3", &[3, 5, 7], |g, x| g.permute(x, &[2, 0, 1])),
        case("permute_nhwc", &[2, 3, 5, 4], |g, x| g.permute(x, &[0, 2, 3, 1])),
        case("transpose", &[65, 13], |g, x| g.transpose(x, 0, 1)),
        case("transpose_one", &[1, 1], |g, x| g.transpose(x, 0, 1)),
        case("slice", &[4, 11], |g, x| g.slice(x, 1, 2, 9, 1)),
        case("slice_step", &[4, 11], |g, x| g.slice(x, 1, 1, 10, 3)),
        case("slice_first_axis", &[7, 3], |g, x| g.slice(x, 0, 3, 4, 1)),
        case("pad", &[3, 4], |g, x| g.pad(x, &[(1, 2), (0, 3)], -2.5)),
        case("flip", &[3, 7], |g, x| g.flip(x, 1)),
        case("expand", &[3, 1, 5], |g, x| g.expand(x, [2, 3, 4, 5])),
        case("expand_scalar", &[], |g, x| g.expand(x, [3, 4])),
        case("slice_of_flip_of_pad", &[5, 6], |g, x| {
            let x = g.pad(x, &[(1, 0), (2, 1)], 0.0)?;
            let x = g.flip(x, 1)?;
            g.slice(x, 1, 1, 8, 2)
        }),
        case("grid_overflow", &[1, 1], |g, x| g.expand(x, [65_536, 65])).no_gradient(),
    ]
}
