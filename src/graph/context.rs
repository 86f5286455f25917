//! What the rules of an op see of the node that they are asked about, and the cost
//! that they answer with.

use super::tensor::TensorId;
use crate::error::{Error, Result};
use crate::kernel::{Caps, Store};
use crate::tensor::{Shape, Spec};

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
