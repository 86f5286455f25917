//! The optimisation half of training against PyTorch: learning rates, and
//! weights after updates with penalties, bounds, accumulation, averages and
//! groups; and what no golden can say: that accumulation is one large batch,
//! that frozen weights keep their bits, that what is not asked for costs
//! nothing.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::sync::Arc;
use support::device::{announce, floor_caps, gpu_trial};
use support::tolerance::{compare, relative_to};
use support::updates::{FILE, Trainer, clock_at, reals, settings, start};
use wgrad::cpu::Cpu;
use wgrad::gpu::{Gpu, GpuExecutor};
use wgrad::kernel::Class;
use wgrad::keys::Keys;
use wgrad::plan::{Executor, Plan, Target};
use wgrad::tensor::HostTensor;
use wgrad::train::{LR_FACTOR, Plateau, Schedule};

/// PyTorch and the judge both compute in f64, in another order of sums.
const JUDGE: f64 = 1e-9;

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![
        Trial::test("schedules_as_pytorch", schedules_as_pytorch),
        Trial::test("plateaus_as_pytorch", plateaus_as_pytorch),
        Trial::test("accumulation_is_one_large_batch", accumulation_is_one_large_batch),
        Trial::test("without_extras_there_is_nothing_more", without_extras_there_is_nothing_more),
        Trial::test("frozen_weights_have_no_backward_pass", frozen_weights_have_no_backward_pass),
        Trial::test("the_device_knows_its_rate", the_device_knows_its_rate),
        Trial::test("very_long_runs_have_short_tables", very_long_runs_have_short_tables),
        Trial::test("settings_survive_their_tables", settings_survive_their_tables),
        Trial::test("frozen_weights_keep_their_bits::cpu", || {
            frozen_weights_keep_their_bits(&mut Cpu::<f32>::new(), Target::Cpu)
        }),
        gpu_trial("frozen_weights_keep_their_bits::gpu".into(), |gpu| {
            let target = Target::Gpu(floor_caps(gpu, Class::Discrete));
            frozen_weights_keep_their_bits(&mut GpuExecutor::new(gpu.clone()), target)
        }),
    ];
    for golden in FILE["goldens"].as_array().expect("a list") {
        let name = golden["name"].as_str().expect("a name");
        trials.push(Trial::test(format!("{name}::judge"), move || on_judge(golden)));
        for (kind, class) in [("gpu_registers", Class::Cpu), ("gpu_workgroups", Class::Discrete)] {
            trials.push(gpu_trial(format!("{name}::{kind}"), move |gpu| on_gpu(golden, gpu, class)));
        }
    }
    announce();
    libtest_mimic::run(&args, trials).exit();
}

/// Fails unless two lists agree to a share of their size.
fn close(what: &str, found: &[f64], expected: &[f64], relative: f64) -> Result<(), Failed> {
    assert_eq!(found.len(), expected.len(), "{what}: lengths");
    let rms = (expected.iter().map(|v| v * v).sum::<f64>() / expected.len() as f64).sqrt();
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let error = (f - e).abs() / (e.abs() + rms);
        if error.is_nan() || error > relative {
            return Err(format!("{what}[{i}]: found {f}, expected {e}, relative error {error:.2e}").into());
        }
    }
    Ok(())
}

fn schedules() -> Value {
    serde_json::from_str(include_str!("../assets/goldens/schedules.json")).expect("the script writes JSON")
}

fn read_schedule(toml: &str) -> wgrad::Result<Schedule> {
    let mut keys = Keys::new(toml.parse().expect("TOML"), "[schedule]");
    let schedule = Schedule::read(&mut keys)?;
    keys.finish()?;
    Ok(schedule)
}

