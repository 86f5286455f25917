//! What two runs have in common and where they part: their settings, versions, data and devices, and
//! the first step after which their weights or their curves are not the same bits.

use super::tuning::FILE as TUNING;
use crate::error::{Error, Result};
use crate::eval::{EpochRecord, Fingerprint, History, Point, RunInfo, history};
use crate::files;
use crate::nn::Weights;
use crate::tensor::HostTensor;
use crate::train::checkpoint;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What stands for a key that a run does not have.
const NONE: &str = "(none)";
/// Tensors that are named.
const NAMED: usize = 20;

/// Named numbers by step, as text.
type Numbers = BTreeMap<u64, Vec<(String, String)>>;

/// A value that is one thing in the first run and another in the second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Differs {
    /// What it is: `optimizer.lr`.
    pub key: String,
    /// In the first run.
    pub a: String,
    /// In the second.
    pub b: String,
}

/// Records of both runs, step by step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Steps {
    /// Steps that both have a record of.
    pub compared: usize,
    /// The latest of them before which, and at which, all are the same.
    pub same_until: Option<u64>,
    /// The first that differs.
    pub first: Option<Parting>,
}

/// Where runs part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parting {
    /// The step.
    pub step: u64,
    /// What differs, in order: names of tensors or of numbers, the first twenty.
    pub what: Vec<String>,
    /// How many differ.
    pub count: usize,
}

/// The weights of the last checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LastWeights {
    /// Tensors that both have.
    pub compared: usize,
    /// Those that differ, with the first element that does.
    pub differing: Vec<Tensor>,
}

/// A tensor that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// The first element that differs; none where the shapes do, or one run lacks it.
    pub element: Option<usize>,
    /// What stands there, or the shape.
    pub a: String,
    /// In the second run.
    pub b: String,
}

/// A comparison of two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Settings that differ.
    pub settings: Vec<Differs>,
    /// Versions of the program.
    pub versions: Vec<Differs>,
    /// Devices and their drivers.
    pub devices: Vec<Differs>,
    /// Kernels that tuning chose.
    pub kernels: Vec<Differs>,
    /// The data by its fingerprint and its parts.
    pub data: Vec<Differs>,
    /// Fingerprints of the weights (`train.fingerprint_every`).
    pub fingerprints: Steps,
    /// Points of the curves.
    pub curves: Steps,
    /// Epochs.
    pub epochs: Steps,
    /// The weights of `checkpoints/last`, where both have such.
    pub weights: Option<LastWeights>,
}

/// Compares the runs in two folders.
///
/// Fails where one is not the folder of a run, or a file of it cannot be read.
pub fn compare(a: &Path, b: &Path) -> Result<Comparison> {
    let [ours, theirs] = [Run::read(a)?, Run::read(b)?];
    let infos = [&ours.info, &theirs.info];
    let of = |key: &str, value: &dyn Fn(&RunInfo) -> String| {
        let [a, b] = infos.map(value);
        (a != b).then(|| Differs { key: key.into(), a, b })
    };
    let history = |pick: &dyn Fn(&History) -> Numbers| steps(&pick(&ours.history), &pick(&theirs.history));
    Ok(Comparison {
        settings: differing(&ours.settings, &theirs.settings),
        versions: of("version", &|i| i.version.clone()).into_iter().collect(),
        devices: [
            of("device", &|i| i.device.name.clone()),
            of("backend", &|i| i.device.backend.clone()),
            of("driver", &|i| i.device.driver.clone()),
        ]
        .into_iter()
        .flatten()
        .collect(),
        kernels: differing(&ours.kernels, &theirs.kernels),
        data: [
            of("fingerprint", &|i| i.fingerprint.clone().unwrap_or_else(|| NONE.into())),
            of("training samples", &|i| i.samples.train.to_string()),
            of("validation samples", &|i| i.samples.val.to_string()),
            of("test samples", &|i| i.samples.test.to_string()),
        ]
        .into_iter()
        .flatten()
        .collect(),
        fingerprints: history(&|h| h.fingerprints.iter().map(|f| (f.step, of_fingerprint(f))).collect()),
        curves: history(&|h| h.points.iter().map(|p| (p.step, of_point(p))).collect()),
        epochs: history(&|h| h.epochs.iter().map(|e| (e.step, of_epoch(e))).collect()),
        weights: match (&ours.weights, &theirs.weights) {
            (Some(a), Some(b)) => Some(of_weights(a, b)),
            _ => None,
        },
    })
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        let lists = [&self.settings, &self.versions, &self.devices, &self.kernels, &self.data];
        lists.iter().all(|list| list.is_empty()) && self.is_same_training()
    }

    /// Whether all numbers that both have are the same bits, whatever was asked of the runs.
    pub fn is_same_training(&self) -> bool {
        [&self.fingerprints, &self.curves, &self.epochs].iter().all(|steps| steps.first.is_none())
            && self.weights.as_ref().is_none_or(|w| w.differing.is_empty())
    }
}

