//! Runs that end before their time: killed, interrupted, out of disk. Whatever
//! happens, the folder holds a whole checkpoint, and the run that goes on from
//! it ends with the bytes of one that was never disturbed.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use safetensors::tensor::{SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::device::{GPU_UNCHECKED, NO_ADAPTER, on_both};
use tempfile::TempDir;
use wgrad::ops::pace::Steps;
use wgrad::tensor::random::{Random, stream};
use wgrad::train::checkpoint::{self, MODEL, Progressed, TRAINING};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![];
    let mut add = |name: &str, test: fn(bool) -> Result<(), Failed>| trials.extend(on_both(name, test));
    add("killed_runs_go_on", killed_runs_go_on);
    if cfg!(unix) {
        add("interrupted_runs_go_on", interrupted_runs_go_on);
    }
    trials.push(Trial::test("runs_killed_while_writing_go_on", runs_killed_while_writing_go_on));
    trials.push(Trial::test("finished_runs_stay_as_they_are", finished_runs_stay_as_they_are));
    trials.push(Trial::test("runs_of_earlier_versions_go_on", runs_of_earlier_versions_go_on));
    trials.push(Trial::test("limits_within_an_epoch_stay_as_they_are", limits_within_an_epoch_stay_as_they_are));
    if cfg!(target_os = "linux") {
        trials.push(Trial::test("a_full_disk_leaves_the_checkpoint", a_full_disk_leaves_the_checkpoint));
    }
    if GPU_UNCHECKED.is_none() {
        eprintln!("GPU tests are ignored: {NO_ADAPTER}");
    }
    libtest_mimic::run(&args, trials).exit();
}

/// Everything that has a state: batch norm, dropout, an average of the weights,
/// accumulated gradients, a rate that falls with the scores, early stopping (both by what the
/// answers for the validation set are worth), the scale of the loss.
const CONFIG: &str = r#"
[data]
source = "set"
val_split = 0.1

[train]
batch_size = 16
accumulate = 3
ema = 0.9
clip_norm = 1.0
seed = 3
keep_last = 2
precision = "f16"

[optimizer]
name = "adam"
lr = 0.01

[schedule]
name = "plateau"
monitor = "val_roc_auc"
patience = 0
factor = 0.7

[early_stopping]
monitor = "val_f1"
patience = 1000
restore_best_weights = true

[model]
name = "small"
layer = [
    { type = "Conv2D", filters = 4, kernel_size = 3 },
    { type = "BatchNormalization" },
    { type = "Activation", activation = "relu" },
    { type = "Flatten" },
    { type = "Dropout", rate = 0.3 },
    { type = "Dense", units = "classes" },
]
"#;

/// A model whose checkpoints take some time to write.
const WIDE: &str = r#"
[data]
source = "set"

[model]
name = "wide"
layer = [
    { type = "Flatten" },
    { type = "Dense", units = 2000, activation = "relu" },
    { type = "Dense", units = "classes" },
]
"#;

/// A folder with a configuration and the 360 training images that it names: 23
/// batches of 16, the last one short.
fn folder(config: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut r = Random::new(1, stream::CASES);
    let labels: Vec<u8> = (0..400).map(|_| (r.bits() % 3) as u8).collect();
    let mut pixels = vec![];
    for &label in &labels {
        let band = |i: u32| if i / 8 / 3 == u32::from(label) { 60 } else { 0 };
        pixels.extend((0..64).map(|i| (r.bits() % 150 + band(i)) as u8));
    }
    let header = |dims: &[u32]| -> Vec<u8> {
        [vec![0, 0, 8, dims.len() as u8], dims.iter().flat_map(|d| d.to_be_bytes()).collect()].concat()
    };
    let set = folder.path().join("set");
    std::fs::create_dir(&set).expect("made");
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(set.join(name), bytes).expect("written");
    write("train-images-idx3-ubyte", [header(&[400, 8, 8]), pixels].concat());
    write("train-labels-idx1-ubyte", [header(&[400]), labels].concat());
    std::fs::write(folder.path().join("run.toml"), config).expect("written");
    folder
}

