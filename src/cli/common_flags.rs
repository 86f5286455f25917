//! The flags that many subcommands have: the device, and a trained run.

use crate::error::Result;
use crate::nn::Model;
use crate::run::folder;
use crate::run::request::DeviceRequest;
use crate::train::checkpoint::Loaded;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where to run.
#[derive(Debug, Args)]
pub struct DeviceFlag {
    /// auto, cpu, an adapter's number, or part of its name (see `wgrad devices`).
    #[arg(long, env = "WGRAD_DEVICE", default_value = "auto", value_name = "DEVICE")]
    pub device: String,
    /// f16: a GPU with tensor cores may round the factors of large products and convolutions to f16
    /// (sums stay f32). Faster and less exact; falls back to f32 where the device cannot. Default:
    /// f16 when training with --precision f16, else f32.
    #[arg(long, value_name = "f32|f16")]
    pub matmul: Option<Factors>,
}

impl DeviceFlag {
    /// The device that is asked for. A flag without a name in it is as good as none,
    /// and so is the variable.
    pub fn wanted(&self) -> String {
        let given = |name: &str| Some(name.trim()).filter(|n| !n.is_empty()).map(String::from);
        let variable = || std::env::var("WGRAD_DEVICE").ok().and_then(|name| given(&name));
        given(&self.device).or_else(variable).unwrap_or_else(|| "auto".into())
    }

    /// The same, and how it may multiply.
    pub fn request(&self) -> DeviceRequest {
        DeviceRequest { name: self.wanted(), half: self.matmul.map(|m| m == Factors::F16) }
    }
}

/// How products are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Factors {
    /// In single precision.
    F32,
    /// Factors rounded to half precision, where the device has hardware for it.
    F16,
}

/// A trained run.
#[derive(Debug, Args)]
pub struct RunFlags {
    /// The folder of a run or of one of its checkpoints, or the model.safetensors in it.
    pub run: PathBuf,
    /// Which of the folder's weights to use.
    #[arg(long, value_name = "last|best", default_value = "last")]
    pub checkpoint: Checkpoint,
}

impl RunFlags {
    /// Loads it.
    pub fn load(&self) -> Result<(Model, Loaded)> {
        folder::load(&self.run, self.which())
    }

    /// Which of its weights.
    pub fn which(&self) -> folder::Checkpoint {
        match self.checkpoint {
            Checkpoint::Last => folder::Checkpoint::Last,
            Checkpoint::Best => folder::Checkpoint::Best,
        }
    }
}

/// Which weights of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Checkpoint {
    /// Those after the last epoch: what `train` reports on.
    Last,
    /// Those of the best epoch: with the lowest validation loss, or by early_stopping.monitor.
    Best,
}