fn schedules_as_pytorch() -> Result<(), Failed> {
    for golden in schedules()["schedules"].as_array().expect("a list") {
        let toml = golden["toml"].as_str().expect("text");
        let count = |key: &str| golden[key].as_u64().expect("a count") as usize;
        let (lr, updates, per_epoch) = (golden["lr"].as_f64().expect("a rate"), count("updates"), count("per_epoch"));
        let (schedule, rates) = (read_schedule(toml)?, reals(&golden["rates"]));
        let table = schedule.table(lr, updates, per_epoch).rates;
        for (step, expected) in rates.into_iter().enumerate() {
            let exact = schedule.rate(step, updates, per_epoch, lr);
            let rounded = f64::from(table[step.min(table.len() - 1)]);
            // The end of a curve may be 0 in one and a rounding error in the other.
            let error = |found: f64| (found - expected).abs() / expected.max(1e-9);
            if error(exact) > 1e-9 || error(rounded) > 1e-6 {
                let found = format!("found {exact}, in the table {rounded}, PyTorch {expected}");
                return Err(format!("{toml:?}, update {step}: {found}").into());
            }
        }
    }
    Ok(())
}

fn plateaus_as_pytorch() -> Result<(), Failed> {
    for golden in schedules()["plateaus"].as_array().expect("a list") {
        let toml = format!("name = 'plateau'\n{}", golden["toml"].as_str().expect("text"));
        let lr = golden["lr"].as_f64().expect("a rate");
        let mut plateau = Plateau::new(read_schedule(&toml)?.plateau.expect("it is one"), "val_loss", lr);
        let rates = reals(&golden["rates"]);
        for (epoch, (metric, expected)) in reals(&golden["metrics"]).into_iter().zip(rates).enumerate() {
            let before = plateau.factor();
            let fell = plateau.observe(metric);
            assert_eq!(fell, (plateau.factor() != before).then(|| plateau.factor()), "{toml:?}, epoch {epoch}");
            let found = lr * f64::from(plateau.factor());
            if (found - expected).abs() > 1e-6 * expected {
                return Err(format!("{toml:?}, epoch {epoch}: found {found}, PyTorch {expected}").into());
            }
        }
    }
    Ok(())
}

fn number(key: &str) -> usize {
    FILE[key].as_u64().expect("a number") as usize
}

fn trainer(golden: &Value) -> Result<Trainer, Failed> {
    let u = settings(golden["toml"].as_str().expect("text"))?;
    Ok(Trainer::new(&u, number("batch"), number("epochs"), golden["rows"].as_bool().expect("a flag"))?)
}

/// Whether a batch, counted from 1, completes an update.
fn due(golden: &Value, t: &Trainer, batch: usize) -> bool {
    let within = (batch - 1) % t.batches + 1;
    within == t.batches || within.is_multiple_of(golden["every"].as_u64().expect("a count") as usize)
}

fn on_judge(golden: &Value) -> Result<(), Failed> {
    let t = trainer(golden)?;
    let mut cpu = Cpu::<f64>::new();
    let program = t.load(&mut cpu, Target::Cpu)?;
    let (params, average) = t.flat();
    let (mut norms, mut seen) = (vec![], vec![]);
    for batch in 1..=number("epochs") * t.batches {
        cpu.run(&program, 1)?;
        if due(golden, &t, batch) {
            norms.extend(cpu.values(&program, t.updated.grad_norm)?);
        }
        if reals(&FILE["seen"]).contains(&(batch as f64)) {
            seen.push(t.unpack(&cpu.values(&program, params)?));
        }
    }
    close("norms", &norms, &reals(&golden["norms"]), JUDGE)?;
    for (i, expected) in golden["after"].as_array().expect("a list").iter().enumerate() {
        close(&format!("parameters, look {i}"), &seen[i], &reals(expected), JUDGE)?;
    }
    if let Some(average) = average {
        close("average", &t.unpack(&cpu.values(&program, average)?), &reals(&golden["average"]), JUDGE)?;
    }
    Ok(())
}

