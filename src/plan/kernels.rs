//! Every kernel that cases need, without a GPU: each case is planned for each
//! kind of device within WebGPU's floor, in every variant that could run there.

use super::{Choices, Launch, Options, Plan, Target};
use crate::error::{Context, Result};
use crate::graph::Case;
use crate::kernel::{Caps, Class, Kernel, assemble, reflect};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A kernel with its constants, and who needs it.
#[derive(Debug, Clone)]
pub struct Needed {
    /// The kernel.
    pub kernel: Kernel,
    /// What its entry point binds and takes.
    pub entry: reflect::Entry,
    /// The cases that dispatch it, in their order.
    pub cases: Vec<String>,
}

/// Choices under which every variant of every step of a plan runs at least
/// once: the r-th of them takes the r-th variant of each step.
pub fn all_variants(plan: &Plan) -> Vec<Choices> {
    let tunables = plan.tunables();
    let most = tunables.iter().map(|t| t.variants.len()).max().unwrap_or(0);
    let choices = |r: usize| {
        let of = tunables.iter().map(|t| (t.key.clone(), t.variants[r % t.variants.len()].name.to_string()));
        Choices(of.collect())
    };
    (0..most).map(choices).collect()
}

/// How plans of a case are made.
pub fn options_for(case: &Case) -> Options {
    Options { fuse: case.fused, ..Options::default() }
}

/// Everything that a case dispatches, in all variants: on a software adapter with
/// and without subgroups, and on a GPU.
pub fn launches_of(case: &Case) -> Result<Vec<Launch>> {
    let built = case.built()?;
    let fetches = built.fetches();
    let mut launches = vec![];
    let subgroups = Caps { subgroup: Some(8), ..Caps::floor(Class::Cpu) };
    for caps in [Caps::floor(Class::Cpu), subgroups, Caps::floor(Class::Discrete)] {
        let target = Target::Gpu(caps.clone());
        let named = || format!("{} for {:?}", case.name, caps.class);
        let usual = Plan::with(&built.graph, &fetches, target.clone(), &options_for(case)).context(named)?;
        for choices in all_variants(&usual) {
            let options = Options { choices, ..options_for(case) };
            let plan = Plan::with(&built.graph, &fetches, target.clone(), &options).context(named)?;
            launches.extend(plan.steps.into_iter().flat_map(|s| s.launches));
        }
        launches.extend(usual.steps.into_iter().flat_map(|s| s.launches));
    }
    Ok(launches)
}

/// Each kernel that the cases need once, by shader and entry point.
pub fn kernels(cases: &[Case]) -> Result<Vec<Needed>> {
    let per_case: Vec<(String, Vec<Launch>)> =
        cases.par_iter().map(|c| Ok((c.name.clone(), launches_of(c)?))).collect::<Result<_>>()?;
    let mut found: BTreeMap<(&str, &str, String, String), Needed> = BTreeMap::new();
    for (case, launches) in per_case {
        for launch in launches {
            let Launch { kernel, entry, .. } = launch;
            let key = (kernel.shader.name, kernel.entry, format!("{:?}", kernel.overrides), assemble(&kernel)?);
            let needed = found.entry(key).or_insert_with(|| Needed { kernel, entry, cases: vec![] });
            if needed.cases.last() != Some(&case) {
                needed.cases.push(case.clone());
            }
        }
    }
    Ok(found.into_values().collect())
}
