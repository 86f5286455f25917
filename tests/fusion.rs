//! Plans that fuse and plans that do not give the same numbers, and fused ones
//! are shorter.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::device::{announce, floor_caps, gpu_trial};
use support::run::{build, fetch_all};
use wgrad::cpu::Cpu;
use wgrad::gpu::{Gpu, GpuExecutor};
use wgrad::graph::Case;
use wgrad::kernel::{Caps, Class};
use wgrad::nn::{Description, Model};
use wgrad::plan::{Choices, Executor, Options, Plan, Precision, Recompute, Target};
use wgrad::tensor::HostTensor;
use wgrad::train::{Session, Settings};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![
        Trial::test("plan::steps_fall_as_far_as_they_can", steps_fall),
        Trial::test("plan::a_value_that_is_fetched_stays", fetched_values_stay),
        Trial::test("plan::a_small_adapter_fuses_less", few_bindings),
    ];
    for case in chains() {
        let case = Arc::new(case);
        let c = case.clone();
        trials.push(Trial::test(format!("{}::cpu", case.name), move || {
            same_bits(&c, |case, options| cpu_f32(case, Target::Cpu, options))
        }));
        // Plans for a GPU have more fused, and the CPU computes that too.
        let c = case.clone();
        trials.push(Trial::test(format!("{}::cpu_behind_any_host", case.name), move || {
            same_bits(&c, |case, options| cpu_f32(case, Target::Gpu(Caps::floor(Class::Discrete)), options))
        }));
        for (kind, class) in [("gpu_registers", Class::Cpu), ("gpu_workgroups", Class::Discrete)] {
            let c = case.clone();
            let run = move |gpu: &Arc<Gpu>| same_bits(&c, |case, options| on_gpu(case, gpu, class, options));
            trials.push(gpu_trial(format!("{}::{kind}", case.name), run));
        }
    }
    announce();
    libtest_mimic::run(&args, trials).exit();
}

fn chains() -> Vec<Case> {
    wgrad::ops::cases().into_iter().filter(|c| c.name.starts_with("chains/")).collect()
}

const APART: Options = Options {
    fuse: false,
    precision: Precision::F32,
    halves: vec![],
    recompute: Recompute::None,
    memory_budget: None,
    choices: Choices(BTreeMap::new()),
};

fn same_bits(case: &Case, run: impl Fn(&Case, &Options) -> Result<Vec<HostTensor>, Failed>) -> Result<(), Failed> {
    let (fused, apart) = (run(case, &Options::default())?, run(case, &APART)?);
    for (i, (f, a)) in fused.iter().zip(&apart).enumerate() {
        if f.bytes() != a.bytes() {
            let at = f.as_f32().iter().zip(a.as_f32()).position(|(f, a)| f.to_bits() != a.to_bits()).unwrap_or(0);
            return Err(format!("tensor {i}[{at}]: {} fused, {} apart", f.as_f32()[at], a.as_f32()[at]).into());
        }
    }
    Ok(())
}

fn cpu_f32(case: &Case, target: Target, options: &Options) -> Result<Vec<HostTensor>, Failed> {
    let built = build(case)?;
    let mut cpu = Cpu::<f32>::new();
    let program = cpu.load(Plan::with(&built.graph, &built.fetches(), target, options)?)?;
    cpu.poison(&program);
    cpu.run(&program, 1)?;
    Ok(fetch_all(&mut cpu, &program, &built.fetches())?)
}

fn on_gpu(case: &Case, gpu: &Arc<Gpu>, class: Class, options: &Options) -> Result<Vec<HostTensor>, Failed> {
    let built = build(case)?;
    let mut e = GpuExecutor::new(gpu.clone());
    let target = Target::Gpu(floor_caps(gpu, class));
    let program = e.load(Plan::with(&built.graph, &built.fetches(), target, options)?)?;
    e.poison(&program);
    e.run(&program, 1)?;
    Ok(fetch_all(&mut e, &program, &built.fetches())?)
}

fn named(name: &str) -> Case {
    chains().into_iter().find(|c| c.name == format!("chains/{name}")).expect("the case is there")
}

