//! What adapters can do, as sets of capabilities that the adapter under test
//! can pretend to: a plan sees nothing of a device but these, so one that is
//! made for somebody else's adapter runs here as well.

use super::device::{GPU, floor_caps};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use wgrad::kernel::{Caps, Class};
pub use wgrad::verify::distinct::{Distinct, Set, Ways, distinct};

/// The adapters that kernels differ for. Without an adapter here only those
/// that need none, for their trials to be reported as ignored.
pub fn sets() -> Vec<Set> {
    let set = |name, caps| Set { name, caps };
    let floors = [
        set("gpu_workgroups", Caps::floor(Class::Discrete)),
        set("gpu_integrated", Caps::floor(Class::Integrated)),
        set("gpu_fallback", Caps::floor(Class::Cpu)),
    ];
    let Some(gpu) = GPU.as_ref() else { return floors.into() };
    let own = gpu.caps.clone();
    let alone = Caps { class: Class::Cpu, subgroup: None, ..own.clone() };
    let here = [
        set("gpu_registers", floor_caps(gpu, Class::Cpu)),
        set("gpu_own", own),
        // Software whose subgroups vary in size, or that has none.
        set("gpu_alone", alone),
    ];
    here.into_iter().chain(floors).collect()
}

/// The sets for suites whose subject is not the adapter: software and a GPU, or all
/// with `WGRAD_CAPABILITIES=all` (`scripts/capabilities`). Compiling a kernel again
/// for each set takes a software adapter minutes.
pub fn asked() -> Vec<Set> {
    sets().into_iter().filter(|s| all() || ["gpu_registers", "gpu_workgroups"].contains(&s.name)).collect()
}

fn all() -> bool {
    std::env::var("WGRAD_CAPABILITIES").is_ok_and(|v| v == "all")
}

/// Whether a case runs on all that there is today: each does on one day of `days`, and
/// always where all is asked for.
pub fn due(name: &str, days: u64) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_secs());
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    all() || hasher.finish() % days == now / 86_400 % days
}
