//! What is in the two files of a checkpoint, as bytes.

use super::{About, Loaded, Progressed, is_finite};
use crate::error::{Error, Result};
use crate::files;
use crate::nn::{Description, Weights, present_name};
use crate::tensor::{Data, HostTensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

/// The metadata key of a model. One key, because the library keeps metadata in a
/// hash map and equal states must give equal files.
pub(super) const KEY: &str = "wgrad";
/// The metadata key of the state of a training.
const TRAINING_KEY: &str = "wgrad-training";

/// What stood before the names of buffers that only training needs, when both lay
/// in one file.
pub(super) const STATE: &str = "train.";

/// The most bytes of a header that the library reads.
const HEADER: u64 = 100_000_000;

/// What the state of a training says about itself.
#[derive(Serialize, Deserialize)]
pub(super) struct AboutTraining {
    /// The moment that it is of.
    pub moment: String,
    /// Where the training stands.
    pub progress: Progressed,
}

/// The bytes of the two files of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    /// Of `model.safetensors`.
    pub model: Vec<u8>,
    /// Of `training.safetensors`.
    pub training: Vec<u8>,
}

/// The files of a checkpoint.
pub fn encode(weights: &Weights, state: &BTreeMap<String, HostTensor>, about: &About) -> Result<Files> {
    encode_parts(weights, state.iter().map(|(n, v)| (n.as_str(), v)), about)
}

/// [`encode`] of buffers that lie among others.
pub(in crate::train) fn encode_parts<'a>(
    weights: &'a Weights,
    state: impl Iterator<Item = (&'a str, &'a HostTensor)> + Clone,
    about: &About,
) -> Result<Files> {
    let progress = about.progress.clone().unwrap_or_default();
    let mut moment = Digest::new();
    moment.bytes(serde_json::to_string(&(about, &progress)).expect("plain data prints").as_bytes());
    for (name, value) in weights.iter().map(|(n, v)| (n, &**v)).chain(state.clone()) {
        moment.bytes(name.as_bytes());
        moment.bytes(value.bytes());
    }
    let moment = format!("{:016x}", moment.0);
    let model = encode_model(weights, &About { moment: Some(moment.clone()), ..about.clone() })?;
    let about = serde_json::to_string(&AboutTraining { moment, progress }).expect("plain data prints");
    Ok(Files { model, training: serialize(state, TRAINING_KEY, about)? })
}

/// The bytes of a file of weights alone.
pub fn encode_model(weights: &Weights, about: &About) -> Result<Vec<u8>> {
    let about = About { progress: None, ..about.clone() };
    let about = serde_json::to_string(&about).expect("plain data prints");
    serialize(weights.iter().map(|(name, value)| (name, &**value)), KEY, about)
}

/// The bytes of a file of tensors that says something about itself under a key.
pub(in crate::train) fn serialize<'a>(
    tensors: impl Iterator<Item = (&'a str, &'a HostTensor)>,
    key: &str,
    about: String,
) -> Result<Vec<u8>> {
    let view = |(name, value): (&'a str, &'a HostTensor)| {
        let dtype = if matches!(value.data, Data::F32(_)) { Dtype::F32 } else { Dtype::U32 };
        let view = TensorView::new(dtype, value.shape.to_vec(), value.bytes());
        (name, view.expect("a host tensor has as many bytes as its shape says"))
    };
    safetensors::serialize(tensors.map(view), Some(HashMap::from([(key.to_string(), about)])))
        .map_err(|e| Error::data(format!("these weights do not make a checkpoint: {e}")))
}

/// A number that differs for different content: FNV-1a over words of 64 bits,
/// turned so that their high bits count too.
struct Digest(u64);

impl Digest {
    fn new() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|w| self.word(u64::from_le_bytes(*w)));
        rest.iter().for_each(|b| self.word(u64::from(*b)));
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

