//! `wgrad profile`

pub mod flags;
mod offline;
mod shader;

use super::progress::Terminal;
use super::{flags as common, open_device_for, out, summary};
use crate::error::{Error, Result};
use crate::files;
use crate::nn::Model;
use crate::plan::{Choices, Plan, Precision, Target};
use crate::profile::{Taken, compare, table, take};
use crate::run::folder;
use crate::run::tuning::cached;
use crate::train::{Session, Settings, count, made_up, set};
use flags::Profile;
use serde_json::json;
use std::path::Path;

/// A count as typed.
fn one_or_more(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("expected a whole number of at least 1".into()),
    }
}

pub fn run(f: &Profile) -> Result<()> {
    if let Some(name) = &f.shader {
        return shader::run(f, name);
    }
    if let Some(family) = &f.offline {
        return offline::run(f, family);
    }
    if f.watch {
        return Err(Error::usage(
            "--watch times a shader again when its file changes: give the shader with --shader FILE",
        ));
    }
    // A broken file is to be known before minutes of measuring.
    let old = f.compare.as_deref().map(compare::read).transpose()?;
    [&f.trace, &f.html].into_iter().flatten().try_for_each(|path| check_place(path))?;
    let taken = measure(f)?;
    let changes = old.as_ref().map(|old| compare::compare(old, &taken.profile)).transpose()?;
    if !f.json {
        out::line(table(&taken.profile, f.sort, f.top))?;
    }
    if let Some(path) = &f.trace {
        files::write(path, taken.trace().as_bytes())?;
    }
    if let Some(path) = &f.html {
        files::write(path, taken.profile.page().as_bytes())?;
    }
    let regressed = changes.as_ref().map(|c| c.regressed().join(", ")).unwrap_or_default();
    if f.json {
        let status = if regressed.is_empty() { "ok" } else { "regressed" };
        let mut object = json!({ "status": status });
        let profile = serde_json::to_value(&taken.profile).expect("plain data prints");
        for (key, value) in profile.as_object().expect("a struct is an object") {
            object[key] = value.clone();
        }
        if let Some(changes) = &changes {
            object["changes"] = serde_json::to_value(changes).expect("plain data prints");
        }
        out::json(&object)?;
    } else if let Some(changes) = &changes {
        if old.as_ref().is_some_and(|o| o.subject.device != taken.profile.subject.device) {
            eprintln!("note: the earlier profile is of another device or driver");
        }
        out::line(format!("\n{}", changes.text()))?;
    }
    if regressed.is_empty() {
        return Ok(());
    }
    let message = format!("slower than before by more than noise: {regressed}");
    if f.json {
        // The object has said it; an error would print another.
        eprintln!("wgrad: {message}");
        std::process::exit(1);
    }
    Err(Error::device(message))
}

/// Whether a file could be written there, as far as that can be known before.
fn check_place(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() {
        return Err(Error::usage(format!("{} is a folder; expected the name of a file", path.display())));
    }
    match parent.is_dir() {
        true => Ok(()),
        false => Err(Error::usage(format!("{}: there is no folder {}", path.display(), parent.display()))),
    }
}

/// What is to be profiled; there is one where there is no shader.
fn model_name(f: &Profile) -> &str {
    f.model.as_deref().unwrap_or_default()
}

/// The step that the flags ask for: of a run's folder, or of a model.
fn step_of(f: &Profile) -> Result<Step> {
    let place = Path::new(model_name(f));
    let is_run = place.is_dir() || place.extension().is_some_and(|e| e == "safetensors");
    if is_run { of_run(f) } else { of_model(f) }
}

fn measure(f: &Profile) -> Result<Taken> {
    let step = step_of(f)?;
    let (device, _) = open_device_for(&f.device, step.precision)?;
    let usual = (step.plan)(device.target(), &Choices::default())?;
    let plan = (step.plan)(device.target(), &cached(&device, &usual, &mut Terminal::new())?)?;
    let content = made_up(&plan, &step.model, step.classes);
    let mut e = device.executor();
    let program = e.load(plan.clone())?;
    for (name, value) in &content {
        e.write(name, value)?;
    }
    let name = step.model.description.name.clone();
    take(&mut *e, &program, &plan, &device, (&name, step.batch_size), f.steps)
}

/// Plans a step for a device, with variants chosen for some of its ops.
type Planner = Box<dyn Fn(Target, &Choices) -> Result<Plan>>;

/// A training step to be planned for a device.
struct Step {
    model: Model,
    classes: usize,
    batch_size: usize,
    precision: Precision,
    plan: Planner,
}

/// What flags say over a configuration.
fn settings(f: &Profile, mut table: toml::Table) -> Result<Settings> {
    if let Some(name) = &f.optimizer {
        table.remove("optimizer");
        set(&mut table, "optimizer.name", name.clone().into())?;
    }
    if let Some(n) = f.batch_size {
        set(&mut table, "train.batch_size", count(n))?;
    }
    f.plan.apply(&mut table)?;
    Settings::read(table)
}

fn of_model(f: &Profile) -> Result<Step> {
    let classes = f.classes.unwrap_or(10);
    let (name, input) = (model_name(f).to_string(), f.input.clone());
    let model = summary::model(&common::ModelFlags { model: name, input, classes, vocabulary: f.vocabulary })?;
    let mut table = toml::Table::new();
    set(&mut table, "optimizer.name", "adam".into())?;
    set(&mut table, "train.batch_size", 128.into())?;
    let s = settings(f, table)?;
    let (batch_size, precision, planned) = (s.batch_size, s.plan.precision, model.clone());
    let plan = Box::new(move |target, choices: &Choices| Session::tuned_plan(&planned, &s, target, choices));
    Ok(Step { model, classes, batch_size, precision, plan })
}

/// The plan of a model's training step for a target, with Adam and what `profile` takes where nothing is said.
pub fn plan_of(name: &str, batch_size: Option<usize>, target: Target) -> Result<Plan> {
    let flags = common::ModelFlags { model: name.into(), input: None, classes: 10, vocabulary: 65 };
    let model = summary::model(&flags)?;
    let mut table = toml::Table::new();
    set(&mut table, "optimizer.name", "adam".into())?;
    set(&mut table, "train.batch_size", count(batch_size.unwrap_or(128)))?;
    Session::tuned_plan(&model, &Settings::read(table)?, target, &Choices::default())
}

fn of_run(f: &Profile) -> Result<Step> {
    if f.input.is_some() || f.classes.is_some() {
        return Err(Error::usage("--input and --classes are for models; a run has its own"));
    }
    let (model, loaded) = folder::load(model_name(f).as_ref(), folder::Checkpoint::Last)?;
    let (interface, config) = (loaded.about.interface, loaded.about.config);
    let s = settings(f, config.parse().unwrap_or_default())?;
    let (classes, batch_size, precision) = (interface.outputs.len(), s.batch_size, s.plan.precision);
    let planned = model.clone();
    let plan = Box::new(move |target, choices: &Choices| Session::plan_for(&planned, &interface, &s, target, choices));
    Ok(Step { model, classes, batch_size, precision, plan })
}
