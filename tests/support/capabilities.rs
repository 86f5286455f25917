//! What adapters can do, as sets of capabilities that the adapter under test
//! can pretend to: a plan sees nothing of a device but these, so one that is
//! made for somebody else's adapter runs here as well.

use super::device::{GPU, floor_caps};
use rayon::prelude::*;
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use wgrad::error::Result;
use wgrad::graph::{Graph, TensorId};
use wgrad::kernel::{Caps, Class};
use wgrad::plan::{Choices, Options, Plan, Target, all_variants};

/// Capabilities under the name that their trials have.
#[derive(Debug, Clone)]
pub struct Set {
    pub name: &'static str,
    pub caps: Caps,
}

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

/// Plans of a graph for a set of capabilities that dispatch what no earlier set
/// does: one for each of the choices.
#[derive(Debug, Clone)]
pub struct Distinct {
    pub set: Set,
    pub choices: Vec<Choices>,
}

/// Which of the ways to lower a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// What runs unless somebody chose.
    Usual,
    /// All variants as well.
    All,
}

/// What there is to run so that all that any of the sets dispatches runs once. A plan that cannot be made counts
/// as distinct, so that whoever runs it says why.
pub fn distinct(graph: &Graph, fetches: &[TensorId], options: &Options, sets: &[Set], ways: Ways) -> Vec<Distinct> {
    let mut seen = HashSet::new();
    let mut found = vec![];
    for set in sets {
        let plan = |choices: &Choices| {
            let options = Options { choices: choices.clone(), ..options.clone() };
            Plan::with(graph, fetches, Target::Gpu(set.caps.clone()), &options)
        };
        let usual = Choices::default();
        let variants = match ways {
            Ways::Usual => vec![],
            Ways::All => plan(&usual).map(|p| all_variants(&p)).unwrap_or_default(),
        };
        let mut choices = vec![];
        for choice in [usual].into_iter().chain(variants) {
            if plan(&choice).map_or(true, |plan| seen.insert(work(&plan))) {
                choices.push(choice);
            }
        }
        if !choices.is_empty() {
            found.push(Distinct { set: set.clone(), choices });
        }
    }
    found
}

/// A hash of the kernels that a plan dispatches, and of their grids.
fn work(plan: &Plan) -> u64 {
    let mut hasher = DefaultHasher::new();
    for launch in plan.steps.iter().flat_map(|s| &s.launches) {
        let k = &launch.kernel;
        (k.shader.name, k.entry, &k.consts, format!("{:?} {:?}", k.overrides, k.halves)).hash(&mut hasher);
        launch.groups.hash(&mut hasher);
    }
    hasher.finish()
}
