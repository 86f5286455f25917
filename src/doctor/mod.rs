//! Examines a device: every kernel variant, forward and backward, over the cases of all ops
//! beside the f64 judge, then short trainings beside the CPU's. What fails is remembered for
//! the adapter and its driver, and not run there any more.

mod examine;
mod facts;
mod trainings;
mod verdict;

pub use facts::{Facts, Limits};
pub use verdict::{Examined, Status, Training, Verdict};

use crate::device::Device;
use crate::device::choice::{self, Choice, Listed};
use crate::error::{Context, Error, Result};
use crate::gpu::{Adapter, Checks, Gpu, adapters};
use crate::kernel::{Caps, Class, Refusal, Refused};
use crate::profile::Ceilings;
use examine::Examination;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is examined.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A small case of each kernel, as far as half a minute goes, and two trainings.
    pub quick: bool,
    /// The cases of these ops, or these cases (`matmul/nn_odd`), and no trainings; all without any.
    pub ops: Vec<String>,
    /// Capabilities that the device pretends to have: kernels for other adapters run as well.
    pub caps: Option<Caps>,
}

/// How long a quick examination takes at most, with what follows the cases.
const QUICK_CASES: Duration = Duration::from_secs(16);

/// How long the cases take at most on a software adapter, which compiles a kernel as slowly as it
/// runs one: the smallest of every op come first, and what is left out is counted.
const SOFTWARE_CASES: Duration = Duration::from_secs(7 * 60);

/// The adapters that a name means: all, or those that [`Device::open`] knows by it, a number as `wgrad devices`
/// counts or a name.
///
/// Fails when there is none.
pub fn find(wanted: &str) -> Result<Vec<Adapter>> {
    if choice::is_cpu(wanted) {
        return Err(Error::usage("the CPU is the judge itself; name an adapter with --device (see `wgrad devices`)"));
    }
    let all = adapters();
    if matches!(&*wanted.trim().to_lowercase(), "" | "all" | "auto") {
        return match all.is_empty() {
            true => Err(Error::device("there is no adapter to examine: no Vulkan, Metal or DX12 driver")),
            false => Ok(all),
        };
    }
    let listed: Vec<Listed> = all.iter().map(|a| Listed { name: &a.name, class: a.class }).collect();
    let Choice { adapter, others } = choice::choose(wanted, &listed).context(|| "looking for what to examine")?;
    let meant = |i: &usize| adapter == Some(*i) || others.contains(i);
    Ok(all.into_iter().enumerate().filter(|(i, _)| meant(i)).map(|(_, a)| a).collect())
}

/// Examines an adapter. `said` is told what is being done.
///
/// Fails when the adapter does not open; what it computes wrongly is in the result.
pub fn examine(adapter: &Adapter, options: &Options, said: &mut dyn FnMut(&str)) -> Result<Examined> {
    let begun = Instant::now();
    let known: BTreeSet<String> = options.ops.iter().cloned().collect();
    let remembered = adapter.refused()?;
    // What was found before is found again, or is no longer so.
    let gpu = open(adapter, options, Refused::default())?;
    let software = gpu.adapter.class == Class::Cpu && options.ops.is_empty();
    let most = if options.quick { Some(QUICK_CASES) } else { software.then_some(SOFTWARE_CASES) };
    let until = most.map(|most| begun + most);
    let Examination { verdicts, refused, left_out } = examine::cases(&gpu, &known, until, said)?;
    let mut examined = Examined {
        device: Device::Gpu(gpu.clone()).info(),
        wgrad: env!("CARGO_PKG_VERSION").into(),
        quick: options.quick,
        facts: Facts::of(&gpu),
        ceilings: None,
        verdicts,
        left_out,
        trainings: vec![],
        refused: vec![],
        kept: None,
        seconds: 0.0,
    };
    drop(gpu);
    let mut all = keep_others(&remembered, refused, &examined.verdicts);
    if options.ops.is_empty() {
        let gpu = open(adapter, options, Refused::of(all.clone()))?;
        let device = Device::Gpu(gpu);
        (examined.trainings, all) = trainings::run(&device, options.quick, all, said)?;
        if !options.quick {
            said("measuring what the device reaches at most");
            examined.ceilings = Ceilings::of(&device).ok();
        }
    }
    let refused = Refused::of(all);
    // A device that pretends to be another has not been found out.
    if options.caps.is_none() {
        examined.kept = adapter.refuse(&refused)?;
    }
    examined.refused = refused.all().to_vec();
    examined.seconds = begun.elapsed().as_secs_f64();
    Ok(examined)
}

fn open(adapter: &Adapter, options: &Options, refused: Refused) -> Result<Arc<Gpu>> {
    let mut gpu = Gpu::open(adapter, Checks::Off)?;
    let caps = options.caps.clone().unwrap_or_else(|| gpu.caps.clone());
    gpu.caps = Caps { refused, ..caps };
    Ok(Arc::new(gpu))
}

/// What was remembered of ops that were not examined now, with what was found now.
fn keep_others(remembered: &Refused, found: Vec<Refusal>, verdicts: &[Verdict]) -> Vec<Refusal> {
    let examined = |r: &&Refusal| verdicts.iter().any(|v| v.op == r.op && v.variant == r.variant && v.cases > 0);
    let others = remembered.all().iter().filter(|r| !examined(r)).cloned();
    others.chain(found).collect()
}
