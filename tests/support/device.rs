//! The GPU under test: the adapter named by `WGRAD_DEVICE`, else the first one.

use std::sync::{Arc, LazyLock};
use wgrad::gpu::{Checks, Gpu, adapters};

/// Opened once and shared. wgpu's own checks stay on, as in a browser.
pub static GPU: LazyLock<Option<Arc<Gpu>>> = LazyLock::new(|| open(Checks::On));

/// Opens the adapter under test, or says that there is none.
pub fn open(checks: Checks) -> Option<Arc<Gpu>> {
    let wanted = std::env::var("WGRAD_DEVICE").unwrap_or_default().to_lowercase();
    let adapter = adapters().into_iter().find(|a| a.name.to_lowercase().contains(&wanted))?;
    Some(Arc::new(Gpu::open(&adapter, checks).expect("the adapter under test opens")))
}

/// Why GPU tests are ignored, if they are.
pub const NO_ADAPTER: &str = "no Vulkan, Metal or DX12 adapter here; scripts/test installs a software one";

/// The same adapter as programs use it: without wgpu's own checks.
pub static GPU_UNCHECKED: LazyLock<Option<Arc<Gpu>>> = LazyLock::new(|| open(Checks::Off));
