//! Choosing among variants: what is eligible, what a wrong kernel comes to, what
//! the cache keeps, and that a run goes on with its own choices.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use support::device::{announce, gpu_trial};
use wgrad::Result;
use wgrad::gpu::Gpu;
use wgrad::graph::{Backward, Cost, Graph, Infer, Init, Io, Lower, Op, Reference, TensorId};
use wgrad::kernel::{ANYWHERE, Caps, Class, Kernel, Lowered, Shader, Variant};
use wgrad::plan::{Choices, Plan, Target};
use wgrad::tensor::{Real, Spec};
use wgrad::tuning::{Cache, Effort, Judge, Outcome, Tuned, tune};

type Test = fn() -> Result<(), Failed>;

fn main() {
    let args = Arguments::from_args();
    let free: [(&str, Test); 6] = [
        ("what_a_device_cannot_run_is_never_chosen", ineligible),
        ("the_usual_variant_depends_on_class_and_shape_alone", usual),
        ("variants_state_what_they_need", needs),
        ("a_cache_gives_back_what_was_put_in", round_trip),
        ("a_broken_cache_is_ignored_and_replaced", broken_cache),
        ("what_another_version_or_adapter_wrote_is_not_used", foreign_cache),
    ];
    let mut trials: Vec<Trial> = free.into_iter().map(|(name, run)| Trial::test(name, run)).collect();
    trials.push(gpu_trial("a_wrong_variant_is_found_out".into(), wrong_variant));
    trials.push(gpu_trial("tuning_chooses_once_and_the_plan_follows".into(), tunes));
    trials.push(gpu_trial("a_run_keeps_its_choices".into(), run_keeps_choices));
    announce();
    libtest_mimic::run(&args, trials).exit();
}

fn check(right: bool, what: impl ToString) -> Result<(), Failed> {
    if right { Ok(()) } else { Err(what.to_string().into()) }
}

/// A product of this side, planned.
fn product(n: usize, caps: Caps, choices: &Choices) -> Result<Plan> {
    let mut g = Graph::new();
    let [a, b] = ["a", "b"].map(|name| g.persistent(name, Spec::f32([n, n]), Init::Zeros));
    let y = g.matmul(a, b)?;
    Plan::tuned(&g, &[y], Target::Gpu(caps), choices)
}

fn ineligible() -> Result<(), Failed> {
    let all = Caps::floor(Class::Discrete);
    let plan = product(512, all.clone(), &Choices::default())?;
    let [tunable] = &plan.tunables()[..] else { return Err("one product, one tunable".into()) };
    let choose = |name: &str| Choices([(tunable.key.clone(), name.to_string())].into());
    let large = product(512, all.clone(), &choose("blocks128"))?;
    check(large.steps[0].variant == "blocks128", "a choice counts where it is possible")?;
    let small = Caps { workgroup_bytes: 12 << 10, ..all.clone() };
    let narrow = Caps { invocations: 128, ..all.clone() };
    for caps in [small, narrow] {
        let plan = product(512, caps.clone(), &choose("blocks128"))?;
        let runs = plan.steps[0].variant;
        check(runs != "blocks128" && !runs.is_empty(), format!("{runs} on {caps:?}"))?;
        let left = plan.tunables();
        let fit = left.iter().flat_map(|t| &t.variants).all(|v| v.fits(&caps));
        check(fit, format!("{left:?} holds what does not fit {caps:?}"))?;
    }
    let unknown = product(512, all, &choose("no_such_variant"))?;
    check(unknown.steps[0].variant == plan.steps[0].variant, "a choice that means nothing changes nothing")
}

fn usual() -> Result<(), Failed> {
    let runs = |class| Ok::<_, Failed>(product(512, Caps::floor(class), &Choices::default())?.steps[0].variant);
    check(runs(Class::Cpu)? == "rows", "software adapters multiply in registers")?;
    check(runs(Class::Discrete)?.starts_with("blocks"), "GPUs multiply in tiles")?;
    check(runs(Class::Discrete)? == runs(Class::Integrated)?, "GPUs of both kinds alike")
}

