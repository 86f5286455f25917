//! Weights on disk: safetensors with PyTorch's names and layouts, plus one
//! metadata entry that says how to use them. Files are written atomically: a
//! reader sees the old one or the new one, never half of one.

use crate::error::{Error, Result};
use crate::nn::Weights;
use crate::tensor::HostTensor;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// What a file of weights says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The model's description, in TOML.
    pub model: String,
    /// The shape of one sample.
    pub input: Vec<usize>,
    /// Class names.
    pub classes: Vec<String>,
    /// Mean and deviation per channel, of pixels scaled to 0..1.
    pub normal: Vec<(f32, f32)>,
}

/// The metadata key. One key, because the library keeps metadata in a hash map
/// and equal states must give equal files.
const KEY: &str = "wgrad";

/// The bytes of a file of weights.
pub fn encode(weights: &Weights, about: &About) -> Result<Vec<u8>> {
    let views: Vec<(String, TensorView)> = weights
        .iter()
        .map(|(name, value)| {
            let view = TensorView::new(Dtype::F32, value.shape.to_vec(), value.bytes());
            (name.to_string(), view.expect("a host tensor has as many bytes as its shape says"))
        })
        .collect();
    let about = serde_json::to_string(about).expect("plain data prints");
    let metadata = HashMap::from([(KEY.to_string(), about)]);
    safetensors::serialize(views, Some(metadata))
        .map_err(|e| Error::data(format!("these weights do not make a checkpoint: {e}")))
}

/// Loads weights and what they say about themselves.
pub fn load(path: &Path) -> Result<(Weights, About)> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(format!("reading {}", path.display()), e))?;
    let wrong = |e: &dyn std::fmt::Display| Error::data(format!("{} is not a usable checkpoint: {e}", path.display()));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| wrong(&e))?;
    let about = header
        .metadata()
        .as_ref()
        .and_then(|m| m.get(KEY))
        .ok_or_else(|| wrong(&format!("it has no \"{KEY}\" metadata; it was not written by wgrad train")))?;
    let about: About = serde_json::from_str(about).map_err(|e| wrong(&e))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| wrong(&e))?;
    let mut weights = Weights::new(0);
    for (name, view) in tensors.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(wrong(&format!("tensor \"{name}\" is {:?}; expected F32", view.dtype())));
        }
        weights.set(name, HostTensor::f32(view.shape().to_vec(), bytemuck::pod_collect_to_vec(view.data())));
    }
    Ok((weights, about))
}

/// Writes a file so that it appears whole or not at all: a temporary file
/// beside it, fsync, rename.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        // The half-written file is of no use to anybody; that it may already
        // be gone is fine.
        let _ = std::fs::remove_file(&temporary);
        Error::io(format!("writing {}", path.display()), e)
    })
}
