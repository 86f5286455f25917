//! What a device reaches at most, measured and not looked up: bytes per second
//! of a copy between large tensors, floating-point operations per second of
//! multiply-adds that wait for nothing. Measured once per adapter and driver,
//! and kept in the user's cache folder.

use crate::device::{Device, DeviceInfo};
use crate::error::{Error, Result};
use crate::files;
use crate::graph::{Graph, Init, TensorId};
use crate::kernel::Class;
use crate::plan::{Clock, Plan, TimedRun};
use crate::tensor::{DType, HostTensor, Spec};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a tensor that is copied: far beyond the caches of a GPU; of a
/// processor's, where the limits of software adapters allow.
const COPIED: [usize; 2] = [256 << 20, 64 << 20];
/// Elements with a chain each: enough for every lane of a GPU, or of a CPU.
const CHAINED: [usize; 2] = [1 << 20, 1 << 15];
/// Rows and columns of the matrices that a CPU multiplies.
const MATRIX: usize = 1024;
/// Nanoseconds that a measurement lasts at least, where it can be made longer.
const LONG: f64 = 2e7;
/// Runs of which the fastest counts.
const RUNS: usize = 8;
/// Beyond what any device reaches, by a hundred times: a file that says more is not ours, or
/// broken.
const MOST_GFLOPS: f64 = 1e7;
const MOST_GBS: f64 = 1e6;
/// Below what any device reaches.
const LEAST: f64 = 1e-3;

/// The roof of a device's roofline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// Billions of floating-point operations per second, a multiply-add counted
    /// as two.
    pub gflops: f64,
    /// Billions of bytes per second, read and written.
    pub gbs: f64,
}

/// What lies in the cache folder.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The version of the program: another may measure otherwise.
    version: String,
    device: DeviceInfo,
    /// The processor: the same software adapter is another device on another.
    processor: String,
    pub ceilings: Ceilings,
    /// Whether they were measured a second time, because a kernel exceeded them.
    #[serde(default)]
    again: bool,
}

impl Ceilings {
    /// The ceilings of a device: those kept from before, else measured now and
    /// kept. A broken file, or one of another device, counts for nothing.
    pub fn of(device: &Device) -> Result<Ceilings> {
        let info = device.info();
        if let Some(kept) = place(&info).and_then(|p| read(&p, &info)) {
            return Ok(kept.ceilings);
        }
        eprintln!("measuring what {} reaches at most ..", info.name);
        let ceilings = measure(device)?;
        keep_if_possible(info, ceilings, false);
        Ok(ceilings)
    }

    /// The ceilings after a kernel has exceeded these: the better of these and of
    /// what a second measurement gives, for the first may have met a busy device.
    /// Where there has been one already these stay.
    pub fn again(self, device: &Device) -> Result<Ceilings> {
        let info = device.info();
        if place(&info).and_then(|p| read(&p, &info)).is_some_and(|kept| kept.again) {
            return Ok(self);
        }
        eprintln!("a kernel exceeded the ceilings; measuring what {} reaches at most again ..", info.name);
        let ceilings = self.or_more(measure(device)?);
        keep_if_possible(info, ceilings, true);
        Ok(ceilings)
    }

    /// The higher of each.
    pub(super) fn or_more(self, other: Ceilings) -> Ceilings {
        Ceilings { gflops: self.gflops.max(other.gflops), gbs: self.gbs.max(other.gbs) }
    }

    /// The nanoseconds that work takes at least: those of its bytes and those
    /// of its arithmetic.
    pub fn least(&self, flops: u64, bytes: u64) -> [f64; 2] {
        [bytes as f64 / self.gbs, flops as f64 / self.gflops]
    }
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// Where the ceilings of a device are kept.
fn place(info: &DeviceInfo) -> Option<PathBuf> {
    files::cache_folder().map(|folder| file(&folder, info))
}

fn keep_if_possible(device: DeviceInfo, ceilings: Ceilings, again: bool) {
    let Some(path) = place(&device) else { return };
    let kept = Kept { version: version(), device, processor: processor(), ceilings, again };
    // Measured again next time, at worst.
    if let Err(e) = keep(&path, &kept) {
        eprintln!("note: the measured ceilings are not kept: {e}");
    }
}

/// The file of a device, with a name that every file system takes.
fn file(folder: &Path, info: &DeviceInfo) -> PathBuf {
    let name: String = format!("{}-{}", info.backend, info.name)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(80)
        .collect();
    folder.join(format!("ceilings-{name}.json"))
}

pub(super) fn read(path: &Path, info: &DeviceInfo) -> Option<Kept> {
    let kept: Kept = serde_json::from_str(&files::read(path).ok()??).ok()?;
    let Ceilings { gflops, gbs } = kept.ceilings;
    let sane = gflops <= MOST_GFLOPS && gbs <= MOST_GBS && [gflops, gbs].iter().all(|v| *v >= LEAST);
    let ours = kept.version == version() && kept.device == *info && kept.processor == processor();
    (sane && ours).then_some(kept)
}

fn keep(path: &Path, kept: &Kept) -> Result<()> {
    let folder = path.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(folder).map_err(|e| Error::io(format!("making {}", folder.display()), e))?;
    files::write(path, serde_json::to_string_pretty(kept).expect("plain data prints").as_bytes())
}

/// The name of the processor, as far as the system says it.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':'));
    line.map_or(std::env::consts::ARCH.into(), |(_, name)| name.trim().into())
}

