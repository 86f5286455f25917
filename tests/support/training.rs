//! What suites that train share: a device, settings by key, losses step by step.

use super::device::{GPU_UNCHECKED, NO_ADAPTER};
use wgrad::device::Device;
use wgrad::train::{Session, Settings, set};

/// The CPU, or the GPU under test.
pub fn device(on_gpu: bool) -> Device {
    match on_gpu {
        true => Device::Gpu(GPU_UNCHECKED.clone().expect(NO_ADAPTER)),
        false => Device::Cpu,
    }
}

/// A configuration of these keys alone.
pub fn settings(pairs: &[(&str, toml::Value)]) -> Settings {
    let mut table = toml::Table::new();
    for (key, value) in pairs {
        set(&mut table, key, value.clone()).expect("valid keys");
    }
    Settings::read(table).expect("valid settings")
}

/// The losses of the next `n` steps.
pub fn losses(s: &mut Session, n: usize) -> wgrad::Result<Vec<f64>> {
    (0..n)
        .map(|_| {
            s.reset_metrics()?;
            s.steps(1)?;
            Ok(s.scores()?.loss)
        })
        .collect()
}