/// What is read of a run.
struct Run {
    settings: BTreeMap<String, String>,
    kernels: BTreeMap<String, String>,
    info: RunInfo,
    history: History,
    weights: Option<Weights>,
}

impl Run {
    fn read(folder: &Path) -> Result<Run> {
        let config = folder.join("config.toml");
        let text = files::settings(&config).map_err(|e| {
            Error::usage(format!(
                "{} is not the folder of a run: reading {}: {e}; expected the folder that `wgrad train` names at its end",
                folder.display(),
                config.display()
            ))
        })?;
        let table: Value = toml::from_str(&text).map_err(|e| Error::data(format!("{}: {e}", config.display())))?;
        let tuning = folder.join(TUNING);
        let kernels: Value = match files::read(&tuning)? {
            None => Value::Null,
            Some(text) => serde_json::from_str(&text).map_err(|e| Error::data(format!("{}: {e}", tuning.display())))?,
        };
        let last = checkpoint::find_latest(folder);
        let weights = last.map(|file| checkpoint::load_model(&file)).transpose()?.map(|loaded| loaded.weights);
        Ok(Run {
            settings: flat(&table),
            kernels: flat(&kernels),
            info: RunInfo::read(folder)?.unwrap_or_default(),
            history: history::read(folder)?,
            weights,
        })
    }
}

/// The values of a document by their paths.
fn flat(value: &Value) -> BTreeMap<String, String> {
    fn walk(at: &str, value: &Value, found: &mut BTreeMap<String, String>) {
        let below = |key: &str| if at.is_empty() { key.to_string() } else { format!("{at}.{key}") };
        match value {
            Value::Null => {}
            Value::Object(all) => all.iter().for_each(|(key, value)| walk(&below(key), value, found)),
            Value::Array(all) if all.iter().any(|v| v.is_object() || v.is_array()) => {
                all.iter().enumerate().for_each(|(i, value)| walk(&below(&(i + 1).to_string()), value, found));
            }
            plain => drop(found.insert(at.to_string(), plain.to_string())),
        }
    }
    let mut found = BTreeMap::new();
    walk("", value, &mut found);
    found
}