/// Measures the ceilings.
fn measure(device: &Device) -> Result<Ceilings> {
    let (small, binding) = match device {
        Device::Cpu => (1, usize::MAX),
        Device::Gpu(gpu) => {
            let binding = gpu.caps.binding_bytes.min(gpu.caps.buffer_bytes);
            (usize::from(gpu.adapter.class == Class::Cpu), binding.try_into().unwrap_or(usize::MAX))
        }
    };
    let n = (COPIED[small].min(binding) / DType::F32.bytes()).next_multiple_of(4) - 4;
    let (_, bytes, ns) = fastest(device, n, &|g, x| g.copy_quads(x))?;
    let gbs = bytes as f64 / ns;
    if matches!(device, Device::Cpu) {
        let square = |g: &mut Graph, x| {
            let x = g.reshape(x, [MATRIX, MATRIX])?;
            g.matmul(x, x)
        };
        let (flops, _, ns) = fastest(device, MATRIX * MATRIX, &square)?;
        return Ok(Ceilings { gflops: flops as f64 / ns, gbs });
    }
    let chains =
        |turns: usize| fastest(device, CHAINED[small], &move |g, x| g.multiply_add_chains(x, turns, small == 0));
    let tried = 64;
    let (mut flops, _, mut ns) = chains(tried)?;
    let turns = (tried as f64 * (LONG / ns).min(512.0)) as usize;
    if turns > tried {
        (flops, _, ns) = chains(turns)?;
    }
    Ok(Ceilings { gflops: flops as f64 / ns, gbs })
}

/// Flops, bytes and the least nanoseconds of an op on `n` numbers.
fn fastest(
    device: &Device,
    n: usize,
    build: &dyn Fn(&mut Graph, TensorId) -> Result<TensorId>,
) -> Result<(u64, u64, f64)> {
    let mut g = Graph::new();
    // Zeros would be one page of memory, seen many times.
    let data = HostTensor::f32([n], (0..n).map(|i| (i % 1021) as f32 / 1021.0).collect());
    let x = g.persistent("x", Spec::f32([n]), Init::Data(Arc::new(data)));
    let y = build(&mut g, x)?;
    let plan = Plan::build(&g, &[y], device.target())?;
    let step = plan.steps.last().expect("an op makes a step");
    let node = &plan.graph.nodes()[step.node];
    let cost = node.op.cost(&plan.lower_context(node));
    let mut e = device.executor();
    let program = e.load(plan)?;
    e.run(&program, 1)?;
    let timeline = e.time(&program, RUNS)?;
    let ns = |r: &TimedRun| if timeline.clock == Clock::Runs { r.wall() } else { r.busy() };
    Ok((cost.flops, cost.bytes, timeline.runs.iter().map(ns).fold(f64::INFINITY, f64::min).max(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_file_of_this_device_counts() {
        let folder = std::env::temp_dir().join(format!("wgrad-ceilings-{}", std::process::id()));
        let info = |driver: &str| DeviceInfo {
            name: "A/B (c)".into(),
            backend: "vulkan".into(),
            kind: "discrete".into(),
            driver: driver.into(),
        };
        let path = file(&folder, &info("1"));
        assert!(path.ends_with("ceilings-vulkan-a-b--c-.json"), "{path:?}");
        assert_eq!(read(&path, &info("1")), None);
        let ceilings = Ceilings { gflops: 10.0, gbs: 2.0 };
        let mut kept = Kept { version: version(), device: info("1"), processor: processor(), ceilings, again: true };
        keep(&path, &kept).unwrap();
        assert_eq!(read(&path, &info("1")).as_ref(), Some(&kept));
        // What an earlier version kept says nothing of a second measurement.
        let mut earlier = serde_json::to_value(&kept).unwrap();
        earlier.as_object_mut().unwrap().remove("again");
        std::fs::write(&path, earlier.to_string()).unwrap();
        kept.again = false;
        assert_eq!(read(&path, &info("1")).as_ref(), Some(&kept));
        assert_eq!(read(&path, &info("2")), None);
        for broken in ["", "{", "[]", "{\"version\":1}", "\u{0}"] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(read(&path, &info("1")), None, "{broken:?}");
        }
        for (gflops, gbs) in [(0.0, 2.0), (1e300, 2.0), (10.0, 1e300), (1e-300, 2.0), (-1.0, 2.0)] {
            kept.ceilings = Ceilings { gflops, gbs };
            keep(&path, &kept).unwrap();
            assert_eq!(read(&path, &info("1")), None, "{gflops} {gbs}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(ceilings.least(20, 8), [4.0, 2.0]);
    }
}
