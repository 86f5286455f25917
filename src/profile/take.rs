//! A profile: what a step of a plan spends its time on.

use super::{Ceilings, Stat};
use crate::device::{Device, DeviceInfo};
use crate::error::Result;
use crate::eval::plot::number;
use crate::graph::TensorId;
use crate::plan::{Clock, Executor, Launch, Plan, Program, Step, TimedRun, Timeline};
use serde::{Deserialize, Serialize};

/// Runs before anything is measured: drivers compile at the first.
const WARM_UP: usize = 2;
/// Milliseconds below which the time of an op is no evidence against a ceiling:
/// clocks are not that fine.
const TOO_SHORT: f64 = 0.005;

/// What a profile is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The model's name.
    pub model: String,
    /// Samples per step.
    pub batch_size: usize,
    /// The device.
    pub device: DeviceInfo,
}

/// Where the time of a step goes. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// What it is of.
    #[serde(flatten)]
    pub subject: Subject,
    /// How kernels were timed: `dispatches`, `passes`, `host`, or `runs` where
    /// the device cannot tell.
    pub clock: String,
    /// Steps measured.
    pub steps: usize,
    /// What the device reaches at most.
    pub ceilings: Ceilings,
    /// A whole step as it was measured.
    pub wall: Stat,
    /// A whole step without timers.
    pub plain: Stat,
    /// The parts of a step that follow each other.
    pub parts: Parts,
    /// What a dispatch costs the host, without timers; `None` on the CPU.
    #[serde(default)]
    pub host: Option<HostCost>,
    /// The share of a step that was measured directly: kernels, gaps between
    /// them, encoding and submitting. The rest lies before the first kernel and
    /// after the last.
    pub accounted: f64,
    /// How far all kernels may lie from where they are on the host's clock.
    pub clock_uncertainty: f64,
    /// The ops, in the order of the plan.
    pub kernels: Vec<OpTime>,
    /// What was made of kernels that were faster than the ceilings.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// The parts of a step.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Parts {
    /// The host writes commands.
    pub encode: Stat,
    /// The host hands them over, until the first kernel begins.
    pub submit: Stat,
    /// From there to the first kernel.
    pub before_first: Stat,
    /// All kernels.
    pub kernels: Stat,
    /// Between one kernel and the next.
    pub gaps: Stat,
    /// From the last kernel until the host knows.
    pub after_last: Stat,
}

/// What replaying a plan costs the host. Times are in microseconds for each
/// dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct HostCost {
    /// Dispatches of a step.
    pub dispatches: usize,
    /// Writing it down.
    pub encode: Stat,
    /// Its share of handing all over.
    pub submit: Stat,
}

/// The time of an op.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpTime {
    /// `conv2d.forward @ conv1`; the op's name where it has several dispatches.
    pub name: String,
    /// The layer: `block1.conv1`; empty outside any.
    pub scope: String,
    /// Shapes of what it reads and writes.
    pub shapes: String,
    /// Its time.
    pub ms: Stat,
    /// Its share of a step.
    pub share: f64,
    /// Floating-point operations.
    pub flops: u64,
    /// The fewest bytes that it must move.
    pub bytes: u64,
    /// The share that the device's ceilings leave as the least time.
    pub of_ceiling: f64,
    /// `memory` or `arithmetic`: which ceiling is the lower one for it; empty
    /// for an op that costs neither.
    pub bound: String,
    /// Its dispatches, equal ones together; none on the CPU.
    pub dispatches: Vec<DispatchTime>,
}

/// The time of a dispatch, or of several equal ones of an op.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DispatchTime {
    /// `conv2d.forward @ conv1`.
    pub name: String,
    /// How many there are.
    pub count: usize,
    /// Workgroups per dimension.
    pub groups: [u32; 3],
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// The time of all of them.
    pub ms: Stat,
}

