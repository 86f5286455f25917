//! The graph: tensors, the ops that make them, and their gradients.
//!
//! A graph is built once, in execution order, with every shape checked as the
//! op is added. It never names a concrete op; ops live in `crate::ops`, one
//! room each, and add their own constructors to [`Graph`].

mod built;
mod case;
mod context;
mod flat;
mod fused;
mod gradient;
#[allow(clippy::module_inception)]
mod graph;
mod init;
mod pointwise;
mod reference;
mod tail;
mod tensor;
pub mod tolerance;

pub use built::{Built, Elements, input_name};
pub(crate) use case::with_gradients;
pub use case::{Case, Fill};
pub use context::{Backward, Cost, Infer, Lower};
pub use flat::FLAT_ALIGN;
pub(crate) use fused::Fused;
pub use gradient::{Seed, gradient};
pub use graph::{Graph, Node, Op};
pub use init::{Draw, Init};
pub use pointwise::{Elementwise, Pointwise, Stretch, Stretches};
pub use reference::{Io, Reference, View, ViewMut};
pub(crate) use tail::{Arg, Stage, Tail};
pub use tensor::{Home, TensorId, TensorInfo};
