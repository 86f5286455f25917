//! Weights on disk: safetensors with PyTorch's names and layouts, what is
//! needed to use them, and what is needed to go on with the training. Files are
//! written atomically: a reader sees the old one or the new one, never half of
//! one. Equal states give equal bytes.

use super::{Plateau, Watched};
use crate::data::Interface;
use crate::error::{Error, Result};
use crate::files;
use crate::nn::Weights;
use crate::tensor::{Data, HostTensor};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

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
    /// Where the training stands; none in a file of weights alone.
    #[serde(default)]
    pub progress: Option<Progressed>,
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

/// A file of weights.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Parameters and state of the layers.
    pub weights: Weights,
    /// What the file says about itself.
    pub about: About,
    /// Buffers of the training step by name: moments, clock, sums.
    pub state: BTreeMap<String, HostTensor>,
}

/// The metadata key. One key, because the library keeps metadata in a hash map
/// and equal states must give equal files.
const KEY: &str = "wgrad";

/// What stands before the names of buffers that only training needs.
const STATE: &str = "train.";

/// The bytes of a file of weights.
pub fn encode(weights: &Weights, state: &BTreeMap<String, HostTensor>, about: &About) -> Result<Vec<u8>> {
    let weights = weights.iter().map(|(name, value)| (name.to_string(), &**value));
    let state = state.iter().map(|(name, value)| (format!("{STATE}{name}"), value));
    let views: Vec<(String, TensorView)> = weights
        .chain(state)
        .map(|(name, value)| {
            let dtype = if matches!(value.data, Data::F32(_)) { Dtype::F32 } else { Dtype::U32 };
            let view = TensorView::new(dtype, value.shape.to_vec(), value.bytes());
            (name, view.expect("a host tensor has as many bytes as its shape says"))
        })
        .collect();
    let about = serde_json::to_string(about).expect("plain data prints");
    let metadata = HashMap::from([(KEY.to_string(), about)]);
    safetensors::serialize(views, Some(metadata))
        .map_err(|e| Error::data(format!("these weights do not make a checkpoint: {e}")))
}

/// Loads weights, what they say about themselves, and the state of training.
pub fn load(path: &Path) -> Result<Loaded> {
    let bytes = read(path)?;
    let wrong = |e: &dyn std::fmt::Display| wrong(path, e);
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| wrong(&e))?;
    let about = header.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(|| {
        wrong(&format!(
            "it has no \"{KEY}\" metadata; it was not written by wgrad train, and its weights can only be started from, \
             with --init"
        ))
    })?;
    let about: About = serde_json::from_str(about).map_err(|e| wrong(&e))?;
    about.interface.check(&about.input).map_err(|e| wrong(&e))?;
    let (mut weights, mut state) = (Weights::new(0), BTreeMap::new());
    for (name, view) in tensors(path, &bytes)? {
        let shape = view.shape().to_vec();
        let value = match view.dtype() {
            Dtype::F32 => HostTensor::f32(shape, bytemuck::pod_collect_to_vec(view.data())),
            Dtype::U32 => HostTensor::u32(shape, bytemuck::pod_collect_to_vec(view.data())),
            other => return Err(wrong(&format!("tensor \"{name}\" is {other:?}; expected F32 or U32"))),
        };
        match (name.strip_prefix(STATE), view.dtype()) {
            (Some(buffer), _) => drop(state.insert(buffer.to_string(), value)),
            (None, Dtype::F32) if !is_finite(&value) => {
                return Err(wrong(&format!("weight \"{name}\" holds values that are no finite numbers")));
            }
            (None, Dtype::F32) => weights.set(name, value),
            (None, other) => return Err(wrong(&format!("weight \"{name}\" is {other:?}; expected F32"))),
        }
    }
    Ok(Loaded { weights, about, state })
}

/// Loads the weights alone, of any file of safetensors: those of another run, or
/// what PyTorch saved, as floats of 16, 32 or 64 bits. Tensors of other types, such
/// as counters, are passed over, and so is the state of training.
///
/// Fails when the file is none of safetensors, is damaged, or has no weights, and
/// when a weight is no finite number.
pub fn load_weights(path: &Path) -> Result<Weights> {
    let bytes = read(path)?;
    let mut weights = Weights::new(0);
    for (name, view) in tensors(path, &bytes)? {
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            _ if name.starts_with(STATE) => continue,
            Dtype::F32 => bytemuck::pod_collect_to_vec(data),
            Dtype::F16 => bytemuck::pod_collect_to_vec::<u8, f16>(data).into_iter().map(f16::to_f32).collect(),
            Dtype::BF16 => bytemuck::pod_collect_to_vec::<u8, bf16>(data).into_iter().map(bf16::to_f32).collect(),
            Dtype::F64 => bytemuck::pod_collect_to_vec::<u8, f64>(data).into_iter().map(|v| v as f32).collect(),
            _ => continue,
        };
        let value = HostTensor::f32(view.shape().to_vec(), values);
        if !is_finite(&value) {
            let what = format!("weight \"{name}\" holds values that are no finite numbers of 32 bits");
            return Err(wrong(path, &what));
        }
        weights.set(name, value);
    }
    Ok(weights)
}

/// The bytes of a file.
fn read(path: &Path) -> Result<Vec<u8>> {
    // The bytes, and the tensors made of them.
    let most = files::memory::budget() / 2;
    if let Ok(meta) = std::fs::metadata(path).as_ref()
        && meta.is_file()
    {
        files::memory::judge(path, meta.len().saturating_mul(2))?;
    }
    files::bytes(path, most)?.ok_or_else(|| {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        Error::io(format!("reading {}", path.display()), missing)
    })
}

/// The tensors of a file, by name.
fn tensors<'a>(path: &Path, bytes: &'a [u8]) -> Result<Vec<(String, TensorView<'a>)>> {
    let mut all = SafeTensors::deserialize(bytes).map_err(|e| wrong(path, &e))?.tensors();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

fn wrong(path: &Path, e: &dyn std::fmt::Display) -> Error {
    Error::data(format!("{} is not a usable checkpoint, or was damaged: {e}", path.display()))
}

/// Whether a tensor of floats holds finite numbers only.
pub(super) fn is_finite(value: &HostTensor) -> bool {
    matches!(&value.data, Data::F32(v) if v.iter().all(|x| x.is_finite()))
}
