//! The only folder that says `wgpu`: adapters, pipelines, buffers, replay,
//! readback, timestamps.

mod adapter;
mod budget;
mod command;
mod device;
mod executable;
mod executor;
mod family;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod inject;
mod pace;
mod pipeline_cache;
mod pipelines;
mod refused;

pub use adapter::{Adapter, adapters};
pub use device::Gpu;
pub use executable::{Compiler, Executable, Figure, Statistic};
pub use executor::GpuExecutor;
pub use family::{FORCE, Family, family};
pub use pipelines::Checks;
