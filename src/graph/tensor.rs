//! A tensor of a graph: its name, its shape, and where its elements live.

use super::init::Init;
use crate::tensor::Spec;
use std::fmt;

/// Names a tensor of one graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub u32);

impl fmt::Debug for TensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl TensorId {
    /// The tensor's place in [`Graph::tensors`](super::Graph::tensors).
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where the elements of a tensor live.
#[derive(Clone, Debug, PartialEq)]
pub enum Home {
    /// In a buffer that the plan assigns, for as long as somebody reads it.
    Transient,
    /// In a named buffer of the executor's store, shared by all programs that
    /// name it, from the first step to the last.
    Persistent {
        /// The name in the store.
        name: String,
        /// The content before the first step.
        init: Init,
    },
    /// Inside another tensor, from an offset in elements: a parameter in the
    /// flat parameter buffer, a reshaped tensor in its source.
    View {
        /// The tensor that owns the elements.
        base: TensorId,
        /// Where this one starts in it, in elements.
        offset: usize,
    },
}

/// A tensor of the graph.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// Shape and element type.
    pub spec: Spec,
    /// Where its elements live.
    pub home: Home,
    /// A name for people: `relu @ conv1`, `conv1.weight`.
    pub label: String,
}
