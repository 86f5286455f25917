//! The parts of a plan: buffers, places in them, and steps with their dispatches.

use crate::graph::Init;
use crate::kernel::{Kernel, reflect};
use crate::tensor::{DType, Spec};

/// A buffer of the plan.
#[derive(Debug, Clone)]
pub struct Buffer {
    /// Its name in the executor's store; `None` for a transient buffer, which
    /// belongs to this plan alone.
    pub name: Option<String>,
    /// Size in elements.
    pub elements: usize,
    /// Element type.
    pub dtype: DType,
    /// Content before the first step.
    pub init: Init,
}

impl Buffer {
    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.elements * self.dtype.bytes()
    }
}

/// Where a tensor lives.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The buffer's number in the plan.
    pub buffer: usize,
    /// First element.
    pub offset: usize,
    /// Shape and type.
    pub spec: Spec,
}

impl Place {
    /// The elements it covers in its buffer.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.spec.elements()
    }
}

/// A place bound to a shader variable.
#[derive(Debug, Clone)]
pub struct Bound {
    /// `@binding(..)`.
    pub number: u32,
    /// The tensor.
    pub place: Place,
    /// Declared `read_write` in the shader.
    pub writable: bool,
}

/// A dispatch with its bindings resolved.
#[derive(Debug, Clone)]
pub struct Launch {
    /// What runs.
    pub kernel: Kernel,
    /// Workgroups per dimension.
    pub groups: [u32; 3],
    /// Bindings, in order of their number.
    pub bound: Vec<Bound>,
    /// `conv2d.forward @ conv1`.
    pub label: String,
    /// What the shader needs.
    pub entry: reflect::Entry,
}

/// One node of the graph, placed.
#[derive(Debug, Clone)]
pub struct Step {
    /// The node's number in the graph.
    pub node: usize,
    /// Inputs.
    pub inputs: Vec<Place>,
    /// Tensors written in place.
    pub updates: Vec<Place>,
    /// Outputs.
    pub outputs: Vec<Place>,
    /// Temporaries of the lowering.
    pub scratch: Vec<Place>,
    /// What a GPU runs; empty for the CPU.
    pub launches: Vec<Launch>,
    /// Which of the op's variants that is; empty where there is only one.
    pub variant: &'static str,
}
