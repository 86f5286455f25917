//! What PyTorch computes, for every op with a convention to get wrong: on the
//! f64 judge to nine digits, on the GPU within the tolerance of its shaders.
//! The scripts in `assets/goldens` made the files and say what is in them.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::sync::{Arc, LazyLock};
use support::capabilities::{self, Ways, distinct};
use support::device::{announce, gpu_trial};
use support::golden_ops::build;
use support::golden_optimisers::{Trained, training};
use support::tolerance::{compare, relative_to};
use wgrad::cpu::Cpu;
use wgrad::gpu::{Gpu, GpuExecutor};
use wgrad::graph::{Graph, Init, Seed, TensorId, gradient};
use wgrad::kernel::Caps;
use wgrad::plan::{Executor, Options, Plan, Program, Target};
use wgrad::tensor::{DType, Data, HostTensor};

/// Each with a list of its own; a golden's name stands in one of them.
const FILES: &[&[u8]] = &[
    include_bytes!("../assets/goldens/ops.safetensors"),
    include_bytes!("../assets/goldens/attention.safetensors"),
    include_bytes!("../assets/goldens/recurrence.safetensors"),
    include_bytes!("../assets/goldens/sequence.safetensors"),
    include_bytes!("../assets/goldens/windows.safetensors"),
    include_bytes!("../assets/goldens/choices.safetensors"),
];

/// PyTorch and the judge both compute in f64, in another order of sums.
const JUDGE: f64 = 1e-9;

static TENSORS: LazyLock<Vec<SafeTensors<'static>>> = LazyLock::new(|| {
    FILES.iter().map(|file| SafeTensors::deserialize(file).expect("the files of goldens are whole")).collect()
});

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![Trial::test("every_room_has_a_golden", every_room_has_a_golden)];
    let sets = capabilities::asked();
    for golden in goldens() {
        let golden = Arc::new(golden);
        let g = golden.clone();
        trials.push(Trial::test(format!("{}::judge", g.name), move || on_judge(&g)));
        // A golden that makes no graph is run, and says why.
        let plans =
            planned(&golden).map(|(g, fetches)| distinct(&g, &fetches, &Options::default(), &sets, Ways::Usual));
        let of = plans.map_or(vec![sets[0].clone()], |plans| plans.into_iter().map(|d| d.set).collect());
        // `ops.rs` holds every adapter against the judge, which all goldens are held against.
        let due = |days| args.filter.is_some() || capabilities::due(&golden.name, days);
        let most = if due(8) { sets.len() } else { usize::from(due(3)) };
        for set in of.into_iter().take(most) {
            let g = golden.clone();
            trials.push(gpu_trial(format!("{}::{}", g.name, set.name), move |gpu| on_gpu(&g, gpu, set.caps)));
        }
    }
    announce();
    libtest_mimic::run(&args, trials).exit();
}

/// One entry of a file's list.
struct Golden {
    name: String,
    about: Value,
}

fn goldens() -> Vec<Golden> {
    FILES.iter().flat_map(|file| goldens_of(file)).collect()
}

fn goldens_of(file: &[u8]) -> Vec<Golden> {
    let (_, metadata) = SafeTensors::read_metadata(file).expect("a file of goldens has a header");
    let text = &metadata.metadata().as_ref().expect("the script writes metadata")["goldens"];
    let list: Vec<Value> = serde_json::from_str(text).expect("the script writes JSON");
    list.into_iter().map(|about| Golden { name: about["name"].as_str().expect("a name").into(), about }).collect()
}

impl Golden {
    fn count(&self, key: &str) -> usize {
        self.about[key].as_u64().unwrap_or(0) as usize
    }

    fn view(&self, what: &str) -> safetensors::tensor::TensorView<'static> {
        let name = format!("{}/{what}", self.name);
        TENSORS.iter().find_map(|file| file.tensor(&name).ok()).unwrap_or_else(|| panic!("no file holds {name}"))
    }

    /// An input, as the graph takes it.
    fn host(&self, what: &str) -> HostTensor {
        let view = self.view(what);
        let words = view.data().chunks_exact(4).map(|b| b.try_into().expect("four bytes"));
        match view.dtype() {
            Dtype::F32 => HostTensor::f32(view.shape(), words.map(f32::from_le_bytes).collect()),
            Dtype::U32 => HostTensor::u32(view.shape(), words.map(u32::from_le_bytes).collect()),
            other => panic!("{}/{what}: {other:?} is no type of an input", self.name),
        }
    }

    /// A result, in full precision.
    fn expected(&self, what: &str) -> Vec<f64> {
        let view = self.view(what);
        let data = view.data();
        match view.dtype() {
            Dtype::F64 => {
                data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes"))).collect()
            }
            _ => match self.host(what).data {
                Data::F32(v) => v.into_iter().map(f64::from).collect(),
                Data::U32(v) => v.into_iter().map(f64::from).collect(),
            },
        }
    }

    /// Relative tolerance on a GPU.
    fn tolerance(&self) -> f64 {
        let ulps = self.about["ulps"].as_f64().unwrap_or(0.0);
        relative_to(&self.name, self.count("terms"), ulps)
    }
}

