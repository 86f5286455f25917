//! The layers, named as in Keras. A new layer costs a struct with
//! `impl Layer`, and its name in [`read`] and [`kinds`].

mod activations;
mod attention;
mod batch_norm;
mod border;
mod conv;
mod custom;
mod dense;
mod depthwise;
mod dropout;
mod embedding;
mod group_norm;
mod inputs;
mod merge;
mod norm;
mod pool;
mod recurrent;
mod resize;
mod sequence;
mod shape;
mod slopes;
mod transformer;
mod transposed;
mod windows;

pub use activations::ActivationLayer;
pub use attention::MultiHeadAttention;
pub use batch_norm::BatchNormalization;
pub use border::{Cropping1D, Cropping2D, ZeroPadding1D, ZeroPadding2D};
pub use conv::{Conv2D, Padding};
pub use custom::register;
pub use dense::{Dense, Units};
pub use depthwise::{DepthwiseConv2D, SeparableConv2D};
pub use dropout::{Dropout, SpatialDropout2D};
pub use embedding::{Embedding, PositionalEmbedding, Positions, TiedDense};
pub use group_norm::{GroupNormalization, InstanceNormalization};
pub use merge::{Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract};
pub use norm::{LayerNormalization, Norm, RMSNormalization};
pub use pool::{AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D};
pub use recurrent::Recurrence;
pub use resize::{Interpolation, Resizing, UpSampling1D, UpSampling2D};
pub use sequence::{Conv1D, GlobalPooling1D, Permute, Pick, Pooling1D};
pub use shape::{Flatten, Patches, Reshape};
pub use slopes::{ELU, LeakyReLU, PReLU, Softmax};
pub use transformer::{FeedForward, TransformerBlock};
pub(crate) use transposed::transposed_places;
pub use transposed::{Conv1DTranspose, Conv2DTranspose};

use super::{Build, Keys};
use crate::error::{Result, unknown};
use crate::graph::TensorId;
use crate::nn::Activation;
use crate::tensor::Shape;
use std::fmt::Debug;
use std::sync::Arc;
use toml::Table;

/// A layer: hyper-parameters, and how they become graph nodes.
pub trait Layer: Debug + Send + Sync + 'static {
    /// Its Keras name: `Conv2D`.
    fn kind(&self) -> &'static str;

    /// The stem of its default names, PyTorch-style: `conv` for `conv1`.
    fn short(&self) -> &'static str;

    /// Adds its nodes; parameters and state come from `cx`.
    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId>;

    /// Fails unless position `t` of its output depends on positions up to `t` of
    /// its inputs alone, positions being axis 1 of both: what a model that
    /// foretells tokens asks of every layer. `inputs` are shapes, batch first. The
    /// error says what looks ahead, and what to do.
    fn causal(&self, inputs: &[&Shape]) -> Result<()>;

    /// The activation that its output has gone through, and the same layer
    /// without it; `None` for a layer that has no such choice.
    fn last_activation(&self) -> Option<(Activation, Arc<dyn Layer>)> {
        None
    }

    /// What it leaves to the training set decided for so many samples, whose targets are
    /// values or classes: the share it drops, and the same layer that states it. `None` for a
    /// layer that leaves nothing to it.
    fn settled(&self, _samples: usize, _values: bool) -> Option<(f64, Arc<dyn Layer>)> {
        None
    }

    /// Whether its input is tokens (u32), not numbers.
    fn takes_tokens(&self) -> bool {
        false
    }

    /// Its keys in TOML, all of them, so that a saved model states everything.
    fn to_table(&self) -> Table;
}

type Reader = fn(&mut Keys) -> Result<Arc<dyn Layer>>;

