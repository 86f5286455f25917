//! A file from which one step of a training runs again without its data and its device:
//! safetensors of every named buffer that the step begins with and of the batch, and what
//! rebuilds the step's graph.

use super::record::Noted;
use super::walk::{self, Replayed};
use crate::data::{Elements, Interface};
use crate::device::DeviceInfo;
use crate::error::{Context, Error, Result};
use crate::files;
use crate::graph::Graph;
use crate::nn::{Description, Weights};
use crate::plan::{Options, Plan, Precision, Target};
use crate::tensor::{DType, HostTensor};
use crate::train::checkpoint;
use crate::train::loss::answering;
use crate::train::prepare::model_for;
use crate::train::resident::{Resident, TargetKind};
use crate::train::settings::Settings;
use crate::train::step::Builder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The metadata key of such a file.
const KEY: &str = "wgrad-replay";

/// What a replay file says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The version that wrote it.
    pub wgrad: String,
    /// The device that the step ran on.
    pub device: DeviceInfo,
    /// The model's description, in TOML.
    pub model: String,
    /// The shape of one sample.
    pub input: Vec<usize>,
    /// How samples become inputs and outputs answers.
    pub interface: Interface,
    /// The settings, in TOML.
    pub config: String,
    /// What the settings became on the device: the loss was scaled, the rate could be changed,
    /// activations were kept in halves.
    pub scaled: bool,
    /// See `scaled`.
    pub controlled: bool,
    /// See `scaled`.
    pub halves: bool,
    /// Samples of the training set, and of a batch.
    pub samples: usize,
    /// See `samples`.
    pub batch: usize,
    /// The weights of classes in the loss.
    pub class_weights: Option<Vec<f32>>,
    /// Where training stood: whole steps before this one, epochs, and batches of the epoch.
    pub step: usize,
    /// Whole epochs before.
    pub epoch: usize,
    /// Batches of the epoch before.
    pub of_epoch: usize,
    /// What was not finite on the device: "loss" or "norm of the gradient".
    pub what: String,
    /// Whether the weights are those of the very step. Where updates are left out, training
    /// has gone on by some steps when the host looks.
    pub exact: bool,
}

/// A step that can run again.
#[derive(Debug, Clone)]
pub struct Replay {
    /// What it says about itself.
    pub about: About,
    /// The named buffers that the step begins with.
    pub tensors: BTreeMap<String, HostTensor>,
}

/// Where a step's record is read from.
pub(in crate::train) struct Moment {
    pub noted: Noted,
    pub step: usize,
    pub exact: bool,
}

impl Replay {
    /// The bytes of its file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let about = serde_json::to_string(&self.about).expect("plain data prints");
        checkpoint::serialize(self.tensors.iter().map(|(n, v)| (n.as_str(), v)), KEY, about)
    }

    /// Reads a file.
    ///
    /// Fails when it is no replay file or is damaged.
    pub fn load(path: &Path) -> Result<Replay> {
        let wrong = |e: &dyn std::fmt::Display| {
            Error::data(format!(
                "{} is no usable replay file, or was damaged: {e}; expected a file that wgrad train wrote when a number was \
                 not finite",
                path.display()
            ))
        };
        let (header, tensors) = checkpoint::load_tensors(path)?;
        let about = header.get(KEY).ok_or_else(|| wrong(&format!("it has no \"{KEY}\" metadata")))?;
        let about: About = serde_json::from_str(about).map_err(|e| wrong(&e))?;
        about.interface.check(&about.input).map_err(|e| wrong(&e))?;
        if about.batch == 0 || about.batch > about.samples {
            return Err(wrong(&format!("a batch of {} of {} samples", about.batch, about.samples)));
        }
        Ok(Replay { about, tensors })
    }

    /// Runs the step again on the judge, op by op, up to the first number that is not finite.
    ///
    /// Fails when the file's parts do not fit together.
    pub fn run(&self) -> Result<Replayed> {
        let graph = self.graph().context(|| "the replay file's model")?;
        let precision = if self.about.halves { Precision::F16 } else { Precision::F32 };
        let options = Options { fuse: false, precision, ..Options::default() };
        let plan = Plan::with(&graph, &[], Target::Cpu, &options)?;
        walk::run(&plan, &self.tensors)
    }

    /// The graph of the step, on a window of one batch.
    fn graph(&self) -> Result<Graph> {
        let about = &self.about;
        let interface = &about.interface;
        let model = model_for(Description::parse(&about.model)?, &about.input, interface)?;
        let model = model.without(answering(interface));
        let config: toml::Table =
            about.config.parse().map_err(|e: toml::de::Error| Error::data(format!("its settings do not read: {e}")))?;
        let mut s = Settings::read(config)?;
        (s.update.scaled, s.update.controlled) = (about.scaled, about.controlled);
        let tensor = |name: &str| {
            let found = self.tensors.get(name);
            found.ok_or_else(|| Error::data(format!("the replay file lacks \"{name}\"")))
        };
        let elements = match (tensor("train.samples")?.spec().dtype, model.description.takes_tokens()) {
            (DType::U32, true) => Elements::Tokens,
            (DType::U32, false) => Elements::Bytes,
            _ => Elements::Floats,
        };
        // What the file claims of the batch is held against what it has of it.
        let values = about.input.iter().try_fold(about.batch, |n, side| n.checked_mul(*side));
        let expected = values.map(|n| if elements == Elements::Bytes { n.div_ceil(4) } else { n });
        let held = tensor("train.samples")?.spec().elements();
        if expected != Some(held) {
            return Err(Error::data(format!(
                "\"train.samples\" holds {held} numbers; expected those of {} samples of shape {:?}",
                about.batch, about.input
            )));
        }
        let targets = tensor("train.targets")?.spec();
        let kind = match (targets.dtype, &targets.shape[..]) {
            (DType::U32, [_]) => TargetKind::Class,
            (DType::U32, [_, positions]) => TargetKind::Sequence(*positions),
            (_, [_, values]) => TargetKind::Values(*values),
            (_, shape) => return Err(Error::data(format!("its targets have shape {shape:?}"))),
        };
        let set = Resident::blank(about.batch, &about.input, elements, kind, about.batch);
        let set = set.one_batch_of(about.samples, kind);
        let weights = &mut Weights::new(0);
        let builder = Builder { model: &model, weights, interface, params: "params" };
        Ok(builder.training(&set, &s, about.class_weights.as_deref())?.graph)
    }

    /// Writes it to a file.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write(path, &self.encode()?)
    }
}
