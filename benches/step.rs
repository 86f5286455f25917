//! A whole training step: steps per second, then the time of each of its
//! steps alone with the rate it achieves. `matmul` is one square product, BATCH
//! its side.
//!
//!     cargo bench --bench step -- [MODEL|matmul] [BATCH] [DEVICE] [CxHxW] [--json] [--no-fuse] [--f16] [--tune]
//!
//! `--f16`: activations in halves, and products by cooperative matrices where the
//! device has them. `--tune`: the fastest variants instead of the usual ones.

#[path = "peers/timing.rs"]
mod timing;

use std::time::{Duration, Instant};
use wgrad::device::Device;
use wgrad::graph::{Fill, Graph, Init};
use wgrad::nn::{Description, Model};
use wgrad::ops::matmul;
use wgrad::plan::{Choices, Executor, Options, Plan, Precision, Program};
use wgrad::tensor::{HostTensor, Spec};
use wgrad::train::{Session, Settings, made_up};
use wgrad::tuning::{self, Cache, Effort};

fn main() -> wgrad::Result<()> {
    let (flags, args): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let given = |flag: &str| flags.iter().any(|f| f == flag);
    let json = given("--json");
    let arg = |i: usize, default: &str| args.get(i).cloned().unwrap_or_else(|| default.into());
    let (name, batch) = (arg(0, "keras-cnn"), arg(1, "128").parse().expect("BATCH is a number"));
    let input: Vec<usize> = arg(3, "1x28x28").split('x').map(|n| n.parse().expect("CxHxW")).collect();
    let (half, tuned) = (given("--f16"), given("--tune"));
    let device = open(&arg(2, "cpu"), half)?;
    let precision = if half { Precision::F16 } else { Precision::F32 };
    let options = Options { fuse: !given("--no-fuse"), precision, ..Options::default() };
    let mut e = device.executor();
    let (workload, plan, content, batch) = if name == "matmul" {
        (format!("matmul-{batch}"), product(batch, &device, tuned)?, vec![], 1)
    } else {
        let (plan, content) = training(&name, batch, &input, &device, &options, tuned)?;
        (name, plan, content, batch)
    };
    let program = e.load(plan.clone())?;
    for (name, value) in &content {
        e.write(name, value)?;
    }
    let rates = timing::rates(|n| e.run(&program, n).and_then(|()| e.wait()))?;
    let version = env!("CARGO_PKG_VERSION");
    let what = timing::What { workload: &workload, peer: "wgrad", version, device: &device.info().name, batch };
    println!("{}", what.line(&rates, json));
    if !json {
        print_steps(&mut *e, &program, &plan)?;
    }
    Ok(())
}

/// A step of training of a preset or a description in a file, and content for its
/// set: zeros would make gradients too small for normal floats, which costs a CPU a
/// hundred times as long.
fn training(
    name: &str,
    batch: usize,
    input: &[usize],
    device: &Device,
    plan: &Options,
    tuned: bool,
) -> wgrad::Result<(Plan, Vec<(String, HostTensor)>)> {
    let description = Description::named(name)?;
    // As many as tiny Shakespeare has characters.
    let tokens = description.takes_tokens().then_some(65);
    let model = Model::new(description, Some(input.to_vec().into()), Some(10))?.with_vocabulary(tokens);
    let settings = Settings { batch_size: batch, plan: plan.clone(), ..Settings::read(toml::Table::new())? };
    let plan = Session::training_plan(&model, &settings, device.target())?;
    let plan = match tuned {
        true => Session::tuned_plan(&model, &settings, device.target(), &fastest(device, &plan)?)?,
        false => plan,
    };
    let content = made_up(&plan, &model, tokens.unwrap_or(10));
    Ok((plan, content))
}

/// One product of square matrices of side `n`.
fn product(n: usize, device: &Device, tuned: bool) -> wgrad::Result<Plan> {
    let mut g = Graph::new();
    let mut matrix = |name: &str, seed: u32| {
        let spec = Spec::f32([n, n]);
        let values = Fill::Normal(1.0).draw(&spec, seed);
        g.persistent(name, spec, Init::Data(values.into()))
    };
    let (a, b) = (matrix("a", 0), matrix("b", 1));
    let y = g.matmul(a, b)?;
    let plan = Plan::build(&g, &[y], device.target())?;
    match tuned {
        true => Plan::tuned(&g, &[y], device.target(), &fastest(device, &plan)?),
        false => Ok(plan),
    }
}

/// Which variants are the fastest on a GPU.
fn fastest(device: &Device, plan: &Plan) -> wgrad::Result<Choices> {
    let Device::Gpu(gpu) = device else { return Ok(Choices::default()) };
    let (mut cache, _) = Cache::open(None, &gpu.adapter);
    Ok(tuning::tune(gpu, plan, &mut cache, Effort::Within(Duration::from_secs(20)), &mut |_| {})?.choices)
}

/// A device with products in f16, if it is asked for and can do them.
fn open(name: &str, f16: bool) -> wgrad::Result<Device> {
    let mut device = Device::open_with(name, f16)?;
    if let Device::Gpu(gpu) = &mut device
        && let (true, Err(why)) = (f16, tuning::try_half(gpu, &matmul::trials()))
    {
        eprintln!("products in f32: {why}");
    }
    Ok(device)
}

fn print_steps(e: &mut dyn Executor, program: &Program, plan: &Plan) -> wgrad::Result<()> {
    let mut total = 0.0;
    for (i, step) in plan.steps.iter().enumerate() {
        let mut times: Vec<f64> = (0..7)
            .map(|_| {
                let begun = Instant::now();
                e.run_step(program, i).map(|()| begun.elapsed().as_secs_f64())
            })
            .collect::<wgrad::Result<_>>()?;
        times.sort_by(f64::total_cmp);
        let node = &plan.graph.nodes()[step.node];
        let cost = node.op.cost(&plan.lower_context(node));
        let t = times[times.len() / 2];
        total += t;
        println!(
            "{:9.3} ms  {:7.2} GFLOP/s {:7.2} GB/s  {}",
            1e3 * t,
            cost.flops as f64 / t / 1e9,
            cost.bytes as f64 / t / 1e9,
            node.label()
        );
    }
    println!("{:9.3} ms  sum of steps run alone", 1e3 * total);
    Ok(())
}
