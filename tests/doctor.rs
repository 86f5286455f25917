//! The doctor on the adapter under test: a healthy one is right; a wrong shader, a missing
//! barrier and a write out of bounds are found, remembered, and not run any more.
//!
//! Shaders are replaced for the whole process, so everything happens in one trial.

mod support;

use libtest_mimic::{Arguments, Failed};
use std::process::Command;
use std::sync::Arc;
use support::device::gpu_trial;
use support::training::{bands, settings};
use wgrad::data::Interface;
use wgrad::device::Device;
use wgrad::doctor::{Examined, Options, Status, examine};
use wgrad::gpu::{Adapter, Checks, Gpu, GpuExecutor};
use wgrad::graph::{Graph, Init};
use wgrad::kernel::replace;
use wgrad::nn::{Description, Model, Weights};
use wgrad::plan::Executor;
use wgrad::tensor::HostTensor;
use wgrad::train::{Session, fit};

fn main() {
    let args = Arguments::from_args();
    let cache = tempfile::tempdir().expect("a folder");
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("WGRAD_CACHE", cache.path()) };
    let trial = gpu_trial("planted_faults_are_found_and_remembered".into(), |gpu| faults(&gpu.adapter));
    libtest_mimic::run(&args, vec![trial]).exit();
}

fn check(right: bool, what: impl std::fmt::Display) -> Result<(), Failed> {
    if right { Ok(()) } else { Err(what.to_string().into()) }
}

/// The text of a shader of this program.
fn text(name: &str) -> Result<String, Failed> {
    Ok(std::fs::read_to_string(format!("{}/shaders/{name}.wgsl", env!("CARGO_MANIFEST_DIR")))?)
}

/// Replaces a part of a shader.
fn spoil(name: &str, part: &str, by: &str) -> Result<(), Failed> {
    let text = text(name)?;
    check(text.contains(part), format!("{name} has no {part}"))?;
    replace(name, text.replace(part, by));
    Ok(())
}

fn mend(name: &str) -> Result<(), Failed> {
    replace(name, text(name)?);
    Ok(())
}

fn look(adapter: &Adapter, op: &str) -> Result<Examined, Failed> {
    let options = Options { ops: vec![op.into()], ..Options::default() };
    Ok(examine(adapter, &options, &mut |_| {})?)
}

fn status(e: &Examined, op: &str, variant: &str) -> Option<Status> {
    e.verdicts.iter().find(|v| v.op == op && v.variant == variant).map(|v| v.status)
}

fn faults(adapter: &Adapter) -> Result<(), Failed> {
    let healthy = look(adapter, "softmax")?;
    check(healthy.is_right() && healthy.refused.is_empty() && healthy.kept.is_none(), healthy.text())?;
    check(status(&healthy, "softmax_grad", "") == Some(Status::Right), healthy.text())?;
    wrong_shader(adapter)?;
    missing_barrier(adapter)?;
    out_of_bounds(adapter)?;
    wrong_while_training(adapter)
}

fn softmax(device: &Device) -> Result<(Vec<f32>, usize), Failed> {
    let mut g = Graph::new();
    let x = HostTensor::f32([2, 3], vec![0.0, 1.0, 2.0, -1.0, 0.0, 3.0]);
    let x = g.persistent("x", x.spec(), Init::Data(Arc::new(x)));
    let y = g.softmax(x, 1)?;
    let plan = device.plan(&g, &[y])?;
    let on_host = plan.on_host().len();
    let mut e = device.executor();
    let program = e.load(plan)?;
    e.run(&program, 3)?;
    Ok((e.fetch(&program, y)?.as_f32().to_vec(), on_host))
}

