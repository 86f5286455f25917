//! Timing and profiling: timestamps that hang together on every kind of clock,
//! profiles that account for a step, and `profile` and `shaders` as a user meets
//! them. Nothing here depends on how fast the machine is.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use support::device::{announce, gpu_trial, required};
use support::training::settings;
use wgrad::cpu::Cpu;
use wgrad::gpu::GpuExecutor;
use wgrad::nn::{Description, Model};
use wgrad::plan::{Clock, Executor, Plan, Program, Target, Timeline};
use wgrad::train::Session;

type Test = fn() -> Result<(), Failed>;

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![Trial::test("timeline_of_the_cpu", timeline_of_the_cpu)];
    for clock in [Clock::Dispatches, Clock::Passes, Clock::Runs] {
        trials.push(gpu_trial(format!("timeline_of_{clock:?}"), move |gpu| {
            let mut e = GpuExecutor::new(gpu.clone());
            if e.time_with(clock).is_err() && !required() {
                return Ok(());
            }
            let plan = lenet(Target::Gpu(gpu.caps.clone()));
            let dispatches = plan.steps.iter().map(|s| s.launches.len()).sum();
            let program = e.load(plan)?;
            check(&mut e, &program, clock, if clock == Clock::Runs { 0 } else { dispatches })
        }));
    }
    trials.push(gpu_trial("dispatches_beyond_a_query_set".into(), |gpu| {
        let mut e = GpuExecutor::new(gpu.clone());
        let program = e.load(lenet(Target::Gpu(gpu.caps.clone())))?;
        e.run(&program, 1)?;
        let times = e.time_dispatch(&program, 0, 2_500)?;
        assert_eq!(times.len(), if e.clock() == Clock::Runs { 1 } else { 2_500 });
        assert!(times.iter().all(|t| t.is_finite() && *t >= 0.0));
        assert!(times.iter().sum::<f64>() > 0.0);
        let refused = e.time_dispatch(&program, 100_000, 1).unwrap_err().to_string();
        assert!(refused.contains("no dispatch 100000"), "{refused}");
        Ok(())
    }));
    let tests: [(&str, Test); 7] = [
        ("no_kernel_is_above_the_ceilings", no_kernel_is_above_the_ceilings),
        ("profile_of_a_small_model::cpu", || small_model("cpu")),
        ("a_slower_step_is_an_error", a_slower_step_is_an_error),
        ("bad_requests_are_refused", bad_requests_are_refused),
        ("shaders_are_listed", shaders_are_listed),
        ("shaders_are_translated", shaders_are_translated),
        ("compilers_are_asked", compilers_are_asked),
    ];
    trials.extend(tests.into_iter().map(|(name, test)| Trial::test(name, test)));
    trials.push(gpu_trial("profile_of_a_small_model::gpu".into(), |gpu| small_model(&gpu.adapter.name)));
    trials.push(gpu_trial("a_shader_is_timed_as_it_is_on_disk".into(), |gpu| shader_on_disk(&gpu.adapter.name)));
    announce();
    libtest_mimic::run(&args, trials).exit();
}

/// A training step of a small model.
fn lenet(target: Target) -> Plan {
    let description = Description::named("lenet").expect("a preset");
    let model = Model::new(description, Some([1, 28, 28].into()), Some(10)).expect("it fits");
    let settings = settings(&[("train.batch_size", 8.into())]);
    Session::training_plan(&model, &settings, target).expect("it plans")
}

fn timeline_of_the_cpu() -> Result<(), Failed> {
    let mut e = Cpu::<f32>::new();
    let plan = lenet(Target::Cpu);
    let steps = plan.steps.len();
    let program = e.load(plan)?;
    check(&mut e, &program, Clock::Host, steps)
}