/// Loads weights and what they say about themselves, from `model.safetensors`; from
/// a checkpoint of an earlier version, which is one file, also the state of training.
pub fn load_model(path: &Path) -> Result<Loaded> {
    let bytes = read(path)?;
    let wrong = |e: &dyn std::fmt::Display| wrong(path, e);
    let header = metadata_of_weights(path, &bytes)?;
    let about = header.get(KEY).ok_or_else(|| {
        wrong(&format!(
            "it has no \"{KEY}\" metadata; it was not written by wgrad train, and its weights can only be started from, \
             with --init"
        ))
    })?;
    let about: About = serde_json::from_str(about).map_err(|e| wrong(&e))?;
    about.interface.check(&about.input).map_err(|e| wrong(&e))?;
    let description = Description::parse(&about.model)?;
    let (mut weights, mut state) = (Weights::new(0), BTreeMap::new());
    for (name, view) in tensors(path, &bytes)? {
        let buffer = about.progress.as_ref().and_then(|_| name.strip_prefix(STATE));
        match (buffer, view.dtype()) {
            (Some(buffer), _) => drop(state.insert(buffer.to_string(), host(path, &name, &view)?)),
            (None, Dtype::F32) => {
                let value = host(path, &name, &view)?;
                if !is_finite(&value) {
                    return Err(wrong(&format!("weight \"{name}\" holds values that are no finite numbers")));
                }
                weights.set(present_name(&description, &name).unwrap_or(name), value);
            }
            (None, other) => return Err(wrong(&format!("weight \"{name}\" is {other:?}; expected F32"))),
        }
    }
    Ok(Loaded { weights, about, state })
}

/// The state of a training and what it says about itself.
pub(super) fn load_training(path: &Path) -> Result<(AboutTraining, BTreeMap<String, HostTensor>)> {
    let bytes = read(path)?;
    let header = metadata(path, &bytes)?;
    let about = header.get(TRAINING_KEY).ok_or_else(|| {
        wrong(path, &format!("it has no \"{TRAINING_KEY}\" metadata; it was not written by wgrad train"))
    })?;
    let about: AboutTraining = serde_json::from_str(about).map_err(|e| wrong(path, &e))?;
    let mut state = BTreeMap::new();
    for (name, view) in tensors(path, &bytes)? {
        let value = host(path, &name, &view)?;
        state.insert(name, value);
    }
    Ok((about, state))
}

/// The metadata and the tensors of any such file.
pub(in crate::train) fn load_tensors(path: &Path) -> Result<(HashMap<String, String>, BTreeMap<String, HostTensor>)> {
    let bytes = read(path)?;
    let all = tensors(path, &bytes)?.into_iter();
    let all = all.map(|(name, view)| Ok((name.clone(), host(path, &name, &view)?))).collect::<Result<_>>()?;
    Ok((metadata(path, &bytes)?, all))
}

/// The metadata of a file of weights.
///
/// Fails when it is none of safetensors, is damaged, or holds the state of a training.
pub(super) fn metadata_of_weights(path: &Path, bytes: &[u8]) -> Result<HashMap<String, String>> {
    let header = metadata(path, bytes)?;
    if header.contains_key(TRAINING_KEY) {
        return Err(wrong(
            path,
            &"it holds the state of a training and no weights; expected the model.safetensors beside it",
        ));
    }
    Ok(header)
}

/// The moment of training that a file is of, by its header alone.
pub(super) fn moment(path: &Path) -> Option<String> {
    let mut file = files::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = Some(u64::from_le_bytes(length)).filter(|&n| n <= HEADER)?;
    let mut header = vec![];
    file.take(length).read_to_end(&mut header).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    let about = [KEY, TRAINING_KEY].iter().find_map(|key| header.get("__metadata__")?.get(key)?.as_str())?;
    let about: serde_json::Value = serde_json::from_str(about).ok()?;
    about.get("moment")?.as_str().map(String::from)
}

fn metadata(path: &Path, bytes: &[u8]) -> Result<HashMap<String, String>> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| wrong(path, &e))?;
    Ok(header.metadata().clone().unwrap_or_default())
}

/// A tensor as checkpoints hold it.
fn host(path: &Path, name: &str, view: &TensorView) -> Result<HostTensor> {
    let shape = view.shape().to_vec();
    match view.dtype() {
        Dtype::F32 => Ok(HostTensor::f32(shape, bytemuck::pod_collect_to_vec(view.data()))),
        Dtype::U32 => Ok(HostTensor::u32(shape, bytemuck::pod_collect_to_vec(view.data()))),
        other => Err(wrong(path, &format!("tensor \"{name}\" is {other:?}; expected F32 or U32"))),
    }
}

/// The bytes of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
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
pub(super) fn tensors<'a>(path: &Path, bytes: &'a [u8]) -> Result<Vec<(String, TensorView<'a>)>> {
    let mut all = SafeTensors::deserialize(bytes).map_err(|e| wrong(path, &e))?.tensors();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

pub(super) fn wrong(path: &Path, e: &dyn std::fmt::Display) -> Error {
    Error::data(format!("{} is not a usable checkpoint, or was damaged: {e}", path.display()))
}
