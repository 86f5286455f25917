//! Training that computes layers again gives the same weights, moments and
//! running statistics to the bit, and takes less memory.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::sync::Arc;
use support::device::{announce, gpu_trial};
use wgrad::cpu::Cpu;
use wgrad::gpu::{Gpu, GpuExecutor};
use wgrad::nn::{Description, Model};
use wgrad::plan::{Executor, Options, Plan, Recompute, Target};
use wgrad::tensor::HostTensor;
use wgrad::tensor::random::{Random, stream};
use wgrad::train::{Session, Settings};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![
        Trial::test("plan::a_budget_recomputes_as_little_as_it_can", budgets),
        Trial::test("plan::a_budget_that_nothing_fits_is_refused_with_the_numbers", too_small),
    ];
    for (name, text, input, most) in MODELS {
        trials.push(Trial::test(format!("{name}::cpu"), move || {
            same(text, input, most, Target::Cpu, || Box::new(Cpu::<f32>::new()))
        }));
        let run = move |gpu: &Arc<Gpu>| {
            same(text, input, most, Target::Gpu(gpu.caps.clone()), || Box::new(GpuExecutor::new(gpu.clone())))
        };
        trials.push(gpu_trial(format!("{name}::gpu"), run));
    }
    announce();
    libtest_mimic::run(&args, trials).exit();
}

/// Models with all that could differ a second time: running statistics, masks
/// of dropout, attention. The last number is what activations may take, in
/// percent of what keeping everything takes.
const MODELS: [(&str, &str, &[usize], usize); 3] =
    [("resnet8", "", &[3, 16, 16], 95), ("deep-gpt", DEEP_GPT, &[16], 60), ("dropped-gpt", DROPPED_GPT, &[16], 80)];

const DEEP_GPT: &str = "
name = 'deep-gpt'
layer = [
    { type = 'Embedding', output_dim = 16 },
    { type = 'PositionalEmbedding' },
    { type = 'TransformerBlock', repeat = 8, heads = 2, causal = true },
    { type = 'TiedDense' },
]";

const DROPPED_GPT: &str = "
name = 'dropped-gpt'
layer = [
    { type = 'Embedding', output_dim = 16 },
    { type = 'PositionalEmbedding' },
    { type = 'TransformerBlock', repeat = 3, heads = 2, causal = true, dropout = 0.2 },
    { type = 'TiedDense' },
]";

fn plan(text: &str, input: &[usize], target: Target, plan: Options) -> wgrad::Result<Plan> {
    let description = match text {
        "" => Description::named("resnet8")?,
        text => Description::parse(text)?,
    };
    let vocabulary = description.takes_tokens().then_some(10);
    let model = Model::new(description, Some(input.to_vec().into()), Some(10))?.with_vocabulary(vocabulary);
    Session::training_plan(&model, &Settings { batch_size: 4, plan, ..Settings::default() }, target)
}

/// Every named buffer after two steps on drawn samples.
fn run(plan: Plan, e: &mut dyn Executor) -> wgrad::Result<Vec<(String, HostTensor)>> {
    let named: Vec<(String, usize)> = plan.buffers.iter().filter_map(|b| Some((b.name.clone()?, b.elements))).collect();
    let tokens = plan.graph.tensors().iter().any(|t| t.label.starts_with("embedding"));
    let program = e.load(plan)?;
    let mut r = Random::new(5, stream::CASES);
    for (name, elements) in &named {
        let bound = match name.as_str() {
            "train.samples" if tokens => 10,
            "train.samples" => u32::MAX,
            "train.targets" => 10,
            _ => continue,
        };
        e.write(name, &HostTensor::u32([*elements], (0..*elements).map(|_| r.below(bound)).collect()))?;
    }
    e.run(&program, 2)?;
    named.into_iter().map(|(name, _)| Ok((name.clone(), e.read(&name)?))).collect()
}

fn same(
    text: &str,
    input: &[usize],
    percent: usize,
    target: Target,
    executor: impl Fn() -> Box<dyn Executor>,
) -> Result<(), Failed> {
    let with = |recompute, fuse| {
        let options = Options { fuse, recompute, ..Options::default() };
        plan(text, input, target.clone(), options)
    };
    for fuse in [true, false] {
        let (kept, again) = (with(Recompute::None, fuse)?, with(Recompute::Layers, fuse)?);
        let (most, least) = (kept.transient_bytes(), again.transient_bytes());
        if least * 100 > most * percent {
            return Err(format!("fuse = {fuse}: activations fell from {most} bytes to {least} only").into());
        }
        if again.recomputed.is_empty() || !again.graph.nodes().iter().any(|n| n.again) {
            return Err("nothing was computed again".into());
        }
        let (a, b) = (run(kept, &mut *executor())?, run(again, &mut *executor())?);
        for ((name, a), (_, b)) in a.iter().zip(&b) {
            if a.bytes() != b.bytes() {
                return Err(format!("fuse = {fuse}: {name} differs").into());
            }
        }
        let moved = a.iter().find(|(name, _)| name == "adam.m").map(|(_, m)| m.as_f32().iter().any(|v| *v != 0.0));
        if moved != Some(true) {
            return Err("nothing was learned, so nothing was compared".into());
        }
    }
    Ok(())
}

/// Bytes and layers computed again under a budget.
fn under(budget: Option<u64>) -> wgrad::Result<(usize, usize)> {
    let recompute = if budget.is_some() { Recompute::Auto } else { Recompute::None };
    let options = Options { recompute, memory_budget: budget, ..Options::default() };
    let plan = plan(DEEP_GPT, &[16], Target::Cpu, options)?;
    Ok((plan.bytes(), plan.recomputed.len()))
}

fn budgets() -> Result<(), Failed> {
    let all = Options { recompute: Recompute::Layers, ..Options::default() };
    let all = plan(DEEP_GPT, &[16], Target::Cpu, all)?;
    let (kept, none) = under(None)?;
    if (none, all.recomputed.len()) != (0, 8) {
        return Err(format!("{none} layers without a budget, {:?} of all", all.recomputed).into());
    }
    let mut before = 0;
    for share in [0, 2, 5, 9] {
        let budget = kept - (kept - all.bytes()) * share / 10;
        let (bytes, layers) = under(Some(budget as u64))?;
        if bytes > budget || layers < before || (share == 0) != (layers == 0) || layers > 8 {
            return Err(format!("budget {budget}: {bytes} bytes with {layers} layers, after {before}").into());
        }
        before = layers;
    }
    Ok(())
}

fn too_small() -> Result<(), Failed> {
    let Err(error) = under(Some(1000)) else { return Err("1000 bytes were enough".into()) };
    let no_budget = Options { recompute: Recompute::Auto, ..Options::default() };
    let Err(none) = plan(DEEP_GPT, &[16], Target::Cpu, no_budget) else { return Err("auto without a budget".into()) };
    for (error, words) in [(error, ["1000 B", "smaller batch"]), (none, ["--memory-budget", "layers"])] {
        let text = error.to_string();
        if let Some(word) = words.iter().find(|w| !text.contains(**w)) {
            return Err(format!("\"{word}\" is not in: {text}").into());
        }
    }
    Ok(())
}