fn differing(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<Differs> {
    let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let value = |of: &BTreeMap<String, String>, key: &String| of.get(key).cloned().unwrap_or_else(|| NONE.into());
    let all = keys.into_iter().map(|key| Differs { key: key.clone(), a: value(a, key), b: value(b, key) });
    all.filter(|d| d.a != d.b).collect()
}

fn of_fingerprint(f: &Fingerprint) -> Vec<(String, String)> {
    let tensors = f.tensors.iter().map(|(name, value)| (name.clone(), value.to_string()));
    // One that lacks its tensors still has the whole.
    if f.tensors.is_empty() { vec![("weights".into(), f.fingerprint.clone())] } else { tensors.collect() }
}

fn of_point(p: &Point) -> Vec<(String, String)> {
    p.numbers().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn of_epoch(e: &EpochRecord) -> Vec<(String, String)> {
    let of = |split: &str, scores: &crate::eval::EpochScores| {
        let named = |name: &str| (format!("{split}_{name}"), scores.get(name).unwrap_or(f64::NAN).to_string());
        scores.names().map(named).collect::<Vec<_>>()
    };
    [of("train", &e.train), e.val.as_ref().map_or(vec![], |val| of("val", val))].concat()
}

/// The numbers of two runs by step, each named.
fn steps(a: &Numbers, b: &Numbers) -> Steps {
    let mut found = Steps { compared: 0, same_until: None, first: None };
    for (step, ours) in a {
        let Some(theirs) = b.get(step) else { continue };
        found.compared += 1;
        if found.first.is_some() {
            continue;
        }
        let other = |name: &String| theirs.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        let own = ours.iter().filter(|(name, value)| other(name) != Some(value)).map(|(name, _)| name);
        let lacking = theirs.iter().filter(|(name, _)| !ours.iter().any(|(n, _)| n == name)).map(|(name, _)| name);
        let what: Vec<String> = own.chain(lacking).cloned().collect();
        match what.len() {
            0 => found.same_until = Some(*step),
            count => found.first = Some(Parting { step: *step, what: what.into_iter().take(NAMED).collect(), count }),
        }
    }
    found
}

fn of_weights(a: &Weights, b: &Weights) -> LastWeights {
    let mut found = LastWeights::default();
    for (name, ours) in a.iter() {
        let Some(theirs) = b.get(name) else {
            let (a, b) = (ours.shape.to_string(), NONE.into());
            found.differing.push(Tensor { name: name.to_string(), element: None, a, b });
            continue;
        };
        found.compared += 1;
        found.differing.extend(of_tensor(name, ours, theirs));
    }
    for (name, theirs) in b.iter().filter(|(name, _)| a.get(name).is_none()) {
        let (a, b) = (NONE.into(), theirs.shape.to_string());
        found.differing.push(Tensor { name: name.to_string(), element: None, a, b });
    }
    found
}

fn of_tensor(name: &str, a: &HostTensor, b: &HostTensor) -> Option<Tensor> {
    let name = name.to_string();
    if a.shape != b.shape {
        return Some(Tensor { name, element: None, a: a.shape.to_string(), b: b.shape.to_string() });
    }
    let (ours, theirs) = (a.as_f32(), b.as_f32());
    let element = ours.iter().zip(theirs).position(|(a, b)| a.to_bits() != b.to_bits())?;
    Some(Tensor { name, element: Some(element), a: ours[element].to_string(), b: theirs[element].to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(all: &[(u64, &[(&str, &str)])]) -> Numbers {
        let named = |(n, v): &(&str, &str)| (n.to_string(), v.to_string());
        all.iter().map(|(step, marks)| (*step, marks.iter().map(named).collect())).collect()
    }

    #[test]
    fn the_first_step_and_tensor_are_named() {
        let a = marks(&[(10, &[("x", "1"), ("y", "2")]), (20, &[("x", "1"), ("y", "3")]), (30, &[("x", "9")])]);
        assert_eq!(steps(&a, &a), Steps { compared: 3, same_until: Some(30), first: None });
        let b = marks(&[(10, &[("x", "1"), ("y", "2")]), (20, &[("x", "1"), ("y", "4")]), (25, &[]), (30, &[])]);
        let first = Some(Parting { step: 20, what: vec!["y".into()], count: 1 });
        assert_eq!(steps(&a, &b), Steps { compared: 3, same_until: Some(10), first });
        // A tensor that one of them lacks differs.
        let c = marks(&[(10, &[("x", "1"), ("y", "2"), ("z", "0")])]);
        assert_eq!(steps(&a, &c).first.unwrap().what, ["z"]);
        assert_eq!(steps(&marks(&[]), &a), Steps { compared: 0, same_until: None, first: None });
    }

    #[test]
    fn settings_are_compared_key_by_key() {
        let of = |text: &str| flat(&toml::from_str(text).unwrap());
        let a = of("model = \"m\"\n[train]\nepochs = 3\nfreeze = [\"a\"]\n[[layer]]\ntype = \"Dense\"\n");
        let b = of("model = \"m\"\n[train]\nepochs = 4\nfreeze = []\n[[layer]]\ntype = \"Dense\"\nunits = 3\n");
        let keys: Vec<String> = differing(&a, &b).into_iter().map(|d| format!("{} {} {}", d.key, d.a, d.b)).collect();
        assert_eq!(keys, ["layer.1.units (none) 3", "train.epochs 3 4", "train.freeze [\"a\"] []"]);
        assert_eq!(differing(&a, &a), []);
    }

    #[test]
    fn weights_are_compared_bit_by_bit() {
        let of = |values: [f32; 3]| {
            let mut weights = Weights::new(0);
            weights.set("w", HostTensor::f32([3], values.to_vec()));
            weights
        };
        assert!(of_weights(&of([1.0, 0.0, 2.0]), &of([1.0, 0.0, 2.0])).differing.is_empty());
        let found = of_weights(&of([1.0, 0.0, 2.0]), &of([1.0, -0.0, 3.0]));
        assert_eq!((found.compared, found.differing[0].element), (1, Some(1)));
        let lacking = of_weights(&of([1.0; 3]), &Weights::new(0));
        assert_eq!((lacking.compared, &*lacking.differing[0].b), (0, NONE));
    }
}
