//! Mixed precision: every op on tensors in half precision against the judge on
//! the same, with the type f16 and with halves packed in words; the scale of the
//! loss; whole models.
//!
//! Run one again by its name: `cargo test --release --test halves -- matmul/nn_odd`.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use rayon::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use support::capabilities;
use support::device::{GPU, announce, floor_caps, gpu_trial};
use support::run::{Built, build, fetch_all, given, in_halves, suits_halves};
use support::tolerance::{compare, relative};
use support::updates::{Trainer, settings};
use wgrad::cpu::Cpu;
use wgrad::gpu::{Gpu, GpuExecutor};
use wgrad::graph::{Case, TensorId};
use wgrad::kernel::{Caps, Class, Kernel, Language, translate};
use wgrad::nn::{Description, Model};
use wgrad::ops::loss_scale::LEFT_OUT;
use wgrad::plan::{Executor, Options, Plan, Precision, Target};
use wgrad::tensor::{DType, HostTensor};
use wgrad::train::{LOSS_SCALE, LOSS_SCALE_COUNTS, Session, Settings};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![
        Trial::test("scale::changes_no_bit_where_nothing_overflows::cpu", || {
            scaling_changes_nothing(&mut Cpu::<f32>::new(), &mut Cpu::<f32>::new(), &Target::Cpu)
        }),
        gpu_trial("scale::changes_no_bit_where_nothing_overflows::gpu".into(), |gpu| {
            let target = Target::Gpu(floor_caps(gpu, Class::Discrete));
            scaling_changes_nothing(&mut GpuExecutor::new(gpu.clone()), &mut GpuExecutor::new(gpu.clone()), &target)
        }),
        Trial::test("scale::an_overflow_leaves_the_update_out::cpu", || {
            overflow_is_left_out(&mut Cpu::<f32>::new(), Target::Cpu)
        }),
        gpu_trial("scale::an_overflow_leaves_the_update_out::gpu".into(), |gpu| {
            let target = Target::Gpu(floor_caps(gpu, Class::Discrete));
            overflow_is_left_out(&mut GpuExecutor::new(gpu.clone()), target)
        }),
        Trial::test("plan::activations_take_half_the_bytes", activations_shrink),
        Trial::test("plan::auto_takes_halves_on_gpus_that_have_them", auto),
    ];
    trials.extend(of_cases(args.filter.is_some()));
    announce();
    libtest_mimic::run(&args, trials).exit();
}

/// For each way in which a kernel meets halves a case, as f16 and packed in words, for each set of capabilities that
/// makes kernels of its own.
fn of_cases(filtered: bool) -> Vec<Trial> {
    let cases: Vec<Arc<Case>> = wgrad::ops::cases().into_iter().filter(suits_halves).map(Arc::new).collect();
    let mut trials = vec![];
    let mut seen: HashSet<String> = HashSet::new();
    let mut adapters = HashSet::new();
    for set in capabilities::asked().into_iter().filter(|set| adapters.insert(adapter(&set.caps))) {
        for (kind, typed) in [("", true), ("_packed", false)] {
            let ways: Vec<Vec<String>> = cases.par_iter().map(|c| ways(c, &set.caps, typed)).collect();
            for (case, ways) in cases.iter().zip(ways) {
                let days = if set.name == "gpu_registers" { 6 } else { 12 };
                if !filtered && !capabilities::due(&case.name, days) {
                    continue;
                }
                let new = ways.into_iter().filter(|w| seen.insert(w.clone())).count() > 0;
                if new || filtered {
                    trials.push(trial(case, &format!("{}{kind}", set.name), &set.caps, typed, false));
                }
            }
        }
    }
    // Work behind a kernel loads and stores halves as well.
    let due = |c: &Arc<Case>| filtered || capabilities::due(&c.name, 4);
    for case in cases.iter().filter(|c| c.name.starts_with("chains/") && due(c)) {
        for (kind, typed) in [("fused", true), ("fused_packed", false)] {
            trials.push(trial(case, kind, &Caps::floor(Class::Discrete), typed, true));
        }
    }
    trials
}

/// A case on the GPU under test; ignored where it takes a type that the adapter's
/// shaders have not.
fn trial(case: &Arc<Case>, kind: &str, caps: &Caps, typed: bool, fuse: bool) -> Trial {
    let (c, caps) = (case.clone(), Caps { f16: typed, ..caps.clone() });
    let trial = gpu_trial(format!("{}::{kind}", case.name), move |gpu| on_gpu(&c, gpu, caps, fuse));
    match typed && GPU.as_ref().is_some_and(|gpu| !gpu.caps.f16) {
        true => trial.with_kind("no f16").with_ignored_flag(true),
        false => trial,
    }
}