/// A profile with what it was made from.
pub struct Taken {
    /// The profile.
    pub profile: Profile,
    /// When everything ran.
    pub timeline: Timeline,
    /// The kernels of each op of the profile, as the timeline counts them, with
    /// their names.
    pub pieces: Vec<Vec<(usize, String)>>,
}

/// Profiles a program that is loaded and has its data in place.
pub fn take(
    e: &mut dyn Executor,
    program: &Program,
    plan: &Plan,
    device: &Device,
    (model, batch_size): (&str, usize),
    steps: usize,
) -> Result<Taken> {
    let mut ceilings = Ceilings::of(device)?;
    let subject = Subject { model: model.into(), batch_size, device: device.info() };
    e.run(program, WARM_UP)?;
    e.wait()?;
    let plain = e.time_host(program, steps)?.runs;
    let timeline = e.time(program, steps)?;
    let ops = if timeline.clock == Clock::Runs { vec![] } else { ops(plan, timeline.clock) };
    let wall = Stat::of(timeline.runs.iter().map(|r| ms(r.wall())));
    let (parts, accounted) = parts(&timeline.runs);
    let mut kernels: Vec<OpTime> =
        ops.iter().map(|op| op_time(plan, op, &timeline.runs, &ceilings, wall.median)).collect();
    let mut notes = vec![];
    if kernels.iter().any(OpTime::exceeds) {
        ceilings = ceilings.again(device)?;
        (ceilings, notes) = raised(&mut kernels, ceilings);
    }
    let profile = Profile {
        subject,
        clock: format!("{:?}", timeline.clock).to_lowercase(),
        steps,
        ceilings,
        wall,
        plain: Stat::of(plain.iter().map(|r| ms(r.wall()))),
        parts,
        host: host_cost(&plain, plan.steps.iter().map(|s| s.launches.len()).sum()),
        accounted,
        clock_uncertainty: ms(timeline.uncertainty),
        kernels,
        notes,
    };
    let named = |op: &Op| {
        let name = |i: usize| match op.step.launches.get(i) {
            Some(launch) => launch.label.clone(),
            None => plan.graph.nodes()[op.step.node].label(),
        };
        op.kernels.clone().enumerate().map(|(i, k)| (k, name(i))).collect()
    };
    let pieces = ops.iter().map(named).collect();
    Ok(Taken { profile, timeline, pieces })
}

fn ms(ns: f64) -> f64 {
    ns / 1e6
}

fn host_cost(runs: &[TimedRun], dispatches: usize) -> Option<HostCost> {
    let each = |of: &dyn Fn(&TimedRun) -> f64| Stat::of(runs.iter().map(|r| of(r) / 1e3 / dispatches as f64));
    let cost =
        || HostCost { dispatches, encode: each(&|r| r.encode.duration()), submit: each(&|r| r.submit.duration()) };
    (dispatches > 0).then(cost)
}

/// A step of the plan and its kernels, as a run counts them.
struct Op<'a> {
    step: &'a Step,
    kernels: std::ops::Range<usize>,
}

fn ops(plan: &Plan, clock: Clock) -> Vec<Op<'_>> {
    let mut first = 0;
    let mut ops = vec![];
    for step in &plan.steps {
        let count = if clock == Clock::Host { 1 } else { step.launches.len() };
        if count > 0 {
            ops.push(Op { step, kernels: first..first + count });
        }
        first += count;
    }
    ops
}

