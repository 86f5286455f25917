//! What a training leaves behind can be trusted: runs of the same seed have the same bits, `wgrad
//! diff` says where two runs part, and whatever ends a run is reported and can be gone on from.

#[path = "support/place.rs"]
#[allow(dead_code)]
mod place;
mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use place::{program, said};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use support::device::{GPU_UNCHECKED, NO_ADAPTER, on_both};
use tempfile::TempDir;

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![];
    let mut add = |name: &str, test: fn(bool) -> Result<(), Failed>| trials.extend(on_both(name, test));
    add("runs_of_a_seed_have_the_same_bits", runs_of_a_seed_have_the_same_bits);
    add("fingerprints_survive_a_stop", fingerprints_survive_a_stop);
    let mut add = |name: &str, test: fn() -> Result<(), Failed>| trials.push(Trial::test(name, test));
    add("runs_that_part_are_found_out", runs_that_part_are_found_out);
    add("what_is_no_run_is_not_compared", what_is_no_run_is_not_compared);
    add("checkpoints_by_step_are_gone_on_from", checkpoints_by_step_are_gone_on_from);
    add("a_run_killed_early_begins_in_its_folder", a_run_killed_early_begins_in_its_folder);
    add("folds_go_on", folds_go_on);
    add("the_largest_batch_is_found_and_kept", the_largest_batch_is_found_and_kept);
    add("errors_beyond_numbers_are_an_error", errors_beyond_numbers_are_an_error);
    if cfg!(target_os = "linux") {
        add("what_does_not_fit_is_refused_at_once", what_does_not_fit_is_refused_at_once);
        add("threads_that_do_not_start_are_done_without", threads_that_do_not_start_are_done_without);
        if GPU_UNCHECKED.is_some() {
            add("a_budget_of_the_driver_is_kept", a_budget_of_the_driver_is_kept);
        }
        if let Some(gpu) = GPU_UNCHECKED.as_ref()
            && gpu.adapter.name.contains("llvmpipe")
        {
            add("software_needs_room_to_compile", software_needs_room_to_compile);
        }
    }
    if GPU_UNCHECKED.is_none() {
        eprintln!("GPU tests are ignored: {NO_ADAPTER}");
    }
    libtest_mimic::run(&args, trials).exit();
}

/// A folder with a table of two classes that can be told apart, `t.csv`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let row = |i: usize| {
        let [a, b] = [(i * 37 % 101) as f64 / 101.0, (i * 53 % 97) as f64 / 97.0];
        format!("{a:.4},{b:.4},{}\n", if a + 0.3 * b > 0.6 { "yes" } else { "no" })
    };
    let text: String = std::iter::once("a,b,y\n".to_string()).chain((0..200).map(row)).collect();
    std::fs::write(folder.path().join("t.csv"), text).expect("written");
    folder
}

fn device(on_gpu: bool) -> String {
    match on_gpu {
        true => GPU_UNCHECKED.as_ref().expect(NO_ADAPTER).adapter.name.clone(),
        false => "cpu".into(),
    }
}

fn wgrad(at: &Path, on_gpu: bool, words: &str) -> Output {
    program(at, words).env("WGRAD_DEVICE", device(on_gpu)).output().expect("the program starts")
}

fn works(at: &Path, on_gpu: bool, words: &str) -> Result<String, Failed> {
    let output = wgrad(at, on_gpu, words);
    match output.status.success() {
        true => Ok(said(&output)),
        false => Err(format!("{words}: {}", said(&output)).into()),
    }
}

