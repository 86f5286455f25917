//! The graph: tensors, the ops that make them, and their gradients.
//!
//! A graph is built once, in execution order, with every shape checked as the
//! op is added. It never names a concrete op; ops live in `crate::ops`, one
//! room each, and add their own constructors to [`Graph`].

mod built;
mod case;
mod fused;
mod gradient;
#[allow(clippy::module_inception)]
mod graph;
mod init;
mod op;
mod pointwise;
mod tail;
pub mod tolerance;

pub use built::{Built, input_name};
pub use case::{Case, Fill};
pub(crate) use fused::Fused;
pub use gradient::{Seed, gradient};
pub use graph::{FLAT_ALIGN, Graph, Home, Node, TensorId, TensorInfo};
pub use init::{Draw, Init};
pub use op::{Backward, Cost, Infer, Io, Lower, Op, Reference, View, ViewMut};
pub use pointwise::{Elementwise, Pointwise, Stretch, Stretches};
pub(crate) use tail::{Arg, Stage, Tail};
