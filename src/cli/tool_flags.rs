//! The flags of the tools around training: `search`, `lr-find`, `tune` and `export`.

use super::common_flags::{DeviceFlag, RunFlags};
use super::model_flags::{ModelFlags, model_help};
use super::typed::{name, path, source};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What a run would be made with, over what its configuration says.
#[derive(Debug, Args)]
pub struct SettingFlags {
    #[arg(long, value_name = "NAME|FILE", help = model_help())]
    pub model: Option<String>,
    /// The data, as for `train --data`.
    #[arg(long, value_name = "digits|PATH", allow_hyphen_values = true, value_parser = source())]
    pub data: Option<String>,
    /// The column of a table that is to be predicted: a name, a number from 1, or "last".
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true, value_parser = name())]
    pub target: Option<String>,
    /// The columns that say which rows belong together: of a series each group is one of its own,
    /// of other rows a group stays on one side of a split. Of an .npz archive the name of an array;
    /// "none" for no groups.
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',', allow_hyphen_values = true, value_parser = name())]
    pub group: Option<Vec<String>>,
    /// classification, regression, or auto to find out from the target.
    #[arg(long, value_name = "TASK")]
    pub task: Option<String>,
    /// Of two classes that which precision, recall and F1 are of (default: the one that reads like
    /// "yes", else the rarer one).
    #[arg(long, value_name = "CLASS", allow_hyphen_values = true)]
    pub positive: Option<String>,
    /// Samples per step.
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Seeds everything random but the draws of a search.
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    /// Any other setting, such as optimizer.weight_decay=0.01 (repeatable).
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Search {
    /// A run configuration in TOML with a table [search].
    pub config: PathBuf,
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Passes over the training data, of each trial.
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// The search's folder (default: runs/CONFIG-search). An existing search is continued.
    #[arg(long, value_name = "DIR", allow_hyphen_values = true, value_parser = path())]
    pub out: Option<PathBuf>,
    /// Stop after N trials; the same command goes on with the others.
    #[arg(long, value_name = "N")]
    pub max_trials: Option<usize>,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct LrFind {
    /// A run configuration in TOML; flags override what it says.
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub settings: SettingFlags,
    /// The first rate.
    #[arg(long, value_name = "X", default_value_t = 1e-7)]
    pub min_lr: f64,
    /// The last rate.
    #[arg(long, value_name = "X", default_value_t = 10.0)]
    pub max_lr: f64,
    /// Updates from the first rate to the last.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub steps: usize,
    /// Where the plot goes: a name that ends with .svg or .png.
    #[arg(long, value_name = "FILE", default_value = "lr-find.svg", allow_hyphen_values = true, value_parser = path())]
    pub out: PathBuf,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Tune {
    /// The model, or the folder of a run.
    #[command(flatten)]
    pub model: ModelFlags,
    /// Samples per step (default: as the run, else as `train`).
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Ignore cached results.
    #[arg(long)]
    pub again: bool,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub run: RunFlags,
    /// onnx, safetensors (weights alone), pytorch or keras (a module in Python beside its weights),
    /// or web (one page that answers in the browser, offline).
    #[arg(long, value_name = "NAME", default_value = "onnx")]
    pub format: String,
    /// Of onnx: the version of the ops, 18 to 23. 18 is read by most programs; from 23 on
    /// attention, RMS norm and rotary embedding are ops of their own.
    #[arg(long, value_name = "N")]
    pub opset: Option<i64>,
    /// Of onnx: put into the graph what stands around the model, so that it takes pictures, or the
    /// columns of a table, and gives probabilities, classes or values.
    #[arg(long)]
    pub with_preprocessing: bool,
    /// Of web: visitors can give examples of the classes and train the model further in the page.
    #[arg(long)]
    pub train: bool,
    /// Of web: the bits of a weight. f16 halves the page and rounds each weight to 3 digits.
    #[arg(long, value_name = "f32|f16")]
    pub precision: Option<WebPrecision>,
    /// The file to write (default: the run's name with the format's ending, in the run's folder).
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_parser = path())]
    pub out: Option<PathBuf>,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

/// Which devices are examined, and how thoroughly.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The device: an adapter's number, part of its name, or "all" (default: all adapters).
    #[arg(long, env = "WGRAD_DEVICE", default_value = "all", value_name = "DEVICE")]
    pub device: String,
    /// A part of the cases in half a minute, instead of all of them.
    #[arg(long)]
    pub quick: bool,
    /// Only the cases of these ops, such as matmul, or one case, such as matmul/nn_odd (repeatable);
    /// no trainings then.
    #[arg(long, value_name = "NAME")]
    pub op: Vec<String>,
    /// Write what a bug report needs to a file, as JSON.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_parser = path())]
    pub report: Option<PathBuf>,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

/// A step to run again.
#[derive(Debug, Args)]
pub struct Replay {
    /// The file that training wrote: replay-step-NNNNNNNN.safetensors in the run's folder.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

/// Two runs to compare.
#[derive(Debug, Args)]
pub struct Diff {
    /// The folder of a run.
    #[arg(value_name = "RUN", allow_hyphen_values = true, value_parser = path())]
    pub a: PathBuf,
    /// The folder of another.
    #[arg(value_name = "RUN", allow_hyphen_values = true, value_parser = path())]
    pub b: PathBuf,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

/// The bits of a weight in a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WebPrecision {
    /// 32.
    F32,
    /// 16.
    F16,
}
