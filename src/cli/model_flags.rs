//! The model that a command is about.

use crate::nn::preset_names;
use clap::Args;

/// What a flag that names a model says, with all presets there are.
pub fn model_help() -> String {
    format!("A preset ({}) or a model description in TOML", preset_names())
}

/// A model and the data it is meant for.
#[derive(Debug, Args)]
pub struct ModelFlags {
    #[arg(help = model_help())]
    pub model: String,
    /// The shape of one sample, channels first.
    #[arg(long, value_name = "C,H,W", value_delimiter = ',')]
    pub input: Option<Vec<usize>>,
    /// The number of classes.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub classes: usize,
    /// The number of different tokens, for a model that reads them.
    #[arg(long, value_name = "N", default_value_t = 65)]
    pub vocabulary: usize,
}
