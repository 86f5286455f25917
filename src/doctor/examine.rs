//! The cases of all ops on a device.

use super::verdict::{Status, Verdict};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuExecutor};
use crate::graph::{Built, Case, Node};
use crate::kernel::Refusal;
use crate::ops;
use crate::plan::{Choices, Executor, Options, Plan, Target, options_for};
use crate::tensor::Data;
use crate::verify::case::{Values, check, judge, run_twice};
use crate::verify::distinct::{Set, Ways, distinct};
use crate::verify::kernel_name;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// Cases that are prepared at once, on all threads.
const AT_ONCE: usize = 24;

/// Failures that are kept of an op's variant.
const SHOWN: usize = 3;

/// What came of the cases.
pub(super) struct Examination {
    pub verdicts: Vec<Verdict>,
    pub refused: Vec<Refusal>,
    /// Cases that were left out.
    pub left_out: usize,
}

/// A case, ready to run.
struct Ready {
    case: Case,
    built: Built,
    judged: Vec<Values>,
    choices: Vec<Choices>,
}

/// Runs the cases of some rooms or names, or all, in every variant; until a moment the smallest.
pub(super) fn cases(
    gpu: &Arc<Gpu>,
    rooms: &BTreeSet<String>,
    until: Option<Instant>,
    said: &mut dyn FnMut(&str),
) -> Result<Examination> {
    let of_room = |c: &Case| rooms.is_empty() || rooms.contains(room(c)) || rooms.contains(&c.name);
    let mut cases: Vec<Case> = ops::cases().into_iter().filter(of_room).collect();
    if cases.is_empty() {
        let known = ops::ROOMS.join(", ");
        return Err(Error::usage(format!(
            "no op {rooms:?} has cases, and no case is called so; there are the ops {known}"
        )));
    }
    if until.is_some() {
        in_turns(&mut cases);
    }
    let (all, mut done) = (cases.len(), 0);
    let mut found = Found::default();
    let over = || until.is_some_and(|t| Instant::now() >= t);
    for group in cases.chunks(if until.is_some() { AT_ONCE / 4 } else { AT_ONCE }) {
        if over() {
            break;
        }
        said(&format!("{done} of {all} cases"));
        let ready: Vec<(String, Result<Ready>)> =
            group.par_iter().map(|case| (case.name.clone(), prepare(case, gpu))).collect();
        for (name, ready) in ready {
            if over() {
                break;
            }
            match ready {
                Ok(ready) => run(gpu, &ready, &mut found),
                // What cannot be planned is the program's fault; whoever examines hears of it.
                Err(e) => found.add((name.clone(), String::new()), Status::Failed, &name, &e.to_string()),
            }
            done += 1;
        }
    }
    Ok(found.finish(all - done))
}

/// The room of a case.
fn room(case: &Case) -> &str {
    case.name.split('/').next().unwrap_or_default()
}

/// Puts the smallest case of every room first, then the second of each, and so on.
fn in_turns(cases: &mut Vec<Case>) {
    let size = |c: &Case| c.inputs.iter().map(|(s, _)| s.elements()).sum::<usize>();
    cases.sort_by_key(size);
    let mut turns: BTreeMap<String, usize> = BTreeMap::new();
    let mut keyed: Vec<(usize, Case)> = cases
        .drain(..)
        .map(|c| {
            let turn = turns.entry(room(&c).to_string()).or_default();
            *turn += 1;
            (*turn, c)
        })
        .collect();
    keyed.sort_by_key(|(turn, _)| *turn);
    cases.extend(keyed.into_iter().map(|(_, c)| c));
}

fn prepare(case: &Case, gpu: &Gpu) -> Result<Ready> {
    let built = case.built()?;
    let set = Set { name: "own", caps: gpu.caps.clone() };
    let distinct = distinct(&built.graph, &built.fetches(), &options_for(case), &[set], Ways::All);
    let choices = distinct.into_iter().flat_map(|d| d.choices).collect();
    let judged = judge(&built)?;
    Ok(Ready { case: case.clone(), built, judged, choices })
}

