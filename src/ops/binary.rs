//! Elementwise arithmetic on two tensors that broadcast as in NumPy.
//!
//! Gradients, each summed over the axes that were stretched:
//! add: `d_a = d_y`, `d_b = d_y`; sub: `d_b = -d_y`; mul: `d_a = d_y b`,
//! `d_b = d_y a`; div: `d_a = d_y / b`, `d_b = -d_a y`.
//! maximum, minimum: `d_y` goes to the operand that wins, half to each at a tie;
//! power: `d_a = d_y b a^(b - 1)`, 0 where `b = 0`, and `d_b = d_y y ln a`, 0 where
//! `a = 0` and `b >= 0`; modulo, fmod: `d_a = d_y`, `d_b = -d_y (a - y) / b`, a
//! quotient that is whole. All as PyTorch's.
//! Comparisons give 1 or 0 and stop the gradient.

mod cases;

use super::expect::expect_type;
use crate::error::Result;
use crate::graph::{Backward, Cost, Elementwise, Graph, Infer, Io, Lower, Op, Pointwise, Reference, Stretch, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, HostTensor, Real, Shape, Spec, parallel};
use Arithmetic::*;

pub use cases::cases;

static SHADER: Shader = shader!("binary");

/// Invocations per workgroup.
const WG: usize = 64;

/// What is computed of two elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
    /// 1 where `a == b`, else 0.
    Equal,
    /// The larger; NaN wins.
    Maximum,
    /// The smaller; NaN wins.
    Minimum,
    /// `a` to the power of `b`, as IEEE's pow: 1 where `b` is 0, NaN where `a` is
    /// negative and `b` not whole.
    Power,
    /// What is left of `a / b` towards minus infinity, with the sign of `b`.
    Modulo,
    /// What is left of `a / b` towards zero, with the sign of `a`.
    Fmod,
    /// 1 where `a < b`, else 0.
    Less,
    /// 1 where `a <= b`, else 0.
    LessEqual,
    /// 0 where `a < b`, 1/2 where they are equal, else 1: what of a maximum's
    /// gradient goes to `a`.
    Share,
}

impl Arithmetic {
    /// Whether its result stays the same where the operands move a little.
    fn compares(self) -> bool {
        matches!(self, Equal | Less | LessEqual | Share)
    }
}

/// `y = a (op) b`.
#[derive(Debug, Clone, Copy)]
pub struct Binary {
    /// The arithmetic.
    pub op: Arithmetic,
}

impl Graph {
    /// `a + b`, broadcasting.
    pub fn add(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Add }, &[a, b])
    }

    /// `a - b`, broadcasting.
    pub fn sub(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Sub }, &[a, b])
    }

    /// `a * b`, broadcasting.
    pub fn mul(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Mul }, &[a, b])
    }

    /// `a / b`, broadcasting.
    pub fn div(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Div }, &[a, b])
    }

    /// 1 where `a == b`, else 0, broadcasting. Stops the gradient.
    pub fn equal(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Equal }, &[a, b])
    }

    /// The larger of `a` and `b`, broadcasting; NaN wins.
    pub fn maximum(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Maximum }, &[a, b])
    }

    /// The smaller of `a` and `b`, broadcasting; NaN wins.
    pub fn minimum(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Minimum }, &[a, b])
    }

    /// `a` to the power of `b`, broadcasting: 1 where `b` is 0, NaN where `a` is
    /// negative and `b` not whole.
    pub fn power(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Power }, &[a, b])
    }

    /// What is left of `a / b` towards minus infinity, broadcasting; it has the
    /// sign of `b`, as Python's `%`.
    pub fn modulo(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Modulo }, &[a, b])
    }

    /// What is left of `a / b` towards zero, broadcasting; it has the sign of
    /// `a`, as C's `fmod`.
    pub fn fmod(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Fmod }, &[a, b])
    }

    /// 1 where `a < b`, else 0, broadcasting. Stops the gradient.
    pub fn less(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Less }, &[a, b])
    }

    /// 1 where `a <= b`, else 0, broadcasting. Stops the gradient.
    pub fn less_equal(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: LessEqual }, &[a, b])
    }
}

