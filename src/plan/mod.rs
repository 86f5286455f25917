//! From a graph to a plan: which nodes run, where every tensor lives, what is
//! dispatched. A plan is data; `crate::gpu` and `crate::cpu` carry it out.

mod assign;
mod bind;
mod executor;
mod explain;
mod fuse;
mod options;
#[allow(clippy::module_inception)]
mod plan;
mod recompute;

pub use executor::{Executor, ProgramId, Ticket};
pub use explain::human_bytes;
pub use fuse::Saved;
pub use options::{Options, Recompute, parse_bytes};
pub use plan::{Bound, Buffer, Launch, Place, Plan, Step, Target};