/// What a graph computes, and the name of the golden's tensor it must equal.
type Looked = Vec<(String, TensorId)>;

/// The golden's op on its inputs, with gradients of the stored cotangents.
fn graph(golden: &Golden) -> wgrad::Result<(Graph, Looked)> {
    let mut g = Graph::new();
    let mut x = vec![];
    for i in 0..golden.count("inputs") {
        let value = golden.host(&format!("x{i}"));
        x.push(g.persistent(&format!("x{i}"), value.spec(), Init::Data(Arc::new(value))));
    }
    let outputs = build(&mut g, golden.about["op"].as_str().expect("an op"), &golden.about["attrs"], &x)?;
    assert_eq!(outputs.len(), golden.count("outputs"), "outputs of {}", golden.name);
    let mut looked: Looked = outputs.iter().enumerate().map(|(i, &y)| (format!("y{i}"), y)).collect();
    let wanted: Vec<usize> = golden.about["gradients"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|i| i.as_u64().expect("a number") as usize)
        .collect();
    if !wanted.is_empty() {
        let mut seeds = vec![];
        for (i, &y) in outputs.iter().enumerate() {
            if g.spec(y).dtype == DType::F32 {
                let c = golden.host(&format!("c{i}"));
                let gradient = g.persistent(&format!("c{i}"), c.spec(), Init::Data(Arc::new(c)));
                seeds.push(Seed { tensor: y, gradient });
            }
        }
        let wrt: Vec<TensorId> = wanted.iter().map(|&i| x[i]).collect();
        let d = gradient(&mut g, &seeds, &wrt)?;
        looked.extend(wanted.iter().zip(d).map(|(i, d)| (format!("d{i}"), d)));
    }
    let first_update = x.len() - golden.count("updates");
    looked.extend((first_update..x.len()).map(|i| (format!("u{i}"), x[i])));
    Ok((g, looked))
}

/// The graph of a golden, whatever its kind, and what is looked at.
fn planned(golden: &Golden) -> wgrad::Result<(Graph, Vec<TensorId>)> {
    if golden.about["op"] == "optimiser" {
        let (g, trained) = training(golden.host("params"), &golden.about["attrs"])?;
        return Ok((g, vec![trained.params, trained.norm]));
    }
    let (g, looked) = graph(golden)?;
    Ok((g, looked.into_iter().map(|(_, t)| t).collect()))
}

fn judge_value(cpu: &mut Cpu<f64>, program: &Program, t: TensorId, dtype: DType) -> wgrad::Result<Vec<f64>> {
    match dtype {
        DType::F32 | DType::F16 => cpu.values(program, t),
        DType::U32 => Ok(cpu.fetch(program, t)?.as_u32().iter().map(|&v| f64::from(v)).collect()),
    }
}

fn on_judge(golden: &Golden) -> Result<(), Failed> {
    if golden.about["op"] == "optimiser" {
        return trained_on_judge(golden);
    }
    let (g, looked) = graph(golden)?;
    let fetches: Vec<TensorId> = looked.iter().map(|(_, t)| *t).collect();
    let mut cpu = Cpu::<f64>::new();
    let program = cpu.load(Plan::build(&g, &fetches, Target::Cpu)?)?;
    cpu.poison(&program);
    cpu.run(&program, 1)?;
    for (what, t) in looked {
        close(&what, &judge_value(&mut cpu, &program, t, g.spec(t).dtype)?, &golden.expected(&what))?;
    }
    Ok(())
}

/// The judge against PyTorch.
fn close(what: &str, found: &[f64], torch: &[f64]) -> Result<(), Failed> {
    if found.len() != torch.len() {
        return Err(format!("{what}: {} elements, PyTorch {}", found.len(), torch.len()).into());
    }
    let rms = (torch.iter().map(|v| v * v).sum::<f64>() / torch.len() as f64).sqrt();
    for (i, (f, t)) in found.iter().zip(torch).enumerate() {
        let error = (f - t).abs();
        if error.is_nan() || error > JUDGE * (t.abs() + rms) {
            return Err(format!("{what}[{i}]: found {f}, PyTorch {t}, error {error:.2e}").into());
        }
    }
    Ok(())
}

