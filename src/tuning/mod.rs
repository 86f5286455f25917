//! Finds out which variant of each op is fastest on a GPU.
//!
//! Every op of a plan that can be computed in several ways is run in each of
//! them, alone, on random numbers of the shapes at hand. A way whose result the
//! CPU reference does not confirm is never chosen; the fastest of the others
//! is, and the verdict is kept on disk for the adapter, its driver and these
//! very shaders. Owns no policy about when to do so: see `cli::tune`.

mod cache;
mod judge;

pub use cache::{Cache, Entry};
pub use judge::Judge;

use crate::error::Result;
use crate::gpu::{Gpu, GpuExecutor};
use crate::graph::{Fill, Graph, Init, Lower, Node, TensorId};
use crate::kernel::{Caps, Variant, assemble};
use crate::plan::{Choices, Clock, Executor, Plan, Target, Timeline, Tunable, key};
use crate::tensor::{DType, Spec};
use judge::Expected;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Timed runs of each variant; their median counts.
const RUNS: usize = 7;

/// Runs before those, so that clocks and caches are warm.
const WARM: usize = 2;

/// How much faster than the usual variant another must be to take its place:
/// less is noise.
const WORTH: f64 = 0.97;

/// What came of one variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The result is right; it takes so long.
    Microseconds(f64),
    /// The result is not the reference's.
    Wrong(String),
    /// The device refused it.
    Failed(String),
}

/// The verdict over one op with its shapes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tuned {
    /// What the choice is kept under.
    pub key: String,
    /// What runs without a choice.
    pub usual: String,
    /// What was chosen.
    pub chosen: String,
    /// Who judged the results; `None`: nobody can in reasonable time, so the
    /// usual variant stays.
    pub judge: Option<Judge>,
    /// Each variant and what came of it.
    pub outcomes: Vec<(String, Outcome)>,
}

/// What tuning a plan came to.
#[derive(Debug, Default)]
pub struct Report {
    /// The choices for the plan.
    pub choices: Choices,
    /// Verdicts found now.
    pub tuned: Vec<Tuned>,
    /// Verdicts that the cache held.
    pub cached: usize,
    /// Ops left at their usual variant because the time was up.
    pub left: usize,
}

/// How much to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Nothing: take what the cache holds.
    Cached,
    /// What is missing, heaviest first, until the time is up.
    Within(Duration),
    /// Everything that is missing.
    Missing,
    /// Everything, whatever the cache holds.
    Again,
}

/// Chooses a variant for every op of a plan that has several. `said` sees each
/// verdict as it is found. The cache is changed, not saved.
pub fn tune(
    gpu: &Arc<Gpu>,
    plan: &Plan,
    cache: &mut Cache,
    effort: Effort,
    said: &mut dyn FnMut(&Tuned),
) -> Result<Report> {
    let mut report = Report::default();
    let until = match effort {
        Effort::Within(time) => Some(Instant::now() + time),
        _ => None,
    };
    let mut tunables = plan.tunables();
    let work = |t: &Tunable| {
        let node = &plan.graph.nodes()[t.node];
        node.op.cost(&plan.lower_context(node)).flops
    };
    tunables.sort_by_key(|t| std::cmp::Reverse(work(t)));
    for t in tunables {
        let node = &plan.graph.nodes()[t.node];
        let cx = in_full(plan.lower_context(node));
        let shaders = fingerprint(node, &cx, &t.variants)?;
        let held = cache.get(&t.key, &shaders).filter(|e| t.variants.iter().any(|v| v.name == e.variant));
        if let Some(entry) = held.filter(|_| effort != Effort::Again) {
            report.cached += 1;
            report.choices.0.insert(t.key, entry.variant.clone());
            continue;
        }
        let found = match effort {
            Effort::Cached => None,
            _ => try_all(gpu, node, &cx, &t, until)?,
        };
        let Some(tuned) = found else {
            report.left += 1;
            continue;
        };
        said(&tuned);
        cache.put(&tuned, shaders);
        report.choices.0.insert(t.key, tuned.chosen.clone());
        report.tuned.push(tuned);
    }
    Ok(report)
}