fn on_gpu(golden: &Value, gpu: &Arc<Gpu>, class: Class) -> Result<(), Failed> {
    let t = trainer(golden)?;
    let mut e = GpuExecutor::new(gpu.clone());
    let program = t.load(&mut e, Target::Gpu(floor_caps(gpu, class)))?;
    let (params, average) = t.flat();
    // Twelve updates follow each other, with sums of up to thirty terms.
    let tolerance = relative_to(golden["name"].as_str().expect("a name"), 12 * 30, 16.0);
    let mut done = 0;
    for (i, at) in reals(&FILE["seen"]).into_iter().enumerate() {
        // Several batches share a submit.
        e.run(&program, at as usize - done)?;
        done = at as usize;
        let found = t.unpack(e.fetch(&program, params)?.as_f32());
        compare(&format!("parameters after {at} batches"), &found, &reals(&golden["after"][i]), tolerance)?;
    }
    if let Some(average) = average {
        let found = t.unpack(e.fetch(&program, average)?.as_f32());
        compare("average", &found, &reals(&golden["average"]), tolerance)?;
    }
    Ok(())
}

/// Flat parameters of the judge after some epochs.
fn judged(toml: &str, batch: usize, epochs: usize) -> Result<Vec<f64>, Failed> {
    let t = Trainer::new(&settings(toml)?, batch, epochs, true)?;
    let mut cpu = Cpu::<f64>::new();
    let program = t.load(&mut cpu, Target::Cpu)?;
    cpu.run(&program, epochs * t.batches)?;
    Ok(cpu.values(&program, t.flat().0)?)
}

fn accumulation_is_one_large_batch() -> Result<(), Failed> {
    let common = "[optimizer]\nname = 'adamw'\nlr = 0.05\nweight_decay = 0.1\n\
                  [schedule]\nname = 'cosine'\nwarmup_steps = 2\n\
                  [train]\nclip_norm = 0.5\nl1 = 0.01\nmax_norm = 1.0\n";
    for (batch, every) in [(4, 3), (4, 2), (1, 5), (8, 100), (3, 1)] {
        let parts = judged(&format!("{common}accumulate = {every}\n"), batch, 3)?;
        let whole = judged(common, (batch * every).min(22), 3)?;
        close(&format!("{every} batches of {batch}"), &parts, &whole, 1e-12)?;
        assert_ne!(judged(common, 7, 3)?, whole, "other batches give other weights");
    }
    Ok(())
}

fn without_extras_there_is_nothing_more() -> Result<(), Failed> {
    let ops = |toml: &str| -> Result<Vec<&'static str>, Failed> {
        let t = Trainer::new(&settings(toml)?, 4, 2, true)?;
        let plan = Plan::build(&t.graph, &[], Target::Cpu)?;
        let names: Vec<&str> = plan.steps.iter().map(|s| plan.graph.nodes()[s.node].op.name()).collect();
        let norm = names.iter().position(|n| *n == "grad_norm").expect("there is a norm");
        // What an update adds before the norm are its last gradients' neighbours.
        let before = ["pace", "accumulate", "adjust_grads"];
        let early = names[..norm].iter().filter(|n| before.contains(*n));
        Ok(early.chain(&names[norm..]).copied().collect())
    };
    let plain = ["grad_norm", "adam", "clock"];
    assert_eq!(ops("")?, plain);
    assert_eq!(ops("[schedule]\nname = 'cosine'\nwarmup_epochs = 1\n[train]\nclip_norm = 1.0")?, plain);
    assert_eq!(ops("[schedule]\nname = 'plateau'")?, ["pace", "grad_norm", "adam", "clock"]);
    assert_eq!(ops("[train]\nl1 = 0.1\nclip_value = 1.0")?, ["adjust_grads", "grad_norm", "adam", "clock"]);
    let all = ["pace", "accumulate", "adjust_grads", "grad_norm", "adam", "max_norm", "ema", "clock"];
    assert_eq!(ops("[train]\naccumulate = 2\nl1 = 0.1\nmax_norm = 1.0\nema = 0.9")?, all);
    Ok(())
}

fn frozen_weights_have_no_backward_pass() -> Result<(), Failed> {
    let matmuls = |toml: &str| -> Result<usize, Failed> {
        let t = Trainer::new(&settings(toml)?, 4, 2, true)?;
        let plan = Plan::build(&t.graph, &[], Target::Cpu)?;
        Ok(plan.steps.iter().filter(|s| plan.graph.nodes()[s.node].op.name() == "matmul").count())
    };
    // Two forward; of the backward ones, the head's weights alone remain.
    let (all, head) = (matmuls("")?, matmuls("[train]\nfreeze = 'fc1'")?);
    assert_eq!((all, head), (5, 3));
    let refused = Trainer::new(&settings("[train]\nfreeze = 'fc3'")?, 4, 2, true).err().expect("there is no fc3");
    assert!(refused.to_string().contains("fits no parameter"), "{refused}");
    Ok(())
}

