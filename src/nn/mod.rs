//! Layers and models: parameters and calls of graph methods, no kernels.
//!
//! A model is described by a list of layers, in Rust with [`Sequential`] or in
//! TOML (see [`Description`]); names follow Keras, weights and their names
//! PyTorch (`conv1.weight` as `[out, in, kh, kw]`, `dense1.weight` as
//! `[out, in]`), shapes are channels first.

mod activation;
mod build;
mod causal;
mod describe;
mod former;
pub mod init;
pub mod layers;
mod model;
mod presets;
mod summary;
mod weights;

pub use crate::keys::Keys;
pub use activation::Activation;
pub use build::{Build, KEPT, Mode};
pub use describe::{Description, LayerDescription, Reads, Sequential, preset};
pub use former::{former_name, present_name};
pub use init::Initializer;
pub use model::{Built, LayerInfo, Model};
pub use presets::{PRESETS, preset_names};
pub use summary::summary;
pub use toml::Table;
pub use weights::Weights;
