//! The flags as typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Trains neural networks on any GPU with hand-written WGSL shaders.
#[derive(Debug, Parser)]
#[command(name = "wgrad", version, about, max_term_width = 100)]
pub struct Flags {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model. With no arguments: a small CNN on the built-in digits.
    Train(Train),
    /// Score a trained run on test data.
    Eval(Eval),
    /// Classify pictures with a trained run.
    Predict(Predict),
    /// List the devices that training can run on.
    Devices(Devices),
    /// Print a model's layers, shapes and parameters.
    Summary(Summary),
    /// Show the plan of a training step: steps, buffers, dispatches.
    Plan(Plan),
    /// Write a run's report.html and plots, or a page that compares several runs.
    Report(Report),
    /// Draw a run's curves in the terminal while it trains.
    Watch(Watch),
}

impl Command {
    /// Whether the answer is to be a JSON object, errors included.
    pub fn json(&self) -> bool {
        match self {
            Command::Train(f) => f.json,
            Command::Eval(f) => f.json,
            Command::Predict(f) => f.json,
            Command::Devices(f) => f.json,
            Command::Report(f) => f.json,
            Command::Summary(_) | Command::Plan(_) | Command::Watch(_) => false,
        }
    }
}

/// Where to run.
#[derive(Debug, Args)]
pub struct DeviceFlag {
    /// auto, cpu, an adapter's number, or part of its name (see `wgrad devices`).
    #[arg(long, env = "WGRAD_DEVICE", default_value = "auto", value_name = "DEVICE")]
    pub device: String,
}

#[derive(Debug, Args)]
pub struct Train {
    /// A run configuration in TOML; flags override what it says.
    pub config: Option<PathBuf>,
    /// A preset (mlp, keras-cnn, lenet, resnet8) or a model description in TOML.
    #[arg(long, value_name = "NAME|FILE")]
    pub model: Option<String>,
    /// "digits" (built in), a folder of IDX files (MNIST), or CIFAR-10 binary batches.
    #[arg(long, value_name = "digits|PATH")]
    pub data: Option<String>,
    /// Passes over the training data.
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Samples per step.
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// sgd, adam, adamw or rmsprop. Without this, --lr and --schedule: Adam from 0.004 down along a cosine.
    #[arg(long, value_name = "NAME")]
    pub optimizer: Option<String>,
    /// Learning rate (default: PyTorch's for the optimizer).
    #[arg(long, value_name = "X")]
    pub lr: Option<f64>,
    /// How the learning rate changes: constant (default), linear or cosine.
    #[arg(long, value_name = "NAME")]
    pub schedule: Option<String>,
    /// Share of the training data held out for validation.
    #[arg(long, value_name = "F")]
    pub val_split: Option<f64>,
    /// Seeds everything random.
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// The run's folder (default: the next free one under runs/).
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Any other setting, such as optimizer.weight_decay=0.01 (repeatable).
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

/// Which weights of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Checkpoint {
    /// Those after the last epoch: what `train` reports on.
    Last,
    /// Those of the epoch with the lowest validation loss.
    Best,
}

/// A trained run.
#[derive(Debug, Args)]
pub struct RunFlags {
    /// The folder of a run, or a .safetensors file of one.
    pub run: PathBuf,
    /// Which of the folder's weights to use.
    #[arg(long, value_name = "last|best", default_value = "last")]
    pub checkpoint: Checkpoint,
}

#[derive(Debug, Args)]
pub struct Eval {
    #[command(flatten)]
    pub run: RunFlags,
    /// The data to score: its test set if it has one, else all of it.
    #[arg(long, value_name = "digits|PATH")]
    pub data: String,
    /// Samples per step.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub batch_size: usize,
    /// Seeds the built-in data.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u32,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Predict {
    #[command(flatten)]
    pub run: RunFlags,
    /// Pictures, PNG or JPEG.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How many classes to print per picture.
    #[arg(long, value_name = "K", default_value_t = 3)]
    pub top: usize,
    /// Invert the pictures' brightness: for dark ink on white paper where the
    /// model has learned from white on black.
    #[arg(long)]
    pub invert: bool,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Devices {
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

/// A model and the data it is meant for.
#[derive(Debug, Args)]
pub struct ModelFlags {
    /// A preset or a model description in TOML.
    pub model: String,
    /// The shape of one sample, channels first.
    #[arg(long, value_name = "C,H,W", value_delimiter = ',')]
    pub input: Option<Vec<usize>>,
    /// The number of classes.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub classes: usize,
}

#[derive(Debug, Args)]
pub struct Summary {
    #[command(flatten)]
    pub model: ModelFlags,
    /// Samples per step, for the memory estimate.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub batch_size: usize,
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub model: ModelFlags,
    /// Samples per step.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub batch_size: usize,
    /// sgd, adam, adamw or rmsprop.
    #[arg(long, value_name = "NAME", default_value = "adam")]
    pub optimizer: String,
    /// List every step with its tensors, buffers and workgroups.
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    pub device: DeviceFlag,
}

#[derive(Debug, Args)]
pub struct Report {
    /// The folder of a run, or of several to compare.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Where to write the comparison (default: compare.html).
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Watch {
    /// The folder of a run.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Draw once and end.
    #[arg(long)]
    pub once: bool,
}
