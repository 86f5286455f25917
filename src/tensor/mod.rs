//! Shapes, element types, host data and the counter-based random numbers:
//! what every other layer talks about. Knows nothing of graphs or devices.

mod dtype;
mod host;
pub mod lanes;
mod math;
pub mod parallel;
pub mod random;
mod shape;
mod shared;

pub use dtype::{DType, Real};
pub use host::{Data, HostTensor};
pub use shape::{Shape, Spec};
pub use shared::{Shared, pack_bytes};
