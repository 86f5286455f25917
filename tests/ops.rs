//! Every case of every op, three ways: the gradient rule against finite
//! differences on the f64 judge; the f32 CPU path against the judge; and the
//! shaders against the judge, as they are lowered for each of several kinds of
//! adapter (`support/capabilities.rs`), and in every variant that there is.
//!
//! Run one again by its name: `cargo test --release --test ops -- matmul/nn_odd`.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use rayon::prelude::*;
use std::sync::Arc;
use support::capabilities::{self, Distinct, Set, Ways, distinct};
use support::device::{announce, gpu_trial};
use support::run::{build, fetch_all, input_name, options_for};
use wgrad::cpu::Cpu;
use wgrad::gpu::Gpu;
use wgrad::graph::Case;
use wgrad::plan::{Choices, Executor, Options, Plan, Target};
use wgrad::verify::case::{check, judge, run_twice};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![];
    let cases: Vec<Arc<Case>> = wgrad::ops::cases().into_iter().map(Arc::new).collect();
    for case in &cases {
        let name = |kind: &str| format!("{}::{kind}", case.name);
        let c = case.clone();
        trials.push(Trial::test(name("cpu_f32"), move || cpu_f32(&c)));
        let elements: usize = case.inputs.iter().map(|(s, _)| s.elements()).sum();
        if case.gradient && elements <= 200_000 {
            let c = case.clone();
            trials.push(Trial::test(name("gradient"), move || finite_differences(&c)));
        }
    }
    let sets = capabilities::sets();
    let wanted = |case: &Case| sets.iter().any(|set| !args.is_filtered_out(&named(case, set.name)));
    let asked: Vec<Arc<Case>> = cases.into_iter().filter(|c| wanted(c)).collect();
    let plans: Vec<Vec<Distinct>> = asked.par_iter().map(|case| plans(case, &sets)).collect();
    for (case, plans) in asked.iter().zip(plans) {
        let due = args.filter.is_some() || capabilities::due(&case.name, 12);
        // A day of a GPU's kernels, where these are others than those of software.
        let of_gpu = capabilities::due(&case.name, 2) && plans.iter().any(|d| d.set.name == "gpu_workgroups");
        for mut d in plans {
            // What is as on every adapter: the usual way on software one day and on a GPU the
            // next, and of a GPU all of them every sixth.
            match d.set.name {
                "gpu_workgroups" if due || capabilities::due(&case.name, 6) => {}
                "gpu_workgroups" if of_gpu => d.choices.truncate(1),
                "gpu_workgroups" => continue,
                "gpu_registers" if of_gpu && !due => continue,
                "gpu_registers" if !due => d.choices.truncate(1),
                _ if !due => continue,
                _ => {}
            }
            let case = case.clone();
            trials.push(gpu_trial(format!("{}::{}", case.name, d.set.name), move |gpu| on_gpu(&case, gpu, &d)));
        }
    }
    announce();
    libtest_mimic::run(&args, trials).exit();
}

fn cpu_f32(case: &Case) -> Result<(), Failed> {
    let built = build(case)?;
    let mut cpu = Cpu::<f32>::new();
    let program = cpu.load(Plan::with(&built.graph, &built.fetches(), Target::Cpu, &options_for(case))?)?;
    cpu.poison(&program);
    cpu.run(&program, 1)?;
    let found = fetch_all(&mut cpu, &program, &built.fetches())?;
    Ok(check(case, &built, &found, &judge(&built)?)?)
}

/// A trial of a case's name, to ask a filter about.
fn named(case: &Case, kind: &str) -> Trial {
    Trial::test(format!("{}::{kind}", case.name), || Ok(()))
}

/// What of a case there is to run on a GPU. A case that cannot be built is run,
/// and says why.
fn plans(case: &Case, sets: &[Set]) -> Vec<Distinct> {
    let Ok(built) = build(case) else {
        return vec![Distinct { set: sets[0].clone(), choices: vec![Choices::default()] }];
    };
    distinct(&built.graph, &built.fetches(), &options_for(case), sets, Ways::All)
}

fn on_gpu(case: &Case, gpu: &Arc<Gpu>, distinct: &Distinct) -> Result<(), Failed> {
    let built = build(case)?;
    let judged = judge(&built)?;
    for choices in &distinct.choices {
        let options = Options { choices: choices.clone(), ..options_for(case) };
        let target = Target::Gpu(distinct.set.caps.clone());
        let run = || -> Result<(), Failed> {
            let found = run_twice(&built, gpu, Plan::with(&built.graph, &built.fetches(), target, &options)?)?;
            Ok(check(case, &built, &found, &judged)?)
        };
        run().map_err(|e| match choices.0.is_empty() {
            true => e,
            false => format!("{}: {choices:?}", e.message().unwrap_or_default()).into(),
        })?;
    }
    Ok(())
}

/// Elements of each input that are nudged; all of them if there are fewer.
const NUDGED: usize = 24;

/// Central differences on the f64 judge against the gradient rule.
fn finite_differences(case: &Case) -> Result<(), Failed> {
    let built = build(case)?;
    let mut cpu = Cpu::<f64>::new();
    let program = cpu.load(Plan::build(&built.graph, &built.fetches(), Target::Cpu)?)?;
    cpu.run(&program, 1)?;
    let rules: Vec<(usize, Vec<f64>)> =
        built.gradients.iter().map(|&(i, t)| Ok((i, cpu.values(&program, t)?))).collect::<wgrad::Result<_>>()?;
    let seeds: Vec<_> = built.seeds.iter().map(|(i, seed)| (*i, seed.draw())).collect();
    // The objective is the contraction of the outputs with the cotangents.
    let objective = |cpu: &mut Cpu<f64>| -> wgrad::Result<f64> {
        cpu.run(&program, 1)?;
        let mut sum = 0.0;
        for (i, seed) in &seeds {
            let y = cpu.values(&program, built.outputs[*i])?;
            sum += y.iter().zip(seed.as_f32()).map(|(y, s)| y * f64::from(*s)).sum::<f64>();
        }
        Ok(sum)
    };
    for (input, rule) in rules {
        let x: Vec<f64> = built.values[input].draw().as_f32().iter().map(|&v| f64::from(v)).collect();
        let rms = (rule.iter().map(|v| v * v).sum::<f64>() / rule.len() as f64).sqrt();
        let stride = (x.len() / NUDGED).max(1) | 1;
        for at in (0..x.len()).step_by(stride) {
            let h = 1e-5 * x[at].abs().max(1.0);
            let mut nudge = |by: f64| -> wgrad::Result<f64> {
                let mut moved = x.clone();
                moved[at] += by;
                cpu.write_values(&input_name(input), &moved)?;
                objective(&mut cpu)
            };
            let difference = (nudge(h)? - nudge(-h)?) / (2.0 * h);
            let error = (rule[at] - difference).abs() / (difference.abs() + rms + 1e-12);
            if error.is_nan() || error > 1e-6 {
                return Err(format!(
                    "d_x{input}[{at}]: the rule says {}, finite differences {difference}, relative error {error:.2e}",
                    rule[at]
                )
                .into());
            }
        }
        cpu.write_values(&input_name(input), &x)?;
    }
    Ok(())
}
