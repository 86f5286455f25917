//! Where the time of a step goes: what each kernel takes, how near it comes to
//! what the device reaches at most, and what the host does meanwhile; as a
//! table, a trace, a page, and against an earlier profile.

mod ceilings;
pub mod compare;
pub mod compiled;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod isa;
pub mod offline;
mod page;
pub mod shader;
mod stat;
mod table;
mod take;
mod trace;

pub use crate::gpu::{FORCE, Family, family};
pub use ceilings::Ceilings;
pub use stat::Stat;
pub use table::{Sort, aligned, table};
pub use take::{DispatchTime, HostCost, OpTime, Parts, Profile, Subject, Taken, take};
