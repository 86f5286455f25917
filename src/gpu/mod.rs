//! The only folder that says `wgpu`: adapters, pipelines, buffers, replay,
//! readback, timestamps.

mod adapter;
mod device;
mod executor;
mod pace;
mod pipeline_cache;
mod pipelines;
mod timing;

pub use adapter::{Adapter, adapters};
pub use device::{Checks, Gpu};
pub use executor::GpuExecutor;