/// What of an adapter decides which variables a kernel has: whether it is software, and the lanes that share loads.
fn adapter(caps: &Caps) -> (bool, usize) {
    (caps.class == Class::Cpu, caps.shared_lanes())
}

/// The kernels of a case with the variables that hold halves. A case that
/// cannot be planned has a way of its own, so that it is run and says why.
fn ways(case: &Case, caps: &Caps, typed: bool) -> Vec<String> {
    let planned = || -> wgrad::Result<Vec<String>> {
        let built = build(case)?;
        let caps = Caps { f16: typed, ..caps.clone() };
        let adapter = adapter(&caps);
        let plan = Plan::with(&built.graph, &built.fetches(), Target::Gpu(caps), &in_halves(&built, false))?;
        let kernels = plan.steps.iter().flat_map(|s| &s.launches).map(|l| &l.kernel);
        let halves = kernels.filter(|k| !k.halves.0.is_empty());
        let way = |k: &Kernel| format!("{} {} {:?} {adapter:?}", k.shader.name, k.entry, k.halves);
        Ok(halves.map(way).collect())
    };
    planned().unwrap_or_else(|_| vec![case.name.clone()])
}

fn kept(plan: &Plan, t: TensorId) -> DType {
    plan.graph.spec(t).dtype
}

fn on_gpu(case: &Case, gpu: &Arc<Gpu>, caps: Caps, fuse: bool) -> Result<(), Failed> {
    if caps.f16 && !gpu.caps.f16 {
        return Err("the adapter's shaders have no f16; run the trials ::packed".into());
    }
    let built = build(case)?;
    let plan = Plan::with(&built.graph, &built.fetches(), Target::Gpu(caps), &in_halves(&built, fuse))?;
    translates(&plan)?;
    let mut judge = Cpu::<f64>::new();
    let judged = judge.load(rounding_as(&plan, &built)?)?;
    judge.poison(&judged);
    judge.run(&judged, 1)?;
    let mut e = GpuExecutor::new(gpu.clone());
    let program = e.load(plan)?;
    e.poison(&program);
    e.run(&program, 1)?;
    let found = fetch_all(&mut e, &program, &built.fetches())?;
    let roundings = if fuse { ROUNDINGS_IN_CHAINS } else { ROUNDINGS };
    for ((name, t), found) in built.looked_at().iter().zip(&found) {
        if found.spec().dtype == DType::F32 {
            compare(name, found.as_f32(), &judge.values(&judged, *t)?, relative(case) + roundings * 2f64.powi(-11))?;
        }
    }
    Ok(())
}

/// Results may be rounded to either neighbour where the judge's lies between
/// two halves, and so may values on the way.
const ROUNDINGS: f64 = 4.0;

/// In a chain the gradient is taken at such values: that of tanh, 1 - y^2, has
/// several times the relative error of y where y is large.
const ROUNDINGS_IN_CHAINS: f64 = 16.0;

/// The judge's plan, which rounds what another one keeps in halves: packed, what
/// is written element by element is not among it.
fn rounding_as(other: &Plan, built: &Built) -> Result<Plan, Failed> {
    let apart = Options { fuse: false, ..Options::default() };
    let mut plan = Plan::with(&built.graph, &built.fetches(), Target::Cpu, &apart)?;
    for step in &mut plan.steps {
        for (place, &t) in step.outputs.iter_mut().zip(&plan.graph.nodes()[step.node].outputs) {
            place.spec.dtype = kept(other, t);
        }
    }
    for t in given(built) {
        if let (Some(place), DType::F16) = (&plan.places[t.index()], kept(other, t)) {
            plan.buffers[place.buffer].dtype = DType::F16;
        }
    }
    Ok(plan)
}

/// Each shader with halves in it is one in every language.
fn translates(plan: &Plan) -> Result<(), Failed> {
    for launch in plan.steps.iter().flat_map(|s| &s.launches).filter(|l| !l.kernel.halves.0.is_empty()) {
        for language in [Language::Spirv, Language::Msl, Language::Hlsl] {
            translate(&launch.kernel, language).map_err(|e| format!("{}, {}: {e}", launch.label, language.name()))?;
        }
    }
    Ok(())
}

const UPDATES: &str = "[optimizer]\nlr = 0.01\n[train]\naccumulate = 2\nclip_norm = 0.5\nl1 = 0.01\nema = 0.9\n";

fn trainer(scaled: bool) -> Result<Trainer, Failed> {
    let mut u = settings(UPDATES)?;
    u.scaled = scaled;
    Ok(Trainer::new(&u, 4, 4, true)?)
}

