//! The only folder that says `wgpu`: adapters, pipelines, buffers, replay,
//! readback.

mod adapter;
mod device;
mod executor;
mod pipelines;

pub use adapter::{Adapter, adapters};
pub use device::{Checks, Gpu};
pub use executor::GpuExecutor;