/// Every layer that TOML can name.
const LAYERS: &[(&str, Reader)] = &[
    ("Conv2D", |k| Ok(Arc::new(Conv2D::read(k)?))),
    ("DepthwiseConv2D", |k| Ok(Arc::new(DepthwiseConv2D::read(k)?))),
    ("SeparableConv2D", |k| Ok(Arc::new(SeparableConv2D::read(k)?))),
    ("Conv2DTranspose", |k| Ok(Arc::new(Conv2DTranspose::read(k)?))),
    ("MaxPooling2D", |k| Ok(Arc::new(MaxPooling2D::read(k)?))),
    ("AveragePooling2D", |k| Ok(Arc::new(AveragePooling2D::read(k)?))),
    ("GlobalAveragePooling2D", |_| Ok(Arc::new(GlobalAveragePooling2D))),
    ("GlobalMaxPooling2D", |_| Ok(Arc::new(GlobalMaxPooling2D))),
    ("UpSampling2D", |k| Ok(Arc::new(UpSampling2D::read(k)?))),
    ("Resizing", |k| Ok(Arc::new(Resizing::read(k)?))),
    ("ZeroPadding2D", |k| Ok(Arc::new(ZeroPadding2D::read(k)?))),
    ("Cropping2D", |k| Ok(Arc::new(Cropping2D::read(k)?))),
    ("Flatten", |_| Ok(Arc::new(Flatten))),
    ("Patches", |_| Ok(Arc::new(Patches))),
    ("Reshape", |k| Ok(Arc::new(Reshape::read(k)?))),
    ("Dense", |k| Ok(Arc::new(Dense::read(k)?))),
    ("Activation", |k| Ok(Arc::new(ActivationLayer::read(k)?))),
    ("LeakyReLU", |k| Ok(Arc::new(LeakyReLU::read(k)?))),
    ("ELU", |k| Ok(Arc::new(ELU::read(k)?))),
    ("PReLU", |k| Ok(Arc::new(PReLU::read(k)?))),
    ("Softmax", |k| Ok(Arc::new(Softmax::read(k)?))),
    ("Dropout", |k| Ok(Arc::new(Dropout::read(k)?))),
    ("SpatialDropout2D", |k| Ok(Arc::new(SpatialDropout2D::read(k)?))),
    ("MultiHeadAttention", |k| Ok(Arc::new(MultiHeadAttention::read(k)?))),
    ("BatchNormalization", |k| Ok(Arc::new(BatchNormalization::read(k)?))),
    ("GroupNormalization", |k| Ok(Arc::new(GroupNormalization::read(k)?))),
    ("InstanceNormalization", |k| Ok(Arc::new(InstanceNormalization::read(k)?))),
    ("LayerNormalization", |k| Ok(Arc::new(LayerNormalization::read(k)?))),
    ("RMSNormalization", |k| Ok(Arc::new(RMSNormalization::read(k)?))),
    ("Embedding", |k| Ok(Arc::new(Embedding::read(k)?))),
    ("PositionalEmbedding", |k| Ok(Arc::new(PositionalEmbedding::read(k)?))),
    ("TiedDense", |k| Ok(Arc::new(TiedDense::read(k)?))),
    ("TransformerBlock", |k| Ok(Arc::new(TransformerBlock::read(k)?))),
    ("SimpleRNN", |k| Ok(Arc::new(Recurrence::read_rnn(k)?))),
    ("LSTM", |k| Ok(Arc::new(Recurrence::read_lstm(k)?))),
    ("GRU", |k| Ok(Arc::new(Recurrence::read_gru(k)?))),
    ("Conv1D", |k| Ok(Arc::new(Conv1D::read(k)?))),
    ("Conv1DTranspose", |k| Ok(Arc::new(Conv1DTranspose::read(k)?))),
    ("MaxPooling1D", |k| Ok(Arc::new(Pooling1D::read(k, Pick::Max)?))),
    ("AveragePooling1D", |k| Ok(Arc::new(Pooling1D::read(k, Pick::Mean)?))),
    ("GlobalMaxPooling1D", |_| Ok(Arc::new(GlobalPooling1D { pick: Pick::Max }))),
    ("GlobalAveragePooling1D", |_| Ok(Arc::new(GlobalPooling1D { pick: Pick::Mean }))),
    ("UpSampling1D", |k| Ok(Arc::new(UpSampling1D::read(k)?))),
    ("ZeroPadding1D", |k| Ok(Arc::new(ZeroPadding1D::read(k)?))),
    ("Cropping1D", |k| Ok(Arc::new(Cropping1D::read(k)?))),
    ("Permute", |k| Ok(Arc::new(Permute::read(k)?))),
    ("Add", |_| Ok(Arc::new(Add))),
    ("Multiply", |_| Ok(Arc::new(Multiply))),
    ("Subtract", |_| Ok(Arc::new(Subtract))),
    ("Maximum", |_| Ok(Arc::new(Maximum))),
    ("Minimum", |_| Ok(Arc::new(Minimum))),
    ("Average", |_| Ok(Arc::new(Average))),
    ("Concatenate", |k| Ok(Arc::new(Concatenate::read(k)?))),
];

/// The names that TOML may use: those of the layers that come with the program.
pub fn kinds() -> Vec<&'static str> {
    LAYERS.iter().map(|(name, _)| *name).collect()
}

/// Reads a layer of type `kind` from its keys.
pub fn read(kind: &str, keys: &mut Keys) -> Result<Arc<dyn Layer>> {
    let built_in = LAYERS.iter().find(|(name, _)| *name == kind).map(|(_, reader)| *reader);
    let Some(reader) = built_in.or_else(|| custom::reader(kind)) else {
        let known = kinds().into_iter().chain(custom::kinds());
        return Err(unknown("layer type", kind, known).context(keys.place()));
    };
    reader(keys)
}

/// A pair of sizes as TOML writes it.
pub(crate) fn pair_value(p: [usize; 2]) -> toml::Value {
    match p {
        [a, b] if a == b => (a as i64).into(),
        [a, b] => toml::Value::Array(vec![(a as i64).into(), (b as i64).into()]),
    }
}
