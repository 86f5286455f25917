//! `wgrad tune`, and the tuning before a training.
//!
//! A choice of variants may change the order of sums. So a run keeps the
//! choices that it was made with in its folder, in `tuning.json`, and goes on
//! with those.

use super::summary::model;
use super::{flags, open_device, out, run_folder, tool_flags, train_settings};
use crate::device::{Device, Gpu};
use crate::error::{Error, Result};
use crate::files;
use crate::kernel::Class;
use crate::nn::Model;
use crate::ops::matmul;
use crate::plan::{Choices, Plan, Precision};
use crate::train::{Session, Settings};
use crate::tuning::{self, Cache, Effort, Outcome, Report, Tuned};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a training may spend on tuning before its first step.
pub const SECONDS: u64 = 5;

/// The file in a run's folder.
const FILE: &str = "tuning.json";

/// What is kept there.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    /// Whether products were allowed to round their factors to f16.
    half: bool,
    /// The variants.
    choices: Choices,
}

/// Opens the device that the flags ask for; with f16 products, if it is asked
/// for them, by name or as part of mixed precision, and passes their test.
pub fn open(f: &flags::DeviceFlag, precision: Precision) -> Result<Device> {
    let half = f.matmul.map_or(precision != Precision::F32, |m| m == flags::Factors::F16);
    let mut device = Device::open_with(&f.wanted(), half)?;
    let tried = match &mut device {
        Device::Gpu(gpu) if half => tuning::try_half(gpu, &matmul::trials()),
        Device::Cpu if half => Err("the CPU multiplies in f32".into()),
        _ => Ok(()),
    };
    if let (Err(why), true) = (tried, f.matmul.is_some()) {
        eprintln!("warning: --matmul f16 is left out: {why}");
    }
    Ok(device)
}

/// How a training comes to its variants.
#[derive(Debug, Clone)]
pub enum Tuning {
    /// Not at all: those that suit the kind of device.
    Off,
    /// From the cache; on a GPU, what is missing is found within [`SECONDS`].
    Usual,
    /// As an earlier part of the same run did.
    As {
        /// Whether it was allowed to multiply in f16.
        half: bool,
        /// Its variants.
        choices: Choices,
    },
}

impl Tuning {
    /// As the run in a folder did. One from before there was tuning had none.
    pub fn of_run(folder: &Path) -> Result<Tuning> {
        let path = folder.join(FILE);
        let saved = match files::read(&path)? {
            None => Ok(Saved::default()),
            Some(text) => serde_json::from_str(&text),
        };
        let Saved { half, choices } = saved.map_err(|e| {
            Error::data(format!(
                "{} does not say which variants the run was made with ({e}); restore it, or remove it to go on with the \
                 usual ones, which may round otherwise",
                path.display()
            ))
        })?;
        Ok(Tuning::As { half, choices })
    }

    /// Chooses variants for the training of a model on so many samples.
    pub fn prepare(&self, device: &Device, model: &Model, s: &Settings, samples: usize) -> Result<()> {
        let Device::Gpu(gpu) = device else { return Ok(()) };
        match self {
            Tuning::Off => gpu.choose(Choices::default()),
            Tuning::As { half, .. } if *half != gpu.caps.half.is_some() => {
                let [was, is] = [*half, !*half].map(|half| if half { "f16" } else { "f32" });
                return Err(Error::usage(format!(
                    "this run multiplies in {was} and the device now does in {is}; resume with --matmul {was} on such a \
                     device, or start a new run from its weights with --init"
                )));
            }
            Tuning::As { choices, .. } => gpu.choose(choices.clone()),
            Tuning::Usual if gpu.adapter.class == Class::Cpu && !is_known(gpu) => gpu.choose(Choices::default()),
            Tuning::Usual => {
                let s = Settings { batch_size: s.batch_size.min(samples).max(1), ..s.clone() };
                // What cannot be planned is refused with its reason when the
                // training itself is.
                let Ok(plan) = Session::training_plan(model, &s, device.target()) else { return Ok(()) };
                let effort = match gpu.adapter.class {
                    Class::Cpu => Effort::Cached,
                    _ => Effort::Within(Duration::from_secs(SECONDS)),
                };
                let report = choose(gpu, &plan, effort, &mut |_| {})?;
                if !report.tuned.is_empty() {
                    let left = match report.left {
                        0 => String::new(),
                        n => format!("; {n} left for the next run, or for `wgrad tune`"),
                    };
                    eprintln!(
                        "tuning: {} kinds of products tried{left} (--no-tune leaves this out)",
                        report.tuned.len()
                    );
                }
            }
        }
        Ok(())
    }
}

/// Whether there may be verdicts for a GPU: planning in order to look them up
/// takes time.
fn is_known(gpu: &Gpu) -> bool {
    let cache = Cache::open(files::cache_folder().as_deref(), &gpu.adapter).0;
    cache.path().is_some_and(Path::exists)
}

/// Keeps a device's choices in a run's folder.
pub fn save(folder: &Path, device: &Device) -> Result<()> {
    match device {
        Device::Cpu => Ok(()),
        Device::Gpu(gpu) => {
            let saved = Saved { half: gpu.caps.half.is_some(), choices: gpu.choices() };
            let text = serde_json::to_string_pretty(&saved).expect("plain data prints");
            files::write(&folder.join(FILE), text.as_bytes())
        }
    }
}

/// Takes the cached choices for a plan, as a training would that finds
/// everything there.
pub fn cached(device: &Device, plan: &Plan) -> Result<Choices> {
    let Device::Gpu(gpu) = device else { return Ok(Choices::default()) };
    Ok(choose(gpu, plan, Effort::Cached, &mut |_| {})?.choices)
}

/// Tunes a plan and lets the device take the choices.
fn choose(gpu: &Arc<Gpu>, plan: &Plan, effort: Effort, said: &mut dyn FnMut(&Tuned)) -> Result<Report> {
    let (mut cache, complaint) = Cache::open(files::cache_folder().as_deref(), &gpu.adapter);
    if let Some(complaint) = complaint {
        eprintln!("warning: {complaint}");
    }
    let report = tuning::tune(gpu, plan, &mut cache, effort, said)?;
    let wrong = report.tuned.iter().flat_map(|t| t.outcomes.iter().map(move |o| (t, o)));
    for (t, (name, outcome)) in wrong {
        if let Outcome::Wrong(why) = outcome {
            eprintln!("warning: variant {name} of {} is wrong on this device and is not used: {why}", t.key);
        }
    }
    // A cache that cannot be written costs the next run some seconds.
    if let (false, Err(e)) = (report.tuned.is_empty(), cache.save()) {
        eprintln!("warning: what tuning found is not kept: {e}");
    }
    gpu.choose(report.choices.clone());
    Ok(report)
}

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
    let report = choose(gpu, &plan, effort, &mut |t| eprintln!("{}", line(t)))?;
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
        let settings = Settings::read(train_settings::read(&folder.join("config.toml"))?)?;
        (run_folder::load(&flags::RunFlags { run: folder.into(), checkpoint: flags::Checkpoint::Last })?.0, settings)
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

/// How `train` is to come to its variants.
pub fn of_flags(f: &flags::Train, earlier: Option<&Path>) -> Result<Tuning> {
    match (earlier, f.no_tune) {
        (Some(folder), _) => Tuning::of_run(folder),
        (None, true) => Ok(Tuning::Off),
        (None, false) => Ok(Tuning::Usual),
    }
}
