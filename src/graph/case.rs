//! One row of an op's case table. One table drives the tests, the gradient
//! check, the benches and `wgrad doctor`.

use super::{Graph, Seed, TensorId, gradient};
use crate::error::Result;
use crate::tensor::random::{Random, stream};
use crate::tensor::{HostTensor, Spec};
use std::sync::Arc;

/// How the elements of a case's input are drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Fill {
    /// Normal numbers of this standard deviation.
    Normal(f32),
    /// Uniform in [low, high).
    Uniform(f32, f32),
    /// Distinct multiples of a step in random order, centred at zero: no two
    /// elements tie and none lies within half a step of zero, so kinks are
    /// never straddled by a finite difference.
    Distinct(f32),
    /// Integers below the bound.
    Below(u32),
    /// These floats.
    Values(Vec<f32>),
    /// These integers.
    Indices(Vec<u32>),
}

impl Fill {
    /// The elements for a spec, the same for the same seed.
    pub fn draw(&self, spec: &Spec, seed: u32) -> HostTensor {
        let n = spec.elements();
        let mut r = Random::new(seed, stream::CASES);
        let shape = spec.shape.clone();
        match self {
            Fill::Normal(std) => HostTensor::f32(shape, (0..n).map(|_| std * r.normal()).collect()),
            Fill::Uniform(a, b) => HostTensor::f32(shape, (0..n).map(|_| r.uniform(*a, *b)).collect()),
            Fill::Distinct(step) => {
                let mut v: Vec<f32> = (0..n).map(|i| (i as f32 - (n / 2) as f32 + 0.5) * step).collect();
                r.shuffle(&mut v);
                HostTensor::f32(shape, v)
            }
            Fill::Below(bound) => HostTensor::u32(shape, (0..n).map(|_| r.below(*bound)).collect()),
            Fill::Values(v) => HostTensor::f32(shape, v.clone()),
            Fill::Indices(v) => HostTensor::u32(shape, v.clone()),
        }
    }
}

/// Adds the op under test to a graph, given its inputs; returns what to compare.
pub type Build = Arc<dyn Fn(&mut Graph, &[TensorId]) -> Result<Vec<TensorId>> + Send + Sync>;

/// `y` and, as outputs, the gradients of `x` for the cotangent 1, 2, 3, ..: for
/// kinks and ties, which finite differences cannot see.
pub(crate) fn with_gradients(g: &mut Graph, y: TensorId, x: &[TensorId]) -> Result<Vec<TensorId>> {
    let spec = g.spec(y).clone();
    let cotangent = (1..=spec.elements()).map(|i| i as f32).collect();
    let cotangent = g.constant(HostTensor::f32(spec.shape, cotangent));
    let seed = Seed { tensor: y, gradient: cotangent };
    Ok([vec![y], gradient(g, &[seed], x)?].concat())
}

/// An op on inputs of given shapes and ranges.
#[derive(Clone)]
pub struct Case {
    /// `op/what is special about it`; unique.
    pub name: String,
    /// The inputs' specs and how to fill them.
    pub inputs: Vec<(Spec, Fill)>,
    /// Builds the op.
    pub build: Build,
    /// Whether float inputs have gradients to check.
    pub gradient: bool,
    /// Whether plans may fuse its ops. Most cases are about one op, whose own
    /// kernel has to run.
    pub fused: bool,
    /// The longest sum behind one output or gradient element; the tolerance
    /// follows from it.
    pub reduction: usize,
    /// Extra units in the last place that the op's own functions may cost
    /// (exp, tanh, division), from WGSL's accuracy table, with the reason.
    pub extra: Option<(f64, &'static str)>,
}

impl Case {
    /// A case with gradients; `reduction` 1.
    pub fn new(
        name: impl Into<String>,
        inputs: Vec<(Spec, Fill)>,
        build: impl Fn(&mut Graph, &[TensorId]) -> Result<Vec<TensorId>> + Send + Sync + 'static,
    ) -> Case {
        Case {
            name: name.into(),
            inputs,
            build: Arc::new(build),
            gradient: true,
            fused: false,
            reduction: 1,
            extra: None,
        }
    }

    /// The case is about ops that plans fuse.
    pub fn fused(mut self) -> Case {
        self.fused = true;
        self
    }

    /// The op has no gradient to check.
    pub fn no_gradient(mut self) -> Case {
        self.gradient = false;
        self
    }

    /// Declares the longest sum.
    pub fn reduction(mut self, n: usize) -> Case {
        self.reduction = n.max(1);
        self
    }

    /// Allows more units in the last place, for a reason.
    pub fn extra(mut self, ulps: f64, reason: &'static str) -> Case {
        self.extra = Some((ulps, reason));
        self
    }
}
