//! `trait Op`: what every op must say about itself, and nothing else.

use super::pointwise::Pointwise;
use super::{Graph, TensorId};
use crate::error::{Error, Result};
use crate::kernel::{Caps, Lowered, Store, Variant};
use crate::tensor::{Real, Shape, Spec};
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// An op: a shape rule, a gradient rule, a CPU reference and GPU kernels.
/// Implemented in `crate::ops`, one room per op.
pub trait Op: Compute + Any + Debug + Send + Sync {
    /// The op's name: the stem of its room and of its WGSL file.
    fn name(&self) -> &'static str;

    /// The outputs' shapes, or an error that names the tensor and the shapes.
    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>>;

    /// The gradients of the inputs, as graph nodes, one entry per input.
    /// `None` says that an input gets no gradient; where one was needed, that
    /// is an error in the caller, never a silent stop.
    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>>;

    /// The dispatches that compute the op on a device with these capabilities,
    /// in the way that [`Lower::variant`] names.
    fn lower(&self, cx: &Lower) -> Result<Lowered>;

    /// The ways to compute these shapes, the likeliest to be fast first; empty
    /// where there is only one. Which of them a device can run, and which of
    /// those is taken, the plan decides.
    fn variants(&self, _cx: &Lower) -> Vec<Variant> {
        vec![]
    }

    /// Work and traffic, for the roofline.
    fn cost(&self, cx: &Lower) -> Cost;

    /// True when the op is only another view of elements that are already in
    /// place (its output, if any, is the first input under another shape): the
    /// plan makes no step of it.
    fn alias(&self) -> bool {
        false
    }

    /// The op as an elementwise one, if it is: a plan may do its work where its
    /// operand is made.
    fn pointwise(&self) -> Option<&dyn Pointwise> {
        None
    }

    /// Whether `lower` stores the elements of output 0 through
    /// [`Lower::store`], each once, so that `work` can be done on them first.
    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        false
    }

    /// Whether output `i` may be kept in half precision: activations and their
    /// gradients, of which training bears a relative error of 2^-11. Not what
    /// gradients are worked out from with cancellation, such as a softmax's
    /// logarithm, nor losses, statistics, positions or coefficients.
    fn bears_half(&self, _output: usize) -> bool {
        false
    }

    /// For an op that changes state in place: the op that makes the same outputs
    /// from the same inputs and leaves the state alone, if there is one.
    fn again(&self) -> Option<Arc<dyn Op>> {
        None
    }

    /// What a plan has fused behind the op, in order.
    fn followers(&self) -> Vec<String> {
        vec![]
    }
}

/// The CPU version of an op. Written to be compared with the shader and more
/// careful than it; generic, so that the same text judges in f64 and trains in
/// f32.
pub trait Reference {
    /// Computes updates and outputs from the inputs.
    fn reference<T: Real>(&self, io: &mut Io<T>);
}

/// The object-safe face of [`Reference`]; implemented for every one of them.
pub trait Compute {
    /// [`Reference::reference`] in f32.
    fn compute_f32(&self, io: &mut Io<f32>);
    /// [`Reference::reference`] in f64.
    fn compute_f64(&self, io: &mut Io<f64>);
}

impl<R: Reference> Compute for R {
    fn compute_f32(&self, io: &mut Io<f32>) {
        self.reference(io);
    }
    fn compute_f64(&self, io: &mut Io<f64>) {
        self.reference(io);
    }
}

/// What a shape rule sees.
pub struct Infer {
    /// Specs of the inputs.
    pub inputs: Vec<Spec>,
    /// Specs of the tensors written in place.
    pub updates: Vec<Spec>,
}

impl Infer {
    /// The shape of input `i`.
    pub fn shape(&self, i: usize) -> &Shape {
        &self.inputs[i].shape
    }

    /// The axis lengths of input `i`, which must have exactly `N` axes.
    pub fn dims<const N: usize>(&self, i: usize, name: &str) -> Result<[usize; N]> {
        self.shape(i).to_vec().try_into().map_err(|_| {
            let shape = self.shape(i);
            Error::model(format!("{name} has shape {shape}; expected {N} axes, found {}", shape.rank()))
        })
    }

    /// Checks that input `i` has shape `expected`.
    pub fn expect(&self, i: usize, name: &str, expected: impl Into<Shape>) -> Result<()> {
        let (found, expected) = (self.shape(i), expected.into());
        if *found == expected {
            return Ok(());
        }
        Err(Error::model(format!("{name} has shape {found}; expected {expected}")))
    }
}