/// Variants are compared on tensors in f32, however the plan keeps them.
fn in_full(mut cx: Lower) -> Lower {
    for spec in cx.inputs.iter_mut().chain(&mut cx.outputs).filter(|s| s.dtype == DType::F16) {
        spec.dtype = DType::F32;
    }
    cx
}

/// Runs every variant of a node. `None` where the time is up before all of
/// them have run, or where random numbers are no input for the op.
fn try_all(gpu: &Arc<Gpu>, node: &Node, cx: &Lower, t: &Tunable, until: Option<Instant>) -> Result<Option<Tuned>> {
    let floats = cx.inputs.iter().chain(&cx.outputs).all(|s| s.dtype == DType::F32);
    if !floats || !node.updates.is_empty() {
        return Ok(None);
    }
    let up = || until.is_some_and(|u| Instant::now() >= u);
    let mut tuned = Tuned {
        key: t.key.clone(),
        usual: t.runs.into(),
        chosen: t.runs.into(),
        judge: Judge::of(&node.op.cost(cx)),
        outcomes: vec![],
    };
    let Some(judge) = tuned.judge else { return Ok(Some(tuned)) };
    if up() {
        return Ok(None);
    }
    let (graph, outputs) = alone(node, cx);
    let expected = Expected::of(&graph, &outputs, judge, node, cx)?;
    for variant in &t.variants {
        if up() {
            return Ok(None);
        }
        let outcome = try_one(gpu, &gpu.caps, &graph, &outputs, &t.key, variant, &expected);
        tuned.outcomes.push((variant.name.into(), outcome));
    }
    tuned.chosen = choose(&tuned.outcomes, t.runs);
    Ok(Some(tuned))
}

/// Lets a GPU's plans multiply in f16, if it was opened for that and does it
/// right: products in all four forms, against the reference. Takes the graph of
/// a product, since ops are none of this layer's business.
///
/// Fails with the reason, and the GPU is as before.
pub fn try_half(gpu: &mut Arc<Gpu>, products: &[(Graph, TensorId)]) -> Result<(), String> {
    let lanes = gpu.half.ok_or("the adapter offers no 16x16 cooperative matrices of f16 with sums in f32")?;
    let caps = Caps { half: Some(lanes), ..gpu.caps.clone() };
    for (graph, y) in products {
        let plan = Plan::build(graph, &[*y], Target::Gpu(caps.clone())).map_err(|e| e.to_string())?;
        let node = &graph.nodes()[0];
        let cx = plan.lower_context(node);
        let half = plan.tunables().into_iter().flat_map(|t| t.variants).find(|v| v.half);
        let half = half.ok_or("its workgroups are too small for cooperative matrices")?;
        let expected = Expected::of(graph, &[*y], Judge::F64, node, &cx).map_err(|e| e.to_string())?;
        match try_one(gpu, &caps, graph, &[*y], &key(&*node.op, &cx), &half, &expected) {
            Outcome::Microseconds(_) => {}
            Outcome::Wrong(why) | Outcome::Failed(why) => return Err(why),
        }
    }
    match Arc::get_mut(gpu) {
        Some(gpu) => gpu.caps = caps,
        None => return Err("the device is in use already".into()),
    }
    Ok(())
}

/// The node in a graph of its own, on random numbers.
fn alone(node: &Node, cx: &Lower) -> (Graph, Vec<TensorId>) {
    let mut g = Graph::new();
    let draw = |(i, spec): (usize, &Spec)| {
        let init = Init::Data(Fill::Normal(1.0).draw(spec, i as u32).into());
        g.persistent(&format!("x{i}"), spec.clone(), init)
    };
    let inputs: Vec<TensorId> = cx.inputs.iter().enumerate().map(draw).collect();
    let outputs = g.push_again(node, &cx.outputs, &inputs);
    (g, outputs)
}