/// The exit code of a comparison, and what it says as JSON.
fn diff(at: &Path, a: &str, b: &str) -> (Option<i32>, Value) {
    let output = wgrad(at, false, &format!("diff {a} {b} --json"));
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// With everything that draws random numbers, and the kernels that tuning chooses.
const TRAIN: &str = "train --data t.csv --set train.ema=0.9 --set train.batch_size=16";

fn runs_of_a_seed_have_the_same_bits(on_gpu: bool) -> Result<(), Failed> {
    let folder = folder();
    let at = folder.path();
    for out in ["a", "b"] {
        works(at, on_gpu, &format!("{TRAIN} --epochs 100 --max-steps 1000 --fingerprint-every 100 --out {out}"))?;
    }
    let (code, found) = diff(at, "a", "b");
    assert_eq!((code, &found["status"]), (Some(0), &"same".into()), "{found}");
    assert_eq!(found["differences"]["fingerprints"]["compared"], 10, "{found}");
    assert_eq!(found["differences"]["fingerprints"]["same_until"], 1000, "{found}");
    assert!(found["differences"]["weights"]["compared"].as_u64() > Some(3), "{found}");
    Ok(())
}

/// A run that is stopped and goes on notes each fingerprint once, and the same ones.
fn fingerprints_survive_a_stop(on_gpu: bool) -> Result<(), Failed> {
    let folder = folder();
    let at = folder.path();
    let train = format!("{TRAIN} --epochs 4 --fingerprint-every 3");
    works(at, on_gpu, &format!("{train} --out whole"))?;
    works(at, on_gpu, &format!("{train} --max-steps 17 --checkpoint-every 5 --out cut"))?;
    works(at, on_gpu, &format!("{train} --max-steps 1000 --resume --out cut"))?;
    let marks = |run: &str| -> Vec<String> {
        let text = std::fs::read_to_string(at.join(run).join("metrics.jsonl")).expect("written");
        text.lines().filter(|line| line.contains("\"fingerprint\"")).map(String::from).collect()
    };
    assert_eq!(marks("whole").len(), 16);
    assert_eq!(marks("whole"), marks("cut"));
    Ok(())
}

fn runs_that_part_are_found_out() -> Result<(), Failed> {
    let folder = folder();
    let at = folder.path();
    for (out, more) in [("a", "--lr 0.01"), ("b", "--lr 0.02"), ("c", "--seed 7")] {
        works(at, false, &format!("{TRAIN} --epochs 2 --fingerprint-every 4 {more} --out {out}"))?;
    }
    let (code, found) = diff(at, "a", "b");
    let differences = &found["differences"];
    assert_eq!((code, &found["status"], &found["same_training"]), (Some(1), &"different".into(), &false.into()));
    assert_eq!(differences["settings"][0]["key"], "optimizer.lr", "{found}");
    assert_eq!([&differences["settings"][0]["a"], &differences["settings"][0]["b"]], ["0.01", "0.02"]);
    assert_eq!(differences["fingerprints"]["first"]["step"], 4, "{found}");
    assert_eq!(differences["fingerprints"]["first"]["what"][0], "dense1.weight", "{found}");
    // The first step sees the same weights.
    assert_eq!(differences["curves"]["same_until"], Value::Null, "its learning rate is another: {found}");
    let text = wgrad(at, false, "diff a c");
    let text = String::from_utf8_lossy(&text.stdout);
    for part in
        ["settings: train.seed is 0 and 7", "weights: from the first on; at step 4 dense1.weight", "the runs differ"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    // One weight of one tensor.
    works(at, false, &format!("{TRAIN} --epochs 2 --fingerprint-every 4 --lr 0.01 --out d"))?;
    assert_eq!(diff(at, "a", "d").0, Some(0));
    let file = at.join("d/checkpoints/last/model.safetensors");
    let mut bytes = std::fs::read(&file)?;
    *bytes.last_mut().expect("it has some") ^= 1;
    std::fs::write(&file, bytes)?;
    let (code, found) = diff(at, "a", "d");
    let weights = &found["differences"]["weights"];
    assert_eq!((code, weights["differing"].as_array().map(Vec::len)), (Some(1), Some(1)), "{found}");
    Ok(())
}

fn what_is_no_run_is_not_compared() -> Result<(), Failed> {
    let folder = folder();
    let output = wgrad(folder.path(), false, "diff . nowhere");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("is not the folder of a run"), "{}", said(&output));
    Ok(())
}

fn checkpoints_by_step_are_gone_on_from() -> Result<(), Failed> {
    let folder = folder();
    let at = folder.path();
    let train = format!("{TRAIN} --epochs 3 --set train.keep_last=2 --checkpoint-every 5");
    works(at, false, &format!("{train} --out whole"))?;
    works(at, false, &format!("{train} --max-steps 17 --out run"))?;
    for gone in ["last", "last.safetensors", "best", "best.safetensors", "step-00000017"] {
        wgrad::files::remove(&at.join("run/checkpoints").join(gone))?;
    }
    let said = works(at, false, &format!("{train} --max-steps 1000 --resume --out run"))?;
    assert!(said.contains("has no checkpoints/last any more") && said.contains("resuming after 15 steps"), "{said}");
    assert!(!at.join("run-001").exists());
    let model = |run: &str| std::fs::read(at.join(run).join("checkpoints/last/model.safetensors"));
    assert!(model("whole")? == model("run")?, "the weights are others");
    // Of those that are left, the best may be the latest.
    for gone in ["last", "last.safetensors", "step-00000035", "step-00000036"] {
        wgrad::files::remove(&at.join("run/checkpoints").join(gone))?;
    }
    let said = works(at, false, &format!("{train} --max-steps 1000 --resume --out run"))?;
    assert!(said.contains("resuming after"), "{said}");
    Ok(())
}

/// A run that was killed, or failed, before its first checkpoint has nothing that is worth being moved aside.
fn a_run_killed_early_begins_in_its_folder() -> Result<(), Failed> {
    let folder = folder();
    let at = folder.path();
    works(at, false, &format!("{TRAIN} --epochs 1 --fingerprint-every 4 --out whole"))?;
    works(at, false, &format!("{TRAIN} --epochs 1 --fingerprint-every 4 --out run"))?;
    let run = at.join("run");
    for state in ["running", "failed"] {
        // As a kill or a full disk leaves it.
        wgrad::files::remove(&run.join("checkpoints"))?;
        wgrad::files::remove(&run.join("report.html"))?;
        let mut info: Value = serde_json::from_slice(&std::fs::read(run.join("run.json"))?)?;
        info["state"] = state.into();
        std::fs::write(run.join("run.json"), info.to_string())?;
        for _ in 0..2 {
            let said = works(at, false, "train --resume --out run")?;
            assert!(!at.join("run-001").exists(), "{state}: {said}");
        }
        assert_eq!(diff(at, "whole", "run").0, Some(0));
    }
    // One that has ended, and whose checkpoints somebody removed, is another matter.
    wgrad::files::remove(&run.join("checkpoints"))?;
    works(at, false, "train --resume --out run")?;
    assert!(at.join("run-001/report.html").is_file());
    Ok(())
}

fn folds_go_on() -> Result<(), Failed> {
    let folder = folder();
    let at = folder.path();
    let train = format!("{TRAIN} --epochs 2 --folds 2");
    works(at, false, &format!("{train} --out whole"))?;
    works(at, false, &format!("{train} --out run"))?;
    // As a kill before the second fold's first epoch leaves it.
    wgrad::files::remove(&at.join("run/folds.json"))?;
    wgrad::files::remove(&at.join("run/fold-2"))?;
    std::fs::create_dir(at.join("run/fold-2"))?;
    let said = works(at, false, "train --resume --out run")?;
    assert!(said.contains("resuming after"), "{said}");
    for fold in ["fold-1", "fold-2"] {
        let (code, found) = diff(at, &format!("whole/{fold}"), &format!("run/{fold}"));
        assert_eq!(code, Some(0), "{fold}: {found}");
    }
    let folds = |run: &str| -> Result<Value, Failed> {
        let mut all: Value = serde_json::from_slice(&std::fs::read(at.join(run).join("folds.json"))?)?;
        all["run"].take();
        all["folds"].as_array_mut().expect("a list").iter_mut().for_each(|fold| drop(fold["run"].take()));
        Ok(all)
    };
    assert_eq!(folds("whole")?, folds("run")?);
    for name in ["run-001", "run/fold-1-001", "run/fold-2-001"] {
        assert!(!at.join(name).exists(), "{name}");
    }
    // Other settings are another cross-validation.
    let other = wgrad(at, false, "train --resume --out run --lr 0.5");
    assert!(said_of(&other, "resume with the same settings"), "{}", String::from_utf8_lossy(&other.stderr));
    Ok(())
}

fn said_of(output: &Output, part: &str) -> bool {
    !output.status.success() && said(output).contains(part)
}

fn the_largest_batch_is_found_and_kept() -> Result<(), Failed> {
    let folder = folder();
    let at = folder.path();
    let train = "train --data t.csv --batch-size auto --epochs 2";
    let said = works(at, false, &format!("{train} --max-steps 2 --out run"))?;
    // 180 of 200 rows are trained on.
    assert!(said.contains("batch size: 128, the largest power of two that fits; there are 180"), "{said}");
    let kept = || std::fs::read_to_string(at.join("run/config.toml")).is_ok_and(|t| t.contains("batch_size = 128"));
    assert!(kept());
    let said = works(at, false, &format!("{train} --max-steps 1000 --resume --out run"))?;
    assert!(!said.contains("batch size:") && said.contains("resuming after 2 steps") && kept(), "{said}");
    let folds = wgrad(at, false, &format!("{train} --folds 2 --out folds"));
    assert!(said_of(&folds, "takes a batch size that is a number"), "{}", self::said(&folds));
    Ok(())
}

/// Before anything is written, with what needs how much and what may be done.
fn what_does_not_fit_is_refused_at_once() -> Result<(), Failed> {
    let folder = folder();
    let dense = |units: &str| format!("[[layer]]\ntype = \"Dense\"\nunits = {units}\n");
    let model = format!("name = \"wide\"\n{}{}{}", dense("2000"), dense("100000"), dense("\"classes\""));
    std::fs::write(folder.path().join("wide.toml"), model)?;
    let train = "train --data t.csv --model wide.toml --epochs 1 --device cpu --out run";
    let output = bounded(folder.path(), 2_500_000, train).output()?;
    for part in
        ["the training needs", "of the host's memory", "weights 764.1 MiB", "gradients 764.1 MiB", "--batch-size"]
    {
        assert!(said_of(&output, part), "{part}: {}", said(&output));
    }
    assert!(!folder.path().join("run").exists());
    let plan = wgrad(folder.path(), false, "plan mlp --device cpu");
    let table = String::from_utf8_lossy(&plan.stdout).into_owned();
    for part in ["weights", "gradients", "moments", "activations and workspace", "readback", "checkpoint, on the host"]
    {
        assert!(table.lines().any(|line| line.starts_with(part)), "{part}: {table}");
    }
    Ok(())
}

/// What the driver leaves to the program is a bound, wherever the device's memory is.
fn a_budget_of_the_driver_is_kept() -> Result<(), Failed> {
    let folder = folder();
    let train = |budget: u64| {
        let mut command = program(folder.path(), "train --data t.csv --epochs 1 --max-steps 2 --out run");
        command.env("WGRAD_DEVICE", device(true)).env("WGRAD_INJECT", format!("budget@{budget}"));
        command.output().expect("the program starts")
    };
    let output = train(20_000);
    for part in
        ["the training needs", "the driver leaves", "VK_EXT_memory_budget", "weights", "take a smaller --batch-size"]
    {
        assert!(said_of(&output, part), "{part}: {}", said(&output));
    }
    assert_eq!(output.status.code(), Some(1));
    assert!(!folder.path().join("run").exists(), "before anything is written");
    let output = train(1_000_000_000);
    assert!(output.status.success(), "{}", said(&output));
    Ok(())
}

/// A loss may be a number where the error in the units of the target is none any more.
fn errors_beyond_numbers_are_an_error() -> Result<(), Failed> {
    let folder = folder();
    let rows = (0..100).map(|i| format!("{i},{}e36\n", (i * 37 % 601) as f64 - 300.0));
    let text: String = std::iter::once("a,y\n".to_string()).chain(rows).collect();
    std::fs::write(folder.path().join("large.csv"), text)?;
    let output = wgrad(folder.path(), false, "train --data large.csv --task regression --epochs 1 --out run");
    assert!(said_of(&output, "beyond what can be counted"), "{}", said(&output));
    Ok(())
}

/// The program with a bound on its address space.
fn bounded(at: &Path, kib: usize, words: &str) -> Command {
    let mut command = Command::new("sh");
    let line = format!("ulimit -v {kib}; exec '{}' {words}", env!("CARGO_BIN_EXE_wgrad"));
    command.args(["-c", &line]).current_dir(at);
    command
}

fn threads_that_do_not_start_are_done_without() -> Result<(), Failed> {
    let folder = folder();
    let mut command = bounded(folder.path(), 1_500_000, "train --data t.csv --epochs 1 --device cpu --out run");
    // Their stacks alone take ten times that.
    let output = command.env("RAYON_NUM_THREADS", "7000").output()?;
    assert!(output.status.success(), "{}", said(&output));
    Ok(())
}

fn software_needs_room_to_compile() -> Result<(), Failed> {
    let folder = folder();
    let output =
        bounded(folder.path(), 1_000_000, "train --data t.csv --epochs 1 --device llvmpipe --out run").output()?;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("ulimit -v leaves"), "{}", said(&output));
    assert!(!folder.path().join("run").exists());
    Ok(())
}