/// Nothing here depends on how fast the machine is.
fn check(e: &mut dyn Executor, program: &Program, clock: Clock, kernels: usize) -> Result<(), Failed> {
    e.run(program, 1)?;
    let Timeline { clock: found, runs, uncertainty } = e.time(program, 4)?;
    assert_eq!((found, runs.len()), (clock, 4));
    assert!(uncertainty.is_finite() && uncertainty >= 0.0, "{uncertainty}");
    for run in &runs {
        assert_eq!(run.kernels.len(), kernels);
        let stages = [run.encode, run.submit, run.wait];
        assert!(stages.iter().all(|s| s.begin <= s.end) && run.wall() > 0.0, "{stages:?}");
        assert!(stages.windows(2).all(|w| w[0].end == w[1].begin), "{stages:?}");
        for (i, k) in run.kernels.iter().enumerate() {
            assert!(k.begin <= k.end, "kernel {i} ends before it begins: {k:?}");
            let next = run.kernels.get(i + 1).map_or(f64::INFINITY, |n| n.begin);
            assert!(k.end <= next + 1.0, "kernel {i} ends at {}, after the next begins at {next}", k.end);
        }
        // A nanosecond for rounding.
        assert!(run.busy() <= run.wall() + 1.0, "{} of {} ns", run.busy(), run.wall());
        if let (Some(first), Some(last)) = (run.kernels.first(), run.kernels.last()) {
            assert!(first.begin >= run.submit.begin - uncertainty - 1.0, "{first:?} {:?}", run.submit);
            assert!(last.end <= run.wait.end + uncertainty + 1.0, "{last:?} {:?}", run.wait);
            assert!(run.busy() > 0.0);
        }
    }
    let orders = runs.windows(2).all(|w| w[0].wait.end <= w[1].encode.begin);
    assert!(orders, "runs overlap");
    Ok(())
}

/// Runs the program with a cache of its own.
fn wgrad(cache: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(args).env("WGRAD_DEVICE", "cpu").env("WGRAD_CACHE", cache);
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_str(text(&output.stdout).lines().last().expect("a line")).expect("the last line is JSON")
}

fn refused(cache: &Path, args: &[&str], code: i32, parts: &[&str]) {
    let output = wgrad(cache, args);
    let message = text(&output.stderr) + &text(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    assert!(parts.iter().all(|p| message.contains(p)), "{args:?}: {parts:?} is missing in\n{message}");
    assert!(!message.contains("internal error"), "{message}");
}

const SMALL: [&str; 6] = ["profile", "lenet", "--batch-size", "4", "--steps", "5"];

fn small_model(device: &str) -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let [trace, page] = ["trace.json", "page.html"].map(|n| place.path().join(n).to_string_lossy().into_owned());
    // A cache that is broken is measured anew.
    let name = format!("ceilings-cpu-{device}.json");
    std::fs::write(place.path().join(name), "{ broken")?;
    let flags = ["--json", "--device", device, "--trace", &trace, "--html", &page];
    let p = json(&wgrad(place.path(), &[&SMALL[..], &flags].concat()));
    let number = |v: &Value| v.as_f64().unwrap_or_else(|| panic!("{v} is a number"));
    assert_eq!(
        (p["status"].as_str(), p["model"].as_str(), p["batch_size"].as_u64()),
        (Some("ok"), Some("lenet"), Some(4))
    );
    assert!(number(&p["ceilings"]["gflops"]) > 0.0 && number(&p["ceilings"]["gbs"]) > 0.0);
    let kernels = p["kernels"].as_array().expect("a list");
    let wall = &p["wall"];
    if p["clock"] != "runs" {
        let accounted = number(&p["accounted"]);
        assert!(accounted > 0.05 && accounted <= 1.0, "{accounted}");
        let sum: f64 = kernels.iter().map(|k| number(&k["ms"]["median"])).sum();
        assert!(sum > 0.0 && number(&p["parts"]["kernels"]["low"]) <= number(&wall["high"]), "{sum} of {wall}");
        assert!(kernels.iter().any(|k| k["name"].as_str().is_some_and(|n| n.contains("conv2d") && n.contains(" @ "))));
        assert!(kernels.iter().any(|k| k["bound"] == "memory" && number(&k["of_ceiling"]) > 0.0));
    }
    for part in ["encode", "submit", "before_first", "kernels", "gaps", "after_last"] {
        let of = &p["parts"][part];
        assert!(number(&of["low"]) >= 0.0 && number(&of["low"]) <= number(&of["median"]), "{part}: {of}");
        assert!(number(&of["low"]) <= number(&wall["high"]), "{part}: {of} of {wall}");
    }
    // A device's host writes commands; the CPU's has none to write.
    let host = &p["host"];
    let [encode, submit] = ["encode", "submit"].map(|part| host[part]["median"].as_f64());
    let costs = host["dispatches"].as_u64() > Some(0) && encode > Some(0.0) && submit > Some(0.0);
    assert!(if device == "cpu" { host.is_null() } else { costs }, "{host}");
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(&trace)?)?;
    let events = trace["traceEvents"].as_array().expect("events");
    let steps = events.iter().filter(|e| e["name"].as_str().is_some_and(|n| n.starts_with("step "))).count();
    assert_eq!(steps, 5);
    let of_device = events.iter().filter(|e| e["tid"] == 2 && e["ph"] == "X");
    assert!(of_device.clone().count() >= 5 * kernels.len());
    assert!(of_device.clone().all(|e| number(&e["dur"]) >= 0.0 && e["ts"].is_number()));
    let page = std::fs::read_to_string(&page)?;
    assert!(page.contains("Roofline") && page.matches("<svg").count() == 2 && !page.contains("<script"));
    // What was measured once is not measured again.
    let again = wgrad(place.path(), &[&SMALL[..], &["--device", device]].concat());
    let said = text(&again.stderr);
    // Beside other work a kernel may be found faster than the ceilings, which are then measured again.
    assert!(again.status.success() && (!said.contains("measuring") || said.contains("exceeded")), "{said}");
    let table = text(&again.stdout);
    for part in ["accounted for:", "ceilings of this device", "bound by", "gaps between kernels"] {
        assert!(p["clock"] == "runs" || table.contains(part), "{part} is missing in\n{table}");
    }
    assert!(device == "cpu" || table.contains("us a dispatch to encode"), "{table}");
    Ok(())
}

