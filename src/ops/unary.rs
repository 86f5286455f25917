//! Elementwise functions of one tensor: `y = f(x)`, any shape.
//!
//! Gradient: `d_x = d_y * f'`, where `f'` is taken at `x` or, where that is
//! exact and saves keeping `x`, computed from `y`: sigmoid' = y (1 - y),
//! tanh' = 1 - y^2, exp' = y, relu' = [y > 0].
//! At a kink the derivative is PyTorch's: relu'(0) = 0, abs'(0) = 0.
//!
//! Sources: GELU, Hendrycks and Gimpel, arXiv:1606.08415; SiLU, Elfwing et al.,
//! arXiv:1702.03118; ELU, Clevert et al., arXiv:1511.07289; hard-swish, Howard
//! et al., arXiv:1905.02244.

/// `$call!` with the function, known when it is compiled, so that the loop
/// around it has no choice left and vectorises.
macro_rules! for_each_function {
    ($function:expr, $call:ident) => {
        match $function {
            Relu => $call!(Relu),
            LeakyRelu(a) => $call!(LeakyRelu(a)),
            Elu(a) => $call!(Elu(a)),
            Gelu => $call!(Gelu),
            GeluTanh => $call!(GeluTanh),
            Silu => $call!(Silu),
            Sigmoid => $call!(Sigmoid),
            Tanh => $call!(Tanh),
            Softplus => $call!(Softplus),
            HardSwish => $call!(HardSwish),
            Exp => $call!(Exp),
            Ln => $call!(Ln),
            Sqrt => $call!(Sqrt),
            Square => $call!(Square),
            Abs => $call!(Abs),
            Affine(a, b) => $call!(Affine(a, b)),
        }
    };
}

mod stage;

mod methods;

use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Pointwise, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec, parallel};
use Function::*;

static SHADER: Shader = shader!("unary");

/// Invocations per workgroup.
const WG: usize = 64;

/// The function applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// `x` above zero, `slope * x` below.
    LeakyRelu(f32),
    /// `x` above zero, `alpha * (e^x - 1)` below.
    Elu(f32),
    /// `x * Phi(x)`, with the exact normal distribution function.
    Gelu,
    /// `x/2 * (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
    GeluTanh,
    /// `x * sigmoid(x)`.
    Silu,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `ln(1 + e^x)`.
    Softplus,
    /// `x * clamp(x + 3, 0, 6) / 6`.
    HardSwish,
    /// `e^x`.
    Exp,
    /// Natural logarithm.
    Ln,
    /// Square root.
    Sqrt,
    /// `x * x`.
    Square,
    /// `|x|`.
    Abs,
    /// `a * x + b`.
    Affine(f32, f32),
}

impl Function {
    /// The value of `FUNCTION` in the shader.
    fn code(self) -> usize {
        match self {
            Relu => 0,
            LeakyRelu(_) => 1,
            Elu(_) => 2,
            Gelu => 3,
            GeluTanh => 4,
            Silu => 5,
            Sigmoid => 6,
            Tanh => 7,
            Softplus => 8,
            HardSwish => 9,
            Exp => 10,
            Ln => 11,
            Sqrt => 12,
            Square => 13,
            Abs => 14,
            Affine(..) => 15,
        }
    }

    /// The constants `A` and `B` of the shader.
    fn constants(self) -> (f32, f32) {
        match self {
            LeakyRelu(a) | Elu(a) => (a, 0.0),
            Affine(a, b) => (a, b),
            _ => (0.0, 0.0),
        }
    }

