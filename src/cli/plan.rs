//! `wgrad plan`

use super::progress::Terminal;
use super::summary::model;
use super::{flags, out};
use crate::device::Device;
use crate::error::Result;
use crate::nn::{Model, Weights};
use crate::plan::Plan;
use crate::ranks::cost::Network;
use crate::run::tuning::cached;
use crate::train::defaults::Defaults;
use crate::train::{Needs, Session, Settings, count, made_up, set};
use std::time::Instant;

pub fn run(f: &flags::Plan) -> Result<()> {
    let model = model(&f.model)?;
    let mut table = toml::Table::new();
    set(&mut table, "optimizer.name", f.optimizer.clone().into())?;
    let batch_size = f.batch_size.unwrap_or(Defaults::batch_size_for(model.description.reads));
    set(&mut table, "train.batch_size", count(batch_size))?;
    f.plan.apply(&mut table)?;
    let settings = Settings::read(table)?;
    let device = f.device.request().open(settings.plan.precision, &mut Terminal::new())?;
    let plan = Session::training_plan(&model, &settings, device.target())?;
    let plan = Session::tuned_plan(&model, &settings, device.target(), &cached(&device, &plan, &mut Terminal::new())?)?;
    if let (Some(ranks), Some(gbit)) = (f.network.ranks, f.network.bandwidth) {
        return estimate(&model, &device, plan, ranks as usize, Network::of(gbit));
    }
    if f.explain {
        return out::line(format!("{}\n{}", plan.explain().trim_end(), Needs::of(&plan).table()));
    }
    out::line(format!(
        "{}: {} buffers; {}\n{}\n--explain lists every step",
        model.description.name,
        plan.buffers.len(),
        plan.totals(),
        Needs::of(&plan).table()
    ))
}

/// Steps that are measured, after a first one.
const MEASURED: usize = 3;

/// What a step of several ranks is likely to take: the step as it is measured here, and the exchange.
fn estimate(model: &Model, device: &Device, plan: Plan, ranks: usize, network: Network) -> Result<()> {
    let (g, _) = model.inspect(1, &mut Weights::new(0))?;
    let parameters: usize = g.params().iter().map(|&p| g.spec(p).elements()).sum();
    let content = made_up(&plan, model, model.classes.unwrap_or(1));
    let mut executor = device.executor();
    let program = executor.load(plan)?;
    for (name, value) in &content {
        executor.write(name, value)?;
    }
    executor.run(&program, 1)?;
    executor.wait()?;
    let begun = Instant::now();
    executor.run(&program, MEASURED)?;
    executor.wait()?;
    let step = begun.elapsed().as_secs_f64() / MEASURED as f64;
    let exchange = network.seconds(parameters, ranks);
    let share = step / (step + exchange);
    out::line(format!(
        "{}: {parameters} parameters on {ranks} ranks\nstep on one rank  {:.1} ms, measured on {}\nexchange          {:.1} ms at \
         {} Gbit/s and {:.0} us of latency, by the model\nstep              {:.1} ms: {:.2} times the samples per second of one rank ({:.0}% of a step computes)",
        model.description.name,
        1e3 * step,
        device.info().name,
        1e3 * exchange,
        network.gbit,
        1e6 * network.latency,
        1e3 * (step + exchange),
        ranks as f64 * share,
        100.0 * share,
    ))
}
