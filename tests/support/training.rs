//! What suites that train share: a device, settings by key, losses step by step.

use super::device::{GPU_UNCHECKED, NO_ADAPTER};
use wgrad::data::{Dataset, Images};
use wgrad::device::Device;
use wgrad::tensor::random::{Random, stream};
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

/// Noise with a bright band whose place is the label: `make_losses.py` draws
/// the same.
pub fn bands(samples: usize, seed: u32) -> Dataset {
    let mut r = Random::new(seed, stream::CASES);
    let (mut pixels, mut labels) = (vec![], vec![]);
    for _ in 0..samples {
        let noise: Vec<u32> = (0..784).map(|_| r.bits() % 128).collect();
        let label = r.bits() % 10;
        let band = |i: usize| if (i / 28 / 3) as u32 == label { 90 } else { 0 };
        pixels.extend(noise.iter().enumerate().map(|(i, n)| (n + band(i)) as u8));
        labels.push(label);
    }
    let classes = (0..10).map(|i| i.to_string()).collect();
    Images { name: "bands".into(), channels: 1, height: 28, width: 28, pixels, labels, classes }.into()
}

/// Mean and deviation of the pixels of MNIST.
pub const NORMAL: (f32, f32) = (0.1307, 0.3081);