/// The parts of each run, and the share that was measured directly.
fn parts(runs: &[TimedRun]) -> (Parts, f64) {
    let part = |of: &dyn Fn(&TimedRun) -> f64| Stat::of(runs.iter().map(|r| ms(of(r).max(0.0))));
    // Where a device has no clock, all that is seen is that the host waits.
    let first = |r: &TimedRun| r.kernels.first().map_or(r.wait.end, |k| k.begin).clamp(r.submit.begin, r.wait.end);
    let last = |r: &TimedRun| r.kernels.last().map_or(r.wait.end, |k| k.end).clamp(first(r), r.wait.end);
    // A device may begin before the host has finished handing over.
    let submit = |r: &TimedRun| first(r).min(r.submit.end) - r.submit.begin;
    let gaps = |r: &TimedRun| r.kernels.windows(2).map(|w| (w[1].begin - w[0].end).max(0.0)).sum::<f64>();
    let direct = |r: &TimedRun| (r.encode.duration() + submit(r) + r.busy() + gaps(r)) / r.wall().max(1.0);
    let all = Parts {
        encode: part(&|r| r.encode.duration()),
        submit: part(&submit),
        before_first: part(&|r| first(r) - r.submit.end),
        kernels: part(&|r| r.busy()),
        gaps: part(&gaps),
        after_last: part(&|r| r.wait.end - last(r)),
    };
    (all, Stat::of(runs.iter().map(direct)).median.min(1.0))
}

fn op_time(plan: &Plan, op: &Op, runs: &[TimedRun], ceilings: &Ceilings, wall: f64) -> OpTime {
    let node = &plan.graph.nodes()[op.step.node];
    let cost = node.op.cost(&plan.lower_context(node));
    let over =
        |kernels: &[usize]| Stat::of(runs.iter().map(|r| ms(kernels.iter().map(|&k| r.kernels[k].duration()).sum())));
    let time = over(&op.kernels.clone().collect::<Vec<_>>());
    let name = match &op.step.launches[..] {
        [one] => one.label.clone(),
        _ => node.label(),
    };
    let mut timed = OpTime {
        name,
        scope: node.scope.clone(),
        shapes: shapes(plan, &node.inputs, &node.updates, &node.outputs),
        ms: time,
        share: share(time.median, wall),
        flops: cost.flops,
        bytes: cost.bytes,
        of_ceiling: 0.0,
        bound: String::new(),
        dispatches: alike(&op.step.launches)
            .into_iter()
            .map(|which| {
                let launch: &Launch = &op.step.launches[which[0]];
                let kernels: Vec<usize> = which.iter().map(|i| op.kernels.start + i).collect();
                DispatchTime {
                    name: launch.label.clone(),
                    count: which.len(),
                    groups: launch.groups,
                    workgroup: launch.entry.workgroup_size.iter().product(),
                    workgroup_bytes: launch.entry.workgroup_bytes,
                    ms: over(&kernels),
                }
            })
            .collect(),
    };
    timed.judge(ceilings);
    timed
}

impl OpTime {
    /// Holds the time against the ceilings.
    fn judge(&mut self, ceilings: &Ceilings) {
        let [memory, arithmetic] = ceilings.least(self.flops, self.bytes).map(ms);
        let bound = match memory.total_cmp(&arithmetic) {
            _ if memory.max(arithmetic) == 0.0 => "",
            std::cmp::Ordering::Less => "arithmetic",
            _ => "memory",
        };
        (self.bound, self.of_ceiling) = (bound.into(), share(memory.max(arithmetic), self.ms.median));
    }

    /// Whether it took less time than the ceilings allow.
    fn exceeds(&self) -> bool {
        self.of_ceiling > 1.0
    }

    /// What it reached of each ceiling.
    fn reached(&self) -> Ceilings {
        let per_ns = |n: u64| n as f64 / (1e6 * self.ms.median);
        Ceilings { gflops: per_ns(self.flops), gbs: per_ns(self.bytes) }
    }
}