impl Op for Binary {
    fn name(&self) -> &'static str {
        "binary"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "a", DType::F32)?;
        expect_type(cx, 1, "b", DType::F32)?;
        Ok(vec![Spec::f32(cx.shape(0).broadcast(cx.shape(1))?)])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn differentiable(&self) -> bool {
        !self.op.compares()
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let (a, b, d_y) = (at.inputs[0], at.inputs[1], at.d_y());
        let like = |g: &Graph, t: TensorId| g.spec(t).shape.clone();
        let mut sides = [None, None];
        for side in 0..2 {
            if !at.needs[side] {
                continue;
            }
            let full = match (self.op, side) {
                (Equal | Less | LessEqual | Share, _) => continue,
                (Add, _) | (Sub, 0) => d_y,
                (Sub, _) => g.affine(d_y, -1.0, 0.0)?,
                (Mul, 0) => g.mul(d_y, b)?,
                (Mul, _) => g.mul(d_y, a)?,
                (Div, 0) => g.div(d_y, b)?,
                (Div, _) => {
                    let d_a = g.div(d_y, b)?;
                    let d_b = g.mul(d_a, at.outputs[0])?;
                    g.affine(d_b, -1.0, 0.0)?
                }
                (Maximum, side) | (Minimum, side) => {
                    let (first, second) = if (self.op == Maximum) == (side == 0) { (a, b) } else { (b, a) };
                    let share = g.push1(Binary { op: Share }, &[first, second])?;
                    g.mul(d_y, share)?
                }
                (Power, side) => {
                    let slope = power_slope(g, side, a, b, at.outputs[0])?;
                    g.mul(d_y, slope)?
                }
                (Modulo | Fmod, 0) => d_y,
                (Modulo | Fmod, _) => {
                    let whole = g.sub(a, at.outputs[0])?;
                    let quotient = g.div(whole, b)?;
                    let quotient = g.round(quotient)?;
                    let d_b = g.mul(d_y, quotient)?;
                    g.affine(d_b, -1.0, 0.0)?
                }
            };
            let shape = like(g, at.inputs[side]);
            sides[side] = Some(g.sum_to(full, shape)?);
        }
        Ok(sides.to_vec())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let (a, b, y) = (&cx.inputs[0].shape, &cx.inputs[1].shape, &cx.outputs[0].shape);
        let n = y.elements();
        let strides = |s: &Shape| at_least_one(&s.broadcast_strides(y), 0);
        let kernel = |entry| {
            let k = Kernel::new(&SHADER, entry).set("N", n);
            let k = k.constant("RANK", y.rank().max(1)).array("DIMS", &at_least_one(y, 1));
            let k = k.array("STRIDES_A", &strides(a)).array("STRIDES_B", &strides(b));
            let includes: String = self.fragments().iter().map(|f| format!("// include: {f}\n")).collect();
            let operands = ["a".to_string(), "b".to_string()];
            let one = format!("fn apply(a: f32, b: f32) -> f32 {{ return {}; }}", self.wgsl(&operands));
            let four = self.wgsl4(&operands);
            let four = format!("fn apply4(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {{ return {four}; }}");
            k.line("apply", format!("{includes}{one}\n{four}"))
        };
        let d = if a == y && b == y && n.is_multiple_of(4) {
            kernel("same4").dispatch_1d(n / 4, WG).input("a4", 0).input("b4", 1).put4(&cx.store)
        } else {
            kernel("broadcast").dispatch_1d(n, WG).input("a", 0).input("b", 1).put(&cx.store)
        };
        Ok(Lowered::one(d))
    }

    fn pointwise(&self) -> Option<&dyn Pointwise> {
        Some(self)
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

/// A scalar has no axes; the shader needs one.
fn at_least_one(list: &[usize], filler: usize) -> Vec<usize> {
    if list.is_empty() { vec![filler] } else { list.to_vec() }
}

/// The slope of `y = a^b` by `a`, for side 0, or by `b`.
fn power_slope(g: &mut Graph, side: usize, a: TensorId, b: TensorId, y: TensorId) -> Result<TensorId> {
    let zero = g.constant(HostTensor::f32([], vec![0.0]));
    if side == 0 {
        let less = g.affine(b, 1.0, -1.0)?;
        let power = g.power(a, less)?;
        let slope = g.mul(b, power)?;
        return g.select(b, slope, zero);
    }
    let ln = g.ln(a)?;
    let slope = g.mul(y, ln)?;
    let flat = g.not(a)?;
    let not_negative = g.less_equal(zero, b)?;
    let flat = g.mul(flat, not_negative)?;
    g.select(flat, zero, slope)
}

/// `$apply!` with the arithmetic as a function of two elements.
macro_rules! for_each_arithmetic {
    ($op:expr, $apply:ident) => {
        match $op {
            Add => $apply!(|a: T, b: T| a + b),
            Sub => $apply!(|a: T, b: T| a - b),
            Mul => $apply!(|a: T, b: T| a * b),
            Div => $apply!(|a: T, b: T| a / b),
            Equal => $apply!(|a: T, b: T| one_if(a == b)),
            Maximum => $apply!(|a: T, b: T| if b > a || b.is_nan() { b } else { a }),
            Minimum => $apply!(|a: T, b: T| if b < a || b.is_nan() { b } else { a }),
            Power => $apply!(|a: T, b: T| a.powf(b)),
            Modulo => $apply!(modulo),
            Fmod => $apply!(|a: T, b: T| a.rem(b)),
            Less => $apply!(|a: T, b: T| one_if(a < b)),
            LessEqual => $apply!(|a: T, b: T| one_if(a <= b)),
            Share => $apply!(|a: T, b: T| if a < b {
                T::ZERO
            } else if a == b {
                T::of(0.5)
            } else {
                T::ONE
            }),
        }
    };
}

#[inline(always)]
fn one_if<T: Real>(yes: bool) -> T {
    if yes { T::ONE } else { T::ZERO }
}

/// What is left of `a / b`, with the sign of `b`.
fn modulo<T: Real>(a: T, b: T) -> T {
    let r = a.rem(b);
    if r != T::ZERO && (r < T::ZERO) != (b < T::ZERO) { r + b } else { r }
}

impl Reference for Binary {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        macro_rules! apply {
            ($f:expr) => {
                zip(io, $f)
            };
        }
        for_each_arithmetic!(self.op, apply);
    }
}