/// An epoch has 23 batches, which [`CONFIG`] makes 8 updates of.
const STEPS: Steps = Steps { batches: 23, accumulate: 3 };

/// A command that trains in a folder.
fn train(at: &Path, on_gpu: bool, args: &[&str]) -> Command {
    let device = match on_gpu {
        true => GPU_UNCHECKED.as_ref().expect(NO_ADAPTER).adapter.name.clone(),
        false => "cpu".to_string(),
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(["train", "run.toml", "--device", &device]).args(args).current_dir(at).stdin(Stdio::null());
    command
}

fn output(mut command: Command) -> Output {
    command.output().expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn finished(command: Command) -> Result<(), Failed> {
    let output = output(command);
    if output.status.success() { Ok(()) } else { Err(said(&output).into()) }
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

fn last(run: &Path) -> PathBuf {
    run.join(checkpoint::LAST)
}

const CHECKPOINTS: [&str; 2] = ["last", "best"];

/// Whether a file is one that a process has begun to write.
fn is_unfinished(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.ends_with(".tmp") || name.contains(".next.")
}

/// Where the last checkpoint of a run stands, once there is one; it must load.
fn stands(run: &Path) -> Option<Progressed> {
    last(run).exists().then(|| {
        let loaded = checkpoint::load(&last(run)).expect("a checkpoint is whole at any time");
        loaded.about.progress.expect("the checkpoint of a training")
    })
}

/// Waits until the checkpoint of a run has so many batches. False when the run
/// ended before.
fn reaches(child: &mut Child, run: &Path, batches: usize) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(120) {
        if stands(run).is_some_and(|at| at.step >= batches) {
            return child.try_wait().expect("a child").is_none();
        }
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("batch {batches} was not reached in two minutes");
}

fn kill(child: &mut Child) {
    // SIGKILL: nothing of the program runs any more.
    child.kill().and_then(|()| child.wait()).expect("a child");
}

/// What an undisturbed run and one that went on must have in common.
fn same(a: &Path, b: &Path) -> Result<(), Failed> {
    for (name, file) in CHECKPOINTS.iter().flat_map(|name| [(name, MODEL), (name, TRAINING)]) {
        let folder = |run: &Path| run.join("checkpoints").join(name);
        let read = |run: &Path| std::fs::read(folder(run).join(file)).expect("a checkpoint");
        if read(a) != read(b) {
            let at = |run: &Path| checkpoint::load(&folder(run).join(MODEL)).map(|l| l.about.progress);
            return Err(format!("{file} of {name} differs: {:?} and {:?}", at(a), at(b)).into());
        }
    }
    let records = |run: &Path| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(run.join("metrics.jsonl")).expect("a log");
        let mut lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
        lines.iter_mut().for_each(|l| drop(l.as_object_mut().expect("an object").remove("seconds")));
        lines
    };
    assert_eq!(records(a), records(b), "metrics.jsonl differs");
    assert!(records(a).iter().filter(|r| r.get("train").is_none()).count() > 5, "no curves by step");
    let left = |at: &Path| std::fs::read_dir(at).expect("a folder").flatten().any(|f| is_unfinished(&f.path()));
    let parts = std::fs::read_dir(b.join("checkpoints"))?.flatten().map(|f| f.path()).filter(|p| p.is_dir());
    for folder in parts.chain([b.to_path_buf(), b.join("checkpoints")]) {
        assert!(!left(&folder), "unfinished files were left over in {}", folder.display());
    }
    Ok(())
}

/// Batches of a run; its epochs, and steps that end within the last of them.
fn length(on_gpu: bool) -> (usize, [String; 2]) {
    let epochs = if on_gpu { 12 } else { 40 };
    (epochs * STEPS.batches, [epochs.to_string(), (epochs * STEPS.per_epoch() - 2).to_string()])
}

fn killed_runs_go_on(on_gpu: bool) -> Result<(), Failed> {
    let folder = folder(CONFIG);
    let at = folder.path();
    let (total, [epochs, steps]) = length(on_gpu);
    let args = ["--epochs", &epochs, "--max-steps", &steps];
    finished(train(at, on_gpu, &[&args[..], &["--out", "straight"]].concat()))?;
    let often = [&args[..], &["--out", "broken", "--checkpoint-every", "5", "--resume"]].concat();
    let broken = at.join("broken");
    let mut within = 0;
    for part in [1, 3, 5] {
        let mut child = start(train(at, on_gpu, &often));
        assert!(reaches(&mut child, &broken, total * part / 8), "the run ended before it could be killed");
        kill(&mut child);
        let stopped = stands(&broken).expect("a checkpoint");
        within += usize::from(stopped.batch > 0);
    }
    assert!(within > 0, "no kill left a checkpoint within an epoch");
    finished(train(at, on_gpu, &often))?;
    same(&at.join("straight"), &broken)
}

#[cfg(unix)]
fn interrupted_runs_go_on(on_gpu: bool) -> Result<(), Failed> {
    let folder = folder(CONFIG);
    let at = folder.path();
    let (total, [epochs, steps]) = length(on_gpu);
    let args = ["--epochs", &epochs, "--max-steps", &steps];
    finished(train(at, on_gpu, &[&args[..], &["--out", "straight"]].concat()))?;
    let broken = at.join("broken");
    let often = [&args[..], &["--out", "broken", "--resume"]].concat();
    for (part, signal) in [(1, "-INT"), (4, "-TERM")] {
        let mut command = train(at, on_gpu, &often);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        assert!(reaches(&mut child, &broken, total * part / 8), "the run ended before it could be interrupted");
        let before = stands(&broken).expect("a checkpoint").step;
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status()?.success());
        let output = child.wait_with_output()?;
        let said = said(&output);
        assert_eq!(output.status.code(), Some(130), "{signal}: {said}");
        let after = stands(&broken).expect("a checkpoint").step;
        let steps = STEPS.done(after);
        assert!(said.contains(&format!("interrupted after {steps} steps; --resume goes on from there")), "{said}");
        assert!(after >= before, "the checkpoint went back from batch {before} to {after}");
        let info: serde_json::Value = serde_json::from_slice(&std::fs::read(broken.join("run.json"))?)?;
        assert!(info["stopped"].as_str().is_some_and(|s| s.contains("interrupted")), "{info}");
        assert_eq!(info["state"], "interrupted");
    }
    finished(train(at, on_gpu, &often))?;
    same(&at.join("straight"), &broken)
}

#[cfg(not(unix))]
fn interrupted_runs_go_on(_: bool) -> Result<(), Failed> {
    Ok(())
}

/// Whether a checkpoint is being written: a file of the new one is there in part, or
/// one of the two without the other.
fn is_writing(run: &Path, part: fn(&Path) -> bool) -> bool {
    let files = std::fs::read_dir(run.join("checkpoints/last")).into_iter().flatten().flatten();
    files.into_iter().any(|f| part(&f.path()))
}

fn is_next(file: &Path) -> bool {
    file.ends_with("training.next.safetensors")
}

/// Kills in the middle of writing a checkpoint, which such a run does most of
/// the time, and at moments that depend on nothing in it.
fn runs_killed_while_writing_go_on() -> Result<(), Failed> {
    let folder = folder(WIDE);
    let at = folder.path();
    let args = ["--epochs", "5", "--batch-size", "16"];
    finished(train(at, false, &[&args[..], &["--out", "straight"]].concat()))?;
    let broken = at.join("broken");
    let often = [&args[..], &["--out", "broken", "--checkpoint-every", "1", "--resume"]].concat();
    let mut r = Random::new(5, stream::CASES);
    let (mut step, mut within, mut between) = (0, 0, 0);
    for round in 0..15 {
        let mut child = start(train(at, false, &often));
        std::thread::sleep(Duration::from_millis(u64::from(30 + r.bits() % 200)));
        let begun = Instant::now();
        // While a file is written, and when one of the two is.
        let awaited: Option<fn(&Path) -> bool> = [None, Some(is_unfinished as _), Some(is_next as _)][round % 3];
        while awaited.is_some_and(|part| !is_writing(&broken, part)) && begun.elapsed() < Duration::from_secs(30) {
            std::hint::spin_loop();
        }
        kill(&mut child);
        within += usize::from(is_writing(&broken, is_unfinished));
        between += usize::from(is_writing(&broken, is_next));
        let now = stands(&broken).map_or(0, |at| at.step);
        assert!(now >= step, "the checkpoint went back from step {step} to {now}");
        step = now;
    }
    assert!(step > 0, "no run came to write a checkpoint");
    assert!(within > 0, "no kill fell into the writing of a checkpoint");
    assert!(between > 0, "no kill fell between the two files of a checkpoint");
    finished(train(at, false, &often))?;
    same(&at.join("straight"), &broken)
}

/// To go on where nothing is left to do changes nothing, and a new run in the
/// same folder moves the old one aside.
fn finished_runs_stay_as_they_are() -> Result<(), Failed> {
    let folder = folder(CONFIG);
    let at = folder.path();
    let args = ["--epochs", "3", "--out", "run"];
    finished(train(at, false, &args))?;
    finished(train(at, false, &["--epochs", "3", "--out", "copy"]))?;
    finished(train(at, false, &[&args[..], &["--resume"]].concat()))?;
    same(&at.join("copy"), &at.join("run"))?;
    finished(train(at, false, &args))?;
    same(&at.join("run"), &at.join("run-001"))?;
    same(&at.join("copy"), &at.join("run"))
}

/// A run that a limit ended within an epoch has said so in its log. To go on
/// with the same limit leaves that as it is; to go on further says more of the
/// epoch, once.
fn limits_within_an_epoch_stay_as_they_are() -> Result<(), Failed> {
    let folder = folder(CONFIG);
    let at = folder.path();
    let args = |steps: &'static str, out: &'static str| ["--epochs", "3", "--max-steps", steps, "--out", out];
    let run = at.join("run");
    let read = |name: &str| std::fs::read_to_string(run.join(name)).expect("a log");
    finished(train(at, false, &args("11", "run")))?;
    let before = ["metrics.jsonl", "metrics.csv"].map(read);
    let info: serde_json::Value = serde_json::from_str(&read("run.json"))?;
    assert_eq!(before[0].lines().filter(|l| l.contains("\"train\":")).count(), 2, "{}", before[0]);
    for _ in 0..2 {
        finished(train(at, false, &[&args("11", "run")[..], &["--resume"]].concat()))?;
        assert_eq!(["metrics.jsonl", "metrics.csv"].map(read), before);
    }
    let again: serde_json::Value = serde_json::from_str(&read("run.json"))?;
    for key in ["seconds", "steps_per_second", "samples_per_second", "command"] {
        assert_eq!(again[key], info[key], "{key} of run.json");
    }
    finished(train(at, false, &[&args("19", "run")[..], &["--resume"]].concat()))?;
    finished(train(at, false, &args("19", "straight")))?;
    same(&at.join("straight"), &run)?;
    assert_eq!(read("metrics.csv").lines().count(), 4, "{}", read("metrics.csv"));
    Ok(())
}

/// Makes of the last and the best checkpoint of a run what earlier versions wrote:
/// one file each, the state of training under names of its own.
fn as_before(run: &Path) -> Result<(), Failed> {
    for name in CHECKPOINTS {
        let folder = run.join("checkpoints").join(name);
        let [model, training] = [MODEL, TRAINING].map(|file| std::fs::read(folder.join(file)).expect("a checkpoint"));
        let said = |bytes: &[u8], key: &str| -> serde_json::Value {
            let (_, header) = SafeTensors::read_metadata(bytes).expect("safetensors");
            serde_json::from_str(&header.metadata().as_ref().expect("metadata")[key]).expect("JSON")
        };
        let mut about = said(&model, "wgrad");
        about.as_object_mut().expect("an object").remove("moment").expect("it is there");
        about["progress"] = said(&training, "wgrad-training")["progress"].clone();
        let of = |bytes, front: &str| -> Vec<(String, TensorView)> {
            let all = SafeTensors::deserialize(bytes).expect("safetensors").tensors();
            all.into_iter().map(|(name, view)| (format!("{front}{name}"), view)).collect()
        };
        let all = of(&model, "").into_iter().chain(of(&training, "train."));
        let metadata = HashMap::from([("wgrad".to_string(), about.to_string())]);
        let bytes = safetensors::serialize(all, Some(metadata)).expect("encoded");
        std::fs::remove_dir_all(&folder)?;
        let former = folder.with_extension("safetensors");
        // There it is a link by now.
        let _ = std::fs::remove_file(&former);
        std::fs::write(former, bytes)?;
    }
    Ok(())
}

/// A checkpoint was one file once. It is evaluated, started from and gone on from as
/// ever, and the new ones take its place.
fn runs_of_earlier_versions_go_on() -> Result<(), Failed> {
    let folder = folder(CONFIG);
    let at = folder.path();
    // An epoch that a limit cuts may be as good as the whole of it by a share of rows, and
    // its weights are then the best: not by the loss.
    let trained = |more: &[&str]| {
        let monitors = ["--set", "early_stopping.monitor=val_loss", "--set", "schedule.monitor=val_loss"];
        finished(train(at, false, &[&["--epochs", "6"], more, &monitors].concat()))
    };
    trained(&["--out", "straight"])?;
    trained(&["--max-steps", "21", "--out", "run"])?;
    let run = at.join("run");
    let told = |words: &[&str]| -> Result<String, Failed> {
        let output = Command::new(env!("CARGO_BIN_EXE_wgrad")).args(words).current_dir(at).output()?;
        if !output.status.success() {
            return Err(said(&output).into());
        }
        Ok(format!("{}{}", said(&output), String::from_utf8_lossy(&output.stdout)))
    };
    let eval = |run: &str| told(&["eval", run, "--data", "set", "--device", "cpu"]);
    let now = eval("run")?;
    as_before(&run)?;
    let files = ["checkpoints/last.safetensors", "checkpoints/best.safetensors"].map(|name| run.join(name));
    assert!(files.iter().all(|f| f.is_file()) && !last(&run).exists());
    assert_eq!(eval("run")?, now);
    assert_eq!(eval("run/checkpoints/last.safetensors")?, now);
    let init = output(train(at, false, &["--epochs", "1", "--out", "other", "--init", "run"]));
    assert!(said(&init).contains("8 of 8 tensors matched, 0 drawn anew, 0 of the file left over"), "{}", said(&init));
    trained(&["--resume", "--out", "run", "--set", "train.max_steps=0"])?;
    let is_link = |f: &PathBuf| f.is_symlink() && f.is_file() || cfg!(not(unix)) && !f.exists();
    assert!(files.iter().all(is_link), "a checkpoint of before is left beside the new one");
    same(&at.join("straight"), &run)
}

/// No file may grow beyond a size that is less than a checkpoint's, as on a disk
/// that is full.
fn a_full_disk_leaves_the_checkpoint() -> Result<(), Failed> {
    let folder = folder(WIDE);
    let at = folder.path();
    let args = ["--epochs", "4", "--batch-size", "16"];
    finished(train(at, false, &[&args[..], &["--out", "straight"]].concat()))?;
    let until = [&args[..], &["--out", "broken"]].concat();
    let mut child = start(train(at, false, &[&until[..], &["--checkpoint-every", "2"]].concat()));
    let broken = at.join("broken");
    assert!(reaches(&mut child, &broken, 10), "the run ended before it could be killed");
    kill(&mut child);
    let before = std::fs::read(last(&broken))?;
    assert!(before.len() > 500_000, "{}", before.len());
    // 256 blocks are 128 or 256 KiB, as the shell counts. The signal that comes
    // with such a limit, and not with a full disk, is ignored.
    let resume = [&until[..], &["--resume"]].concat();
    let program = train(at, false, &resume);
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 256; exec \"$0\" \"$@\""]).arg(program.get_program());
    let output = output({
        limited.args(program.get_args()).current_dir(at);
        limited
    });
    let message = said(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for word in ["writing broken/checkpoints/", ".safetensors", "File too large"] {
        assert!(message.contains(word), "{word:?} is missing in\n{message}");
    }
    assert!(std::fs::read(last(&broken))? == before, "the checkpoint before is not what it was");
    finished(train(at, false, &resume))?;
    same(&at.join("straight"), &broken)
}
