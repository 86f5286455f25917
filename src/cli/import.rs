//! `wgrad import`

use super::onnx_flags::{Import, TaskFlag};
use super::out;
use crate::data::Task;
use crate::error::{Context, Error, Result};
use crate::files;
use crate::onnx::{self, ImportOptions};
use crate::run::folder;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

pub fn run(f: &Import) -> Result<()> {
    let imported = onnx::import(&f.model, &options(f)?)?;
    let path = folder::write_imported(&f.out, &imported)?;
    let weights: usize = imported.weights.iter().map(|(_, v)| v.shape.elements()).sum();
    imported.notes.iter().for_each(|note| eprintln!("note: {note}"));
    if f.json {
        let interface = &imported.about.interface;
        return out::json(&json!({
            "status": "ok", "run": out::path(&path), "input": imported.about.input, "outputs": interface.outputs,
            "weights": weights, "notes": imported.notes,
        }));
    }
    let shown = path.display();
    out::line(format!("{shown}: {weights} weights"))?;
    out::line(format!("evaluate it:  wgrad eval {shown} --data DATA"))?;
    out::line(format!("train it on:  wgrad train --model {shown}/model.toml --init {shown} --data DATA"))
}

fn options(f: &Import) -> Result<ImportOptions> {
    let mut axes = BTreeMap::new();
    for text in &f.axes {
        let parsed = text.split_once('=').and_then(|(name, n)| Some((name.to_string(), n.parse::<usize>().ok()?)));
        let (name, n) = parsed
            .filter(|(_, n)| *n > 0)
            .ok_or_else(|| Error::usage(format!("--axis {text}: expected NAME=N, with a whole number above 0")))?;
        axes.insert(name, n);
    }
    let channels = match (&f.mean, &f.std) {
        (Some(mean), Some(std)) if mean.len() == std.len() && std.iter().all(|&s| s > 0.0) => {
            Some(mean.iter().copied().zip(std.iter().copied()).collect())
        }
        (None, None) => None,
        (mean, std) => {
            return Err(Error::usage(format!(
                "--mean {mean:?} and --std {std:?}: expected as many of both, and deviations above 0"
            )));
        }
    };
    let task = f.task.map(|t| match t {
        TaskFlag::Classification => Task::Classification,
        TaskFlag::Regression => Task::Regression,
    });
    Ok(ImportOptions { axes, classes: f.classes.as_deref().map(classes).transpose()?, task, channels })
}

/// Names from a file, one in each line, or from a list.
fn classes(text: &str) -> Result<Vec<String>> {
    let path = Path::new(text);
    if !path.is_file() {
        return Ok(text.split(',').map(|s| s.trim().to_string()).collect());
    }
    let text = files::settings(path).map_err(|e| Error::io(format!("reading {}", path.display()), e));
    let text = text.context(|| "--classes")?;
    Ok(text.lines().map(str::trim).filter(|l| !l.is_empty()).map(String::from).collect())
}
