//! Elementwise functions of one tensor: `y = f(x)`, any shape.
//!
//! Gradient: `d_x = d_y * f'`, where `f'` is taken at `x` or, where that is
//! exact and saves keeping `x`, computed from `y`: sigmoid' = y (1 - y),
//! tanh' = 1 - y^2, exp' = y, relu' = [y > 0].
//! At a kink the derivative is PyTorch's: relu'(0) = 0, abs'(0) = 0, clip' = 1 at
//! both bounds, hard_sigmoid' = 0 where it meets 0 and 1. What is constant in
//! pieces (ceil, floor, round, trunc, sign) has the gradient zero; what answers a
//! question with 1 or 0 (is_nan, is_inf, not) stops the gradient.
//!
//! NaN stays NaN, but for the questions and for thresholds that it does not pass
//! (thresholded_relu, shrink).
//!
//! Sources: GELU, Hendrycks and Gimpel, arXiv:1606.08415; SiLU, Elfwing et al.,
//! arXiv:1702.03118; ELU, Clevert et al., arXiv:1511.07289; hard-swish, Howard
//! et al., arXiv:1905.02244; Mish, Misra, arXiv:1908.08681; CELU, Barron,
//! arXiv:1704.07483; softsign, Turian et al. 2009; the rest as in ONNX.

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
            Reciprocal => $call!(Reciprocal),
            HardSigmoid(a, b) => $call!(HardSigmoid(a, b)),
            Clip(low, high) => $call!(Clip(low, high)),
            // The rarer ones choose for each element.
            rare => $call!(rare),
        }
    };
}

mod cases;
mod elementary;
mod function;
mod methods;
mod stage;

use super::expect::expect_type;
use crate::error::{Error, Result};
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Pointwise, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, HostTensor, Real, Spec, parallel};
use Function::*;

pub use cases::cases;
pub use function::Function;

static SHADER: Shader = shader!("unary");

/// Invocations per workgroup.
const WG: usize = 64;

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
        expect_type(cx, 0, "x", DType::F32)?;
        if let Some(mistake) = self.function.mistake() {
            return Err(Error::model(mistake));
        }
        Ok(vec![Spec::f32(cx.shape(0).clone())])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn differentiable(&self) -> bool {
        !self.function.answers()
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        if let Affine(a, _) = self.function {
            return Ok(vec![Some(g.affine(at.d_y(), a, 0.0)?)]);
        }
        if self.function.constant_in_pieces() {
            let zero = g.constant(HostTensor::f32([], vec![0.0]));
            let shape = g.spec(at.inputs[0]).shape.clone();
            return Ok(vec![Some(g.expand(zero, shape)?)]);
        }
        if self.function.answers() {
            return Ok(vec![None]);
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
    let k = k.real("A", a.into()).real("B", b.into());
    let name = function.wgsl_name();
    let includes: String = function.fragments().iter().map(|f| format!("// include: {f}\n")).collect();
    let value = format!("fn value(v: f32) -> f32 {{ return {name}(FUNCTION, A, B, v); }}");
    let slope = format!("fn slope(s: f32) -> f32 {{ return {name}_slope(FUNCTION, A, B, s); }}");
    k.line("value", format!("{includes}{value}\n{slope}"))
}