fn frozen_weights_keep_their_bits<E: Executor>(e: &mut E, target: Target) -> Result<(), Failed> {
    let toml = "[optimizer]\nname = 'sgdw'\nlr = 0.5\nmomentum = 0.9\nweight_decay = 0.5\n\
                [train]\nfreeze = ['fc1']\nl1 = 0.1\nmax_norm = 0.1\nema = 0.3\naccumulate = 2\nclip_value = 0.5\n";
    let t = Trainer::new(&settings(toml)?, 4, 2, true)?;
    let program = t.load(e, target)?;
    e.run(&program, 12)?;
    let (params, average) = t.flat();
    let start: Vec<f32> = start().into_iter().flat_map(|(_, v)| v).collect();
    let frozen = 5 * 6 + 5;
    for (what, flat) in [("parameters", params), ("average", average.expect("ema is on"))] {
        let found = t.unpack(e.fetch(&program, flat)?.as_f32());
        assert_eq!(found[..frozen], start[..frozen], "frozen {what}");
        assert!(found[frozen..].iter().zip(&start[frozen..]).all(|(f, s)| f != s), "the {what} of the head moved");
    }
    Ok(())
}

fn the_device_knows_its_rate() -> Result<(), Failed> {
    let toml = "[optimizer]\nlr = 0.1\n[schedule]\nname = 'linear'\nwarmup_steps = 2\n[train]\naccumulate = 4\n";
    let u = settings(toml)?;
    let t = Trainer::new(&u, 4, 3, true)?;
    let mut cpu = Cpu::<f64>::new();
    let program = t.load(&mut cpu, Target::Cpu)?;
    let lr = t.updated.lr.expect("accumulation works it out");
    assert_eq!(3 * u.steps(t.batches).per_epoch(), 6);
    for step in 0..18 {
        cpu.run(&program, 1)?;
        let expected = u.lr_at(step, 3, t.batches);
        close(&format!("rate of batch {step}"), &cpu.values(&program, lr)?, &[expected], 1e-7)?;
    }
    cpu.write(LR_FACTOR, &HostTensor::f32([1], vec![0.5]))?;
    cpu.write("clock", &clock_at(1, 2, t.batches))?;
    cpu.run(&program, 1)?;
    close("halved rate", &cpu.values(&program, lr)?, &[0.5 * u.lr_at(8, 3, t.batches)], 1e-7)
}

fn very_long_runs_have_short_tables() -> Result<(), Failed> {
    let u = settings("[optimizer]\nlr = 0.1\n[schedule]\nname = 'cosine'\n")?;
    let epochs = 1_000_000;
    let t = Trainer::new(&u, 4, epochs, true)?;
    let mut cpu = Cpu::<f32>::new();
    let program = t.load(&mut cpu, Target::Cpu)?;
    let lr = t.updated.lr.expect("a table with a stride needs one");
    for epoch in [0, 1, 1234, 500_000, 750_000] {
        cpu.write("clock", &clock_at(epoch, 3, t.batches))?;
        cpu.run(&program, 1)?;
        let found = f64::from(cpu.fetch(&program, lr)?.as_f32()[0]);
        let exact = u.lr_at(epoch as usize * t.batches + 3, epochs, t.batches);
        close(&format!("rate of epoch {epoch}"), &[found], &[exact], 1e-5)?;
    }
    Ok(())
}

fn settings_survive_their_tables() -> Result<(), Failed> {
    for golden in FILE["goldens"].as_array().expect("a list") {
        let read = settings(golden["toml"].as_str().expect("text"))?;
        let (mut root, mut train) = (toml::Table::new(), toml::Table::new());
        read.write(&mut root, &mut train);
        root.insert("train".into(), train.into());
        assert_eq!(settings(&root.to_string())?, read);
    }
    Ok(())
}
