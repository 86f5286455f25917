//! The time of a shader: each of its dispatches in each of some cases, checked
//! against the CPU.

use super::Stat;
use super::compare::is_change;
use crate::error::{Context, Error, Result};
use crate::gpu::{Gpu, GpuExecutor};
use crate::graph::Case;
use crate::plan::{Choices, Executor, Plan, Target, all_variants};
use crate::verify::case::{Values, check, judge};
use std::collections::HashMap;
use std::sync::Arc;

/// Timed runs of each dispatch.
const TIMES: usize = 20;

/// What the judge says of cases, by name: it does not change with the shader.
#[derive(Default)]
pub struct Judged(HashMap<String, Vec<Values>>);

/// A dispatch of a case.
pub struct Figure {
    /// The case and the dispatch in it.
    name: String,
    /// Workgroups and their size.
    grid: String,
    /// Microseconds.
    us: Stat,
}

/// What a run over all cases came to.
pub struct Outcome {
    /// The dispatches.
    pub figures: Vec<Figure>,
    /// Results that are not the judge's.
    pub wrong: Vec<String>,
}

/// Times every dispatch of a shader in each of the cases, in every variant that
/// the device runs, and compares all results with the judge's.
pub fn time_all(gpu: &Arc<Gpu>, shader: &str, cases: &[Case], judged: &mut Judged) -> Result<Outcome> {
    let mut outcome = Outcome { figures: vec![], wrong: vec![] };
    for case in cases {
        let built = case.built()?;
        let fetches = built.fetches();
        let target = Target::Gpu(gpu.caps.clone());
        let usual = Plan::build(&built.graph, &fetches, target.clone()).context(|| case.name.clone())?;
        let mut seen = vec![];
        for choices in [vec![Choices::default()], all_variants(&usual)].concat() {
            let plan = Plan::tuned(&built.graph, &fetches, target.clone(), &choices).context(|| case.name.clone())?;
            let launches: Vec<_> = plan.steps.iter().flat_map(|s| s.launches.clone()).collect();
            let ours = launches.iter().enumerate().filter(|(_, l)| l.kernel.shader.name == shader);
            let new: Vec<_> = ours.filter(|(i, l)| !seen.contains(&(*i, l.kernel.clone()))).collect();
            if new.is_empty() {
                continue;
            }
            let mut e = GpuExecutor::new(gpu.clone());
            let program = e.load(plan)?;
            e.poison(&program);
            e.run(&program, 1)?;
            if !judged.0.contains_key(&case.name) {
                judged.0.insert(case.name.clone(), judge(&built)?);
            }
            let found = fetches.iter().map(|&t| e.fetch(&program, t)).collect::<Result<Vec<_>>>()?;
            let differs = check(case, &built, &found, &judged.0[&case.name]).err();
            outcome.wrong.extend(differs.map(|e| format!("{}: {e}", case.name)));
            for (i, launch) in new {
                let us = Stat::of(e.time_dispatch(&program, i, TIMES)?.into_iter().map(|ns| ns / 1e3));
                let [x, y, z] = launch.groups;
                let size: u32 = launch.entry.workgroup_size.iter().product();
                let (name, grid) =
                    (format!("{} #{i} {}", case.name, launch.kernel.entry), format!("{x}x{y}x{z} of {size}"));
                outcome.figures.push(Figure { name, grid, us });
                seen.push((i, launch.kernel.clone()));
            }
        }
    }
    match outcome.figures.is_empty() {
        true => Err(Error::device(format!("no case of its room dispatches {shader} on this device"))),
        false => Ok(outcome),
    }
}

/// The figures, and how they changed.
pub fn table(now: &[Figure], before: Option<&[Figure]>) -> String {
    let width = now.iter().map(|f| f.name.chars().count()).max().unwrap_or(0);
    let row = |f: &Figure| {
        let was = before.and_then(|b| b.iter().find(|o| o.name == f.name));
        let change = match was {
            None if before.is_some() => "new".into(),
            Some(o) if is_change(&o.us, &f.us, 0.0) => {
                format!("{:+.1} % (was {:.1})", 100.0 * (f.us.median / o.us.median - 1.0), o.us.median)
            }
            _ => String::new(),
        };
        let line =
            format!("{:<width$}  {:>10.1} us ± {:<8.1}  {:<18}  {change}", f.name, f.us.median, f.us.sigma, f.grid);
        line.trim_end().to_string()
    };
    let total = |list: &[Figure]| list.iter().map(|f| f.us.median).sum::<f64>();
    let was = before.map_or(String::new(), |b| format!(" (was {:.1})", total(b)));
    let rows: Vec<String> = now.iter().map(row).collect();
    format!("{}\n{:<width$}  {:>10.1} us{was}", rows.join("\n"), "all", total(now))
}