    /// What the backward pass keeps: the output where the derivative follows
    /// from it, else the input.
    fn saves_output(self) -> bool {
        match self {
            Relu | Sigmoid | Tanh | Exp | Sqrt => true,
            // Below zero the sign of the input must survive in the output.
            LeakyRelu(slope) => slope > 0.0,
            _ => false,
        }
    }

    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let half = T::of(0.5);
        match self {
            Relu => {
                if x <= T::ZERO {
                    T::ZERO
                } else {
                    x
                }
            }
            LeakyRelu(slope) => {
                if x <= T::ZERO {
                    T::of(slope.into()) * x
                } else {
                    x
                }
            }
            Elu(alpha) => {
                if x <= T::ZERO {
                    T::of(alpha.into()) * x.exp_m1()
                } else {
                    x
                }
            }
            Gelu => half * x * (T::ONE + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf()),
            GeluTanh => half * x * (T::ONE + gelu_inner(x).tanh()),
            Silu => x * sigmoid(x),
            Sigmoid => sigmoid(x),
            Tanh => x.tanh(),
            Softplus => x.max(T::ZERO) + (-x.abs()).exp().ln_1p(),
            HardSwish => x * (x + T::of(3.0)).max(T::ZERO).min(T::of(6.0)) / T::of(6.0),
            Exp => x.exp(),
            Ln => x.ln(),
            Sqrt => x.sqrt(),
            Square => x * x,
            Abs => x.abs(),
            Affine(a, b) => T::of(a.into()) * x + T::of(b.into()),
        }
    }

    /// `d_y f'`. Where relu is flat, not even infinity gets through.
    #[inline(always)]
    fn pull<T: Real>(self, s: T, d_y: T) -> T {
        match self {
            Relu if s > T::ZERO => d_y,
            Relu => T::ZERO,
            _ => d_y * self.slope(s),
        }
    }

    /// The derivative; `s` is what [`Function::saves_output`] says.
    #[inline(always)]
    fn slope<T: Real>(self, s: T) -> T {
        let step = |on: bool| if on { T::ONE } else { T::ZERO };
        match self {
            Relu => step(s > T::ZERO),
            LeakyRelu(slope) => {
                if s > T::ZERO {
                    T::ONE
                } else {
                    T::of(slope.into())
                }
            }
            Elu(alpha) => {
                if s > T::ZERO {
                    T::ONE
                } else {
                    T::of(alpha.into()) * s.exp()
                }
            }
            Gelu => {
                let density = (-s * s * T::of(0.5)).exp() * T::of(1.0 / (2.0 * std::f64::consts::PI).sqrt());
                T::of(0.5) * (T::ONE + (s * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf()) + s * density
            }
            GeluTanh => {
                let t = gelu_inner(s).tanh();
                let inner = T::of(GELU_C) * (T::ONE + T::of(3.0 * GELU_CUBE) * s * s);
                T::of(0.5) * (T::ONE + t) + T::of(0.5) * s * (T::ONE - t * t) * inner
            }
            Silu => {
                let y = sigmoid(s);
                y * (T::ONE + s * (T::ONE - y))
            }
            Sigmoid => s * (T::ONE - s),
            Tanh => T::ONE - s * s,
            Softplus => sigmoid(s),
            HardSwish => {
                if s <= T::of(-3.0) {
                    T::ZERO
                } else if s >= T::of(3.0) {
                    T::ONE
                } else {
                    s / T::of(3.0) + T::of(0.5)
                }
            }
            Exp => s,
            Ln => T::ONE / s,
            Sqrt => T::of(0.5) / s,
            Square => T::of(2.0) * s,
            Abs => step(s > T::ZERO) - step(s < T::ZERO),
            Affine(a, _) => T::of(a.into()),
        }
    }
}

/// sqrt(2 / pi), and the cube's factor, of the tanh form of GELU.
const GELU_C: f64 = 0.797_884_560_802_865_4;
const GELU_CUBE: f64 = 0.044_715;

#[inline(always)]
fn gelu_inner<T: Real>(x: T) -> T {
    T::of(GELU_C) * (x + T::of(GELU_CUBE) * x * x * x)
}

/// Never computes the exponential of a positive number.
#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    let e = (-x.abs()).exp();
    (if x < T::ZERO { e } else { T::ONE }) / (T::ONE + e)
}

/// `y = f(x)`.
#[derive(Debug, Clone, Copy)]
pub struct Unary {
    /// The function.
    pub function: Function,
}

/// `d_x = d_y * f'`, from what the function saves and `d_y`.
#[derive(Debug, Clone, Copy)]
pub struct UnaryGrad {
    /// The function.
    pub function: Function,
}

impl Graph {
    /// Applies an elementwise function.
    pub fn unary(&mut self, function: Function, x: TensorId) -> Result<TensorId> {
        self.push1(Unary { function }, &[x])
    }

    /// `a * x + b` with constants.
    pub fn affine(&mut self, x: TensorId, a: f32, b: f32) -> Result<TensorId> {
        self.unary(Affine(a, b), x)
    }

    /// The same elements in a tensor of its own.
    pub fn copy(&mut self, x: TensorId) -> Result<TensorId> {
        self.affine(x, 1.0, 0.0)
    }
}

impl Op for Unary {
    fn name(&self) -> &'static str {
        "unary"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        Ok(vec![Spec::f32(cx.shape(0).clone())])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        if let Affine(a, _) = self.function {
            return Ok(vec![Some(g.affine(at.d_y(), a, 0.0)?)]);
        }
        let saved = if self.function.saves_output() { at.outputs[0] } else { at.inputs[0] };
        Ok(vec![Some(g.push1(UnaryGrad { function: self.function }, &[saved, at.d_y()])?)])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let n = cx.outputs[0].elements();
        Ok(Lowered::one(if vectorised(cx) {
            kernel(self.function, "forward4", cx).dispatch_1d(n / 4, WG).input("x4", 0).put4(&cx.store)
        } else {
            kernel(self.function, "forward", cx).dispatch_1d(n, WG).input("x", 0).put(&cx.store)
        }))
    }

    fn pointwise(&self) -> Option<&dyn Pointwise> {
        self.function.finite().then_some(self)
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Unary {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let x = io.x(0);
        macro_rules! apply {
            ($function:expr) => {
                parallel::chunks(
                    io.y(0),
                    #[inline(always)]
                    |start, y| {
                        for (y, &x) in y.iter_mut().zip(&x[start..]) {
                            *y = $function.value(x);
                        }
                    },
                )
            };
        }
        for_each_function!(self.function, apply);
    }
}

