//! `wgrad tune`

use super::progress::Terminal;
use super::summary::model;
use super::{open_device, out, tool_flags};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::files;
use crate::nn::Model;
use crate::run::tuning::choose;
use crate::run::{self, config};
use crate::train::{Session, Settings};
use crate::tuning::{Cache, Effort, Outcome, Tuned};
use serde_json::json;
use std::path::Path;

pub fn run(f: &tool_flags::Tune) -> Result<()> {
    let (model, settings) = subject(f)?;
    let (device, info) = open_device(&f.device)?;
    let Device::Gpu(gpu) = &device else {
        return Err(Error::usage(
            "the CPU computes each op in one way, so there is nothing to tune; name a GPU with --device (see `wgrad devices`)",
        ));
    };
    let plan = Session::training_plan(&model, &settings, device.target())?;
    let effort = if f.again { Effort::Again } else { Effort::Missing };
    let report = choose(gpu, &plan, effort, &mut |t| eprintln!("{}", line(t)), &mut Terminal::new())?;
    let path = Cache::open(files::cache_folder().as_deref(), &gpu.adapter).0.path().map(Path::to_path_buf);
    if f.json {
        return out::json(&json!({
            "status": "ok",
            "device": info,
            "model": model.description.name,
            "batch_size": settings.batch_size,
            "tuned": report.tuned,
            "cached": report.cached,
            "choices": report.choices,
            "cache": path.as_deref().map(out::path),
        }));
    }
    let kept = path.map_or("kept nowhere: there is no cache folder".into(), |p| format!("kept in {}", p.display()));
    out::line(format!(
        "{}, batch {}: {} ops tuned, {} known before; {kept}",
        model.description.name,
        settings.batch_size,
        report.tuned.len(),
        report.cached
    ))
}

/// The model and the settings that are to be tuned for: of a run, or of a model.
fn subject(f: &tool_flags::Tune) -> Result<(Model, Settings)> {
    let folder = Path::new(&f.model.model);
    let (model, mut settings) = if folder.is_dir() {
        let settings = Settings::read(config::read(&folder.join("config.toml"), &mut Terminal::new())?)?;
        (run::folder::load(folder, run::folder::Checkpoint::Last)?.0, settings)
    } else {
        (model(&f.model)?, Settings::read(toml::Table::new())?)
    };
    match f.batch_size {
        Some(0) => Err(Error::usage("--batch-size 0: expected at least 1")),
        Some(n) => {
            settings.batch_size = n;
            Ok((model, settings))
        }
        None => Ok((model, settings)),
    }
}

/// A verdict in a line: what was chosen and what each variant took.
fn line(t: &Tuned) -> String {
    let outcome = |(name, outcome): &(String, Outcome)| match outcome {
        Outcome::Microseconds(us) => format!("{name} {us:.1} us"),
        Outcome::Wrong(_) => format!("{name} WRONG"),
        Outcome::Failed(_) => format!("{name} failed"),
    };
    let tried: Vec<String> = t.outcomes.iter().map(outcome).collect();
    let tried = if t.judge.is_none() { "too large to be judged".into() } else { tried.join(", ") };
    format!("{}\n  {}: {tried}", t.key, t.chosen)
}
