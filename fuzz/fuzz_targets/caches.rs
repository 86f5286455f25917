//! The caches of what was measured on a machine: choices of kernels, ceilings, kernels that compute
//! wrongly, compiled pipelines. Each file is read as each of them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::device::DeviceInfo;
use wgrad::tuning::Cache;
use wgrad::{gpu, profile};
use wgrad_fuzz::{Place, begin};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

/// The adapter that they are of.
const ADAPTER: &str = "fuzz";

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let file = PLACE.put("cache.json", bytes);
    let (cache, _) = Cache::of(Some(file.clone()), ADAPTER.into());
    let _ = cache.get("matmul", "0");
    let [name, backend, kind, driver] = [ADAPTER, "vulkan", "software", "1"].map(String::from);
    let _ = profile::fuzzing::ceilings(&file, &DeviceInfo { name, backend, kind, driver });
    let _ = (gpu::fuzzing::refused(&file, ADAPTER), gpu::fuzzing::pipelines(bytes));
});