/// The steps of a forward pass, fused and apart.
fn forward_steps(case: &Case, target: Target) -> Result<[Vec<String>; 2], Failed> {
    let built = build(case)?;
    let mut labels = vec![];
    for options in [Options::default(), APART] {
        let plan = Plan::with(&built.graph, &built.outputs, target.clone(), &options)?;
        labels.push(plan.steps.iter().map(|s| plan.graph.nodes()[s.node].label()).collect());
    }
    Ok(labels.try_into().expect("two"))
}

fn equal<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}").into()) }
}

fn steps_fall() -> Result<(), Failed> {
    let discrete = || Target::Gpu(Caps::floor(Class::Discrete));
    let steps = |name: &str| -> Result<String, Failed> { Ok(forward_steps(&named(name), discrete())?[0].join(", ")) };
    equal(steps("dense_odd")?, "matmul + tanh".into())?;
    equal(steps("residual")?, "matmul + add, matmul + add".into())?;
    equal(steps("dropped_residual")?, "matmul + dropout + add".into())?;
    equal(steps("conv")?, "conv2d + silu, conv2d + add + softplus".into())?;
    equal(steps("batch_norm")?, "batch_norm + add + gelu, batch_norm_eval + sigmoid".into())?;
    equal(steps("row_odd")?, "unary + dropout + mul + sub + add + exp".into())?;
    equal(forward_steps(&named("row_odd"), Target::Cpu)?.map(|s| s.len()), [1, 6])?;
    equal(forward_steps(&named("dense_odd"), Target::Cpu)?[0].join(", "), "matmul, unary".into())?;
    // Whole models: fewer dispatches, and never more memory for activations than a tenth above.
    for (name, input) in [("keras-cnn", vec![1, 28, 28]), ("resnet8", vec![3, 32, 32]), ("char-gpt", vec![64])] {
        let description = Description::named(name)?;
        let vocabulary = description.takes_tokens().then_some(65);
        let model = Model::new(description, Some(input.into()), Some(10))?.with_vocabulary(vocabulary);
        let settings =
            |fuse| Settings { batch_size: 8, plan: Options { fuse, ..Options::default() }, ..Settings::default() };
        let plan = |fuse| Session::training_plan(&model, &settings(fuse), discrete());
        let (fused, apart) = (plan(true)?, plan(false)?);
        let dispatches = |p: &Plan| p.steps.iter().map(|s| s.launches.len()).sum::<usize>();
        equal(dispatches(&fused) + fused.saved.nodes, dispatches(&apart))?;
        if fused.saved.nodes < 4 || fused.transient_bytes() > apart.transient_bytes() * 11 / 10 {
            let bytes = (fused.transient_bytes(), apart.transient_bytes());
            return Err(format!("{name}: {:?}, bytes fused and apart {bytes:?}", fused.saved).into());
        }
    }
    Ok(())
}

/// What is looked at is written, wherever it lies in a chain.
fn fetched_values_stay() -> Result<(), Failed> {
    let built = build(&named("row_quads"))?;
    let made: Vec<_> = built.graph.nodes().iter().take(6).map(|n| n.outputs[0]).collect();
    let mut runs = vec![];
    for options in [Options::default(), APART] {
        let mut cpu = Cpu::<f32>::new();
        let plan = Plan::with(&built.graph, &made, Target::Cpu, &options)?;
        equal(plan.steps.len(), if options.fuse { 1 } else { 6 })?;
        let program = cpu.load(plan)?;
        cpu.run(&program, 1)?;
        runs.push(fetch_all(&mut cpu, &program, &made)?);
    }
    equal(&runs[0], &runs[1])
}

/// Each dispatch binds what the adapter can bind, whatever could be fused.
fn few_bindings() -> Result<(), Failed> {
    for storage_buffers in [4, 6, 8] {
        let caps = Caps { storage_buffers, ..Caps::floor(Class::Discrete) };
        let [fused, apart] = forward_steps(&named("row_odd"), Target::Gpu(caps))?;
        if fused.len() >= apart.len() || (storage_buffers == 4) != (fused.len() > 1) {
            return Err(format!("{storage_buffers} buffers: {fused:?}").into());
        }
    }
    Ok(())
}
