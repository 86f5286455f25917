//! What there is to run of a graph so that every kernel runs once: on several kinds of
//! adapter, in every variant.

use crate::graph::{Graph, TensorId};
use crate::kernel::Caps;
use crate::plan::{Choices, Options, Plan, Target, all_variants};
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// Capabilities under the name that their trials have.
#[derive(Debug, Clone)]
pub struct Set {
    /// The name.
    pub name: &'static str,
    /// What the adapter can do.
    pub caps: Caps,
}

/// Plans of a graph for a set of capabilities that dispatch what no earlier set
/// does: one for each of the choices.
#[derive(Debug, Clone)]
pub struct Distinct {
    /// The capabilities.
    pub set: Set,
    /// The variants, one list per plan.
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
