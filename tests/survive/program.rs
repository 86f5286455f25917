//! The program: what it says, leaves and returns when its device fails.

use crate::check;
use crate::support::device::{GPU_UNCHECKED, NO_ADAPTER};
use libtest_mimic::Failed;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use wgrad::train::checkpoint::{MODEL, TRAINING};

const CONFIG: &str = r#"
[data]
source = "rows.csv"
target = "y"
val_split = 0.2

[train]
epochs = 4
batch_size = 8
checkpoint_every = 12

[early_stopping]
monitor = "val_f1"
patience = 50

[model]
name = "small"
layer = [
    { type = "Dense", units = 8, activation = "relu" },
    { type = "Dropout", rate = 0.2 },
    { type = "Dense", units = "classes" },
]
"#;

/// A folder with a table of 200 rows and a configuration: 20 steps in an epoch.
fn folder() -> Result<TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    let row = |i: usize| {
        let (a, b) = ((i * 37 % 101) as f64 / 101.0, (i * 53 % 97) as f64 / 97.0);
        format!("{a},{b},{}\n", if a + 0.5 * b > 0.7 { "yes" } else { "no" })
    };
    let rows: String = (0..200).map(row).collect();
    std::fs::write(folder.path().join("rows.csv"), format!("a,b,y\n{rows}"))?;
    std::fs::write(folder.path().join("run.toml"), CONFIG)?;
    Ok(folder)
}

fn train(at: &Path, faults: &str, args: &[&str]) -> Result<Output, Failed> {
    let name = GPU_UNCHECKED.as_ref().ok_or(NO_ADAPTER)?.adapter.name.clone();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(["train", "--device", &name]).args(args).current_dir(at).stdin(Stdio::null());
    Ok(command.env("WGRAD_INJECT", faults).output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn records(run: &Path) -> Result<Vec<serde_json::Value>, Failed> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl"))?;
    let mut lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<serde_json::Value>, _>>()?;
    lines.iter_mut().filter_map(|l| l.as_object_mut()).for_each(|l| drop(l.remove("seconds")));
    Ok(lines)
}

/// Whether two runs have the same checkpoints, points and epochs.
fn same(a: &Path, b: &Path) -> Result<(), Failed> {
    for (name, file) in ["last", "best"].iter().flat_map(|name| [(name, MODEL), (name, TRAINING)]) {
        let read = |run: &Path| std::fs::read(run.join("checkpoints").join(name).join(file));
        check(read(a)? == read(b)?, format!("{file} of {name} differs"))?;
    }
    let of = |run: &Path| -> Result<Vec<serde_json::Value>, Failed> {
        Ok(records(run)?.into_iter().filter(|r| r.get("device_lost").is_none()).collect())
    };
    check(of(a)? == of(b)?, format!("{:?} is not {:?}", of(a)?, of(b)?))?;
    let json = |name: &str| -> Result<serde_json::Value, Failed> {
        Ok(serde_json::from_str(&std::fs::read_to_string(b.join(name))?)?)
    };
    check(json("run.json")?["state"] == "finished", "the run has not finished")
}

pub fn says_what_happened() -> Result<(), Failed> {
    let folder = folder()?;
    let at = folder.path();
    let [straight, broken] = ["straight", "broken"].map(|run| at.join(run));
    let output = train(at, "", &["run.toml", "--out", "straight"])?;
    check(output.status.success(), said(&output))?;
    let output = train(at, "lost@150,memory@200", &["run.toml", "--out", "broken", "--recovery-every", "3", "--json"])?;
    check(output.status.success(), said(&output))?;
    same(&straight, &broken)?;
    let text = said(&output);
    check(text.contains("warning: the device failed by step") && text.contains("to the same bits"), &text)?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let lost: Vec<_> = records(&broken)?.into_iter().filter(|r| r.get("device_lost").is_some()).collect();
    check(answer["devices_lost"] == lost.len() && !lost.is_empty(), format!("{answer}, {lost:?}"))?;
    check(lost[0]["step"].as_u64() >= lost[0]["back_to"].as_u64(), &lost[0])?;
    let info: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(broken.join("run.json"))?)?;
    check(info["lost"].as_array().is_some_and(|all| *all == lost), &info)?;
    let report = std::fs::read_to_string(broken.join("report.html"))?;
    check(report.contains("device lost") && report.contains("The device failed by step"), "the report is silent")?;
    let straight = std::fs::read_to_string(straight.join("report.html"))?;
    check(!straight.contains("device lost"), "the report speaks of what has not happened")
}

pub fn ends_with_a_checkpoint() -> Result<(), Failed> {
    let folder = folder()?;
    let at = folder.path();
    let output = train(at, "", &["run.toml", "--out", "straight"])?;
    check(output.status.success(), said(&output))?;
    let output = train(at, "lost@150", &["run.toml", "--out", "broken", "--recovery-losses", "0"])?;
    let text = said(&output);
    check(output.status.code() == Some(1), format!("{:?}: {text}", output.status))?;
    check(text.contains("from which --resume goes on") && text.contains("--recovery-cpu"), &text)?;
    let broken = at.join("broken");
    let info: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(broken.join("run.json"))?)?;
    check(info["state"] == "failed" && info["lost"][0]["on"].is_null(), &info)?;
    let output = train(at, "", &["--out", "broken", "--resume"])?;
    check(output.status.success(), said(&output))?;
    same(&at.join("straight"), &broken)?;
    check(records(&broken)?.iter().any(|r| r.get("device_lost").is_some()), "the loss is forgotten")
}

/// A loss in the first fold: the second goes on on the device that was opened for the first.
pub fn folds() -> Result<(), Failed> {
    let folder = folder()?;
    let at = folder.path();
    for (run, faults) in [("straight", ""), ("broken", "lost@150")] {
        let output = train(at, faults, &["run.toml", "--out", run, "--folds", "2"])?;
        check(output.status.success(), said(&output))?;
    }
    let fold = |run: &str, fold: &str| at.join(run).join(fold);
    same(&fold("straight", "fold-1"), &fold("broken", "fold-1"))?;
    same(&fold("straight", "fold-2"), &fold("broken", "fold-2"))?;
    check(records(&fold("broken", "fold-1"))?.iter().any(|r| r.get("device_lost").is_some()), "nothing was lost")
}

pub fn misspelt() -> Result<(), Failed> {
    let folder = folder()?;
    let output = train(folder.path(), "lost", &["run.toml", "--out", "run"])?;
    check(output.status.code() == Some(2) && said(&output).contains("WGRAD_INJECT"), said(&output))
}
