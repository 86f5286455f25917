//! What most programs need: `use wgrad::prelude::*;`

pub use crate::data::series::{Difference, SeriesOptions};
pub use crate::data::{Dataset, Elements, ReadSamples, Samples, Targets};
pub use crate::error::{Context, Error, Result};
pub use crate::eval::metrics::custom::{Answers, register_metric};
pub use crate::graph::{Graph, TensorId};
pub use crate::nn::layers::{
    ActivationLayer, AveragePooling2D, BatchNormalization, Conv1D, Conv2D, Dense, Dropout, Embedding, Flatten,
    GlobalAveragePooling2D, Layer, LayerNormalization, MaxPooling2D, MultiHeadAttention, RMSNormalization, Recurrence,
    Reshape, TransformerBlock,
};
pub use crate::nn::{Build, Description, Initializer, Keys, Sequential, Table};
pub use crate::run::answer::Answer;
pub use crate::run::forecast::Forecast;
pub use crate::run::observer::{Level, Observer};
pub use crate::run::predictor::Predictor;
pub use crate::run::train::Trained;
pub use crate::run::trainer::Trainer;
pub use crate::tensor::Shape;
pub use crate::train::{Control, EarlyStopping, Epoch, Optimizer, Schedule, Scores, Settings, register_loss};
