//! From a graph to a plan: which nodes run, where every tensor lives, what is
//! dispatched. A plan is data; `crate::gpu` and `crate::cpu` carry it out.

mod assign;
mod barriers;
mod bind;
mod choice;
mod executor;
mod explain;
mod fuse;
mod halves;
mod kernels;
mod options;
#[allow(clippy::module_inception)]
mod plan;
mod recompute;
mod timeline;

pub use barriers::Barriers;
pub use choice::{Choices, Tunable, eligible, key};
pub use executor::{Executor, Program, Ticket};
pub(crate) use executor::{Kept, check_size, no_buffer, not_computed};
pub use explain::human_bytes;
pub use fuse::Saved;
pub use kernels::{Needed, all_variants, kernels, launches_of, options_for};
pub use options::{Options, Precision, Recompute, parse_bytes};
pub use plan::{Bound, Buffer, Launch, Place, Plan, Step, Target};
pub use timeline::{Clock, Span, TimedRun, Timeline};
