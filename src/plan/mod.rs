//! From a graph to a plan: which nodes run, where every tensor lives, what is
//! dispatched. A plan is data; `crate::gpu` and `crate::cpu` carry it out.

mod assign;
mod barriers;
mod bind;
mod bytes;
mod choice;
mod executor;
mod explain;
mod fuse;
mod halves;
mod kernels;
mod memory;
mod options;
#[allow(clippy::module_inception)]
mod plan;
mod recompute;
mod step;
mod target;
mod timeline;
mod tunable;

pub use barriers::Barriers;
pub use bytes::{human_bytes, parse_bytes};
pub use choice::{Choices, eligible, key};
pub use executor::{Executor, Program, Ticket};
pub(crate) use executor::{Kept, check_size, no_buffer, not_computed};
pub use fuse::Saved;
pub use kernels::{Needed, all_variants, kernels, launches_of, options_for};
pub use memory::{held_bytes, packed, whole_words};
pub use options::{Options, Precision, Recompute};
pub use plan::Plan;
pub use step::{Bound, Buffer, Launch, Place, Step};
pub use target::Target;
pub use timeline::{Clock, Span, TimedRun, Timeline};
pub use tunable::Tunable;