/// Ceilings that were measured while the machine did something else are measured
/// again, once; what a kernel reaches beyond them raises them, and that is said.
fn no_kernel_is_above_the_ceilings() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    json(&wgrad(place.path(), &[&SMALL[..], &["--json"]].concat()));
    let files = std::fs::read_dir(place.path())?.flatten();
    let file = files.map(|f| f.path()).find(|f| f.to_string_lossy().contains("ceilings-")).ok_or("none are kept")?;
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    kept["ceilings"] = serde_json::json!({ "gflops": 1e-3, "gbs": 1e-3 });
    for measured_again in [true, false] {
        kept["again"] = measured_again.into();
        std::fs::write(&file, kept.to_string())?;
        let output = wgrad(place.path(), &[&SMALL[..], &["--json"]].concat());
        let (p, said) = (json(&output), text(&output.stderr));
        assert_eq!(said.contains("a kernel exceeded the ceilings"), !measured_again, "{said}");
        let kernels = p["kernels"].as_array().expect("a list");
        let above: Vec<&Value> =
            kernels.iter().filter(|k| k["of_ceiling"].as_f64().is_none_or(|of| of > 1.0)).collect();
        assert!(!kernels.is_empty() && above.is_empty(), "{above:?}");
        let raised = |what: &str| p["notes"].to_string().contains(&format!("the ceiling of {what} is raised from"));
        assert!(!measured_again || raised("memory") && raised("arithmetic"), "{}", p["notes"]);
    }
    Ok(())
}

/// Multiplies every time of a profile, and takes its noise away.
fn scaled(value: &mut Value, factor: f64) {
    match value {
        Value::Object(map) if map.contains_key("median") => {
            let median = map["median"].as_f64().expect("a number") * factor;
            map.insert("median".into(), median.into());
            map.insert("sigma".into(), 0.0.into());
        }
        Value::Object(map) => map.values_mut().for_each(|v| scaled(v, factor)),
        Value::Array(list) => list.iter_mut().for_each(|v| scaled(v, factor)),
        _ => {}
    }
}

fn a_slower_step_is_an_error() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let old = json(&wgrad(place.path(), &[&SMALL[..], &["--json"]].concat()));
    let file = place.path().join("old.json");
    let path = file.to_string_lossy().into_owned();
    let compared = |factor: f64| {
        let mut old = old.clone();
        scaled(&mut old, factor);
        std::fs::write(&file, format!("device: CPU\n{old}\n")).expect("writable");
        wgrad(place.path(), &[&SMALL[..], &["--compare", &path]].concat())
    };
    let slower = compared(1e-3);
    assert_eq!(slower.status.code(), Some(1), "{}", text(&slower.stderr));
    assert!(text(&slower.stderr).contains("slower than before"), "{}", text(&slower.stderr));
    assert!(text(&slower.stdout).contains("regressed"));
    let faster = compared(1e3);
    assert!(faster.status.success(), "{}", text(&faster.stderr));
    assert!(text(&faster.stdout).contains("improved"));
    refused(
        place.path(),
        &["profile", "mlp", "--steps", "1", "--compare", &path],
        1,
        &["lenet", "mlp", "the same step"],
    );
    Ok(())
}

