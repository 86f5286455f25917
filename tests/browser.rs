//! A second front end: every module that a device may get, compiled by a
//! browser. naga accepts what WGSL forbids, and drivers never see WGSL.
//!
//! Chromium is looked for as `support::browser::chromium` says; without it the check is
//! reported as ignored, and `WGRAD_REQUIRE_BROWSER=1` makes that a failure.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use rayon::prelude::*;
use std::collections::BTreeMap;
use support::browser::{chromium, compile};
use support::run::{build, in_halves, suits_halves};
use wgrad::graph::Case;
use wgrad::kernel::{Caps, Class, Kernel, assemble};
use wgrad::plan::{Plan, Target, kernels};

fn main() {
    let args = Arguments::from_args();
    let required = std::env::var("WGRAD_REQUIRE_BROWSER").is_ok_and(|v| !matches!(v.as_str(), "" | "0"));
    let there = chromium().is_some();
    if !there {
        eprintln!("no Chromium here: the browser's check is {}", if required { "a failure" } else { "ignored" });
    }
    let compiled = Trial::test("every_module_compiles_in_chromium", every_module_compiles);
    let refused = Trial::test("what_wgsl_forbids_is_refused", what_wgsl_forbids_is_refused);
    let trials = [compiled, refused].map(|t| t.with_ignored_flag(!there && !required));
    libtest_mimic::run(&args, trials.into()).exit();
}

/// The texts of modules, and for each a place that it is made for.
fn modules() -> Result<BTreeMap<String, String>, Failed> {
    let cases = wgrad::ops::cases();
    let mut found = BTreeMap::new();
    let mut add = |kernel: &Kernel, case: &str| -> Result<(), Failed> {
        let at = || format!("shaders/{}.wgsl, {} (case {case})", kernel.shader.name, kernel.entry);
        found.entry(assemble(kernel)?).or_insert_with(at);
        Ok(())
    };
    for needed in kernels(&cases)? {
        add(&needed.kernel, &needed.cases[0])?;
    }
    let halved = cases.par_iter().filter(|case| suits_halves(case)).map(|case| Ok((case, in_half_precision(case)?)));
    for (case, kernels) in halved.collect::<wgrad::Result<Vec<_>>>()? {
        for kernel in kernels {
            add(&kernel, &case.name)?;
        }
    }
    Ok(found)
}

/// The kernels of a case that hold halves, as f16 and packed in words.
fn in_half_precision(case: &Case) -> wgrad::Result<Vec<Kernel>> {
    let built = build(case)?;
    let mut found = vec![];
    for class in [Class::Cpu, Class::Discrete] {
        for f16 in [true, false] {
            let target = Target::Gpu(Caps { f16, ..Caps::floor(class) });
            let plan = Plan::with(&built.graph, &built.fetches(), target, &in_halves(&built, case.fused))?;
            let kernels = plan.steps.into_iter().flat_map(|s| s.launches).map(|l| l.kernel);
            found.extend(kernels.filter(|k| !k.halves.0.is_empty()));
        }
    }
    Ok(found)
}

/// The text as a browser takes it, and the features that it needs: naga has no
/// word to enable subgroups.
fn for_browsers(text: &str) -> (String, Vec<&'static str>) {
    let mut needs = vec![];
    let mut code = text.to_string();
    if text.contains("subgroup") {
        code.insert_str(0, "enable subgroups; ");
        needs.push("subgroups");
    }
    if text.contains("enable f16;") {
        needs.push("shader-f16");
    }
    (code, needs)
}

fn every_module_compiles() -> Result<(), Failed> {
    let found = modules()?;
    let modules: Vec<_> = found.keys().map(|text| for_browsers(text)).collect();
    let compiled = compile(&chromium().ok_or("no Chromium")?, &modules)?;
    let has = |needs: &[&str]| needs.iter().all(|n| compiled.features.iter().any(|f| f == n));
    let (done, left_out): (Vec<_>, Vec<_>) = modules.iter().partition(|(_, needs)| has(needs));
    println!(
        "{} modules compiled on {} with {:?}, {} left out",
        done.len(),
        compiled.adapter,
        compiled.features,
        left_out.len()
    );
    if done.len() < 500 {
        return Err(format!("the case table has more than {} modules", done.len()).into());
    }
    let places: Vec<&String> = found.values().collect();
    let said: Vec<String> = compiled.said.iter().map(|(i, what)| format!("{}: {what}", places[*i])).collect();
    match said.is_empty() {
        true => Ok(()),
        false => Err(format!("{} messages:\n{}", said.len(), said.join("\n")).into()),
    }
}

/// What naga lets pass, and what nobody lets pass.
fn what_wgsl_forbids_is_refused() -> Result<(), Failed> {
    let module = |body: &str| {
        let text = format!(
            "@group(0) @binding(0) var<storage, read_write> x: array<u32>;
             @compute @workgroup_size(64) fn f(@builtin(global_invocation_id) id: vec3<u32>) {{ {body} }}"
        );
        (text, vec![])
    };
    let bodies = [
        "x[id.x] = 1u;",
        "if id.x > 1u && id.y > 1u || id.z > 1u { x[id.x] = 1u; }",
        "if x[id.x] == 0u { workgroupBarrier(); }",
    ];
    let compiled = compile(&chromium().ok_or("no Chromium")?, &bodies.map(module))?;
    let refused: Vec<usize> = compiled.said.iter().filter(|(_, m)| m.starts_with("error")).map(|(i, _)| *i).collect();
    match refused[..] {
        [1, 2] => Ok(()),
        _ => Err(format!("expected the second and third to be refused, found {:?}", compiled.said).into()),
    }
}