impl Op for UnaryGrad {
    fn name(&self) -> &'static str {
        "unary_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        cx.expect(1, "d_y", cx.shape(0).clone())?;
        Ok(vec![Spec::f32(cx.shape(0).clone())])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let n = cx.outputs[0].elements();
        Ok(Lowered::one(if vectorised(cx) {
            let d = kernel(self.function, "backward4", cx).dispatch_1d(n / 4, WG);
            d.input("x4", 0).input("d_y4", 1).put4(&cx.store)
        } else {
            let d = kernel(self.function, "backward", cx).dispatch_1d(n, WG);
            d.input("x", 0).input("d_y", 1).put(&cx.store)
        }))
    }

    fn pointwise(&self) -> Option<&dyn Pointwise> {
        self.function.finite().then_some(self)
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 2 * cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for UnaryGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (saved, d_y) = (io.x(0), io.x(1));
        macro_rules! apply {
            ($function:expr) => {
                parallel::chunks(
                    io.y(0),
                    #[inline(always)]
                    |start, d_x| {
                        for ((d_x, &s), &d_y) in d_x.iter_mut().zip(&saved[start..]).zip(&d_y[start..]) {
                            *d_x = $function.pull(s, d_y);
                        }
                    },
                )
            };
        }
        for_each_function!(self.function, apply);
    }
}

fn vectorised(cx: &Lower) -> bool {
    cx.outputs[0].elements().is_multiple_of(4)
}

fn kernel(function: Function, entry: &'static str, cx: &Lower) -> Kernel {
    let (a, b) = function.constants();
    let n = cx.outputs[0].elements();
    let k = Kernel::new(&SHADER, entry).set("N", n).set("FUNCTION", function.code());
    k.real("A", a.into()).real("B", b.into())
}

/// Every function over values on both sides of its kinks, and the shapes that
/// break index arithmetic.
pub fn cases() -> Vec<Case> {
    let functions = [
        ("relu", Relu),
        ("leaky_relu", LeakyRelu(0.01)),
        ("leaky_relu_negative_slope", LeakyRelu(-0.2)),
        ("elu", Elu(1.3)),
        ("gelu", Gelu),
        ("gelu_tanh", GeluTanh),
        ("silu", Silu),
        ("sigmoid", Sigmoid),
        ("tanh", Tanh),
        ("softplus", Softplus),
        ("hard_swish", HardSwish),
        ("exp", Exp),
        ("ln", Ln),
        ("sqrt", Sqrt),
        ("square", Square),
        ("abs", Abs),
        ("affine", Affine(-1.5, 0.25)),
    ];
    let case = |name: String, f: Function, shape: Vec<usize>| {
        let fill = match f {
            Ln | Sqrt => Fill::Uniform(0.1, 4.0),
            Relu | LeakyRelu(_) | Elu(_) | Abs | HardSwish => Fill::Distinct(0.037),
            _ => Fill::Normal(2.0),
        };
        Case::new(name, vec![(Spec::f32(shape), fill)], move |g, x| Ok(vec![g.unary(f, x[0])?]))
            .extra(64.0, "WGSL allows exp 3 + 2|x| ulp and derives tanh from it")
    };
    let mut cases: Vec<Case> =
        functions.iter().map(|(name, f)| case(format!("unary/{name}"), *f, vec![3, 37])).collect();
    for (name, shape) in
        [("one", vec![1]), ("wg", vec![64]), ("wg+1", vec![65]), ("vec4", vec![5, 8]), ("rank4", vec![2, 3, 5, 4])]
    {
        cases.push(case(format!("unary/relu_{name}"), Relu, shape));
    }
    // More than 65,535 workgroups of 64 invocations, one element each.
    cases.push(case("unary/square_grid_overflow".into(), Square, vec![65_536 * 64 + 1]));
    // Far out, where a careless exponential overflows.
    for (name, f) in
        [("sigmoid", Sigmoid), ("softplus", Softplus), ("tanh", Tanh), ("silu", Silu), ("gelu_tanh", GeluTanh)]
    {
        let far = Fill::Values(vec![-200.0, -90.0, -30.0, -10.0, 0.0, 10.0, 30.0, 90.0, 200.0]);
        let build = move |g: &mut Graph, x: &[TensorId]| Ok(vec![g.unary(f, x[0])?]);
        cases.push(
            Case::new(format!("unary/{name}_far_out"), vec![(Spec::f32([9]), far)], build)
                .extra(512.0, "WGSL allows exp 3 + 2|x| ulp, and |x| reaches 200 here"),
        );
    }
    cases
}