fn bad_requests_are_refused() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let at = |name: &str| place.path().join(name).to_string_lossy().into_owned();
    let no =
        |args: &[&str], code: i32, parts: &[&str]| refused(place.path(), &[&["profile"], args].concat(), code, parts);
    no(&[], 2, &["MODEL|RUN"]);
    no(&["lenet", "--steps", "0"], 2, &["at least 1"]);
    no(&["lenet", "--batch-size", "0"], 2, &["at least 1"]);
    no(&["lenett"], 1, &["lenett", "lenet"]);
    no(&["lenet", "--optimizer", "adm"], 1, &["adm", "adam"]);
    no(&["lenet", "--compare", &at("none.json")], 1, &["does not exist", "--json"]);
    std::fs::write(at("broken.json"), "{\"model\": 3}")?;
    no(&["lenet", "--compare", &at("broken.json")], 1, &["broken.json is no profile", "--json"]);
    no(&["lenet", "--html", &at("none/page.html")], 2, &["there is no folder"]);
    no(&["lenet", "--trace", &at("")], 2, &["is a folder"]);
    no(&[&at("")], 1, &["checkpoints/last/model.safetensors"]);
    no(&["--shader", "mtmul"], 1, &["did you mean", "matmul"]);
    no(&["--shader", &at("shaders/matmul.wgsl")], 1, &["does not exist"]);
    no(&["--shader", "matmul"], 2, &["needs a GPU"]);
    no(&["lenet", "--watch"], 2, &["--shader"]);
    Ok(())
}

fn shaders_are_listed() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let all = json(&wgrad(place.path(), &["shaders", "--json"]));
    let list = all["shaders"].as_array().expect("a list");
    for (name, text) in [("matmul", "tiled"), ("softmax", "forward"), ("ceiling", "copy")] {
        let shader = list.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("{name} is missing in {all}"));
        assert!(shader["variants"].as_u64() > Some(0), "{shader}");
        assert!(name == "softmax" || shader["entry_points"].to_string().contains(text), "{shader}");
    }
    let one = json(&wgrad(place.path(), &["shaders", "ceiling", "--entry", "copy", "--json"]));
    let copy = &one["variants"][0];
    assert_eq!(copy["bindings"][1]["access"], "read_write");
    assert_eq!((copy["bindings"][0]["name"].as_str(), copy["bindings"][0]["stride"].as_u64()), (Some("x4"), Some(16)));
    refused(place.path(), &["shaders", "celing"], 1, &["did you mean \"ceiling\""]);
    refused(place.path(), &["shaders", "ceiling", "--case", "ceiling/cpy_quad"], 1, &["copy_quad"]);
    refused(place.path(), &["shaders", "ceiling", "--entry", "cpy"], 1, &["copy"]);
    refused(place.path(), &["shaders", "ceiling", "--variant", "99"], 2, &["99"]);
    refused(place.path(), &["shaders", "--msl"], 2, &["expected a name"]);
    Ok(())
}

