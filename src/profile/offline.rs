//! What a step takes at least on a GPU that is not there: each dispatch's vector instructions at the rate at which the
//! card begins them, and its bytes at the card's bandwidth. A bound and no measurement: no cache misses, no waiting, no
//! launch counts, and the card holds its boost clock.

use super::compiled::{Compiled, Offline, kernels_of};
use super::isa::Code;
use super::table::{Sort, aligned};
use crate::error::Result;
use crate::eval::plot::{number, percent};
use crate::gpu::Family;
use crate::plan::{Launch, Plan, Step};
use serde::Serialize;

/// The estimate of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimated {
    /// The model's name.
    pub model: String,
    /// Samples per step.
    pub batch_size: usize,
    /// RADV's name of the family, and the card whose figures count.
    pub family: String,
    /// The card.
    pub card: String,
    /// The driver and its version.
    pub driver: String,
    /// Milliseconds of a step: the sum of what each dispatch takes at least.
    pub ms: f64,
    /// The dispatches in the order of the plan, equal ones of an op together.
    pub dispatches: Vec<Estimate>,
}

/// The estimate of a dispatch, or of several equal ones of an op.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// `conv2d.forward @ conv1`.
    pub name: String,
    /// How many there are.
    pub count: usize,
    /// Workgroups per dimension, of each.
    pub groups: [u32; 3],
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Floating-point operations: the op's, shared among its dispatches by what their code computes.
    pub flops: f64,
    /// The fewest bytes that move.
    pub bytes: f64,
    /// Milliseconds to begin its vector instructions.
    pub issue_ms: f64,
    /// Milliseconds to move its bytes.
    pub memory_ms: f64,
    /// The larger of both.
    pub ms: f64,
    /// Which one that is: `instructions` or `memory`.
    pub bound: &'static str,
    /// Multiply-adds among the vector instructions of its hottest loop; `None` without a loop.
    pub fma_share: Option<f64>,
    /// Subgroups that a SIMD holds at once, as the driver says.
    pub subgroups: Option<f64>,
    /// Registers that were spilled.
    pub spills: f64,
}

/// Estimates a plan's step. The plan must be made for the driver's target.
pub fn estimate(
    plan: &Plan,
    driver: &Offline,
    family: &Family,
    (model, batch_size): (&str, usize),
) -> Result<Estimated> {
    let (planned, launches) = kernels_of(plan)?;
    let mut launches = launches.into_iter();
    let kernels: Vec<_> = planned.iter().map(|p| p.kernel).collect();
    let compiled = driver.compile(&kernels)?;
    let mut dispatches: Vec<Estimate> = vec![];
    for step in &plan.steps {
        let codes: Vec<&Compiled> = launches.by_ref().take(step.launches.len()).map(|n| &compiled[n]).collect();
        let first = dispatches.len();
        for found in of_step(plan, step, &codes, family) {
            let same = |e: &&mut Estimate| {
                (&e.name, e.groups, e.workgroup) == (&found.name, found.groups, found.workgroup)
                    && e.fma_share == found.fma_share
            };
            match dispatches[first..].iter_mut().find(same) {
                Some(e) => e.add(&found),
                None => dispatches.push(found),
            }
        }
    }
    Ok(Estimated {
        model: model.into(),
        batch_size,
        family: family.name.into(),
        card: family.card.into(),
        driver: driver.names()[1].into(),
        ms: dispatches.iter().map(|e| e.ms).sum(),
        dispatches,
    })
}

/// The dispatches of a step, each by itself.
fn of_step(plan: &Plan, step: &Step, compiled: &[&Compiled], family: &Family) -> Vec<Estimate> {
    let node = &plan.graph.nodes()[step.node];
    let cost = node.op.cost(&plan.lower_context(node));
    // Loops do the work, where there are any.
    let looped = compiled.iter().any(|c| c.code.is_some_and(|code| code.looped_flops > 0.0));
    let computed = |(l, c): (&Launch, &&Compiled)| {
        let of = |code: Code| if looped { code.looped_flops } else { code.all.flops };
        c.code.map_or(0.0, of) * invocations(l, c)
    };
    let weights: Vec<f64> = step.launches.iter().zip(compiled).map(computed).collect();
    let all: f64 = weights.iter().sum();
    let alone = step.launches.len() == 1;
    let one = |((l, c), weight): ((&Launch, &&Compiled), &f64)| {
        let flops = if all > 0.0 { cost.flops as f64 * weight / all } else { 0.0 };
        let bytes = if alone { cost.bytes as f64 } else { bound_bytes(l) };
        let issue_ms = issue_ns(l, c, flops, family) / 1e6;
        let memory_ms = bytes / family.gbs / 1e6;
        let spills = ["Spilled VGPRs", "Spilled SGPRs"].iter().filter_map(|n| c.executable.statistic(n)).sum();
        Estimate {
            name: l.label.clone(),
            count: 1,
            groups: l.groups,
            workgroup: l.entry.workgroup_size.iter().product(),
            flops,
            bytes,
            issue_ms,
            memory_ms,
            ms: issue_ms.max(memory_ms),
            bound: if issue_ms > memory_ms { "instructions" } else { "memory" },
            fma_share: c.fma_share(),
            subgroups: c.executable.statistic("Subgroups per SIMD"),
            spills,
        }
    };
    step.launches.iter().zip(compiled).zip(&weights).map(one).collect()
}