fn try_one(
    gpu: &Arc<Gpu>,
    caps: &Caps,
    graph: &Graph,
    outputs: &[TensorId],
    key: &str,
    variant: &Variant,
    expected: &Expected,
) -> Outcome {
    let run = || -> Result<Result<f64, String>> {
        let choices = Choices(BTreeMap::from([(key.to_string(), variant.name.to_string())]));
        let plan = Plan::tuned(graph, outputs, Target::Gpu(caps.clone()), &choices)?;
        let mut executor = GpuExecutor::new(gpu.clone());
        let program = executor.load(plan)?;
        // What a kernel leaves unwritten is not to pass for a result.
        executor.poison(&program);
        executor.run(&program, 1)?;
        for (i, &y) in outputs.iter().enumerate() {
            if let Err(why) = expected.compare(i, executor.fetch(&program, y)?.as_f32(), variant.half) {
                return Ok(Err(why));
            }
        }
        executor.run(&program, WARM)?;
        Ok(Ok(microseconds(&executor.time(&program, RUNS)?)))
    };
    match run() {
        Ok(Ok(time)) => Outcome::Microseconds(time),
        Ok(Err(why)) => Outcome::Wrong(why),
        Err(e) => Outcome::Failed(e.to_string()),
    }
}

/// The median time of a program's kernels together.
fn microseconds(timeline: &Timeline) -> f64 {
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(0.0)
    };
    let nanoseconds = match timeline.clock {
        Clock::Runs => median(timeline.runs.iter().map(|r| r.wall()).collect()),
        _ => timeline.durations().into_iter().map(median).sum(),
    };
    nanoseconds / 1e3
}

/// The fastest variant that is right; the usual one where it is about as fast,
/// and where none is right.
fn choose(outcomes: &[(String, Outcome)], usual: &str) -> String {
    let time = |(name, outcome): &(String, Outcome)| match outcome {
        Outcome::Microseconds(t) => Some((*t, name.clone())),
        _ => None,
    };
    let right: Vec<(f64, String)> = outcomes.iter().filter_map(time).collect();
    let fastest = right.iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let of_usual = right.iter().find(|(_, name)| name == usual);
    match (fastest, of_usual) {
        (None, _) => usual.into(),
        (Some(f), Some(u)) if f.0 > WORTH * u.0 => u.1.clone(),
        (Some(f), _) => f.1.clone(),
    }
}

/// A hash of everything that the variants run: their names, the text of their
/// shaders, constants and grids.
pub fn fingerprint(node: &Node, cx: &Lower, variants: &[Variant]) -> Result<String> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    // FNV-1a: the standard library's hash may change between its versions.
    let mut add = |text: &str| {
        for byte in text.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(&key(&*node.op, cx));
    for variant in variants {
        add(variant.name);
        for dispatch in node.op.lower(&cx.with(variant.name))?.dispatches {
            add(&assemble(&dispatch.kernel)?);
            add(&format!("{} {:?} {:?}", dispatch.kernel.entry, dispatch.kernel.overrides, dispatch.groups));
        }
    }
    Ok(format!("{hash:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, outcome: Outcome) -> (String, Outcome) {
        (name.into(), outcome)
    }

    #[test]
    fn the_fastest_right_variant_wins_by_a_margin() {
        let wrong = outcome("wrong", Outcome::Wrong("y[0]".into()));
        let failed = outcome("failed", Outcome::Failed("no memory".into()));
        let at = |name: &str, t: f64| outcome(name, Outcome::Microseconds(t));
        assert_eq!(choose(&[at("usual", 10.0), at("other", 5.0), wrong.clone()], "usual"), "other");
        assert_eq!(choose(&[at("usual", 10.0), at("other", 9.9)], "usual"), "usual");
        assert_eq!(choose(&[wrong.clone(), at("other", 5.0)], "wrong"), "other");
        assert_eq!(choose(&[wrong, failed], "wrong"), "wrong");
    }
}
