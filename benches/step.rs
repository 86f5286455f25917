//! A whole training step: steps per second, then the time of each of its
//! steps alone with the rate it achieves.
//!
//!     cargo bench --bench step -- [MODEL] [BATCH] [DEVICE] [CxHxW]

use std::time::Instant;
use wgrad::device::Device;
use wgrad::nn::{Description, Model};
use wgrad::plan::{Executor, Plan};
use wgrad::tensor::random::{Random, stream};
use wgrad::tensor::{DType, HostTensor};
use wgrad::train::{Session, Settings};

fn main() -> wgrad::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let arg = |i: usize, default: &str| args.get(i).cloned().unwrap_or_else(|| default.into());
    let batch: usize = arg(1, "128").parse().expect("BATCH is a number");
    let input: Vec<usize> = arg(3, "1x28x28").split('x').map(|n| n.parse().expect("CxHxW")).collect();
    let device = Device::open(&arg(2, "cpu"))?;
    let description = Description::named(&arg(0, "keras-cnn"))?;
    // Language models read tokens of as many kinds as tiny Shakespeare has characters.
    let tokens = description.takes_tokens().then_some(65);
    let model = Model::new(description, Some(input.into()), Some(10))?.with_vocabulary(tokens);
    let settings = Settings { batch_size: batch, ..Settings::read(toml::Table::new())? };
    let plan = Session::training_plan(&model, &settings, device.target())?;
    let mut e = device.executor();
    let program = e.load(plan.clone())?;
    for (name, below) in [("train.samples", tokens.unwrap_or(usize::MAX)), ("train.targets", tokens.unwrap_or(10))] {
        e.write(name, &random(&plan, name, below as u32))?;
    }
    e.run(program, 2)?;
    e.wait()?;
    let mut rates: Vec<f64> = (0..3).map(|_| steps_per_second(&mut *e, program)).collect::<wgrad::Result<_>>()?;
    rates.sort_by(f64::total_cmp);
    println!(
        "{} batch {batch} on {}: {:.1} steps/s (median of 3; {:.1} to {:.1})",
        model.description.name,
        device.info().name,
        rates[1],
        rates[0],
        rates[2]
    );
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

/// Content for a buffer of the plan: zeros would make gradients too small for
/// normal floats, which costs a CPU a hundred times as long.
fn random(plan: &Plan, name: &str, below: u32) -> HostTensor {
    let buffer = plan.buffers.iter().find(|b| b.name.as_deref() == Some(name)).expect("a plan of training has it");
    let mut r = Random::new(0, stream::CASES);
    let n = buffer.elements;
    match buffer.dtype {
        DType::F32 => HostTensor::f32([n], (0..n).map(|_| r.normal()).collect()),
        DType::U32 => HostTensor::u32([n], (0..n).map(|_| r.below(below)).collect()),
    }
}

fn steps_per_second(e: &mut dyn Executor, program: wgrad::plan::ProgramId) -> wgrad::Result<f64> {
    let begun = Instant::now();
    let mut n = 0;
    while begun.elapsed().as_secs_f64() < 2.0 {
        e.run(program, 4)?;
        n += 4;
    }
    e.wait()?;
    Ok(f64::from(n) / begun.elapsed().as_secs_f64())
}