/// The scale is a power of two: gradients go through it and back unchanged.
fn scaling_changes_nothing<E: Executor>(plain: &mut E, scaled: &mut E, target: &Target) -> Result<(), Failed> {
    let (mut weights, mut programs) = (vec![], vec![]);
    for (e, on) in [(plain, false), (&mut *scaled, true)] {
        let t = trainer(on)?;
        let program = t.load(e, target.clone())?;
        e.run(&program, 3 * t.batches)?;
        let (params, average) = t.flat();
        weights.push([e.fetch(&program, params)?, e.fetch(&program, average.expect("ema is on"))?]);
        // An executor's buffers live as long as the programs that use them.
        programs.push(program);
    }
    assert_eq!(weights[0], weights[1]);
    assert_eq!(scaled.read(LOSS_SCALE)?.as_f32(), [65_536.0]);
    assert_eq!(scaled.read(LOSS_SCALE_COUNTS)?.as_u32()[LEFT_OUT], 0);
    Ok(())
}

/// With a scale that no gradient survives the weights keep their bits, the scale
/// falls until gradients survive, and then training goes on.
fn overflow_is_left_out<E: Executor>(e: &mut E, target: Target) -> Result<(), Failed> {
    let t = trainer(true)?;
    let program = t.load(e, target)?;
    let (params, average) = t.flat();
    let look = |e: &mut E| -> wgrad::Result<[HostTensor; 2]> {
        Ok([e.fetch(&program, params)?, e.fetch(&program, average.expect("ema is on"))?])
    };
    let before = look(e)?;
    e.write(LOSS_SCALE, &HostTensor::f32([], vec![f32::MAX]))?;
    // Two batches to an update.
    e.run(&program, 2)?;
    assert_eq!(look(e)?, before, "weights of an update that was left out");
    assert_eq!(e.read(LOSS_SCALE)?.as_f32(), [f32::MAX / 2.0]);
    assert_eq!(e.read(LOSS_SCALE_COUNTS)?.as_u32(), [0, 0, 1]);
    e.write(LOSS_SCALE, &HostTensor::f32([], vec![1024.0]))?;
    e.run(&program, 2)?;
    let after = look(e)?;
    assert!(after != before && after.iter().flat_map(|t| t.as_f32()).all(|w| w.is_finite()));
    assert_eq!(e.read(LOSS_SCALE_COUNTS)?.as_u32(), [1, 0, 1]);
    Ok(())
}

fn model(name: &str, input: &[usize]) -> wgrad::Result<Model> {
    let description = Description::named(name)?;
    let vocabulary = description.takes_tokens().then_some(65);
    Ok(Model::new(description, Some(input.to_vec().into()), Some(10))?.with_vocabulary(vocabulary))
}

fn planned(model: &Model, precision: Precision, target: Target) -> wgrad::Result<Plan> {
    let plan = Options { precision, ..Options::default() };
    Session::training_plan(model, &Settings { batch_size: 32, plan, ..Settings::default() }, target)
}

fn activations_shrink() -> Result<(), Failed> {
    let typed = Caps { f16: true, ..Caps::floor(Class::Discrete) };
    for (name, input) in
        [("keras-cnn", &[1, 28, 28][..]), ("resnet8", &[3, 32, 32]), ("char-gpt", &[64]), ("vit-tiny", &[3, 32, 32])]
    {
        let model = model(name, input)?;
        for (target, most) in
            [(Target::Cpu, 75), (Target::Gpu(typed.clone()), 75), (Target::Gpu(Caps::floor(Class::Discrete)), 95)]
        {
            let bytes = |precision| planned(&model, precision, target.clone()).map(|p| p.transient_bytes());
            let (full, halves) = (bytes(Precision::F32)?, bytes(Precision::F16)?);
            if halves * 100 > full * most {
                return Err(format!("{name} for {target:?}: {halves} bytes of activations, {full} in f32").into());
            }
        }
    }
    Ok(())
}

fn auto() -> Result<(), Failed> {
    let gpu = |class, f16| Target::Gpu(Caps { f16, ..Caps::floor(class) });
    let on = |target: Target| Precision::Auto.on(&target);
    assert_eq!(on(Target::Cpu), Precision::F32);
    assert_eq!(on(gpu(Class::Cpu, true)), Precision::F32);
    assert_eq!(on(gpu(Class::Discrete, false)), Precision::F32);
    assert_eq!(on(gpu(Class::Discrete, true)), Precision::F16);
    assert_eq!(on(gpu(Class::Integrated, true)), Precision::F16);
    assert_eq!(Precision::F16.on(&Target::Cpu), Precision::F16);
    Ok(())
}