/// What a variant says that it needs is what its kernels take.
fn needs() -> Result<(), Failed> {
    let caps = Caps { half: Some(32), ..Caps::floor(Class::Discrete) };
    let mut g = Graph::new();
    let mut input = |name: &str, shape: &[usize]| g.persistent(name, Spec::f32(shape), Init::Zeros);
    let (a, b, thin) = (input("a", &[512, 300]), input("b", &[300, 512]), input("c", &[7, 512]));
    let (x, w) = (input("x", &[4, 32, 20, 20]), input("w", &[64, 32, 3, 3]));
    let wide = g.matmul(a, b)?;
    let narrow = g.matmul_t(thin, wide, None)?;
    let image = g.conv2d(x, w, None, Default::default())?;
    let fetch = [narrow, image];
    let plan = Plan::build(&g, &fetch, Target::Gpu(caps.clone()))?;
    check(plan.tunables().len() == 3, format!("{:?}", plan.tunables()))?;
    for t in plan.tunables() {
        for v in &t.variants {
            let choices = Choices([(t.key.clone(), v.name.to_string())].into());
            let plan = Plan::tuned(&g, &fetch, Target::Gpu(caps.clone()), &choices)?;
            let step = plan.steps.iter().find(|s| s.node == t.node).ok_or("the step")?;
            check(step.variant == v.name, format!("{} runs for {}", step.variant, v.name))?;
            for launch in &step.launches {
                let (bytes, [x, y, z]) = (launch.entry.workgroup_bytes, launch.entry.workgroup_size);
                let enough = bytes <= v.workgroup_bytes && x * y * z <= v.invocations;
                check(enough, format!("{} takes {bytes} bytes, {x}x{y}x{z}; stated: {v:?}", launch.label))?;
            }
        }
    }
    Ok(())
}

fn verdict() -> Tuned {
    Tuned {
        key: "op: [2, 3] -> [3]".into(),
        usual: "slow".into(),
        chosen: "fast".into(),
        judge: Some(Judge::F64),
        outcomes: vec![
            ("slow".into(), Outcome::Microseconds(12.5)),
            ("fast".into(), Outcome::Microseconds(3.25)),
            ("odd".into(), Outcome::Wrong("output 0, element 1".into())),
        ],
    }
}

fn round_trip() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("made/on/the/way/tuning.json");
    let (mut cache, complaint) = Cache::of(Some(path.clone()), "adapter, 1.0".into());
    check(complaint.is_none(), "a missing file is no mistake")?;
    cache.put(&verdict(), "abc".into());
    cache.save()?;
    let (again, complaint) = Cache::of(Some(path), "adapter, 1.0".into());
    check(complaint.is_none() && again == cache, format!("{again:?} is not {cache:?}"))?;
    let entry = again.get("op: [2, 3] -> [3]", "abc").ok_or("the entry")?;
    check(entry.variant == "fast" && entry.microseconds["slow"] == 12.5, format!("{entry:?}"))?;
    check(entry.rejected["odd"].contains("element 1"), format!("{entry:?}"))?;
    check(again.get("op: [2, 3] -> [3]", "other shaders").is_none(), "shaders changed since")
}

fn broken_cache() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tuning.json");
    for text in ["", "{", "[1, 2]", "{\"wgrad\": \"0\", \"adapter\": 3}", "\u{fffd}\0"] {
        std::fs::write(&path, text)?;
        let (mut cache, complaint) = Cache::of(Some(path.clone()), "a".into());
        let complaint = complaint.ok_or(format!("nothing is said about {text:?}"))?;
        check(complaint.contains("tuning.json") && complaint.contains("ignored"), complaint)?;
        cache.put(&verdict(), "abc".into());
        cache.save()?;
        let (again, complaint) = Cache::of(Some(path.clone()), "a".into());
        check(complaint.is_none() && again == cache, "it was replaced")?;
    }
    Ok(())
}

fn foreign_cache() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tuning.json");
    let (mut cache, _) = Cache::of(Some(path.clone()), "adapter, driver 1".into());
    cache.put(&verdict(), "abc".into());
    cache.save()?;
    let (other, complaint) = Cache::of(Some(path.clone()), "adapter, driver 2".into());
    check(complaint.is_none() && other.get(&verdict().key, "abc").is_none(), "another driver's")?;
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(&path, text.replace(env!("CARGO_PKG_VERSION"), "0.0.0-before"))?;
    let (older, complaint) = Cache::of(Some(path), "adapter, driver 1".into());
    check(complaint.is_none() && older.get(&verdict().key, "abc").is_none(), "another version's")
}

