//! From a graph to a plan: which nodes run, where every tensor lives, what is
//! dispatched. A plan is data; `crate::gpu` and `crate::cpu` carry it out.

mod assign;
mod executor;
mod explain;
mod fuse;
#[allow(clippy::module_inception)]
mod plan;

pub use executor::{Executor, ProgramId, Ticket};
pub use explain::human_bytes;
pub use fuse::Saved;
pub use plan::{Bound, Buffer, Launch, Options, Place, Plan, Step, Target};
