//! The same elements under another shape: no work, no memory.
//!
//! Gradient: the gradient under the input's shape.

use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::Lowered;
use crate::tensor::{Real, Shape, Spec};

/// `y` is `x` with axes `shape`.
#[derive(Debug, Clone)]
pub struct Reshape {
    /// The new axis lengths.
    pub shape: Shape,
}

impl Graph {
    /// The elements of `x` under another shape of as many elements.
    pub fn reshape(&mut self, x: TensorId, shape: impl Into<Shape>) -> Result<TensorId> {
        self.push1(Reshape { shape: shape.into() }, &[x])
    }

    /// Keeps the first axis and joins the others, in PyTorch's order:
    /// `[N, C, H, W]` to `[N, C H W]`.
    pub fn flatten(&mut self, x: TensorId) -> Result<TensorId> {
        let shape = self.shape(x);
        let n = shape.first().copied().unwrap_or(1);
        let rest = shape.iter().skip(1).product();
        self.reshape(x, [n, rest])
    }
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let x = &cx.inputs[0];
        if x.elements() != self.shape.elements() {
            return Err(Error::model(format!(
                "x has shape {} ({} elements); {} needs {}",
                x.shape,
                x.elements(),
                self.shape,
                self.shape.elements()
            )));
        }
        Ok(vec![Spec { shape: self.shape.clone(), dtype: x.dtype }])
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let shape = g.spec(at.inputs[0]).shape.clone();
        Ok(vec![Some(g.reshape(at.d_y(), shape)?)])
    }

    fn lower(&self, _cx: &Lower) -> Result<Lowered> {
        Ok(Lowered::nothing())
    }

    fn cost(&self, _cx: &Lower) -> Cost {
        Cost::default()
    }

    fn alias(&self) -> bool {
        true
    }
}

impl Reference for Reshape {
    fn reference<T: Real>(&self, _io: &mut Io<T>) {
        unreachable!("the plan makes no step of an alias")
    }
}

/// Reshapes at the start, in the middle and at the end of a graph.
pub fn cases() -> Vec<Case> {
    let x = || (Spec::f32([6, 4]), Fill::Normal(1.0));
    vec![
        Case::new("reshape/middle", vec![x()], |g, x| {
            let a = g.affine(x[0], 2.0, 0.0)?;
            let b = g.reshape(a, [2, 3, 4])?;
            Ok(vec![g.affine(b, 1.0, 1.0)?])
        }),
        Case::new("reshape/output", vec![x()], |g, x| {
            let a = g.affine(x[0], 2.0, 0.0)?;
            Ok(vec![g.reshape(a, [24])?])
        }),
        Case::new("reshape/input", vec![x()], |g, x| {
            let a = g.reshape(x[0], [4, 6])?;
            Ok(vec![g.mul(a, a)?])
        }),
    ]
}