fn on_gpu(golden: &Golden, gpu: &Arc<Gpu>, caps: Caps) -> Result<(), Failed> {
    if golden.about["op"] == "optimiser" {
        return trained_on_gpu(golden, gpu, caps);
    }
    let (g, looked) = graph(golden)?;
    let fetches: Vec<TensorId> = looked.iter().map(|(_, t)| *t).collect();
    let mut e = GpuExecutor::new(gpu.clone());
    let program = e.load(Plan::build(&g, &fetches, Target::Gpu(caps))?)?;
    e.poison(&program);
    e.run(&program, 1)?;
    for (what, t) in looked {
        let torch = golden.expected(&what);
        match e.fetch(&program, t)?.data {
            Data::F32(found) => compare(&what, &found, &torch, golden.tolerance())?,
            Data::U32(found) => close(&what, &found.into_iter().map(f64::from).collect::<Vec<_>>(), &torch)?,
        }
    }
    Ok(())
}

/// Runs an optimiser's steps, one gradient each; calls `look` after each with
/// the step's number and the program.
fn train<E: Executor>(
    golden: &Golden,
    e: &mut E,
    target: Target,
    look: impl Fn(&mut E, &Program, &Trained, usize) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let (g, trained) = training(golden.host("params"), &golden.about["attrs"])?;
    let program = e.load(Plan::build(&g, &[trained.params, trained.norm], target)?)?;
    let grads = golden.host("grads");
    let n = grads.shape[1];
    for step in 0..grads.shape[0] {
        let now = grads.as_f32()[step * n..(step + 1) * n].to_vec();
        e.write("grads", &HostTensor::f32([n], now))?;
        e.run(&program, 1)?;
        look(e, &program, &trained, step)?;
    }
    Ok(())
}

/// What PyTorch has after a step: the parameters, and the norm if it clips.
fn after(golden: &Golden, step: usize) -> (Vec<f64>, Option<Vec<f64>>) {
    let all = golden.expected("after");
    let n = golden.view("params").shape()[0];
    let clips = !golden.about["attrs"]["max_norm"].is_null();
    (all[step * n..(step + 1) * n].to_vec(), clips.then(|| vec![golden.expected("norms")[step]]))
}

fn trained_on_judge(golden: &Golden) -> Result<(), Failed> {
    train(golden, &mut Cpu::<f64>::new(), Target::Cpu, |cpu, program, t, step| {
        let (params, norm) = after(golden, step);
        if let Some(norm) = norm {
            close(&format!("norm of step {step}"), &cpu.values(program, t.norm)?, &norm)?;
        }
        close(&format!("parameters after step {step}"), &cpu.values(program, t.params)?, &params)
    })
}

fn trained_on_gpu(golden: &Golden, gpu: &Arc<Gpu>, caps: Caps) -> Result<(), Failed> {
    train(golden, &mut GpuExecutor::new(gpu.clone()), Target::Gpu(caps), |e, program, t, step| {
        let (params, norm) = after(golden, step);
        if let Some(norm) = norm {
            compare(&format!("norm of step {step}"), e.fetch(program, t.norm)?.as_f32(), &norm, golden.tolerance())?;
        }
        let found = e.fetch(program, t.params)?;
        Ok(compare(&format!("parameters after step {step}"), found.as_f32(), &params, golden.tolerance())?)
    })
}

/// Rooms that PyTorch has no counterpart for, or none that is deterministic, or
/// whose goldens are files of their own: whole updates, augmentation.
const WITHOUT: &[&str] = &[
    "accumulate",
    "adjust_grads",
    // Those of attention have its gradients.
    "attention_grad",
    "attention_grad_tiles",
    "augment_images",
    "ceiling",
    "fingerprint",
    "clock",
    "correct",
    "dropout",
    "ema",
    "gather_floats",
    "gather_images",
    "gather_rows",
    "grad_norm",
    "loss_scale",
    "max_norm",
    "mix_batch",
    "pace",
    "recurrence_grad",
    "row_lengths",
    "select_rows",
    "tally",
    "write_rows",
];

fn every_room_has_a_golden() -> Result<(), Failed> {
    let names: Vec<String> = goldens().into_iter().map(|g| g.name).collect();
    for room in wgrad::ops::ROOMS {
        let has = names.iter().any(|n| n.split('/').next() == Some(room));
        if !has && !WITHOUT.contains(room) {
            return Err(format!("{room} has no golden: add it to a script in assets/goldens").into());
        }
    }
    Ok(())
}