/// What a gradient rule sees.
pub struct Backward<'a> {
    /// The node's inputs.
    pub inputs: &'a [TensorId],
    /// The node's outputs.
    pub outputs: &'a [TensorId],
    /// The gradient of each output; `None` where nothing depends on it.
    pub d_outputs: &'a [Option<TensorId>],
    /// Whether anybody needs the gradient of each input.
    pub needs: &'a [bool],
}

impl Backward<'_> {
    /// The gradient of the first output. Rules of one-output ops run only when
    /// there is one.
    pub fn d_y(&self) -> TensorId {
        self.d_outputs[0].expect("a gradient rule runs only when an output has a gradient")
    }
}

/// What lowering and costing see.
#[derive(Clone)]
pub struct Lower {
    /// Specs of the inputs.
    pub inputs: Vec<Spec>,
    /// Specs of the tensors written in place.
    pub updates: Vec<Spec>,
    /// Specs of the outputs.
    pub outputs: Vec<Spec>,
    /// The device.
    pub caps: Caps,
    /// Which of the op's variants to lower to; empty where there is only one.
    pub variant: &'static str,
    /// How elements of output 0 are stored, by ops that can host others.
    pub store: Store,
}

impl Lower {
    /// The same for one of the op's variants.
    pub fn with(&self, variant: &'static str) -> Lower {
        Lower { variant, ..self.clone() }
    }

    /// Bytes of all tensors read and written once: the least an op can move.
    pub fn bytes_once(&self) -> u64 {
        let sum = |v: &[Spec]| v.iter().map(|s| s.bytes() as u64).sum::<u64>();
        sum(&self.inputs) + 2 * sum(&self.updates) + sum(&self.outputs)
    }
}

/// Arithmetic and memory traffic of one execution.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations; a fused multiply-add counts two.
    pub flops: u64,
    /// The fewest bytes that must move to and from device memory.
    pub bytes: u64,
}

/// A read-only tensor in a reference.
#[derive(Clone, Copy)]
pub struct View<'a, T> {
    /// Floats (empty for an integer tensor).
    pub real: &'a [T],
    /// Integers (empty for a float tensor).
    pub index: &'a [u32],
    /// Shape and type.
    pub spec: &'a Spec,
}

/// A writable tensor in a reference.
pub struct ViewMut<'a, T> {
    /// Floats (empty for an integer tensor).
    pub real: &'a mut [T],
    /// Integers (empty for a float tensor).
    pub index: &'a mut [u32],
    /// Shape and type.
    pub spec: &'a Spec,
}

/// The tensors a reference reads and writes.
pub struct Io<'a, T> {
    /// Read.
    pub inputs: Vec<View<'a, T>>,
    /// Read and written in place.
    pub updates: Vec<ViewMut<'a, T>>,
    /// Written whole. They hold leftovers or poison, never zeros to rely on.
    pub outputs: Vec<ViewMut<'a, T>>,
}

impl<'a, T> Io<'a, T> {
    /// The floats of input `i`.
    pub fn x(&self, i: usize) -> &'a [T] {
        self.inputs[i].real
    }

    /// The integers of input `i`.
    pub fn x_u32(&self, i: usize) -> &'a [u32] {
        self.inputs[i].index
    }

    /// The axis lengths of input `i`.
    pub fn shape(&self, i: usize) -> &'a Shape {
        &self.inputs[i].spec.shape
    }

    /// The floats of output `i`.
    pub fn y(&mut self, i: usize) -> &mut [T] {
        self.outputs[i].real
    }

    /// The integers of output `i`.
    pub fn y_u32(&mut self, i: usize) -> &mut [u32] {
        self.outputs[i].index
    }

    /// The axis lengths of output `i`.
    pub fn y_shape(&self, i: usize) -> &'a Shape {
        &self.outputs[i].spec.shape
    }
}

/// The node behind [`Graph::pack`]: keeps the parts alive until the flat
/// tensor is read. The parts already lie in it, so there is nothing to do.
#[derive(Debug)]
pub(crate) struct Pack;

impl Reference for Pack {
    fn reference<T: Real>(&self, _io: &mut Io<T>) {}
}

impl Op for Pack {
    fn name(&self) -> &'static str {
        "pack"
    }

    fn infer(&self, _cx: &Infer) -> Result<Vec<Spec>> {
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Err(Error::model("pack has no gradient: it ends a backward pass"))
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
