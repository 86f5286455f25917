//! Elementwise arithmetic on two tensors that broadcast as in NumPy.
//!
//! Gradients, each summed over the axes that were stretched:
//! add: `d_a = d_y`, `d_b = d_y`; sub: `d_b = -d_y`; mul: `d_a = d_y b`,
//! `d_b = d_y a`; div: `d_a = d_y / b`, `d_b = -d_a y`.
//! `equal` gives 1 or 0 and stops the gradient.

use crate::error::Result;
use crate::graph::{
    Backward, Case, Cost, Elementwise, Fill, Graph, Infer, Io, Lower, Op, Pointwise, Reference, Stretch, TensorId,
};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Shape, Spec, parallel};

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
        self.push1(Binary { op: Arithmetic::Add }, &[a, b])
    }

    /// `a - b`, broadcasting.
    pub fn sub(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Arithmetic::Sub }, &[a, b])
    }

    /// `a * b`, broadcasting.
    pub fn mul(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Arithmetic::Mul }, &[a, b])
    }

    /// `a / b`, broadcasting.
    pub fn div(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Arithmetic::Div }, &[a, b])
    }

    /// 1 where `a == b`, else 0, broadcasting. Has no gradient.
    pub fn equal(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Binary { op: Arithmetic::Equal }, &[a, b])
    }
}

impl Op for Binary {
    fn name(&self) -> &'static str {
        "binary"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        Ok(vec![Spec::f32(cx.shape(0).broadcast(cx.shape(1))?)])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
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
                (Arithmetic::Equal, _) => continue,
                (Arithmetic::Add, _) | (Arithmetic::Sub, 0) => d_y,
                (Arithmetic::Sub, _) => g.affine(d_y, -1.0, 0.0)?,
                (Arithmetic::Mul, 0) => g.mul(d_y, b)?,
                (Arithmetic::Mul, _) => g.mul(d_y, a)?,
                (Arithmetic::Div, 0) => g.div(d_y, b)?,
                (Arithmetic::Div, _) => {
                    let d_a = g.div(d_y, b)?;
                    let d_b = g.mul(d_a, at.outputs[0])?;
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
            let k = Kernel::new(&SHADER, entry).set("N", n).set("OP", self.op as usize);
            let k = k.constant("RANK", y.rank().max(1)).array("DIMS", &at_least_one(y, 1));
            k.array("STRIDES_A", &strides(a)).array("STRIDES_B", &strides(b))
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

impl Reference for Binary {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        match self.op {
            Arithmetic::Add => zip(io, |a, b| a + b),
            Arithmetic::Sub => zip(io, |a, b| a - b),
            Arithmetic::Mul => zip(io, |a, b| a * b),
            Arithmetic::Div => zip(io, |a, b| a / b),
            Arithmetic::Equal => zip(io, |a, b| if a == b { T::ONE } else { T::ZERO }),
        }
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
        match self.op {
            Arithmetic::Add => apply!(|a: T, b: T| a + b),
            Arithmetic::Sub => apply!(|a: T, b: T| a - b),
            Arithmetic::Mul => apply!(|a: T, b: T| a * b),
            Arithmetic::Div => apply!(|a: T, b: T| a / b),
            Arithmetic::Equal => apply!(|a: T, b: T| if a == b { T::ONE } else { T::ZERO }),
        }
    }
}

impl Pointwise for Binary {
    fn label(&self) -> String {
        format!("{:?}", self.op).to_lowercase()
    }

    fn fragments(&self) -> &'static [&'static str] {
        &[]
    }

    fn wgsl(&self, x: &[String]) -> String {
        let (a, b) = (&x[0], &x[1]);
        match self.op {
            Arithmetic::Add => format!("{a} + {b}"),
            Arithmetic::Sub => format!("{a} - {b}"),
            Arithmetic::Mul => format!("{a} * {b}"),
            Arithmetic::Div => format!("{a} / {b}"),
            Arithmetic::Equal => format!("select(0.0, 1.0, {a} == {b})"),
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

/// Every operation, and every way in which shapes can stretch.
pub fn cases() -> Vec<Case> {
    use Arithmetic::*;
    let case = |name: String, op, a: Shape, b: Shape| {
        let divisor = if op == Div { Fill::Uniform(0.5, 2.0) } else { Fill::Normal(1.0) };
        let reduction = a.broadcast(&b).expect("cases broadcast").elements();
        let inputs = vec![(Spec::f32(a), Fill::Normal(1.0)), (Spec::f32(b), divisor)];
        Case::new(name, inputs, move |g, x| Ok(vec![g.push1(Binary { op }, &[x[0], x[1]])?]))
            .reduction(reduction)
            .extra(4.0, "WGSL allows division 2.5 ulp")
    };
    let mut cases = vec![];
    for op in [Add, Sub, Mul, Div] {
        let name = |what: &str| format!("binary/{}_{what}", format!("{op:?}").to_lowercase());
        cases.push(case(name("same4"), op, [4, 33].into(), [4, 33].into()));
        cases.push(case(name("same_odd"), op, [5, 13].into(), [5, 13].into()));
        cases.push(case(name("row"), op, [7, 13].into(), [13].into()));
        cases.push(case(name("both_stretch"), op, [3, 1, 5].into(), [4, 1].into()));
    }
    cases.push(case("binary/mul_scalar".into(), Mul, [65].into(), Vec::new().into()));
    cases.push(case("binary/add_scalars".into(), Add, Vec::new().into(), Vec::new().into()));
    cases.push(case("binary/add_channel".into(), Add, [2, 3, 4, 5].into(), [3, 1, 1].into()));
    cases.push(case("binary/mul_rank6".into(), Mul, [2, 1, 3, 1, 2, 3].into(), [1, 2, 3, 2, 1, 3].into()));
    cases.push(case("binary/add_one".into(), Add, [1].into(), [1].into()));
    cases.push(
        case("binary/add_grid_overflow".into(), Add, [65_536 * 64 + 1].into(), [1].into()).no_gradient().reduction(1),
    );
    let ties = Fill::Values(vec![1.0, 2.0, 3.0, 4.0]);
    let other = Fill::Values(vec![1.0, 0.0, 3.0, -4.0]);
    cases.push(
        Case::new("binary/equal", vec![(Spec::f32([4]), ties), (Spec::f32([4]), other)], |g, x| {
            Ok(vec![g.equal(x[0], x[1])?])
        })
        .no_gradient(),
    );
    cases
}