impl Elementwise for Binary {
    fn elements<T: Real>(&self, at: &Stretch<T>, y: &mut [T]) {
        let (a, b) = (at.x[0], at.x[1]);
        macro_rules! apply {
            ($f:expr) => {
                parallel::vectorised(
                    #[inline(always)]
                    || {
                        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
                            *y = $f(a, b);
                        }
                    },
                )
            };
        }
        for_each_arithmetic!(self.op, apply);
    }
}

impl Pointwise for Binary {
    fn label(&self) -> String {
        if self.op == LessEqual { "less_equal".into() } else { format!("{:?}", self.op).to_lowercase() }
    }

    fn fragments(&self) -> &'static [&'static str] {
        match self.op {
            Maximum | Minimum | Power | Modulo | Fmod | Share => &["lib/arithmetic"],
            _ => &[],
        }
    }

    fn wgsl(&self, x: &[String]) -> String {
        let (a, b) = (&x[0], &x[1]);
        match self.op {
            Add => format!("{a} + {b}"),
            Sub => format!("{a} - {b}"),
            Mul => format!("{a} * {b}"),
            Div => format!("{a} / {b}"),
            Equal => format!("select(0.0, 1.0, {a} == {b})"),
            Maximum => format!("larger_of({a}, {b})"),
            Minimum => format!("smaller_of({a}, {b})"),
            Power => format!("power_of({a}, {b})"),
            Modulo => format!("modulo_of({a}, {b})"),
            Fmod => format!("remainder_of({a}, {b})"),
            Less => format!("select(0.0, 1.0, {a} < {b})"),
            LessEqual => format!("select(0.0, 1.0, {a} <= {b})"),
            Share => format!("share_of({a}, {b})"),
        }
    }
}

fn zip<T: Real>(io: &mut Io<T>, f: impl Fn(T, T) -> T + Sync) {
    let (a, b) = (io.x(0), io.x(1));
    let shape = io.y_shape(0).clone();
    if *io.shape(0) == shape && *io.shape(1) == shape {
        return parallel::chunks(io.y(0), |start, y| {
            for (i, y) in y.iter_mut().enumerate() {
                *y = f(a[start + i], b[start + i]);
            }
        });
    }
    let strides = (io.shape(0).broadcast_strides(&shape), io.shape(1).broadcast_strides(&shape));
    let row = shape.last().copied().unwrap_or(1);
    let (step_a, step_b) = (strides.0.last().copied().unwrap_or(0), strides.1.last().copied().unwrap_or(0));
    parallel::rows(io.y(0), row, |r, y| {
        let (mut at_a, mut at_b, mut rest) = (0, 0, r);
        for axis in (0..shape.rank().saturating_sub(1)).rev() {
            at_a += rest % shape[axis] * strides.0[axis];
            at_b += rest % shape[axis] * strides.1[axis];
            rest /= shape[axis];
        }
        for (i, y) in y.iter_mut().enumerate() {
            *y = f(a[at_a + i * step_a], b[at_b + i * step_b]);
        }
    });
}