/// Doubles its input, or says so.
#[derive(Debug, Clone, Copy)]
struct Double;

static DOUBLE: Shader = Shader {
    name: "double",
    source: "@group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        override FACTOR: f32;
        override EVERY: u32;
        @compute @workgroup_size(64)
        fn scale(@builtin(global_invocation_id) id: vec3<u32>) {
            if id.x < arrayLength(&x) && id.x % EVERY == 0u { y[id.x] = FACTOR * x[id.x]; }
        }",
};

const COUNT: usize = 1000;

impl Reference for Double {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let x = io.x(0);
        io.y(0).iter_mut().zip(x).for_each(|(y, &x)| *y = x + x);
    }
}

impl Op for Double {
    fn name(&self) -> &'static str {
        "double"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        Ok(vec![cx.inputs[0].clone()])
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn variants(&self, _cx: &Lower) -> Vec<Variant> {
        ["triples", "leaves_out", "doubles"].map(|name| Variant::new(name, ANYWHERE)).to_vec()
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let (factor, every) = match cx.variant {
            "triples" => (3.0, 1),
            "leaves_out" => (2.0, 2),
            _ => (2.0, 1),
        };
        let kernel = Kernel::new(&DOUBLE, "scale").real("FACTOR", factor).set("EVERY", every);
        Ok(Lowered::one(kernel.dispatch([COUNT.div_ceil(64) as u32, 1, 1]).input("x", 0).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: COUNT as u64, bytes: cx.bytes_once() }
    }
}

fn wrong_variant(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    let mut g = Graph::new();
    let x = g.persistent("x", Spec::f32([COUNT]), Init::Zeros);
    let y = g.push1(Double, &[x])?;
    let plan = Plan::build(&g, &[y], Target::Gpu(gpu.caps.clone()))?;
    check(plan.steps[0].variant == "triples", "the first is the usual one")?;
    let (mut cache, _) = Cache::of(None, "none".into());
    let report = tune(gpu, &plan, &mut cache, Effort::Missing, &mut |_| {})?;
    let [tuned] = &report.tuned[..] else { return Err(format!("{report:?}").into()) };
    for name in ["triples", "leaves_out"] {
        let outcome = tuned.outcomes.iter().find(|o| o.0 == name).map(|o| &o.1);
        check(matches!(outcome, Some(Outcome::Wrong(_))), format!("{name}: {outcome:?}"))?;
    }
    check(tuned.chosen == "doubles" && tuned.judge == Some(Judge::F64), format!("{tuned:?}"))?;
    let plan = Plan::tuned(&g, &[y], Target::Gpu(gpu.caps.clone()), &report.choices)?;
    check(plan.steps[0].variant == "doubles", "the plan follows")
}

fn tunes(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    let plan = product(48, gpu.caps.clone(), &Choices::default())?;
    let (mut cache, _) = Cache::of(None, "none".into());
    let nothing = tune(gpu, &plan, &mut cache, Effort::Cached, &mut |_| {})?;
    check(nothing.left == 1 && nothing.choices == Choices::default(), format!("{nothing:?}"))?;
    let late = tune(gpu, &plan, &mut cache, Effort::Within(Default::default()), &mut |_| {})?;
    check(late.left == 1 && late.tuned.is_empty(), "no time, no verdict")?;
    let report = tune(gpu, &plan, &mut cache, Effort::Missing, &mut |_| {})?;
    let [tuned] = &report.tuned[..] else { return Err(format!("{report:?}").into()) };
    let times = tuned.outcomes.iter().filter(|o| matches!(o.1, Outcome::Microseconds(t) if t > 0.0)).count();
    check(times == tuned.outcomes.len() && times >= 3, format!("all are right and take time: {tuned:?}"))?;
    let chosen = product(48, gpu.caps.clone(), &report.choices)?;
    check(chosen.steps[0].variant == tuned.chosen, "the plan follows")?;
    let again = tune(gpu, &plan, &mut cache, Effort::Missing, &mut |_| {})?;
    check(again.cached == 1 && again.tuned.is_empty() && again.choices == report.choices, format!("{again:?}"))?;
    let anew = tune(gpu, &plan, &mut cache, Effort::Again, &mut |_| {})?;
    check(anew.cached == 0 && anew.tuned.len() == 1, format!("{anew:?}"))
}

fn wgrad(at: &Path, args: &[&str]) -> Output {
    let device = std::env::var("WGRAD_DEVICE").unwrap_or("0".into());
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.current_dir(at).env("WGRAD_CACHE", at.join("cache")).env("WGRAD_DEVICE", device);
    command.args(args).output().expect("the program starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn done(output: Output) -> Result<Output, Failed> {
    if output.status.success() { Ok(output) } else { Err(stderr(&output).into()) }
}

fn json(text: &[u8]) -> Result<Value, Failed> {
    let text = String::from_utf8_lossy(text).into_owned();
    Ok(serde_json::from_str(text.lines().last().ok_or("no output")?)?)
}

/// `wgrad tune`, then runs with and without its choices, and one that goes on
/// when the cache is gone.
fn run_keeps_choices(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    std::fs::write(
        at.join("m.toml"),
        "[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"",
    )?;
    let train_for = |steps: &str, more: &[&str]| {
        let usual = ["train", "--model", "m.toml", "--max-steps", steps, "--batch-size", "8"];
        wgrad(at, &[&usual[..], more].concat())
    };
    let train = |more: &[&str]| train_for("4", more);
    let tuned = json(&done(wgrad(at, &["tune", "m.toml", "--batch-size", "8", "--json"]))?.stdout)?;
    check(tuned["tuned"].as_array().is_some_and(|t| t.len() >= 2), &tuned)?;
    let read = |run: &str| -> Result<Value, Failed> {
        let saved: Value = serde_json::from_str(&std::fs::read_to_string(at.join(run).join("tuning.json"))?)?;
        Ok(saved["choices"].clone())
    };
    done(train(&["--out", "with"]))?;
    check(read("with")? == tuned["choices"], format!("{} is not {}", read("with")?, tuned["choices"]))?;
    done(train(&["--out", "without", "--no-tune"]))?;
    check(read("without")? == serde_json::json!({}), "no choices without tuning")?;
    let explained = done(wgrad(at, &["plan", "m.toml", "--batch-size", "8", "--explain"]))?;
    let explained = String::from_utf8_lossy(&explained.stdout).into_owned();
    let names = tuned["choices"].as_object().ok_or("an object")?.values().filter_map(Value::as_str);
    for name in names {
        check(explained.contains(&format!("[{name}]")), format!("the plan does not name {name}:\n{explained}"))?;
    }
    // A run goes on with its own choices, whatever became of the cache.
    std::fs::remove_dir_all(at.join("cache"))?;
    let go_on = |run: &str| train_for("6", &["--out", run, "--resume"]);
    done(go_on("with"))?;
    check(read("with")? == tuned["choices"], "they are the run's")?;
    std::fs::write(at.join("with/tuning.json"), "{")?;
    let refused = go_on("with");
    check(!refused.status.success() && stderr(&refused).contains("tuning.json"), stderr(&refused))?;
    // A broken cache is no reason to stop.
    std::fs::create_dir_all(at.join("cache"))?;
    done(wgrad(at, &["tune", "m.toml", "--batch-size", "8"]))?;
    for file in std::fs::read_dir(at.join("cache"))? {
        std::fs::write(file?.path(), "{")?;
    }
    let warned = done(train(&["--out", "warned"]))?;
    check(stderr(&warned).contains("no usable tuning cache"), stderr(&warned))?;
    let untuned = gpu.adapter.class != Class::Cpu || read("warned")? == serde_json::json!({});
    check(untuned, "a software adapter tunes only when told to")?;
    // What a device cannot do is said, and done in f32.
    if gpu.adapter.class == Class::Cpu {
        let half = done(train(&["--out", "half", "--matmul", "f16"]))?;
        check(stderr(&half).contains("--matmul f16 is left out"), stderr(&half))?;
    }
    Ok(())
}