/// A shader that is wrong by a thousandth; its op then runs on the CPU.
fn wrong_shader(adapter: &Adapter) -> Result<(), Failed> {
    let open = || Gpu::open(adapter, Checks::Off).map(|gpu| Device::Gpu(Arc::new(gpu)));
    let (right, _) = softmax(&open()?)?;
    spoil("softmax", "return exp_below(v) / sum;", "return 1.001 * exp_below(v) / sum;")?;
    let (wrong, on_host) = softmax(&open()?)?;
    check(on_host == 0 && wrong[2] > right[2] * 1.0005, format!("{wrong:?}, {right:?}"))?;
    let found = look(adapter, "softmax")?;
    check(status(&found, "softmax", "") == Some(Status::Wrong), found.text())?;
    check(status(&found, "softmax_grad", "") == Some(Status::Right), found.text())?;
    check(status(&found, "log_softmax", "") == Some(Status::Right), found.text())?;
    let kept = found.kept.clone().ok_or("nothing is remembered")?;
    check(kept.exists() && found.refused.len() == 1, found.text())?;
    let (by_cpu, on_host) = softmax(&open()?)?;
    let close = by_cpu.iter().zip(&right).all(|(a, b)| (a - b).abs() < 1e-6);
    check(on_host == 1 && close, format!("{on_host} on the CPU: {by_cpu:?}, {right:?}"))?;
    // The program says so, loudly, and trains all the same.
    let folder = tempfile::tempdir()?;
    let run = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_wgrad")).current_dir(folder.path()).args(words).output().expect("it runs")
    };
    let train = ["train", "--model", "mlp", "--max-steps", "2", "--batch-size", "8", "--fast-dev-run", "--device"];
    let output = run(&[&train[..], &[&adapter.name]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    check(output.status.success() && said.contains("computes softmax wrongly"), said)?;
    mend("softmax")?;
    let found = look(adapter, "softmax")?;
    check(found.is_right() && !kept.exists(), found.text())
}

/// Tiles in workgroup memory that nobody waits for: one variant of several.
fn missing_barrier(adapter: &Adapter) -> Result<(), Failed> {
    spoil("matmul", "workgroupBarrier();", "")?;
    let found = look(adapter, "matmul/nn_odd")?;
    // Two runs may give different bits, or both the wrong ones.
    check(status(&found, "matmul", "tiled").is_some_and(Status::is_wrong), found.text())?;
    check(status(&found, "matmul", "rows").is_none_or(|s| s == Status::Right), found.text())?;
    let gpu = Arc::new(Gpu::open(adapter, Checks::Off)?);
    check(gpu.caps.refused.variant("matmul", "tiled").is_some(), format!("{:?}", gpu.caps.refused))?;
    let mut g = Graph::new();
    let a = g.persistent("a", wgrad::tensor::Spec::f32([64, 64]), Init::Zeros);
    let y = g.matmul(a, a)?;
    let plan = Device::Gpu(gpu.clone()).plan(&g, &[y])?;
    let offered: Vec<&str> = plan.tunables().iter().flat_map(|t| &t.variants).map(|v| v.name).collect();
    check(!offered.is_empty() && !offered.contains(&"tiled"), format!("{offered:?}"))?;
    let mut e = GpuExecutor::new(gpu);
    let program = e.load(plan)?;
    e.run(&program, 1)?;
    mend("matmul")?;
    check(look(adapter, "matmul/nn_odd")?.is_right(), "it was mended")
}

/// A kernel that writes one element more than its tensor has.
fn out_of_bounds(adapter: &Adapter) -> Result<(), Failed> {
    spoil("gather_rows", "    y[i] = value;", "    y[i] = value;\n    if i == SLOTS * ROW - 1u { y[i + 3u] = 7u; }")?;
    let found = look(adapter, "gather_rows")?;
    let verdict = found.verdicts.iter().find(|v| v.status != Status::Right).ok_or(found.text())?;
    let why = verdict.failures.first().map(|f| f.1.clone()).unwrap_or_default();
    check(verdict.op == "gather_rows" && why.contains("behind the end of"), found.text())?;
    mend("gather_rows")?;
    check(look(adapter, "gather_rows")?.is_right(), "it was mended")
}

/// A wrong kernel is found by a training that verifies its steps.
fn wrong_while_training(adapter: &Adapter) -> Result<(), Failed> {
    struct Quiet;
    impl wgrad::train::Progress for Quiet {
        fn begin(&mut self, _: usize, _: usize, _: usize) {}
        fn step(&mut self, _: usize, _: Option<wgrad::train::Scores>) {}
        fn end(&mut self, _: &wgrad::train::Epoch) -> wgrad::Result<()> {
            Ok(())
        }
    }
    let train = |every: i64| -> Result<wgrad::Result<()>, Failed> {
        let device = Device::Gpu(Arc::new(Gpu::open(adapter, Checks::Off)?));
        let model = Model::new(Description::named("mlp")?, Some([1, 28, 28].into()), Some(10))?;
        let classes = (0..10).map(|i| i.to_string()).collect();
        let interface = Interface::of_images(classes, &[(0.13, 0.31)]);
        let mut session = Session::new(device, model, interface, Weights::new(0))?;
        let s = settings(&[
            ("train.batch_size", 8.into()),
            ("train.epochs", 1.into()),
            ("train.verify_every", every.into()),
        ]);
        Ok(fit(&mut session, &bands(32, 1), None, &s, &mut Quiet).map(drop))
    };
    train(2)??;
    spoil("adam", "let m = flush4(BETA1 * m4[i]", "let m = flush4(1.001 * BETA1 * m4[i]")?;
    // The first step has no moments yet: it is right.
    check(train(0)?.is_ok(), "nobody looks")?;
    let error = train(2)?.err().ok_or("a wrong optimiser is not found")?.to_string();
    check(error.contains("step 3 is not what the judge computes") && error.contains("of adam"), &error)?;
    check(error.contains("tolerance") && error.contains("ratio"), &error)?;
    mend("adam")
}