impl Estimate {
    fn add(&mut self, other: &Estimate) {
        self.count += other.count;
        self.flops += other.flops;
        self.bytes += other.bytes;
        self.issue_ms += other.issue_ms;
        self.memory_ms += other.memory_ms;
        self.ms += other.ms;
    }
}

/// Lanes that run: a workgroup fills whole subgroups.
fn invocations(l: &Launch, c: &Compiled) -> f64 {
    let own: u32 = l.entry.workgroup_size.iter().product();
    let whole = own.next_multiple_of(c.executable.subgroup.max(1));
    l.groups.iter().map(|n| f64::from(*n)).product::<f64>() * f64::from(whole)
}

/// Bytes of what a dispatch binds, each tensor once.
fn bound_bytes(l: &Launch) -> f64 {
    l.bound.iter().map(|b| (b.place.spec.elements() * b.place.spec.dtype.bytes()) as f64).sum()
}

/// Nanoseconds in which the card begins a dispatch's vector instructions. What stands outside loops runs once; the
/// hottest loop turns as often as the op's operations ask for; without them, loops count as the compiler estimates.
/// Workgroups are spread over the card's units, which wait for the fullest one.
fn issue_ns(l: &Launch, c: &Compiled, flops: f64, family: &Family) -> f64 {
    let Some(code) = c.code else { return 0.0 };
    let lanes = invocations(l, c);
    let instructions = match code.hot {
        Some(hot) if flops > 0.0 => {
            let own: u32 = l.entry.workgroup_size.iter().product();
            let idle = f64::from(own.next_multiple_of(c.executable.subgroup.max(1))) / f64::from(own);
            code.once.vector * lanes + flops / hot.flops * hot.vector * idle
        }
        _ => code.all.vector * lanes,
    };
    let groups: f64 = l.groups.iter().map(|n| f64::from(*n)).product();
    let units = f64::from(family.units);
    let rounds = (groups / units).ceil();
    let each = instructions / groups.max(1.0) / f64::from(family.lanes);
    rounds * each / family.clock
}

const HEADS: [&str; 10] = [
    "dispatch @ layer",
    "x",
    "ms",
    "share",
    "bound by",
    "instructions ms",
    "memory ms",
    "fma share",
    "waves",
    "workgroups",
];

/// The estimate as a table with at most `most` dispatches, and what is said about it.
pub fn table(e: &Estimated, by: Sort, most: usize) -> String {
    let mut all: Vec<&Estimate> = e.dispatches.iter().collect();
    match by {
        Sort::Plan => {}
        Sort::Name => all.sort_by(|a, b| a.name.cmp(&b.name)),
        Sort::Flops => all.sort_by(|a, b| b.flops.total_cmp(&a.flops)),
        Sort::Bytes => all.sort_by(|a, b| b.bytes.total_cmp(&a.bytes)),
        Sort::Time | Sort::Gain => all.sort_by(|a, b| b.ms.total_cmp(&a.ms)),
    }
    let row = |d: &&Estimate| {
        let [x, y, z] = d.groups;
        vec![
            d.name.clone(),
            d.count.to_string(),
            format!("{:.4}", d.ms),
            percent(d.ms / e.ms),
            d.bound.to_string(),
            format!("{:.4}", d.issue_ms),
            format!("{:.4}", d.memory_ms),
            d.fma_share.map_or(String::new(), |s| format!("{s:.2}")),
            d.subgroups.map_or(String::new(), |s| format!("{s:.0}")),
            format!("{} of {}", u64::from(x) * u64::from(y) * u64::from(z), d.workgroup),
        ]
    };
    let rows: Vec<Vec<String>> =
        std::iter::once(HEADS.map(String::from).to_vec()).chain(all.iter().take(most).map(row)).collect();
    let mut out = aligned(&rows);
    let rest = all.get(most..).unwrap_or_default();
    if !rest.is_empty() {
        let share = rest.iter().map(|d| d.ms).sum::<f64>() / e.ms;
        out += &format!("and {} more: {}\n", rest.len(), percent(share));
    }
    let of = |bound: &str| e.dispatches.iter().filter(|d| d.bound == bound).map(|d| d.ms).sum::<f64>() / e.ms;
    out += &format!(
        "\n{}, batch {}, on {} ({}): at least {} ms a step, {} of it bound by instructions, {} by memory\n",
        e.model,
        e.batch_size,
        e.card,
        e.family,
        number((e.ms * 1e4).round() / 1e4),
        percent(of("instructions")),
        percent(of("memory"))
    );
    out + &format!(
        "estimated from what {} compiles, not measured: vector instructions at the card's boost clock, bytes at its full \
         bandwidth, no time between dispatches",
        e.driver
    )
}
