//! The tuning before a training.
//!
//! A choice of variants may change the order of sums. So a run keeps the
//! choices that it was made with in its folder, in `tuning.json`, and goes on
//! with those.

use super::observer::Observer;
use crate::device::{Device, Gpu};
use crate::error::{Error, Result};
use crate::files;
use crate::kernel::Class;
use crate::nn::Model;
use crate::plan::{Choices, Plan};
use crate::train::{Session, Settings};
use crate::tuning::{self, Cache, Effort, Outcome, Report, Tuned};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a training may spend on tuning before its first step.
pub const SECONDS: u64 = 5;

/// The file in a run's folder.
pub(super) const FILE: &str = "tuning.json";

/// What is kept there.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    /// Whether products were allowed to round their factors to f16.
    half: bool,
    /// The variants.
    choices: Choices,
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
    pub fn prepare(
        &self,
        device: &Device,
        model: &Model,
        s: &Settings,
        samples: usize,
        observer: &mut dyn Observer,
    ) -> Result<()> {
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
                let report = choose(gpu, &plan, effort, &mut |_| {}, observer)?;
                if !report.tuned.is_empty() {
                    let left = match report.left {
                        0 => String::new(),
                        n => format!("; {n} left for the next run, or for `wgrad tune`"),
                    };
                    observer.info(&format!(
                        "tuning: {} kinds of products tried{left} (--no-tune leaves this out)",
                        report.tuned.len()
                    ));
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
pub fn cached(device: &Device, plan: &Plan, observer: &mut dyn Observer) -> Result<Choices> {
    let Device::Gpu(gpu) = device else { return Ok(Choices::default()) };
    Ok(choose(gpu, plan, Effort::Cached, &mut |_| {}, observer)?.choices)
}

/// Tunes a plan and lets the device take the choices.
pub fn choose(
    gpu: &Arc<Gpu>,
    plan: &Plan,
    effort: Effort,
    on_tuned: &mut dyn FnMut(&Tuned),
    observer: &mut dyn Observer,
) -> Result<Report> {
    let (mut cache, complaint) = Cache::open(files::cache_folder().as_deref(), &gpu.adapter);
    if let Some(complaint) = complaint {
        observer.warn(&complaint.to_string());
    }
    let report = tuning::tune(gpu, plan, &mut cache, effort, on_tuned)?;
    let wrong = report.tuned.iter().flat_map(|t| t.outcomes.iter().map(move |o| (t, o)));
    for (t, (name, outcome)) in wrong {
        if let Outcome::Wrong(why) = outcome {
            observer.warn(&format!("variant {name} of {} is wrong on this device and is not used: {why}", t.key));
        }
    }
    // A cache that cannot be written costs the next run some seconds.
    if let (false, Err(e)) = (report.tuned.is_empty(), cache.save()) {
        observer.warn(&format!("what tuning found is not kept: {e}"));
    }
    gpu.choose(report.choices.clone());
    Ok(report)
}