fn shaders_are_translated() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let case = ["shaders", "ceiling", "--case", "ceiling/chains_long"];
    for (flag, word) in [("--msl", "kernel void"), ("--hlsl", "[numthreads("), ("--glsl", "#version 430")] {
        let output = wgrad(place.path(), &[&case[..], &[flag]].concat());
        assert!(output.status.success() && text(&output.stdout).contains(word), "{flag}: {}", text(&output.stderr));
    }
    let file = place.path().join("x.spv");
    let path = file.to_string_lossy().into_owned();
    let output = wgrad(place.path(), &[&case[..], &["--spirv", "--out", &path]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let piped = wgrad(place.path(), &[&case[..], &["--spirv"]].concat());
    let words = std::fs::read(&file)?;
    assert!(words.starts_with(&0x0723_0203_u32.to_le_bytes()) && words == piped.stdout);
    Ok(())
}

/// What drivers report, where they do; else an error that says what is missing.
fn compilers_are_asked() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let no = |args: &[&str], code: i32, parts: &[&str]| refused(place.path(), args, code, parts);
    no(&["shaders", "ceiling", "--stats", "--family", "navi99"], 1, &["GPU family \"navi99\"", "navi31", "gfx1201"]);
    no(&["shaders", "ceiling", "--stats", "--device", "cpu"], 1, &["CPU executor", "--family"]);
    no(&["shaders", "ceiling", "--stats", "--device", "no such"], 1, &["no device \"no such\""]);
    no(&["shaders", "ceiling", "--family", "navi31"], 2, &["--stats"]);
    no(&["shaders", "ceiling", "--stats", "--msl"], 2, &["--msl"]);
    no(&["profile", "lenet", "--offline", "navi99"], 1, &["navi31"]);
    no(&["profile", "lenet", "--offline", "navi31", "--sort", "gain"], 2, &["--sort gain"]);
    no(&["profile", "lenet", "--offline", "navi31", "--html", "page.html"], 2, &["--html"]);
    let told = |args: &[&str], missing: &[&str]| {
        let output = wgrad(place.path(), args);
        if !output.status.success() {
            let said = text(&output.stderr);
            assert!(output.status.code() == Some(1) && missing.iter().any(|m| said.contains(m)), "{said}");
            return None;
        }
        Some(json(&output))
    };
    let ceiling = ["shaders", "ceiling", "--entry", "copy", "--stats", "--json"];
    let no_report = ["VK_KHR_pipeline_executable_properties", "only Vulkan drivers do", "there is no Vulkan driver"];
    let by_adapter = told(&[&ceiling[..], &["--device", "auto"]].concat(), &no_report);
    let by_family = told(&[&ceiling[..], &["--family", "navi31"]].concat(), &["scripts/amd"]);
    for told in [by_adapter, by_family.clone()].into_iter().flatten() {
        let kernel = &told["kernels"][0];
        assert!(kernel["entry_point"] == "copy" && kernel["subgroup"].as_u64() > Some(0), "{told}");
        assert!(kernel["statistics"].as_object().is_some_and(|s| !s.is_empty()), "{told}");
    }
    if by_family.is_some() {
        let step = told(&["profile", "lenet", "--offline", "navi31", "--json"], &[]).expect("RADV has compiled before");
        let dispatches = step["dispatches"].as_array().expect("a list");
        let sum: f64 = dispatches.iter().map(|d| d["ms"].as_f64().expect("a number")).sum();
        assert!(sum > 0.0 && (sum / step["ms"].as_f64().expect("a number") - 1.0).abs() < 1e-9, "{step}");
        let conv = dispatches.iter().find(|d| d["name"].as_str().is_some_and(|n| n.starts_with("conv2d")));
        assert!(conv.is_some_and(|c| c["issue_ms"].as_f64() > Some(0.0)), "{step}");
    }
    Ok(())
}

fn shader_on_disk(device: &str) -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let folder = place.path().join("shaders");
    std::fs::create_dir(&folder)?;
    let file = folder.join("ceiling.wgsl");
    let path = file.to_string_lossy().into_owned();
    let original = include_str!("../shaders/ceiling.wgsl");
    let run = |text: &str| {
        std::fs::write(&file, text).expect("writable");
        wgrad(place.path(), &["profile", "--shader", &path, "--device", device])
    };
    let good = run(original);
    assert!(good.status.success(), "{}", text(&good.stderr));
    assert!(
        text(&good.stdout).contains("ceiling/copy_quad") && text(&good.stdout).contains(" us"),
        "{}",
        text(&good.stdout)
    );
    let broken = run(&format!("{original}\nfn f() {{ let x = ; }}\n"));
    let line = format!("ceiling.wgsl:{}", original.lines().count() + 2);
    assert_eq!(broken.status.code(), Some(1));
    assert!(text(&broken.stderr).contains(&line), "{line} is missing in\n{}", text(&broken.stderr));
    let wrong = run(&original.replace("y4[i] = x4[i];", "y4[i] = 2.0 * x4[i];"));
    assert!(text(&wrong.stdout).contains("WRONG RESULTS"), "{}{}", text(&wrong.stdout), text(&wrong.stderr));
    assert_eq!(wrong.status.code(), Some(1));
    Ok(())
}