fn run(gpu: &Arc<Gpu>, ready: &Ready, found: &mut Found) {
    let Ready { case, built, judged, choices } = ready;
    for choices in choices {
        let options = Options { choices: choices.clone(), ..options_for(case) };
        let plan = match Plan::with(&built.graph, &built.fetches(), Target::Gpu(gpu.caps.clone()), &options) {
            Ok(plan) => plan,
            Err(e) => {
                found.add((room(case).into(), String::new()), Status::Failed, &case.name, &e.to_string());
                continue;
            }
        };
        let ways: BTreeSet<Way> = plan.steps.iter().map(|s| way(&plan.graph.nodes()[s.node], s.variant)).collect();
        let checked = run_twice(built, gpu, plan.clone()).map_err(|why| (Status::Failed, why));
        let status = if is_finite(built) { Status::Wrong } else { Status::NotFinite };
        let checked = checked.and_then(|f| check(case, built, &f, judged).map_err(|why| (status, why)));
        match checked {
            Ok(()) => ways.into_iter().for_each(|way| found.right(way)),
            Err((status, why)) => {
                let (way, why) = blame(gpu, plan, room(case), why);
                ways.into_iter().filter(|w| *w != way).for_each(|way| found.right(way));
                found.add(way, status, &case.name, &why);
            }
        }
    }
}

/// Whether a case is about finite numbers.
fn is_finite(built: &Built) -> bool {
    built.values.iter().all(|v| match v.draw().data {
        Data::F32(v) => v.iter().all(|x| x.is_finite()),
        Data::U32(_) => true,
    })
}

/// An op with its variant.
type Way = (String, String);

fn way(node: &Node, variant: &str) -> Way {
    (kernel_name(node), variant.into())
}

/// Which op of a failing plan it is: the first one that disagrees with the judge by itself;
/// where none does (a write out of bounds, bits that differ), the one that the case is about.
fn blame(gpu: &Arc<Gpu>, plan: Plan, room: &str, why: String) -> (Way, String) {
    let outline = plan.outline();
    let alone = || -> Result<Option<(Way, String)>> {
        let mut e = GpuExecutor::new(gpu.clone());
        let program = e.load(plan)?;
        e.poison(&program);
        let wrong = crate::verify::step(&mut e, &program, &outline)?.err();
        Ok(wrong.map(|wrong| ((wrong.kernel.clone(), wrong.variant.clone()), format!("{why}; alone: {wrong}"))))
    };
    if let Ok(Some(found)) = alone() {
        return found;
    }
    let of = |s: &&crate::plan::Step| outline.graph.nodes()[s.node].op.name().starts_with(room);
    let steps = || outline.steps.iter();
    let chosen = steps().filter(of).find(|s| !s.variant.is_empty()).or(steps().find(of)).or(steps().next());
    let way = chosen.map(|s| way(&outline.graph.nodes()[s.node], s.variant));
    (way.unwrap_or((room.into(), String::new())), why)
}

/// Verdicts as they come.
#[derive(Default)]
struct Found(BTreeMap<Way, Verdict>);

impl Found {
    fn of(&mut self, way: Way) -> &mut Verdict {
        let (op, variant) = way.clone();
        let blank = Verdict { op, variant, cases: 0, status: Status::Right, failures: vec![] };
        self.0.entry(way).or_insert(blank)
    }

    fn right(&mut self, way: Way) {
        self.of(way).cases += 1;
    }

    fn add(&mut self, way: Way, status: Status, case: &str, why: &str) {
        let verdict = self.of(way);
        verdict.cases += 1;
        // The worst counts.
        if verdict.status != Status::Wrong && (status.is_wrong() || verdict.status == Status::Right) {
            verdict.status = status;
        }
        if verdict.failures.len() < SHOWN {
            verdict.failures.push((case.into(), why.into()));
        }
    }

    fn finish(self, left_out: usize) -> Examination {
        let verdicts: Vec<Verdict> = self.0.into_values().collect();
        let refused = verdicts.iter().filter(|v| v.status.is_wrong()).map(|v| Refusal {
            op: v.op.clone(),
            variant: v.variant.clone(),
            why: v.failures.first().map(|(case, why)| format!("{case}: {why}")).unwrap_or_default(),
        });
        Examination { refused: refused.collect(), verdicts, left_out }
    }
}
