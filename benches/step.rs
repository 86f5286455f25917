//! A whole training step: steps per second, fused and with every op for itself
//! by turns, then the time of each fused step alone with the rate it achieves.
//!
//!     cargo bench --bench step -- [MODEL] [BATCH] [DEVICE] [CxHxW]

use std::time::Instant;
use wgrad::device::Device;
use wgrad::nn::{Description, Model};
use wgrad::plan::{Executor, Options};
use wgrad::train::{Session, Settings};

fn main() -> wgrad::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let arg = |i: usize, default: &str| args.get(i).cloned().unwrap_or_else(|| default.into());
    let batch: usize = arg(1, "128").parse().expect("BATCH is a number");
    let input: Vec<usize> = arg(3, "1x28x28").split('x').map(|n| n.parse().expect("CxHxW")).collect();
    let device = Device::open(&arg(2, "cpu"))?;
    let description = Description::named(&arg(0, "keras-cnn"))?;
    let tokens = description.takes_tokens();
    let input = if tokens && args.len() < 4 { vec![64] } else { input };
    let model = Model::new(description, Some(input.into()), Some(10))?.with_vocabulary(tokens.then_some(65));
    let load = |fuse: bool| -> wgrad::Result<_> {
        let plan = Options { fuse, ..Options::default() };
        let settings = Settings { batch_size: batch, plan, ..Settings::read(toml::Table::new())? };
        let plan = Session::training_plan(&model, &settings, device.target())?;
        let mut e = device.executor();
        let program = e.load(plan.clone())?;
        e.run(program, 2)?;
        e.wait()?;
        Ok((plan, e, program))
    };
    let (plan, mut e, program) = load(true)?;
    let (plan_apart, mut apart, program_apart) = load(false)?;
    let mut rates = [vec![], vec![]];
    for _ in 0..5 {
        rates[0].push(steps_per_second(&mut *e, program)?);
        rates[1].push(steps_per_second(&mut *apart, program_apart)?);
    }
    println!("{} batch {batch} on {}", model.description.name, device.info().name);
    for ((what, plan), rates) in [("fused", &plan), ("apart", &plan_apart)].into_iter().zip(&mut rates) {
        rates.sort_by(f64::total_cmp);
        let (low, median, high) = (rates[0], rates[2], rates[4]);
        println!("{what}: {median:.1} steps/s (median of 5; {low:.1} to {high:.1}); {}", plan.totals());
    }
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

fn steps_per_second(e: &mut dyn Executor, program: wgrad::plan::ProgramId) -> wgrad::Result<f64> {
    let begun = Instant::now();
    let mut n = 0;
    while begun.elapsed().as_secs_f64() < 1.0 {
        e.run(program, 4)?;
        n += 4;
    }
    e.wait()?;
    Ok(f64::from(n) / begun.elapsed().as_secs_f64())
}
