//! The GPU under test: the adapter named by `WGRAD_DEVICE`, else the first one.

use libtest_mimic::{Failed, Trial};
use std::sync::{Arc, LazyLock};
use wgrad::gpu::{Checks, Gpu, adapters};
use wgrad::kernel::{Caps, Class};

/// Opened once and shared. wgpu's own checks stay on, as in a browser.
pub static GPU: LazyLock<Option<Arc<Gpu>>> = LazyLock::new(|| open(Checks::On));

/// The same adapter as programs use it: without wgpu's own checks.
pub static GPU_UNCHECKED: LazyLock<Option<Arc<Gpu>>> = LazyLock::new(|| open(Checks::Off));

/// Opens the adapter under test, or says that there is none.
pub fn open(checks: Checks) -> Option<Arc<Gpu>> {
    let wanted = std::env::var("WGRAD_DEVICE").unwrap_or_default().to_lowercase();
    let adapter = adapters().into_iter().find(|a| a.name.to_lowercase().contains(&wanted))?;
    Some(Arc::new(Gpu::open(&adapter, checks).expect("the adapter under test opens")))
}

/// The class decides the kernels; the limits are the real ones, tightened to
/// the WebGPU floor, so that no case passes by the grace of a big device.
pub fn floor_caps(gpu: &Gpu, class: Class) -> Caps {
    let (binding_bytes, buffer_bytes, subgroup) = (gpu.caps.binding_bytes, gpu.caps.buffer_bytes, gpu.caps.subgroup);
    Caps { binding_bytes, buffer_bytes, subgroup, ..Caps::floor(class) }
}

/// Why GPU tests are ignored, if they are.
pub const NO_ADAPTER: &str = "no Vulkan, Metal or DX12 adapter here; scripts/test installs a software one";

/// A test that needs the GPU under test. Without one it is reported as
/// ignored, never as passed; with `WGRAD_REQUIRE_GPU=1` it fails instead.
pub fn gpu_trial(name: String, run: impl FnOnce(&Arc<Gpu>) -> Result<(), Failed> + Send + 'static) -> Trial {
    let trial = Trial::test(name, move || run(GPU.as_ref().ok_or(NO_ADAPTER)?));
    match GPU.is_some() {
        true => trial,
        false => trial.with_kind("no adapter").with_ignored_flag(!required()),
    }
}

/// A test on the CPU and on the GPU under test, as programs use it. Without an
/// adapter the latter is ignored, or fails, as with [`gpu_trial`].
pub fn on_both(name: &str, test: impl Fn(bool) -> Result<(), Failed> + Copy + Send + 'static) -> [Trial; 2] {
    [("cpu", false), ("gpu", true)].map(|(kind, on_gpu)| {
        let trial = Trial::test(format!("{name}::{kind}"), move || test(on_gpu));
        trial.with_ignored_flag(on_gpu && GPU_UNCHECKED.is_none() && !required())
    })
}

/// Whether a missing adapter is a failure.
pub fn required() -> bool {
    std::env::var("WGRAD_REQUIRE_GPU").is_ok_and(|v| !matches!(v.as_str(), "" | "0"))
}

/// Says on stderr which GPU the tests run on, or why they are ignored.
pub fn announce() {
    match GPU.as_ref() {
        None if required() => eprintln!("GPU tests fail, as WGRAD_REQUIRE_GPU asks: {NO_ADAPTER}"),
        None => eprintln!("GPU tests are ignored: {NO_ADAPTER}"),
        Some(gpu) => eprintln!("GPU tests run on {} ({})", gpu.adapter.name, gpu.adapter.backend),
    }
}
