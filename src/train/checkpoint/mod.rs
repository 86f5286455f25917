//! A checkpoint: a folder with two files of safetensors.
//!
//! - `model.safetensors`: weights and running statistics alone, named, shaped and
//!   laid out as PyTorch's modules have them, so that
//!   `load_state_dict(load_file(..))` takes it as it is. Its metadata describe the
//!   model and its interface: this file is all that `eval` and `predict` need.
//! - `training.safetensors`: the moments, the clock, counters, averages and the
//!   scale of the loss: what training needs besides to go on.
//!
//! Both name the moment that they are of, so that two of different moments are
//! never taken for one checkpoint ([`pair`]). Equal states give equal bytes. Earlier
//! versions kept both in one file, which still loads.

mod format;
mod init;
mod name_map;
mod pair;

pub use format::{Files, encode, encode_model, load_model};
pub(in crate::train) use format::{encode_parts, load_tensors, serialize};
pub use init::{Initial, Matches, Misfit, initial};
pub use name_map::NameMap;
pub use pair::{LAST, MODEL, TRAINING, find, find_latest, load, remove_unfinished};

use super::{Plateau, Watched};
use crate::data::Interface;
use crate::nn::Weights;
use crate::tensor::{Data, HostTensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a file of weights says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The model's description, in TOML.
    pub model: String,
    /// The shape of one sample.
    pub input: Vec<usize>,
    /// How samples become inputs and outputs answers.
    pub interface: Interface,
    /// The settings that decide the state, in TOML.
    #[serde(default)]
    pub config: String,
    /// Where the training stands; none in a file of weights alone. A checkpoint of
    /// two files has it in `training.safetensors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progressed>,
    /// The moment of training that the file is of: its `training.safetensors` names
    /// the same. None in a file of weights alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<String>,
}

/// Where a training stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progressed {
    /// Samples trained on.
    pub samples: usize,
    /// Batches done: what the clock on the device shows.
    pub step: usize,
    /// Whole epochs done.
    pub epoch: usize,
    /// Batches done of the epoch under way.
    pub batch: usize,
    /// What early stopping remembers.
    pub watched: Watched,
    /// What the schedule remembers, where it looks at scores.
    pub plateau: Option<Plateau>,
    /// What a callback multiplies the learning rates by, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr_factor: Option<f32>,
    /// Why the run ended before its last epoch, if it did.
    pub stopped: Option<String>,
    /// The fingerprint of what is trained on and held out; none in files of
    /// earlier versions.
    #[serde(default)]
    pub data: Option<String>,
}

/// A checkpoint in memory.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Parameters and state of the layers.
    pub weights: Weights,
    /// What the file says about itself.
    pub about: About,
    /// Buffers of the training step by name: moments, clock, sums.
    pub state: BTreeMap<String, HostTensor>,
}

/// Whether a tensor of floats holds finite numbers only.
pub(super) fn is_finite(value: &HostTensor) -> bool {
    matches!(&value.data, Data::F32(v) if v.iter().all(|x| x.is_finite()))
}