/// Judges ops by ceilings that none of them exceeds: what a kernel reaches is not
/// beyond the device. Says which ceiling was raised, by what.
fn raised(kernels: &mut [OpTime], measured: Ceilings) -> (Ceilings, Vec<String>) {
    kernels.iter_mut().for_each(|op| op.judge(&measured));
    let mut notes = vec![];
    let mut raise = |what: &str, unit: &str, measured: f64, of: fn(Ceilings) -> f64| {
        let long = kernels.iter().filter(|op| op.ms.median >= TOO_SHORT);
        let best = long.max_by(|a, b| of(a.reached()).total_cmp(&of(b.reached())));
        let Some((op, best)) = best.map(|op| (op, of(op.reached()))).filter(|(_, best)| *best > measured) else {
            return measured;
        };
        notes.push(format!(
            "the ceiling of {what} is raised from the {} {unit} that were measured to the {} {unit} that {} reached{}",
            number(measured),
            number(best),
            op.name,
            if what == "memory" { ": its data may lie in a cache" } else { "" }
        ));
        best
    };
    let gbs = raise("memory", "GB/s", measured.gbs, |c| c.gbs);
    let gflops = raise("arithmetic", "GFLOP/s", measured.gflops, |c| c.gflops);
    let ceilings = Ceilings { gflops, gbs };
    kernels.iter_mut().for_each(|op| op.judge(&ceilings));
    // What raised a ceiling is at it, but for rounding.
    kernels.iter_mut().filter(|op| op.ms.median >= TOO_SHORT).for_each(|op| op.of_ceiling = op.of_ceiling.min(1.0));
    let short = kernels.iter_mut().filter(|op| op.exceeds()).map(|op| op.of_ceiling = 1.0).count();
    match short {
        0 => {}
        1 => notes.push("1 op is too short to be timed well; it is shown at its ceiling".into()),
        n => notes.push(format!("{n} ops are too short to be timed well; they are shown at their ceilings")),
    }
    (ceilings, notes)
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Which dispatches of an op have one name and one grid: those of a recurrence
/// over time are many.
fn alike(launches: &[Launch]) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = vec![];
    for (i, launch) in launches.iter().enumerate() {
        let same = |other: &&mut Vec<usize>| {
            let other = &launches[other[0]];
            other.label == launch.label && other.groups == launch.groups
        };
        match found.iter_mut().find(same) {
            Some(list) => list.push(i),
            None => found.push(vec![i]),
        }
    }
    found
}

/// `[128, 28, 28] [32] -> [128, 10]`
fn shapes(plan: &Plan, inputs: &[TensorId], updates: &[TensorId], outputs: &[TensorId]) -> String {
    let list =
        |ids: &[TensorId]| -> Vec<String> { ids.iter().map(|&t| plan.graph.spec(t).shape.to_string()).collect() };
    let written = [list(updates), list(outputs)].concat();
    format!("{} -> {}", list(inputs).join(" "), written.join(" ")).trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(name: &str, ms: f64, flops: u64, bytes: u64) -> OpTime {
        OpTime {
            name: name.into(),
            scope: String::new(),
            shapes: String::new(),
            ms: Stat::of([ms]),
            share: 0.5,
            flops,
            bytes,
            of_ceiling: 0.0,
            bound: String::new(),
            dispatches: vec![],
        }
    }

    #[test]
    fn a_ceiling_that_is_exceeded_is_raised_and_that_is_said() {
        let measured = Ceilings { gflops: 100.0, gbs: 1.0 };
        // 13 GB/s where 1 was measured; 50 GFLOP/s of 100; and one too short to tell.
        let mut ops = [op("copy", 1.0, 0, 13_000_000), op("dot", 1.0, 50_000_000, 8), op("tiny", 0.001, 0, 1_000_000)];
        let (ceilings, notes) = raised(&mut ops, measured);
        assert_eq!(ceilings, Ceilings { gflops: 100.0, gbs: 13.0 });
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].contains("from the 1 GB/s") && notes[0].contains("13 GB/s that copy reached"), "{notes:?}");
        assert!(ops.iter().all(|o| o.of_ceiling <= 1.0 && o.of_ceiling > 0.0));
        assert!((ops[1].of_ceiling - 0.5).abs() < 1e-9 && ops[1].bound == "arithmetic");
        // Nothing is raised where nothing exceeds.
        let mut ops = [op("copy", 1.0, 0, 900_000)];
        assert_eq!(raised(&mut ops, measured), (measured, vec![]));
    }
}
